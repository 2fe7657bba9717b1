/* test_unigram.c - Unigram: the way of writing a text that its tokens' scores add up best for, and SentencePiece's map
 * of characters. */
#include "src/tokenizer/parts.h"
#include "tests/common/counting.h"
#include "tests/tokenizer/tokenizer_test.h"

/* 0 unknown, 1 a, 2 b, 3 ab, 4 abc, 5 c, 6 bc, 7 é, 8 and 9 the bytes of è */
#define VOCABULARY                                                                                                     \
    "[[\"<unk>\", 0], [\"a\", -1], [\"b\", -1.5], [\"ab\", -2.25], [\"abc\", -9], [\"c\", -3], [\"bc\", -2], "         \
    "[\"\\u00e9\", -4], [\"<0xC3>\", -5], [\"<0xA8>\", -5]]"
#define DOCUMENT(members)                                                                                              \
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}], " members                            \
    "\"model\": {\"type\": \"Unigram\", "
#define UNIGRAM(members, more) DOCUMENT(members) "\"unk_id\": 0, \"vocab\": " VOCABULARY more "}}"

static void expect(const char *document, const char *text, const int32_t *ids, size_t n)
{
    infer_error err = { 0 };
    infer_tokenizer *t = tokenizer_open_json(&mem_default, text_of(document), "test", &err);
    if (!t)
        fail_msg("%s", err.message);
    struct ids got = encode(t, text, strlen(text), 0);
    assert_int_equal(got.n, n);
    assert_memory_equal(got.p, ids, n * sizeof *ids);
    free(got.p);
    tokenizer_close(&t);
}
#define EXPECT(document, text, ...)                                                                                    \
    expect(document, text, (const int32_t[]){ __VA_ARGS__ }, sizeof(int32_t[]){ __VA_ARGS__ } / sizeof(int32_t))

static void the_best_sum_of_scores_counts_not_the_longest_token(void **state)
{
    (void)state;
    EXPECT(UNIGRAM("", ""), "ab", 3);     /* -2.25, as a b is -2.5 */
    EXPECT(UNIGRAM("", ""), "abc", 1, 6); /* -3; ab c is -5.25, abc -9 */
    EXPECT(UNIGRAM("", ""), "abab\xc3\xa9", 3, 3, 7);
}

static void unknown_characters_in_a_row_are_one_token_or_their_bytes(void **state)
{
    (void)state;
    EXPECT(UNIGRAM("", ""), "axyzb", 1, 0, 2);
    EXPECT(UNIGRAM("", ""), "\xc3\xa8", 0);
    EXPECT(UNIGRAM("", ", \"byte_fallback\": true"), "a\xc3\xa8", 1, 8, 9);
    EXPECT(UNIGRAM("", ", \"byte_fallback\": true"), "a\xc3\xa8x", 1, 0); /* of x there is no byte: all are unknown */
    EXPECT(UNIGRAM("", ""), "\xff", 0);
}

static void what_is_no_unigram_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *document, *words;
    } cases[] = {
        { DOCUMENT("") "\"vocab\": {\"a\": 0}}}", "model.vocab is no list" },
        { DOCUMENT("") "\"vocab\": [[\"<unk>\", 0], [\"a\"]]}}", "model.vocab[1] has no score" },
        { DOCUMENT("") "\"vocab\": [[\"<unk>\", 0], [1, 2]]}}", "has the id -1" },
        { DOCUMENT("") "\"unk_id\": 7, \"vocab\": [[\"<unk>\", 0]]}}", "model.unk_id is 7; expected 0 to 0" },
        { UNIGRAM("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"!\"}, ", ""), "no base64" },
        { UNIGRAM("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}, ", ""),
          "character map of 3 bytes" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        infer_error err = { 0 };
        assert_null(tokenizer_open_json(&mem_default, text_of(cases[i].document), "test", &err));
        if (!strstr(err.message, cases[i].words))
            fail_msg("%s; expected: %s", err.message, cases[i].words);
    }
}

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    size_t n = 0;
    for (bool done = false; !done; n++) {
        struct counting c;
        counting_init(&c, n);
        infer_error err = { 0 };
        infer_tokenizer *t = tokenizer_open_json(&c.allocator, text_of(UNIGRAM("", "")), "test", &err);
        size_t length = 0;
        int32_t ids[8];
        done = t && infer_tokenizer_encode(t, "abc", 3, 0, ids, 8, &length, &err) == INFER_OK;
        assert_true(done || err.code == INFER_E_NOMEM);
        tokenizer_close(&t);
        assert_int_equal(c.live, 0);
    }
    assert_true(n > 5);
}

/* ---- The map of characters ---- */

enum { UNITS = 0x143 };

/* "A" to "a", "AB" to "xy": a double array of three steps, see charsmap.c. */
static size_t make_map(uint8_t bytes[4 + 4 * UNITS + 5])
{
    static const struct {
        size_t at;
        uint32_t unit;
    } units[] = {
        { 0, 0x100 << 10 },                       /* the root; its children are at 0x100 ^ byte */
        { 0x100 ^ 'A', 3u << 10 | 1 << 8 | 'A' }, /* its own children at 0x141 ^ 3 = 0x142, */
        { 0x142, 0 },                             /* where its value stands */
        { 0x142 ^ 'B', 1u << 10 | 1 << 8 | 'B' },
        { 0x101, 2 },
    };
    const uint32_t size = 4 * UNITS;
    memset(bytes, 0, 4 + size);
    memcpy(bytes, &size, 4);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        memcpy(bytes + 4 + 4 * units[i].at, &units[i].unit, 4);
    memcpy(bytes + 4 + size, "a\0xy", 5);
    return 4 + size + 5;
}

static void expect_mapped(const struct charsmap *m, bool graphemes, const char *in, const char *want)
{
    struct scratch s = { .a = &mem_default };
    struct buffer out = { 0 };
    assert_true(charsmap_apply(&s, m, graphemes, text_of(in), &out));
    assert_int_equal(out.n, strlen(want));
    assert_memory_equal(out.p, want, out.n);
    mem_free(&mem_default, out.p);
}

static void the_longest_string_is_mapped_or_each_grapheme(void **state)
{
    uint8_t bytes[4 + 4 * UNITS + 5];
    struct charsmap m;
    infer_error err = { 0 };
    (void)state;
    assert_int_equal(charsmap_open(&m, (struct text){ (char *)bytes, make_map(bytes) }, &err), INFER_OK);
    expect_mapped(&m, false, "ABACB", "xyaCB");
    expect_mapped(&m, true, "ABACB", "aBaCB");
    expect_mapped(&m, true, "A\xcc\x81z", "az"); /* a grapheme becomes what stands for its beginning */
    expect_mapped(&m, false,
                  "\xff"
                  "A",
                  "\xef\xbf\xbd"
                  "a");
}

/* Any bit of the map turned: whatever comes out, nothing outside of it is read. */
static void a_broken_map_stays_within_its_bytes(void **state)
{
    uint8_t whole[4 + 4 * UNITS + 5];
    const size_t n = make_map(whole);
    (void)state;
    for (size_t i = 0; i < 8 * n; i++) {
        uint8_t *const bytes = malloc(n); /* of its own, for sanitizers */
        struct charsmap m;
        struct scratch s = { .a = &mem_default };
        struct buffer out = { 0 };
        memcpy(bytes, whole, n);
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        if (charsmap_open(&m, (struct text){ (char *)bytes, n }, NULL) == INFER_OK)
            assert_true(charsmap_apply(&s, &m, i % 2, text_of("ABAz\xcc\x81"), &out));
        mem_free(&mem_default, out.p);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_sum_of_scores_counts_not_the_longest_token),
        cmocka_unit_test(unknown_characters_in_a_row_are_one_token_or_their_bytes),
        cmocka_unit_test(what_is_no_unigram_is_refused_with_its_place),
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(the_longest_string_is_mapped_or_each_grapheme),
        cmocka_unit_test(a_broken_map_stays_within_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
