/* math.h - exponential, hyperbolic tangent, normal distribution, sine and cosine of vectors, and the activations made
 * of them.
 *
 * Written once over the vector that kernels/<set>/simd.h names; include that first. Coefficients:
 * kernels/gen/minimax.py. Largest error that tests/kernels/test_vector.c found against double precision, in units in
 * the last place of the exact result, the worse of all runs with every 17th and every 67th float on AVX2; AVX-512 gave
 * the same with every 67th:
 *
 *   softmax     2.9     of two numbers; exp below 2^-126 is 0, so that no subnormal number slows anything down
 *   exp2        1.1     of x <= 0; results below 2^-126 are 0
 *   tanh        2.5
 *   silu        2.5     for x > -87; below it 2^-128 |x|
 *   gelu        5.1     for x > -13; below it 2^-131 |x|
 *   gelu_tanh   2.5     for x > -1; below it 2^-24.7 |x|: exp multiplies the rounding of z
 *
 * Infinities come out as the limits, except that an activation of -infinity may be NaN; NaN stays NaN. */
#ifndef KERNELS_GENERIC_MATH_H
#define KERNELS_GENERIC_MATH_H

#include <math.h>

/* exp(x) = 2^n exp(r), n = x / ln 2 rounded to nearest, and exp(r) - 1 = r + r^2 q(r) for |r| <= ln 2 / 2. Adding
 * 1.5 * 2^23 rounds and leaves n in the low bits of t. ln 2 is in two parts, of which the first has few bits: n times
 * it is exact. Returns exp(r) - 1. */
static inline vf vf_exp_reduce(vf x, vf *t)
{
    const vf magic = vf_set(0x1.8p23f);
    *t = vf_fma(x, vf_set(0x1.715476p+0f), magic);
    const vf n = *t - magic;
    const vf r = vf_fnma(n, vf_set(0x1.0bfbe8p-15f), vf_fnma(n, vf_set(0x1.62ep-1f), x));
    vf q = vf_set(0x1.6a2454p-10f);
    q = vf_fma(q, r, vf_set(0x1.1239d4p-7f));
    q = vf_fma(q, r, vf_set(0x1.5558f2p-5f));
    q = vf_fma(q, r, vf_set(0x1.555492p-3f));
    q = vf_fma(q, r, vf_set(0x1.fffffcp-2f));
    return vf_fma(r * r, q, r);
}

static inline vf vf_exp(vf x)
{
    vf t;
    const vf less_1 = vf_exp_reduce(x, &t);
    vf y = vf_add_exponent(vf_set(1) + less_1, t);
    y = vf_select(vf_less(x, vf_set(-0x1.5d589ep+6f)), vf_set(0), y);             /* ln 2^-126 */
    return vf_select(vf_not_at_most(x, vf_set(0x1.62e42ep+6f)), x * vf_set(INFINITY), y); /* ln FLT_MAX; also NaN */
}

/* 2^x for x <= 0: 2^n (1 + f q(f)), n = x rounded to nearest, |f| <= 1/2, taken as exp() takes it; here the low bits of
 * t are n + 127, so that they become the exponent of 2^n. Below -126.5 it is 0, as then is the factor. */
static inline vf vf_exp2(vf x)
{
    const vf magic = vf_set(0x1.8p23f + 127);
    x = vf_max(vf_set(-127), x);
    const vf t = x + magic;
    const vf f = x - (t - magic);
    vf q = vf_set(0x1.470b3ap-13f);
    q = vf_fma(q, f, vf_set(0x1.5f7278p-10f));
    q = vf_fma(q, f, vf_set(0x1.3b270ep-7f));
    q = vf_fma(q, f, vf_set(0x1.c6ae72p-5f));
    q = vf_fma(q, f, vf_set(0x1.ebfbe2p-3f));
    q = vf_fma(q, f, vf_set(0x1.62e432p-1f));
    return vf_fma(f, q, vf_set(1)) * vf_add_exponent(vf_set(0), t);
}

/* tanh(x) = -e / (2 + e) with e = exp(-2|x|) - 1, which the reduction gives without cancellation. Beyond 20 it is 1. */
static inline vf vf_tanh(vf x)
{
    vf t;
    const vf m = vf_exp_reduce(vf_max(vf_set(-40), vf_abs(x) * vf_set(-2)), &t);
    const vf scale = vf_add_exponent(vf_set(1), t);
    const vf e = vf_fma(m, scale, scale - vf_set(1));
    return vf_copy_sign(vf_abs(e) / (vf_set(2) + e), x);
}

/* sin(x) and *cos: x = n pi + r, n = x / pi rounded to nearest, then sin(x) = (-1)^n (r + r^3 p(r^2)) and cos(x) =
 * (-1)^n (1 + r^2 q(r^2)). pi is in two parts, and n times the first of them leaves a difference that a float holds. For
 * |x| <= 2^21, where r is no more than a little beyond pi / 2, they are within 2e-7; farther out r is kept there. */
static inline vf vf_sin_cos(vf x, vf *cos)
{
    const vf magic = vf_set(0x1.8p23f), one = vf_set(1), limit = vf_set(0x1.b4p0f);
    const vf n = vf_fma(x, vf_set(0x1.45f306p-2f), magic) - magic;
    vf r = vf_fnma(n, vf_set(-0x1.777a5cp-24f), vf_fnma(n, vf_set(0x1.921fb6p+1f), x));
    r = vf_min(vf_max(r, vf_set(0) - limit), limit);
    const vf half = vf_fma(n, vf_set(0.5f), magic) - magic;
    const vf odd = vf_fnma(half, vf_set(2), n); /* -1, 0 or 1 */
    const vf sign = vf_fnma(odd + odd, odd, one), s = r * r;
    vf p = vf_set(-0x1.95f45ap-26f), q = vf_set(-0x1.1525c8p-22f);
    p = vf_fma(p, s, vf_set(0x1.7137bcp-19f));
    q = vf_fma(q, s, vf_set(0x1.9f2c0cp-16f));
    p = vf_fma(p, s, vf_set(-0x1.a015ep-13f));
    q = vf_fma(q, s, vf_set(-0x1.6c116p-10f));
    p = vf_fma(p, s, vf_set(0x1.111106p-7f));
    q = vf_fma(q, s, vf_set(0x1.55553ap-5f));
    p = vf_fma(p, s, vf_set(-0x1.555556p-3f));
    q = vf_fma(q, s, vf_set(-0.5f));
    *cos = vf_fma(q, s, one) * sign;
    return vf_fma(r * s, p, r) * sign;
}

/* Upper tail of the normal distribution, erfc(t / sqrt(2)) / 2 for 0 <= t <= 15, with a small relative error however
 * far out: exp(-t^2 / 2) times a smooth function, s p(u) with s = 1 / (t + 2) and u = (t - 2) / (t + 2). The rounding
 * error of t^2 is put back as a factor, because exp would blow it up. */
static inline vf vf_normal_tail(vf t)
{
    const vf s = vf_set(1) / (t + vf_set(2)), u = (t - vf_set(2)) * s;
    vf p = vf_set(-0x1.259864p-14f);
    p = vf_fma(p, u, vf_set(0x1.5039d2p-15f));
    p = vf_fma(p, u, vf_set(0x1.78e8f4p-11f));
    p = vf_fma(p, u, vf_set(0x1.c9bc94p-11f));
    p = vf_fma(p, u, vf_set(-0x1.ef66f4p-10f));
    p = vf_fma(p, u, vf_set(-0x1.ba2d7ep-8f));
    p = vf_fma(p, u, vf_set(-0x1.fa7f08p-12f));
    p = vf_fma(p, u, vf_set(0x1.2cd15cp-5f));
    p = vf_fma(p, u, vf_set(0x1.d7d518p-6f));
    p = vf_fma(p, u, vf_set(-0x1.535bb6p-2f));
    p = vf_fma(p, u, vf_set(0x1.5845dcp-1f));
    const vf square = t * t, half_lost = vf_fma(t, t, -square) * vf_set(0.5f), e = vf_exp(square * vf_set(-0.5f));
    return vf_fnma(e, half_lost, e) * (s * p);
}

static inline vf vf_silu(vf x)
{
    return x / (vf_set(1) + vf_exp(-x));
}

/* x times the normal distribution function. */
static inline vf vf_gelu(vf x)
{
    const vf tail = vf_normal_tail(vf_min(vf_set(15), vf_abs(x)));
    return x * vf_select(vf_less(x, vf_set(0)), tail, vf_set(1) - tail);
}

/* x (1 + tanh z) / 2 = x / (1 + exp(-2 z)), z = sqrt(2 / pi) (x + 0.044715 x^3): the same without cancelling. */
static inline vf vf_gelu_tanh(vf x)
{
    const float c = -2 * 0.79788456080286536f;
    return x / (vf_set(1) + vf_exp(x * vf_fma(x * x, vf_set(c * 0.044715f), vf_set(c))));
}

static inline vf vf_relu(vf x)
{
    return vf_max(x, vf_set(0));
}

static inline vf vf_relu2(vf x)
{
    return vf_relu(x) * vf_relu(x);
}

#endif
