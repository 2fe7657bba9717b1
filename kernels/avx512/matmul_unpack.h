/* matmul_unpack.h - every quantised type in one common form, 256 weights at a time: small unsigned integers in four
 * registers, and a scale and a minimum for each sub-block of 16.
 *
 * One inline function per type; what is done with the form (row dots, panels, floats) is written once over it.
 *
 * Order. A 128-bit lane always holds one sub-block; which one, follows from how the type packs its bits, so that
 * unpacking needs no byte shuffles:
 *   pairs    lane i of q[r] holds sub-block 4 i + r. Scales are those of 32 weights: q[0], q[1] share them lane by
 *            lane, and so do q[2], q[3], hence the products of two registers may be summed before they are scaled.
 *   singles  q[r] holds the sub-blocks 2 r, 2 r + 1, 8 + 2 r, 9 + 2 r: each register needs scales of its own. */
#ifndef KERNELS_AVX512_MATMUL_UNPACK_H
#define KERNELS_AVX512_MATMUL_UNPACK_H

#include "kernels/generic/unpack.h"

#include <stdbool.h>
#include <stddef.h>

#define UNIT 256 /* weights unpacked together */

struct unit {
    __m512i q[4];
    __m512 d; /* lane j: scale of sub-block j; pairs with minima of their own: scales in even lanes, minima in odd */
    __m512 m; /* lane j: minimum of sub-block j, where singles have them */
};

/** Unpack n_blocks blocks, at most those of 256 weights; scales and minima of those that are missing are 0. */
typedef void unpack_fn(struct unit *u, const uint8_t *w, int n_blocks);

struct type {
    unpack_fn *unpack;
    int block, bytes; /* weights and bytes of a block */
    bool pairs;       /* the order */
    int offset;       /* weight = d * (q - offset); 0: the type has minima of its own, weight = d * q + m */
};

/** Sub-block in a lane of q[r]. */
INLINE int sub_block(bool pairs, int r, int lane)
{
    return pairs ? 4 * lane + r : 2 * r + (lane & 1) + 8 * (lane >> 1);
}

/* 16 bytes a lane. */
INLINE __m512i load_lanes(const uint8_t *const p[4])
{
    __m512i q = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p[0]));
    q = _mm512_mask_broadcast_i32x4(q, 0x00f0, _mm_loadu_si128((const __m128i *)p[1]));
    q = _mm512_mask_broadcast_i32x4(q, 0x0f00, _mm_loadu_si128((const __m128i *)p[2]));
    return _mm512_mask_broadcast_i32x4(q, 0xf000, _mm_loadu_si128((const __m128i *)p[3]));
}

/* 16 bytes each of the blocks first, first + 2, first + 4, first + 6 of 32 weights, one a lane. Of missing blocks the
 * first block's bytes stand in. */
INLINE __m512i every_second_block(const uint8_t *w, int block_bytes, int first, int n_blocks)
{
    const uint8_t *p[4];
    for (int i = 0; i < 4; i++)
        p[i] = w + (first + 2 * i < n_blocks ? first + 2 * i : 0) * block_bytes;
    return load_lanes(p);
}

/* Each of eight values for the two sub-blocks of its group of 32. */
INLINE __m512 twice(__m256 by_group)
{
    const __m512i lanes = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(lanes, _mm512_castps256_ps512(by_group));
}

/* The f16 at the start of each of eight blocks of 32 weights, and the one that follows it where `minima`, else the
 * same once more; 0 for missing blocks. Those of four blocks of up to 20 bytes lie in 64 bytes, so that one
 * permutation of two loads finds all. */
INLINE __m512 scales_of_32(const uint8_t *w, int bytes, bool minima, int n_blocks)
{
    if (bytes <= 20 && n_blocks == 8) {
        const int m = minima, a = 0, b = bytes / 2, c = bytes, d = bytes / 2 * 3;
        const __m512i words = _mm512_set_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* not used */
                                               d + m + 32, d + 32, c + m + 32, c + 32, b + m + 32, b + 32, a + m + 32,
                                               a + 32, d + m, d, c + m, c, b + m, b, a + m, a);
        const __m512i f16 = _mm512_permutex2var_epi16(_mm512_loadu_si512(w), words, _mm512_loadu_si512(w + 4 * bytes));
        return _mm512_cvtph_ps(_mm512_castsi512_si256(f16));
    }
    const __m512 d = twice(f16_by_group(w, bytes, 1, n_blocks));
    return minima ? _mm512_mask_mov_ps(d, 0xaaaa, twice(f16_by_group(w + 2, bytes, 1, n_blocks))) : d;
}

/* Low and high nibbles of two registers: those of even to q[0] and q[high_at], those of odd to q[low_at] and q[3]. */
INLINE void split_nibbles(struct unit *u, __m512i even, __m512i odd, int low_at, int high_at)
{
    const __m512i low = _mm512_set1_epi8(15);
    u->q[0] = _mm512_and_si512(even, low);
    u->q[low_at] = _mm512_and_si512(odd, low);
    u->q[high_at] = _mm512_and_si512(_mm512_srli_epi16(even, 4), low);
    u->q[3] = _mm512_and_si512(_mm512_srli_epi16(odd, 4), low);
}

/* 16 nibble bytes of a block hold its first 16 weights and, above them, its second 16. */
INLINE void unpack_nibbles_32(struct unit *u, const uint8_t *w, int bytes, int qs, int n_blocks)
{
    const __m512i even = every_second_block(w + qs, bytes, 0, n_blocks);
    const __m512i odd = every_second_block(w + qs, bytes, 1, n_blocks);
    split_nibbles(u, even, odd, 2, 1);
}

/* As unpack_nibbles_32, of eight blocks of 18 bytes: the nibbles of every second block lie in 128 bytes, and one
 * permutation of 16-bit words finds them. */
INLINE void unpack_nibbles_18(struct unit *u, const uint8_t *w)
{
#define RUN(at) at + 7, at + 6, at + 5, at + 4, at + 3, at + 2, at + 1, at
    const __m512i from_1 = _mm512_set_epi16(RUN(55), RUN(37), RUN(19), RUN(1));
    const __m512i from_2 = _mm512_set_epi16(RUN(56), RUN(38), RUN(20), RUN(2)); /* 16 bytes on */
#undef RUN
    const __m512i even = _mm512_permutex2var_epi16(_mm512_loadu_si512(w), from_1, _mm512_loadu_si512(w + 64));
    const __m512i odd = _mm512_permutex2var_epi16(_mm512_loadu_si512(w + 16), from_2, _mm512_loadu_si512(w + 80));
    split_nibbles(u, even, odd, 2, 1);
}

/* The fifth bits of the weights in q[r]: 16 bits of every second block. */
INLINE __mmask64 fifth_bits(const uint8_t *w, int bytes, int qh, int r, int n_blocks)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) {
        const int block = r / 2 + 2 * i;
        bits |= (uint64_t)read_u16(w + (block < n_blocks ? block : 0) * bytes + qh + r % 2 * 2) << 16 * i;
    }
    return bits;
}

INLINE void add_fifth_bits_32(struct unit *u, const uint8_t *w, int bytes, int qh, int n_blocks)
{
    for (int r = 0; r < 4; r++)
        u->q[r] = _mm512_mask_add_epi8(u->q[r], fifth_bits(w, bytes, qh, r, n_blocks), u->q[r], _mm512_set1_epi8(16));
}

INLINE void unpack_q4_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q4_0);
    if (n_blocks == 8)
        unpack_nibbles_18(u, w);
    else
        unpack_nibbles_32(u, w, bytes, offsetof(struct block_q4_0, qs), n_blocks);
    u->d = scales_of_32(w, bytes, false, n_blocks);
}

INLINE void unpack_q4_1(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q4_1);
    unpack_nibbles_32(u, w, bytes, offsetof(struct block_q4_1, qs), n_blocks);
    u->d = scales_of_32(w, bytes, true, n_blocks);
}

INLINE void unpack_q5_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q5_0);
    unpack_nibbles_32(u, w, bytes, offsetof(struct block_q5_0, qs), n_blocks);
    add_fifth_bits_32(u, w, bytes, offsetof(struct block_q5_0, qh), n_blocks);
    u->d = scales_of_32(w, bytes, false, n_blocks);
}

INLINE void unpack_q5_1(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q5_1);
    unpack_nibbles_32(u, w, bytes, offsetof(struct block_q5_1, qs), n_blocks);
    add_fifth_bits_32(u, w, bytes, offsetof(struct block_q5_1, qh), n_blocks);
    u->d = scales_of_32(w, bytes, true, n_blocks);
}

/* Flipping the top bit adds 128. */
INLINE void unpack_q8_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q8_0);
    for (int r = 0; r < 4; r++)
        u->q[r] = _mm512_xor_si512(every_second_block(w + 2 + r % 2 * 16, bytes, r / 2, n_blocks),
                                   _mm512_set1_epi8((char)128));
    u->d = scales_of_32(w, bytes, false, n_blocks);
}

INLINE __m512 broadcast_f16(const uint8_t *p)
{
    return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(read_u16(p))));
}

/* Two bits of each weight: byte l of half h holds those of the weights 32 s + l of the half, s = 0..3. */
INLINE void split_crumbs(struct unit *u, const uint8_t *qs)
{
    const __m512i all = _mm512_loadu_si512(qs), low = _mm512_set1_epi8(3);
    u->q[0] = _mm512_and_si512(all, low);
    u->q[1] = _mm512_and_si512(_mm512_srli_epi16(all, 2), low);
    u->q[2] = _mm512_and_si512(_mm512_srli_epi16(all, 4), low);
    u->q[3] = _mm512_and_si512(_mm512_srli_epi16(all, 6), low);
}

INLINE void unpack_q2_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q2_k *b = (const void *)w;
    split_crumbs(u, b->qs);
    const __m512i scales = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)b->scales));
    const __m512i sc = _mm512_and_si512(scales, _mm512_set1_epi32(15)), m = _mm512_srli_epi32(scales, 4);
    u->d = _mm512_mul_ps(broadcast_f16(b->d), _mm512_cvtepi32_ps(sc));
    u->m = _mm512_fnmadd_ps(broadcast_f16(b->dmin), _mm512_cvtepi32_ps(m), _mm512_setzero_ps());
}

/* The 6-bit scales of q3_k less 32. They end two bytes before the block, so the load begins two bytes before them. */
INLINE __m512i scales_q3_k(const struct block_q3_k *b)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)((const uint8_t *)b + sizeof *b - 16));
    const __m128i low_at = _mm_setr_epi8(2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9);
    const __m128i high_at = _mm_setr_epi8(10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13);
    const __m512i low_shift = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4);
    const __m512i high_shift = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    const __m512i low = _mm512_srlv_epi32(_mm512_cvtepu8_epi32(_mm_shuffle_epi8(bytes, low_at)), low_shift);
    const __m512i high = _mm512_srlv_epi32(_mm512_cvtepu8_epi32(_mm_shuffle_epi8(bytes, high_at)), high_shift);
    const __m512i sc = _mm512_or_si512(_mm512_and_si512(low, _mm512_set1_epi32(15)),
                                       _mm512_slli_epi32(_mm512_and_si512(high, _mm512_set1_epi32(3)), 4));
    return _mm512_sub_epi32(sc, _mm512_set1_epi32(32));
}

INLINE void unpack_q3_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q3_k *b = (const void *)w;
    split_crumbs(u, b->qs);
    /* Bit 4 h + s of byte l of hmask goes with byte l of half h in q[s]: shift it to bit s for both halves. */
    const __m512i hmask = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)b->hmask));
    const __m512i high = _mm512_srlv_epi64(hmask, _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4)), bit = _mm512_set1_epi8(4);
    u->q[0] = _mm512_or_si512(u->q[0], _mm512_and_si512(_mm512_slli_epi16(high, 2), bit));
    u->q[1] = _mm512_or_si512(u->q[1], _mm512_and_si512(_mm512_slli_epi16(high, 1), bit));
    u->q[2] = _mm512_or_si512(u->q[2], _mm512_and_si512(high, bit));
    u->q[3] = _mm512_or_si512(u->q[3], _mm512_and_si512(_mm512_srli_epi16(high, 1), bit));
    u->d = _mm512_mul_ps(broadcast_f16(b->d), _mm512_cvtepi32_ps(scales_q3_k(b)));
}

/* The head of a q4_k or q5_k block: d, dmin, and eight 6-bit scales and minima, which alternate in what is made. */
INLINE void unpack_scales_k(struct unit *u, const uint8_t *w)
{
    const uint32_t a = read_u32(w + 4), b = read_u32(w + 8), c = read_u32(w + 12);
    const uint64_t sc = (a & 0x3f3f3f3f) | (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
    const uint64_t m = (b & 0x3f3f3f3f) | (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
    const __m128i both = _mm_unpacklo_epi8(_mm_cvtsi64_si128((long long)sc), _mm_cvtsi64_si128((long long)m));
    const __m512i negated = _mm512_set1_epi64((long long)0x8000000000000000); /* the sign of the minima */
    const __m512 d_dmin = _mm512_cvtph_ps(_mm256_set1_epi32((int)read_u32(w)));
    u->d = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(d_dmin), negated)),
                         _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(both)));
}

/* Of each 32 bytes the first halves to one register, the second halves to the other. */
INLINE void unpack_nibbles_k(struct unit *u, const uint8_t *qs)
{
    const __m512i a = _mm512_loadu_si512(qs), b = _mm512_loadu_si512(qs + 64);
    split_nibbles(u, _mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd), 1, 2);
}

INLINE void unpack_q4_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q4_k *b = (const void *)w;
    unpack_nibbles_k(u, b->qs);
    unpack_scales_k(u, w);
}

/* Lane i of q[r] needs bit 2 i + r / 2 of each byte; rotated to bit 4 of the same byte, and the rest cleared. */
INLINE void unpack_q5_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q5_k *b = (const void *)w;
    unpack_nibbles_k(u, b->qs);
    const __m512i even = _mm512_setr_epi64(4, 4, 2, 2, 0, 0, 62, 62);
    const __m512i odd = _mm512_setr_epi64(3, 3, 1, 1, 63, 63, 61, 61);
    for (int r = 0; r < 4; r++) {
        const __m512i bits = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(b->qh + r % 2 * 16)));
        const __m512i fifth = _mm512_and_si512(_mm512_rolv_epi64(bits, r < 2 ? even : odd), _mm512_set1_epi8(16));
        u->q[r] = _mm512_or_si512(u->q[r], fifth);
    }
    unpack_scales_k(u, w);
}

INLINE __m512i halves(const uint8_t *low, const uint8_t *high)
{
    const __m512i q = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)low));
    return _mm512_inserti64x4(q, _mm256_loadu_si256((const __m256i *)high), 1);
}

INLINE void unpack_q6_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q6_k *b = (const void *)w;
    split_nibbles(u, halves(b->ql, b->ql + 64), halves(b->ql + 32, b->ql + 96), 1, 2);
    const __m512i high = _mm512_loadu_si512(b->qh), bits = _mm512_set1_epi8(0x30);
    u->q[0] = _mm512_or_si512(u->q[0], _mm512_and_si512(_mm512_slli_epi16(high, 4), bits));
    u->q[1] = _mm512_or_si512(u->q[1], _mm512_and_si512(_mm512_slli_epi16(high, 2), bits));
    u->q[2] = _mm512_or_si512(u->q[2], _mm512_and_si512(high, bits));
    u->q[3] = _mm512_or_si512(u->q[3], _mm512_and_si512(_mm512_srli_epi16(high, 2), bits));
    const __m512i sc = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)b->scales));
    u->d = _mm512_mul_ps(broadcast_f16(b->d), _mm512_cvtepi32_ps(sc));
}

#endif
