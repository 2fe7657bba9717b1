/* matmul.h - the matrix products of the matrix instructions of Armv8.6, by type. */
#ifndef KERNELS_I8MM_MATMUL_H
#define KERNELS_I8MM_MATMUL_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* 8-bit activations, quantised types: matmul_gemm.c. */
#define DECLARE(name, NAME) matmul_fn i8mm_gemm_##name;
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* Activations rounded to bf16: matmul_bf16.c. */
matmul_fn i8mm_gemm_f16, i8mm_gemm_bf16;
void i8mm_prepare_bf16(void *y, const float *x, size_t k);

#endif
