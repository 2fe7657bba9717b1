/* search.c - the search for scales: candidates over the range that can be best, each improved by least squares.
 *
 * With the codes held, the best d and m follow by least squares; with d and m held, the best codes are the nearest.
 * Doing this in turn never makes the error larger, but ends in the nearest of many local minima. So it starts from a
 * number of candidates that shift the outermost value by fractions of a step around the outermost code, which covers
 * both "all codes used" and "the largest value cut, the others finer".
 *
 * All sums are of what is left, r, rather than of x itself: with eight bits the error is a hundred-thousandth of the
 * sum of squares, which floats would not resolve as a difference. */
#include "src/quantize/search.h"

#include <math.h>
#include <stddef.h>

enum { LANES = 8, LEVELS = 16, TURNS = 3 };

/* Nearest whole number for |v| < 2^22: the sum has no room for fractions. */
static inline float nearest(float v)
{
    return v + 0x1.8p23f - 0x1.8p23f;
}

static inline float nearest_code(float v, const struct code *code, const float *edge, const float *step)
{
    v = v < code->lo ? code->lo : v;
    v = v > code->hi ? code->hi : v;
    if (!edge)
        return nearest(v);
    float level = code->lo;
    for (int i = 0; i < LEVELS - 1; i++)
        level += v > edge[i] ? step[i] : 0;
    return level;
}

/* Sums in eight lanes, so that the compiler may use vectors without changing their order. */
static inline struct sums measure_with(const struct values *v, const struct code *code, struct line at, float *codes,
                                       const float *edge, const float *step)
{
    float w[LANES] = { 0 }, wq[LANES] = { 0 }, wqq[LANES] = { 0 };
    float wr[LANES] = { 0 }, wrq[LANES] = { 0 }, wrr[LANES] = { 0 };
    const float t = fabsf(at.d) < 0x1p-100f ? 0 : 1 / at.d;
    for (int i = 0; i < v->n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            const float x = v->x[i + l], weight = v->w[i + l];
            const float q = nearest_code((x + at.m) * t, code, edge, step), r = x + at.m - at.d * q;
            w[l] += weight;
            wq[l] += weight * q;
            wqq[l] += weight * q * q;
            wr[l] += weight * r;
            wrq[l] += weight * r * q;
            wrr[l] += weight * r * r;
            if (codes)
                codes[i + l] = q;
        }
    struct sums s = { 0 };
    for (int l = 0; l < LANES; l++) {
        s.w += w[l];
        s.q += wq[l];
        s.qq += wqq[l];
        s.r += wr[l];
        s.rq += wrq[l];
        s.rr += wrr[l];
    }
    return s;
}

struct sums measure(const struct values *v, const struct code *code, struct line at, float *q)
{
    if (!code->levels)
        return q ? measure_with(v, code, at, q, NULL, NULL) : measure_with(v, code, at, NULL, NULL, NULL);
    float edge[LEVELS - 1], step[LEVELS - 1];
    for (int i = 0; i < LEVELS - 1; i++) {
        step[i] = (float)(code->levels[i + 1] - code->levels[i]);
        edge[i] = (float)code->levels[i] + 0.5f * step[i];
    }
    return measure_with(v, code, at, q, edge, step);
}

/* The least of rr - 2 (dd rq - dm r) + dd^2 qq - 2 dd dm q + dm^2 w. */
struct line correction(const struct sums *s)
{
    const float det = s->qq * s->w - s->q * s->q;
    if (!(det > 1e-6f * s->qq * s->w)) /* all codes are the same */
        return (struct line){ 0, s->w > 0 ? -s->r / s->w : 0 };
    return (struct line){ (s->rq * s->w - s->r * s->q) / det, (s->rq * s->q - s->r * s->qq) / det };
}

/* The error left after the change. */
static float error_after(const struct sums *s, struct line c)
{
    return s->rr - 2 * (c.d * s->rq - c.m * s->r) + c.d * c.d * s->qq - 2 * c.d * c.m * s->q + c.m * c.m * s->w;
}

struct best {
    struct line at;
    float error;
};

/* Where one turn from `at` leads, with a minimum or without one. */
enum minimum { MINIMUM_NONE, MINIMUM_ANY, MINIMUM_NOT_NEGATIVE };
static void try_from(struct best *best, const struct values *v, const struct code *code, struct line at,
                     enum minimum minimum)
{
    const struct sums s = measure(v, code, at, NULL);
    struct line c = { 0, 0 };
    if (minimum != MINIMUM_NONE)
        c = correction(&s);
    if (minimum == MINIMUM_NONE || (minimum == MINIMUM_NOT_NEGATIVE && at.m + c.m < 0)) {
        c.m = -at.m; /* to 0 */
        c.d = s.qq > 0 ? (s.rq + c.m * s.q) / s.qq : 0;
    }
    const float error = error_after(&s, c);
    if (error < best->error)
        *best = (struct best){ { at.d + c.d, at.m + c.m }, error };
}

static void take_turns(struct best *best, const struct values *v, const struct code *code, enum minimum minimum)
{
    for (int turn = 0; turn < TURNS; turn++) {
        const float before = best->error;
        try_from(best, v, code, best->at, minimum);
        if (!(best->error < before))
            return;
    }
}

float search_scale(const struct values *v, const struct code *code)
{
    enum { CANDIDATES = 20 };
    float outer = 0;
    for (int i = 0; i < v->n; i++)
        outer = v->w[i] > 0 && fabsf(v->x[i]) > fabsf(outer) ? v->x[i] : outer;
    if (outer == 0)
        return 0;
    const float step = code->levels ? (code->hi - code->lo) / (LEVELS - 1) : 1;
    const float ends[2] = { code->hi, code->lo };
    struct best best = { .error = INFINITY };
    for (int end = 0; end < 2; end++) {
        if (ends[end] == 0 || (end == 1 && code->lo == -code->hi))
            continue;
        const float sign = ends[end] < 0 ? -1 : 1, outermost = fabsf(ends[end]);
        const float from = outermost - fminf(1.5f * step, 0.7f * outermost), to = outermost + 2 * step;
        for (int i = 0; i < CANDIDATES; i++) {
            const float at = from + (to - from) * (float)i / (CANDIDATES - 1);
            try_from(&best, v, code, (struct line){ outer / (sign * at), 0 }, MINIMUM_NONE);
        }
    }
    take_turns(&best, v, code, MINIMUM_NONE);
    return best.at.d;
}

struct line search_line(const struct values *v, const struct code *code, bool any_minimum)
{
    static const float shifts[] = { -0.3f, -0.1f, 0.1f, 0.3f, 0.5f, 0.7f };
    enum { SHIFTS = sizeof shifts / sizeof *shifts };
    float low = any_minimum ? INFINITY : 0, high = any_minimum ? -INFINITY : 0;
    for (int i = 0; i < v->n; i++) {
        low = v->x[i] < low ? v->x[i] : low;
        high = v->x[i] > high ? v->x[i] : high;
    }
    if (low == high)
        return (struct line){ 0, -low };
    const enum minimum minimum = any_minimum ? MINIMUM_ANY : MINIMUM_NOT_NEGATIVE;
    struct best best = { .error = INFINITY };
    for (int i = 0; i < SHIFTS; i++)
        for (int k = 0; k < SHIFTS; k++) {
            const float d = (high - low) / (code->hi + shifts[i] + shifts[k]);
            try_from(&best, v, code, (struct line){ d, -low - shifts[i] * d }, minimum);
        }
    take_turns(&best, v, code, minimum);
    if (best.at.d < 0) /* cannot be by least squares on nearest codes, but for rounding */
        best.at.d = 0;
    return best.at;
}
