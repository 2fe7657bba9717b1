/* matmul_panel.h - what the inner loop of a GEMM of 8-bit activations reads.
 *
 * A panel is PANEL rows by up to CHUNK values of k, unpacked once for all columns; a group is 32 values where the
 * type's scales are those of 32 weights, else 16:
 *   group:  [parts of 16 values] 16 values each of PANEL rows | scales by row | minima by row, if the type has them
 * Columns' pieces of as many values are packed too, COLUMNS together, because rows of activations may lie at a stride
 * that maps them all to the same lines of the cache. In which order the values of a part and the scales stand, a set
 * says. */
#ifndef KERNELS_NEON_MATMUL_PANEL_H
#define KERNELS_NEON_MATMUL_PANEL_H

#include "kernels/neon/matmul_types.h"

#define PANEL 8
#define COLUMNS 4
#define CHUNK 512 /* a multiple of UNIT */
#define PART (PANEL * 16)
#define SUMS (PANEL * COLUMNS / 4) /* vectors */

/* A piece of COLUMNS columns. */
struct packed {
    int8_t q[CHUNK / 16][COLUMNS * 16];
    float d[CHUNK / 32][COLUMNS];
    float s[CHUNK / 16][COLUMNS]; /* d * sum(q) of each group */
};

INLINE int group_values(struct type type)
{
    return type.pairs ? 32 : 16;
}

#endif
