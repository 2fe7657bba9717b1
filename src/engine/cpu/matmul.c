/* matmul.c - matrix products: activations brought into the form the kernels read, then tiles of rows over the threads.
 * A norm is taken on the way to that form, a row at a time, so that normalised rows are not kept.
 *
 * The cut into tiles depends on shapes alone, never on the number of threads. Few columns (decoding): a task streams a
 * contiguous piece of the weights through the first way of the kernel table. More (a batch, a prompt): a task's rows
 * are unpacked once for many columns, which it packs for itself.
 *
 * Precise weights get activations in pairs of 8-bit rows where their kernel reads those: it sees two columns for each
 * one, and their results are added. These, and results that are added to others, are first put into the thread's
 * scratch: kernels overwrite. */
#include "src/engine/cpu/cpu.h"

enum {
    MAX_PRODUCTS = 3,
    MAX_ROWS = 4096, /* of a task */
    TILE_FLOATS = 128 * 1024, /* of a task's results, if that leaves it one panel */
    DOT_BYTES = 128 * 1024, /* weights of a task when they are streamed; it prepares the columns anew */
    DOT_LEAST = 32 * 1024,  /* times columns, where a matrix has few, so that there are DOT_TASKS */
    DOT_TASKS = 16,
    PANEL_ROWS = 32,        /* a multiple of every kernel's panel */
    GEMM_ROWS = 256,        /* of a task, if that leaves some tasks: a tile packs its columns anew */
    GEMM_TASKS = 8,
    GEMM_MACS = 1 << 20,    /* multiply-adds that make a task worth handing out */
    GEMM_UNPACK = 16,       /* columns whose products take as long as unpacking the weights */
};

struct prepare_job {
    const struct device *d;
    const struct operand *x;
    enum act form;
    uint8_t *to;
    size_t stride, k;
    uint32_t first, n, per_task;
};

struct matmul_job {
    const struct device *d;
    const struct product *products;
    const struct activations *in;
    uint32_t n;
    uint32_t tile_rows[MAX_PRODUCTS];
    int first_task[MAX_PRODUCTS + 1];
};

static const struct matmul *kernel_of(const struct device *d, const struct weight *w)
{
    return &d->k->matmul[d->precision][w->type];
}

/* Ways round differently, so a deterministic device knows one only, the one for single columns, which is also that of
 * tokens as if each were alone. */
static const struct way *way_of(const struct device *d, const struct weight *w, uint32_t n)
{
    return d->deterministic || d->alone ? kernel_of(d, w)->way : matmul_way(kernel_of(d, w), (int)n);
}

enum act cpu_activations(const struct device *d, const struct weight *w, uint32_t n)
{
    const enum act act = way_of(d, w, n)->act;
    return w->precise && act == ACT_Q8 ? ACT_Q8_PAIR : act;
}

void cpu_tile(const struct device *d, const struct weight *w, uint32_t n, uint32_t first, uint32_t n_rows,
              struct matmul_tile *tile)
{
    tile->w = (const uint8_t *)w->data + first * w->stride;
    tile->w_stride = w->stride;
    tile->n_rows = (int)n_rows;
    tile->k = w->k;
    way_of(d, w, n)->fn(tile);
}

/* ---- Activations ---- */

static void prepare_task(void *arg, int task, int thread)
{
    const struct prepare_job *job = arg;
    const struct kernels *k = job->d->k;
    const struct norm *norm = job->x->norm;
    const bool is_floats = job->form == ACT_F32 && job->stride == job->k * sizeof(float);
    const uint32_t first = job->first + (uint32_t)task * job->per_task;
    const uint32_t last = job->n - first < job->per_task ? job->n : first + job->per_task;
    for (uint32_t i = first; i < last; i++) {
        uint8_t *const to = job->to + i * job->stride;
        float *const row = is_floats ? (float *)to : cpu_scratch(job->d, thread);
        const float *x = job->x->x + i * job->k;
        if (norm) {
            cpu_norm_row(job->d, row, x, norm, job->k);
            x = row;
        }
        if (x != (float *)to)
            k->prepare[job->form](to, x, job->k, 0, job->k);
    }
}

void cpu_prepare(struct device *d, struct activations *a, enum act form, const struct operand *x, size_t k,
                 uint32_t first, uint32_t n)
{
    if (a->rows[form])
        return;
    a->stride[form] = act_row_bytes(form, k);
    if (form == ACT_F32 && a->stride[form] == k * sizeof(float) && !x->norm) { /* already in that form */
        a->rows[form] = (const uint8_t *)x->x;
        return;
    }
    a->rows[form] = d->prepared[form];
    struct prepare_job job = { .d = d, .x = x, .form = form, .to = d->prepared[form], .stride = a->stride[form], .k = k,
                               .first = first, .n = n, .per_task = rows_per_task((uint32_t)k) };
    pool_run(d->pool, tasks_of(n - first, job.per_task), prepare_task, &job);
}

/* ---- Tiles ---- */

size_t cpu_tile_floats(uint32_t n_batch)
{
    const size_t panel = 2 * (size_t)n_batch * PANEL_ROWS; /* of pairs */
    return panel > TILE_FLOATS ? panel : TILE_FLOATS;
}

uint32_t cpu_tile_rows(const struct device *d, const struct weight *w, uint32_t n)
{
    const bool pairs = cpu_activations(d, w, n) == ACT_Q8_PAIR;
    const uint32_t room = (uint32_t)(cpu_tile_floats(n) / n >> pairs) / PANEL_ROWS * PANEL_ROWS;
    const uint32_t most = room < MAX_ROWS ? room : MAX_ROWS;
    if (way_of(d, w, n) == kernel_of(d, w)->way) {
        const uint64_t least = DOT_LEAST / n, share = (uint64_t)w->rows * w->stride / DOT_TASKS;
        const uint64_t bytes = share < least ? least : share < DOT_BYTES ? share : DOT_BYTES;
        const uint64_t rows = bytes / (w->stride + 1);
        return rows < 8 ? 8 : rows > most ? most : (uint32_t)rows / 8 * 8;
    }
    const uint64_t panel_macs = PANEL_ROWS * ((uint64_t)n + GEMM_UNPACK) * w->k;
    const uint32_t worth = panel_macs < GEMM_MACS ? (uint32_t)(GEMM_MACS / (panel_macs + 1)) + 1 : 1;
    const uint32_t share = w->rows / GEMM_TASKS / PANEL_ROWS, best = GEMM_ROWS / PANEL_ROWS;
    const uint32_t panels = share < best ? share : best;
    const uint32_t rows = PANEL_ROWS * (panels > worth ? panels : worth);
    return rows < most ? rows : most;
}

size_t cpu_matmul_scratch(const struct device *d, uint32_t n_batch)
{
    const size_t row = (MAX_RANK + (size_t)d->net->h.n_embd) * sizeof(float), tiles = 3 * cpu_tile_floats(n_batch) * sizeof(float);
    return KERNEL_SCRATCH_BYTES + (tiles > row ? tiles : row);
}

static const float *bias_of(const struct product *p)
{
    return p->bias ? vector_of(p->bias) : NULL;
}

/* After the kernel: pairs of columns become one, bias, and the residual stream that the sums are added to. */
static void finish_tile(const struct device *d, const struct product_tile *t, float *sums, size_t stride, bool pairs)
{
    const float *bias = bias_of(t->p);
    for (uint32_t c = 0; c < t->p->n; c++, sums += stride << pairs) {
        float *y = t->y + c * t->y_stride;
        if (pairs)
            d->k->add(t->p->residual ? sums : y, sums, sums + stride, t->n_rows);
        if (t->p->residual)
            d->k->add(y, y, sums, t->n_rows);
        if (bias)
            d->k->add(y, y, bias + t->first, t->n_rows);
    }
}

void cpu_product_tile(const struct device *d, const struct product_tile *t, const struct activations *in, void *scratch)
{
    const struct product *p = t->p;
    const struct weight *w = p->w;
    const enum act form = cpu_activations(d, w, t->n);
    const bool pairs = form == ACT_Q8_PAIR, apart = pairs || p->residual;
    struct matmul_tile tile = {
        .y = apart ? t->sums : t->y,
        .y_stride = apart ? t->n_rows : t->y_stride,
        .w = (const uint8_t *)w->data + t->first * w->stride,
        .w_stride = w->stride,
        .x = in->rows[form] + (t->n - p->n) * in->stride[form],
        .x_stride = in->stride[form] >> pairs,
        .n_rows = (int)t->n_rows,
        .n_cols = (int)(p->n << pairs),
        .k = w->k,
        .scratch = scratch,
    };
    way_of(d, w, t->n)->fn(&tile);
    if (apart || bias_of(p))
        finish_tile(d, t, tile.y, tile.y_stride, pairs);
    if (in->n_additions)
        cpu_add_low_rank(d, t, in, scratch);
}

static void tile_task(void *arg, int task, int thread)
{
    const struct matmul_job *job = arg;
    int i = 0;
    while (task >= job->first_task[i + 1])
        i++;
    const struct product *p = &job->products[i];
    const uint32_t first = (uint32_t)(task - job->first_task[i]) * job->tile_rows[i], left = p->w->rows - first;
    uint8_t *scratch = cpu_scratch(job->d, thread);
    const struct product_tile tile = {
        .p = p, .n = job->n, .first = first, .n_rows = left < job->tile_rows[i] ? left : job->tile_rows[i],
        .y = p->y + first, .y_stride = p->y_stride, .sums = (float *)(scratch + KERNEL_SCRATCH_BYTES),
    };
    cpu_product_tile(job->d, &tile, job->in, scratch);
}

void cpu_products(struct device *d, const struct product *products, int n_products, const struct activations *in,
                  uint32_t n)
{
    struct matmul_job job = { .d = d, .products = products, .in = in, .n = n };
    uint64_t ns = 0;
    for (int i = 0; i < n_products; i++) {
        const struct product *p = &products[i];
        job.tile_rows[i] = cpu_tile_rows(d, p->w, n);
        job.first_task[i + 1] = job.first_task[i] + (p->n ? tasks_of(p->w->rows, job.tile_rows[i]) : 0);
        ns += p->n ? p->w->rows * cpu_work_ns(p->w->stride, p->n * (uint64_t)p->w->k) : 0;
    }
    cpu_run(d, ns, job.first_task[n_products], tile_task, &job);
}

void cpu_matmul(struct device *d, const struct product *products, int n_products, const struct operand *in, uint32_t n)
{
    struct activations a = { 0 };
    uint32_t most = 0;
    for (int i = 0; i < n_products; i++)
        most = products[i].n > most ? products[i].n : most;
    for (int i = 0; i < n_products && most; i++)
        cpu_prepare(d, &a, cpu_activations(d, products[i].w, n), in, products[i].w->k, n - most, n);
    cpu_low_rank(d, &a, products, n_products, in, n);
    cpu_products(d, products, n_products, &a, n);
}
