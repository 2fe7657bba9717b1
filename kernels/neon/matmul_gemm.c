/* matmul_gemm.c - GEMMs of 8-bit activations in NEON: matmul_gemm.h has them. Each row's values stay together: a sum of
 * products goes along k, and four rows' sums are then added up to one vector. */
#include "kernels/neon/matmul.h"
#include "kernels/neon/matmul_lanes.h"
#include "kernels/neon/matmul_products.h"

INLINE void interleave_rows(int8x16_t q[PANEL])
{
    (void)q;
}

INLINE void group_products(int32x4_t sums[SUMS], const int8_t *w, const int8_t *x, int parts, int n_cols, int max)
{
    for (int h = 0; h < 2; h++) {
        int8x16_t rows[4][2];
        for (int r = 0; r < 4; r++)
            for (int part = 0; part < parts; part++)
                rows[r][part] = vld1q_s8(w + part * PART + (4 * h + r) * 16);
        for (int c = 0; c < n_cols; c++) {
            int32x4_t one[4];
            for (int r = 0; r < 4; r++)
                one[r] = products(rows[r], x + 16 * c, 16 * COLUMNS, parts, max);
            sums[2 * c + h] = vpaddq_s32(vpaddq_s32(one[0], one[1]), vpaddq_s32(one[2], one[3]));
        }
    }
}

#include "kernels/neon/matmul_gemm.h"

#define GEMM(name, NAME) \
    void neon_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, type_##name); \
    }
QUANTISED_TYPES(GEMM)
