/* dot.h - float dot products in partial sums: value i goes to part i % PARTS, then the parts are added in one fixed
 * order. Less rounding than one running sum, and the compiler may keep the parts in a vector. */
#ifndef KERNELS_SCALAR_DOT_H
#define KERNELS_SCALAR_DOT_H

#include <stddef.h>

#define PARTS 8

/** Add n products; to go on later, n must be a multiple of PARTS. */
static inline void add_products(float parts[PARTS], const float *a, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (size_t p = 0; p < PARTS; p++)
            parts[p] += a[i + p] * b[i + p];
    for (size_t p = 0; i + p < n; p++)
        parts[p] += a[i + p] * b[i + p];
}

static inline float sum_parts(const float p[PARTS])
{
    return ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
}

static inline float dot(const float *a, const float *b, size_t n)
{
    float parts[PARTS] = { 0 };
    add_products(parts, a, b, n);
    return sum_parts(parts);
}

#endif
