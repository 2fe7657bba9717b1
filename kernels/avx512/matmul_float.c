/* matmul_float.c - weights of every type times float activations: they become floats first.
 *
 * Dot: some rows, or for quantised types pieces of them made floats in the L1 cache, meet up to 4 columns together.
 * Value i of an element goes to lane i % 16 of its sums. Few columns are bound by memory: four rows at a time, a
 * quarter of the tile apart, are four streams, each of which is fetched ahead into the L2 cache. That drew 4 to 8 %
 * more than eight rows side by side, and no less than two or eight streams.
 *
 * Gemm: panels of floats (matmul_panel.h), a value each step. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_panel.h"

#define DOT_ROWS 8 /* at most */
#define STREAMS 4
#define PREFETCH 1024 /* bytes ahead in a stream */
#define DOT_COLUMNS 4 /* at most */
#define NEAR_BYTES (16 * 1024) /* of a tile's weights: fewer are mostly in a cache; fetching them ahead costs time */
#define PIECE 512 /* values of a row made floats at a time by dot: a multiple of every block */

typedef void dequantize_fn(float *y, const void *w, size_t n);
/** 16 values from value i of a row, those of the mask. */
typedef __m512 load_fn(const void *w, size_t i, __mmask16 mask);

INLINE __m512 load_f32(const void *w, size_t i, __mmask16 mask)
{
    return _mm512_maskz_loadu_ps(mask, (const uint8_t *)w + 4 * i);
}

INLINE __m512 load_f16(const void *w, size_t i, __mmask16 mask)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, (const uint8_t *)w + 2 * i));
}

INLINE __m512 load_bf16(const void *w, size_t i, __mmask16 mask)
{
    const __m256i bf16 = _mm256_maskz_loadu_epi16(mask, (const uint8_t *)w + 2 * i);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

INLINE __mmask16 first_of_16(size_t n)
{
    return n < 16 ? (__mmask16)((1u << n) - 1) : 0xffff;
}

/* Rows of floats or of weights that become floats when they are loaded, and columns: pointers to value i of each first
 * one, and bytes to the next. */
struct rows {
    const uint8_t *w, *x;
    size_t w_stride, x_stride;
};

/* Add the products of 16 values, those of the mask, of n_rows rows and n_cols columns. */
INLINE void add_16(__m512 sums[DOT_ROWS][DOT_COLUMNS], const struct rows *p, __mmask16 mask, int n_rows, int n_cols,
                   load_fn *load)
{
    __m512 v[DOT_COLUMNS];
    for (int c = 0; c < n_cols; c++)
        v[c] = _mm512_maskz_loadu_ps(mask, p->x + (size_t)c * p->x_stride);
    for (int r = 0; r < n_rows; r++) {
        const __m512 row = load(p->w + (size_t)r * p->w_stride, 0, mask);
        for (int c = 0; c < n_cols; c++)
            sums[r][c] = _mm512_fmadd_ps(row, v[c], sums[r][c]);
    }
}

/* Add the products of n values. With `ahead`, what the rows' streams will come to is fetched. */
INLINE void add_values(__m512 sums[DOT_ROWS][DOT_COLUMNS], struct rows p, size_t n, size_t bytes, bool ahead,
                       int n_rows, int n_cols, load_fn *load)
{
    for (; n >= 16; n -= 16) {
        for (int r = 0; r < n_rows && ahead; r++)
            _mm_prefetch((const char *)((uintptr_t)p.w + (size_t)r * p.w_stride + PREFETCH), _MM_HINT_T1);
        add_16(sums, &p, 0xffff, n_rows, n_cols, load);
        p.w += 16 * bytes;
        p.x += 16 * sizeof(float);
        __asm__("" : "+r"(p.w)); /* one pointer for all rows: with one each there are not enough registers */
    }
    if (n)
        add_16(sums, &p, first_of_16(n), n_rows, n_cols, load);
}

/* Lane i of the result is the sum of the lanes of v[i], i < n <= 16: of their halves, of these' halves, and so on, the
 * same order whatever n. What is left of several vectors is put side by side at each step. */
INLINE __m512 sum_each(const __m512 *v, int n)
{
    const int n_halves = (n + 1) / 2, n_quarters = (n + 3) / 4, n_pairs = (n + 7) / 8;
    __m512 halves[8], quarters[4], pairs[2];
    for (int i = 0; i < n_halves; i++) {
        const __m512 a = v[2 * i], b = v[2 * i + 1 < n ? 2 * i + 1 : 2 * i];
        halves[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    }
    for (int i = 0; i < n_quarters; i++) {
        const __m512 a = halves[2 * i], b = halves[2 * i + 1 < n_halves ? 2 * i + 1 : 2 * i];
        quarters[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    }
    for (int i = 0; i < n_pairs; i++) {
        const __m512d a = _mm512_castps_pd(quarters[2 * i]);
        const __m512d b = _mm512_castps_pd(quarters[2 * i + 1 < n_quarters ? 2 * i + 1 : 2 * i]);
        pairs[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                                 _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    }
    const __m512 a = pairs[0], b = pairs[n_pairs > 1];
    const __m512 sums = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
    /* Here lane 4 l + i is the sum of v[4 i + l]. */
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), sums);
}

INLINE void store_sums(const struct matmul_tile *t, int row, int apart, int col,
                       __m512 sums[DOT_ROWS][DOT_COLUMNS], int n_rows, int n_cols)
{
    __m512 v[16];
    float y[16];
    for (int c = 0; c < n_cols; c++)
        for (int r = 0; r < n_rows; r++)
            v[c * n_rows + r] = sums[r][c];
    _mm512_storeu_ps(y, sum_each(v, n_rows * n_cols));
    for (int c = 0; c < n_cols; c++)
        for (int r = 0; r < n_rows; r++)
            t->y[(size_t)(col + c) * t->y_stride + (size_t)(row + r * apart)] = y[c * n_rows + r];
}

/* n_rows rows from `row` on, `apart` from each other, and the columns [col, col + n_cols). Given `dequantize`, it makes
 * floats first, else rows are loaded as they are. */
INLINE void dot_some(const struct matmul_tile *t, int row, int apart, int col, int n_rows, int n_cols, bool ahead,
                     load_fn *load, dequantize_fn *dequantize, size_t block, size_t bytes)
{
    const size_t w_stride = (size_t)apart * t->w_stride;
    const uint8_t *const w = (const uint8_t *)t->w + (size_t)row * t->w_stride;
    const uint8_t *const x = (const uint8_t *)t->x + (size_t)col * t->x_stride;
    float (*const floats)[PIECE] = t->scratch;
    __m512 sums[DOT_ROWS][DOT_COLUMNS];
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            sums[r][c] = _mm512_setzero_ps();
    if (!dequantize)
        add_values(sums, (struct rows){ w, x, w_stride, t->x_stride }, t->k, bytes, ahead, n_rows, n_cols, load);
    for (size_t i = 0; i < t->k && dequantize; i += PIECE) {
        const size_t n = t->k - i < PIECE ? t->k - i : PIECE;
        for (int r = 0; r < n_rows; r++)
            dequantize(floats[r], w + (size_t)r * w_stride + i / block * bytes, n);
        add_values(sums, (struct rows){ (const uint8_t *)floats, x + i * sizeof(float), sizeof floats[0], t->x_stride },
                   n, sizeof(float), false, n_rows, n_cols, load);
    }
    store_sums(t, row, apart, col, sums, n_rows, n_cols);
}

/* All rows, some at a time, which are neighbours or, with `ahead`, streams; and n_cols columns. */
INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, bool ahead, load_fn *load,
                        dequantize_fn *dequantize, size_t block, size_t bytes)
{
    const int n_rows = ahead || n_cols == 4 ? STREAMS : DOT_ROWS, n = t->n_rows / n_rows;
    for (int i = 0; i < n; i++)
        dot_some(t, ahead ? i : i * n_rows, ahead ? n : 1, col, n_rows, n_cols, ahead, load, dequantize, block, bytes);
    for (int row = n * n_rows; row < t->n_rows; row++)
        dot_some(t, row, 1, col, 1, n_cols, ahead, load, dequantize, block, bytes);
}

INLINE void dot(const struct matmul_tile *tile, load_fn *load, dequantize_fn *dequantize, size_t block, size_t bytes)
{
    const struct matmul_tile t = *tile; /* what is stored cannot be part of it */
    if (dequantize || (size_t)t.n_rows * t.w_stride < NEAR_BYTES)
        EACH_COLUMNS(dot_columns, &t, false, load, dequantize, block, bytes);
    else
        EACH_COLUMNS(dot_columns, &t, true, load, dequantize, block, bytes);
}

INLINE __m512 add_floats(__m512 sums, __m512i w, __m512i x)
{
    return _mm512_fmadd_ps(_mm512_castsi512_ps(w), _mm512_castsi512_ps(x), sums);
}
DEFINE_MULTIPLY_COLUMNS(add_floats)

/* One for all types: only unpacking differs. */
static void gemm(const struct matmul_tile *t, steps_fn *steps, size_t block, size_t bytes)
{
    panel_gemm(t, (struct panels){ steps, 1, { PANEL, CHUNK, block, bytes }, multiply_columns });
}

#define PRODUCTS(name, load, dequantize, block, bytes) \
    void avx512_float_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, load, dequantize, block, bytes); \
    } \
    static void steps_##name(uint32_t *steps, const void *w, size_t n) \
    { \
        avx512_dequantize_##name((float *)(void *)steps, w, n); \
    } \
    void avx512_float_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, steps_##name, block, bytes); \
    }
#define QUANTISED_PRODUCTS(name, NAME) \
    PRODUCTS(name, load_f32, avx512_dequantize_##name, BLOCK_##NAME, sizeof(struct block_##name))
QUANTISED_TYPES(QUANTISED_PRODUCTS)
PRODUCTS(f32, load_f32, NULL, 1, 4)
PRODUCTS(f16, load_f16, NULL, 1, 2)
PRODUCTS(bf16, load_bf16, NULL, 1, 2)
