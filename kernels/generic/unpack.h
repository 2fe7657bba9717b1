/* unpack.h - what the x86 sets share in unpacking: scales, 32 bytes at a time at most. A group is 32 weights. */
#ifndef KERNELS_GENERIC_UNPACK_H
#define KERNELS_GENERIC_UNPACK_H

#include "kernels/blocks.h"
#include "kernels/generic/inline.h"
#include "src/base/numbers.h"

#include <immintrin.h>

/** The f16 at the start of the block of each of eight groups; a block has `groups` of them. 0 for missing blocks. */
INLINE __m256 f16_by_group(const uint8_t *w, int bytes, int groups, int n_blocks)
{
    uint16_t f16[8] = { 0 };
    for (int i = 0; i < n_blocks * groups; i++)
        f16[i] = read_u16(w + i / groups * bytes);
    return _mm256_cvtph_ps(_mm_setr_epi16((short)f16[0], (short)f16[1], (short)f16[2], (short)f16[3], (short)f16[4],
                                          (short)f16[5], (short)f16[6], (short)f16[7]));
}

/** Halves of the E8M0 numbers at the start of eight blocks; 0 for missing blocks. Exponent 0 is 2^-127, of which the
 *  bits of a float with that exponent would make nothing. The one that is no number becomes infinite. */
INLINE __m256 half_e8m0(const uint8_t *w, int bytes, int n_blocks)
{
    uint64_t all = 0;
    for (int i = 0; i < n_blocks; i++)
        all |= (uint64_t)w[i * bytes] << 8 * i;
    const __m256i exponents = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)all));
    const __m256 powers = _mm256_castsi256_ps(_mm256_slli_epi32(exponents, 23));
    const __m256 halves = _mm256_max_ps(_mm256_mul_ps(powers, _mm256_set1_ps(0.5f)), _mm256_set1_ps(0x1p-128f));
    const __m256i there = _mm256_cmpgt_epi32(_mm256_set1_epi32(n_blocks), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return _mm256_and_ps(halves, _mm256_castsi256_ps(there));
}

/** Halves of eight unsigned E4M3 numbers, as ue4m3_to_f32() has them: without their top bits they are the bits of an
 *  f16 that is 256 times smaller, subnormal numbers too. */
INLINE __m256 half_ue4m3(uint64_t bytes)
{
    const __m128i all = _mm_cvtsi64_si128((long long)bytes), seven_bits = _mm_set1_epi8(0x7f);
    const __m128i numbers = _mm_and_si128(_mm_andnot_si128(_mm_cmpeq_epi8(all, seven_bits), all), seven_bits);
    return _mm256_mul_ps(_mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(numbers), 7)), _mm256_set1_ps(128));
}

/** The eight 6-bit scales of an iq4_xs block, less 32. */
INLINE __m256 scales_iq4_xs(const struct block_iq4_xs *b)
{
    const __m256i low = _mm256_srlv_epi32(_mm256_set1_epi32((int)read_u32(b->scales_l)),
                                          _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
    const __m256i high = _mm256_srlv_epi32(_mm256_set1_epi32(read_u16(b->scales_h)),
                                           _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
    const __m256i sc = _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi32(15)),
                                       _mm256_slli_epi32(_mm256_and_si256(high, _mm256_set1_epi32(3)), 4));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(sc, _mm256_set1_epi32(32)));
}

#endif
