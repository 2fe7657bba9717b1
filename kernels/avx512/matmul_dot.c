/* matmul_dot.c - quantised weights times 8-bit activations for few columns: row dots.
 *
 * A unit is 256 weights in the common form. What is prepared of a column are its values in the type's order and its
 * scales. vpdpbusd sums the products of a sub-block in the four lanes that hold it; these become floats and meet both
 * scales.
 *
 * A type's constant offset is taken off as an integer, from sums that the column brings along: nothing is rounded,
 * where offset * d * sum(x) in floats would drown small weights. Minima are floats: sum (d q + m) x = d sum q x + m
 * s. */
#include "kernels/avx512/matmul_rows.h"
#include "kernels/avx512/matmul_transpose.h"
#include "kernels/avx512/matmul_types.h"

/* A unit of a column. */
struct activations {
    __m512i q[4];
    __m512i less[4]; /* -offset times the values that meet in a lane; only as many as registers are scaled apart */
    __m512 d;        /* what meets the lanes of a unit's d: scales, or scaled sums where that has minima */
    __m512 s;        /* scaled sums by sub-block */
};

/* Lanes of a vector by sub-block, spread to the lanes that hold the products of q[r]. */
INLINE __m512 spread(__m512 by_sub_block, bool pairs, int r)
{
    const int a = sub_block(pairs, r, 0), b = sub_block(pairs, r, 1);
    const int c = sub_block(pairs, r, 2), d = sub_block(pairs, r, 3);
    return _mm512_permutexvar_ps(_mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d), by_sub_block);
}

INLINE void prepare_unit(void *unit, const uint8_t *x, size_t i, size_t n, size_t k, struct type type)
{
    struct activations *const a = unit;
    const int n_groups = n < UNIT ? (int)n / 32 : UNIT / 32;
    const __mmask8 groups = (__mmask8)((1u << n_groups) - 1);
    __m512i q[4];
    for (int j = 0; j < 4; j++) {
        const int left = n_groups - 2 * j;
        q[j] = _mm512_maskz_loadu_epi8(left >= 2 ? ~0ull : left == 1 ? 0xffffffff : 0, x + i + 64 * (size_t)j);
    }
    if (type.pairs) {
        transpose_4x4(q);
        for (int r = 0; r < 4; r++)
            a->q[r] = q[r];
    } else {
        a->q[0] = _mm512_shuffle_i64x2(q[0], q[2], 0x44);
        a->q[1] = _mm512_shuffle_i64x2(q[0], q[2], 0xee);
        a->q[2] = _mm512_shuffle_i64x2(q[1], q[3], 0x44);
        a->q[3] = _mm512_shuffle_i64x2(q[1], q[3], 0xee);
    }
    const __mmask16 sub_blocks = (__mmask16)((1u << 2 * n_groups) - 1);
    a->d = twice(_mm256_maskz_loadu_ps(groups, (const float *)(x + act_q8_d(k)) + i / 32));
    a->s = _mm512_maskz_loadu_ps(sub_blocks, (const float *)(x + act_q8_s(k)) + i / 16);
    if (type.pairs && !type.offset)
        a->d = _mm512_mask_add_ps(a->d, 0xaaaa, a->s, _mm512_permute_ps(a->s, 0xb1));
    const int step = type.pairs ? 2 : 1;
    for (int r = 0; r < 4; r += step) {
        const __m512i offset = _mm512_set1_epi8((char)type.offset);
        __m512i sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), offset, a->q[r]);
        if (type.pairs)
            sums = _mm512_dpbusd_epi32(sums, offset, a->q[r + 1]);
        a->less[r] = _mm512_sub_epi32(_mm512_setzero_si512(), sums);
    }
}

INLINE void add_products(struct sums *sums, const uint8_t *w, size_t w_stride, const uint8_t *unit, size_t x_stride,
                         size_t n, int n_cols, struct type type)
{
    const int step = type.pairs ? 2 : 1; /* registers summed before they are scaled */
    struct unit u[ROWS];
    for (size_t row = 0; row < ROWS; row++)
        type.unpack(&u[row], w + row * w_stride, (int)n / type.block);
    for (int c = 0; c < n_cols; c++, unit += x_stride) {
        const struct activations *const x = (const void *)unit;
        for (int row = 0; row < ROWS; row++) {
            const __m512 d = _mm512_mul_ps(u[row].d, x->d);
            __m512 sum = sums[c].v[row];
            for (int r = 0; r < 4; r += step) {
                const __m512i start = type.offset ? x->less[r] : _mm512_setzero_si512();
                __m512i products = _mm512_dpbusd_epi32(start, u[row].q[r], x->q[r]);
                if (type.pairs)
                    products = _mm512_dpbusd_epi32(products, u[row].q[r + 1], x->q[r + 1]);
                sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), spread(d, type.pairs, r), sum);
            }
            if (!type.offset)
                sum = type.pairs ? _mm512_mask_add_ps(sum, 0xaaaa, sum, d) : _mm512_fmadd_ps(u[row].m, x->s, sum);
            sums[c].v[row] = sum;
        }
    }
}

INLINE float total(const struct sums *sums, int row)
{
    return _mm512_reduce_add_ps(sums->v[row]);
}

#define DOT(name, NAME) \
    INLINE void prepare_##name(void *unit, const uint8_t *x, size_t i, size_t n, size_t k) \
    { \
        prepare_unit(unit, x, i, n, k, type_##name); \
    } \
    INLINE void add_##name(struct sums *sums, const uint8_t *w, size_t w_stride, const uint8_t *unit, size_t x_stride, \
                           size_t n, int n_cols) \
    { \
        add_products(sums, w, w_stride, unit, x_stride, n, n_cols, type_##name); \
    } \
    void avx512_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, (struct rows){ UNIT, UNIT / BLOCK_##NAME * sizeof(struct block_##name), sizeof(struct activations), \
                              prepare_##name, add_##name, total }); \
    }
QUANTISED_TYPES(DOT)
