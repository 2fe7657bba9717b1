/* test_shimmy.c - Shimmy's API: its form of /api/generate, messages of a WebSocket, and what there is. */
#include "tests/common/asking.h"

#define PATH "/api/generate"
#define ASK "\"model\":\"stories\",\"prompt\":\"Once upon a\",\"max_tokens\":12,\"temperature\":0"

static void a_text_is_a_response_alone(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", PATH, "{" ASK ",\"stream\":false}", 200);
    assert_int_equal(json_object_size(a), 1);
    assert_true(*text_at(a, "response"));
    json_decref(a);
}

/* Data of events, lines of one event with a newline between, as browsers read them. */
static void read_events(const char *stream, char *text, size_t *n_events)
{
    *text = '\0';
    for (*n_events = 0; *stream; ++*n_events) {
        char event[4096] = "";
        for (int line = 0; *stream && *stream != '\n'; line++) {
            const size_t n = strcspn(stream, "\n");
            assert_memory_equal(stream, "data: ", 6);
            snprintf(event + strlen(event), sizeof event - strlen(event), "%s%.*s", line ? "\n" : "", (int)n - 6,
                     stream + 6);
            stream += n + 1;
        }
        stream++;
        if (!strcmp(event, "[DONE]"))
            assert_string_equal(stream, "");
        else
            strcat(text, event);
    }
}

static void without_a_word_about_it_the_text_is_a_stream_that_ends_with_done(void **state)
{
    (void)state;
    char text[4096];
    size_t n;
    json_t *const a = ask_json(service, "POST", PATH, "{" ASK ",\"stream\":false}", 200);
    struct reply r = ask(service, "POST", PATH, "{" ASK "}");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.type, "text/event-stream");
    assert_string_equal(r.text + r.n - 14, "data: [DONE]\n\n");
    read_events(r.text, text, &n);
    assert_string_equal(text, text_at(a, "response"));
    assert_true(n > 5);
    free(r.text);
    json_decref(a);
}

static void lines_within_a_text_stay_lines(void **state)
{
    (void)state;
    struct reply r = ask(service, "POST", PATH,
                         "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":9,"
                         "\"grammar\":\"root ::= \\\"a\\\" \\\"\\\\n\\\" \\\"b\\\"\"}");
    char text[4096];
    size_t n;
    assert_int_equal(r.status, 200);
    read_events(r.text, text, &n);
    assert_non_null(strstr(text, "a\nb"));
    free(r.text);
}

/* Which form a body has is told by its fields. */
static void a_body_without_fields_of_shimmys_own_is_ollamas(void **state)
{
    (void)state;
    static const char *const own[] = { "\"max_tokens\":3", "\"temperature\":0,\"max_tokens\":3",
                                       "\"top_p\":0.5,\"max_tokens\":2", "\"top_k\":1,\"max_tokens\":2" };
    for (size_t i = 0; i < 4; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"prompt\":\"Once\",\"stream\":false,%s}", own[i]);
        json_t *const a = ask_json(service, "POST", PATH, body, 200);
        assert_null(at(a, "done"));
        assert_non_null(at(a, "response"));
        json_decref(a);
    }
    json_t *const a = ask_json(service, "POST", PATH,
                               "{\"prompt\":\"Once\",\"stream\":false,\"options\":"
                               "{\"num_predict\":3,\"temperature\":0}}",
                               200);
    assert_true(json_is_true(at(a, "done")));
    json_decref(a);
}

static void each_piece_is_a_message_of_a_websocket(void **state)
{
    (void)state;
    json_t *const a = ask_json(service, "POST", PATH, "{" ASK ",\"stream\":false}", 200);
    infer_exchange *x = ask_begin(service, "MESSAGE", "/ws/generate", "{" ASK "}");
    char text[4096] = "", last[64] = "";
    const char *chunk;
    size_t n, pieces = 0;
    for (; infer_exchange_next(x, 60, &chunk, &n, NULL) == INFER_OK && chunk; pieces++) {
        strcat(text, last);
        assert_true(n < sizeof last);
        snprintf(last, sizeof last, "%.*s", (int)n, chunk);
    }
    assert_true(pieces > 5);
    assert_string_equal(text, text_at(a, "response"));
    assert_string_equal(last, "{\"done\":true}");
    infer_exchange_close(&x);
    json_decref(a);
    struct reply r = ask(service, "MESSAGE", "/ws/generate", "{\"max_tokens\":\"x\"}");
    assert_memory_equal(r.text, "{\"error\":\"max_tokens", 20);
    free(r.text);
}

static void models_and_the_machine_are_told(void **state)
{
    (void)state;
    static const char *const keys[] = { "name", "size_bytes", "model_type", "parameter_count", "source" };
    json_t *const models = ask_json(service, "GET", "/api/models", NULL, 200);
    json_t *const machine = ask_json(service, "GET", "/diag", NULL, 200);
    for (size_t i = 0; i < 5; i++)
        assert_non_null(at(at(models, "models.0"), keys[i]));
    assert_string_equal(text_at(models, "models.0.name"), "stories");
    assert_string_equal(text_at(models, "models.0.model_type"), "llama");
    assert_string_equal(text_at(models, "models.0.parameter_count"), "3.2M");
    assert_string_equal(text_at(machine, "os"), "linux");
    assert_true(json_integer_value(at(machine, "cores")) > 0);
    assert_true(json_integer_value(at(machine, "mem_total_mb")) > 0);
    json_decref(models);
    json_decref(machine);
}

static void no_type_of_any_field_is_taken_for_another(void **state)
{
    (void)state;
    static const char *const fields[] = { "model", "prompt", "max_tokens", "temperature", "top_p",
                                          "top_k", "stream", "system",     "stop" };
    static const char *const chat[] = { "messages", "messages.0", "messages.0.role", "messages.0.content", "system" };
    ask_all_types(service, "POST", PATH, "{\"prompt\":\"x\",\"max_tokens\":1,\"temperature\":0}", fields, 9);
    ask_all_types(service, "MESSAGE", "/ws/generate", "{\"prompt\":\"x\",\"max_tokens\":1}", fields, 9);
    ask_all_types(service, "POST", PATH, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":1}",
                  chat, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_a_response_alone),
        cmocka_unit_test(without_a_word_about_it_the_text_is_a_stream_that_ends_with_done),
        cmocka_unit_test(lines_within_a_text_stay_lines),
        cmocka_unit_test(a_body_without_fields_of_shimmys_own_is_ollamas),
        cmocka_unit_test(each_piece_is_a_message_of_a_websocket),
        cmocka_unit_test(models_and_the_machine_are_told),
        cmocka_unit_test(no_type_of_any_field_is_taken_for_another),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
