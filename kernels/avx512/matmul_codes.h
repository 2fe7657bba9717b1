/* matmul_codes.h - blocks of a type with a grid and signs, taken apart for look-ups within vectors: 32 codes of each of
 * two rows, those of the first row in the lower half of a vector, a code a byte. A dword of it is a lane: four codes in
 * a row.
 *
 * A code stands for a run of 8 weights (iq3: of 4), so the codes are those of a block (iq3: of half a block). */
#ifndef KERNELS_AVX512_MATMUL_CODES_H
#define KERNELS_AVX512_MATMUL_CODES_H

#include "kernels/codebooks.h"
#include "kernels/generic/signs.h"
#include "kernels/scales.h"

struct codes {
    __m512i low;       /* the lower eight bits of each code */
    __mmask64 high[2]; /* the bits above them */
    __m512i signs;     /* a byte a run of 8 weights, bit i for weight i, 1 for minus; iq3: a byte for each of the run's
                        * two codes, the same */
    __m512 d[2];       /* scale of each lane; of its first and its second half, where these differ */
};

/** `half`: which half of the blocks, where codes are runs of 4. */
typedef void codes_fn(struct codes *c, const void *first, const void *second, int half);

/* ---- Pieces of both rows ---- */

INLINE __m256i both_16(const uint8_t *first, const uint8_t *second)
{
    return _mm256_set_m128i(_mm_loadu_si128((const __m128i *)second), _mm_loadu_si128((const __m128i *)first));
}

INLINE __m128i both_8(const uint8_t *first, const uint8_t *second)
{
    return _mm_set_epi64x((long long)read_u64(second), (long long)read_u64(first));
}

INLINE __m512i both_32(const uint8_t *first, const uint8_t *second)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(load_32(first)), load_32(second), 1);
}

/* d times the odd numbers, of the first row in the lower lanes. */
INLINE __m512 odd_scales_of(__m512i odd, float first, float second)
{
    const __m512 d = _mm512_mask_mov_ps(_mm512_set1_ps(first), 0xff00, _mm512_set1_ps(second));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(odd), d);
}

/* 2 n + 1 of the `bits` that dwords hold from bit `at` on. */
INLINE __m512i odd_field(__m512i dwords, int at, int bits)
{
    const __m512i mask = _mm512_set1_epi32(((1 << bits) - 1) << 1), one = _mm512_set1_epi32(1);
    const __m512i moved = at > 0 ? _mm512_srli_epi32(dwords, (unsigned)at - 1) : _mm512_slli_epi32(dwords, 1);
    return _mm512_or_si512(_mm512_and_si512(moved, mask), one);
}

/* Each byte's seven lower bits and the eighth that makes the number of ones even. */
INLINE __m512i even_signs(__m512i seven)
{
    return _mm512_permutex2var_epi8(_mm512_loadu_si512(codebook_signs), seven,
                                    _mm512_loadu_si512(codebook_signs + 64));
}

/* Bits from the given places on of each 64-bit number, a byte each. */
INLINE __m512i fields(__m512i numbers, long long places)
{
    return _mm512_multishift_epi64_epi8(_mm512_set1_epi64(places), numbers);
}

/* The lower dword of each 64 bits, twice. */
INLINE __m512i lower_twice(__m512i numbers)
{
    return _mm512_shuffle_epi32(numbers, 0xa0);
}

INLINE __mmask64 bit_of(__m512i bytes, int bit)
{
    return _mm512_test_epi8_mask(bytes, _mm512_set1_epi8((char)(1 << bit)));
}

/* ---- The types ---- */

INLINE void codes_iq2_xxs(struct codes *c, const void *first, const void *second, int half)
{
    (void)half;
    const struct block_iq2_xxs *a = first, *b = second;
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i qa = _mm512_loadu_si512(a->qs), qb = _mm512_loadu_si512(b->qs);
    const __m512i words = _mm512_permutex2var_epi32(qa, _mm512_or_si512(even, _mm512_set1_epi32(1)), qb);
    c->low = _mm512_permutex2var_epi32(qa, even, qb);
    c->signs = even_signs(fields(words, 0x352e2720150e0700)); /* at 0, 7, 14, 21 of each dword */
    c->d[0] = odd_scales_of(odd_field(words, 28, 4), first_of_f16(a->d) / 8, first_of_f16(b->d) / 8);
}

/* Scales of sub-blocks of 16: nibbles of 8 bytes. */
INLINE void scale_halves(struct codes *c, const uint8_t first[8], const uint8_t second[8], float d_first,
                         float d_second)
{
    const __m512i bytes = _mm512_cvtepu8_epi32(both_8(first, second));
    c->d[0] = odd_scales_of(odd_field(bytes, 0, 4), d_first, d_second);
    c->d[1] = odd_scales_of(odd_field(bytes, 4, 4), d_first, d_second);
}

INLINE void codes_iq2_xs(struct codes *c, const void *first, const void *second, int half)
{
    (void)half;
    const struct block_iq2_xs *a = first, *b = second;
    const __m512i even = _mm512_set_epi64(0x7e7c7a7876747270, 0x6e6c6a6866646260, 0x5e5c5a5856545250,
                                          0x4e4c4a4846444240, 0x3e3c3a3836343230, 0x2e2c2a2826242220,
                                          0x1e1c1a1816141210, 0x0e0c0a0806040200);
    const __m512i qa = _mm512_loadu_si512(a->qs), qb = _mm512_loadu_si512(b->qs);
    const __m512i upper = _mm512_permutex2var_epi8(qa, _mm512_or_si512(even, _mm512_set1_epi8(1)), qb);
    c->low = _mm512_permutex2var_epi8(qa, even, qb);
    c->high[0] = bit_of(upper, 0);
    c->signs = even_signs(_mm512_srli_epi16(upper, 1));
    scale_halves(c, a->scales, b->scales, first_of_f16(a->d) / 8, first_of_f16(b->d) / 8);
}

INLINE void codes_iq2_s(struct codes *c, const void *first, const void *second, int half)
{
    (void)half;
    const struct block_iq2_s *a = first, *b = second;
    const __m512i high = fields(_mm512_cvtepu16_epi64(both_8(a->qh, b->qh)), 0x0e0c0a0806040200);
    c->high[0] = bit_of(high, 0);
    c->high[1] = bit_of(high, 1);
    c->low = both_32(a->qs, b->qs);
    c->signs = both_32(a->signs, b->signs);
    scale_halves(c, a->scales, b->scales, first_of_f16(a->d) / 8, first_of_f16(b->d) / 8);
}

INLINE void codes_iq3_xxs(struct codes *c, const void *first, const void *second, int half)
{
    const struct block_iq3_xxs *a = first, *b = second;
    const __m512i words = _mm512_cvtepu32_epi64(both_16(a->scales + 16 * half, b->scales + 16 * half));
    c->low = both_32(a->qs + 32 * half, b->qs + 32 * half);
    c->signs = even_signs(fields(words, 0x15150e0e07070000));
    c->d[0] = odd_scales_of(lower_twice(odd_field(words, 28, 4)), first_of_f16(a->d) / 4, first_of_f16(b->d) / 4);
}

INLINE void codes_iq3_s(struct codes *c, const void *first, const void *second, int half)
{
    const struct block_iq3_s *a = first, *b = second;
    const __m512i nibbles = _mm512_mask_mov_epi32(_mm512_set1_epi32((int)read_u32(a->scales)), 0xff00,
                                                  _mm512_set1_epi32((int)read_u32(b->scales)));
    const __m512i at = _mm512_add_epi32(_mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 0, 0, 4, 4, 8, 8, 12, 12),
                                        _mm512_set1_epi32(16 * half));
    const __m512i signs = _mm512_cvtepu8_epi16(both_16(a->signs + 16 * half, b->signs + 16 * half));
    c->low = both_32(a->qs + 32 * half, b->qs + 32 * half);
    c->high[0] = read_u32(a->qh + 4 * half) | (__mmask64)read_u32(b->qh + 4 * half) << 32;
    c->signs = _mm512_or_si512(signs, _mm512_slli_epi16(signs, 8));
    c->d[0] = odd_scales_of(odd_field(_mm512_srlv_epi32(nibbles, at), 0, 4), first_of_f16(a->d), first_of_f16(b->d));
}

#endif
