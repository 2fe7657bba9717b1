/* kv.c - pages of keys and values. */
#include "src/engine/kv.h"

#include "src/base/error.h"

/* Of a layer's head in a slab, if the context is that long: then it costs little that the next slab is elsewhere. */
#define SLAB_HEAD_BYTES ((size_t)128 * 1024)

enum dtype kv_dtype(infer_kv_type type)
{
    switch (type) {
    case INFER_KV_F32: return DTYPE_F32;
    case INFER_KV_F16: return DTYPE_F16;
    case INFER_KV_BF16: return DTYPE_BF16;
    case INFER_KV_Q8_0: return DTYPE_Q8_0;
    case INFER_KV_Q4_0: return DTYPE_Q4_0;
    case INFER_KV_DEFAULT: break;
    }
    return DTYPE_COUNT;
}

/* 0 if there are none beside the keys, or if they do not fit the type. */
static size_t value_bytes_of(const struct hparams *h, enum dtype type)
{
    return h->n_latent != 0 ? 0 : kv_value_bytes(type, h->d_v);
}

uint64_t kv_token_bytes(const struct hparams *h, enum dtype k_type, enum dtype v_type)
{
    const uint64_t key = kv_key_bytes(k_type, h->d_k), value = value_bytes_of(h, v_type);
    return key && (value || h->n_latent != 0) ? (uint64_t)h->n_layer * h->n_head_kv * (key + value) / ATTEND_KEYS : 0;
}

/* Why keys or values of this width cannot be stored so. */
static infer_status refuse(const char *what, enum dtype type, uint32_t d, infer_error *err)
{
    if (d > ATTEND_WIDTH)
        return fail(err, INFER_E_UNKNOWN, "the model's heads have %s of %u numbers, expected at most %d", what, d,
                    ATTEND_WIDTH);
    return fail(err, INFER_E_ARGUMENT,
                "%s of %u numbers cannot be stored as %s, which takes multiples of %d; f16 takes any", what, d,
                dtype_name(type), KV_PART);
}

infer_status kv_init(struct kv *kv, const infer_allocator *a, const struct hparams *h, uint32_t n_ctx,
                     enum dtype k_type, enum dtype v_type, infer_error *err)
{
    const bool shared = h->n_latent != 0;
    const size_t key_bytes = kv_key_bytes(k_type, h->d_k), value_bytes = value_bytes_of(h, v_type);
    *kv = (struct kv){ .a = a,
                       .n_ctx = n_ctx,
                       .n_layer = h->n_layer,
                       .n_head_kv = h->n_head_kv,
                       .d_k = h->d_k,
                       .d_v = h->d_v,
                       .k_type = k_type,
                       .v_type = shared ? k_type : v_type,
                       .shared = shared,
                       .key_bytes = key_bytes,
                       .head_bytes = key_bytes + value_bytes };
    if (!key_bytes)
        return refuse("keys", k_type, h->d_k, err);
    if (!value_bytes && !shared)
        return refuse("values", v_type, h->d_v, err);
    kv->max_pages = n_ctx / ATTEND_KEYS + (n_ctx % ATTEND_KEYS != 0);
    const size_t pages = round_up(SLAB_HEAD_BYTES, kv->head_bytes) / kv->head_bytes;
    kv->slab_pages = pages < kv->max_pages ? (uint32_t)pages : kv->max_pages;
    if (!mul_size(kv->head_bytes * kv->slab_pages, (size_t)h->n_layer * h->n_head_kv, &kv->slab_bytes))
        return fail(err, INFER_E_NOMEM, "the cache of %u layers, %u heads, %u + %u numbers a token is too large",
                    h->n_layer, h->n_head_kv, h->d_k, h->d_v);
    kv->pages = mem_new(a, kv->max_pages, sizeof *kv->pages);
    return kv->pages ? INFER_OK : fail_memory(err, "the cache");
}

void kv_free(struct kv *kv)
{
    for (uint32_t i = 0; i < kv->n_pages; i += kv->slab_pages)
        mem_free(kv->a, kv->pages[i]);
    mem_free(kv->a, kv->pages);
    *kv = (struct kv){ 0 };
}

infer_status kv_reserve(struct kv *kv, uint32_t n_tokens, infer_error *err)
{
    const uint32_t need = n_tokens / ATTEND_KEYS + (n_tokens % ATTEND_KEYS != 0);
    while (kv->n_pages < need) {
        uint8_t *const slab = mem_raw(kv->a, kv->slab_bytes, 1);
        if (!slab)
            return fail(err, INFER_E_NOMEM, "out of memory for the cache: %zu bytes for the tokens from %u on",
                        kv->slab_bytes, kv->n_pages * ATTEND_KEYS);
        for (uint32_t i = 0; i < kv->slab_pages && kv->n_pages < kv->max_pages; i++)
            kv->pages[kv->n_pages++] = slab + i * kv->head_bytes;
    }
    return INFER_OK;
}

uint64_t kv_taken(const struct kv *kv)
{
    return ((uint64_t)kv->n_pages + kv->slab_pages - 1) / kv->slab_pages * kv->slab_bytes;
}
