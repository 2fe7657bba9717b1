/* runs.h - the sizes of run r (0..31), eight weights, of a block of a type with a grid: bytes, the lowest first.
 * Where a block keeps its codes is told in blocks.h. */
#ifndef RUNS_H
#define RUNS_H

#include "kernels/blocks.h"
#include "kernels/codebooks.h"
#include "src/base/numbers.h"

/** A function of those below. */
typedef uint64_t run_fn(const void *block, int r);

static inline uint64_t run_iq2_xxs(const void *block, int r)
{
    const struct block_iq2_xxs *b = block;
    return codebook_iq2_xxs[b->qs[r / 4 * 8 + r % 4]];
}

static inline uint64_t run_iq2_xs(const void *block, int r)
{
    const struct block_iq2_xs *b = block;
    return codebook_iq2_xs[read_u16(b->qs + 2 * r) & 511];
}

static inline uint64_t run_iq2_s(const void *block, int r)
{
    const struct block_iq2_s *b = block;
    return codebook_iq2_s[b->qs[r] | (b->qh[r / 4] >> r % 4 * 2 & 3) << 8];
}

static inline uint64_t run_iq3_xxs(const void *block, int r)
{
    const struct block_iq3_xxs *b = block;
    return codebook_iq3_xxs[b->qs[2 * r]] | (uint64_t)codebook_iq3_xxs[b->qs[2 * r + 1]] << 32;
}

static inline uint64_t run_iq3_s(const void *block, int r)
{
    const struct block_iq3_s *b = block;
    const int high = b->qh[r / 4] >> r % 4 * 2;
    const int first = b->qs[2 * r] | (high & 1) << 8, second = b->qs[2 * r + 1] | (high & 2) << 7;
    return codebook_iq3_s[first] | (uint64_t)codebook_iq3_s[second] << 32;
}

static inline uint64_t run_iq1_s(const void *block, int r)
{
    const struct block_iq1_s *b = block;
    return codebook_iq1[b->qs[r] | (read_u16(b->qh + r / 4 * 2) >> r % 4 * 3 & 7) << 8];
}

static inline uint64_t run_iq1_m(const void *block, int r)
{
    const struct block_iq1_m *b = block;
    return codebook_iq1[b->qs[r] | (b->qh[r / 2] >> r % 2 * 4 & 7) << 8];
}

#endif
