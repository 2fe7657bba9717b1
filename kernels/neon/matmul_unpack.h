/* matmul_unpack.h - every quantised type in one common form, 256 weights at a time: small signed integers in order, 16
 * a register, which is a sub-block, and a scale and a minimum for each 16 or 32 of them.
 *
 * One inline function per type; what is done with the form (row dots, panels, floats) is written once over it. */
#ifndef KERNELS_NEON_MATMUL_UNPACK_H
#define KERNELS_NEON_MATMUL_UNPACK_H

#include "kernels/blocks.h"
#include "kernels/generic/inline.h"
#include "src/base/numbers.h"

#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>

#define UNIT 256 /* weights unpacked together */

struct unit {
    int8x16_t q[16];
    float32x4_t d[4], m[4]; /* weight = d * q + m: by group of 32 for types of pairs, which use the first two vectors,
                             * else by sub-block. m is undefined for types without minima */
};

/** Unpack n_blocks blocks, at most those of 256 weights; q and d of those that are missing are 0, and m if any. */
typedef void unpack_fn(struct unit *u, const uint8_t *w, int n_blocks);

struct type {
    unpack_fn *unpack;
    int block, bytes; /* weights and bytes of a block */
    bool pairs;       /* scales are those of 32 weights, not 16 */
    int max;          /* largest |q| */
    bool minima;
};

INLINE float f16_of_bits(uint16_t bits)
{
    __fp16 f;
    memcpy(&f, &bits, sizeof f);
    return (float)f;
}

INLINE float load_f16(const uint8_t *p)
{
    return f16_of_bits(read_u16(p));
}

INLINE void floats_of_f16(float32x4_t to[2], uint16x8_t f16)
{
    to[0] = vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(f16)));
    to[1] = vcvt_high_f32_f16(vreinterpretq_f16_u16(f16));
}

/* The f16 at the start of the block of each of eight groups of 32, `groups` of them a block. 0 for missing blocks. */
INLINE void f16_by_group(float32x4_t to[2], const uint8_t *w, int bytes, int groups, int n_blocks)
{
    uint16x8_t f16 = vdupq_n_u16(0);
    UNROLL for (int i = 0; i < 8; i++)
        if (i / groups < n_blocks)
            f16[i] = read_u16(w + i / groups * bytes);
    floats_of_f16(to, f16);
}

/* s times each of 8 or 16 bytes. */
INLINE void scale_8(float32x4_t to[2], int8x8_t bytes, float s)
{
    const int16x8_t words = vmovl_s8(bytes);
    to[0] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))), s);
    to[1] = vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(words)), s);
}

INLINE void scale_16(float32x4_t to[4], int8x16_t bytes, float s)
{
    scale_8(to, vget_low_s8(bytes), s);
    scale_8(to + 2, vget_high_s8(bytes), s);
}

INLINE uint8x16_t low_nibbles(uint8x16_t bytes)
{
    return vandq_u8(bytes, vdupq_n_u8(15));
}

INLINE uint8x16_t high_nibbles(uint8x16_t bytes)
{
    return vshrq_n_u8(bytes, 4);
}

/* Each byte shifted up by n bits, down if n < 0. */
INLINE uint8x16_t shift_bytes(uint8x16_t q, int n)
{
    return n < 0 ? q >> vdupq_n_u8((uint8_t)-n) : n > 0 ? q << vdupq_n_u8((uint8_t)n) : q;
}

INLINE int8x16_t less(uint8x16_t q, int offset)
{
    return vsubq_s8(vreinterpretq_s8_u8(q), vdupq_n_s8((int8_t)offset));
}

/* 16 nibble bytes of a block hold its first 16 weights and, above them, its second 16. */
INLINE void unpack_nibbles_32(struct unit *u, const uint8_t *qs, int bytes, int n_blocks, int offset)
{
    UNROLL for (int i = 0; i < 8; i++) {
        u->q[2 * i] = u->q[2 * i + 1] = vdupq_n_s8(0);
        if (i < n_blocks) {
            const uint8x16_t both = vld1q_u8(qs + i * bytes);
            u->q[2 * i] = less(low_nibbles(both), offset);
            u->q[2 * i + 1] = less(high_nibbles(both), offset);
        }
    }
}

/* All bits of byte l are bit l of the 16 bits at p. */
INLINE uint8x16_t bytes_of_bits(const uint8_t *p)
{
    const uint8x16_t source = vcombine_u8(vdup_n_u8(0), vdup_n_u8(1));
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    return vtstq_u8(vqtbl1q_u8(vreinterpretq_u8_u16(vdupq_n_u16(read_u16(p))), source), bit);
}

/* Nibbles with the fifth bits of qh, less 16: where that bit is 0 the others of the byte are all 1. */
INLINE void unpack_q5_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q5_0 *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, sizeof *b, n_blocks, 0);
    UNROLL for (int i = 0; i < 16; i++) {
        if (i / 2 >= n_blocks)
            break;
        const uint8x16_t minus = vbicq_u8(vdupq_n_u8(0xf0), bytes_of_bits(b[i / 2].qh + i % 2 * 2));
        u->q[i] = vorrq_s8(u->q[i], vreinterpretq_s8_u8(minus));
    }
    f16_by_group(u->d, w, sizeof *b, 1, n_blocks);
}

INLINE void unpack_q5_1(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q5_1 *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, sizeof *b, n_blocks, 0);
    UNROLL for (int i = 0; i < 16; i++) {
        if (i / 2 >= n_blocks)
            break;
        const uint8x16_t fifth = vandq_u8(vdupq_n_u8(16), bytes_of_bits(b[i / 2].qh + i % 2 * 2));
        u->q[i] = vorrq_s8(u->q[i], vreinterpretq_s8_u8(fifth));
    }
    f16_by_group(u->d, w, sizeof *b, 1, n_blocks);
    f16_by_group(u->m, b->m, sizeof *b, 1, n_blocks);
}

INLINE void unpack_q4_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q4_0 *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, sizeof *b, n_blocks, 8);
    f16_by_group(u->d, w, sizeof *b, 1, n_blocks);
}

INLINE void unpack_q4_1(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q4_1 *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, sizeof *b, n_blocks, 0);
    f16_by_group(u->d, w, sizeof *b, 1, n_blocks);
    f16_by_group(u->m, b->m, sizeof *b, 1, n_blocks);
}

INLINE void unpack_q8_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q8_0 *b = (const void *)w;
    UNROLL for (int i = 0; i < 16; i++)
        u->q[i] = i / 2 < n_blocks ? vld1q_s8(b[i / 2].qs + i % 2 * 16) : vdupq_n_s8(0);
    f16_by_group(u->d, w, sizeof *b, 1, n_blocks);
}

/* Two bits of each weight, less an offset: byte l of half h holds those of the weights 32 s + l of the half. */
INLINE void unpack_crumbs(struct unit *u, const uint8_t *qs, int offset)
{
    UNROLL for (int i = 0; i < 16; i++) {
        const int half = i / 8, s = i / 2 % 4, part = i % 2;
        const uint8x16_t all = vld1q_u8(qs + 32 * half + 16 * part);
        u->q[i] = less(vandq_u8(shift_bytes(all, -2 * s), vdupq_n_u8(3)), offset);
    }
}

INLINE void unpack_q2_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q2_k *b = (const void *)w;
    const uint8x16_t scales = vld1q_u8(b->scales);
    unpack_crumbs(u, b->qs, 0);
    scale_16(u->d, vreinterpretq_s8_u8(low_nibbles(scales)), load_f16(b->d));
    scale_16(u->m, vreinterpretq_s8_u8(high_nibbles(scales)), -load_f16(b->dmin));
}

/* The third bit takes 4 off where it is 0: then the upper bits are all 1. */
INLINE void unpack_q3_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q3_k *b = (const void *)w;
    unpack_crumbs(u, b->qs, 0);
    UNROLL for (int i = 0; i < 16; i++) {
        const uint8x16_t third = vtstq_u8(vld1q_u8(b->hmask + i % 2 * 16), vdupq_n_u8((uint8_t)(1 << i / 2)));
        u->q[i] = vorrq_s8(u->q[i], vreinterpretq_s8_u8(vbicq_u8(vdupq_n_u8(0xfc), third)));
    }
    const uint64_t low = read_u64(b->scales), high = read_u32(b->scales + 8), nibble = 0x0f0f0f0f0f0f0f0f;
    for (int h = 0; h < 2; h++) {
        const uint64_t bits = (high >> 4 * h & 0x03030303) | (high >> (4 * h + 2) & 0x03030303) << 32;
        const int8x8_t sc = vcreate_s8((low >> 4 * h & nibble) | bits << 4);
        scale_8(u->d + 2 * h, vsub_s8(sc, vdup_n_s8(32)), load_f16(b->d));
    }
}

/* The head of a q4_k or q5_k block: d, dmin, and eight 6-bit scales and minima. */
INLINE void unpack_scales_k(struct unit *u, const uint8_t *w)
{
    const uint32_t a = read_u32(w + 4), b = read_u32(w + 8), c = read_u32(w + 12);
    const uint64_t sc = (a & 0x3f3f3f3f) | (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
    const uint64_t m = (b & 0x3f3f3f3f) | (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
    scale_8(u->d, vcreate_s8(sc), load_f16(w));
    scale_8(u->m, vcreate_s8(m), -load_f16(w + 2));
}

INLINE void unpack_nibbles_k(struct unit *u, const uint8_t *qs)
{
    UNROLL for (int i = 0; i < 16; i++) {
        const uint8x16_t both = vld1q_u8(qs + i / 4 * 32 + i % 2 * 16);
        u->q[i] = vreinterpretq_s8_u8(i / 2 % 2 ? high_nibbles(both) : low_nibbles(both));
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
    UNROLL for (int i = 0; i < 16; i++) {
        const uint8x16_t fifth = shift_bytes(vld1q_u8(b->qh + i % 2 * 16), 4 - i / 2);
        u->q[i] = vorrq_s8(u->q[i], vreinterpretq_s8_u8(vandq_u8(fifth, vdupq_n_u8(16))));
    }
    unpack_scales_k(u, w);
}

INLINE void unpack_q6_k(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_q6_k *b = (const void *)w;
    UNROLL for (int i = 0; i < 16; i++) {
        const int half = i / 8, s = i / 2 % 4, part = i % 2;
        const uint8x16_t both = vld1q_u8(b->ql + 64 * half + 32 * (s & 1) + 16 * part);
        const uint8x16_t high = shift_bytes(vld1q_u8(b->qh + 32 * half + 16 * part), 4 - 2 * s);
        const uint8x16_t low = s < 2 ? low_nibbles(both) : high_nibbles(both);
        u->q[i] = less(vorrq_u8(low, vandq_u8(high, vdupq_n_u8(0x30))), 32);
    }
    scale_16(u->d, vld1q_s8(b->scales), load_f16(b->d));
}

#endif
