/* forward.c - the forward pass, written once over the op table. */
#include "src/engine/forward.h"

#include "src/base/error.h"

infer_status step_buffers_init(struct step_buffers *b, const infer_allocator *a, const struct hparams *h,
                               uint32_t n_batch, infer_error *err)
{
    *b = (struct step_buffers){ .a = a };
    const struct {
        float **buffer;
        enum dim width;
    } buffers[] = {
        { &b->x, DIM_EMBD },
        { &b->q, DIM_Q_BUFFER },
        { &b->k, DIM_K },
        { &b->v, DIM_V },
        { &b->out, DIM_OUT },
        { &b->h, DIM_NORMED },
        { &b->scores, DIM_EXPERTS },
        { &b->branch, DIM_BRANCH },
        { &b->query_latent, DIM_QUERY_LATENT },
        { &b->heads, DIM_HEADS_OWN },
    };
    enum { N = sizeof buffers / sizeof *buffers };
    size_t offset[N];
    for (int i = 0; i < N; i++) {
        offset[i] = b->bytes;
        b->bytes += round_up(n_batch * (size_t)arch_dim(h, buffers[i].width) * sizeof(float), CACHE_LINE);
    } /* no overflow: widths are at most 2^24, n_batch at most 2^14 */
    b->memory = mem_raw(a, b->bytes, 1);
    if (!b->memory)
        return fail(err, INFER_E_NOMEM, "out of memory for %zu bytes of work buffers; n_batch can be lowered",
                    b->bytes);
    for (int i = 0; i < N; i++)
        *buffers[i].buffer = (float *)(b->memory + offset[i]);
    return INFER_OK;
}

void step_buffers_free(struct step_buffers *b)
{
    if (b->memory)
        mem_free(b->a, b->memory);
    *b = (struct step_buffers){ 0 };
}

/* A product whose output rows follow each other without gaps. */
static struct product product(const struct weight *w, const struct weight *bias, uint32_t n, float *y, bool residual)
{
    return (struct product){ w, bias, n, y, w->rows, residual };
}

/* The last n rows of a buffer with a row for each of the span's tokens. */
static float *last_rows(float *buffer, const struct span *s, uint32_t n, uint32_t width)
{
    return buffer + (size_t)(s->n - n) * width;
}

static struct norm norm_of(const struct hparams *h, const struct weight *w, const struct weight *bias)
{
    return (struct norm){ w, bias, h->eps, arch_has(h, TRAIT_LAYER_NORM) };
}

/* Queries or keys, by head or over all heads: as many values as the norm has weights, which may be left to attention. */
static void norm_heads(const struct forward *f, const struct weight *w, float *x, size_t width, uint32_t n)
{
    static const struct weight none;
    const struct norm norm = { .w = arch_has(&f->net->h, TRAIT_QK_NORM_LAST) ? &none : w, .eps = f->net->h.eps };
    if (w->data)
        f->ops->norm(f->device, x, x, &norm, (uint32_t)(n * (width / w->k)), w->k, w->k);
}

/* What a block reads: the residual stream under its norm; where several read that, the last n rows of it are kept. */
static struct operand read_stream(const struct forward *f, const struct norm *norm, const struct span *s, uint32_t n,
                                  bool keep)
{
    struct step_buffers *b = f->buffers;
    const uint32_t width = f->net->h.n_embd;
    if (!keep || !norm->w->data)
        return (struct operand){ b->x, norm->w->data ? norm : NULL };
    f->ops->norm(f->device, last_rows(b->h, s, n, width), last_rows(b->x, s, n, width), norm, n, width, width);
    return (struct operand){ b->h, NULL };
}

/* The last product of a block. It is added to the residual stream, unless it is changed before. */
static struct product join(const struct forward *f, const struct span *s, const struct weight *w,
                           const struct weight *bias, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    const bool apart = arch_dim(h, DIM_BRANCH);
    return product(w, bias, n, apart ? f->buffers->branch : last_rows(f->buffers->x, s, n, h->n_embd), !apart);
}

/* What a block gives, if it has not joined the residual stream, is normalised and added. */
static void add_branch(const struct forward *f, const struct span *s, const struct weight *post_norm, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    struct step_buffers *b = f->buffers;
    const struct norm norm = norm_of(h, post_norm, NULL);
    if (!arch_dim(h, DIM_BRANCH) || !n)
        return;
    if (post_norm->data)
        f->ops->norm(f->device, b->branch, b->branch, &norm, n, h->n_embd, h->n_embd);
    f->ops->add(f->device, last_rows(b->x, s, n, h->n_embd), b->branch, h->residual_scale, n, h->n_embd);
}

/* The residual stream itself, where a family normalises it after a block. */
static void norm_stream(const struct forward *f, const struct span *s, const struct weight *w,
                        const struct weight *bias, uint32_t n)
{
    const uint32_t width = f->net->h.n_embd;
    float *const x = last_rows(f->buffers->x, s, n, width);
    const struct norm norm = norm_of(&f->net->h, w, bias);
    if (w->data && n)
        f->ops->norm(f->device, x, x, &norm, n, width, width);
}

/* Where queries, keys and values lie. */
struct qkv {
    struct head_rows q, k, v;
};

/* In one buffer, of each KV head its queries, key and value. */
static struct qkv project_grouped(const struct forward *f, const struct span *s, const struct weight *w,
                                  const struct operand *in, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    const uint32_t width = (uint32_t)arch_dim(h, DIM_QKV), head = width / h->n_head_kv;
    float *const y = f->buffers->q, *const k = y + h->n_head / h->n_head_kv * h->d_k;
    const struct product all = product(&w[ATTN_QKV], &w[ATTN_QKV_BIAS], s->n, y, false);
    f->ops->matmul(f->device, &all, 1, in, s->n);
    return (struct qkv){ { last_rows(y, s, n, width), width, head }, { k, width, head }, { k + h->d_k, width, head } };
}

/* In buffers of their own. */
static struct qkv buffers_of(const struct forward *f)
{
    const struct hparams *h = &f->net->h;
    const struct step_buffers *b = f->buffers;
    const size_t q = arch_dim(h, DIM_Q);
    return (struct qkv){ { b->q, q, q / h->n_head_kv }, { b->k, arch_dim(h, DIM_K), h->d_k },
                         { b->v, arch_dim(h, DIM_V), h->d_v } };
}

/* Queries of the last n tokens, keys and values of all. */
static struct qkv project_heads(const struct forward *f, const struct span *s, const struct weight *w,
                                const struct operand *in, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    struct step_buffers *b = f->buffers;
    const struct product qkv[] = {
        product(&w[ATTN_Q], &w[ATTN_Q_BIAS], n, b->q, false),
        product(&w[ATTN_K], &w[ATTN_K_BIAS], s->n, b->k, false),
        product(&w[ATTN_V], &w[ATTN_V_BIAS], s->n, b->v, false),
    };
    f->ops->matmul(f->device, qkv, 3, in, s->n);
    norm_heads(f, &w[ATTN_Q_NORM], b->q, arch_dim(h, DIM_Q), n);
    norm_heads(f, &w[ATTN_K_NORM], b->k, arch_dim(h, DIM_K), s->n);
    return buffers_of(f);
}

/* The same for multi-head latent attention (DeepSeek-V2, arXiv 2405.04434). A head's key is K_B times the latent vector,
 * so its query times K_B meets the latent vector itself, which is thus all that the cache holds. */
static struct qkv project_latent(const struct forward *f, const struct span *s, const struct weight *w,
                                 const struct operand *in, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    struct step_buffers *b = f->buffers;
    const bool twice = h->n_query_latent;
    const struct product qk[] = {
        twice ? product(&w[ATTN_Q_A], NULL, n, last_rows(b->query_latent, s, n, h->n_query_latent), false)
              : product(&w[ATTN_Q], NULL, n, b->heads, false),
        product(&w[ATTN_KV_A], NULL, s->n, b->k, false),
    };
    f->ops->matmul(f->device, qk, 2, in, s->n);
    const struct norm latent = norm_of(h, &w[LATENT_NORM], NULL), query = norm_of(h, &w[ATTN_Q_A_NORM], NULL);
    f->ops->norm(f->device, b->k, b->k, &latent, s->n, h->n_latent, h->d_k);
    if (twice) {
        const struct operand queries = { b->query_latent, &query };
        const struct product own = product(&w[ATTN_Q_B], NULL, n, b->heads, false);
        f->ops->matmul(f->device, &own, 1, &queries, s->n);
    }
    f->ops->head_products(f->device, &(struct head_product){ &w[ATTN_K_B], b->heads, b->q, h->d_head_k, h->d_k, n },
                          s->n);
    return buffers_of(f);
}

/* Keys and values of all tokens, and what attention adds to the last n of them. */
static void attention_block(const struct forward *f, const struct span *s, uint32_t l, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    const struct layer *layer = &f->net->layers[l];
    const struct weight *w = layer->w;
    struct step_buffers *b = f->buffers;
    const bool latent = h->n_latent;

    const struct norm norm = norm_of(h, &w[ATTN_NORM], &w[ATTN_NORM_BIAS]);
    const struct norm own = norm_of(h, &w[ATTN_NORM_2], &w[ATTN_NORM_2_BIAS]);
    const struct norm other = norm_of(h, &w[FFN_NORM], &w[FFN_NORM_BIAS]);
    const bool parallel = arch_has(h, TRAIT_PARALLEL), apart = own.w->data;
    const struct operand kept = read_stream(f, &norm, s, s->n, parallel);
    const struct operand in = apart ? (struct operand){ b->x, &own } : kept;
    if (arch_has(h, TRAIT_PARALLEL_NORMS))
        read_stream(f, &other, s, n, true);
    const struct qkv qkv = (latent               ? project_latent
                            : w[ATTN_QKV].data ? project_grouped
                                               : project_heads)(f, s, w, &in, n);
    const bool last = arch_has(h, TRAIT_QK_NORM_LAST);
    const struct attention how = {
        .scale = arch_attention_scale(h), .soft_cap = h->attention_cap, .window = layer->window,
        .temperature = h->temperature, .temperature_length = h->temperature > 0 ? h->temperature_length : 0,
        .causal = !arch_has(h, TRAIT_ENCODER), .sinks = vector_of(&w[ATTN_SINKS]), .rope = layer->rope,
        .q_weights = last ? vector_of(&w[ATTN_Q_NORM]) : NULL, .k_weights = last ? vector_of(&w[ATTN_K_NORM]) : NULL,
    };
    f->ops->attention(f->device, s, l, &how, n, last_rows(b->out, s, n, arch_dim(h, DIM_OUT)), &qkv.q, &qkv.k,
                      &qkv.v);
    if (latent)
        f->ops->head_products(f->device,
                              &(struct head_product){ &w[ATTN_V_B], last_rows(b->out, s, n, arch_dim(h, DIM_OUT)),
                                                      last_rows(b->heads, s, n, arch_dim(h, DIM_VALUES)), h->d_v,
                                                      h->d_head_v, n },
                              s->n);
    const struct operand attended = { latent ? b->heads : b->out, NULL };
    const struct product out = join(f, s, &w[ATTN_OUT], &w[ATTN_OUT_BIAS], n);
    f->ops->matmul(f->device, &out, 1, &attended, s->n);
    add_branch(f, s, &w[ATTN_POST_NORM], n);
    norm_stream(f, s, &w[ATTN_STREAM_NORM], &w[ATTN_STREAM_NORM_BIAS], n);
}

_Static_assert((int)FFN_SILU == (int)ACTIVATION_SILU && (int)FFN_GELU == (int)ACTIVATION_GELU &&
               (int)FFN_GELU_TANH == (int)ACTIVATION_GELU_TANH && (int)FFN_RELU == (int)ACTIVATION_RELU &&
               (int)FFN_RELU2 == (int)ACTIVATION_RELU2,
               "architectures and kernels count activations alike");

static void experts_network(const struct forward *f, const struct span *s, const struct layer *layer,
                            const struct operand *in, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    struct step_buffers *b = f->buffers;
    const struct product router = product(&layer->w[ROUTER], &layer->w[ROUTER_BIAS], n, b->scores, false);
    const struct product to = join(f, s, &layer->w[EXPERT_DOWN], NULL, n);
    const struct expert_rows rows = { in->x + (size_t)(s->n - n) * h->n_embd, b->scores, to.y, to.residual, n };
    f->ops->matmul(f->device, &router, 1, in, s->n);
    f->ops->experts(f->device, layer, &rows, s->n);
}

/* What the feed-forward network adds to the last n tokens. */
static void feed_forward_block(const struct forward *f, const struct span *s, uint32_t l, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    const struct layer *layer = &f->net->layers[l];
    const struct weight *w = layer->w;

    const struct norm norm = norm_of(h, &w[FFN_NORM], &w[FFN_NORM_BIAS]);
    const struct operand in = arch_has(h, TRAIT_PARALLEL | TRAIT_PARALLEL_NORMS)
                                  ? (struct operand){ f->buffers->h, NULL } /* from before attention */
                                                          : read_stream(f, &norm, s, n, w[ROUTER].data);
    const struct gated gated = { &w[FFN_GATE], &w[FFN_UP], &w[FFN_GATE_BIAS], &w[FFN_UP_BIAS],
                                 (enum activation)h->activation };
    const struct product down = join(f, s, &w[FFN_DOWN], &w[FFN_DOWN_BIAS], n);
    if (w[ROUTER].data && n)
        experts_network(f, s, layer, &in, n);
    else if (n)
        f->ops->feed_forward(f->device, &gated, &down, &in, s->n);
    add_branch(f, s, &w[FFN_POST_NORM], n);
    norm_stream(f, s, &w[FFN_STREAM_NORM], &w[FFN_STREAM_NORM_BIAS], n);
}

/* The residual stream before the first layer. */
static void embed(const struct forward *f, const struct span *s, const int32_t *ids)
{
    const struct hparams *h = &f->net->h;
    const struct weight *w = f->net->w;
    float *const x = f->buffers->x;
    const struct tables tables = { &w[TOKEN_EMBD], &w[POSITION_EMBD], &w[TYPE_EMBD] };
    const struct norm norm = norm_of(h, &w[EMBD_NORM], &w[EMBD_NORM_BIAS]);
    f->ops->embed(f->device, x, &tables, ids, s);
    f->ops->scale(f->device, x, arch_embd_scale(h), 0, s->n, h->n_embd);
    if (w[EMBD_NORM].data)
        f->ops->norm(f->device, x, x, &norm, s->n, h->n_embd, h->n_embd);
}

/* The last n rows of the residual stream under the last norm, as hidden states or multiplied into logits. */
static void put_out(const struct forward *f, const struct span *s, enum forward_output kind, uint32_t n, float *out)
{
    const struct hparams *h = &f->net->h;
    const struct weight *w = f->net->w;
    const struct norm norm = norm_of(h, &w[OUTPUT_NORM], &w[OUTPUT_NORM_BIAS]);
    const struct operand in = { f->buffers->x, &norm };
    const float *const x = last_rows(f->buffers->x, s, n, h->n_embd);
    if (kind == FORWARD_HIDDEN) {
        f->ops->norm(f->device, out, x, norm.w->data ? &norm : NULL, n, h->n_embd, h->n_embd);
    } else {
        const struct product output = product(&w[OUTPUT], &w[OUTPUT_BIAS], n, out, false);
        f->ops->matmul(f->device, &output, 1, &in, s->n);
        f->ops->scale(f->device, out, arch_logit_scale(h), h->logit_cap, n, h->n_vocab);
    }
}

/* Of the last layer's results only those of the last n_out tokens are read by anything. */
static infer_status run(const struct forward *f, const struct span *s, const int32_t *ids, enum forward_output kind,
                        uint32_t n_out, float *out)
{
    const struct hparams *h = &f->net->h;
    embed(f, s, ids);
    f->ops->angles(f->device, s);
    for (uint32_t l = 0; l < h->n_layer; l++) {
        const uint32_t n = l + 1 < h->n_layer ? s->n : n_out;
        if (atomic_load_explicit(f->cancel, memory_order_relaxed))
            return INFER_E_CANCELLED;
        attention_block(f, s, l, n);
        feed_forward_block(f, s, l, n);
        if (s->adapted)
            f->ops->steer(f->device, f->buffers->x, s, l, n);
    }
    put_out(f, s, kind, n_out, out);
    return INFER_OK;
}

infer_status forward_step(const struct forward *f, const struct span *s, const int32_t *ids, enum forward_output kind,
                          uint32_t n_out, float *out)
{
    if (!f->ops->adapt(f->device, s->adapted ? s : NULL))
        return INFER_E_NOMEM;
    const infer_status status = run(f, s, ids, kind, n_out, out);
    f->ops->adapt(f->device, NULL);
    return status;
}

void forward_classes(const struct forward *f, const float *x, uint32_t n, float *scores)
{
    const struct weight *w = f->net->w;
    float *const pooled = f->buffers->x;
    struct operand in = { x, NULL };
    const struct product pooler = product(&w[POOLER], &w[POOLER_BIAS], n, pooled, false);
    const struct product classes = product(&w[CLASSES], &w[CLASSES_BIAS], n, scores, false);
    if (w[POOLER].data) {
        f->ops->matmul(f->device, &pooler, 1, &in, n);
        f->ops->scale(f->device, pooled, 1, 1, n, f->net->h.n_embd); /* tanh */
        in.x = pooled;
    }
    f->ops->matmul(f->device, &classes, 1, &in, n);
}

void forward_dense(const struct forward *f, int i, const float *x, uint32_t n, float *y)
{
    const struct weight *w = &f->net->w[i ? DENSE_2 : DENSE_1], *bias = &f->net->w[i ? DENSE_2_BIAS : DENSE_1_BIAS];
    const struct product dense = product(w, bias, n, y, false);
    const struct operand in = { x, NULL };
    f->ops->matmul(f->device, &dense, 1, &in, n);
    if (f->net->h.dense_tanh[i])
        f->ops->scale(f->device, y, 1, 1, n, w->rows);
}

void forward_project(const struct forward *f, const float *x, uint32_t n, float *y)
{
    const struct product projection = product(&f->net->w[PROJECTION], NULL, n, y, false);
    const struct operand in = { x, NULL };
    f->ops->matmul(f->device, &projection, 1, &in, n);
}
