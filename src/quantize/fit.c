/* fit.c - the scales of a block.
 *
 * Sub-blocks: each is searched alone first. What its scale should be, and how much the error grows when it is another
 * (the sum of w q^2), make the same question again: which d says these scales best as d times small whole numbers? Then
 * scales and minima try their neighbours, and d and dmin follow by least squares over the block, for a few rounds. */
#include "src/quantize/fit.h"

#include "kernels/generic/simd4.h"
#include "src/base/numbers.h"

#include <math.h>

enum { ROUNDS = 2 };
/* Values below are zero in every type; above, sums of a few of them might not be finite. */
#define LEAST 0x1p-120f
#define LARGEST 0x1p124f

/* A block on its way. */
struct work {
    const struct kernels *k;
    const struct form *form;
    int n_sub;
    struct scaled scaled;
    struct values sub[SUB_MAX];
};

struct state {
    struct line at; /* d and dmin, in units */
    int sc[SUB_MAX], m[SUB_MAX];
    float error;
};

/* Weights over the largest, those near zero not quite so: columns that nothing is known of still get sensible codes. */
bool scale_block(struct scaled *s, const float *x, const float *importance, int n)
{
    vf largest = vf_set(0), most = largest;
    vf_mask finite = vf_set(0) == vf_set(0);
    for (int i = 0; i < n; i += VF) {
        const vf v = vf_load(x + i), size = vf_max(v, -v);
        finite &= size <= vf_set(LARGEST);
        largest = vf_max(size, largest);
        most = importance ? vf_max(vf_load(importance + i), most) : most;
    }
    const float unit = vf_most(largest), heaviest = vf_most(most);
    const bool is_zero = unit < LEAST;
    const vf divisor = vf_set(is_zero ? INFINITY : unit); /* by which all become 0 */
    for (int i = 0; i < n; i += VF)
        vf_store(s->x + i, vf_load(x + i) / divisor);
    for (int i = 0; i < n; i += VF)
        vf_store(s->w + i,
                 heaviest > 0 ? vf_max(vf_load(importance + i) / vf_set(heaviest), vf_set(1e-6f)) : vf_set(1));
    s->unit = is_zero ? 1 : unit;
    s->is_weighted = heaviest > 0;
    return vf_bits(finite) == 15;
}

static bool has_scales(const struct form *f)
{
    return f->scale.hi > f->scale.lo;
}

static bool has_minima(const struct form *f)
{
    return f->has_minimum || f->min_hi > 0;
}

/* As the type holds it, in units again. */
static float held(const struct work *k, float scale)
{
    return f16_to_f32(f16_from_f32(scale * k->scaled.unit)) / k->scaled.unit;
}

static struct line line_of(const struct state *s, int j)
{
    return (struct line){ s->at.d * (float)s->sc[j], s->at.m * (float)s->m[j] };
}

static int nearest_in(float v, float lo, float hi)
{
    return (int)lrintf(v < lo ? lo : v > hi ? hi : v);
}

static int within(int v, float lo, float hi)
{
    return v < (int)lo ? (int)lo : v > (int)hi ? (int)hi : v;
}

/* Steps from a scale and a minimum to the neighbours that the lanes stand for. */
static const struct neighbours {
    float sc[FIT_LANES], m[FIT_LANES];
} of_both = { { 0, -1, 1, 0, -1, 1, 0, -1, 1, 0, -1, 1, 0, -1, 1, 0 },
              { 0, 0, 0, 1, 1, 1, -1, -1, -1, 2, 2, 2, -2, -2, -2, 0 } },
  of_scale = { { 0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, -6, 6, -7, 7, 0 }, { 0 } };

/* Give each sub-block the best scale and minimum among the neighbours of those it has; beyond the ends stand the
 * outermost ones. What is left over, all in terms of d and dmin, is returned. */
static struct sums settle(const struct work *k, struct state *s)
{
    const struct form *f = k->form;
    const struct neighbours *to = f->min_hi > 0 ? &of_both : &of_scale;
    const vf lo = vf_set(f->scale.lo), hi = vf_set(f->scale.hi), m_hi = vf_set(f->min_hi > 0 ? f->min_hi : 1);
    struct sums all = { 0 };
    s->error = 0;
    for (int j = 0; j < k->n_sub; j++) {
        const struct values *v = &k->sub[j];
        struct fit_lanes lanes;
        float sc[FIT_LANES], m[FIT_LANES];
        for (int l = 0; l < FIT_LANES; l += VF) {
            const vf c = vf_min(vf_max(vf_set((float)s->sc[j]) + vf_load(to->sc + l), lo), hi);
            const vf n = vf_min(vf_max(vf_set((float)s->m[j]) + vf_load(to->m + l), vf_set(0)), m_hi);
            vf_store(sc + l, c);
            vf_store(m + l, n);
            vf_store(lanes.d + l, vf_set(s->at.d) * c);
            vf_store(lanes.m + l, vf_set(s->at.m) * n);
        }
        k->k->fit(&lanes, &f->code, v->x, v->w, v->n, has_minima(f));
        const int best = least_lane(lanes.rr);
        const float c = sc[best], n = m[best];
        s->sc[j] = (int)c;
        s->m[j] = (int)n;
        all.w += n * n * v->sum_w;
        all.q += c * n * lanes.q[best];
        all.qq += c * c * lanes.qq[best];
        all.r += n * lanes.r[best];
        all.rq += c * lanes.rq[best];
        s->error += lanes.rr[best];
    }
    return all;
}

static float sum_of(const float *w, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += w[i];
    return sum;
}

/* d and dmin, and the steps of each sub-block, from what each would have alone. */
static void start(const struct work *k, struct state *s)
{
    const struct form *f = k->form;
    float d[SUB_MAX] = { 0 }, m[SUB_MAX] = { 0 }, d_weight[SUB_MAX] = { 0 }, m_weight[SUB_MAX] = { 0 };
    for (int j = 0; j < k->n_sub; j++) {
        const struct values *v = &k->sub[j];
        const struct found found =
            has_minima(f) ? search_line(k->k, v, &f->code, f->has_minimum) : search_scale(k->k, v, &f->code);
        d[j] = found.at.d;
        m[j] = found.at.m;
        d_weight[j] = found.qq;
        m_weight[j] = v->sum_w;
    }
    s->at = (struct line){ d[0], m[0] };
    const struct values scales = { d, d_weight, SUB_MAX, sum_of(d_weight, SUB_MAX) };
    const struct values minima = { m, m_weight, SUB_MAX, sum_of(m_weight, SUB_MAX) };
    if (has_scales(f))
        s->at.d = search_scale(k->k, &scales, &f->scale).at.d;
    if (f->min_hi > 0)
        s->at.m = search_scale(k->k, &minima, &(struct code){ 0, f->min_hi, NULL }).at.d;
    s->at = (struct line){ held(k, s->at.d), held(k, s->at.m) };
    for (int j = 0; j < k->n_sub; j++) {
        s->sc[j] = s->m[j] = 1;
        if (has_scales(f))
            s->sc[j] = s->at.d == 0 ? 0 : nearest_in(d[j] / s->at.d, f->scale.lo, f->scale.hi);
        if (f->min_hi > 0)
            s->m[j] = s->at.m == 0 ? 0 : nearest_in(m[j] / s->at.m, 0, f->min_hi);
    }
}

/* The same for a block without sub-blocks: of the numbers around d that the type can hold, the best. A d beyond all
 * of them is not brought back: that would cut the values. */
static struct sums settle_alone(const struct work *k, struct state *s)
{
    const struct values *v = &k->sub[0];
    const uint16_t h = f16_from_f32(s->at.d * k->scaled.unit);
    struct fit_lanes f;
    for (int l = 0; l < FIT_LANES; l++) {
        const int magnitude = within((h & 0x7fff) + l - FIT_LANES / 2, 0, 0x7bff);
        f.d[l] = f16_to_f32((uint16_t)((h & 0x8000) | magnitude)) / k->scaled.unit;
        f.m[l] = s->at.m;
    }
    k->k->fit(&f, &k->form->code, v->x, v->w, v->n, has_minima(k->form));
    const int best = least_lane(f.rr);
    s->error = isfinite(s->at.d) ? f.rr[best] : INFINITY;
    s->at.d = f.d[best];
    return (struct sums){ v->sum_w, f.q[best], f.qq[best], f.r[best], f.rq[best], f.rr[best] };
}

/* As f16 holds them, infinite where that cannot: to the nearest multiple of 2^-24 below 2^-14, else to 11 bits. */
static vf held4(vf x)
{
    typedef uint32_t bits4 __attribute__((vector_size(16)));
    const bits4 u = (bits4)x, size = u & 0x7fffffff;
    const vf normal = (vf)((size + 0xfff + (size >> 13 & 1)) & ~(bits4){ 0x1fff, 0x1fff, 0x1fff, 0x1fff });
    const vf small = (vf)size + vf_set(0.5f) - vf_set(0.5f);
    const vf held = vf_select(vf_less((vf)size, vf_set(0x1p-14f)), small, normal);
    const vf finite = vf_select(vf_less(held, vf_set(0x1p16f)), held, vf_set(INFINITY));
    return (vf)((bits4)finite | (u & 0x80000000));
}

/* One scale, and values that all count the same: the best of one turn of candidates as the type holds them. Going
 * on by least squares would take away 0.3 % (Q4_0) to 3 % (Q5_1) of the error, in thrice the time. */
static struct state search_quickly(const struct work *k)
{
    struct fit_lanes f;
    const vf unit = vf_set(k->scaled.unit);
    search_once(&f, &k->sub[0], &k->form->code, has_minima(k->form));
    for (int l = 0; l < FIT_LANES; l += VF) {
        vf_store(f.d + l, held4(vf_load(f.d + l) * unit) / unit);
        vf_store(f.m + l, held4(vf_load(f.m + l) * unit) / unit);
    }
    k->k->fit(&f, &k->form->code, k->sub[0].x, NULL, k->sub[0].n, has_minima(k->form));
    const int best = least_lane(f.rr);
    return (struct state){ .at = { f.d[best], f.m[best] }, .sc = { 1 }, .m = { 1 }, .error = f.rr[best] };
}

static struct state search_block(const struct work *k)
{
    const bool alone = !has_scales(k->form) && !(k->form->min_hi > 0);
    struct state now, best = { .error = INFINITY };
    if (k->form->is_plain && !k->scaled.is_weighted)
        return search_quickly(k);
    start(k, &now);
    for (int round = 0; round < ROUNDS; round++) {
        const struct sums s = alone ? settle_alone(k, &now) : settle(k, &now);
        if (!(now.error < best.error))
            break;
        best = now;
        struct line c = { s.qq > 0 ? s.rq / s.qq : 0, 0 };
        if (has_minima(k->form) && s.w > 0)
            c = correction(&s);
        now.at = (struct line){ held(k, now.at.d + c.d), held(k, now.at.m + c.m) };
        if (now.at.d == best.at.d && now.at.m == best.at.m)
            break;
    }
    return best;
}

/* ---- Scales that are numbers of a small format ---- */

enum { NUMBERS_E8M0 = 255, NUMBERS_UE4M3 = 127 };

static float number_at(const struct form *f, int i)
{
    return 0.5f * (f->kind == SCALE_E8M0 ? e8m0_to_f32((uint8_t)i) : ue4m3_to_f32((uint8_t)i));
}

/* The numbers rise: the first that is not below. */
static int number_from(const struct form *f, float scale)
{
    int lo = 0, hi = (f->kind == SCALE_E8M0 ? NUMBERS_E8M0 : NUMBERS_UE4M3) - 1;
    while (lo < hi) {
        const int middle = (lo + hi) / 2;
        if (number_at(f, middle) < scale)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* The number that leaves the least, of those around "the largest value has the outermost code". False if no number
 * reaches it. */
static bool fit_number(struct fitted *out, const struct work *k, int j)
{
    const struct form *f = k->form;
    const struct values *v = &k->sub[j];
    const int last = (f->kind == SCALE_E8M0 ? NUMBERS_E8M0 : NUMBERS_UE4M3) - 1;
    struct fit_lanes lanes;
    float most = 0;
    int number[FIT_LANES];
    for (size_t i = 0; i < v->n; i++)
        most = fmaxf(most, fabsf(v->x[i]) * k->scaled.unit);
    const int first = number_from(f, most / f->code.hi) - FIT_LANES / 2;
    for (int l = 0; l < FIT_LANES; l++) {
        number[l] = within(first + l, 0, (float)last);
        lanes.d[l] = number_at(f, number[l]) / k->scaled.unit;
    }
    k->k->fit(&lanes, &f->code, v->x, v->w, v->n, false);
    out->number[j] = (uint8_t)number[least_lane(lanes.rr)];
    return most / f->code.hi <= 1.2f * number_at(f, last);
}

/* ---- All of it ---- */

/* The nearest codes, as the sums took them. */
static void put_codes(int8_t *q, const struct values *v, const struct code *code, struct line at)
{
    typedef int8_t bytes4 __attribute__((vector_size(4)));
    const vf t = vf_set(fabsf(at.d) < 0x1p-100f ? 0 : 1 / at.d), m = vf_set(at.m);
    const vf lo = vf_set(code->lo), hi = vf_set(code->hi);
    const int8_t *const levels = code->levels;
    for (size_t i = 0; i < v->n; i += VF) {
        const vf c = vf_min(vf_max((vf_load(v->x + i) + m) * t, lo), hi);
        const bytes4 whole = __builtin_convertvector(__builtin_convertvector(vf_round(c), vf_mask), bytes4);
        memcpy(q + i, &whole, sizeof whole);
        for (int l = 0; levels && l < VF; l++) {
            int level = 0;
            while (level < 15 && 2 * c[l] > (float)(levels[level] + levels[level + 1]))
                level++;
            q[i + (size_t)l] = levels[level];
        }
    }
}

static bool fit_scales(struct fitted *out, const struct work *k)
{
    const struct state s = search_block(k);
    out->d = s.at.d * k->scaled.unit;
    out->dmin = s.at.m * k->scaled.unit;
    for (int j = 0; j < k->n_sub; j++) {
        put_codes(out->q + j * k->form->sub, &k->sub[j], &k->form->code, line_of(&s, j));
        out->sc[j] = (int8_t)s.sc[j];
        out->m[j] = (uint8_t)s.m[j];
    }
    return isfinite(s.error) && isfinite(out->d) && isfinite(out->dmin);
}

static bool fit_numbers(struct fitted *out, const struct work *k)
{
    for (int j = 0; j < k->n_sub; j++) {
        if (!fit_number(out, k, j))
            return false;
        const struct line at = { number_at(k->form, out->number[j]) / k->scaled.unit, 0 };
        put_codes(out->q + j * k->form->sub, &k->sub[j], &k->form->code, at);
    }
    return true;
}

bool fit_block(struct fitted *out, const struct kernels *kernels, const struct form *form, const float *x,
               const float *importance)
{
    struct work k; /* not made 0 first: that would take longer than to fill it */
    k.k = kernels;
    k.form = form;
    k.n_sub = form->block / form->sub;
    if (!scale_block(&k.scaled, x, importance, form->block))
        return false;
    for (int j = 0; j < k.n_sub; j++) {
        const float *w = k.scaled.is_weighted ? k.scaled.w + j * form->sub : NULL;
        k.sub[j] = (struct values){ k.scaled.x + j * form->sub, w, form->sub, w ? sum_of(w, form->sub) : form->sub };
    }
    return form->kind == SCALE_F16 ? fit_scales(out, &k) : fit_numbers(out, &k);
}
