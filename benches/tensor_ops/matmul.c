/* matmul.c - products of weights of every type with few and with many columns of activations, at each instruction
 * set, in the way that is meant for so many. Where the weights are in memory, the limit is reading them, else the multiply-adds of the unit that is used. */
#include "benches/tensor_ops/tensor_ops.h"
#include "tools/common/random_blocks.h"

#include <stdio.h>
#include <string.h>

#define MEMORY_BYTES ((size_t)128 << 20) /* of weights; more than caches hold */

/* 64 rows are about what a task of the engine has while it generates, 256 while it evaluates a batch or a prompt. */
static const struct shape shapes[] = {
    { "64x4096x1", 64, 4096, 1, false, false },
    { "64x4096x4", 64, 4096, 4, false, false },
    { "memory:4096x1", 0, 4096, 1, true, true },
    { "256x4096x8", 256, 4096, 8, false, false },
    { "256x4096x16", 256, 4096, 16, false, false },
    { "256x4096x32", 256, 4096, 32, false, true },
    { "256x4096x512", 256, 4096, 512, false, true },
};

struct product {
    const struct kernels *k;
    enum dtype type;
    enum precision precision;
    const struct shape *shape;
};

static size_t row_bytes(enum dtype type, size_t k)
{
    uint64_t bytes = 0;
    dtype_row_bytes(type, k, &bytes);
    return (size_t)bytes;
}

/* Weights of a type, made once: a piece of some rows, then copies of it. */
static const uint8_t *weights_of(enum dtype type, size_t k, size_t rows)
{
    enum { PIECE = 64 };
    static uint8_t *weights;
    static enum dtype made = DTYPE_COUNT;
    static size_t n_made;
    const size_t row = row_bytes(type, k);
    if (!weights)
        weights = bench_memory(MEMORY_BYTES);
    if (made != type) {
        uint64_t state = 1;
        const float scale = random_blocks_scale(&state, bench_table(CPU_SCALAR), type, 0.02f);
        random_blocks(&state, weights, PIECE * row / dtype_info(type)->bytes, type, scale);
        made = type;
        n_made = PIECE;
    }
    for (; n_made < rows; n_made += PIECE)
        memcpy(weights + n_made * row, weights, (rows - n_made < PIECE ? rows - n_made : PIECE) * row);
    return weights;
}

static const uint8_t *activations_of(const struct kernels *k, enum act act, size_t width, int n)
{
    static float *x;
    static uint8_t *prepared;
    const size_t stride = act_row_bytes(act, width);
    if (!x) {
        x = bench_memory(512 * 4096 * sizeof *x);
        prepared = bench_memory(512 * act_row_bytes(ACT_F32, 4096));
        bench_fill(x, (size_t)512 * 4096);
    }
    for (int i = 0; i < n; i++)
        k->prepare[act](prepared + (size_t)i * stride, x + (size_t)i * width, width, 0, width);
    return prepared;
}

static void run_product(struct bench *b, const void *arg)
{
    static const enum peak peak_of[ACT_COUNT] = { [ACT_F32] = PEAK_F32, [ACT_BF16] = PEAK_BF16, [ACT_Q8] = PEAK_INT8 };
    static void *scratch;
    static float *y;
    const struct product *p = arg;
    const struct shape *s = p->shape;
    const struct way *const way = matmul_way(&p->k->matmul[p->precision][p->type], s->n_cols);
    const size_t row = row_bytes(p->type, s->k), rows = s->from_memory ? MEMORY_BYTES / row : s->rows;
    if (!scratch) {
        scratch = bench_memory(KERNEL_SCRATCH_BYTES);
        y = bench_memory((MEMORY_BYTES / 512 + 256 * 512) * sizeof *y);
    }
    const struct matmul_tile tile = {
        .y = y, .y_stride = rows, .w = weights_of(p->type, s->k, rows), .w_stride = row,
        .x = activations_of(p->k, way->act, s->k, s->n_cols), .x_stride = act_row_bytes(way->act, s->k),
        .n_rows = (int)rows, .n_cols = s->n_cols, .k = s->k, .scratch = scratch,
    };
    const struct limits *const limits = bench_limits();
    bench_one_thread(b);
    while (bench_next(b))
        way->fn(&tile);
    bench_bytes(b, (double)(rows * row), s->from_memory ? limits->read : 0);
    bench_flops(b, 2.0 * (double)rows * (double)s->k * s->n_cols,
                s->n_cols == 1 ? 0 : limits_peak(limits, (enum cpu_level)cpu_level_find(p->k->name), peak_of[way->act]));
}

static void add_shape(enum precision precision, enum dtype type, const struct shape *s)
{
    char row[64], name[80];
    snprintf(row, sizeof row, "matmul%s/%s/%s", precision == PRECISION_FAST ? "" : "_exact", dtype_name(type), s->name);
    matmul_fn *below = NULL;
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVELS && bench_table(level); level++) {
        struct product p = { bench_table(level), type, precision, s };
        matmul_fn *const fn = matmul_way(&p.k->matmul[precision][type], s->n_cols)->fn;
        if (fn != below && !(s->large && level == CPU_SCALAR)) {
            snprintf(name, sizeof name, "%s/%s", row, cpu_level_name(level));
            bench_add(name, run_product, &p, sizeof p);
        }
        below = fn;
    }
#ifdef HAVE_OPENBLAS
    if (type == DTYPE_F32 && precision == PRECISION_FAST)
        add_openblas(row, s);
#endif
}

void add_matmul(void)
{
    const struct kernels *const scalar = bench_table(CPU_SCALAR);
    for (enum precision precision = 0; precision < PRECISION_COUNT; precision++)
        for (enum dtype type = 0; type < DTYPE_COUNT; type++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes && scalar->matmul[precision][type].way->fn; s++)
                add_shape(precision, type, &shapes[s]);
}
