/* kv.c - pages of keys and values. */
#include "src/engine/kv.h"

#include "src/base/error.h"

uint64_t kv_token_bytes(const struct hparams *h)
{
    return (uint64_t)h->n_layer * h->n_head_kv * (h->d_k + h->d_v) * sizeof(float);
}

infer_status kv_init(struct kv *kv, const infer_allocator *a, const struct hparams *h, uint32_t n_ctx, infer_error *err)
{
    *kv = (struct kv){ .a = a, .n_layer = h->n_layer, .n_head_kv = h->n_head_kv, .d_k = h->d_k, .d_v = h->d_v };
    kv->head_floats = (size_t)ATTEND_KEYS * (h->d_k + h->d_v);
    size_t bytes;
    if (!mul_size(kv->head_floats, (size_t)h->n_layer * h->n_head_kv, &kv->page_floats) ||
        !mul_size(kv->page_floats, sizeof(float), &bytes))
        return fail(err, INFER_E_NOMEM, "the cache of %u layers, %u heads, %u + %u values a token is too large", h->n_layer,
                    h->n_head_kv, h->d_k, h->d_v);
    kv->max_pages = n_ctx / ATTEND_KEYS + (n_ctx % ATTEND_KEYS != 0);
    kv->pages = mem_new(a, kv->max_pages, sizeof *kv->pages);
    return kv->pages ? INFER_OK : fail_memory(err, "the cache");
}

void kv_free(struct kv *kv)
{
    for (uint32_t i = 0; i < kv->n_pages; i++)
        mem_free(kv->a, kv->pages[i]);
    if (kv->pages)
        mem_free(kv->a, kv->pages);
    *kv = (struct kv){ 0 };
}

infer_status kv_reserve(struct kv *kv, uint32_t n_tokens, infer_error *err)
{
    const uint32_t need = n_tokens / ATTEND_KEYS + (n_tokens % ATTEND_KEYS != 0);
    for (; kv->n_pages < need; kv->n_pages++) {
        kv->pages[kv->n_pages] = mem_raw(kv->a, kv->page_floats, sizeof(float));
        if (!kv->pages[kv->n_pages])
            return fail(err, INFER_E_NOMEM, "out of memory for the cache: %zu bytes for the tokens from %u on",
                        kv->page_floats * sizeof(float), kv->n_pages * ATTEND_KEYS);
    }
    return INFER_OK;
}
