/* test_spm.c - SentencePiece vocabularies, from the metadata of a GGUF file: scores, U+2581 for spaces, byte tokens. */
#include "tests/tokenizer/tokenizer_test.h"

#define DATA "tests/data/tokenizer/"
#define MARK "\xe2\x96\x81"

static void check_case(const infer_tokenizer *t, const json_t *json, void *user)
{
    const json_t *text = json_object_get(json, "text");
    const char *p = json_string_value(text);
    const size_t length = json_string_length(text);
    size_t *n = user, got = 0;
    if (strcmp(json_string_value(json_object_get(json, "tokenizer")), "marks"))
        return;
    struct ids ids = encode(t, p, length, INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL);
    assert_true(is_ids(json_object_get(json, "ids"), ids));
    free(ids.p);
    ids = encode(t, p, length, 0);
    char *back = decode(t, ids.p, ids.n, INFER_UNPARSE_SPECIAL, &got);
    if (!strstr(p, MARK) && !strstr(p, "<")) { /* each added token gets a space behind it, a mark becomes a space */
        assert_int_equal(got, length);
        assert_memory_equal(back, p, length);
    }
    free(back);
    free(ids.p);
    ++*n;
}

static void a_gguf_vocabulary_gives_the_ids_of_its_json(void **state)
{
    struct opened o = open_vocabulary(DATA "marks.gguf");
    size_t n = 0;
    (void)state;
    assert_true(each_case(DATA "cases.jsonl", o.t, check_case, &n));
    assert_true(n > 30);
    close_vocabulary(&o);
}

static void expect(const infer_tokenizer *t, unsigned encoding, unsigned decoding, const char *want)
{
    struct ids ids = encode(t, "Hello", 5, encoding);
    size_t length;
    char *got = decode(t, ids.p, ids.n, decoding, &length);
    assert_string_equal(got, want);
    free(got);
    free(ids.p);
}

/* The space before the first word belongs to the text once another token stands before it. */
static void only_the_first_token_loses_its_space(void **state)
{
    struct opened o = open_vocabulary(DATA "marks.gguf");
    (void)state;
    expect(o.t, INFER_ADD_SPECIAL, INFER_UNPARSE_SPECIAL, "<s> Hello");
    expect(o.t, INFER_ADD_SPECIAL, INFER_REMOVE_SPECIAL, " Hello");
    expect(o.t, INFER_ADD_SPECIAL, 0, " Hello");
    expect(o.t, 0, 0, "Hello");
    close_vocabulary(&o);
}

static void characters_without_a_token_become_bytes(void **state)
{
    struct opened o = open_vocabulary(DATA "marks.gguf");
    (void)state;
    struct ids ids = encode(o.t, "\xf0\x9f\x98\x80\xff", 5, 0);
    const uint8_t bytes[] = { 0xf0, 0x9f, 0x98, 0x80, 0xff };
    assert_int_equal(ids.n, 6);
    assert_int_equal(ids.p[0], infer_tokenizer_find(o.t, MARK, 3));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(ids.p[1 + i], 3 + bytes[i]); /* after <unk>, <s>, </s> */
    free(ids.p);
    close_vocabulary(&o);
}

static void names_of_byte_tokens_are_ordinary_text(void **state)
{
    struct opened o = open_vocabulary(DATA "marks.gguf");
    (void)state;
    struct ids ids = encode(o.t, "<0x41>", 6, INFER_PARSE_SPECIAL);
    for (size_t i = 0; i < ids.n; i++)
        assert_int_not_equal(ids.p[i], infer_tokenizer_find(o.t, "<0x41>", 6));
    free(ids.p);
    close_vocabulary(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gguf_vocabulary_gives_the_ids_of_its_json),
        cmocka_unit_test(only_the_first_token_loses_its_space),
        cmocka_unit_test(characters_without_a_token_become_bytes),
        cmocka_unit_test(names_of_byte_tokens_are_ordinary_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
