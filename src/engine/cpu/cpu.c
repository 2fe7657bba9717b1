/* cpu.c - the CPU device: its buffers, and the ops that work row by row. */
#include "src/engine/cpu/cpu.h"

#include "src/base/error.h"
#include "src/engine/rope.h"

#include <math.h>

/* ---- Buffers ---- */

static void *take(struct device *d, size_t count, size_t size)
{
    size_t bytes;
    void *p = mul_size(count, size, &bytes) ? mem_raw(d->a, bytes, 1) : NULL;
    d->bytes += p ? bytes : 0;
    return p;
}

/* Widest input of any product whose weights want each form of activations. */
static void widest_inputs(const struct device *d, uint32_t n_batch, size_t widest[ACT_COUNT])
{
    const struct network *net = d->net;
    for (uint32_t l = 0; l <= net->h.n_layer; l++) {
        const bool whole = l == net->h.n_layer;
        const struct weight *w = whole ? net->w : net->layers[l].w;
        for (int r = 0; r < (whole ? (int)MODEL_ROLES : (int)LAYER_ROLES); r++) {
            if (!w[r].data || w[r].rows == 1)
                continue;
            const enum act forms[] = { cpu_activations(d, &w[r], 1), cpu_activations(d, &w[r], n_batch) };
            for (int i = 0; i < 2; i++)
                if (w[r].k > widest[forms[i]])
                    widest[forms[i]] = w[r].k;
        }
    }
}

static bool take_buffers(struct device *d, uint32_t n_batch)
{
    const struct hparams *h = &d->net->h;
    const size_t half = h->rope.n_rot / 2;
    size_t widest[ACT_COUNT] = { 0 };
    widest_inputs(d, n_batch, widest);
    for (int act = 0; act < ACT_COUNT; act++) {
        d->prepared_bytes[act] = widest[act] ? act_row_bytes((enum act)act, widest[act]) : 0;
        if (widest[act] && !(d->prepared[act] = take(d, n_batch, d->prepared_bytes[act])))
            return false;
    }
    const size_t attention = cpu_attention_scratch(h), matmul = cpu_matmul_scratch(d, n_batch);
    d->scratch_bytes = round_up(attention > matmul ? attention : matmul, CACHE_LINE);
    return (d->scratch = take(d, (size_t)pool_threads(d->pool), d->scratch_bytes)) &&
           (d->sums = take(d, n_batch, h->n_embd * sizeof(float))) && (d->frequency = take(d, half, sizeof(float))) && (d->cosine = take(d, n_batch, half * sizeof(float))) &&
           (d->sine = take(d, n_batch, half * sizeof(float)));
}

struct device *cpu_open(infer_context *c, const struct network *net, uint32_t n_batch, enum precision precision,
                        infer_error *err)
{
    struct device *d = mem_new(&c->a, 1, sizeof *d);
    if (!d)
        return fail_memory(err, "the CPU device"), NULL;
    *d = (struct device){ .pool = c->pool, .k = &c->kernels, .net = net, .precision = precision, .a = &c->a };
    if (!take_buffers(d, n_batch)) {
        cpu_close(d);
        return fail(err, INFER_E_NOMEM, "out of memory for work buffers of %u tokens a step; n_batch can be lowered", n_batch), NULL;
    }
    rope_frequencies(&net->h.rope, vector_of(&net->w[ROPE_FREQS]), d->frequency, &d->magnitude);
    return d;
}

void cpu_close(struct device *d)
{
    if (!d)
        return;
    for (int act = 0; act < ACT_COUNT; act++)
        mem_free(d->a, d->prepared[act]);
    mem_free(d->a, d->scratch);
    mem_free(d->a, d->sums);
    mem_free(d->a, d->frequency);
    mem_free(d->a, d->cosine);
    mem_free(d->a, d->sine);
    mem_free(d->a, d);
}

size_t cpu_bytes(const struct device *d)
{
    return d->bytes;
}

/* ---- Ops over rows: each task takes some rows ---- */

struct row_job {
    const struct device *d;
    uint32_t n, per_task, width;
    float *y;
    const float *x, *u;
    const struct weight *w;
    const int32_t *ids;
    float eps;
    enum activation act;
    const struct span *span;
    uint32_t layer;
    float *k;
    const float *v;
};

static void run_rows(struct row_job *job, pool_task_fn *fn)
{
    job->per_task = rows_per_task(job->width);
    pool_run(job->d->pool, tasks_of(job->n, job->per_task), fn, job);
}

/* Rows [first, last) of a task. */
static void rows_of(const struct row_job *job, int task, uint32_t *first, uint32_t *last)
{
    *first = (uint32_t)task * job->per_task;
    *last = job->n - *first < job->per_task ? job->n : *first + job->per_task;
}

static void embed_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    const struct weight *w = job->w;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    for (uint32_t i = first; i < last; i++)
        job->d->k->dequantize[w->type](job->y + (size_t)i * w->k, (const uint8_t *)w->data + (size_t)job->ids[i] * w->stride, w->k);
}

static void cpu_embed(struct device *d, float *y, const struct weight *table, const int32_t *ids, uint32_t n)
{
    run_rows(&(struct row_job){ .d = d, .n = n, .width = table->k, .y = y, .w = table, .ids = ids }, embed_task);
}

static void norm_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    for (uint32_t i = first; i < last; i++)
        job->d->k->rms_norm(job->y + (size_t)i * job->width, job->x + (size_t)i * job->width, vector_of(job->w), job->width, job->eps);
}

static void cpu_norm(struct device *d, float *y, const float *x, const struct weight *w, uint32_t n, uint32_t width, float eps)
{
    run_rows(&(struct row_job){ .d = d, .n = n, .width = width, .y = y, .x = x, .w = w, .eps = eps }, norm_task);
}

static void gate_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    const size_t at = (size_t)first * job->width;
    job->d->k->gate[job->act](job->y + at, job->x + at, job->u + at, (size_t)(last - first) * job->width);
}

static void cpu_gate(struct device *d, enum activation act, float *y, const float *g, const float *u, uint32_t n, uint32_t width)
{
    run_rows(&(struct row_job){ .d = d, .n = n, .width = width, .y = y, .x = g, .u = u, .act = act }, gate_task);
}

static void cpu_angles(struct device *d, const struct span *s)
{
    const size_t half = d->net->h.rope.n_rot / 2;
    for (uint32_t t = 0; t < s->n; t++)
        for (size_t i = 0; i < half; i++) {
            /* The product in float, as the models were trained; its cosine may then be as exact as it likes. */
            const float angle = (float)(s->first + t) * d->frequency[i];
            d->cosine[t * half + i] = cosf(angle) * d->magnitude;
            d->sine[t * half + i] = sinf(angle) * d->magnitude;
        }
}

static void rotate_store_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    const struct device *d = job->d;
    const struct hparams *h = &d->net->h;
    const size_t half = h->rope.n_rot / 2, d_k = h->d_k, d_v = h->d_v;
    void (*rope)(float *, const float *, const float *, size_t) =
        h->rope.kind == ROPE_PAIRS ? d->k->rope_pairs : d->k->rope_halves;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    for (uint32_t t = first; t < last; t++) {
        const float *cosine = d->cosine + t * half, *sine = d->sine + t * half;
        float *q = job->y + (size_t)t * h->n_head * d_k, *k = job->k + (size_t)t * h->n_head_kv * d_k;
        const float *v = job->v + (size_t)t * h->n_head_kv * d_v;
        const uint32_t position = job->span->first + t, page = position / ATTEND_KEYS, slot = position % ATTEND_KEYS;
        for (uint32_t head = 0; head < h->n_head; head++)
            rope(q + head * d_k, cosine, sine, h->rope.n_rot);
        for (uint32_t head = 0; head < h->n_head_kv; head++) {
            rope(k + head * d_k, cosine, sine, h->rope.n_rot);
            memcpy(kv_keys(job->span->kv, page, job->layer, head) + slot * d_k, k + head * d_k, d_k * sizeof(float));
            memcpy(kv_values(job->span->kv, page, job->layer, head) + slot * d_v, v + head * d_v, d_v * sizeof(float));
        }
    }
}

static void cpu_rotate_store(struct device *d, const struct span *s, uint32_t layer, float *q, float *k, const float *v)
{
    const uint32_t width = (uint32_t)(arch_dim(&d->net->h, DIM_Q) + arch_dim(&d->net->h, DIM_K));
    run_rows(&(struct row_job){ .d = d, .n = s->n, .width = width, .y = q, .span = s, .layer = layer, .k = k, .v = v },
             rotate_store_task);
}

const struct device_ops cpu_ops = {
    .name = "cpu",
    .embed = cpu_embed,
    .norm = cpu_norm,
    .matmul = cpu_matmul,
    .angles = cpu_angles,
    .rotate_store = cpu_rotate_store,
    .attention = cpu_attention,
    .gate = cpu_gate,
};
