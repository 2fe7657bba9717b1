/* kv.c - pages of keys and values. */
#include "src/engine/kv.h"

#include "src/base/error.h"

_Static_assert((int)PREFIX_PAGES == (int)KV_CLASSES, "a prefix has a page of each class");

/* Of a layer's head in a slab: then it costs little that the next slab is elsewhere. */
#define SLAB_HEAD_BYTES ((size_t)128 * 1024)

/* ---- Shapes ---- */

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

/* Tokens of an encoder see each other both ways and are computed at once: nothing of them is ever behind a window. */
static enum kv_class class_of(const struct hparams *h, uint32_t layer)
{
    return arch_layer_windowed(h, layer) && !arch_has(h, TRAIT_ENCODER) ? KV_WINDOW : KV_ALL;
}

infer_status kv_shape_init(struct kv_shape *shape, const struct hparams *h, enum dtype k_type, enum dtype v_type,
                           infer_error *err)
{
    const bool shared = h->n_latent != 0;
    const size_t key_bytes = kv_key_bytes(k_type, h->d_k), value_bytes = value_bytes_of(h, v_type);
    if (!key_bytes)
        return refuse("keys", k_type, h->d_k, err);
    if (!value_bytes && !shared)
        return refuse("values", v_type, h->d_v, err);
    *shape = (struct kv_shape){
        .n_layer = h->n_layer, .n_head_kv = h->n_head_kv, .d_k = h->d_k, .d_v = h->d_v, .window = h->window,
        .k_type = k_type, .v_type = shared ? k_type : v_type, .shared = shared, .key_bytes = key_bytes,
        .head_bytes = key_bytes + value_bytes,
    };
    shape->slab_pages = (uint32_t)(round_up(SLAB_HEAD_BYTES, shape->head_bytes) / shape->head_bytes);
    for (uint32_t l = 0; l < h->n_layer; l++)
        shape->n_layers[class_of(h, l)]++;
    return INFER_OK;
}

/* The first page that is kept where the next token is number n. */
static uint32_t kept_from(const struct kv_shape *s, enum kv_class class, uint32_t n)
{
    const uint64_t seen = (uint64_t)s->window + KV_BACK;
    return class == KV_WINDOW && n >= seen ? (uint32_t)(n + 1 - seen) / ATTEND_KEYS : 0;
}

static uint32_t pages_for(uint32_t n_tokens)
{
    return n_tokens / ATTEND_KEYS + (n_tokens % ATTEND_KEYS != 0);
}

uint64_t kv_shape_bytes(const struct kv_shape *s, uint32_t n_tokens, uint32_t n_batch)
{
    const uint32_t step = n_tokens ? (n_tokens - 1) / n_batch * n_batch : 0; /* where the last one begins */
    uint64_t bytes = 0;
    for (int c = 0; c < KV_CLASSES; c++)
        bytes += (uint64_t)(pages_for(n_tokens) - kept_from(s, (enum kv_class)c, step)) * s->head_bytes *
                 s->n_head_kv * s->n_layers[c];
    return bytes;
}

/* ---- Pools ---- */

struct kv_pool *kv_pool_open(const infer_allocator *a, const struct hparams *h, const struct kv_shape *shape,
                             infer_error *err)
{
    struct kv_pool *p = mem_new(a, 1, sizeof *p);
    if (!p)
        return fail_memory(err, "the cache"), NULL;
    p->shape = *shape;
    p->a = a;
    pthread_mutex_init(&p->lock, NULL);
    prefixes_init(&p->prefixes, a, p->heaps, KV_PREFIX_BYTES);
    for (int c = 0; c < KV_CLASSES; c++)
        if (!pages_init(&p->heaps[c], a, shape->head_bytes, (size_t)shape->n_layers[c] * shape->n_head_kv,
                        shape->slab_pages)) {
            kv_pool_close(p);
            return fail(err, INFER_E_NOMEM, "the cache of %u layers, %u heads, %u + %u numbers a token is too large",
                        h->n_layer, h->n_head_kv, h->d_k, h->d_v), NULL;
        }
    for (int c = 0; c < KV_CLASSES; c++) /* values of other widths leave gaps, which a saved session has too */
        p->heaps[c].cleared = !shape->shared && shape->d_v % 16 != 0;
    p->layers = mem_new(a, h->n_layer, sizeof *p->layers);
    if (!p->layers) {
        kv_pool_close(p);
        return fail_memory(err, "the cache"), NULL;
    }
    uint32_t n[KV_CLASSES] = { 0 };
    for (uint32_t l = 0; l < h->n_layer; l++) {
        p->layers[l].class = class_of(h, l);
        p->layers[l].index = n[p->layers[l].class]++;
    }
    return p;
}

void kv_pool_close(struct kv_pool *p)
{
    if (!p)
        return;
    prefixes_free(&p->prefixes);
    for (int c = 0; c < KV_CLASSES; c++)
        pages_free(&p->heaps[c]);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->a, p->known);
    mem_free(p->a, p->layers);
    mem_free(p->a, p);
}

void kv_pools_init(struct kv_pools *pools)
{
    pools->first = NULL;
    pools->prefix_bytes = KV_PREFIX_BYTES;
    pthread_mutex_init(&pools->lock, NULL);
}

void kv_pools_free(struct kv_pools *pools)
{
    for (struct kv_pool *p = pools->first, *next; p; p = next) {
        next = p->next;
        kv_pool_close(p);
    }
    pthread_mutex_destroy(&pools->lock);
}

uint64_t kv_pools_bytes(struct kv_pools *pools)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&pools->lock);
    for (struct kv_pool *p = pools->first; p; p = p->next) {
        pthread_mutex_lock(&p->lock);
        for (int c = 0; c < KV_CLASSES; c++)
            bytes += (uint64_t)p->heaps[c].n_slabs * p->heaps[c].slab_bytes;
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&pools->lock);
    return bytes;
}

struct kv_pool *kv_pools_get(struct kv_pools *pools, const infer_allocator *a, const struct hparams *h,
                             const struct kv_shape *shape, infer_error *err)
{
    pthread_mutex_lock(&pools->lock);
    struct kv_pool *p = pools->first;
    while (p && (p->shape.k_type != shape->k_type || p->shape.v_type != shape->v_type))
        p = p->next;
    if (!p && (p = kv_pool_open(a, h, shape, err))) {
        p->next = pools->first;
        p->prefixes.budget = pools->prefix_bytes;
        pools->first = p;
    }
    pthread_mutex_unlock(&pools->lock);
    return p;
}

void kv_pools_set_prefix_bytes(struct kv_pools *pools, uint64_t bytes)
{
    pthread_mutex_lock(&pools->lock);
    pools->prefix_bytes = bytes;
    for (struct kv_pool *p = pools->first; p; p = p->next) {
        pthread_mutex_lock(&p->lock);
        p->prefixes.budget = bytes;
        prefixes_trim(&p->prefixes);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&pools->lock);
}

/* ---- A session's pages ---- */

infer_status kv_init(struct kv *kv, struct kv_pool *pool, uint32_t n_ctx, infer_error *err)
{
    *kv = (struct kv){ .pool = pool, .n_ctx = n_ctx, .max_pages = pages_for(n_ctx) };
    for (int c = 0; c < KV_CLASSES; c++) {
        const uint32_t room = pool->shape.n_layers[c] ? kv->max_pages : 0;
        kv->of[c].pages = mem_raw(pool->a, room, sizeof *kv->of[c].pages);
        kv->of[c].data = mem_raw(pool->a, room, sizeof *kv->of[c].data);
    }
    for (int c = 0; c < KV_CLASSES; c++)
        if (!kv->of[c].pages || !kv->of[c].data) {
            kv_free(kv);
            return fail_memory(err, "the cache");
        }
    return INFER_OK;
}

/* Those from page `end` on. */
static void drop_behind(struct kv *kv, int class, uint32_t end)
{
    struct kv_pages *const of = &kv->of[class];
    while (of->end > of->first && of->end > end)
        page_release(&kv->pool->heaps[class], of->pages[--of->end]);
}

/* Those before page `first`; if that leaves none, the next one taken is `first`. */
static void drop_before(struct kv *kv, int class, uint32_t first)
{
    struct kv_pages *const of = &kv->of[class];
    while (of->first < of->end && of->first < first)
        page_release(&kv->pool->heaps[class], of->pages[of->first++]);
    if (of->first == of->end)
        of->first = of->end = first;
}

void kv_keep(struct kv *kv, uint32_t n_tokens)
{
    pthread_mutex_lock(&kv->pool->lock);
    for (int c = 0; c < KV_CLASSES; c++)
        drop_behind(kv, c, pages_for(n_tokens));
    pthread_mutex_unlock(&kv->pool->lock);
}

void kv_free(struct kv *kv)
{
    if (!kv->pool)
        return;
    kv_keep(kv, 0);
    for (int c = 0; c < KV_CLASSES; c++) {
        mem_free(kv->pool->a, kv->of[c].pages);
        mem_free(kv->pool->a, kv->of[c].data);
    }
    *kv = (struct kv){ 0 };
}

void kv_share(struct kv *to, const struct kv *from, uint32_t n_tokens)
{
    pthread_mutex_lock(&to->pool->lock);
    for (int c = 0; c < KV_CLASSES; c++) {
        const struct kv_pages *const have = &from->of[c];
        struct kv_pages *const of = &to->of[c];
        const uint32_t end = pages_for(n_tokens) < have->end ? pages_for(n_tokens) : have->end;
        of->first = of->end = have->first < end ? have->first : end;
        for (; of->end < end; of->end++) {
            of->pages[of->end] = page_hold(have->pages[of->end]);
            of->data[of->end] = have->data[of->end];
        }
    }
    pthread_mutex_unlock(&to->pool->lock);
}

static bool take(struct kv *kv, int class, uint32_t i, const struct page *after)
{
    struct kv_pages *const of = &kv->of[class];
    struct page *const page = page_take(&kv->pool->heaps[class], after, of->end - of->first);
    if (page) {
        of->pages[i] = page;
        of->data[i] = page->data;
    }
    return page;
}

/* Page i, which is there, becomes this session's alone; `keep`: with what it holds. */
static bool own(struct kv *kv, int class, uint32_t i, bool keep)
{
    struct kv_pages *const of = &kv->of[class];
    struct page_heap *const heap = &kv->pool->heaps[class];
    struct page *const old = of->pages[i];
    if (!page_is_shared(old))
        return true;
    if (!take(kv, class, i, i > of->first ? of->pages[i - 1] : NULL))
        return false;
    if (keep)
        page_copy(heap, of->pages[i], old);
    page_release(heap, old);
    return true;
}

static bool reserve(struct kv *kv, int class, uint32_t first, uint32_t n)
{
    struct kv_pages *const of = &kv->of[class];
    const uint32_t page = first / ATTEND_KEYS, need = pages_for(first + n);
    if (page < of->first) /* what there is belongs to another text */
        drop_behind(kv, class, 0);
    drop_before(kv, class, kept_from(&kv->pool->shape, (enum kv_class)class, first));
    if (of->first > page)
        of->first = of->end = page;
    for (uint32_t i = page; i < of->end && i < need; i++)
        if (!own(kv, class, i, i * ATTEND_KEYS < first))
            return false;
    for (; of->end < need; of->end++)
        if (!take(kv, class, of->end, of->end > of->first ? of->pages[of->end - 1] : NULL))
            return false;
    return true;
}

infer_status kv_reserve(struct kv *kv, uint32_t first, uint32_t n, infer_error *err)
{
    bool well = true;
    pthread_mutex_lock(&kv->pool->lock);
    for (int c = 0; c < KV_CLASSES && well; c++)
        well = !kv->pool->shape.n_layers[c] || reserve(kv, c, first, n);
    pthread_mutex_unlock(&kv->pool->lock);
    return well ? INFER_OK : fail(err, INFER_E_NOMEM, "out of memory for the cache of the tokens from %u on", first);
}

/* The first token that one sees which follows n_tokens; n_tokens: only itself. */
static uint32_t seen_from(const struct kv_shape *s, enum kv_class class, uint32_t n_tokens)
{
    return class == KV_WINDOW && n_tokens >= s->window ? n_tokens + 1 - s->window : 0;
}

bool kv_resumes(const struct kv *kv, uint32_t n_tokens)
{
    const struct kv_shape *s = &kv->pool->shape;
    for (int c = 0; c < KV_CLASSES && n_tokens; c++) {
        const struct kv_pages *const of = &kv->of[c];
        const uint32_t seen = seen_from(s, (enum kv_class)c, n_tokens);
        if (s->n_layers[c] && seen < n_tokens && (of->first > seen / ATTEND_KEYS || of->end < pages_for(n_tokens)))
            return false;
    }
    return true;
}

uint32_t kv_first(const struct kv *kv, enum kv_class class, uint32_t n_tokens)
{
    const struct kv_pages *const of = &kv->of[class];
    return of->first < kv_end(kv, class, n_tokens) ? of->first : 0;
}

uint32_t kv_latest_first(const struct kv *kv, enum kv_class class, uint32_t n_tokens)
{
    const uint32_t seen = seen_from(&kv->pool->shape, class, n_tokens) / ATTEND_KEYS, end = kv_end(kv, class, n_tokens);
    return seen < end ? seen : end;
}

uint32_t kv_end(const struct kv *kv, enum kv_class class, uint32_t n_tokens)
{
    return kv->pool->shape.n_layers[class] ? pages_for(n_tokens) : 0;
}

infer_status kv_make(struct kv *kv, const uint32_t first[KV_CLASSES], uint32_t n_tokens, infer_error *err)
{
    bool well = true;
    pthread_mutex_lock(&kv->pool->lock);
    for (int c = 0; c < KV_CLASSES; c++) {
        struct kv_pages *const of = &kv->of[c];
        const uint32_t end = kv_end(kv, (enum kv_class)c, n_tokens);
        of->first = of->end = first[c];
        for (; well && of->end < end; of->end += well)
            well = take(kv, c, of->end, of->end > of->first ? of->pages[of->end - 1] : NULL);
    }
    pthread_mutex_unlock(&kv->pool->lock);
    return well ? INFER_OK : fail(err, INFER_E_NOMEM, "out of memory for the cache of %u tokens", n_tokens);
}

/* ---- Prefixes ---- */

/* The pages that the trie has for the tokens, in pool->known; *last: where they end. */
static struct kv_known find_path(struct kv_pool *pool, uint64_t variant, const int32_t *tokens, uint32_t n_pages,
                                 struct prefix **last)
{
    struct kv_known known = { .n = 0 };
    *last = NULL;
    if (!n_pages || !mem_grow(pool->a, &pool->known, &pool->n_known, (size_t)KV_CLASSES * n_pages, sizeof *pool->known))
        return known;
    for (int c = 0; c < KV_CLASSES; c++)
        known.of[c] = pool->known + (size_t)c * n_pages;
    for (; known.n < n_pages; known.n++) {
        struct prefix *const x =
            prefix_find(&pool->prefixes, *last, variant, tokens + (size_t)known.n * ATTEND_KEYS);
        if (!x)
            break;
        for (int c = 0; c < KV_CLASSES; c++)
            known.of[c][known.n] = x->pages[c];
        *last = x;
    }
    return known;
}

/* A page that is known, or before page `own` of the session itself; NULL: neither has it. */
static const struct page *page_there(const struct kv *kv, const struct kv_known *known, int class, uint32_t i,
                                     uint32_t own)
{
    const struct kv_pages *const of = &kv->of[class];
    if (i < own)
        return i >= of->first && i < of->end ? of->pages[i] : NULL;
    return known->of[class][i];
}

/* The first page of a class that is there, with all behind it up to page `end`, and not needed before `from`. */
static uint32_t run_begin(const struct kv *kv, const struct kv_known *known, int class, uint32_t from, uint32_t end,
                          uint32_t own)
{
    while (end > from && page_there(kv, known, class, end - 1, own))
        end--;
    return end;
}

/* Whether a token that follows page `end` - 1 sees all that it should. */
static bool resumes_at(const struct kv *kv, const struct kv_known *known, uint32_t end, uint32_t own)
{
    const struct kv_shape *s = &kv->pool->shape;
    const uint32_t n = end * ATTEND_KEYS, seen = s->window && n >= s->window ? (n + 1 - s->window) / ATTEND_KEYS : 0;
    return (!s->n_layers[KV_ALL] || run_begin(kv, known, KV_ALL, own, end, own) == own) &&
           (!s->n_layers[KV_WINDOW] || run_begin(kv, known, KV_WINDOW, seen, end, own) == seen);
}

uint32_t kv_known_end(const struct kv *kv, const struct kv_known *known, uint32_t have)
{
    const uint32_t own = have / ATTEND_KEYS;
    uint32_t end = known->n;
    while (end > own && !resumes_at(kv, known, end, own))
        end--;
    return end > own ? end : own;
}

uint32_t kv_known_first(const struct kv *kv, const struct kv_known *known, enum kv_class class, uint32_t end,
                        uint32_t have)
{
    const uint32_t kept = kept_from(&kv->pool->shape, class, end * ATTEND_KEYS);
    return kv->pool->shape.n_layers[class] ? run_begin(kv, known, class, kept, end, have / ATTEND_KEYS) : end;
}

static void hold_known(struct kv *kv, const struct kv_known *known, uint32_t end, uint32_t have)
{
    const uint32_t own = have / ATTEND_KEYS;
    for (int c = 0; c < KV_CLASSES && end > own; c++) {
        struct kv_pages *const of = &kv->of[c];
        if (!kv->pool->shape.n_layers[c])
            continue;
        const uint32_t begin = kv_known_first(kv, known, (enum kv_class)c, end, have);
        drop_behind(kv, c, own);
        drop_before(kv, c, begin);
        if (of->first == of->end)
            of->first = of->end = begin;
        for (; of->end < end; of->end++) {
            of->pages[of->end] = page_hold(known->of[c][of->end]);
            of->data[of->end] = of->pages[of->end]->data;
        }
    }
}

void kv_hold_known(struct kv *kv, const struct kv_known *known, uint32_t end, uint32_t have)
{
    pthread_mutex_lock(&kv->pool->lock);
    hold_known(kv, known, end, have);
    pthread_mutex_unlock(&kv->pool->lock);
}

uint32_t kv_adopt(struct kv *kv, uint64_t variant, const int32_t *tokens, uint32_t n, uint32_t have)
{
    struct kv_pool *const pool = kv->pool;
    struct prefix *last;
    pthread_mutex_lock(&pool->lock);
    const struct kv_known known = find_path(pool, variant, tokens, n / ATTEND_KEYS, &last);
    const uint32_t end = kv_known_end(kv, &known, have);
    hold_known(kv, &known, end, have);
    if (end * ATTEND_KEYS > have) {
        for (uint32_t i = known.n; i > end; i--)
            last = last->parent;
        prefix_use(&pool->prefixes, last);
    }
    pthread_mutex_unlock(&pool->lock);
    return end * ATTEND_KEYS > have ? end * ATTEND_KEYS : have;
}

uint64_t kv_lend(const struct kv *kv, struct kv_known *known)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&kv->pool->lock);
    for (int c = 0; c < KV_CLASSES; c++) {
        const struct kv_pages *const of = &kv->of[c];
        for (uint32_t i = of->first; i < of->end && i < known->n; i++) {
            known->of[c][i] = page_hold(of->pages[i]);
            bytes += page_bytes(&kv->pool->heaps[c]);
        }
    }
    pthread_mutex_unlock(&kv->pool->lock);
    return bytes;
}

void kv_let_go(struct kv_pool *pool, struct kv_known *known)
{
    pthread_mutex_lock(&pool->lock);
    for (int c = 0; c < KV_CLASSES; c++)
        for (uint32_t i = 0; i < known->n; i++)
            if (known->of[c][i])
                page_release(&pool->heaps[c], known->of[c][i]);
    known->n = 0;
    pthread_mutex_unlock(&pool->lock);
}

struct page *kv_new_page(struct kv_pool *pool, enum kv_class class, const struct page *after, uint32_t run)
{
    pthread_mutex_lock(&pool->lock);
    struct page *const page = page_take(&pool->heaps[class], after, run);
    pthread_mutex_unlock(&pool->lock);
    return page;
}

void kv_release_page(struct kv_pool *pool, enum kv_class class, struct page *page)
{
    pthread_mutex_lock(&pool->lock);
    page_release(&pool->heaps[class], page);
    pthread_mutex_unlock(&pool->lock);
}

void kv_publish(struct kv *kv, uint64_t variant, const int32_t *tokens, uint32_t n)
{
    struct kv_pool *const pool = kv->pool;
    struct prefixes *const p = &pool->prefixes;
    struct prefix *end = NULL;
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < n / ATTEND_KEYS && p->budget; i++) {
        struct prefix *const x = prefix_get(p, end, variant, tokens + (size_t)i * ATTEND_KEYS);
        if (!x)
            break;
        end = x;
        for (int c = 0; c < KV_CLASSES; c++) {
            const struct kv_pages *const of = &kv->of[c];
            if (!x->pages[c] && pool->shape.n_layers[c] && i >= of->first && i < of->end)
                prefix_hold(p, x, c, of->pages[i]);
        }
    }
    prefix_use(p, end);
    prefixes_trim(p);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- Bytes ---- */

static uint64_t used_bytes(const struct kv_pool *pool)
{
    uint64_t bytes = 0;
    for (int c = 0; c < KV_CLASSES; c++)
        bytes += pool->heaps[c].n_used * page_bytes(&pool->heaps[c]);
    return bytes;
}

uint64_t kv_pool_used(struct kv_pool *pool, uint64_t most)
{
    pthread_mutex_lock(&pool->lock);
    uint64_t used = used_bytes(pool);
    if (used > most) {
        prefixes_release(&pool->prefixes, used - most);
        used = used_bytes(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return used;
}

bool kv_keeps_prefixes(struct kv_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    const bool keeps = pool->prefixes.budget > 0;
    pthread_mutex_unlock(&pool->lock);
    return keeps;
}

/* A page that is partly full may have to be copied, as somebody else holds it. */
uint64_t kv_growth(const struct kv *kv, uint32_t first, uint32_t n)
{
    uint64_t bytes = 0;
    for (int c = 0; c < KV_CLASSES; c++) {
        const struct kv_pages *const of = &kv->of[c];
        const uint32_t page = first / ATTEND_KEYS, end = n ? pages_for(first + n) : 0;
        const bool copied = n && page >= of->first && page < of->end && page_is_shared(of->pages[page]);
        if (kv->pool->shape.n_layers[c])
            bytes += ((uint64_t)(end > of->end ? end - of->end : 0) + copied) * page_bytes(&kv->pool->heaps[c]);
    }
    return bytes;
}

uint64_t kv_bytes(const struct kv *kv)
{
    uint64_t bytes = 0;
    for (int c = 0; c < KV_CLASSES; c++)
        bytes += (uint64_t)(kv->of[c].end - kv->of[c].first) * page_bytes(&kv->pool->heaps[c]);
    return bytes;
}
