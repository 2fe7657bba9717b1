/* matmul_unpack_few.h - the types of few values (one or two bits, ternary) and of 4-bit codes in the common form. */
#ifndef KERNELS_AVX512_MATMUL_UNPACK_FEW_H
#define KERNELS_AVX512_MATMUL_UNPACK_FEW_H

#include "kernels/avx512/matmul_unpack.h"
#include "kernels/codebooks.h"

INLINE __m512i load_4(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d)
{
    return load_lanes((const uint8_t *const[]){ a, b, c, d });
}

/* Eight scales by group of 32. */
INLINE void scale_groups(struct unit *u, __m256 by_group, int offset)
{
    (void)offset; /* one of the type's constants here */
    u->d = twice(by_group);
}

/* What 4-bit codes stand for, plus offset. */
INLINE __m512i look_up(__m512i codes, const int8_t values[16], int offset)
{
    const __m128i table = _mm_add_epi8(_mm_loadu_si128((const __m128i *)values), _mm_set1_epi8((char)offset));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), codes);
}

INLINE void look_up_all(struct unit *u, const int8_t values[16], int offset)
{
    for (int r = 0; r < 4; r++)
        u->q[r] = look_up(u->q[r], values, offset);
}

INLINE void unpack_iq4_nl(struct unit *u, const uint8_t *w, int n_blocks)
{
    unpack_q4_0(u, w, n_blocks); /* which it is but for what the nibbles mean */
    look_up_all(u, codebook_iq4_nl, 128);
}

INLINE void unpack_mxfp4(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_mxfp4), qs = offsetof(struct block_mxfp4, qs);
    split_nibbles(u, every_second_block(w + qs, bytes, 0, n_blocks), every_second_block(w + qs, bytes, 1, n_blocks),
                  2, 1);
    look_up_all(u, codebook_fp4, 12);
    u->d = twice(half_e8m0(w, bytes, n_blocks));
}

INLINE void unpack_iq4_xs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq4_xs *b = (const void *)w;
    const __m512i first = _mm512_loadu_si512(b->qs), second = _mm512_loadu_si512(b->qs + 64);
    split_nibbles(u, _mm512_shuffle_i32x4(first, second, 0x88), _mm512_shuffle_i32x4(first, second, 0xdd), 2, 1);
    look_up_all(u, codebook_iq4_nl, 128);
    const __m256 d = _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(read_u16(b->d))));
    u->d = twice(_mm256_mul_ps(d, scales_iq4_xs(b)));
}

/* 8 bytes hold a sub-block: they go to both halves of its lane, low nibbles to one, high to the other. */
INLINE void unpack_nvfp4(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_nvfp4 *b = (const void *)w;
    const __m512i both = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3), shift = _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    uint32_t d[4] = { 0 };
    for (int i = 0; i < n_blocks; i++)
        d[i] = read_u32(b[i].d);
    for (int r = 0; r < 4; r++) { /* two sub-blocks of a block, and two of the second after it */
        const int first = r / 2 < n_blocks ? r / 2 : 0, second = 2 + r / 2 < n_blocks ? 2 + r / 2 : 0;
        const __m128i low = _mm_loadu_si128((const __m128i *)(b[first].qs + r % 2 * 16));
        const __m128i high = _mm_loadu_si128((const __m128i *)(b[second].qs + r % 2 * 16));
        const __m512i bytes = _mm512_castsi256_si512(_mm256_set_m128i(high, low));
        u->q[r] = _mm512_and_si512(_mm512_srlv_epi64(_mm512_permutexvar_epi64(both, bytes), shift),
                                   _mm512_set1_epi8(15));
    }
    look_up_all(u, codebook_fp4, 12);
    u->d = _mm512_insertf32x8(_mm512_castps256_ps512(half_ue4m3(d[0] | (uint64_t)d[1] << 32)),
                              half_ue4m3(d[2] | (uint64_t)d[3] << 32), 1);
}

/* 16-bit words, one a sub-block, where bits_of() finds them: lane i holds those of its sub-blocks in all q[r]. */
INLINE __m512i words_to_lanes(__m256i words, bool pairs)
{
    const __m512i from = pairs ? _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3) : _mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3);
    return _mm512_permutexvar_epi64(from, _mm512_castsi256_si512(words));
}

/* Bit l of a sub-block's word belongs to its weight l: the bits of all weights in q[r]. */
INLINE __mmask64 bits_of(__m512i lanes, int r, bool pairs)
{
    const long long low = 0x0101010101010101, step = pairs ? 0 : 2 * low;
    const __m512i first = _mm512_setr_epi64(0, low, step, step + low, 0, low, step, step + low);
    const __m512i at = _mm512_add_epi8(first, _mm512_set1_epi8((char)(pairs ? 2 * r : 4 * r)));
    return _mm512_test_epi8_mask(_mm512_shuffle_epi8(lanes, at), _mm512_set1_epi64((long long)0x8040201008040201));
}

INLINE void unpack_q1_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q1_0 *b = (const void *)w;
    const __m512i lanes = words_to_lanes(_mm256_set_m128i(_mm_loadu_si128((const __m128i *)b[n_blocks > 1].qs),
                                                          _mm_loadu_si128((const __m128i *)b[0].qs)), true);
    for (int r = 0; r < 4; r++)
        u->q[r] = _mm512_maskz_mov_epi8(bits_of(lanes, r, true), _mm512_set1_epi8(2));
    const __m512 second = n_blocks > 1 ? broadcast_f16(b[1].d) : _mm512_setzero_ps();
    u->d = _mm512_mask_mov_ps(broadcast_f16(b[0].d), 0xff00, second);
}

/* Byte l of a dword of qs, which is a sub-block, moves to a dword of its own, where its crumbs part. */
INLINE void unpack_q2_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q2_0 *b = (const void *)w;
    const __m512i all = load_4(b[0].qs, b[n_blocks > 1 ? 1 : 0].qs, b[n_blocks > 2 ? 2 : 0].qs,
                               b[n_blocks > 3 ? 3 : 0].qs);
    for (int r = 0; r < 4; r++) {
        const __m128i at = _mm_add_epi32(_mm_setr_epi32(0x80808000, 0x80808001, 0x80808002, 0x80808003),
                                         _mm_set1_epi32(4 * r));
        const __m512i bytes = _mm512_shuffle_epi8(all, _mm512_broadcast_i32x4(at));
        const __m512i two = _mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 6));
        u->q[r] = _mm512_and_si512(_mm512_or_si512(two, _mm512_slli_epi32(two, 12)), _mm512_set1_epi8(3));
    }
    u->d = twice(f16_by_group(w, sizeof *b, 2, n_blocks));
}

/* In the order of pairs lane i of q[r] holds the bits from 4 (i % 2) + 2 (r / 2) of 16 bytes: those of half i / 2. */
INLINE void unpack_tq2_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_tq2_0 *b = (const void *)w;
    const __m512i all = _mm512_loadu_si512(b->qs), shift = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    const __m512i even = _mm512_srlv_epi64(_mm512_shuffle_i32x4(all, all, _MM_SHUFFLE(2, 2, 0, 0)), shift);
    const __m512i odd = _mm512_srlv_epi64(_mm512_shuffle_i32x4(all, all, _MM_SHUFFLE(3, 3, 1, 1)), shift);
    const __m512i low = _mm512_set1_epi8(3);
    u->q[0] = _mm512_and_si512(even, low);
    u->q[1] = _mm512_and_si512(odd, low);
    u->q[2] = _mm512_and_si512(_mm512_srli_epi16(even, 2), low);
    u->q[3] = _mm512_and_si512(_mm512_srli_epi16(odd, 2), low);
    u->d = broadcast_f16(b->d);
}

/* The digit of each byte that its power of 3, given by words, brings to the front: 0 below 1/3, 1 below 2/3, else 2. */
INLINE __m512i digits(__m512i bytes, __m512i powers)
{
    const __m512i even = _mm512_mullo_epi16(bytes, powers);
    const __m512i odd = _mm512_mullo_epi16(_mm512_andnot_si512(_mm512_set1_epi16(0xff), bytes), powers);
    const __m512i fractions = _mm512_mask_mov_epi8(even, 0xaaaaaaaaaaaaaaaa, odd), one = _mm512_set1_epi8(1);
    const __m512i first = _mm512_maskz_mov_epi8(_mm512_cmpge_epu8_mask(fractions, _mm512_set1_epi8(86)), one);
    return _mm512_mask_add_epi8(first, _mm512_cmpge_epu8_mask(fractions, _mm512_set1_epi8((char)171)), first, one);
}

/* The same power in all of a lane. */
INLINE __m512i powers_of_lanes(int a, int b, int c, int d)
{
    const short p = (short)a, q = (short)b, r = (short)c, s = (short)d;
    return _mm512_set_epi16(s, s, s, s, s, s, s, s, r, r, r, r, r, r, r, r, q, q, q, q, q, q, q, q, p, p, p, p, p, p, p,
                            p);
}

/* Sub-blocks: 0, 2, .. 8 are the digits of the first 16 bytes, 1, 3, .. 9 those of the second, 10 to 14 those of the
 * third; the last four bytes have a dword each for their digits in sub-block 15. */
INLINE void unpack_tq1_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_tq1_0 *b = (const void *)w;
    const __m128i tail = _mm_set1_epi32((int)read_u32(b->qh));
    const __m512i all = _mm512_inserti32x4(_mm512_inserti32x4(_mm512_castsi256_si512(
        _mm256_loadu_si256((const __m256i *)b->qs)), _mm_loadu_si128((const __m128i *)(b->qs + 32)), 2), tail, 3);
    const __m512i last = _mm512_inserti32x4(powers_of_lanes(3, 27, 3, 0),
                                            _mm_setr_epi16(1, 1, 3, 3, 9, 9, 27, 27), 3);
    u->q[0] = digits(_mm512_shuffle_i32x4(all, all, _MM_SHUFFLE(2, 0, 0, 0)), powers_of_lanes(1, 9, 81, 9));
    u->q[1] = digits(_mm512_shuffle_i32x4(all, all, _MM_SHUFFLE(2, 1, 1, 1)), powers_of_lanes(1, 9, 81, 27));
    u->q[2] = digits(_mm512_shuffle_i32x4(all, all, _MM_SHUFFLE(2, 2, 0, 0)), powers_of_lanes(3, 27, 1, 81));
    u->q[3] = digits(_mm512_shuffle_i32x4(all, all, _MM_SHUFFLE(3, 2, 1, 1)), last);
    u->d = broadcast_f16(b->d);
}

#endif
