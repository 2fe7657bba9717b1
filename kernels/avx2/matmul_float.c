/* matmul_float.c - weights of every type times float activations: they become floats first.
 *
 * Dot: some rows, or for quantised types pieces of them made floats in the L1 cache, meet some columns together.
 * Value i of an element goes to lane i % 8 of its sums. Few columns are bound by memory: rows side by side, each
 * fetching the row that will take its place into the L2 cache, were measured to draw more than any other way tried.
 *
 * Gemm: 16 rows by CHUNK values become floats, transposed so that rows stand in lanes; the inner loop holds 2 x 8
 * rows of up to 6 columns and adds a value's products to all. The columns' pieces are packed, as their rows may lie
 * at a stride that maps them all to the same lines of the cache. Either way the order of additions to an element is
 * that of k. */
#include "kernels/avx2/matmul.h"
#include "kernels/avx2/matmul_transpose.h"
#include "kernels/avx2/matmul_unpack.h"

#include <string.h>

#define DOT_ROWS 8 /* at most */
#define DOT_COLUMNS 4 /* at most */
#define PIECE 512 /* values of a row made floats at a time by dot: a multiple of every block */

#define COLUMNS 6 /* of gemm's inner loop */
#define PANEL 16
#define CHUNK 256
#define PITCH (CHUNK + 16)
#define PACKED 384 /* columns packed at a time */

struct scratch {
    float panel[CHUNK][PANEL];
    float rows[8][CHUNK];
    float x[PACKED][PITCH];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

typedef void dequantize_fn(float *y, const void *w, size_t n);
/** n <= 8 values from value i of a row, then zeros. */
typedef __m256 load_fn(const void *w, size_t i, size_t n);

static const float *column(const struct matmul_tile *t, int c)
{
    return (const float *)(const void *)((const uint8_t *)t->x + (size_t)c * t->x_stride);
}

static const uint8_t *row_of(const struct matmul_tile *t, int row)
{
    return (const uint8_t *)t->w + (size_t)row * t->w_stride;
}

/* All bits of the first n of eight lanes. */
INLINE __m256i first_of_8(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE __m256 load_f32(const void *w, size_t i, size_t n)
{
    const float *const p = (const float *)(const void *)((const uint8_t *)w + 4 * i);
    return n == 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_of_8((int)n));
}

INLINE __m128i load_8_of_16_bits(const void *w, size_t i, size_t n)
{
    uint16_t v[8] = { 0 };
    if (n == 8)
        return _mm_loadu_si128((const __m128i *)((const uint8_t *)w + 2 * i));
    memcpy(v, (const uint8_t *)w + 2 * i, 2 * n);
    return _mm_loadu_si128((const __m128i *)v);
}

INLINE __m256 load_f16(const void *w, size_t i, size_t n)
{
    return _mm256_cvtph_ps(load_8_of_16_bits(w, i, n));
}

INLINE __m256 load_bf16(const void *w, size_t i, size_t n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_8_of_16_bits(w, i, n)), 16));
}

/* Add the products of n <= 8 values of n_rows rows and n_cols columns. */
INLINE void add_8(__m256 sums[DOT_ROWS][DOT_COLUMNS], const void *const w[DOT_ROWS], const float *const x[DOT_COLUMNS],
                  size_t i, size_t n, int n_rows, int n_cols, load_fn *load)
{
    for (int r = 0; r < n_rows; r++) {
        const __m256 row = load(w[r], i, n);
        for (int c = 0; c < n_cols; c++)
            sums[r][c] = _mm256_fmadd_ps(row, load_f32(x[c], i, n), sums[r][c]);
    }
}

/* Lane i of the result is the sum of the lanes of v[i], i < n <= 8: of their halves, of these' halves, and so on, the
 * same order whatever n. What is left of several vectors is put side by side at each step. */
INLINE __m256 sum_each(const __m256 *v, int n)
{
    const int n_halves = (n + 1) / 2, n_pairs = (n + 3) / 4;
    __m256 halves[4], pairs[2];
    for (int i = 0; i < n_halves; i++) {
        const __m256 a = v[2 * i], b = v[2 * i + 1 < n ? 2 * i + 1 : 2 * i];
        halves[i] = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
    }
    for (int i = 0; i < n_pairs; i++) {
        const __m256d a = _mm256_castps_pd(halves[2 * i]);
        const __m256d b = _mm256_castps_pd(halves[2 * i + 1 < n_halves ? 2 * i + 1 : 2 * i]);
        pairs[i] = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)),
                                 _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
    }
    const __m256 a = pairs[0], b = pairs[n_pairs > 1];
    const __m256 sums = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd));
    /* Here lane 4 l + i is the sum of v[2 i + l]. */
    return _mm256_permutevar8x32_ps(sums, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

INLINE void store_sums(const struct matmul_tile *t, int row, int col, __m256 sums[DOT_ROWS][DOT_COLUMNS], int n_rows,
                       int n_cols)
{
    __m256 v[8];
    float y[8];
    for (int c = 0; c < n_cols; c++)
        for (int r = 0; r < n_rows; r++)
            v[c * n_rows + r] = sums[r][c];
    _mm256_storeu_ps(y, sum_each(v, n_rows * n_cols));
    for (int c = 0; c < n_cols; c++)
        memcpy(t->y + (size_t)(col + c) * t->y_stride + row, y + c * n_rows, (size_t)n_rows * sizeof *y);
}

/* The rows [row, row + n_rows) and columns [col, col + n_cols). Given `dequantize`, it makes floats first, else rows
 * are loaded as they are. */
INLINE void dot_some(const struct matmul_tile *t, int row, int col, int n_rows, int n_cols, load_fn *load,
                     dequantize_fn *dequantize, size_t block, size_t bytes)
{
    const size_t piece = dequantize ? PIECE : t->k;
    float (*const floats)[PIECE] = t->scratch;
    __m256 sums[DOT_ROWS][DOT_COLUMNS];
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            sums[r][c] = _mm256_setzero_ps();
    for (size_t i = 0; i < t->k; i += piece) {
        const size_t n = t->k - i < piece ? t->k - i : piece;
        const void *w[DOT_ROWS];
        const float *x[DOT_COLUMNS];
        for (int c = 0; c < n_cols; c++)
            x[c] = column(t, col + c) + i;
        for (int r = 0; r < n_rows; r++) {
            w[r] = dequantize ? (const void *)floats[r] : row_of(t, row + r);
            if (dequantize)
                dequantize(floats[r], row_of(t, row + r) + i / block * bytes, n);
        }
        const size_t line = dequantize ? 8 : 64 / bytes;
        size_t j = 0;
        for (; j + line <= n; j += line) {
            for (int r = 0; r < n_rows && !dequantize; r++)
                _mm_prefetch((const char *)((uintptr_t)w[r] + j * bytes + (size_t)n_rows * t->w_stride), _MM_HINT_T1);
            for (size_t l = j; l < j + line; l += 8)
                add_8(sums, w, x, l, 8, n_rows, n_cols, load);
        }
        for (; j + 8 <= n; j += 8)
            add_8(sums, w, x, j, 8, n_rows, n_cols, load);
        if (j < n)
            add_8(sums, w, x, j, n - j, n_rows, n_cols, load);
    }
    store_sums(t, row, col, sums, n_rows, n_cols);
}

/* All rows, as many at a time as there are registers for their sums, and n_cols columns. */
INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, load_fn *load, dequantize_fn *dequantize,
                        size_t block, size_t bytes)
{
    const int n_rows = n_cols == 4 ? 2 : n_cols == 2 ? 4 : 8;
    int row = 0;
    for (; row + n_rows <= t->n_rows; row += n_rows)
        dot_some(t, row, col, n_rows, n_cols, load, dequantize, block, bytes);
    for (; row < t->n_rows; row++)
        dot_some(t, row, col, 1, n_cols, load, dequantize, block, bytes);
}

INLINE void dot(const struct matmul_tile *t, load_fn *load, dequantize_fn *dequantize, size_t block, size_t bytes)
{
    EACH_COLUMNS(dot_columns, t, load, dequantize, block, bytes);
}

/* n values of 8 rows from byte `at` of each, to their half of the panel. Rows past the last one are copies of it. */
static void unpack_half(struct scratch *s, int half, const struct matmul_tile *t, int row, size_t at, size_t n,
                        dequantize_fn *dequantize)
{
    for (int r = 0; r < 8; r++)
        dequantize(s->rows[r], row_of(t, row + r < t->n_rows ? row + r : t->n_rows - 1) + at, n);
    for (size_t j = 0; j < n; j += 8) {
        __m256 v[8];
        for (int r = 0; r < 8; r++)
            v[r] = _mm256_load_ps(s->rows[r] + j);
        transpose_8x8(v);
        for (int r = 0; r < 8; r++)
            _mm256_store_ps(s->panel[j + (size_t)r] + 8 * half, v[r]);
    }
}

/* A panel times n_cols packed columns: n values more of the elements at y, of which n_rows are wanted. */
INLINE void multiply(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, int n_rows,
                     int n_cols)
{
    const __m256i rows[2] = { first_of_8(n_rows), first_of_8(n_rows - 8) };
    const float (*const x)[PITCH] = &s->x[col];
    __m256 sums[COLUMNS][2];
    y += (size_t)col * y_stride;
    UNROLL for (int c = 0; c < n_cols; c++)
        UNROLL for (int h = 0; h < 2; h++)
            sums[c][h] = first ? _mm256_setzero_ps() : _mm256_maskload_ps(y + (size_t)c * y_stride + 8 * h, rows[h]);
    for (size_t i = 0; i < n; i++) {
        const __m256 w0 = _mm256_load_ps(s->panel[i]), w1 = _mm256_load_ps(s->panel[i] + 8);
        UNROLL for (int c = 0; c < n_cols; c++) {
            const __m256 v = _mm256_broadcast_ss(&x[c][i]);
            sums[c][0] = _mm256_fmadd_ps(w0, v, sums[c][0]);
            sums[c][1] = _mm256_fmadd_ps(w1, v, sums[c][1]);
        }
    }
    UNROLL for (int c = 0; c < n_cols; c++)
        UNROLL for (int h = 0; h < 2; h++)
            if (8 * h < n_rows)
                _mm256_maskstore_ps(y + (size_t)c * y_stride + 8 * h, rows[h], sums[c][h]);
}

/* multiply() for each number of columns. */
typedef void multiply_fn(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, int n_rows);
#define COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define MULTIPLY(n_cols) \
    static void multiply_##n_cols(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, \
                                  int n_rows) \
    { \
        multiply(y, y_stride, s, col, n, first, n_rows, n_cols); \
    }
COUNTS(MULTIPLY)
#define ENTRY(n_cols) [n_cols] = multiply_##n_cols,
static multiply_fn *const multiply_columns[COLUMNS + 1] = { COUNTS(ENTRY) };

static void gemm(const struct matmul_tile *t, dequantize_fn *dequantize, size_t block, size_t bytes)
{
    struct scratch *const s = t->scratch;
    for (int first = 0; first < t->n_cols; first += PACKED) {
        const int n_cols = t->n_cols - first < PACKED ? t->n_cols - first : PACKED;
        float *const y = t->y + (size_t)first * t->y_stride;
        for (size_t i = 0; i < t->k; i += CHUNK) {
            const size_t n = t->k - i < CHUNK ? t->k - i : CHUNK;
            for (int c = 0; c < n_cols; c++)
                memcpy(s->x[c], column(t, first + c) + i, n * sizeof(float));
            for (int row = 0; row < t->n_rows; row += PANEL) {
                for (int half = 0; half < 2; half++)
                    unpack_half(s, half, t, row + 8 * half, i / block * bytes, n, dequantize);
                for (int c = 0; c < n_cols; c += COLUMNS)
                    multiply_columns[n_cols - c < COLUMNS ? n_cols - c : COLUMNS](y + row, t->y_stride, s, c, n, i == 0,
                                                                                  t->n_rows - row);
            }
        }
    }
}

#define PRODUCTS(name, load, dequantize, block, bytes) \
    void avx2_float_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, load, dequantize, block, bytes); \
    } \
    void avx2_float_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, avx2_dequantize_##name, block, bytes); \
    }
#define QUANTISED_PRODUCTS(name, NAME) \
    PRODUCTS(name, load_f32, avx2_dequantize_##name, BLOCK_##NAME, sizeof(struct block_##name))
QUANTISED_TYPES(QUANTISED_PRODUCTS)
PRODUCTS(f32, load_f32, NULL, 1, 4)
PRODUCTS(f16, load_f16, NULL, 1, 2)
PRODUCTS(bf16, load_bf16, NULL, 1, 2)
