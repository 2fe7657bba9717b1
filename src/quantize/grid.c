/* grid.c - branch and bound over the halves of codes.
 *
 * What a code costs is what its low half costs plus what its high half costs. So for one scale all halves are priced,
 * some 80 on each side, and codes are looked at by their high halves, only where the high half together with the
 * cheapest low half of all could still be the best. Most are not. */
#include "src/quantize/grid.h"

#include "kernels/generic/simd4.h"

#include <math.h>

int grid_size(const void *codes, int code, int n_values, int i)
{
    return ((const int8_t *)codes)[code * n_values + i];
}

/* Number of a half among those found so far; a new one is added. */
static int find_half(float half[4][PART_MAX], int *n, const void *codes, int code, int n_values, int from)
{
    const int width = n_values / 2;
    for (int h = 0; h < *n; h++) {
        int same = 0;
        while (same < width && half[same][h] == (float)grid_size(codes, code, n_values, from + same))
            same++;
        if (same == width)
            return h;
    }
    for (int i = 0; i < width; i++)
        half[i][*n] = (float)grid_size(codes, code, n_values, from + i);
    return (*n)++;
}

static void repeat_last(float half[4][PART_MAX], int n, int to)
{
    for (int i = 0; i < 4; i++)
        for (int h = n; h < to; h++)
            half[i][h] = half[i][n - 1];
}

void grid_build(struct grid *g, const void *codes, int n, int n_values)
{
    uint8_t low[CODE_MAX], high[CODE_MAX];
    int n_low = 0, n_high = 0, at = 0;
    memset(g, 0, sizeof *g);
    g->n_values = n_values;
    for (int code = 0; code < n; code++) {
        low[code] = (uint8_t)find_half(g->low, &n_low, codes, code, n_values, 0);
        high[code] = (uint8_t)find_half(g->high, &n_high, codes, code, n_values, n_values / 2);
    }
    g->n_parts = ((n_low > n_high ? n_low : n_high) + VF - 1) / VF * VF;
    repeat_last(g->low, n_low, g->n_parts);
    repeat_last(g->high, n_high, g->n_parts);
    for (int h = 0; h < g->n_parts; h++) {
        g->first[h] = (uint16_t)at;
        for (int code = 0; code < n; code++)
            if (high[code] == h) {
                g->low_of[at] = low[code];
                g->code[at++] = (uint16_t)code;
            }
    }
    g->first[g->n_parts] = (uint16_t)at;
}

/* Of one side; the width is a constant where this is called. */
static inline void measure_halves(float *p, float *q, float *least, const float half[4][PART_MAX], int n_parts,
                                  int width, const float *x, const float *w, vf shift,
                                  bool needs_least)
{
    vf weight[4], weighted[4];
    for (int i = 0; i < width; i++) {
        weight[i] = vf_set(w[i]);
        weighted[i] = vf_set(2 * w[i] * x[i]);
    }
    for (int h = 0; h < n_parts; h += VF) {
        vf sum_p = vf_set(0), sum_q = sum_p, lowest = vf_set(INFINITY);
        for (int i = 0; i < width; i++) {
            const vf size = vf_load(half[i] + h) + shift, product = weighted[i] * size;
            sum_p += product;
            sum_q += weight[i] * size * size;
            lowest = needs_least ? vf_min(lowest, product) : lowest;
        }
        vf_store(p + h, sum_p);
        vf_store(q + h, sum_q);
        if (needs_least)
            vf_store(least + h, lowest);
    }
}

static inline __attribute__((always_inline)) void measure_both(struct grid_sums *s, const struct grid *g, int width,
                                                               const float *x, const float *w, float shift, bool flip)
{
    const vf by = vf_set(shift);
    measure_halves(s->low_p, s->low_q, s->low_least, g->low, g->n_parts, width, x, w, by, flip);
    measure_halves(s->high_p, s->high_q, s->high_least, g->high, g->n_parts, width, x + width, w + width, by,
                   flip);
}

void grid_measure(struct grid_sums *s, const struct grid *g, const float *x, const float *w, float shift, bool flip)
{
    if (g->n_values == 8 && flip)
        measure_both(s, g, 4, x, w, shift, true);
    else if (g->n_values == 8)
        measure_both(s, g, 4, x, w, shift, false);
    else
        measure_both(s, g, 2, x, w, shift, true);
    s->flip = flip;
    s->entry = -1;
}

/* Prices of the halves of one side, for one scale: scale q - p, and twice `least` where it turns. Returns the least. */
static inline float price(float *cost, const float *p, const float *q, const float *least, int n_parts, float scale,
                          bool turns)
{
    vf lowest = vf_set(INFINITY);
    for (int h = 0; h < n_parts; h += VF) {
        vf c = vf_set(scale) * vf_load(q + h) - vf_load(p + h);
        if (turns)
            c += vf_set(2) * vf_load(least + h);
        vf_store(cost + h, c);
        lowest = vf_min(lowest, c);
    }
    return vf_least(lowest);
}

struct pair {
    float cost;
    int entry, high;
};

static inline void visit(struct pair *best, const struct grid *g, const float *low, const float *high, int h)
{
    for (int e = g->first[h]; e < g->first[h + 1]; e++) {
        const float cost = low[g->low_of[e]] + high[h];
        if (cost < best->cost)
            *best = (struct pair){ cost, e, h };
    }
}

/* The cheapest code, if it is cheaper than *best. */
static void search(struct pair *best, const struct grid *g, const float *low, float least_low, const float *high)
{
    for (int h = 0; h < g->n_parts; h += VF) {
        unsigned lanes = vf_bits(vf_less(vf_load(high + h), vf_set(best->cost - least_low)));
        for (; lanes; lanes &= lanes - 1)
            visit(best, g, low, high, h + __builtin_ctz(lanes));
    }
}

/* Begin with the code that was best before, else with those of the cheapest high half. */
static void begin(struct pair *best, const struct grid *g, const struct grid_sums *s, const float *low,
                  const float *high, float least_high)
{
    if (s->entry >= 0) {
        *best = (struct pair){ low[g->low_of[s->entry]] + high[s->high], s->entry, s->high };
        return;
    }
    int h = 0;
    while (h < g->n_parts - 1 && high[h] > least_high)
        h++;
    visit(best, g, low, high, h);
}

struct grid_best grid_nearest(const struct grid *g, struct grid_sums *s, float scale)
{
    float low[PART_MAX], high[PART_MAX];
    struct pair best = { INFINITY, 0, 0 };
    const int n = g->n_parts;
    bool high_turned = s->flip;
    const float least_low = price(low, s->low_p, s->low_q, NULL, n, scale, false);
    const float least_high = high_turned ? price(high, s->high_p, s->high_q, s->high_least, n, scale, true)
                                         : price(high, s->high_p, s->high_q, NULL, n, scale, false);
    begin(&best, g, s, low, high, least_high);
    search(&best, g, low, least_low, high);
    if (s->flip) {
        const float before = best.cost, least = price(low, s->low_p, s->low_q, s->low_least, n, scale, true);
        price(high, s->high_p, s->high_q, NULL, n, scale, false);
        search(&best, g, low, least, high);
        high_turned = best.cost == before;
    }
    s->entry = best.entry;
    s->high = best.high;
    const int l = g->low_of[best.entry], h = best.high;
    const float lost = !s->flip ? 0 : 2 * (high_turned ? s->high_least[h] : s->low_least[l]);
    return (struct grid_best){ g->code[best.entry], s->low_p[l] + s->high_p[h] - lost, s->low_q[l] + s->high_q[h] };
}
