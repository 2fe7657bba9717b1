/* test_chat_shared.c - the truth files beside the repository: what Hugging Face's environment of Jinja makes of the chat
 * templates of published models, and of the language's parts. Skipped where they are not there.
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

static void run(const char *path, void (*one)(struct tally *tally, const json_t *json))
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
    assert_true(tally.cases > 50);
    assert_int_equal(tally.wrong, 0);
}

static void templates_of_models(void **state)
{
    (void)state;
    run(TEMPLATES "cases.jsonl", chat_case);
}

static void parts_of_the_language(void **state)
{
    (void)state;
    run(TEMPLATES "jinja.jsonl", language_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_of_models),
        cmocka_unit_test(parts_of_the_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
