/* test_gbnf.c - GBNF: what matches, what is refused, and that neither takes long. */
#include "tests/common/counting.h"
#include "tests/grammar/grammar_test.h"

#include <time.h>

static void notation(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "root ::= \"a\" # comment\n\n# another\nb ::= \"b\"", { "a" }, { "" }, { "b", "a#" } },
        { "root ::= \"\\x41\\u00e9\\U0001F600\\-\"", { "A\xc3\xa9\xf0\x9f\x98\x80-" }, { "A\xc3" }, { "A\xe9" } },
        { "root ::= [\\]\\[\\\\]", { "]", "[", "\\" }, { "" }, { "a" } },
        { "root ::=\n  \"a\" |\n  \"b\"\n", { "a", "b" }, { "" }, { "ab" } },
        { "root ::= a-b a_b\na-b ::= \"1\"\na_b ::= \"2\"", { "12" }, { "1" }, { "2" } },
        { "root ::= | \"a\"", { "", "a" }, { NULL }, { "aa" } },
        { "root ::= \"a\"{2}{3}", { "aaaaaa" }, { "aaaaa" }, { "aaaaaaa" } },
        { "root ::= ()", { "" }, { NULL }, { "a" } },
    };
    check_samples(INFER_GBNF, samples, COUNT(samples));
}

static void wrong_notation(void **state)
{
    (void)state;
    static const struct refused refused[] = {
        { "root ::= \"a", "expected a character" },
        { "root ::= [b-a]", "range" },
        { "root ::= []", "characters within" },
        { "root ::= \"\\q\"", "backslash" },
        { "root ::= \"\\ud800\"", "character of Unicode" },
        { "root ::= \"a\"{3,2}", "at least 3" },
        { "root ::= \"a\"{,2}", "number of repetitions" },
        { "root ::= \"a\"{2", "expected '}'" },
        { "root ::= \"a\")", "end of rule" },
        { "root ::= \"a\"\nroot ::= \"b\"", "defined before" },
        { "root ::= \"\xff\"", "UTF-8" },
        { "root ::= nowhere", "\"nowhere\" is used" },
        { "root ::= \"x\" root", "no text at all" },
        { "\n\nroot ::= %", "line 3" },
    };
    check_refused(INFER_GBNF, refused, COUNT(refused));
}

static void left_recursion(void **state)
{
    (void)state;
    static const struct refused refused[] = {
        { "root ::= root \"a\" | \"a\"", "\"root\" is left-recursive" },
        { "root ::= \"x\" a\na ::= b \"y\" | \"z\"\nb ::= a", "left-recursive" },
        { "root ::= e root \"x\" | \"y\"\ne ::= \"e\"?", "\"root\" is left-recursive" },
        { "root ::= (\"a\"? root)* \"x\"", "\"root\" is left-recursive" },
    };
    static const struct sample fine[] = {
        { "root ::= \"a\" | \"b\" root e\ne ::= \"e\"? root?", { "a", "ba", "bae", "baea", "bba" }, { "b" }, { "aa" } },
        { "root ::= \"a\"\nunused ::= unused \"b\" | \"c\"", { "a" }, { "" }, { "c" } },
    };
    check_refused(INFER_GBNF, refused, COUNT(refused));
    check_samples(INFER_GBNF, fine, COUNT(fine));
}

/* x{0,n} is cut into chunks: all counts around their borders. */
static void repetition(void **state)
{
    (void)state;
    static const unsigned bounds[][2] = {
        { 0, 64 }, { 1, 65 }, { 63, 63 }, { 64, 129 }, { 128, 4200 }, { 4097, 4097 }
    };
    infer_context *context = context_new(NULL);
    char *text = malloc(8400);
    memset(text, 'a', 8400);
    for (size_t i = 0; i < COUNT(bounds); i++)
        for (int rule = 0; rule < 2; rule++) {
            const size_t width = rule ? 2 : 1;
            char source[128];
            infer_error err = { 0 };
            snprintf(source, sizeof source,
                     rule ? "root ::= x{%u,%u}\nx ::= y\ny ::= \"a\" \"a\"" : "root ::= \"a\"{%u,%u}", bounds[i][0],
                     bounds[i][1]);
            infer_grammar *g = infer_grammar_open(context, INFER_GBNF, source, strlen(source), NULL, &err);
            if (!g)
                fail_msg("%s: %s", source, err.message);
            for (size_t n = 0; n <= 4201 && n * width <= 8400; n += n > 130 && n < 4090 ? 61 : 1) {
                const enum fate want = n < bounds[i][0] ? ALIVE : n <= bounds[i][1] ? WHOLE : DEAD;
                if (fate_of(g, text, n * width) != want)
                    fail_msg("%s: %zu times is wrong", source, n);
            }
            infer_grammar_close(&g);
        }
    free(text);
    infer_context_close(&context);
}

/* Every one of these has been the end of some engine. */
static void bounds(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "root ::= ((((\"a\"{1000}){1000}){1000}){1000}){1000}",
        "root ::= \"a\"{1000000000}",
        "root ::= ((((((((\"a\"*)*)*)*)*)*)*)*)*",
        "root ::= .* \"a\" .{20}",
        "root ::= (\"a\"?){1000} \"a\"{1000}",
        "root ::= a a a a a a a a\na ::= b b b b b b b b\nb ::= c c c c c c c c\nc ::= d d d d d d d d\n"
        "d ::= e e e e e e e e\ne ::= f f f f f f f f\nf ::= [a-z] [0-9]*",
        "root ::= a \"x\" | b \"y\"\na ::= c \"1\" | d \"2\"\nb ::= c \"3\" | d \"4\"\nc ::= e \"5\" | f \"6\"\n"
        "d ::= e \"7\" | f \"8\"\ne ::= \"p\" e \"q\" | \"p\"\nf ::= \"p\" f \"r\" | \"p\"",
        "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"a\" root | \"a\"",
    };
    infer_context *context = context_new(NULL);
    char text[600];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < COUNT(sources); i++) {
        infer_error err = { 0 };
        const clock_t begin = clock();
        infer_grammar *g = infer_grammar_open(context, INFER_GBNF, sources[i], strlen(sources[i]), NULL, &err);
        infer_matcher *m = g ? infer_matcher_open(g, NULL, &err) : NULL;
        for (size_t n = 0; m && n < sizeof text && !infer_matcher_accept_text(m, text + n, 1, &err);)
            n++;
        if (!m)
            assert_true(strlen(err.message) > 0);
        infer_matcher_close(&m);
        infer_grammar_close(&g);
        const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (seconds > 10)
            fail_msg("%s: took %.1f s", sources[i], seconds);
    }
    infer_context_close(&context);
}

static void deep_nesting(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    infer_context *context = context_new(NULL);
    infer_error err = { 0 };
    char *source = malloc(DEEP + 64);
    strcpy(source, "root ::= ");
    memset(source + strlen(source), '(', DEEP);
    assert_null(infer_grammar_open(context, INFER_GBNF, source, DEEP, NULL, &err));
    assert_non_null(strstr(err.message, "groups within each other"));
    /* but a text may nest as deep as it likes */
    static const char nested[] = "root ::= \"(\" root \")\" | \"x\"";
    infer_grammar *g = infer_grammar_open(context, INFER_GBNF, nested, strlen(nested), NULL, &err);
    assert_non_null(g);
    memset(source, '(', DEEP);
    assert_int_equal(fate_of(g, source, DEEP), ALIVE);
    source[DEEP / 2 - 1] = 'x';
    memset(source + DEEP / 2, ')', DEEP / 2);
    assert_int_equal(fate_of(g, source, DEEP - 2), ALIVE);
    assert_int_equal(fate_of(g, source, DEEP - 1), WHOLE);
    assert_int_equal(fate_of(g, source, DEEP), DEAD);
    free(source);
    infer_grammar_close(&g);
    infer_context_close(&context);
}

static void no_memory(void **state)
{
    (void)state;
    static const char source[] = "root ::= list | \"x\"{200}\nlist ::= \"[\" (item (\",\" item)*)? \"]\"\n"
                                 "item ::= list | [^,\\]]+ | \"a\"{2,3}";
    for (size_t refuse = 0;; refuse++) {
        struct counting counting;
        infer_error err = { 0 };
        counting_init(&counting, SIZE_MAX);
        infer_context *context = context_new(&counting.allocator);
        counting.refuse_from = counting.calls + refuse;
        infer_grammar *g = infer_grammar_open(context, INFER_GBNF, source, sizeof source - 1, NULL, &err);
        infer_matcher *m = g ? infer_matcher_open(g, NULL, &err) : NULL, *fork = NULL;
        infer_status status = m ? infer_matcher_accept_text(m, "[[a,b],a", 8, &err) : INFER_E_NOMEM;
        fork = status ? NULL : infer_matcher_fork(m, &err);
        status = fork ? infer_matcher_accept_text(fork, "a]", 2, &err) : INFER_E_NOMEM;
        const bool whole = !status && infer_matcher_may_end(fork);
        const bool done = counting.calls <= counting.refuse_from;
        infer_matcher_close(&fork);
        infer_matcher_close(&m);
        infer_grammar_close(&g);
        infer_context_close(&context);
        assert_int_equal(counting.live, 0);
        if (done) {
            assert_true(whole);
            break;
        }
        if (status)
            assert_int_equal(err.code, INFER_E_NOMEM);
    }
}

static void rewinding(void **state)
{
    (void)state;
    infer_context *context = context_new(NULL);
    infer_error err = { 0 };
    static const char source[] = "root ::= \"a\" root \"b\" | \"x\"";
    infer_grammar *g = infer_grammar_open(context, INFER_GBNF, source, strlen(source), NULL, &err);
    assert_non_null(g);
    infer_matcher *m = infer_matcher_open(g, NULL, &err);
    assert_non_null(m);
    for (int i = 0; i < 200000; i++) /* more places than are kept without cleaning up */
        assert_int_equal(infer_matcher_accept_text(m, "a", 1, &err), INFER_OK);
    assert_int_equal(infer_matcher_length(m), 200000);
    assert_int_equal(infer_matcher_rewind(m, 200001, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_matcher_rewind(m, 3, &err), INFER_OK);
    infer_matcher *fork = infer_matcher_fork(m, &err);
    assert_int_equal(infer_matcher_accept_text(m, "xbb", 3, &err), INFER_OK);
    assert_false(infer_matcher_may_end(m));
    assert_int_equal(infer_matcher_accept_text(m, "bb", 2, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_matcher_accept_text(m, "b", 1, &err), INFER_OK);
    assert_true(infer_matcher_may_end(m) && infer_matcher_must_end(m));
    assert_int_equal(infer_matcher_accept_text(fork, "ax", 2, &err), INFER_OK);
    assert_int_equal(infer_matcher_rewind(fork, 0, &err), INFER_OK);
    assert_int_equal(infer_matcher_accept_text(fork, "xbbb", 4, &err), INFER_OK);
    assert_true(infer_matcher_must_end(fork));
    infer_matcher_close(&fork);
    infer_matcher_close(&m);
    infer_grammar_close(&g);
    infer_context_close(&context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "comments, escapes, names and lines are read as llama.cpp has them", notation, NULL, NULL, NULL },
        { "what is no grammar is refused with its line and what was expected", wrong_notation, NULL, NULL, NULL },
        { "left recursion is refused, also behind what may be empty; right recursion is not", left_recursion, NULL,
          NULL, NULL },
        { "a repetition takes as many as it says, around every border of its chunks", repetition, NULL, NULL, NULL },
        { "grammars that explode are refused or matched, soon", bounds, NULL, NULL, NULL },
        { "groups nest to a bound, texts without", deep_nesting, NULL, NULL, NULL },
        { "wherever memory is out, that is said and nothing is lost", no_memory, NULL, NULL, NULL },
        { "a matcher rewinds and forks, also after a long text", rewinding, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
