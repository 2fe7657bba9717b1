/* matmul.c - the NEON entries for matrix products. */
#include "kernels/neon/matmul.h"
#include "kernels/neon/neon.h"

/* From how many columns on gemm executes fewer instructions than dot, counted. */
#define GEMM_FROM_Q8 4
#define GEMM_FROM_EXACT 5  /* quantised types, as floats */
#define GEMM_FROM_FLOAT 14 /* float types */

void kernels_init_neon_matmul(struct kernels *k)
{
    k->prepare[ACT_Q8] = neon_prepare_q8;
    /* Float weights take float activations at either precision. */
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = neon_dequantize_##name; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_F32, 1, neon_float_dot_##name }, { ACT_F32, GEMM_FROM_FLOAT, neon_float_gemm_##name } } };
    ENTRY(f32, F32)
    ENTRY(f16, F16)
    ENTRY(bf16, BF16)
#undef ENTRY
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = neon_dequantize_##name; \
    k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_F32, 1, neon_float_dot_##name }, { ACT_F32, GEMM_FROM_EXACT, neon_float_gemm_##name } } }; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_Q8, 1, neon_dot_##name }, { ACT_Q8, GEMM_FROM_Q8, neon_gemm_##name } } };
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
}
