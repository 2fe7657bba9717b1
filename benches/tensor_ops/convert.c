/* convert.c - rows from one form to another: weights to floats and back, floats to activations of matrix products. */
#include "benches/tensor_ops/tensor_ops.h"
#include "src/base/memory.h"
#include "src/quantize/quantize.h"
#include "tools/common/random_blocks.h"

#include <stdio.h>

#define N 4096
#define MAX_BYTES 8 /* of a value of any type */

struct row {
    const struct kernels *k; /* set by bench_add_levels */
    int what;                /* a type, or a form of activations */
};

static double type_bytes(enum dtype type)
{
    uint64_t bytes = 0;
    dtype_row_bytes(type, N, &bytes);
    return (double)bytes;
}

static float *floats(void)
{
    static float *x;
    if (!x) {
        x = bench_memory(N * sizeof *x);
        bench_fill(x, N);
    }
    return x;
}

static uint8_t *blocks(void)
{
    static uint8_t *w;
    if (!w)
        w = bench_memory(N * MAX_BYTES + act_row_bytes(ACT_Q8_PAIR, N));
    return w;
}

static void run_dequantize(struct bench *b, const void *arg)
{
    static float *y;
    const struct row *r = arg;
    uint64_t state = 1;
    if (!y)
        y = bench_memory(N * sizeof *y);
    random_blocks(&state, blocks(), N / dtype_info((uint64_t)r->what)->block, (enum dtype)r->what, 0.02f);
    bench_one_thread(b);
    while (bench_next(b))
        r->k->dequantize[r->what](y, blocks(), N);
    bench_bytes(b, type_bytes((enum dtype)r->what) + N * sizeof(float), 0);
}

static void run_prepare(struct bench *b, const void *arg)
{
    const struct row *r = arg;
    bench_one_thread(b);
    while (bench_next(b))
        r->k->prepare[r->what](blocks(), floats(), N, 0, N);
    bench_bytes(b, (double)act_row_bytes((enum act)r->what, N) + N * sizeof(float), 0);
}

static void run_quantize(struct bench *b, const void *arg)
{
    const struct row *r = arg;
    infer_error err = { 0 };
    struct quantizer *q = quantizer_open(&mem_default, r->k, (enum dtype)r->what, &err);
    bool good = q;
    bench_one_thread(b);
    while (bench_next(b))
        good = good && quantize_row(q, blocks(), floats(), N, NULL);
    if (!good)
        bench_skip(b, "the row cannot be quantised");
    bench_items(b, N);
    quantizer_close(&q);
}

void add_convert(void)
{
    static const char *const acts[ACT_COUNT] = { "f32", "bf16", "q8", "q8_pair" };
    char name[64];
    for (int type = 0; type < DTYPE_COUNT; type++) {
        struct row r = { NULL, type };
        snprintf(name, sizeof name, "dequantize/%s/%d", dtype_name((uint64_t)type), N);
        if (bench_table(CPU_SCALAR)->dequantize[type])
            bench_add_levels(name, offsetof(struct kernels, dequantize[0]) + (size_t)type * sizeof(void (*)(void)),
                             CPU_SCALAR, run_dequantize, &r, sizeof r);
    }
    for (int act = 0; act < ACT_COUNT; act++) {
        struct row r = { NULL, act };
        snprintf(name, sizeof name, "prepare/%s/%d", acts[act], N);
        bench_add_levels(name, offsetof(struct kernels, prepare[0]) + (size_t)act * sizeof(void (*)(void)), CPU_SCALAR,
                         run_prepare, &r, sizeof r);
    }
    for (int type = 0; type < DTYPE_COUNT; type++) { /* most quantisers look for scales by `fit` */
        struct row r = { NULL, type };
        snprintf(name, sizeof name, "quantize/%s/%d", dtype_name((uint64_t)type), N);
        if (quantize_has((enum dtype)type))
            bench_add_levels(name, offsetof(struct kernels, fit), CPU_SCALAR, run_quantize, &r, sizeof r);
    }
}
