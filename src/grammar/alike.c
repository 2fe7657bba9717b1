/* alike.c - a search, breadth first, through the pairs of sets that the same text leads to. It ends at the first pair
 * of which one is dead. */
#include "src/grammar/alike.h"

enum { MOST_PAIRS = 1 << 12 };

void alike_init(struct alike *x, const infer_allocator *a)
{
    intern_init(&x->pairs, a);
}

void alike_free(struct alike *x)
{
    intern_free(&x->pairs);
}

/* What became of the pairs that a pair's bytes lead to. */
enum next { NEXT_ADDED, NEXT_DIFFERS, NEXT_NO_MEMORY };

static enum next add_next(struct alike *x, struct stacks *s, size_t at)
{
    const uint8_t *class_of = s->m->class_of;
    uint32_t last[2] = { SET_DEAD, SET_DEAD };
    size_t n;
    const uint32_t *pair = intern_get(&x->pairs, (uint32_t)at, &n), a = pair[0], b = pair[1];
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte && class_of[byte] == class_of[byte - 1]) /* a class is a run of bytes */
            continue;
        const uint32_t to[2] = { stacks_step(s, a, (uint8_t)byte), stacks_step(s, b, (uint8_t)byte) };
        if (to[0] == SET_FAILED || to[1] == SET_FAILED)
            return s->out_of_memory ? NEXT_NO_MEMORY : NEXT_DIFFERS;
        if ((to[0] == SET_DEAD) != (to[1] == SET_DEAD))
            return NEXT_DIFFERS;
        if (to[0] == to[1] || (to[0] == last[0] && to[1] == last[1]))
            continue;
        if (intern_add(&x->pairs, to, 2, NULL) == INTERN_NONE)
            return NEXT_NO_MEMORY;
        memcpy(last, to, sizeof last);
    }
    return x->pairs.n > MOST_PAIRS ? NEXT_DIFFERS : NEXT_ADDED;
}

bool alike_bytes(struct alike *x, struct stacks *s, uint32_t a, uint32_t b, size_t most, size_t *bytes)
{
    const uint32_t start[2] = { a, b };
    size_t at = 0;
    intern_clear(&x->pairs);
    *bytes = 0;
    if (a != b && intern_add(&x->pairs, start, 2, NULL) == INTERN_NONE)
        return false;
    for (; *bytes < most && at < x->pairs.n; ++*bytes) { /* pairs from `at` on are those after so many bytes */
        for (const size_t end = x->pairs.n; at < end; at++) {
            const enum next next = add_next(x, s, at);
            if (next != NEXT_ADDED)
                return next == NEXT_DIFFERS;
        }
    }
    *bytes = most;
    return true;
}
