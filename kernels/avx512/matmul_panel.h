/* matmul_panel.h - products for many columns, the weights as floats or as pairs of bf16: panels.
 *
 * A step is what a dword holds: a float, or two bf16 that follow each other in k. A panel is 32 rows by up to CHUNK
 * steps, unpacked once for all columns and transposed so that rows stand in lanes; the inner loop holds 2 x 16 rows of
 * up to 12 columns and adds a step's products to all. The columns' pieces are packed, as their rows may lie at a stride
 * that maps them all to the same lines of the cache; this is done beside the first panel, so that what is fetched for
 * the next columns comes while these are multiplied. So do the next panel's weights.
 *
 * The order of additions to an element is that of k, whatever the tile. */
#ifndef KERNELS_AVX512_MATMUL_PANEL_H
#define KERNELS_AVX512_MATMUL_PANEL_H

#include "kernels/avx512/matmul_transpose.h"
#include "kernels/generic/pieces.h"

#include <string.h>

#define COLUMNS 12 /* of the inner loop */
#define PANEL 32
#define CHUNK 256
#define PITCH (CHUNK + 16)
#define PACKED 512 /* columns packed at a time */

struct scratch {
    uint32_t panel[CHUNK][PANEL];
    uint32_t rows[16][CHUNK];
    uint32_t x[PACKED][PITCH];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/** n values of a row to steps; what is left of the last one is 0. */
typedef void steps_fn(uint32_t *steps, const void *w, size_t n);
/** A step's products of 16 rows and one column added. */
typedef __m512 add_step_fn(__m512 sums, __m512i w, __m512i x);
/** A panel times the packed columns from `col` on: n steps more of the elements at y, of which n_rows are wanted. */
typedef void multiply_fn(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, int n_rows);

/* How to go about a type of weights. */
struct panels {
    steps_fn *steps;
    size_t values; /* in a step */
    struct cut cut;
    multiply_fn *const *multiply; /* by number of columns, up to COLUMNS */
};

INLINE void unpack_panel(struct scratch *s, const struct matmul_tile *t, struct piece piece, const struct panels *p)
{
    for (int half = 0; half < 2; half++) {
        for (int r = 0; r < 16; r++)
            p->steps(s->rows[r], piece_row(t, piece, 16 * half + r, p->cut), piece.n);
        for (size_t step = 0; step * p->values < piece.n; step += 16) {
            __m512i v[16];
            transpose_16x16(v, s->rows[0] + step, sizeof s->rows[0]);
            for (int j = 0; j < 16; j++)
                _mm512_store_si512(s->panel[step + (size_t)j] + 16 * half, v[j]);
        }
    }
}

/* The columns [col, end) of x, steps * 4 bytes of each, to s->x; and a look ahead at those that follow. */
INLINE void pack_columns(struct scratch *s, const uint8_t *x, size_t x_stride, size_t steps, int col, int end,
                         int n_cols)
{
    for (int c = col; c < end; c++)
        memcpy(s->x[c], x + (size_t)c * x_stride, steps * 4);
    for (int c = end; c < end + COLUMNS && c < n_cols; c++)
        prefetch_bytes(x + (size_t)c * x_stride, steps * 4);
}

INLINE void multiply(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, int n_rows,
                     int n_cols, add_step_fn *add)
{
    const __mmask16 rows[2] = { (__mmask16)(n_rows < 16 ? (1u << n_rows) - 1 : 0xffff),
                                (__mmask16)(n_rows < 16 ? 0 : n_rows < 32 ? (1u << (n_rows - 16)) - 1 : 0xffff) };
    const uint32_t (*const x)[PITCH] = &s->x[col];
    __m512 sums[COLUMNS][2];
    y += (size_t)col * y_stride;
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            sums[c][h] = first ? _mm512_setzero_ps()
                               : _mm512_maskz_loadu_ps(rows[h], y + (size_t)c * y_stride + 16 * h);
    for (size_t i = 0; i < n; i++) {
        const __m512i w0 = _mm512_load_si512(s->panel[i]), w1 = _mm512_load_si512(s->panel[i] + 16);
        for (int c = 0; c < n_cols; c++) {
            const __m512i v = _mm512_set1_epi32((int)x[c][i]);
            sums[c][0] = add(sums[c][0], w0, v);
            sums[c][1] = add(sums[c][1], w1, v);
        }
    }
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            _mm512_mask_storeu_ps(y + (size_t)c * y_stride + 16 * h, rows[h], sums[c][h]);
}

/** Define multiply_columns[], multiply() for each number of columns. */
#define PANEL_COUNTS(X, add) X(1, add) X(2, add) X(3, add) X(4, add) X(5, add) X(6, add) \
    X(7, add) X(8, add) X(9, add) X(10, add) X(11, add) X(12, add)
#define PANEL_MULTIPLY(n_cols, add) \
    static void multiply_##n_cols(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, \
                                  int n_rows) \
    { \
        multiply(y, y_stride, s, col, n, first, n_rows, n_cols, add); \
    }
#define PANEL_ENTRY(n_cols, add) [n_cols] = multiply_##n_cols,
#define DEFINE_MULTIPLY_COLUMNS(add) \
    PANEL_COUNTS(PANEL_MULTIPLY, add) \
    static multiply_fn *const multiply_columns[COLUMNS + 1] = { PANEL_COUNTS(PANEL_ENTRY, add) };

/* All rows, n_cols columns from column `first` on. */
INLINE void gemm_columns(const struct matmul_tile *t, int first, int n_cols, const struct panels *p)
{
    struct scratch *const s = t->scratch;
    const uint8_t *const x = (const uint8_t *)t->x + (size_t)first * t->x_stride;
    const int n_blocks = (n_cols + COLUMNS - 1) / COLUMNS;
    struct piece piece = piece_of(t, 0, p->cut);
    for (int index = 1; piece.n > 0; index++) {
        const struct piece next = piece_of(t, index, p->cut);
        const size_t steps = (piece.n + p->values - 1) / p->values;
        float *const y = t->y + (size_t)first * t->y_stride + piece.row;
        unpack_panel(s, t, piece, p);
        for (int block = 0; block < n_blocks; block++) {
            const int col = block * COLUMNS, end = n_cols - col < COLUMNS ? n_cols : col + COLUMNS;
            if (piece.row == 0)
                pack_columns(s, x + piece.i / p->values * 4, t->x_stride, steps, col, end, n_cols);
            prefetch_piece(t, next, block, n_blocks, p->cut);
            p->multiply[end - col](y, t->y_stride, s, col, steps, piece.i == 0, t->n_rows - piece.row);
        }
        piece = next;
    }
}

INLINE void panel_gemm(const struct matmul_tile *t, struct panels p)
{
    for (int first = 0; first < t->n_cols; first += PACKED)
        gemm_columns(t, first, t->n_cols - first < PACKED ? t->n_cols - first : PACKED, &p);
}

#endif
