/* matmul_dot.h - quantised weights times 8-bit activations for few columns: row dots.
 *
 * Rows go along k once for some columns, a unit of 256 at a time. What depends on the column alone, its values in the
 * type's order and its scales, is made once for all rows, in scratch. The products of a sub-block, or of the two of a
 * group, are summed four by four as integers, where a type's constant offset is taken off; then they become floats and
 * meet both scales. Minima are floats: sum (d q + m) x = d sum q x + m s.
 *
 * An element has two vectors of sums, to which the units are added in order: the same bits in any cut of the tile.
 *
 * The includer has, for the instructions that it multiplies with, multiply() and offset_products(). */
#ifndef KERNELS_AVX2_MATMUL_DOT_H
#define KERNELS_AVX2_MATMUL_DOT_H

#include "kernels/avx2/matmul.h"
#include "kernels/avx2/matmul_types.h"

/** Sums of four products in each lane, of register i; of pairs eight, with those of i + 1. If the type has an offset,
 *  start[i] is added, minus the offset times the same values, in the form that offset_products() gave it. */
INLINE __m256i multiply(const __m256i *w, const __m256i *x, const __m256i *start, int i, struct type type);
INLINE __m256i offset_products(const __m256i *x, int i, struct type type);

#define ROWS 2        /* together */
#define COLUMNS 4     /* at most, together */
#define PREFETCH 1024 /* bytes ahead in a row */
#define CHUNK 8192    /* values of k, over all columns together, that are prepared at a time: what the L1 cache holds */
#define KEPT 256      /* rows whose sums are kept from chunk to chunk, where k is longer than one */

/* A unit of a column, in the order of a unit of weights. */
struct activations {
    __m256i q[8];
    __m256i start[8]; /* offset_products(); of pairs every second one */
    __m256 d[2], s[2];
};

struct scratch {
    struct activations x[CHUNK / UNIT];
    __m256 sums[KEPT][COLUMNS][2];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/* The first n of eight floats. */
INLINE __m256 load_first(const float *p, int n)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes));
}

/* The first n_groups groups of eight: their scales d and the scaled sums s of their sub-blocks. */
INLINE void prepare_scales(struct activations *a, const float *d, const float *s, int n_groups, struct type type)
{
    const __m256 by_group = load_first(d, n_groups);
    const __m256 low = load_first(s, 2 * n_groups), high = load_first(s + 8, 2 * n_groups - 8);
    if (type.pairs) {
        const __m256 sums = _mm256_hadd_ps(low, high); /* of the groups 0 1 4 5, 2 3 6 7 */
        a->d[0] = by_group;
        a->s[0] = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(sums), _MM_SHUFFLE(3, 1, 2, 0)));
    } else {
        a->d[0] = _mm256_permutevar8x32_ps(by_group, _mm256_setr_epi32(0, 0, 1, 1, 4, 4, 5, 5));
        a->d[1] = _mm256_permutevar8x32_ps(by_group, _mm256_setr_epi32(2, 2, 3, 3, 6, 6, 7, 7));
        a->s[0] = _mm256_permute2f128_ps(low, high, 0x20);
        a->s[1] = _mm256_permute2f128_ps(low, high, 0x31);
    }
}

/* n_groups groups of 32 values from value i of the row x; zeros for those that are missing. */
INLINE void prepare_unit(struct activations *a, const uint8_t *x, size_t i, size_t k, int n_groups, struct type type)
{
    for (int j = 0; j < 8; j++)
        a->q[j] = load_blocks(x + i + 16 * (j % 2), 32, j / 2, n_groups);
    for (int j = 0; type.offset && j < 8; j += type.pairs ? 2 : 1)
        a->start[j] = offset_products(a->q, j, type);
    prepare_scales(a, (const float *)(x + act_q8_d(k)) + i / 32, (const float *)(x + act_q8_s(k)) + i / 16, n_groups,
                   type);
}

/* n values from value i of the row x. */
INLINE void prepare_column(struct activations *a, const uint8_t *x, size_t i, size_t n, size_t k, struct type type)
{
    for (; n >= UNIT; n -= UNIT, i += UNIT)
        prepare_unit(a++, x, i, k, UNIT / 32, type);
    if (n > 0)
        prepare_unit(a, x, i, k, (int)n / 32, type);
}

/* Element i of each lane, everywhere in it. */
INLINE __m256 spread(__m256 d, int i)
{
    switch (i) {
    case 0: return _mm256_permute_ps(d, 0x00);
    case 1: return _mm256_permute_ps(d, 0x55);
    case 2: return _mm256_permute_ps(d, 0xaa);
    default: return _mm256_permute_ps(d, 0xff);
    }
}

/* Add the products of a unit and one column. */
INLINE void add_products(__m256 sums[2], const struct unit *u, const struct activations *x, struct type type)
{
    for (int h = 0; h < (type.pairs ? 1 : 2); h++) {
        const __m256 d = _mm256_mul_ps(u->d[h], x->d[h]);
        for (int i = 0; i < 4; i++) {
            const __m256i products = multiply(u->q, x->q, x->start, type.pairs ? 2 * i : 4 * h + i, type);
            sums[i % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), spread(d, i), sums[i % 2]);
        }
        if (type.minima)
            sums[h] = _mm256_fmadd_ps(u->m[h], x->s[h], sums[h]);
    }
}

/* Add the products of a unit, n_groups groups of 32, of n_rows rows and n_cols columns. */
INLINE void add_unit(__m256 sums[ROWS][COLUMNS][2], const uint8_t *w, size_t w_stride, const struct activations *x,
                     size_t x_step, int n_groups, int n_rows, int n_cols, struct type type)
{
    for (int row = 0; row < n_rows; row++, w += w_stride) {
        struct unit u;
        for (int line = 0; line < UNIT / type.block * type.bytes; line += 64)
            _mm_prefetch((const char *)((uintptr_t)w + PREFETCH + (uintptr_t)line), _MM_HINT_T0);
        type.unpack(&u, w, n_groups * 32 / type.block);
        for (int c = 0; c < n_cols; c++)
            add_products(sums[row][c], &u, x + (size_t)c * x_step, type);
    }
}

/* Add n products of n_rows rows and n_cols columns. */
INLINE void add_rows(__m256 sums[ROWS][COLUMNS][2], const uint8_t *w, size_t w_stride, const struct activations *x,
                     size_t x_step, size_t n, int n_rows, int n_cols, struct type type)
{
    for (; n >= UNIT; n -= UNIT, x++, w += UNIT / type.block * type.bytes)
        add_unit(sums, w, w_stride, x, x_step, UNIT / 32, n_rows, n_cols, type);
    if (type.block < UNIT && n > 0)
        add_unit(sums, w, w_stride, x, x_step, (int)n / 32, n_rows, n_cols, type);
}

INLINE float sum_of(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/* What is cut from the tile: rows from `row`, columns from `col`, n values from value i; the sums of earlier values are
 * in `kept`. The columns' activations are x_step units apart. */
struct part {
    int row, apart, col; /* rows that are computed together are that many apart */
    size_t i, n, x_step;
    __m256 (*kept)[COLUMNS][2];
};

/* Elements of n_rows rows and n_cols columns. */
INLINE void dot_rows(const struct matmul_tile *t, const struct part *p, int n_rows, int n_cols, struct type type)
{
    const struct scratch *const scratch = t->scratch;
    const uint8_t *const w = (const uint8_t *)t->w + (size_t)p->row * t->w_stride;
    __m256 sums[ROWS][COLUMNS][2];
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            for (int j = 0; j < 2; j++)
                sums[r][c][j] = p->i == 0 ? _mm256_setzero_ps() : p->kept[r * p->apart][c][j];
    add_rows(sums, w + p->i / (size_t)type.block * (size_t)type.bytes, (size_t)p->apart * t->w_stride, scratch->x,
             p->x_step, p->n, n_rows, n_cols, type);
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            if (p->i + p->n == t->k)
                t->y[(size_t)(p->col + c) * t->y_stride + (size_t)(p->row + r * p->apart)] =
                    sum_of(_mm256_add_ps(sums[r][c][0], sums[r][c][1]));
            else
                for (int j = 0; j < 2; j++)
                    p->kept[r * p->apart][c][j] = sums[r][c][j];
}

/* All rows and n_cols columns. */
INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, struct type type)
{
    struct scratch *const scratch = t->scratch;
    struct part p = { .col = col, .x_step = CHUNK / UNIT / (size_t)n_cols };
    const size_t chunk = p.x_step * UNIT;
    const int rows = t->k > chunk ? KEPT : t->n_rows;
    for (int begin = 0; begin < t->n_rows; begin += rows) {
        const int end = t->n_rows - begin < rows ? t->n_rows : begin + rows;
        p.apart = (end - begin) / ROWS;
        for (p.i = 0; p.i < t->k; p.i += chunk) {
            p.n = t->k - p.i < chunk ? t->k - p.i : chunk;
            for (int c = 0; c < n_cols; c++)
                prepare_column(scratch->x + (size_t)c * p.x_step,
                               (const uint8_t *)t->x + (size_t)(col + c) * t->x_stride, p.i, p.n, t->k, type);
            p.kept = scratch->sums;
            for (p.row = begin; p.row < begin + p.apart; p.row++, p.kept++)
                dot_rows(t, &p, ROWS, n_cols, type);
            const int rest = begin + ROWS * p.apart;
            p.kept = scratch->sums + (rest - begin);
            for (p.row = rest; p.row < end; p.row++, p.kept++)
                dot_rows(t, &p, 1, n_cols, type);
        }
    }
}

INLINE void dot(const struct matmul_tile *t, struct type type)
{
    EACH_COLUMNS(dot_columns, t, type);
}

#endif
