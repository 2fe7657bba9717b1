/* fit.h - one block's weights as codes, scales and minima that its type can hold; the same for all types of one shape:
 * w = d * sc * q - dmin * m, with sc and m whole numbers for each sub-block (both 1 where a block has none). */
#ifndef QUANTIZE_FIT_H
#define QUANTIZE_FIT_H

#include "src/quantize/search.h"

#include "kernels/blocks.h"

enum { SUB_MAX = 16 };

/** How a type holds its floating-point scale. */
enum scale_kind {
    SCALE_F16, /* one for the block */
    SCALE_E8M0, SCALE_UE4M3, /* one for each sub-block, half of what the number means: see blocks.h */
};

/** What a type can say. */
struct form {
    struct code code;
    uint16_t block, sub;     /* values in a block and in a sub-block */
    struct code scale;       /* of sub-blocks; both ends 0: there are none */
    float min_hi;            /* minima of sub-blocks are 0 .. min_hi; 0: there are none */
    bool has_minimum;        /* one for the block, of any sign, where there are no sub-blocks */
    enum scale_kind kind;
    bool is_plain;           /* a single turn of candidates will do where all values count the same */
};

struct fitted {
    float d, dmin; /* as the type will hold them */
    int8_t q[BLOCK_MAX], sc[SUB_MAX];
    uint8_t m[SUB_MAX];
    uint8_t number[SUB_MAX]; /* the scales of sub-blocks that are numbers of their own, as bytes */
};

/** A block's values divided by the largest, so that no sum can overflow or vanish, and how much each counts. */
struct scaled {
    float unit;       /* what x was divided by */
    bool is_weighted; /* else all w are 1 */
    float x[BLOCK_MAX], w[BLOCK_MAX];
};
/** False if a value is not finite, or above 2^124. `importance` may be NULL: all count the same. n: a multiple of 4. */
bool scale_block(struct scaled *s, const float *x, const float *importance, int n);

/** False if a value is not finite, or so large that d or dmin is. */
bool fit_block(struct fitted *out, const struct kernels *k, const struct form *form, const float *x,
               const float *importance);

#endif
