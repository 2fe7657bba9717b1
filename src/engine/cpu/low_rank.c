/* low_rank.c - what adapters add to products: scale * B (A x), for some rows of a step.
 *
 * A is narrow: A x is computed once for each product, before it, as a job of its own. B's rows are added where the
 * product's are made, tile by tile, so that nothing is read or written twice and no further job is needed. Both are
 * multiplied as floats, by the kernels of exact precision, in the types that the adapter's file has.
 *
 * Which kernel multiplies follows from the step's rows alone, as everywhere; experts and embeddings go row by row. */
#include "src/engine/cpu/cpu.h"

enum {
    COLUMNS = 64, /* of a task */
    PRODUCTS = 3, /* that read the same rows, at most */
    LANE = CACHE_LINE / sizeof(float),
};

/* Rows [first, first + n) of the step. */
struct adapted_rows {
    const struct adaptation *how;
    uint32_t first, n;
};

/* What a part adds to some rows of a product. */
struct addition {
    const struct weight *w; /* the product's */
    const struct low_rank *low;
    float scale;
    uint32_t first, n; /* rows of the step */
    float *ax;         /* (n, stride) */
    size_t stride;     /* floats */
    int first_task;
};

/* Memory that grows with what is asked for. */
struct room {
    void *p;
    size_t bytes;
};

struct low_rank_work {
    struct adapted_rows *runs;
    uint32_t n_runs;
    size_t row_floats; /* of all parts of any run */
    struct room of_runs, additions, ax, middle, prepared;
};

struct narrow_job {
    const struct device *d;
    const struct addition *additions;
    uint32_t n_additions, n;
    const uint8_t *x;
    size_t stride; /* bytes */
};

/* ---- Buffers ---- */

static bool make_room(struct device *d, struct room *r, size_t count, size_t size)
{
    size_t bytes;
    if (!mul_size(count, size, &bytes))
        return false;
    if (bytes <= r->bytes)
        return true;
    mem_free(d->a, r->p);
    d->bytes -= r->bytes;
    *r = (struct room){ .p = cpu_take(d, bytes, 1) };
    r->bytes = r->p ? bytes : 0;
    return r->p;
}

static size_t padded(uint32_t rank)
{
    return round_up(rank, LANE);
}

static size_t floats_of(const struct adaptation *how)
{
    size_t floats = 0;
    for (uint32_t i = 0; i < how->n_parts; i++)
        floats += padded(how->parts[i].rank);
    return floats;
}

/* The widest input of a product that is not made within a step of products. */
static size_t widest_input(const struct network *net)
{
    size_t widest = net->h.n_embd;
    for (uint32_t l = 0; l < net->h.n_layer; l++)
        for (int r = 0; r < LAYER_ROLES; r++) {
            const struct weight *w = &net->layers[l].w[r];
            if (w->data && r != FFN_DOWN && !w->stack && w->rows > 1 && w->k > widest)
                widest = w->k;
        }
    return widest;
}

/* Activations as floats may be wanted of wider rows than before. */
static bool widen_prepared(struct device *d)
{
    struct room *r = &d->low->prepared;
    const size_t bytes = act_row_bytes(ACT_F32, widest_input(d->net));
    if (bytes <= d->prepared_bytes[ACT_F32])
        return true;
    if (!make_room(d, r, d->n_batch, bytes))
        return false;
    mem_free(d->a, d->prepared[ACT_F32]);
    d->bytes -= d->n_batch * d->prepared_bytes[ACT_F32];
    d->prepared[ACT_F32] = r->p;
    d->prepared_bytes[ACT_F32] = bytes;
    *r = (struct room){ 0 }; /* it is the device's now */
    return true;
}

/* Segments of the same adaptation, one behind the other, are one run. */
static bool note_runs(struct device *d, const struct span *s)
{
    struct low_rank_work *w = d->low;
    if (!make_room(d, &w->of_runs, s->n_segments, sizeof *w->runs))
        return false;
    w->runs = w->of_runs.p;
    for (uint32_t i = 0; i < s->n_segments; i++) {
        const struct segment *segment = &s->segments[i];
        struct adapted_rows *const last = w->n_runs ? &w->runs[w->n_runs - 1] : NULL;
        if (!segment->adaptation)
            continue;
        if (last && last->how == segment->adaptation && last->first + last->n == segment->row)
            last->n += segment->n;
        else
            w->runs[w->n_runs++] = (struct adapted_rows){ segment->adaptation, segment->row, segment->n };
    }
    return true;
}

bool cpu_adapt(struct device *d, const struct span *s)
{
    const struct hparams *h = &d->net->h;
    if (d->low)
        d->low->n_runs = 0;
    if (!s)
        return true;
    if (!d->low && !(d->low = mem_new(d->a, 1, sizeof *d->low)))
        return false;
    struct low_rank_work *w = d->low;
    if (!note_runs(d, s))
        return false;
    size_t floats = 0, additions = 0;
    w->row_floats = 0;
    for (uint32_t i = 0; i < w->n_runs; i++) {
        const size_t row = floats_of(w->runs[i].how);
        floats += PRODUCTS * row * w->runs[i].n;
        additions += PRODUCTS * (size_t)w->runs[i].how->n_parts;
        w->row_floats = row > w->row_floats ? row : w->row_floats;
    }
    const size_t experts = h->routing.n_expert ? 2 * (size_t)s->n * (h->routing.n_used + 1) * w->row_floats : 0;
    const bool well = make_room(d, &w->additions, additions, sizeof(struct addition)) &&
                      make_room(d, &w->ax, floats > experts ? floats : experts, sizeof(float)) &&
                      make_room(d, &w->middle, h->n_ff ? d->n_batch : 0, act_row_bytes(ACT_F32, h->n_ff)) &&
                      widen_prepared(d);
    w->n_runs = well ? w->n_runs : 0;
    return well;
}

void cpu_adapt_close(struct device *d)
{
    struct low_rank_work *w = d->low;
    if (!w)
        return;
    struct room *const rooms[] = { &w->of_runs, &w->additions, &w->ax, &w->middle, &w->prepared };
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        mem_free(d->a, rooms[i]->p);
    mem_free(d->a, w);
}

uint8_t *cpu_adapted_middle(const struct device *d)
{
    return d->low->middle.p;
}

float *cpu_low_rank_products(const struct device *d)
{
    return d->low->ax.p;
}

/* ---- Products ---- */

bool cpu_adapts(const struct device *d, const struct weight *w)
{
    for (uint32_t i = 0; d->low && i < d->low->n_runs; i++)
        for (uint32_t j = 0; j < d->low->runs[i].how->n_parts; j++)
            if (adaptation_of(&d->low->runs[i].how->parts[j], w))
                return true;
    return false;
}

/* y (n, y_stride) = rows [first, first + n_rows) of w times n rows of floats, in the way for `way` columns. */
static void multiply(const struct device *d, const struct weight *w, uint32_t way, uint32_t first, uint32_t n_rows,
                     const void *x, size_t x_stride, uint32_t n, float *y, size_t y_stride, void *scratch)
{
    const struct matmul *kernel = &d->k->matmul[PRECISION_EXACT][w->type];
    const struct matmul_tile tile = {
        .y = y, .y_stride = y_stride, .w = (const uint8_t *)w->data + first * w->stride, .w_stride = w->stride,
        .x = x, .x_stride = x_stride, .n_rows = (int)n_rows, .n_cols = (int)n, .k = w->k, .scratch = scratch,
    };
    (d->deterministic || d->alone ? kernel->way : matmul_way(kernel, (int)way))->fn(&tile);
}

static void narrow_task(void *arg, int task, int thread)
{
    const struct narrow_job *job = arg;
    const struct addition *a = job->additions;
    while (a + 1 < job->additions + job->n_additions && a[1].first_task <= task)
        a++;
    const uint32_t first = (uint32_t)(task - a->first_task) * COLUMNS;
    const uint32_t n = a->n - first < COLUMNS ? a->n - first : COLUMNS;
    multiply(job->d, &a->low->a, job->n, 0, a->low->a.rows, job->x + (a->first + first) * job->stride, job->stride, n,
             a->ax + first * a->stride, a->stride, cpu_scratch(job->d, thread));
}

/* What the step's adapters add to the last p->n of n rows of a product, behind those there are. */
static void note_additions(struct low_rank_work *work, struct narrow_job *job, const struct product *p, float **ax)
{
    struct addition *const all = work->additions.p;
    const uint32_t begin = job->n - p->n;
    for (uint32_t i = 0; i < work->n_runs; i++) {
        const struct adapted_rows *run = &work->runs[i];
        const uint32_t first = run->first > begin ? run->first : begin, end = run->first + run->n;
        for (uint32_t j = 0; j < run->how->n_parts && first < end; j++) {
            const struct adaptation_part *part = &run->how->parts[j];
            const struct low_rank *low = adaptation_of(part, p->w);
            if (!low)
                continue;
            const size_t stride = padded(low->a.rows);
            all[job->n_additions++] =
                (struct addition){ p->w, low, part->scale * low->scale, first, end - first, *ax, stride, 0 };
            *ax += (end - first) * stride;
        }
    }
}

void cpu_low_rank(struct device *d, struct activations *in, const struct product *products, int n_products,
                  const struct operand *x, uint32_t n)
{
    struct narrow_job job = { .d = d, .n = n };
    uint32_t most = 0;
    int n_tasks = 0;
    uint64_t ns = 0;
    in->n_additions = 0;
    if (!d->low || !d->low->n_runs)
        return;
    float *ax = d->low->ax.p;
    for (int i = 0; i < n_products; i++) {
        note_additions(d->low, &job, &products[i], &ax);
        most = products[i].n > most ? products[i].n : most;
    }
    if (!job.n_additions)
        return;
    struct addition *const all = d->low->additions.p;
    for (uint32_t i = 0; i < job.n_additions; i++) {
        const struct weight *a = &all[i].low->a;
        all[i].first_task = n_tasks;
        n_tasks += tasks_of(all[i].n, COLUMNS);
        ns += a->rows * cpu_work_ns(a->stride, all[i].n * (uint64_t)a->k);
    }
    cpu_prepare(d, in, ACT_F32, x, all->low->a.k, n - most, n);
    job.additions = in->additions = all;
    in->n_additions = job.n_additions;
    job.x = in->rows[ACT_F32];
    job.stride = in->stride[ACT_F32];
    cpu_run(d, ns, n_tasks, narrow_task, &job);
}

void cpu_add_low_rank(const struct device *d, const struct product_tile *t, const struct activations *in, void *scratch)
{
    const uint32_t begin = t->n - t->p->n;
    for (const struct addition *a = in->additions; a < in->additions + in->n_additions; a++) {
        if (a->w != t->p->w)
            continue;
        multiply(d, &a->low->b, t->n, t->first, t->n_rows, a->ax, a->stride * sizeof(float), a->n, t->sums, t->n_rows,
                 scratch);
        for (uint32_t c = 0; c < a->n; c++)
            d->k->add_scaled(t->y + (a->first - begin + c) * t->y_stride, t->sums + (size_t)c * t->n_rows, a->scale,
                             t->n_rows);
    }
}

/* ---- Row by row: experts, embeddings ---- */

const struct adaptation *cpu_adaptation_of(const struct device *d, uint32_t row)
{
    for (uint32_t i = 0; d->low && i < d->low->n_runs; i++)
        if (row - d->low->runs[i].first < d->low->runs[i].n)
            return d->low->runs[i].how;
    return NULL;
}

size_t cpu_low_rank_floats(const struct device *d)
{
    return d->low && d->low->n_runs ? d->low->row_floats : 0;
}

void cpu_low_rank_row(const struct device *d, const struct adaptation *how, const struct weight *w, uint32_t expert,
                      const float *x, float *ax, void *scratch)
{
    for (uint32_t i = 0; i < how->n_parts; ax += padded(how->parts[i++].rank)) {
        const struct low_rank *low = adaptation_of(&how->parts[i], w);
        const struct weight a = low ? weight_of_expert(&low->a, expert) : (struct weight){ 0 };
        if (a.data)
            multiply(d, &a, 1, 0, a.rows, x, 0, 1, ax, 0, scratch);
    }
}

void cpu_add_low_rank_row(const struct device *d, const struct adaptation *how, const struct weight *w, uint32_t expert,
                          const float *ax, uint32_t first, uint32_t n, float *y, float *sums, void *scratch)
{
    for (uint32_t i = 0; i < how->n_parts; ax += padded(how->parts[i++].rank)) {
        const struct low_rank *low = adaptation_of(&how->parts[i], w);
        const struct weight b = low ? weight_of_expert(&low->b, expert) : (struct weight){ 0 };
        if (!b.data)
            continue;
        multiply(d, &b, 1, first, n, ax, 0, 1, sums, 0, scratch);
        d->k->add_scaled(y, sums, how->parts[i].scale * low->scale, n);
    }
}

void cpu_adapt_embedding(const struct device *d, const struct adaptation *how, const struct weight *table, int32_t id,
                         float *y, int thread)
{
    uint8_t *const scratch = cpu_scratch(d, thread);
    float *const ax = (float *)(scratch + KERNEL_SCRATCH_BYTES), *const sums = ax + MAX_RANK;
    for (uint32_t i = 0; i < how->n_parts; i++) {
        const struct low_rank *low = adaptation_of(&how->parts[i], table);
        if (!low)
            continue;
        d->k->dequantize[low->a.type](ax, (const uint8_t *)low->a.data + (size_t)id * low->a.stride, low->a.k);
        multiply(d, &low->b, 1, 0, low->b.rows, ax, 0, 1, sums, 0, scratch);
        d->k->add_scaled(y, sums, how->parts[i].scale * low->scale, low->b.rows);
    }
}

/* ---- The residual stream ---- */

struct steer_job {
    const struct device *d;
    const struct span *s;
    float *x;
    uint32_t layer, first, per_task;
};

static void steer_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct steer_job *job = arg;
    const uint32_t width = job->d->net->h.n_embd, first = job->first + (uint32_t)task * job->per_task;
    for (uint32_t i = first; i < job->s->n && i < first + job->per_task; i++) {
        const struct adaptation *how = span_segment(job->s, i)->adaptation;
        const float *direction = how && how->directions ? how->directions[job->layer] : NULL;
        float *const row = job->x + (size_t)i * width;
        if (direction)
            job->d->k->add(row, row, direction, width);
    }
}

void cpu_steer(struct device *d, float *x, const struct span *s, uint32_t layer, uint32_t n)
{
    const uint32_t width = d->net->h.n_embd;
    bool any = false;
    for (uint32_t i = 0; i < d->low->n_runs && !any; i++)
        any = d->low->runs[i].how->directions && d->low->runs[i].how->directions[layer];
    struct steer_job job = { d, s, x, layer, s->n - n, rows_per_task(width) };
    if (any)
        cpu_run(d, (uint64_t)n * width / 4, tasks_of(n, job.per_task), steer_task, &job);
}
