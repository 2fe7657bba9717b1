/* grid.h - the nearest of a few hundred patterns of 4 or 8 sizes, without looking at all of them. */
#ifndef QUANTIZE_GRID_H
#define QUANTIZE_GRID_H

#include <stdbool.h>
#include <stdint.h>

enum { PART_MAX = 96, CODE_MAX = 2048 };

/** A codebook cut in halves: a code is a low half and a high half. There are at most 81 of each (three sizes, four
 *  places). */
struct grid {
    int n_values; /* of a code: 4 or 8 */
    int n_parts;  /* halves on the side that has more, rounded up to whole vectors: the last one stands again */
    float low[4][PART_MAX], high[4][PART_MAX]; /* size i of each half */
    /* Codes with the high half h are first[h] .. first[h + 1] - 1: their low halves, and their numbers. */
    uint16_t first[PART_MAX + 1], code[CODE_MAX];
    uint8_t low_of[CODE_MAX];
};

/** `codes`: n numbers, each the sizes of a code in two's complement, the lowest byte first. */
void grid_build(struct grid *g, const void *codes, int n, int n_values);
/** Size i of a code. */
int grid_size(const void *codes, int code, int n_values, int i);

/** What the halves say of values x weighted by w: sums of 2 w x size and of w size^2, and the least 2 w x size. */
struct grid_sums {
    float low_p[PART_MAX], low_q[PART_MAX], low_least[PART_MAX];
    float high_p[PART_MAX], high_q[PART_MAX], high_least[PART_MAX];
    bool flip;
    int entry, high; /* where the last search ended: the next one begins there. entry -1: there was none */
};
/** x and w have n_values elements; all sizes are shifted by `shift`. `flip`: one sign is to be turned, the one that
 *  costs least. */
void grid_measure(struct grid_sums *s, const struct grid *g, const float *x, const float *w, float shift, bool flip);

/** The code that says x best as scale * size, by the least sum of w (x - scale size)^2 = ... + scale (scale q - p).
 *  scale is above 0. */
struct grid_best {
    int code;
    float p, q;
};
struct grid_best grid_nearest(const struct grid *g, struct grid_sums *s, float scale);

#endif
