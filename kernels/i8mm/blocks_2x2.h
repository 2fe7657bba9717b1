/* blocks_2x2.h - the order of sums that matrix instructions have: a vector is a block of 2 rows x 2 columns, [row]
 * [column]; vector 4 p + r is that of rows 2 r, 2 r + 1 and columns 2 p, 2 p + 1 of 8 rows. Operands are two rows or
 * two columns, 8 bytes of each. */
#ifndef KERNELS_I8MM_BLOCKS_2X2_H
#define KERNELS_I8MM_BLOCKS_2X2_H

#include <arm_neon.h>

/** Blocks of n_pairs pairs of columns to columns, in place: vectors 2 c and 2 c + 1 are rows 0..3 and 4..7 of c. */
static inline __attribute__((always_inline)) void blocks_to_columns(float32x4_t *sums, int n_pairs)
{
    for (int p = 0; p < n_pairs; p++, sums += 4) {
        const float32x4_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
        sums[0] = vuzp1q_f32(a, b);
        sums[1] = vuzp1q_f32(c, d);
        sums[2] = vuzp2q_f32(a, b);
        sums[3] = vuzp2q_f32(c, d);
    }
}

static inline __attribute__((always_inline)) void columns_to_blocks(float32x4_t *sums, int n_pairs)
{
    for (int p = 0; p < n_pairs; p++, sums += 4) {
        const float32x4_t even[2] = { sums[0], sums[1] }, odd[2] = { sums[2], sums[3] };
        for (int h = 0; h < 2; h++) {
            sums[2 * h] = vzip1q_f32(even[h], odd[h]);
            sums[2 * h + 1] = vzip2q_f32(even[h], odd[h]);
        }
    }
}

#endif
