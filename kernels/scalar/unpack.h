/* unpack.h - every quantised type in one common form: small integers, and a scale and a minimum for each 16 of them.
 *
 * One inline function per type turns a block into that form; what is done with it (floats, integer dot products) is
 * written once and instantiated over them. The layouts are described in blocks.h. */
#ifndef KERNELS_SCALAR_UNPACK_H
#define KERNELS_SCALAR_UNPACK_H

#include "kernels/blocks.h"
#include "src/base/numbers.h"

/** Weight i of a block is scale[i / 16] * q[i] - min[i / 16]. */
struct quants {
    int8_t q[BLOCK_MAX];
    float scale[BLOCK_MAX / 16], min[BLOCK_MAX / 16];
};
typedef void unpack_fn(struct quants *u, const void *block);

static inline float read_f16(const uint8_t *p)
{
    return f16_to_f32(read_u16(p));
}

/* The same scale and minimum for all of a block of 32. */
static inline void set_scale_32(struct quants *u, float scale, float min)
{
    u->scale[0] = u->scale[1] = scale;
    u->min[0] = u->min[1] = min;
}

/* The 32 nibbles of q4_x and q5_x, the fifth bits from qh (0 for none), less offset. */
static inline void unpack_nibbles_32(struct quants *u, const uint8_t *qs, uint32_t qh, int offset)
{
    for (int i = 0; i < 16; i++) {
        u->q[i] = (int8_t)((qs[i] & 15) + (int)(qh >> i & 1) * 16 - offset);
        u->q[i + 16] = (int8_t)((qs[i] >> 4) + (int)(qh >> (i + 16) & 1) * 16 - offset);
    }
}

static inline void unpack_q4_0(struct quants *u, const void *block)
{
    const struct block_q4_0 *b = block;
    unpack_nibbles_32(u, b->qs, 0, 8);
    set_scale_32(u, read_f16(b->d), 0);
}

static inline void unpack_q4_1(struct quants *u, const void *block)
{
    const struct block_q4_1 *b = block;
    unpack_nibbles_32(u, b->qs, 0, 0);
    set_scale_32(u, read_f16(b->d), -read_f16(b->m));
}

static inline void unpack_q5_0(struct quants *u, const void *block)
{
    const struct block_q5_0 *b = block;
    unpack_nibbles_32(u, b->qs, read_u32(b->qh), 16);
    set_scale_32(u, read_f16(b->d), 0);
}

static inline void unpack_q5_1(struct quants *u, const void *block)
{
    const struct block_q5_1 *b = block;
    unpack_nibbles_32(u, b->qs, read_u32(b->qh), 0);
    set_scale_32(u, read_f16(b->d), -read_f16(b->m));
}

static inline void unpack_q8_0(struct quants *u, const void *block)
{
    const struct block_q8_0 *b = block;
    memcpy(u->q, b->qs, 32);
    set_scale_32(u, read_f16(b->d), 0);
}

static inline void unpack_q2_k(struct quants *u, const void *block)
{
    const struct block_q2_k *b = block;
    for (int half = 0; half < 2; half++)
        for (int s = 0; s < 4; s++)
            for (int l = 0; l < 32; l++)
                u->q[128 * half + 32 * s + l] = (int8_t)(b->qs[32 * half + l] >> 2 * s & 3);
    const float d = read_f16(b->d), dmin = read_f16(b->dmin);
    for (int j = 0; j < 16; j++) {
        u->scale[j] = d * (float)(b->scales[j] & 15);
        u->min[j] = dmin * (float)(b->scales[j] >> 4);
    }
}

static inline void unpack_q3_k(struct quants *u, const void *block)
{
    const struct block_q3_k *b = block;
    for (int half = 0; half < 2; half++)
        for (int s = 0; s < 4; s++)
            for (int l = 0; l < 32; l++) {
                const int low = b->qs[32 * half + l] >> 2 * s & 3, high = b->hmask[l] >> (4 * half + s) & 1;
                u->q[128 * half + 32 * s + l] = (int8_t)(low + 4 * high - 4);
            }
    const float d = read_f16(b->d);
    for (int j = 0; j < 16; j++) {
        const int low = b->scales[j % 8] >> (j < 8 ? 0 : 4) & 15, high = b->scales[8 + j % 4] >> 2 * (j / 4) & 3;
        u->scale[j] = d * (float)((low | high << 4) - 32);
        u->min[j] = 0;
    }
}

/* The eight 6-bit scales and minima of q4_k and q5_k. */
static inline void unpack_scales_k(struct quants *u, const uint8_t scales[12], float d, float dmin)
{
    for (int j = 0; j < 8; j++) {
        int sc, m;
        if (j < 4) {
            sc = scales[j] & 63;
            m = scales[j + 4] & 63;
        } else {
            sc = (scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4;
            m = scales[j + 4] >> 4 | (scales[j] >> 6) << 4;
        }
        u->scale[2 * j] = u->scale[2 * j + 1] = d * (float)sc;
        u->min[2 * j] = u->min[2 * j + 1] = dmin * (float)m;
    }
}

static inline void unpack_q4_k(struct quants *u, const void *block)
{
    const struct block_q4_k *b = block;
    for (int j = 0; j < 8; j++)
        for (int l = 0; l < 32; l++)
            u->q[32 * j + l] = (int8_t)(b->qs[j / 2 * 32 + l] >> (j & 1) * 4 & 15);
    unpack_scales_k(u, b->scales, read_f16(b->d), read_f16(b->dmin));
}

static inline void unpack_q5_k(struct quants *u, const void *block)
{
    const struct block_q5_k *b = block;
    for (int j = 0; j < 8; j++)
        for (int l = 0; l < 32; l++) {
            const int low = b->qs[j / 2 * 32 + l] >> (j & 1) * 4 & 15, high = b->qh[l] >> j & 1;
            u->q[32 * j + l] = (int8_t)(low | high << 4);
        }
    unpack_scales_k(u, b->scales, read_f16(b->d), read_f16(b->dmin));
}

static inline void unpack_q6_k(struct quants *u, const void *block)
{
    const struct block_q6_k *b = block;
    for (int half = 0; half < 2; half++)
        for (int s = 0; s < 4; s++)
            for (int l = 0; l < 32; l++) {
                const int low = b->ql[64 * half + 32 * (s & 1) + l] >> (s < 2 ? 0 : 4) & 15;
                const int high = b->qh[32 * half + l] >> 2 * s & 3;
                u->q[128 * half + 32 * s + l] = (int8_t)((low | high << 4) - 32);
            }
    const float d = read_f16(b->d);
    for (int j = 0; j < 16; j++) { /* scale 2 s + l / 16 of a half is that of its sub-block */
        u->scale[j] = d * (float)b->scales[j];
        u->min[j] = 0;
    }
}

#endif
