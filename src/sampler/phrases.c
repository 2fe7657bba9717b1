/* phrases.c - a phrase can end within a token in two ways: the token holds all of it, or what was written ends with its
 * first i bytes and the token begins with the rest. Which tokens these are is looked up in the vocabulary once, so that
 * ruling them out is a walk over short lists. */
#include "src/sampler/phrases.h"

#include "src/base/error.h"
#include "src/tokenizer/trie.h"

static infer_status copy(struct phrases *p, const char *const *texts, size_t n, infer_error *err)
{
    size_t total = 0, longest = 0;
    for (size_t i = 0; i < n; i++) {
        if (!texts || !texts[i] || !*texts[i])
            return fail(err, INFER_E_ARGUMENT, "text %zu of %zu is empty", i + 1, n);
        const size_t length = strlen(texts[i]);
        if (length > PHRASES_BYTES - total)
            return fail(err, INFER_E_ARGUMENT, "text %zu of %zu: more than %d bytes in all", i + 1, n, PHRASES_BYTES);
        total += length;
        longest = length > longest ? length : longest;
    }
    p->phrase = mem_new(p->a, n, sizeof *p->phrase);
    p->row_of = mem_new(p->a, n + 1, sizeof *p->row_of);
    p->bytes = mem_new(p->a, total, 1);
    p->tail = mem_new(p->a, longest, 1);
    if (!p->phrase || !p->row_of || !p->bytes || !p->tail)
        return fail_memory(err, "texts that are looked for");
    p->most_tail = longest - 1;
    for (size_t at = 0; p->n < n; at += p->phrase[p->n++].n) {
        const size_t length = strlen(texts[p->n]);
        memcpy(p->bytes + at, texts[p->n], length);
        p->phrase[p->n] = (struct text){ p->bytes + at, length };
        p->row_of[p->n + 1] = at + length;
    }
    return INFER_OK;
}

static bool starts(struct text t, struct text with)
{
    return t.n >= with.n && !memcmp(t.p, with.p, with.n);
}

static bool holds(struct text t, struct text phrase)
{
    return t.n >= phrase.n && memmem(t.p, t.n, phrase.p, phrase.n);
}

/* Enter a token in the rows it belongs to. Before p->ids is there it is only counted. */
static void enter(struct phrases *p, int32_t id, size_t *at)
{
    const struct text piece = tokenizer_piece(p->tokenizer, id);
    for (size_t k = 0; k < p->n && piece.n; k++)
        for (size_t i = 0; i < p->phrase[k].n; i++) {
            const struct text rest = { p->phrase[k].p + i, p->phrase[k].n - i };
            if (!(i ? *rest.p == *piece.p && starts(piece, rest) : holds(piece, rest)))
                continue;
            const size_t row = p->row_of[k] + i;
            if (p->ids)
                p->ids[at[row]] = id;
            at[row]++;
        }
}

static infer_status list_tokens(struct phrases *p, infer_error *err)
{
    const size_t n_rows = p->row_of[p->n];
    const int32_t n_ids = infer_tokenizer_size(p->tokenizer);
    size_t *at = mem_new(p->a, n_rows + 1, sizeof *at);
    p->first = mem_new(p->a, n_rows + 1, sizeof *p->first);
    if (at && p->first) {
        for (int32_t id = 0; id < n_ids; id++)
            enter(p, id, at);
        for (size_t r = 0; r < n_rows; r++) {
            p->first[r + 1] = p->first[r] + at[r];
            at[r] = p->first[r];
        }
        p->ids = mem_new(p->a, p->first[n_rows], sizeof *p->ids);
        for (int32_t id = 0; id < n_ids && p->ids; id++)
            enter(p, id, at);
    }
    mem_free(p->a, at);
    return p->ids ? INFER_OK : fail_memory(err, "texts that are looked for");
}

infer_status phrases_open(struct phrases *p, const infer_allocator *a, const infer_tokenizer *tokenizer,
                          const char *const *texts, size_t n, bool with_tokens, infer_error *err)
{
    *p = (struct phrases){ .a = a };
    if (!n)
        return INFER_OK;
    if (!tokenizer)
        return fail(err, INFER_E_ARGUMENT, "texts that are looked for need a tokenizer, found NULL");
    p->tokenizer = tokenizer;
    infer_status status = copy(p, texts, n, err);
    if (status == INFER_OK && with_tokens)
        status = list_tokens(p, err);
    if (status != INFER_OK)
        phrases_close(p);
    return status;
}

void phrases_close(struct phrases *p)
{
    if (!p->a)
        return;
    mem_free(p->a, p->tail);
    if (!p->lent) {
        mem_free(p->a, p->phrase);
        mem_free(p->a, p->row_of);
        mem_free(p->a, p->bytes);
        mem_free(p->a, p->first);
        mem_free(p->a, p->ids);
    }
    *p = (struct phrases){ 0 };
}

bool phrases_fork(struct phrases *p, const struct phrases *from)
{
    *p = *from;
    if (!from->tokenizer)
        return true;
    p->lent = true;
    p->tail = mem_new(from->a, from->most_tail, 1);
    if (p->tail && from->n_tail)
        memcpy(p->tail, from->tail, from->n_tail);
    return p->tail;
}

void phrases_begin(struct phrases *p)
{
    p->n_tail = 0;
}

/* Whether the tail ends with the first i bytes of a phrase. */
static bool begun(const struct phrases *p, struct text phrase, size_t i)
{
    return i <= p->n_tail && !memcmp(p->tail + p->n_tail - i, phrase.p, i);
}

static bool ends_within(const struct phrases *p, struct text piece)
{
    for (size_t k = 0; k < p->n; k++) {
        if (holds(piece, p->phrase[k]))
            return true;
        for (size_t i = 1; i < p->phrase[k].n; i++)
            if (begun(p, p->phrase[k], i) && starts(piece, (struct text){ p->phrase[k].p + i, p->phrase[k].n - i }))
                return true;
    }
    return false;
}

bool phrases_take(struct phrases *p, int32_t id)
{
    if (!p->tokenizer)
        return false;
    const struct text piece = tokenizer_piece(p->tokenizer, id);
    const bool found = ends_within(p, piece);
    const size_t new = piece.n < p->most_tail ? piece.n : p->most_tail;
    const size_t old = p->n_tail < p->most_tail - new ? p->n_tail : p->most_tail - new;
    memmove(p->tail, p->tail + p->n_tail - old, old);
    if (new)
        memcpy(p->tail + old, piece.p + piece.n - new, new);
    p->n_tail = old + new;
    return found;
}

bool phrases_ban(const struct phrases *p, struct candidates *c)
{
    for (size_t k = 0; k < p->n; k++)
        for (size_t i = 0; i < p->phrase[k].n; i++) {
            const size_t row = p->row_of[k] + i;
            for (size_t t = p->first[row]; begun(p, p->phrase[k], i) && t < p->first[row + 1]; t++)
                if (!candidates_set(c, p->ids[t], -__builtin_inff()))
                    return false;
        }
    return true;
}
