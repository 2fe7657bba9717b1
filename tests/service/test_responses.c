/* test_responses.c - /v1/responses as clients of OpenAI's API see it. */
#include "tests/common/asking.h"
#include "tests/common/folder.h"

#include <sys/stat.h>
#include <unistd.h>

static infer_service *open_in(const char *state_dir)
{
    infer_service_options o = infer_service_defaults();
    o.state_dir = state_dir;
    return open_with(&o);
}

#define SHORT "\"max_output_tokens\":12,\"temperature\":0"
#define ONCE "\"input\":\"Once upon a time\"," SHORT

static json_t *respond(const char *body)
{
    return ask_json(service, "POST", "/v1/responses", body, 200);
}

/* ---- The response ---- */

static void a_response_has_openais_fields(void **state)
{
    (void)state;
    json_t *const a = respond("{" ONCE ",\"instructions\":\"Be brief.\",\"metadata\":{\"a\":\"b\"}}");
    static const char *const all[] = {
        "id", "object", "created_at", "status", "error", "incomplete_details", "instructions", "max_output_tokens",
        "model", "output", "parallel_tool_calls", "previous_response_id", "reasoning", "store", "temperature", "text",
        "tool_choice", "tools", "top_p", "truncation", "usage", "user", "metadata", "background", "top_logprobs",
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!json_object_get(a, all[i]))
            fail_msg("there is no %s", all[i]);
    assert_int_equal(strlen(text_at(a, "id")), 29);
    assert_memory_equal(text_at(a, "id"), "resp_", 5);
    assert_string_equal(text_at(a, "object"), "response");
    assert_string_equal(text_at(a, "status"), "incomplete");
    assert_string_equal(text_at(a, "incomplete_details.reason"), "max_output_tokens");
    assert_string_equal(text_at(a, "metadata.a"), "b");
    assert_string_equal(text_at(a, "instructions"), "Be brief.");
    assert_string_equal(text_at(a, "output.0.type"), "message");
    assert_string_equal(text_at(a, "output.0.role"), "assistant");
    assert_string_equal(text_at(a, "output.0.status"), "incomplete");
    assert_string_equal(text_at(a, "output.0.content.0.type"), "output_text");
    assert_true(*text_at(a, "output.0.content.0.text"));
    assert_int_equal(json_integer_value(at(a, "usage.output_tokens")), 12);
    assert_int_equal(json_integer_value(at(a, "usage.total_tokens")),
                     json_integer_value(at(a, "usage.input_tokens")) + 12);
    json_decref(a);
}

static void items_are_the_conversation_that_messages_are(void **state)
{
    (void)state;
    json_t *const chat = ask_json(service, "POST", "/v1/chat/completions",
                                  "{\"max_tokens\":12,\"temperature\":0,\"messages\":[{\"role\":\"system\",\"content\":"
                                  "\"Be brief.\\n\\nBe kind.\"},{\"role\":\"user\",\"content\":\"Once\"},"
                                  "{\"role\":\"assistant\",\"content\":\"upon\"},{\"role\":\"user\",\"content\":\"a "
                                  "time\"}]}", 200);
    json_t *const a = respond("{\"instructions\":\"Be brief.\"," SHORT ",\"input\":[{\"role\":\"developer\","
                              "\"content\":\"Be kind.\"},{\"type\":\"message\",\"role\":\"user\",\"content\":["
                              "{\"type\":\"input_text\",\"text\":\"On\"},{\"type\":\"input_text\",\"text\":\"ce\"}]},"
                              "{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"upon\"}]},"
                              "{\"role\":\"user\",\"content\":\"a time\"}]}");
    assert_string_equal(text_at(a, "output.0.content.0.text"), text_at(chat, "choices.0.message.content"));
    assert_int_equal(json_integer_value(at(a, "usage.input_tokens")),
                     json_integer_value(at(chat, "usage.prompt_tokens")));
    json_decref(a);
    json_decref(chat);
}

static void an_answer_can_be_held_to_a_schema(void **state)
{
    (void)state;
    json_t *const a = respond("{\"input\":\"x\",\"max_output_tokens\":60,\"text\":{\"format\":{\"type\":"
                              "\"json_schema\",\"name\":\"n\",\"schema\":{\"enum\":[\"yes\",\"no\"]}}}}");
    const char *const text = text_at(a, "output.0.content.0.text");
    assert_true(!strcmp(text, "\"yes\"") || !strcmp(text, "\"no\""));
    assert_string_equal(text_at(a, "status"), "completed");
    assert_true(json_is_null(at(a, "incomplete_details")));
    json_decref(a);
}

static void log_probabilities_come_where_they_are_included(void **state)
{
    (void)state;
    json_t *const a = respond("{" ONCE ",\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":2}");
    assert_int_equal(json_array_size(at(a, "output.0.content.0.logprobs")), 12);
    assert_int_equal(json_array_size(at(a, "output.0.content.0.logprobs.3.top_logprobs")), 2);
    json_decref(a);
    json_t *const b = respond("{" ONCE "}");
    assert_int_equal(json_array_size(at(b, "output.0.content.0.logprobs")), 0);
    json_decref(b);
}

/* ---- Streams ---- */

/* The types of a stream's events in their order, those of the same type in a row once, with spaces between. */
static void types_of(json_t *all, char *types)
{
    const char *before = "";
    json_t *event;
    size_t i;
    *types = '\0';
    json_array_foreach(all, i, event) {
        const char *const type = text_at(event, "type");
        assert_int_equal(json_integer_value(at(event, "sequence_number")), i);
        if (strcmp(before, type))
            sprintf(types + strlen(types), "%s%s", *types ? " " : "", type + strlen("response."));
        before = type;
    }
}

static void a_stream_tells_of_each_step(void **state)
{
    (void)state;
    json_t *const whole = respond("{" ONCE ",\"top_logprobs\":1}");
    struct reply r = ask(service, "POST", "/v1/responses", "{" ONCE ",\"stream\":true,\"top_logprobs\":1}");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.type, "text/event-stream");
    assert_memory_equal(r.text, "event: response.created\ndata: {", 31);
    json_t *const all = events(r.text), *event;
    char types[1024], text[1024] = "";
    size_t i, n_tokens = 0;
    types_of(all, types);
    assert_string_equal(types, "created in_progress output_item.added content_part.added output_text.delta "
                               "output_text.done content_part.done output_item.done incomplete");
    json_array_foreach(all, i, event)
        if (!strcmp(text_at(event, "type"), "response.output_text.delta")) {
            strcat(text, text_at(event, "delta"));
            n_tokens += json_array_size(at(event, "logprobs"));
            assert_string_equal(text_at(event, "item_id"), text_at(json_array_get(all, 2), "item.id"));
        }
    assert_string_equal(text, text_at(whole, "output.0.content.0.text"));
    assert_int_equal(n_tokens, 12);
    json_t *const last = at(json_array_get(all, json_array_size(all) - 1), "response");
    assert_string_equal(text_at(last, "output.0.content.0.text"), text);
    assert_int_equal(json_array_size(at(last, "output.0.content.0.logprobs")), 12);
    assert_int_equal(json_integer_value(at(last, "usage.output_tokens")), 12);
    free(r.text);
    json_decref(all);
    json_decref(whole);
}

#define TOOL \
    "\"tools\":[{\"type\":\"function\",\"name\":\"weather\",\"strict\":true,\"parameters\":{\"type\":\"object\"," \
    "\"properties\":{\"sky\":{\"enum\":[\"blue\",\"grey\"]}},\"required\":[\"sky\"]," \
    "\"additionalProperties\":false}}],\"parallel_tool_calls\":false,\"temperature\":0,\"max_output_tokens\":80"

static void a_call_is_an_item_and_its_output_another(void **state)
{
    (void)state;
    json_t *const a = respond("{\"input\":\"Weather?\"," TOOL ",\"tool_choice\":{\"type\":\"function\",\"name\":"
                              "\"weather\"}}");
    assert_string_equal(text_at(a, "output.0.type"), "function_call");
    assert_string_equal(text_at(a, "output.0.name"), "weather");
    assert_string_equal(text_at(a, "output.0.status"), "completed");
    assert_string_equal(text_at(a, "status"), "completed");

    struct reply r = ask(service, "POST", "/v1/responses",
                         "{\"input\":\"Weather?\"," TOOL ",\"tool_choice\":\"required\",\"stream\":true}");
    json_t *const all = events(r.text);
    char types[1024];
    types_of(all, types);
    assert_string_equal(types, "created in_progress output_item.added function_call_arguments.delta "
                               "function_call_arguments.done output_item.done completed");
    assert_string_equal(text_at(json_array_get(all, 4), "arguments"), text_at(a, "output.0.arguments"));
    free(r.text);
    json_decref(all);

    /* Its output goes back by the call's id. */
    json_t *const next = json_pack("{s:O, s:[{s:s, s:O, s:s}], s:i}", "previous_response_id", at(a, "id"), "input",
                                   "type", "function_call_output", "call_id", at(a, "output.0.call_id"), "output",
                                   "{\"degrees\": 7}", "max_output_tokens", 4);
    char *const body = json_dumps(next, 0);
    json_t *const b = respond(body);
    assert_string_equal(text_at(b, "output.0.type"), "message");
    free(body);
    json_decref(next);
    json_decref(b);
    json_decref(a);
}

/* ---- Going on ---- */

static void a_conversation_goes_on_from_a_response(void **state)
{
    (void)state;
    char body[512];
    json_t *const a = respond("{" ONCE "}");
    snprintf(body, sizeof body, "{\"input\":\"And then?\"," SHORT ",\"previous_response_id\":\"%s\"}",
             text_at(a, "id"));
    json_t *const b = respond(body);
    assert_string_equal(text_at(b, "previous_response_id"), text_at(a, "id"));

    json_t *const messages =
        json_pack("{s:[{s:s, s:s}, {s:s, s:O}, {s:s, s:s}], s:i, s:i}", "messages", "role", "user", "content",
                  "Once upon a time", "role", "assistant", "content", at(a, "output.0.content.0.text"), "role", "user",
                  "content", "And then?", "max_tokens", 12, "temperature", 0);
    char *const same = json_dumps(messages, 0);
    json_t *const chat = ask_json(service, "POST", "/v1/chat/completions", same, 200);
    assert_string_equal(text_at(b, "output.0.content.0.text"), text_at(chat, "choices.0.message.content"));
    free(same);
    json_decref(messages);
    json_decref(chat);
    json_decref(a);
    json_decref(b);
}

static char *path_to(const char *id, const char *more)
{
    static char path[512];
    snprintf(path, sizeof path, "/v1/responses/%s%s", id, more);
    return path;
}

static void a_response_can_be_fetched_and_deleted(void **state)
{
    (void)state;
    json_t *const a = respond("{" ONCE "}");
    const char *const id = text_at(a, "id");
    json_t *const same = ask_json(service, "GET", path_to(id, ""), NULL, 200);
    assert_true(json_equal(a, same));
    json_t *const gone = ask_json(service, "DELETE", path_to(id, ""), NULL, 200);
    assert_string_equal(text_at(gone, "id"), id);
    assert_true(json_is_true(at(gone, "deleted")));
    json_decref(ask_json(service, "GET", path_to(id, ""), NULL, 404));
    json_decref(ask_json(service, "DELETE", path_to(id, ""), NULL, 404));
    json_decref(same);
    json_decref(gone);
    json_decref(a);
}

static void its_input_is_listed(void **state)
{
    (void)state;
    json_t *const a = respond("{\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
                              "\"b\"},{\"role\":\"user\",\"content\":\"c\"}]," SHORT "}");
    const char *const id = text_at(a, "id");
    json_t *const all = ask_json(service, "GET", path_to(id, "/input_items"), NULL, 200);
    assert_int_equal(json_array_size(at(all, "data")), 3);
    assert_string_equal(text_at(all, "data.0.content.0.text"), "c");
    assert_string_equal(text_at(all, "data.2.content.0.type"), "input_text");
    assert_string_equal(text_at(all, "first_id"), text_at(all, "data.0.id"));
    assert_true(json_is_false(at(all, "has_more")));
    char more[128];
    snprintf(more, sizeof more, "/input_items?limit=1&order=asc&after=%s", text_at(all, "data.2.id"));
    json_t *const one = ask_json(service, "GET", path_to(id, more), NULL, 200);
    assert_int_equal(json_array_size(at(one, "data")), 1);
    assert_string_equal(text_at(one, "data.0.id"), text_at(all, "data.1.id"));
    assert_true(json_is_true(at(one, "has_more")));
    json_decref(ask_json(service, "GET", path_to(id, "/input_items?limit=0"), NULL, 400));
    json_decref(ask_json(service, "GET", path_to(id, "/input_items?order=up"), NULL, 400));
    json_decref(one);
    json_decref(all);
    json_decref(a);
}

static void what_is_not_to_be_stored_is_not(void **state)
{
    (void)state;
    json_t *const a = respond("{" ONCE ",\"store\":false}");
    json_decref(ask_json(service, "GET", path_to(text_at(a, "id"), ""), NULL, 404));
    json_decref(a);
}

static void a_conversation_survives_a_restart(void **state)
{
    (void)state;
    char folder[FOLDER_ROOM], state_dir[FOLDER_ROOM + 8], body[512];
    folder_make(folder);
    snprintf(state_dir, sizeof state_dir, "%s/made", folder);
    infer_service *before = open_in(state_dir);
    json_t *const a = ask_json(before, "POST", "/v1/responses", "{" ONCE "}", 200);
    snprintf(body, sizeof body, "{\"input\":\"And then?\"," SHORT ",\"previous_response_id\":\"%s\"}",
             text_at(a, "id"));
    json_t *const expected = ask_json(before, "POST", "/v1/responses", body, 200);
    infer_service_close(&before);

    infer_service *after = open_in(state_dir);
    json_t *const same = ask_json(after, "GET", path_to(text_at(a, "id"), ""), NULL, 200);
    json_t *const b = ask_json(after, "POST", "/v1/responses", body, 200);
    assert_true(json_equal(a, same));
    assert_string_equal(text_at(b, "output.0.content.0.text"), text_at(expected, "output.0.content.0.text"));
    json_decref(ask_json(after, "DELETE", path_to(text_at(a, "id"), ""), NULL, 200));
    infer_service_close(&after);
    json_decref(same);
    json_decref(expected);
    json_decref(a);
    json_decref(b);
    folder_remove(folder);
}

/* ---- What is kept ---- */

static void an_id_is_no_path(void **state)
{
    (void)state;
    json_decref(ask_json(service, "GET", "/v1/responses/..%2f..%2fetc%2fpasswd", NULL, 404));
    json_decref(ask_json(service, "GET", "/v1/responses/../../etc/passwd", NULL, 404));
    json_decref(ask_json(service, "POST", "/v1/responses", "{" ONCE ",\"previous_response_id\":\"../x\"}", 400));
}

static void a_damaged_file_is_a_response_that_is_not_there(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "", "{", "[]", "{\"response\":5,\"input\":{},\"history\":\"x\"}",
        "{\"input\":[5],\"history\":[],\"response\":{}}",
        "{\"input\":[{\"type\":\"message\"}],\"history\":[],\"response\":{}}",
        "{\"input\":[{\"type\":\"function_call\"}],\"history\":[],\"response\":{\"output\":[[]]}}",
    };
    char folder[FOLDER_ROOM], path[128];
    folder_make(folder);
    snprintf(path, sizeof path, "%s/responses", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/responses/resp_000000000000000000000001.json", folder);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        FILE *const file = fopen(path, "w");
        fputs(damaged[i], file);
        fclose(file);
        infer_service *s = open_in(folder);
        free(ask(s, "GET", "/v1/responses/resp_000000000000000000000001/input_items", NULL).text);
        struct reply r = ask(s, "GET", "/v1/responses/resp_000000000000000000000001", NULL);
        assert_int_equal(r.status, i < 4 ? 404 : 200);
        free(r.text);
        r = ask(s, "POST", "/v1/responses",
                "{\"input\":\"x\",\"max_output_tokens\":1,\"previous_response_id\":\"resp_000000000000000000000001\"}");
        assert_int_equal(r.status, 400);
        free(r.text);
        infer_service_close(&s);
    }
    folder_remove(folder);
}

static void a_directory_that_cannot_be_written_costs_no_answer(void **state)
{
    (void)state;
    infer_service *s = open_in("/proc/nowhere");
    json_t *const a = ask_json(s, "POST", "/v1/responses", "{" ONCE "}", 200);
    json_decref(ask_json(s, "GET", path_to(text_at(a, "id"), ""), NULL, 404));
    json_decref(a);
    infer_service_close(&s);
}

/* ---- What is wrong ---- */

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "{}", "input" },
        { "{\"input\":[]}", "input" },
        { "{\"input\":[5]}", "input" },
        { "{\"input\":[{\"role\":\"king\",\"content\":\"x\"}]}", "input" },
        { "{\"input\":[{\"role\":\"user\"}]}", "input" },
        { "{\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"n\"}]}", "input" },
        { "{\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\"}]}", "input" },
        { "{\"input\":[{\"type\":\"item_reference\",\"id\":\"msg_1\"}]}", "input" },
        { "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]}", "input" },
        { "{" ONCE ",\"previous_response_id\":\"resp_000000000000000000000000\"}", "previous_response_id" },
        { "{" ONCE ",\"tools\":[{\"type\":\"web_search\"}]}", "tools" },
        { "{" ONCE ",\"tools\":[{\"type\":\"function\"}]}", "tools" },
        { "{" ONCE ",\"tool_choice\":\"required\"}", "tool_choice" },
        { "{" ONCE ",\"text\":{\"format\":{\"type\":\"xml\"}}}", "text" },
        { "{" ONCE ",\"text\":{\"format\":{\"type\":\"json_schema\"}}}", "text" },
        { "{" ONCE ",\"reasoning\":{\"effort\":\"immense\"}}", "reasoning" },
        { "{" ONCE ",\"metadata\":{\"a\":1}}", "metadata" },
        { "{" ONCE ",\"background\":true}", "background" },
        { "{" ONCE ",\"truncation\":\"auto\"}", "truncation" },
        { "{" ONCE ",\"conversation\":\"c\"}", "conversation" },
        { "{" ONCE ",\"include\":[1]}", "include" },
        { "{\"input\":\"x\",\"max_output_tokens\":0}", "max_output_tokens" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *const a = ask_json(service, "POST", "/v1/responses", wrong[i][0], 400);
        if (strcmp(text_at(a, "error.param"), wrong[i][1]))
            fail_msg("%s: %s: %s", wrong[i][0], text_at(a, "error.param"), text_at(a, "error.message"));
        json_decref(a);
    }
}

static void no_field_of_any_type_does_harm(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "model", "input", "instructions", "previous_response_id", "tools", "tool_choice", "parallel_tool_calls", "text",
        "reasoning", "max_output_tokens", "temperature", "top_p", "metadata", "store", "stream", "stream_options",
        "include", "top_logprobs", "truncation", "background", "user", "conversation", "prompt", "stop", "seed",
        "chat_template_kwargs", "service_tier", "max_tool_calls", "id_slot",
    };
    ask_with_any_field(service, "/v1/responses", "\"input\":\"x\",\"max_output_tokens\":1", fields,
                       sizeof fields / sizeof *fields);
    static const char *const nested[] = {
        "{\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":%s}]}",
        "{\"input\":[{\"type\":\"message\",\"role\":%s,\"content\":\"x\"}]}",
        "{\"input\":[{\"type\":%s,\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"input\":[{\"type\":\"reasoning\",\"summary\":%s},{\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"input\":[{\"type\":\"reasoning\",\"content\":%s},{\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"input\":[{\"type\":\"function_call\",\"call_id\":%s,\"name\":\"n\",\"arguments\":\"{}\"}]}",
        "{\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":%s,\"arguments\":\"{}\"}]}",
        "{\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":%s}]}",
        "{\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":%s}]}",
        "{\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"n\",\"parameters\":%s}]}",
        "{\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"function\":%s}]}",
        "{\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":%s}}}",
        "{\"input\":\"x\",\"reasoning\":{\"effort\":%s}}",
        "{\"input\":[{\"id\":%s,\"role\":\"user\",\"content\":\"x\"}]}",
    };
    static const char *const values[] = { "null", "true", "5", "0.5", "\"x\"", "\"\\u0000\"", "[]", "[null]", "{}",
                                          "[{\"type\":\"input_text\",\"text\":5}]", "{\"name\":{}}" };
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            char body[512], whole[600];
            snprintf(body, sizeof body, nested[i], values[k]);
            snprintf(whole, sizeof whole, "{\"max_output_tokens\":1,%s", body + 1);
            struct reply r = ask(service, "POST", "/v1/responses", whole);
            if (r.status != 200 && r.status != 400)
                fail_msg("%s: %d %s", whole, r.status, r.text);
            free(r.text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_has_openais_fields),
        cmocka_unit_test(items_are_the_conversation_that_messages_are),
        cmocka_unit_test(an_answer_can_be_held_to_a_schema),
        cmocka_unit_test(log_probabilities_come_where_they_are_included),
        cmocka_unit_test(a_stream_tells_of_each_step),
        cmocka_unit_test(a_call_is_an_item_and_its_output_another),
        cmocka_unit_test(a_conversation_goes_on_from_a_response),
        cmocka_unit_test(a_response_can_be_fetched_and_deleted),
        cmocka_unit_test(its_input_is_listed),
        cmocka_unit_test(what_is_not_to_be_stored_is_not),
        cmocka_unit_test(a_conversation_survives_a_restart),
        cmocka_unit_test(an_id_is_no_path),
        cmocka_unit_test(a_damaged_file_is_a_response_that_is_not_there),
        cmocka_unit_test(a_directory_that_cannot_be_written_costs_no_answer),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(no_field_of_any_type_does_harm),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
