/* pairs_bf16.h - pairs of bf16, which vdpbf16ps multiplies and sums: what kernels/generic/pairs.h describes. Of the sums,
 * lane i is that of pair i. The products are exact; numbers below 2^-126 count as 0. */
#ifndef KERNELS_AVX512_PAIRS_BF16_H
#define KERNELS_AVX512_PAIRS_BF16_H

#include "kernels/avx512/simd.h"

#define PAIRS_TYPE DTYPE_BF16
#define PAIRS_OF_TYPES(F) F(BF16) F(Q8_0) F(Q4_0)
enum { PAIRS = VF, PAIR_VECTORS = 2 };
typedef uint16_t pnum;
typedef __m512i pv;

static inline pv pv_from(const vf x[PAIR_VECTORS])
{
    return (__m512i)_mm512_cvtne2ps_pbh(x[1], x[0]);
}
static inline pv pv_load(const pnum *p)
{
    return _mm512_loadu_si512(p);
}
static inline void pv_store(pnum *p, pv x)
{
    _mm512_storeu_si512(p, x);
}
static inline pv pv_set(const pnum *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}
static inline pv pv_ones(void)
{
    return _mm512_set1_epi32(0x3f803f80);
}
static inline pv pv_keep(pv x, bool first, bool second)
{
    return _mm512_and_si512(x, _mm512_set1_epi32((first ? 0xffff : 0) | (second ? -0x10000 : 0)));
}
static inline vf pv_fma(pv a, pv b, vf sums)
{
    return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
}
static inline vf pv_sums(const vf sums[2], int i)
{
    return sums[i];
}

#endif
