/* kv.h - the keys and values of a session's tokens, in pages of ATTEND_KEYS positions.
 *
 * A page holds its positions for all layers:
 *   [layer][KV head]{ keys [position][d_k], values [position][d_v] }   floats
 * so that the block of one layer and head is contiguous: what one call of the attention kernel reads. Pages are taken when
 * the first token of theirs comes and stay until the session closes. */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include "kernels/kernels.h"
#include "src/engine/network.h"

struct kv {
    const infer_allocator *a;
    uint32_t n_layer, n_head_kv, d_k, d_v;
    size_t head_floats, page_floats; /* of one layer's head in a page; of a page */
    float **pages;                   /* n_pages so far, room for max_pages */
    uint32_t n_pages, max_pages;
};

infer_status kv_init(struct kv *kv, const infer_allocator *a, const struct hparams *h, uint32_t n_ctx, infer_error *err);
void kv_free(struct kv *kv);
/** Have pages for n_tokens positions. */
infer_status kv_reserve(struct kv *kv, uint32_t n_tokens, infer_error *err);
/** Bytes that a token takes. */
uint64_t kv_token_bytes(const struct hparams *h);

/** Keys of a page for one layer and head, (ATTEND_KEYS, d_k); the values follow them. */
static inline float *kv_keys(const struct kv *kv, uint32_t page, uint32_t layer, uint32_t head)
{
    return kv->pages[page] + ((size_t)layer * kv->n_head_kv + head) * kv->head_floats;
}
static inline float *kv_values(const struct kv *kv, uint32_t page, uint32_t layer, uint32_t head)
{
    return kv_keys(kv, page, layer, head) + (size_t)ATTEND_KEYS * kv->d_k;
}

#endif
