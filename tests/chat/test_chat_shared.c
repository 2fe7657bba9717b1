/* test_chat_shared.c - the truth files beside the repository: what Hugging Face's environment of Jinja makes of the
 * chat templates of published models, and of the language's parts. Skipped where they are not there.
 *
 * An error of the kind "raise" must come with its message. Of the other kinds those may be lenient for which the files
 * have a lenient_text, and then that has to come out. */
#include "tests/chat/chat_test.h"

#include "src/base/map.h"

#include <stdio.h>

#define TEMPLATES INFER_SHARED "/templates/"
enum { SHOWN = 5 };

struct tally {
    size_t cases, wrong, lenient;
};

static char *read_whole(const char *path)
{
    struct mapping map;
    infer_error err = { 0 };
    if (map_open(&map, path, &err))
        return NULL;
    char *text = calloc(map.size + 1, 1);
    if (text)
        memcpy(text, map.data, map.size);
    map_close(&map);
    return text;
}

/* Whether the text (NULL: an error) is what is expected. */
static bool as_expected(const json_t *expect, const char *text, const infer_error *err, struct tally *tally)
{
    if (json_is_string(expect))
        return text && !strcmp(text, json_string_value(expect));
    const char *lenient = json_string_value(json_object_get(expect, "lenient_text"));
    const char *kind = json_string_value(json_object_get(expect, "error_kind"));
    if (text) {
        tally->lenient++;
        return lenient && !strcmp(text, lenient);
    }
    return err->message[0] && (strcmp(kind, "raise") ||
                               strstr(err->message, json_string_value(json_object_get(expect, "error"))));
}

static void check(struct tally *tally, const json_t *json, const char *source, json_t *variables)
{
    infer_error err = { 0 };
    char *given = json_dumps(variables, 0), *text = render_text(source, given, &err);
    tally->cases++;
    if (!as_expected(json_object_get(json, "expect"), text, &err, tally) && tally->wrong++ < SHOWN) {
        const char *name = json_string_value(json_object_get(json, "name"));
        print_message("  %s %s: %s\n", name ? name : json_string_value(json_object_get(json, "template")),
                      name ? "" : json_string_value(json_object_get(json, "conv")), text ? text : err.message);
    }
    free(text);
    free(given);
}

static void language_case(struct tally *tally, const json_t *json)
{
    check(tally, json, json_string_value(json_object_get(json, "template")), json_object_get(json, "vars"));
}

static void chat_case(struct tally *tally, const json_t *json)
{
    static const char *const names[] = { "messages", "tools", "add_generation_prompt", "bos_token", "eos_token" };
    char path[512];
    snprintf(path, sizeof path, TEMPLATES "%s.jinja", json_string_value(json_object_get(json, "template")));
    char *source = read_whole(path);
    json_t *variables = json_pack("{sn}", "documents");
    assert_non_null(source);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_object_set(variables, names[i], json_object_get(json, names[i]));
    json_object_update(variables, json_object_get(json, "extra"));
    check(tally, json, source, variables);
    json_decref(variables);
    free(source);
}

/* ---- Calls in templates' own form ---- */

/* The first n of two calls of get_weather, as a message of the conversation has them. */
static bool has_calls(const char *message, size_t n)
{
    static const char *const want[] = { "{\"city\":\"Rome\"}", "{\"city\":\"Oslo\",\"unit\":\"celsius\"}" };
    json_t *json = json_loads(message, 0, NULL), *calls = json_object_get(json, "tool_calls");
    bool good = json_array_size(calls) == n;
    for (size_t i = 0; good && i < n; i++) {
        const json_t *function = json_object_get(json_array_get(calls, i), "function");
        good = !strcmp(json_string_value(json_object_get(function, "name")), "get_weather") &&
               !strcmp(json_string_value(json_object_get(function, "arguments")), want[i]);
    }
    json_decref(json);
    return good;
}

/* What a template writes for the assistant's calls is parsed back into them. */
static void calls_case(struct tally *tally, const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "template"));
    const char *expect = json_string_value(json_object_get(json, "expect"));
    const json_t *first = json_array_get(json_object_get(json, "messages"), 0);
    if (!expect || strcmp(json_string_value(json_object_get(json, "conv")), "tool_parallel"))
        return;
    const char *question = json_string_value(json_object_get(first, "content")), *user = strstr(expect, question);
    user += user ? strlen(question) : 0;
    if (!user || !strstr(user, "get_weather"))
        return; /* a template that leaves calls out */
    char path[512], message[1 << 16];
    snprintf(path, sizeof path, TEMPLATES "%s.jinja", name);
    char *source = read_whole(path);
    infer_error err = { 0 };
    infer_context *context = infer_context_open(NULL, &err);
    infer_chat_parser_options o = infer_chat_parser_defaults();
    size_t n = 0;
    o.chat_template = source;
    assert_int_equal(infer_chat_parse(context, &o, user, strlen(user), message, sizeof message - 1, &n, &err),
                     INFER_OK);
    message[n] = 0;
    tally->cases++;
    if (!has_calls(message, strstr(user, "Oslo") ? 2 : 1) && /* some write only the first */
         tally->wrong++ < SHOWN)
        print_message("  %s: %s\n", name, message);
    infer_context_close(&context);
    free(source);
}

static void run(const char *path, size_t least, void (*one)(struct tally *tally, const json_t *json))
{
    struct tally tally = { 0, 0, 0 };
    char *all = read_whole(path);
    if (!all)
        skip();
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *json = json_loads(line, 0, NULL);
        assert_non_null(json);
        one(&tally, json);
        json_decref(json);
    }
    free(all);
    print_message("%zu cases, %zu differences, %zu lenient\n", tally.cases, tally.wrong, tally.lenient);
    assert_true(tally.cases >= least);
    assert_int_equal(tally.wrong, 0);
}

static void templates_of_models(void **state)
{
    (void)state;
    run(TEMPLATES "cases.jsonl", 900, chat_case);
}

static void calls_are_parsed_back(void **state)
{
    (void)state;
    run(TEMPLATES "cases.jsonl", 25, calls_case);
}

static void parts_of_the_language(void **state)
{
    (void)state;
    run(TEMPLATES "jinja.jsonl", 80, language_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_of_models),
        cmocka_unit_test(parts_of_the_language),
        cmocka_unit_test(calls_are_parsed_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
