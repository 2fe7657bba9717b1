/* kv.h - the keys and values of a session's tokens, in pages of ATTEND_KEYS positions.
 *
 * A page holds its positions for all layers and KV heads: of each, a block of keys and a block of values, as kernels.h
 * describes them. Pages are taken some at a time, a slab, when the first token of theirs comes, and stay until the
 * session closes. What a slab holds of one layer and head is contiguous, for attention reads it page after page:
 *   slab: [layer][KV head][page of the slab]{ block of keys, block of values }
 *
 * Where a model has a latent vector (arch.h), values are the first numbers of the keys: there are no blocks of them. */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include "kernels/kernels.h"
#include "src/engine/network.h"

struct kv {
    const infer_allocator *a;
    uint32_t n_layer, n_head_kv, d_k, d_v;
    uint32_t n_ctx; /* positions there may be */
    enum dtype k_type, v_type; /* shared: the same */
    bool shared;               /* values are the first d_v numbers of the keys */
    size_t key_bytes, head_bytes; /* of a block of keys; of a layer's head in a page */
    uint32_t slab_pages;          /* of a slab; the last one may have fewer in use */
    size_t slab_bytes;
    uint8_t **pages; /* the block of the first layer and head of each page there is; room for max_pages */
    uint32_t n_pages, max_pages;
};

/** How numbers of a type are stored; DTYPE_COUNT if there is no such type. */
enum dtype kv_dtype(infer_kv_type type);
/** n_ctx positions of the types; refused if the model's heads do not fit these. */
infer_status kv_init(struct kv *kv, const infer_allocator *a, const struct hparams *h, uint32_t n_ctx,
                     enum dtype k_type, enum dtype v_type, infer_error *err);
void kv_free(struct kv *kv);
/** Have pages for n_tokens positions. */
infer_status kv_reserve(struct kv *kv, uint32_t n_tokens, infer_error *err);
/** Bytes that a token takes in a full page; 0 if the heads do not fit the types. */
uint64_t kv_token_bytes(const struct hparams *h, enum dtype k_type, enum dtype v_type);

/** From the pointer of a page to its keys of a layer's head; the values follow them after key_bytes. */
static inline size_t kv_offset(const struct kv *kv, uint32_t layer, uint32_t head)
{
    return ((size_t)layer * kv->n_head_kv + head) * kv->slab_pages * kv->head_bytes;
}
/** Bytes of the cache as it is. */
uint64_t kv_taken(const struct kv *kv);

#endif
