/* forward.c - the forward pass, written once over the op table. */
#include "src/engine/forward.h"

#include "src/base/error.h"

#include <math.h>

infer_status step_buffers_init(struct step_buffers *b, const infer_allocator *a, const struct hparams *h,
                               uint32_t n_batch, infer_error *err)
{
    *b = (struct step_buffers){ .a = a };
    const struct {
        float **buffer;
        enum dim width;
    } buffers[] = {
        { &b->x, DIM_EMBD }, { &b->q, DIM_Q }, { &b->k, DIM_K }, { &b->v, DIM_V }, { &b->out, DIM_OUT },
    };
    enum { N = sizeof buffers / sizeof *buffers };
    size_t offset[N];
    for (int i = 0; i < N; i++) {
        offset[i] = b->bytes;
        b->bytes += round_up(n_batch * (size_t)arch_dim(h, buffers[i].width) * sizeof(float), CACHE_LINE);
    } /* no overflow: widths are at most 2^24, n_batch at most 2^12 */
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

/* Keys and values of all tokens, and what attention adds to the last n of them. */
static void attention_block(const struct forward *f, const struct span *s, uint32_t l, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    const struct layer *layer = &f->net->layers[l];
    const struct weight *w = layer->w;
    const struct device_ops *ops = f->ops;
    struct device *d = f->device;
    struct step_buffers *b = f->buffers;

    const struct norm norm = { &w[ATTN_NORM], h->eps }, q_norm = { &w[ATTN_Q_NORM], h->eps },
                      k_norm = { &w[ATTN_K_NORM], h->eps };
    const struct operand in = { b->x, &norm }, attended = { b->out, NULL };
    const struct product qkv[] = {
        product(&w[ATTN_Q], &w[ATTN_Q_BIAS], n, b->q, false),
        product(&w[ATTN_K], &w[ATTN_K_BIAS], s->n, b->k, false),
        product(&w[ATTN_V], &w[ATTN_V_BIAS], s->n, b->v, false),
    };
    ops->matmul(d, qkv, 3, &in, s->n);
    if (q_norm.w->data)
        ops->norm(d, b->q, b->q, &q_norm, n * h->n_head, h->d_k);
    if (k_norm.w->data)
        ops->norm(d, b->k, b->k, &k_norm, s->n * h->n_head_kv, h->d_k);
    const struct attention how = { .scale = 1 / sqrtf((float)h->d_k), .window = layer->window, .causal = true };
    ops->attention(d, s, l, &how, n, last_rows(b->out, s, n, arch_dim(h, DIM_OUT)), b->q, b->k, b->v);
    const struct product out =
        product(&w[ATTN_OUT], &w[ATTN_OUT_BIAS], n, last_rows(b->x, s, n, h->n_embd), true);
    ops->matmul(d, &out, 1, &attended, s->n);
}

/* What the feed-forward network adds to the last n tokens. */
static void feed_forward_block(const struct forward *f, const struct span *s, uint32_t l, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    const struct weight *w = f->net->layers[l].w;
    struct step_buffers *b = f->buffers;

    const struct norm norm = { &w[FFN_NORM], h->eps };
    const struct operand in = { b->x, &norm };
    const struct gated gated = { &w[FFN_GATE], &w[FFN_UP], &w[FFN_GATE_BIAS], &w[FFN_UP_BIAS], ACTIVATION_SILU };
    const struct product down =
        product(&w[FFN_DOWN], &w[FFN_DOWN_BIAS], n, last_rows(b->x, s, n, h->n_embd), true);
    f->ops->feed_forward(f->device, &gated, &down, &in, s->n);
}

/* Of the last layer's results only those of the last n_out tokens are read by anything. */
infer_status forward_step(const struct forward *f, const struct span *s, const int32_t *ids, uint32_t n_out, float *logits)
{
    const struct hparams *h = &f->net->h;
    struct step_buffers *b = f->buffers;
    f->ops->embed(f->device, b->x, &f->net->w[TOKEN_EMBD], ids, s->n);
    f->ops->angles(f->device, s);
    for (uint32_t l = 0; l < h->n_layer; l++) {
        const uint32_t n = l + 1 < h->n_layer ? s->n : n_out;
        if (atomic_load_explicit(f->cancel, memory_order_relaxed))
            return INFER_E_CANCELLED;
        attention_block(f, s, l, n);
        feed_forward_block(f, s, l, n);
    }
    const struct norm norm = { &f->net->w[OUTPUT_NORM], h->eps };
    const struct operand in = { b->x, &norm };
    const struct product output = product(&f->net->w[OUTPUT], NULL, n_out, logits, false);
    f->ops->matmul(f->device, &output, 1, &in, s->n);
    return INFER_OK;
}
