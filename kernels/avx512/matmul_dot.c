/* matmul_dot.c - quantised weights times 8-bit activations for few columns: row dots.
 *
 * Rows go along k once for some columns, a unit of 256 at a time, two rows together: they share the activations, and
 * are half a tile apart, so that the weights are read as two streams, which keeps more of the memory busy than one.
 * What depends on the column alone, its values in the type's order and its scales, is made once for all rows, in
 * scratch. vpdpbusd sums the products of a sub-block in the four lanes that hold it; these become floats and meet both
 * scales.
 *
 * A type's constant offset is taken off as an integer, from sums that the column brings along: nothing is rounded,
 * where offset * d * sum(x) in floats would drown small weights. Minima are floats: sum (d q + m) x = d sum q x + m
 * s.
 *
 * Units are added to an element's vector of sums in their order: the same bits in any cut of the tile. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_types.h"

#define ROWS 2        /* together */
#define COLUMNS 4     /* at most, together */
#define PREFETCH 1024 /* bytes ahead in a row */
#define CHUNK 8192    /* values of k, over all columns together, that are prepared at a time: what the L1 cache holds */
#define KEPT 256      /* rows whose sums are kept from chunk to chunk, where k is longer than one */

/* A unit of a column. */
struct activations {
    __m512i q[4];
    __m512i less[4]; /* -offset times the values that meet in a lane; only as many as registers are scaled apart */
    __m512 d;        /* what meets the lanes of a unit's d: scales, or scaled sums where that has minima */
    __m512 s;        /* scaled sums by sub-block */
};

struct scratch {
    struct activations x[CHUNK / UNIT];
    __m512 sums[KEPT][COLUMNS];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/* Lanes of a vector by sub-block, spread to the lanes that hold the products of q[r]. */
INLINE __m512 spread(__m512 by_sub_block, bool pairs, int r)
{
    const int a = sub_block(pairs, r, 0), b = sub_block(pairs, r, 1);
    const int c = sub_block(pairs, r, 2), d = sub_block(pairs, r, 3);
    return _mm512_permutexvar_ps(_mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d), by_sub_block);
}

/* n_groups groups of 32 values from value i of the row x; zeros for those that are missing. */
INLINE void prepare_unit(struct activations *a, const uint8_t *x, size_t i, size_t k, int n_groups, struct type type)
{
    const __mmask8 groups = (__mmask8)((1u << n_groups) - 1);
    __m512i q[4];
    for (int j = 0; j < 4; j++) {
        const int n = n_groups - 2 * j;
        q[j] = _mm512_maskz_loadu_epi8(n >= 2 ? ~0ull : n == 1 ? 0xffffffff : 0, x + i + 64 * (size_t)j);
    }
    if (type.pairs) { /* transpose the sub-blocks */
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

/* n values from value i of the row x. */
INLINE void prepare_column(struct activations *a, const uint8_t *x, size_t i, size_t n, size_t k, struct type type)
{
    for (; n >= UNIT; n -= UNIT, i += UNIT)
        prepare_unit(a++, x, i, k, UNIT / 32, type);
    if (n > 0)
        prepare_unit(a, x, i, k, (int)n / 32, type);
}

/* Add the products of a unit, n_groups groups of 32, of ROWS rows and n_cols columns. */
INLINE void add_unit(__m512 sums[ROWS][COLUMNS], const uint8_t *w, size_t w_stride, const struct activations *x,
                     size_t x_step, int n_groups, int n_cols, struct type type)
{
    const int step = type.pairs ? 2 : 1; /* registers summed before they are scaled */
    struct unit u[ROWS];
    for (int row = 0; row < ROWS; row++)
        for (int line = 0; line < UNIT / type.block * type.bytes; line += 64)
            _mm_prefetch((const char *)((uintptr_t)w + (uintptr_t)row * w_stride + PREFETCH + (uintptr_t)line),
                         _MM_HINT_T0);
    for (int row = 0; row < ROWS; row++)
        type.unpack(&u[row], w + (size_t)row * w_stride, n_groups * 32 / type.block);
    for (int c = 0; c < n_cols; c++, x += x_step)
        for (int row = 0; row < ROWS; row++) {
            const __m512 d = _mm512_mul_ps(u[row].d, x->d);
            for (int r = 0; r < 4; r += step) {
                const __m512i start = type.offset ? x->less[r] : _mm512_setzero_si512();
                __m512i products = _mm512_dpbusd_epi32(start, u[row].q[r], x->q[r]);
                if (type.pairs)
                    products = _mm512_dpbusd_epi32(products, u[row].q[r + 1], x->q[r + 1]);
                sums[row][c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), spread(d, type.pairs, r), sums[row][c]);
            }
            if (!type.offset)
                sums[row][c] = type.pairs ? _mm512_mask_add_ps(sums[row][c], 0xaaaa, sums[row][c], d)
                                          : _mm512_fmadd_ps(u[row].m, x->s, sums[row][c]);
        }
}

/* Add n products of ROWS rows and n_cols columns. */
INLINE void add_rows(__m512 sums[ROWS][COLUMNS], const uint8_t *w, size_t w_stride, const struct activations *x,
                     size_t x_step, size_t n, int n_cols, struct type type)
{
    for (; n >= UNIT; n -= UNIT, x++, w += UNIT / type.block * type.bytes)
        add_unit(sums, w, w_stride, x, x_step, UNIT / 32, n_cols, type);
    if (type.block < UNIT && n > 0)
        add_unit(sums, w, w_stride, x, x_step, (int)n / 32, n_cols, type);
}

/* What is cut from the tile: rows from `row`, columns from `col`, n values from value i; the sums of earlier values are
 * in `kept`. The columns' activations are x_step units apart. */
struct piece {
    int row, apart, col; /* rows that are computed together are that many apart */
    size_t i, n, x_step;
    __m512 (*kept)[COLUMNS];
};

/* Elements of ROWS rows and n_cols columns. Where they are 0 apart they are one. */
INLINE void dot_rows(const struct matmul_tile *t, const struct piece *p, int n_cols, struct type type)
{
    const struct scratch *const scratch = t->scratch;
    const uint8_t *const w = (const uint8_t *)t->w + (size_t)p->row * t->w_stride;
    __m512 sums[ROWS][COLUMNS];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < n_cols; c++)
            sums[r][c] = p->i == 0 ? _mm512_setzero_ps() : p->kept[r * p->apart][c];
    add_rows(sums, w + p->i / (size_t)type.block * (size_t)type.bytes, (size_t)p->apart * t->w_stride, scratch->x,
             p->x_step, p->n, n_cols, type);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < n_cols; c++)
            if (p->i + p->n == t->k)
                t->y[(size_t)(p->col + c) * t->y_stride + (size_t)(p->row + r * p->apart)] =
                    _mm512_reduce_add_ps(sums[r][c]);
            else
                p->kept[r * p->apart][c] = sums[r][c];
}

/* All rows and n_cols columns. */
INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, struct type type)
{
    struct scratch *const scratch = t->scratch;
    struct piece p = { .col = col, .x_step = CHUNK / UNIT / (size_t)n_cols };
    const size_t chunk = p.x_step * UNIT;
    const int rows = t->k > chunk ? KEPT : t->n_rows;
    for (int begin = 0; begin < t->n_rows; begin += rows) {
        const int end = t->n_rows - begin < rows ? t->n_rows : begin + rows;
        for (p.i = 0; p.i < t->k; p.i += chunk) {
            p.n = t->k - p.i < chunk ? t->k - p.i : chunk;
            for (int c = 0; c < n_cols; c++)
                prepare_column(scratch->x + (size_t)c * p.x_step,
                               (const uint8_t *)t->x + (size_t)(col + c) * t->x_stride, p.i, p.n, t->k, type);
            p.kept = scratch->sums;
            p.apart = (end - begin) / ROWS;
            for (p.row = begin; p.row < begin + p.apart; p.row++, p.kept++)
                dot_rows(t, &p, n_cols, type);
            p.row = begin + ROWS * p.apart; /* the last rows one by one */
            p.kept = scratch->sums + ROWS * p.apart;
            p.apart = 0;
            for (; p.row < end; p.row++, p.kept++)
                dot_rows(t, &p, n_cols, type);
        }
    }
}

INLINE void dot(const struct matmul_tile *t, struct type type)
{
    int col = 0;
    for (; col + 4 <= t->n_cols; col += 4)
        dot_columns(t, col, 4, type);
    for (; col + 2 <= t->n_cols; col += 2)
        dot_columns(t, col, 2, type);
    for (; col < t->n_cols; col++)
        dot_columns(t, col, 1, type);
}

#define DOT(name, NAME) \
    void avx512_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, type_##name); \
    }
QUANTISED_TYPES(DOT)
