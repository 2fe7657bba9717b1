/* vector.c - operations on one vector: norms, soft-max, activations, sums and products, rotation. Sums of norms and of
 * soft-max run in double, so that the reference adds no error of its own. */
#include "kernels/scalar/dot.h"
#include "kernels/scalar/scalar.h"

#include <math.h>

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    const float scale = (float)(1 / sqrt(squares / (double)n + eps));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * scale * (w ? w[i] : 1);
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    const double scale = 1 / sqrt(squares / (double)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((x[i] - mean) * scale) * (w ? w[i] : 1) + (b ? b[i] : 0);
}

static void softmax(float *x, size_t n)
{
    float max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    const float shift = max == -INFINITY ? 0 : max;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - shift);
        sum += x[i];
    }
    const float scale = sum > 0 ? (float)(1 / sum) : 0;
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}

static inline float silu(float x)
{
    return x / (1 + expf(-x));
}

/* x times the normal distribution function. erfc instead of 1 + erf, so that nothing cancels where x < 0. */
static inline float gelu(float x)
{
    return 0.5f * x * erfcf(x * -0.70710678118654752f);
}

/* 0.5 x (1 + tanh z), z = sqrt(2 / pi) (x + 0.044715 x^3),
 * written as x / (1 + exp(-2 z)): the same without cancelling. */
static inline float gelu_tanh(float x)
{
    return x / (1 + expf(-2 * 0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

static inline float relu(float x)
{
    return x > 0 ? x : 0;
}

static inline float relu2(float x)
{
    return relu(x) * relu(x);
}

#define ACTIVATION(name) \
    static void activate_##name(float *y, const float *x, size_t n) \
    { \
        for (size_t i = 0; i < n; i++) \
            y[i] = name(x[i]); \
    } \
    static void gate_##name(float *y, const float *g, const float *u, size_t n) \
    { \
        for (size_t i = 0; i < n; i++) \
            y[i] = name(g[i]) * u[i]; \
    }
ACTIVATION(silu)
ACTIVATION(gelu)
ACTIVATION(gelu_tanh)
ACTIVATION(relu)
ACTIVATION(relu2)
#undef ACTIVATION

static void add(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void mul(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void scale(float *y, const float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s;
}

static void add_scaled(float *y, const float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i] * s;
}

static void rotate(float *a, float *b, float cos, float sin)
{
    const float x = *a, y = *b;
    *a = x * cos - y * sin;
    *b = x * sin + y * cos;
}

static void rope_pairs(float *x, const float *cos, const float *sin, size_t n_rot)
{
    for (size_t i = 0; i < n_rot / 2; i++)
        rotate(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
}

static void rope_halves(float *x, const float *cos, const float *sin, size_t n_rot)
{
    for (size_t i = 0; i < n_rot / 2; i++)
        rotate(x + i, x + i + n_rot / 2, cos[i], sin[i]);
}

static void angles(float *cos, float *sin, const float *frequency, float position, float magnitude, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float angle = position * frequency[i];
        cos[i] = cosf(angle) * magnitude;
        sin[i] = sinf(angle) * magnitude;
    }
}

void kernels_init_scalar_vector(struct kernels *k)
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
