/* vnni.h - vpdpbusd of AVX-VNNI: to each dword of the sums four products, of bytes without sign by bytes with sign.
 * Where AVX_VNNI_EMULATED is set, as tests do, it is put together from AVX2, to the bit. */
#ifndef KERNELS_AVX2_VNNI_H
#define KERNELS_AVX2_VNNI_H

#include "kernels/generic/unpack.h"

INLINE __m256i dpbusd(__m256i sums, __m256i w, __m256i x)
{
#ifdef AVX_VNNI_EMULATED
    const __m256i even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(0xff)),
                                           _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8));
    return _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
#else
    return _mm256_dpbusd_avx_epi32(sums, w, x);
#endif
}

#endif
