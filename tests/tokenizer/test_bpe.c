/* test_bpe.c - byte-level vocabularies, from the metadata of a GGUF file. */
#include "tests/tokenizer/tokenizer_test.h"

#include "tests/common/counting.h"

#define DATA "tests/data/tokenizer/"

static void check_case(const infer_tokenizer *t, const json_t *json, void *user)
{
    const json_t *text = json_object_get(json, "text");
    size_t *n = user;
    if (strcmp(json_string_value(json_object_get(json, "tokenizer")), "bytes"))
        return;
    struct ids ids =
        encode(t, json_string_value(text), json_string_length(text), INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL);
    assert_true(is_ids(json_object_get(json, "ids"), ids));
    free(ids.p);
    ids = encode(t, json_string_value(text), json_string_length(text), INFER_PARSE_SPECIAL);
    assert_true(is_ids(json_object_get(json, "ids_no_special"), ids));
    free(ids.p);
    ++*n;
}

static void a_gguf_vocabulary_gives_the_ids_of_its_json(void **state)
{
    struct opened o = open_vocabulary(DATA "bytes.gguf");
    size_t n = 0;
    (void)state;
    assert_true(each_case(DATA "cases.jsonl", o.t, check_case, &n));
    assert_true(n > 30);
    close_vocabulary(&o);
}

static void control_tokens_in_the_text_count_only_on_demand(void **state)
{
    struct opened o = open_vocabulary(DATA "bytes.gguf");
    const int32_t bos = infer_tokenizer_bos(o.t), tool = infer_tokenizer_find(o.t, "<tool>", 6);
    (void)state;
    struct ids ids = encode(o.t, "<s>", 3, INFER_PARSE_SPECIAL);
    assert_int_equal(ids.n, 1);
    assert_int_equal(ids.p[0], bos);
    free(ids.p);
    ids = encode(o.t, "<s>", 3, 0);
    assert_true(ids.n > 1);
    free(ids.p);
    ids = encode(o.t, "<tool>", 6, 0); /* one that its maker added is always found */
    assert_int_equal(ids.n, 1);
    assert_int_equal(ids.p[0], tool);
    free(ids.p);
    close_vocabulary(&o);
}

static void questions_are_answered(void **state)
{
    struct opened o = open_vocabulary(DATA "bytes.gguf");
    const int32_t bos = infer_tokenizer_bos(o.t), eos = infer_tokenizer_eos(o.t);
    size_t n;
    (void)state;
    assert_int_equal(infer_tokenizer_size(o.t), 423);
    assert_memory_equal(infer_tokenizer_token(o.t, bos, &n), "<s>", 3);
    assert_int_equal(n, 3);
    assert_null(infer_tokenizer_token(o.t, -1, &n));
    assert_null(infer_tokenizer_token(o.t, 423, &n));
    assert_int_equal(infer_tokenizer_find(o.t, "</s>", 4), eos);
    assert_int_equal(infer_tokenizer_find(o.t, "no such token", 13), -1);
    assert_true(infer_tokenizer_is_end(o.t, eos));
    assert_false(infer_tokenizer_is_end(o.t, bos));
    assert_false(infer_tokenizer_is_end(o.t, 100000));
    assert_true(infer_tokenizer_is_control(o.t, bos));
    assert_false(infer_tokenizer_is_control(o.t, 5));
    assert_string_equal(infer_tokenizer_chat_template(o.t), "{{ bos_token }}{{ messages[0].content }}");
    close_vocabulary(&o);
}

static void bytes_that_are_not_utf8_become_their_tokens(void **state)
{
    static const char text[] = "a\x80\xff " "b\xe2\x82" "c\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf";
    struct opened o = open_vocabulary(DATA "bytes.gguf");
    size_t length = 0;
    (void)state;
    struct ids ids = encode(o.t, text, sizeof text - 1, 0);
    assert_int_equal(ids.n, 16); /* " b" is a token */
    char *back = decode(o.t, ids.p, ids.n, 0, &length);
    assert_string_equal(back, "a\xef\xbf\xbd\xef\xbf\xbd b\xef\xbf\xbd" "c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    free(back);
    free(ids.p);
    close_vocabulary(&o);
}

static void the_number_of_ids_does_not_depend_on_the_room(void **state)
{
    static const char line[] = "the quick brown fox, the quick brown fox; ";
    struct opened o = open_vocabulary(DATA "bytes.gguf");
    char text[40 * (sizeof line - 1)]; /* long enough for the cache of words */
    int32_t few[7];
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < 40; i++)
        memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
    struct ids all = encode(o.t, text, sizeof text, 0);
    assert_int_equal(infer_tokenizer_encode(o.t, text, sizeof text, 0, few, 7, &n, NULL), INFER_OK);
    assert_int_equal(n, all.n);
    assert_memory_equal(few, all.p, sizeof few);
    assert_int_equal(infer_tokenizer_encode(o.t, text, sizeof text, 0, NULL, 0, &n, NULL), INFER_OK);
    assert_int_equal(n, all.n);
    free(all.p);
    close_vocabulary(&o);
}

/* A quadratic step would take minutes. */
static void a_megabyte_of_anything_takes_no_long_time(void **state)
{
    static const char *const units[] = {
        "a", " ", "\n", "<", "\xf0\x9f\x98\x80", "\xcc\xa3\xcc\x81", "\xff", "a\x80 "
    };
    static const char *const files[] = { DATA "bytes.gguf", DATA "marks.gguf", DATA "bytes.json", DATA "marks.json" };
    const size_t length = 1 << 20;
    char *text = malloc(length);
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct opened o = open_vocabulary(files[f]);
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            const size_t n = strlen(units[i]);
            size_t n_ids = 0;
            for (size_t k = 0; k + n <= length; k += n)
                memcpy(text + k, units[i], n);
            assert_int_equal(infer_tokenizer_encode(o.t, text, length / n * n, 0, NULL, 0, &n_ids, NULL), INFER_OK);
            assert_true(n_ids > 0);
        }
        close_vocabulary(&o);
    }
    free(text);
}

static void an_id_outside_is_the_callers_mistake(void **state)
{
    struct opened o = open_vocabulary(DATA "bytes.gguf");
    infer_error err = { 0 };
    size_t length;
    (void)state;
    assert_int_equal(infer_tokenizer_decode(o.t, (int32_t[]){ 423 }, 1, 0, NULL, 0, &length, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, "token id 423 is not in [0, 423)");
    close_vocabulary(&o);
}

/* What a file of other metadata would say: the vocabulary of bytes.gguf with one key written over. */
static void refused(const char *from, const char *to, infer_status code, const char *sentence)
{
    size_t n = 0;
    char *file = read_all(DATA "bytes.gguf", &n), *aligned = mem_new(&mem_default, n, 1);
    infer_error err = { 0 };
    memcpy(aligned, file, n);
    char *at = memmem(aligned, n, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    struct weights *w = weights_open_memory(&mem_default, aligned, n, "file", &err);
    infer_tokenizer *t = w ? tokenizer_open(&mem_default, w, &err) : NULL;
    assert_null(t);
    if (err.code != code || !strstr(err.message, sentence))
        fail_msg("%d: \"%s\", not \"%s\"", err.code, err.message, sentence);
    weights_close(&w);
    mem_free(&mem_default, aligned);
    free(file);
}

static void what_is_missing_or_unknown_is_named(void **state)
{
    (void)state;
    refused("ggml.model", "ggml.m0del", INFER_E_FORMAT, "file: tokenizer.ggml.model is missing");
    refused("ggml.tokens", "ggml.t0kens", INFER_E_FORMAT, "file: tokenizer.ggml.tokens is missing");
    refused("ggml.merges", "ggml.m3rges", INFER_E_FORMAT, "file: tokenizer.ggml.merges is missing");
    refused("gpt2", "gptx", INFER_E_UNKNOWN, "file: tokenizer.ggml.model is \"gptx\"; supported are");
    refused("gpt-2", "gpt-x", INFER_E_UNKNOWN,
            "file: tokenizer.ggml.pre is \"gpt-x\", a pre-tokenizer that is not known");
}

/* Open, encode and decode with an allocator that refuses one call after the other. */
static void memory_may_run_out_anywhere(void **state)
{
    static const char text[] = "the quick <tool> e\xcc\x81 fox \xff";
    bool all = false;
    (void)state;
    for (size_t refuse = 0; !all; refuse++) {
        struct counting c;
        counting_init(&c, refuse);
        infer_error err = { 0 };
        int32_t ids[64];
        size_t n = 0;
        struct weights *w = weights_open_vocabulary(&mem_default, DATA "bytes.gguf", &err);
        infer_tokenizer *t = tokenizer_open(&c.allocator, w, &err);
        if (!t) {
            assert_int_equal(err.code, INFER_E_NOMEM);
        } else if (infer_tokenizer_encode(t, text, sizeof text - 1, 0, ids, 64, &n, &err)) {
            assert_int_equal(err.code, INFER_E_NOMEM);
            assert_int_equal(n, 0);
        } else {
            all = true;
        }
        tokenizer_close(&t);
        weights_close(&w);
        assert_int_equal(c.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gguf_vocabulary_gives_the_ids_of_its_json),
        cmocka_unit_test(control_tokens_in_the_text_count_only_on_demand),
        cmocka_unit_test(questions_are_answered),
        cmocka_unit_test(bytes_that_are_not_utf8_become_their_tokens),
        cmocka_unit_test(the_number_of_ids_does_not_depend_on_the_room),
        cmocka_unit_test(a_megabyte_of_anything_takes_no_long_time),
        cmocka_unit_test(an_id_outside_is_the_callers_mistake),
        cmocka_unit_test(what_is_missing_or_unknown_is_named),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
