/* check_convert.h - weights to floats and activations to their prepared forms: the same values as scalar, exactly. */
#ifndef TESTS_KERNELS_CHECK_CONVERT_H
#define TESTS_KERNELS_CHECK_CONVERT_H

#include "tests/kernels/weights.h"

#define CONVERT_MAX 4096

/* A scale times a quant fits a float's mantissa for every type, so only the subtraction of a minimum rounds, however it
 * is done: there is one right result. Zeros may differ in sign. */
static void check_dequantize(const struct kernels *k, int index)
{
    static double value[CONVERT_MAX], size[CONVERT_MAX];
    const struct weight_type *const t = &weight_types[index];
    const size_t block = dtype_info(t->dtype)->block;
    for (int i = 0; i < 60; i++) {
        const enum fill fill = i % 2 ? FILL_RANDOM : (enum fill)(i / 2 % FILL_COUNT);
        const size_t n = block * random_size(CONVERT_MAX / block), slack = (size_t)random_int(0, 3);
        uint8_t *const w = guarded_take(&mem_w, row_bytes(t->dtype, n) + slack);
        float *const y = guarded_take(&mem_y, n * sizeof *y);
        CASE("n %zu, %s, slack %zu", n, fill_names[fill], slack);
        fill_weights(w, t, n, fill);
        k->dequantize[t->dtype](y, w, n);
        check_true(guarded_front_intact(&mem_y), "wrote before y");
        weight_values(value, size, t, w, n);
        for (size_t j = 0; j < n; j++)
            check_same(y[j], (float)value[j], "y", j);
    }
}

/* The blocks in tests/data/kernels mean the floats beside them, which the gguf package made. */
static void check_dequantize_file(const struct kernels *k, int index)
{
    static uint8_t file[16384];
    static float got[CONVERT_MAX];
    const enum dtype dtype = weight_types[index].dtype;
    CASE("tests/data/kernels/%s.bin", dtype_name(dtype));
    char path[64];
    snprintf(path, sizeof path, "tests/data/kernels/%s.bin", dtype_name(dtype));
    FILE *const f = fopen(path, "rb");
    check_true(f != NULL, "no such file; tests run from the root of the repository");
    const size_t bytes = fread(file, 1, sizeof file, f), n = read_u32(file);
    fclose(f);
    const uint8_t *const blocks = file + 4, *const floats = blocks + row_bytes(dtype, n);
    check_true(n > 0 && n <= CONVERT_MAX && floats + n * sizeof(float) == file + bytes, "wrong size");
    k->dequantize[dtype](got, blocks, n);
    for (size_t i = 0; i < n; i++) {
        const float want = f32_from_bits(read_u32(floats + i * sizeof want));
        check_same(got[i], want, "y", i);
    }
}

static void check_prepared(enum act act, const uint8_t *got, const uint8_t *want, const float *x, size_t k)
{
    const float *const d = (const float *)(got + act_q8_d(k)), *const s = (const float *)(got + act_q8_s(k));
    for (size_t i = 0; i < k; i++) {
        const float g = (float)activation_value(act, got, i, k), w = (float)activation_value(act, want, i, k);
        /* the processor's conversion to bf16 takes subnormal numbers for zeros */
        if (!(act == ACT_BF16 && fabsf(x[i]) < FLT_MIN && g == 0))
            check_same(g, w, "value", i);
    }
    for (size_t i = 0; act == ACT_Q8 && i < k; i++)
        check_same(((const int8_t *)got)[i], ((const int8_t *)want)[i], "q", i);
    for (size_t i = 0; act == ACT_Q8 && i < k / 32; i++)
        check_same(d[i], ((const float *)(want + act_q8_d(k)))[i], "d", i);
    for (size_t i = 0; act == ACT_Q8 && i < k / 16; i++)
        check_same(s[i], ((const float *)(want + act_q8_s(k)))[i], "s", i);
    for (size_t i = k; act == ACT_BF16 && i % 32 != 0; i++)
        check_same((float)activation_value(act, got, i, k), 0, "padding", i);
}

/* Each form against its definition: q8 is nearest to x, d and s are what kernels.h says.
 * Scalar stands on this alone. */
static void check_definition(enum act act, const uint8_t *row, const float *x, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        const double got = activation_value(act, row, i, k);
        if (act == ACT_F32)
            check_same((float)got, x[i], "value", i);
        else if (act == ACT_BF16)
            check_near(got, (double)x[i], fabs((double)x[i]) / 256 + (double)FLT_MIN, "value", i);
    }
    for (size_t b = 0; act == ACT_Q8 && b < k / 32; b++) {
        const int8_t *const q = (const int8_t *)row + 32 * b;
        double max = 0;
        int sums[2] = { 0 };
        for (int i = 0; i < 32; i++) {
            max = fmax(max, fabs((double)x[32 * b + i]));
            sums[i / 16] += q[i];
        }
        if (max < (double)ACT_Q8_TINY)
            max = 0;
        const float d = (float)(max / 127);
        check_same(((const float *)(row + act_q8_d(k)))[b], d, "d", b);
        for (int i = 0; i < 32; i++)
            check_near(q[i], max > 0 ? (double)x[32 * b + i] / max * 127 : 0, 0.5001, "q", 32 * b + i);
        for (int half = 0; half < 2; half++)
            check_same(((const float *)(row + act_q8_s(k)))[2 * b + half], d * (float)sums[half], "s", 2 * b + half);
    }
}

static void check_prepare(const struct kernels *k, int index)
{
    static _Alignas(64) uint8_t want[CONVERT_MAX * 4];
    const enum act act = (enum act)index;
    for (int i = 0; i < 100; i++) {
        const enum fill fill = i % 2 ? FILL_RANDOM : (enum fill)(i / 2 % FILL_COUNT);
        const size_t n = act == ACT_Q8 ? 32 * random_size(CONVERT_MAX / 32) : random_size(CONVERT_MAX);
        float *const x = guarded_take(&mem_x, n * sizeof *x);
        uint8_t *const y = guarded_take(&mem_y, act_row_bytes(act, n));
        CASE("k %zu, %s", n, fill_names[fill]);
        fill_floats(x, n, fill, 1e15f);
        if (i % 5 == 0) /* half-way between two steps of q: ties to even */
            for (size_t j = 0; j < n; j++)
                x[j] = j % 32 ? (float)random_int(-254, 254) / 2 : 127;
        for (size_t j = 0; i % 5 == 1 && j < n; j++) /* blocks around and below ACT_Q8_TINY */
            x[j] = random_float() * ACT_Q8_TINY * (float[]){ 0x1p-40f, 0.5f, 1, 2 }[j / 32 % 4];
        k->prepare[act](y, x, n);
        check_true(guarded_front_intact(&mem_y), "wrote before y");
        tables[CPU_SCALAR].prepare[act](want, x, n);
        check_prepared(act, y, want, x, n);
        check_definition(act, y, x, n);
    }
}

static void add_convert(struct group *g)
{
    static const char *const act_names[ACT_COUNT] = { "f32", "bf16", "q8" };
    char name[48];
    for (int t = 0; t < N_WEIGHT_TYPES; t++) {
        snprintf(name, sizeof name, "dequantize %s", dtype_name(weight_types[t].dtype));
        group_add(g, name, offsetof(struct kernels, dequantize) + sizeof(void (*)(void)) * weight_types[t].dtype,
                  check_dequantize, t);
        if (weight_types[t].dtype == DTYPE_F32)
            continue;
        snprintf(name, sizeof name, "dequantize file %s", dtype_name(weight_types[t].dtype));
        group_add(g, name, offsetof(struct kernels, dequantize) + sizeof(void (*)(void)) * weight_types[t].dtype,
                  check_dequantize_file, t);
    }
    for (int act = 0; act < ACT_COUNT; act++) {
        snprintf(name, sizeof name, "prepare %s", act_names[act]);
        group_add(g, name, offsetof(struct kernels, prepare) + sizeof(void (*)(void)) * (size_t)act,
                  check_prepare, act);
    }
}

#endif
