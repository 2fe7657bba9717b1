/* matmul_unpack_few.h - the types of few values (one or two bits, ternary) and of 4-bit codes in the common form. */
#ifndef KERNELS_AVX2_MATMUL_UNPACK_FEW_H
#define KERNELS_AVX2_MATMUL_UNPACK_FEW_H

#include "kernels/avx2/matmul_unpack.h"
#include "kernels/codebooks.h"

/* What 4-bit codes stand for, plus offset. */
INLINE void look_up_all(struct unit *u, const int8_t values[16], int offset)
{
    const __m256i table = _mm256_add_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)values)),
                                          _mm256_set1_epi8((char)offset));
    for (int i = 0; i < 8; i++)
        u->q[i] = _mm256_shuffle_epi8(table, u->q[i]);
}

/* The values of iq4 span more than vpmaddubsw takes unsigned: they stay signed, as those of q8_0. */
INLINE void unpack_iq4_nl(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_iq4_nl);
    unpack_nibbles_32(u, w + offsetof(struct block_iq4_nl, qs), bytes, n_blocks);
    look_up_all(u, codebook_iq4_nl, 0);
    u->d[0] = u->d[1] = f16_by_group(w, bytes, 1, n_blocks);
}

INLINE void unpack_iq4_xs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq4_xs *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, 16, 8);
    look_up_all(u, codebook_iq4_nl, 0);
    u->d[0] = u->d[1] = _mm256_mul_ps(broadcast_f16(b->d), scales_iq4_xs(b));
}

INLINE void unpack_mxfp4(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_mxfp4);
    unpack_nibbles_32(u, w + offsetof(struct block_mxfp4, qs), bytes, n_blocks);
    look_up_all(u, codebook_fp4, 12);
    set_groups(u, half_e8m0(w, bytes, n_blocks), 12);
}

/* The 8 bytes of a sub-block go to both halves of 16, low nibbles to one, high to the other. */
INLINE __m256i sub_blocks_nvfp4(const struct block_nvfp4 *b, int i, int n_blocks)
{
    const uint64_t low = i / 4 < n_blocks ? read_u64(b[i / 4].qs + i % 4 * 8) : 0;
    const uint64_t high = i / 4 + 2 < n_blocks ? read_u64(b[i / 4 + 2].qs + i % 4 * 8) : 0;
    const __m256i both = _mm256_setr_epi64x((long long)low, (long long)low, (long long)high, (long long)high);
    return _mm256_and_si256(_mm256_srlv_epi64(both, _mm256_setr_epi64x(0, 4, 0, 4)), _mm256_set1_epi8(15));
}

INLINE void unpack_nvfp4(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_nvfp4 *b = (const void *)w;
    uint32_t d[4] = { 0 };
    for (int i = 0; i < n_blocks; i++)
        d[i] = read_u32(b[i].d);
    for (int i = 0; i < 8; i++)
        u->q[i] = sub_blocks_nvfp4(b, i, n_blocks);
    look_up_all(u, codebook_fp4, 12);
    for (int h = 0; h < 2; h++)
        u->d[h] = half_ue4m3(d[h] | (uint64_t)d[h + 2] << 32);
    set_offset(u, 12);
}

INLINE void unpack_q1_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q1_0 *b = (const void *)w;
    const __m256i bits = n_blocks > 1 ? load_lanes(b[0].qs, b[1].qs)
                                      : _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *)b[0].qs));
    for (int i = 0; i < 8; i++)
        u->q[i] = _mm256_and_si256(bytes_of_bits(bits, i), _mm256_set1_epi8(2));
    set_groups(u, f16_by_group(w, sizeof *b, 4, n_blocks), 1);
}

/* Dword i of each lane: its bytes move to dwords of their own, where their crumbs part. */
INLINE __m256i part_crumbs(__m256i bytes, int i)
{
    const __m128i source = _mm_or_si128(_mm_setr_epi32(4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3),
                                        _mm_set1_epi32((int)0x80808000));
    const __m256i one = _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(source));
    const __m256i two = _mm256_or_si256(one, _mm256_slli_epi32(one, 6));
    return _mm256_and_si256(_mm256_or_si256(two, _mm256_slli_epi32(two, 12)), _mm256_set1_epi8(3));
}

INLINE void unpack_q2_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q2_0 *b = (const void *)w;
    for (int i = 0; i < 2; i++) {
        __m256i bytes = _mm256_setzero_si256();
        if (i + 2 < n_blocks)
            bytes = load_lanes(b[i].qs, b[i + 2].qs);
        else if (i < n_blocks)
            bytes = _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *)b[i].qs));
        for (int j = 0; j < 4; j++)
            u->q[4 * i + j] = part_crumbs(bytes, j);
    }
    set_groups(u, f16_by_group(w, sizeof *b, 2, n_blocks), 1);
}

/* One scale for 256 weights. */
INLINE void scale_all(struct unit *u, const uint8_t *d, int offset)
{
    u->d[0] = u->d[1] = broadcast_f16(d);
    set_offset(u, offset);
}

INLINE void unpack_tq2_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_tq2_0 *b = (const void *)w;
    unpack_crumbs(u, b->qs);
    scale_all(u, b->d, 1);
}

/* The digit of each byte that its power of 3, given by words, brings to the front: 0 below 1/3, 1 below 2/3, else 2. */
INLINE __m256i digits(__m256i bytes, __m256i powers)
{
    const __m256i even_bytes = _mm256_set1_epi16(0xff), one = _mm256_set1_epi8(1);
    const __m256i even = _mm256_and_si256(_mm256_mullo_epi16(bytes, powers), even_bytes);
    const __m256i odd = _mm256_mullo_epi16(_mm256_andnot_si256(even_bytes, bytes), powers);
    const __m256i fractions = _mm256_or_si256(even, odd);
    const __m256i first = _mm256_min_epu8(_mm256_subs_epu8(fractions, _mm256_set1_epi8(85)), one);
    const __m256i second = _mm256_min_epu8(_mm256_subs_epu8(fractions, _mm256_set1_epi8((char)170)), one);
    return _mm256_add_epi8(first, second);
}

/* A power for each half. */
INLINE __m256i powers_of_halves(int low, int high)
{
    return _mm256_set_m128i(_mm_set1_epi16((short)high), _mm_set1_epi16((short)low));
}

/* 32 bytes with five digits, 16 with five, and four with four, a dword for each. This is the order of the weights; q[i]
 * wants the sub-blocks i and i + 8. */
INLINE void unpack_tq1_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_tq1_0 *b = (const void *)w;
    const __m256i first = _mm256_loadu_si256((const __m256i *)b->qs);
    const __m128i second = _mm_loadu_si128((const __m128i *)(b->qs + 32));
    const __m256i both = _mm256_set_m128i(second, second);
    __m256i q[8];
    for (int i = 0, power = 1; i < 5; i++, power *= 3)
        q[i] = digits(first, _mm256_set1_epi16((short)power));
    q[5] = digits(both, powers_of_halves(1, 3));
    q[6] = digits(both, powers_of_halves(9, 27));
    q[7] = digits(_mm256_set_m128i(_mm_set1_epi32((int)read_u32(b->qh)), second),
                     _mm256_set_m128i(_mm_setr_epi16(1, 1, 3, 3, 9, 9, 27, 27), _mm_set1_epi16(81)));
    for (int i = 0; i < 4; i++) {
        u->q[2 * i] = _mm256_permute2x128_si256(q[i], q[i + 4], 0x20);
        u->q[2 * i + 1] = _mm256_permute2x128_si256(q[i], q[i + 4], 0x31);
    }
    scale_all(u, b->d, 1);
}

#endif
