/* test_chat.c - POST /v1/chat/completions as clients of OpenAI's API see it. */
#include "tests/common/asking.h"

#define CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"max_tokens\":12,\"temperature\":0"

static void an_answer_has_its_text_its_reason_and_its_usage(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", "/v1/chat/completions", "{" CHAT "}", 200);
    assert_string_equal(text_at(a, "object"), "chat.completion");
    assert_string_equal(text_at(a, "choices.0.message.role"), "assistant");
    assert_true(*text_at(a, "choices.0.message.content"));
    assert_string_equal(text_at(a, "choices.0.finish_reason"), "length");
    assert_int_equal(json_integer_value(at(a, "usage.completion_tokens")), 12);
    assert_int_equal(json_integer_value(at(a, "usage.total_tokens")),
                     json_integer_value(at(a, "usage.prompt_tokens")) + 12);
    json_decref(a);
}

static void a_stream_is_the_same_text_in_pieces(void **state)
{
    (void)state;
    char text[4096] = "";
    json_t *const a = ask_json(service, "POST", "/v1/chat/completions", "{" CHAT "}", 200);
    struct reply r = ask(service, "POST", "/v1/chat/completions",
                         "{" CHAT ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.type, "text/event-stream");
    json_t *const all = events(r.text), *event;
    size_t i;
    assert_string_equal(text_at(json_array_get(all, 0), "choices.0.delta.role"), "assistant");
    json_array_foreach(all, i, event)
        strcat(text, text_at(event, "choices.0.delta.content"));
    assert_string_equal(text, text_at(a, "choices.0.message.content"));
    const size_t n = json_array_size(all);
    assert_string_equal(text_at(json_array_get(all, n - 2), "choices.0.finish_reason"), "length");
    assert_int_equal(json_integer_value(at(json_array_get(all, n - 1), "usage.completion_tokens")), 12);
    assert_string_equal(r.text + r.n - 14, "data: [DONE]\n\n");
    free(r.text);
    json_decref(all);
    json_decref(a);
}

static void n_answers_are_told_apart_by_their_index(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", "/v1/chat/completions",
                               "{\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}],\"max_tokens\":8,\"n\":3,"
                               "\"seed\":1}", 200);
    assert_int_equal(json_array_size(at(a, "choices")), 3);
    assert_int_equal(json_integer_value(at(a, "choices.2.index")), 2);
    assert_string_not_equal(text_at(a, "choices.0.message.content"), text_at(a, "choices.1.message.content"));
    assert_int_equal(json_integer_value(at(a, "usage.completion_tokens")), 24);
    json_decref(a);
}

static void log_probabilities_are_told_for_each_token(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", "/v1/chat/completions",
                               "{" CHAT ",\"logprobs\":true,\"top_logprobs\":2}", 200);
    json_t *const tokens = at(a, "choices.0.logprobs.content");
    assert_int_equal(json_array_size(tokens), 12);
    assert_int_equal(json_array_size(at(tokens, "0.top_logprobs")), 2);
    assert_true(json_real_value(at(tokens, "0.logprob")) <= 0);
    json_decref(a);
}

static void an_answer_can_be_held_to_a_schema(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", "/v1/chat/completions",
                               "{\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}],\"max_tokens\":60,"
                               "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":"
                               "{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"yes\",\"no\"]}},"
                               "\"required\":[\"a\"],\"additionalProperties\":false}}}}", 200);
    json_t *const answer = json_loads(text_at(a, "choices.0.message.content"), 0, NULL);
    assert_non_null(at(answer, "a"));
    json_decref(answer);
    json_decref(a);
}

static void a_required_call_is_made(void **state)
{
    (void)state;
    static const char body[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Weather?\"}],\"max_tokens\":80,\"temperature\":0,"
        "\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\","
        "\"parameters\":{\"type\":\"object\",\"properties\":{\"sky\":{\"enum\":[\"blue\",\"grey\"]}},"
        "\"required\":[\"sky\"],\"additionalProperties\":false}}}],\"parallel_tool_calls\":false%s}";
    char stream[1024], whole[1024];
    snprintf(whole, sizeof whole, body, "");
    snprintf(stream, sizeof stream, body, ",\"stream\":true");
    json_t *const a = ask_json(service, "POST", "/v1/chat/completions", whole, 200);
    assert_string_equal(text_at(a, "choices.0.finish_reason"), "tool_calls");
    assert_string_equal(text_at(a, "choices.0.message.tool_calls.0.function.name"), "weather");
    struct reply r = ask(service, "POST", "/v1/chat/completions", stream);
    char arguments[256] = "";
    json_t *const all = events(r.text), *event;
    size_t i;
    json_array_foreach(all, i, event)
        strcat(arguments, text_at(event, "choices.0.delta.tool_calls.0.function.arguments"));
    assert_string_equal(arguments, text_at(a, "choices.0.message.tool_calls.0.function.arguments"));
    free(r.text);
    json_decref(all);
    json_decref(a);
}

static void an_answer_without_content_is_a_message_too(void **state)
{
    (void)state;
    json_decref(ask_json(service, "POST", "/v1/chat/completions",
                         "{\"max_tokens\":1,\"reasoning_effort\":\"low\",\"messages\":[{\"role\":\"user\",\"content\":"
                         "\"x\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":"
                         "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\","
                         "\"tool_call_id\":\"1\",\"content\":\"y\"}]}", 200));
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "{", "invalid" },
        { "[]", "object" },
        { "{}", "messages" },
        { "{\"messages\":[]}", "messages" },
        { "{\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}", "king" },
        { "{" CHAT ",\"top_p\":2}", "top_p" },
        { "{" CHAT ",\"top_k\":\"many\"}", "top_k" },
        { "{" CHAT ",\"n\":0}", "n:" },
        { "{" CHAT ",\"stop\":[1]}", "stop" },
        { "{" CHAT ",\"logit_bias\":{\"x\":1}}", "logit_bias" },
        { "{" CHAT ",\"tool_choice\":\"required\"}", "tool" },
        { "{" CHAT ",\"response_format\":{\"type\":\"xml\"}}", "response_format" },
        { "{" CHAT ",\"reasoning_effort\":\"huge\"}", "reasoning_effort" },
        { "{" CHAT ",\"grammar\":\"root ::= x\"}", "grammar" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", "image_url" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *const a = ask_json(service, "POST", "/v1/chat/completions", wrong[i][0], 400);
        if (!strstr(text_at(a, "error.message"), wrong[i][1]) && !strstr(text_at(a, "error.code"), wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], text_at(a, "error.message"));
        json_decref(a);
    }
}

static void a_cancelled_stream_breaks_off_and_no_other_does(void **state)
{
    (void)state;
    const char *chunk;
    size_t n;
    infer_exchange *const gone = ask_begin(service, "POST", "/v1/chat/completions",
                                           "{\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}],\"stream\":true,"
                                           "\"ignore_eos\":true}");
    infer_exchange *const stays = ask_begin(service, "POST", "/v1/chat/completions", "{" CHAT ",\"stream\":true}");
    assert_int_equal(infer_exchange_next(gone, 60, &chunk, &n, NULL), INFER_OK);
    infer_exchange_cancel(gone);
    struct reply a = ask_end(gone), b = ask_end(stays);
    assert_int_equal(a.end, INFER_E_CANCELLED);
    assert_int_equal(b.end, INFER_OK);
    assert_string_equal(b.text + b.n - 14, "data: [DONE]\n\n");
    free(a.text);
    free(b.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_its_text_its_reason_and_its_usage),
        cmocka_unit_test(a_stream_is_the_same_text_in_pieces),
        cmocka_unit_test(n_answers_are_told_apart_by_their_index),
        cmocka_unit_test(log_probabilities_are_told_for_each_token),
        cmocka_unit_test(an_answer_can_be_held_to_a_schema),
        cmocka_unit_test(a_required_call_is_made),
        cmocka_unit_test(an_answer_without_content_is_a_message_too),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_cancelled_stream_breaks_off_and_no_other_does),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
