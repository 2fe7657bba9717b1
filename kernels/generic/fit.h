/* fit.h - the sums that quantising searches with, written once over a few operations on vectors of VF floats: vf_set,
 * vf_load, vf_store, vf_min, vf_max, vf_less, vf_select, vf_round. A lane is a candidate, so that no sum goes across
 * lanes, and its additions have the same order whatever VF is. For the same bits everywhere nothing is contracted to a
 * multiply-add: gcc does not by -std=c11, clang is told here. */
#ifndef KERNELS_GENERIC_FIT_H
#define KERNELS_GENERIC_FIT_H

#include "kernels/kernels.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

enum { FIT_LEVELS = 16 };

/* The levels as the lowest one and what each of the others adds for values above the middle between the two. */
struct edges {
    vf edge[FIT_LEVELS - 1], step[FIT_LEVELS - 1];
};

static inline struct edges edges_of(const int8_t *levels)
{
    struct edges e;
    for (int i = 0; i < FIT_LEVELS - 1; i++) {
        const float step = (float)(levels[i + 1] - levels[i]);
        e.step[i] = vf_set(step);
        e.edge[i] = vf_set((float)levels[i] + 0.5f * step);
    }
    return e;
}

/* v is within the codes. */
static inline vf nearest_code(vf v, vf lo, const struct edges *e)
{
    if (!e)
        return vf_round(v);
    vf c = lo;
    for (int i = 0; i < FIT_LEVELS - 1; i++)
        c += vf_select(vf_less(e->edge[i], v), e->step[i], vf_set(0));
    return c;
}

static inline __attribute__((always_inline)) void fit_lane(struct fit_lanes *f, int lane, const struct code *code,
                                                           const float *x, const float *w, size_t n, bool has_m,
                                                           const struct edges *e)
{
    const vf d = vf_load(f->d + lane), m = vf_load(f->m + lane);
    const vf t = vf_select(vf_less(vf_max(d, -d), vf_set(0x1p-100f)), vf_set(0), vf_set(1) / d);
    const vf lo = vf_set(code->lo), hi = vf_set(code->hi);
    vf q = vf_set(0), qq = q, r = q, rq = q, rr = q;
    for (size_t i = 0; i < n; i++) {
        vf y = vf_set(x[i]);
        if (has_m)
            y += m;
        const vf c = nearest_code(vf_min(vf_max(y * t, lo), hi), lo, e);
        const vf left = y - d * c;
        vf w_left = left, w_code = c;
        if (w) {
            w_left *= vf_set(w[i]);
            w_code *= vf_set(w[i]);
        }
        if (has_m) {
            q += w_code;
            r += w_left;
        }
        qq += w_code * c;
        rq += w_left * c;
        rr += w_left * left;
    }
    vf_store(f->q + lane, q);
    vf_store(f->qq + lane, qq);
    vf_store(f->r + lane, r);
    vf_store(f->rq + lane, rq);
    vf_store(f->rr + lane, rr);
}

static inline __attribute__((always_inline)) void fit_all(struct fit_lanes *f, const struct code *code, const float *x,
                                                          const float *w, size_t n, bool has_m, const struct edges *e)
{
    for (int lane = 0; lane < FIT_LANES; lane += VF)
        fit_lane(f, lane, code, x, w, n, has_m, e);
}

/* Whole numbers have a loop for each case: that is what most weights of most types go through. */
static void fit(struct fit_lanes *f, const struct code *code, const float *x, const float *w, size_t n, bool has_m)
{
    if (code->levels) {
        const struct edges e = edges_of(code->levels);
        fit_all(f, code, x, w, n, has_m, &e);
    } else if (w && has_m) {
        fit_all(f, code, x, w, n, true, NULL);
    } else if (w) {
        fit_all(f, code, x, w, n, false, NULL);
    } else if (has_m) {
        fit_all(f, code, x, NULL, n, true, NULL);
    } else {
        fit_all(f, code, x, NULL, n, false, NULL);
    }
}

#endif
