/* fit_grid.h - one block's weights as codes of a grid: w = d (2 sc + 1) / divisor * size * sign, or for sizes that have
 * signs themselves * (size + shift). */
#ifndef QUANTIZE_FIT_GRID_H
#define QUANTIZE_FIT_GRID_H

#include "src/quantize/fit.h"
#include "src/quantize/grid.h"

/** What there is besides the sizes. */
enum extra {
    SIGNS,       /* one for each weight */
    SIGNS_EVEN,  /* the same, but an even number of minus signs in eight */
    SHIFT_GROUP, /* the sizes have signs; + or - 1/8 for each sub-block */
    SHIFT_RUN    /* the same for each eight weights */
};

struct grid_form {
    const void *codes;     /* as grid_build() takes them */
    uint16_t n_codes;
    uint8_t n_values;      /* of a code */
    uint8_t sub, n_scales; /* weights in a sub-block, and what sc may be: 0 .. n_scales - 1 */
    float divisor;
    enum extra extra;
    struct code levels;    /* the sizes that there are, in rising order */
};

enum { CODES_MAX = 64, RUNS = 32 };

struct fitted_grid {
    float d;
    uint16_t code[CODES_MAX];
    uint8_t signs[RUNS]; /* of eight weights, the lowest bit first, 1 for minus */
    uint8_t minus[RUNS]; /* 1: the shift is negative */
    uint8_t sc[SUB_MAX];
};

/** False if a value is not finite, or so large that d is. */
bool fit_grid_block(struct fitted_grid *out, const struct kernels *k, const struct grid_form *form,
                    const struct grid *grid, const float *x, const float *importance);

#endif
