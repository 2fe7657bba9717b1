/* test_conversation.c - answers as whole jobs: parts, messages, calls, responses, reasoning, turns. The embedded model
 * writes, which knows nothing of conversations: what comes out in form is what it is held to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "src/runtime/turn.h"
#include "tests/common/counting.h"
#include "tests/sampler/samplers.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USER(text) "{\"role\": \"user\", \"content\": \"" text "\"}"
#define TOOL(name, city)                                                                                               \
    "{\"type\": \"function\", \"function\": {\"name\": \"" name "\", \"parameters\": {\"type\": \"object\", "          \
    "\"properties\": {\"city\": {\"enum\": [\"" city "\"]}}, \"required\": [\"city\"], "                               \
    "\"additionalProperties\": false}}}"

enum { ROOM = 16384 };
static const char hello[] = "[" USER("Once upon a time") "]";
static const char tools[] = "[" TOOL("weather", "Rome") ", " TOOL("time", "Oslo") "]";
static const char thinking[] = "{{ messages[-1].content }}<think>\n";

struct fixture {
    struct counting memory;
    infer_context *context;
    infer_model *model;
    infer_session *session;
    infer_sampler *sampler;
    infer_chat *chat;
    infer_chat_setup setup;
    infer_generate_options o;
    infer_generate_result r;
    char part[4][ROOM]; /* by infer_chat_part */
    char text[ROOM];    /* on_text */
    char message[ROOM];
    size_t n_parts, stop_after;
    infer_error err;
};

static bool on_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct fixture *f = user;
    strncat(f->part[part], text, length);
    return ++f->n_parts != f->stop_after;
}

static bool on_text(void *user, const char *text, size_t length)
{
    strncat(((struct fixture *)user)->text, text, length);
    return true;
}

static void on_message(void *user, const char *json, size_t length)
{
    struct fixture *f = user;
    assert_true(length < ROOM);
    memcpy(f->message, json, length);
    f->message[length] = 0;
}

static void open_session(struct fixture *f)
{
    open_greedy(f->model, 400, f->context, &f->session, &f->sampler);
}

static int set_up(void **state)
{
    static struct fixture f;
    infer_context_options o = infer_context_defaults();
    f = (struct fixture){ .setup = infer_chat_setup_defaults(), .o = infer_generate_defaults() };
    counting_init(&f.memory, SIZE_MAX);
    o.n_threads = 2;
    o.allocator = f.memory.allocator;
    f.context = infer_context_open(&o, &f.err);
    f.model = infer_model_open_default(f.context, NULL, &f.err);
    assert_non_null(f.model);
    open_session(&f);
    f.o.n_predict = 100;
    f.o.on_part = on_part;
    f.o.on_text = on_text;
    f.o.on_message = on_message;
    f.o.user = &f;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    infer_grammar_close(&f->setup.response);
    infer_chat_close(&f->chat);
    infer_sampler_close(&f->sampler);
    infer_session_close(&f->session);
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    assert_int_equal(f->memory.live, 0);
    return 0;
}

static void open_chat(struct fixture *f)
{
    infer_chat_close(&f->chat);
    f->chat = infer_chat_open(f->model, &f->setup, &f->err);
    if (!f->chat)
        fail_msg("%s", f->err.message);
}

static infer_status try_answer(struct fixture *f, const char *messages)
{
    memset(f->part, 0, sizeof f->part);
    f->text[0] = f->message[0] = 0;
    f->n_parts = 0;
    f->r = (infer_generate_result){ .size = sizeof f->r };
    return infer_generate_chat(f->chat, f->session, f->sampler, messages, strlen(messages), &f->o, &f->r, &f->err);
}

static void answer(struct fixture *f, const char *messages)
{
    if (try_answer(f, messages) != INFER_OK)
        fail_msg("%s", f->err.message);
}

/* A string of the message, by a path of keys. */
static void message_has(struct fixture *f, const char *key, const char *value)
{
    json_t *m = json_loads(f->message, 0, NULL);
    assert_non_null(m);
    assert_string_equal(json_string_value(json_object_get(m, "role")), "assistant");
    const json_t *found = json_object_get(m, key);
    if (value)
        assert_string_equal(json_string_value(found), value);
    else
        assert_true(!found || json_is_null(found));
    json_decref(m);
}

static void one_call(struct fixture *f, const char *name, const char *arguments)
{
    json_t *m = json_loads(f->message, 0, NULL), *calls = json_object_get(m, "tool_calls");
    assert_int_equal(json_array_size(calls), 1);
    const json_t *function = json_object_get(json_array_get(calls, 0), "function");
    assert_string_equal(json_string_value(json_object_get(function, "name")), name);
    json_t *is = json_loads(json_string_value(json_object_get(function, "arguments")), 0, NULL);
    json_t *expected = json_loads(arguments, 0, NULL);
    assert_true(json_equal(is, expected));
    json_decref(is);
    json_decref(expected);
    json_decref(m);
    assert_string_equal(f->part[INFER_CHAT_CALL], name);
    assert_int_equal(f->r.n_calls, 1);
}

/* ---- Answers and turns ---- */

static void an_answer_is_its_parts_its_text_and_its_message(void **state)
{
    struct fixture *f = *state;
    open_chat(f);
    answer(f, hello);
    assert_true(strlen(f->text) > 20);
    assert_string_equal(f->part[INFER_CHAT_CONTENT], f->text);
    message_has(f, "content", f->text);
    message_has(f, "reasoning_content", NULL);
    message_has(f, "tool_calls", NULL);
    assert_int_equal(f->r.n_cached + f->r.n_prompt + f->r.n_generated, infer_session_length(f->session));
    assert_int_equal(f->r.n_reasoning + f->r.n_calls, 0);
}

static void the_next_turn_evaluates_what_is_new_and_says_what_a_fresh_session_says(void **state)
{
    struct fixture *f = *state;
    char turn[ROOM + 200], first[ROOM];
    f->o.n_predict = 20;
    open_chat(f);
    answer(f, hello);
    snprintf(turn, sizeof turn, "[" USER("Once upon a time") ", %s, " USER("And then?") "]", f->message);
    answer(f, turn);
    strcpy(first, f->text);
    assert_true(f->r.n_cached > 15 && f->r.n_prompt > 0);
    const size_t n = f->r.n_cached + f->r.n_prompt;
    infer_session_close(&f->session);
    infer_sampler_close(&f->sampler);
    open_session(f);
    answer(f, turn);
    assert_int_equal(f->r.n_cached, 0);
    assert_int_equal(f->r.n_prompt, n);
    assert_string_equal(f->text, first);
    answer(f, turn); /* once more: all but the last token is there */
    assert_int_equal(f->r.n_cached, n - 1);
    assert_string_equal(f->text, first);
}

static void a_beginning_that_another_session_has_computed_is_not_computed_again(void **state)
{
    struct fixture *f = *state;
    char turn[ROOM] = "[{\"role\": \"system\", \"content\": \"", text[ROOM];
    for (size_t i = 0; i < 60; i++)
        strcat(turn, "a cat ");
    strcat(turn, "\"}, " USER("Once upon a time") "]");
    f->o.n_predict = 20;
    open_chat(f);
    answer(f, turn);
    strcpy(text, f->text);
    const size_t n = f->r.n_prompt;
    assert_true(n > 100 && f->r.n_cached == 0);
    infer_session *first = f->session;
    infer_sampler_close(&f->sampler);
    open_session(f);
    answer(f, turn);
    infer_session_close(&first);
    assert_true(f->r.n_cached >= 64);
    assert_int_equal(f->r.n_cached + f->r.n_prompt, n);
    assert_string_equal(f->text, text);
}

static void an_answer_fetched_is_the_one_received(void **state)
{
    struct fixture *f = *state;
    char part[4][ROOM] = { "" };
    infer_piece piece = { .size = sizeof piece };
    size_t length;
    f->setup.tools = tools;
    f->setup.tool_choice = INFER_TOOL_REQUIRED;
    open_chat(f);
    answer(f, hello);
    infer_generation *g = infer_generation_open_chat(f->chat, f->session, f->sampler, hello, strlen(hello), &f->o,
                                                     &f->err);
    assert_non_null(g);
    infer_chat_close(&f->chat); /* the generation keeps it */
    while (infer_generation_next(g, &piece, &f->err) == INFER_OK && piece.text)
        strcat(part[piece.part], piece.text);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(part[i], f->part[i]);
    const char *message = infer_generation_message(g, &length, &f->err);
    assert_non_null(message);
    assert_int_equal(length, strlen(f->message));
    assert_memory_equal(message, f->message, length);
    infer_generation_close(&g);
    g = infer_generation_open(f->session, f->sampler, "a", 1, NULL, NULL);
    assert_null(infer_generation_message(g, &length, &f->err));
    infer_generation_close(&g);
}

static void an_answer_that_was_stopped_is_a_message_too(void **state)
{
    struct fixture *f = *state;
    f->stop_after = 12;
    open_chat(f);
    answer(f, hello);
    assert_int_equal(f->r.reason, INFER_STOP_CALLBACK);
    json_t *m = json_loads(f->message, 0, NULL);
    const char *content = json_string_value(json_object_get(m, "content"));
    assert_memory_equal(content, f->part[INFER_CHAT_CONTENT], strlen(f->part[INFER_CHAT_CONTENT]));
    json_decref(m);
    char stop[5] = "";
    const char *const stops[] = { stop };
    memcpy(stop, f->text + strlen(f->text) - 4, 4);
    f->stop_after = 0;
    f->o.stops = stops;
    f->o.n_stops = 1;
    answer(f, hello);
    assert_int_equal(f->r.reason, INFER_STOP_STRING);
    message_has(f, "content", f->text);
}

/* ---- Templates ---- */

static void a_template_is_the_models_one_given_one_of_a_name_or_a_file(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/infer-template-XXXXXX";
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, thinking, strlen(thinking)), strlen(thinking));
    close(fd);
    const infer_chat_setup ways[] = {
        { .chat_template = thinking }, { .template_name = path }, { .template_name = "chatml" },
        { .template_name = "chatml", .chat_template = thinking },
    };
    f->o.n_predict = 3;
    for (size_t i = 0; i < 4; i++) {
        f->setup.chat_template = ways[i].chat_template;
        f->setup.template_name = ways[i].template_name;
        open_chat(f);
        answer(f, hello);
        assert_int_equal(f->part[INFER_CHAT_REASONING][0] != 0, i < 2);
    }
    unlink(path);
}

static void a_prompt_is_what_an_answer_goes_on_from(void **state)
{
    struct fixture *f = *state;
    char prompt[2000];
    int32_t ids[500];
    size_t length, n;
    f->setup.tools = tools;
    f->o.n_predict = 1;
    open_chat(f);
    assert_int_equal(infer_chat_prompt(f->chat, hello, strlen(hello), NULL, 0, &n, &f->err), INFER_OK);
    assert_int_equal(infer_chat_prompt(f->chat, hello, strlen(hello), prompt, sizeof prompt, &length, &f->err), INFER_OK);
    assert_int_equal(n, length);
    assert_int_equal(infer_tokenizer_encode(infer_model_tokenizer(f->model), prompt, length, INFER_PARSE_SPECIAL, ids, 500,
                                            &n, &f->err), INFER_OK);
    answer(f, hello);
    assert_int_equal(n, f->r.n_prompt + f->r.n_cached);
    assert_int_equal(infer_chat_prompt(f->chat, "[", 1, prompt, sizeof prompt, &length, &f->err), INFER_E_ARGUMENT);
    assert_int_equal(infer_chat_prompt(f->chat, NULL, 0, prompt, sizeof prompt, &length, &f->err), INFER_E_ARGUMENT);
}

/* ---- Calls ---- */

static void a_required_call_is_one_of_the_tools_in_every_format(void **state)
{
    struct fixture *f = *state;
    f->setup.tools = tools;
    f->setup.tool_choice = INFER_TOOL_REQUIRED;
    f->setup.tool_name = "time";
    f->setup.single_call = true;
    for (size_t i = 0; infer_chat_format_name(i); i++) {
        f->setup.format = infer_chat_format_name(i);
        open_chat(f);
        assert_string_equal(infer_chat_format(f->chat), f->setup.format);
        answer(f, hello);
        one_call(f, "time", "{\"city\": \"Oslo\"}");
        assert_string_equal(f->text, "");
        message_has(f, "content", NULL);
        assert_int_equal(f->r.reason, INFER_STOP_GRAMMAR);
        assert_null(infer_sampler_matcher(f->sampler));
    }
}

static void several_calls_may_come_where_a_format_has_them(void **state)
{
    struct fixture *f = *state;
    f->setup.tools = tools;
    f->setup.tool_choice = INFER_TOOL_REQUIRED;
    f->setup.format = "hermes";
    f->o.ignore_end = true; /* so that it goes on */
    f->o.n_predict = 300;
    open_chat(f);
    answer(f, hello);
    assert_true(f->r.n_calls > 1); /* the last one is cut off, which is text */
}

static void tools_that_the_model_may_call_leave_its_text_free(void **state)
{
    struct fixture *f = *state;
    char text[ROOM];
    f->setup.format = "hermes";
    open_chat(f);
    answer(f, hello);
    strcpy(text, f->text);
    f->setup.tools = tools;
    open_chat(f);
    answer(f, hello);
    assert_string_equal(f->text, text);
    f->setup.tool_choice = INFER_TOOL_NONE;
    open_chat(f);
    answer(f, hello);
    assert_string_equal(f->text, text);
}

/* ---- Responses ---- */

static void an_answer_is_held_to_its_response(void **state)
{
    struct fixture *f = *state;
    const char *const choices[] = { "yes", "no" };
    f->setup.response = infer_grammar_open_choices(f->context, choices, 2, NULL, &f->err);
    open_chat(f);
    answer(f, hello);
    assert_true(!strcmp(f->text, "yes") || !strcmp(f->text, "no"));
    assert_int_equal(f->r.reason, INFER_STOP_GRAMMAR);
    infer_grammar_close(&f->setup.response); /* the conversation keeps it */
    answer(f, hello);
    assert_true(!strcmp(f->text, "yes") || !strcmp(f->text, "no"));
}

static void reasoning_before_a_response_is_free_and_ends_with_its_budget(void **state)
{
    struct fixture *f = *state;
    const char *const choices[] = { "yes", "no" };
    f->setup.response = infer_grammar_open_choices(f->context, choices, 2, NULL, &f->err);
    f->setup.chat_template = thinking;
    for (int32_t budget = 0; budget < 12; budget += 5) {
        f->setup.reasoning_budget = budget;
        open_chat(f);
        answer(f, hello);
        assert_int_equal(f->r.n_reasoning, budget);
        assert_int_equal(strlen(f->part[INFER_CHAT_REASONING]) > 0, budget > 0);
        assert_true(!strcmp(f->text, "yes") || !strcmp(f->text, "no"));
        assert_null(strstr(f->part[INFER_CHAT_REASONING], "think"));
    }
    f->setup.reasoning_budget = -1;
    open_chat(f);
    answer(f, hello);
    assert_int_equal(f->r.n_reasoning, 100);
    assert_string_equal(f->text, "");
}

/* ---- The way of a turn, with texts that the embedded model would not write ---- */

static struct text tell(const char *s)
{
    return (struct text){ s, strlen(s) };
}

static bool takes(struct turn *t, const char *text)
{
    bool good = false;
    assert_int_equal(turn_takes(t, false, tell(text), &good, NULL), INFER_OK);
    if (good)
        assert_int_equal(turn_feed(t, tell(text), NULL), INFER_OK);
    return good;
}

static void nothing(void *user, infer_chat_part part, const char *text, size_t length)
{
    (void)user, (void)part, (void)text, (void)length;
}

static void open_turn(struct fixture *f, struct turn *t)
{
    open_chat(f);
    assert_int_equal(turn_open(t, f->chat, f->sampler, "", nothing, NULL, NULL), INFER_OK);
}

static void marks_and_reasoning_come_before_what_an_answer_is_held_to(void **state)
{
    struct fixture *f = *state;
    struct turn t;
    int32_t id;
    f->setup.response = infer_grammar_open(f->context, INFER_REGEX, "[0-9]+", 6, NULL, &f->err);
    f->setup.format = "gpt-oss";
    open_turn(f, &t);
    const char *const taken[] = { "<|channel|>", "analysis", "<|message|>", "Well", "{", "<|end|>", "<|start|>",
                                  "assistant", "<|channel|>", "final", "<|message|>", "\n" };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        assert_true(takes(&t, taken[i]));
        assert_int_equal(turn_forced(&t, 0, &id, NULL), INFER_OK);
        assert_int_equal(id, -1);
        assert_null(infer_sampler_matcher(f->sampler));
    }
    assert_false(takes(&t, "Well"));
    assert_int_equal(turn_forced(&t, 0, &id, NULL), INFER_OK);
    assert_non_null(infer_sampler_matcher(f->sampler));
    assert_true(takes(&t, "12")); /* the sampler sees to it now */
    turn_close(&t);
    assert_null(infer_sampler_matcher(f->sampler));
}

static void space_before_an_answer_is_not_taken_for_ever(void **state)
{
    struct fixture *f = *state;
    struct turn t;
    size_t n = 0;
    f->setup.response = infer_grammar_open(f->context, INFER_REGEX, "[0-9]+", 6, NULL, &f->err);
    open_turn(f, &t);
    while (takes(&t, "\n") && n < 100)
        n++;
    assert_in_range(n, 4, 32);
    turn_close(&t);
}

static void the_model_chooses_between_calls_and_a_response_by_the_first_mark(void **state)
{
    struct fixture *f = *state;
    struct turn t;
    int32_t id;
    f->setup.response = infer_grammar_open(f->context, INFER_REGEX, "[0-9]+", 6, NULL, &f->err);
    f->setup.tools = tools;
    f->setup.format = "hermes";
    open_turn(f, &t);
    assert_true(takes(&t, "<tool"));
    assert_true(takes(&t, "_call>"));
    assert_int_equal(turn_forced(&t, 0, &id, NULL), INFER_OK);
    infer_matcher *m = infer_sampler_matcher(f->sampler);
    assert_non_null(m);
    assert_int_equal(infer_matcher_accept_text(m, "\n{\"name\": \"time\"", 16, NULL), INFER_OK);
    turn_close(&t);
    open_turn(f, &t);
    assert_false(takes(&t, "1"));
    assert_int_equal(turn_forced(&t, 0, &id, NULL), INFER_OK);
    assert_int_equal(infer_matcher_accept_text(infer_sampler_matcher(f->sampler), "1", 1, NULL), INFER_OK);
    turn_close(&t);
}

static void a_call_that_the_model_begins_is_held_to_its_schema(void **state)
{
    struct fixture *f = *state;
    struct turn t;
    int32_t id;
    f->setup.tools = tools;
    f->setup.format = "hermes";
    open_turn(f, &t);
    assert_false(takes(&t, "I see"));
    assert_int_equal(turn_forced(&t, 0, &id, NULL), INFER_OK);
    infer_matcher *m = infer_sampler_matcher(f->sampler);
    static const char text[] = "I see. <tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"";
    assert_int_equal(infer_matcher_accept_text(m, text, strlen(text), NULL), INFER_OK);
    assert_int_equal(infer_matcher_accept_text(m, "Oslo", 4, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_matcher_accept_text(m, "Rome", 4, NULL), INFER_OK);
    turn_close(&t);
}

/* ---- Mistakes ---- */

static void refused(struct fixture *f, const char *why)
{
    infer_chat *c = infer_chat_open(f->model, &f->setup, &f->err);
    assert_null(c);
    if (!strstr(f->err.message, why))
        fail_msg("%s", f->err.message);
    f->setup = infer_chat_setup_defaults();
}

static void wrong_setups_are_refused_with_a_sentence(void **state)
{
    struct fixture *f = *state;
    assert_null(infer_chat_open(NULL, NULL, NULL));
    f->setup.size = 0;
    refused(f, "size is 0");
    f->setup.tool_choice = INFER_TOOL_REQUIRED;
    refused(f, "no tools");
    f->setup.tool_choice = (infer_tool_choice)7;
    refused(f, "tool_choice is 7");
    f->setup.reasoning_budget = -2;
    refused(f, "reasoning_budget is -2");
    f->setup.template_name = "/nowhere/template";
    refused(f, "/nowhere/template");
    f->setup.chat_template = "{% if %}";
    refused(f, "line 1");
    f->setup.format = "morse";
    refused(f, "morse");
    f->setup.tools = "[";
    refused(f, "tools");
    f->setup.tools = "{}";
    refused(f, "expected an array");
    f->setup.tools = "[]";
    refused(f, "empty");
    f->setup.tools = "[{\"type\": \"function\"}]";
    refused(f, "entry 0");
    f->setup.tools = tools;
    f->setup.tool_name = "spell";
    refused(f, "none of the name spell");
    infer_grammar *response = infer_grammar_open(f->context, INFER_REGEX, "a", 1, NULL, NULL);
    f->setup.tools = tools;
    f->setup.format = "llama3";
    f->setup.response = response;
    refused(f, "llama3");
    infer_grammar_close(&response);
}

static void wrong_turns_are_refused_and_leave_the_session_as_it_was(void **state)
{
    struct fixture *f = *state;
    char *longer = calloc(1, ROOM);
    open_chat(f);
    assert_int_equal(try_answer(f, "{"), INFER_E_ARGUMENT);
    assert_int_equal(infer_generate_chat(NULL, f->session, f->sampler, hello, strlen(hello), NULL, NULL, NULL),
                     INFER_E_ARGUMENT);
    assert_int_equal(infer_generate_chat(f->chat, f->session, NULL, hello, strlen(hello), NULL, NULL, NULL),
                     INFER_E_ARGUMENT);
    strcpy(longer, "[{\"role\": \"user\", \"content\": \"");
    for (size_t i = 0; i < 500; i++)
        strcat(longer, "a cat ");
    strcat(longer, "\"}]");
    assert_int_equal(try_answer(f, longer), INFER_E_FULL);
    assert_string_equal(f->message, "");
    assert_int_equal(infer_session_length(f->session), 0);
    free(longer);
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    f->setup.tools = tools;
    f->setup.tool_choice = INFER_TOOL_REQUIRED;
    f->setup.single_call = true;
    for (infer_status status = INFER_E_NOMEM; status != INFER_OK; n++) {
        f->memory.refuse_from = f->memory.calls + n;
        f->chat = infer_chat_open(f->model, &f->setup, &f->err);
        status = f->chat ? try_answer(f, hello) : f->err.code;
        f->memory.refuse_from = SIZE_MAX;
        if (status != INFER_OK && status != INFER_E_NOMEM)
            fail_msg("allocation %zu: %s", n, f->err.message);
        infer_chat_close(&f->chat);
        infer_sampler_close(&f->sampler); /* anew, as both keep what they have taken */
        infer_session_close(&f->session);
        open_session(f);
    }
    assert_in_range(n, 50, 100000);
    one_call(f, f->part[INFER_CHAT_CALL], f->part[INFER_CHAT_ARGUMENTS]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(an_answer_is_its_parts_its_text_and_its_message),
        TEST(the_next_turn_evaluates_what_is_new_and_says_what_a_fresh_session_says),
        TEST(a_beginning_that_another_session_has_computed_is_not_computed_again),
        TEST(an_answer_fetched_is_the_one_received),
        TEST(an_answer_that_was_stopped_is_a_message_too),
        TEST(a_template_is_the_models_one_given_one_of_a_name_or_a_file),
        TEST(a_prompt_is_what_an_answer_goes_on_from),
        TEST(a_required_call_is_one_of_the_tools_in_every_format),
        TEST(several_calls_may_come_where_a_format_has_them),
        TEST(tools_that_the_model_may_call_leave_its_text_free),
        TEST(an_answer_is_held_to_its_response),
        TEST(reasoning_before_a_response_is_free_and_ends_with_its_budget),
        TEST(marks_and_reasoning_come_before_what_an_answer_is_held_to),
        TEST(space_before_an_answer_is_not_taken_for_ever),
        TEST(the_model_chooses_between_calls_and_a_response_by_the_first_mark),
        TEST(a_call_that_the_model_begins_is_held_to_its_schema),
        TEST(wrong_setups_are_refused_with_a_sentence),
        TEST(wrong_turns_are_refused_and_leave_the_session_as_it_was),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conversation", tests, NULL, NULL);
}
