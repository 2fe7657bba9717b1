/* matmul_dot.h - quantised weights times 8-bit activations for few columns: row dots, written once over what a set has
 * defined before:
 *   products   of n * 16 weights and as many activations, summed as integers to four lanes
 *
 * A row goes along k once for some columns, a unit of 256 at a time. Integer sums of four groups, 16 or 32 weights as
 * the type's scales are, are added up until each has a lane, become floats together and meet the product of both
 * scales. Minima: sum (d q + m) x = d sum q x + m s.
 *
 * The order of additions to an element is that of k, whatever the tile. */
#ifndef KERNELS_NEON_MATMUL_DOT_H
#define KERNELS_NEON_MATMUL_DOT_H

#include "kernels/kernels.h"
#include "kernels/neon/matmul_types.h"

#include <string.h>

#define COLUMNS 4 /* at most, together */

/* The last values of a column, fewer than a unit, with zeros up to one. */
struct tail {
    int8_t q[UNIT];
    float d[UNIT / 32], s[UNIT / 16];
};
_Static_assert(sizeof(struct tail) * COLUMNS <= KERNEL_SCRATCH_BYTES, "room");

/* Where the parts of some activations begin. */
struct activations {
    const int8_t *q;
    const float *d, *s;
};

/* From value i of column col on. */
INLINE struct activations activations_at(const struct matmul_tile *t, int col, size_t i)
{
    const uint8_t *const x = (const uint8_t *)t->x + (size_t)col * t->x_stride;
    return (struct activations){ (const int8_t *)x + i, (const float *)(const void *)(x + act_q8_d(t->k)) + i / 32,
                                 (const float *)(const void *)(x + act_q8_s(t->k)) + i / 16 };
}

INLINE void fill_tail(struct tail *tail, struct activations x, size_t n)
{
    *tail = (struct tail){ 0 };
    memcpy(tail->q, x.q, n);
    memcpy(tail->d, x.d, n / 32 * sizeof(float));
    memcpy(tail->s, x.s, n / 16 * sizeof(float));
}

/* Four scales of activations, those of groups 4 i to 4 i + 3. */
INLINE float32x4_t four_scales(const float *d, int i, struct type type)
{
    if (type.pairs)
        return vld1q_f32(d + 4 * i);
    const float32x2_t two = vld1_f32(d + 2 * i);
    return vcombine_f32(vdup_lane_f32(two, 0), vdup_lane_f32(two, 1));
}

/* Four scaled sums of activations, those of groups 4 i to 4 i + 3. */
INLINE float32x4_t four_sums(const float *s, int i, struct type type)
{
    return type.pairs ? vpaddq_f32(vld1q_f32(s + 8 * i), vld1q_f32(s + 8 * i + 4)) : vld1q_f32(s + 4 * i);
}

/* Add the products of a unit of a row and of a column. */
INLINE float32x4_t add_column(float32x4_t sum, const struct unit *u, struct activations x, struct type type)
{
    const int per_group = type.pairs ? 2 : 1; /* registers */
    UNROLL for (int i = 0; i < 4 / per_group; i++) {
        int32x4_t group[4];
        UNROLL for (int j = 0; j < 4; j++) {
            const int at = (4 * i + j) * per_group;
            group[j] = products(u->q + at, x.q + 16 * at, 16, per_group, type.max);
        }
        const int32x4_t four = vpaddq_s32(vpaddq_s32(group[0], group[1]), vpaddq_s32(group[2], group[3]));
        sum = vfmaq_f32(sum, vcvtq_f32_s32(four), vmulq_f32(u->d[i], four_scales(x.d, i, type)));
        if (type.minima)
            sum = vfmaq_f32(sum, u->m[i], four_sums(x.s, i, type));
    }
    return sum;
}

/* Elements of all rows and of the columns [col, col + n_cols). */
INLINE void dot_columns(const struct matmul_tile *t, int col, int n_cols, struct type type)
{
    struct tail *const tails = t->scratch;
    const size_t whole = t->k / UNIT * UNIT, rest = type.block < UNIT ? t->k - whole : 0;
    for (int c = 0; rest && c < n_cols; c++)
        fill_tail(&tails[c], activations_at(t, col + c, whole), rest);
    for (int row = 0; row < t->n_rows; row++) {
        const uint8_t *w = (const uint8_t *)t->w + (size_t)row * t->w_stride;
        float32x4_t sums[COLUMNS];
        struct unit u;
        for (int c = 0; c < n_cols; c++)
            sums[c] = vdupq_n_f32(0);
        for (size_t i = 0; i < whole; i += UNIT, w += UNIT / type.block * type.bytes) {
            type.unpack(&u, w, UNIT / type.block);
            for (int c = 0; c < n_cols; c++)
                sums[c] = add_column(sums[c], &u, activations_at(t, col + c, i), type);
        }
        if (rest) {
            type.unpack(&u, w, (int)rest / type.block);
            for (int c = 0; c < n_cols; c++)
                sums[c] = add_column(sums[c], &u, (struct activations){ tails[c].q, tails[c].d, tails[c].s }, type);
        }
        for (int c = 0; c < n_cols; c++)
            t->y[(size_t)(col + c) * t->y_stride + (size_t)row] = vaddvq_f32(sums[c]);
    }
}

INLINE void dot(const struct matmul_tile *t, struct type type)
{
    EACH_COLUMNS(dot_columns, t, type);
}

#endif
