/* work.c - what a test cannot do without, and how fast the machine could do it. Only the network itself says which
 * matrices a token meets, and only the kernels which unit multiplies them; so this looks behind infer.h. */
#include "src/engine/kv.h"
#include "src/model/model.h"
#include "tools/bench/bench.h"

#include <math.h>

struct machine {
    struct kernels table[CPU_LEVELS];
    enum cpu_level level;
    enum precision precision;
};

/* The lowest level that has this function: the one whose instructions it is made of. */
static enum cpu_level level_of(const struct machine *m, enum dtype type, matmul_fn *fn)
{
    for (int level = 0; level < (int)m->level; level++)
        for (int i = 0; i < MATMUL_WAYS; i++)
            if (m->table[level].matmul[m->precision][type].way[i].fn == fn)
                return (enum cpu_level)level;
    return m->level;
}

/* The matrix is read once for n_cols columns, which are multiplied the way that `step` tokens ask for. Vectors are read,
 * but not multiplied. */
static void add_matrix(struct work *work, const struct machine *m, const struct weight *w, uint32_t n_cols,
                       uint32_t step)
{
    static const enum peak peak_of[ACT_COUNT] = { [ACT_F32] = PEAK_F32, [ACT_BF16] = PEAK_BF16, [ACT_Q8] = PEAK_INT8 };
    work->bytes += (double)weight_bytes(w);
    if (w->rows == 1)
        return;
    if (w->transposed) {
        work->ops[m->level][PEAK_F32] += 2.0 * w->rows * w->k * n_cols;
        return;
    }
    const struct way *way = matmul_way(&m->table[m->level].matmul[m->precision][w->type], (int)step);
    work->ops[level_of(m, w->type, way->fn)][peak_of[way->act]] += 2.0 * w->rows * w->k * n_cols;
}

/* Of heads each has its matrix. Of experts only those are read that a token chose: as many as there are on average if
 * tokens choose evenly, without regard to each other. Each then has its share of the tokens. */
static void add_product(struct work *work, const struct machine *m, const struct routing *r, const struct weight *w,
                        enum dim each, uint32_t n_cols, uint32_t step)
{
    if (!w->data || !n_cols)
        return;
    if (each != DIM_EXPERTS) {
        for (uint32_t i = 0; i < (w->stack ? w->n_stack : 1); i++)
            add_matrix(work, m, w, n_cols, step);
        return;
    }
    const double used = (double)r->n_used / r->n_expert, chosen = r->n_expert * (1 - pow(1 - used, n_cols));
    const double columns = (double)n_cols * r->n_used / chosen;
    const uint32_t whole = columns < 1 ? 1 : (uint32_t)columns;
    struct work one = { 0 };
    add_matrix(&one, m, w, whole, step);
    work->bytes += one.bytes * chosen;
    for (int level = 0; level < CPU_LEVELS; level++)
        for (int peak = 0; peak < PEAK_COUNT; peak++)
            work->ops[level][peak] += one.ops[level][peak] / whole * columns * chosen;
}

/* The layer's attention of n tokens, the last of all, to themselves and `first` others before them. */
static void add_attention(struct work *work, const struct machine *m, const struct network *net, uint32_t layer,
                          const infer_session_info *cache, uint32_t first, uint32_t n)
{
    const uint32_t all = first + n, window = net->layers[layer].window;
    if (!n)
        return;
    const struct kernels *k = &m->table[m->level];
    const bool rounds = attend_rounds(k, m->precision, kv_dtype(cache->kv_type_k), kv_dtype(cache->kv_type_v));
    double keys = 0; /* that the tokens see */
    for (uint32_t i = first; i < all; i++)
        keys += window && window < i + 1 ? window : i + 1;
    work->bytes += (double)cache->kv_bytes_per_token / net->h.n_layer *
                   (window && window + n - 1 < all ? window + n - 1 : all);
    work->ops[m->level][rounds ? PEAK_BF16 : PEAK_F32] += 2 * keys * net->h.n_head * (net->h.d_k + net->h.d_v);
}

/* What all tokens of a step need of the last layer, whose results are read of the last token alone. */
static bool is_for_cache(int role)
{
    return role == ATTN_K || role == ATTN_V || role == ATTN_K_BIAS || role == ATTN_V_BIAS || role == ATTN_NORM ||
           role == ATTN_KV_A || role == LATENT_NORM || role == ATTN_QKV || role == ATTN_QKV_BIAS || role == ATTN_NORM_2;
}

/* n tokens computed together, after `first` others. */
static void add_step(struct work *work, const struct machine *m, const struct infer_model *model,
                     const infer_session_info *cache, uint32_t first, uint32_t n, bool logits)
{
    const struct network *net = &model->net;
    for (uint32_t l = 0; l < net->h.n_layer; l++) {
        const uint32_t n_out = l + 1 < net->h.n_layer ? n : logits;
        add_attention(work, m, net, l, cache, first + n - n_out, n_out);
        for (int role = 0; role < LAYER_ROLES; role++)
            add_product(work, m, &net->h.routing, &net->layers[l].w[role], layer_tensors[role].each,
                        is_for_cache(role) ? n : n_out, n);
    }
    add_product(work, m, &net->h.routing, &net->w[OUTPUT], DIM_ONE, logits, n);
}

void work_of(struct work *work, const infer_model *model, const struct test *t, const char *cpu)
{
    struct machine m = { .level = (enum cpu_level)cpu_level_find(cpu), .precision = (enum precision)t->precision };
    for (int level = 0; level <= (int)m.level; level++)
        kernels_init(&m.table[level], (enum cpu_level)level);
    *work = (struct work){ 0 };
    const uint32_t depth = (uint32_t)t->n_depth, n_prompt = (uint32_t)t->n_prompt, n_gen = (uint32_t)t->n_gen;
    for (uint32_t i = 0; i < n_prompt;) {
        const uint32_t n = n_prompt - i < (uint32_t)t->n_batch ? n_prompt - i : (uint32_t)t->n_batch;
        add_step(work, &m, model, &t->cache, depth + i, n, i + n == n_prompt);
        i += n;
    }
    for (uint32_t i = 0; i < n_gen; i++)
        add_step(work, &m, model, &t->cache, depth + n_prompt + i, 1, true);
}

void work_add_weights(struct meter *meter, const infer_model *model)
{
    const struct network *net = &model->net;
    for (uint32_t l = 0; l < net->h.n_layer; l++)
        for (int role = 0; role < LAYER_ROLES; role++) {
            const struct weight *w = &net->layers[l].w[role];
            for (uint32_t i = 0; w->stack && i < w->n_stack; i++)
                limits_add_memory(meter, w->stack[i], weight_bytes(w));
            if (w->data && !w->stack)
                limits_add_memory(meter, w->data, weight_bytes(w));
        }
}

struct bound work_bound(const struct work *work, const struct limits *before, const struct limits *after)
{
    struct bound b = { .limits.read = (before->read + after->read) / 2 };
    double compute = 0, most = 0;
    for (int peak = 0; peak < PEAK_COUNT; peak++) {
        double seconds = 0, ops = 0;
        for (int level = 0; level < CPU_LEVELS; level++) {
            b.limits.peak[level][peak] = (before->peak[level][peak] + after->peak[level][peak]) / 2;
            if (!(work->ops[level][peak] > 0))
                continue;
            ops += work->ops[level][peak];
            seconds += work->ops[level][peak] / limits_peak(&b.limits, (enum cpu_level)level, (enum peak)peak);
        }
        if (seconds > most) {
            most = seconds;
            b.peak = (enum peak)peak;
            b.rate = ops / seconds;
        }
        compute += seconds;
    }
    const double reading = work->bytes / b.limits.read;
    b.by_read = reading > compute;
    b.seconds = b.by_read ? reading : compute;
    return b;
}
