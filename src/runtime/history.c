/* history.c - tokens and pages, copied when one of several who share them writes. */
#include "src/runtime/history.h"

#include "src/base/error.h"

struct history *history_open(struct kv_pool *pool, uint32_t n_ctx, infer_error *err)
{
    struct history *h = mem_new(pool->a, 1, sizeof *h);
    if (!h)
        return fail_memory(err, "the session's tokens"), NULL;
    atomic_init(&h->refs, 1);
    h->tokens = mem_raw(pool->a, n_ctx, sizeof *h->tokens);
    if (!h->tokens || kv_init(&h->kv, pool, n_ctx, err) != INFER_OK) {
        mem_free(pool->a, h->tokens);
        mem_free(pool->a, h);
        return fail_memory(err, "the session's tokens"), NULL;
    }
    return h;
}

struct history *history_retain(struct history *h)
{
    atomic_fetch_add(&h->refs, 1);
    return h;
}

void history_release(struct history *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) > 1)
        return;
    const infer_allocator *a = h->kv.pool->a;
    kv_free(&h->kv);
    mem_free(a, h->tokens);
    mem_free(a, h);
}

struct history *history_own(struct history *h, uint32_t n_tokens, uint32_t n_done, infer_error *err)
{
    if (atomic_load(&h->refs) == 1)
        return h;
    struct history *copy = history_open(h->kv.pool, h->kv.n_ctx, err);
    if (!copy)
        return NULL;
    memcpy(copy->tokens, h->tokens, n_tokens * sizeof *h->tokens);
    kv_share(&copy->kv, &h->kv, n_done);
    return copy;
}
