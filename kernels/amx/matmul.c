/* matmul.c - the AMX entries for matrix products: those of AVX-512, but with tiles for many columns. */
#include "kernels/amx/matmul.h"

/* From how many columns on gemm is the faster one, measured. */
#define GEMM_FROM 24
#define GEMM_FROM_SCALAR 4 /* where dot is that of scalar */

static void use_gemm(struct matmul *entry, matmul_fn *gemm, int from)
{
    entry->gemm = gemm;
    entry->gemm_act = ACT_BF16;
    entry->gemm_from = from;
}

void kernels_init_amx(struct kernels *k)
{
#define ENTRY(name, NAME) use_gemm(&k->matmul[PRECISION_FAST][DTYPE_##NAME], amx_gemm_##name, GEMM_FROM);
    ENTRY(f16, F16)
    ENTRY(bf16, BF16)
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
#define ENTRY(name, NAME) use_gemm(&k->matmul[PRECISION_FAST][DTYPE_##NAME], amx_gemm_##name, GEMM_FROM_SCALAR);
    SCALAR_TYPES(ENTRY)
#undef ENTRY
}
