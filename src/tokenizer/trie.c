/* trie.c - the tree of a vocabulary's bytes. */
#include "src/tokenizer/trie.h"

#include "src/tokenizer/parts.h"

#include <stdlib.h>

enum { LONGEST = UINT16_MAX }; /* bytes; a longer token is left out */

struct entry {
    uint64_t head; /* the first eight bytes, the first one highest */
    struct text text;
    int32_t id;
};

static bool writes_text(const struct vocab *v, int32_t id)
{
    const uint8_t kind = v->kind[id];
    return (kind == TOKEN_NORMAL || kind == TOKEN_USER || kind == TOKEN_BYTE) && !v->end[id] && !v->hidden[id];
}

struct text tokenizer_piece(const infer_tokenizer *t, int32_t id)
{
    const struct text none = { "", 0 };
    return id >= 0 && id < t->vocab.n && writes_text(&t->vocab, id) ? t->vocab.piece[id] : none;
}

static int by_bytes(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    const size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
    const int order = memcmp(a->text.p, b->text.p, n);
    return order                    ? order
           : a->text.n != b->text.n ? (a->text.n < b->text.n ? -1 : 1)
           : a->id < b->id          ? -1
                                    : a->id > b->id;
}

static struct entry *sorted(const infer_tokenizer *t, size_t *n)
{
    struct entry *e = mem_new(t->a, (size_t)t->vocab.n, sizeof *e);
    *n = 0;
    for (int32_t id = 0; id < t->vocab.n && e; id++) {
        const struct text piece = tokenizer_piece(t, id);
        if (!piece.n || piece.n > LONGEST)
            continue;
        uint64_t head = 0;
        for (size_t i = 0; i < 8; i++)
            head = head << 8 | (i < piece.n ? (uint8_t)piece.p[i] : 0);
        e[(*n)++] = (struct entry){ head, piece, id };
    }
    if (e)
        qsort(e, *n, sizeof *e, by_bytes);
    return e;
}

static size_t common(struct text a, struct text b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return n;
}

/* A node for each byte that an entry does not share with the one before it. */
static size_t count_nodes(const struct entry *e, size_t n)
{
    size_t nodes = 0;
    for (size_t i = 0; i < n; i++)
        nodes += e[i].text.n - (i ? common(e[i - 1].text, e[i].text) : 0);
    return nodes;
}

static bool reserve(struct trie *t, const infer_allocator *a, size_t nodes, size_t tokens, size_t ends, size_t controls)
{
    t->skip = mem_new(a, nodes, sizeof *t->skip);
    t->first = mem_new(a, nodes + 1, sizeof *t->first);
    t->depth = mem_new(a, nodes, sizeof *t->depth);
    t->reach = mem_new(a, nodes, sizeof *t->reach);
    t->byte = mem_new(a, nodes, sizeof *t->byte);
    t->ids = mem_new(a, tokens, sizeof *t->ids);
    t->ends = mem_new(a, ends, sizeof *t->ends);
    t->controls = mem_new(a, controls, sizeof *t->controls);
    return nodes < UINT32_MAX && t->controls && t->skip && t->first && t->depth && t->reach && t->byte && t->ids &&
           t->ends;
}

/* Leave a node whose children are all there. */
static void leave(struct trie *t, const uint32_t *open, size_t depth)
{
    const uint32_t node = open[depth];
    t->skip[node] = t->n;
    if (depth > 1 && t->reach[open[depth - 1]] < t->reach[node])
        t->reach[open[depth - 1]] = t->reach[node];
}

/* `open`: for each depth the node that is not left so far. */
static void fill(struct trie *t, const struct entry *e, size_t n, uint32_t *open)
{
    size_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t shared = i ? common(e[i - 1].text, e[i].text) : 0;
        while (depth > shared)
            leave(t, open, depth--);
        while (depth < e[i].text.n) {
            t->byte[t->n] = (uint8_t)e[i].text.p[depth++];
            t->depth[t->n] = t->reach[t->n] = (uint16_t)depth;
            t->first[t->n] = (uint32_t)i;
            open[depth] = t->n++;
        }
        t->ids[i] = e[i].id;
        t->deepest = depth > t->deepest ? depth : t->deepest;
    }
    while (depth)
        leave(t, open, depth--);
    t->first[t->n] = (uint32_t)n;
}

static bool is_control(const infer_tokenizer *t, int32_t id)
{
    return t->vocab.kind[id] != TOKEN_HOLE && !infer_tokenizer_is_end(t, id) && !tokenizer_piece(t, id).n;
}

static void list_others(struct trie *t, const infer_tokenizer *tokenizer)
{
    for (int32_t id = 0; id < t->n_vocab; id++) {
        if (infer_tokenizer_is_end(tokenizer, id))
            t->ends[t->n_ends++] = id;
        if (is_control(tokenizer, id))
            t->controls[t->n_controls++] = id;
    }
}

static struct trie *trie_new(const infer_tokenizer *tokenizer)
{
    const infer_allocator *a = tokenizer->a;
    size_t n, ends = 0, controls = 0;
    for (int32_t id = 0; id < tokenizer->vocab.n; id++) {
        ends += infer_tokenizer_is_end(tokenizer, id);
        controls += is_control(tokenizer, id);
    }
    struct entry *e = sorted(tokenizer, &n);
    struct trie *t = e ? mem_new(a, 1, sizeof *t) : NULL;
    uint32_t *open = mem_new(a, (size_t)LONGEST + 1, sizeof *open);
    bool good = t && open && reserve(t, a, count_nodes(e, n), n, ends, controls);
    if (good) {
        t->n_vocab = tokenizer->vocab.n;
        fill(t, e, n, open);
        list_others(t, tokenizer);
    } else {
        trie_free(a, t);
    }
    mem_free(a, e);
    mem_free(a, open);
    return good ? t : NULL;
}

void trie_free(const infer_allocator *a, struct trie *t)
{
    if (!t)
        return;
    mem_free(a, t->skip);
    mem_free(a, t->first);
    mem_free(a, t->depth);
    mem_free(a, t->reach);
    mem_free(a, t->byte);
    mem_free(a, t->ids);
    mem_free(a, t->ends);
    mem_free(a, t->controls);
    mem_free(a, t);
}

/* Of two threads that make one at the same time, the later drops its own. */
const struct trie *tokenizer_trie(const infer_tokenizer *t)
{
    infer_tokenizer *const owner = (infer_tokenizer *)t; /* constant but for this */
    struct trie *there = atomic_load(&owner->trie), *made = there ? NULL : trie_new(t);
    if (there || !made)
        return there;
    if (atomic_compare_exchange_strong(&owner->trie, &there, made))
        return made;
    trie_free(t->a, made);
    return there;
}
