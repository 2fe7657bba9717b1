/* matmul_bf16.c - weights of 16 bits times bf16 activations for many columns, with bfmmla, which multiplies 4 values of
 * two rows and of two columns. Weights of f16 become bf16, which adds up to 2^-8 of each product to what the
 * activations have lost already.
 *
 * A panel is PANEL rows by up to CHUNK values of k, made once for all columns: [value / 4][pair of rows][2][4]. Columns
 * are packed in the same way, COLUMNS together. Values up to a multiple of 8 are zeros. The inner loop holds 8 rows of
 * up to 8 columns. The order of additions to an element is that of k, whatever the tile. */
#include "kernels/i8mm/blocks_2x2.h"
#include "kernels/i8mm/i8mm.h"
#include "kernels/neon/matmul_some.h"

#define PANEL 8
#define COLUMNS 8
#define CHUNK 512
#define PACKED 384 /* columns packed at a time */

typedef uint16_t packed[CHUNK / 4][4][8]; /* of bf16: 8 rows, or columns */

struct scratch {
    packed panel, x[PACKED / COLUMNS];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/** Eight values from value i of a row as bf16. */
typedef uint16x8_t load_fn(const uint8_t *w, size_t i);

INLINE uint16x8_t load_bf16s(const uint8_t *w, size_t i)
{
    return vreinterpretq_u16_u8(vld1q_u8(w + 2 * i));
}

INLINE uint16x8_t bf16_of_floats(const float32x4_t f[2])
{
    return vreinterpretq_u16_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(f[0]), f[1]));
}

INLINE uint16x8_t load_f16s(const uint8_t *w, size_t i)
{
    float32x4_t f[2];
    floats_of_f16(f, load_bf16s(w, i));
    return bf16_of_floats(f);
}

/* n values from value i of a row, then zeros. */
INLINE uint16x8_t load_first(const uint8_t *w, size_t i, size_t n, load_fn *load)
{
    if (n >= 8)
        return load(w, i);
    uint8_t all[16] = { 0 };
    memcpy(all, w + 2 * i, 2 * n);
    return load(all, 0);
}

/* n values from value i of two rows to pair `pair`. */
INLINE void pack_pair(packed to, int pair, const uint8_t *a, const uint8_t *b, size_t i, size_t n, load_fn *load)
{
    for (size_t j = 0; j < n; j += 8) {
        const uint64x2_t first = vreinterpretq_u64_u16(load_first(a, i + j, n - j, load));
        const uint64x2_t second = vreinterpretq_u64_u16(load_first(b, i + j, n - j, load));
        vst1q_u16(to[j / 4][pair], vreinterpretq_u16_u64(vzip1q_u64(first, second)));
        vst1q_u16(to[j / 4 + 1][pair], vreinterpretq_u16_u64(vzip2q_u64(first, second)));
    }
}

/* n values from value i of the columns from col on, whose rows hold zeros up to a multiple of 32. Columns past the last
 * one are copies of it. */
static void pack_columns(packed to, const struct matmul_tile *t, int col, size_t i, size_t n)
{
    for (int pair = 0; pair < COLUMNS / 2; pair++) {
        const uint8_t *x[2];
        for (int c = 0; c < 2; c++) {
            const int from = col + 2 * pair + c;
            x[c] = (const uint8_t *)t->x + (size_t)(from < t->n_cols ? from : t->n_cols - 1) * t->x_stride;
        }
        pack_pair(to, pair, x[0], x[1], i, (n + 7) / 8 * 8, load_bf16s);
    }
}

/* Rows from `row` on, n values from value i of each. Rows past the last one are copies of it. */
INLINE void unpack_panel(packed to, const struct matmul_tile *t, int row, size_t i, size_t n, load_fn *load)
{
    for (int pair = 0; pair < PANEL / 2; pair++) {
        const uint8_t *w[2];
        for (int r = 0; r < 2; r++) {
            const int from = row + 2 * pair + r;
            w[r] = (const uint8_t *)t->w + (size_t)(from < t->n_rows ? from : t->n_rows - 1) * t->w_stride;
        }
        pack_pair(to, pair, w[0], w[1], i, n, load);
    }
}

/* A panel times n_pairs pairs of packed columns: n values more of the elements at y, of which n_rows by n_there are
 * wanted. */
INLINE void multiply(float *y, size_t y_stride, const packed w, const packed x, size_t n, bool first, int n_rows,
                     int n_there, int n_pairs)
{
    float32x4_t sums[2 * COLUMNS];
    UNROLL for (int c = 0; c < 2 * n_pairs; c++)
        for (int h = 0; h < 2; h++)
            sums[2 * c + h] = first || c >= n_there ? vdupq_n_f32(0)
                                                    : load_some(y + (size_t)c * y_stride + 4 * h, n_rows - 4 * h);
    columns_to_blocks(sums, n_pairs);
    for (size_t i = 0; i < (n + 3) / 4; i++) {
        bfloat16x8_t rows[4];
        for (int r = 0; r < 4; r++)
            rows[r] = vreinterpretq_bf16_u16(vld1q_u16(w[i][r]));
        for (int pair = 0; pair < n_pairs; pair++) {
            const bfloat16x8_t cols = vreinterpretq_bf16_u16(vld1q_u16(x[i][pair]));
            for (int r = 0; r < 4; r++)
                sums[4 * pair + r] = vbfmmlaq_f32(sums[4 * pair + r], rows[r], cols);
        }
    }
    blocks_to_columns(sums, n_pairs);
    UNROLL for (int c = 0; c < 2 * n_pairs; c++)
        for (int h = 0; h < 2 && c < n_there; h++)
            store_some(y + (size_t)c * y_stride + 4 * h, sums[2 * c + h], n_rows - 4 * h);
}

/* multiply() for each number of pairs. */
typedef void multiply_fn(float *y, size_t y_stride, const packed w, const packed x, size_t n, bool first, int n_rows,
                         int n_there);
#define COUNTS(X) X(1) X(2) X(3) X(4)
#define MULTIPLY(n_pairs) \
    static void multiply_##n_pairs(float *y, size_t y_stride, const packed w, const packed x, size_t n, bool first, \
                                   int n_rows, int n_there) \
    { \
        multiply(y, y_stride, w, x, n, first, n_rows, n_there, n_pairs); \
    }
COUNTS(MULTIPLY)
#define ENTRY(n_pairs) [n_pairs] = multiply_##n_pairs,
static multiply_fn *const multiply_pairs[COLUMNS / 2 + 1] = { COUNTS(ENTRY) };

INLINE void gemm(const struct matmul_tile *t, load_fn *load)
{
    struct scratch *const s = t->scratch;
    for (int first = 0; first < t->n_cols; first += PACKED) {
        const int end = t->n_cols - first < PACKED ? t->n_cols : first + PACKED;
        for (size_t i = 0; i < t->k; i += CHUNK) {
            const size_t n = t->k - i < CHUNK ? t->k - i : CHUNK;
            for (int col = first; col < end; col += COLUMNS)
                pack_columns(s->x[(col - first) / COLUMNS], t, col, i, n);
            for (int row = 0; row < t->n_rows; row += PANEL) {
                unpack_panel(s->panel, t, row, i, n, load);
                for (int col = first; col < end; col += COLUMNS) {
                    const int n_there = end - col < COLUMNS ? end - col : COLUMNS;
                    multiply_pairs[(n_there + 1) / 2](t->y + (size_t)col * t->y_stride + row, t->y_stride, s->panel,
                                                      s->x[(col - first) / COLUMNS], n, i == 0, t->n_rows - row,
                                                      n_there);
                }
            }
        }
    }
}

void i8mm_gemm_f16(const struct matmul_tile *t)
{
    gemm(t, load_f16s);
}

void i8mm_gemm_bf16(const struct matmul_tile *t)
{
    gemm(t, load_bf16s);
}

void i8mm_prepare_bf16(void *y, const float *x, size_t k, size_t first, size_t n)
{
    uint16_t *const b = (uint16_t *)y + first;
    size_t i = 0;
    (void)k;
    for (; i + 8 <= n; i += 8) {
        const float32x4_t f[2] = { vld1q_f32(x + i), vld1q_f32(x + i + 4) };
        vst1q_u16(b + i, bf16_of_floats(f));
    }
    for (; i < n; i++)
        b[i] = bf16_from_f32(x[i]);
    for (; i % 32 != 0; i++)
        b[i] = 0;
}
