/* matmul_dot.c - quantised weights times 8-bit activations for few columns: row dots.
 *
 * Some rows and columns go along k together, a unit of 256 at a time: a row's unit is unpacked once for its columns, a
 * column's unit is put in the type's order once for the rows. vpdpbusd sums the products of a sub-block in the four
 * lanes that hold it; these become floats and meet the product of both scales. The constant offset of a type is one
 * of its minima: sum (d q + m) x = d sum q x + m s, s the scaled sums that come with the activations.
 *
 * Each element has one vector of sums, to which the units are added in order: the same bits in any cut of the tile. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_unpack.h"

#define ROWS 4
#define COLUMNS 4
#define PREFETCH 2048 /* bytes ahead in each row */

struct activations {
    __m512i q[4]; /* in the type's order */
    __m512 d, s;  /* by sub-block */
};

struct column {
    const int8_t *q;
    const float *d, *s;
};

INLINE struct column column_at(const struct matmul_tile *t, int c)
{
    const uint8_t *x = (const uint8_t *)t->x + (size_t)c * t->x_stride;
    return (struct column){ (const int8_t *)x, (const float *)(x + act_q8_d(t->k)), (const float *)(x + act_q8_s(t->k)) };
}

/* n_groups groups of 32 from value i; zeros for those that are missing. */
INLINE void load_activations(struct activations *a, struct column x, size_t i, int n_groups, bool pairs)
{
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    __m512i q[4];
    for (int j = 0; j < 4; j++) {
        const int groups = n_groups - 2 * j;
        const __mmask64 mask = groups >= 2 ? ~0ull : groups == 1 ? 0xffffffff : 0;
        q[j] = _mm512_maskz_loadu_epi8(mask, x.q + i + 64 * j);
    }
    if (pairs) { /* transpose the sub-blocks */
        const __m512i a0 = _mm512_shuffle_i32x4(q[0], q[1], 0x88), a1 = _mm512_shuffle_i32x4(q[2], q[3], 0x88);
        const __m512i b0 = _mm512_shuffle_i32x4(q[0], q[1], 0xdd), b1 = _mm512_shuffle_i32x4(q[2], q[3], 0xdd);
        a->q[0] = _mm512_shuffle_i32x4(a0, a1, 0x88);
        a->q[1] = _mm512_shuffle_i32x4(b0, b1, 0x88);
        a->q[2] = _mm512_shuffle_i32x4(a0, a1, 0xdd);
        a->q[3] = _mm512_shuffle_i32x4(b0, b1, 0xdd);
    } else {
        a->q[0] = _mm512_shuffle_i64x2(q[0], q[2], 0x44);
        a->q[1] = _mm512_shuffle_i64x2(q[0], q[2], 0xee);
        a->q[2] = _mm512_shuffle_i64x2(q[1], q[3], 0x44);
        a->q[3] = _mm512_shuffle_i64x2(q[1], q[3], 0xee);
    }
    const __m256 d = _mm256_maskz_loadu_ps((__mmask8)((1u << n_groups) - 1), x.d + i / 32);
    a->d = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(d));
    a->s = _mm512_maskz_loadu_ps((__mmask16)((1u << 2 * n_groups) - 1), x.s + i / 16);
}

/* Add the products of a unit to the sums of an element. */
INLINE __m512 add_unit(__m512 sum, const struct unit *u, const struct activations *x, bool pairs)
{
    const __m512 d = _mm512_mul_ps(u->d, x->d);
    const int last = pairs ? 2 : 1; /* registers summed before they are scaled */
    for (int r = 0; r < 4; r += last) {
        __m512i products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), u->q[r], x->q[r]);
        if (pairs)
            products = _mm512_dpbusd_epi32(products, u->q[r + 1], x->q[r + 1]);
        const int a = sub_block(pairs, r, 0), b = sub_block(pairs, r, 1);
        const int c = sub_block(pairs, r, 2), e = sub_block(pairs, r, 3);
        const __m512i lanes = _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, e, e, e, e);
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), _mm512_permutexvar_ps(lanes, d), sum);
    }
    return _mm512_fmadd_ps(u->m, x->s, sum);
}

/* A unit, n_groups groups of 32 of it, of n_rows rows and n_cols columns. */
INLINE void dot_unit(__m512 sums[ROWS][COLUMNS], const uint8_t *w, size_t w_stride, const struct column *x, size_t i,
                     int n_groups, int n_rows, int n_cols, struct type type)
{
    struct activations a[COLUMNS];
    struct unit u;
    for (int c = 0; c < n_cols; c++)
        load_activations(&a[c], x[c], i, n_groups, type.pairs);
    for (int r = 0; r < n_rows; r++) {
        const uint8_t *const row = w + (size_t)r * w_stride;
        for (int line = 0; line < UNIT / type.block * type.bytes; line += 64)
            _mm_prefetch((const char *)((uintptr_t)row + PREFETCH + (uintptr_t)line), _MM_HINT_T0);
        type.unpack(&u, row, type.block == UNIT ? 1 : n_groups);
        for (int c = 0; c < n_cols; c++)
            sums[r][c] = add_unit(sums[r][c], &u, &a[c], type.pairs);
    }
}

/* Elements (row .. row + n_rows - 1, col .. col + n_cols - 1). */
INLINE void dot_some(const struct matmul_tile *t, int row, int col, int n_rows, int n_cols, struct type type)
{
    const uint8_t *w = (const uint8_t *)t->w + (size_t)row * t->w_stride;
    struct column x[COLUMNS];
    __m512 sums[ROWS][COLUMNS];
    for (int c = 0; c < n_cols; c++) {
        x[c] = column_at(t, col + c);
        for (int r = 0; r < n_rows; r++)
            sums[r][c] = _mm512_setzero_ps();
    }
    size_t i = 0;
    for (; i + UNIT <= t->k; i += UNIT, w += UNIT / type.block * type.bytes)
        dot_unit(sums, w, t->w_stride, x, i, UNIT / 32, n_rows, n_cols, type);
    if (type.block < UNIT && i < t->k)
        dot_unit(sums, w, t->w_stride, x, i, (int)(t->k - i) / 32, n_rows, n_cols, type);
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            t->y[(size_t)(col + c) * t->y_stride + (size_t)(row + r)] = _mm512_reduce_add_ps(sums[r][c]);
}

INLINE void dot_columns(const struct matmul_tile *t, int col, int n_rows, int n_cols, struct type type)
{
    int row = 0;
    for (; row + n_rows <= t->n_rows; row += n_rows)
        dot_some(t, row, col, n_rows, n_cols, type);
    for (; row < t->n_rows; row++)
        dot_some(t, row, col, 1, n_cols, type);
}

INLINE void dot(const struct matmul_tile *t, struct type type)
{
    int col = 0;
    for (; col + 4 <= t->n_cols; col += 4)
        dot_columns(t, col, 2, 4, type);
    for (; col + 2 <= t->n_cols; col += 2)
        dot_columns(t, col, 4, 2, type);
    for (; col < t->n_cols; col++)
        dot_columns(t, col, 4, 1, type);
}

#define DOT(name, NAME) \
    void avx512_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, type_##name); \
    }
QUANTISED_TYPES(DOT)
