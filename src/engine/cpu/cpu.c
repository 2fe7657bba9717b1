/* cpu.c - the CPU device: its buffers, and the ops that work row by row. */
#include "src/engine/cpu/cpu.h"

#include "src/base/error.h"
#include "src/engine/rope.h"

#include <math.h>

/* ---- Buffers ---- */

void *cpu_take(struct device *d, size_t count, size_t size)
{
    size_t bytes;
    void *p = mul_size(count, size, &bytes) ? mem_raw(d->a, bytes, 1) : NULL;
    d->bytes += p ? bytes : 0;
    return p;
}

/* Widest input of any product whose weights want each form of activations, but of those that read d->middle. */
static void widest_inputs(const struct device *d, uint32_t n_batch, size_t widest[ACT_COUNT])
{
    const struct network *net = d->net;
    for (uint32_t l = 0; l <= net->h.n_layer; l++) {
        const bool whole = l == net->h.n_layer;
        const struct weight *w = whole ? net->w : net->layers[l].w;
        for (int r = 0; r < (whole ? (int)MODEL_ROLES : (int)LAYER_ROLES); r++) {
            if (!w[r].data || w[r].rows == 1 || w[r].stack || (!whole && r == FFN_DOWN))
                continue;
            const enum act forms[] = { cpu_activations(d, &w[r], 1), cpu_activations(d, &w[r], n_batch) };
            for (int i = 0; i < 2; i++)
                if (w[r].k > widest[forms[i]])
                    widest[forms[i]] = w[r].k;
        }
    }
}

static bool take_rotation(struct device *d, struct rotation *r, const struct rope *rope, uint32_t n_ctx,
                          uint32_t n_batch)
{
    const size_t half = rope->n_rot / 2;
    const struct weight *w = d->net->w, *factors = &w[n_ctx > rope->n_ctx_original ? ROPE_LONG : ROPE_SHORT];
    const float *divisors = vector_of(rope->scaling == SCALING_LONGROPE ? factors : &w[ROPE_FREQS]);
    if (!(rope->base > 0))
        return true;
    *r = (struct rotation){ .rope = rope, .frequency = cpu_take(d, half, sizeof(float)),
                            .cosine = cpu_take(d, n_batch, half * sizeof(float)),
                            .sine = cpu_take(d, n_batch, half * sizeof(float)) };
    if (!r->frequency || !r->cosine || !r->sine)
        return false;
    rope_frequencies(rope, divisors, r->frequency, &r->magnitude);
    return true;
}

static bool take_buffers(struct device *d, const struct kv *kv, uint32_t n_batch)
{
    const struct hparams *h = &d->net->h;
    size_t widest[ACT_COUNT] = { 0 };
    widest_inputs(d, n_batch, widest);
    for (int act = 0; act < ACT_COUNT; act++) {
        d->prepared_bytes[act] = widest[act] ? act_row_bytes((enum act)act, widest[act]) : 0;
        if (widest[act] && !(d->prepared[act] = cpu_take(d, n_batch, d->prepared_bytes[act])))
            return false;
    }
    const size_t scratch[] = { cpu_attention_scratch(h), cpu_matmul_scratch(d, n_batch),
                               cpu_experts_scratch(d, n_batch), cpu_heads_scratch(d) };
    for (int i = 0; i < 4; i++)
        if (scratch[i] > d->scratch_bytes)
            d->scratch_bytes = round_up(scratch[i], CACHE_LINE);
    return (d->scratch = cpu_take(d, (size_t)pool_threads(d->pool), d->scratch_bytes)) &&
           (d->middle = cpu_take(d, n_batch, cpu_feed_forward_middle(d, n_batch))) &&
           take_rotation(d, &d->rotations[0], &h->rope, kv->n_ctx, n_batch) &&
           take_rotation(d, &d->rotations[1], &h->rope_local, kv->n_ctx, n_batch) && cpu_experts_open(d, n_batch) &&
           cpu_attention_open(d, kv, n_batch);
}

struct device *cpu_open(infer_context *c, const struct network *net, const struct kv *kv, uint32_t n_batch,
                        enum precision precision, bool deterministic, infer_error *err)
{
    struct device *d = mem_new(&c->a, 1, sizeof *d);
    if (!d)
        return fail_memory(err, "the CPU device"), NULL;
    *d = (struct device){ .pool = c->pool, .k = &c->kernels, .net = net, .precision = precision,
                           .deterministic = deterministic, .a = &c->a, .n_batch = n_batch };
    if (!take_buffers(d, kv, n_batch)) {
        cpu_close(d);
        return fail(err, INFER_E_NOMEM, "out of memory for work buffers of %u tokens a step; n_batch can be lowered", n_batch), NULL;
    }
    return d;
}

void cpu_close(struct device *d)
{
    if (!d)
        return;
    for (int act = 0; act < ACT_COUNT; act++)
        mem_free(d->a, d->prepared[act]);
    mem_free(d->a, d->scratch);
    mem_free(d->a, d->middle);
    for (int i = 0; i < 2; i++) {
        mem_free(d->a, d->rotations[i].frequency);
        mem_free(d->a, d->rotations[i].cosine);
        mem_free(d->a, d->rotations[i].sine);
    }
    cpu_adapt_close(d);
    cpu_experts_close(d);
    cpu_attention_close(d);
    mem_free(d->a, d);
}

void cpu_alone(struct device *d, bool alone)
{
    d->alone = alone;
}

size_t cpu_bytes(const struct device *d)
{
    return d->bytes;
}

/* ---- Ops over rows: each task takes some rows ---- */

struct row_job {
    const struct device *d;
    uint32_t n, per_task, width, stride;
    float *y;
    const float *x;
    const struct norm *norm;
    const struct tables *tables;
    const int32_t *ids;
    const struct span *span;
    float by, cap;
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

static void read_row(const struct kernels *k, float *y, const struct weight *table, uint32_t row)
{
    k->dequantize[table->type](y, (const uint8_t *)table->data + (size_t)row * table->stride, table->k);
}

static void embed_task(void *arg, int task, int thread)
{
    const struct row_job *job = arg;
    const struct kernels *k = job->d->k;
    const struct tables *t = job->tables;
    float *const row = cpu_scratch(job->d, thread);
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    for (uint32_t i = first; i < last; i++) {
        float *const y = job->y + (size_t)i * job->width;
        const struct segment *segment = span_segment(job->span, i);
        const struct passage passage = segment_passage(segment, i - segment->row);
        const uint32_t slot = segment->first + i - segment->row;
        read_row(k, y, t->tokens, (uint32_t)job->ids[i]);
        if (t->types->data) {
            read_row(k, row, t->types, slot >= passage.second && t->types->rows > 1);
            k->add(y, y, row, job->width);
        }
        if (t->positions->data) {
            read_row(k, row, t->positions, slot - passage.begin);
            k->add(y, y, row, job->width);
        }
        if (segment->adaptation)
            cpu_adapt_embedding(job->d, segment->adaptation, t->tokens, job->ids[i], y, thread);
    }
}

static void cpu_embed(struct device *d, float *y, const struct tables *tables, const int32_t *ids, const struct span *s)
{
    run_rows(&(struct row_job){ .d = d, .n = s->n, .width = tables->tokens->k, .y = y, .tables = tables, .ids = ids,
                                .span = s }, embed_task);
}

void cpu_norm_row(const struct device *d, float *y, const float *x, const struct norm *how, size_t width)
{
    if (how->layer)
        d->k->layer_norm(y, x, vector_of(how->w), how->b ? vector_of(how->b) : NULL, width, how->eps);
    else
        d->k->rms_norm(y, x, vector_of(how->w), width, how->eps);
}

static void norm_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    if (!job->norm)
        memcpy(job->y + (size_t)first * job->stride, job->x + (size_t)first * job->stride,
               (size_t)(last - first) * job->stride * sizeof *job->y);
    for (uint32_t i = first; i < last && job->norm; i++)
        cpu_norm_row(job->d, job->y + (size_t)i * job->stride, job->x + (size_t)i * job->stride, job->norm, job->width);
}

static void cpu_norm(struct device *d, float *y, const float *x, const struct norm *how, uint32_t n, uint32_t width,
                     uint32_t stride)
{
    run_rows(&(struct row_job){ .d = d, .n = n, .width = width, .stride = stride, .y = y, .x = x, .norm = how },
             norm_task);
}

static void scale_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    const size_t n = (size_t)(last - first) * job->width;
    float *y = job->y + (size_t)first * job->width;
    job->d->k->scale(y, y, job->cap > 0 ? job->by / job->cap : job->by, n);
    for (size_t i = 0; i < n && job->cap > 0; i++)
        y[i] = job->cap * tanhf(y[i]);
}

static void cpu_scale(struct device *d, float *y, float by, float cap, uint32_t n, uint32_t width)
{
    if (by != 1 || cap > 0)
        run_rows(&(struct row_job){ .d = d, .n = n, .width = width, .y = y, .by = by, .cap = cap }, scale_task);
}

static void add_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    const size_t at = (size_t)first * job->width, n = (size_t)(last - first) * job->width;
    job->d->k->add_scaled(job->y + at, job->x + at, job->by, n);
}

static void cpu_add(struct device *d, float *y, const float *x, float by, uint32_t n, uint32_t width)
{
    run_rows(&(struct row_job){ .d = d, .n = n, .width = width, .y = y, .x = x, .by = by }, add_task);
}

static void cpu_angles(struct device *d, const struct span *s)
{
    for (const struct rotation *r = d->rotations; r < d->rotations + 2; r++) {
        const size_t half = r->rope ? r->rope->n_rot / 2 : 0;
        for (uint32_t i = 0; i < s->n && half; i++) {
            const struct segment *segment = span_segment(s, i);
            const uint32_t token = i - segment->row, begin = segment_passage(segment, token).begin;
            d->k->angles(r->cosine + i * half, r->sine + i * half, r->frequency,
                         (float)(segment->first + token - begin), r->magnitude, half);
        }
    }
}

const struct device_ops cpu_ops = {
    .name = "cpu",
    .embed = cpu_embed,
    .norm = cpu_norm,
    .matmul = cpu_matmul,
    .head_products = cpu_head_products,
    .feed_forward = cpu_feed_forward,
    .experts = cpu_experts,
    .scale = cpu_scale,
    .add = cpu_add,
    .adapt = cpu_adapt,
    .steer = cpu_steer,
    .angles = cpu_angles,
    .attention = cpu_attention,
};
