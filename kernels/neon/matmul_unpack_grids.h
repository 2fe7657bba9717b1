/* matmul_unpack_grids.h - the types whose weights come in runs from a grid, in the common form. What a block keeps
 * beside its codes is gathered for all 32 runs, a byte for each: eight sign bits, 1 for minus, or for iq1, whose runs
 * are shifted, all bits where that is by -1/8. blocks.h says where they are. */
#ifndef KERNELS_NEON_MATMUL_UNPACK_GRIDS_H
#define KERNELS_NEON_MATMUL_UNPACK_GRIDS_H

#include "kernels/neon/matmul_unpack_few.h"
#include "kernels/runs.h"
#include "kernels/scales.h"

/* Runs 2 i and 2 i + 1: 16 weights. */
INLINE uint8x16_t look_up_runs(const void *block, run_fn *run, int i)
{
    return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(run(block, 2 * i)), vcreate_u64(run(block, 2 * i + 1))));
}

/* Where `minus` has all bits set, inverting and subtracting it make a size negative. */
INLINE void unpack_signed(struct unit *u, const void *block, run_fn *run, const uint8_t signs[32])
{
    UNROLL for (int i = 0; i < 16; i++) {
        const uint8x16_t minus = bytes_of_bits(signs + 2 * i);
        u->q[i] = vreinterpretq_s8_u8(vsubq_u8(veorq_u8(look_up_runs(block, run, i), minus), minus));
    }
}

/* Of iq1: eight times the size, and the shift, 1 or -1. */
INLINE void unpack_shifted(struct unit *u, const void *block, run_fn *run, const uint8_t shifts[32])
{
    UNROLL for (int i = 0; i < 16; i++) {
        const uint8x16_t minus = vcombine_u8(vdup_n_u8(shifts[2 * i]), vdup_n_u8(shifts[2 * i + 1]));
        const uint8x16_t sizes = vshlq_n_u8(look_up_runs(block, run, i), 3);
        u->q[i] = vreinterpretq_s8_u8(vaddq_u8(sizes, vorrq_u8(minus, vdupq_n_u8(1))));
    }
}

/* ---- Codes whose upper bits lie apart, put together eight at a time: those of runs, of iq3_s those of halves ---- */

INLINE void put_codes(uint16_t codes[8], const uint8_t lower[8], uint16x8_t upper)
{
    vst1q_u16(codes, vorrq_u16(vmovl_u8(vld1_u8(lower)), upper));
}

/* Two numbers, each four times, shifted up by the four numbers in `up`. */
INLINE uint16x8_t shift_each(uint16_t a, uint16_t b, int16x4_t up)
{
    return vshlq_u16(vcombine_u16(vdup_n_u16(a), vdup_n_u16(b)), vcombine_s16(up, up));
}

INLINE uint64_t coded_iq2_s(const void *codes, int r)
{
    return codebook_iq2_s[((const uint16_t *)codes)[r]];
}

INLINE uint64_t coded_iq3_s(const void *codes, int r)
{
    const uint16_t *const two = (const uint16_t *)codes + 2 * r;
    return codebook_iq3_s[two[0]] | (uint64_t)codebook_iq3_s[two[1]] << 32;
}

INLINE uint64_t coded_iq1(const void *codes, int r)
{
    return codebook_iq1[((const uint16_t *)codes)[r]];
}

/* ---- The types ---- */

/* The eighth bit makes the number of ones even. */
INLINE uint8x16_t eight_of_seven(uint8x16_t signs)
{
    return vsliq_n_u8(signs, vcntq_u8(signs), 7);
}

/* Four fields of some bits from each dword, one a byte. */
INLINE uint8x16_t bytes_of_fields(uint32x4_t dwords, int bits)
{
    uint32x4_t bytes = vdupq_n_u32(0);
    for (int i = 0; i < 4; i++) {
        const uint32x4_t field = vandq_u32(dwords, vdupq_n_u32(((1u << bits) - 1) << i * bits));
        bytes = vorrq_u32(bytes, field << vdupq_n_u32((uint32_t)((8 - bits) * i)));
    }
    return vreinterpretq_u8_u32(bytes);
}

/* Dwords of iq2_xxs and iq3_xxs, those of groups 4 h to 4 h + 3: seven sign bits for each run, then a scale. */
INLINE void signs_and_scales(struct unit *u, uint8_t signs[32], uint32x4_t dwords, int h, float d)
{
    const uint32x4_t odd = vorrq_u32(vshrq_n_u32(dwords, 27), vdupq_n_u32(1));
    vst1q_u8(signs + 16 * h, eight_of_seven(bytes_of_fields(dwords, 7)));
    u->d[h] = vmulq_n_f32(vcvtq_f32_u32(odd), d);
}

INLINE uint32x4_t load_dwords(const uint8_t *p)
{
    return vreinterpretq_u32_u8(vld1q_u8(p));
}

INLINE void unpack_iq2_xxs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq2_xxs *b = (const void *)w;
    uint8_t signs[32];
    for (int h = 0; h < 2; h++) {
        const uint8_t *const groups = b->qs + 32 * h;
        const uint32x4_t second = vuzp2q_u32(load_dwords(groups), load_dwords(groups + 16));
        signs_and_scales(u, signs, second, h, load_f16(b->d) / 8);
    }
    unpack_signed(u, b, run_iq2_xxs, signs);
}

INLINE void unpack_iq3_xxs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq3_xxs *b = (const void *)w;
    uint8_t signs[32];
    for (int h = 0; h < 2; h++)
        signs_and_scales(u, signs, load_dwords(b->scales + 16 * h), h, load_f16(b->d) / 4);
    unpack_signed(u, b, run_iq3_xxs, signs);
}

/* The odd numbers that bytes of scale stand for. */
INLINE int8x16_t odd_numbers(uint8x16_t sc)
{
    return vreinterpretq_s8_u8(vorrq_u8(vshlq_n_u8(sc, 1), vdupq_n_u8(1)));
}

/* 16 nibbles, a byte for each. */
INLINE uint8x16_t bytes_of_nibbles(const uint8_t p[8])
{
    const uint8x16_t all = vcombine_u8(vld1_u8(p), vdup_n_u8(0));
    return vzip1q_u8(low_nibbles(all), high_nibbles(all));
}

INLINE void unpack_iq2_xs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq2_xs *b = (const void *)w;
    uint8_t signs[32];
    for (int h = 0; h < 2; h++) {
        const uint8x16_t upper_bytes = vuzp2q_u8(vld1q_u8(b->qs + 32 * h), vld1q_u8(b->qs + 32 * h + 16));
        vst1q_u8(signs + 16 * h, eight_of_seven(vshrq_n_u8(upper_bytes, 1)));
    }
    unpack_signed(u, b, run_iq2_xs, signs);
    scale_16(u->d, odd_numbers(bytes_of_nibbles(b->scales)), load_f16(b->d) / 8);
}

INLINE void unpack_iq2_s(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq2_s *b = (const void *)w;
    uint16_t codes[32];
    for (int g = 0; g < 8; g += 2) {
        const uint16x8_t two_bits = shift_each(b->qh[g], b->qh[g + 1], (int16x4_t){ 8, 6, 4, 2 });
        put_codes(codes + 4 * g, b->qs + 4 * g, vandq_u16(two_bits, vdupq_n_u16(0x300)));
    }
    unpack_signed(u, codes, coded_iq2_s, b->signs);
    scale_16(u->d, odd_numbers(bytes_of_nibbles(b->scales)), load_f16(b->d) / 8);
}

INLINE void unpack_iq3_s(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq3_s *b = (const void *)w;
    const uint16x8_t bit = { 1, 2, 4, 8, 16, 32, 64, 128 };
    uint16_t codes[64];
    for (int g = 0; g < 8; g++)
        put_codes(codes + 8 * g, b->qs + 8 * g, vandq_u16(vtstq_u16(vdupq_n_u16(b->qh[g]), bit), vdupq_n_u16(0x100)));
    unpack_signed(u, codes, coded_iq3_s, b->signs);
    for (int h = 0; h < 2; h++) {
        const uint32x4_t sc = fields(read_u32(b->scales), 4, 4 * h);
        const uint32x4_t odd = vorrq_u32(vshlq_n_u32(sc, 1), vdupq_n_u32(1));
        u->d[h] = vmulq_n_f32(vcvtq_f32_u32(odd), load_f16(b->d));
    }
}

INLINE void unpack_iq1_s(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq1_s *b = (const void *)w;
    const uint16x8_t words = vreinterpretq_u16_u8(vld1q_u8(b->qh));
    const int16x8_t minus = vshrq_n_s16(vreinterpretq_s16_u16(words), 15);
    uint8_t shifts[32];
    vst1q_u8(shifts, vreinterpretq_u8_s16(vzip1q_s16(minus, minus)));
    vst1q_u8(shifts + 16, vreinterpretq_u8_s16(vzip2q_s16(minus, minus)));
    uint16_t codes[32];
    for (int g = 0; g < 8; g += 2) {
        const uint16x8_t three_bits = shift_each(read_u16(b->qh + 2 * g), read_u16(b->qh + 2 * g + 2),
                                                 (int16x4_t){ 8, 5, 2, -1 });
        put_codes(codes + 4 * g, b->qs + 4 * g, vandq_u16(three_bits, vdupq_n_u16(0x700)));
    }
    unpack_shifted(u, codes, coded_iq1, shifts);
    const uint16x8_t sc = vandq_u16(vshrq_n_u16(words, 12), vdupq_n_u16(7));
    scale_8(u->d, vget_low_s8(odd_numbers(vcombine_u8(vmovn_u16(sc), vdup_n_u8(0)))), load_f16(b->d) / 8);
}

INLINE void unpack_iq1_m(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq1_m *b = (const void *)w;
    uint8_t shifts[32];
    uint16_t codes[32];
    for (int h = 0; h < 2; h++) {
        const uint8x16_t nibbles = bytes_of_nibbles(b->qh + 8 * h), three_bits = vandq_u8(nibbles, vdupq_n_u8(7));
        vst1q_u8(shifts + 16 * h, vcgtq_u8(nibbles, vdupq_n_u8(7)));
        put_codes(codes + 16 * h, b->qs + 16 * h, vshll_n_u8(vget_low_u8(three_bits), 8));
        put_codes(codes + 16 * h + 8, b->qs + 16 * h + 8, vshll_high_n_u8(three_bits, 8));
    }
    unpack_shifted(u, codes, coded_iq1, shifts);
    const uint32x4_t words = vmovl_u16(vreinterpret_u16_u8(vld1_u8(b->scales)));
    scale_16(u->d, odd_numbers(bytes_of_fields(words, 3)), f16_of_bits(read_f16_spread(b->scales)) / 8);
}

#endif
