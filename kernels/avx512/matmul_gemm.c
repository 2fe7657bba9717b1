/* matmul_gemm.c - quantised weights times 8-bit activations for many columns: panels.
 *
 * Rows stand in lanes. A panel is PANEL = 32 rows by up to CHUNK values of k, unpacked once for all columns, in the
 * order in which the inner loop reads it; a group is 32 values where scales are those of 32 weights, else 16:
 *   group:  [group / 4][32 rows] dwords of 4 weights | [32 rows] scales | [32 rows] minima, if the type has them
 * A column's piece of as many values is packed too: its 8-bit values, its scales, and for each group what its sum is
 * needed for (see below). Rows of activations may lie at a stride that maps them all to the same lines of the cache;
 * packed they do not.
 *
 * The inner loop holds 2 x 16 rows of up to 6 columns: vpdpbusd adds 4 products to each of 12 vectors of integers;
 * after 32 values they become floats, are scaled, and added to 12 vectors of floats. A constant offset of the type is
 * taken off before, in integers: the products start from -offset * sum(x) of the group; minima take one more
 * multiply-add with the scaled sums.
 *
 * The order of additions to an element is that of k, whatever the tile. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_transpose.h"
#include "kernels/avx512/matmul_types.h"

#define PANEL 32
#define CHUNK 512
#define COLUMNS 6  /* of the inner loop */
#define PACKED 512 /* columns packed at a time */

/* A column's piece of a chunk. */
struct packed {
    int8_t q[CHUNK];
    float d[CHUNK / 32];
    union {
        int32_t start[CHUNK / 16]; /* -offset * sum(q) of each group: what its products start from */
        float s[CHUNK / 16];       /* d * sum(q) of each group */
    };
};

struct scratch {
    uint8_t panel[CHUNK / 16 * PANEL * (16 + 4 + 4)];
    struct packed x[PACKED];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES && sizeof(struct packed) % 64 == 0, "room, alignment");

/* What a panel's form depends on. Code that knows the form alone is made once for all types that have it. */
struct form {
    bool pairs, minima;
};

INLINE int group_values(struct form form)
{
    return form.pairs ? 32 : 16;
}

INLINE size_t group_bytes(struct form form)
{
    return (size_t)PANEL * (size_t)(group_values(form) + 4 + (form.minima ? 4 : 0));
}

/* Sums of 64 products with `weight`, of each 16 values a dword, in order. */
INLINE __m512i sums_of_16(__m512i q, __m512i weight)
{
    __m512i sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weight, q);
    sums = _mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, 0xb1));
    return _mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, 0x4e));
}

/* start[] of 16 sub-blocks, 256 values; of 8 groups if they are pairs. */
INLINE void pack_starts(int32_t *start, const int8_t *q, int type_offset, bool pairs)
{
    const __m512i offset = _mm512_set1_epi8((char)type_offset);
    __m512i sums = sums_of_16(_mm512_load_si512(q), offset); /* dword 4 l + i: sub-block l of register i */
    sums = _mm512_mask_mov_epi32(sums, 0x2222, sums_of_16(_mm512_load_si512(q + 64), offset));
    sums = _mm512_mask_mov_epi32(sums, 0x4444, sums_of_16(_mm512_load_si512(q + 128), offset));
    sums = _mm512_mask_mov_epi32(sums, 0x8888, sums_of_16(_mm512_load_si512(q + 192), offset));
    if (pairs) {
        const __m512i even = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 0, 0, 0, 0, 0, 0, 0, 0);
        const __m512i odd = _mm512_setr_epi32(4, 12, 5, 13, 6, 14, 7, 15, 0, 0, 0, 0, 0, 0, 0, 0);
        sums = _mm512_add_epi32(_mm512_permutexvar_epi32(even, sums), _mm512_permutexvar_epi32(odd, sums));
    } else {
        sums = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), sums);
    }
    sums = _mm512_sub_epi32(_mm512_setzero_si512(), sums);
    _mm512_mask_storeu_epi32(start, pairs ? 0x00ff : 0xffff, sums);
}

/* s[] of 16 sub-blocks; of 8 groups if they are pairs. */
INLINE void pack_sums(float *s, __m512 by_sub_block, bool pairs)
{
    if (pairs) {
        const __m512 even =
            _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0), by_sub_block);
        const __m512 odd =
            _mm512_permutexvar_ps(_mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 0, 0, 0, 0, 0, 0, 0, 0), by_sub_block);
        _mm512_mask_storeu_ps(s, 0x00ff, _mm512_add_ps(even, odd));
    } else {
        _mm512_storeu_ps(s, by_sub_block);
    }
}

/* n values, a multiple of 32, from value i of the row x. Past them p holds zeros up to a multiple of 256. */
INLINE void pack_column(struct packed *p, const uint8_t *x, size_t i, size_t n, size_t k, int offset, struct form form)
{
    const int8_t *const q = (const int8_t *)x + i;
    const float *const d = (const float *)(x + act_q8_d(k)) + i / 32;
    const float *const s = (const float *)(x + act_q8_s(k)) + i / 16;
    for (size_t j = 0; j < n; j += 64)
        _mm512_store_si512(p->q + j, _mm512_maskz_loadu_epi8(n - j < 64 ? 0xffffffff : ~0ull, q + j));
    for (size_t j = (n + 63) / 64 * 64; j % UNIT != 0; j += 64)
        _mm512_store_si512(p->q + j, _mm512_setzero_si512());
    _mm512_store_ps(p->d, _mm512_maskz_loadu_ps((__mmask16)((1u << n / 32) - 1), d));
    const size_t groups_of_unit = UNIT / (size_t)group_values(form);
    for (size_t j = 0; j < n; j += UNIT) {
        const size_t left = (n - j) / 16;
        const __mmask16 there = left < 16 ? (__mmask16)((1u << left) - 1) : 0xffff;
        if (form.minima)
            pack_sums(p->s + j / UNIT * groups_of_unit, _mm512_maskz_loadu_ps(there, s + j / 16), form.pairs);
        else
            pack_starts(p->start + j / UNIT * groups_of_unit, p->q + j, offset, form.pairs);
    }
}

/* n values from value i of the columns [col, col + n_cols). */
INLINE void pack(struct scratch *s, const struct matmul_tile *t, int col, int n_cols, size_t i, size_t n, int offset,
                 struct form form)
{
    for (int c = 0; c < n_cols; c++)
        pack_column(&s->x[c], (const uint8_t *)t->x + (size_t)(col + c) * t->x_stride, i, n, t->k, offset, form);
}

/* A unit of 16 rows to their half of a panel. */
INLINE void store_half(uint8_t *panel, const struct unit rows[16], struct form form)
{
    const int per_group = group_values(form) / 16; /* sub-blocks */
    uint8_t *const scales = panel + group_values(form) * PANEL;
    __m512i v[16];
    for (int r = 0; r < 4; r++) {
        transpose_16x16(v, &rows[0].q[r], sizeof rows[0]);
        for (int j = 0; j < 16; j++) {
            const int sub = sub_block(form.pairs, r, j / 4), dword = sub % per_group * 4 + j % 4;
            _mm512_store_si512(panel + (size_t)(sub / per_group) * group_bytes(form) + dword * PANEL * 4, v[j]);
        }
    }
    transpose_16x16(v, &rows[0].d, sizeof rows[0]);
    for (int sub = 0; sub < 16; sub += per_group)
        _mm512_store_si512(scales + (size_t)(sub / per_group) * group_bytes(form), v[sub]);
    if (!form.minima)
        return;
    if (!form.pairs)
        transpose_16x16(v, &rows[0].m, sizeof rows[0]);
    for (int sub = 0; sub < 16; sub += per_group) /* the minima of pairs are in the odd lanes of d */
        _mm512_store_si512(scales + (size_t)(sub / per_group) * group_bytes(form) + PANEL * 4, v[sub + per_group - 1]);
}

/* The products of a group with n_cols columns, as integers, to products[c][h]. */
INLINE void multiply_group(__m512i products[COLUMNS][2], const uint8_t *panel, const struct packed *x, size_t group,
                           int n_cols, struct form form)
{
    const int values = group_values(form);
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            products[c][h] = form.minima ? _mm512_setzero_si512() : _mm512_set1_epi32(x[c].start[group]);
    for (int j = 0; j < values / 4; j++) {
        const __m512i w0 = _mm512_load_si512(panel + j * PANEL * 4), w1 = _mm512_load_si512(panel + j * PANEL * 4 + 64);
        for (int c = 0; c < n_cols; c++) {
            const __m512i q = _mm512_set1_epi32((int)read_u32(x[c].q + group * (size_t)values + 4 * j));
            products[c][0] = _mm512_dpbusd_epi32(products[c][0], w0, q);
            products[c][1] = _mm512_dpbusd_epi32(products[c][1], w1, q);
        }
    }
}

/* 32 values, a group of pairs or two groups of singles: their products, scaled, are added to the sums. */
INLINE void add_32(__m512 sums[COLUMNS][2], const uint8_t *panel, const struct packed *x, size_t i, int n_cols,
                   struct form form)
{
    const int values = group_values(form), n_groups = 32 / values;
    __m512 scaled[COLUMNS][2];
    for (int g = 0; g < n_groups; g++, panel += group_bytes(form)) {
        const float *const scales = (const float *)(const void *)(panel + values * PANEL);
        __m512i products[COLUMNS][2];
        multiply_group(products, panel, x, i * (size_t)n_groups + (size_t)g, n_cols, form);
        for (int c = 0; c < n_cols; c++)
            for (int h = 0; h < 2; h++) {
                const __m512 d = _mm512_load_ps(scales + 16 * h), sum = _mm512_cvtepi32_ps(products[c][h]);
                scaled[c][h] = g ? _mm512_fmadd_ps(sum, d, scaled[c][h]) : _mm512_mul_ps(sum, d);
                if (form.minima)
                    sums[c][h] = _mm512_fmadd_ps(_mm512_load_ps(scales + PANEL + 16 * h),
                                                 _mm512_set1_ps(x[c].s[i * (size_t)n_groups + (size_t)g]), sums[c][h]);
            }
    }
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            sums[c][h] = _mm512_fmadd_ps(scaled[c][h], _mm512_set1_ps(x[c].d[i]), sums[c][h]);
}

/* A panel times n_cols packed columns: n values more of the elements at y, of which n_rows are wanted. */
INLINE void multiply(float *y, size_t y_stride, const uint8_t *panel, const struct packed *x, size_t n, bool first,
                     int n_rows, int n_cols, struct form form)
{
    const __mmask16 rows[2] = { (__mmask16)(n_rows < 16 ? (1u << n_rows) - 1 : 0xffff),
                                (__mmask16)(n_rows < 16   ? 0
                                            : n_rows < 32 ? (1u << (n_rows - 16)) - 1
                                                          : 0xffff) };
    __m512 sums[COLUMNS][2];
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            sums[c][h] =
                first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(rows[h], y + (size_t)c * y_stride + 16 * h);
    for (size_t i = 0; i < n / 32; i++, panel += 32 / (size_t)group_values(form) * group_bytes(form))
        add_32(sums, panel, x, i, n_cols, form);
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            _mm512_mask_storeu_ps(y + (size_t)c * y_stride + 16 * h, rows[h], sums[c][h]);
}

/* A panel times all packed columns: COLUMNS at a time, and the last ones in two halves if there are more than that. */
INLINE void multiply_all(float *y, size_t y_stride, const struct scratch *s, size_t n, bool first, int n_rows,
                         int n_cols, struct form form)
{
    for (int c = 0, some; c < n_cols; c += some, y += (size_t)some * y_stride) {
        const int left = n_cols - c;
        some = left >= 2 * COLUMNS ? COLUMNS : left > COLUMNS ? (left + 1) / 2 : left;
        switch (some) {
        case 6: multiply(y, y_stride, s->panel, s->x + c, n, first, n_rows, 6, form); break;
        case 5: multiply(y, y_stride, s->panel, s->x + c, n, first, n_rows, 5, form); break;
        case 4: multiply(y, y_stride, s->panel, s->x + c, n, first, n_rows, 4, form); break;
        case 3: multiply(y, y_stride, s->panel, s->x + c, n, first, n_rows, 3, form); break;
        case 2: multiply(y, y_stride, s->panel, s->x + c, n, first, n_rows, 2, form); break;
        case 1: multiply(y, y_stride, s->panel, s->x + c, n, first, n_rows, 1, form); break;
        }
    }
}

/* The steps, for each form. */
typedef void pack_fn(struct scratch *s, const struct matmul_tile *t, int col, int n_cols, size_t i, size_t n,
                     int offset);
typedef void store_fn(uint8_t *panel, const struct unit rows[16]);
typedef void multiply_fn(float *y, size_t y_stride, const struct scratch *s, size_t n, bool first, int n_rows,
                         int n_cols);
struct steps {
    pack_fn *pack;
    store_fn *store;
    multiply_fn *multiply;
};
#define STEPS(name, pairs, minima) \
    static void pack_##name(struct scratch *s, const struct matmul_tile *t, int col, int n_cols, size_t i, size_t n, \
                            int offset) \
    { \
        pack(s, t, col, n_cols, i, n, offset, (struct form){ pairs, minima }); \
    } \
    static void store_##name(uint8_t *panel, const struct unit rows[16]) \
    { \
        store_half(panel, rows, (struct form){ pairs, minima }); \
    } \
    static void multiply_##name(float *y, size_t y_stride, const struct scratch *s, size_t n, bool first, int n_rows, \
                                int n_cols) \
    { \
        multiply_all(y, y_stride, s, n, first, n_rows, n_cols, (struct form){ pairs, minima }); \
    }
STEPS(singles, false, false)
STEPS(singles_minima, false, true)
STEPS(pairs, true, false)
STEPS(pairs_minima, true, true)
static const struct steps steps_of[2][2] = {
    { { pack_singles, store_singles, multiply_singles },
      { pack_singles_minima, store_singles_minima, multiply_singles_minima } },
    { { pack_pairs, store_pairs, multiply_pairs }, { pack_pairs_minima, store_pairs_minima, multiply_pairs_minima } },
};

/* ---- What knows the type: unpacking ---- */

INLINE void unpack_half(uint8_t *panel, const uint8_t *const w[16], size_t at, int n_blocks, store_fn *store,
                        struct type type)
{
    struct unit rows[16];
    for (int row = 0; row < 16; row++)
        type.unpack(&rows[row], w[row] + at, n_blocks);
    store(panel, rows);
}

/* Rows from `row` on, n values from value i of each. Rows past the last one are copies of it. */
INLINE void unpack_panel(uint8_t *panel, const struct matmul_tile *t, int row, size_t i, size_t n, store_fn *store,
                         struct type type)
{
    const struct form form = { type.pairs, !type.offset };
    for (int half = 0; half < 2; half++) {
        const uint8_t *w[16];
        for (int r = 0; r < 16; r++) {
            const int at = row + 16 * half + r;
            w[r] = (const uint8_t *)t->w + (size_t)(at < t->n_rows ? at : t->n_rows - 1) * t->w_stride;
        }
        for (size_t j = 0; j < n; j += UNIT) {
            const size_t left = n - j < UNIT ? n - j : UNIT, at = (i + j) / (size_t)type.block * (size_t)type.bytes;
            uint8_t *const to = panel + j / (size_t)group_values(form) * group_bytes(form) + 64 * half;
            if (left == UNIT)
                unpack_half(to, w, at, UNIT / type.block, store, type);
            else if (type.block < UNIT)
                unpack_half(to, w, at, (int)left / type.block, store, type);
        }
    }
}

INLINE void gemm(const struct matmul_tile *t, struct type type)
{
    struct scratch *const s = t->scratch;
    const struct steps *const steps = &steps_of[type.pairs][!type.offset];
    for (int col = 0; col < t->n_cols; col += PACKED) {
        const int n_cols = t->n_cols - col < PACKED ? t->n_cols - col : PACKED;
        for (size_t i = 0; i < t->k; i += CHUNK) {
            const size_t n = t->k - i < CHUNK ? t->k - i : CHUNK;
            steps->pack(s, t, col, n_cols, i, n, type.offset);
            for (int row = 0; row < t->n_rows; row += PANEL) {
                unpack_panel(s->panel, t, row, i, n, steps->store, type);
                steps->multiply(t->y + (size_t)col * t->y_stride + row, t->y_stride, s, n, i == 0, t->n_rows - row,
                                n_cols);
            }
        }
    }
}

#define GEMM(name, NAME) \
    void avx512_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, type_##name); \
    }
QUANTISED_TYPES(GEMM)
