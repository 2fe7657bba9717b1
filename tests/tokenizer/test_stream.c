/* test_stream.c - text piece by piece is the text as a whole, and each piece is whole characters. */
#include "src/tokenizer/parts.h" /* before cmocka.h, whose macro fail() would get in the way */
#include "tests/tokenizer/tokenizer_test.h"

#define DATA "tests/data/tokenizer/"

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void any_ids_give_the_text_that_decode_gives(void **state)
{
    static const char *const files[] = { DATA "bytes.gguf", DATA "marks.gguf", DATA "bytes.json" };
    uint64_t random = 1;
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct opened o = open_vocabulary(files[f]);
        for (int round = 0; round < 2000; round++) {
            int32_t ids[12];
            const size_t n = next_random(&random) % 13;
            const unsigned flags = round & 1 ? INFER_UNPARSE_SPECIAL : 0;
            for (size_t i = 0; i < n; i++)
                ids[i] = (int32_t)(next_random(&random) % (uint64_t)infer_tokenizer_size(o.t));
            size_t whole, streamed;
            char *a = decode(o.t, ids, n, flags, &whole), *b = stream(o.t, ids, n, flags, &streamed);
            assert_int_equal(whole, streamed);
            assert_memory_equal(a, b, whole);
            free(a);
            free(b);
        }
        close_vocabulary(&o);
    }
}

static void a_character_comes_with_its_last_byte(void **state)
{
    struct opened o = open_vocabulary(DATA "marks.gguf");
    const size_t most = infer_tokenizer_max_piece(o.t);
    char *text = malloc(most);
    infer_stream s = { .flags = 0 };
    size_t length;
    (void)state;
    for (size_t i = 0; i < 4; i++) { /* byte tokens follow <unk>, <s>, </s> */
        const uint8_t bytes[] = { 0xf0, 0x9f, 0x98, 0x80 };
        assert_int_equal(infer_tokenizer_stream(o.t, &s, 3 + bytes[i], text, most, &length, NULL), INFER_OK);
        assert_int_equal(length, i == 3 ? 4 : 0);
    }
    assert_memory_equal(text, "\xf0\x9f\x98\x80", 4);
    assert_int_equal(infer_tokenizer_stream_end(&s, text, most), 0);
    assert_int_equal(infer_tokenizer_stream(o.t, &s, 3 + 0xe2, text, most, &length, NULL), INFER_OK);
    assert_int_equal(infer_tokenizer_stream_end(&s, text, most), 3);
    assert_memory_equal(text, "\xef\xbf\xbd", 3);
    free(text);
    close_vocabulary(&o);
}

static void too_little_room_changes_nothing(void **state)
{
    struct opened o = open_vocabulary(DATA "bytes.gguf");
    infer_stream s = { .flags = 0 }, before = s;
    const int32_t id = infer_tokenizer_find(o.t, "\xc4\xa0" "a", 3);
    infer_error err = { 0 };
    char text[64];
    size_t length;
    (void)state;
    assert_true(id >= 0);
    assert_int_equal(infer_tokenizer_stream(o.t, &s, id, text, 0, &length, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, "room for 0 bytes, but the piece has 2");
    assert_memory_equal(&s, &before, sizeof s);
    assert_int_equal(infer_tokenizer_stream(o.t, &s, id, text, 2, &length, &err), INFER_OK);
    assert_int_equal(length, 2);
    close_vocabulary(&o);
}

/* Three passes over a whole text, as plainly as can be. */
static void clean_slowly(const char *in, char *out)
{
    static const struct {
        const char *from, *to;
    } passes[3][4] = {
        { { " ?", "?" }, { " !", "!" }, { " .", "." }, { " ,", "," } },
        { { " ' ", "'" }, { NULL, NULL }, { NULL, NULL }, { NULL, NULL } },
        { { " 's", "'s" }, { " 'm", "'m" }, { " 're", "'re" }, { " 've", "'ve" } },
    };
    char text[64];
    strcpy(text, in);
    for (size_t p = 0; p < 3; p++) {
        size_t n = 0;
        for (size_t i = 0; text[i];) {
            size_t k = 0;
            while (k < 4 && passes[p][k].from && strncmp(text + i, passes[p][k].from, strlen(passes[p][k].from)))
                k++;
            if (k < 4 && passes[p][k].from) {
                n = (size_t)(stpcpy(out + n, passes[p][k].to) - out);
                i += strlen(passes[p][k].from);
            } else {
                out[n++] = text[i++];
            }
        }
        out[n] = 0;
        strcpy(text, out);
    }
}

static void spaces_are_cleaned_as_by_three_passes(void **state)
{
    static const char alphabet[] = "  '''srevm.,a";
    uint64_t random = 2;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[24] = "", want[64] = "", got[256];
        const size_t n = next_random(&random) % 23;
        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[next_random(&random) % (sizeof alphabet - 1)];
        text[n] = 0;
        clean_slowly(text, want);
        struct clean c = { 0, 0, 0 };
        size_t length = 0;
        for (size_t i = 0; i < n; i++) {
            const size_t out = clean_byte(&c, text[i], got + length);
            assert_true(out <= CLEAN_MAX);
            length += out;
        }
        length += clean_end(&c, got + length);
        got[length] = 0;
        assert_string_equal(got, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_ids_give_the_text_that_decode_gives),
        cmocka_unit_test(a_character_comes_with_its_last_byte),
        cmocka_unit_test(too_little_room_changes_nothing),
        cmocka_unit_test(spaces_are_cleaned_as_by_three_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
