/* matmul.h - the matrix products of AMX, by type. */
#ifndef KERNELS_AMX_MATMUL_H
#define KERNELS_AMX_MATMUL_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* Activations rounded to bf16: matmul_gemm.c. */
#define DECLARE(name, NAME) matmul_fn amx_gemm_##name;
DECLARE(f16, F16)
DECLARE(bf16, BF16)
QUANTISED_TYPES(DECLARE)
SCALAR_TYPES(DECLARE)
#undef DECLARE

#endif
