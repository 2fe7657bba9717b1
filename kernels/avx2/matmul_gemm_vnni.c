/* matmul_gemm_vnni.c - panels by vpdpbusd: matmul_gemm.h. */
#include "kernels/avx2/matmul_gemm.h"
#include "kernels/avx2/vnni.h"

/* FOURS */
INLINE void multiply_fours(__m256i products[COLUMNS][2], const uint8_t *panel, const struct packed *x, size_t group,
                           int n_cols, struct type type)
{
    const int steps = group_steps(type, FOURS);
    for (int c = 0; c < n_cols; c++)
        products[c][0] = products[c][1] = start_of(&x[c], group, type, FOURS);
#pragma GCC unroll 8
    for (int j = 0; j < steps; j++) {
        const __m256i *const w = (const __m256i *)(panel + j * PANEL * 4);
        for (int c = 0; c < n_cols; c++) {
            const __m256i q = _mm256_set1_epi32((int)read_u32(x[c].q + 4 * (group * (size_t)steps + (size_t)j)));
            for (int h = 0; h < 2; h++)
                products[c][h] = dpbusd(products[c][h], _mm256_load_si256(w + h), q);
        }
    }
}

#define GEMM(name, NAME) \
    void avx2_vnni_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, type_##name, FOURS, multiply_fours); \
    }
QUANTISED_TYPES(GEMM)
