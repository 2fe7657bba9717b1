/* matmul.c - the AVX2 entries for matrix products. */
#include "kernels/avx2/avx2.h"
#include "kernels/avx2/matmul.h"

/* From how many columns on gemm is the faster one, measured. */
#define GEMM_FROM_Q8 4
#define GEMM_FROM_EXACT 8  /* quantised types, as floats */
#define GEMM_FROM_FLOAT 32 /* float types */

void kernels_init_avx2_matmul(struct kernels *k, const struct cpu_features *f)
{
    k->prepare[ACT_Q8] = avx2_prepare_q8;
    /* Float weights take float activations at either precision. */
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = avx2_dequantize_##name; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_F32, 1, avx2_float_dot_##name }, { ACT_F32, GEMM_FROM_FLOAT, avx2_float_gemm_##name } } };
    ENTRY(f32, F32)
    ENTRY(f16, F16)
    ENTRY(bf16, BF16)
#undef ENTRY
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = avx2_dequantize_##name; \
    k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_F32, 1, avx2_float_dot_##name }, { ACT_F32, GEMM_FROM_EXACT, avx2_float_gemm_##name } } }; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_Q8, 1, avx2_dot_##name }, { ACT_Q8, GEMM_FROM_Q8, avx2_gemm_##name } } };
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
    if (!f->avx_vnni)
        return;
#define ENTRY(name, NAME) \
    k->matmul[PRECISION_FAST][DTYPE_##NAME].way[0].fn = avx2_vnni_dot_##name; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME].way[1].fn = avx2_vnni_gemm_##name;
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
}
