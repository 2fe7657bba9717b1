/* signs.h - what a block of a type with a grid keeps beside its codes, for all 32 runs: signs, and scales. The bits of
 * byte r belong to the weights of run r: 1 for minus. blocks.h says where they are. */
#ifndef KERNELS_GENERIC_SIGNS_H
#define KERNELS_GENERIC_SIGNS_H

#include "kernels/generic/unpack.h"
#include "kernels/runs.h"

INLINE __m256i load_32(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE float first_of_f16(const uint8_t *p)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(read_u16(p))));
}

/* Four fields of some bits from each dword, one a byte. */
INLINE __m256i bytes_of_fields(__m256i dwords, int bits)
{
    __m256i bytes = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
        const __m256i field = _mm256_and_si256(dwords, _mm256_set1_epi32(((1 << bits) - 1) << i * bits));
        bytes = _mm256_or_si256(bytes, _mm256_slli_epi32(field, (8 - bits) * i));
    }
    return bytes;
}

/* The eighth bit makes the number of ones even. Shifts within words: what comes in from a neighbour is never used. */
INLINE __m256i eight_of_seven(__m256i signs)
{
    __m256i parity = _mm256_xor_si256(signs, _mm256_srli_epi16(signs, 4));
    parity = _mm256_xor_si256(parity, _mm256_srli_epi16(parity, 2));
    parity = _mm256_xor_si256(parity, _mm256_srli_epi16(parity, 1));
    const __m256i eighth = _mm256_and_si256(_mm256_slli_epi16(parity, 7), _mm256_set1_epi8((char)0x80));
    return _mm256_or_si256(signs, eighth);
}

/* The second dword of each group of iq2_xxs. */
INLINE __m256i words_iq2_xxs(const struct block_iq2_xxs *b)
{
    const __m256 first = _mm256_castsi256_ps(load_32(b->qs)), second = _mm256_castsi256_ps(load_32(b->qs + 32));
    const __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(first, second, _MM_SHUFFLE(3, 1, 3, 1)));
    return _mm256_permute4x64_epi64(odd, _MM_SHUFFLE(3, 1, 2, 0));
}

INLINE __m256i signs_iq2_xs(const struct block_iq2_xs *b)
{
    const __m256i first = _mm256_srli_epi16(load_32(b->qs), 9), second = _mm256_srli_epi16(load_32(b->qs + 32), 9);
    return eight_of_seven(_mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), _MM_SHUFFLE(3, 1, 2, 0)));
}

/* Of iq1 the whole byte of a run is 0xff if its shift is -1/8. */
INLINE __m256i words_iq1_s(const struct block_iq1_s *b)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)b->qh));
}

INLINE __m256i shifts_iq1_s(__m256i words)
{
    return _mm256_srai_epi32(_mm256_slli_epi32(words, 16), 31);
}

INLINE __m128i low_nibbles(__m128i bytes)
{
    return _mm_and_si128(bytes, _mm_set1_epi8(15));
}

INLINE __m256i shifts_iq1_m(const struct block_iq1_m *b)
{
    const __m128i qh = _mm_loadu_si128((const __m128i *)b->qh);
    const __m128i even = low_nibbles(qh), odd = low_nibbles(_mm_srli_epi16(qh, 4));
    const __m256i nibbles = _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
    return _mm256_cmpgt_epi8(nibbles, _mm256_set1_epi8(7));
}

/* d times the odd numbers that eight dwords of scale stand for: one for each group. */
INLINE __m256 odd_scales(__m256i sc, float d)
{
    const __m256i odd = _mm256_or_si256(_mm256_slli_epi32(sc, 1), _mm256_set1_epi32(1));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(odd), _mm256_set1_ps(d));
}

INLINE __m256i scales_iq3_s(const struct block_iq3_s *b)
{
    const __m256i all = _mm256_set1_epi32((int)read_u32(b->scales));
    return _mm256_and_si256(_mm256_srlv_epi32(all, _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                            _mm256_set1_epi32(15));
}

/* 16 nibbles, a byte for each sub-block. */
INLINE __m128i scales_of_nibbles(const uint8_t scales[8])
{
    const __m128i all = _mm_loadl_epi64((const __m128i *)scales);
    return _mm_unpacklo_epi8(low_nibbles(all), low_nibbles(_mm_srli_epi16(all, 4)));
}

INLINE __m128i scales_iq1_m(const struct block_iq1_m *b)
{
    const __m128i words = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)b->scales));
    return _mm256_castsi256_si128(bytes_of_fields(_mm256_castsi128_si256(words), 3));
}

#endif
