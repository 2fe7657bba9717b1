/* kv.h - the keys and values of sessions' tokens, in pages of ATTEND_KEYS positions.
 *
 * A page holds its positions for the KV heads of some layers: of each, a block of keys and a block of values, as
 * kernels.h describes them. Layers of a window see no further than that, so they have pages of their own, which a session gives
 * back when they lie behind it. What a slab holds of one layer and head is contiguous, for attention reads it
 * page after page:
 *   slab: [layer][KV head][page of the slab]{ block of keys, block of values }
 *
 * Pages belong to a pool, one for each choice of types of a model, from which any number of sessions take and share them.
 * A page that others hold too is never written to: who appends to one gets a copy.
 *
 * Where a model has a latent vector (arch.h), values are the first numbers of the keys: there are no blocks of them. */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include "kernels/kernels.h"
#include "src/engine/network.h"
#include "src/engine/prefixes.h"

#include <pthread.h>

/** Layers by what they see: all, or what is within the window. */
enum kv_class { KV_ALL, KV_WINDOW, KV_CLASSES };

/** What pages of a model look like. */
struct kv_shape {
    uint32_t n_layer, n_head_kv, d_k, d_v, window; /* window: of the layers of KV_WINDOW, or 0 */
    enum dtype k_type, v_type;   /* shared: the same */
    bool shared;                 /* values are the first d_v numbers of the keys */
    size_t key_bytes, head_bytes; /* of a block of keys; of a layer's head in a page */
    uint32_t slab_pages;
    uint32_t n_layers[KV_CLASSES];
};

/** Pages of one shape. */
struct kv_pool {
    struct kv_shape shape;
    struct {
        enum kv_class class;
        uint32_t index; /* among the layers of its class */
    } *layers;          /* n_layer */
    const infer_allocator *a;
    pthread_mutex_t lock; /* of the heaps and all pages' counts */
    struct page_heap heaps[KV_CLASSES];
    struct prefixes prefixes;
    struct page **known; /* pages of a path through them, room for n_known */
    size_t n_known;
    struct kv_pool *next;
};

/** The pools of a model, made when they are first asked for. Thread safe. */
struct kv_pools {
    pthread_mutex_t lock;
    struct kv_pool *first;
    uint64_t prefix_bytes; /* most that the prefixes of each pool may hold */
};
#define KV_PREFIX_BYTES ((uint64_t)256 << 20) /* unless it is set */

/** The pages of a class that a session has: those of the positions from first * ATTEND_KEYS on. */
struct kv_pages {
    struct page **pages; /* room for max_pages */
    uint8_t **data;      /* of each page that of its first layer and head */
    uint32_t first, end;
};

/** A session's. */
struct kv {
    struct kv_pool *pool;
    uint32_t n_ctx, max_pages;
    struct kv_pages of[KV_CLASSES];
};

/** How numbers of a type are stored; DTYPE_COUNT if there is no such type. */
enum dtype kv_dtype(infer_kv_type type);
/** Refused if the model's heads do not fit the types. */
infer_status kv_shape_init(struct kv_shape *shape, const struct hparams *h, enum dtype k_type, enum dtype v_type,
                           infer_error *err);
/** Bytes that a token takes in full pages; 0 if the heads do not fit the types. */
uint64_t kv_token_bytes(const struct hparams *h, enum dtype k_type, enum dtype v_type);
/** Bytes of the pages that kv_reserve() leaves when n_tokens were computed in steps of n_batch, from the first on. */
uint64_t kv_shape_bytes(const struct kv_shape *shape, uint32_t n_tokens, uint32_t n_batch);

struct kv_pool *kv_pool_open(const infer_allocator *a, const struct hparams *h, const struct kv_shape *shape,
                             infer_error *err);
void kv_pool_close(struct kv_pool *pool);
void kv_pools_init(struct kv_pools *pools);
void kv_pools_free(struct kv_pools *pools);
/** Bytes of all slabs. Thread safe. */
uint64_t kv_pools_bytes(struct kv_pools *pools);
struct kv_pool *kv_pools_get(struct kv_pools *pools, const infer_allocator *a, const struct hparams *h,
                             const struct kv_shape *shape, infer_error *err);
void kv_pools_set_prefix_bytes(struct kv_pools *pools, uint64_t bytes);

/** Room for n_ctx positions. The pool outlives it. */
infer_status kv_init(struct kv *kv, struct kv_pool *pool, uint32_t n_ctx, infer_error *err);
void kv_free(struct kv *kv);
/** Hold what another one of the same n_ctx has of its first n_tokens; `to` is empty. */
void kv_share(struct kv *to, const struct kv *from, uint32_t n_tokens);
/** Have pages for the tokens [first, first + n) that nobody else holds, with what they hold of those before `first`. Pages
 *  behind the window of `first` go, but for KV_BACK tokens. */
infer_status kv_reserve(struct kv *kv, uint32_t first, uint32_t n, infer_error *err);
enum { KV_BACK = ATTEND_KEYS };
/** Give back the pages behind those of the first n_tokens. */
void kv_keep(struct kv *kv, uint32_t n_tokens);
/** Whether all is there that a token sees which follows n_tokens: not if that went when it was behind the window. */
bool kv_resumes(const struct kv *kv, uint32_t n_tokens);
/** The pages of a class that a session of n computed tokens, which resumes there, has of them: from kv_first() up to
 *  kv_end(). */
uint32_t kv_first(const struct kv *kv, enum kv_class class, uint32_t n_tokens);
uint32_t kv_end(const struct kv *kv, enum kv_class class, uint32_t n_tokens);
/** The first page that it may have at most, if it is to resume. */
uint32_t kv_latest_first(const struct kv *kv, enum kv_class class, uint32_t n_tokens);
/** Take pages for n tokens, for the caller to fill: of each class from page first[class] on, at most its kv_end(). The
 *  session has none yet. */
infer_status kv_make(struct kv *kv, const uint32_t first[KV_CLASSES], uint32_t n_tokens, infer_error *err);
/** Hold the pages that are known for tokens behind the first `have`, which are computed: as far as whole pages go, and all
 *  that the next token sees is there. Returns for how many tokens there are pages now.
 *  @param variant of how they are computed; pages of another one are not taken. */
uint32_t kv_adopt(struct kv *kv, uint64_t variant, const int32_t *tokens, uint32_t n, uint32_t have);
/** Make the full pages of the first n tokens known. If memory is out they are not, as far as that goes. */
void kv_publish(struct kv *kv, uint64_t variant, const int32_t *tokens, uint32_t n);

/** Full pages of a text: of[class][i], NULL where there is none. */
struct kv_known {
    struct page **of[KV_CLASSES];
    uint32_t n;
};
/** Up to which page a session, whose first `have` tokens are computed, could go on from these and its own: have /
 *  ATTEND_KEYS if these are of no use. What pages that are not NULL point at does not count. */
uint32_t kv_known_end(const struct kv *kv, const struct kv_known *known, uint32_t have);
/** The first page of a class that it would take for that. */
uint32_t kv_known_first(const struct kv *kv, const struct kv_known *known, enum kv_class class, uint32_t end,
                        uint32_t have);
/** Hold them, up to page `end`, which kv_known_end() told. */
void kv_hold_known(struct kv *kv, const struct kv_known *known, uint32_t end, uint32_t have);
/** Hold for somebody else what the session has of its first known->n pages. Returns the bytes of these. */
uint64_t kv_lend(const struct kv *kv, struct kv_known *known);
/** Let go of all of them. */
void kv_let_go(struct kv_pool *pool, struct kv_known *known);
/** A page that nobody else knows, held once, for the caller to fill; NULL if memory is out.
 *  @param after the page that is read before it, or NULL. */
struct page *kv_new_page(struct kv_pool *pool, enum kv_class class, const struct page *after, uint32_t run);
void kv_release_page(struct kv_pool *pool, enum kv_class class, struct page *page);
/** Bytes of all pages that somebody holds; of those that sessions of the pool hold no longer, only prefixes, as many are
 *  let go of as have to be if it is to be `most`. Thread safe. */
uint64_t kv_pool_used(struct kv_pool *pool, uint64_t most);
/** Bytes of pages that kv_reserve() may take for n more tokens. */
uint64_t kv_growth(const struct kv *kv, uint32_t first, uint32_t n);
/** Whether pages of texts are kept, for others to adopt. */
bool kv_keeps_prefixes(struct kv_pool *pool);
/** Bytes of its pages as they are now, those that others hold too among them. */
uint64_t kv_bytes(const struct kv *kv);

/** From the pointer of a page to its keys of a layer's head; the values follow them after key_bytes. */
static inline size_t kv_offset(const struct kv_pool *pool, uint32_t layer, uint32_t head)
{
    const struct kv_shape *s = &pool->shape;
    return ((size_t)pool->layers[layer].index * s->n_head_kv + head) * s->slab_pages * s->head_bytes;
}
/** The pages that hold a layer. */
static inline const struct kv_pages *kv_pages_of(const struct kv *kv, uint32_t layer)
{
    return &kv->of[kv->pool->layers[layer].class];
}

#endif
