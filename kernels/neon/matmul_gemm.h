/* matmul_gemm.h - quantised weights times 8-bit activations for many columns, written once over what a set has defined
 * before, matmul_panel.h and
 *   SCALES               how many floats are a group's scales in a panel
 *   interleave_rows      a part of a panel, in place, from 16 values of each row to the set's order
 *   interleave_columns   16 values of each column likewise
 *   spread_rows          four and four numbers by row to SCALES
 *   group_products       integer sums of a group for each row and column
 *   by_column            numbers by column for the sums of which numbers by row are vector 0, 1, ... of SCALES / 4
 *   to_columns           sums from the set's order to vectors 2 c, 2 c + 1 for column c, and
 *   from_columns         back
 *
 * At the end of a group integer sums become floats, meet the product of both scales and are added up; minima meet the
 * scaled sums of activations. The order of additions to an element is that of k, whatever the tile. */
#ifndef KERNELS_NEON_MATMUL_GEMM_H
#define KERNELS_NEON_MATMUL_GEMM_H

#include "kernels/kernels.h"
#include "kernels/neon/matmul_panel.h"
#include "kernels/neon/matmul_some.h"

#include <string.h>

#define PACKED 512 /* columns packed at a time */

struct scratch {
    int8_t panel[CHUNK / 16 * (PART + 2 * SCALES * 4)];
    struct packed x[PACKED / COLUMNS];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

INLINE size_t group_bytes(struct type type)
{
    return (size_t)(group_values(type) / 16 * PART + (type.minima ? 2 : 1) * SCALES * 4);
}

/* n values, a multiple of 32, from value i of the columns from col on. Columns past the last one are copies of it. */
INLINE void pack_columns(struct packed *p, const struct matmul_tile *t, int col, size_t i, size_t n, struct type type)
{
    const uint8_t *x[COLUMNS];
    for (int c = 0; c < COLUMNS; c++)
        x[c] = (const uint8_t *)t->x + (size_t)(col + c < t->n_cols ? col + c : t->n_cols - 1) * t->x_stride;
    for (size_t j = 0; j < n / 16; j++) {
        int8x16_t q[COLUMNS];
        for (int c = 0; c < COLUMNS; c++)
            q[c] = vld1q_s8((const int8_t *)x[c] + i + 16 * j);
        interleave_columns(q);
        for (int c = 0; c < COLUMNS; c++)
            vst1q_s8(p->q[j] + 16 * c, q[c]);
    }
    for (int c = 0; c < COLUMNS; c++) {
        const float *const d = (const float *)(const void *)(x[c] + act_q8_d(t->k)) + i / 32;
        const float *const s = (const float *)(const void *)(x[c] + act_q8_s(t->k)) + i / 16;
        for (size_t j = 0; j < n / 32; j++)
            p->d[j][c] = d[j];
        for (size_t j = 0; type.minima && j < n / (size_t)group_values(type); j++)
            p->s[j][c] = type.pairs ? s[2 * j] + s[2 * j + 1] : s[j];
    }
}

/* Scales or minima of four groups, four rows in each vector. */
INLINE void put_scales(int8_t *panel, const float32x4_t by_row[PANEL], struct type type)
{
    float low[4][4], high[4][4];
    vst4q_f32(low[0], ((float32x4x4_t){ { by_row[0], by_row[1], by_row[2], by_row[3] } }));
    vst4q_f32(high[0], ((float32x4x4_t){ { by_row[4], by_row[5], by_row[6], by_row[7] } }));
    for (int g = 0; g < 4; g++)
        spread_rows((float *)(void *)(panel + (size_t)g * group_bytes(type)), vld1q_f32(low[g]), vld1q_f32(high[g]));
}

/* A unit of PANEL rows to their panel. */
INLINE void unpack_unit(int8_t *panel, const uint8_t *const w[PANEL], size_t at, int n_blocks, struct type type)
{
    const int parts = group_values(type) / 16;
    int8x16_t q[16][PANEL];
    float32x4_t d[4][PANEL], m[4][PANEL];
    for (int row = 0; row < PANEL; row++) {
        struct unit u;
        type.unpack(&u, w[row] + at, n_blocks);
        for (int i = 0; i < 16; i++)
            q[i][row] = u.q[i];
        for (int i = 0; i < 4 / parts; i++) {
            d[i][row] = u.d[i];
            if (type.minima)
                m[i][row] = u.m[i];
        }
    }
    for (int i = 0; i < 16; i++) {
        int8_t *const to = panel + (size_t)(i / parts) * group_bytes(type) + i % parts * PART;
        interleave_rows(q[i]);
        for (int row = 0; row < PANEL; row++)
            vst1q_s8(to + 16 * row, q[i][row]);
    }
    for (int i = 0; i < 4 / parts; i++) {
        int8_t *const scales = panel + (size_t)(4 * i) * group_bytes(type) + parts * PART;
        put_scales(scales, d[i], type);
        if (type.minima)
            put_scales(scales + SCALES * 4, m[i], type);
    }
}

/* Rows from `row` on, n values from value i of each. Rows past the last one are copies of it. */
INLINE void unpack_panel(int8_t *panel, const struct matmul_tile *t, int row, size_t i, size_t n, struct type type)
{
    const uint8_t *w[PANEL];
    for (int r = 0; r < PANEL; r++)
        w[r] = (const uint8_t *)t->w + (size_t)(row + r < t->n_rows ? row + r : t->n_rows - 1) * t->w_stride;
    for (size_t j = 0; j < n; j += UNIT) {
        const size_t left = n - j < UNIT ? n - j : UNIT, at = (i + j) / (size_t)type.block * (size_t)type.bytes;
        int8_t *const to = panel + j / (size_t)group_values(type) * group_bytes(type);
        if (left == UNIT)
            unpack_unit(to, w, at, UNIT / type.block, type);
        else if (type.block < UNIT)
            unpack_unit(to, w, at, (int)left / type.block, type);
    }
}

/* The products of a group and n_cols columns. */
INLINE void add_group(float32x4_t sums[SUMS], const int8_t *panel, const struct packed *x, size_t group, int n_cols,
                      struct type type)
{
    const int parts = group_values(type) / 16, row_vectors = SCALES / 4, n = n_cols * PANEL / 4;
    const float *const d = (const float *)(const void *)(panel + parts * PART), *const m = d + SCALES;
    const float *const x_d = x->d[group * (size_t)parts / 2];
    int32x4_t products[SUMS];
    group_products(products, panel, x->q[group * (size_t)parts], parts, n_cols, type.max);
    for (int i = 0; i < n; i++) {
        const int row = i % row_vectors, col = i / row_vectors;
        const float32x4_t scale = vmulq_f32(vld1q_f32(d + 4 * row), by_column(x_d, col));
        sums[i] = vfmaq_f32(sums[i], vcvtq_f32_s32(products[i]), scale);
        if (type.minima)
            sums[i] = vfmaq_f32(sums[i], vld1q_f32(m + 4 * row), by_column(x->s[group], col));
    }
}

/* Where vector i of sums belongs in y. */
INLINE size_t at_y(int i, size_t y_stride)
{
    return (size_t)(i / 2) * y_stride + 4 * (size_t)(i % 2);
}

/* A panel times packed columns, n_cols of them, an even number: n values more of the elements at y, of which n_rows by
 * n_there are wanted. The loop has an array of sums of its own, indexed by constants alone: it stays in registers. */
INLINE void multiply(float *y, size_t y_stride, const int8_t *panel, const struct packed *x, size_t n, bool first,
                     int n_rows, int n_cols, int n_there, struct type type)
{
    float32x4_t columns[SUMS], sums[SUMS];
    UNROLL for (int i = 0; i < SUMS; i++)
        columns[i] = first || i >= 2 * n_there ? vdupq_n_f32(0)
                                               : load_some(y + at_y(i, y_stride), n_rows - 4 * (i % 2));
    from_columns(columns);
    UNROLL for (int i = 0; i < SUMS; i++)
        sums[i] = columns[i];
    for (size_t group = 0; group < n / (size_t)group_values(type); group++, panel += group_bytes(type))
        add_group(sums, panel, x, group, n_cols, type);
    UNROLL for (int i = 0; i < SUMS; i++)
        columns[i] = sums[i];
    to_columns(columns);
    UNROLL for (int i = 0; i < 2 * n_cols; i++)
        if (i < 2 * n_there)
            store_some(y + at_y(i, y_stride), columns[i], n_rows - 4 * (i % 2));
}

INLINE void gemm(const struct matmul_tile *t, struct type type)
{
    struct scratch *const s = t->scratch;
    for (int first = 0; first < t->n_cols; first += PACKED) {
        const int end = t->n_cols - first < PACKED ? t->n_cols : first + PACKED;
        for (size_t i = 0; i < t->k; i += CHUNK) {
            const size_t n = t->k - i < CHUNK ? t->k - i : CHUNK;
            for (int col = first; col < end; col += COLUMNS)
                pack_columns(&s->x[(col - first) / COLUMNS], t, col, i, n, type);
            for (int row = 0; row < t->n_rows; row += PANEL) {
                unpack_panel(s->panel, t, row, i, n, type);
                for (int col = first; col < end; col += COLUMNS) {
                    const struct packed *const x = &s->x[(col - first) / COLUMNS];
                    float *const y = t->y + (size_t)col * t->y_stride + row;
                    if (end - col > COLUMNS / 2)
                        multiply(y, t->y_stride, s->panel, x, n, i == 0, t->n_rows - row, COLUMNS, end - col, type);
                    else
                        multiply(y, t->y_stride, s->panel, x, n, i == 0, t->n_rows - row, COLUMNS / 2, end - col, type);
                }
            }
        }
    }
}

#endif
