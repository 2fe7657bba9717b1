/* fit_grid.c - the scales of a block of grid codes.
 *
 * For values x of a code and a scale s the error is the sum of w x^2, less s p, plus s^2 q, where p and q are sums
 * that belong to the code. So a code that is best for some scale is a pair (p, q); few pairs are ever best. For each
 * code of the block the best ones are found for some scales around the one that its sub-block would like to have.
 * With these pairs the error for any d and sc is quickly told: all steps sc are tried for many d. At the end each code
 * is searched again for exactly the scale that it got, and d follows by least squares. */
#include "src/quantize/fit_grid.h"

#include "kernels/generic/simd4.h"
#include "src/base/numbers.h"

#include <math.h>

enum { BLOCK = 256, OPTIONS = 2, TRIES = 8 };
#define SHIFT 0.125f
/* Mean of the squares over the square of the mean: 1 where all are the same, 1.57 for those of a normal
 * distribution. */
#define FLAT 1.08f

/* Scales at which options are looked for, in parts of the one that the sub-block would like. */
static const float around[OPTIONS] = { 0.92f, 1.1f };

/* Some of the best codes of one place. */
struct options {
    float p[OPTIONS], q[OPTIONS];
};

struct grid_work {
    const struct kernels *k;
    const struct grid_form *form;
    const struct grid *grid;
    struct scaled scaled;
    float size[BLOCK];   /* what the grid is to say: x, or |x| where signs stand apart */
    uint8_t signs[RUNS];
    int n_sub, n_codes;  /* in the block */
    float scale[SUB_MAX], weight[SUB_MAX]; /* of each sub-block: what it would like, w q^2 */
    struct options as_is[CODES_MAX], other[CODES_MAX]; /* with a sign turned, or with a negative shift */
};

static bool has_shift(const struct grid_form *f)
{
    return f->extra == SHIFT_GROUP || f->extra == SHIFT_RUN;
}

static bool is_odd(const struct grid_work *k, int run)
{
    return k->form->extra == SIGNS_EVEN && __builtin_parity(k->signs[run]);
}

/* Values as the grid says them. */
static void split_signs(struct grid_work *k)
{
    const bool apart = !has_shift(k->form);
    memset(k->signs, 0, sizeof k->signs);
    for (int i = 0; i < BLOCK; i++) {
        const float x = k->scaled.x[i];
        k->size[i] = apart ? fabsf(x) : x;
        k->signs[i / 8] |= (uint8_t)((apart && x < 0) << i % 8);
    }
}

/* The scale that a sub-block would like if any sizes could stand side by side. */
static struct found like_scale(const struct grid_work *k, const struct values *v)
{
    const struct code *levels = &k->form->levels;
    float most = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < v->n; i++) {
        most = fabsf(v->x[i]) > most ? fabsf(v->x[i]) : most;
        sum += v->x[i];
        squares += v->x[i] * v->x[i];
    }
    /* Sizes that hardly differ are said best by the smallest ones: grids have few patterns of large sizes alone. */
    if (levels->levels && squares * (float)v->n < FLAT * sum * sum)
        return (struct found){ { sum / ((float)v->n * levels->lo), 0 }, v->sum_w * levels->lo * levels->lo };
    struct fit_lanes f;
    for (int l = 0; l < FIT_LANES; l++)
        f.d[l] = most / levels->hi * (0.3f + 0.07f * (float)l);
    k->k->fit(&f, levels, v->x, v->w, v->n, false);
    const int best = least_lane(f.rr);
    return (struct found){ { f.d[best] + (f.qq[best] > 0 ? f.rq[best] / f.qq[best] : 0), 0 }, f.qq[best] };
}

static void like_scales(struct grid_work *k)
{
    const int n = k->form->sub;
    for (int j = 0; j < k->n_sub; j++) {
        struct values v = { k->size + n * j, k->scaled.w + n * j, (size_t)n, 0 };
        for (int i = 0; i < n; i++)
            v.sum_w += v.w[i];
        const struct found found = like_scale(k, &v);
        k->scale[j] = found.at.d;
        k->weight[j] = found.qq;
    }
}

static void measure_code(struct grid_sums *sums, const struct grid_work *k, int code, float shift, bool flip)
{
    const int at = code * k->form->n_values;
    grid_measure(sums, k->grid, k->size + at, k->scaled.w + at, shift, flip);
}

/* What a code may be besides what it is without a sign turned, or with a positive shift. */
static bool has_other(const struct grid_work *k, int code)
{
    return has_shift(k->form) || is_odd(k, code * k->form->n_values / 8);
}

/* Of eight weights in one code with an odd number of signs, one must turn. */
static bool has_as_is(const struct grid_work *k, int code)
{
    return k->form->n_values == 4 || !is_odd(k, code);
}

static void measure_as_is(struct grid_sums *sums, const struct grid_work *k, int code)
{
    measure_code(sums, k, code, has_shift(k->form) ? SHIFT : 0, false);
}

static void measure_other(struct grid_sums *sums, const struct grid_work *k, int code)
{
    measure_code(sums, k, code, has_shift(k->form) ? -SHIFT : 0, !has_shift(k->form));
}

static void find_options(struct options *o, const struct grid_work *k, struct grid_sums *sums, float scale)
{
    for (int i = 0; i < OPTIONS; i++) {
        const struct grid_best best = grid_nearest(k->grid, sums, scale * around[i]);
        o->p[i] = best.p;
        o->q[i] = best.q;
    }
}

static void find_all_options(struct grid_work *k)
{
    for (int c = 0; c < k->n_codes; c++) {
        const float liked = k->scale[c * k->form->n_values / k->form->sub], scale = liked > 1e-6f ? liked : 1e-6f;
        struct grid_sums sums;
        if (has_as_is(k, c)) {
            measure_as_is(&sums, k, c);
            find_options(&k->as_is[c], k, &sums, scale);
        }
        if (has_other(k, c)) {
            measure_other(&sums, k, c);
            find_options(&k->other[c], k, &sums, scale);
        }
    }
}

/* ---- What a scale costs ---- */

/* The cheapest option at four scales: scale q - p. */
static inline vf cheapest(const struct options *o, vf scale)
{
    vf cost = vf_set(INFINITY);
    for (int i = 0; i < OPTIONS; i++)
        cost = vf_min(cost, scale * vf_set(o->q[i]) - vf_set(o->p[i]));
    return cost;
}

/* All codes of eight weights together, from code c on. */
static inline vf cheapest_signed_run(const struct grid_work *k, int c, vf scale)
{
    const struct options *a = k->as_is + c, *b = k->other + c;
    const bool odd = is_odd(k, c * k->form->n_values / 8);
    if (k->form->n_values == 8)
        return cheapest(odd ? b : a, scale);
    if (!odd)
        return cheapest(a, scale) + cheapest(a + 1, scale);
    return vf_min(cheapest(a, scale) + cheapest(b + 1, scale), cheapest(b, scale) + cheapest(a + 1, scale));
}

/* Error of sub-block j at four scales, less what does not depend on them. */
static vf error_at(const struct grid_work *k, int j, vf scale)
{
    const struct grid_form *f = k->form;
    const int codes = f->sub / f->n_values, first = codes * j;
    vf cost = vf_set(0), other = cost;
    switch (f->extra) {
    case SIGNS:
    case SIGNS_EVEN:
        for (int c = first; c < first + codes; c += 8 / f->n_values)
            cost += cheapest_signed_run(k, c, scale);
        break;
    case SHIFT_RUN:
        for (int c = first; c < first + codes; c++)
            cost += vf_min(cheapest(&k->as_is[c], scale), cheapest(&k->other[c], scale));
        break;
    case SHIFT_GROUP:
        for (int c = first; c < first + codes; c++) {
            cost += cheapest(&k->as_is[c], scale);
            other += cheapest(&k->other[c], scale);
        }
        cost = vf_min(cost, other);
        break;
    }
    return scale * cost;
}

/* The best step for sub-block j, and its error. */
static float best_step(const struct grid_work *k, int j, float d, uint8_t *sc)
{
    float error[FIT_LANES] = { 0 };
    int best = 0;
    for (int l = 0; l < k->form->n_scales; l += VF) {
        const vf odd = vf_set((float)(2 * l + 1)) + (vf){ 0, 2, 4, 6 };
        vf_store(error + l, error_at(k, j, vf_set(d / k->form->divisor) * odd));
    }
    for (int l = 1; l < k->form->n_scales; l++)
        best = error[l] < error[best] ? l : best;
    *sc = (uint8_t)best;
    return error[best];
}

static float held(const struct grid_work *k, float d)
{
    return f16_to_f32(f16_from_f32(d * k->scaled.unit)) / k->scaled.unit;
}

/* The d that serves the liked scales best, and others around it. Infinite if the type has none that large. */
static float search_d(const struct grid_work *k, uint8_t sc[SUB_MAX])
{
    static const int8_t odd[16] = { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 };
    static const int8_t odd_to_15[16] = { 1, 3, 5, 7, 9, 11, 13, 15, 15, 15, 15, 15, 15, 15, 15, 15 };
    const bool few = k->form->n_scales == 8;
    const struct code code = { 1, few ? 15 : 31, few ? odd_to_15 : odd };
    float w = 0, best = INFINITY, least = INFINITY;
    for (int j = 0; j < k->n_sub; j++)
        w += k->weight[j];
    const struct values v = { k->scale, k->weight, SUB_MAX, w };
    const float from = search_scale(k->k, &v, &code).at.d * k->form->divisor;
    for (int i = 0; i < TRIES; i++) {
        const float d = held(k, from * (0.82f + 0.05f * (float)i));
        float error = 0;
        uint8_t steps[SUB_MAX];
        for (int j = 0; j < k->n_sub; j++)
            error += best_step(k, j, d, &steps[j]);
        if (error < least) {
            least = error;
            best = d;
            memcpy(sc, steps, sizeof steps);
        }
    }
    return best;
}

/* ---- The codes for the scales that were chosen ---- */

/* How much less the other way costs than as it is, by the options: four times the same number. */
static float gain_of_other(const struct grid_work *k, int c, float scale)
{
    return (cheapest(&k->as_is[c], vf_set(scale)) - cheapest(&k->other[c], vf_set(scale)))[0];
}

/* Which of the n codes from `first` on, a sub-block, are to be the other way. */
static void choose_ways(bool other[CODES_MAX], const struct grid_work *k, int first, int n, float scale)
{
    float gain = 0;
    for (int c = first; c < first + n; c++) {
        if (k->form->extra == SHIFT_GROUP)
            gain += gain_of_other(k, c, scale);
        else if (k->form->extra == SHIFT_RUN)
            other[c] = gain_of_other(k, c, scale) > 0;
        else if (k->form->n_values == 8)
            other[c] = is_odd(k, c);
        else if (c % 2 && is_odd(k, c / 2)) { /* one of the two codes of a run */
            other[c] = gain_of_other(k, c, scale) > gain_of_other(k, c - 1, scale);
            other[c - 1] = !other[c];
        }
    }
    for (int c = first; c < first + n && k->form->extra == SHIFT_GROUP; c++)
        other[c] = gain > 0;
}

/* Turn the sign that costs least. */
static void turn_sign(struct fitted_grid *out, const struct grid_work *k, int c)
{
    const int n = k->form->n_values, at = c * n;
    int least = 0;
    float lost = INFINITY;
    for (int i = 0; i < n; i++) {
        const float size = (float)grid_size(k->form->codes, out->code[c], n, i);
        const float now = k->scaled.w[at + i] * k->size[at + i] * size;
        if (now < lost) {
            lost = now;
            least = i;
        }
    }
    out->signs[at / 8] ^= (uint8_t)(1 << (at + least) % 8);
}

/* The codes of sub-block j. *p and *q receive what d follows from. */
static void choose_codes(struct fitted_grid *out, const struct grid_work *k, int j, float d, float *p, float *q)
{
    const int n = k->form->sub / k->form->n_values;
    const float step = (float)(2 * out->sc[j] + 1) / k->form->divisor, scale = d * step > 1e-6f ? d * step : 1e-6f;
    bool other[CODES_MAX] = { false };
    choose_ways(other, k, n * j, n, scale);
    for (int c = n * j; c < n * (j + 1); c++) {
        struct grid_sums sums;
        (other[c] ? measure_other : measure_as_is)(&sums, k, c);
        const struct grid_best best = grid_nearest(k->grid, &sums, scale);
        out->code[c] = (uint16_t)best.code;
        *p += step * best.p;
        *q += step * step * best.q;
        if (has_shift(k->form))
            out->minus[c] = other[c];
        else if (other[c])
            turn_sign(out, k, c);
    }
}

bool fit_grid_block(struct fitted_grid *out, const struct kernels *kernels, const struct grid_form *form,
                    const struct grid *grid, const float *x, const float *importance)
{
    struct grid_work k = { .k = kernels, .form = form, .grid = grid, .n_sub = BLOCK / form->sub,
                           .n_codes = BLOCK / form->n_values };
    if (!scale_block(&k.scaled, x, importance, BLOCK))
        return false;
    split_signs(&k);
    like_scales(&k);
    find_all_options(&k);
    const float d = search_d(&k, out->sc);
    memcpy(out->signs, k.signs, sizeof out->signs);
    float p = 0, q = 0;
    for (int j = 0; j < k.n_sub; j++)
        choose_codes(out, &k, j, d, &p, &q);
    out->d = held(&k, d > 0 && q > 0 ? 0.5f * p / q : d) * k.scaled.unit;
    return isfinite(d) && isfinite(out->d);
}
