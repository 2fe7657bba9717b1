/* i8mm.h - what is made of the matrix instructions of Armv8.6. */
#ifndef KERNELS_I8MM_H
#define KERNELS_I8MM_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* 8-bit activations, quantised types: matmul_gemm.c. */
#define DECLARE(name, NAME) matmul_fn i8mm_gemm_##name;
QUANTISED_TYPES(DECLARE)
#undef DECLARE

/* Activations rounded to bf16: matmul_bf16.c. */
matmul_fn i8mm_gemm_f16, i8mm_gemm_bf16;
void i8mm_prepare_bf16(void *y, const float *x, size_t k, size_t first, size_t n);

/* In bf16 where neither keys nor values are stored finer: attend.c. */
attend_fn i8mm_attend_bf16;

#endif
