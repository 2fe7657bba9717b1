/* saved.c - sessions to and from files and memory.
 *
 * A saved session, all numbers little-endian:
 *   header   u64 numbers, as enum field names them; the last is the hash of those before it
 *   tokens   i32 (n_tokens)
 *   outputs  f32 (n_out), or none: what came out for the last token
 *   pages    of each class of layers, page by page, its blocks stripe by stripe (kv.h). Positions behind the last
 *            computed token are zeros, so nothing of what was rewound gets out, and equal sessions give equal bytes
 *   hash     u64, of all between header and here
 * A layout of pages other than that of kernels.h, or anything else here, is another VERSION. */
#include "src/base/error.h"
#include "src/base/stream.h"
#include "src/runtime/session_parts.h"

#define MAGIC 0x73736573666e696cull /* "linfsess" */
enum { VERSION = 2 };

enum field {
    F_MAGIC, F_VERSION, F_SIZE, F_MODEL, F_KV_TYPE_K, F_KV_TYPE_V, F_PRECISION, F_DETERMINISTIC, F_LONG,
    F_ADAPTERS, F_TOKENS, F_DONE, F_OUTPUTS, F_FIRST, F_FIRST_WINDOWED, F_HASH, /* F_FIRST: page of each class */
    N_FIELDS
};
_Static_assert(F_FIRST_WINDOWED - F_FIRST + 1 == (int)KV_CLASSES, "a first page of each class");

struct header {
    uint64_t v[N_FIELDS];
};

/* ---- What a session is ---- */

/* What both sides must have alike. Long contexts have other caches only where the model rotates otherwise. */
static void describe(struct header *h, const infer_session *s)
{
    const struct workspace *w = s->workspace;
    *h = (struct header){ .v = {
        [F_MAGIC] = MAGIC, [F_VERSION] = VERSION, [F_MODEL] = model_identity(s->model), [F_KV_TYPE_K] = s->kv_type_k,
        [F_KV_TYPE_V] = s->kv_type_v, [F_PRECISION] = w->precision, [F_DETERMINISTIC] = w->deterministic,
        [F_LONG] = w->is_long && s->model->net.w[ROPE_LONG].data, [F_ADAPTERS] = adapter_set_identity(s->adapters),
    } };
}

/* Bytes of pages of a class. */
static bool add_pages(uint64_t *size, const struct kv *kv, enum kv_class class, uint64_t first, uint64_t end)
{
    uint64_t bytes;
    return !__builtin_mul_overflow(end - first, page_bytes(&kv->pool->heaps[class]), &bytes) &&
           !__builtin_add_overflow(*size, bytes, size);
}

/* Of everything, from numbers that are within the session's bounds; false if that is too much. */
static bool measure(const struct header *h, const struct kv *kv, uint64_t *size)
{
    bool well = true;
    *size = sizeof *h + h->v[F_TOKENS] * sizeof(int32_t) + h->v[F_OUTPUTS] * sizeof(float) + sizeof(uint64_t);
    for (int c = 0; c < KV_CLASSES; c++)
        well = well && add_pages(size, kv, (enum kv_class)c, h->v[F_FIRST + c],
                                 kv_end(kv, (enum kv_class)c, (uint32_t)h->v[F_DONE]));
    return well;
}

/* ---- Saving ---- */

/* How many tokens need not be computed again. Those whose pages went when they were behind a window will be, with all
 * others: then nothing of the cache is worth keeping. */
static uint32_t n_worth(const infer_session *s)
{
    const struct kv *kv = &s->history->kv;
    bool there = kv_resumes(kv, s->n_done);
    for (int c = 0; c < KV_CLASSES; c++)
        there = there && kv->of[c].end >= kv_end(kv, (enum kv_class)c, s->n_done);
    return there ? s->n_done : 0;
}

static infer_status make_header(struct header *h, const infer_session *s, infer_error *err)
{
    const struct kv *kv = &s->history->kv;
    const infer_status status = model_intact(s->model, err);
    if (status != INFER_OK)
        return status;
    describe(h, s);
    h->v[F_TOKENS] = s->n_tokens;
    h->v[F_DONE] = n_worth(s);
    h->v[F_OUTPUTS] = s->has_logits && h->v[F_DONE] == s->n_tokens ? s->n_out : 0;
    for (int c = 0; c < KV_CLASSES; c++)
        h->v[F_FIRST + c] = kv_first(kv, (enum kv_class)c, (uint32_t)h->v[F_DONE]);
    if (!measure(h, kv, &h->v[F_SIZE]))
        return fail(err, INFER_E_FULL, "the session has %u tokens, which are too many bytes to be saved", s->n_tokens);
    h->v[F_HASH] = hash_bytes(h->v, F_HASH * sizeof *h->v);
    return INFER_OK;
}

/* A block as it would be if its positions from `used` on had never been written to. */
static void clear_behind(const infer_session *s, uint8_t *block, int used)
{
    static const _Alignas(CACHE_LINE) float zeros[ATTEND_WIDTH];
    const struct kernels *k = &s->model->context->kernels;
    const struct kv_shape *shape = &s->history->kv.pool->shape;
    for (int slot = used; slot < ATTEND_KEYS; slot++) {
        k->store_key(block, shape->k_type, slot, zeros, shape->d_k);
        if (!shape->shared)
            k->store_value(block + shape->key_bytes, shape->v_type, slot, zeros, shape->d_v);
    }
}

/* `used`: of its positions; scratch has room for a block. */
static infer_status put_page(struct sink *sink, const infer_session *s, int class, uint32_t i, uint32_t used,
                             uint8_t *scratch, infer_error *err)
{
    const struct page_heap *heap = &s->history->kv.pool->heaps[class];
    infer_status status = INFER_OK;
    for (size_t stripe = 0; status == INFER_OK && stripe < heap->n_stripes; stripe++) {
        const uint8_t *block = page_block(heap, s->history->kv.of[class].pages[i], stripe);
        if (used < ATTEND_KEYS) {
            memcpy(scratch, block, heap->block_bytes);
            clear_behind(s, scratch, (int)used);
            block = scratch;
        }
        status = sink_put(sink, block, heap->block_bytes, err);
    }
    return status;
}

static infer_status put_pages(struct sink *sink, const infer_session *s, const struct header *h, infer_error *err)
{
    const struct kv *kv = &s->history->kv;
    const uint32_t n = (uint32_t)h->v[F_DONE];
    uint8_t *const scratch = mem_new(kv->pool->a, 1, kv->pool->shape.head_bytes);
    infer_status status = scratch ? INFER_OK : fail_memory(err, "a page of the saved session");
    for (int c = 0; c < KV_CLASSES; c++)
        for (uint32_t i = (uint32_t)h->v[F_FIRST + c]; status == INFER_OK && i < kv_end(kv, (enum kv_class)c, n); i++)
            status = put_page(sink, s, c, i, n - i * ATTEND_KEYS, scratch, err);
    mem_free(kv->pool->a, scratch);
    return status;
}

static infer_status put_all(struct sink *sink, const infer_session *s, const struct header *h, infer_error *err)
{
    infer_status status = sink_put(sink, h, sizeof *h, err);
    hash_init(&sink->hash);
    if (status == INFER_OK)
        status = sink_put(sink, s->history->tokens, s->n_tokens * sizeof *s->history->tokens, err);
    if (status == INFER_OK)
        status = sink_put(sink, s->output->values, h->v[F_OUTPUTS] * sizeof *s->output->values, err);
    if (status == INFER_OK)
        status = put_pages(sink, s, h, err);
    const uint64_t hash = hash_value(&sink->hash);
    if (status == INFER_OK)
        status = sink_put(sink, &hash, sizeof hash, err);
    return status == INFER_OK ? sink_finish(sink, err) : status;
}

infer_status infer_session_save(const infer_session *s, const char *path, infer_error *err)
{
    struct header h;
    struct sink sink;
    infer_status status = make_header(&h, s, err);
    if (status == INFER_OK)
        status = sink_open_file(&sink, &s->model->context->a, path, err);
    if (status != INFER_OK)
        return status;
    status = put_all(&sink, s, &h, err);
    sink_close(&sink);
    return status;
}

infer_status infer_session_save_bytes(const infer_session *s, void *data, size_t max, size_t *size, infer_error *err)
{
    struct header h;
    struct sink sink;
    *size = 0;
    const infer_status status = make_header(&h, s, err);
    if (status != INFER_OK)
        return status;
    *size = (size_t)h.v[F_SIZE];
    if (*size > max)
        return INFER_OK;
    sink_open_memory(&sink, data, max);
    return put_all(&sink, s, &h, err);
}

/* ---- Loading ---- */

static const char *kv_name(uint64_t type)
{
    const enum dtype stored = type <= INFER_KV_Q4_0 ? kv_dtype((infer_kv_type)type) : DTYPE_COUNT;
    return stored == DTYPE_COUNT ? "unknown" : dtype_name(stored);
}

/* Fields that must be what the session has. */
static infer_status check_alike(const struct header *h, const infer_session *s, const char *name, infer_error *err)
{
    static const char *const precisions[] = { "INFER_FAST", "INFER_EXACT" };
    struct header own;
    describe(&own, s);
    if (h->v[F_MODEL] != own.v[F_MODEL])
        return fail(err, INFER_E_ARGUMENT, "%s: the session is of model %016llx, expected %016llx, which %s is", name,
                    (unsigned long long)h->v[F_MODEL], (unsigned long long)own.v[F_MODEL], s->model->weights->path);
    for (int f = F_KV_TYPE_K; f <= F_KV_TYPE_V; f++)
        if (h->v[f] != own.v[f])
            return fail(err, INFER_E_ARGUMENT, "%s: kv_type_%c is %s, expected %s as in the session's options", name,
                        "kv"[f - F_KV_TYPE_K], kv_name(h->v[f]), kv_name(own.v[f]));
    if (h->v[F_PRECISION] != own.v[F_PRECISION])
        return fail(err, INFER_E_ARGUMENT, "%s: precision is %s, expected %s as in the session's options", name,
                    h->v[F_PRECISION] < 2 ? precisions[h->v[F_PRECISION]] : "unknown", precisions[own.v[F_PRECISION]]);
    static const char *const flags[] = { "deterministic", "rotation of long contexts" };
    for (int f = F_DETERMINISTIC; f <= F_LONG; f++)
        if (h->v[f] != own.v[f])
            return fail(err, INFER_E_ARGUMENT, "%s: %s is %llu, expected %llu as the session's options have it", name,
                        flags[f - F_DETERMINISTIC], (unsigned long long)h->v[f], (unsigned long long)own.v[f]);
    if (h->v[F_ADAPTERS] != own.v[F_ADAPTERS])
        return fail(err, INFER_E_ARGUMENT,
                    "%s: the session's adapters and scales are %016llx, expected %016llx, which are "
                    "set; 0 is none",
                    name, (unsigned long long)h->v[F_ADAPTERS], (unsigned long long)own.v[F_ADAPTERS]);
    return INFER_OK;
}

static infer_status wrong(const char *name, const char *what, uint64_t found, uint64_t most, infer_error *err)
{
    return fail(err, INFER_E_FORMAT, "%s: %s is %llu, expected %llu at most", name, what, (unsigned long long)found,
                (unsigned long long)most);
}

/* Numbers that sizes are made of. */
static infer_status check_sizes(const struct header *h, const infer_session *s, const char *name, infer_error *err)
{
    const struct kv *kv = &s->history->kv;
    const uint64_t n = h->v[F_TOKENS], outputs = h->v[F_OUTPUTS];
    uint64_t size = 0;
    if (n > s->n_ctx)
        return fail(err, INFER_E_FULL, "%s: has %llu tokens, expected at most the session's n_ctx of %u", name,
                    (unsigned long long)n, s->n_ctx);
    if (h->v[F_DONE] > n)
        return wrong(name, "the number of computed tokens", h->v[F_DONE], n, err);
    if (outputs && (outputs != s->n_out || !n || h->v[F_DONE] != n))
        return fail(err, INFER_E_FORMAT, "%s: has %llu outputs of %llu tokens, of which %llu are computed, expected "
                    "none or %u of computed tokens", name, (unsigned long long)outputs, (unsigned long long)n,
                    (unsigned long long)h->v[F_DONE], s->n_out);
    for (int c = 0; c < KV_CLASSES; c++) {
        const uint32_t most = kv_latest_first(kv, (enum kv_class)c, (uint32_t)h->v[F_DONE]);
        if (h->v[F_FIRST + c] > most)
            return wrong(name, c == KV_WINDOW ? "the first page of windowed layers" : "the first page",
                         h->v[F_FIRST + c], most, err);
    }
    if (!measure(h, kv, &size) || size != h->v[F_SIZE])
        return fail(err, INFER_E_FORMAT, "%s: has %llu bytes, expected %llu of %llu tokens", name,
                    (unsigned long long)h->v[F_SIZE], (unsigned long long)size, (unsigned long long)n);
    return INFER_OK;
}

static infer_status get_header(struct source *from, const infer_session *s, struct header *h, infer_error *err)
{
    infer_status status = source_get(from, h, sizeof *h, err);
    if (status != INFER_OK)
        return status;
    const uint64_t hash = hash_bytes(h->v, F_HASH * sizeof *h->v);
    if (h->v[F_MAGIC] != MAGIC)
        return fail(err, INFER_E_FORMAT, "%s: begins with %016llx, expected %016llx as a saved session does",
                    from->name, (unsigned long long)h->v[F_MAGIC], (unsigned long long)MAGIC);
    if (h->v[F_VERSION] != VERSION)
        return fail(err, INFER_E_UNKNOWN, "%s: the saved session's version is %llu, expected %d", from->name,
                    (unsigned long long)h->v[F_VERSION], VERSION);
    if (h->v[F_HASH] != hash)
        return fail(err, INFER_E_FORMAT, "%s: is damaged: the header's checksum is %016llx, expected %016llx",
                    from->name, (unsigned long long)hash, (unsigned long long)h->v[F_HASH]);
    if (h->v[F_SIZE] != from->size)
        return fail(err, INFER_E_FORMAT, "%s: has %llu bytes, expected %llu", from->name,
                    (unsigned long long)from->size, (unsigned long long)h->v[F_SIZE]);
    status = check_alike(h, s, from->name, err);
    return status == INFER_OK ? check_sizes(h, s, from->name, err) : status;
}

static infer_status get_pages(struct source *from, const struct kv *kv, infer_error *err)
{
    infer_status status = INFER_OK;
    for (int c = 0; c < KV_CLASSES; c++) {
        const struct page_heap *heap = &kv->pool->heaps[c];
        for (uint32_t i = kv->of[c].first; i < kv->of[c].end; i++)
            for (size_t stripe = 0; status == INFER_OK && stripe < heap->n_stripes; stripe++)
                status = source_get(from, page_block(heap, kv->of[c].pages[i], stripe), heap->block_bytes, err);
    }
    return status;
}

static infer_status get_hash(struct source *from, infer_error *err)
{
    const uint64_t found = hash_value(&from->hash);
    uint64_t expected = 0;
    const infer_status status = source_get(from, &expected, sizeof expected, err);
    return status != INFER_OK || found == expected ? status :
           fail(err, INFER_E_FORMAT, "%s: is damaged: the checksum is %016llx, expected %016llx", from->name,
                (unsigned long long)found, (unsigned long long)expected);
}

/* What follows the header, into a history and an output that nobody else has. */
static infer_status get_rest(struct source *from, const infer_session *s, const struct header *h,
                             struct history *history, struct output *output, infer_error *err)
{
    const uint32_t n = (uint32_t)h->v[F_TOKENS];
    const uint32_t first[KV_CLASSES] = { (uint32_t)h->v[F_FIRST], (uint32_t)h->v[F_FIRST_WINDOWED] };
    hash_init(&from->hash);
    infer_status status = kv_make(&history->kv, first, (uint32_t)h->v[F_DONE], err);
    if (status == INFER_OK)
        status = source_get(from, history->tokens, n * sizeof *history->tokens, err);
    if (status == INFER_OK)
        status = source_get(from, output->values, h->v[F_OUTPUTS] * sizeof *output->values, err);
    if (status == INFER_OK)
        status = get_pages(from, &history->kv, err);
    if (status == INFER_OK)
        status = get_hash(from, err);
    for (uint32_t i = 0; i < n && status == INFER_OK; i++)
        if (history->tokens[i] < 0 || (uint32_t)history->tokens[i] >= s->model->net.h.n_vocab)
            status = fail(err, INFER_E_FORMAT, "%s: token %u is %d, expected 0 to %u", from->name, i,
                          history->tokens[i], s->model->net.h.n_vocab - 1);
    return status;
}

static infer_status load(infer_session *s, struct source *from, infer_error *err)
{
    struct header h;
    infer_status status = model_intact(s->model, err);
    if (status == INFER_OK)
        status = get_header(from, s, &h, err);
    if (status != INFER_OK)
        return status;
    struct output *const output = output_open(s, err);
    struct history *const history = output ? history_open(s->history->kv.pool, s->n_ctx, err) : NULL;
    status = history ? get_rest(from, s, &h, history, output, err) : INFER_E_NOMEM;
    if (status == INFER_OK)
        session_replace(s, history, output, (uint32_t)h.v[F_TOKENS], (uint32_t)h.v[F_DONE], h.v[F_OUTPUTS] != 0);
    else {
        history_release(history);
        output_release(&s->model->context->a, output);
    }
    return status;
}

infer_status infer_session_load(infer_session *s, const char *path, infer_error *err)
{
    struct source from;
    infer_status status = source_open_file(&from, path, err);
    if (status != INFER_OK)
        return status;
    status = load(s, &from, err);
    source_close(&from);
    return status;
}

infer_status infer_session_load_bytes(infer_session *s, const void *data, size_t size, infer_error *err)
{
    struct source from;
    source_open_memory(&from, data, size, "saved session");
    return load(s, &from, err);
}
