/* test_ollama.c - Ollama's API as its clients see it. */
#include "tests/common/asking.h"

#include <pthread.h>
#include <time.h>

/* "there" comes in two steps, "slow" until nobody waits for it, anything else is not to be had. */
static infer_status pull(void *user, const char *name, infer_pull_progress_fn *progress, void *p, infer_error *err)
{
    assert_string_equal(user, "hub");
    if (!strcmp(name, "there")) {
        progress(p, "pulling abc", "sha256:abc", 10, 20);
        progress(p, "verifying", NULL, 0, 0);
        return INFER_OK;
    }
    while (!strcmp(name, "slow") && progress(p, "pulling abc", "sha256:abc", 10, 20))
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    err->code = !strcmp(name, "slow") ? INFER_E_CANCELLED : INFER_E_UNKNOWN;
    snprintf(err->message, sizeof err->message, "the hub has no %s", name);
    return err->code;
}

static int open_with_hub(void **state)
{
    infer_service_options o = infer_service_defaults();
    o.hub = "http://hub.invalid";
    o.on_pull = pull;
    o.pull_user = "hub";
    if (open_context(state))
        return -1;
    service = open_with(&o);
    return 0;
}

#define OPTIONS "\"options\":{\"num_predict\":12,\"temperature\":0}"
#define GENERATE "\"model\":\"stories\",\"prompt\":\"Once upon a time\"," OPTIONS
#define CHAT "\"model\":\"stories\",\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]"
#define WHOLE ",\"stream\":false"
#define TOOLS                                                                                                          \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"tells "                    \
    "it\",\"parameters\":"                                                                                             \
    "{\"type\":\"object\",\"properties\":{\"sky\":{\"type\":\"string\"}},\"required\":[\"sky\"]}}}]"

static json_t *post(const char *path, const char *body, int status)
{
    return ask_json(service, "POST", path, body, status);
}

/* Lines of a stream as an array. */
static json_t *lines(const char *text)
{
    json_t *const all = json_array();
    for (const char *p = text; *p; p += strcspn(p, "\n") + 1) {
        json_t *const line = json_loadb(p, strcspn(p, "\n"), 0, NULL);
        assert_non_null(line);
        json_array_append_new(all, line);
    }
    return all;
}

static json_t *stream_of(const char *path, const char *body)
{
    struct reply r = ask(service, "POST", path, body);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.type, "application/x-ndjson");
    json_t *const all = lines(r.text);
    free(r.text);
    return all;
}

static json_t *last_of(json_t *all)
{
    return json_array_get(all, json_array_size(all) - 1);
}

static void has_figures(json_t *a, const char *reason)
{
    static const char *const durations[] = { "total_duration", "load_duration", "prompt_eval_duration",
                                             "eval_duration" };
    assert_true(json_is_true(at(a, "done")));
    assert_string_equal(text_at(a, "done_reason"), reason);
    assert_string_equal(text_at(a, "model"), "stories");
    assert_int_equal(strlen(text_at(a, "created_at")), strlen("2023-08-04T08:52:19.385406455Z"));
    for (size_t i = 0; i < 4; i++)
        assert_true(json_is_integer(at(a, durations[i])) && json_integer_value(at(a, durations[i])) >= 0);
    assert_true(json_integer_value(at(a, "total_duration")) > json_integer_value(at(a, "eval_duration")));
    assert_true(json_integer_value(at(a, "prompt_eval_count")) > 0);
    assert_int_equal(json_integer_value(at(a, "eval_count")), 12);
}

static void a_text_has_the_fields_of_a_response(void **state)
{
    (void)state;
    json_t *const a = post("/api/generate", "{" GENERATE WHOLE "}", 200);
    has_figures(a, "length");
    assert_true(*text_at(a, "response"));
    assert_true(json_array_size(at(a, "context")) > 12);
    assert_null(at(a, "message"));
    json_decref(a);
}

static void a_stream_is_the_same_text_in_lines(void **state)
{
    (void)state;
    char text[4096] = "";
    json_t *const a = post("/api/generate", "{" GENERATE WHOLE "}", 200);
    json_t *const all = stream_of("/api/generate", "{" GENERATE "}"), *line;
    size_t i;
    json_array_foreach(all, i, line) {
        assert_int_equal(json_is_true(at(line, "done")), line == last_of(all));
        strcat(text, text_at(line, "response"));
    }
    assert_string_equal(text, text_at(a, "response"));
    has_figures(last_of(all), "length");
    assert_true(json_equal(at(last_of(all), "context"), at(a, "context")));
    json_decref(all);
    json_decref(a);
}

static void a_chat_is_told_in_messages(void **state)
{
    (void)state;
    char text[4096] = "";
    json_t *const a = post("/api/chat", "{" CHAT "," OPTIONS WHOLE "}", 200);
    has_figures(a, "length");
    assert_string_equal(text_at(a, "message.role"), "assistant");
    assert_null(at(a, "response"));
    assert_null(at(a, "context"));
    json_t *const all = stream_of("/api/chat", "{" CHAT "," OPTIONS "}"), *line;
    size_t i;
    json_array_foreach(all, i, line)
        strcat(text, text_at(line, "message.content"));
    assert_string_equal(text, text_at(a, "message.content"));
    has_figures(last_of(all), "length");
    json_decref(all);
    json_decref(a);
}

/* What a model would write that thinks, and calls a tool. */
#define SAYS(text) ",\"options\":{\"num_predict\":80,\"grammar\":\"root ::= \\\"" text "\\\"\"}"

static void thinking_is_told_apart(void **state)
{
    (void)state;
    char text[4096] = "", thought[64] = "";
    json_t *const a = post("/api/chat", "{" CHAT SAYS("<think>hm</think>yes") ",\"think\":true" WHOLE "}", 200);
    assert_string_equal(text_at(a, "message.thinking"), "hm");
    assert_string_equal(text_at(a, "message.content"), "yes");
    assert_string_equal(text_at(a, "done_reason"), "stop");
    json_t *const b =
        post("/api/generate", "{\"prompt\":\"x\",\"think\":\"low\"" SAYS("<think>hm</think>yes") WHOLE "}", 200);
    assert_string_equal(text_at(b, "thinking"), "hm");
    assert_string_equal(text_at(b, "response"), "yes");
    json_t *const all = stream_of("/api/chat", "{" CHAT SAYS("<think>hm</think>yes") "}"), *line;
    size_t i;
    json_array_foreach(all, i, line) {
        strcat(text, text_at(line, "message.content"));
        strcat(thought, text_at(line, "message.thinking"));
    }
    assert_string_equal(text, "yes");
    assert_string_equal(thought, "hm");
    json_decref(all);
    json_decref(b);
    json_decref(a);
}

static void a_call_has_its_arguments_as_an_object(void **state)
{
    (void)state;
    static const char body[] =
        "{" CHAT "," TOOLS SAYS("{\\\\\\\"name\\\\\\\": \\\\\\\"weather\\\\\\\", \\\\\\\"arguments"
                                "\\\\\\\": {\\\\\\\"sky\\\\\\\": \\\\\\\"blue\\\\\\\"}}") "%s}";
    char whole[2048], stream[2048];
    snprintf(whole, sizeof whole, body, WHOLE);
    snprintf(stream, sizeof stream, body, "");
    json_t *const a = post("/api/chat", whole, 200), *const all = stream_of("/api/chat", stream), *line, *calls = NULL;
    size_t i;
    assert_string_equal(text_at(a, "message.content"), "");
    assert_string_equal(text_at(a, "message.tool_calls.0.function.name"), "weather");
    assert_string_equal(text_at(a, "message.tool_calls.0.function.arguments.sky"), "blue");
    assert_string_equal(text_at(a, "done_reason"), "stop");
    json_array_foreach(all, i, line)
        calls = at(line, "message.tool_calls") ? at(line, "message.tool_calls") : calls;
    assert_true(json_equal(at(calls, "0.function"), at(a, "message.tool_calls.0.function")));
    json_decref(all);
    json_decref(a);
    json_decref(
        post("/api/chat",
             "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\","
             "\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"weather\",\"arguments\":{\"sky\":1}}}]},"
             "{\"role\":\"tool\",\"tool_name\":\"weather\",\"content\":\"blue\"}]," OPTIONS WHOLE "}",
             200));
}

static void an_answer_can_be_held_to_json_or_a_schema(void **state)
{
    (void)state;
    static const char schema[] =
        "\"format\":{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"yes\",\"no\"]}},"
        "\"required\":[\"a\"],\"additionalProperties\":false},\"options\":{\"num_predict\":80}";
    static const char *const forms[][3] = {
        { "/api/chat", "{" CHAT ",%s" WHOLE "}", "message.content" },
        { "/api/generate", "{\"prompt\":\"x\",%s" WHOLE "}", "response" },
        { "/api/generate", "{\"prompt\":\"x\",\"raw\":true,%s" WHOLE "}", "response" },
        { "/api/generate", "{\"prompt\":\"x\",\"context\":[5,6],%s" WHOLE "}", "response" },
    };
    for (size_t i = 0; i < 4; i++) {
        char body[1024];
        snprintf(body, sizeof body, forms[i][1], schema);
        json_t *const a = post(forms[i][0], body, 200), *const answer = json_loads(text_at(a, forms[i][2]), 0, NULL);
        assert_non_null(at(answer, "a"));
        json_decref(answer);
        json_decref(a);
    }
    json_t *const a =
        post("/api/generate", "{\"prompt\":\"x\",\"format\":\"json\",\"options\":{\"num_predict\":3}" WHOLE "}", 200);
    assert_int_equal(text_at(a, "response")[strspn(text_at(a, "response"), " \n")], '{');
    json_decref(a);
}

static void a_raw_prompt_goes_on_as_it_is(void **state)
{
    (void)state;
    json_t *const a = post("/api/generate", "{\"prompt\":\"Once upon a\",\"raw\":true," OPTIONS WHOLE "}", 200);
    assert_memory_equal(text_at(a, "response"), " time", 5);
    assert_null(at(a, "context"));
    json_decref(a);
}

static void a_context_is_what_was_said_before(void **state)
{
    (void)state;
    json_t *const a = post("/api/generate", "{\"prompt\":\"Once\"," OPTIONS WHOLE "}", 200);
    char *const ids = json_dumps(at(a, "context"), JSON_COMPACT);
    char body[4096];
    snprintf(body, sizeof body, "{\"prompt\":\"And then?\",\"context\":%s," OPTIONS WHOLE "}", ids);
    json_t *const b = post("/api/generate", body, 200);
    assert_true(json_integer_value(at(b, "prompt_eval_count")) > (json_int_t)json_array_size(at(a, "context")));
    assert_true(json_array_size(at(b, "context")) > (size_t)json_integer_value(at(b, "prompt_eval_count")));
    for (size_t i = 0; i < json_array_size(at(a, "context")); i++)
        assert_true(json_equal(json_array_get(at(b, "context"), i), json_array_get(at(a, "context"), i)));
    free(ids);
    json_decref(a);
    json_decref(b);
}

static void a_template_and_a_system_text_make_the_prompt(void **state)
{
    (void)state;
    json_t *const a = post("/api/generate",
                           "{\"prompt\":\"Once upon a\",\"system\":\"\",\"template\":"
                           "\"{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}\"," OPTIONS WHOLE "}",
                           200);
    json_t *const b = post("/api/generate",
                           "{\"prompt\":\" upon a\",\"system\":\"Once\",\"template\":"
                           "\"{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}\"," OPTIONS WHOLE "}",
                           200);
    assert_memory_equal(text_at(a, "response"), " time", 5);
    assert_string_equal(text_at(a, "response"), text_at(b, "response"));
    json_decref(a);
    json_decref(b);
}

static void log_probabilities_come_where_they_are_asked_for(void **state)
{
    (void)state;
    json_t *const a = post("/api/generate", "{" GENERATE ",\"logprobs\":true,\"top_logprobs\":2" WHOLE "}", 200);
    assert_int_equal(json_array_size(at(a, "logprobs")), 12);
    assert_true(*text_at(a, "logprobs.0.token"));
    assert_true(json_real_value(at(a, "logprobs.0.logprob")) <= 0);
    assert_int_equal(json_array_size(at(a, "logprobs.0.top_logprobs")), 2);
    json_t *const all = stream_of("/api/chat", "{" CHAT "," OPTIONS ",\"logprobs\":true}"), *line;
    size_t i, n = 0;
    json_array_foreach(all, i, line)
        n += json_array_size(at(line, "logprobs"));
    assert_int_equal(n, 12);
    json_decref(all);
    json_decref(a);
}

static size_t n_open(void)
{
    json_t *const ps = ask_json(service, "GET", "/api/ps", NULL, 200);
    const size_t n = json_array_size(at(ps, "models"));
    if (n) {
        assert_string_equal(text_at(ps, "models.0.name"), "stories");
        assert_true(*text_at(ps, "models.0.expires_at"));
        assert_true(json_integer_value(at(ps, "models.0.size")) > 0);
        assert_true(json_integer_value(at(ps, "models.0.context_length")) > 0);
        assert_true(json_is_integer(at(ps, "models.0.size_vram")));
    }
    json_decref(ps);
    return n;
}

static void wait_closed(void)
{
    for (int i = 0; i < 2000 && n_open(); i++)
        nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
    assert_int_equal(n_open(), 0);
}

static void a_request_without_a_text_opens_or_closes_the_model(void **state)
{
    (void)state;
    json_t *const load = post("/api/generate", "{\"model\":\"stories\"}", 200);
    assert_string_equal(text_at(load, "done_reason"), "load");
    assert_string_equal(text_at(load, "response"), "");
    assert_true(json_is_true(at(load, "done")));
    assert_int_equal(n_open(), 1);
    json_t *const unload = post("/api/chat", "{\"model\":\"stories:latest\",\"messages\":[],\"keep_alive\":0}", 200);
    assert_string_equal(text_at(unload, "done_reason"), "unload");
    assert_string_equal(text_at(unload, "message.role"), "assistant");
    wait_closed();
    json_decref(load);
    json_decref(unload);
}

static void a_model_is_closed_when_nobody_has_asked_for_it_for_so_long(void **state)
{
    (void)state;
    json_decref(post("/api/generate", "{" GENERATE WHOLE ",\"keep_alive\":\"1h2m3.5s\"}", 200));
    assert_int_equal(n_open(), 1);
    json_decref(post("/api/generate", "{" GENERATE WHOLE ",\"keep_alive\":\"50ms\"}", 200));
    wait_closed();
    json_decref(post("/api/chat", "{" CHAT "," OPTIONS WHOLE ",\"keep_alive\":0}", 200));
    wait_closed();
    json_decref(post("/api/embed", "{\"input\":\"x\",\"keep_alive\":0.05}", 200));
    wait_closed();
    json_decref(post("/api/generate", "{" GENERATE WHOLE ",\"keep_alive\":-1}", 200));
    assert_int_equal(n_open(), 1);
}

static void *chat_and_close(void *wrong)
{
    for (int i = 0; i < 25; i++) {
        struct reply a =
            ask(service, "POST", "/api/chat", "{" CHAT ",\"options\":{\"num_predict\":1}" WHOLE ",\"keep_alive\":0}");
        struct reply b = ask(service, "POST", "/v1/messages/count_tokens", "{" CHAT "}");
        *(int *)wrong += (a.status != 200) + (b.status != 200);
        free(a.text);
        free(b.text);
    }
    return NULL;
}

/* An answer may be out before all that made it has been given back; the next one is not made with what is left. */
static void a_model_may_be_closed_between_any_two_answers(void **state)
{
    (void)state;
    pthread_t threads[4];
    int wrong[4] = { 0 };
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chat_and_close, &wrong[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(wrong[i], 0);
}

static void models_are_listed_and_shown(void **state)
{
    (void)state;
    json_t *const tags = ask_json(service, "GET", "/api/tags", NULL, 200);
    json_t *const one = post("/api/show", "{\"model\":\"stories\"}", 200);
    json_t *const all = post("/api/show", "{\"model\":\"stories\",\"verbose\":true}", 200);
    static const char *const keys[] = { "name",
                                        "model",
                                        "modified_at",
                                        "size",
                                        "digest",
                                        "details.format",
                                        "details.family",
                                        "details.families",
                                        "details.parameter_size",
                                        "details.quantization_level",
                                        "details.parent_model" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(at(at(tags, "models.0"), keys[i]));
    assert_string_equal(text_at(tags, "models.0.name"), "stories");
    assert_int_equal(strlen(text_at(tags, "models.0.digest")), 64);
    assert_string_equal(text_at(one, "details.family"), "llama");
    assert_true(*text_at(one, "template"));
    assert_non_null(strstr(text_at(one, "modelfile"), "FROM stories"));
    assert_non_null(strstr(text_at(one, "parameters"), "temperature"));
    assert_string_equal(text_at(one, "capabilities.0"), "completion");
    assert_string_equal(json_string_value(json_object_get(at(one, "model_info"), "general.architecture")), "llama");
    assert_true(json_integer_value(json_object_get(at(one, "model_info"), "general.parameter_count")) > 1000);
    assert_int_equal(json_array_size(json_object_get(at(one, "model_info"), "tokenizer.ggml.tokens")), 0);
    assert_true(json_array_size(json_object_get(at(all, "model_info"), "tokenizer.ggml.tokens")) > 0);
    json_decref(tags);
    json_decref(one);
    json_decref(all);
    json_t *const version = ask_json(service, "GET", "/api/version", NULL, 200);
    assert_true(*text_at(version, "version"));
    json_decref(version);
}

static void texts_become_vectors(void **state)
{
    (void)state;
    json_t *const a = post("/api/embed", "{\"model\":\"stories\",\"input\":[\"one\",\"two\"]}", 200);
    json_t *const b = post("/api/embed", "{\"input\":\"one\",\"dimensions\":8}", 200);
    json_t *const c = post("/api/embeddings", "{\"prompt\":\"one\"}", 200);
    assert_int_equal(json_array_size(at(a, "embeddings")), 2);
    assert_true(json_integer_value(at(a, "prompt_eval_count")) > 1);
    assert_true(json_integer_value(at(a, "total_duration")) > 0);
    assert_true(json_is_integer(at(a, "load_duration")));
    assert_int_equal(json_array_size(at(b, "embeddings.0")), 8);
    const size_t n = json_array_size(at(c, "embedding"));
    assert_int_equal(n, json_array_size(at(a, "embeddings.0")));
    for (size_t i = 0; i < n; i++) /* what is computed beside it changes no more than rounding */
        assert_float_equal(json_real_value(json_array_get(at(c, "embedding"), i)),
                           json_real_value(json_array_get(at(a, "embeddings.0"), i)), 1e-3);
    double sum = 0;
    for (size_t i = 0; i < 8; i++)
        sum += json_real_value(json_array_get(at(b, "embeddings.0"), i)) *
               json_real_value(json_array_get(at(b, "embeddings.0"), i));
    assert_true(sum > 0.999 && sum < 1.001);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void a_text_that_is_too_long_for_a_vector_is_cut_or_refused(void **state)
{
    (void)state;
    static char body[40000] = "{\"input\":\"";
    while (strlen(body) < 20000)
        strcat(body, "one two three ");
    const size_t n = strlen(body);
    strcpy(body + n, "\"}");
    json_t *const a = post("/api/embed", body, 200);
    assert_int_equal(json_array_size(at(a, "embeddings")), 1);
    json_decref(a);
    strcpy(body + n, "\",\"truncate\":false}");
    json_decref(post("/api/embed", body, 400));
}

static void a_model_is_pulled_with_progress(void **state)
{
    (void)state;
    json_t *const all = stream_of("/api/pull", "{\"model\":\"there\"}"), *line;
    assert_int_equal(json_array_size(all), 4);
    assert_string_equal(text_at(json_array_get(all, 0), "status"), "pulling manifest");
    line = json_array_get(all, 1);
    assert_string_equal(text_at(line, "digest"), "sha256:abc");
    assert_int_equal(json_integer_value(at(line, "completed")), 10);
    assert_int_equal(json_integer_value(at(line, "total")), 20);
    assert_string_equal(text_at(last_of(all), "status"), "success");
    json_decref(all);
    json_t *const whole = post("/api/pull", "{\"model\":\"there\",\"stream\":false}", 200);
    assert_string_equal(text_at(whole, "status"), "success");
    json_decref(whole);
    json_t *const none = post("/api/pull", "{\"name\":\"nowhere\",\"stream\":false}", 404);
    assert_string_equal(text_at(none, "error"), "the hub has no nowhere");
    json_decref(none);
    json_t *const told = stream_of("/api/pull", "{\"model\":\"nowhere\"}");
    assert_string_equal(text_at(last_of(told), "error"), "the hub has no nowhere");
    json_decref(told);
}

static void pulling_ends_when_nobody_waits(void **state)
{
    (void)state;
    infer_exchange *slow[5];
    const char *chunk;
    size_t n;
    for (int i = 0; i < 4; i++) {
        slow[i] = ask_begin(service, "POST", "/api/pull", "{\"model\":\"slow\"}");
        assert_int_equal(infer_exchange_next(slow[i], 60, &chunk, &n, NULL), INFER_OK);
    }
    json_decref(post("/api/pull", "{\"model\":\"slow\"}", 503)); /* no more than four at once */
    for (int i = 0; i < 4; i++) {
        infer_exchange_cancel(slow[i]);
        struct reply r = ask_end(slow[i]);
        assert_int_equal(r.end, INFER_E_CANCELLED);
        free(r.text);
    }
}

static void what_changes_files_is_refused(void **state)
{
    (void)state;
    static const char *const refused[][2] = {
        { "DELETE", "/api/delete" }, { "POST", "/api/copy" }, { "POST", "/api/create" }, { "POST", "/api/push" }
    };
    for (size_t i = 0; i < 4; i++) {
        json_t *const a = ask_json(service, refused[i][0], refused[i][1], "{}", 403);
        assert_true(*text_at(a, "error"));
        json_decref(a);
    }
    infer_error err = { 0 };
    infer_service *own = infer_service_open(context, NULL, &err);
    assert_non_null(own);
    json_decref(ask_json(own, "POST", "/api/pull", "{\"model\":\"there\"}", 403)); /* no hub */
    infer_service_close(&own);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        { "/api/generate", "{", "no JSON" },
        { "/api/generate", "{\"prompt\":1}", "prompt" },
        { "/api/generate", "{" GENERATE ",\"format\":\"xml\"}", "format" },
        { "/api/generate", "{" GENERATE ",\"keep_alive\":\"soon\"}", "keep_alive" },
        { "/api/generate", "{" GENERATE ",\"keep_alive\":\"5x\"}", "keep_alive" },
        { "/api/generate", "{" GENERATE ",\"context\":[999999]}", "context" },
        { "/api/generate", "{" GENERATE ",\"suffix\":\"x\"}", "suffix" },
        { "/api/generate", "{" GENERATE ",\"images\":[\"x\"]}", "images" },
        { "/api/generate", "{" GENERATE ",\"template\":\"{{ .Prompt }}\"}", "template" },
        { "/api/generate", "{" GENERATE ",\"template\":\"{{ 1 // 0 }}\"}", "line 1" },
        { "/api/generate", "{\"prompt\":\"x\",\"options\":{\"top_k\":\"many\"}}", "top_k" },
        { "/api/generate", "{\"prompt\":\"x\",\"options\":{\"stop\":[1]}}", "stop" },
        { "/api/generate", "{" GENERATE ",\"think\":1}", "think" },
        { "/api/chat", "{\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}", "king" },
        { "/api/chat", "{" CHAT ",\"tools\":[{}]}", "tools" },
        { "/api/embed", "{}", "input" },
        { "/api/embeddings", "{}", "prompt" },
        { "/api/pull", "{}", "model" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *const a = post(wrong[i][0], wrong[i][1], 400);
        if (!strstr(text_at(a, "error"), wrong[i][2]))
            fail_msg("%s: %s", wrong[i][1], text_at(a, "error"));
        json_decref(a);
    }
}

static void no_type_of_any_field_is_taken_for_another(void **state)
{
    (void)state;
    static const char *const both[] = { "model",
                                        "stream",
                                        "format",
                                        "options",
                                        "options.temperature",
                                        "options.stop",
                                        "options.stop.0",
                                        "options.num_predict",
                                        "options.num_ctx",
                                        "options.seed",
                                        "keep_alive",
                                        "logprobs",
                                        "top_logprobs",
                                        "think",
                                        "template" };
    static const char *const generate[] = { "prompt", "system", "suffix", "raw", "context", "context.0", "images" };
    static const char *const chat[] = { "messages",
                                        "messages.0",
                                        "messages.0.role",
                                        "messages.0.content",
                                        "messages.0.images",
                                        "messages.1.thinking",
                                        "messages.1.tool_calls",
                                        "messages.1.tool_calls.0",
                                        "messages.1.tool_calls.0.function",
                                        "messages.1.tool_calls.0.function.name",
                                        "messages.1.tool_calls.0.function.arguments",
                                        "messages.2.tool_name",
                                        "messages.2.content",
                                        "tools",
                                        "tools.0",
                                        "tools.0.type",
                                        "tools.0.function",
                                        "tools.0.function.name",
                                        "tools.0.function.description",
                                        "tools.0.function.parameters" };
    static const char *const embed[] = { "model",    "input",      "input.0", "prompt",
                                         "truncate", "dimensions", "options", "keep_alive" };
    static const char *const rest[] = { "model", "name", "verbose", "stream", "insecure" };
    static const char short_options[] = "\"options\":{\"num_predict\":1,\"stop\":[\"x\"]},\"keep_alive\":60";
    char g[512], c[2048];
    snprintf(g, sizeof g, "{\"prompt\":\"Hi\",\"context\":[5],%s}", short_options);
    snprintf(c, sizeof c,
             "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"\","
             "\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"weather\",\"arguments\":{}}}]},{\"role\":"
             "\"tool\","
             "\"tool_name\":\"weather\",\"content\":\"blue\"}]," TOOLS ",%s}",
             short_options);
#define ALL(path, body, fields) ask_all_types(service, "POST", path, body, fields, sizeof fields / sizeof *fields)
    ALL("/api/generate", g, both);
    ALL("/api/generate", g, generate);
    ALL("/api/chat", c, both);
    ALL("/api/chat", c, chat);
    ALL("/api/embed", "{\"input\":[\"x\"]}", embed);
    ALL("/api/embeddings", "{\"prompt\":\"x\"}", embed);
    ALL("/api/show", "{}", rest);
    ALL("/api/pull", "{\"model\":\"there\"}", rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_the_fields_of_a_response),
        cmocka_unit_test(a_stream_is_the_same_text_in_lines),
        cmocka_unit_test(a_chat_is_told_in_messages),
        cmocka_unit_test(thinking_is_told_apart),
        cmocka_unit_test(a_call_has_its_arguments_as_an_object),
        cmocka_unit_test(an_answer_can_be_held_to_json_or_a_schema),
        cmocka_unit_test(a_raw_prompt_goes_on_as_it_is),
        cmocka_unit_test(a_context_is_what_was_said_before),
        cmocka_unit_test(a_template_and_a_system_text_make_the_prompt),
        cmocka_unit_test(log_probabilities_come_where_they_are_asked_for),
        cmocka_unit_test(a_request_without_a_text_opens_or_closes_the_model),
        cmocka_unit_test(a_model_is_closed_when_nobody_has_asked_for_it_for_so_long),
        cmocka_unit_test(a_model_may_be_closed_between_any_two_answers),
        cmocka_unit_test(models_are_listed_and_shown),
        cmocka_unit_test(texts_become_vectors),
        cmocka_unit_test(a_text_that_is_too_long_for_a_vector_is_cut_or_refused),
        cmocka_unit_test(a_model_is_pulled_with_progress),
        cmocka_unit_test(pulling_ends_when_nobody_waits),
        cmocka_unit_test(what_changes_files_is_refused),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(no_type_of_any_field_is_taken_for_another),
    };
    return cmocka_run_group_tests(tests, open_with_hub, close_service);
}
