/* matmul.h - the matrix products of AVX-512 and what they read, by type. */
#ifndef KERNELS_AVX512_MATMUL_H
#define KERNELS_AVX512_MATMUL_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* Float activations, every type: matmul_float.c. Weights to floats: matmul_convert.c. */
#define DECLARE(name, NAME) \
    matmul_fn avx512_float_dot_##name, avx512_float_gemm_##name; \
    void avx512_dequantize_##name(float *y, const void *w, size_t n);
DECLARE(f32, F32)
DECLARE(f16, F16)
DECLARE(bf16, BF16)
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* bf16 activations, many columns, where there is vdpbf16ps: matmul_bf16.c. */
matmul_fn avx512_bf16_gemm_f16, avx512_bf16_gemm_bf16;

/* 8-bit activations, quantised types: matmul_dot.c, matmul_batch.c and matmul_gemm.c. */
#define DECLARE(name, NAME) matmul_fn avx512_dot_##name, avx512_batch_##name, avx512_gemm_##name;
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* The same, types with a grid and signs, few columns, where there are look-ups of bytes: matmul_dot_vbmi.c. */
#define DECLARE(name, NAME) matmul_fn avx512_vbmi_dot_##name;
SIGNED_GRID_TYPES(DECLARE)
#undef DECLARE

/* Activations: prepare.c. */
void avx512_prepare_q8(void *y, const float *x, size_t k, size_t first, size_t n);
void avx512_prepare_bf16(void *y, const float *x, size_t k, size_t first, size_t n);

#endif
