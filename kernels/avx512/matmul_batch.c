/* matmul_batch.c - quantised weights times 8-bit activations for a batch of columns: columns stand in lanes.
 *
 * Weights are unpacked row by row and stay as they lie; what is transposed are the activations, which are few. A span
 * is 64 values, two groups of 32. A vector holds four values of either group of 8 columns, an octet: those of column c
 * are in the lanes 2 c and 2 c + 1. What meets them are eight bytes of a row, four weights of either group, broadcast;
 * loads do that without a shuffle, two a cycle.
 *
 * So ROWS vectors of integers get 4 products a lane at a time. After the values of a scale they become floats and meet
 * the row's two scales and the columns' 16. A constant offset of the type is taken off before, in integers: the
 * products start from -offset * sum(x); minima take one more multiply-add with the scaled sums. Multiplying keeps other
 * units of the processor busy than unpacking: between the products of a unit the next one's rows are unpacked, one at a
 * time.
 *
 * The order of additions to an element is that of k in either of its two lanes, which are added after every CHUNK
 * values. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_transpose.h"
#include "kernels/avx512/matmul_types.h"

#include <string.h>

#define ROWS 8     /* together */
#define OCTET 8    /* columns */
#define SPANS 4    /* of a unit */
#define CHUNK 4096 /* values of k packed at a time */
#define OCTETS 8   /* packed at a time */

/* A unit of an octet. Where scales are those of a whole group, [1] of its halves is not used. */
struct packed {
    __m512i q[SPANS][8];
    __m512 d[SPANS];
    union {
        __m512i start[SPANS][2]; /* of each half of the groups: -offset * sum(q), what products start from */
        __m512 s[SPANS][2];      /* d * sum(q) */
    };
};

/* A unit of a row, in pairs of dwords that belong to the two groups of a span. */
struct row {
    __m512i q[4];
    __m512 d; /* of pairs with minima: scales of 4 spans, then minima; of singles [span][half] */
    __m512 m; /* of singles with minima: [span][half] */
};

struct scratch {
    struct packed x[OCTETS][CHUNK / UNIT];
    __m512 sums[OCTETS][ROWS];
    struct row rows[2][ROWS]; /* the unit that is multiplied and the next one */
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

/* ---- Activations ---- */

/* start[] of a span. */
INLINE void pack_starts(__m512i start[2], const __m512i q[8], int offset, bool pairs)
{
    const __m512i weight = _mm512_set1_epi8((char)offset);
    __m512i sums[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    for (int i = 0; i < 8; i++)
        sums[i / 4] = _mm512_dpbusd_epi32(sums[i / 4], weight, q[i]);
    if (pairs)
        sums[0] = _mm512_add_epi32(sums[0], sums[1]);
    for (int half = 0; half < 2; half++)
        start[half] = _mm512_sub_epi32(_mm512_setzero_si512(), sums[half]);
}

/* d[] of a unit, and s[] if there are minima; value i of k is its first, `groups` of its groups are there. */
INLINE void pack_scales(struct packed *p, const uint8_t *const x[OCTET], size_t i, size_t k, __mmask16 groups,
                        __mmask16 halves, struct type type)
{
    const __m512i of_pairs = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i of_singles = _mm512_setr_epi32(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    __m512i d[OCTET], s[OCTET];
    for (int c = 0; c < OCTET; c++) {
        __m512 by_group = _mm512_maskz_loadu_ps(groups, (const float *)(x[c] + act_q8_d(k)) + i / 32);
        const __m512 by_half = _mm512_maskz_loadu_ps(halves, (const float *)(x[c] + act_q8_s(k)) + i / 16);
        const __m512 both_halves = _mm512_add_ps(by_half, _mm512_permute_ps(by_half, 0xb1));
        if (type.pairs && !type.offset)
            by_group = _mm512_mask_permutexvar_ps(by_group, 0xff00, of_pairs, both_halves);
        d[c] = _mm512_castps_si512(by_group);
        s[c] = _mm512_castps_si512(_mm512_permutexvar_ps(of_singles, by_half));
    }
    transpose_8x8(d);
    transpose_8x8(s);
    for (int span = 0; span < SPANS; span++) {
        p->d[span] = _mm512_castsi512_ps(d[span]);
        for (int half = 0; half < 2 && !type.offset; half++)
            p->s[span][half] = _mm512_castsi512_ps(type.pairs ? d[SPANS + span] : s[2 * span + half]);
    }
}

/* n values, at most a unit, from value i of the columns x; zeros for those that are missing. */
INLINE void pack_unit(struct packed *p, const uint8_t *const x[OCTET], size_t i, size_t n, size_t k, int offset,
                      struct type type)
{
    const __m512i side_by_side = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    for (int span = 0; span < SPANS; span++) {
        const size_t at = 64 * (size_t)span;
        const __mmask64 there = n >= at + 64 ? ~0ull : n > at ? 0xffffffff : 0;
        for (int c = 0; c < OCTET; c++)
            p->q[span][c] = _mm512_permutexvar_epi32(side_by_side, _mm512_maskz_loadu_epi8(there, x[c] + i + at));
        transpose_8x8(p->q[span]);
        if (type.offset)
            pack_starts(p->start[span], p->q[span], offset, type.pairs);
    }
    pack_scales(p, x, i, k, (__mmask16)((1u << n / 32) - 1), (__mmask16)((1u << n / 16) - 1), type);
}

/* n values from value i of n_cols columns from x on, and of copies of the last one up to an octet. */
INLINE void pack(struct packed *p, const uint8_t *x, size_t x_stride, int n_cols, size_t i, size_t n, size_t k,
                 int offset, struct type type)
{
    const uint8_t *columns[OCTET];
    for (int c = 0; c < OCTET; c++)
        columns[c] = x + (size_t)(c < n_cols ? c : n_cols - 1) * x_stride;
    for (size_t j = 0; j < n; j += UNIT)
        pack_unit(p++, columns, i + j, n - j < UNIT ? n - j : UNIT, k, offset, type);
}

/* ---- Weights ---- */

/* Where a unit of some rows is. */
struct source {
    const uint8_t *w[ROWS];
    size_t ahead; /* bytes to the rows that will take their place */
};

/* A row of the unit. Of singles, two registers hold the first and third quarters of its spans, and so the same half. */
INLINE void unpack_row(struct row *row, const struct source *from, int r, int n_blocks, struct type type)
{
    for (int line = 0; line < UNIT / type.block * type.bytes; line += 64)
        _mm_prefetch((const char *)((uintptr_t)from->w[r] + from->ahead + (uintptr_t)line), _MM_HINT_T1);
    struct unit u;
    type.unpack(&u, from->w[r], n_blocks);
    const int b = type.pairs ? 2 : 1, c = type.pairs ? 1 : 2;
    row->q[0] = _mm512_unpacklo_epi32(u.q[0], u.q[b]);
    row->q[1] = _mm512_unpackhi_epi32(u.q[0], u.q[b]);
    row->q[2] = _mm512_unpacklo_epi32(u.q[c], u.q[3]);
    row->q[3] = _mm512_unpackhi_epi32(u.q[c], u.q[3]);
    const __m512i of_pairs = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const __m512i of_singles = _mm512_setr_epi32(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    row->d = _mm512_permutexvar_ps(type.pairs ? of_pairs : of_singles, u.d);
    if (!type.pairs && !type.offset)
        row->m = _mm512_permutexvar_ps(of_singles, u.m);
}

/* Dword i of a half of the groups of a span. */
INLINE __m512i weights(const struct row *row, int span, int half, int i, bool pairs)
{
    const int lane = pairs ? span : span / 2 * 2 + half, registers = pairs ? half : span % 2;
    uint64_t both;
    memcpy(&both, (const char *)&row->q[2 * registers + i / 2] + 16 * lane + 8 * (i % 2), sizeof both);
    return _mm512_set1_epi64((long long)both);
}

/* Numbers 2 i and 2 i + 1. */
INLINE __m512 both_floats(const __m512 *from, int i)
{
    double both;
    memcpy(&both, (const char *)from + 8 * i, sizeof both);
    return _mm512_castpd_ps(_mm512_set1_pd(both));
}

INLINE __m512 scales(const struct row *row, int span, int half, bool pairs)
{
    return both_floats(&row->d, pairs ? span : 2 * span + half);
}

INLINE __m512 minima(const struct row *row, int span, int half, bool pairs)
{
    return pairs ? both_floats(&row->d, SPANS + span) : both_floats(&row->m, 2 * span + half);
}

/* ---- Products ---- */

/* The products of a span added to those of all rows. Meanwhile, if there is a next unit, two of its rows unpacked. */
INLINE void add_span(__m512 sums[ROWS], const struct row rows[ROWS], const struct packed *x, int span, struct row *next,
                     const struct source *from, struct type type)
{
    __m512i products[ROWS];
    __m512 scaled[ROWS];
    UNROLL for (int half = 0; half < 2; half++) {
        const bool begins = half == 0 || !type.pairs, ends = half == 1 || !type.pairs;
        if (next)
            unpack_row(&next[2 * span + half], from, 2 * span + half, UNIT / type.block, type);
        UNROLL for (int r = 0; r < ROWS && begins; r++)
            products[r] = type.offset ? x->start[span][half] : _mm512_setzero_si512();
        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int r = 0; r < ROWS; r++)
                products[r] = _mm512_dpbusd_epi32(products[r], weights(&rows[r], span, half, i, type.pairs),
                                                  x->q[span][4 * half + i]);
        UNROLL for (int r = 0; r < ROWS && ends; r++) {
            const __m512 sum = _mm512_cvtepi32_ps(products[r]);
            const __m512 d = scales(&rows[r], span, half, type.pairs);
            scaled[r] = half == 0 || type.pairs ? _mm512_mul_ps(sum, d) : _mm512_fmadd_ps(sum, d, scaled[r]);
            if (!type.offset)
                sums[r] = _mm512_fmadd_ps(minima(&rows[r], span, half, type.pairs), x->s[span][half], sums[r]);
        }
    }
    UNROLL for (int r = 0; r < ROWS; r++)
        sums[r] = _mm512_fmadd_ps(scaled[r], x->d[span], sums[r]);
}

/* The products of a unit. */
INLINE void multiply(__m512 kept[ROWS], const struct row rows[ROWS], const struct packed *x, struct row *next,
                     const struct source *from, struct type type)
{
    __m512 sums[ROWS];
    for (int r = 0; r < ROWS; r++)
        sums[r] = kept[r];
    UNROLL for (int span = 0; span < SPANS; span++)
        add_span(sums, rows, x, span, next, from, type);
    for (int r = 0; r < ROWS; r++)
        kept[r] = sums[r];
}

/* What does not depend on more of a type than these two. */
typedef void pack_fn(struct packed *p, const uint8_t *x, size_t x_stride, int n_cols, size_t i, size_t n, size_t k,
                     int offset);
typedef void multiply_fn(__m512 kept[ROWS], const struct row rows[ROWS], const struct packed *x);
struct steps {
    pack_fn *pack;
    multiply_fn *multiply;
};
#define STEPS(name, pairs, has_offset) \
    static const struct type name = { NULL, 0, 0, pairs, has_offset }; \
    static void pack_##name(struct packed *p, const uint8_t *x, size_t x_stride, int n_cols, size_t i, size_t n, \
                            size_t k, int offset) \
    { \
        pack(p, x, x_stride, n_cols, i, n, k, offset, name); \
    } \
    static void multiply_##name(__m512 kept[ROWS], const struct row rows[ROWS], const struct packed *x) \
    { \
        multiply(kept, rows, x, NULL, NULL, name); \
    }
STEPS(singles, false, true)
STEPS(singles_minima, false, false)
STEPS(pairs, true, true)
STEPS(pairs_minima, true, false)
static const struct steps steps_of[2][2] = {
    { { pack_singles, multiply_singles }, { pack_singles_minima, multiply_singles_minima } },
    { { pack_pairs, multiply_pairs }, { pack_pairs_minima, multiply_pairs_minima } },
};

/* An octet's sums of some rows to y, or added to what earlier chunks gave. */
static void finish(const struct matmul_tile *t, const __m512 sums[ROWS], int row, int col, bool first)
{
    __m512d by_two[ROWS / 2]; /* double c: rows 2 i, 2 i + 1 of column c */
    __m128 by_four[2][2][4];  /* [rows][column % 2][column / 2] */
    for (int r = 0; r < ROWS; r += 2)
        by_two[r / 2] = _mm512_castps_pd(_mm512_add_ps(_mm512_mask_moveldup_ps(sums[r], 0xaaaa, sums[r + 1]),
                                                       _mm512_mask_movehdup_ps(sums[r + 1], 0x5555, sums[r])));
    for (int i = 0; i < 2; i++) {
        _mm512_storeu_pd(by_four[i][0], _mm512_unpacklo_pd(by_two[2 * i], by_two[2 * i + 1]));
        _mm512_storeu_pd(by_four[i][1], _mm512_unpackhi_pd(by_two[2 * i], by_two[2 * i + 1]));
    }
    const __mmask8 there = (__mmask8)(t->n_rows - row < ROWS ? (1 << (t->n_rows - row)) - 1 : 0xff);
    for (int c = 0; c < OCTET && col + c < t->n_cols; c++) {
        float *const y = t->y + (size_t)(col + c) * t->y_stride + row;
        const __m256 sum = _mm256_set_m128(by_four[1][c % 2][c / 2], by_four[0][c % 2][c / 2]);
        _mm256_mask_storeu_ps(y, there, first ? sum : _mm256_add_ps(_mm256_maskz_loadu_ps(there, y), sum));
    }
}

/* A chunk of the columns that are packed: n values from value i, n_octets octets from column col. */
struct chunk {
    int col, n_octets;
    size_t i, n;
};

/* The first unit of the rows from `row` on; rows past the last one are copies of it. */
INLINE void begin_rows(struct source *from, const struct matmul_tile *t, const struct chunk *chunk, int row,
                       struct type type)
{
    for (int r = 0; r < ROWS; r++)
        from->w[r] = (const uint8_t *)t->w + (size_t)(row + r < t->n_rows ? row + r : t->n_rows - 1) * t->w_stride +
                     chunk->i / (size_t)type.block * (size_t)type.bytes;
    from->ahead = ROWS * t->w_stride;
}

/* Blocks of a row from value `at` of the chunk on, at most those of a unit. */
INLINE int blocks_at(const struct chunk *chunk, size_t at, struct type type)
{
    return (int)(chunk->n - at < UNIT ? chunk->n - at : UNIT) / type.block;
}

INLINE void unpack_rows(struct row rows[ROWS], const struct source *from, int n_blocks, struct type type)
{
    for (int r = 0; r < ROWS; r++)
        unpack_row(&rows[r], from, r, n_blocks, type);
}

/* All rows. */
INLINE void multiply_chunk(const struct matmul_tile *t, const struct chunk *chunk, multiply_fn *multiply_only,
                           struct type type)
{
    struct scratch *const s = t->scratch;
    struct row *rows = s->rows[0], *next = s->rows[1];
    struct source from;
    begin_rows(&from, t, chunk, 0, type);
    unpack_rows(rows, &from, blocks_at(chunk, 0, type), type);
    for (int row = 0; row < t->n_rows; row += ROWS) {
        for (int o = 0; o < chunk->n_octets; o++)
            for (int r = 0; r < ROWS; r++)
                s->sums[o][r] = _mm512_setzero_ps();
        for (size_t at = 0; at < chunk->n; at += UNIT) {
            size_t next_at = at + UNIT;
            if (next_at >= chunk->n) {
                next_at = 0;
                begin_rows(&from, t, chunk, row + ROWS, type);
            } else {
                for (int r = 0; r < ROWS; r++)
                    from.w[r] += UNIT / type.block * type.bytes;
            }
            const int n_blocks = blocks_at(chunk, next_at, type);
            for (int o = 0; o < chunk->n_octets; o++)
                if (o == 0 && n_blocks == UNIT / type.block)
                    multiply(s->sums[o], rows, &s->x[o][at / UNIT], next, &from, type);
                else
                    multiply_only(s->sums[o], rows, &s->x[o][at / UNIT]);
            if (type.block < UNIT && n_blocks < UNIT / type.block)
                unpack_rows(next, &from, n_blocks, type);
            struct row *const now = rows;
            rows = next;
            next = now;
        }
        for (int o = 0; o < chunk->n_octets; o++)
            finish(t, s->sums[o], row, chunk->col + OCTET * o, chunk->i == 0);
    }
}

INLINE void batch(const struct matmul_tile *t, struct type type)
{
    struct scratch *const s = t->scratch;
    const struct steps *const steps = &steps_of[type.pairs][!type.offset];
    for (int col = 0; col < t->n_cols; col += OCTETS * OCTET) {
        const int octets = (t->n_cols - col + OCTET - 1) / OCTET;
        for (size_t i = 0; i < t->k; i += CHUNK) {
            const size_t left = t->k - i;
            const struct chunk chunk = { col, octets < OCTETS ? octets : OCTETS, i, left < CHUNK ? left : CHUNK };
            for (int o = 0; o < chunk.n_octets; o++)
                steps->pack(s->x[o], (const uint8_t *)t->x + (size_t)(col + OCTET * o) * t->x_stride, t->x_stride,
                            t->n_cols - col - OCTET * o, i, chunk.n, t->k, type.offset);
            multiply_chunk(t, &chunk, steps->multiply, type);
        }
    }
}

#define BATCH(name, NAME) \
    void avx512_batch_##name(const struct matmul_tile *t) \
    { \
        batch(t, type_##name); \
    }
QUANTISED_TYPES(BATCH)
