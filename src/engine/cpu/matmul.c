/* matmul.c - matrix products: activations brought into the form the kernels read, then tiles of rows over the threads.
 *
 * The cut into tiles depends on shapes alone, never on the number of threads. Few columns (decoding): a task streams a
 * contiguous piece of the weights through the dot kernel. Many (a prompt): a task's rows are unpacked once for all
 * columns by the GEMM kernel.
 *
 * Precise weights get activations in pairs of 8-bit rows where their kernel reads those: it sees two columns for each
 * one, and their results are added. */
#include "src/engine/cpu/cpu.h"

enum {
    MAX_PRODUCTS = 3,
    MAX_ROWS = 4096, /* of a task */
    PAIR_ROWS = 256, /* of a task whose columns are pairs: their results are kept in scratch */
    DOT_BYTES = 128 * 1024, /* weights of a task when they are streamed */
    PANEL_ROWS = 32,        /* a multiple of every kernel's panel */
    GEMM_ROWS = 256,        /* of a task, if that leaves some tasks: a tile packs its columns anew */
    GEMM_TASKS = 8,
    GEMM_MACS = 1 << 22,    /* multiply-adds that make a task worth handing out */
};

struct matmul_job {
    const struct device *d;
    const struct product *products;
    int n_products;
    uint32_t n;
    const float *x;
    size_t k;
    uint32_t tile_rows[MAX_PRODUCTS];
    int first_task[MAX_PRODUCTS + 1];
    const void *act[ACT_COUNT]; /* the prepared activations */
    size_t act_stride[ACT_COUNT];
    enum act preparing;
    uint32_t per_task;
};

static const struct matmul *kernel_of(const struct device *d, const struct weight *w)
{
    return &d->k->matmul[d->precision][w->type];
}

static bool is_gemm(const struct matmul *kernel, uint32_t n)
{
    return n >= (uint32_t)kernel->gemm_from;
}

enum act cpu_activations(const struct device *d, const struct weight *w, uint32_t n)
{
    const struct matmul *kernel = kernel_of(d, w);
    const enum act act = is_gemm(kernel, n) ? kernel->gemm_act : kernel->dot_act;
    return w->precise && act == ACT_Q8 ? ACT_Q8_PAIR : act;
}

/* ---- Activations ---- */

static void prepare_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct matmul_job *job = arg;
    const uint32_t first = (uint32_t)task * job->per_task;
    const uint32_t last = job->n - first < job->per_task ? job->n : first + job->per_task;
    for (uint32_t i = first; i < last; i++)
        job->d->k->prepare[job->preparing](job->d->prepared[job->preparing] + i * job->act_stride[job->preparing],
                                           job->x + i * job->k, job->k);
}

static void prepare(struct matmul_job *job, enum act act)
{
    if (job->act[act])
        return;
    job->act_stride[act] = act_row_bytes(act, job->k);
    if (act == ACT_F32 && job->act_stride[act] == job->k * sizeof(float)) { /* already in that form */
        job->act[act] = job->x;
        return;
    }
    job->act[act] = job->d->prepared[act];
    job->preparing = act;
    job->per_task = rows_per_task((uint32_t)job->k);
    pool_run(job->d->pool, tasks_of(job->n, job->per_task), prepare_task, job);
}

/* ---- Tiles ---- */

static uint32_t tile_rows(const struct device *d, const struct weight *w, uint32_t n)
{
    const uint32_t most = cpu_activations(d, w, n) == ACT_Q8_PAIR ? PAIR_ROWS : MAX_ROWS;
    if (!is_gemm(kernel_of(d, w), n)) {
        const size_t rows = DOT_BYTES / (w->stride ? w->stride : 1) / n;
        return rows < 8 ? 8 : rows > most ? most : (uint32_t)rows / 8 * 8;
    }
    const uint64_t panel_macs = (uint64_t)PANEL_ROWS * n * w->k;
    const uint32_t worth = panel_macs < GEMM_MACS ? (uint32_t)(GEMM_MACS / (panel_macs + 1)) + 1 : 1;
    const uint32_t share = w->rows / GEMM_TASKS / PANEL_ROWS, best = GEMM_ROWS / PANEL_ROWS;
    const uint32_t panels = share < best ? share : best;
    const uint32_t rows = PANEL_ROWS * (panels > worth ? panels : worth);
    return rows < most ? rows : most;
}

size_t cpu_matmul_scratch(const struct device *d, uint32_t n_batch)
{
    return KERNEL_SCRATCH_BYTES + (d->prepared[ACT_Q8_PAIR] ? 2 * PAIR_ROWS * sizeof(float) * n_batch : 0);
}

static const float *bias_of(const struct product *p)
{
    return p->bias ? vector_of(p->bias) : NULL;
}

/* After the kernel: pairs of columns become one, bias, and the residual stream that the sums are added to. */
static void finish_tile(const struct device *d, const struct product *p, float *tile, size_t tile_stride, bool pairs,
                        uint32_t first, uint32_t rows, uint32_t n)
{
    const float *bias = bias_of(p);
    for (uint32_t c = 0; c < n; c++) {
        float *y = p->y + c * p->y_stride + first, *sums = tile + (c << pairs) * tile_stride;
        if (pairs)
            d->k->add(p->residual ? sums : y, sums, sums + tile_stride, rows);
        if (p->residual)
            d->k->add(y, y, sums, rows);
        if (bias)
            d->k->add(y, y, bias + first, rows);
    }
}

static void tile_task(void *arg, int task, int thread)
{
    const struct matmul_job *job = arg;
    const struct device *d = job->d;
    int i = 0;
    while (task >= job->first_task[i + 1])
        i++;
    const struct product *p = &job->products[i];
    const struct weight *w = p->w;
    const struct matmul *kernel = kernel_of(d, w);
    const enum act form = cpu_activations(d, w, job->n);
    const bool pairs = form == ACT_Q8_PAIR;
    const uint32_t first = (uint32_t)(task - job->first_task[i]) * job->tile_rows[i];
    const uint32_t rows = w->rows - first < job->tile_rows[i] ? w->rows - first : job->tile_rows[i];
    uint8_t *scratch = cpu_scratch(d, thread);
    struct matmul_tile tile = {
        .y = p->y + first,
        .y_stride = p->y_stride,
        .w = (const uint8_t *)w->data + first * w->stride,
        .w_stride = w->stride,
        .x = job->act[form],
        .x_stride = job->act_stride[form] >> pairs,
        .n_rows = (int)rows,
        .n_cols = (int)(job->n << pairs),
        .k = w->k,
        .scratch = scratch,
    };
    if (pairs) {
        tile.y = (float *)(scratch + KERNEL_SCRATCH_BYTES);
        tile.y_stride = rows;
    } else if (p->residual) { /* the kernel overwrites, so its sums go to a buffer of their own first */
        tile.y = d->sums + first;
        tile.y_stride = w->rows;
    }
    (is_gemm(kernel, job->n) ? kernel->gemm : kernel->dot)(&tile);
    if (pairs || p->residual || bias_of(p))
        finish_tile(d, p, tile.y, tile.y_stride, pairs, first, rows, job->n);
}

void cpu_matmul(struct device *d, const struct product *products, int n_products, const float *x, uint32_t n)
{
    struct matmul_job job = { .d = d, .products = products, .n_products = n_products, .n = n, .x = x, .k = products->w->k };
    for (int i = 0; i < n_products; i++) {
        const struct weight *w = products[i].w;
        prepare(&job, cpu_activations(d, w, n));
        job.tile_rows[i] = tile_rows(d, w, n);
        job.first_task[i + 1] = job.first_task[i] + tasks_of(w->rows, job.tile_rows[i]);
    }
    pool_run(d->pool, job.first_task[n_products], tile_task, &job);
}
