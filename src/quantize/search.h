/* search.h - the one question behind every quantised type: which scale d and minimum m let small codes q say best what
 * values x are?  x = d q - m, with the least sum of w (x - d q + m)^2. */
#ifndef QUANTIZE_SEARCH_H
#define QUANTIZE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

/** What a code may be: the whole numbers from lo to hi, or 16 levels from lo to hi in rising order. */
struct code {
    float lo, hi;
    const int8_t *levels; /* NULL: whole numbers */
};

/** Values and how much each counts. */
struct values {
    const float *x, *w; /* |x| up to about 1 */
    int n;              /* a multiple of 8 */
};

/** Weighted sums for one (d, m), q being the nearest codes and r = x - d q + m what is left. */
struct sums {
    float w, q, qq, r, rq, rr;
};

struct line {
    float d, m;
};

/** The sums; the codes as well unless q is NULL. */
struct sums measure(const struct values *v, const struct code *code, struct line at, float *q);
/** Best scale alone (m = 0). It may be negative where the range of codes is not symmetric. */
float search_scale(const struct values *v, const struct code *code);
/** Best scale, not negative, and minimum, which is not negative either unless `any_minimum`; code->lo is 0. */
struct line search_line(const struct values *v, const struct code *code, bool any_minimum);
/** The change of (d, m) that is best for the codes as they are, by least squares. */
struct line correction(const struct sums *s);

#endif
