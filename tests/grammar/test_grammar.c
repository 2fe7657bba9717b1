/* test_grammar.c - choices, triggers, the calls of several tools, and what is refused of all of them. */
#include "tests/common/counting.h"
#include "tests/grammar/grammar_test.h"

static void check_grammar(infer_grammar *g, const char *name, const struct sample *s)
{
    assert_non_null(g);
    check_fates(g, name, s->whole, WHOLE);
    check_fates(g, name, s->alive, ALIVE);
    check_fates(g, name, s->dead, DEAD);
}

static void choices(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static const char *const few[] = { "yes", "no", "\xc3\xa9t\xc3\xa9", "yesterday" };
    static const struct sample sample = {
        "", { "yes", "no", "yesterday", "\xc3\xa9t\xc3\xa9" }, { "", "ye", "yest", "\xc3" }, { "x", "noo" }
    };
    infer_error err = { 0 };
    infer_context *context = context_new(NULL);
    infer_grammar *g = infer_grammar_open_choices(context, few, COUNT(few), NULL, &err);
    check_grammar(g, "choices", &sample);
    infer_grammar_close(&g);
    assert_null(infer_grammar_open_choices(context, few, 0, NULL, &err));
    assert_non_null(strstr(err.message, "no text at all"));
    char(*text)[16] = malloc(MANY * sizeof *text);
    const char **list = malloc(MANY * sizeof *list);
    for (int i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "%d of many", 7 * i);
        list[i] = text[i];
    }
    g = infer_grammar_open_choices(context, list, MANY, NULL, &err);
    if (!g)
        fail_msg("%s", err.message);
    assert_int_equal(fate_of(g, "20993 of many", 13), WHOLE);
    assert_int_equal(fate_of(g, "20994", 5), DEAD);
    infer_grammar_close(&g);
    infer_context_close(&context);
    free(list);
    free(text);
}

static void triggers(void **state)
{
    (void)state;
    static const char *const texts[] = { "<call>", "<<" };
    static const struct sample sample = {
        "",
        { "", "any text", "< call>", "x<call>12", "<<3", "<call1", "a<cal<call>7" },
        { "<call>", "x<<" },
        { "<call>x", "<<1x", "<call>1<call>", "<<<" },
    };
    infer_error err = { 0 };
    infer_grammar_options o = infer_grammar_defaults();
    o.triggers = texts;
    o.n_triggers = COUNT(texts);
    infer_context *context = context_new(NULL);
    infer_grammar *g = infer_grammar_open(context, INFER_REGEX, "\\d+", 3, &o, &err);
    check_grammar(g, "triggers", &sample);
    infer_grammar_close(&g);
    assert_null(infer_grammar_open(context, INFER_JSON_SCHEMA, "false", 5, &o, &err));
    assert_non_null(strstr(err.message, "no text at all"));
    o.triggers = (const char *const[]){ "" };
    o.n_triggers = 1;
    assert_null(infer_grammar_open(context, INFER_REGEX, "a", 1, &o, &err));
    assert_non_null(strstr(err.message, "trigger 0"));
    infer_context_close(&context);
}

/* Control tokens are allowed in free text alone, and the one that is named begins the grammar. */
static void trigger_tokens(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_context *context = context_new(NULL);
    infer_model *model = infer_model_open_default(context, NULL, &err);
    assert_non_null(model);
    const infer_tokenizer *t = infer_model_tokenizer(model);
    const char *const list[1] = { "<|assistant|>" };
    const int32_t call = infer_tokenizer_find(t, list[0], strlen(list[0])),
                  user = infer_tokenizer_find(t, "<|user|>", 8);
    const int32_t eos = infer_tokenizer_eos(t);
    assert_true(infer_tokenizer_is_control(t, call) && infer_tokenizer_is_control(t, user) && eos >= 0);
    infer_grammar_options o = infer_grammar_defaults();
    o.triggers = list;
    o.n_triggers = 1;
    infer_grammar *g = infer_grammar_open(context, INFER_REGEX, "a+", 2, &o, &err);
    infer_matcher *m = infer_matcher_open(g, t, &err);
    assert_non_null(m);
    uint32_t bits[4096];
    assert_int_equal(infer_matcher_mask(m, bits, COUNT(bits), &err), INFER_OK);
    for (int32_t id = 0; id < infer_tokenizer_size(t); id++)
        assert_int_equal(bits[id / 32] >> (id % 32) & 1, infer_matcher_allows(m, id));
    assert_true(infer_matcher_allows(m, user) && infer_matcher_allows(m, call) && infer_matcher_allows(m, eos));
    assert_int_equal(infer_matcher_accept(m, user, &err), INFER_OK);
    assert_int_equal(infer_matcher_accept_text(m, "free", 4, &err), INFER_OK);
    assert_int_equal(infer_matcher_accept(m, call, &err), INFER_OK);
    assert_false(infer_matcher_allows(m, user) || infer_matcher_allows(m, call) || infer_matcher_allows(m, eos));
    assert_int_equal(infer_matcher_accept_text(m, "b", 1, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_matcher_accept_text(m, "aa", 2, &err), INFER_OK);
    assert_true(infer_matcher_allows(m, eos));
    assert_int_equal(infer_matcher_mask(m, bits, COUNT(bits), &err), INFER_OK);
    assert_int_equal(bits[user / 32] >> (user % 32) & 1, 0);
    infer_matcher_close(&m);
    infer_grammar_close(&g);
    infer_model_close(&model);
    infer_context_close(&context);
}

struct bad {
    size_t n, index[8];
    char why[512];
};

static void note_bad(void *user, size_t index, const infer_error *why)
{
    struct bad *bad = user;
    assert_true(bad->n < COUNT(bad->index));
    bad->index[bad->n++] = index;
    snprintf(bad->why, sizeof bad->why, "%s", why->message);
}

static const infer_tool tools[] = {
    { "now", NULL },
    { "broken", "{\"type\":\"array\",\"uniqueItems\":true}" },
    { "weather", "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"],"
                 "\"additionalProperties\":false}" },
    { "worse", "{" },
};

static void bad_tools(void **state)
{
    (void)state;
    static const struct sample one = {
        "",
        { "{\"name\": \"now\", \"arguments\": {}}", "{\"name\": \"weather\", \"arguments\": {\"city\":\"Rio\"}}" },
        { "{\"name\": \"" },
        { "{\"name\": \"broken", "{\"name\": \"worse", "{\"name\": \"weather\", \"arguments\": {}" },
    };
    static const struct sample several = {
        "",
        { "<f=now>{}</f>", "<f=weather>{\"city\":\"Rio\"}</f>\n<f=now>{}</f>\n<f=now>{}</f>", "free text" },
        { "<f=now>{}</f>\n", "<f=" },
        { "<f=then", "<f=now>{}</f><f" },
    };
    infer_error err = { 0 };
    struct bad bad = { .n = 0 };
    infer_context *context = context_new(NULL);
    infer_tools_options o = infer_tools_defaults();
    o.on_bad = note_bad;
    o.user = &bad;
    infer_grammar *g = infer_grammar_open_tools(context, tools, COUNT(tools), &o, &err);
    check_grammar(g, "tools", &one);
    assert_int_equal(bad.n, 2);
    assert_int_equal(bad.index[0], 1);
    assert_int_equal(bad.index[1], 3);
    assert_non_null(strstr(bad.why, "JSON"));
    infer_grammar_close(&g);

    const char *const trigger[] = { "<f=" };
    o.on_bad = NULL;
    o.begin = "";
    o.middle = ">";
    o.end = "</f>";
    o.between = "\n<f=";
    o.grammar.triggers = trigger;
    o.grammar.n_triggers = 1;
    g = infer_grammar_open_tools(context, tools, COUNT(tools), &o, &err);
    check_grammar(g, "tools", &several);
    infer_grammar_close(&g);

    assert_null(infer_grammar_open_tools(context, tools + 1, 1, &o, &err));
    assert_non_null(strstr(err.message, "none has a schema"));
    infer_context_close(&context);
}

static void no_memory(void **state)
{
    (void)state;
    const char *const trigger[] = { "<f=" };
    for (size_t refuse = 0;; refuse++) {
        struct counting counting;
        infer_error err = { 0 };
        struct bad bad = { .n = 0 };
        counting_init(&counting, SIZE_MAX);
        infer_context *context = context_new(&counting.allocator);
        counting.refuse_from = counting.calls + refuse;
        infer_tools_options o = infer_tools_defaults();
        o.on_bad = note_bad;
        o.user = &bad;
        o.between = ",";
        o.grammar.triggers = trigger;
        o.grammar.n_triggers = 1;
        infer_grammar *g = infer_grammar_open_tools(context, tools, COUNT(tools), &o, &err);
        const bool done = g != NULL;
        infer_grammar_close(&g);
        infer_context_close(&context);
        assert_int_equal(counting.live, 0);
        if (done) {
            assert_int_equal(bad.n, 2);
            break;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
        refuse += refuse / 64; /* each at first, then samples */
    }
}

static void wrong_arguments(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_context *context = context_new(NULL);
    infer_grammar_options o = { .size = 1 };
    assert_null(infer_grammar_open(NULL, INFER_GBNF, "", 0, NULL, &err));
    assert_null(infer_grammar_open(context, INFER_GBNF, NULL, 0, NULL, &err));
    assert_null(infer_grammar_open(context, (infer_notation)9, "", 0, NULL, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_null(infer_grammar_open(context, INFER_REGEX, "a", 1, &o, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_null(infer_matcher_open(NULL, NULL, &err));
    infer_grammar *g = infer_grammar_open(context, INFER_REGEX, "a", 1, NULL, NULL), *again = infer_grammar_retain(g);
    infer_matcher *m = infer_matcher_open(g, NULL, NULL);
    uint32_t bits[1];
    assert_int_equal(infer_matcher_mask(m, bits, 1, &err), INFER_E_ARGUMENT); /* without a tokenizer */
    assert_int_equal(infer_matcher_accept(m, 1, &err), INFER_E_ARGUMENT);
    assert_false(infer_matcher_allows(m, 0));
    infer_grammar_close(&g);
    infer_grammar_close(&again);
    assert_int_equal(infer_matcher_accept_text(m, "a", 1, &err), INFER_OK); /* a matcher keeps its grammar */
    assert_true(infer_matcher_must_end(m));
    infer_matcher_close(&m);
    infer_context_close(&context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "one of many choices is let through, whole", choices, NULL, NULL, NULL },
        { "text is free up to a trigger, and held to the grammar after it", triggers, NULL, NULL, NULL },
        { "a control token can be a trigger; others come in free text alone", trigger_tokens, NULL, NULL, NULL },
        { "a tool with a bad schema is reported and left out", bad_tools, NULL, NULL, NULL },
        { "wherever memory is out, that is said and nothing is lost", no_memory, NULL, NULL, NULL },
        { "wrong arguments are refused", wrong_arguments, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
