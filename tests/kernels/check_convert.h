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
    for (int i = 0; i < cases(60); i++) {
        const enum fill fill = case_fill(i);
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

/* The parts of a row of 8-bit blocks. */
struct q8_row {
    const int8_t *q;
    const float *d, *s;
};

static struct q8_row q8_row(const uint8_t *row, size_t k)
{
    return (struct q8_row){ (const int8_t *)row, (const float *)(row + act_q8_d(k)),
                            (const float *)(row + act_q8_s(k)) };
}

static void check_same_q8(const uint8_t *got, const uint8_t *want, size_t k)
{
    const struct q8_row g = q8_row(got, k), w = q8_row(want, k);
    for (size_t i = 0; i < k; i++)
        check_same(g.q[i], w.q[i], "q", i);
    for (size_t i = 0; i < k / 32; i++)
        check_same(g.d[i], w.d[i], "d", i);
    for (size_t i = 0; i < k / 16; i++)
        check_same(g.s[i], w.s[i], "s", i);
}

static void check_prepared(enum act act, const uint8_t *got, const uint8_t *want, const float *x, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        const float g = (float)activation_value(act, got, i, k), w = (float)activation_value(act, want, i, k);
        /* the processor's conversion to bf16 takes subnormal numbers for zeros */
        if (!(act == ACT_BF16 && fabsf(x[i]) < FLT_MIN && g == 0))
            check_same(g, w, "value", i);
    }
    if (act == ACT_Q8 || act == ACT_Q8_PAIR)
        check_same_q8(got, want, k);
    if (act == ACT_Q8_PAIR)
        check_same_q8(got + act_row_bytes(ACT_Q8, k), want + act_row_bytes(ACT_Q8, k), k);
    for (size_t i = k; act == ACT_BF16 && i % 32 != 0; i++)
        check_same((float)activation_value(act, got, i, k), 0, "padding", i);
}

/* t of a block whose largest value becomes `one`; false where it is taken for zeros. */
static bool fixed_32(int32_t *t, const float *x, float max, float one)
{
    for (int i = 0; i < 32; i++)
        t[i] = max < ACT_Q8_TINY ? 0 : (int32_t)nearbyintf(x[i] * (one / max));
    return max >= ACT_Q8_TINY;
}

/* The quants that kernels.h defines for block b, and the scale. */
static float define_q8(int32_t *q, const float *x, float max)
{
    int32_t t[32];
    const bool zero = !fixed_32(t, x, max, 16384);
    int best = 0;
    float least = INFINITY;
    int64_t product = 0, square = 0;
    for (int n = 127; n >= 112; n--) {
        int64_t lost = 0;
        for (int i = 0; i < 32; i++) {
            const int64_t r = n * t[i] - 16384 * (int64_t)floor((n * t[i] + 8192) / 16384.0);
            lost += r * r;
        }
        check_true(lost < (int64_t)1 << 31, "a sum that does not fit 31 bits");
        const float error = (float)lost * (1.0f / (float)(n * n));
        if (error < least) {
            least = error;
            best = n;
        }
    }
    for (int i = 0; i < 32; i++) {
        q[i] = (int32_t)floor((best * t[i] + 8192) / 16384.0);
        product += t[i] * q[i];
        square += q[i] * q[i];
    }
    return zero ? 0 : max / 16384 * ((float)product / (float)square);
}

/* Whatever the definition: no number of steps with the scale that is plain for it comes nearer to x. What rounding x
 * to t may cost is allowed. */
static void check_nearest_q8(const int8_t *q, float d, const float *x, float max, size_t b)
{
    double got = 0;
    for (int i = 0; i < 32; i++)
        got += pow((double)x[i] - (double)d * q[i], 2);
    for (int n = 112; n <= 127 && max >= ACT_Q8_TINY; n++) {
        double plain = 0;
        for (int i = 0; i < 32; i++)
            plain += pow((double)x[i] - (double)max / n * nearbyint((double)x[i] * n / (double)max), 2);
        check_near(sqrt(got), 0, sqrt(plain) + 2e-4 * (double)max, "error of block", b);
    }
}

static void check_q8(const uint8_t *row, int block, const int32_t *want_q, float want_d, size_t k)
{
    const struct q8_row got = q8_row(row, k);
    const int8_t *const q = got.q + 32 * block;
    check_same(got.d[block], want_d, "d", (size_t)block);
    for (int i = 0; i < 32; i++)
        check_same(q[i], (float)want_q[i], "q", (size_t)(32 * block + i));
    for (int half = 0; half < 2; half++) {
        int sum = 0;
        for (int i = 0; i < 16; i++)
            sum += want_q[16 * half + i];
        check_same(got.s[2 * block + half], want_d * (float)sum, "s", (size_t)(2 * block + half));
    }
}

/* Each form against its definition. Scalar stands on this alone. */
static void check_definition(enum act act, const uint8_t *row, const float *x, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        const double got = activation_value(act, row, i, k);
        if (act == ACT_F32)
            check_same((float)got, x[i], "value", i);
        else if (act == ACT_BF16)
            check_near(got, (double)x[i], fabs((double)x[i]) / 256 + (double)FLT_MIN, "value", i);
    }
    for (int b = 0; (act == ACT_Q8 || act == ACT_Q8_PAIR) && b < (int)(k / 32); b++) {
        int32_t q[32], t[32];
        float max = 0;
        for (int i = 0; i < 32; i++)
            max = fmaxf(max, fabsf(x[32 * b + i]));
        if (act == ACT_Q8) {
            const float d = define_q8(q, x + 32 * b, max);
            check_q8(row, b, q, d, k);
            check_nearest_q8((const int8_t *)row + 32 * b, d, x + 32 * b, max, (size_t)b);
            continue;
        }
        const float d = fixed_32(t, x + 32 * b, max, 16256) ? max / 16256 : 0;
        for (int i = 0; i < 32; i++) {
            q[i] = (int32_t)floor((t[i] + 64) / 128.0);
            t[i] -= 128 * q[i];
            check_near(activation_value(act, row, (size_t)(32 * b + i), k), (double)x[32 * b + i],
                       (0.5 + 16256 * 0x1p-22) * (double)d + (d > 0 ? 0 : (double)max), "value", (size_t)(32 * b + i));
        }
        check_q8(row, b, q, 128 * d, k);
        check_q8(row + act_row_bytes(ACT_Q8, k), b, t, d, k);
    }
}

static void check_prepare(const struct kernels *k, int index)
{
    static _Alignas(64) uint8_t want[CONVERT_MAX * 4];
    const enum act act = (enum act)index;
    for (int i = 0; i < cases(100); i++) {
        const enum fill fill = case_fill(i);
        const bool blocks = act == ACT_Q8 || act == ACT_Q8_PAIR;
        const size_t n = blocks ? 32 * random_size(CONVERT_MAX / 32) : random_size(CONVERT_MAX);
        float *const x = guarded_take(&mem_x, n * sizeof *x);
        uint8_t *const y = guarded_take(&mem_y, act_row_bytes(act, n));
        CASE("k %zu, %s", n, fill_names[fill]);
        fill_floats(x, n, fill, 1e15f);
        if (i % 5 == 0) /* half-way between two t, or between two steps if these are odd; sums as large as they get */
            for (size_t j = 0; j < n; j++)
                x[j] = j % 32 == 0 ? 16384 : random_int(0, i / 5 % 3) ? (float)random_int(-32767, 32767) / 2 : 8192;
        for (size_t j = 0; i % 5 == 1 && j < n; j++) /* blocks around and below ACT_Q8_TINY */
            x[j] = random_float() * ACT_Q8_TINY * (float[]){ 0x1p-40f, 0.5f, 1, 2 }[j / 32 % 4];
        const size_t cut = i % 2 && n > 32 ? 32 * (size_t)random_int(1, (int)(n - 1) / 32) : n; /* in two pieces, or one */
        if (cut < n)
            k->prepare[act](y, x + cut, n, cut, n - cut);
        k->prepare[act](y, x, n, 0, cut);
        check_true(guarded_front_intact(&mem_y), "wrote before y");
        tables[CPU_SCALAR].prepare[act](want, x, n, 0, n);
        check_prepared(act, y, want, x, n);
        check_definition(act, y, x, n);
    }
}

static void add_convert(struct group *g)
{
    static const char *const act_names[ACT_COUNT] = { "f32", "bf16", "q8", "q8 pair" };
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
