/* matmul_gemm.c - panels by vpmaddubsw, or vpmaddwd for weights of 8 bits: matmul_gemm.h. */
#include "kernels/avx2/matmul_gemm.h"

/* PAIRS */
INLINE void multiply_pairs(__m256i products[COLUMNS][2], const uint8_t *panel, const struct packed *x, size_t group,
                           int n_cols, struct type type)
{
    const int steps = group_steps(type, PAIRS), chain = chain_steps(type);
    for (int first = 0; first < steps; first += chain) {
        const size_t at = group * (size_t)steps + (size_t)first;
        __m256i pairs[COLUMNS][2];
        for (int c = 0; c < n_cols; c++)
            pairs[c][0] = pairs[c][1] = start_of(&x[c], at / (size_t)chain, type, PAIRS);
#pragma GCC unroll 8
        for (int j = 0; j < chain; j++) {
            const __m256i *const w = (const __m256i *)(panel + (first + j) * PANEL * 4);
            for (int c = 0; c < n_cols; c++) {
                const __m256i q = _mm256_set1_epi32((int)read_u32(x[c].q + 4 * (at + (size_t)j)));
                for (int h = 0; h < 2; h++) {
                    pairs[c][h] = _mm256_add_epi16(pairs[c][h], _mm256_maddubs_epi16(_mm256_load_si256(w + h), q));
                    settle(&pairs[c][h]);
                }
            }
        }
        for (int c = 0; c < n_cols; c++)
            for (int h = 0; h < 2; h++) {
                const __m256i sums = _mm256_madd_epi16(pairs[c][h], _mm256_set1_epi16(1));
                products[c][h] = first == 0 ? sums : _mm256_add_epi32(products[c][h], sums);
            }
    }
}

/* WORDS */
INLINE void multiply_words(__m256i products[COLUMNS][2], const uint8_t *panel, const struct packed *x, size_t group,
                           int n_cols, struct type type)
{
    const int steps = group_steps(type, WORDS);
    for (int c = 0; c < n_cols; c++)
        products[c][0] = products[c][1] = _mm256_setzero_si256();
#pragma GCC unroll 16
    for (int j = 0; j < steps; j++) {
        const __m256i *const w = (const __m256i *)(panel + j * PANEL * 4);
        for (int c = 0; c < n_cols; c++) {
            const __m256i q = _mm256_set1_epi32((int)read_u32(x[c].words + 2 * (group * (size_t)steps + (size_t)j)));
            for (int h = 0; h < 2; h++) {
                products[c][h] = _mm256_add_epi32(products[c][h], _mm256_madd_epi16(_mm256_load_si256(w + h), q));
                settle(&products[c][h]);
            }
        }
    }
}

#define GEMM(name, NAME) \
    void avx2_gemm_##name(const struct matmul_tile *t) \
    { \
        if (type_##name.bits == 8) \
            gemm(t, type_##name, WORDS, multiply_words); \
        else \
            gemm(t, type_##name, PAIRS, multiply_pairs); \
    }
QUANTISED_TYPES(GEMM)
