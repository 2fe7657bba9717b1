/* elementary.h - exponential and logarithm made of IEEE additions, multiplications and divisions only, so that every
 * machine gets the same bits. */
#ifndef SAMPLER_ELEMENTARY_H
#define SAMPLER_ELEMENTARY_H

#include "src/base/numbers.h"

/* Fused multiply-add would give other bits where the machine has it. With -std=c11 gcc makes none. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/** e^x for x <= 0, within 2e-7 relatively; 0 below -87. x = n ln 2 + r with |r| <= ln(2) / 2, e^r by its
 *  Taylor series (remainder 5e-9). */
static inline float exp_negative(float x)
{
    /* Clamped as integers, which order as the floats do: so there is no branch, and loops become vectors. */
    const int32_t size = (int32_t)(f32_bits(x) & 0x7fffffff), most = 0x42ae0000; /* 87 */
    const float c = -f32_from_bits((uint32_t)(size < most ? size : most)), magic = 0x1.8p23f;
    /* adding magic rounds to a whole number */
    const float shifted = c * 0x1.715476p+0f + magic, n = shifted - magic;
    /* ln 2 in two parts, the first of 12 bits, so that n times it is exact */
    const float r = c - n * 0x1.62ep-1f - n * 0x1.0bfbe8p-15f;
    const float p = 1 + r * (1 + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 +
                    r * (1.0f / 5040)))))));
    const float scale = f32_from_bits((f32_bits(shifted) - f32_bits(magic) + 127) << 23);
    return f32_from_bits(f32_bits(p * scale) & (size < most ? 0xffffffff : 0));
}

/** ln x for a finite x > 0 that is no denormal, within 4e-16 of it or of 1, whichever is larger. x = 2^n m with m about
 *  1, ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172, by its series up to s^21. */
static inline double log_positive(double x)
{
    union {
        double f;
        uint64_t u;
    } m = { .f = x };
    int n = (int)(m.u >> 52) - 1023;
    m.u = (m.u & 0xfffffffffffff) | 0x3ff0000000000000;
    if (m.f > 0x1.6a09e667f3bcdp+0) { /* the square root of 2 */
        m.f /= 2;
        n++;
    }
    const double s = (m.f - 1) / (m.f + 1), z = s * s;
    double sum = 0;
    for (int i = 21; i >= 1; i -= 2)
        sum = sum * z + 1.0 / i;
    /* ln 2 in two parts, the first of 33 bits, so that n times it is exact */
    return n * 0x1.62e42fefp-1 + (2 * s * sum + n * 0x1.473de6af278edp-34);
}

#endif
