/* check_matmul.h - matrix products against sums in double over the same weights and the same prepared activations. */
#ifndef TESTS_KERNELS_CHECK_MATMUL_H
#define TESTS_KERNELS_CHECK_MATMUL_H

#include "tests/kernels/weights.h"

/* The largest shapes: for every kernel some exceed what it packs or keeps at a time. */
#define MATMUL_ROWS 40
#define MATMUL_COLS 100
#define MATMUL_K 8704
static const struct { int cols; size_t k; } matmul_limits[] = { { 40, 4096 }, { MATMUL_COLS, 512 }, { 12, MATMUL_K } };
#define MATMUL_ACTIVATIONS (40 * 4096) /* of the largest */

struct matmul_case {
    const struct weight_type *type;
    struct way way;
    void (*dequantize)(float *y, const void *w, size_t n);
    struct matmul_tile tile;
};

/* Memory for a random shape: weights at any address, the last row against the guard; gaps between rows of all three. */
static void matmul_case_new(struct matmul_case *c, enum fill fill)
{
    const size_t block = dtype_info(c->type->dtype)->block;
    const int limit = random_int(0, 7) < 6 ? 0 : random_int(1, 2);
    struct matmul_tile *const t = &c->tile;
    size_t k = block * random_size(matmul_limits[limit].k / block);
    if (c->way.act == ACT_Q8)
        k = (k + 31) / 32 * 32;
    const int n_rows = random_int(0, 3) ? random_int(1, MATMUL_ROWS) : 1;
    const int n_cols = random_int(0, 3) ? random_int(1, matmul_limits[limit].cols) : 1;
    const size_t w_row = row_bytes(c->type->dtype, k), x_row = act_row_bytes(c->way.act, k);
    const size_t slack = random_int(0, 1) ? 0 : (size_t)random_int(1, 3);
    *t = (struct matmul_tile){
        .y_stride = (size_t)(n_rows + random_int(0, 3)),
        .w_stride = w_row + (random_int(0, 1) ? 0 : (size_t)random_int(1, 40)),
        .x_stride = x_row + 64 * (size_t)random_int(0, 2),
        .n_rows = n_rows, .n_cols = n_cols, .k = k,
        .scratch = mem_scratch.end - KERNEL_SCRATCH_BYTES,
    };
    uint8_t *const w = guarded_take(&mem_w, (size_t)(n_rows - 1) * t->w_stride + w_row + slack);
    uint8_t *const x = guarded_take(&mem_x, (size_t)(n_cols - 1) * t->x_stride + x_row);
    t->w = w;
    t->x = x;
    t->y = guarded_take(&mem_y, ((size_t)(n_cols - 1) * t->y_stride + (size_t)n_rows) * sizeof(float));
    for (int r = 0; r < n_rows; r++)
        fill_weights(w + (size_t)r * t->w_stride, c->type, k, fill);
    static float floats[MATMUL_K];
    for (int i = 0; i < n_cols; i++) {
        fill_floats(floats, k, fill, 1e15f);
        tables[CPU_SCALAR].prepare[c->way.act](x + (size_t)i * t->x_stride, floats, k, 0, k);
    }
    CASE("%d rows, %d columns, k %zu, %s, w %zu + %zu, slack %zu", n_rows, n_cols, k, fill_names[fill], w_row,
         t->w_stride - w_row, slack);
}

/* The values that fn takes for those of a row: with bf16 activations they become bf16 too, from floats. */
static void matmul_weights(double *value, double *size, const struct matmul_case *c, const uint8_t *w)
{
    static float floats[MATMUL_K];
    weight_values(value, size, c->type, w, c->tile.k);
    if (c->way.act == ACT_BF16) {
        c->dequantize(floats, w, c->tile.k);
        for (size_t i = 0; i < c->tile.k; i++)
            value[i] = (double)bf16_to_f32(bf16_from_f32(floats[i]));
    }
}

/* Eight or more partial sums are asked of a kernel, so an element's rounding is below k / 16 epsilon of the sum of its
 * terms' sizes; scales and the last additions add a few. Subnormal products may be dropped. */
static void check_elements(const struct matmul_case *c)
{
    static double value[MATMUL_K], size[MATMUL_K], x[MATMUL_ACTIVATIONS];
    const struct matmul_tile *const t = &c->tile;
    for (size_t col = 0; col < (size_t)t->n_cols; col++)
        for (size_t i = 0; i < t->k; i++)
            x[col * t->k + i] = activation_value(c->way.act, (const uint8_t *)t->x + col * t->x_stride, i, t->k);
    for (int row = 0; row < t->n_rows; row++) {
        matmul_weights(value, size, c, (const uint8_t *)t->w + (size_t)row * t->w_stride);
        for (int col = 0; col < t->n_cols; col++) {
            double sum = 0, sizes = 0;
            for (size_t i = 0; i < t->k; i++) {
                sum += value[i] * x[(size_t)col * t->k + i];
                sizes += size[i] * fabs(x[(size_t)col * t->k + i]);
            }
            const double bound = ((double)t->k / 16 + 8) * FLT_EPSILON * sizes + (double)t->k * FLT_MIN;
            const size_t at = (size_t)col * t->y_stride + (size_t)row;
            check_near((double)t->y[at], sum, bound, "y", at);
        }
    }
}

/* The part of the tile from (row, col), n_rows x n_cols, computed by itself: the same bits. */
static void check_part(const struct matmul_case *c, int row, int col, int n_rows, int n_cols)
{
    static float alone[MATMUL_COLS * MATMUL_ROWS];
    const struct matmul_tile *const t = &c->tile;
    struct matmul_tile part = *t;
    part.y = alone;
    part.y_stride = MATMUL_ROWS;
    part.w = (const uint8_t *)t->w + (size_t)row * t->w_stride;
    part.x = (const uint8_t *)t->x + (size_t)col * t->x_stride;
    part.n_rows = n_rows;
    part.n_cols = n_cols;
    c->way.fn(&part);
    for (int j = 0; j < n_cols; j++)
        for (int i = 0; i < n_rows; i++) {
            const size_t at = (size_t)(col + j) * t->y_stride + (size_t)(row + i);
            if (memcmp(&t->y[at], &alone[j * MATMUL_ROWS + i], sizeof(float)) != 0)
                fail_msg("%s, %s: y[%zu] = %.9g, but %.9g in a tile of %d x %d", unit_name, unit_case, at,
                         (double)t->y[at], (double)alone[j * MATMUL_ROWS + i], n_rows, n_cols);
        }
}

static void check_parts(const struct matmul_case *c)
{
    const int n_rows = c->tile.n_rows, n_cols = c->tile.n_cols;
    for (int i = 0; i < 3; i++) {
        const int row = random_int(0, n_rows - 1), col = random_int(0, n_cols - 1);
        check_part(c, row, col, 1, 1);
        check_part(c, row, col, random_int(1, n_rows - row), random_int(1, n_cols - col));
    }
}

static void check_gaps(const struct matmul_tile *t)
{
    for (int col = 0; col + 1 < t->n_cols; col++)
        check_true(all_canary(t->y + (size_t)col * t->y_stride + t->n_rows,
                              (t->y_stride - (size_t)t->n_rows) * sizeof(float)), "wrote between the columns of y");
    check_true(guarded_front_intact(&mem_y), "wrote before y");
    check_true(guarded_front_intact(&mem_scratch), "wrote before scratch");
}

/* An index names precision, type and way. */
static int matmul_index(int precision, int type, int way)
{
    return (precision * N_WEIGHT_TYPES + type) * MATMUL_WAYS + way;
}

static void check_matmul(const struct kernels *k, int index)
{
    struct matmul_case c = { .type = &weight_types[index / MATMUL_WAYS % N_WEIGHT_TYPES] };
    c.way = k->matmul[index / MATMUL_WAYS / N_WEIGHT_TYPES][c.type->dtype].way[index % MATMUL_WAYS];
    c.dequantize = k->dequantize[c.type->dtype];
    for (int i = 0; i < cases(24); i++) {
        matmul_case_new(&c, case_fill(i));
        guarded_take(&mem_scratch, KERNEL_SCRATCH_BYTES);
        c.way.fn(&c.tile);
        check_gaps(&c.tile);
        check_elements(&c);
        check_parts(&c);
    }
}

/* 8-bit activations are off by at most half a step, so a product is by half the step times the size of the weights. */
static void check_fast_near_exact(const struct kernels *k, int index)
{
    static float x[4096], w[4096];
    static _Alignas(64) uint8_t q8[4096 * 2];
    const struct weight_type *const type = &weight_types[index];
    const struct way *const fast = k->matmul[PRECISION_FAST][type->dtype].way;
    const struct way *const exact = k->matmul[PRECISION_EXACT][type->dtype].way;
    for (size_t n = 256; n <= 4096; n *= 2) {
        CASE("k %zu", n);
        uint8_t *const row = guarded_take(&mem_w, row_bytes(type->dtype, n));
        fill_weights(row, type, n, FILL_RANDOM);
        fill_floats(x, n, FILL_RANDOM, 1);
        k->prepare[fast->act](q8, x, n, 0, n);
        k->dequantize[type->dtype](w, row, n);
        float y_fast, y_exact;
        struct matmul_tile t = { .y = &y_fast, .y_stride = 1, .w = row, .x = q8, .n_rows = 1, .n_cols = 1, .k = n,
                                 .scratch = mem_scratch.end - KERNEL_SCRATCH_BYTES };
        fast->fn(&t);
        t.y = &y_exact;
        t.x = guarded_take(&mem_x, act_row_bytes(ACT_F32, n));
        k->prepare[ACT_F32]((void *)t.x, x, n, 0, n);
        exact->fn(&t);
        double bound = 0;
        for (size_t i = 0; i < n; i++) {
            float d;
            memcpy(&d, q8 + act_q8_d(n) + i / 32 * 4, 4);
            bound += fabs((double)w[i]) * (double)d * 0.5 +
                     ((double)n / 8 + 16) * FLT_EPSILON * fabs((double)w[i] * (double)x[i]);
        }
        check_near((double)y_fast, (double)y_exact, bound * 1.001, "y", 0);
    }
}

static void add_matmul(struct group *g, int precision)
{
    static const char *const names[PRECISION_COUNT] = { "fast", "exact" };
    for (int type = 0; type < N_WEIGHT_TYPES; type++)
        for (int way = 0; way < MATMUL_WAYS && !weight_types[type].no_product; way++) {
            char name[48];
            snprintf(name, sizeof name, "way %d %s %s", way, names[precision], dtype_name(weight_types[type].dtype));
            group_add(g, name, offsetof(struct kernels, matmul[precision][weight_types[type].dtype].way[way].fn),
                      check_matmul, matmul_index(precision, type, way));
        }
    for (int type = 0; precision == PRECISION_FAST && type < N_WEIGHT_TYPES; type++)
        if (weight_types[type].unpack) {
            char name[48];
            snprintf(name, sizeof name, "fast near exact %s", dtype_name(weight_types[type].dtype));
            group_add(g, name, offsetof(struct kernels, matmul[PRECISION_FAST][weight_types[type].dtype].way[0].fn),
                      check_fast_near_exact, type);
        }
}

#endif
