/* fit.c - the scales of a block. The values are worked on divided by the largest: so no sum can overflow or vanish.
 *
 * Sub-blocks: each is searched alone first. What its scale should be, and how much the error grows when it is another
 * (the sum of w q^2), make the same question again: which d says these scales best as d times small whole numbers? Then
 * scales and minima try their neighbours, and d and dmin follow by least squares over the block, for a few rounds. */
#include "src/quantize/fit.h"

#include "src/base/numbers.h"

#include <math.h>

enum { ROUNDS = 3 };
/* Values below are zero in every type; above, sums of a few of them might not be finite. */
#define LEAST 0x1p-120f
#define LARGEST 0x1p124f

/* A block on its way. */
struct work {
    const struct form *form;
    int n_sub;
    float unit; /* what x was divided by */
    float x[BLOCK_MAX], w[BLOCK_MAX];
    struct values sub[SUB_MAX];
};

struct state {
    struct line at; /* d and dmin, in units */
    int sc[SUB_MAX], m[SUB_MAX];
    float error;
};

/* As the type holds it, in units again. */
static float held(const struct work *k, float scale)
{
    const uint16_t h = f16_from_f32(scale * k->unit);
    return f16_to_f32(h) / k->unit;
}

static struct line line_of(const struct state *s, int j)
{
    return (struct line){ s->at.d * (float)s->sc[j], s->at.m * (float)s->m[j] };
}

static int nearest_in(float v, float lo, float hi)
{
    return (int)lrintf(v < lo ? lo : v > hi ? hi : v);
}

/* Give each sub-block the best scale and minimum among the neighbours of those it has. What is left over, all in terms
 * of d and dmin, is returned. */
static struct sums settle(const struct work *k, struct state *s)
{
    const struct form *f = k->form;
    const int reach_sc = f->scale.hi > f->scale.lo, reach_m = f->min_hi > 0;
    struct sums all = { 0 };
    s->error = 0;
    for (int j = 0; j < k->n_sub; j++) {
        const int sc = s->sc[j], m = s->m[j];
        struct sums best = { .rr = INFINITY };
        int best_sc = sc, best_m = m;
        for (int c = sc - reach_sc; c <= sc + reach_sc; c++)
            for (int n = m - reach_m; n <= m + reach_m; n++) {
                if ((reach_sc && (c < f->scale.lo || c > f->scale.hi)) || (reach_m && (n < 0 || n > f->min_hi)))
                    continue;
                s->sc[j] = c;
                s->m[j] = n;
                const struct sums got = measure(&k->sub[j], &f->code, line_of(s, j), NULL);
                if (got.rr < best.rr) {
                    best = got;
                    best_sc = c;
                    best_m = n;
                }
            }
        s->sc[j] = best_sc;
        s->m[j] = best_m;
        const float c = (float)best_sc, n = (float)best_m;
        all.w += n * n * best.w;
        all.q += c * n * best.q;
        all.qq += c * c * best.qq;
        all.r += n * best.r;
        all.rq += c * best.rq;
        s->error += best.rr;
    }
    return all;
}

/* d and dmin, and the steps of each sub-block, from what each would have alone. */
static void start(const struct work *k, struct state *s)
{
    const struct form *f = k->form;
    float d[SUB_MAX] = { 0 }, m[SUB_MAX] = { 0 }, d_weight[SUB_MAX] = { 0 }, m_weight[SUB_MAX] = { 0 };
    for (int j = 0; j < k->n_sub; j++) {
        const struct values *v = &k->sub[j];
        struct line at = { 0, 0 };
        if (f->min_hi > 0 || f->has_minimum)
            at = search_line(v, &f->code, f->has_minimum);
        else
            at.d = search_scale(v, &f->code);
        const struct sums sums = measure(v, &f->code, at, NULL);
        d[j] = at.d;
        m[j] = at.m;
        d_weight[j] = sums.qq;
        m_weight[j] = sums.w;
    }
    s->at = (struct line){ d[0], m[0] };
    if (f->scale.hi > f->scale.lo)
        s->at.d = search_scale(&(struct values){ d, d_weight, SUB_MAX }, &f->scale);
    if (f->min_hi > 0)
        s->at.m = search_scale(&(struct values){ m, m_weight, SUB_MAX }, &(struct code){ 0, f->min_hi, NULL });
    s->at = (struct line){ held(k, s->at.d), held(k, s->at.m) };
    for (int j = 0; j < k->n_sub; j++) {
        s->sc[j] = s->m[j] = 1;
        if (f->scale.hi > f->scale.lo)
            s->sc[j] = s->at.d == 0 ? 0 : nearest_in(d[j] / s->at.d, f->scale.lo, f->scale.hi);
        if (f->min_hi > 0)
            s->m[j] = s->at.m == 0 ? 0 : nearest_in(m[j] / s->at.m, 0, f->min_hi);
    }
}

static struct state search_block(const struct work *k)
{
    const bool has_minimum = k->form->has_minimum || k->form->min_hi > 0;
    struct state now, best = { .error = INFINITY };
    start(k, &now);
    for (int round = 0; round < ROUNDS; round++) {
        const struct sums s = settle(k, &now);
        if (!(now.error < best.error))
            break;
        best = now;
        struct line c = { s.qq > 0 ? s.rq / s.qq : 0, 0 };
        if (has_minimum && s.w > 0)
            c = correction(&s);
        now.at = (struct line){ held(k, now.at.d + c.d), held(k, now.at.m + c.m) };
    }
    return best;
}

/* The power of two around "the largest value has the outermost code" that leaves the least. 2^-128 is the smallest. */
static struct state search_power(const struct work *k)
{
    int exponent;
    frexpf(k->unit / k->form->code.hi, &exponent);
    struct state best = { .error = INFINITY };
    for (int e = exponent - 3; e <= exponent + 1; e++) {
        struct state now = { .at = { ldexpf(1, e < -128 ? -128 : e) / k->unit, 0 }, .sc = { 1 }, .m = { 1 } };
        settle(k, &now);
        if (now.error < best.error)
            best = now;
    }
    return best;
}

/* Values over the largest; weights over the largest, those near zero not quite so: columns that nothing is known of
 * still get sensible codes. */
static bool prepare(struct work *k, const float *x, const float *importance)
{
    float most = 0;
    k->unit = 0;
    for (int i = 0; i < k->form->block; i++) {
        if (!(fabsf(x[i]) <= LARGEST))
            return false;
        k->unit = fmaxf(k->unit, fabsf(x[i]));
        most = importance ? fmaxf(most, importance[i]) : 1;
    }
    const bool is_zero = k->unit < LEAST;
    if (is_zero)
        k->unit = 1;
    for (int i = 0; i < k->form->block; i++) {
        k->x[i] = is_zero ? 0 : x[i] / k->unit;
        k->w[i] = importance && most > 0 ? fmaxf(importance[i] / most, 1e-6f) : 1;
    }
    k->n_sub = k->form->block / k->form->sub;
    for (int j = 0; j < k->n_sub; j++)
        k->sub[j] = (struct values){ k->x + j * k->form->sub, k->w + j * k->form->sub, k->form->sub };
    return true;
}

bool fit_block(struct fitted *out, const struct form *form, const float *x, const float *importance)
{
    struct work k = { .form = form };
    if (!prepare(&k, x, importance))
        return false;
    const struct state s = form->power_of_two ? search_power(&k) : search_block(&k);
    out->d = s.at.d * k.unit;
    out->dmin = s.at.m * k.unit;
    if (!isfinite(s.error) || !isfinite(out->d) || !isfinite(out->dmin))
        return false;
    float q[BLOCK_MAX];
    for (int j = 0; j < k.n_sub; j++) {
        measure(&k.sub[j], &form->code, line_of(&s, j), q + j * form->sub);
        out->sc[j] = (int8_t)s.sc[j];
        out->m[j] = (uint8_t)s.m[j];
    }
    for (int i = 0; i < form->block; i++)
        out->q[i] = (int8_t)q[i];
    return true;
}
