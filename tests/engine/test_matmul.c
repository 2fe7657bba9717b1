/* test_matmul.c - products with precise weights: pairs of 8-bit activations where a kernel reads 8-bit ones. The model
 * that is compiled in has 8-bit weights only; here all of its matrices are marked, whatever adds to their products. */
#include "src/engine/cpu/cpu.h"
#include "src/model/model.h"
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"

/* Those whose products read 8-bit activations: tiles do not. */
static const char *const levels[] = { "scalar", "avx2", "avx512", "neon", "dotprod", "i8mm" };
enum { N_LEVELS = sizeof levels / sizeof *levels, N_IDS = 40 };

static infer_context *context_of(const char *level, int n_threads)
{
    infer_context_options o = infer_context_defaults();
    o.cpu = level;
    o.n_threads = n_threads;
    return infer_context_open(&o, NULL); /* NULL: no such level here */
}

static infer_model *open_marked(infer_context *c, bool precise)
{
    infer_model *m = infer_model_open_default(c, NULL, NULL);
    assert_non_null(m);
    for (uint32_t l = 0; l <= m->net.h.n_layer; l++) {
        const bool whole = l == m->net.h.n_layer;
        struct weight *w = whole ? m->net.w : m->net.layers[l].w;
        for (int r = 0; r < (whole ? (int)MODEL_ROLES : (int)LAYER_ROLES); r++)
            w[r].precise = precise;
    }
    return m;
}

static float *logits(infer_model *m, infer_precision precision, int32_t n_batch)
{
    int32_t v[N_IDS];
    for (int i = 0; i < N_IDS; i++)
        v[i] = (i * 37 + 5) % 1000;
    infer_session_options o = infer_session_defaults();
    o.precision = precision;
    o.n_batch = n_batch;
    o.kv_type_k = o.kv_type_v = INFER_KV_F32; /* so that all that is rounded are activations */
    return session_logits(m, &o, &(struct ids){ v, N_IDS });
}

static size_t n_logits(const infer_model *m)
{
    return N_IDS * (size_t)m->net.h.n_vocab;
}

/* How far fast logits are from exact ones: the largest difference, in standard deviations. */
static double off(infer_context *c, bool precise, int32_t n_batch)
{
    infer_model *m = open_marked(c, precise);
    float *fast = logits(m, INFER_FAST, n_batch), *exact = logits(m, INFER_EXACT, n_batch);
    const double d = distance(fast, exact, n_logits(m));
    free(fast);
    free(exact);
    infer_model_close(&m);
    return d;
}

/* What is left is the rounding of the cache's keys and values. */
static void activations_of_precise_weights_are_twenty_times_finer(void **state)
{
    (void)state;
    static const int32_t batches[] = { 1, 3, N_IDS };
    for (int level = 0; level < N_LEVELS; level++) {
        infer_context *c = context_of(levels[level], 1);
        for (size_t i = 0; c && i < (SANITIZED ? 1 : sizeof batches / sizeof *batches); i++) {
            const double plain = off(c, false, batches[i]), precise = off(c, true, batches[i]);
            if (!(plain > 0.02 && precise < plain / 20))
                fail_msg("%s, batch %d: off by %.3g standard deviations, by %.3g with precise weights", levels[level],
                         batches[i], plain, precise);
        }
        infer_context_close(&c);
    }
}

static void precise_products_are_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    float *one = NULL;
    for (int n_threads = 1; n_threads <= 5; n_threads += 2) {
        infer_context *c = context_of(NULL, n_threads);
        infer_model *m = open_marked(c, true);
        float *got = logits(m, INFER_FAST, 0);
        if (!one)
            one = got;
        else {
            assert_memory_equal(got, one, n_logits(m) * sizeof *got);
            free(got);
        }
        infer_model_close(&m);
        infer_context_close(&c);
    }
    free(one);
}

/* Where all of it takes some ten microseconds or more. */
static void no_task_is_much_more_than_a_quarter_of_a_matrix(void **state)
{
    static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_Q4_0, DTYPE_Q8_0, DTYPE_Q6_K };
    (void)state;
    infer_context *c = open_context(NULL, 1);
    const struct device d = { .k = &c->kernels, .precision = PRECISION_FAST };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (uint32_t k = 256; k <= 4096; k *= 2)
            for (uint32_t rows = 128; rows <= 32000; rows += 1 + rows / 3)
                for (uint32_t n = 1; n <= 512; n += 1 + n / 2) {
                    uint64_t stride = 0;
                    assert_true(dtype_row_bytes(types[i], k, &stride));
                    const struct weight w = { .type = types[i], .rows = rows, .k = k, .stride = stride };
                    const uint32_t tile = cpu_tile_rows(&d, &w, n);
                    assert_true(tile > 0);
                    if ((uint64_t)rows * w.stride < 1 << 18 || (uint64_t)rows * k * n < 1 << 22)
                        continue;
                    if (tile > rows / 4 + 32)
                        fail_msg("%s, %u rows of %u, %u columns: a task of %u rows", dtype_name(types[i]), rows, k, n, tile);
                }
    infer_context_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_of_precise_weights_are_twenty_times_finer),
        cmocka_unit_test(precise_products_are_the_same_for_any_number_of_threads),
        cmocka_unit_test(no_task_is_much_more_than_a_quarter_of_a_matrix),
    };
    return cmocka_run_group_tests_name("matrix products", tests, NULL, NULL);
}
