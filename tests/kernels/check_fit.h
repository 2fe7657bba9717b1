/* check_fit.h - the sums that quantising searches with: the same bits as a plain loop. */
#ifndef TESTS_KERNELS_CHECK_FIT_H
#define TESTS_KERNELS_CHECK_FIT_H

#include "kernels/codebooks.h"
#include "tests/kernels/harness.h"

static const struct code fit_codes[] = {
    { 0, 15, NULL }, { -4, 3, NULL }, { -127, 127, NULL }, { -1, 1, NULL }, { -127, 113, codebook_iq4_nl }
};

/* Nearest of all codes, by trying each: of two equally near ones the even whole number, or the lower level. */
static float fit_nearest(const struct code *code, double v)
{
    double best = 0, distance = INFINITY;
    for (int i = 0; i <= (int)(code->levels ? 15 : code->hi - code->lo); i++) {
        const double c = code->levels ? code->levels[i] : (double)code->lo + i, away = fabs(v - c);
        if (away < distance || (away == distance && !code->levels && fmod(c, 2) == 0)) {
            best = c;
            distance = away;
        }
    }
    return (float)best;
}

static void check_fit_lane(const struct fit_lanes *f, int l, const struct code *code, const float *x, const float *w,
                           size_t n, bool has_m)
{
    const float d = f->d[l], m = has_m ? f->m[l] : 0, t = fabsf(d) < 0x1p-100f ? 0 : 1 / d;
    float q = 0, qq = 0, r = 0, rq = 0, rr = 0;
    for (size_t i = 0; i < n; i++) {
        const float y = x[i] + m, v = y * t, c = fit_nearest(code, (double)v), left = y - d * c;
        const float w_left = (w ? w[i] : 1) * left, w_code = (w ? w[i] : 1) * c;
        q += has_m ? w_code : 0;
        r += has_m ? w_left : 0;
        qq += w_code * c;
        rq += w_left * c;
        rr += w_left * left;
    }
    check_same(f->q[l], q, "q", (size_t)l);
    check_same(f->qq[l], qq, "qq", (size_t)l);
    check_same(f->r[l], r, "r", (size_t)l);
    check_same(f->rq[l], rq, "rq", (size_t)l);
    check_same(f->rr[l], rr, "rr", (size_t)l);
}

static void check_fit(const struct kernels *k, int unused)
{
    (void)unused;
    for (int round = 0; round < cases(60); round++) {
        const struct code *code = &fit_codes[round % (int)(sizeof fit_codes / sizeof *fit_codes)];
        const size_t n = random_size(256);
        const bool has_m = random_int(0, 1);
        CASE("n %zu, codes %g to %g, %s minima", n, (double)code->lo, (double)code->hi, has_m ? "with" : "without");
        float *const x = guarded_take(&mem_a, n * sizeof *x), *const w = guarded_take(&mem_b, n * sizeof *w);
        for (size_t i = 0; i < n; i++) {
            x[i] = random_int(0, 9) ? random_float() : 0;
            w[i] = random_int(0, 9) ? fabsf(random_float()) : 0;
        }
        struct fit_lanes f;
        for (int l = 0; l < FIT_LANES; l++) {
            f.d[l] = random_int(0, 15) ? random_float() * 2 / (code->hi - code->lo) : 0;
            f.m[l] = random_float();
        }
        for (int weighted = 0; weighted < 2; weighted++) {
            k->fit(&f, code, x, weighted ? w : NULL, n, has_m);
            for (int l = 0; l < FIT_LANES; l++)
                check_fit_lane(&f, l, code, x, weighted ? w : NULL, n, has_m);
        }
    }
}

static void add_fit(struct group *g)
{
    group_add(g, "fit", offsetof(struct kernels, fit), check_fit, 0);
}

#endif
