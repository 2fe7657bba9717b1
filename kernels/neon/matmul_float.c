/* matmul_float.c - weights of every type times float activations: they become floats first.
 *
 * Dot: some rows, or for quantised types pieces of them made floats in the L1 cache, meet some columns together.
 * Value i of an element goes to lane i % 8 of its two vectors of sums.
 *
 * Gemm: PANEL rows by CHUNK values become floats, transposed so that rows stand in lanes, [value / 4][2 times 4 rows]
 * [4 values]; the inner loop holds the sums of these rows and up to COLUMNS columns, four values of a column in a
 * register of which each lane in turn meets the rows. The columns' pieces are packed, as their rows may lie at a stride
 * that maps them all to the same lines of the cache. Either way the order of additions to an element is that of k. */
#include "kernels/neon/matmul.h"
#include "kernels/neon/matmul_some.h"

#include <string.h>

#define DOT_ROWS 4
#define DOT_COLUMNS 4
#define PIECE 512 /* values of a row made floats at a time by dot: a multiple of every block */

#define COLUMNS 8 /* of gemm's inner loop */
#define PANEL 8
#define CHUNK 256
#define PITCH (CHUNK + 16)
#define PACKED 384 /* columns packed at a time */

struct scratch {
    float panel[CHUNK / 4][2][4][4];
    float rows[4][CHUNK];
    float x[PACKED][PITCH];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

typedef void dequantize_fn(float *y, const void *w, size_t n);
/** Eight values from value i of a row. */
typedef void load_fn(float32x4_t to[2], const uint8_t *w, size_t i);

static const float *column(const struct matmul_tile *t, int c)
{
    return (const float *)(const void *)((const uint8_t *)t->x + (size_t)c * t->x_stride);
}

static const uint8_t *row_of(const struct matmul_tile *t, int row)
{
    return (const uint8_t *)t->w + (size_t)row * t->w_stride;
}

INLINE void load_f32s(float32x4_t to[2], const uint8_t *w, size_t i)
{
    to[0] = vreinterpretq_f32_u8(vld1q_u8(w + 4 * i));
    to[1] = vreinterpretq_f32_u8(vld1q_u8(w + 4 * i + 16));
}

INLINE void load_f16s(float32x4_t to[2], const uint8_t *w, size_t i)
{
    floats_of_f16(to, vreinterpretq_u16_u8(vld1q_u8(w + 2 * i)));
}

INLINE void load_bf16s(float32x4_t to[2], const uint8_t *w, size_t i)
{
    const uint16x8_t words = vreinterpretq_u16_u8(vld1q_u8(w + 2 * i));
    to[0] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(words), 16));
    to[1] = vreinterpretq_f32_u32(vshll_high_n_u16(words, 16));
}

/* The first n values from value i of a row of values of some bytes, then zeros. */
INLINE void load_first(float32x4_t to[2], const uint8_t *w, size_t i, size_t n, load_fn *load, size_t bytes)
{
    uint8_t all[8 * sizeof(float)] = { 0 };
    if (n < 8)
        memcpy(all, w + bytes * i, bytes * n);
    load(to, n < 8 ? all : w, n < 8 ? 0 : i);
}

/* Add the products of n <= 8 values of n_rows rows and n_cols columns. */
INLINE void add_8(float32x4_t sums[DOT_ROWS][DOT_COLUMNS][2], const uint8_t *const w[DOT_ROWS],
                  const float *const x[DOT_COLUMNS], size_t i, size_t n, int n_rows, int n_cols, load_fn *load,
                  size_t bytes)
{
    float32x4_t rows[DOT_ROWS][2];
    for (int r = 0; r < n_rows; r++)
        load_first(rows[r], w[r], i, n, load, bytes);
    for (int c = 0; c < n_cols; c++) {
        float32x4_t col[2];
        load_first(col, (const uint8_t *)x[c], i, n, load_f32s, sizeof(float));
        for (int r = 0; r < n_rows; r++)
            for (int h = 0; h < 2; h++)
                sums[r][c][h] = vfmaq_f32(sums[r][c][h], rows[r][h], col[h]);
    }
}

/* The rows [row, row + n_rows) and columns [col, col + n_cols). Given `dequantize`, it makes floats first, else rows
 * are loaded as they are. */
INLINE void dot_some(const struct matmul_tile *t, int row, int col, int n_rows, int n_cols, load_fn *load,
                     dequantize_fn *dequantize, size_t block, size_t bytes)
{
    const size_t piece = dequantize ? PIECE : t->k, value_bytes = dequantize ? sizeof(float) : bytes;
    float (*const floats)[PIECE] = t->scratch;
    float32x4_t sums[DOT_ROWS][DOT_COLUMNS][2];
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            sums[r][c][0] = sums[r][c][1] = vdupq_n_f32(0);
    for (size_t i = 0; i < t->k; i += piece) {
        const size_t n = t->k - i < piece ? t->k - i : piece;
        const uint8_t *w[DOT_ROWS];
        const float *x[DOT_COLUMNS];
        for (int c = 0; c < n_cols; c++)
            x[c] = column(t, col + c) + i;
        for (int r = 0; r < n_rows; r++) {
            w[r] = dequantize ? (const uint8_t *)floats[r] : row_of(t, row + r);
            if (dequantize)
                dequantize(floats[r], row_of(t, row + r) + i / block * bytes, n);
        }
        size_t j = 0;
        for (; j + 8 <= n; j += 8)
            add_8(sums, w, x, j, 8, n_rows, n_cols, load, value_bytes);
        if (j < n)
            add_8(sums, w, x, j, n - j, n_rows, n_cols, load, value_bytes);
    }
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            t->y[(size_t)(col + c) * t->y_stride + (size_t)(row + r)] =
                vaddvq_f32(vaddq_f32(sums[r][c][0], sums[r][c][1]));
}

/* All rows, as many at a time as there are registers for their sums, and n_cols columns. */
INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, load_fn *load, dequantize_fn *dequantize,
                        size_t block, size_t bytes)
{
    const int n_rows = n_cols == 4 ? 2 : 4;
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

/* Four rows of n values, then zeros up to a multiple of 4, to their half of the panel. Rows past the last one are
 * copies of it. */
static void unpack_half(struct scratch *s, int half, const struct matmul_tile *t, int row, size_t at, size_t n,
                        dequantize_fn *dequantize)
{
    for (int r = 0; r < 4; r++) {
        dequantize(s->rows[r], row_of(t, row + r < t->n_rows ? row + r : t->n_rows - 1) + at, n);
        for (size_t i = n; i % 4 != 0; i++)
            s->rows[r][i] = 0;
    }
    for (size_t i = 0; i < n; i += 4) {
        const float32x4x4_t four = { { vld1q_f32(s->rows[0] + i), vld1q_f32(s->rows[1] + i), vld1q_f32(s->rows[2] + i),
                                       vld1q_f32(s->rows[3] + i) } };
        vst4q_f32(s->panel[i / 4][half][0], four);
    }
}

/* sum + rows * one lane of x. */
INLINE float32x4_t add_lane(float32x4_t sum, float32x4_t rows, float32x4_t x, int lane)
{
    switch (lane) {
    case 0: return vfmaq_laneq_f32(sum, rows, x, 0);
    case 1: return vfmaq_laneq_f32(sum, rows, x, 1);
    case 2: return vfmaq_laneq_f32(sum, rows, x, 2);
    default: return vfmaq_laneq_f32(sum, rows, x, 3);
    }
}

/* A panel times n_cols packed columns: n values more of the elements at y, of which n_rows are wanted. */
INLINE void multiply(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, int n_rows,
                     int n_cols)
{
    const float (*const x)[PITCH] = &s->x[col];
    float32x4_t sums[COLUMNS][2];
    y += (size_t)col * y_stride;
    UNROLL for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            sums[c][h] = first ? vdupq_n_f32(0) : load_some(y + (size_t)c * y_stride + 4 * h, n_rows - 4 * h);
    for (size_t i = 0; i < n; i += 4) {
        float32x4_t four[COLUMNS];
        for (int c = 0; c < n_cols; c++)
            four[c] = vld1q_f32(&x[c][i]);
        UNROLL for (int j = 0; j < 4; j++) {
            const float32x4_t w0 = vld1q_f32(s->panel[i / 4][0][j]), w1 = vld1q_f32(s->panel[i / 4][1][j]);
            UNROLL for (int c = 0; c < n_cols; c++) {
                sums[c][0] = add_lane(sums[c][0], w0, four[c], j);
                sums[c][1] = add_lane(sums[c][1], w1, four[c], j);
            }
        }
    }
    UNROLL for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            store_some(y + (size_t)c * y_stride + 4 * h, sums[c][h], n_rows - 4 * h);
}

/* multiply() for each number of columns. */
typedef void multiply_fn(float *y, size_t y_stride, const struct scratch *s, int col, size_t n, bool first, int n_rows);
#define COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
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
            for (int c = 0; c < n_cols; c++) {
                memcpy(s->x[c], column(t, first + c) + i, n * sizeof(float));
                memset(s->x[c] + n, 0, 3 * sizeof(float));
            }
            for (int row = 0; row < t->n_rows; row += PANEL) {
                for (int half = 0; half < 2; half++)
                    unpack_half(s, half, t, row + 4 * half, i / block * bytes, n, dequantize);
                for (int c = 0; c < n_cols; c += COLUMNS)
                    multiply_columns[n_cols - c < COLUMNS ? n_cols - c : COLUMNS](y + row, t->y_stride, s, c, n, i == 0,
                                                                                  t->n_rows - row);
            }
        }
    }
}

/* Quantised types, which are floats by the time they are loaded. */
static void dot_pieces(const struct matmul_tile *t, dequantize_fn *dequantize, size_t block, size_t bytes)
{
    dot(t, load_f32s, dequantize, block, bytes);
}

#define QUANTISED_PRODUCTS(name, NAME) \
    void neon_float_dot_##name(const struct matmul_tile *t) \
    { \
        dot_pieces(t, neon_dequantize_##name, BLOCK_##NAME, sizeof(struct block_##name)); \
    } \
    void neon_float_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, neon_dequantize_##name, BLOCK_##NAME, sizeof(struct block_##name)); \
    }
QUANTISED_TYPES(QUANTISED_PRODUCTS)

#define PRODUCTS(name, bytes) \
    void neon_float_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, load_##name##s, NULL, 1, bytes); \
    } \
    void neon_float_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, neon_dequantize_##name, 1, bytes); \
    }
PRODUCTS(f32, 4)
PRODUCTS(f16, 2)
PRODUCTS(bf16, 2)
