/* embedder.c - vectors and scores of whole texts.
 *
 * Texts are short and many, so several are one step: they lie behind one another in the slots of one cache, and each
 * sees only itself (struct passage). So products have many columns, whatever the texts' lengths, and nothing is padded.
 * A step has PACK tokens at most, unless a text of an encoder is longer: its tokens must be in one step. A longer one
 * of another model takes several. */
#include "src/base/error.h"
#include "src/model/model.h"
#include "src/runtime/session.h"

#include <math.h>

enum { PACK = 512, MAX_TEXT = 1 << 27, MAX_ENCODED = 1 << 14 };

/* What becomes of the hidden states of a text. */
enum kind { VECTORS, TOKENS, SCORES };

struct infer_embedder {
    infer_session *session;
    const infer_model *model;
    const infer_allocator *a;
    infer_embedder_options o;
    infer_pooling pooling;
    uint32_t n_embd, n_dims, n_token_dims, n_ctx, n_batch;
    int32_t *text;            /* n_ctx ids of the text at hand */
    int32_t *query;           /* n_ctx, of infer_rerank */
    int32_t *ids;             /* n_batch, of the step */
    struct passage *passages; /* n_batch */
    float *rows;              /* (n_batch, n_embd), what comes out of the step */
    float *wide;              /* (n_batch, n_projected), where the model projects; (n_batch, n_embd) of pooled texts */
    float *dense[2];          /* (n_batch, n_dense_out) what further layers make of those, or NULL */
};

/* The texts of one call and of the step that is being put together. */
struct embedding {
    struct infer_embedder *e;
    enum kind kind;
    float *out;          /* of the next text, or token */
    uint32_t n, n_texts; /* tokens and texts in the step */
    infer_error *err;
};

/* ---- Opening ---- */

/* How a model makes vectors of texts: what its files say. */
struct embedding_ways {
    infer_pooling pooling; /* never INFER_POOLING_DEFAULT */
    uint32_t n_ctx;        /* most tokens of a text */
};

static infer_status read_ways(struct embedding_ways *ways, const infer_model *m, infer_error *err)
{
    const struct hparams *h = &m->net.h;
    uint32_t most = h->n_ctx_train;
    ways->pooling = m->net.w[PROJECTION].data      ? INFER_POOLING_NONE
                    : m->net.w[CLASSES].data     ? INFER_POOLING_CLS /* what the head reads */
                    : arch_has(h, TRAIT_ENCODER) ? INFER_POOLING_MEAN
                                                 : INFER_POOLING_LAST;
    const infer_status status = arch_read_pooling(&ways->pooling, m->weights, h, err);
    if (status == INFER_OK && meta_get_u32(m->weights, ARCH_MAX_SEQUENCE, &most, err) == META_WRONG)
        return INFER_E_FORMAT;
    ways->n_ctx = most && most < h->n_ctx_train ? most : h->n_ctx_train;
    return status;
}

static infer_status check_options(struct infer_embedder *e, const struct embedding_ways *ways, infer_error *err)
{
    const struct hparams *h = &e->model->net.h;
    const infer_embedder_options *o = &e->o;
    const bool encoder = arch_has(h, TRAIT_ENCODER);
    if (o->pooling < INFER_POOLING_DEFAULT || o->pooling > INFER_POOLING_LAST)
        return fail(err, INFER_E_ARGUMENT, "embedder options: pooling is %d, expected an infer_pooling, 0 to %d",
                    (int)o->pooling, INFER_POOLING_LAST);
    if (o->precision != INFER_FAST && o->precision != INFER_EXACT)
        return fail(err, INFER_E_ARGUMENT, "embedder options: precision is %d, expected INFER_FAST or INFER_EXACT",
                    (int)o->precision);
    e->pooling = o->pooling == INFER_POOLING_DEFAULT ? ways->pooling : o->pooling;
    e->n_embd = e->n_dims = e->n_token_dims = h->n_embd;
    for (int i = 0; i < 2; i++)
        e->n_dims = h->n_dense_out[i] ? h->n_dense_out[i] : e->n_dims;
    if (e->model->net.w[PROJECTION].data)
        e->n_token_dims = h->n_projected;
    const uint32_t all = e->pooling == INFER_POOLING_NONE ? e->n_token_dims : e->n_dims,
                   wanted = (uint32_t)o->dimensions;
    if (o->dimensions < 0 || wanted > all)
        return fail(err, INFER_E_ARGUMENT,
                    "embedder options: dimensions is %d, but the model's vectors have %u numbers", o->dimensions, all);
    if (wanted) {
        e->n_dims = wanted;
        e->n_token_dims = wanted < e->n_token_dims ? wanted : e->n_token_dims;
    }
    const uint32_t most = encoder && h->n_ctx_train > MAX_ENCODED   ? MAX_ENCODED
                          : arch_has(h, TRAIT_POSITIONS) || encoder ? h->n_ctx_train
                                                                    : MAX_TEXT;
    if (o->n_ctx < 0 || (uint32_t)o->n_ctx > most)
        return fail(err, INFER_E_ARGUMENT, "embedder options: n_ctx is %d, expected 0 to %u", o->n_ctx, most);
    e->n_ctx = o->n_ctx ? (uint32_t)o->n_ctx : ways->n_ctx < most ? ways->n_ctx : most;
    e->n_batch = encoder && e->n_ctx > PACK ? e->n_ctx : PACK;
    return INFER_OK;
}

static infer_status make_embedder(struct infer_embedder *e, infer_model *m, infer_error *err)
{
    struct embedding_ways ways;
    infer_session_options o = infer_session_defaults();
    infer_status status = read_ways(&ways, m, err);
    if (status == INFER_OK)
        status = check_options(e, &ways, err);
    if (status != INFER_OK)
        return status;
    const struct hparams *h = &m->net.h;
    const size_t wide = h->n_projected > h->n_embd ? h->n_projected : h->n_embd;
    o.n_ctx = (int32_t)(e->n_ctx > e->n_batch ? e->n_ctx : e->n_batch);
    o.n_batch = (int32_t)e->n_batch;
    o.precision = e->o.precision;
    o.kv_type_k = o.kv_type_v = o.precision == INFER_EXACT ? INFER_KV_F32 : INFER_KV_F16;
    e->session = session_open(m, &o, err);
    if (!e->session)
        return INFER_E_NOMEM;
    e->text = mem_raw(e->a, e->n_ctx, sizeof *e->text);
    e->query = mem_raw(e->a, e->n_ctx, sizeof *e->query);
    e->ids = mem_raw(e->a, e->n_batch, sizeof *e->ids);
    e->passages = mem_raw(e->a, e->n_batch, sizeof *e->passages);
    e->rows = mem_raw(e->a, e->n_batch, e->n_embd * sizeof *e->rows);
    e->wide = mem_raw(e->a, e->n_batch, wide * sizeof *e->wide);
    for (int i = 0; i < 2; i++)
        if (h->n_dense_out[i] && !(e->dense[i] = mem_raw(e->a, e->n_batch, h->n_dense_out[i] * sizeof *e->wide)))
            return fail_memory(err, "the embedder");
    return e->text && e->query && e->ids && e->passages && e->rows && e->wide ? INFER_OK
                                                                              : fail_memory(err, "the embedder");
}

infer_embedder *infer_embedder_open(infer_model *m, const infer_embedder_options *options, infer_error *err)
{
    if (!m || !m->runnable)
        return fail_null(err, INFER_E_ARGUMENT, "an embedder needs a model that was not opened for inspection only");
    if (options && options->size < sizeof options->size)
        return fail_null(err, INFER_E_ARGUMENT, "embedder options: size is %zu; start from infer_embedder_defaults()",
                         options->size);
    infer_embedder *e = mem_new(&m->context->a, 1, sizeof *e);
    if (!e)
        return fail_memory(err, "the embedder"), NULL;
    e->a = &m->context->a;
    e->model = infer_model_retain(m);
    e->o = infer_embedder_defaults();
    if (options)
        memcpy(&e->o, options, options->size < sizeof e->o ? options->size : sizeof e->o);
    if (make_embedder(e, m, err) != INFER_OK)
        infer_embedder_close(&e);
    return e;
}

void infer_embedder_close(infer_embedder **embedder)
{
    infer_embedder *e = *embedder;
    *embedder = NULL;
    if (!e)
        return;
    infer_model *m = (infer_model *)(uintptr_t)e->model;
    const infer_allocator *a = e->a;
    infer_session_close(&e->session);
    mem_free(a, e->text);
    mem_free(a, e->query);
    mem_free(a, e->ids);
    mem_free(a, e->passages);
    mem_free(a, e->rows);
    mem_free(a, e->wide);
    mem_free(a, e->dense[0]);
    mem_free(a, e->dense[1]);
    mem_free(a, e);
    infer_model_close(&m);
}

static bool reranks(const struct infer_embedder *e)
{
    return e->model->net.w[CLASSES].data && e->model->net.h.n_classes == 1;
}

void infer_embedder_get_info(const infer_embedder *e, infer_embedder_info *info)
{
    const infer_embedder_info full = {
        .size = info->size,
        .pooling = e->pooling,
        .dimensions = (int32_t)e->n_dims,
        .token_dimensions = (int32_t)e->n_token_dims,
        .n_ctx = (int32_t)e->n_ctx,
        .reranks = reranks(e),
    };
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}

void infer_embedder_cancel(infer_embedder *e)
{
    infer_session_cancel(e->session);
}

/* ---- From hidden states to vectors ---- */

static void finish(const struct infer_embedder *e, float *v, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n && e->o.normalize; i++)
        square += (double)v[i] * (double)v[i];
    const float by = square > 0 ? (float)(1 / sqrt(square)) : 1;
    for (size_t i = 0; i < n; i++)
        v[i] *= by;
}

/* Rows [at, at + n) of a text's `total` join its vector. */
static void pool(const struct infer_embedder *e, infer_pooling pooling, float *v, const float *rows, size_t at,
                 size_t n, size_t total)
{
    const size_t n_dims = e->n_embd;
    const size_t last = pooling == INFER_POOLING_LAST ? n - 1 : 0;
    if (pooling != INFER_POOLING_MEAN) {
        if (pooling == INFER_POOLING_LAST ? at + n == total : at == 0)
            memcpy(v, rows + last * e->n_embd, n_dims * sizeof *v);
        return;
    }
    if (at == 0)
        memset(v, 0, n_dims * sizeof *v);
    for (size_t r = 0; r < n; r++)
        e->model->context->kernels.add(v, v, rows + r * e->n_embd, n_dims);
    for (size_t i = 0; i < n_dims && at + n == total; i++)
        v[i] /= (float)total;
}

static void put_tokens(struct embedding *x, const float *rows, size_t n)
{
    struct infer_embedder *e = x->e;
    const bool projects = e->model->net.w[PROJECTION].data;
    const size_t width = projects ? e->model->net.h.n_projected : e->n_embd;
    if (projects) {
        const struct forward f = session_forward(e->session);
        forward_project(&f, rows, (uint32_t)n, e->wide);
        rows = e->wide;
    }
    for (size_t r = 0; r < n; r++, x->out += e->n_token_dims) {
        memcpy(x->out, rows + r * width, e->n_token_dims * sizeof *x->out);
        finish(e, x->out, e->n_token_dims);
    }
}

/* n texts, whose pooled vectors are in e->wide. */
static void put_vectors(struct embedding *x, size_t n)
{
    struct infer_embedder *e = x->e;
    const struct hparams *h = &e->model->net.h;
    const struct forward f = session_forward(e->session);
    const float *v = e->wide;
    size_t width = e->n_embd;
    for (int i = 0; i < 2 && e->dense[i]; i++) {
        forward_dense(&f, i, v, (uint32_t)n, e->dense[i]);
        v = e->dense[i];
        width = h->n_dense_out[i];
    }
    for (size_t i = 0; i < n; i++, v += width, x->out += e->n_dims) {
        memcpy(x->out, v, e->n_dims * sizeof *x->out);
        finish(e, x->out, e->n_dims);
    }
}

/* The texts of the step, of which the hidden states are in e->rows. */
static void put_texts(struct embedding *x)
{
    struct infer_embedder *e = x->e;
    if (x->kind == TOKENS) {
        put_tokens(x, e->rows, x->n);
        return;
    }
    float *v = e->wide;
    for (uint32_t at = 0, n; at < x->n; at += n, v += e->n_embd) {
        n = e->passages[at].end - at;
        pool(e, x->kind == VECTORS ? e->pooling : INFER_POOLING_CLS, v, e->rows + (size_t)at * e->n_embd, 0, n, n);
    }
    if (x->kind == VECTORS) {
        put_vectors(x, x->n_texts);
    } else {
        const struct forward f = session_forward(e->session);
        forward_classes(&f, e->wide, x->n_texts, x->out);
        x->out += x->n_texts;
    }
}

/* ---- Steps ---- */

static infer_status flush(struct embedding *x)
{
    struct infer_embedder *e = x->e;
    const struct segment where = { .n = x->n, .passages = e->passages };
    if (!x->n)
        return INFER_OK;
    const infer_status status = session_hidden(e->session, e->ids, &where, x->n, e->rows, x->err);
    if (status == INFER_OK)
        put_texts(x);
    x->n = x->n_texts = 0;
    return status;
}

/* A text of more tokens than a step has; each sees those before it alone. */
static infer_status run_long(struct embedding *x, const int32_t *ids, uint32_t n)
{
    struct infer_embedder *e = x->e;
    for (uint32_t at = 0; at < n;) {
        const struct segment where = { .first = at, .n = n - at < e->n_batch ? n - at : e->n_batch };
        const infer_status status = session_hidden(e->session, ids + at, &where, where.n, e->rows, x->err);
        if (status != INFER_OK)
            return status;
        if (x->kind == TOKENS)
            put_tokens(x, e->rows, where.n);
        else
            pool(e, e->pooling, e->wide, e->rows, at, where.n, n);
        at += where.n;
    }
    if (x->kind == VECTORS)
        put_vectors(x, 1);
    return INFER_OK;
}

/* A text joins the step, or begins the next one. Tokens from `second` on are those of a pair's second text. */
static infer_status put(struct embedding *x, const int32_t *ids, uint32_t n, uint32_t second)
{
    struct infer_embedder *e = x->e;
    infer_status status = x->n + n > PACK ? flush(x) : INFER_OK;
    if (status != INFER_OK)
        return status;
    if (n > e->n_batch)
        return run_long(x, ids, n);
    const struct passage passage = { x->n, x->n + n, x->n + second };
    memcpy(e->ids + x->n, ids, n * sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        e->passages[x->n + i] = passage;
    x->n += n;
    x->n_texts++;
    return INFER_OK;
}

/* ---- Texts to ids ---- */

/* The ids of an input, as many as there is room for; *n counts all. */
static infer_status encode(const struct infer_embedder *e, const infer_input *in, unsigned flags, int32_t *ids,
                           size_t room, size_t *n, infer_error *err)
{
    const infer_tokenizer *t = e->model->tokenizer;
    if (in->text && !t)
        return fail(err, INFER_E_ARGUMENT, "the model has no tokenizer: give ids");
    if (in->text)
        return infer_tokenizer_encode(t, in->text, in->length, flags | INFER_PARSE_SPECIAL, ids, room, n, err);
    const uint32_t n_vocab = e->model->net.h.n_vocab;
    *n = in->n_ids;
    for (size_t i = 0; i < in->n_ids; i++)
        if (in->ids[i] < 0 || (uint32_t)in->ids[i] >= n_vocab)
            return fail(err, INFER_E_ARGUMENT, "id %zu of %zu is %d, expected 0 to %u", i, in->n_ids, in->ids[i],
                        n_vocab - 1);
    if (in->n_ids)
        memcpy(ids, in->ids, (in->n_ids < room ? in->n_ids : room) * sizeof *ids);
    return INFER_OK;
}

static infer_status fail_long(const struct infer_embedder *e, size_t i, size_t n, infer_error *err)
{
    return fail(err, INFER_E_ARGUMENT, "text %zu has %zu tokens, expected at most %u (n_ctx); truncate cuts it", i, n,
                e->n_ctx);
}

/* Text i, with what stands around it, in e->text. */
static infer_status encode_text(struct infer_embedder *e, const infer_input *in, size_t i, size_t *n, infer_error *err)
{
    const struct token_frame frame =
        in->text && e->model->tokenizer ? tokenizer_around(e->model->tokenizer) : (struct token_frame){ 0 };
    const infer_status status = encode(e, in, INFER_ADD_SPECIAL, e->text, e->n_ctx, n, err);
    if (status != INFER_OK)
        return status;
    if (!*n)
        return fail(err, INFER_E_ARGUMENT, "text %zu has no tokens", i);
    if (*n > e->n_ctx && (!e->o.truncate || frame.n_before + frame.n_after >= e->n_ctx))
        return fail_long(e, i, *n, err);
    if (*n > e->n_ctx) {
        *n = e->n_ctx;
        for (size_t j = 0; j < frame.n_after; j++)
            e->text[e->n_ctx - frame.n_after + j] = frame.after[j];
    }
    return INFER_OK;
}

/* ---- Calls ---- */

static infer_status run(struct embedding *x, const infer_input *texts, size_t n)
{
    infer_status status = INFER_OK;
    for (size_t i = 0, n_ids; i < n && status == INFER_OK; i++) {
        status = encode_text(x->e, &texts[i], i, &n_ids, x->err);
        if (status == INFER_OK)
            status = put(x, x->e->text, (uint32_t)n_ids, (uint32_t)n_ids);
    }
    return status == INFER_OK ? flush(x) : status;
}

infer_status infer_embed(infer_embedder *e, const infer_input *texts, size_t n, float *out, infer_error *err)
{
    struct embedding x = { .e = e, .kind = VECTORS, .out = out, .err = err };
    if (e->pooling == INFER_POOLING_NONE)
        return fail(err, INFER_E_ARGUMENT,
                    "the model's vectors are those of tokens; choose a pooling for one of a text");
    return run(&x, texts, n);
}

infer_status infer_embed_tokens(infer_embedder *e, const infer_input *texts, size_t n, float *out, size_t max,
                                size_t *first, infer_error *err)
{
    struct embedding x = { .e = e, .kind = TOKENS, .out = out, .err = err };
    first[0] = 0;
    for (size_t i = 0, n_ids; i < n; i++) {
        const infer_status status = encode_text(e, &texts[i], i, &n_ids, err);
        if (status != INFER_OK)
            return status;
        first[i + 1] = first[i] + n_ids;
    }
    if (out && max < first[n])
        return fail(err, INFER_E_ARGUMENT, "%zu texts have %zu tokens, but there is room for %zu", n, first[n], max);
    return out ? run(&x, texts, n) : INFER_OK;
}

/* ---- Pairs ---- */

/* How many ids are left of two texts that have more than `room` together: the longer one is cut, then both. */
static void cut_longer(size_t *a, size_t *b, size_t room)
{
    if (*a + *b <= room)
        return;
    const size_t half = room / 2;
    if (*a <= half)
        *b = room - *a;
    else if (*b <= room - half)
        *a = room - *b;
    else
        *a = half, *b = room - half;
}

/* before, a, between, b, after. The second text begins behind what stands between. */
static infer_status put_pair(struct embedding *x, size_t n_a, const infer_input *document, size_t i)
{
    struct infer_embedder *e = x->e;
    const struct token_frame frame =
        e->model->tokenizer ? tokenizer_around(e->model->tokenizer) : (struct token_frame){ 0 };
    const size_t around = frame.n_before + frame.n_between + frame.n_after;
    size_t n_b, a = n_a;
    infer_status status = encode(e, document, 0, e->text, e->n_ctx, &n_b, x->err);
    if (status != INFER_OK)
        return status;
    if (a + n_b + around > e->n_ctx && (!e->o.truncate || around >= e->n_ctx))
        return fail_long(e, i, a + n_b + around, x->err);
    if (!(a + n_b + around))
        return fail(x->err, INFER_E_ARGUMENT, "text %zu has no tokens", i);
    cut_longer(&a, &n_b, e->n_ctx - around);
    /* b is moved to its place first, as it stands where the pair is put together */
    const size_t second = frame.n_before + a + frame.n_between;
    memmove(e->text + second, e->text, n_b * sizeof *e->text);
    if (frame.n_before)
        memcpy(e->text, frame.before, frame.n_before * sizeof *e->text);
    memcpy(e->text + frame.n_before, e->query, a * sizeof *e->text);
    if (frame.n_between)
        memcpy(e->text + second - frame.n_between, frame.between, frame.n_between * sizeof *e->text);
    if (frame.n_after)
        memcpy(e->text + second + n_b, frame.after, frame.n_after * sizeof *e->text);
    return put(x, e->text, (uint32_t)(a + n_b + around), (uint32_t)second);
}

infer_status infer_rerank(infer_embedder *e, const infer_input *query, const infer_input *documents, size_t n,
                          float *scores, infer_error *err)
{
    struct embedding x = { .e = e, .kind = SCORES, .out = scores, .err = err };
    size_t n_query = 0;
    if (!reranks(e))
        return fail(err, INFER_E_ARGUMENT,
                    "the model has no head that scores pairs: a reranker (cross-encoder) has one");
    infer_status status = encode(e, query, 0, e->query, e->n_ctx, &n_query, err);
    if (status == INFER_OK && n_query > e->n_ctx && !e->o.truncate)
        status = fail(err, INFER_E_ARGUMENT, "the query has %zu tokens, expected at most %u (n_ctx); truncate cuts it",
                      n_query, e->n_ctx);
    for (size_t i = 0; i < n && status == INFER_OK; i++)
        status = put_pair(&x, n_query, &documents[i], i);
    return status == INFER_OK ? flush(&x) : status;
}
