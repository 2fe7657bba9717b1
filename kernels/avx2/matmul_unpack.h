/* matmul_unpack.h - every quantised type in one common form, 256 weights at a time: small integers in eight registers,
 * and a scale and a minimum for each sub-block of 16.
 *
 * One inline function per type; what is done with the form (row dots, panels, floats) is written once over it.
 *
 * Order. A 128-bit lane always holds one sub-block: q[i] the sub-blocks i and i + 8. Most types pack their two halves
 * of 128 weights alike, so a lane is a half. Scales are
 *   pairs    those of the 8 groups of 32 weights, in order in d[0]: element r of either lane is that of q[2 r] and
 *            q[2 r + 1], so products of these two may be summed before they are scaled. d[1] is not used.
 *   singles  those of the sub-blocks: element r of either lane of d[i] is that of q[4 i + r]. */
#ifndef KERNELS_AVX2_MATMUL_UNPACK_H
#define KERNELS_AVX2_MATMUL_UNPACK_H

#include "kernels/generic/unpack.h"

#include <stdbool.h>
#include <stddef.h>

#define UNIT 256 /* weights unpacked together */

struct unit {
    __m256i q[8];
    __m256 d[2], m[2]; /* weight = d * q + m. m is undefined for types without offset and minima */
};

/** Unpack n_blocks blocks, at most those of 256 weights; d and m of those that are missing are 0. */
typedef void unpack_fn(struct unit *u, const uint8_t *w, int n_blocks);

struct type {
    unpack_fn *unpack;
    int block, bytes; /* weights and bytes of a block */
    bool pairs;       /* scales are those of 32 weights, not 16 */
    int bits;         /* of q, unsigned up to 7; 8 are signed */
    int offset;       /* if not 0, m is -offset * d */
    bool minima;      /* m is the type's own */
};

/* 16 bytes from each. */
INLINE __m256i load_lanes(const void *low, const void *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
}

INLINE void set_offset(struct unit *u, int offset)
{
    for (int h = 0; h < 2; h++)
        u->m[h] = _mm256_mul_ps(u->d[h], _mm256_set1_ps((float)-offset));
}

/* One scale by group. */
INLINE void set_groups(struct unit *u, __m256 by_group, int offset)
{
    u->d[0] = u->d[1] = by_group;
    set_offset(u, offset);
}

/* d and, in the _1 types, m stand at the start of a block of 32. */
INLINE void unpack_scales_32(struct unit *u, const uint8_t *w, int bytes, int n_blocks, int offset)
{
    set_groups(u, f16_by_group(w, bytes, 1, n_blocks), offset);
    if (!offset)
        u->m[0] = f16_by_group(w + 2, bytes, 1, n_blocks);
}

/* 16 bytes of each of the blocks i and i + 4; zeros for missing ones. */
INLINE __m256i load_blocks(const uint8_t *qs, int bytes, int i, int n_blocks)
{
    if (i + 4 < n_blocks)
        return load_lanes(qs + i * bytes, qs + (i + 4) * bytes);
    return i < n_blocks ? _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *)(qs + i * bytes)))
                        : _mm256_setzero_si256();
}

/* Each byte shifted up by n bits, down if n < 0; of the bits that come in from a neighbour nothing may be kept. */
INLINE __m256i shift_bytes(__m256i q, int n)
{
    return n < 0 ? _mm256_srli_epi16(q, -n) : _mm256_slli_epi16(q, n);
}

/* Bytes of which two share `from`: the low and the high nibbles. */
INLINE void part_nibbles(__m256i to[2], __m256i from)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    to[0] = _mm256_and_si256(from, nibble);
    to[1] = _mm256_and_si256(_mm256_srli_epi16(from, 4), nibble);
}

/* 16 nibble bytes of a block hold its first 16 weights and, above them, its second 16. */
INLINE void unpack_nibbles_32(struct unit *u, const uint8_t *qs, int bytes, int n_blocks)
{
    for (int i = 0; i < 4; i++)
        part_nibbles(u->q + 2 * i, load_blocks(qs, bytes, i, n_blocks));
}

/* All bits of byte l of a lane are bit l of word i of that lane: its byte is copied, and one bit of it looked at. */
INLINE __m256i bytes_of_bits(__m256i words, int i)
{
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m128i source = _mm_add_epi8(_mm_set_epi64x(0x0101010101010101, 0), _mm_set1_epi8((char)(2 * i)));
    const __m256i bytes = _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(source));
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
}

/* Bit l of qh becomes bit 4 of byte l. */
INLINE void add_fifth_bits_32(struct unit *u, const uint8_t *qh, int bytes, int n_blocks)
{
    uint32_t bits[8] = { 0 };
    for (int i = 0; i < n_blocks; i++)
        bits[i] = read_u32(qh + i * bytes);
    const __m256i words = _mm256_setr_epi32((int)bits[0], (int)bits[1], (int)bits[2], (int)bits[3], (int)bits[4],
                                            (int)bits[5], (int)bits[6], (int)bits[7]);
    for (int i = 0; i < 8; i++)
        u->q[i] = _mm256_or_si256(u->q[i], _mm256_and_si256(bytes_of_bits(words, i), _mm256_set1_epi8(16)));
}

INLINE void unpack_q4_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q4_0);
    unpack_nibbles_32(u, w + offsetof(struct block_q4_0, qs), bytes, n_blocks);
    unpack_scales_32(u, w, bytes, n_blocks, 8);
}

INLINE void unpack_q4_1(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q4_1);
    unpack_nibbles_32(u, w + offsetof(struct block_q4_1, qs), bytes, n_blocks);
    unpack_scales_32(u, w, bytes, n_blocks, 0);
}

INLINE void unpack_q5_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q5_0);
    unpack_nibbles_32(u, w + offsetof(struct block_q5_0, qs), bytes, n_blocks);
    add_fifth_bits_32(u, w + offsetof(struct block_q5_0, qh), bytes, n_blocks);
    unpack_scales_32(u, w, bytes, n_blocks, 16);
}

INLINE void unpack_q5_1(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q5_1);
    unpack_nibbles_32(u, w + offsetof(struct block_q5_1, qs), bytes, n_blocks);
    add_fifth_bits_32(u, w + offsetof(struct block_q5_1, qh), bytes, n_blocks);
    unpack_scales_32(u, w, bytes, n_blocks, 0);
}

INLINE void unpack_q8_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const int bytes = sizeof(struct block_q8_0);
    for (int i = 0; i < 8; i++)
        u->q[i] = load_blocks(w + offsetof(struct block_q8_0, qs) + i % 2 * 16, bytes, i / 2, n_blocks);
    u->d[0] = u->d[1] = f16_by_group(w, bytes, 1, n_blocks);
}

INLINE __m256 broadcast_f16(const uint8_t *p)
{
    return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(read_u16(p))));
}

/* Eight bytes to floats. */
INLINE __m256 floats_of_u8(uint64_t bytes)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes)));
}

INLINE __m256 negated(__m256 f)
{
    return _mm256_sub_ps(_mm256_setzero_ps(), f);
}

/* Sixteen bytes by sub-block in the order of the scales of singles. */
INLINE __m128i order_of_singles(__m128i by_sub_block)
{
    return _mm_shuffle_epi32(by_sub_block, _MM_SHUFFLE(3, 1, 2, 0));
}

/* Sixteen bytes with sign, by sub-block, times d. */
INLINE void set_sub_blocks(__m256 to[2], __m128i by_sub_block, __m256 d)
{
    const __m128i bytes = order_of_singles(by_sub_block);
    to[0] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
    to[1] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes))));
}

/* Two bits of each weight: byte l of half h holds those of the weights 32 s + l of the half, s = 0..3. */
INLINE void unpack_crumbs(struct unit *u, const uint8_t *qs)
{
    for (int j = 0; j < 2; j++) {
        const __m256i bytes = load_lanes(qs + 16 * j, qs + 32 + 16 * j);
        for (int s = 0; s < 4; s++)
            u->q[2 * s + j] = _mm256_and_si256(shift_bytes(bytes, -2 * s), _mm256_set1_epi8(3));
    }
}

/* The same 16 bytes in both lanes, the upper ones shifted down by 4 bits: bit s of a byte is bit s or s + 4. */
INLINE __m256i load_bits(const uint8_t *p)
{
    const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return _mm256_srlv_epi64(both, _mm256_setr_epi64x(0, 0, 4, 4));
}

INLINE void unpack_q2_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q2_k *b = (const void *)w;
    unpack_crumbs(u, b->qs);
    const __m128i scales = _mm_loadu_si128((const __m128i *)b->scales), nibble = _mm_set1_epi8(15);
    set_sub_blocks(u->d, _mm_and_si128(scales, nibble), broadcast_f16(b->d));
    set_sub_blocks(u->m, _mm_and_si128(_mm_srli_epi16(scales, 4), nibble), negated(broadcast_f16(b->dmin)));
}

INLINE void unpack_q3_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q3_k *b = (const void *)w;
    unpack_crumbs(u, b->qs);
    for (int j = 0; j < 2; j++) {
        const __m256i hmask = load_bits(b->hmask + 16 * j);
        for (int s = 0; s < 4; s++)
            u->q[2 * s + j] = _mm256_or_si256(u->q[2 * s + j], _mm256_and_si256(shift_bytes(hmask, 2 - s),
                                                                               _mm256_set1_epi8(4)));
    }
    const uint64_t low = read_u64(b->scales), high = read_u32(b->scales + 8);
    uint64_t sc[2];
    for (int h = 0; h < 2; h++) {
        const uint64_t bits = (high >> 4 * h & 0x03030303) | (high >> (4 * h + 2) & 0x03030303) << 32;
        sc[h] = (low >> 4 * h & 0x0f0f0f0f0f0f0f0f) | bits << 4;
    }
    const __m128i by_sub_block = _mm_set_epi64x((long long)sc[1], (long long)sc[0]);
    set_sub_blocks(u->d, _mm_sub_epi8(by_sub_block, _mm_set1_epi8(32)), broadcast_f16(b->d));
    set_offset(u, 4);
}

/* The head of a q4_k or q5_k block: d, dmin, and eight 6-bit scales and minima. */
INLINE void unpack_scales_k(struct unit *u, const uint8_t *w)
{
    const uint32_t a = read_u32(w + 4), b = read_u32(w + 8), c = read_u32(w + 12);
    const uint64_t sc = (a & 0x3f3f3f3f) | (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
    const uint64_t m = (b & 0x3f3f3f3f) | (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
    u->d[0] = u->d[1] = _mm256_mul_ps(broadcast_f16(w), floats_of_u8(sc));
    u->m[0] = u->m[1] = negated(_mm256_mul_ps(broadcast_f16(w + 2), floats_of_u8(m)));
}

/* Group 2 g is the low nibbles of 32 bytes, 2 g + 1 the high ones. */
INLINE void unpack_nibbles_k(struct unit *u, const uint8_t *qs)
{
    for (int i = 0; i < 4; i++) {
        __m256i parts[2];
        const uint8_t *const p = qs + i / 2 * 32 + i % 2 * 16;
        part_nibbles(parts, load_lanes(p, p + 64));
        u->q[i / 2 * 4 + i % 2] = parts[0];
        u->q[i / 2 * 4 + i % 2 + 2] = parts[1];
    }
}

INLINE void unpack_q4_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    unpack_nibbles_k(u, w + offsetof(struct block_q4_k, qs));
    unpack_scales_k(u, w);
}

INLINE void unpack_q5_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q5_k *b = (const void *)w;
    unpack_nibbles_k(u, b->qs);
    for (int j = 0; j < 2; j++) {
        const __m256i high = load_bits(b->qh + 16 * j);
        for (int s = 0; s < 4; s++)
            u->q[2 * s + j] = _mm256_or_si256(u->q[2 * s + j], _mm256_and_si256(shift_bytes(high, 4 - s),
                                                                               _mm256_set1_epi8(16)));
    }
    unpack_scales_k(u, w);
}

INLINE void unpack_q6_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q6_k *b = (const void *)w;
    for (int j = 0; j < 2; j++) {
        const __m256i high = load_lanes(b->qh + 16 * j, b->qh + 32 + 16 * j);
        for (int s = 0; s < 4; s++) {
            const uint8_t *const ql = b->ql + 32 * (s & 1) + 16 * j;
            const __m256i low = shift_bytes(load_lanes(ql, ql + 64), s < 2 ? 0 : -4);
            u->q[2 * s + j] = _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)),
                                              _mm256_and_si256(shift_bytes(high, 4 - 2 * s), _mm256_set1_epi8(0x30)));
        }
    }
    set_sub_blocks(u->d, _mm_loadu_si128((const __m128i *)b->scales), broadcast_f16(b->d));
    set_offset(u, 32);
}

#endif
