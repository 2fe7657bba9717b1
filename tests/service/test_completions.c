/* test_completions.c - POST /v1/completions, as clients of OpenAI's API see it, and /completion and /infill, as those
 * of llama.cpp's server do. */
#include "tests/common/asking.h"
#include "tests/common/folder.h"

#include <math.h>

#define ONCE "\"prompt\":\"Once upon a time\",\"temperature\":0"

static json_t *complete(const char *body)
{
    return ask_json(service, "POST", "/v1/completions", body, 200);
}

static json_int_t number_at(json_t *json, const char *path)
{
    return json_integer_value(at(json, path));
}

/* ---- /v1/completions ---- */

static void an_answer_has_openais_fields_and_16_tokens(void **state)
{
    (void)state;
    json_t *const a = complete("{" ONCE "}");
    assert_memory_equal(text_at(a, "id"), "cmpl-", 5);
    assert_string_equal(text_at(a, "object"), "text_completion");
    assert_string_equal(text_at(a, "model"), "stories");
    assert_int_equal(json_array_size(at(a, "choices")), 1);
    assert_string_equal(text_at(a, "choices.0.text"), ", a small girl named Olive lived in the valley. She lived in");
    assert_string_equal(text_at(a, "choices.0.finish_reason"), "length");
    assert_true(json_is_null(at(a, "choices.0.logprobs")));
    assert_int_equal(number_at(a, "choices.0.index"), 0);
    assert_int_equal(number_at(a, "usage.completion_tokens"), 16);
    assert_int_equal(number_at(a, "usage.total_tokens"), number_at(a, "usage.prompt_tokens") + 16);
    json_decref(a);
}

/* The ids that /tokenize gives, as a model gets them. */
static char *ids_of(const char *text)
{
    char body[256];
    snprintf(body, sizeof body, "{\"content\":\"%s\",\"add_special\":true}", text);
    json_t *const a = ask_json(service, "POST", "/tokenize", body, 200);
    char *const ids = json_dumps(at(a, "tokens"), JSON_COMPACT);
    json_decref(a);
    return ids;
}

static void a_prompt_in_any_form_is_the_same_prompt(void **state)
{
    (void)state;
    char *const ids = ids_of("Once upon a time");
    json_t *const expected = complete("{" ONCE "}");
    static const char *const forms[] = { "[\"Once upon a time\"]", "%s", "[%s]", "[[%.*s,\" upon a time\"]]" };
    for (size_t i = 0; i < 3; i++) {
        char prompt[256], body[512];
        snprintf(prompt, sizeof prompt, forms[i], ids);
        snprintf(body, sizeof body, "{\"prompt\":%s,\"temperature\":0}", prompt);
        json_t *const a = complete(body);
        assert_string_equal(text_at(a, "choices.0.text"), text_at(expected, "choices.0.text"));
        assert_int_equal(number_at(a, "usage.prompt_tokens"), number_at(expected, "usage.prompt_tokens"));
        json_decref(a);
    }
    json_decref(expected);
    free(ids);
}

static void several_prompts_have_n_answers_each_in_their_order(void **state)
{
    (void)state;
    json_t *const one = complete("{\"prompt\":\"The dog\",\"temperature\":0,\"max_tokens\":5}");
    json_t *const a = complete("{\"prompt\":[\"Once\",\"The dog\",\"A\"],\"temperature\":0,\"max_tokens\":5,\"n\":2}");
    assert_int_equal(json_array_size(at(a, "choices")), 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(json_integer_value(at(json_array_get(at(a, "choices"), (size_t)i), "index")), i);
    assert_string_equal(text_at(a, "choices.2.text"), text_at(one, "choices.0.text"));
    assert_string_equal(text_at(a, "choices.3.text"), text_at(one, "choices.0.text"));
    assert_string_not_equal(text_at(a, "choices.0.text"), text_at(one, "choices.0.text"));
    assert_int_equal(number_at(a, "usage.completion_tokens"), 30);
    json_decref(a);
    json_decref(one);
}

static void several_prompts_are_streamed_together(void **state)
{
    (void)state;
#define TWO "\"prompt\":[\"Once\",\"The dog\"],\"temperature\":0,\"max_tokens\":5,\"echo\":true"
    json_t *const whole = complete("{" TWO "}");
    struct reply r = ask(service, "POST", "/v1/completions",
                         "{" TWO ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    assert_string_equal(r.type, "text/event-stream");
    assert_string_equal(r.text + r.n - 14, "data: [DONE]\n\n");
    json_t *const all = events(r.text), *event;
    char text[2][256] = { "", "" };
    int ends[2] = { 0 };
    size_t i;
    json_array_foreach(all, i, event) {
        const json_int_t index = number_at(event, "choices.0.index");
        assert_string_equal(text_at(event, "object"), "text_completion");
        strcat(text[index], text_at(event, "choices.0.text"));
        ends[index] += json_is_string(at(event, "choices.0.finish_reason"));
    }
    assert_string_equal(text[0], text_at(whole, "choices.0.text"));
    assert_string_equal(text[1], text_at(whole, "choices.1.text"));
    assert_int_equal(ends[0], 1);
    assert_int_equal(ends[1], 1);
    json_t *const last = json_array_get(all, json_array_size(all) - 1);
    assert_int_equal(json_array_size(at(last, "choices")), 0);
    assert_int_equal(number_at(last, "usage.completion_tokens"), 10);
    free(r.text);
    json_decref(all);
    json_decref(whole);
}

static void an_echo_stands_before_the_answer(void **state)
{
    (void)state;
    json_t *const a = complete("{" ONCE ",\"echo\":true,\"max_tokens\":3}");
    assert_string_equal(text_at(a, "choices.0.text"), "Once upon a time, a small");
    json_decref(a);
    json_t *const b = complete("{" ONCE ",\"echo\":true,\"max_tokens\":0}");
    assert_string_equal(text_at(b, "choices.0.text"), "Once upon a time");
    assert_string_equal(text_at(b, "choices.0.finish_reason"), "length");
    assert_int_equal(number_at(b, "usage.completion_tokens"), 0);
    assert_true(number_at(b, "usage.prompt_tokens") > 3);
    json_decref(b);
}

/* Tokens, offsets and numbers of a choice fit each other and its text; returns how many there are. */
static size_t check_logprobs(json_t *choice, bool begins)
{
    json_t *const l = at(choice, "logprobs");
    const size_t n = json_array_size(at(l, "tokens"));
    assert_int_equal(json_array_size(at(l, "token_logprobs")), n);
    assert_int_equal(json_array_size(at(l, "top_logprobs")), n);
    assert_int_equal(json_array_size(at(l, "text_offset")), n);
    for (size_t i = 0; i < n; i++) {
        json_t *const number = json_array_get(at(l, "token_logprobs"), i);
        json_t *const top = json_array_get(at(l, "top_logprobs"), i);
        const char *const token = json_string_value(json_array_get(at(l, "tokens"), i)), *other;
        json_t *value;
        if (!begins || i)
            assert_true(json_is_real(number) && json_real_value(number) <= 0);
        if (json_is_null(number))
            continue;
        assert_true(json_object_get(top, token) && json_real_value(json_object_get(top, token)) ==
                    json_real_value(number));
        double likeliest = -INFINITY;
        json_object_foreach(top, other, value)
            likeliest = fmax(likeliest, json_real_value(value));
        assert_true(likeliest >= json_real_value(number));
    }
    return n;
}

static void log_probabilities_have_the_form_of_completions(void **state)
{
    (void)state;
    json_t *const a = complete("{" ONCE ",\"logprobs\":2,\"max_tokens\":4}");
    json_t *const choice = at(a, "choices.0");
    assert_int_equal(check_logprobs(choice, false), 4);
    assert_int_equal(number_at(choice, "logprobs.text_offset.0"), 16); /* behind the prompt */
    assert_string_equal(text_at(choice, "logprobs.tokens.0"), ",");
    assert_string_equal(text_at(choice, "logprobs.tokens.1"), " a");
    assert_int_equal(number_at(choice, "logprobs.text_offset.2"), 19);
    assert_int_equal(json_object_size(at(choice, "logprobs.top_logprobs.0")), 2);
    json_decref(a);
}

static void a_stream_has_the_log_probabilities_of_its_pieces(void **state)
{
    (void)state;
    json_t *const whole = complete("{" ONCE ",\"logprobs\":1,\"max_tokens\":6,\"echo\":true}");
    struct reply r = ask(service, "POST", "/v1/completions",
                         "{" ONCE ",\"logprobs\":1,\"max_tokens\":6,\"echo\":true,\"stream\":true}");
    json_t *const all = events(r.text), *event, *const tokens = json_array();
    size_t i;
    json_array_foreach(all, i, event)
        json_array_extend(tokens, at(event, "choices.0.logprobs.tokens"));
    assert_true(json_equal(tokens, at(whole, "choices.0.logprobs.tokens")));
    json_decref(tokens);
    json_decref(all);
    json_decref(whole);
    free(r.text);
}

/* What lm-evaluation-harness sends, and how it reads the answer. */
static void a_prompt_s_log_probabilities_are_those_of_a_session(void **state)
{
    (void)state;
    static const char text[] = "Once upon a time, a small dog";
    infer_model *const model = infer_model_open_default(context, NULL, NULL);
    infer_session *const session = infer_session_open(model, NULL, NULL);
    int32_t ids[64];
    float expected[64];
    size_t n;
    infer_tokenizer_encode(infer_model_tokenizer(model), text, strlen(text), INFER_ADD_SPECIAL, ids, 64, &n, NULL);
    assert_int_equal(infer_session_logprobs(session, ids, n, expected, NULL, 0, NULL), INFER_OK);

    for (int length = 0; length < 2; length++) {
        char body[1024] = "{\"prompt\":[[";
        for (size_t i = 0; i < n; i++)
            sprintf(body + strlen(body), "%s%d", i ? "," : "", ids[i]);
        sprintf(body + strlen(body), "]],\"temperature\":0,\"max_tokens\":%d,\"logprobs\":1,\"echo\":true}", length);
        json_t *const a = complete(body);
        assert_int_equal(check_logprobs(at(a, "choices.0"), true), n + (size_t)length);
        assert_true(json_is_null(at(a, "choices.0.logprobs.token_logprobs.0")));
        for (size_t i = 1; i < n; i++) {
            const json_t *const one = json_array_get(at(a, "choices.0.logprobs.token_logprobs"), i);
            assert_true(fabs(json_real_value(one) - (double)expected[i]) < 1e-3);
        }
        assert_int_equal(number_at(a, "usage.prompt_tokens"), n);
        json_decref(a);
    }
    infer_session *close = session;
    infer_model *let_go = model;
    infer_session_close(&close);
    infer_model_close(&let_go);
}

static void what_follows_a_prompt_that_was_told_is_computed_alone(void **state)
{
    (void)state;
    char body[2048] = "{\"prompt\":\"";
    for (int i = 0; i < 100; i++)
        strcat(body, " sun moon"); /* some pages of 64 tokens, which no other test has */
    strcat(body, "\",\"echo\":true,\"logprobs\":0,\"max_tokens\":1}");
    json_t *const a = complete(body);
    const json_int_t n = number_at(a, "usage.prompt_tokens");
    assert_true(n > 200);
    assert_true(n - number_at(a, "usage.prompt_tokens_details.cached_tokens") <= 64);
    json_decref(a);
}

static void a_prompt_of_text_begins_with_its_first_character(void **state)
{
    (void)state;
    json_t *const a = complete("{\"prompt\":[\"Once upon\",\"\",\"Zo\xc3\xab \xf0\x9f\x98\x80!\"],\"max_tokens\":1,"
                               "\"temperature\":0,\"logprobs\":0,\"echo\":true}");
    assert_int_equal(number_at(a, "choices.0.logprobs.text_offset.0"), 0);
    assert_true(json_is_real(at(a, "choices.0.logprobs.token_logprobs.0"))); /* behind what begins a text */
    assert_int_equal(json_array_size(at(a, "choices.1.logprobs.tokens")), 1);
    /* Offsets count characters: the last token is behind the text's 6. */
    json_t *const offsets = at(a, "choices.2.logprobs.text_offset");
    assert_int_equal(json_integer_value(json_array_get(offsets, json_array_size(offsets) - 1)), 6);
    json_decref(a);
}

static void the_best_of_several_is_answered(void **state)
{
    (void)state;
    json_t *const a = complete("{\"prompt\":\"Once\",\"best_of\":4,\"n\":2,\"seed\":3,\"max_tokens\":4}");
    assert_int_equal(json_array_size(at(a, "choices")), 2);
    json_decref(a);
}

static void a_text_can_be_held_to_a_schema(void **state)
{
    (void)state;
    json_t *const a = complete("{\"prompt\":\"Once\",\"max_tokens\":40,\"json_schema\":{\"enum\":[\"yes\",\"no\"]}}");
    assert_true(strstr("\"yes\"\"no\"", text_at(a, "choices.0.text")) && *text_at(a, "choices.0.text"));
    json_decref(a);
}

static void a_stop_string_ends_the_text(void **state)
{
    (void)state;
    json_t *const a = complete("{" ONCE ",\"stop\":[\" girl\"],\"max_tokens\":40}");
    assert_string_equal(text_at(a, "choices.0.text"), ", a small");
    assert_string_equal(text_at(a, "choices.0.finish_reason"), "stop");
    json_decref(a);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "{\"prompt\":[]}", "prompt" },
        { "{\"prompt\":5}", "prompt" },
        { "{\"prompt\":[[]]}", "prompt" },
        { "{\"prompt\":[-1]}", "prompt" },
        { "{\"prompt\":[1,99999999999]}", "prompt" },
        { "{\"prompt\":[1,null]}", "prompt" },
        { "{\"prompt\":[{}]}", "prompt" },
        { "{\"prompt\":[1.5]}", "prompt" },
        { "{\"prompt\":\"x\",\"logprobs\":true}", "logprobs" },
        { "{\"prompt\":\"x\",\"logprobs\":100000}", "logprobs" },
        { "{\"prompt\":\"x\",\"best_of\":1,\"n\":2}", "best_of" },
        { "{\"prompt\":\"x\",\"best_of\":2,\"stream\":true}", "best_of" },
        { "{\"prompt\":\"x\",\"suffix\":\"y\"}", "suffix" },
        { "{\"prompt\":\"x\",\"suffix\":1}", "suffix" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *const a = ask_json(service, "POST", "/v1/completions", wrong[i][0], 400);
        if (strcmp(text_at(a, "error.param"), wrong[i][1]))
            fail_msg("%s: %s: %s", wrong[i][0], text_at(a, "error.param"), text_at(a, "error.message"));
        assert_string_equal(text_at(a, "error.type"), "invalid_request_error");
        json_decref(a);
    }
}

static void a_prompt_that_is_too_long_is_told_as_such(void **state)
{
    (void)state;
    static char body[1 << 16];
    for (int echo = 0; echo < 2; echo++) {
        strcpy(body, "{\"prompt\":[\"Once\",\"");
        for (int i = 0; i < 6000; i++)
            strcat(body + 6 * i, " dog, ");
        sprintf(body + strlen(body), "\"],\"max_tokens\":1%s}", echo ? ",\"echo\":true,\"logprobs\":1" : "");
        json_t *const a = ask_json(service, "POST", "/v1/completions", body, 400);
        assert_string_equal(text_at(a, "error.code"), "context_length_exceeded");
        json_decref(a);
    }
}

static void who_has_gone_is_not_answered_and_others_are(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"prompt\":[\"Once\",\"The\"],\"stream\":true,\"max_tokens\":100000,\"ignore_eos\":true}",
        "{\"prompt\":[\"Once\",\"The\"],\"max_tokens\":100000,\"ignore_eos\":true}",
        "{\"prompt\":[\"Once\",\"The\"],\"max_tokens\":0,\"echo\":true,\"logprobs\":3}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        infer_exchange *const gone = ask_begin(service, "POST", "/v1/completions", bodies[i]);
        infer_exchange_cancel(gone);
        free(ask_end(gone).text);
        json_decref(complete("{" ONCE ",\"max_tokens\":2,\"echo\":true,\"logprobs\":1}"));
    }
}

static void who_takes_too_long_gets_what_there_is(void **state)
{
    (void)state;
    infer_service_options o = infer_service_defaults();
    o.max_seconds = 0.2;
    infer_service *hasty = open_with(&o);
    json_t *const a = ask_json(hasty, "POST", "/v1/completions",
                               "{\"prompt\":[\"Once\",\"The\"],\"n\":8,\"max_tokens\":4000,\"ignore_eos\":true}", 200);
    assert_int_equal(json_array_size(at(a, "choices")), 16);
    assert_string_equal(text_at(a, "choices.15.finish_reason"), "length");
    json_decref(a);
    infer_service_close(&hasty);
}

/* ---- /completion ---- */

static void llama_cpps_form_has_its_fields(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", "/completion",
                               "{" ONCE ",\"n_predict\":4,\"n_probs\":2,\"return_tokens\":true}", 200);
    assert_string_equal(text_at(a, "content"), ", a small girl");
    assert_true(json_is_true(at(a, "stop")));
    assert_string_equal(text_at(a, "stop_type"), "limit");
    assert_int_equal(number_at(a, "tokens_predicted"), 4);
    assert_true(number_at(a, "tokens_evaluated") > 4);
    assert_true(json_is_false(at(a, "truncated")));
    assert_int_equal(json_array_size(at(a, "tokens")), 4);
    assert_int_equal(json_array_size(at(a, "completion_probabilities")), 4);
    assert_int_equal(json_array_size(at(a, "completion_probabilities.0.top_logprobs")), 2);
    assert_int_equal(number_at(a, "completion_probabilities.1.id"), number_at(a, "tokens.1"));
    assert_string_equal(text_at(a, "completion_probabilities.1.token"), " a");
    assert_int_equal(number_at(a, "timings.predicted_n"), 4);
    assert_int_equal(number_at(a, "generation_settings.n_predict"), 4);
    json_decref(a);
}

static void llama_cpps_stream_ends_with_what_has_been_done(void **state)
{
    (void)state;
    struct reply r = ask(service, "POST", "/completion",
                         "{" ONCE ",\"n_predict\":9,\"stream\":true,\"stop\":\" girl\",\"return_tokens\":true}");
    json_t *const all = events(r.text), *event;
    char text[256] = "";
    size_t i, n = json_array_size(all), n_tokens = 0;
    json_array_foreach(all, i, event) {
        strcat(text, text_at(event, "content"));
        n_tokens += json_array_size(at(event, "tokens"));
        assert_int_equal(json_is_true(at(event, "stop")), i == n - 1);
    }
    json_t *const last = json_array_get(all, n - 1);
    assert_string_equal(text, ", a small");
    assert_string_equal(text_at(last, "stop_type"), "word");
    assert_string_equal(text_at(last, "stopping_word"), " girl");
    assert_int_equal(n_tokens, number_at(last, "tokens_predicted"));
    assert_null(strstr(r.text, "[DONE]"));
    free(r.text);
    json_decref(all);
}

static void several_prompts_are_an_array_of_answers(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", "/completions",
                               "{\"prompt\":[\"Once\",[1,\"The dog\"]],\"n_predict\":3,\"temperature\":0}", 200);
    assert_int_equal(json_array_size(a), 2);
    assert_int_equal(number_at(a, "1.index"), 1);
    assert_int_equal(number_at(a, "1.tokens_predicted"), 3);
    json_decref(a);
}

/* ---- Holes ---- */

/* The embedded model with metadata that makes tokens of its vocabulary those of holes. What is put in is a multiple of
 * 32 bytes long, so that the tensors stay aligned. */
static void write_hole_model(const char *path)
{
    static const struct {
        const char *key;
        uint32_t id;
    } keys[] = { { "tokenizer.ggml.fim_pre_token_id", 400 }, { "tokenizer.ggml.fim_suf_token_id", 401 },
                 { "tokenizer.ggml.fim_mid_token_id", 402 }, { "tokenizer.ggml.fim_sep_token_id", 403 } };
    enum { HEADER = 24, MORE = 256, U32 = 4, STRING = 8 };
    char more[MORE] = "", *p = more;
    FILE *const from = fopen("tools/default-model/model.gguf", "rb"), *const to = fopen(path, "wb");
    assert_true(from && to);
    for (size_t i = 0; i < 4; p += 16 + strlen(keys[i++].key)) {
        const uint32_t words[] = { U32, keys[i].id };
        memcpy(p, &(uint64_t){ strlen(keys[i].key) }, 8);
        memcpy(p + 8, keys[i].key, strlen(keys[i].key));
        memcpy(p + 8 + strlen(keys[i].key), words, 8);
    }
    memcpy(p, &(uint64_t){ 1 }, 8); /* "x": a text that fills it up */
    memcpy(p + 8, "x\10\0\0\0", 5);
    memcpy(p + 13, &(uint64_t){ (uint64_t)(more + MORE - p) - 21 }, 8);
    memset(p + 21, ' ', (size_t)(more + MORE - p) - 21);

    static char rest[1 << 22];
    uint64_t header[3];
    assert_int_equal(fread(header, 1, HEADER, from), HEADER);
    header[2] += 5;
    assert_int_equal(fwrite(header, 1, HEADER, to), HEADER);
    assert_int_equal(fwrite(more, 1, MORE, to), MORE);
    for (size_t n; (n = fread(rest, 1, sizeof rest, from)) > 0;)
        assert_int_equal(fwrite(rest, 1, n, to), n);
    fclose(from);
    assert_int_equal(fclose(to), 0);
}

static json_t *tokens_of(infer_service *s, const char *text)
{
    char body[256];
    snprintf(body, sizeof body, "{\"content\":\"%s\"}", text);
    json_t *const a = ask_json(s, "POST", "/tokenize", body, 200), *const ids = json_incref(at(a, "tokens"));
    json_decref(a);
    return ids;
}

/* PREFIX before SUFFIX behind MIDDLE, behind what begins a text and other files. */
static char *hole_prompt(infer_service *s, const char *before, const char *behind, const char *file)
{
    json_t *const begins = ask_json(s, "POST", "/tokenize", "{\"content\":\"\",\"add_special\":true}", 200);
    json_t *const ids = json_incref(at(begins, "tokens")), *part;
    json_decref(begins);
    if (file) {
        json_array_append_new(ids, json_integer(403));
        json_array_extend(ids, part = tokens_of(s, "a.c"));
        json_decref(part);
        json_array_extend(ids, part = tokens_of(s, "\\n"));
        json_decref(part);
        json_array_extend(ids, part = tokens_of(s, file));
        json_decref(part);
        json_array_append_new(ids, json_integer(403));
        json_array_extend(ids, part = tokens_of(s, "this\\n"));
        json_decref(part);
    }
    json_array_append_new(ids, json_integer(400));
    json_array_extend(ids, part = tokens_of(s, before));
    json_decref(part);
    json_array_append_new(ids, json_integer(401));
    json_array_extend(ids, part = tokens_of(s, behind));
    json_decref(part);
    json_array_append_new(ids, json_integer(402));
    char *const text = json_dumps(ids, JSON_COMPACT);
    json_decref(ids);
    return text;
}

static void check_hole(infer_service *s, const char *file, const char *route, const char *request, const char *text)
{
    char body[1024];
    char *const prompt = hole_prompt(s, "Once upon", "little girl", file);
    snprintf(body, sizeof body, "{\"prompt\":%s,\"max_tokens\":6,\"temperature\":0,\"stop\":[]}", prompt);
    json_t *const expected = ask_json(s, "POST", "/completion", body, 200);
    json_t *const a = ask_json(s, "POST", route, request, 200);
    assert_string_equal(text_at(a, text), text_at(expected, "content"));
    json_t *const n = at(a, "tokens_evaluated") ? at(a, "tokens_evaluated") : at(a, "usage.prompt_tokens");
    assert_int_equal(json_integer_value(n), number_at(expected, "tokens_evaluated"));
    json_decref(expected);
    json_decref(a);
    free(prompt);
}

#define HOLE "\"input_prefix\":\"Once upon\",\"input_suffix\":\"little girl\",\"n_predict\":6,\"temperature\":0"

static void a_hole_is_filled_by_the_vocabulary_s_tokens_for_that(void **state)
{
    (void)state;
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16];
    folder_make(folder);
    snprintf(path, sizeof path, "%s/hole.gguf", folder);
    write_hole_model(path);
    infer_service_options o = infer_service_defaults();
    o.model = path;
    infer_service *s = open_with(&o);
    check_hole(s, NULL, "/infill", "{" HOLE "}", "content");
    check_hole(s, NULL, "/v1/completions",
               "{\"prompt\":\"Once upon\",\"suffix\":\"little girl\",\"max_tokens\":6,\"temperature\":0}",
               "choices.0.text");
    check_hole(s, "int x;", "/infill",
               "{" HOLE ",\"input_extra\":[{\"filename\":\"a.c\",\"text\":\"int x;\"}]}", "content");
    /* Too long a text is cut where it is farthest from the hole. */
    static char body[1 << 16] = "{\"n_predict\":4,\"input_suffix\":\"x\",\"input_prefix\":\"";
    const size_t begins = strlen(body);
    for (size_t i = 0; i < 6000; i++)
        strcat(body + begins + 6 * i, " dog, ");
    strcat(body, "\"}");
    json_t *const a = ask_json(s, "POST", "/infill", body, 200);
    assert_true(number_at(a, "tokens_evaluated") > 100);
    json_decref(a);
    infer_service_close(&s);
    folder_remove(folder);
}

static void a_model_without_such_tokens_says_so(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", "/infill", "{" HOLE "}", 400);
    assert_non_null(strstr(text_at(a, "error.message"), "fills no holes"));
    json_decref(a);
    json_decref(ask_json(service, "POST", "/infill", "{}", 400));
}

/* ---- Whatever comes ---- */

static void no_field_of_any_type_does_harm(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "model", "prompt", "suffix", "max_tokens", "max_completion_tokens", "n_predict", "temperature", "top_p", "n",
        "stream", "stream_options", "logprobs", "echo", "stop", "presence_penalty", "frequency_penalty", "best_of",
        "logit_bias", "user", "seed", "response_format", "json_schema", "grammar", "lora", "samplers", "n_probs",
        "return_tokens", "post_sampling_probs", "input_prefix", "input_suffix", "input_extra", "banned_strings",
        "dry_sequence_breakers", "ignore_eos", "priority", "top_k", "min_p", "mirostat",
    };
    ask_with_any_field(service, "/v1/completions", "\"prompt\":\"x\",\"max_tokens\":1", fields,
                       sizeof fields / sizeof *fields);
    ask_with_any_field(service, "/completion", "\"prompt\":\"x\",\"n_predict\":1", fields,
                       sizeof fields / sizeof *fields);
    ask_with_any_field(service, "/infill", "\"input_prefix\":\"x\",\"n_predict\":1", fields,
                       sizeof fields / sizeof *fields);
    ask_with_any_field(service, "/v1/completions",
                       "\"prompt\":\"x\",\"max_tokens\":1,\"echo\":true,\"logprobs\":1,\"stream\":true", fields,
                       sizeof fields / sizeof *fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_openais_fields_and_16_tokens),
        cmocka_unit_test(a_prompt_in_any_form_is_the_same_prompt),
        cmocka_unit_test(several_prompts_have_n_answers_each_in_their_order),
        cmocka_unit_test(several_prompts_are_streamed_together),
        cmocka_unit_test(an_echo_stands_before_the_answer),
        cmocka_unit_test(log_probabilities_have_the_form_of_completions),
        cmocka_unit_test(a_stream_has_the_log_probabilities_of_its_pieces),
        cmocka_unit_test(a_prompt_s_log_probabilities_are_those_of_a_session),
        cmocka_unit_test(what_follows_a_prompt_that_was_told_is_computed_alone),
        cmocka_unit_test(a_prompt_of_text_begins_with_its_first_character),
        cmocka_unit_test(the_best_of_several_is_answered),
        cmocka_unit_test(a_text_can_be_held_to_a_schema),
        cmocka_unit_test(a_stop_string_ends_the_text),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_prompt_that_is_too_long_is_told_as_such),
        cmocka_unit_test(who_has_gone_is_not_answered_and_others_are),
        cmocka_unit_test(who_takes_too_long_gets_what_there_is),
        cmocka_unit_test(llama_cpps_form_has_its_fields),
        cmocka_unit_test(llama_cpps_stream_ends_with_what_has_been_done),
        cmocka_unit_test(several_prompts_are_an_array_of_answers),
        cmocka_unit_test(a_hole_is_filled_by_the_vocabulary_s_tokens_for_that),
        cmocka_unit_test(a_model_without_such_tokens_says_so),
        cmocka_unit_test(no_field_of_any_type_does_harm),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
