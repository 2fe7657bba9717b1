/* search.c - the search for scales: candidates over the range that can be best, each improved by least squares.
 *
 * With the codes held, the best d and m follow by least squares; with d and m held, the best codes are the nearest.
 * Doing this in turn never makes the error larger, but ends in the nearest of many local minima. So it starts from many
 * candidates, a lane for each, that shift the outermost value by fractions of a step around the outermost code, which
 * covers both "all codes used" and "the largest value cut, the others finer". The best of them take a second turn.
 *
 * All sums are of what is left, r, rather than of x itself: with eight bits the error is a hundred-thousandth of the
 * sum of squares, which floats would not resolve as a difference. */
#include "src/quantize/search.h"

#include "kernels/generic/simd4.h"

#include <math.h>

enum minimum { MINIMUM_NONE, MINIMUM_ANY, MINIMUM_NOT_NEGATIVE };

/* Candidates and the error that each leaves. */
struct lanes {
    float d[FIT_LANES], m[FIT_LANES], error[FIT_LANES];
};

/* Four sums at a time. */
struct sums4 {
    vf w, q, qq, r, rq, rr;
};
struct line4 {
    vf d, m;
};

/* 1 / x, or 0 where x is not above 0. */
static inline vf inverse(vf x)
{
    const vf_mask positive = vf_less(vf_set(0), x);
    return vf_select(positive, vf_set(1) / vf_select(positive, x, vf_set(1)), vf_set(0));
}

/* The least of rr - 2 (dd rq - dm r) + dd^2 qq - 2 dd dm q + dm^2 w, for a change of d and m by dd and dm. Where all
 * codes are the same, only m changes. */
static inline struct line4 correction4(const struct sums4 *s)
{
    const vf det = s->qq * s->w - s->q * s->q;
    const vf_mask solvable = vf_less(vf_set(1e-6f) * s->qq * s->w, det);
    const vf by_det = inverse(det), m_alone = -s->r * inverse(s->w);
    return (struct line4){ vf_select(solvable, (s->rq * s->w - s->r * s->q) * by_det, vf_set(0)),
                           vf_select(solvable, (s->rq * s->q - s->r * s->qq) * by_det, m_alone) };
}

struct line correction(const struct sums *s)
{
    const struct sums4 four = { vf_set(s->w), vf_set(s->q), vf_set(s->qq), vf_set(s->r), vf_set(s->rq), vf_set(s->rr) };
    const struct line4 c = correction4(&four);
    return (struct line){ c.d[0], c.m[0] };
}

static inline vf error_after(const struct sums4 *s, struct line4 c)
{
    return s->rr - vf_set(2) * (c.d * s->rq - c.m * s->r) + c.d * c.d * s->qq - vf_set(2) * c.d * c.m * s->q +
           c.m * c.m * s->w;
}

int least_lane(const float v[FIT_LANES])
{
    vf least = vf_set(INFINITY);
    unsigned lanes = 0;
    for (int l = 0; l < FIT_LANES; l += VF)
        least = vf_min(vf_load(v + l), least);
    least = vf_set(vf_least(least));
    for (int l = 0; l < FIT_LANES; l += VF)
        lanes |= vf_bits(vf_load(v + l) == least) << l;
    return lanes ? __builtin_ctz(lanes) : 0;
}

/* The same as both above where m stays 0: what is left out would add 0. */
static inline vf improve_scale(struct line4 *c, const struct sums4 *s)
{
    *c = (struct line4){ s->rq * inverse(s->qq), vf_set(0) };
    return s->rr - vf_set(2) * (c->d * s->rq) + c->d * c->d * s->qq;
}

static inline vf improve_line(struct line4 *c, const struct sums4 *s, vf m, enum minimum minimum)
{
    const struct line4 free = correction4(s);
    const vf_mask below = vf_less(minimum == MINIMUM_NOT_NEGATIVE ? m + free.m : vf_set(0), vf_set(0));
    c->d = vf_select(below, (s->rq - m * s->q) * inverse(s->qq), free.d); /* with m made 0 */
    c->m = vf_select(below, -m, free.m);
    return error_after(s, *c);
}

/* Where one turn leads from the four candidates at f, whose sums are known. */
static inline void turn(struct lanes *best, const struct fit_lanes *f, int l, float sum_w, enum minimum minimum)
{
    const struct sums4 s = { vf_set(sum_w),     vf_load(f->q + l),  vf_load(f->qq + l),
                             vf_load(f->r + l), vf_load(f->rq + l), vf_load(f->rr + l) };
    const vf m = minimum == MINIMUM_NONE ? vf_set(0) : vf_load(f->m + l), before = vf_load(best->error + l);
    struct line4 c;
    const vf error = minimum == MINIMUM_NONE ? improve_scale(&c, &s) : improve_line(&c, &s, m, minimum);
    const vf_mask better = vf_less(error, before);
    vf_store(best->d + l, vf_select(better, vf_load(f->d + l) + c.d, vf_load(best->d + l)));
    if (minimum != MINIMUM_NONE)
        vf_store(best->m + l, vf_select(better, m + c.m, vf_load(best->m + l)));
    vf_store(best->error + l, vf_select(better, error, before));
}

/* Measure candidates; of each lane keep what was best so far. */
static inline void try_lanes(struct lanes *best, struct fit_lanes *f, const struct kernels *k, const struct values *v,
                             const struct code *code, enum minimum minimum)
{
    k->fit(f, code, v->x, v->w, v->n, minimum != MINIMUM_NONE);
    for (int l = 0; l < FIT_LANES; l += VF)
        turn(best, f, l, v->sum_w, minimum);
}

static inline struct found best_lane(struct lanes *best, const struct kernels *k, const struct values *v,
                                     const struct code *code, enum minimum minimum)
{
    struct fit_lanes f;
    memcpy(f.d, best->d, sizeof f.d);
    memcpy(f.m, best->m, sizeof f.m);
    try_lanes(best, &f, k, v, code, minimum);
    const int at = least_lane(best->error);
    return (struct found){ { best->d[at], best->m[at] }, f.qq[at] };
}

static inline void no_lanes(struct lanes *best)
{
    for (int l = 0; l < FIT_LANES; l += VF) {
        vf_store(best->d + l, vf_set(0));
        vf_store(best->m + l, vf_set(0));
        vf_store(best->error + l, vf_set(INFINITY));
    }
}

/* Lane l of the first vector holds l, and so on. */
static inline vf lane_numbers(int l)
{
    return vf_set((float)l) + (vf){ 0, 1, 2, 3 };
}

/* The value furthest from 0 of those that count, the first of two. */
static float outermost_of(const struct values *v)
{
    vf low = vf_set(0), high = low;
    for (size_t i = 0; i < v->n; i += VF) {
        vf x = vf_load(v->x + i);
        if (v->w)
            x = vf_select(vf_less(vf_set(0), vf_load(v->w + i)), x, vf_set(0));
        low = vf_min(x, low);
        high = vf_max(x, high);
    }
    const float least = vf_least(low), most = vf_most(high);
    for (size_t i = 0; most == -least && i < v->n; i++)
        if (fabsf(v->x[i]) == most && (!v->w || v->w[i] > 0))
            return v->x[i];
    return most > -least ? most : least;
}

/* Both ends of the codes where they are not symmetric, else twice as many candidates for the one. */
struct found search_scale(const struct kernels *k, const struct values *v, const struct code *code)
{
    const float outer = outermost_of(v);
    if (outer == 0)
        return (struct found){ { 0, 0 }, 0 };
    const float step = code->levels ? (code->hi - code->lo) / 15 : 1;
    const bool symmetric = code->lo == -code->hi || code->lo == 0;
    struct lanes best;
    no_lanes(&best);
    for (int half = 0; half < 2; half++) {
        const float end = half && !symmetric ? code->lo : code->hi, outermost = fabsf(end);
        const float from = outermost - fminf(1.5f * step, 0.7f * outermost), width = outermost + 2 * step - from;
        const float unit = width / (symmetric ? 2 * FIT_LANES - 1 : FIT_LANES - 1);
        struct fit_lanes f;
        for (int l = 0; l < FIT_LANES; l += VF) {
            const vf at = symmetric ? vf_set(2) * lane_numbers(l) + vf_set((float)half) : lane_numbers(l);
            vf_store(f.d + l, vf_set(copysignf(outer, end * outer)) / (vf_set(from) + vf_set(unit) * at));
        }
        try_lanes(&best, &f, k, v, code, MINIMUM_NONE);
    }
    return best_lane(&best, k, v, code, MINIMUM_NONE);
}

/* The least and the largest of all values and `from`. */
static struct line range_of(const struct values *v, float from)
{
    vf low = vf_set(from), high = low;
    for (size_t i = 0; i < v->n; i += VF) {
        low = vf_min(low, vf_load(v->x + i));
        high = vf_max(high, vf_load(v->x + i));
    }
    return (struct line){ vf_least(low), vf_most(high) };
}

struct found search_line(const struct kernels *k, const struct values *v, const struct code *code, bool any_minimum)
{
    enum { PASSES = 2, HIGHS = PASSES * FIT_LANES / VF };
    const struct line range = range_of(v, any_minimum ? v->x[0] : 0);
    const float low = range.d, high = range.m;
    if (low == high)
        return (struct found){ { 0, -low }, 0 };
    const enum minimum minimum = any_minimum ? MINIMUM_ANY : MINIMUM_NOT_NEGATIVE;
    const vf at_low = { -0.25f, 0.05f, 0.35f, 0.65f };
    struct lanes best;
    no_lanes(&best);
    for (int pass = 0; pass < PASSES; pass++) {
        struct fit_lanes f;
        for (int l = 0; l < FIT_LANES; l += VF) {
            const float at_high = -0.4f + 1.2f * (float)((pass * FIT_LANES + l) / VF) / (HIGHS - 1);
            const vf d = vf_set(high - low) / (vf_set(code->hi + at_high) + at_low);
            vf_store(f.d + l, d);
            vf_store(f.m + l, vf_set(-low) - at_low * d);
        }
        try_lanes(&best, &f, k, v, code, minimum);
    }
    struct found found = best_lane(&best, k, v, code, minimum);
    if (found.at.d < 0) /* cannot be by least squares on nearest codes, but for rounding */
        found.at.d = 0;
    return found;
}

/* Fewer of the same: four lows for each of four highs. The smallest d is in the first lane: it may be the only finite
 * one. */
static void lines_once(struct fit_lanes *f, const struct values *v, const struct code *code)
{
    const struct line range = range_of(v, v->x[0]);
    const vf at_low = { 0.65f, 0.35f, 0.05f, -0.25f };
    for (int l = 0; l < FIT_LANES; l += VF) {
        const float at_high = 0.5f - 0.3f * (float)(l / VF);
        const vf d = vf_set(range.m - range.d) / (vf_set(code->hi + at_high) + at_low);
        vf_store(f->d + l, d);
        vf_store(f->m + l, vf_set(-range.d) - at_low * d);
    }
}

/* Where the codes are not symmetric, the outermost value gets the end that is further from 0. Again the smallest d
 * first. */
static void scales_once(struct fit_lanes *f, const struct values *v, const struct code *code)
{
    const float outer = outermost_of(v);
    for (int l = 0; l < FIT_LANES; l += VF) {
        const vf at = vf_set(fabsf(code->lo) + 0.75f) - vf_set(0.15f) * lane_numbers(l);
        vf_store(f->d + l, vf_set(copysignf(outer, code->lo * outer)) / at);
        vf_store(f->m + l, vf_set(0));
    }
}

void search_once(struct fit_lanes *f, const struct values *v, const struct code *code, bool any_minimum)
{
    if (any_minimum)
        lines_once(f, v, code);
    else
        scales_once(f, v, code);
}
