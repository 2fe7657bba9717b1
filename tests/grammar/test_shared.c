/* test_shared.c - the truth file of grammars beside the repository. Skipped where it is not there.
 *
 * Of a case of level "extra" the schema may be refused, but no wrong text may match. */
#include "tests/grammar/grammar_test.h"

#include <jansson.h>

#define CASES INFER_SHARED "/grammars/cases.jsonl"

struct tally {
    size_t cases, texts, refused, wrong;
};

static void differs(struct tally *tally, const json_t *json, const char *what)
{
    tally->wrong++;
    print_message("  %s: %s\n", json_string_value(json_object_get(json, "name")), what);
}

static void check_texts(struct tally *tally, const json_t *json, infer_grammar *g, const char *key, bool whole,
                        bool alive)
{
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(json, key), i, text)
    {
        const enum fate fate = fate_of(g, json_string_value(text), json_string_length(text));
        tally->texts++;
        if ((fate == WHOLE) != whole || (alive && fate == DEAD))
            differs(tally, json, json_string_value(text));
    }
}

static void gbnf_case(struct tally *tally, const json_t *json, infer_grammar *g, const char *why)
{
    const bool valid = json_is_true(json_object_get(json, "valid"));
    if (valid && !g)
        differs(tally, json, why);
    if (!valid && g)
        differs(tally, json, "not refused");
    if (!valid || !g)
        return;
    check_texts(tally, json, g, "match", true, true);
    check_texts(tally, json, g, "partial", false, true);
    check_texts(tally, json, g, "no_match", false, false);
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(json, "no_match"), i,
                       text) if (fate_of(g, json_string_value(text), json_string_length(text)) != DEAD)
        differs(tally, json, "a text that leads nowhere is alive");
}

static void schema_case(struct tally *tally, const json_t *json, infer_grammar *g, const char *why)
{
    const bool extra = !strcmp(json_string_value(json_object_get(json, "level")), "extra");
    tally->refused += !g;
    if (!g && !extra)
        differs(tally, json, why);
    if (!g)
        return;
    check_texts(tally, json, g, "match", true, true);
    check_texts(tally, json, g, "no_match", false, false);
}

static void one_case(struct tally *tally, infer_context *context, const json_t *json)
{
    infer_error err = { 0 };
    const json_t *source = json_object_get(json, "grammar");
    tally->cases++;
    if (!strcmp(json_string_value(json_object_get(json, "kind")), "gbnf")) {
        infer_grammar *g =
            infer_grammar_open(context, INFER_GBNF, json_string_value(source), json_string_length(source), NULL, &err);
        gbnf_case(tally, json, g, err.message);
        infer_grammar_close(&g);
    } else {
        char *schema = json_dumps(json_object_get(json, "schema"), JSON_ENCODE_ANY);
        infer_grammar *g = infer_grammar_open(context, INFER_JSON_SCHEMA, schema, strlen(schema), NULL, &err);
        schema_case(tally, json, g, err.message);
        infer_grammar_close(&g);
        free(schema);
    }
}

static void all_cases(void **state)
{
    (void)state;
    FILE *file = fopen(CASES, "rb");
    if (!file)
        skip();
    infer_context *context = context_new(NULL);
    struct tally tally = { 0 };
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, file)) > 0) {
        json_t *json = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        one_case(&tally, context, json);
        json_decref(json);
    }
    free(line);
    fclose(file);
    infer_context_close(&context);
    print_message("%zu cases with %zu texts, %zu schemas refused, %zu differences\n", tally.cases, tally.texts,
                  tally.refused, tally.wrong);
    assert_int_equal(tally.wrong, 0);
    assert_true(tally.refused <= 1); /* uniqueItems */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "grammars and schemas match what they should, and nothing else", all_cases, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
