/* test_default_model.c - the model that is compiled in, against what transformers computes with its weights, and beside
 * the BF16 original that it was quantised from. */
#include "tests/reference/reference.h"

#define FOLDER "tests/data/default-model"

static json_t *prompts; /* of expected.json */

static int read_expected(void **state)
{
    (void)state;
    json_error_t e;
    json_t *expected = json_load_file(FOLDER "/expected.json", 0, &e);
    if (!expected)
        fail_msg("expected.json: %s", e.text);
    prompts = json_incref(json_object_get(expected, "prompts"));
    json_decref(expected);
    return 0;
}

static int free_expected(void **state)
{
    (void)state;
    json_decref(prompts);
    return 0;
}

static struct ids json_ids(const json_t *prompt, const char *key)
{
    const json_t *array = json_object_get(prompt, key);
    struct ids ids = { calloc(json_array_size(array) + 1, sizeof *ids.v), json_array_size(array) };
    for (size_t i = 0; i < ids.n; i++)
        ids.v[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return ids;
}

static infer_model *open_model(infer_context *c, const char *path)
{
    infer_error err = { 0 };
    infer_model *m = path ? infer_model_open(c, path, NULL, &err) : infer_model_open_default(c, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static void prompts_become_the_expected_ids(void **state)
{
    infer_context *c = open_context(NULL, 1);
    infer_model *m = open_model(c, *state);
    size_t i, n;
    json_t *prompt;
    json_array_foreach(prompts, i, prompt) {
        const char *text = json_string_value(json_object_get(prompt, "prompt"));
        const struct ids want = json_ids(prompt, "prompt_ids");
        int32_t got[256];
        assert_int_equal(infer_tokenizer_encode(infer_model_tokenizer(m), text, strlen(text), INFER_PARSE_SPECIAL, got, 256, &n, NULL), INFER_OK);
        assert_int_equal(n, want.n);
        assert_memory_equal(got, want.v, n * sizeof *got);
        free(want.v);
    }
    infer_model_close(&m);
    infer_context_close(&c);
}

static void greedy_text_is_the_expected_one(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, NULL);
    size_t i, n;
    json_t *prompt;
    json_array_foreach(prompts, i, prompt) {
        const struct ids ids = json_ids(prompt, "prompt_ids"), want = json_ids(prompt, "greedy_ids");
        const struct ids got = greedy(m, &ids, want.n);
        assert_memory_equal(got.v, want.v, want.n * sizeof *want.v);
        char text[2000];
        assert_int_equal(infer_tokenizer_decode(infer_model_tokenizer(m), got.v, got.n, INFER_UNPARSE_SPECIAL, text, sizeof text - 1, &n, NULL), INFER_OK);
        text[n] = 0;
        assert_string_equal(text, json_string_value(json_object_get(prompt, "greedy_text")));
        free(got.v);
        free(want.v);
        free(ids.v);
    }
    infer_model_close(&m);
    infer_context_close(&c);
}

static void the_highest_logits_are_the_expected_ones(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, NULL);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    size_t i, k;
    json_t *prompt, *pair;
    json_array_foreach(prompts, i, prompt) {
        const struct ids ids = json_ids(prompt, "prompt_ids");
        float *logits = all_logits(m, INFER_EXACT, &ids, 0);
        const float *last = logits + (ids.n - 1) * (size_t)info.n_vocab;
        json_array_foreach(json_object_get(prompt, "logits_after_prompt"), k, pair) {
            const double want = json_number_value(json_array_get(pair, 1));
            const double got = (double)last[json_integer_value(json_array_get(pair, 0))];
            if (!(fabs(got - want) < 1e-3))
                fail_msg("prompt %zu: logit %.5f, expected %.5f", i, got, want);
        }
        free(logits);
        free(ids.v);
    }
    infer_model_close(&m);
    infer_context_close(&c);
}

/* 8-bit weights, and 8-bit activations on top: close to the original, though not the same. */
static void quantisation_moves_the_logits_little(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *quantised = open_model(c, NULL), *original = open_model(c, FOLDER);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(original, &info);
    const struct ids ids = json_ids(json_array_get(prompts, 0), "prompt_ids");
    const size_t n = ids.n * (size_t)info.n_vocab;
    float *want = all_logits(original, INFER_EXACT, &ids, 0), *got = all_logits(quantised, INFER_FAST, &ids, 0);
    const double d = distance(got, want, n);
    assert_true(d > 0 && d < 0.1);
    free(got);
    free(want);
    free(ids.v);
    infer_model_close(&quantised);
    infer_model_close(&original);
    infer_context_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "embedded: prompts become the expected ids", prompts_become_the_expected_ids, NULL, NULL, NULL },
        { "directory: prompts become the expected ids", prompts_become_the_expected_ids, NULL, NULL, FOLDER },
        cmocka_unit_test(greedy_text_is_the_expected_one),
        cmocka_unit_test(the_highest_logits_are_the_expected_ones),
        cmocka_unit_test(quantisation_moves_the_logits_little),
    };
    return cmocka_run_group_tests_name("default model", tests, read_expected, free_expected);
}
