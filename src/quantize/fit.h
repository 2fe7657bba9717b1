/* fit.h - one block's weights as codes, scales and minima that its type can hold; the same for all types of one shape:
 * w = d * sc * q - dmin * m, with sc and m whole numbers for each sub-block (both 1 where a block has none). */
#ifndef QUANTIZE_FIT_H
#define QUANTIZE_FIT_H

#include "src/quantize/search.h"

#include "kernels/blocks.h"

enum { SUB_MAX = 16, SUB_MIN_LENGTH = 16 };

/** What a type can say. */
struct form {
    struct code code;
    uint16_t block, sub;  /* values in a block and in a sub-block */
    struct code scale;    /* of sub-blocks; both ends 0: there are none */
    float min_hi;         /* minima of sub-blocks are 0 .. min_hi; 0: there are none */
    bool has_minimum;     /* one for the block, of any sign, where there are no sub-blocks */
    bool power_of_two;    /* d is one, instead of an f16 */
};

struct fitted {
    float d, dmin; /* as the type will hold them */
    int8_t q[BLOCK_MAX], sc[SUB_MAX];
    uint8_t m[SUB_MAX];
};

/** False if a value is not finite, or so large that d or dmin is. */
bool fit_block(struct fitted *out, const struct form *form, const float *x, const float *importance);

#endif
