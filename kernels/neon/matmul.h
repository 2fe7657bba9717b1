/* matmul.h - the matrix products of NEON and what they read, by type. */
#ifndef KERNELS_NEON_MATMUL_H
#define KERNELS_NEON_MATMUL_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* Float activations, every type: matmul_float.c. Weights to floats: matmul_convert.c. */
#define DECLARE(name, NAME) \
    matmul_fn neon_float_dot_##name, neon_float_gemm_##name; \
    void neon_dequantize_##name(float *y, const void *w, size_t n);
DECLARE(f32, F32)
DECLARE(f16, F16)
DECLARE(bf16, BF16)
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* 8-bit activations, quantised types: matmul_dot.c and matmul_gemm.c. */
#define DECLARE(name, NAME) matmul_fn neon_dot_##name, neon_gemm_##name;
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* Activations: prepare.c. */
void neon_prepare_q8(void *y, const float *x, size_t k, size_t first, size_t n);

#endif
