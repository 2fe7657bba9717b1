/* forward.c - the forward pass, written once over the op table. */
#include "src/engine/forward.h"

#include "src/base/error.h"

#include <math.h>

/* Attention and feed-forward network take turns in the memory behind x and h. */
infer_status step_buffers_init(struct step_buffers *b, const infer_allocator *a, const struct hparams *h,
                               uint32_t n_batch, infer_error *err)
{
    *b = (struct step_buffers){ .a = a };
    enum { BOTH, ATTENTION, FEED_FORWARD };
    const struct {
        float **buffer;
        enum dim width;
        int user;
    } buffers[] = {
        { &b->x, DIM_EMBD, BOTH },     { &b->h, DIM_EMBD, BOTH },   { &b->q, DIM_Q, ATTENTION },
        { &b->k, DIM_K, ATTENTION },   { &b->v, DIM_V, ATTENTION }, { &b->out, DIM_OUT, ATTENTION },
        { &b->gate, DIM_FF, FEED_FORWARD }, { &b->up, DIM_FF, FEED_FORWARD },
    };
    enum { N = sizeof buffers / sizeof *buffers };
    size_t offset[N], end[] = { 0, 0, 0 }; /* of the memory that each user has */
    for (int i = 0; i < N; i++) {
        const int user = buffers[i].user;
        offset[i] = end[user] ? end[user] : end[BOTH];
        end[user] = offset[i] + round_up(n_batch * (size_t)arch_dim(h, buffers[i].width) * sizeof(float), CACHE_LINE);
    } /* no overflow: widths are at most 2^24, n_batch at most 2^12 */
    b->bytes = end[ATTENTION] > end[FEED_FORWARD] ? end[ATTENTION] : end[FEED_FORWARD];
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
static struct product product(const struct weight *w, const struct weight *bias, float *y, bool residual)
{
    return (struct product){ w, bias, y, w->rows, residual };
}

static void attention_block(const struct forward *f, const struct span *s, uint32_t l)
{
    const struct hparams *h = &f->net->h;
    const struct layer *layer = &f->net->layers[l];
    const struct weight *w = layer->w;
    const struct device_ops *ops = f->ops;
    struct device *d = f->device;
    struct step_buffers *b = f->buffers;

    ops->norm(d, b->h, b->x, &w[ATTN_NORM], s->n, h->n_embd, h->eps);
    const struct product qkv[] = {
        product(&w[ATTN_Q], &w[ATTN_Q_BIAS], b->q, false),
        product(&w[ATTN_K], &w[ATTN_K_BIAS], b->k, false),
        product(&w[ATTN_V], &w[ATTN_V_BIAS], b->v, false),
    };
    ops->matmul(d, qkv, 3, b->h, s->n);
    if (w[ATTN_Q_NORM].data)
        ops->norm(d, b->q, b->q, &w[ATTN_Q_NORM], s->n * h->n_head, h->d_k, h->eps);
    if (w[ATTN_K_NORM].data)
        ops->norm(d, b->k, b->k, &w[ATTN_K_NORM], s->n * h->n_head_kv, h->d_k, h->eps);
    const struct attention how = { .scale = 1 / sqrtf((float)h->d_k), .window = layer->window, .causal = true };
    ops->attention(d, s, l, &how, s->n, b->out, b->q, b->k, b->v);
    const struct product out = product(&w[ATTN_OUT], &w[ATTN_OUT_BIAS], b->x, true);
    ops->matmul(d, &out, 1, b->out, s->n);
}

static void feed_forward_block(const struct forward *f, uint32_t l, uint32_t n)
{
    const struct hparams *h = &f->net->h;
    const struct weight *w = f->net->layers[l].w;
    struct step_buffers *b = f->buffers;

    f->ops->norm(f->device, b->h, b->x, &w[FFN_NORM], n, h->n_embd, h->eps);
    const struct product in[] = {
        product(&w[FFN_GATE], &w[FFN_GATE_BIAS], b->gate, false),
        product(&w[FFN_UP], &w[FFN_UP_BIAS], b->up, false),
    };
    f->ops->matmul(f->device, in, 2, b->h, n);
    f->ops->gate(f->device, ACTIVATION_SILU, b->gate, b->gate, b->up, n, h->n_ff);
    const struct product down = product(&w[FFN_DOWN], &w[FFN_DOWN_BIAS], b->x, true);
    f->ops->matmul(f->device, &down, 1, b->gate, n);
}

infer_status forward_step(const struct forward *f, const struct span *s, const int32_t *ids, uint32_t n_out, float *logits)
{
    const struct hparams *h = &f->net->h;
    struct step_buffers *b = f->buffers;
    f->ops->embed(f->device, b->x, &f->net->w[TOKEN_EMBD], ids, s->n);
    f->ops->angles(f->device, s);
    for (uint32_t l = 0; l < h->n_layer; l++) {
        if (atomic_load_explicit(f->cancel, memory_order_relaxed))
            return INFER_E_CANCELLED;
        attention_block(f, s, l);
        feed_forward_block(f, l, s->n);
    }
    if (!n_out)
        return INFER_OK;
    const float *last = b->x + (size_t)(s->n - n_out) * h->n_embd;
    f->ops->norm(f->device, b->h, last, &f->net->w[OUTPUT_NORM], n_out, h->n_embd, h->eps);
    const struct product output = product(&f->net->w[OUTPUT], NULL, logits, false);
    f->ops->matmul(f->device, &output, 1, b->h, n_out);
    return INFER_OK;
}
