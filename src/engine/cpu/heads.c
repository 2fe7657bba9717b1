/* heads.c - products of each head with a matrix of its own, where keys and values come from a latent vector.
 *
 * A task is one head and some rows. Which kernel multiplies follows from the step's rows alone, as everywhere. A matrix
 * that stands transposed in the file is read row by row: each is brought to floats once, then added to all results of
 * the task, as often as that row's number of x says. */
#include "src/engine/cpu/cpu.h"

enum { TASK_ROWS = 64 };

struct heads_job {
    const struct device *d;
    const struct head_product *p;
    uint32_t n, n_heads;
};

/* What a task lays out in its thread's scratch, behind the kernel's own: a row of floats, or activations. */
size_t cpu_heads_scratch(const struct device *d)
{
    size_t most = 0;
    for (uint32_t l = 0; l < d->net->h.n_layer; l++)
        for (int i = 0; i < 2; i++) {
            const struct weight *w = &d->net->layers[l].w[i ? ATTN_V_B : ATTN_K_B];
            for (int act = 0; w->data && act < ACT_COUNT; act++) {
                const size_t rows = TASK_ROWS * act_row_bytes((enum act)act, w->k), row = w->rows * sizeof(float);
                most = rows > most ? rows : most;
                most = row > most ? row : most;
            }
        }
    return KERNEL_SCRATCH_BYTES + most;
}

static void add_rows(const struct heads_job *job, const struct weight *w, const float *x, float *y, uint32_t n,
                     float *row)
{
    const struct kernels *k = job->d->k;
    const size_t x_stride = (size_t)job->n_heads * job->p->x_width, y_stride = (size_t)job->n_heads * job->p->y_width;
    for (uint32_t c = 0; c < n; c++)
        memset(y + c * y_stride, 0, w->rows * sizeof *y);
    for (uint32_t i = 0; i < w->k; i++) {
        k->dequantize[w->type](row, (const uint8_t *)w->data + i * w->stride, w->rows);
        for (uint32_t c = 0; c < n; c++)
            k->add_scaled(y + c * y_stride, row, x[c * x_stride + i], w->rows);
    }
}

static void multiply(const struct heads_job *job, const struct weight *w, const float *x, float *y, uint32_t n,
                     uint8_t *scratch)
{
    const enum act form = cpu_activations(job->d, w, job->n);
    const size_t stride = act_row_bytes(form, w->k);
    uint8_t *const rows = scratch + KERNEL_SCRATCH_BYTES;
    for (uint32_t c = 0; c < n; c++)
        job->d->k->prepare[form](rows + c * stride, x + (size_t)c * job->n_heads * job->p->x_width, w->k, 0, w->k);
    struct matmul_tile tile = {
        .y = y,
        .y_stride = (size_t)job->n_heads * job->p->y_width,
        .x = rows,
        .x_stride = stride,
        .n_cols = (int)n,
        .scratch = scratch,
    };
    cpu_tile(job->d, w, job->n, 0, w->rows, &tile);
}

static void head_task(void *arg, int task, int thread)
{
    const struct heads_job *job = arg;
    const struct head_product *p = job->p;
    const uint32_t head = (uint32_t)task % job->n_heads, first = (uint32_t)task / job->n_heads * TASK_ROWS;
    const uint32_t n = p->n - first < TASK_ROWS ? p->n - first : TASK_ROWS, rest = p->x_width - p->w->k;
    const float *const x = p->x + ((size_t)first * job->n_heads + head) * p->x_width;
    float *const y = p->y + ((size_t)first * job->n_heads + head) * p->y_width;
    const struct weight w = weight_of_stack(p->w, head);
    uint8_t *const scratch = cpu_scratch(job->d, thread);
    if (w.transposed)
        add_rows(job, &w, x, y, n, (float *)(scratch + KERNEL_SCRATCH_BYTES));
    else
        multiply(job, &w, x, y, n, scratch);
    for (uint32_t c = 0; c < n && rest; c++)
        memcpy(y + (size_t)c * job->n_heads * p->y_width + w.rows, x + (size_t)c * job->n_heads * p->x_width + w.k,
               rest * sizeof *y);
}

void cpu_head_products(struct device *d, const struct head_product *p, uint32_t n)
{
    struct heads_job job = { .d = d, .p = p, .n = n, .n_heads = p->w->n_stack };
    const uint64_t ns = job.n_heads * cpu_work_ns(weight_bytes(p->w), p->n * (uint64_t)p->w->rows * p->w->k);
    cpu_run(d, ns, tasks_of(p->n, TASK_ROWS) * (int)job.n_heads, head_task, &job);
}
