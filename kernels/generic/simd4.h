/* simd4.h - the names that kernels/generic/ is written in over vectors of four floats, which every 64-bit machine has:
 * for code outside the sets that would take four times as long without them. */
#ifndef KERNELS_GENERIC_SIMD4_H
#define KERNELS_GENERIC_SIMD4_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE__) /* where compilers do not find the instructions for min and max themselves */
#include <xmmintrin.h>
#endif

enum { VF = 4 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vf_mask __attribute__((vector_size(16))); /* all bits of a lane, or none */

static inline vf vf_set(float x)
{
    return (vf){ x, x, x, x };
}
static inline vf vf_load(const float *p)
{
    vf x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline void vf_store(float *p, vf x)
{
    memcpy(p, &x, sizeof x);
}
static inline vf_mask vf_less(vf a, vf b)
{
    return a < b;
}
static inline vf vf_select(vf_mask m, vf yes, vf no)
{
    return (vf)(((vf_mask)yes & m) | ((vf_mask)no & ~m));
}
/** Bit l is whether the mask has lane l. */
static inline unsigned vf_bits(vf_mask m)
{
#if defined(__SSE__)
    return (unsigned)_mm_movemask_ps((vf)m);
#else
    uint64_t halves[2];
    memcpy(halves, &m, sizeof m);
    if (!(halves[0] | halves[1]))
        return 0;
    return (m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8);
#endif
}
/** The least of the four, none of which may be a NaN. */
static inline float vf_least(vf x)
{
    const float a = x[0] < x[1] ? x[0] : x[1], b = x[2] < x[3] ? x[2] : x[3];
    return a < b ? a : b;
}
/** The largest of the four, none of which may be a NaN. */
static inline float vf_most(vf x)
{
    const float a = x[0] > x[1] ? x[0] : x[1], b = x[2] > x[3] ? x[2] : x[3];
    return a > b ? a : b;
}
/** To the nearest whole number, ties to even, of |x| < 2^22: a sum near 2^23 has no room for fractions. */
static inline vf vf_round(vf x)
{
    return x + vf_set(0x1.8p23f) - vf_set(0x1.8p23f);
}
/** Where one of them is not a number: b. */
static inline vf vf_min(vf a, vf b)
{
#if defined(__SSE__)
    return _mm_min_ps(a, b);
#else
    return vf_select(a < b, a, b);
#endif
}
static inline vf vf_max(vf a, vf b)
{
#if defined(__SSE__)
    return _mm_max_ps(a, b);
#else
    return vf_select(a > b, a, b);
#endif
}

#endif
