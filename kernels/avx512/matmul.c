/* matmul.c - the AVX-512 entries for matrix products. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/matmul.h"

void kernels_init_avx512_matmul(struct kernels *k, const struct cpu_features *f)
{
    if (!f->avx512_vnni)
        return;
#define ENTRY(name, NAME) \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = (struct matmul){ \
        .act = ACT_Q8, .dot = avx512_dot_##name, .gemm = avx512_gemm_##name, .gemm_from = 6 };
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
}
