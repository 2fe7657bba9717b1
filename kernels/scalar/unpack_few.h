/* unpack_few.h - the types of few values (one or two bits, ternary), of 4-bit codes, and llama.cpp's own activations,
 * in the common form. The layouts are described in blocks.h. */
#ifndef KERNELS_SCALAR_UNPACK_FEW_H
#define KERNELS_SCALAR_UNPACK_FEW_H

#include "kernels/codebooks.h"
#include "kernels/scalar/unpack.h"

/* The same scale for the sub-blocks of 16 from first to last - 1, and no minimum. */
static inline void set_scales(struct quants *u, int first, int last, float scale)
{
    for (int j = first; j < last; j++) {
        u->scale[j] = scale;
        u->min[j] = 0;
    }
}

static inline void unpack_q8_1(struct quants *u, const void *block)
{
    const struct block_q8_1 *b = block;
    memcpy(u->q, b->qs, 32);
    set_scales(u, 0, 2, read_f16(b->d));
}

static inline void unpack_q8_k(struct quants *u, const void *block)
{
    const struct block_q8_k *b = block;
    memcpy(u->q, b->qs, 256);
    set_scales(u, 0, 16, f32_from_bits(read_u32(b->d)));
}

static inline void unpack_q1_0(struct quants *u, const void *block)
{
    const struct block_q1_0 *b = block;
    for (int i = 0; i < 128; i++)
        u->q[i] = b->qs[i / 8] >> i % 8 & 1 ? 1 : -1;
    set_scales(u, 0, 8, read_f16(b->d));
}

static inline void unpack_q2_0(struct quants *u, const void *block)
{
    const struct block_q2_0 *b = block;
    for (int i = 0; i < 64; i++)
        u->q[i] = (int8_t)((b->qs[i / 4] >> 2 * (i % 4) & 3) - 1);
    set_scales(u, 0, 4, read_f16(b->d));
}

/* Digits 0 .. n_digits - 1 of n_bytes bytes of tq1_0; digit i is a row of n_bytes weights. */
static inline void unpack_digits(int8_t *q, const uint8_t *bytes, int n_bytes, int n_digits)
{
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    for (int i = 0; i < n_digits; i++)
        for (int l = 0; l < n_bytes; l++) {
            const uint8_t fraction = (uint8_t)(bytes[l] * power[i]); /* digits before i are gone, modulo 256 */
            q[i * n_bytes + l] = (int8_t)((fraction * 3 >> 8) - 1);
        }
}

static inline void unpack_tq1_0(struct quants *u, const void *block)
{
    const struct block_tq1_0 *b = block;
    unpack_digits(u->q, b->qs, 32, 5);
    unpack_digits(u->q + 160, b->qs + 32, 16, 5);
    unpack_digits(u->q + 240, b->qh, 4, 4);
    set_scales(u, 0, 16, read_f16(b->d));
}

static inline void unpack_tq2_0(struct quants *u, const void *block)
{
    const struct block_tq2_0 *b = block;
    for (int half = 0; half < 2; half++)
        for (int s = 0; s < 4; s++)
            for (int l = 0; l < 32; l++)
                u->q[128 * half + 32 * s + l] = (int8_t)((b->qs[32 * half + l] >> 2 * s & 3) - 1);
    set_scales(u, 0, 16, read_f16(b->d));
}

/* What 2 n nibbles stand for: first the low ones of n bytes, then the high ones. */
static inline void unpack_codes(int8_t *q, const uint8_t *qs, int n, const int8_t values[16])
{
    for (int i = 0; i < n; i++) {
        q[i] = values[qs[i] & 15];
        q[i + n] = values[qs[i] >> 4];
    }
}

static inline void unpack_iq4_nl(struct quants *u, const void *block)
{
    const struct block_iq4_nl *b = block;
    unpack_codes(u->q, b->qs, 16, codebook_iq4_nl);
    set_scales(u, 0, 2, read_f16(b->d));
}

static inline void unpack_iq4_xs(struct quants *u, const void *block)
{
    const struct block_iq4_xs *b = block;
    const float d = read_f16(b->d);
    const unsigned scales_h = read_u16(b->scales_h);
    for (int j = 0; j < 8; j++) {
        const unsigned low = b->scales_l[j / 2] >> 4 * (j % 2) & 15, high = scales_h >> 2 * j & 3;
        unpack_codes(u->q + 32 * j, b->qs + 16 * j, 16, codebook_iq4_nl);
        set_scales(u, 2 * j, 2 * j + 2, d * (float)((int)(low | high << 4) - 32));
    }
}

static inline void unpack_mxfp4(struct quants *u, const void *block)
{
    const struct block_mxfp4 *b = block;
    unpack_codes(u->q, b->qs, 16, codebook_fp4);
    set_scales(u, 0, 2, 0.5f * e8m0_to_f32(b->e));
}

static inline void unpack_nvfp4(struct quants *u, const void *block)
{
    const struct block_nvfp4 *b = block;
    for (int j = 0; j < 4; j++) {
        unpack_codes(u->q + 16 * j, b->qs + 8 * j, 8, codebook_fp4);
        set_scales(u, j, j + 1, 0.5f * ue4m3_to_f32(b->d[j]));
    }
}

#endif
