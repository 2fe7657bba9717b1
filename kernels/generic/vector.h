/* vector.h - operations on one vector, written once over the vector that kernels/<set>/simd.h names: the vector.c of
 * the set includes simd.h, then this, and calls fill_vector(). Ragged ends go through masked loads and stores: nothing
 * beyond n is read or written. */
#ifndef KERNELS_GENERIC_VECTOR_H
#define KERNELS_GENERIC_VECTOR_H

#include "kernels/generic/math.h"
#include "kernels/kernels.h"

static inline vf vf_at(const float *p, size_t m)
{
    return m == VF ? vf_load(p) : vf_load_n(p, m);
}
static inline void vf_put(float *p, vf x, size_t m)
{
    if (m == VF)
        vf_store(p, x);
    else
        vf_store_n(p, x, m);
}

/* y[i] = expression for all i < n, a vector at a time. AT(p) in the expression is the part of p at i: m values, where
 * m is the constant VF but at the end. */
#define AT(p) vf_at((p) + i, m)
#define MAP(y, n, expression) \
    do { \
        size_t i = 0, m = VF; \
        for (; i + VF <= (n); i += VF) \
            vf_store((y) + i, expression); \
        m = (n)-i; \
        if (m) \
            vf_store_n((y) + i, expression, m); \
    } while (0)

/* Sum of a * b, or of a where b is NULL; in four chains, which hide the latency of an addition. */
static inline float sum_products(const float *a, const float *b, size_t n)
{
    vf s0 = vf_set(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0, m = VF;
#define STEP(s) s = vf_fma(AT(a), b ? AT(b) : vf_set(1), s), i += VF
    while (i + 4 * VF <= n)
        STEP(s0), STEP(s1), STEP(s2), STEP(s3);
    while (i + VF <= n)
        STEP(s0);
    m = n - i;
    if (m)
        STEP(s1);
#undef STEP
    return vf_sum((s0 + s1) + (s2 + s3));
}

static float dot(const float *a, const float *b, size_t n)
{
    return sum_products(a, b, n);
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const vf scale = vf_set((float)(1 / sqrt((double)sum_products(x, x, n) / (double)n + (double)eps)));
    if (w)
        MAP(y, n, AT(x) * scale * AT(w));
    else
        MAP(y, n, AT(x) * scale);
}

/* The differences from the mean are kept in y, so that the variance does not come out of a cancellation. */
static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    const vf mean = vf_set((float)((double)sum_products(x, NULL, n) / (double)n));
    MAP(y, n, AT(x) - mean);
    const vf scale = vf_set((float)(1 / sqrt((double)sum_products(y, y, n) / (double)n + (double)eps)));
    if (w && b)
        MAP(y, n, vf_fma(AT(y) * scale, AT(w), AT(b)));
    else if (w)
        MAP(y, n, AT(y) * scale * AT(w));
    else if (b)
        MAP(y, n, vf_fma(AT(y), scale, AT(b)));
    else
        MAP(y, n, AT(y) * scale);
}

/* x[i] becomes exp(x[i] - shift); returns the sum of at most a few thousand of them. */
static float exp_and_sum(float *x, size_t n, vf shift)
{
    vf sum = vf_set(0);
    size_t i = 0;
    for (; i + VF <= n; i += VF) {
        const vf e = vf_exp(vf_load(x + i) - shift);
        vf_store(x + i, e);
        sum = sum + e;
    }
    if (i < n) { /* the lanes beyond n become 0 again on the way through memory */
        vf_store_n(x + i, vf_exp(vf_load_n(x + i, n - i) - shift), n - i);
        sum = sum + vf_load_n(x + i, n - i);
    }
    return vf_sum(sum);
}

/* The sum of a large vocabulary is taken in double from parts that a float can sum. */
static void softmax(float *x, size_t n)
{
    enum { PART = 1024 };
    vf max = vf_set(-INFINITY);
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        max = vf_max(vf_load(x + i), max);
    float largest = vf_largest(max);
    for (; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    double sum = 0;
    const vf shift = vf_set(largest == -INFINITY ? 0 : largest);
    for (i = 0; i < n; i += PART)
        sum += (double)exp_and_sum(x + i, n - i < PART ? n - i : PART, shift);
    const vf scale = vf_set(sum > 0 ? (float)(1 / sum) : 0);
    MAP(x, n, AT(x) * scale);
}

#define ACTIVATION(name) \
    static void activate_##name(float *y, const float *x, size_t n) \
    { \
        MAP(y, n, vf_##name(AT(x))); \
    } \
    static void gate_##name(float *y, const float *g, const float *u, size_t n) \
    { \
        MAP(y, n, vf_##name(AT(g)) * AT(u)); \
    }
ACTIVATION(silu)
ACTIVATION(gelu)
ACTIVATION(gelu_tanh)
ACTIVATION(relu)
ACTIVATION(relu2)
#undef ACTIVATION

static void add(float *y, const float *a, const float *b, size_t n)
{
    MAP(y, n, AT(a) + AT(b));
}

static void mul(float *y, const float *a, const float *b, size_t n)
{
    MAP(y, n, AT(a) * AT(b));
}

static void scale(float *y, const float *x, float s, size_t n)
{
    MAP(y, n, AT(x) * vf_set(s));
}

static void add_scaled(float *y, const float *x, float s, size_t n)
{
    MAP(y, n, vf_fma(AT(x), vf_set(s), AT(y)));
}

/* x cos - swapped x sin in even places, + in odd ones; half a vector of angles, c and s, serves a vector of values. */
static inline void turn_pairs(float *x, vf c, vf s, size_t m)
{
    const vf v = vf_at(x, m);
    vf_put(x, vf_fma_sub_add(v, vf_twice(c), vf_swap_pairs(v) * vf_twice(s)), m);
}

static void rope_pairs(float *x, const float *cos, const float *sin, size_t n_rot)
{
    size_t i = 0;
    for (; i + VF <= n_rot; i += VF)
        turn_pairs(x + i, vf_load_half(cos + i / 2), vf_load_half(sin + i / 2), VF);
    const size_t m = n_rot - i;
    if (m)
        turn_pairs(x + i, vf_load_n(cos + i / 2, m / 2), vf_load_n(sin + i / 2, m / 2), m);
}

static inline void turn_halves(float *x, float *y, const float *cos, const float *sin, size_t m)
{
    const vf a = vf_at(x, m), b = vf_at(y, m), c = vf_at(cos, m), s = vf_at(sin, m);
    vf_put(x, vf_fnma(b, s, a * c), m);
    vf_put(y, vf_fma(a, s, b * c), m);
}

static void rope_halves(float *x, const float *cos, const float *sin, size_t n_rot)
{
    const size_t half = n_rot / 2;
    size_t i = 0;
    for (; i + VF <= half; i += VF)
        turn_halves(x + i, x + half + i, cos + i, sin + i, VF);
    if (i < half)
        turn_halves(x + i, x + half + i, cos + i, sin + i, half - i);
}

static inline void angles_at(float *cos, float *sin, vf angle, vf magnitude, size_t m)
{
    vf c;
    const vf s = vf_sin_cos(angle, &c);
    vf_put(cos, c * magnitude, m);
    vf_put(sin, s * magnitude, m);
}

static void angles(float *cos, float *sin, const float *frequency, float position, float magnitude, size_t n)
{
    const vf at = vf_set(position), size = vf_set(magnitude);
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        angles_at(cos + i, sin + i, at * vf_load(frequency + i), size, VF);
    if (i < n)
        angles_at(cos + i, sin + i, at * vf_load_n(frequency + i, n - i), size, n - i);
}

static void fill_vector(struct kernels *k)
{
    k->rms_norm = rms_norm;
    k->layer_norm = layer_norm;
    k->softmax = softmax;
#define ENTRY(name, NAME) \
    k->activate[ACTIVATION_##NAME] = activate_##name; \
    k->gate[ACTIVATION_##NAME] = gate_##name;
    ENTRY(silu, SILU)
    ENTRY(gelu, GELU)
    ENTRY(gelu_tanh, GELU_TANH)
    ENTRY(relu, RELU)
    ENTRY(relu2, RELU2)
#undef ENTRY
    k->add = add;
    k->mul = mul;
    k->scale = scale;
    k->add_scaled = add_scaled;
    k->dot = dot;
    k->angles = angles;
    k->rope_pairs = rope_pairs;
    k->rope_halves = rope_halves;
}

#endif
