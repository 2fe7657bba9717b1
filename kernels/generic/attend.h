/* attend.h - attention of query rows to one block of keys by running soft-max, written once over the vector that
 * kernels/<set>/simd.h names.
 *
 * Rows are taken 64 at a time, so that their scores stay in the first cache, in three steps:
 *   scores   a tile of VF sums, R rows times VF / R keys, each a vector of partial sums along d; the VF vectors are
 *            then summed across their lanes together. A key is loaded once for R rows, a query once for VF / R keys.
 *   weights  row by row: soft cap, new maximum, exp; all keys outside the row's range get 0
 *   values   a tile of R rows times some vectors of the output stays in registers while all keys pass
 * Whatever R is, a score is summed in the same order, and an output takes the keys one after the other in theirs. So a
 * row does not depend on the others. Nor does it touch the values of keys that only its neighbours see, which might
 * be NaN. */
#ifndef KERNELS_GENERIC_ATTEND_H
#define KERNELS_GENERIC_ATTEND_H

#include "kernels/generic/vector.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { ATTEND_R = VF / 4, ATTEND_GROUP = 64 };
_Static_assert(sizeof(float[ATTEND_GROUP][ATTEND_KEYS]) <= KERNEL_SCRATCH_BYTES, "scores of a group");

/* The rows of a call that are worked on together. */
struct attend_group {
    const struct attend_block *b;
    int row, n;                                  /* the first, and how many */
    int first[ATTEND_GROUP], last[ATTEND_GROUP]; /* as in the block; an empty range is 0, 0 */
    float (*scores)[ATTEND_KEYS];                /* n rows; weights after the second step */
};

INLINE int attend_min(int a, int b)
{
    return a < b ? a : b;
}
INLINE int attend_max(int a, int b)
{
    return a > b ? a : b;
}
/* Rows that the next tile takes when n are left: as many as it can, halved until they fit. */
INLINE int attend_rows(int n)
{
    return n >= 4 && ATTEND_R >= 4 ? 4 : n >= 2 ? 2 : 1;
}

/* Scores of rows i to i + R for the keys j to j + VF / R. Beyond the last key the last one is taken again. */
INLINE void score_tile(const struct attend_group *g, int i, const int R, int j)
{
    const struct attend_block *const b = g->b;
    const int C = VF / R;
    const float *const q = b->q + (size_t)(g->row + i) * b->q_stride, *k[VF];
    for (int c = 0; c < C; c++)
        k[c] = b->k + (size_t)attend_min(j + c, b->n_keys - 1) * b->k_stride;
    vf sum[VF];
    for (int s = 0; s < VF; s++)
        sum[s] = vf_set(0);
    const size_t d_k = (size_t)b->d_k;
    size_t d = 0;
    for (; d + VF <= d_k; d += VF)
        for (int c = 0; c < C; c++)
            for (int r = 0; r < R; r++)
                sum[r * C + c] = vf_fma(vf_load(q + (size_t)r * b->q_stride + d), vf_load(k[c] + d), sum[r * C + c]);
    const size_t m = d_k - d;
    if (m)
        for (int c = 0; c < C; c++)
            for (int r = 0; r < R; r++)
                sum[r * C + c] =
                    vf_fma(vf_load_n(q + (size_t)r * b->q_stride + d, m), vf_load_n(k[c] + d, m), sum[r * C + c]);
    float scores[VF];
    vf_store(scores, vf_sums(sum));
    for (int r = 0; r < R; r++)
        memcpy(&g->scores[i + r][j], scores + r * C, (size_t)C * sizeof(float));
}

/* Scores of rows i to i + R for all keys that one of them sees. */
INLINE void score_rows(const struct attend_group *g, int i, const int R)
{
    int first = ATTEND_KEYS, last = 0;
    for (int r = i; r < i + R; r++) {
        if (g->first[r] < g->last[r]) {
            first = attend_min(first, g->first[r]);
            last = attend_max(last, g->last[r]);
        }
    }
    for (int j = first / (VF / R) * (VF / R); j < last; j += VF / R)
        score_tile(g, i, R, j);
}

/* Scores of row i become weights, and what the row carries shrinks to the new maximum. */
static void weigh_row(struct attend_group *g, int i)
{
    const struct attend_block *const b = g->b;
    const int first = g->first[i], last = g->last[i], row = g->row + i;
    float *const s = g->scores[i];
    const int from = first / VF * VF, to = (last + VF - 1) / VF * VF;
    const vf cap = vf_set(b->soft_cap);
    if (b->soft_cap != 0)
        for (int j = from; j < to; j += VF)
            vf_store(s + j, vf_tanh(vf_load(s + j) / cap) * cap);
    for (int j = from; j < first; j++)
        s[j] = -INFINITY;
    for (int j = last; j < to; j++)
        s[j] = -INFINITY;
    vf max = vf_set(-INFINITY);
    for (int j = from; j < to; j += VF)
        max = vf_max(vf_load(s + j), max);
    const float block_max = vf_largest(max);
    if (block_max == -INFINITY) {
        g->first[i] = g->last[i] = 0;
        return;
    }
    const float old = b->max[row], new = block_max > old ? block_max : old;
    vf sum = vf_set(0);
    for (int j = from; j < to; j += VF) {
        const vf weight = vf_exp(vf_load(s + j) - vf_set(new));
        vf_store(s + j, weight);
        sum = sum + weight;
    }
    const float shrink = old == new ? 1 : expf(old - new);
    b->max[row] = new;
    b->sum[row] = b->sum[row] * shrink + vf_sum(sum);
    if (shrink != 1) {
        float *const out = b->out + (size_t)row * b->out_stride;
        for (int d = 0; d < b->d_v; d++)
            out[d] *= shrink;
    }
}

/* out[d .. d + V vectors] of rows i to i + R takes the keys [first, last). m values of the last vector are there. */
INLINE void value_tile(const struct attend_group *g, int i, const int R, int first, int last, size_t d, const int V,
                       const size_t m)
{
    const struct attend_block *const b = g->b;
    float *const out = b->out + (size_t)(g->row + i) * b->out_stride + d;
    vf sum[ATTEND_R][4];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++)
            sum[r][v] = vf_at(out + (size_t)r * b->out_stride + v * VF, m);
    const float *value = b->v + (size_t)first * b->v_stride + d;
    for (int j = first; j < last; j++, value += b->v_stride)
        for (int v = 0; v < V; v++) {
            const vf x = vf_at(value + v * VF, m);
            for (int r = 0; r < R; r++)
                sum[r][v] = vf_fma(vf_set(g->scores[i + r][j]), x, sum[r][v]);
        }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++)
            vf_put(out + (size_t)r * b->out_stride + v * VF, sum[r][v], m);
}

INLINE void value_keys(const struct attend_group *g, int i, const int R, int first, int last)
{
    const size_t d_v = (size_t)g->b->d_v;
    size_t d = 0;
    if (first >= last)
        return;
    for (; d + 4 * VF <= d_v; d += 4 * VF)
        value_tile(g, i, R, first, last, d, 4, VF);
    if (d + 2 * VF <= d_v) {
        value_tile(g, i, R, first, last, d, 2, VF);
        d += 2 * VF;
    }
    if (d + VF <= d_v) {
        value_tile(g, i, R, first, last, d, 1, VF);
        d += VF;
    }
    if (d < d_v)
        value_tile(g, i, R, first, last, d, 1, d_v - d);
}

static void value_row(const struct attend_group *g, int i, int first, int last)
{
    value_keys(g, i, 1, first, last);
}

/* Keys that all R rows see are taken together, those before and after row by row. */
INLINE void value_rows(const struct attend_group *g, int i, const int R)
{
    int first = g->first[i], last = g->last[i];
    for (int r = i + 1; r < i + R; r++) {
        first = attend_max(first, g->first[r]);
        last = attend_min(last, g->last[r]);
    }
    if (R == 1 || first >= last) {
        for (int r = i; r < i + R; r++)
            value_row(g, r, g->first[r], g->last[r]);
        return;
    }
    for (int r = i; r < i + R; r++)
        value_row(g, r, g->first[r], first);
    value_keys(g, i, R, first, last);
    for (int r = i; r < i + R; r++)
        value_row(g, r, last, g->last[r]);
}

static void attend_group(struct attend_group *g)
{
    for (int i = 0; i < g->n; i += attend_rows(g->n - i)) {
        switch (attend_rows(g->n - i)) {
        case 4: score_rows(g, i, ATTEND_R); break;
        case 2: score_rows(g, i, 2); break;
        default: score_rows(g, i, 1);
        }
    }
    for (int i = 0; i < g->n; i++)
        if (g->first[i] < g->last[i])
            weigh_row(g, i);
    for (int i = 0; i < g->n; i += attend_rows(g->n - i)) {
        switch (attend_rows(g->n - i)) {
        case 4: value_rows(g, i, ATTEND_R); break;
        case 2: value_rows(g, i, 2); break;
        default: value_rows(g, i, 1);
        }
    }
}

static void attend(const struct attend_block *b)
{
    for (int row = 0; row < b->n_q; row += ATTEND_GROUP) {
        struct attend_group g = { .b = b, .row = row, .scores = b->scratch };
        g.n = attend_min(b->n_q - row, ATTEND_GROUP);
        for (int i = 0; i < g.n; i++) {
            const bool any = b->first[row + i] < b->last[row + i];
            g.first[i] = any ? b->first[row + i] : 0;
            g.last[i] = any ? b->last[row + i] : 0;
        }
        attend_group(&g);
    }
}

#endif
