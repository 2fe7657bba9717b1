/* attend_bf16.c - attention in AVX-512 with products of bf16, for processors that have AVX512_BF16. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/pairs_bf16.h"

#include "kernels/generic/attend.h"

void avx512_attend_bf16(const struct attend *a)
{
    if (kv_is_finer(a->k_type) || kv_is_finer(a->v_type))
        avx512_attend(a);
    else
        attend(a);
}
