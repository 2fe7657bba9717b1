/* attention.c - attention over the pages of a session's cache.
 *
 * A task is one KV head and some tokens: the query heads that share the KV head, for these tokens, are the rows of one
 * running soft-max, so that each block of keys and values is read once for all of them. The cut does not depend on the
 * number of threads, and a row's result does not depend on the other rows. */
#include "src/engine/cpu/cpu.h"

#include <math.h>

enum { TASK_ROWS = 64 }; /* about so many query rows a task */

struct attention_job {
    const struct device *d;
    const struct span *span;
    uint32_t layer, window, tokens; /* tokens a task */
    float *out;
    const float *q;
};

static uint32_t tokens_per_task(const struct hparams *h)
{
    const uint32_t group = h->n_head / h->n_head_kv;
    return group < TASK_ROWS ? TASK_ROWS / group : 1;
}

/* What a task lays out in its thread's scratch, behind the kernel's own. */
struct task_buffers {
    float *q, *out, *max, *sum;
    int *first, *last;
};

static size_t lay_out(struct task_buffers *b, uint8_t *at, const struct hparams *h)
{
    const size_t rows = (size_t)tokens_per_task(h) * (h->n_head / h->n_head_kv);
    const size_t bytes[] = { rows * h->d_k * sizeof(float), rows * h->d_v * sizeof(float), rows * sizeof(float),
                             rows * sizeof(float), rows * sizeof(int), rows * sizeof(int) };
    size_t offset[7] = { KERNEL_SCRATCH_BYTES };
    for (int i = 0; i < 6; i++)
        offset[i + 1] = offset[i] + round_up(bytes[i], CACHE_LINE);
    if (b)
        *b = (struct task_buffers){ (float *)(at + offset[0]), (float *)(at + offset[1]), (float *)(at + offset[2]),
                                    (float *)(at + offset[3]), (int *)(at + offset[4]), (int *)(at + offset[5]) };
    return offset[6];
}

size_t cpu_attention_scratch(const struct hparams *h)
{
    return lay_out(NULL, NULL, h);
}

/* Rows [token][head of the group], scaled queries in, running soft-max empty. */
static void start_rows(const struct attention_job *job, const struct task_buffers *b, uint32_t head, uint32_t first, uint32_t n)
{
    const struct hparams *h = &job->d->net->h;
    const uint32_t group = h->n_head / h->n_head_kv;
    const float scale = 1 / sqrtf((float)h->d_k);
    for (uint32_t t = 0; t < n; t++)
        job->d->k->scale(b->q + (size_t)t * group * h->d_k,
                         job->q + ((size_t)(first + t) * h->n_head + (size_t)head * group) * h->d_k, scale,
                         (size_t)group * h->d_k);
    for (uint32_t i = 0; i < n * group; i++) {
        b->max[i] = -INFINITY;
        b->sum[i] = 0;
    }
    memset(b->out, 0, (size_t)n * group * h->d_v * sizeof(float));
}

/* Which keys of the block from position `begin` on each row sees: [from, own position], cut to the block. */
static void set_ranges(const struct attention_job *job, const struct task_buffers *b, uint32_t begin, uint32_t keys,
                       uint32_t first, uint32_t n)
{
    const struct hparams *h = &job->d->net->h;
    const uint32_t group = h->n_head / h->n_head_kv;
    for (uint32_t t = 0; t < n; t++) {
        const uint32_t own = job->span->first + first + t;
        const uint32_t from = job->window && own >= job->window ? own - job->window + 1 : 0;
        const uint32_t lo = from > begin ? from - begin : 0, hi = own + 1 > begin ? own + 1 - begin : 0;
        for (uint32_t g = 0; g < group; g++) {
            b->first[t * group + g] = (int)(lo < keys ? lo : keys);
            b->last[t * group + g] = (int)(hi < keys ? hi : keys);
        }
    }
}

static void finish_rows(const struct attention_job *job, const struct task_buffers *b, uint32_t head, uint32_t first, uint32_t n)
{
    const struct hparams *h = &job->d->net->h;
    const uint32_t group = h->n_head / h->n_head_kv;
    for (uint32_t i = 0; i < n * group; i++) {
        const size_t row = (size_t)(first + i / group) * h->n_head + (size_t)head * group + i % group;
        job->d->k->scale(job->out + row * h->d_v, b->out + (size_t)i * h->d_v, 1 / b->sum[i], h->d_v);
    }
}

static void attention_task(void *arg, int task, int thread)
{
    const struct attention_job *job = arg;
    const struct hparams *h = &job->d->net->h;
    const struct span *s = job->span;
    const uint32_t head = (uint32_t)task % h->n_head_kv, first = (uint32_t)task / h->n_head_kv * job->tokens;
    const uint32_t n = s->n - first < job->tokens ? s->n - first : job->tokens;
    struct task_buffers b;
    uint8_t *scratch = cpu_scratch(job->d, thread);
    lay_out(&b, scratch, h);
    start_rows(job, &b, head, first, n);

    const uint32_t oldest = s->first + first; /* position of the task's first token: it looks back furthest */
    const uint32_t from = job->window && oldest >= job->window ? oldest - job->window + 1 : 0;
    const uint32_t end = s->first + first + n;
    for (uint32_t page = from / ATTEND_KEYS; page * ATTEND_KEYS < end; page++) {
        const uint32_t begin = page * ATTEND_KEYS, keys = end - begin < ATTEND_KEYS ? end - begin : ATTEND_KEYS;
        set_ranges(job, &b, begin, keys, first, n);
        job->d->k->attend(&(struct attend_block){
            .n_q = (int)(n * (h->n_head / h->n_head_kv)),
            .n_keys = (int)keys,
            .d_k = (int)h->d_k,
            .d_v = (int)h->d_v,
            .q = b.q,
            .q_stride = h->d_k,
            .k = kv_keys(s->kv, page, job->layer, head),
            .v = kv_values(s->kv, page, job->layer, head),
            .k_stride = h->d_k,
            .v_stride = h->d_v,
            .first = b.first,
            .last = b.last,
            .max = b.max,
            .sum = b.sum,
            .out = b.out,
            .out_stride = h->d_v,
            .scratch = scratch,
        });
    }
    finish_rows(job, &b, head, first, n);
}

void cpu_attention(struct device *d, const struct span *s, uint32_t layer, uint32_t window, float *out, const float *q)
{
    struct attention_job job = { d, s, layer, window, tokens_per_task(&d->net->h), out, q };
    pool_run(d->pool, tasks_of(s->n, job.tokens) * (int)d->net->h.n_head_kv, attention_task, &job);
}
