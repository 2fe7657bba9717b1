/* matmul_dot.c - quantised weights times 8-bit activations for few columns: row dots.
 *
 * A row goes along k once for some columns, a unit of 256 at a time. vpmaddubsw multiplies unsigned weights by signed
 * activations and adds pairs in 16 bits: at most 2 * 127 * 127, which fits; for types of signed weights these give
 * their signs to the activations first, at most 2 * 128 * 127. vpmaddwd adds pairs again; then a group of 32 becomes
 * floats and meets both scales.
 *
 * A type's constant offset is taken off as an integer, from sums made once for a column: nothing is rounded, where
 * offset * d * sum(x) in floats would drown small weights. Minima are floats: sum (d q + m) x = d sum q x + m s.
 *
 * An element has two vectors of sums, to which the groups are added in order: the same bits in any cut of the tile. */
#include "kernels/avx2/matmul.h"
#include "kernels/avx2/matmul_types.h"

#define COLUMNS 4     /* at most, together */
#define CHUNK 8192    /* values of k, over all columns together, that are prepared at a time: what the L1 cache holds */
#define ROWS 256      /* rows whose sums are kept from chunk to chunk, where k is longer than one */
#define PREFETCH 2048 /* bytes ahead in a row */

/* A unit of a column. */
struct activations {
    __m256i q[8];
    __m256i more[8]; /* offset times pairs of values */
    __m256 d[2], s[2]; /* by sub-block */
};

struct scratch {
    struct activations x[CHUNK / UNIT];
    __m256 sums[ROWS][COLUMNS][2];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/* The first n of eight floats. */
INLINE __m256 load_first(const float *p, int n)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes));
}

/* n_groups groups of 32 values from value i of the row x; zeros for those that are missing. */
INLINE void prepare_unit(struct activations *a, const uint8_t *x, size_t i, size_t k, int n_groups, struct type type)
{
    for (int g = 0; g < 8; g++) {
        a->q[g] = g < n_groups ? _mm256_load_si256((const __m256i *)(x + i + 32 * (size_t)g)) : _mm256_setzero_si256();
        a->more[g] = _mm256_maddubs_epi16(_mm256_set1_epi8((char)type.offset), a->q[g]);
    }
    set_twice(a->d, load_first((const float *)(x + act_q8_d(k)) + i / 32, n_groups));
    const float *const s = (const float *)(x + act_q8_s(k)) + i / 16;
    a->s[0] = load_first(s, 2 * n_groups);
    a->s[1] = load_first(s + 8, 2 * n_groups - 8);
}

/* n values from value i of the row x. */
INLINE void prepare_column(struct activations *a, const uint8_t *x, size_t i, size_t n, size_t k, struct type type)
{
    for (; n >= UNIT; n -= UNIT, i += UNIT)
        prepare_unit(a++, x, i, k, UNIT / 32, type);
    if (n > 0)
        prepare_unit(a, x, i, k, (int)n / 32, type);
}

/* Sums of four products in each lane. */
INLINE __m256i products_of_32(__m256i w, __m256i x, __m256i more, struct type type)
{
    __m256i pairs;
    if (type.bits == 8)
        pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    else
        pairs = _mm256_maddubs_epi16(w, x);
    if (type.offset)
        pairs = _mm256_sub_epi16(pairs, more);
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* Add the products of a unit, n_groups groups of 32, of a row and n_cols columns. */
INLINE void add_unit(__m256 sums[COLUMNS][2], const uint8_t *w, const struct activations *x, int n_groups, int n_cols,
                     struct type type)
{
    struct unit u;
    for (int line = 0; line < UNIT / type.block * type.bytes; line += 64)
        _mm_prefetch((const char *)((uintptr_t)w + PREFETCH + (uintptr_t)line), _MM_HINT_T0);
    type.unpack(&u, w, n_groups * 32 / type.block);
    for (int c = 0; c < n_cols; c++, x += CHUNK / n_cols / UNIT) {
        float d[16];
        for (int h = 0; h < 2; h++)
            _mm256_storeu_ps(d + 8 * h, _mm256_mul_ps(u.d[h], x->d[h]));
        for (int g = 0; g < 8; g++) {
            const __m256i products = products_of_32(u.q[g], x->q[g], x->more[g], type);
            __m256 scales = _mm256_broadcast_ss(d + 2 * g);
            if (!type.pairs)
                scales = _mm256_blend_ps(scales, _mm256_broadcast_ss(d + 2 * g + 1), 0xf0);
            sums[c][g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scales, sums[c][g % 2]);
        }
        for (int h = 0; type.minima && h < 2; h++)
            sums[c][h] = _mm256_fmadd_ps(u.m[h], x->s[h], sums[c][h]);
    }
}

/* Add n products of a row and n_cols columns. */
INLINE void add_row(__m256 sums[COLUMNS][2], const uint8_t *w, const struct activations *x, size_t n, int n_cols,
                    struct type type)
{
    for (; n >= UNIT; n -= UNIT, x++, w += UNIT / type.block * type.bytes)
        add_unit(sums, w, x, UNIT / 32, n_cols, type);
    if (type.block < UNIT && n > 0)
        add_unit(sums, w, x, (int)n / 32, n_cols, type);
}

INLINE float sum_of(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/* Elements of the rows [row, end) and n_cols columns. */
INLINE void dot_rows(const struct matmul_tile *t, int row, int end, int col, int n_cols, struct type type)
{
    struct scratch *const scratch = t->scratch;
    const size_t chunk = CHUNK / (size_t)n_cols;
    for (size_t i = 0; i < t->k; i += chunk) {
        const size_t n = t->k - i < chunk ? t->k - i : chunk;
        for (int c = 0; c < n_cols; c++)
            prepare_column(scratch->x + (size_t)c * (chunk / UNIT),
                           (const uint8_t *)t->x + (size_t)(col + c) * t->x_stride, i, n, t->k, type);
        for (int r = row; r < end; r++) {
            __m256 sums[COLUMNS][2];
            for (int c = 0; c < n_cols; c++)
                for (int j = 0; j < 2; j++)
                    sums[c][j] = i == 0 ? _mm256_setzero_ps() : scratch->sums[r - row][c][j];
            const uint8_t *const w = (const uint8_t *)t->w + (size_t)r * t->w_stride;
            add_row(sums, w + i / (size_t)type.block * (size_t)type.bytes, scratch->x, n, n_cols, type);
            for (int c = 0; c < n_cols; c++) {
                if (i + n == t->k)
                    t->y[(size_t)(col + c) * t->y_stride + (size_t)r] = sum_of(_mm256_add_ps(sums[c][0], sums[c][1]));
                else
                    for (int j = 0; j < 2; j++)
                        scratch->sums[r - row][c][j] = sums[c][j];
            }
        }
    }
}

INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, struct type type)
{
    const int rows = t->k > (size_t)(CHUNK / n_cols) ? ROWS : t->n_rows;
    for (int row = 0; row < t->n_rows; row += rows)
        dot_rows(t, row, t->n_rows - row < rows ? t->n_rows : row + rows, col, n_cols, type);
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
    void avx2_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, type_##name); \
    }
QUANTISED_TYPES(DOT)
