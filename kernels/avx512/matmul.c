/* matmul.c - the AVX-512 entries for matrix products. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/matmul.h"

/* From how many columns on a way is the fastest one, measured. */
#define BATCH_FROM_Q8 5
#define GEMM_FROM_Q8 96
#define GEMM_FROM_EXACT 8  /* quantised types, as floats */
#define GEMM_FROM_FLOAT 48 /* float types */
#define GEMM_FROM_BF16 20

void kernels_init_avx512_matmul(struct kernels *k, const struct cpu_features *f)
{
    k->prepare[ACT_Q8] = avx512_prepare_q8;
    k->prepare[ACT_BF16] = avx512_prepare_bf16;
    /* Float weights take float activations at either precision, except for many columns where bf16 is faster. */
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = avx512_dequantize_##name; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_F32, 1, avx512_float_dot_##name }, { ACT_F32, GEMM_FROM_FLOAT, avx512_float_gemm_##name } } };
    ENTRY(f32, F32)
    ENTRY(f16, F16)
    ENTRY(bf16, BF16)
#undef ENTRY
    if (f->fast_bf16) { /* few columns are bound by reading the weights, which floats do as fast */
        struct matmul *const fast = k->matmul[PRECISION_FAST];
        matmul_set_way(&fast[DTYPE_F16], (struct way){ ACT_BF16, GEMM_FROM_BF16, avx512_bf16_gemm_f16 });
        matmul_set_way(&fast[DTYPE_BF16], (struct way){ ACT_BF16, GEMM_FROM_BF16, avx512_bf16_gemm_bf16 });
    }
#define ENTRY(name, NAME) \
    k->dequantize[DTYPE_##NAME] = avx512_dequantize_##name; \
    k->matmul[PRECISION_EXACT][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_F32, 1, avx512_float_dot_##name }, { ACT_F32, GEMM_FROM_EXACT, avx512_float_gemm_##name } } }; \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_Q8, 1, avx512_dot_##name }, \
          { ACT_Q8, BATCH_FROM_Q8, avx512_batch_##name }, \
          { ACT_Q8, GEMM_FROM_Q8, avx512_gemm_##name } } };
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
    if (f->avx512_vbmi) {
#define ENTRY(name, NAME) k->matmul[PRECISION_FAST][DTYPE_##NAME].way[0].fn = avx512_vbmi_dot_##name;
        SIGNED_GRID_TYPES(ENTRY)
#undef ENTRY
    }
}
