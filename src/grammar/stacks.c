/* stacks.c - steps of sets of configurations. */
#include "src/grammar/stacks.h"

#include <stdlib.h>

_Static_assert(sizeof(struct config) == 2 * sizeof(uint32_t), "configurations are words of a set");

bool stacks_init(struct stacks *s, const struct automaton *m, const infer_allocator *a)
{
    static const uint32_t dead[1] = { false };
    *s = (struct stacks){ .m = m, .a = a };
    intern_init(&s->stack, a);
    intern_init(&s->set, a);
    s->found = mem_raw(a, MOST_CONFIGS, sizeof *s->found);
    s->slots = mem_new(a, 2 * MOST_CONFIGS, sizeof *s->slots);
    s->words = mem_raw(a, 2 * MOST_CONFIGS + 1, sizeof *s->words);
    if (s->found && s->slots && s->words && intern_add(&s->set, dead, 1, NULL) == SET_DEAD &&
        mem_grow(a, &s->step, &s->room_step, m->n_classes, sizeof *s->step)) {
        for (uint32_t c = 0; c < m->n_classes; c++)
            s->step[c] = SET_DEAD + 1;
        return true;
    }
    stacks_free(s);
    return false;
}

void stacks_free(struct stacks *s)
{
    if (!s->a)
        return;
    intern_free(&s->stack);
    intern_free(&s->set);
    mem_free(s->a, s->step);
    mem_free(s->a, s->found);
    mem_free(s->a, s->slots);
    mem_free(s->a, s->words);
    *s = (struct stacks){ .a = NULL };
}

/* ---- The set at hand ---- */

/* A slot holds the number of the set it was filled for and an index, so that slots of earlier sets count as free. */
enum { INDEX_BITS = 12, N_SLOTS = 2 * MOST_CONFIGS };
_Static_assert(1 << INDEX_BITS == MOST_CONFIGS, "an index fits its bits");

static void begin_set(struct stacks *s)
{
    if (++s->n_begun == 1u << (32 - INDEX_BITS)) {
        memset(s->slots, 0, N_SLOTS * sizeof *s->slots);
        s->n_begun = 1;
    }
    s->n_found = 0;
    s->ends = s->out_of_memory = false;
}

/* Have a configuration in the set; false if there is no room. */
static bool find(struct stacks *s, uint32_t state, uint32_t stack)
{
    const uint64_t h = (state * 0x9e3779b97f4a7c15u) ^ (stack * 0xc2b2ae3d27d4eb4fu);
    uint32_t i = (uint32_t)(h >> 40) & (N_SLOTS - 1);
    for (; s->slots[i] >> INDEX_BITS == s->n_begun; i = (i + 1) & (N_SLOTS - 1)) {
        const struct config *c = &s->found[s->slots[i] & (MOST_CONFIGS - 1)];
        if (c->state == state && c->stack == stack)
            return true;
    }
    if (s->n_found == MOST_CONFIGS)
        return false;
    s->slots[i] = s->n_begun << INDEX_BITS | (uint32_t)s->n_found;
    s->found[s->n_found++] = (struct config){ state, stack };
    return true;
}

static uint32_t push(struct stacks *s, uint32_t state, uint32_t stack)
{
    const uint32_t words[2] = { state, stack }, id = intern_add(&s->stack, words, 2, NULL);
    return id == INTERN_NONE ? INTERN_NONE : id + STACK_FIRST;
}

struct config stacks_top(const struct stacks *s, uint32_t stack)
{
    size_t n;
    const uint32_t *words = intern_get(&s->stack, stack - STACK_FIRST, &n);
    return (struct config){ words[0], words[1] };
}

/* Follow calls and returns from what has been found so far. False: out of memory or of room. */
static bool close_set(struct stacks *s)
{
    const struct automaton *m = s->m;
    for (size_t i = 0; i < s->n_found; i++) {
        const struct config c = s->found[i];
        const struct state *state = &m->states[c.state];
        for (uint32_t j = state->first_call; j < state[1].first_call; j++) {
            const struct call *call = &m->calls[j];
            const uint32_t stack = m->states[call->target].tail ? c.stack : push(s, call->target, c.stack);
            s->out_of_memory |= stack == INTERN_NONE;
            if (s->out_of_memory || !find(s, m->start[call->rule], stack))
                return false;
        }
        if (state->accepts && c.stack < STACK_FIRST) {
            s->ends = true;
        } else if (state->accepts) {
            const struct config back = stacks_top(s, c.stack);
            if (!find(s, back.state, back.stack))
                return false;
        }
    }
    return true;
}

static int by_config(const void *x, const void *y)
{
    const struct config *a = x, *b = y;
    return a->state != b->state ? (a->state < b->state ? -1 : 1) : a->stack < b->stack ? -1 : a->stack > b->stack;
}

/* Only what has bytes to read is kept: the rest has been followed. */
static uint32_t keep_set(struct stacks *s)
{
    const struct automaton *m = s->m;
    size_t n = 0;
    bool added;
    for (size_t i = 0; i < s->n_found; i++) {
        const struct state *state = &m->states[s->found[i].state];
        if (state->first_edge != state[1].first_edge)
            s->found[n++] = s->found[i];
    }
    if (n > 1)
        qsort(s->found, n, sizeof *s->found, by_config);
    s->words[0] = s->ends;
    memcpy(s->words + 1, s->found, n * sizeof *s->found);
    const uint32_t id = intern_add(&s->set, s->words, 2 * n + 1, &added);
    if (id == INTERN_NONE || !mem_grow(s->a, &s->step, &s->room_step, s->set.n * m->n_classes, sizeof *s->step)) {
        s->out_of_memory = true;
        return SET_FAILED;
    }
    if (added)
        memset(s->step + (size_t)id * m->n_classes, 0, m->n_classes * sizeof *s->step);
    return s->set.n_words > MOST_SET_WORDS || s->set.n > MOST_SETS ? SET_FAILED : id;
}

uint32_t stacks_place(struct stacks *s, uint32_t state, uint32_t stack)
{
    begin_set(s);
    return find(s, state, stack) && close_set(s) ? keep_set(s) : SET_FAILED;
}

uint32_t stacks_only(struct stacks *s, uint32_t state, uint32_t stack)
{
    begin_set(s);
    return find(s, state, stack) ? keep_set(s) : SET_FAILED;
}

uint32_t stacks_step_slowly(struct stacks *s, uint32_t set, uint8_t byte)
{
    const struct automaton *m = s->m;
    const struct config *configs;
    size_t n;
    begin_set(s);
    stacks_look(s, set, &configs, &n);
    for (size_t i = 0; i < n; i++) {
        const struct state *state = &m->states[configs[i].state];
        for (uint32_t e = state->first_edge; e < state[1].first_edge && m->edges[e].first <= byte; e++)
            if (byte <= m->edges[e].last && !find(s, m->edges[e].target, configs[i].stack))
                return SET_FAILED;
    }
    const uint32_t next = !s->n_found ? SET_DEAD : close_set(s) ? keep_set(s) : SET_FAILED;
    if (next != SET_FAILED)
        s->step[(size_t)set * m->n_classes + m->class_of[byte]] = next + 1;
    return next;
}

bool stacks_look(const struct stacks *s, uint32_t set, const struct config **configs, size_t *n)
{
    size_t n_words;
    const uint32_t *words = intern_get(&s->set, set, &n_words);
    *n = (n_words - 1) / 2;
    *configs = (const struct config *)(const void *)(words + 1);
    return words[0];
}

bool stacks_are_free(const struct stacks *s, bool lazy, uint32_t set)
{
    const struct config *configs;
    size_t n;
    bool any = false;
    stacks_look(s, set, &configs, &n);
    for (size_t i = 0; i < n && lazy; i++)
        any |= s->m->states[configs[i].state].rule == RULE_ROOT;
    return any;
}

/* ---- Copies ---- */

/* to[k]: the number of from's stack k in s; INTERN_NONE where it is not needed. What lies below a stack has a lower
 * number than it. */
static bool copy_stacks(struct stacks *s, const struct stacks *from, const uint32_t *sets, size_t n, uint32_t *to)
{
    const size_t n_stacks = from->stack.n + STACK_FIRST;
    const struct config *configs;
    size_t count;
    for (size_t k = 0; k < n_stacks; k++)
        to[k] = k < STACK_FIRST ? (uint32_t)k : INTERN_NONE;
    for (size_t i = 0; i < n; i++) {
        stacks_look(from, sets[i], &configs, &count);
        for (size_t j = 0; j < count; j++)
            to[configs[j].stack] = 0;
    }
    for (size_t k = n_stacks; k-- > STACK_FIRST;)
        if (to[k] != INTERN_NONE)
            to[stacks_top(from, (uint32_t)k).stack] = 0;
    to[STACK_OPEN] = STACK_OPEN;
    for (uint32_t k = STACK_FIRST; k < n_stacks; k++) {
        if (to[k] == INTERN_NONE)
            continue;
        const struct config top = stacks_top(from, k);
        to[k] = push(s, top.state, to[top.stack]);
        if (to[k] == INTERN_NONE)
            return false;
    }
    return true;
}

static uint32_t copy_set(struct stacks *s, const struct stacks *from, uint32_t set, const uint32_t *to)
{
    const struct config *configs;
    size_t n;
    begin_set(s);
    s->ends = stacks_look(from, set, &configs, &n);
    for (size_t i = 0; i < n; i++)
        s->found[s->n_found++] = (struct config){ configs[i].state, to[configs[i].stack] };
    return keep_set(s);
}

bool stacks_copy(struct stacks *s, const struct stacks *from, uint32_t *sets, size_t n)
{
    uint32_t *to = mem_raw(s->a, from->stack.n + STACK_FIRST, sizeof *to);
    bool good = to && copy_stacks(s, from, sets, n, to);
    s->out_of_memory = !good;
    for (size_t i = 0; i < n && good; i++)
        good = (sets[i] = copy_set(s, from, sets[i], to)) != SET_FAILED;
    mem_free(s->a, to);
    return good;
}
