/* test_score.c - POST /score: how likely texts are. */
#include "tests/common/asking.h"

#include <math.h>

static json_t *score(const char *body)
{
    return ask_json(service, "POST", "/score", body, 200);
}

static double real_at(json_t *json, const char *path)
{
    return json_real_value(at(json, path));
}

/* Sum over the tokens of the whole behind those of the context, in a session of its own. */
static double expected_sum(const char *context_text, const char *whole, size_t *n_tokens)
{
    infer_model *model = infer_model_open_default(context, NULL, NULL);
    infer_session *session = infer_session_open(model, NULL, NULL);
    int32_t ids[64];
    float logprobs[64];
    size_t n, from;
    const infer_tokenizer *const t = infer_model_tokenizer(model);
    infer_tokenizer_encode(t, context_text, strlen(context_text), INFER_ADD_SPECIAL, ids, 64, &from, NULL);
    infer_tokenizer_encode(t, whole, strlen(whole), INFER_ADD_SPECIAL, ids, 64, &n, NULL);
    assert_int_equal(infer_session_logprobs(session, ids, n, logprobs, NULL, 0, NULL), INFER_OK);
    double sum = 0;
    for (size_t i = from; i < n; i++)
        sum += (double)logprobs[i];
    *n_tokens = n - from;
    infer_session_close(&session);
    infer_model_close(&model);
    return sum;
}

static void continuations_have_their_sums_and_tokens(void **state)
{
    (void)state;
    static const char *const texts[] = { ", there was a dog", ", she", "" };
    json_t *const a = score("{\"context\":\"Once upon a time\","
                            "\"continuations\":[\", there was a dog\",\", she\",\"\"]}");
    assert_string_equal(text_at(a, "object"), "scores");
    assert_int_equal(json_array_size(at(a, "scores")), 3);
    for (size_t i = 0; i < 3; i++) {
        char whole[128];
        size_t n;
        json_t *const one = json_array_get(at(a, "scores"), i);
        snprintf(whole, sizeof whole, "Once upon a time%s", texts[i]);
        const double sum = expected_sum("Once upon a time", whole, &n);
        assert_int_equal(json_integer_value(at(one, "index")), i);
        assert_int_equal(json_array_size(at(one, "tokens")), n);
        assert_true(fabs(real_at(one, "logprob") - sum) < 1e-2);
    }
    assert_string_equal(text_at(a, "scores.1.tokens.0.token"), ",");
    json_decref(a);
}

static void what_the_model_would_write_is_greedy(void **state)
{
    (void)state;
    json_t *const text = ask_json(service, "POST", "/v1/completions",
                                  "{\"prompt\":\"Once upon a time\",\"temperature\":0,\"max_tokens\":5}", 200);
    json_t *const body = json_pack("{s:s, s:[s, s]}", "context", "Once upon a time", "continuations",
                                   text_at(text, "choices.0.text"), " purple");
    char *const request = json_dumps(body, 0);
    json_t *const a = score(request);
    assert_true(json_is_true(at(a, "scores.0.greedy")));
    assert_true(json_is_false(at(a, "scores.1.greedy")));
    assert_true(real_at(a, "scores.0.logprob") > real_at(a, "scores.1.logprob"));
    free(request);
    json_decref(body);
    json_decref(text);
    json_decref(a);
}

static void texts_are_scored_from_their_first_token_on(void **state)
{
    (void)state;
    json_t *const a = score("{\"texts\":[\"Once upon\",\"The dog\"]}");
    json_t *const b = score("{\"context\":\"\",\"continuations\":[\"Once upon\"]}");
    size_t n;
    const double sum = expected_sum("", "Once upon", &n);
    assert_int_equal(json_array_size(at(a, "scores.0.tokens")), n);
    assert_true(fabs(real_at(a, "scores.0.logprob") - sum) < 1e-2);
    assert_true(fabs(real_at(b, "scores.0.logprob") - sum) < 1e-2);
    json_decref(a);
    json_decref(b);
}

static void ids_are_taken_as_they_are(void **state)
{
    (void)state;
    json_t *const a = score("{\"texts\":[[300,301,302]]}");
    assert_int_equal(json_array_size(at(a, "scores.0.tokens")), 3);
    assert_true(json_is_null(at(a, "scores.0.tokens.0.logprob"))); /* follows nothing */
    assert_int_equal(json_integer_value(at(a, "scores.0.tokens.2.id")), 302);
    json_t *const b = score("{\"context\":[300],\"continuations\":[[301,302]]}");
    assert_true(fabs(real_at(a, "scores.0.logprob") - real_at(b, "scores.0.logprob")) < 1e-2);
    assert_int_equal(json_integer_value(at(b, "usage.prompt_tokens")), 3);
    json_decref(a);
    json_decref(b);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}", "{\"texts\":[]}", "{\"texts\":\"x\"}", "{\"texts\":[1]}", "{\"texts\":[[\"a\",null]]}",
        "{\"continuations\":[[]]}", "{\"texts\":[\"x\"],\"context\":\"y\"}", "{\"texts\":[\"x\"],\"continuations\":[]}",
        "{\"context\":5,\"continuations\":[\"x\"]}", "{\"context\":\"x\",\"continuations\":[{}]}",
        "{\"texts\":[[-1]]}", "{\"texts\":[[100000]]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        json_decref(ask_json(service, "POST", "/score", wrong[i], 400));
    static const char *const fields[] = { "texts", "context", "continuations", "model", "lora" };
    ask_with_any_field(service, "/score", "\"texts\":[\"x\"]", fields, 5);
    ask_with_any_field(service, "/score", "\"context\":\"x\",\"continuations\":[\"x\"]", fields, 5);
}

static void a_text_that_is_too_long_is_told_as_such(void **state)
{
    (void)state;
    static char body[1 << 16] = "{\"texts\":[\"Once\",\"";
    const size_t begins = strlen(body);
    for (size_t i = 0; i < 6000; i++)
        strcat(body + begins + 6 * i, " dog, ");
    strcat(body, "\"]}");
    json_t *const a = ask_json(service, "POST", "/score", body, 400);
    assert_string_equal(text_at(a, "error.code"), "context_length_exceeded");
    json_decref(a);
}

static void who_has_gone_holds_nobody_up(void **state)
{
    (void)state;
    static char body[1 << 16] = "{\"texts\":[";
    for (size_t i = 0; i < 1000; i++)
        sprintf(body + strlen(body), "%s\"Once upon a time there was %zu\"", i ? "," : "", i);
    strcat(body, "]}");
    infer_exchange *gone[8];
    for (size_t i = 0; i < 8; i++)
        gone[i] = ask_begin(service, "POST", "/score", body);
    for (size_t i = 0; i < 8; i++) {
        infer_exchange_cancel(gone[i]);
        free(ask_end(gone[i]).text);
    }
    json_decref(score("{\"texts\":[\"x\"]}"));
}

static void who_takes_too_long_is_told(void **state)
{
    (void)state;
    static char body[1 << 20] = "{\"texts\":[";
    infer_service_options o = infer_service_defaults();
    o.max_seconds = 0.05;
    infer_service *hasty = infer_service_open(context, &o, NULL);
    size_t end = strlen(body);
    for (size_t i = 0; i < 1000; i++) {
        end += (size_t)sprintf(body + end, "%s\"%zu", i ? "," : "", i);
        for (int k = 0; k < 60; k++)
            end += (size_t)sprintf(body + end, " a dog");
        body[end++] = '"';
    }
    strcpy(body + end, "]}");
    json_decref(ask_json(hasty, "POST", "/score", body, 504));
    infer_service_close(&hasty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continuations_have_their_sums_and_tokens),
        cmocka_unit_test(what_the_model_would_write_is_greedy),
        cmocka_unit_test(texts_are_scored_from_their_first_token_on),
        cmocka_unit_test(ids_are_taken_as_they_are),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_text_that_is_too_long_is_told_as_such),
        cmocka_unit_test(who_has_gone_holds_nobody_up),
        cmocka_unit_test(who_takes_too_long_is_told),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
