/* test_messages.c - POST /v1/messages as clients of Anthropic's API see it. */
#include "tests/common/asking.h"

#define PATH "/v1/messages"
#define ASK "\"model\":\"stories\",\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]"
#define SHORT ASK ",\"max_tokens\":12,\"temperature\":0"
#define TOOL                                                                                                           \
    "{\"name\":\"weather\",\"description\":\"tells "                                                                   \
    "it\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"sky\":"                                              \
    "{\"enum\":[\"blue\",\"grey\"]}},\"required\":[\"sky\"],\"additionalProperties\":false}}"
#define CALL ASK ",\"max_tokens\":80,\"temperature\":0,\"tools\":[" TOOL "]"
#define THINK ASK ",\"max_tokens\":80,\"grammar\":\"root ::= \\\"<think>hm</think>yes\\\"\""

static json_t *ask_message(const char *body)
{
    return ask_json(service, "POST", PATH, body, 200);
}

static json_int_t number_at(json_t *json, const char *path)
{
    assert_true(json_is_integer(at(json, path)));
    return json_integer_value(at(json, path));
}

static void has_keys(json_t *object, size_t n, const char *const *keys)
{
    assert_int_equal(json_object_size(object), n);
    for (size_t i = 0; i < n; i++)
        assert_non_null(json_object_get(object, keys[i]));
}

static void an_answer_has_the_fields_of_a_message(void **state)
{
    (void)state;
    static const char *const keys[] = { "id",      "type",        "role",          "model",
                                        "content", "stop_reason", "stop_sequence", "usage" };
    static const char *const used[] = { "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
                                        "output_tokens" };
    json_t *const a = ask_message("{" SHORT "}");
    has_keys(a, 8, keys);
    has_keys(at(a, "usage"), 4, used);
    assert_memory_equal(text_at(a, "id"), "msg_", 4);
    assert_string_equal(text_at(a, "type"), "message");
    assert_string_equal(text_at(a, "role"), "assistant");
    assert_int_equal(json_array_size(at(a, "content")), 1);
    assert_string_equal(text_at(a, "content.0.type"), "text");
    assert_true(*text_at(a, "content.0.text"));
    assert_string_equal(text_at(a, "stop_reason"), "max_tokens");
    assert_true(json_is_null(at(a, "stop_sequence")));
    assert_int_equal(number_at(a, "usage.output_tokens"), 12);
    json_decref(a);
}

static void what_was_computed_before_is_told_apart(void **state)
{
    (void)state;
    char body[4096], text[2000] = "";
    while (strlen(text) < 1500)
        strcat(text, "a long story of a little girl ");
    snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"max_tokens\":1}", text);
    json_t *const a = ask_message(body), *const b = ask_message(body),
                  *const n = ask_json(service, "POST", PATH "/count_tokens", body, 200);
    assert_int_equal(number_at(a, "usage.input_tokens"), number_at(n, "input_tokens"));
    assert_true(number_at(b, "usage.cache_read_input_tokens") > 0);
    assert_int_equal(number_at(b, "usage.input_tokens") + number_at(b, "usage.cache_read_input_tokens"),
                     number_at(n, "input_tokens"));
    assert_int_equal(json_object_size(n), 1);
    json_decref(a);
    json_decref(b);
    json_decref(n);
}

/* The names of a stream's events, a space behind each; that of the data has to be the same. */
static void event_names(const char *stream, json_t *all, char *names, size_t max)
{
    size_t i = 0;
    for (const char *p = stream; (p = strstr(p, "event: ")); i++) {
        p += strlen("event: ");
        const size_t n = strcspn(p, "\n");
        assert_memory_equal(p, text_at(json_array_get(all, i), "type"), n);
        snprintf(names + strlen(names), max - strlen(names), "%.*s ", (int)n, p);
    }
    assert_int_equal(i, json_array_size(all));
}

static void a_stream_is_the_same_message_in_events(void **state)
{
    (void)state;
    char text[4096] = "", names[4096] = "";
    json_t *const a = ask_message("{" SHORT "}");
    struct reply r = ask(service, "POST", PATH, "{" SHORT ",\"stream\":true}");
    json_t *const all = events(r.text), *e;
    const size_t n = json_array_size(all);
    size_t i;
    assert_int_equal(r.status, 200);
    assert_string_equal(r.type, "text/event-stream");
    event_names(r.text, all, names, sizeof names);
    assert_memory_equal(names, "message_start ping content_block_start content_block_delta ", 55);
    assert_non_null(strstr(names, "content_block_delta content_block_stop message_delta message_stop "));
    json_array_foreach(all, i, e) {
        assert_true(i < 2 || i + 2 >= n || number_at(e, "index") == 0);
        strcat(text, text_at(e, "delta.text"));
    }
    assert_string_equal(text, text_at(a, "content.0.text"));
    e = json_array_get(all, 0);
    assert_int_equal(json_array_size(at(e, "message.content")), 0);
    assert_true(json_is_null(at(e, "message.stop_reason")));
    assert_int_equal(number_at(e, "message.usage.input_tokens"),
                     number_at(a, "usage.input_tokens") + number_at(a, "usage.cache_read_input_tokens"));
    assert_string_equal(text_at(json_array_get(all, 2), "content_block.type"), "text");
    assert_string_equal(text_at(json_array_get(all, 3), "delta.type"), "text_delta");
    e = json_array_get(all, n - 2);
    assert_string_equal(text_at(e, "delta.stop_reason"), "max_tokens");
    assert_true(json_is_null(at(e, "delta.stop_sequence")));
    assert_int_equal(number_at(e, "usage.output_tokens"), 12);
    free(r.text);
    json_decref(all);
    json_decref(a);
}

static void the_stop_sequence_that_came_up_is_told(void **state)
{
    (void)state;
    json_t *const whole = ask_message("{" ASK ",\"max_tokens\":30,\"temperature\":0}");
    const char *const text = text_at(whole, "content.0.text");
    const char *const stop = strchr(text + 10, ' '); /* some word within */
    char word[16] = "", body[512], stream[512];
    assert_non_null(stop);
    memcpy(word, stop, 5);
    snprintf(body, sizeof body,
             "{" ASK ",\"max_tokens\":60,\"temperature\":0,\"stop_sequences\":[\"\",\"never\",\"%s\"]%s}", word, "");
    snprintf(stream, sizeof stream, "%.*s,\"stream\":true}", (int)strlen(body) - 1, body);
    json_t *const a = ask_message(body);
    assert_string_equal(text_at(a, "stop_reason"), "stop_sequence");
    assert_string_equal(text_at(a, "stop_sequence"), word);
    assert_memory_equal(text_at(a, "content.0.text"), text, strlen(text_at(a, "content.0.text")));
    struct reply r = ask(service, "POST", PATH, stream);
    json_t *const all = events(r.text);
    assert_string_equal(text_at(json_array_get(all, json_array_size(all) - 2), "delta.stop_sequence"), word);
    free(r.text);
    json_decref(all);
    json_decref(a);
    json_decref(whole);
}

static void a_required_call_is_a_block_of_its_own(void **state)
{
    (void)state;
    static const char *const choices[] = {
        "{\"type\":\"any\",\"disable_parallel_tool_use\":true}",
        "{\"type\":\"tool\",\"name\":\"weather\",\"disable_parallel_tool_use\":true}"
    };
    for (size_t c = 0; c < 2; c++) {
        char body[1024], stream[1024], json[256] = "", names[4096] = "";
        snprintf(body, sizeof body, "{" CALL ",\"tool_choice\":%s}", choices[c]);
        snprintf(stream, sizeof stream, "{" CALL ",\"tool_choice\":%s,\"stream\":true}", choices[c]);
        json_t *const a = ask_message(body);
        assert_string_equal(text_at(a, "stop_reason"), "tool_use");
        assert_string_equal(text_at(a, "content.0.type"), "tool_use");
        assert_memory_equal(text_at(a, "content.0.id"), "toolu_", 6);
        assert_string_equal(text_at(a, "content.0.name"), "weather");
        assert_true(*text_at(a, "content.0.input.sky"));
        struct reply r = ask(service, "POST", PATH, stream);
        json_t *const all = events(r.text), *e, *input;
        size_t i;
        event_names(r.text, all, names, sizeof names);
        assert_string_equal(names, "message_start ping content_block_start content_block_delta content_block_stop "
                                   "message_delta message_stop ");
        assert_string_equal(text_at(json_array_get(all, 2), "content_block.type"), "tool_use");
        assert_int_equal(json_object_size(at(json_array_get(all, 2), "content_block.input")), 0);
        assert_string_equal(text_at(json_array_get(all, 3), "delta.type"), "input_json_delta");
        json_array_foreach(all, i, e)
            strcat(json, text_at(e, "delta.partial_json"));
        input = json_loads(json, 0, NULL);
        assert_true(json_equal(input, at(a, "content.0.input")));
        free(r.text);
        json_decref(input);
        json_decref(all);
        json_decref(a);
    }
}

static void thinking_is_a_block_with_a_signature(void **state)
{
    (void)state;
    char names[4096] = "", thought[64] = "", text[64] = "";
    json_t *const a = ask_message("{" THINK ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}");
    assert_string_equal(text_at(a, "content.0.type"), "thinking");
    assert_string_equal(text_at(a, "content.0.thinking"), "hm");
    assert_true(*text_at(a, "content.0.signature"));
    assert_string_equal(text_at(a, "content.1.type"), "text");
    assert_string_equal(text_at(a, "content.1.text"), "yes");
    assert_string_equal(text_at(a, "stop_reason"), "end_turn");
    assert_true(number_at(a, "usage.output_tokens_details.thinking_tokens") > 0);
    struct reply r = ask(service, "POST", PATH, "{" THINK ",\"stream\":true}");
    json_t *const all = events(r.text), *e;
    size_t i, signatures = 0, texts = 0;
    event_names(r.text, all, names, sizeof names);
    json_array_foreach(all, i, e) {
        strcat(thought, text_at(e, "delta.thinking"));
        strcat(text, text_at(e, "delta.text"));
        signatures += !strcmp(text_at(e, "delta.type"), "signature_delta");
        texts += !strcmp(text_at(e, "content_block.type"), "text") && number_at(e, "index") == 1;
    }
    assert_string_equal(thought, "hm");
    assert_string_equal(text, "yes");
    assert_int_equal(signatures, 1);
    assert_int_equal(texts, 1);
    free(r.text);
    json_decref(all);
    json_decref(a);
}

/* A budget ends the thinking. */
static void thinking_ends_with_its_budget(void **state)
{
    (void)state;
    json_t *const a = ask_message("{" ASK ",\"max_tokens\":40,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":5},"
                                  "\"grammar\":\"root ::= \\\"<think>\\\" [a-z ]* \\\"</think>\\\" \\\"yes\\\"\"}");
    assert_in_range(number_at(a, "usage.output_tokens_details.thinking_tokens"), 1, 7);
    assert_string_equal(text_at(a, "content.1.text"), "yes");
    json_decref(a);
}

static void an_answer_can_be_held_to_a_schema(void **state)
{
    (void)state;
    json_t *const a = ask_message("{" ASK ",\"max_tokens\":60,\"output_config\":{\"format\":{\"type\":\"json_schema\","
                                  "\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"yes\",\"no\"]}},"
                                  "\"required\":[\"a\"],\"additionalProperties\":false}}}}");
    json_t *const answer = json_loads(text_at(a, "content.0.text"), 0, NULL);
    assert_non_null(at(answer, "a"));
    json_decref(answer);
    json_decref(a);
}

/* The prompt of a conversation, by its length alone: what does not reach the model does not count. */
static json_int_t count(const char *rest)
{
    char body[4096];
    snprintf(body, sizeof body, "{\"model\":\"stories\",%s}", rest);
    json_t *const n = ask_json(service, "POST", PATH "/count_tokens", body, 200);
    const json_int_t tokens = number_at(n, "input_tokens");
    json_decref(n);
    return tokens;
}

#define USER(content) "\"messages\":[{\"role\":\"user\",\"content\":" content "}]"
static void a_text_and_its_blocks_are_the_same(void **state)
{
    (void)state;
    const json_int_t one = count(USER("\"Hello there\""));
    assert_int_equal(count(USER("[{\"type\":\"text\",\"text\":\"Hello \"},{\"type\":\"text\",\"text\":\"there\","
                                "\"cache_control\":{\"type\":\"ephemeral\"}}]")),
                     one);
    assert_int_equal(count(USER("[{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
                                "\"data\":\"Hello there\"}}]")),
                     one);
    const json_int_t system = count("\"system\":\"Be brief\"," USER("\"Hello there\""));
    assert_true(system > one);
    assert_int_equal(count("\"system\":[{\"type\":\"text\",\"text\":\"Be brief\"}]," USER("\"Hello there\"")), system);
    assert_int_equal(count(USER("\"Hello there\"},{\"role\":\"user\",\"content\":\"Again\"")),
                     count(USER("\"Hello there\\n\\nAgain\"")));
}

static void calls_and_results_are_part_of_a_conversation(void **state)
{
    (void)state;
    static const char before[] =
        "{\"role\":\"user\",\"content\":\"Weather?\"},{\"role\":\"assistant\",\"content\":["
        "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"x\"},"
        "{\"type\":\"redacted_thinking\",\"data\":\"x\"},"
        "{\"type\":\"text\",\"text\":\"I look.\"},"
        "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"weather\",\"input\":{\"sky\":\"blue\"}}]}";
    char one[2048], two[2048], body[4096];
    snprintf(one, sizeof one,
             "\"tools\":[" TOOL "],\"messages\":[%s,{\"role\":\"user\",\"content\":["
             "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"blue\"}]}]",
             before);
    snprintf(two, sizeof two,
             "\"tools\":[" TOOL "],\"messages\":[%s,{\"role\":\"user\",\"content\":["
             "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[{\"type\":\"text\",\"text\":\"blue\"}],"
             "\"is_error\":false},{\"type\":\"text\",\"text\":\"And now?\"}]}]",
             before);
    assert_true(count(two) > count(one));
    snprintf(body, sizeof body, "{\"model\":\"stories\",\"max_tokens\":5,%s}", two);
    json_decref(ask_message(body));
}

/* The last message is the beginning of the answer. */
static void an_answer_goes_on_where_its_beginning_ends(void **state)
{
    (void)state;
    json_t *const a = ask_message("{\"messages\":[{\"role\":\"user\",\"content\":\"Tell\"},{\"role\":\"assistant\","
                                  "\"content\":\"Once upon a\"}],\"max_tokens\":6,\"temperature\":0}");
    assert_memory_equal(text_at(a, "content.0.text"), " time", 5);
    json_decref(a);
    json_t *const b = ask_message("{\"messages\":[{\"role\":\"user\",\"content\":\"Tell\"},{\"role\":\"assistant\","
                                  "\"content\":\"It is \"}],\"max_tokens\":60,\"output_config\":{\"format\":{\"type\":"
                                  "\"json_schema\",\"schema\":{\"enum\":[\"good\"]}}}}");
    assert_non_null(strstr(text_at(b, "content.0.text"), "\"good\""));
    json_decref(b);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "{", "no JSON" },
        { "[]", "object" },
        { "{\"max_tokens\":1}", "messages" },
        { "{" ASK "}", "max_tokens" },
        { "{" ASK ",\"max_tokens\":-1}", "max_tokens" },
        { "{\"messages\":[],\"max_tokens\":1}", "messages" },
        { "{\"messages\":[{\"role\":\"king\",\"content\":\"x\"}],\"max_tokens\":1}", "king" },
        { "{\"messages\":[{\"role\":\"user\"}],\"max_tokens\":1}", "content" },
        { "{" USER("[{\"type\":\"image\",\"source\":{\"type\":\"base64\"}}]") ",\"max_tokens\":1}", "image" },
        { "{" USER("[{\"type\":\"text\"}]") ",\"max_tokens\":1}", "string" },
        { "{" USER("[{\"type\":\"tool_result\"}]") ",\"max_tokens\":1}", "tool_use_id" },
        { "{" USER("[1]") ",\"max_tokens\":1}", "object" },
        { "{" SHORT ",\"system\":1}", "content" },
        { "{" SHORT ",\"stop_sequences\":[1]}", "stop_sequences" },
        { "{" SHORT ",\"thinking\":{\"type\":\"deep\"}}", "deep" },
        { "{" SHORT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":\"x\"}}", "budget_tokens" },
        { "{" SHORT ",\"tool_choice\":{\"type\":\"any\"}}", "no tools" },
        { "{" CALL ",\"tool_choice\":{\"type\":\"tool\"}}", "name" },
        { "{" CALL ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"time\"}}", "time" },
        { "{" SHORT ",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]}", "web_search" },
        { "{" SHORT ",\"tools\":[{\"name\":\"x\"}]}", "input_schema" },
        { "{" SHORT ",\"output_config\":{\"format\":{\"type\":\"xml\"}}}", "json_schema" },
        { "{" SHORT ",\"temperature\":-1}", "temperature" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *const a = ask_json(service, "POST", PATH, wrong[i][0], 400);
        assert_string_equal(text_at(a, "type"), "error");
        assert_string_equal(text_at(a, "error.type"), "invalid_request_error");
        if (!strstr(text_at(a, "error.message"), wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], text_at(a, "error.message"));
        json_decref(a);
    }
}

static void no_type_of_any_field_is_taken_for_another(void **state)
{
    (void)state;
    static const char *const fields[] = { "model",
                                          "messages",
                                          "messages.0",
                                          "messages.0.role",
                                          "messages.0.content",
                                          "messages.0.content.0",
                                          "messages.0.content.0.type",
                                          "messages.0.content.0.text",
                                          "messages.1.content",
                                          "messages.1.content.0.thinking",
                                          "messages.1.content.1.id",
                                          "messages.1.content.1.name",
                                          "messages.1.content.1.input",
                                          "messages.2.content.0",
                                          "messages.2.content.0.tool_use_id",
                                          "messages.2.content.0.content",
                                          "messages.2.content.0.content.0",
                                          "messages.2.content.0.content.0.text",
                                          "system",
                                          "system.0",
                                          "system.0.text",
                                          "max_tokens",
                                          "stream",
                                          "stop_sequences",
                                          "stop_sequences.0",
                                          "temperature",
                                          "top_p",
                                          "top_k",
                                          "metadata",
                                          "metadata.user_id",
                                          "thinking",
                                          "thinking.type",
                                          "thinking.budget_tokens",
                                          "tools",
                                          "tools.0",
                                          "tools.0.type",
                                          "tools.0.name",
                                          "tools.0.description",
                                          "tools.0.input_schema",
                                          "tool_choice",
                                          "tool_choice.type",
                                          "tool_choice.name",
                                          "tool_choice.disable_parallel_tool_use",
                                          "output_config",
                                          "output_config.format",
                                          "output_config.format.type",
                                          "output_config.format.schema",
                                          "output_config.effort",
                                          "output_format" };
    static const char body[] =
        "{\"model\":\"stories\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]},"
        "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"x\"},"
        "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"weather\",\"input\":{}}]},{\"role\":\"user\",\"content\":["
        "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"blue\"}]}]}],"
        "\"system\":[{\"type\":\"text\",\"text\":\"Be brief\"}],\"max_tokens\":1,\"stop_sequences\":[\"x\"],"
        "\"metadata\":{\"user_id\":\"u\"},\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2},\"tools\":[" TOOL "],"
        "\"tool_choice\":{\"type\":\"auto\"},\"output_config\":{\"effort\":\"low\"}}";
    static const char *const paths[] = { PATH, PATH "/count_tokens" };
    for (size_t p = 0; p < 2; p++)
        ask_all_types(service, "POST", paths[p], body, fields, sizeof fields / sizeof *fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_the_fields_of_a_message),
        cmocka_unit_test(what_was_computed_before_is_told_apart),
        cmocka_unit_test(a_stream_is_the_same_message_in_events),
        cmocka_unit_test(the_stop_sequence_that_came_up_is_told),
        cmocka_unit_test(a_required_call_is_a_block_of_its_own),
        cmocka_unit_test(thinking_is_a_block_with_a_signature),
        cmocka_unit_test(thinking_ends_with_its_budget),
        cmocka_unit_test(an_answer_can_be_held_to_a_schema),
        cmocka_unit_test(a_text_and_its_blocks_are_the_same),
        cmocka_unit_test(calls_and_results_are_part_of_a_conversation),
        cmocka_unit_test(an_answer_goes_on_where_its_beginning_ends),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(no_type_of_any_field_is_taken_for_another),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
