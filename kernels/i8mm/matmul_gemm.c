/* matmul_gemm.c - GEMMs of 8-bit activations with smmla: kernels/neon/matmul_gemm.h has them. An instruction multiplies
 * 8 values of two rows and of two columns. A part of a panel is [2][4 pairs of rows][2][8], one of columns [2][2 pairs]
 * [2][8]. */
#include "kernels/i8mm/blocks_2x2.h"
#include "kernels/i8mm/i8mm.h"
#include "kernels/neon/matmul_panel.h"

#define SCALES (2 * PANEL) /* floats of a group in a panel: a pair of rows takes r, r, r + 1, r + 1 */

/* Pairs of rows or columns, n in all, in place. */
INLINE void interleave(int8x16_t *q, int n)
{
    int8x16_t to[PANEL];
    for (int i = 0; i < n; i += 2) {
        const int64x2_t a = vreinterpretq_s64_s8(q[i]), b = vreinterpretq_s64_s8(q[i + 1]);
        to[i / 2] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
        to[n / 2 + i / 2] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
    }
    for (int i = 0; i < n; i++)
        q[i] = to[i];
}

INLINE void interleave_rows(int8x16_t q[PANEL])
{
    interleave(q, PANEL);
}

INLINE void interleave_columns(int8x16_t q[COLUMNS])
{
    interleave(q, COLUMNS);
}

INLINE void spread_rows(float *to, float32x4_t low, float32x4_t high)
{
    vst1q_f32(to, vzip1q_f32(low, low));
    vst1q_f32(to + 4, vzip2q_f32(low, low));
    vst1q_f32(to + 8, vzip1q_f32(high, high));
    vst1q_f32(to + 12, vzip2q_f32(high, high));
}

/* A pair of columns: c, c + 1, c, c + 1. */
INLINE float32x4_t by_column(const float *numbers, int i)
{
    const float32x2_t pair = vld1_f32(numbers + 2 * i);
    return vcombine_f32(pair, pair);
}

INLINE void to_columns(float32x4_t sums[SUMS])
{
    blocks_to_columns(sums, COLUMNS / 2);
}

INLINE void from_columns(float32x4_t sums[SUMS])
{
    columns_to_blocks(sums, COLUMNS / 2);
}

INLINE void group_products(int32x4_t sums[SUMS], const int8_t *w, const int8_t *x, int parts, int n_cols, int max)
{
    (void)max;
    for (int i = 0; i < 2 * n_cols; i++)
        sums[i] = vdupq_n_s32(0);
    for (int step = 0; step < 2 * parts; step++, w += PART / 2, x += 8 * COLUMNS)
        for (int pair = 0; pair < n_cols / 2; pair++) {
            const int8x16_t cols = vld1q_s8(x + 16 * pair);
            for (int r = 0; r < 4; r++)
                sums[4 * pair + r] = vmmlaq_s32(sums[4 * pair + r], vld1q_s8(w + 16 * r), cols);
        }
}

#include "kernels/neon/matmul_gemm.h"

#define GEMM(name, NAME) \
    void i8mm_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, type_##name); \
    }
QUANTISED_TYPES(GEMM)
