/* test_vector.c - the claims of kernels/generic/: errors of exp, tanh and the activations in units in the last place,
 * and that attention keeps its rows apart.
 *
 *   test_vector      every 1009th float
 *   test_vector 1    every float; takes long */
#include "kernels/kernels.h"
#include "src/base/numbers.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BATCH = 512 };
static uint32_t step = 1009; /* between the floats that are tried */
static _Alignas(64) uint8_t scratch[KERNEL_SCRATCH_BYTES];

/* ---- functions, each reached through an entry of the table ---- */

typedef void function(const struct kernels *k, float *y, const float *x);

/* One block of F32 keys and values of one number each; row i sees the first n_keys. */
static void attend_numbers(const struct kernels *k, float *max, float *out, const float *q, const float *keys,
                           const float *values, int n_keys, float soft_cap)
{
    static _Alignas(64) uint8_t block[2 * ATTEND_KEYS * 16 * sizeof(float)];
    static int first[BATCH], last[BATCH];
    static float sum[BATCH];
    uint8_t *const page = block;
    const size_t v_at = kv_key_bytes(DTYPE_F32, 1);
    assert_true(v_at + kv_value_bytes(DTYPE_F32, 1) <= sizeof block);
    for (int i = 0; i < n_keys; i++) {
        k->store_key(block, DTYPE_F32, i, keys + i, 1);
        k->store_value(block + v_at, DTYPE_F32, i, values + i, 1);
    }
    for (int i = 0; i < BATCH; i++) {
        last[i] = n_keys;
        max[i] = -INFINITY;
        sum[i] = out[i] = 0;
    }
    const struct attend a = {
        .n_q = BATCH, .d_k = 1, .d_v = 1, .k_type = DTYPE_F32, .v_type = DTYPE_F32, .q = q, .q_stride = 1,
        .pages = &page, .v_at = v_at, .n_keys = n_keys, .first = first, .last = last, .soft_cap = soft_cap, .max = max, .sum = sum,
        .out = out, .out_stride = 1, .scratch = scratch,
    };
    k->attend[PRECISION_EXACT](&a);
}

/* Rows with the query x see the keys 0 and 1: the scores are 0 and x <= 0. Of the values 0 and 1 remains 2^(x - 0). */
static void by_exp2(const struct kernels *k, float *y, const float *x)
{
    static const float numbers[] = { 0, 1 };
    static float max[BATCH];
    attend_numbers(k, max, y, x, numbers, numbers, 2, 0);
}

/* The only score is x, capped by 1: it is the maximum. */
static void by_tanh(const struct kernels *k, float *y, const float *x)
{
    static const float one = 1;
    static float out[BATCH];
    attend_numbers(k, y, out, x, &one, &one, 1, 1);
}

/* The soft-max of 0 and x <= 0: exp(x) and a division. */
static void by_softmax(const struct kernels *k, float *y, const float *x)
{
    for (int i = 0; i < BATCH; i++) {
        float both[] = { 0, x[i] };
        k->softmax(both, 2);
        y[i] = both[1];
    }
}

#define BY_ACTIVATION(name, NAME) \
    static void by_##name(const struct kernels *k, float *y, const float *x) \
    { \
        k->activate[ACTIVATION_##NAME](y, x, BATCH); \
    }
BY_ACTIVATION(silu, SILU)
BY_ACTIVATION(gelu, GELU)
BY_ACTIVATION(gelu_tanh, GELU_TANH)

static double true_softmax(double x)
{
    return exp(x) / (1 + exp(x));
}
static double true_silu(double x)
{
    return x / (1 + exp(-x));
}
static double true_gelu(double x)
{
    return x * erfc(x * -0.70710678118654752440) / 2;
}
static double true_gelu_tanh(double x)
{
    return x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

/* ---- errors ---- */

/* The largest error over an interval must be within `ulps`, or, where the result is small, within `floor` * |x|. */
static const struct claim {
    const char *name;
    function *function;
    double (*truth)(double);
    float from, to;
    double ulps, floor;
} claims[] = {
    { "exp2", by_exp2, exp2, -INFINITY, 0, 1.1, 0 },
    { "softmax", by_softmax, true_softmax, -INFINITY, 0, 3.0, 0 },
    { "tanh", by_tanh, tanh, -3e38f, 3e38f, 2.6, 0 },
    { "silu", by_silu, true_silu, -87, 3e38f, 2.6, 0 },
    { "silu", by_silu, true_silu, -3e38f, -87, 0, 0x1p-127 },
    { "gelu", by_gelu, true_gelu, -13, 3e38f, 5.5, 0 },
    { "gelu", by_gelu, true_gelu, -3e38f, -13, 0, 0x1p-130 },
    { "gelu_tanh", by_gelu_tanh, true_gelu_tanh, -1, 3e38f, 2.8, 0 },
    { "gelu_tanh", by_gelu_tanh, true_gelu_tanh, -3e38f, -1, 0, 0x1p-24 },
};

/* Distance between a float and a number in units of the last place that a float of the number's size has. */
static double ulps_between(float y, double truth)
{
    int exponent;
    frexp(truth, &exponent);
    return fabs((double)y - truth) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

/* The floats in order, as integers. */
static int64_t index_of(float x)
{
    const uint32_t bits = f32_bits(x);
    return bits >> 31 ? -(int64_t)(bits & 0x7fffffff) : (int64_t)bits;
}
static float float_at(int64_t index)
{
    return index < 0 ? -f32_from_bits((uint32_t)-index) : f32_from_bits((uint32_t)index);
}

static void check_claim(const struct kernels *k, const struct claim *c)
{
    double most_ulps = 0, most_floor = 0;
    float worst_ulps = 0, worst_floor = 0;
    const int64_t end = index_of(c->to);
    for (int64_t i = index_of(c->from); i <= end;) {
        float x[BATCH], y[BATCH];
        for (int n = 0; n < BATCH; n++, i += step)
            x[n] = float_at(i < end ? i : end);
        c->function(k, y, x);
        for (int n = 0; n < BATCH; n++) {
            const double truth = c->truth((double)x[n]);
            if ((c->function == by_exp2 || c->function == by_softmax) && truth < 0x1p-126 && y[n] == 0)
                continue;
            const double ulps = ulps_between(y[n], truth), relative = fabs((double)y[n] - truth) / fabs((double)x[n]);
            if (!(ulps <= most_ulps))
                most_ulps = ulps, worst_ulps = x[n];
            if (!(relative <= most_floor) && x[n] != 0)
                most_floor = relative, worst_floor = x[n];
        }
    }
    if (c->floor)
        print_message("%-7s %-10s [%g, %g]: 2^%.2f |x| at %a\n", k->name, c->name, (double)c->from, (double)c->to,
                      log2(most_floor), (double)worst_floor);
    else
        print_message("%-7s %-10s [%g, %g]: %.3f ulp at %a\n", k->name, c->name, (double)c->from, (double)c->to,
                      most_ulps, (double)worst_ulps);
    assert_true(c->floor ? most_floor <= c->floor : most_ulps <= c->ulps);
}

static void functions_keep_their_claimed_errors(void **state)
{
    (void)state;
    struct kernels below, k;
    kernels_init(&below, CPU_SCALAR);
    for (enum cpu_level level = CPU_SCALAR + 1; level <= cpu_detect(); level++, below = k) {
        kernels_init(&k, level);
        if (k.attend == below.attend) /* a set without vector operations of its own */
            continue;
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
            check_claim(&k, &claims[i]);
    }
}

static void infinities_and_nan_come_out_as_limits(void **state)
{
    (void)state;
    for (enum cpu_level level = CPU_SCALAR; level <= cpu_detect(); level++) {
        struct kernels k;
        kernels_init(&k, level);
        for (enum activation a = 0; a < ACTIVATION_COUNT; a++) {
            const float x[] = { INFINITY, FLT_MAX, -FLT_MAX, 0, NAN };
            float y[5];
            k.activate[a](y, x, 5);
            assert_true(y[0] == INFINITY && y[1] == (a == ACTIVATION_RELU2 ? INFINITY : FLT_MAX));
            assert_true(y[2] == 0 && y[3] == 0);
            assert_true(isnan(y[4]) || a == ACTIVATION_RELU || a == ACTIVATION_RELU2);
        }
        float x[] = { 3, -INFINITY, 3, -1e30f }, nothing[] = { -INFINITY, -INFINITY };
        k.softmax(x, 4);
        assert_true(x[0] == 0.5f && x[1] == 0 && x[2] == 0.5f && x[3] == 0);
        k.softmax(nothing, 2);
        assert_true(nothing[0] == 0 && nothing[1] == 0);
    }
}

/* ---- attention ---- */

enum { ROWS = 512, WIDTH = 128, KEYS = 2 * ATTEND_KEYS, BLOCKS = KEYS / ATTEND_KEYS };

/* Random keys and values of one type, and rows of queries. */
struct attention {
    struct attend a;
    uint8_t *pages[BLOCKS], *memory;
    float q[ROWS * WIDTH], out[ROWS * WIDTH], max[ROWS], sum[ROWS];
    int first[ROWS], last[ROWS];
};

static float random_number(void)
{
    static uint32_t seed = 1;
    seed = seed * 1664525 + 1013904223;
    return (float)(int32_t)seed * 0x1p-31f;
}

static struct attention *attention_new(const struct kernels *k, enum dtype type, int width)
{
    struct attention *const t = calloc(1, sizeof *t);
    const size_t k_bytes = kv_key_bytes(type, (size_t)width), v_bytes = kv_value_bytes(type, (size_t)width);
    t->memory = aligned_alloc(64, (k_bytes + v_bytes) * BLOCKS);
    for (int block = 0; block < BLOCKS; block++) {
        t->pages[block] = t->memory + (k_bytes + v_bytes) * (size_t)block;
        for (int slot = 0; slot < ATTEND_KEYS; slot++) {
            float x[2][WIDTH];
            for (int i = 0; i < WIDTH; i++)
                x[0][i] = random_number(), x[1][i] = random_number();
            k->store_key(t->pages[block], type, slot, x[0], (size_t)width);
            k->store_value(t->pages[block] + k_bytes, type, slot, x[1], (size_t)width);
        }
    }
    for (int i = 0; i < ROWS * WIDTH; i++)
        t->q[i] = random_number();
    for (int i = 0; i < ROWS; i++)
        t->last[i] = KEYS;
    t->a = (struct attend){
        .n_q = ROWS, .d_k = width, .d_v = width, .k_type = type, .v_type = type, .q = t->q, .q_stride = (size_t)width,
        .pages = t->pages, .v_at = k_bytes, .n_keys = KEYS, .first = t->first, .last = t->last, .max = t->max,
        .sum = t->sum, .out = t->out, .out_stride = (size_t)width, .scratch = scratch,
    };
    return t;
}

static void attention_free(struct attention *t)
{
    free(t->memory);
    free(t);
}

/* The rows [row, row + n) anew. */
static void attention_run(struct attention *t, attend_fn *attend, int row, int n)
{
    struct attend a = t->a;
    const size_t at = (size_t)row * a.q_stride;
    a.n_q = n;
    a.q += at, a.out += at, a.max += row, a.sum += row, a.first += row, a.last += row;
    for (int i = 0; i < n; i++) {
        a.max[i] = -INFINITY;
        a.sum[i] = 0;
    }
    memset(a.out, 0, (size_t)n * a.out_stride * sizeof *a.out);
    attend(&a);
}

static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0 };
enum { N_TYPES = sizeof types / sizeof *types };

/* Row i sees i + 1 keys; the value of key N / 2 is NaN, infinite ones follow. Earlier rows stay clean. */
static void a_row_does_not_touch_values_it_does_not_see(void **state)
{
    (void)state;
    enum { N = 24 };
    float nan[WIDTH], infinite[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        nan[i] = NAN, infinite[i] = INFINITY;
    for (enum cpu_level level = CPU_SCALAR; level <= cpu_detect(); level++)
        for (int run = 0; run < 3 * PRECISION_COUNT; run++) {
            struct kernels k;
            kernels_init(&k, level);
            struct attention *const t = attention_new(&k, types[run % 3], WIDTH);
            for (int i = N / 2; i < ATTEND_KEYS; i++)
                k.store_value(t->pages[0] + t->a.v_at, types[run % 3], i, i == N / 2 ? nan : infinite, WIDTH);
            for (int i = 0; i < N; i++)
                t->last[i] = i + 1;
            for (int n = N / 2; n <= N; n += N / 2) { /* few rows, and many */
                attention_run(t, k.attend[run / 3], N - n, n);
                for (int i = N - n; i < N; i++)
                    for (int d = 0; d < WIDTH; d++)
                        assert_true(i < N / 2 ? isfinite(t->out[i * WIDTH + d]) : isnan(t->out[i * WIDTH + d]));
            }
            attention_free(t);
        }
}

/* 512 rows at once and the same in calls of 1 to 12 rows: the same bits. */
static void any_cut_of_the_rows_gives_the_same_bits(void **state)
{
    (void)state;
    float *const whole = malloc((size_t)ROWS * WIDTH * sizeof *whole);
    for (enum cpu_level level = CPU_SCALAR; level <= cpu_detect(); level++)
        for (int run = 0; run < N_TYPES * PRECISION_COUNT; run++) {
            struct kernels k;
            kernels_init(&k, level);
            struct attention *const t = attention_new(&k, types[run % N_TYPES], 32);
            attend_fn *const attend = k.attend[run / N_TYPES];
            for (int i = 0; i < ROWS; i++) {
                t->first[i] = i % 7 == 3 ? i % 60 : 0;
                t->last[i] = i % 11 == 5 ? 0 : 1 + (i * 5) % (2 * ATTEND_KEYS);
            }
            attention_run(t, attend, 0, ROWS);
            memcpy(whole, t->out, (size_t)ROWS * 32 * sizeof *whole);
            for (int i = 0, n = 1; i < ROWS; i += n, n = n % 12 + 1) {
                if (n > ROWS - i)
                    n = ROWS - i;
                attention_run(t, attend, i, n);
            }
            assert_memory_equal(whole, t->out, (size_t)ROWS * 32 * sizeof *whole);
            attention_free(t);
        }
    free(whole);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        step = (uint32_t)strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_keep_their_claimed_errors),
        cmocka_unit_test(infinities_and_nan_come_out_as_limits),
        cmocka_unit_test(a_row_does_not_touch_values_it_does_not_see),
        cmocka_unit_test(any_cut_of_the_rows_gives_the_same_bits),
    };
    return step ? cmocka_run_group_tests(tests, NULL, NULL) : 2;
}
