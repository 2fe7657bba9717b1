/* check_attend.h - keys and values as they are stored against their layout in kernels.h, and attention to them against
 * the plain soft-max over all keys, in double. */
#ifndef TESTS_KERNELS_CHECK_ATTEND_H
#define TESTS_KERNELS_CHECK_ATTEND_H

#include "tests/kernels/harness.h"

#define ATTEND_ROWS 80 /* more than are worked on together */
#define ATTEND_WIDEST 256
#define ATTEND_BLOCKS 4
#define ATTEND_MAX_KEYS (ATTEND_BLOCKS * ATTEND_KEYS)

static const enum dtype kv_types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0 };
enum { N_KV_TYPES = sizeof kv_types / sizeof *kv_types };

static bool kv_has_scales(enum dtype type)
{
    return type == DTYPE_Q8_0 || type == DTYPE_Q4_0;
}

/* A width that the type can have. */
static int kv_random_width(enum dtype type)
{
    return kv_has_scales(type) ? KV_PART * random_int(1, ATTEND_WIDEST / KV_PART) : (int)random_size(ATTEND_WIDEST);
}

/* Number i of the position `slot`, straight from the layout. *scale becomes its scale, or 1. */
static float kv_number(const uint8_t *block, enum dtype type, bool is_key, int d, int slot, int i, float *scale)
{
    const int width = kv_has_scales(type) ? KV_PART : is_key ? d : (d + 15) / 16 * 16;
    const int j = kv_has_scales(type) ? i % KV_PART : i;
    const int at = is_key ? (j / 2 * ATTEND_KEYS + slot) * 2 + j % 2 : (slot / 2 * width + j) * 2 + slot % 2;
    *scale = 1;
    if (kv_has_scales(type)) {
        const int quants = KV_PART * ATTEND_KEYS * (type == DTYPE_Q8_0 ? 2 : 1) / 2;
        block += i / KV_PART * (ATTEND_KEYS * 2 + quants);
        *scale = f16_to_f32(read_u16(block + 2 * slot));
        block += ATTEND_KEYS * 2;
    }
    switch (type) {
    case DTYPE_F32: return f32_from_bits(read_u32(block + 4 * at));
    case DTYPE_F16: return f16_to_f32(read_u16(block + 2 * at));
    case DTYPE_BF16: return bf16_to_f32(read_u16(block + 2 * at));
    case DTYPE_Q8_0: return *scale * (float)(int8_t)block[at];
    default: return *scale * (float)((block[at / 32 * 16 + at % 16] >> (at % 32 / 16 * 4) & 15) - 8);
    }
}

/* ---- Storing ---- */

/* How far a stored number may be from x. The scale is rounded to f16, which moves the largest quants a little; of Q4_0
 * one end lacks a quant. */
static double kv_allowed(enum dtype type, float x, float scale)
{
    switch (type) {
    case DTYPE_F32: return 0;
    case DTYPE_F16: return fabs((double)x) * 0x1p-11 + 0x1p-25;
    case DTYPE_BF16: return fabs((double)x) * 0x1p-8;
    case DTYPE_Q8_0: return fabs((double)scale) * (0.5 + 127 * 0x1p-11);
    default: return fabs((double)scale) * (1 + 8 * 0x1p-11);
    }
}

static void check_store(const struct kernels *k, int is_key)
{
    static float x[ATTEND_WIDEST], before[ATTEND_KEYS][ATTEND_WIDEST];
    for (int round = 0; round < 200; round++) {
        const enum dtype type = kv_types[random_int(0, N_KV_TYPES - 1)];
        const int d = kv_random_width(type), slot = random_int(0, ATTEND_KEYS - 1);
        const size_t bytes = (is_key ? kv_key_bytes : kv_value_bytes)(type, (size_t)d);
        uint8_t *const block = guarded_take(&mem_w, bytes), *const same = guarded_take(&mem_x, bytes);
        const float limit = (float[]){ 1e-3f, 1, 100 }[random_int(0, 2)];
        CASE("%s, %d wide, position %d, round %d", dtype_name(type), d, slot, round);
        random_bytes(block, bytes);
        memcpy(same, block, bytes);
        for (int i = 0; i < d; i++)
            x[i] = random_float() * limit * (float)random_int(0, 3);
        float scale;
        for (int s = 0; s < ATTEND_KEYS; s++)
            for (int i = 0; i < d; i++)
                before[s][i] = kv_number(block, type, is_key, d, s, i, &scale);
        (is_key ? k->store_key : k->store_value)(block, type, slot, x, (size_t)d);
        (is_key ? tables[CPU_SCALAR].store_key : tables[CPU_SCALAR].store_value)(same, type, slot, x, (size_t)d);
        check_true(guarded_front_intact(&mem_w), "wrote before the block");
        check_true(memcmp(block, same, bytes) == 0, "scalar stores other bits");
        for (int s = 0; s < ATTEND_KEYS; s++)
            for (int i = 0; i < d; i++) {
                const float got = kv_number(block, type, is_key, d, s, i, &scale);
                if (s == slot)
                    check_near((double)got, (double)x[i], kv_allowed(type, x[i], scale), "number", (size_t)i);
                else
                    check_true(memcmp(&got, &before[s][i], sizeof got) == 0, "another position changed");
            }
        if (is_key && d % 2)
            check_same(kv_number(block, type, true, d, slot, d, &scale), 0, "number", (size_t)d);
    }
}

/* ---- Attention ---- */

struct attend_case {
    struct attend a;
    uint8_t *pages[ATTEND_BLOCKS];
    int first[ATTEND_ROWS], last[ATTEND_ROWS];
    float sink[ATTEND_ROWS]; /* -INFINITY: none */
    int split;               /* blocks of the first call; the rest come in a second one */
    bool rounds;             /* numbers become bf16 */
};

/* Keys and values in [-1, 1), stored by the table's own functions. */
static void attend_store(struct attend_case *c, const struct kernels *k)
{
    static float x[ATTEND_WIDEST];
    struct attend *const a = &c->a;
    const size_t k_bytes = kv_key_bytes(a->k_type, (size_t)a->d_k);
    const size_t v_bytes = a->shared ? 0 : kv_value_bytes(a->v_type, (size_t)a->d_v);
    const int n_blocks = (a->n_keys + ATTEND_KEYS - 1) / ATTEND_KEYS;
    const bool values_first = random_int(0, 1);
    uint8_t *const all = guarded_take(&mem_w, (k_bytes + v_bytes) * (size_t)n_blocks);
    a->k_at = values_first ? v_bytes : 0;
    a->v_at = values_first ? 0 : k_bytes;
    for (int i = 0; i < n_blocks; i++)
        c->pages[n_blocks - 1 - i] = all + (k_bytes + v_bytes) * (size_t)i;
    memset(all, 0xff, (k_bytes + v_bytes) * (size_t)n_blocks); /* NaN where nothing is stored */
    for (int j = 0; j < a->n_keys; j++) {
        for (int i = 0; i < a->d_k; i++)
            x[i] = random_float();
        k->store_key(c->pages[j / ATTEND_KEYS] + a->k_at, a->k_type, j % ATTEND_KEYS, x, (size_t)a->d_k);
        for (int i = 0; i < a->d_v && !a->shared; i++)
            x[i] = random_float();
        if (!a->shared)
            k->store_value(c->pages[j / ATTEND_KEYS] + a->v_at, a->v_type, j % ATTEND_KEYS, x, (size_t)a->d_v);
    }
}

/* Causal rows, rows that see all, or each any range, maybe none or one that is turned around. */
static void attend_see(struct attend_case *c)
{
    const int kind = random_int(0, 3), n_keys = c->a.n_keys, window = random_int(1, n_keys);
    for (int i = 0; i < c->a.n_q; i++) {
        const int own = n_keys - 1 - (c->a.n_q - 1 - i) / 3;
        c->last[i] = kind == 0 ? n_keys : kind == 3 ? random_int(0, n_keys) : own < 0 ? 0 : own + 1;
        c->first[i] = kind == 3 ? random_int(0, n_keys) : kind == 2 && own >= window ? own - window + 1 : 0;
    }
}

static void attend_new(struct attend_case *c, const struct kernels *k, enum precision precision)
{
    static const float limits[] = { 0.1f, 1, 4 };
    struct attend *const a = &c->a;
    const int n_q = random_int(0, 3) ? random_int(1, 12) : random_int(1, ATTEND_ROWS);
    *a = (struct attend){
        .n_q = n_q,
        .k_type = kv_types[random_int(0, N_KV_TYPES - 1)],
        .v_type = kv_types[random_int(0, N_KV_TYPES - 1)],
        .n_keys = random_int(0, 2) ? random_int(1, ATTEND_MAX_KEYS) : ATTEND_KEYS * random_int(1, ATTEND_BLOCKS),
        .pages = c->pages,
        .first = c->first,
        .last = c->last,
        .soft_cap = random_int(0, 2)   ? 0
                    : random_int(0, 1) ? 50
                                       : 5,
    };
    a->d_k = kv_random_width(a->k_type);
    a->shared = random_int(0, 3) == 0;
    if (a->shared)
        a->v_type = a->k_type;
    do
        a->d_v = kv_random_width(a->v_type);
    while (a->shared && a->d_v > a->d_k);
    a->q_stride = (size_t)(a->d_k + random_int(0, 5));
    a->out_stride = (size_t)(a->d_v + random_int(0, 5));
    c->rounds = attend_rounds(k, precision, a->k_type, a->v_type);
    c->split = random_int(0, ATTEND_BLOCKS);
    attend_store(c, k);
    a->next = random_int(0, 1) ? c->pages[0] : NULL;
    attend_see(c);
    float *const q = guarded_take(&mem_a, ((size_t)(n_q - 1) * a->q_stride + (size_t)a->d_k) * sizeof *q);
    const float limit = limits[random_int(0, 2)];
    for (int i = 0; i < n_q; i++)
        for (int d = 0; d < a->d_k; d++)
            q[(size_t)i * a->q_stride + (size_t)d] = random_float() * limit;
    a->q = q;
    const bool sinks = random_int(0, 2) == 0;
    for (int i = 0; i < n_q; i++)
        c->sink[i] = sinks ? random_float() * 4 : -INFINITY;
}

/* Rows [row, row + n) from the beginning to the end; max, sum and out are given. */
static void attend_run(const struct attend_case *c, const struct kernels *k, enum precision precision, int row, int n,
                       float *max, float *sum, float *out)
{
    static int first[ATTEND_ROWS], last[ATTEND_ROWS];
    struct attend a = c->a;
    a.n_q = n;
    a.q += (size_t)row * a.q_stride;
    a.max = max, a.sum = sum, a.out = out;
    a.first = first, a.last = last;
    a.scratch = guarded_take(&mem_scratch, KERNEL_SCRATCH_BYTES);
    for (int i = 0; i < n; i++) {
        const bool sink = c->sink[row + i] != -INFINITY;
        max[i] = c->sink[row + i];
        sum[i] = sink ? 1 : 0;
        memset(out + (size_t)i * a.out_stride, 0, (size_t)a.d_v * sizeof *out);
    }
    for (int call = 0; call < 2; call++) {
        const int n_blocks = (c->a.n_keys + ATTEND_KEYS - 1) / ATTEND_KEYS,
                  split = c->split < n_blocks ? c->split : n_blocks;
        const int begin = call ? split * ATTEND_KEYS : 0,
                  end = call || split == n_blocks ? c->a.n_keys : split * ATTEND_KEYS;
        a.pages = c->a.pages + begin / ATTEND_KEYS;
        a.n_keys = end - begin;
        for (int i = 0; i < n; i++) {
            first[i] = c->first[row + i] < begin ? 0
                       : c->first[row + i] > end ? end - begin
                                                 : c->first[row + i] - begin;
            last[i] = c->last[row + i] < begin ? 0 : c->last[row + i] > end ? end - begin : c->last[row + i] - begin;
        }
        if (a.n_keys > 0)
            k->attend[precision](&a);
    }
}

static double attend_rounded(float x, bool rounds)
{
    return (double)(rounds ? bf16_to_f32(bf16_from_f32(x)) : x);
}

/* The scores of row i, -INFINITY where it does not see; returns a bound of their errors. */
static double attend_scores(double *score, const struct attend_case *c, int i)
{
    const struct attend *const a = &c->a;
    const double cap = (double)a->soft_cap;
    double worst = 0;
    for (int j = 0; j < a->n_keys; j++) {
        double sum = 0, sizes = 0;
        float scale;
        score[j] = -INFINITY;
        if (j < c->first[i] || j >= c->last[i])
            continue;
        for (int d = 0; d < a->d_k; d++) {
            const float key =
                kv_number(c->pages[j / ATTEND_KEYS] + a->k_at, a->k_type, true, a->d_k, j % ATTEND_KEYS, d, &scale);
            const double p =
                attend_rounded(key, c->rounds) * attend_rounded(a->q[(size_t)i * a->q_stride + (size_t)d], c->rounds);
            sum += p;
            sizes += fabs(p);
        }
        score[j] = cap != 0 ? cap * tanh(sum / cap) : sum;
        worst = fmax(worst, ((double)a->d_k / 16 + 8) * FLT_EPSILON * sizes + 8 * FLT_EPSILON * cap);
    }
    return worst;
}

static void check_attend_row(const struct attend_case *c, int i, float max, float sum, const float *out)
{
    static double score[ATTEND_MAX_KEYS], weight[ATTEND_MAX_KEYS], error[ATTEND_MAX_KEYS];
    const struct attend *const a = &c->a;
    const double score_error = attend_scores(score, c, i), sink = (double)c->sink[i];
    double want_max = sink, want = 0, want_error = 0;
    for (int j = 0; j < a->n_keys; j++)
        want_max = fmax(want_max, score[j]);
    if (want_max == -INFINITY) {
        check_true(max == -INFINITY && sum == 0 && out[0] == 0, "a row that sees nothing changed");
        return;
    }
    check_near((double)max, want_max, score_error, "max", (size_t)i);
    /* An error of a score is one of its weight's exponent. The exponent is rounded in proportion to its size, and may
     * have come about in one step for each block. Below 2^-126.5 a weight may be 0. */
    for (int j = 0; j < a->n_keys; j++) {
        const double below = score[j] - (double)max;
        weight[j] = exp2(below);
        error[j] = (score_error + (32 + a->n_keys / 16 + 4 * fmin(fabs(below), 150)) * FLT_EPSILON +
                    (c->rounds ? 0x1p-8 : 0)) *
                       weight[j] +
                   (double)FLT_MIN;
        want += weight[j];
        want_error += error[j];
    }
    const double sink_weight = exp2(sink - (double)max);
    check_near((double)sum, want + sink_weight, want_error + 64 * FLT_EPSILON * sink_weight, "sum", (size_t)i);
    for (int d = 0; d < a->d_v; d++) {
        double value = 0, value_error = (double)FLT_MIN;
        for (int j = 0; j < a->n_keys; j++) {
            float scale;
            if (score[j] == -INFINITY)
                continue;
            const double v = attend_rounded(
                kv_number(c->pages[j / ATTEND_KEYS] + (a->shared ? a->k_at : a->v_at), a->v_type, a->shared,
                          a->shared ? a->d_k : a->d_v, j % ATTEND_KEYS, d, &scale),
                c->rounds);
            value += weight[j] * v;
            value_error += error[j] * fabs(v);
        }
        check_near((double)out[d], value, value_error, "out", (size_t)d);
    }
}

static void check_attend(const struct kernels *k, int precision)
{
    static struct attend_case c;
    static float alone[ATTEND_WIDEST + 8];
    for (int round = 0; round < cases(150); round++) {
        attend_new(&c, k, (enum precision)precision);
        const int n_q = c.a.n_q, row = random_int(0, n_q - 1);
        CASE("%d rows, %d keys %s, %d x %d wide %s%s, soft cap %g, round %d", n_q, c.a.n_keys, dtype_name(c.a.k_type),
             c.a.d_k, c.a.d_v, dtype_name(c.a.v_type), c.a.shared ? ", shared" : "", (double)c.a.soft_cap, round);
        float *const max = guarded_take(&mem_x, (size_t)n_q * sizeof *max);
        float *const sum = guarded_take(&mem_d, (size_t)n_q * sizeof *sum);
        float *const out = guarded_take(&mem_y, ((size_t)(n_q - 1) * c.a.out_stride + (size_t)c.a.d_v) * sizeof *out);
        attend_run(&c, k, (enum precision)precision, 0, n_q, max, sum, out);
        for (int i = 0; i + 1 < n_q; i++)
            check_true(all_canary(out + (size_t)i * c.a.out_stride + c.a.d_v,
                                  (c.a.out_stride - (size_t)c.a.d_v) * sizeof *out),
                       "wrote between the rows of out");
        check_true(guarded_front_intact(&mem_y) && guarded_front_intact(&mem_x) && guarded_front_intact(&mem_d) &&
                       guarded_front_intact(&mem_scratch),
                   "wrote before out, max, sum or scratch");
        for (int i = 0; i < n_q; i++)
            check_attend_row(&c, i, max[i], sum[i], out + (size_t)i * c.a.out_stride);
        float max_alone, sum_alone;
        attend_run(&c, k, (enum precision)precision, row, 1, &max_alone, &sum_alone, alone);
        check_true(memcmp(&max_alone, &max[row], sizeof *max) == 0 && memcmp(&sum_alone, &sum[row], sizeof *sum) == 0 &&
                       memcmp(alone, out + (size_t)row * c.a.out_stride, (size_t)c.a.d_v * sizeof *out) == 0,
                   "a row computed alone differs");
    }
}

static void add_attend(struct group *g)
{
    group_add(g, "store_key", offsetof(struct kernels, store_key), check_store, true);
    group_add(g, "store_value", offsetof(struct kernels, store_value), check_store, false);
    group_add(g, "attend fast", offsetof(struct kernels, attend[PRECISION_FAST]), check_attend, PRECISION_FAST);
    group_add(g, "attend exact", offsetof(struct kernels, attend[PRECISION_EXACT]), check_attend, PRECISION_EXACT);
}

#endif
