/* test_amx.c - the tile products, computed with emulated tiles where the machine has AVX-512: every type, and shapes
 * past each limit of the kernel's blocking. test_kernels runs the same code on real tiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__AVX512F__)
#define AMX_EMULATED
#include "kernels/amx/matmul_gemm.c"

#include <float.h>

static const struct gemm_type {
    const char *name;
    enum dtype dtype;
    matmul_fn *gemm;
} gemm_types[] = {
#define ROW(name, NAME) { #name, DTYPE_##NAME, amx_gemm_##name },
    ROW(f16, F16) ROW(bf16, BF16) QUANTISED_TYPES(ROW) SCALAR_TYPES(ROW)
#undef ROW
};

static struct kernels k512;

static void *memory(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

/* Bytes of which no two make a 16-bit scale that is large or not a number. */
static uint8_t *make_weights(size_t bytes)
{
    uint8_t *const w = memory(bytes);
    uint32_t state = 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525 + 1013904223;
        w[i] = state >> 24 & 0x3b;
    }
    return w;
}

static uint8_t *make_activations(size_t n_cols, size_t k)
{
    const size_t stride = act_row_bytes(ACT_BF16, k);
    uint8_t *const x = memory(n_cols * stride);
    float *const floats = memory(k * sizeof *floats);
    for (size_t c = 0; c < n_cols; c++) {
        for (size_t i = 0; i < k; i++)
            floats[i] = (float)((i * 37 + c * 11) % 101) * 0.02f - 1;
        k512.prepare[ACT_BF16](x + c * stride, floats, k, 0, k);
    }
    free(floats);
    return x;
}

/* The element of a row of weights and a column, and the size of its terms. */
static double element(double *sizes, const float *w, const uint8_t *x, size_t k)
{
    double sum = 0;
    *sizes = 0;
    for (size_t i = 0; i < k; i++) {
        const double term = (double)bf16_to_f32(bf16_from_f32(w[i])) * (double)bf16_to_f32(read_u16(x + 2 * i));
        sum += term;
        *sizes += fabs(term);
    }
    return sum;
}

/* Every `step`-th element in both directions, and that y is written nowhere else. */
static void check_elements(const struct gemm_type *type, const struct matmul_tile *t, int step)
{
    float *const w = memory(t->k * sizeof *w);
    for (int r = 0; r < t->n_rows; r += step) {
        k512.dequantize[type->dtype](w, (const uint8_t *)t->w + (size_t)r * t->w_stride, t->k);
        for (int c = 0; c < t->n_cols; c += step) {
            double sizes;
            const double want = element(&sizes, w, (const uint8_t *)t->x + (size_t)c * t->x_stride, t->k);
            const double bound = ((double)t->k / 16 + 8) * FLT_EPSILON * sizes + (double)t->k * FLT_MIN;
            const double got = (double)t->y[(size_t)c * t->y_stride + (size_t)r];
            if (!(fabs(got - want) <= bound))
                fail_msg("%s, row %d, column %d: %.9g, want %.9g within %.3g", type->name, r, c, got, want, bound);
        }
    }
    for (int c = 0; c < t->n_cols; c++)
        assert_true(t->y[(size_t)c * t->y_stride + (size_t)t->n_rows] == -77.0f);
    free(w);
}

static void check_shape(const struct gemm_type *type, int n_rows, int n_cols, size_t k, int step)
{
    uint64_t row;
    assert_true(dtype_row_bytes(type->dtype, k, &row));
    uint8_t *const w = make_weights((size_t)n_rows * row), *const x = make_activations((size_t)n_cols, k);
    const size_t y_stride = (size_t)n_rows + 1;
    float *const y = memory((size_t)n_cols * y_stride * sizeof *y);
    for (size_t i = 0; i < (size_t)n_cols * y_stride; i++)
        y[i] = -77;
    const struct matmul_tile t = { .y = y, .y_stride = y_stride, .w = w, .w_stride = (size_t)row, .x = x,
                                   .x_stride = act_row_bytes(ACT_BF16, k), .n_rows = n_rows, .n_cols = n_cols, .k = k,
                                   .scratch = memory(KERNEL_SCRATCH_BYTES) };
    type->gemm(&t);
    assert_false(amx.configured);
    check_elements(type, &t, step);
    free(t.scratch);
    free(y);
    free(x);
    free(w);
}

static void every_type_is_the_sum_of_its_bf16_products(void **state)
{
    (void)state;
    if (cpu_detect() < CPU_AVX512)
        skip();
    for (size_t i = 0; i < sizeof gemm_types / sizeof *gemm_types; i++)
        check_shape(&gemm_types[i], 33, 17, 512, 1);
}

static void shapes_past_every_limit_of_the_blocking(void **state)
{
    (void)state;
    if (cpu_detect() < CPU_AVX512)
        skip();
    const struct gemm_type *const f16 = &gemm_types[0], *const q4_0 = &gemm_types[2];
    check_shape(f16, 1, 1, 1, 1);
    check_shape(f16, 16, 32, 33, 1);
    check_shape(f16, 5, 47, 300, 1);
    check_shape(q4_0, ROWS + 40, 3, 32, 1);
    check_shape(q4_0, 40, COLUMNS + 40, CHUNK + 32, 7);
}

static int fill_table(void **state)
{
    (void)state;
    kernels_init(&k512, CPU_AVX512);
    return 0;
}

#else

static int fill_table(void **state)
{
    (void)state;
    return 0;
}
static void every_type_is_the_sum_of_its_bf16_products(void **state)
{
    (void)state;
    skip();
}
#define shapes_past_every_limit_of_the_blocking every_type_is_the_sum_of_its_bf16_products

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_the_sum_of_its_bf16_products),
        cmocka_unit_test(shapes_past_every_limit_of_the_blocking),
    };
    return cmocka_run_group_tests_name("amx", tests, fill_table, NULL);
}
