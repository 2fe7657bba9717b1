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
#include <cmocka.h>

enum { BATCH = 512 };
static uint32_t step = 1009; /* between the floats that are tried */
static _Alignas(64) uint8_t scratch[KERNEL_SCRATCH_BYTES];

/* ---- functions, each reached through an entry of the table ---- */

typedef void function(const struct kernels *k, float *y, const float *x);

/* Rows with the query x see the keys 0 and 1: the scores are 0 and x <= 0. Of the values 0 and 1 remains exp(x - 0). */
static void by_exp(const struct kernels *k, float *y, const float *x)
{
    static const float key[] = { 0, 1 };
    static int first[BATCH], last[BATCH];
    static float max[BATCH], sum[BATCH];
    for (int i = 0; i < BATCH; i++) {
        last[i] = 2;
        max[i] = -INFINITY;
        sum[i] = y[i] = 0;
    }
    const struct attend_block b = {
        .n_q = BATCH, .n_keys = 2, .d_k = 1, .d_v = 1, .q = x, .q_stride = 1, .k = key, .v = key, .k_stride = 1,
        .v_stride = 1, .first = first, .last = last, .max = max, .sum = sum, .out = y, .out_stride = 1,
        .scratch = scratch,
    };
    k->attend(&b);
}

/* The only score is x, capped by 1: it is the maximum. */
static void by_tanh(const struct kernels *k, float *y, const float *x)
{
    static const float one = 1;
    static int first[BATCH], last[BATCH];
    static float sum[BATCH], out[BATCH];
    for (int i = 0; i < BATCH; i++) {
        last[i] = 1;
        y[i] = -INFINITY;
        sum[i] = out[i] = 0;
    }
    const struct attend_block b = {
        .n_q = BATCH, .n_keys = 1, .d_k = 1, .d_v = 1, .q = x, .q_stride = 1, .k = &one, .v = &one, .k_stride = 1,
        .v_stride = 1, .first = first, .last = last, .soft_cap = 1, .max = y, .sum = sum, .out = out, .out_stride = 1,
        .scratch = scratch,
    };
    k->attend(&b);
}

#define BY_ACTIVATION(name, NAME) \
    static void by_##name(const struct kernels *k, float *y, const float *x) \
    { \
        k->activate[ACTIVATION_##NAME](y, x, BATCH); \
    }
BY_ACTIVATION(silu, SILU)
BY_ACTIVATION(gelu, GELU)
BY_ACTIVATION(gelu_tanh, GELU_TANH)

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
    { "exp", by_exp, exp, -INFINITY, 0, 1.1, 0 },
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
            if (c->function == by_exp && truth < 0x1p-126 && y[n] == 0)
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
    for (enum cpu_level level = CPU_AVX2; level <= cpu_detect(); level++) {
        struct kernels k;
        kernels_init(&k, level);
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
            assert_true(y[0] == INFINITY && y[1] == FLT_MAX && y[2] == 0 && y[3] == 0);
            assert_true(isnan(y[4]) || a == ACTIVATION_RELU);
        }
        float x[] = { 3, -INFINITY, 3, -1e30f }, nothing[] = { -INFINITY, -INFINITY };
        k.softmax(x, 4);
        assert_true(x[0] == 0.5f && x[1] == 0 && x[2] == 0.5f && x[3] == 0);
        k.softmax(nothing, 2);
        assert_true(nothing[0] == 0 && nothing[1] == 0);
    }
}

/* ---- attention ---- */

enum { ROWS = 512, WIDTH = 128, KEYS = 2 * ATTEND_KEYS };

struct attention {
    float *q, *k, *v, *out, *max, *sum;
    int *first, *last;
};

static float *random_floats(size_t n)
{
    float *const x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    static uint32_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)(int32_t)seed * 0x1p-31f;
    }
    return x;
}

static struct attention attention_new(void)
{
    struct attention a = {
        random_floats((size_t)ROWS * WIDTH), random_floats((size_t)KEYS * WIDTH), random_floats((size_t)KEYS * WIDTH),
        random_floats((size_t)ROWS * WIDTH), random_floats(ROWS), random_floats(ROWS),
        calloc(ROWS, sizeof(int)), calloc(ROWS, sizeof(int)),
    };
    for (int i = 0; i < ROWS; i++)
        a.last[i] = ATTEND_KEYS;
    return a;
}

static void attention_free(struct attention *a)
{
    free(a->q), free(a->k), free(a->v), free(a->out), free(a->max), free(a->sum), free(a->first), free(a->last);
}

static void attention_start(struct attention *a, int n_q)
{
    for (int i = 0; i < n_q; i++) {
        a->max[i] = -INFINITY;
        a->sum[i] = 0;
    }
    memset(a->out, 0, (size_t)n_q * WIDTH * sizeof(float));
}

static void attention_block(const struct kernels *k, struct attention *a, int n_q, int block)
{
    const size_t at = (size_t)block * ATTEND_KEYS * WIDTH;
    const struct attend_block b = {
        .n_q = n_q, .n_keys = ATTEND_KEYS, .d_k = WIDTH, .d_v = WIDTH, .q = a->q, .q_stride = WIDTH, .k = a->k + at,
        .v = a->v + at, .k_stride = WIDTH, .v_stride = WIDTH, .first = a->first, .last = a->last, .max = a->max,
        .sum = a->sum, .out = a->out, .out_stride = WIDTH, .scratch = scratch,
    };
    k->attend(&b);
}

/* Row i sees i + 1 keys; the value of the last key it sees is NaN, infinite values follow. Earlier rows stay clean. */
static void a_row_does_not_touch_values_it_does_not_see(void **state)
{
    (void)state;
    enum { N = 24 };
    struct attention a = attention_new();
    for (int i = 0; i < N; i++)
        a.last[i] = i + 1;
    for (size_t i = (size_t)(N / 2) * WIDTH; i < (size_t)ATTEND_KEYS * WIDTH; i++)
        a.v[i] = i < (size_t)(N / 2 + 1) * WIDTH ? NAN : INFINITY;
    for (enum cpu_level level = CPU_SCALAR; level <= cpu_detect(); level++) {
        struct kernels k;
        kernels_init(&k, level);
        attention_start(&a, N);
        attention_block(&k, &a, N, 0);
        for (int i = 0; i < N; i++)
            for (int d = 0; d < WIDTH; d++)
                assert_true(i < N / 2 ? isfinite(a.out[i * WIDTH + d]) : isnan(a.out[i * WIDTH + d]));
    }
    attention_free(&a);
}

/* 512 rows at once and the same in calls of 1 to 12 rows: the same bits, with two blocks. */
static void any_cut_of_the_rows_gives_the_same_bits(void **state)
{
    (void)state;
    struct attention a = attention_new();
    float *const whole = malloc((size_t)ROWS * WIDTH * sizeof *whole);
    for (int i = 0; i < ROWS; i++) {
        a.first[i] = i % 7 == 3 ? i % 60 : 0;
        a.last[i] = i % 11 == 5 ? 0 : 1 + (i * 5) % ATTEND_KEYS;
    }
    for (enum cpu_level level = CPU_SCALAR; level <= cpu_detect(); level++) {
        struct kernels k;
        kernels_init(&k, level);
        attention_start(&a, ROWS);
        attention_block(&k, &a, ROWS, 0);
        attention_block(&k, &a, ROWS, 1);
        memcpy(whole, a.out, (size_t)ROWS * WIDTH * sizeof *whole);
        attention_start(&a, ROWS);
        for (int i = 0, n = 1; i < ROWS; i += n, n = n % 12 + 1) {
            if (n > ROWS - i)
                n = ROWS - i;
            struct attention part = a;
            part.q += i * WIDTH, part.out += i * WIDTH, part.max += i, part.sum += i, part.first += i, part.last += i;
            attention_block(&k, &part, n, 0);
            attention_block(&k, &part, n, 1);
        }
        assert_memory_equal(whole, a.out, (size_t)ROWS * WIDTH * sizeof *whole);
    }
    free(whole);
    attention_free(&a);
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
