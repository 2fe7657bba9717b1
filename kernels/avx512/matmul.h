/* matmul.h - the matrix products of AVX-512, stamped for each type by the file of the function's first word. */
#ifndef KERNELS_AVX512_MATMUL_H
#define KERNELS_AVX512_MATMUL_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* 8-bit activations: matmul_dot.c, matmul_gemm.c. Float activations: matmul_float.c. */
#define DECLARE(name, NAME) \
    matmul_fn avx512_dot_##name, avx512_gemm_##name; \
    matmul_fn avx512_float_dot_##name, avx512_float_gemm_##name; \
    void avx512_dequantize_##name(float *y, const void *w, size_t n);
QUANTISED_TYPES(DECLARE)
DECLARE(f32, F32)
DECLARE(f16, F16)
DECLARE(bf16, BF16)
#undef DECLARE

#endif
