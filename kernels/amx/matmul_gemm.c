/* matmul_gemm.c - weights of every type but F32 times bf16 activations for many columns, in tiles.
 *
 * The weights become floats, then bf16, which adds up to 2^-8 of each product to what the activations have lost
 * already. Tiles of 8-bit integers would bring twice as many products a second, but scales are those of 16 or 32
 * weights: a sum would have to leave its tile and be scaled for each single multiplication of tiles.
 *
 * A tile multiplication adds 16 columns x 32 values of k times 32 values x 16 rows to 16 x 16 floats. Columns stand in
 * the rows of the tile, so that a row of sums is what lies together in y. Weights are needed as pairs of values of k,
 * row beside row, which is what transposing 16 rows of dwords gives.
 *
 *   for ROWS rows, COLUMNS columns, CHUNK values of k:   unpack the weights to tiles, which stay in the L2 cache
 *     for BLOCK columns:                                 copy them to tiles, which stay in the L1 cache
 *       for BLOCK rows:                                  add to 2 x 2 tiles of sums
 *
 * From chunk to chunk the sums stay in scratch, block after block: rows of y may lie at a stride that maps them all to
 * the same lines of the cache, which was measured to cost a fifth of the time. The same holds for the copy of x.
 *
 * The order of additions to an element is that of k, whatever the tile; CHUNK is a multiple of 32, so a cut between
 * chunks changes nothing. The state of the tiles is given back before the call returns. */
#include "kernels/amx/matmul.h"
#include "kernels/amx/tiles.h"
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_transpose.h"
#include "kernels/generic/inline.h"
#include "kernels/scalar/dequantize.h"

#include <string.h>

#define ROWS 256
#define COLUMNS 512
#define CHUNK 256 /* a multiple of every type's block */
#define BLOCK 32
#define STEP 32 /* values of k in a tile */

typedef uint16_t tile[16][32];      /* of bf16 */
typedef float block[BLOCK][BLOCK]; /* [column][row] */

struct scratch {
    tile w[ROWS / 16][CHUNK / STEP];  /* [pair of values][row, value of the pair] */
    tile x[BLOCK / 16][CHUNK / STEP]; /* [column][value] */
    block y[COLUMNS / BLOCK][ROWS / BLOCK];
    uint16_t rows[16][CHUNK];
    float floats[CHUNK];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/* n floats to bf16, to the nearest; zeros up to a multiple of STEP. */
INLINE void to_bf16(uint16_t *y, float *x, size_t n)
{
    for (size_t i = n; i % STEP != 0; i++)
        x[i] = 0;
    for (size_t i = 0; i < n; i += STEP) {
        const __m512 low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + 16);
        _mm512_storeu_si512(y + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

/* 16 rows of n values to tiles. Rows past the last one are copies of it. */
INLINE void unpack_rows(tile *to, struct scratch *s, const struct matmul_tile *t, int row, size_t at, size_t n,
                        dequantize_fn *dequantize)
{
    for (int r = 0; r < 16; r++) {
        const int from = row + r < t->n_rows ? row + r : t->n_rows - 1;
        dequantize(s->floats, (const uint8_t *)t->w + (size_t)from * t->w_stride + at, n);
        to_bf16(s->rows[r], s->floats, n);
    }
    for (size_t i = 0; i < n; i += STEP, to++) {
        __m512i pairs[16];
        transpose_16x16(pairs, s->rows[0] + i, sizeof s->rows[0]);
        for (int j = 0; j < 16; j++)
            _mm512_store_si512((*to)[j], pairs[j]);
    }
}

/* n values from value i of 16 columns to tiles. Columns past the last one are zeros. */
INLINE void pack_columns(tile *to, const struct matmul_tile *t, int col, size_t i, size_t n)
{
    for (int c = 0; c < 16; c++) {
        const bool there = col + c < t->n_cols;
        const uint16_t *const x = (const void *)((const uint8_t *)t->x + (size_t)(there ? col + c : 0) * t->x_stride);
        for (size_t j = 0; j < n; j += STEP)
            _mm512_store_si512(to[j / STEP][c], there ? _mm512_load_si512(x + i + j) : _mm512_setzero_si512());
    }
}

/* Bring closer what pack_columns() will read: part `part` of n_parts of the columns. */
INLINE void prefetch_columns(const struct matmul_tile *t, int col, int part, int n_parts, size_t i, size_t n)
{
    for (int c = col + part; c < col + BLOCK && c < t->n_cols; c += n_parts)
        for (size_t j = 0; j < n; j += STEP)
            _mm_prefetch((const char *)t->x + (size_t)c * t->x_stride + (i + j) * sizeof(uint16_t), _MM_HINT_T1);
}

/* n_tiles multiplications more for the sums of 32 rows and 16 or 32 columns. */
INLINE void multiply(block *y, const tile *w, const tile *x, size_t n_tiles, bool first, bool both)
{
    const size_t next = CHUNK / STEP, stride = sizeof (*y)[0];
    if (first) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    } else {
        _tile_loadd(0, (*y)[0], stride);
        _tile_loadd(1, (*y)[0] + 16, stride);
        _tile_loadd(2, (*y)[16], stride);
        _tile_loadd(3, (*y)[16] + 16, stride);
    }
    for (size_t i = 0; i < n_tiles; i++) {
        _tile_loadd(4, x[i], sizeof x[i][0]);
        _tile_loadd(6, w[i], sizeof w[i][0]);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, w[next + i], sizeof w[i][0]);
        _tile_dpbf16ps(1, 4, 7);
        if (both) {
            _tile_loadd(5, x[next + i], sizeof x[i][0]);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, (*y)[0], stride);
    _tile_stored(1, (*y)[0] + 16, stride);
    _tile_stored(2, (*y)[16], stride);
    _tile_stored(3, (*y)[16] + 16, stride);
}

/* The unpacked rows, n_rows of them, times a block of columns: n values from i on. After the last, to y. */
static void multiply_columns(struct scratch *s, const struct matmul_tile *t, int row, int n_rows, int first_col,
                             int col, size_t i, size_t n)
{
    const size_t n_tiles = (n + STEP - 1) / STEP;
    const int n_cols = t->n_cols - col < BLOCK ? t->n_cols - col : BLOCK;
    for (int half = 0; 16 * half < n_cols; half++)
        pack_columns(s->x[half], t, col + 16 * half, i, n);
    tiles_read_memory();
    for (int r = 0; r < n_rows; r += BLOCK) {
        block *const y = &s->y[(col - first_col) / BLOCK][r / BLOCK];
        if (col + BLOCK < first_col + COLUMNS)
            prefetch_columns(t, col + BLOCK, r / BLOCK, (n_rows + BLOCK - 1) / BLOCK, i, n);
        if (n_cols > 16)
            multiply(y, s->w[r / 16], s->x[0], n_tiles, i == 0, true);
        else
            multiply(y, s->w[r / 16], s->x[0], n_tiles, i == 0, false);
    }
    for (int c = 0; i + n == t->k && c < n_cols; c++) /* all rows of a column at once: each lies in another page */
        for (int r = 0; r < n_rows; r += BLOCK)
            memcpy(t->y + (size_t)(col + c) * t->y_stride + row + r, s->y[(col - first_col) / BLOCK][r / BLOCK][c],
                   (size_t)(n_rows - r < BLOCK ? n_rows - r : BLOCK) * sizeof(float));
}

INLINE void gemm(const struct matmul_tile *t, dequantize_fn *dequantize, size_t weights, size_t bytes)
{
    struct scratch *const s = t->scratch;
    tiles_begin();
    for (int row = 0; row < t->n_rows; row += ROWS)
        for (int first = 0; first < t->n_cols; first += COLUMNS) {
            const int n_rows = t->n_rows - row < ROWS ? t->n_rows - row : ROWS;
            for (size_t i = 0; i < t->k; i += CHUNK) {
                const size_t n = t->k - i < CHUNK ? t->k - i : CHUNK;
                for (int r = 0; r < n_rows || r % BLOCK != 0; r += 16)
                    unpack_rows(s->w[r / 16], s, t, row + r, i / weights * bytes, n, dequantize);
                for (int col = first; col < first + COLUMNS && col < t->n_cols; col += BLOCK)
                    multiply_columns(s, t, row, n_rows, first, col, i, n);
            }
        }
    tiles_end();
}

#define GEMM(name, dequantize, weights, bytes) \
    void amx_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, dequantize, weights, bytes); \
    }
#define VECTOR(name, NAME) GEMM(name, avx512_dequantize_##name, BLOCK_##NAME, sizeof(struct block_##name))
#define SCALAR(name, NAME) GEMM(name, dequantize_##name, BLOCK_##NAME, sizeof(struct block_##name))
QUANTISED_TYPES(VECTOR)
SCALAR_TYPES(SCALAR)
GEMM(f16, avx512_dequantize_f16, 1, 2)
GEMM(bf16, avx512_dequantize_bf16, 1, 2)
