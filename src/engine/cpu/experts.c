/* experts.c - feed-forward networks of which each token uses a few.
 *
 * Each choice of a token is a row; the rows of an expert stand together, tokens in their order. So an expert's matrices
 * are multiplied with all its rows at once, and those that nobody chose are not touched. The shared expert is one more
 * expert, which every token uses. Three jobs make a layer, each over the matrices of all experts:
 *
 *   choose    a token's experts; then rows are counted and given their places
 *   spread    activations into the form the kernels read, at the place of each of the token's rows
 *   middle    act(gate x) * (up x): a task has some rows of both matrices. Who ends an expert's last one brings its
 *             middle into the form that `down` reads
 *   down      a task has the same rows of all experts' matrices, and adds the results to the tokens they belong to, in
 *             the order of the experts
 *
 * Where tokens have adapters, a job before each of the last two multiplies their rows with the adapters' narrow
 * matrices.
 *
 * Tasks are cut by shapes and by how many rows an expert has, never by the number of threads. Which kernel multiplies
 * follows from the step's tokens alone, so that a row's bits do not depend on what others choose, nor on which are
 * wanted. */
#include "src/engine/cpu/cpu.h"
#include "src/engine/route.h"

#include <math.h>

enum {
    MANY = 8,               /* rows of an expert */
    PANEL_ROWS = 32,        /* a multiple of every kernel's panel */
    DOT_BYTES = 128 * 1024, /* weights of a task where an expert has few rows */
    GEMM_MACS = 1 << 22,    /* multiply-adds of a task where it has many */
    GEMM_ROWS = 256,        /* of a task, at most: then its share of packing columns is small */
    DOWN_TASKS = 16,
    TILE_FLOATS = 1 << 16,  /* of a result in scratch, unless PANEL_ROWS rows need more */
};

/* An expert in a step. */
struct expert {
    struct weight gate, up, down;
    const float *gate_bias, *up_bias, *down_bias; /* or NULL */
    uint32_t first, n; /* its rows; n 0: nobody chose it */
    uint32_t way;      /* columns that its kernels are chosen for */
    size_t middle;     /* floats before its part of the middle */
    size_t down_at[ACT_COUNT]; /* bytes before its part of that in the form of `down` */
    uint32_t tile_rows;
    int first_task;
};

struct expert_work {
    uint32_t most_rows;       /* of all experts together */
    uint32_t *chosen, *row;   /* (n_batch, n_used): experts, and their rows */
    float *weights;           /* (n_batch, n_used) */
    float *shared;            /* (n_batch): weights of the shared expert */
    float *route;             /* 2 * n_expert for each thread */
    uint32_t *token;          /* of each row */
    float *weight;            /* of each row */
    struct expert *experts;   /* n_expert + 1 */
    atomic_uint *tasks_left;  /* of each expert */
    uint8_t *in[ACT_COUNT];   /* rows of activations, NULL where no weight wants that form */
    uint8_t *out[ACT_COUNT];  /* the same of the middle */
    float *middle;
};

struct expert_job {
    struct device *d;
    struct expert_work *e;
    const struct layer *layer;
    const struct routing *r;
    const struct expert_rows *rows;
    uint32_t n_step, per_task, n_experts; /* n_experts: the shared one too */
    uint32_t down_rows;
    size_t low_floats; /* of a row's products with adapters' narrow matrices; 0: there are none */
};

/* ---- Buffers ---- */

/* Columns that the kernels of an expert are chosen for in a step of n tokens: its share of them, if they choose evenly.
 * The shared one has all. */
static uint32_t way_of(const struct routing *r, bool shared, uint32_t n)
{
    const uint32_t even = (uint32_t)((uint64_t)n * r->n_used / r->n_expert);
    return shared ? n : even ? even : 1;
}

/* Forms that products of steps of 1 to n_batch tokens with a layer's matrices read: of `down`, or of gate and up. */
static void note_forms(const struct device *d, bool down, uint32_t n_batch, bool wanted[ACT_COUNT])
{
    static const enum layer_role in[] = { EXPERT_GATE, EXPERT_UP, SHARED_GATE, SHARED_UP };
    static const enum layer_role out[] = { EXPERT_DOWN, SHARED_DOWN };
    for (uint32_t l = 0; l < d->net->h.n_layer; l++)
        for (int i = 0; i < (down ? 2 : 4); i++) {
            const struct weight *w = &d->net->layers[l].w[down ? out[i] : in[i]];
            if (w->data)
                wanted[cpu_activations(d, w, 1)] =
                    wanted[cpu_activations(d, w, way_of(&d->net->h.routing, !w->stack, n_batch))] = true;
        }
}

static size_t expert_middle(const struct hparams *h, uint32_t n_batch)
{
    return (size_t)n_batch * ((size_t)h->routing.n_used * h->n_ff_expert + h->n_ff_shared);
}

bool cpu_experts_open(struct device *d, uint32_t n_batch)
{
    const struct hparams *h = &d->net->h;
    const uint32_t n_used = h->routing.n_used, n_expert = h->routing.n_expert;
    bool in[ACT_COUNT] = { false }, out[ACT_COUNT] = { false };
    if (!n_expert)
        return true;
    struct expert_work *e = d->experts = mem_new(d->a, 1, sizeof *e);
    if (!e)
        return false;
    note_forms(d, false, n_batch, in);
    note_forms(d, true, n_batch, out);
    e->most_rows = n_batch * (n_used + (h->n_ff_shared > 0)); /* at most 2^12 * 65 */
    for (int act = 0; act < ACT_COUNT; act++) {
        const size_t down = n_used * act_row_bytes((enum act)act, h->n_ff_expert) +
                            act_row_bytes((enum act)act, h->n_ff_shared);
        if ((in[act] && !(e->in[act] = cpu_take(d, e->most_rows, act_row_bytes((enum act)act, h->n_embd)))) ||
            (out[act] && !(e->out[act] = cpu_take(d, n_batch, down))))
            return false;
    }
    return (e->chosen = cpu_take(d, n_batch, n_used * sizeof *e->chosen)) &&
           (e->row = cpu_take(d, n_batch, n_used * sizeof *e->row)) &&
           (e->weights = cpu_take(d, n_batch, n_used * sizeof *e->weights)) &&
           (e->shared = cpu_take(d, n_batch, sizeof *e->shared)) &&
           (e->route = cpu_take(d, (size_t)pool_threads(d->pool), 2 * n_expert * sizeof *e->route)) &&
           (e->token = cpu_take(d, e->most_rows, sizeof *e->token)) &&
           (e->weight = cpu_take(d, e->most_rows, sizeof *e->weight)) &&
           (e->experts = cpu_take(d, n_expert + 1, sizeof *e->experts)) &&
           (e->tasks_left = cpu_take(d, n_expert + 1, sizeof *e->tasks_left)) &&
           (e->middle = cpu_take(d, expert_middle(h, n_batch), sizeof *e->middle));
}

void cpu_experts_close(struct device *d)
{
    struct expert_work *e = d->experts;
    if (!e)
        return;
    for (int act = 0; act < ACT_COUNT; act++) {
        mem_free(d->a, e->in[act]);
        mem_free(d->a, e->out[act]);
    }
    void *const rest[] = { e->chosen, e->row, e->weights, e->shared, e->route, e->token, e->weight, e->experts,
                           e->tasks_left, e->middle };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        mem_free(d->a, rest[i]);
    mem_free(d->a, e);
}

static size_t tile_floats(uint32_t n_batch)
{
    return n_batch > TILE_FLOATS / PANEL_ROWS ? (size_t)n_batch * PANEL_ROWS : TILE_FLOATS;
}

/* Of x, or of a result. */
static size_t widest_row(const struct hparams *h)
{
    const size_t inner = h->n_ff_expert > h->n_ff_shared ? h->n_ff_expert : h->n_ff_shared;
    return inner > h->n_embd ? inner : h->n_embd;
}

size_t cpu_experts_scratch(const struct device *d, uint32_t n_batch)
{
    const struct hparams *h = &d->net->h;
    return h->routing.n_expert ? KERNEL_SCRATCH_BYTES + (2 * tile_floats(n_batch) + widest_row(h)) * sizeof(float) : 0;
}

/* ---- Rows ---- */

static void choose_task(void *arg, int task, int thread)
{
    const struct expert_job *job = arg;
    const struct routing *r = job->r;
    const struct expert_work *e = job->e;
    const struct weight *w = job->layer->w;
    const size_t n_embd = job->d->net->h.n_embd;
    const float *bias = vector_of(&w[CHOICE_BIAS]), *gate = vector_of(&w[SHARED_SWITCH]);
    const uint32_t first = (uint32_t)task * job->per_task;
    for (uint32_t t = first; t < job->rows->n && t < first + job->per_task; t++) {
        route(r, job->d->k, job->rows->scores + (size_t)t * r->n_expert, bias,
              e->route + (size_t)thread * 2 * r->n_expert, e->chosen + (size_t)t * r->n_used, e->weights + (size_t)t * r->n_used);
        e->shared[t] = gate ? 1 / (1 + expf(-job->d->k->dot(gate, job->rows->x + t * n_embd, n_embd))) : 1;
    }
}

static const float *bias_of(const struct weight *w, uint32_t expert)
{
    return w->data ? vector_of(w) + (size_t)expert * w->k : NULL;
}

/* An expert without rows yet. */
static struct expert expert_at(const struct layer *layer, uint32_t i, uint32_t n_expert)
{
    const struct weight *w = layer->w;
    if (i == n_expert)
        return (struct expert){ .gate = w[SHARED_GATE], .up = w[SHARED_UP], .down = w[SHARED_DOWN] };
    return (struct expert){
        .gate = weight_of_stack(&w[EXPERT_GATE], i), .gate_bias = bias_of(&w[EXPERT_GATE_BIAS], i),
        .up = weight_of_stack(&w[EXPERT_UP], i),     .up_bias = bias_of(&w[EXPERT_UP_BIAS], i),
        .down = weight_of_stack(&w[EXPERT_DOWN], i), .down_bias = bias_of(&w[EXPERT_DOWN_BIAS], i),
    };
}

/* Rows of a task that reads `stride` bytes and multiplies k values a row for n columns: few columns are worth their
 * bytes, many their products. */
static uint32_t rows_a_task(uint32_t rows, size_t stride, size_t k, uint32_t n, uint32_t n_tasks, uint32_t n_batch)
{
    const uint32_t room = (uint32_t)(tile_floats(n_batch) / n / 8 * 8);
    const uint64_t panel_macs = (uint64_t)PANEL_ROWS * n * k;
    const uint32_t share = rows / n_tasks / PANEL_ROWS * PANEL_ROWS, most = share < GEMM_ROWS ? share : GEMM_ROWS;
    const uint32_t worth = PANEL_ROWS * (uint32_t)(panel_macs < GEMM_MACS ? GEMM_MACS / (panel_macs + 1) + 1 : 1);
    const uint32_t wanted = n < MANY ? (uint32_t)(DOT_BYTES / (stride + 1) / 8 + 1) * 8 : worth > most ? worth : most;
    return wanted < room ? wanted : room;
}

/* Count rows, and give each its place. */
static void place_rows(struct expert_job *job)
{
    const struct hparams *h = &job->d->net->h;
    const uint32_t n_expert = job->r->n_expert, n_rows = job->rows->n * job->r->n_used;
    struct expert_work *e = job->e;
    for (uint32_t i = 0; i < job->n_experts; i++)
        e->experts[i] = expert_at(job->layer, i, n_expert);
    for (uint32_t i = 0; i < n_rows; i++)
        e->experts[e->chosen[i]].n++;
    if (job->n_experts > n_expert)
        e->experts[n_expert].n = job->rows->n;
    uint32_t first = 0;
    size_t middle = 0, at[ACT_COUNT] = { 0 };
    for (uint32_t i = 0; i < job->n_experts; i++) {
        struct expert *x = &e->experts[i];
        x->first = first;
        x->middle = middle;
        x->way = way_of(job->r, i == n_expert, job->n_step);
        memcpy(x->down_at, at, sizeof at);
        first += x->n;
        middle += (size_t)x->n * x->down.k;
        for (int act = 0; act < ACT_COUNT; act++)
            at[act] += x->n * act_row_bytes((enum act)act, x->down.k);
        x->n = 0;
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        struct expert *x = &e->experts[e->chosen[i]];
        const uint32_t row = e->row[i] = x->first + x->n++;
        e->token[row] = i / job->r->n_used;
        e->weight[row] = e->weights[i];
    }
    for (uint32_t t = 0; h->n_ff_shared && job->n_experts > n_expert && t < job->rows->n; t++) {
        struct expert *x = &e->experts[n_expert];
        const uint32_t row = x->first + x->n++;
        e->token[row] = t;
        e->weight[row] = e->shared[t];
    }
}

/* Forms in which an expert reads its rows. */
static uint32_t forms_of(const struct device *d, const struct expert *x)
{
    return 1u << cpu_activations(d, &x->gate, x->way) | 1u << cpu_activations(d, &x->up, x->way);
}

/* A token's activations into the place of each of its rows: what one has already is copied. */
static void spread_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct expert_job *job = arg;
    const struct expert_work *e = job->e;
    const uint32_t n_embd = job->d->net->h.n_embd, n_used = job->r->n_used, first = (uint32_t)task * job->per_task;
    for (uint32_t t = first; t < job->rows->n && t < first + job->per_task; t++) {
        const uint8_t *made[ACT_COUNT] = { NULL };
        for (uint32_t i = 0; i < n_used + (job->n_experts > job->r->n_expert); i++) {
            const struct expert *x = &e->experts[i < n_used ? e->chosen[t * n_used + i] : job->r->n_expert];
            const uint32_t row = i < n_used ? e->row[t * n_used + i] : x->first + t, forms = forms_of(job->d, x);
            for (int act = 0; act < ACT_COUNT; act++) {
                if (!(forms >> act & 1)) /* there is no room for it */
                    continue;
                const size_t bytes = act_row_bytes((enum act)act, n_embd);
                uint8_t *const to = e->in[act] + row * bytes;
                if (made[act])
                    memcpy(to, made[act], bytes);
                else
                    job->d->k->prepare[act](to, job->rows->x + (size_t)t * n_embd, n_embd, 0, n_embd);
                made[act] = to;
            }
        }
    }
}

/* ---- Adapters ---- */

/* What they have for a row of an expert, or NULL. */
static const struct adaptation *adaptation_of_row(const struct expert_job *job, uint32_t row)
{
    return job->low_floats ? cpu_adaptation_of(job->d, job->n_step - job->rows->n + job->e->token[row]) : NULL;
}

/* Where the products of a row with the narrow matrices are: for gate (and down) or for up. */
static float *low_of(const struct expert_job *job, uint32_t row, bool up)
{
    return cpu_low_rank_products(job->d) + (2 * (size_t)row + up) * job->low_floats;
}

/* The expert of a row: the last one that begins at it or before. */
static const struct expert *expert_of_row(const struct expert_job *job, uint32_t row)
{
    const struct expert *x = &job->e->experts[job->n_experts - 1];
    while (x->first > row)
        x--;
    return x;
}

/* Kernels want rows at aligned addresses. */
static const float *aligned_row(const float *row, size_t n, uint8_t *scratch)
{
    float *const to = (float *)(scratch + KERNEL_SCRATCH_BYTES);
    memcpy(to, row, n * sizeof *to);
    return to;
}

static void low_in_task(void *arg, int row, int thread)
{
    const struct expert_job *job = arg;
    const struct adaptation *how = adaptation_of_row(job, (uint32_t)row);
    if (!how)
        return;
    const struct expert *x = expert_of_row(job, (uint32_t)row);
    const uint32_t expert = (uint32_t)(x - job->e->experts), n_embd = job->d->net->h.n_embd;
    uint8_t *const scratch = cpu_scratch(job->d, thread);
    const float *in = aligned_row(job->rows->x + (size_t)job->e->token[row] * n_embd, n_embd, scratch);
    cpu_low_rank_row(job->d, how, &x->gate, expert, in, low_of(job, (uint32_t)row, false), scratch);
    cpu_low_rank_row(job->d, how, &x->up, expert, in, low_of(job, (uint32_t)row, true), scratch);
}

static void low_out_task(void *arg, int row, int thread)
{
    const struct expert_job *job = arg;
    const struct adaptation *how = adaptation_of_row(job, (uint32_t)row);
    if (!how)
        return;
    const struct expert *x = expert_of_row(job, (uint32_t)row);
    const float *middle = job->e->middle + x->middle + ((uint32_t)row - x->first) * (size_t)x->down.k;
    uint8_t *const scratch = cpu_scratch(job->d, thread);
    cpu_low_rank_row(job->d, how, &x->down, (uint32_t)(x - job->e->experts),
                     aligned_row(middle, x->down.k, scratch), low_of(job, (uint32_t)row, false), scratch);
}

/* y (x->n, rows) += what adapters give for rows of w from `first` on. */
static void add_low(const struct expert_job *job, const struct expert *x, const struct weight *w, bool up,
                    uint32_t first, uint32_t rows, float *y, uint8_t *scratch)
{
    float *const sums = (float *)(scratch + KERNEL_SCRATCH_BYTES) + 2 * tile_floats(job->rows->n);
    for (uint32_t c = 0; c < x->n && job->low_floats; c++) {
        const struct adaptation *how = adaptation_of_row(job, x->first + c);
        if (how)
            cpu_add_low_rank_row(job->d, how, w, (uint32_t)(x - job->e->experts), low_of(job, x->first + c, up), first,
                                 rows, y + (size_t)c * rows, sums, scratch);
    }
}

/* ---- Products ---- */

static void add_bias(const struct device *d, float *y, const float *bias, uint32_t rows, uint32_t n)
{
    for (uint32_t c = 0; bias && c < n; c++)
        d->k->add(y + (size_t)c * rows, y + (size_t)c * rows, bias, rows);
}

/* y (x->n, rows) = rows of w times all rows of an expert, which are in the form that w reads, `stride` bytes apart. */
static void multiply(const struct device *d, const struct expert *x, const struct weight *w, uint32_t first,
                     uint32_t rows, const uint8_t *in, size_t stride, float *y, void *scratch)
{
    struct matmul_tile tile = {
        .y = y, .y_stride = rows, .x = in, .x_stride = stride, .n_cols = (int)x->n, .scratch = scratch
    };
    cpu_tile(d, w, x->way, first, rows, &tile);
}

/* (u + 1) g sigmoid(alpha g) with g and u within the limit, as silu(alpha g) (u + 1) / alpha. */
static void clamp_gate(const struct hparams *h, float *g, float *u, size_t n)
{
    const float limit = h->gate_limit, alpha = h->gate_alpha;
    for (size_t i = 0; i < n; i++) {
        g[i] = alpha * (g[i] > limit ? limit : g[i]);
        u[i] = ((u[i] > limit ? limit : u[i] < -limit ? -limit : u[i]) + 1) / alpha;
    }
}

static struct expert *expert_of_task(const struct expert_job *job, int task)
{
    uint32_t low = 0, high = job->n_experts; /* the last one whose first task is not after this; empty ones have none */
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (job->e->experts[middle].first_task <= task)
            low = middle;
        else
            high = middle;
    }
    return &job->e->experts[low];
}

static void middle_task(void *arg, int task, int thread)
{
    const struct expert_job *job = arg;
    const struct device *d = job->d;
    const struct hparams *h = &d->net->h;
    const struct expert *x = expert_of_task(job, task);
    const uint32_t n_ff = x->up.rows, first = (uint32_t)(task - x->first_task) * x->tile_rows;
    const uint32_t rows = n_ff - first < x->tile_rows ? n_ff - first : x->tile_rows;
    uint8_t *const scratch = cpu_scratch(d, thread);
    float *const g = (float *)(scratch + KERNEL_SCRATCH_BYTES), *const u = g + (size_t)rows * x->n;
    const struct weight *const w[] = { &x->gate, &x->up };
    for (int i = 0; i < 2; i++) {
        const enum act form = cpu_activations(d, w[i], x->way);
        const size_t stride = act_row_bytes(form, w[i]->k);
        multiply(d, x, w[i], first, rows, job->e->in[form] + x->first * stride, stride, i ? u : g, scratch);
    }
    add_bias(d, g, x->gate_bias ? x->gate_bias + first : NULL, rows, x->n);
    add_bias(d, u, x->up_bias ? x->up_bias + first : NULL, rows, x->n);
    add_low(job, x, &x->gate, false, first, rows, g, scratch);
    add_low(job, x, &x->up, true, first, rows, u, scratch);
    if (arch_has(h, TRAIT_CLAMPED_GATE))
        clamp_gate(h, g, u, (size_t)rows * x->n);
    float *const middle = job->e->middle + x->middle;
    for (size_t c = 0; c < x->n; c++)
        d->k->gate[h->activation](middle + c * n_ff + first, g + c * rows, u + c * rows, rows);
    if (atomic_fetch_sub(&job->e->tasks_left[x - job->e->experts], 1) > 1)
        return;
    const enum act form = cpu_activations(d, &x->down, x->way);
    uint8_t *const out = job->e->out[form] + x->down_at[form];
    for (size_t c = 0; c < x->n; c++)
        d->k->prepare[form](out + c * act_row_bytes(form, n_ff), middle + c * n_ff, n_ff, 0, n_ff);
}

static void down_task(void *arg, int task, int thread)
{
    const struct expert_job *job = arg;
    const struct device *d = job->d;
    const struct expert_work *e = job->e;
    const uint32_t n_embd = d->net->h.n_embd, first = (uint32_t)task * job->down_rows;
    const uint32_t rows = n_embd - first < job->down_rows ? n_embd - first : job->down_rows;
    uint8_t *const scratch = cpu_scratch(d, thread);
    float *const tile = (float *)(scratch + KERNEL_SCRATCH_BYTES);
    for (uint32_t t = 0; t < job->rows->n && !job->rows->residual; t++)
        memset(job->rows->y + (size_t)t * n_embd + first, 0, rows * sizeof(float));
    for (uint32_t i = 0; i < job->n_experts; i++) {
        const struct expert *x = &e->experts[i];
        if (!x->n)
            continue;
        const enum act form = cpu_activations(d, &x->down, x->way);
        multiply(d, x, &x->down, first, rows, e->out[form] + x->down_at[form], act_row_bytes(form, x->down.k), tile,
                 scratch);
        add_bias(d, tile, x->down_bias ? x->down_bias + first : NULL, rows, x->n);
        add_low(job, x, &x->down, false, first, rows, tile, scratch);
        for (uint32_t c = 0; c < x->n; c++) {
            float *const sums = tile + (size_t)c * rows;
            float *const y = job->rows->y + (size_t)e->token[x->first + c] * n_embd + first;
            d->k->scale(sums, sums, e->weight[x->first + c], rows);
            d->k->add(y, y, sums, rows);
        }
    }
}

/* ---- All of it ---- */

/* Cut the middle's tasks; how many there are. */
static int cut_middle(struct expert_job *job, uint32_t n_batch)
{
    int n_tasks = 0;
    for (uint32_t i = 0; i < job->n_experts; i++) {
        struct expert *x = &job->e->experts[i];
        x->first_task = n_tasks;
        if (!x->n)
            continue;
        x->tile_rows = rows_a_task(x->up.rows, x->up.stride + x->gate.stride, 2 * x->up.k, x->n, 4, n_batch);
        const int tasks = tasks_of(x->up.rows, x->tile_rows);
        atomic_store_explicit(&job->e->tasks_left[i], (unsigned)tasks, memory_order_relaxed);
        n_tasks += tasks;
    }
    return n_tasks;
}

/* Rows of a task of the last job: each meets all experts. */
static uint32_t cut_down(const struct expert_job *job, uint32_t n_batch)
{
    size_t stride = 0, k = 0;
    uint32_t most = 1, n = 0;
    for (uint32_t i = 0; i < job->n_experts; i++) {
        const struct expert *x = &job->e->experts[i];
        stride += x->n ? x->down.stride : 0;
        k = x->n && x->down.k > k ? x->down.k : k;
        most = x->n > most ? x->n : most;
        n += x->n;
    }
    return rows_a_task(job->d->net->h.n_embd, stride, k * n / most, most, DOWN_TASKS, n_batch);
}

void cpu_experts(struct device *d, const struct layer *layer, const struct expert_rows *rows, uint32_t n)
{
    const struct hparams *h = &d->net->h;
    struct expert_job job = {
        .d = d, .e = d->experts, .layer = layer, .r = &h->routing, .rows = rows, .n_step = n,
        .n_experts = h->routing.n_expert + (layer->w[SHARED_UP].data != NULL), .low_floats = cpu_low_rank_floats(d),
    };
    const uint32_t choice = h->routing.n_expert * h->routing.n_used, spread = h->n_embd * h->routing.n_used;
    job.per_task = rows_per_task(choice);
    cpu_run(d, (uint64_t)rows->n * choice / 4, tasks_of(rows->n, job.per_task), choose_task, &job);
    place_rows(&job);
    job.per_task = rows_per_task(spread);
    cpu_run(d, (uint64_t)rows->n * spread / 8, tasks_of(rows->n, job.per_task), spread_task, &job);
    uint64_t ns = 0, down_ns = 0;
    for (const struct expert *x = job.e->experts; x < job.e->experts + job.n_experts; x++) {
        ns += x->n ? 2 * x->up.rows * cpu_work_ns(x->up.stride, x->n * (uint64_t)x->up.k) : 0;
        down_ns += x->n ? x->down.rows * cpu_work_ns(x->down.stride, x->n * (uint64_t)x->down.k) : 0;
    }
    const struct expert *const last = &job.e->experts[job.n_experts - 1];
    const int n_low = job.low_floats ? (int)(last->first + last->n) : 0;
    if (n_low)
        pool_run(d->pool, n_low, low_in_task, &job);
    cpu_run(d, ns, cut_middle(&job, rows->n), middle_task, &job);
    if (n_low)
        pool_run(d->pool, n_low, low_out_task, &job);
    job.down_rows = cut_down(&job, rows->n);
    cpu_run(d, down_ns, tasks_of(h->n_embd, job.down_rows), down_task, &job);
}
