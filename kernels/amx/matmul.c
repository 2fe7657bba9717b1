/* matmul.c - the AMX entries for matrix products: those of AVX-512, but with tiles for many columns. */
#include "kernels/amx/matmul.h"

/* From how many columns on tiles are the faster way, measured. */
#define GEMM_FROM 24
#define GEMM_FROM_SCALAR 4 /* where the other way is that of scalar */

void kernels_init_amx(struct kernels *k)
{
    struct matmul *const fast = k->matmul[PRECISION_FAST];
#define ENTRY(name, NAME) matmul_set_way(&fast[DTYPE_##NAME], (struct way){ ACT_BF16, GEMM_FROM, amx_gemm_##name });
    ENTRY(f16, F16)
    ENTRY(bf16, BF16)
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
#define ENTRY(name, NAME) \
    matmul_set_way(&fast[DTYPE_##NAME], (struct way){ ACT_BF16, GEMM_FROM_SCALAR, amx_gemm_##name });
    SCALAR_TYPES(ENTRY)
#undef ENTRY
}
