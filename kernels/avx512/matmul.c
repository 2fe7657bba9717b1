/* matmul.c - the AVX-512 entries for matrix products. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/matmul.h"

/* From how many columns on gemm is the faster one, measured. */
#define GEMM_FROM_Q8 5
#define GEMM_FROM_EXACT 8  /* quantised types, as floats */
#define GEMM_FROM_FLOAT 48 /* float types */
#define GEMM_FROM_BF16 20

/* Many columns as bf16; few are bound by reading the weights, which floats do as fast. */
static void use_bf16(struct matmul *entry, matmul_fn *gemm)
{
    entry->gemm = gemm;
    entry->gemm_act = ACT_BF16;
    entry->gemm_from = GEMM_FROM_BF16;
}

void kernels_init_avx512_matmul(struct kernels *k, const struct cpu_features *f)
{
    k->prepare[ACT_Q8] = avx512_prepare_q8;
    k->prepare[ACT_BF16] = avx512_prepare_bf16;
    /* Float weights take float activations at either precision, except for many columns where bf16 is faster. */
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = avx512_dequantize_##name; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        ACT_F32, ACT_F32, avx512_float_dot_##name, avx512_float_gemm_##name, GEMM_FROM_FLOAT };
    ENTRY(f32, F32)
    ENTRY(f16, F16)
    ENTRY(bf16, BF16)
#undef ENTRY
    if (f->fast_bf16) {
        use_bf16(&k->matmul[PRECISION_FAST][DTYPE_F16], avx512_bf16_gemm_f16);
        use_bf16(&k->matmul[PRECISION_FAST][DTYPE_BF16], avx512_bf16_gemm_bf16);
    }
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = avx512_dequantize_##name; \
    k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        ACT_F32, ACT_F32, avx512_float_dot_##name, avx512_float_gemm_##name, GEMM_FROM_EXACT }; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = (struct matmul){ \
        ACT_Q8, ACT_Q8, avx512_dot_##name, avx512_gemm_##name, GEMM_FROM_Q8 };
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
    if (f->avx512_vbmi) {
#define ENTRY(name, NAME) k->matmul[PRECISION_FAST][DTYPE_##NAME].dot = avx512_vbmi_dot_##name;
        SIGNED_GRID_TYPES(ENTRY)
#undef ENTRY
    }
}
