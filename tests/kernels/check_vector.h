/* check_vector.h - norms, soft-max, activations, sums, products and rotation against the same formula in double.
 *
 * Vectors end at the guard and begin after canaries; sizes are small half of the time, to meet the ends of vectors. A
 * sum over n values may be off by (n / 16 + 8) epsilon of its terms' sizes: eight or more partial sums. */
#ifndef TESTS_KERNELS_CHECK_VECTOR_H
#define TESTS_KERNELS_CHECK_VECTOR_H

#include "tests/kernels/harness.h"

#define VECTOR_MAX 4100
#define ROUNDS 60

static double sum_error(size_t n)
{
    return ((double)n / 16 + 8) * FLT_EPSILON;
}

/* n random floats of the given fill, against the guard. */
static float *vector(struct guarded *g, size_t n, enum fill fill, float limit)
{
    float *const x = guarded_take(g, n * sizeof *x);
    fill_floats(x, n, fill, limit);
    return x;
}

static float copy_of_a[VECTOR_MAX], copy_of_b[VECTOR_MAX];

static void keep(float *copy, const float *x, size_t n)
{
    memcpy(copy, x, n * sizeof *x);
}

static void check_fronts(void)
{
    check_true(guarded_front_intact(&mem_y) && guarded_front_intact(&mem_a) && guarded_front_intact(&mem_b),
               "wrote before a vector");
}

/* --- norms --- */

static void check_rms_norm(const struct kernels *k, int index)
{
    (void)index;
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        const enum fill fill = case_fill(round);
        const bool weighted = random_int(0, 3), in_place = random_int(0, 1);
        CASE("n %zu, %s, %sweights%s", n, fill_names[fill], weighted ? "" : "no ", in_place ? ", in place" : "");
        float *const x = vector(&mem_a, n, fill, 1e15f), *const w = vector(&mem_b, n, FILL_RANDOM, 1);
        float *const y = in_place ? x : guarded_take(&mem_y, n * sizeof *y);
        keep(copy_of_a, x, n);
        k->rms_norm(y, x, weighted ? w : NULL, n, 1e-6f);
        check_fronts();
        double squares = 0;
        for (size_t i = 0; i < n; i++)
            squares += (double)copy_of_a[i] * (double)copy_of_a[i];
        const double scale = 1 / sqrt(squares / (double)n + (double)1e-6f);
        for (size_t i = 0; i < n; i++) {
            const double want = (double)copy_of_a[i] * scale * (weighted ? (double)w[i] : 1);
            check_near((double)y[i], want, sum_error(n) * fabs(want) + (double)FLT_MIN, "y", i);
        }
    }
}

static void check_layer_norm(const struct kernels *k, int index)
{
    (void)index;
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        const enum fill fill = case_fill(round);
        const bool weighted = random_int(0, 3), biased = random_int(0, 1), in_place = random_int(0, 1);
        CASE("n %zu, %s, %sweights, %sbias%s", n, fill_names[fill], weighted ? "" : "no ", biased ? "" : "no ",
             in_place ? ", in place" : "");
        float *const x = vector(&mem_a, n, fill, 1e12f), *const w = vector(&mem_b, n, FILL_RANDOM, 1);
        float *const b = vector(&mem_c, n, FILL_RANDOM, 1);
        float *const y = in_place ? x : guarded_take(&mem_y, n * sizeof *y);
        keep(copy_of_a, x, n);
        k->layer_norm(y, x, weighted ? w : NULL, biased ? b : NULL, n, 1e-5f);
        check_fronts();
        double sum = 0, sizes = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)copy_of_a[i];
            sizes += fabs((double)copy_of_a[i]);
        }
        const double mean = sum / (double)n, mean_size = sizes / (double)n;
        for (size_t i = 0; i < n; i++)
            squares += ((double)copy_of_a[i] - mean) * ((double)copy_of_a[i] - mean);
        const double scale = 1 / sqrt(squares / (double)n + (double)1e-5f);
        for (size_t i = 0; i < n; i++) {
            const double weight = weighted ? (double)w[i] : 1, bias = biased ? (double)b[i] : 0;
            const double normal = ((double)copy_of_a[i] - mean) * scale;
            /* the mean's error moves every value, and the deviation by as much */
            const double off = sum_error(n) * (mean_size + fabs((double)copy_of_a[i])) * scale * (1 + fabs(normal));
            const double bound = (off + sum_error(n) * fabs(normal)) * fabs(weight) +
                                 FLT_EPSILON * fabs(bias) + (double)FLT_MIN;
            check_near((double)y[i], normal * weight + bias, bound, "y", i);
        }
    }
}

static void check_softmax(const struct kernels *k, int index)
{
    (void)index;
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        const float range = (float[]){ 1, 10, 100, 1e30f }[random_int(0, 3)];
        const int hidden = random_int(0, 3); /* of four are -INFINITY; all in some rounds */
        CASE("n %zu, range %g, %d of 4 hidden", n, (double)range, round % 8 ? hidden : 4);
        float *const x = guarded_take(&mem_a, n * sizeof *x);
        double max = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = round % 8 == 0 || random_int(0, 3) < hidden ? -INFINITY : random_float() * range;
            max = (double)x[i] > max ? (double)x[i] : max;
        }
        keep(copy_of_a, x, n);
        k->softmax(x, n);
        for (size_t i = 0; i < n && max > -INFINITY; i++)
            sum += exp((double)copy_of_a[i] - max);
        for (size_t i = 0; i < n; i++) {
            const double want = sum > 0 ? exp((double)copy_of_a[i] - max) / sum : 0;
            /* the difference to the largest is rounded, and exp() magnifies that */
            const double distance = sum > 0 && want > 0 ? max - (double)copy_of_a[i] : 0;
            check_near((double)x[i], want, (sum_error(n) + distance * FLT_EPSILON) * want + (double)FLT_MIN, "x", i);
        }
        check_fronts();
    }
}

/* --- activations --- */

static double activation_truth(enum activation a, double x)
{
    const double z = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    switch (a) {
    case ACTIVATION_SILU: return x / (1 + exp(-x));
    case ACTIVATION_GELU: return 0.5 * x * erfc(-x / M_SQRT2);
    case ACTIVATION_GELU_TANH: return x / (1 + exp(-2 * z));
    case ACTIVATION_RELU2: return x > 0 ? x * x : 0;
    default: return x > 0 ? x : 0;
    }
}

/* A few units in the last place of the larger of the result and the argument, of which it is a part. */
static double activation_bound(enum activation a, double x, double want)
{
    if (a == ACTIVATION_RELU)
        return 0;
    return 2e-6 * fabs(want) + 2e-7 * fmin(fabs(x), 16) + (double)FLT_MIN;
}

static float *activation_input(enum activation a, size_t n, int round)
{
    const float limit = a == ACTIVATION_RELU2 ? 1e15f : 1e30f; /* of what has a finite result */
    float *const x = vector(&mem_a, n, round % 4 ? FILL_RANDOM : (enum fill)(round / 4 % FILL_COUNT), limit);
    const float range = (float[]){ 1, 10, 100, 1e4f }[random_int(0, 3)];
    for (size_t i = 0; i < n && round % 4; i++)
        x[i] *= range;
    keep(copy_of_a, x, n);
    return x;
}

static void check_activate(const struct kernels *k, int index)
{
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        float *const x = activation_input((enum activation)index, n, round);
        float *const y = random_int(0, 1) ? x : guarded_take(&mem_y, n * sizeof *y);
        CASE("n %zu%s", n, y == x ? ", in place" : "");
        k->activate[index](y, x, n);
        check_fronts();
        for (size_t i = 0; i < n; i++) {
            const double a = (double)copy_of_a[i], want = activation_truth((enum activation)index, a);
            check_near((double)y[i], want, activation_bound((enum activation)index, a, want), "y", i);
        }
    }
}

static void check_gate(const struct kernels *k, int index)
{
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        float *const g = activation_input((enum activation)index, n, round);
        float *const u = vector(&mem_b, n, FILL_RANDOM, 1);
        const int place = random_int(0, 2);
        float *const y = place == 0 ? guarded_take(&mem_y, n * sizeof *y) : place == 1 ? g : u;
        CASE("n %zu, y is %s", n, place == 0 ? "apart" : place == 1 ? "g" : "u");
        keep(copy_of_b, u, n);
        k->gate[index](y, g, u, n);
        check_fronts();
        for (size_t i = 0; i < n; i++) {
            const double a = (double)copy_of_a[i], b = (double)copy_of_b[i];
            const double want = activation_truth((enum activation)index, a);
            const double bound = activation_bound((enum activation)index, a, want) + FLT_EPSILON * fabs(want);
            check_near((double)y[i], want * b, bound * fabs(b) + (double)FLT_MIN, "y", i);
        }
    }
}

/* --- element by element: exact --- */

enum binary { BINARY_ADD, BINARY_MUL };

static void check_binary(const struct kernels *k, int index)
{
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        float *const a = vector(&mem_a, n, (enum fill)(round % FILL_COUNT), 1e15f);
        float *const b = vector(&mem_b, n, FILL_RANDOM, 1);
        const int place = random_int(0, 2);
        float *const y = place == 0 ? guarded_take(&mem_y, n * sizeof *y) : place == 1 ? a : b;
        CASE("n %zu, y is %s", n, place == 0 ? "apart" : place == 1 ? "a" : "b");
        keep(copy_of_a, a, n);
        keep(copy_of_b, b, n);
        (index == BINARY_ADD ? k->add : k->mul)(y, a, b, n);
        check_fronts();
        for (size_t i = 0; i < n; i++)
            check_same(y[i], index == BINARY_ADD ? copy_of_a[i] + copy_of_b[i] : copy_of_a[i] * copy_of_b[i], "y", i);
    }
}

static void check_scale(const struct kernels *k, int index)
{
    (void)index;
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        const float s = random_float();
        float *const x = vector(&mem_a, n, (enum fill)(round % FILL_COUNT), 1e15f);
        float *const y = random_int(0, 1) ? x : guarded_take(&mem_y, n * sizeof *y);
        CASE("n %zu, by %g%s", n, (double)s, y == x ? ", in place" : "");
        keep(copy_of_a, x, n);
        k->scale(y, x, s, n);
        check_fronts();
        for (size_t i = 0; i < n; i++)
            check_same(y[i], copy_of_a[i] * s, "y", i);
    }
}

static void check_add_scaled(const struct kernels *k, int index)
{
    (void)index;
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        const float s = random_float();
        float *const x = vector(&mem_a, n, (enum fill)(round % FILL_COUNT), 1e15f);
        float *const y = vector(&mem_y, n, FILL_RANDOM, 1);
        CASE("n %zu, by %g", n, (double)s);
        keep(copy_of_b, y, n);
        k->add_scaled(y, x, s, n);
        check_fronts();
        for (size_t i = 0; i < n; i++) {
            const double more = (double)x[i] * (double)s, bound = FLT_EPSILON * (fabs(more) + fabs((double)copy_of_b[i]));
            check_near((double)y[i], (double)copy_of_b[i] + more, bound + (double)FLT_MIN, "y", i);
        }
    }
}

/* --- dot product and rotation --- */

static void check_dot(const struct kernels *k, int index)
{
    (void)index;
    for (int round = 0; round < cases(4 * ROUNDS); round++) {
        const size_t n = random_size(VECTOR_MAX);
        const enum fill fill = case_fill(round);
        CASE("n %zu, %s", n, fill_names[fill]);
        const float *const a = vector(&mem_a, n, fill, 1e15f), *const b = vector(&mem_b, n, fill, 1e15f);
        double sum = 0, sizes = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)a[i] * (double)b[i];
            sizes += fabs((double)a[i] * (double)b[i]);
        }
        check_near((double)k->dot(a, b, n), sum, sum_error(n) * sizes + (double)n * (double)FLT_MIN, "dot", 0);
    }
}

/* Angles up to 2^21. */
static void check_angles(const struct kernels *k, int index)
{
    (void)index;
    for (int round = 0; round < cases(4 * ROUNDS); round++) {
        const size_t n = random_size(160);
        const float magnitude = 1 + (float)random_int(0, 2) / 4;
        const float position = (float)random_int(0, 1 << random_int(0, 21));
        CASE("n %zu, position %g, magnitude %g", n, (double)position, (double)magnitude);
        float *const frequency = guarded_take(&mem_a, n * sizeof(float));
        float *const cosines = guarded_take(&mem_b, n * sizeof(float)), *const sines = guarded_take(&mem_c, n * sizeof(float));
        for (size_t i = 0; i < n; i++)
            frequency[i] = random_float();
        k->angles(cosines, sines, frequency, position, magnitude, n);
        check_fronts();
        for (size_t i = 0; i < n; i++) {
            const double angle = (double)(position * frequency[i]);
            const double bound = 2e-7 * (double)magnitude;
            check_near((double)cosines[i], cos(angle) * (double)magnitude, bound, "cos", i);
            check_near((double)sines[i], sin(angle) * (double)magnitude, bound, "sin", i);
        }
    }
}

static void check_rope(const struct kernels *k, int halves)
{
    for (int round = 0; round < cases(ROUNDS); round++) {
        const size_t half = random_size(160), n = 2 * half;
        CASE("n_rot %zu", n);
        float *const x = vector(&mem_a, n, FILL_RANDOM, 1), *const cosines = guarded_take(&mem_b, half * sizeof *x);
        float *const sines = guarded_take(&mem_c, half * sizeof *x);
        for (size_t i = 0; i < half; i++) {
            const float angle = random_float() * 100;
            cosines[i] = cosf(angle);
            sines[i] = sinf(angle);
        }
        keep(copy_of_a, x, n);
        (halves ? k->rope_halves : k->rope_pairs)(x, cosines, sines, n);
        check_fronts();
        for (size_t i = 0; i < half; i++) {
            const size_t first = halves ? i : 2 * i, second = halves ? i + half : 2 * i + 1;
            const double a = (double)copy_of_a[first], b = (double)copy_of_a[second];
            const double c = (double)cosines[i], s = (double)sines[i];
            const double bound = FLT_EPSILON * (fabs(a) + fabs(b)) + (double)FLT_MIN;
            check_near((double)x[first], a * c - b * s, bound, "x", first);
            check_near((double)x[second], a * s + b * c, bound, "x", second);
        }
    }
}

static void add_vector(struct group *g)
{
#define ENTRY(member, run, index) group_add(g, #member, offsetof(struct kernels, member), run, index)
    ENTRY(rms_norm, check_rms_norm, 0);
    ENTRY(layer_norm, check_layer_norm, 0);
    ENTRY(softmax, check_softmax, 0);
    ENTRY(activate[ACTIVATION_SILU], check_activate, ACTIVATION_SILU);
    ENTRY(activate[ACTIVATION_GELU], check_activate, ACTIVATION_GELU);
    ENTRY(activate[ACTIVATION_GELU_TANH], check_activate, ACTIVATION_GELU_TANH);
    ENTRY(activate[ACTIVATION_RELU], check_activate, ACTIVATION_RELU);
    ENTRY(activate[ACTIVATION_RELU2], check_activate, ACTIVATION_RELU2);
    ENTRY(gate[ACTIVATION_SILU], check_gate, ACTIVATION_SILU);
    ENTRY(gate[ACTIVATION_GELU], check_gate, ACTIVATION_GELU);
    ENTRY(gate[ACTIVATION_GELU_TANH], check_gate, ACTIVATION_GELU_TANH);
    ENTRY(gate[ACTIVATION_RELU], check_gate, ACTIVATION_RELU);
    ENTRY(gate[ACTIVATION_RELU2], check_gate, ACTIVATION_RELU2);
    ENTRY(add, check_binary, BINARY_ADD);
    ENTRY(mul, check_binary, BINARY_MUL);
    ENTRY(scale, check_scale, 0);
    ENTRY(add_scaled, check_add_scaled, 0);
    ENTRY(dot, check_dot, 0);
    ENTRY(angles, check_angles, 0);
    ENTRY(rope_pairs, check_rope, false);
    ENTRY(rope_halves, check_rope, true);
#undef ENTRY
}

#endif
