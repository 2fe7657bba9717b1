/* matmul_gemm.h - quantised weights times 8-bit activations for many columns: panels.
 *
 * Rows stand in lanes. A panel is PANEL = 2 x 8 rows by up to CHUNK values of k, unpacked once for all columns, in the
 * order in which the inner loop reads it; a step is what a dword holds, a group is 32 values where scales are those of
 * 32 weights, else 16:
 *   group:  [steps][16 rows] dwords of weights | [16 rows] scales | [16 rows] minima, if the type has them
 * A column's piece of as many values is packed too: its values, its scales, and what its sums are needed for (see
 * below). Rows of activations may lie at a stride that maps them all to the same lines of the cache; packed they do
 * not.
 *
 * The inner loop holds 16 rows of up to 4 columns and adds up a group's products as integers, in the form that the
 * type and the processor ask for; then they become floats, meet both scales and are added to the element. Minima take
 * one more multiply-add with the scaled sums of the activations.
 *
 * The order of additions to an element is that of k, whatever the tile. */
#ifndef KERNELS_AVX2_MATMUL_GEMM_H
#define KERNELS_AVX2_MATMUL_GEMM_H

#include "kernels/avx2/matmul.h"
#include "kernels/avx2/matmul_transpose.h"
#include "kernels/avx2/matmul_types.h"
#include "kernels/generic/pieces.h"

#include <string.h>

#define PANEL 16
#define CHUNK 512
#define COLUMNS 4  /* of the inner loop */
#define PACKED 512 /* columns packed at a time */

/* How weights and activations meet. */
enum form {
    PAIRS, /* A step is 4 weights without sign: vpmaddubsw adds two products each in 16 bits, where as many steps (a
            * chain) are added as fit. A chain starts from -offset times its activations, so what must fit is the sum of
            * true weights times activations. */
    FOURS, /* A step is 4 weights without sign: vpdpbusd adds four products each in 32 bits. A group starts from -offset
            * times its activations; weights of 8 bits get an offset of 128. */
    WORDS, /* 2 weights with sign, in 16 bits as the activations: vpmaddwd. For weights of 8 bits, of which vpmaddubsw
            * would fit no two steps nor take the sign. A group's steps are first its even bytes, then its odd ones. */
};

/* A column's piece of a chunk. */
struct packed {
    union {
        int8_t q[CHUNK];
        int16_t words[CHUNK];
    };
    float d[CHUNK / 32];
    union {
        int32_t less[CHUNK / 8]; /* by chain: -offset times what meets in each half of a dword; FOURS: by group */
        float s[CHUNK / 16];     /* by group: d * sum(q) */
    };
};

struct scratch {
    uint8_t panel[CHUNK / 16 * PANEL * (32 + 4 + 4)];
    struct packed x[PACKED];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES && sizeof(struct packed) % 64 == 0, "room, alignment");

/* A group's products of 16 rows and n_cols columns. */
typedef void products_fn(__m256i products[COLUMNS][2], const uint8_t *panel, const struct packed *x, size_t group,
                         int n_cols, struct type type);

INLINE int group_values(struct type type)
{
    return type.pairs ? 32 : 16;
}

INLINE int group_steps(struct type type, enum form form)
{
    return group_values(type) / (form == WORDS ? 2 : 4);
}

INLINE size_t group_bytes(struct type type, enum form form)
{
    return (size_t)PANEL * 4 * (size_t)(group_steps(type, form) + 1 + type.minima);
}

/* Steps of a chain: each adds at most 2 * 127 * offset, or 2 * 127 * (2^bits - 1) without an offset. */
INLINE int chain_steps(struct type type)
{
    const int fit = type.offset ? 128 / type.offset : 128 >> type.bits, steps = group_steps(type, PAIRS);
    return fit < steps ? fit : steps;
}

/* The even and the odd bytes as words. */
INLINE __m256i even_words(__m256i bytes)
{
    return _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
}

INLINE __m256i odd_words(__m256i bytes)
{
    return _mm256_srai_epi16(bytes, 8);
}

/* less[] of 32 values, PAIRS; writes up to four, of which 8 / chain are meant. */
INLINE void pack_less_pairs(int32_t *less, __m256i q, struct type type)
{
    const int chain = chain_steps(type);
    const __m256i first_steps = _mm256_setr_epi32(0, chain % 8, 2 * chain % 8, 3 * chain % 8, 0, 0, 0, 0);
    __m256i sums = _mm256_maddubs_epi16(_mm256_set1_epi8((char)type.offset), q);
    if (chain > 1)
        sums = _mm256_add_epi16(sums, _mm256_shuffle_epi32(sums, 0xb1));
    if (chain > 2)
        sums = _mm256_add_epi16(sums, _mm256_shuffle_epi32(sums, 0x4e));
    if (chain > 4)
        sums = _mm256_add_epi16(sums, _mm256_permute4x64_epi64(sums, 0x4e));
    sums = _mm256_sub_epi16(_mm256_setzero_si256(), _mm256_permutevar8x32_epi32(sums, first_steps));
    _mm_storeu_si128((__m128i *)less, _mm256_castsi256_si128(sums));
}

INLINE int offset_of(struct type type, enum form form)
{
    return form == FOURS && type.bits == 8 ? 128 : type.offset;
}

/* less[] of 32 values, FOURS: one or two. */
INLINE void pack_less_fours(int32_t *less, __m256i q, struct type type)
{
    const __m256i pairs = _mm256_madd_epi16(_mm256_set1_epi16(1), _mm256_add_epi16(even_words(q), odd_words(q)));
    __m128i low = _mm256_castsi256_si128(pairs), high = _mm256_extracti128_si256(pairs, 1);
    if (type.pairs)
        low = high = _mm_add_epi32(low, high);
    const __m128i sums = _mm_hadd_epi32(_mm_hadd_epi32(low, high), _mm_setzero_si128());
    const __m128i products = _mm_mullo_epi32(sums, _mm_set1_epi32(-offset_of(type, FOURS)));
    _mm_storel_epi64((__m128i *)less, products);
}

/* What a column's chain, or group, starts from. */
INLINE __m256i start_of(const struct packed *x, size_t chain, struct type type, enum form form)
{
    return offset_of(type, form) ? _mm256_set1_epi32(x->less[chain]) : _mm256_setzero_si256();
}

/* n values, a multiple of 32, from value i of the row x. */
INLINE void pack_column(struct packed *p, const uint8_t *x, size_t i, size_t n, size_t k, struct type type,
                        enum form form)
{
    const float *const s = (const float *)(x + act_q8_s(k)) + i / 16;
    memcpy(p->d, (const float *)(x + act_q8_d(k)) + i / 32, n / 32 * sizeof(float));
    for (size_t j = 0; j < n; j += 32) {
        const __m256i q = _mm256_load_si256((const __m256i *)(x + i + j));
        if (form == WORDS) {
            _mm256_store_si256((__m256i *)(p->words + j), even_words(q));
            _mm256_store_si256((__m256i *)(p->words + j + 16), odd_words(q));
        } else {
            _mm256_store_si256((__m256i *)(p->q + j), q);
        }
        if (form == FOURS && offset_of(type, form))
            pack_less_fours(p->less + j / (size_t)group_values(type), q, type);
        else if (type.offset)
            pack_less_pairs(p->less + j / (size_t)(4 * chain_steps(type)), q, type);
    }
    for (size_t j = 0; type.minima && j < n / 16; j += 2) {
        p->s[type.pairs ? j / 2 : j] = type.pairs ? s[j] + s[j + 1] : s[j];
        if (!type.pairs)
            p->s[j + 1] = s[j + 1];
    }
}

/* A dword of 8 rows' weights, the `dword`th of a unit, to their half of the panel. */
INLINE void store_dwords(uint8_t *panel, __m256i q, int dword, struct type type, enum form form)
{
    const int of_group = group_values(type) / 4;
    uint8_t *const step = panel + (size_t)(dword / of_group) * group_bytes(type, form) + dword % of_group * PANEL * 4;
    if (form == WORDS) {
        _mm256_store_si256((__m256i *)step, even_words(q));
        _mm256_store_si256((__m256i *)(step + of_group * PANEL * 4), odd_words(q));
    } else {
        const bool has_sign = form == FOURS && type.bits == 8;
        _mm256_store_si256((__m256i *)step, has_sign ? _mm256_xor_si256(q, _mm256_set1_epi8((char)0x80)) : q);
    }
}

/* 8 rows' scales, or their minima, where those of sub-block `sub` belong. */
INLINE void store_scales(uint8_t *panel, __m256 d, int sub, bool minima, struct type type, enum form form)
{
    uint8_t *const group = panel + (size_t)(sub / (group_values(type) / 16)) * group_bytes(type, form);
    _mm256_store_ps((float *)(void *)(group + (group_steps(type, form) + minima) * PANEL * 4), d);
}

/* 8 rows of a unit to their half of the panel. */
INLINE void unpack_unit(uint8_t *panel, const uint8_t *const w[8], size_t at, int n_blocks, struct type type,
                        enum form form)
{
    __m256 q[8][8], d[2][8], m[2][8];
    for (int row = 0; row < 8; row++) {
        struct unit u;
        type.unpack(&u, w[row] + at, n_blocks);
        for (int i = 0; i < 8; i++)
            q[i][row] = _mm256_castsi256_ps(u.q[i]);
        for (int h = 0; h < 2; h++) {
            d[h][row] = u.d[h];
            m[h][row] = type.minima ? u.m[h] : _mm256_setzero_ps();
        }
    }
    for (int i = 0; i < 8; i++) {
        transpose_8x8(q[i]);
        for (int j = 0; j < 8; j++)
            store_dwords(panel, _mm256_castps_si256(q[i][j]), 4 * (i + j / 4 * 8) + j % 4, type, form);
    }
    for (int h = 0; h < (type.pairs ? 1 : 2); h++) {
        transpose_8x8(d[h]);
        if (type.minima)
            transpose_8x8(m[h]);
        for (int j = 0; j < 8; j++) {
            const int sub = type.pairs ? 2 * j : 4 * h + j / 4 * 8 + j % 4;
            store_scales(panel, d[h][j], sub, false, type, form);
            if (type.minima)
                store_scales(panel, m[h][j], sub, true, type, form);
        }
    }
}

INLINE void unpack_panel(uint8_t *panel, const struct matmul_tile *t, struct piece piece, struct cut cut,
                         struct type type, enum form form)
{
    for (int half = 0; half < 2; half++) {
        const uint8_t *w[8];
        for (int r = 0; r < 8; r++)
            w[r] = piece_row(t, piece, 8 * half + r, cut);
        for (size_t j = 0; j < piece.n; j += UNIT) {
            const size_t left = piece.n - j < UNIT ? piece.n - j : UNIT, at = j / cut.block * cut.bytes;
            uint8_t *const to = panel + j / (size_t)group_values(type) * group_bytes(type, form) + 32 * half;
            if (left == UNIT)
                unpack_unit(to, w, at, UNIT / type.block, type, form);
            else if (type.block < UNIT)
                unpack_unit(to, w, at, (int)left / type.block, type, form);
        }
    }
}

/* Makes the compiler keep a sum where it is: gcc 12 puts off additions, and then spills all that they wait for. */
INLINE void settle(__m256i *sum)
{
    __asm__("" : "+x"(*sum));
}

/* A group's products added to the sums. */
INLINE void add_group(__m256 sums[COLUMNS][2], const uint8_t *panel, const struct packed *x, size_t group, int n_cols,
                      struct type type, enum form form, products_fn *multiply_group)
{
    const float *const d = (const float *)(const void *)(panel + group_steps(type, form) * PANEL * 4);
    __m256i products[COLUMNS][2];
    multiply_group(products, panel, x, group, n_cols, type);
    for (int c = 0; c < n_cols; c++) {
        const __m256 x_d = _mm256_broadcast_ss(&x[c].d[group * (size_t)group_values(type) / 32]);
        for (int h = 0; h < 2; h++) {
            const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(products[c][h]), _mm256_load_ps(d + 8 * h));
            sums[c][h] = _mm256_fmadd_ps(scaled, x_d, sums[c][h]);
            if (type.minima)
                sums[c][h] = _mm256_fmadd_ps(_mm256_load_ps(d + PANEL + 8 * h), _mm256_broadcast_ss(&x[c].s[group]),
                                             sums[c][h]);
        }
    }
}

/* A panel times n_cols packed columns: n values more of the elements at y, of which n_rows are wanted. */
INLINE void multiply(float *y, size_t y_stride, const uint8_t *panel, const struct packed *x, size_t n, bool first,
                     int n_rows, int n_cols, struct type type, enum form form, products_fn *multiply_group)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i rows[2] = { _mm256_cmpgt_epi32(_mm256_set1_epi32(n_rows), lanes),
                              _mm256_cmpgt_epi32(_mm256_set1_epi32(n_rows - 8), lanes) };
    __m256 sums[COLUMNS][2];
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            sums[c][h] = first ? _mm256_setzero_ps() : _mm256_maskload_ps(y + (size_t)c * y_stride + 8 * h, rows[h]);
    for (size_t group = 0; group < n / (size_t)group_values(type); group++, panel += group_bytes(type, form))
        add_group(sums, panel, x, group, n_cols, type, form, multiply_group);
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            if (8 * h < n_rows)
                _mm256_maskstore_ps(y + (size_t)c * y_stride + 8 * h, rows[h], sums[c][h]);
}

/* multiply() for each number of columns. */
INLINE void multiply_columns(float *y, size_t y_stride, const uint8_t *panel, const struct packed *x, size_t n,
                             bool first, int n_rows, int n_cols, struct type type, enum form form,
                             products_fn *products)
{
    switch (n_cols) {
    case 4: multiply(y, y_stride, panel, x, n, first, n_rows, 4, type, form, products); break;
    case 3: multiply(y, y_stride, panel, x, n, first, n_rows, 3, type, form, products); break;
    case 2: multiply(y, y_stride, panel, x, n, first, n_rows, 2, type, form, products); break;
    case 1: multiply(y, y_stride, panel, x, n, first, n_rows, 1, type, form, products); break;
    }
}

/* All rows, n_cols columns from column `first` on. Columns are packed beside the first panel; those that follow, and
 * the next panel's weights, are fetched meanwhile. */
INLINE void gemm_columns(const struct matmul_tile *t, int first, int n_cols, struct type type, enum form form,
                         products_fn *products)
{
    struct scratch *const s = t->scratch;
    const struct cut cut = { PANEL, CHUNK, (size_t)type.block, (size_t)type.bytes };
    const uint8_t *const x = (const uint8_t *)t->x + (size_t)first * t->x_stride;
    const int n_blocks = (n_cols + COLUMNS - 1) / COLUMNS;
    struct piece piece = piece_of(t, 0, cut);
    for (int index = 1; piece.n > 0; index++) {
        const struct piece next = piece_of(t, index, cut);
        float *const y = t->y + (size_t)first * t->y_stride + piece.row;
        unpack_panel(s->panel, t, piece, cut, type, form);
        for (int block = 0; block < n_blocks; block++) {
            const int col = block * COLUMNS, end = n_cols - col < COLUMNS ? n_cols : col + COLUMNS;
            for (int c = col; c < end && piece.row == 0; c++) {
                pack_column(&s->x[c], x + (size_t)c * t->x_stride, piece.i, piece.n, t->k, type, form);
                prefetch_bytes(x + (size_t)(c + COLUMNS) * t->x_stride + piece.i, piece.n);
            }
            for (int c = end; c < end + COLUMNS && c < n_cols; c++)
                _mm_prefetch((const char *)(y + (size_t)c * t->y_stride), _MM_HINT_T0);
            prefetch_piece(t, next, block, n_blocks, cut);
            multiply_columns(y + (size_t)col * t->y_stride, t->y_stride, s->panel, s->x + col, piece.n, piece.i == 0,
                             t->n_rows - piece.row, end - col, type, form, products);
        }
        piece = next;
    }
}

INLINE void gemm(const struct matmul_tile *t, struct type type, enum form form, products_fn *products)
{
    for (int first = 0; first < t->n_cols; first += PACKED)
        gemm_columns(t, first, t->n_cols - first < PACKED ? t->n_cols - first : PACKED, type, form, products);
}

#endif
