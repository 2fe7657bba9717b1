/* matmul_unpack_few.h - the types of few values (one or two bits, ternary) and of 4-bit codes in the common form. */
#ifndef KERNELS_NEON_MATMUL_UNPACK_FEW_H
#define KERNELS_NEON_MATMUL_UNPACK_FEW_H

#include "kernels/codebooks.h"
#include "kernels/neon/matmul_unpack.h"

/* What 4-bit codes stand for. */
INLINE void look_up_all(struct unit *u, const int8_t values[16])
{
    const int8x16_t table = vld1q_s8(values);
    UNROLL for (int i = 0; i < 16; i++)
        u->q[i] = vqtbl1q_s8(table, vreinterpretq_u8_s8(u->q[i]));
}

INLINE void unpack_iq4_nl(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_iq4_nl *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, sizeof *b, n_blocks, 0);
    look_up_all(u, codebook_iq4_nl);
    f16_by_group(u->d, w, sizeof *b, 1, n_blocks);
}

/* Eight fields of `bits` bits, group by group. */
INLINE uint32x4_t fields(uint32_t all, int bits, int first)
{
    const int32x4_t down = { 0, -bits, -2 * bits, -3 * bits };
    return vandq_u32(vshlq_u32(vdupq_n_u32(all >> first * bits), down), vdupq_n_u32((1u << bits) - 1));
}

INLINE void unpack_iq4_xs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq4_xs *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, 16, 8, 0);
    look_up_all(u, codebook_iq4_nl);
    for (int h = 0; h < 2; h++) {
        const uint32x4_t low = fields(read_u32(b->scales_l), 4, 4 * h), high = fields(read_u16(b->scales_h), 2, 4 * h);
        const int32x4_t sc = vreinterpretq_s32_u32(vorrq_u32(low, vshlq_n_u32(high, 4)));
        u->d[h] = vmulq_n_f32(vcvtq_f32_s32(vsubq_s32(sc, vdupq_n_s32(32))), load_f16(b->d));
    }
}

/* Halves of the E8M0 numbers at the start of eight blocks; 0 for missing blocks. Exponent 0 is 2^-127, of which the
 * bits of a float with that exponent would make nothing. The one that is no number becomes infinite. */
INLINE void half_e8m0(float32x4_t to[2], const uint8_t *w, int bytes, int n_blocks)
{
    uint8x8_t exponents = vdup_n_u8(0);
    UNROLL for (int i = 0; i < 8; i++)
        if (i < n_blocks)
            exponents[i] = w[i * bytes];
    const uint16x8_t words = vmovl_u8(exponents);
    for (int h = 0; h < 2; h++) {
        const uint32x4_t bits = vshlq_n_u32(vmovl_u16(h ? vget_high_u16(words) : vget_low_u16(words)), 23);
        const float32x4_t halves = vmaxq_f32(vmulq_n_f32(vreinterpretq_f32_u32(bits), 0.5f), vdupq_n_f32(0x1p-128f));
        const int32x4_t group = { 4 * h, 4 * h + 1, 4 * h + 2, 4 * h + 3 };
        const uint32x4_t there = vcltq_s32(group, vdupq_n_s32(n_blocks));
        to[h] = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(halves), there));
    }
}

INLINE void unpack_mxfp4(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_mxfp4 *b = (const void *)w;
    unpack_nibbles_32(u, b->qs, sizeof *b, n_blocks, 0);
    look_up_all(u, codebook_fp4);
    half_e8m0(u->d, w, sizeof *b, n_blocks);
}

/* Halves of sixteen unsigned E4M3 numbers, as ue4m3_to_f32() has them: without their top bits they are the bits of an
 * f16 that is 256 times smaller, subnormal numbers too. */
INLINE void half_ue4m3(float32x4_t to[4], uint8x16_t bytes)
{
    const uint8x16_t seven_bits = vandq_u8(bytes, vdupq_n_u8(0x7f));
    const uint8x16_t numbers = vbicq_u8(seven_bits, vceqq_u8(bytes, vdupq_n_u8(0x7f)));
    floats_of_f16(to, vshlq_n_u16(vmovl_u8(vget_low_u8(numbers)), 7));
    floats_of_f16(to + 2, vshlq_n_u16(vmovl_high_u8(numbers), 7));
    for (int i = 0; i < 4; i++)
        to[i] = vmulq_n_f32(to[i], 128);
}

/* 8 bytes hold a sub-block: low nibbles its first half, high ones its second. */
INLINE void unpack_nvfp4(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_nvfp4 *b = (const void *)w;
    uint32x4_t d = vdupq_n_u32(0);
    for (int i = 0; i < 4; i++)
        if (i < n_blocks)
            d[i] = read_u32(b[i].d);
    UNROLL for (int i = 0; i < 8; i++) {
        u->q[2 * i] = u->q[2 * i + 1] = vdupq_n_s8(0);
        if (i / 2 < n_blocks) {
            const uint8x16_t both = vld1q_u8(b[i / 2].qs + i % 2 * 16);
            const uint64x2_t low = vreinterpretq_u64_u8(low_nibbles(both));
            const uint64x2_t high = vreinterpretq_u64_u8(high_nibbles(both));
            u->q[2 * i] = vreinterpretq_s8_u64(vzip1q_u64(low, high));
            u->q[2 * i + 1] = vreinterpretq_s8_u64(vzip2q_u64(low, high));
        }
    }
    look_up_all(u, codebook_fp4);
    half_ue4m3(u->d, vreinterpretq_u8_u32(d));
}

/* 1 where a bit is 1, else -1. */
INLINE void unpack_q1_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q1_0 *b = (const void *)w;
    UNROLL for (int i = 0; i < 16; i++) {
        u->q[i] = vdupq_n_s8(0);
        if (i / 8 < n_blocks)
            u->q[i] = vreinterpretq_s8_u8(vornq_u8(vdupq_n_u8(1), bytes_of_bits(b[i / 8].qs + i % 8 * 2)));
    }
    f16_by_group(u->d, w, sizeof *b, 4, n_blocks);
}

/* Four bytes hold a sub-block, each four weights. */
INLINE void unpack_q2_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    const struct block_q2_0 *b = (const void *)w;
    const uint8x16_t source = { 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3 };
    const int8x16_t down = { 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6 };
    UNROLL for (int i = 0; i < 16; i++) {
        u->q[i] = vdupq_n_s8(0);
        if (i / 4 < n_blocks) {
            const uint8x16_t four = vreinterpretq_u8_u32(vdupq_n_u32(read_u32(b[i / 4].qs + i % 4 * 4)));
            u->q[i] = less(vandq_u8(vshlq_u8(vqtbl1q_u8(four, source), down), vdupq_n_u8(3)), 1);
        }
    }
    f16_by_group(u->d, w, sizeof *b, 2, n_blocks);
}

/* One scale for 256 weights. */
INLINE void scale_all(struct unit *u, const uint8_t *d)
{
    u->d[0] = u->d[1] = vdupq_n_f32(load_f16(d));
}

INLINE void unpack_tq2_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_tq2_0 *b = (const void *)w;
    unpack_crumbs(u, b->qs, 1);
    scale_all(u, b->d);
}

/* The digit of each byte that its power of 3 brings to the front, less 1: -1 below 1/3, 0 below 2/3, else 1. A
 * comparison gives -1 where it holds. */
INLINE int8x16_t digits(uint8x16_t bytes, uint8x16_t powers)
{
    const uint8x16_t fractions = vmulq_u8(bytes, powers);
    const uint8x16_t third = vcltq_u8(fractions, vdupq_n_u8(86)), two_thirds = vcgeq_u8(fractions, vdupq_n_u8(171));
    return vreinterpretq_s8_u8(vsubq_u8(third, two_thirds));
}

/* 32 bytes with five digits, 16 with five, and four with four. */
INLINE void unpack_tq1_0(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_tq1_0 *b = (const void *)w;
    static const uint8_t powers[5] = { 1, 3, 9, 27, 81 };
    UNROLL for (int i = 0; i < 5; i++) {
        const uint8x16_t power = vdupq_n_u8(powers[i]);
        u->q[2 * i] = digits(vld1q_u8(b->qs), power);
        u->q[2 * i + 1] = digits(vld1q_u8(b->qs + 16), power);
        u->q[10 + i] = digits(vld1q_u8(b->qs + 32), power);
    }
    const uint8x16_t by_digit = { 1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27 };
    u->q[15] = digits(vreinterpretq_u8_u32(vdupq_n_u32(read_u32(b->qh))), by_digit);
    scale_all(u, b->d);
}

#endif
