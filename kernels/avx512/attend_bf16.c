/* attend_bf16.c - attention in AVX-512 with products of bf16, for processors that have AVX512_BF16. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/pairs_bf16.h"

#include "kernels/generic/attend.h"

void avx512_attend_bf16(const struct attend *a)
{
    if (a->k_type == DTYPE_F32 || a->v_type == DTYPE_F32)
        avx512_attend(a);
    else
        attend(a);
}
