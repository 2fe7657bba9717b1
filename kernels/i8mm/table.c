/* table.c - the entries of the matrix instructions of Armv8.6, of 8-bit integers (smmla) and of bf16 (bfmmla): GEMMs;
 * for few columns the dot products below do. And attention, with dot products of bf16. */
#include "kernels/i8mm/i8mm.h"

/* From how many columns on gemm executes fewer instructions than dot, counted. */
#define GEMM_FROM_Q8 3
#define GEMM_FROM_BF16 5

void kernels_init_i8mm(struct kernels *k)
{
    k->prepare[ACT_BF16] = i8mm_prepare_bf16;
    struct matmul *const fast = k->matmul[PRECISION_FAST];
#define ENTRY(name, NAME) \
    matmul_set_way(&fast[DTYPE_##NAME], (struct way){ ACT_Q8, GEMM_FROM_Q8, i8mm_gemm_##name });
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
    matmul_set_way(&fast[DTYPE_F16], (struct way){ ACT_BF16, GEMM_FROM_BF16, i8mm_gemm_f16 });
    matmul_set_way(&fast[DTYPE_BF16], (struct way){ ACT_BF16, GEMM_FROM_BF16, i8mm_gemm_bf16 });
    k->attend[PRECISION_FAST] = i8mm_attend_bf16;
}
