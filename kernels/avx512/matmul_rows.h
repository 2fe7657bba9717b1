/* matmul_rows.h - the way of a row dot through a tile: what those of all types have in common.
 *
 * Rows go along k once for some columns, a unit of weights at a time, two rows together: they share the activations,
 * and are half a tile apart, so that the weights are read as two streams, which keeps more of the memory busy than one.
 * What depends on the column alone is made once for all rows, in scratch.
 *
 * Units are added to an element's sums in their order: the same bits in any cut of the tile. */
#ifndef KERNELS_AVX512_MATMUL_ROWS_H
#define KERNELS_AVX512_MATMUL_ROWS_H

#include "kernels/avx512/matmul.h"
#include "kernels/generic/unpack.h"

#define ROWS 2         /* together */
#define COLUMNS 4      /* at most, together */
#define PREFETCH 1024  /* bytes ahead in a row; into L2, as L1 has few places for lines that are on their way */
#define X_BYTES 20480  /* of columns that are prepared at a time: what the L1 cache holds */
#define KEPT 256       /* rows whose sums are kept from chunk to chunk, where k is longer than one */

/* Of a column and the rows that are computed together; what is in the vectors is the type's affair. */
struct sums {
    __m512 v[ROWS];
};

/* n values of a column from value i of the row x, as far as they fill a unit. */
typedef void prepare_unit_fn(void *unit, const uint8_t *x, size_t i, size_t n, size_t k);
/* Add n products, a unit's or what a row has left, of two rows, w_stride bytes apart, and each of n_cols columns, whose
 * units are x_stride bytes apart. */
typedef void add_unit_fn(struct sums *sums, const uint8_t *w, size_t w_stride, const uint8_t *x, size_t x_stride,
                         size_t n, int n_cols);
typedef float total_fn(const struct sums *sums, int row);

/* How to go about a type. */
struct rows {
    size_t values, bytes, x_bytes; /* of a unit: weights, their bytes in a row, and of a column's unit */
    prepare_unit_fn *prepare;
    add_unit_fn *add;
    total_fn *total; /* of one of the rows */
};

struct scratch {
    _Alignas(64) uint8_t x[X_BYTES];
    struct sums sums[KEPT / ROWS + 1][COLUMNS];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/* What is cut from the tile: rows from `row`, columns from `col`, n values from value i; the sums of earlier values are
 * in `kept`. The columns' activations are x_stride bytes apart. */
struct piece {
    int row, apart, col; /* rows that are computed together are that many apart */
    size_t i, n, x_stride;
    struct sums (*kept)[COLUMNS];
};

INLINE void add_unit(struct sums *sums, const uint8_t *w, size_t w_stride, const uint8_t *x, size_t x_stride, size_t n,
                     int n_cols, struct rows rows)
{
    for (size_t row = 0; row < ROWS; row++)
        for (size_t line = 0; line < rows.bytes; line += 64)
            _mm_prefetch((const char *)((uintptr_t)w + row * w_stride + PREFETCH + line), _MM_HINT_T1);
    rows.add(sums, w, w_stride, x, x_stride, n, n_cols);
}

/* Elements of ROWS rows and n_cols columns. Where they are 0 apart they are one. */
INLINE void dot_rows(const struct matmul_tile *t, const struct piece *p, int n_cols, struct rows rows)
{
    const size_t w_stride = (size_t)p->apart * t->w_stride;
    const uint8_t *w = (const uint8_t *)t->w + (size_t)p->row * t->w_stride + p->i / rows.values * rows.bytes;
    const uint8_t *x = ((const struct scratch *)t->scratch)->x;
    struct sums sums[COLUMNS];
    for (int c = 0; c < n_cols; c++)
        sums[c] = p->i == 0 ? (struct sums){ { _mm512_setzero_ps(), _mm512_setzero_ps() } } : p->kept[0][c];
    size_t n = p->n;
    for (; n >= rows.values; n -= rows.values, w += rows.bytes, x += rows.x_bytes)
        add_unit(sums, w, w_stride, x, p->x_stride, rows.values, n_cols, rows);
    if (n > 0)
        add_unit(sums, w, w_stride, x, p->x_stride, n, n_cols, rows);
    for (int c = 0; c < n_cols; c++)
        if (p->i + p->n < t->k)
            p->kept[0][c] = sums[c];
        else
            for (int r = 0; r < ROWS; r++)
                t->y[(size_t)(p->col + c) * t->y_stride + (size_t)(p->row + r * p->apart)] = rows.total(&sums[c], r);
}

/* All rows and n_cols columns. */
INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, struct rows rows)
{
    struct scratch *const scratch = t->scratch;
    const size_t units = X_BYTES / rows.x_bytes / (size_t)n_cols, chunk = units * rows.values;
    struct piece p = { .col = col, .x_stride = units * rows.x_bytes };
    const bool keep = t->k > chunk;
    const int n_rows = keep ? KEPT : t->n_rows;
    for (int begin = 0; begin < t->n_rows; begin += n_rows) {
        const int end = t->n_rows - begin < n_rows ? t->n_rows : begin + n_rows;
        for (p.i = 0; p.i < t->k; p.i += chunk) {
            p.n = t->k - p.i < chunk ? t->k - p.i : chunk;
            for (int c = 0; c < n_cols; c++)
                for (size_t i = 0, unit = 0; i < p.n; i += rows.values, unit++)
                    rows.prepare(scratch->x + (size_t)c * p.x_stride + unit * rows.x_bytes,
                                 (const uint8_t *)t->x + (size_t)(col + c) * t->x_stride, p.i + i, p.n - i, t->k);
            p.kept = scratch->sums;
            p.apart = (end - begin) / ROWS;
            for (p.row = begin; p.row < begin + p.apart; p.row++, p.kept += keep)
                dot_rows(t, &p, n_cols, rows);
            p.row = begin + ROWS * p.apart; /* the last row, where their number is odd */
            p.apart = 0;
            if (p.row < end)
                dot_rows(t, &p, n_cols, rows);
        }
    }
}

INLINE void dot(const struct matmul_tile *t, struct rows rows)
{
    EACH_COLUMNS(dot_columns, t, rows);
}

#endif
