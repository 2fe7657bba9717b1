/* bench.h - the speed of every entry, level beside level: the best of a few runs on data that fits the cache. */
#ifndef TESTS_KERNELS_BENCH_H
#define TESTS_KERNELS_BENCH_H

#include "tests/kernels/weights.h"

#include <time.h>

#define BENCH_K 4096
#define BENCH_ROWS 64
#define BENCH_VECTOR 4096

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds a call, the best of batches of about 2 ms each. */
static double bench_time(void (*call)(const struct kernels *k, int index), const struct kernels *k, int index)
{
    size_t calls = 1;
    double best = INFINITY;
    for (int batch = 0; batch < 10;) {
        const double begin = now();
        for (size_t i = 0; i < calls; i++)
            call(k, index);
        const double seconds = now() - begin;
        if (seconds < 2e-3) {
            calls *= 2;
            continue;
        }
        best = fmin(best, seconds / (double)calls);
        batch++;
    }
    return best;
}

/* One line: every level's time, and what the best makes of `work`, GB or GFLOP a call. */
static void bench_line(const char *name, void (*call)(const struct kernels *k, int index), int index, double work,
                       const char *unit)
{
    if (only_units && !strstr(name, only_units))
        return;
    printf("%-30s", name);
    double seconds = 0;
    for (int level = 0; level < CPU_LEVELS && tables[level].name; level++) {
        seconds = bench_time(call, &tables[level], index);
        printf(" %11.1f ns", seconds * 1e9);
        if (work > 0)
            printf(" %7.1f %s", work / seconds, unit);
    }
    printf("\n");
    fflush(stdout);
}

static float bench_a[BENCH_VECTOR], bench_b[BENCH_VECTOR], bench_y[BENCH_VECTOR];

static void bench_rms_norm(const struct kernels *k, int i)
{
    (void)i;
    k->rms_norm(bench_y, bench_a, bench_b, BENCH_VECTOR, 1e-6f);
}
static void bench_layer_norm(const struct kernels *k, int i)
{
    (void)i;
    k->layer_norm(bench_y, bench_a, bench_b, bench_b, BENCH_VECTOR, 1e-6f);
}
static void bench_softmax(const struct kernels *k, int i)
{
    (void)i;
    memcpy(bench_y, bench_a, sizeof bench_y);
    k->softmax(bench_y, BENCH_VECTOR);
}
static void bench_activate(const struct kernels *k, int i)
{
    k->activate[i](bench_y, bench_a, BENCH_VECTOR);
}
static void bench_gate(const struct kernels *k, int i)
{
    k->gate[i](bench_y, bench_a, bench_b, BENCH_VECTOR);
}
static void bench_add(const struct kernels *k, int i)
{
    (void)i;
    k->add(bench_y, bench_a, bench_b, BENCH_VECTOR);
}
static void bench_mul(const struct kernels *k, int i)
{
    (void)i;
    k->mul(bench_y, bench_a, bench_b, BENCH_VECTOR);
}
static void bench_scale(const struct kernels *k, int i)
{
    (void)i;
    k->scale(bench_y, bench_a, 0.5f, BENCH_VECTOR);
}
static void bench_dot(const struct kernels *k, int i)
{
    (void)i;
    bench_y[0] = k->dot(bench_a, bench_b, BENCH_VECTOR);
}
static void bench_rope(const struct kernels *k, int halves)
{
    static const float cosines[64], sines[64];
    for (int head = 0; head < BENCH_VECTOR / 128; head++)
        (halves ? k->rope_halves : k->rope_pairs)(bench_y + head * 128, cosines, sines, 128);
}
static void bench_prepare(const struct kernels *k, int act)
{
    k->prepare[act](mem_x.end - act_row_bytes((enum act)act, BENCH_VECTOR), bench_a, BENCH_VECTOR);
}

/* 8 query heads that share a KV head, one full block of keys of 128 values. */
static void bench_attend(const struct kernels *k, int i)
{
    (void)i;
    static float max[8], sum[8];
    static const int first[8], last[8] = { 64, 64, 64, 64, 64, 64, 64, 64 };
    const float *const x = (const float *)(mem_x.end - mem_x.size);
    const struct attend_block b = {
        .n_q = 8, .n_keys = 64, .d_k = 128, .d_v = 128, .q = bench_a, .q_stride = 128,
        .k = x, .v = x + 8192, .k_stride = 128, .v_stride = 128, .first = first, .last = last,
        .max = max, .sum = sum, .out = bench_y, .out_stride = 128, .scratch = mem_scratch.end - KERNEL_SCRATCH_BYTES,
    };
    k->attend(&b);
}

/* Weights of the type that is timed; their random bytes are made once. */
static uint8_t *bench_weights(int type)
{
    static int made = -1;
    const size_t row = row_bytes(weight_types[type].dtype, BENCH_K);
    uint8_t *const w = mem_w.end - row * BENCH_ROWS;
    if (made != type)
        fill_weights(w, &weight_types[type], (size_t)BENCH_K * BENCH_ROWS, FILL_RANDOM);
    made = type;
    return w;
}

static void bench_dequantize(const struct kernels *k, int type)
{
    k->dequantize[weight_types[type].dtype](bench_y, bench_weights(type), BENCH_VECTOR);
}

struct bench_matmul {
    int type, precision, n_cols;
    bool gemm;
};
static struct bench_matmul bench_shape;

static void bench_matmul(const struct kernels *k, int i)
{
    (void)i;
    const enum dtype dtype = weight_types[bench_shape.type].dtype;
    const struct matmul *const entry = &k->matmul[bench_shape.precision][dtype];
    const size_t x_row = act_row_bytes(bench_shape.gemm ? entry->gemm_act : entry->dot_act, BENCH_K);
    const struct matmul_tile t = {
        .y = (float *)(mem_y.end - 64 * BENCH_ROWS * sizeof(float)), .y_stride = BENCH_ROWS,
        .w = bench_weights(bench_shape.type), .w_stride = row_bytes(dtype, BENCH_K),
        .x = mem_x.end - 64 * x_row, .x_stride = x_row,
        .n_rows = BENCH_ROWS, .n_cols = bench_shape.n_cols, .k = BENCH_K,
        .scratch = mem_scratch.end - KERNEL_SCRATCH_BYTES,
    };
    (bench_shape.gemm ? entry->gemm : entry->dot)(&t);
}

/* Few columns are bound by reading weights: GB/s; many by arithmetic: GFLOP/s. */
static void bench_matmuls(int precision, int type)
{
    static const struct { bool gemm; int n_cols; } shapes[] = { { false, 1 }, { false, 4 }, { false, 16 }, { true, 4 },
                                                                { true, 16 }, { true, 64 } };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int n_cols = shapes[i].n_cols;
        char name[64];
        bench_shape = (struct bench_matmul){ type, precision, n_cols, shapes[i].gemm };
        snprintf(name, sizeof name, "%s %s %s %d", shapes[i].gemm ? "gemm" : "dot",
                 precision == PRECISION_FAST ? "fast" : "exact", dtype_name(weight_types[type].dtype), n_cols);
        const double bytes = (double)row_bytes(weight_types[type].dtype, BENCH_K) * BENCH_ROWS;
        if (n_cols == 1)
            bench_line(name, bench_matmul, 0, bytes * 1e-9, "GB/s  ");
        else
            bench_line(name, bench_matmul, 0, 2e-9 * BENCH_K * BENCH_ROWS * n_cols, "GFLOP/s");
    }
}

static void bench_fill(void)
{
    fill_floats(bench_a, BENCH_VECTOR, FILL_RANDOM, 1);
    fill_floats(bench_b, BENCH_VECTOR, FILL_RANDOM, 1);
    memset(mem_x.end - mem_x.size, 0, mem_x.size);
}

static void bench_all(void)
{
    static const char *const act_names[ACT_COUNT] = { "f32", "bf16", "q8", "q8 pair" };
    static const char *const activation_names[ACTIVATION_COUNT] = { "silu", "gelu", "gelu_tanh", "relu" };
    char name[64];
    bench_fill();
    for (int p = 0; p < PRECISION_COUNT; p++)
        for (int t = 0; t < N_WEIGHT_TYPES && !weight_types[t].no_product; t++)
            bench_matmuls(p, t);
    for (int t = 0; t < N_WEIGHT_TYPES; t++) {
        snprintf(name, sizeof name, "dequantize %s", dtype_name(weight_types[t].dtype));
        bench_line(name, bench_dequantize, t, 0, "");
    }
    for (int a = 0; a < ACT_COUNT; a++) {
        snprintf(name, sizeof name, "prepare %s", act_names[a]);
        bench_line(name, bench_prepare, a, 0, "");
    }
    for (int a = 0; a < ACTIVATION_COUNT; a++) {
        snprintf(name, sizeof name, "activate %s", activation_names[a]);
        bench_line(name, bench_activate, a, 0, "");
        snprintf(name, sizeof name, "gate %s", activation_names[a]);
        bench_line(name, bench_gate, a, 0, "");
    }
    bench_line("rms_norm", bench_rms_norm, 0, 0, "");
    bench_line("layer_norm", bench_layer_norm, 0, 0, "");
    bench_line("softmax", bench_softmax, 0, 0, "");
    bench_line("add", bench_add, 0, 0, "");
    bench_line("mul", bench_mul, 0, 0, "");
    bench_line("scale", bench_scale, 0, 0, "");
    bench_line("dot product", bench_dot, 0, 0, "");
    bench_line("rope_pairs", bench_rope, false, 0, "");
    bench_line("rope_halves", bench_rope, true, 0, "");
    bench_line("attend", bench_attend, 0, 4e-9 * 8 * 64 * 128, "GFLOP/s");
}

#endif
