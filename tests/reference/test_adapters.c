/* test_adapters.c - adapters of tiny models against logits computed elsewhere in float64, with the adapters merged
 * into the weights. */
#include "kernels/kernels.h"
#include "tests/reference/reference.h"

#define DATA "tests/data/adapters/"
#define TINY "tests/data/tiny/"
static const struct adapted {
    const char *name, *model;
} cases[] = {
    { "llama", "llama" },     { "qwen2", "qwen2" },       { "qwen3", "qwen3" }, { "gemma", "gemma" },
    { "mixtral", "mixtral" }, { "qwen2moe", "qwen2moe" }, { "phi3", "phi3" },   { "gpt2", "gpt2" },
};
static const double tolerance = 2e-4; /* as that of models */

static infer_adapter *open_adapter(infer_model *m, const char *path)
{
    infer_error err = { 0 };
    infer_adapter *a = infer_adapter_open(m, path, NULL, &err);
    if (!a)
        fail_msg("%s", err.message);
    return a;
}

static infer_session *open_session(infer_model *m, infer_precision precision, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    o.precision = precision;
    o.n_batch = n_batch;
    infer_error err = { 0 };
    infer_session *s = infer_session_open(m, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

/* Logits with n adapters, which the caller frees. */
static float *adapted_logits(infer_model *m, infer_adapter *const *adapters, const float *scales, size_t n,
                             const struct ids *ids, int32_t n_batch)
{
    infer_error err = { 0 };
    infer_session *s = open_session(m, INFER_EXACT, n_batch);
    float *logits = calloc(ids->n * output_width(m), sizeof *logits);
    if (infer_session_set_adapters(s, adapters, scales, n, &err) != INFER_OK ||
        infer_session_eval_all(s, ids->v, ids->n, logits, &err) != INFER_OK)
        fail_msg("%s", err.message);
    infer_session_close(&s);
    return logits;
}

static void check_file(infer_model *m, const struct adapted *c, const char *path, const char *what)
{
    char folder[200], base[200];
    snprintf(folder, sizeof folder, DATA "%s", c->name);
    snprintf(base, sizeof base, TINY "%s", c->model);
    const struct ids ids = read_ids(base, "ids.json");
    const size_t n = ids.n * output_width(m);
    float *want = read_npy(folder, "logits.npy", n), *plain = read_npy(base, "logits.npy", n);
    infer_adapter *a = open_adapter(m, path);
    assert_true(distance(plain, want, n) > 0.1); /* it does something */
    static const int32_t batches[] = { 1, 5, 64 };
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        float *got = adapted_logits(m, &a, NULL, 1, &ids, batches[i]);
        const double d = distance(got, want, n);
        if (!(d <= tolerance))
            fail_msg("%s on %s, batches of %d: off by %.2e standard deviations", path, what, batches[i], d);
        free(got);
    }
    infer_adapter_close(&a);
    free(want);
    free(plain);
    free(ids.v);
}

/* Both forms of the adapter on both forms of the model: rows of queries and keys stand in another order in some. */
static void test_logits_are_those_of_merged_weights(void **state)
{
    const struct adapted *c = *state;
    for (int level = 0; level <= (int)cpu_detect(); level++) {
        infer_context *context = open_context(cpu_level_name((enum cpu_level)level), 2);
        for (int gguf = 0; gguf < 2; gguf++) {
            char model[200], path[200];
            snprintf(model, sizeof model, TINY "%s%s", c->model, gguf ? "/model.gguf" : "");
            infer_error err = { 0 };
            infer_model *m = infer_model_open(context, model, NULL, &err);
            if (!m)
                fail_msg("%s", err.message);
            snprintf(path, sizeof path, DATA "%s", c->name);
            check_file(m, c, path, model);
            snprintf(path, sizeof path, DATA "%s/lora.gguf", c->name);
            if (access(path, R_OK) == 0)
                check_file(m, c, path, model);
            infer_model_close(&m);
        }
        infer_context_close(&context);
    }
}

static void test_two_adapters_are_summed_by_their_scales(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = infer_model_open(c, TINY "llama", NULL, NULL);
    const struct ids ids = read_ids(TINY "llama", "ids.json");
    const size_t n = ids.n * output_width(m);
    infer_adapter *two[] = { open_adapter(m, DATA "llama/lora.gguf"), open_adapter(m, DATA "llama-second") };
    const float scales[] = { 0.5f, -1.5f };
    float *want = read_npy(DATA "llama", "both.npy", n), *got = adapted_logits(m, two, scales, 2, &ids, 64);
    assert_true(distance(got, want, n) <= tolerance);
    free(got);
    const float none[] = { 0, 0 };
    float *plain = adapted_logits(m, NULL, NULL, 0, &ids, 64);
    got = adapted_logits(m, two, none, 2, &ids, 64);
    assert_memory_equal(got, plain, n * sizeof *got);
    free(got);
    free(plain);
    free(want);
    free(ids.v);
    infer_adapter_close(&two[0]);
    infer_adapter_close(&two[1]);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void test_a_control_vector_is_added_behind_its_layer(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = infer_model_open(c, TINY "llama/model.gguf", NULL, NULL);
    const struct ids ids = read_ids(TINY "llama", "ids.json");
    const size_t n = ids.n * output_width(m);
    infer_adapter *a = open_adapter(m, DATA "llama/control.gguf");
    infer_adapter_info info = { .size = sizeof info };
    infer_adapter_get_info(a, &info);
    assert_true(info.control && info.n_weights == 1 && info.rank == 0);
    float *want = read_npy(DATA "llama", "control.npy", n), *plain = read_npy(TINY "llama", "logits.npy", n);
    assert_true(distance(plain, want, n) > 0.1);
    float *got = adapted_logits(m, &a, (const float[]){ 0.5f }, 1, &ids, 5);
    assert_true(distance(got, want, n) <= tolerance);
    free(got);
    /* The same twice, once against itself. */
    infer_adapter *three[] = { a, a, a };
    got = adapted_logits(m, three, (const float[]){ 0.25f, 0.75f, -0.5f }, 3, &ids, 64);
    assert_true(distance(got, want, n) <= tolerance);
    free(got);
    infer_adapter_close(&a);
    /* Of other layers than those asked for, nothing is added. */
    infer_adapter_options o = infer_adapter_defaults();
    o.last_layer = 1;
    o.first_layer = 1;
    a = infer_adapter_open(m, DATA "llama/control.gguf", &o, NULL);
    infer_adapter_get_info(a, &info);
    assert_int_equal(info.n_weights, 1);
    infer_adapter_close(&a);
    free(want);
    free(plain);
    free(ids.v);
    infer_model_close(&m);
    infer_context_close(&c);
}

int main(void)
{
    enum { CASES = sizeof cases / sizeof *cases };
    struct CMUnitTest tests[CASES + 2];
    char names[CASES][100];
    for (int i = 0; i < CASES; i++) {
        snprintf(names[i], sizeof names[i], "logits_are_those_of_merged_weights: %s", cases[i].name);
        tests[i] = (struct CMUnitTest){ names[i], test_logits_are_those_of_merged_weights, NULL, NULL,
                                        (void *)(uintptr_t)&cases[i] };
    }
    tests[CASES] = (struct CMUnitTest)cmocka_unit_test(test_two_adapters_are_summed_by_their_scales);
    tests[CASES + 1] = (struct CMUnitTest)cmocka_unit_test(test_a_control_vector_is_added_behind_its_layer);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
