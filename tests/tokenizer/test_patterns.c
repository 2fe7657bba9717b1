/* test_patterns.c - the names of pre-tokenizers in GGUF files, and how some of them cut. */
#include "src/tokenizer/parts.h" /* before cmocka.h, whose macro fail() would get in the way */
#include "tests/tokenizer/tokenizer_test.h"

static const char *const names[] = {
    "default",
    "gpt-2",
    "llama-bpe",
    "llama3",
    "llama-v3",
    "qwen2",
    "qwen35",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "deepseek-r1-qwen",
    "falcon",
    "falcon3",
    "starcoder",
    "refact",
    "command-r",
    "mpt",
    "olmo",
    "smollm",
    "dbrx",
    "smaug-bpe",
    "tekken",
    "gpt-4o",
    "llama4",
    "stablelm2",
    "chatglm-bpe",
    "glm4",
    "poro-chat",
    "viking",
    "jais",
    "jais-2",
    "bloom",
    "gpt3-finnish",
    "codeshell",
    "exaone",
    "exaone4",
    "exaone-moe",
    "minerva-7b",
    "megrez",
    "bailingmoe",
    "seed-coder",
    "hunyuan",
    "hunyuan-dense",
    "kimi-k2",
    "grok-2",
    "minicpm5",
    "lfm2",
    "pixtral",
    "trillion",
    "chameleon",
    "youtu",
    "laguna",
    "gemma4",
    "sarvam-moe",
    "jina-v2-code",
    "roberta-bpe",
    "granite-docling",
};

static void every_pattern_compiles(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        infer_error err = { 0 };
        unsigned flags;
        infer_tokenizer *t = tokenizer_new(&mem_default, &err);
        assert_non_null(t);
        if (patterns_apply(t, text_of(names[i]), &flags, &err))
            fail_msg("%s: %s", names[i], err.message);
        assert_true(t->n_pre > 0);
        tokenizer_close(&t);
    }
}

static void an_unknown_name_is_refused(void **state)
{
    infer_error err = { 0 };
    unsigned flags;
    (void)state;
    infer_tokenizer *t = tokenizer_new(&mem_default, &err);
    assert_int_equal(patterns_apply(t, text_of("gpt-2 phi-2"), &flags, &err), INFER_E_UNKNOWN);
    assert_string_equal(err.message,
                        "tokenizer.ggml.pre is \"gpt-2 phi-2\", a pre-tokenizer that is not known here");
    tokenizer_close(&t);
}

/* What the last expression of a pattern cuts a text into, with a | between. */
static void expect(const char *name, const char *text, const char *want)
{
    infer_error err = { 0 };
    unsigned flags;
    char got[256] = "";
    infer_tokenizer *t = tokenizer_new(&mem_default, &err);
    assert_int_equal(patterns_apply(t, text_of(name), &flags, &err), INFER_OK);
    struct scratch s = { .t = t, .a = &mem_default };
    assert_true(regex_ready(&s));
    for (size_t at = 0, start, end; text[at] &&
         regex_next(&t->pre[t->n_pre - 1].regex, &s, text, strlen(text), at, &start, &end); at = end) {
        assert_int_equal(start, at); /* these expressions leave nothing between */
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s", at ? "|" : "", (int)(end - start),
                 text + start);
    }
    assert_string_equal(got, want);
    regex_done(&s);
    tokenizer_close(&t);
}

static void words_are_cut_as_the_models_expect(void **state)
{
    (void)state;
    expect("gpt-2", "It's 1234  x!\n", "It|'s| 1234| | x|!|\n");
    expect("llama-bpe", "It'S 1234  x!\n", "It|'S| |123|4| | x|!\n");
    expect("qwen2", "a12 \n\n  b", "a|1|2| \n\n| | b");
    expect("gpt-4o", "HTTPServer isn't.", "HTTPServer| isn't|.");
    expect("tekken", "helloWorld 12", "hello|World| |1|2");
    expect("kimi-k2", "ab\xe6\xbc\xa2\xe5\xad\x97" "cd", "ab|\xe6\xbc\xa2\xe5\xad\x97|cd");
    expect("deepseek-v3", "a.b (c)", "a|.b| (|c|)");
    expect("smollm", "x 1", "x| 1"); /* digits are cut off by the expression before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_compiles),
        cmocka_unit_test(an_unknown_name_is_refused),
        cmocka_unit_test(words_are_cut_as_the_models_expect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
