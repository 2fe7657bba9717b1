/* cpu.c - the CPU device: its buffers, and the ops that work row by row. */
#include "src/engine/cpu/cpu.h"

#include "src/base/error.h"
#include "src/engine/rope.h"

/* ---- Buffers ---- */

static void *take(struct device *d, size_t count, size_t size)
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
            if (!w[r].data || w[r].rows == 1 || (!whole && r == FFN_DOWN))
                continue;
            const enum act forms[] = { cpu_activations(d, &w[r], 1), cpu_activations(d, &w[r], n_batch) };
            for (int i = 0; i < 2; i++)
                if (w[r].k > widest[forms[i]])
                    widest[forms[i]] = w[r].k;
        }
    }
}

static bool take_buffers(struct device *d, const struct kv *kv, uint32_t n_batch)
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
           (d->middle = take(d, n_batch, cpu_feed_forward_middle(d, n_batch))) &&
           (d->frequency = take(d, half, sizeof(float))) &&
           (d->cosine = take(d, n_batch, half * sizeof(float))) && (d->sine = take(d, n_batch, half * sizeof(float))) &&
           (d->parts = take(d, cpu_attention_parts(h, kv), sizeof *d->parts)) &&
           (d->pieces_left = take(d, h->n_head_kv, sizeof *d->pieces_left));
}

struct device *cpu_open(infer_context *c, const struct network *net, const struct kv *kv, uint32_t n_batch,
                        enum precision precision, infer_error *err)
{
    struct device *d = mem_new(&c->a, 1, sizeof *d);
    if (!d)
        return fail_memory(err, "the CPU device"), NULL;
    *d = (struct device){ .pool = c->pool, .k = &c->kernels, .net = net, .precision = precision, .a = &c->a };
    if (!take_buffers(d, kv, n_batch)) {
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
    mem_free(d->a, d->middle);
    mem_free(d->a, d->frequency);
    mem_free(d->a, d->cosine);
    mem_free(d->a, d->sine);
    mem_free(d->a, d->parts);
    mem_free(d->a, d->pieces_left);
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
    const float *x;
    const struct norm *norm;
    const struct weight *table;
    const int32_t *ids;
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
    const struct weight *w = job->table;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    for (uint32_t i = first; i < last; i++)
        job->d->k->dequantize[w->type](job->y + (size_t)i * w->k, (const uint8_t *)w->data + (size_t)job->ids[i] * w->stride, w->k);
}

static void cpu_embed(struct device *d, float *y, const struct weight *table, const int32_t *ids, uint32_t n)
{
    run_rows(&(struct row_job){ .d = d, .n = n, .width = table->k, .y = y, .table = table, .ids = ids }, embed_task);
}

static void norm_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct row_job *job = arg;
    uint32_t first, last;
    rows_of(job, task, &first, &last);
    for (uint32_t i = first; i < last; i++)
        job->d->k->rms_norm(job->y + (size_t)i * job->width, job->x + (size_t)i * job->width,
                            vector_of(job->norm->w), job->width, job->norm->eps);
}

static void cpu_norm(struct device *d, float *y, const float *x, const struct norm *how, uint32_t n, uint32_t width)
{
    run_rows(&(struct row_job){ .d = d, .n = n, .width = width, .y = y, .x = x, .norm = how }, norm_task);
}

static void cpu_angles(struct device *d, const struct span *s)
{
    const size_t half = d->net->h.rope.n_rot / 2;
    for (uint32_t t = 0; t < s->n; t++)
        d->k->angles(d->cosine + t * half, d->sine + t * half, d->frequency, (float)(s->first + t), d->magnitude, half);
}

const struct device_ops cpu_ops = {
    .name = "cpu",
    .embed = cpu_embed,
    .norm = cpu_norm,
    .matmul = cpu_matmul,
    .feed_forward = cpu_feed_forward,
    .angles = cpu_angles,
    .attention = cpu_attention,
};
