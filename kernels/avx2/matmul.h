/* matmul.h - the matrix products of AVX2 and what they read, by type. */
#ifndef KERNELS_AVX2_MATMUL_H
#define KERNELS_AVX2_MATMUL_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* Float activations, every type: matmul_float.c. Weights to floats: matmul_convert.c. */
#define DECLARE(name, NAME) \
    matmul_fn avx2_float_dot_##name, avx2_float_gemm_##name; \
    void avx2_dequantize_##name(float *y, const void *w, size_t n);
DECLARE(f32, F32)
DECLARE(f16, F16)
DECLARE(bf16, BF16)
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* 8-bit activations, quantised types: matmul_dot.c and matmul_gemm.c. */
#define DECLARE(name, NAME) matmul_fn avx2_dot_##name, avx2_gemm_##name;
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* The same where there is AVX-VNNI: matmul_dot_vnni.c and matmul_gemm_vnni.c. */
#define DECLARE(name, NAME) matmul_fn avx2_vnni_dot_##name, avx2_vnni_gemm_##name;
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* Activations: prepare.c. */
void avx2_prepare_q8(void *y, const float *x, size_t k, size_t first, size_t n);

#endif
