/* dotprod.h - what is made of the dot product instructions of Armv8.2. */
#ifndef KERNELS_DOTPROD_H
#define KERNELS_DOTPROD_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* 8-bit activations, quantised types: matmul_dot.c and matmul_gemm.c. */
#define DECLARE(name, NAME) matmul_fn dotprod_dot_##name, dotprod_gemm_##name;
QUANTISED_TYPES(DECLARE)
#undef DECLARE

#endif
