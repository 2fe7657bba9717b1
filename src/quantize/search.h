/* search.h - the one question behind every quantised type: which scale d and minimum m let small codes q say best what
 * values x are?  x = d q - m, with the least sum of w (x - d q + m)^2. */
#ifndef QUANTIZE_SEARCH_H
#define QUANTIZE_SEARCH_H

#include "kernels/kernels.h"

/** Values and how much each counts; w NULL: 1. */
struct values {
    const float *x, *w; /* |x| up to about 1 */
    size_t n;           /* a multiple of 4 */
    float sum_w;
};

struct line {
    float d, m;
};

/** The best line found, and the sum of w q^2 along it: how much the error grows as d moves away. */
struct found {
    struct line at;
    float qq;
};

/** Sums for one (d, m), and what they are weighted with in all. */
struct sums {
    float w, q, qq, r, rq, rr;
};

/** Best scale alone (m = 0). It may be negative where the range of codes is not symmetric. */
struct found search_scale(const struct kernels *k, const struct values *v, const struct code *code);
/** Best scale, not negative, and minimum, which is not negative either unless `any_minimum`; code->lo is 0. */
struct found search_line(const struct kernels *k, const struct values *v, const struct code *code, bool any_minimum);
/** FIT_LANES candidates for one scale and, if `any_minimum`, a minimum: what one turn can choose from. */
void search_once(struct fit_lanes *f, const struct values *v, const struct code *code, bool any_minimum);
/** The first lane of the least value; what is not a number is none, and if there is none: 0. */
int least_lane(const float v[FIT_LANES]);
/** The change of (d, m) that is best for the codes as they are, by least squares. */
struct line correction(const struct sums *s);

#endif
