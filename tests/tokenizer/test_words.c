/* test_words.c - the cache of words: where it stands, and that ids are the same with it. */
#include "src/tokenizer/parts.h" /* before cmocka.h, whose macro fail() would get in the way */
#include "tests/tokenizer/tokenizer_test.h"

#include <glob.h>

/* ---- Where it stands ---- */

static size_t place(const char *name, size_t *n_steps)
{
    infer_error err = { 0 };
    unsigned flags;
    infer_tokenizer *t = tokenizer_new(&mem_default, &err);
    assert_int_equal(patterns_apply(t, text_of(name), &flags, &err), INFER_OK);
    assert_true(words_place(t));
    const size_t at = t->words_from;
    *n_steps = t->n_pre;
    tokenizer_close(&t);
    return at;
}

static void it_stands_behind_the_step_that_cuts_words(void **state)
{
    size_t n;
    (void)state;
    assert_int_equal(place("deepseek-llm", &n), 2); /* lines, letters */
    assert_int_equal(n, 6);
    assert_int_equal(place("deepseek-coder", &n), 2);
    assert_int_equal(place("falcon", &n), 2); /* punctuation, GPT-2's words */
    assert_int_equal(place("gpt-2", &n), 1);
    assert_int_equal(place("default", &n), 2);
}

static void it_stands_before_the_model_where_no_step_cuts_words(void **state)
{
    size_t n;
    (void)state;
    assert_int_equal(place("gemma4", &n), 1); /* cuts lines only */
    assert_int_equal(n, 1);
}

/* ---- What it gives ---- */

struct joined {
    char *p;
    size_t n;
};

static void join(const infer_tokenizer *t, const json_t *json, void *user)
{
    struct joined *all = user;
    const json_t *text = json_object_get(json, "text");
    const size_t n = json_string_length(text);
    (void)t;
    all->p = realloc(all->p, all->n + n + 1);
    assert_non_null(all->p);
    memcpy(all->p + all->n, text ? json_string_value(text) : "", n);
    all->p[all->n + n] = '\n';
    all->n += n + 1;
}

static size_t run(const infer_tokenizer *t, struct joined text, bool cache, int32_t *ids, size_t max)
{
    struct scratch s = { .t = t, .a = t->a, .ids = ids, .max = max };
    assert_true(regex_ready(&s));
    assert_true(!cache || words_open(&s, text.n));
    assert_true(pretokenize(t, &s, (struct text){ text.p, text.n }, true));
    scratch_free(&s);
    assert_true(s.n <= max);
    return s.n;
}

/* `again` times the text, so that words come back. */
static void compare(const infer_tokenizer *t, struct joined text, const char *name)
{
    enum { AGAIN = 8 };
    const size_t n = AGAIN * text.n, max = 4 * n;
    char *const p = malloc(n);
    int32_t *const with = malloc(max * sizeof *with), *const without = malloc(max * sizeof *without);
    assert_true(p && with && without);
    for (size_t i = 0; i < AGAIN; i++)
        memcpy(p + i * text.n, text.p, text.n);
    const size_t n_with = run(t, (struct joined){ p, n }, true, with, max);
    if (n_with != run(t, (struct joined){ p, n }, false, without, max) ||
        memcmp(with, without, n_with * sizeof *with) != 0)
        fail_msg("%s: ids differ with the cache", name);
    free(p);
    free(with);
    free(without);
}

/* A text of every kind of character next to every other, for the project's own vocabularies. */
static void ids_are_the_same_as_without_it(void **state)
{
    static char text[] = "the quick brown fox, isn't it? 12345 x1y2 \n\n  a\tb \xc3\xa9t\xc3\xa9 \xe6\xbc\xa2"
                         "\xe5\xad\x97 \xe2\x96\x81the \xe2\x96\x81\xe2\x96\x81quick the123quick "
                         "\xf0\x9f\x98\x80 (fox) [UNK] ##x thethethethethethe. theththethethethe. \0 \0\0 \0";
    glob_t found;
    (void)state;
    assert_int_equal(glob("tests/data/tokenizer/*.gguf", 0, NULL, &found), 0);
    assert_int_equal(glob("tests/data/tokenizer/*.json", GLOB_APPEND, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct opened o = open_vocabulary(found.gl_pathv[i]);
        compare(o.t, (struct joined){ text, sizeof text - 1 }, found.gl_pathv[i]);
        close_vocabulary(&o);
    }
    globfree(&found);
}

/* All texts of the truth files beside the repository in a row. */
static void ids_are_the_same_with_vocabularies_of_models(void **state)
{
    static const char tail[] = "tokenizer.json";
    glob_t found;
    (void)state;
    if (glob(INFER_SHARED "/tokenizers/ggml-vocab-*.gguf", 0, NULL, &found) |
        glob(INFER_SHARED "/tokenizers/hf/*/tokenizer.json", GLOB_APPEND, NULL, &found)) {
        globfree(&found);
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *const path = found.gl_pathv[i], *const name = strstr(path, "ggml-vocab-");
        char cases[512];
        if (name)
            snprintf(cases, sizeof cases, INFER_SHARED "/tokenizers/cases/%.*s.jsonl",
                     (int)(strlen(name) - strlen("ggml-vocab-.gguf")), name + strlen("ggml-vocab-"));
        else
            snprintf(cases, sizeof cases, "%.*scases.jsonl", (int)(strlen(path) - strlen(tail)), path);
        struct opened o = open_vocabulary(path);
        struct joined all = { NULL, 0 };
        assert_true(each_case(cases, o.t, join, &all));
        compare(o.t, all, path);
        free(all.p);
        close_vocabulary(&o);
    }
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stands_behind_the_step_that_cuts_words),
        cmocka_unit_test(it_stands_before_the_model_where_no_step_cuts_words),
        cmocka_unit_test(ids_are_the_same_as_without_it),
        cmocka_unit_test(ids_are_the_same_with_vocabularies_of_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
