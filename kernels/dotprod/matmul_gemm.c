/* matmul_gemm.c - GEMMs of 8-bit activations with sdot: kernels/neon/matmul_gemm.h has them. Rows stand in lanes: four
 * values each of four rows meet the same four of a column. In a part of a panel these are [4][2 times 4 rows][4]. */
#include "kernels/dotprod/dotprod.h"
#include "kernels/neon/matmul_lanes.h"

/* From four values together of each of four rows to four rows together of each four values. */
INLINE void transpose_4x4(int8x16_t q[4], int8x16_t to[PANEL], int half)
{
    const uint32x4_t a = vreinterpretq_u32_s8(q[0]), b = vreinterpretq_u32_s8(q[1]);
    const uint32x4_t c = vreinterpretq_u32_s8(q[2]), d = vreinterpretq_u32_s8(q[3]);
    const uint64x2_t ab_low = vreinterpretq_u64_u32(vzip1q_u32(a, b)), cd_low = vreinterpretq_u64_u32(vzip1q_u32(c, d));
    const uint64x2_t ab_high = vreinterpretq_u64_u32(vzip2q_u32(a, b));
    const uint64x2_t cd_high = vreinterpretq_u64_u32(vzip2q_u32(c, d));
    to[half] = vreinterpretq_s8_u64(vzip1q_u64(ab_low, cd_low));
    to[2 + half] = vreinterpretq_s8_u64(vzip2q_u64(ab_low, cd_low));
    to[4 + half] = vreinterpretq_s8_u64(vzip1q_u64(ab_high, cd_high));
    to[6 + half] = vreinterpretq_s8_u64(vzip2q_u64(ab_high, cd_high));
}

INLINE void interleave_rows(int8x16_t q[PANEL])
{
    int8x16_t to[PANEL];
    transpose_4x4(q, to, 0);
    transpose_4x4(q + 4, to, 1);
    for (int i = 0; i < PANEL; i++)
        q[i] = to[i];
}

/* sums + the products of four values of four rows and those of one lane of x. */
INLINE int32x4_t add_lane(int32x4_t sums, int8x16_t rows, int8x16_t x, int lane)
{
    switch (lane) {
    case 0: return vdotq_laneq_s32(sums, rows, x, 0);
    case 1: return vdotq_laneq_s32(sums, rows, x, 1);
    case 2: return vdotq_laneq_s32(sums, rows, x, 2);
    default: return vdotq_laneq_s32(sums, rows, x, 3);
    }
}

INLINE void group_products(int32x4_t sums[SUMS], const int8_t *w, const int8_t *x, int parts, int n_cols, int max)
{
    (void)max;
    for (int i = 0; i < 2 * n_cols; i++)
        sums[i] = vdupq_n_s32(0);
    for (int part = 0; part < parts; part++, w += PART, x += 16 * COLUMNS) {
        int8x16_t cols[COLUMNS];
        for (int c = 0; c < n_cols; c++)
            cols[c] = vld1q_s8(x + 16 * c);
        UNROLL for (int lane = 0; lane < 4; lane++) {
            const int8x16_t low = vld1q_s8(w + 32 * lane), high = vld1q_s8(w + 32 * lane + 16);
            for (int c = 0; c < n_cols; c++) {
                sums[2 * c] = add_lane(sums[2 * c], low, cols[c], lane);
                sums[2 * c + 1] = add_lane(sums[2 * c + 1], high, cols[c], lane);
            }
        }
    }
}

#include "kernels/neon/matmul_gemm.h"

#define GEMM(name, NAME) \
    void dotprod_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, type_##name); \
    }
QUANTISED_TYPES(GEMM)
