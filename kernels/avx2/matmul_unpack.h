/* matmul_unpack.h - every quantised type in one common form, 256 weights at a time: small integers in order, 32 a
 * register, and a scale and a minimum for each sub-block of 16.
 *
 * One inline function per type; what is done with the form (row dots, panels, floats) is written once over it. */
#ifndef KERNELS_AVX2_MATMUL_UNPACK_H
#define KERNELS_AVX2_MATMUL_UNPACK_H

#include "kernels/generic/unpack.h"

#include <stdbool.h>
#include <stddef.h>

#define UNIT 256 /* weights unpacked together */

struct unit {
    __m256i q[8];
    __m256 d[2], m[2]; /* by sub-block: weight = d * q + m. m is undefined for types without offset and minima */
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

/* Eight values by group of 32, each to its two sub-blocks. */
INLINE void set_twice(__m256 to[2], __m256 by_group)
{
    to[0] = _mm256_permutevar8x32_ps(by_group, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
    to[1] = _mm256_permutevar8x32_ps(by_group, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7));
}

INLINE void set_offset(struct unit *u, int offset)
{
    for (int h = 0; h < 2; h++)
        u->m[h] = _mm256_mul_ps(u->d[h], _mm256_set1_ps((float)-offset));
}

/* d and, in the _1 types, m stand at the start of a block. */
INLINE void unpack_scales_32(struct unit *u, const uint8_t *w, int bytes, int n_blocks, int offset)
{
    set_twice(u->d, f16_by_group(w, bytes, 1, n_blocks));
    if (offset)
        set_offset(u, offset);
    else
        set_twice(u->m, f16_by_group(w + 2, bytes, 1, n_blocks));
}

/* 16 nibble bytes of a block hold its first 16 weights and, above them, its second 16. */
INLINE void unpack_nibbles_32(struct unit *u, const uint8_t *qs, int bytes, int n_blocks)
{
    for (int i = 0; i < 8; i++) {
        u->q[i] = _mm256_setzero_si256();
        if (i < n_blocks) {
            const __m128i both = _mm_loadu_si128((const __m128i *)(qs + i * bytes));
            u->q[i] = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(both, 4), both), _mm256_set1_epi8(15));
        }
    }
}

/* All bits of byte l are those of bit l: its byte of the 32 bits everywhere, of which one bit is looked at. */
INLINE __m256i bytes_of_bits(uint32_t bits)
{
    const __m256i source = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), source);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
}

/* Bit l of qh becomes bit 4 of byte l. */
INLINE void add_fifth_bits_32(struct unit *u, const uint8_t *qh, int bytes, int n_blocks)
{
    for (int i = 0; i < n_blocks; i++) {
        const __m256i set = bytes_of_bits(read_u32(qh + i * bytes));
        u->q[i] = _mm256_or_si256(u->q[i], _mm256_and_si256(set, _mm256_set1_epi8(16)));
    }
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
        u->q[i] = i < n_blocks ? _mm256_loadu_si256((const __m256i *)(w + i * bytes + offsetof(struct block_q8_0, qs)))
                               : _mm256_setzero_si256();
    set_twice(u->d, f16_by_group(w, bytes, 1, n_blocks));
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

/* Each byte shifted up by n bits, down if n < 0; of the bits that come in from a neighbour nothing may be kept. */
INLINE __m256i shift_bytes(__m256i q, int n)
{
    return n < 0 ? _mm256_srli_epi16(q, -n) : _mm256_slli_epi16(q, n);
}

/* Two bits of each weight: byte l of half h holds those of the weights 32 s + l of the half, s = 0..3. */
INLINE void unpack_crumbs(struct unit *u, const uint8_t *qs)
{
    for (int i = 0; i < 8; i++) {
        const __m256i half = _mm256_loadu_si256((const __m256i *)(qs + i / 4 * 32));
        u->q[i] = _mm256_and_si256(shift_bytes(half, -2 * (i % 4)), _mm256_set1_epi8(3));
    }
}

INLINE void unpack_q2_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q2_k *b = (const void *)w;
    unpack_crumbs(u, b->qs);
    const uint64_t nibble = 0x0f0f0f0f0f0f0f0f;
    for (int h = 0; h < 2; h++) {
        const uint64_t scales = read_u64(b->scales + 8 * h);
        u->d[h] = _mm256_mul_ps(broadcast_f16(b->d), floats_of_u8(scales & nibble));
        u->m[h] = negated(_mm256_mul_ps(broadcast_f16(b->dmin), floats_of_u8(scales >> 4 & nibble)));
    }
}

INLINE void unpack_q3_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q3_k *b = (const void *)w;
    unpack_crumbs(u, b->qs);
    const __m256i hmask = _mm256_loadu_si256((const __m256i *)b->hmask);
    for (int i = 0; i < 8; i++)
        u->q[i] = _mm256_or_si256(u->q[i], _mm256_and_si256(shift_bytes(hmask, 2 - i), _mm256_set1_epi8(4)));
    const uint64_t low = read_u64(b->scales), high = read_u32(b->scales + 8);
    for (int h = 0; h < 2; h++) {
        const uint64_t bits = (high >> 4 * h & 0x03030303) | (high >> (4 * h + 2) & 0x03030303) << 32;
        const __m256 sc = floats_of_u8((low >> 4 * h & 0x0f0f0f0f0f0f0f0f) | bits << 4);
        u->d[h] = _mm256_mul_ps(broadcast_f16(b->d), _mm256_sub_ps(sc, _mm256_set1_ps(32)));
    }
    set_offset(u, 4);
}

/* The head of a q4_k or q5_k block: d, dmin, and eight 6-bit scales and minima. */
INLINE void unpack_scales_k(struct unit *u, const uint8_t *w)
{
    const uint32_t a = read_u32(w + 4), b = read_u32(w + 8), c = read_u32(w + 12);
    const uint64_t sc = (a & 0x3f3f3f3f) | (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
    const uint64_t m = (b & 0x3f3f3f3f) | (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
    set_twice(u->d, _mm256_mul_ps(broadcast_f16(w), floats_of_u8(sc)));
    set_twice(u->m, negated(_mm256_mul_ps(broadcast_f16(w + 2), floats_of_u8(m))));
}

INLINE void unpack_nibbles_k(struct unit *u, const uint8_t *qs)
{
    for (int i = 0; i < 8; i++) {
        const __m256i both = _mm256_loadu_si256((const __m256i *)(qs + i / 2 * 32));
        u->q[i] = _mm256_and_si256(shift_bytes(both, i % 2 * -4), _mm256_set1_epi8(15));
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
    const __m256i high = _mm256_loadu_si256((const __m256i *)b->qh);
    for (int i = 0; i < 8; i++)
        u->q[i] = _mm256_or_si256(u->q[i], _mm256_and_si256(shift_bytes(high, 4 - i), _mm256_set1_epi8(16)));
    unpack_scales_k(u, w);
}

INLINE void unpack_q6_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q6_k *b = (const void *)w;
    for (int i = 0; i < 8; i++) {
        const int half = i / 4, s = i % 4;
        const __m256i low = _mm256_loadu_si256((const __m256i *)(b->ql + 64 * half + 32 * (s & 1)));
        const __m256i high = _mm256_loadu_si256((const __m256i *)(b->qh + 32 * half));
        u->q[i] = _mm256_or_si256(_mm256_and_si256(shift_bytes(low, s < 2 ? 0 : -4), _mm256_set1_epi8(15)),
                                  _mm256_and_si256(shift_bytes(high, 4 - 2 * s), _mm256_set1_epi8(0x30)));
    }
    for (int h = 0; h < 2; h++) {
        const __m128i sc = _mm_loadl_epi64((const __m128i *)(b->scales + 8 * h));
        u->d[h] = _mm256_mul_ps(broadcast_f16(b->d), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(sc)));
    }
    set_offset(u, 32);
}

#endif
