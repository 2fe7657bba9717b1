/* test_experts.c - which experts a token uses, against the definitions written out; and what they compute in every type
 * of weight and every instruction set, against products of floats. */
#include "src/base/memory.h"
#include "src/engine/cpu/cpu.h"
#include "src/engine/route.h"
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"
#include "tools/common/random_blocks.h"

static uint64_t seed = 7;

/* ---- Choice ---- */

static void run_route(const struct routing *r, const float *scores, const float *bias, uint32_t *chosen, float *weights)
{
    struct kernels k;
    float copy[64], work[128];
    kernels_init(&k, CPU_SCALAR);
    memcpy(copy, scores, r->n_expert * sizeof *copy);
    route(r, &k, copy, bias, work, chosen, weights);
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-6 * fabs(want)))
        fail_msg("%.9g is not %.9g", got, want);
}

static void soft_max_weighs_the_best_experts(void **state)
{
    (void)state;
    static const float scores[] = { 0.5f, 2, -1, 1.5f, 2 };
    struct routing r = { .n_expert = 5, .n_used = 3, .scale = 1 };
    double sum = 0;
    for (int i = 0; i < 5; i++)
        sum += exp((double)scores[i]);
    uint32_t chosen[3];
    float weights[3];
    run_route(&r, scores, NULL, chosen, weights);
    assert_memory_equal(chosen, ((uint32_t[]){ 1, 4, 3 }), sizeof chosen); /* of equal ones the first */
    for (int i = 0; i < 3; i++)
        assert_near((double)weights[i], exp((double)scores[chosen[i]]) / sum);
    r.normalise = true;
    r.scale = 2.5f;
    run_route(&r, scores, NULL, chosen, weights);
    assert_near((double)weights[0] + (double)weights[1] + (double)weights[2], 2.5);
    assert_near((double)weights[2] / (double)weights[0], exp(-0.5));
}

static void a_bias_counts_in_the_choice_alone(void **state)
{
    (void)state;
    static const float scores[] = { 1, 2, 3, 0 }, bias[] = { 0, -9, -9, 9 };
    const struct routing r = { .gating = GATING_SIGMOID, .n_expert = 4, .n_used = 2, .scale = 1 };
    uint32_t chosen[2];
    float weights[2];
    run_route(&r, scores, bias, chosen, weights);
    assert_memory_equal(chosen, ((uint32_t[]){ 3, 0 }), sizeof chosen);
    assert_near((double)weights[0], 0.5);
    assert_near((double)weights[1], 1 / (1 + exp(-1.0)));
}

static void only_the_best_groups_are_chosen_from(void **state)
{
    (void)state;
    /* Groups of three: the second has the best expert, the third the best two. */
    static const float scores[] = { 1, 1, 1, 9, -5, -5, 5, 5, 5, 2, 2, 0 };
    struct routing r = { .n_expert = 12, .n_used = 2, .n_group = 4, .n_group_used = 1, .scale = 1 };
    uint32_t chosen[2];
    float weights[2];
    run_route(&r, scores, NULL, chosen, weights);
    assert_memory_equal(chosen, ((uint32_t[]){ 3, 4 }), sizeof chosen);
    r.gating = GATING_SIGMOID;
    run_route(&r, scores, NULL, chosen, weights);
    assert_memory_equal(chosen, ((uint32_t[]){ 6, 7 }), sizeof chosen);
    r.n_group_used = 2;
    run_route(&r, scores, NULL, chosen, weights);
    assert_memory_equal(chosen, ((uint32_t[]){ 6, 7 }), sizeof chosen);
}

/* By hand: 2.00 has one that is nearly as good, 1.97; 1.97 then has none, for 1.80 is further off than 2 x 0.01. */
static void sparse_mixing_shares_among_those_nearly_as_good(void **state)
{
    (void)state;
    static const float scores[] = { 1.80f, 2, 1.97f, -3 };
    const struct routing r = { .gating = GATING_SPARSEMIXER, .n_expert = 4, .n_used = 2, .jitter = 0.01f };
    uint32_t chosen[2];
    float weights[2];
    run_route(&r, scores, NULL, chosen, weights);
    assert_memory_equal(chosen, ((uint32_t[]){ 1, 2 }), sizeof chosen);
    assert_near((double)weights[0], 1 / (1 + exp((double)scores[2] - 2)));
    assert_near((double)weights[1], 1);
}

static void scores_that_are_no_numbers_choose_different_experts(void **state)
{
    (void)state;
    static const enum gating gatings[] = { GATING_SOFTMAX, GATING_SIGMOID, GATING_SPARSEMIXER };
    static const float kinds[] = { NAN, INFINITY, -INFINITY };
    for (size_t g = 0; g < 3; g++)
        for (size_t kind = 0; kind < 3; kind++) {
            const struct routing r = { .gating = gatings[g], .n_expert = 6, .n_used = 4, .n_group = 3,
                                       .n_group_used = 2, .scale = 1, .jitter = 0.01f };
            float scores[6], weights[4];
            uint32_t chosen[4];
            for (int i = 0; i < 6; i++)
                scores[i] = i % 2 ? kinds[kind] : (float)i;
            run_route(&r, scores, NULL, chosen, weights);
            for (int i = 0; i < 4; i++) {
                assert_true(chosen[i] < 6);
                for (int j = 0; j < i; j++)
                    assert_int_not_equal(chosen[i], chosen[j]);
            }
        }
}

/* ---- What they compute ---- */

enum { EMBD = 256, FF = 256, SHARED = 512, EXPERTS = 5, USED = 2, MOST = 70 };

struct rig {
    struct arch arch;
    struct network net;
    struct layer layer;
    const void *pointers[3][EXPERTS];
    uint8_t *data[6];
    float *plain[6]; /* the same as floats */
    float *bias[3];
};

static struct weight random_matrices(struct rig *rig, const struct kernels *k, int i, enum dtype type, uint32_t n,
                                     uint32_t rows, uint32_t cols)
{
    uint64_t stride;
    const size_t blocks = (size_t)n * rows * cols / dtype_info(type)->block;
    assert_true(dtype_row_bytes(type, cols, &stride));
    rig->data[i] = malloc(n * rows * stride + 8);
    rig->plain[i] = malloc((size_t)n * rows * cols * sizeof(float));
    random_blocks(&seed, rig->data[i], blocks, type, random_blocks_scale(&seed, k, type, 1 / sqrtf((float)cols)));
    k->dequantize[type](rig->plain[i], rig->data[i], (size_t)n * rows * cols);
    struct weight w = { .data = rig->data[i], .type = type, .rows = rows, .k = cols, .stride = stride };
    for (uint32_t e = 0; n > 1 && e < n; e++)
        rig->pointers[i][e] = rig->data[i] + e * rows * stride;
    w.stack = n > 1 ? rig->pointers[i] : NULL;
    w.n_stack = n > 1 ? n : 0;
    return w;
}

static void open_rig(struct rig *rig, enum dtype type)
{
    static const enum layer_role biases[] = { EXPERT_GATE_BIAS, EXPERT_UP_BIAS, EXPERT_DOWN_BIAS };
    static const uint32_t widths[] = { FF, FF, EMBD };
    struct kernels k;
    kernels_init(&k, CPU_SCALAR);
    *rig = (struct rig){ 0 };
    struct weight *w = rig->layer.w;
    w[EXPERT_GATE] = random_matrices(rig, &k, 0, type, EXPERTS, FF, EMBD);
    w[EXPERT_UP] = random_matrices(rig, &k, 1, type, EXPERTS, FF, EMBD);
    w[EXPERT_DOWN] = random_matrices(rig, &k, 2, type, EXPERTS, EMBD, FF);
    w[SHARED_GATE] = random_matrices(rig, &k, 3, type, 1, SHARED, EMBD);
    w[SHARED_UP] = random_matrices(rig, &k, 4, type, 1, SHARED, EMBD);
    w[SHARED_DOWN] = random_matrices(rig, &k, 5, type, 1, EMBD, SHARED);
    for (int i = 0; i < 3; i++) {
        rig->bias[i] = malloc(EXPERTS * widths[i] * sizeof(float));
        for (uint32_t j = 0; j < EXPERTS * widths[i]; j++)
            rig->bias[i][j] = 0.2f * random_uniform(&seed);
        w[biases[i]] = (struct weight){ .data = rig->bias[i], .rows = 1, .k = widths[i], .stride = 4 * widths[i] };
    }
    rig->net.h = (struct hparams){
        .arch = &rig->arch, .n_embd = EMBD, .n_layer = 1, .n_head = 1, .n_head_kv = 1, .d_k = 64, .d_v = 64, .n_ff = FF,
        .n_ff_expert = FF, .n_ff_shared = SHARED, .rope = { .n_rot = 64, .base = 10000, .factor = 1 },
        .routing = { .n_expert = EXPERTS, .n_used = USED, .normalise = true, .scale = 1 },
    };
    rig->net.layers = &rig->layer;
}

static void close_rig(struct rig *rig)
{
    for (int i = 0; i < 6; i++) {
        free(rig->data[i]);
        free(rig->plain[i]);
    }
    for (int i = 0; i < 3; i++)
        free(rig->bias[i]);
}

/* y += weight * (down (silu(gate x + bias) * (up x + bias)) + bias), in double. */
static void add_network(double *y, double weight, const float *gate, const float *up, const float *down,
                        const float *const bias[3], uint32_t ff, const float *x)
{
    double middle[SHARED];
    for (uint32_t i = 0; i < ff; i++) {
        double g = bias ? (double)bias[0][i] : 0, u = bias ? (double)bias[1][i] : 0;
        for (uint32_t j = 0; j < EMBD; j++) {
            g += (double)gate[i * EMBD + j] * (double)x[j];
            u += (double)up[i * EMBD + j] * (double)x[j];
        }
        middle[i] = g / (1 + exp(-g)) * u;
    }
    for (uint32_t i = 0; i < EMBD; i++) {
        double sum = bias ? (double)bias[2][i] : 0;
        for (uint32_t j = 0; j < ff; j++)
            sum += (double)down[i * ff + j] * middle[j];
        y[i] += weight * sum;
    }
}

static void expected(const struct rig *rig, double *y, const float *x, const float *scores)
{
    uint32_t chosen[USED];
    float weights[USED];
    run_route(&rig->net.h.routing, scores, NULL, chosen, weights);
    for (int i = 0; i < USED; i++) {
        const size_t at = (size_t)chosen[i] * FF * EMBD;
        const float *const bias[] = { rig->bias[0] + chosen[i] * FF, rig->bias[1] + chosen[i] * FF,
                                      rig->bias[2] + chosen[i] * EMBD };
        add_network(y, (double)weights[i], rig->plain[0] + at, rig->plain[1] + at, rig->plain[2] + at, bias, FF, x);
    }
    add_network(y, 1, rig->plain[3], rig->plain[4], rig->plain[5], NULL, SHARED, x);
}

/* The op's results on a context, for the first n tokens: y (n, EMBD). */
static void run_experts(const struct rig *rig, infer_context *c, enum precision precision, uint32_t n, bool residual,
                        const float *x, const float *scores, float *y)
{
    infer_error err = { 0 };
    struct kv kv;
    float *copy = malloc(MOST * EXPERTS * sizeof *copy);
    memcpy(copy, scores, n * EXPERTS * sizeof *copy);
    struct kv_shape shape;
    assert_int_equal(kv_shape_init(&shape, &rig->net.h, DTYPE_F32, DTYPE_F32, &err), INFER_OK);
    struct kv_pool *const pool = kv_pool_open(&mem_default, &rig->net.h, &shape, &err);
    assert_non_null(pool);
    assert_int_equal(kv_init(&kv, pool, 64, &err), INFER_OK);
    struct device *d = cpu_open(c, &rig->net, &kv, n, precision, false, &err);
    assert_non_null(d);
    const struct expert_rows rows = { x, copy, y, residual, n };
    cpu_ops.experts(d, &rig->layer, &rows, n);
    cpu_close(d);
    kv_free(&kv);
    kv_pool_close(pool);
    free(copy);
}

/* How far n tokens' results are from the definition's, over its root mean square; bits do not depend on the threads. */
static double check(const struct rig *rig, const char *level, enum precision precision, uint32_t n, const float *x,
                    const float *scores, const double *want)
{
    static float y[MOST * EMBD], again[MOST * EMBD];
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        infer_context *c = open_context(level, n_threads);
        for (uint32_t i = 0; i < n * EMBD; i++)
            again[i] = 1;
        run_experts(rig, c, precision, n, false, x, scores, n_threads == 1 ? y : again);
        if (n_threads > 1)
            assert_memory_equal(y, again, n * EMBD * sizeof *y);
        if (n_threads == 1) { /* what was there is added to */
            run_experts(rig, c, precision, n, true, x, scores, again);
            for (uint32_t i = 0; i < n * EMBD; i++)
                assert_true(fabsf(again[i] - 1 - y[i]) <= 1e-5f * (1 + fabsf(y[i])));
        }
        infer_context_close(&c);
    }
    double wrong = 0, size = 0;
    for (uint32_t i = 0; i < n * EMBD; i++) {
        wrong += ((double)y[i] - want[i]) * ((double)y[i] - want[i]);
        size += want[i] * want[i];
    }
    return sqrt(wrong / size);
}

static void experts_of_every_type_compute_what_floats_do(void **state)
{
    (void)state;
    static float x[MOST * EMBD], scores[MOST * EXPERTS];
    static double want[MOST * EMBD];
    static const uint32_t counts[] = { 1, 9, MOST };
    struct kernels k;
    kernels_init(&k, CPU_SCALAR);
    for (int type = 0; type < DTYPE_COUNT; type += SANITIZED ? 5 : 1) {
        if (!k.matmul[PRECISION_EXACT][type].way->fn || type == DTYPE_F64)
            continue;
        struct rig rig;
        open_rig(&rig, (enum dtype)type);
        for (size_t i = 0; i < MOST * EMBD; i++)
            x[i] = random_uniform(&seed);
        for (size_t i = 0; i < MOST * EXPERTS; i++)
            scores[i] = 3 * random_uniform(&seed);
        memset(want, 0, sizeof want);
        for (size_t t = 0; t < MOST; t++)
            expected(&rig, want + t * EMBD, x + t * EMBD, scores + t * EXPERTS);
        for (enum cpu_level level = SANITIZED ? cpu_detect() : CPU_SCALAR; level <= cpu_detect(); level++)
            for (size_t i = 0; i < 3; i++)
                for (int precision = PRECISION_FAST; precision <= PRECISION_EXACT; precision++) {
                    const double off =
                        check(&rig, cpu_level_name(level), (enum precision)precision, counts[i], x, scores, want);
                    if (!(off <= (precision == PRECISION_EXACT ? 1e-5 : 3e-2)))
                        fail_msg("%s, %s, %u tokens, %s: off by %.3g", dtype_name((uint64_t)type),
                                 cpu_level_name(level), counts[i], precision ? "exact" : "fast", off);
                }
        close_rig(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(soft_max_weighs_the_best_experts),
        cmocka_unit_test(a_bias_counts_in_the_choice_alone),
        cmocka_unit_test(only_the_best_groups_are_chosen_from),
        cmocka_unit_test(sparse_mixing_shares_among_those_nearly_as_good),
        cmocka_unit_test(scores_that_are_no_numbers_choose_different_experts),
        cmocka_unit_test(experts_of_every_type_compute_what_floats_do),
    };
    return cmocka_run_group_tests_name("experts", tests, NULL, NULL);
}
