/* unpack_iq.h - the types whose weights come in runs from a grid, in the common form: a size times its sign is a small
 * integer already; for iq1, whose sizes are shifted by 1/8, eight times it is. The layouts are described in blocks.h. */
#ifndef KERNELS_SCALAR_UNPACK_IQ_H
#define KERNELS_SCALAR_UNPACK_IQ_H

#include "kernels/runs.h"
#include "kernels/scales.h"
#include "kernels/scalar/unpack_few.h"

/* A run: the bytes of `sizes`, those negative whose bit of `signs` is 1. */
static inline void set_run(int8_t q[8], uint64_t sizes, unsigned signs)
{
    for (int i = 0; i < 8; i++) {
        const int size = (int)(sizes >> 8 * i & 0xff);
        q[i] = (int8_t)(signs >> i & 1 ? -size : size);
    }
}

static inline unsigned nibble(const uint8_t *p, int i)
{
    return p[i / 2] >> 4 * (i % 2) & 15;
}

/* The odd factor that a few bits of scale stand for. */
static inline float odd(unsigned sc)
{
    return (float)(2 * sc + 1);
}

static inline void unpack_iq2_xxs(struct quants *u, const void *block)
{
    const struct block_iq2_xxs *b = block;
    const float d = read_f16(b->d) / 8;
    for (int g = 0; g < 8; g++) {
        const uint32_t word = read_u32(b->qs + 8 * g + 4);
        for (int r = 0; r < 4; r++)
            set_run(u->q + 32 * g + 8 * r, run_iq2_xxs(b, 4 * g + r), codebook_signs[word >> 7 * r & 127]);
        set_scales(u, 2 * g, 2 * g + 2, d * odd(word >> 28));
    }
}

static inline void unpack_iq2_xs(struct quants *u, const void *block)
{
    const struct block_iq2_xs *b = block;
    const float d = read_f16(b->d) / 8;
    for (int r = 0; r < 32; r++)
        set_run(u->q + 8 * r, run_iq2_xs(b, r), codebook_signs[read_u16(b->qs + 2 * r) >> 9]);
    for (int j = 0; j < 16; j++)
        set_scales(u, j, j + 1, d * odd(nibble(b->scales, j)));
}

static inline void unpack_iq2_s(struct quants *u, const void *block)
{
    const struct block_iq2_s *b = block;
    const float d = read_f16(b->d) / 8;
    for (int r = 0; r < 32; r++)
        set_run(u->q + 8 * r, run_iq2_s(b, r), b->signs[r]);
    for (int j = 0; j < 16; j++)
        set_scales(u, j, j + 1, d * odd(nibble(b->scales, j)));
}

static inline void unpack_iq3_xxs(struct quants *u, const void *block)
{
    const struct block_iq3_xxs *b = block;
    const float d = read_f16(b->d) / 4;
    for (int g = 0; g < 8; g++) {
        const uint32_t word = read_u32(b->scales + 4 * g);
        for (int r = 0; r < 4; r++)
            set_run(u->q + 32 * g + 8 * r, run_iq3_xxs(b, 4 * g + r), codebook_signs[word >> 7 * r & 127]);
        set_scales(u, 2 * g, 2 * g + 2, d * odd(word >> 28));
    }
}

static inline void unpack_iq3_s(struct quants *u, const void *block)
{
    const struct block_iq3_s *b = block;
    const float d = read_f16(b->d);
    for (int r = 0; r < 32; r++)
        set_run(u->q + 8 * r, run_iq3_s(b, r), b->signs[r]);
    for (int g = 0; g < 8; g++)
        set_scales(u, 2 * g, 2 * g + 2, d * odd(nibble(b->scales, g)));
}

/* A run of iq1: bytes of -1, 0, 1, shifted by 1/8 or, if minus is 1, by -1/8; all times 8. */
static inline void set_shifted_run(int8_t q[8], uint64_t sizes, unsigned minus)
{
    for (int i = 0; i < 8; i++)
        q[i] = (int8_t)(8 * (int8_t)(sizes >> 8 * i & 0xff) + (minus ? -1 : 1));
}

static inline void unpack_iq1_s(struct quants *u, const void *block)
{
    const struct block_iq1_s *b = block;
    const float d = read_f16(b->d) / 8;
    for (int g = 0; g < 8; g++) {
        const unsigned qh = read_u16(b->qh + 2 * g);
        for (int r = 0; r < 4; r++)
            set_shifted_run(u->q + 32 * g + 8 * r, run_iq1_s(b, 4 * g + r), qh >> 15);
        set_scales(u, 2 * g, 2 * g + 2, d * odd(qh >> 12 & 7));
    }
}

static inline void unpack_iq1_m(struct quants *u, const void *block)
{
    const struct block_iq1_m *b = block;
    const float d = f16_to_f32(read_f16_spread(b->scales)) / 8;
    for (int r = 0; r < 32; r++)
        set_shifted_run(u->q + 8 * r, run_iq1_m(b, r), nibble(b->qh, r) >> 3);
    for (int j = 0; j < 16; j++)
        set_scales(u, j, j + 1, d * odd(read_u16(b->scales + j / 4 * 2) >> 3 * (j % 4) & 7));
}

#endif
