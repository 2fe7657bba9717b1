/* matmul_lanes.h - the order of sums where rows stand in lanes: vectors 2 c and 2 c + 1 are rows 0..3 and 4..7 of
 * column c. So it is outside of the inner loop, too. */
#ifndef KERNELS_NEON_MATMUL_LANES_H
#define KERNELS_NEON_MATMUL_LANES_H

#include "kernels/neon/matmul_panel.h"

#define SCALES PANEL /* floats of a group in a panel */

INLINE void interleave_columns(int8x16_t q[COLUMNS])
{
    (void)q;
}

INLINE void spread_rows(float *to, float32x4_t low, float32x4_t high)
{
    vst1q_f32(to, low);
    vst1q_f32(to + 4, high);
}

INLINE float32x4_t by_column(const float *numbers, int i)
{
    return vdupq_n_f32(numbers[i]);
}

INLINE void to_columns(float32x4_t sums[SUMS])
{
    (void)sums;
}

INLINE void from_columns(float32x4_t sums[SUMS])
{
    (void)sums;
}

#endif
