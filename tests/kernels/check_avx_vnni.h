/* check_avx_vnni.h - products by vpdpbusd, put together from AVX2 where a test includes them, give the bits of AVX2's
 * own: both sum integers exactly, and floats in the same order. test_kernels runs the same code where the processor has
 * it. */
#ifndef TESTS_KERNELS_CHECK_AVX_VNNI_H
#define TESTS_KERNELS_CHECK_AVX_VNNI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__AVX2__)

static void *memory(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

static uint32_t next_random(void)
{
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static uint8_t *make_activations(const struct kernels *k, size_t n_cols, size_t length)
{
    const size_t stride = act_row_bytes(ACT_Q8, length);
    uint8_t *const x = memory(n_cols * stride);
    float *const floats = memory(length * sizeof *floats);
    for (size_t c = 0; c < n_cols; c++) {
        for (size_t i = 0; i < length; i++)
            floats[i] = (float)(next_random() % 2001) * 0.001f - 1;
        k->prepare[ACT_Q8](x + c * stride, floats, length, 0, length);
    }
    free(floats);
    return x;
}

/* Any bytes are weights, but a scale must be a number: of no byte are the bits set that make a 16-bit one infinite. */
static void check_shape(const struct kernels *k, matmul_fn *fn, matmul_fn *of_avx2, enum dtype dtype, int n_rows,
                        int n_cols, size_t length)
{
    uint64_t row;
    assert_true(dtype_row_bytes(dtype, length, &row));
    const size_t w_bytes = (size_t)n_rows * row, y_stride = (size_t)n_rows + 1, n = (size_t)n_cols * y_stride;
    uint8_t *const w = memory(w_bytes);
    for (size_t i = 0; i < w_bytes; i++)
        w[i] = next_random() & 0xbb;
    float *const y = memory(n * sizeof *y), *const want = memory(n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = want[i] = -77;
    struct matmul_tile t = { .y = y, .y_stride = y_stride, .w = w, .w_stride = (size_t)row,
                             .x = make_activations(k, (size_t)n_cols, length),
                             .x_stride = act_row_bytes(ACT_Q8, length), .n_rows = n_rows, .n_cols = n_cols,
                             .k = length, .scratch = memory(KERNEL_SCRATCH_BYTES) };
    fn(&t);
    t.y = want;
    of_avx2(&t);
    if (memcmp(y, want, n * sizeof *y) != 0)
        fail_msg("%s, %d rows, %d columns of %zu: other bits than AVX2's", dtype_name(dtype), n_rows, n_cols, length);
    free(t.scratch);
    free((void *)(uintptr_t)t.x);
    free(want);
    free(y);
    free(w);
}

#define TYPE(name, NAME) { DTYPE_##NAME, AVX_VNNI_PRODUCT(name) },
static void every_type_has_the_bits_of_avx2(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        matmul_fn *fn;
    } types[] = { QUANTISED_TYPES(TYPE) };
    if (cpu_detect() < CPU_AVX2)
        skip();
    struct kernels k = { 0 };
    kernels_init_scalar(&k);
    kernels_init_avx2(&k, &(struct cpu_features){ 0 });
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        matmul_fn *const of_avx2 = AVX2_PRODUCT(k.matmul[PRECISION_FAST][types[i].dtype]);
        check_shape(&k, types[i].fn, of_avx2, types[i].dtype, 35, 7, 256);
        check_shape(&k, types[i].fn, of_avx2, types[i].dtype, 1 + (int)(next_random() % 40),
                    1 + (int)(next_random() % 9), 256 * (1 + next_random() % 5));
    }
}

#else

static void every_type_has_the_bits_of_avx2(void **state)
{
    (void)state;
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_type_has_the_bits_of_avx2) };
    return cmocka_run_group_tests_name("AVX-VNNI", tests, NULL, NULL);
}

#endif
