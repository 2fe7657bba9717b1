/* table.c - the entries of the matrix instructions of Armv8.6, of 8-bit integers (smmla) and of bf16 (bfmmla): GEMMs;
 * for few columns the dot products below do. And attention, with dot products of bf16. */
#include "kernels/i8mm/i8mm.h"

/* From how many columns on gemm executes fewer instructions than dot, counted. */
#define GEMM_FROM_Q8 3
#define GEMM_FROM_BF16 5

static void use_gemm(struct matmul *entry, matmul_fn *gemm, enum act act, int from)
{
    entry->gemm = gemm;
    entry->gemm_act = act;
    entry->gemm_from = from;
}

void kernels_init_i8mm(struct kernels *k)
{
    k->prepare[ACT_BF16] = i8mm_prepare_bf16;
#define ENTRY(name, NAME) \
    use_gemm(&k->matmul[PRECISION_FAST][DTYPE_##NAME], i8mm_gemm_##name, ACT_Q8, GEMM_FROM_Q8);
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
    use_gemm(&k->matmul[PRECISION_FAST][DTYPE_F16], i8mm_gemm_f16, ACT_BF16, GEMM_FROM_BF16);
    use_gemm(&k->matmul[PRECISION_FAST][DTYPE_BF16], i8mm_gemm_bf16, ACT_BF16, GEMM_FROM_BF16);
    k->attend[PRECISION_FAST] = i8mm_attend_bf16;
}
