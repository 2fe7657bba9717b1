/* test_json.c - tokenizer.json: its components one by one, and what is refused with which sentence. */
#include "tests/tokenizer/tokenizer_test.h"

#include "tests/common/counting.h"

#define DATA "tests/data/tokenizer/"
#define MARK "\xe2\x96\x81"

static void check_case(const infer_tokenizer *t, const json_t *json, const char *name, size_t *n)
{
    const json_t *text = json_object_get(json, "text");
    if (strcmp(json_string_value(json_object_get(json, "tokenizer")), name))
        return;
    static const struct {
        const char *ids, *decode;
        unsigned encoding, decoding;
    } ways[] = {
        { "ids", "decode", INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, INFER_UNPARSE_SPECIAL },
        { "ids", "decode_skip", INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, 0 },
        { "ids_no_special", NULL, INFER_PARSE_SPECIAL, 0 },
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        size_t length;
        struct ids ids = encode(t, json_string_value(text), json_string_length(text), ways[i].encoding);
        assert_true(is_ids(json_object_get(json, ways[i].ids), ids));
        char *back = decode(t, ids.p, ids.n, ways[i].decoding, &length);
        assert_true(!ways[i].decode || is_text(json_object_get(json, ways[i].decode), back, length));
        free(back);
        free(ids.p);
    }
    ++*n;
}

static void bytes_case(const infer_tokenizer *t, const json_t *json, void *n)
{
    check_case(t, json, "bytes", n);
}

static void marks_case(const infer_tokenizer *t, const json_t *json, void *n)
{
    check_case(t, json, "marks", n);
}

static void ids_and_texts_are_those_of_another_library(void **state)
{
    size_t n = 0;
    (void)state;
    struct opened o = open_vocabulary(DATA "bytes.json");
    assert_true(each_case(DATA "cases.jsonl", o.t, bytes_case, &n));
    close_vocabulary(&o);
    o = open_vocabulary(DATA "marks.json");
    assert_true(each_case(DATA "cases.jsonl", o.t, marks_case, &n));
    close_vocabulary(&o);
    assert_true(n > 60);
}

/* ---- Small documents ---- */

/* Letters a to e and A, digits, signs, spaces; ab, cd and the mark with a; %s: further members. */
#define VOCABULARY                                                                                                     \
    "\"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5, \"1\": 6, \"2\": 7, \".\": 8, "       \
    "\"-\": 9, \" \": 10, \"" MARK "\": 11, \"ab\": 12, \"cd\": 13, \"" MARK                                           \
    "a\": 14, \"1a\": 15, \"\xc3\xa9\": 16}, "                                                                         \
    "\"merges\": [[\"a\", \"b\"], \"c d\", [\"" MARK "\", \"a\"], [\"1\", \"a\"]]"
#define DOCUMENT(members, model)                                                                                       \
    "{" members "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", " model VOCABULARY "}}"

static infer_tokenizer *open_text(const char *json, infer_error *err)
{
    return tokenizer_open_json(&mem_default, text_of(json), "small.json", err);
}

/* The tokens of a text, with a | between. */
static void expect(const char *json, const char *text, const char *want)
{
    infer_error err = { 0 };
    infer_tokenizer *t = open_text(json, &err);
    char got[256] = "";
    if (!t)
        fail_msg("%s", err.message);
    struct ids ids = encode(t, text, strlen(text), INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL);
    for (size_t i = 0; i < ids.n; i++) {
        size_t n;
        const char *name = infer_tokenizer_token(t, ids.p[i], &n);
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s", i ? "|" : "", (int)n, name);
    }
    assert_string_equal(got, want);
    free(ids.p);
    tokenizer_close(&t);
}

static void merges_run_by_rank_and_unknown_characters_are_one(void **state)
{
    (void)state;
    expect(DOCUMENT("", ""), "abcd", "ab|cd");
    expect(DOCUMENT("", ""), "1ab", "1|ab"); /* "a b" comes before "1 a" */
    expect(DOCUMENT("", ""), "a\xe6\xbc\xa2\xe6\xbc\xa2" "b", "a|<unk>|<unk>|b");
    expect(DOCUMENT("", "\"fuse_unk\": true, "), "a\xe6\xbc\xa2\xe6\xbc\xa2" "b", "a|<unk>|b");
}

static void added_tokens_stand_before_all_else(void **state)
{
    (void)state;
    infer_error err = { 0 };
    assert_null(open_text(DOCUMENT("\"added_tokens\": [{\"id\": 12, \"content\": \"x\"}], ", ""), &err));
    assert_non_null(strstr(err.message, "added token 12 is \"x\", but model.vocab has \"ab\""));
#define ADDED(flags) "\"added_tokens\": [{\"id\": 20, \"content\": \"cc\"" flags "}, " \
                     "{\"id\": 21, \"content\": \"ccd\", \"special\": true}], "
    expect(DOCUMENT(ADDED(""), ""), "acca", "a|cc|a");
    expect(DOCUMENT(ADDED(""), ""), "accda", "a|ccd|a");
    expect(DOCUMENT(ADDED(", \"single_word\": true"), ""), "acc cc", "a|c|c| |cc");
    expect(DOCUMENT(ADDED(", \"lstrip\": true"), ""), "a  cc  a", "a|cc| | |a");
    expect(DOCUMENT(ADDED(", \"rstrip\": true"), ""), "a  cc  a", "a| | |cc|a");
    expect(DOCUMENT(ADDED(", \"normalized\": true") "\"normalizer\": {\"type\": \"Lowercase\"}, ", ""), "CCa", "cc|a");
    expect(DOCUMENT(ADDED(", \"normalized\": false") "\"normalizer\": {\"type\": \"Lowercase\"}, ", ""), "CCa",
           "c|c|a");
#undef ADDED
}

static void normalizers_run_in_order(void **state)
{
#define NORMAL(json) DOCUMENT("\"normalizer\": " json ", ", "")
    (void)state;
    expect(NORMAL("{\"type\": \"NFC\"}"), "e\xcc\x81", "\xc3\xa9");
    expect(NORMAL("{\"type\": \"NFC\"}"), "abe\xcc\x81" "cd", "ab|\xc3\xa9|cd"); /* a mark joins the letter before it */
    expect(NORMAL("{\"type\": \"NFC\"}"), "e\xcc\x81" "e\xcc\x81" "ee\xcc\x81", "\xc3\xa9|\xc3\xa9|e|\xc3\xa9");
    expect(NORMAL("{\"type\": \"NFD\"}"), "\xc3\xa9", "e|<unk>");
    expect(NORMAL("{\"type\": \"NFD\"}"), "ab\xc3\xa9" "cd", "ab|e|<unk>|cd");
    expect(NORMAL("{\"type\": \"NFKC\"}"), "\xef\xbc\x91\xef\xbd\x81", "1a"); /* full-width 1a */
    expect(NORMAL("{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": false}"), "  a ", "a| ");
    expect(NORMAL("{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"" MARK "\"}, "
                  "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" MARK "\"}]}"),
           "a a", MARK "a|" MARK "a");
    expect(NORMAL("{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, \"content\": \"-\"}"), "a   a a",
           "a|-|a| |a");
    expect(NORMAL("{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"x*\"}, \"content\": \"-\"}"), "ab", "-|a|-|b|-");
#undef NORMAL
}

static void splits_treat_their_matches_in_five_ways(void **state)
{
    static const struct {
        const char *behaviour, *want;
    } ways[] = { /* what a piece ends with decides which merges can happen: "1 a" and "a b" */
        { "Removed", "a|ab|b" },
        { "Isolated", "a|1|1|ab|1|b" },
        { "MergedWithPrevious", "a|1|1|ab|1|b" },
        { "MergedWithNext", "a|1|1|ab|1|b" },
        { "Contiguous", "a|1|1|ab|1|b" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char json[2048];
        snprintf(json, sizeof json,
                 DOCUMENT("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"1\"}, "
                          "\"behavior\": \"%s\"}, ",
                          ""),
                 ways[i].behaviour);
        expect(json, "a11ab1b", ways[i].want);
    }
}

/* With merges ignored, a piece that is a token shows where the text was cut. */
static void pieces_are_cut_where_they_should_be(void **state)
{
#define PRE(json) DOCUMENT("\"pre_tokenizer\": " json ", ", "\"ignore_merges\": true, ")
#define SPLIT(pattern, behaviour, more)                                                                                \
    PRE("{\"type\": \"Split\", \"pattern\": " pattern ", \"behavior\": \"" behaviour "\"" more "}")
    (void)state;
    expect(SPLIT("{\"String\": \"1\"}", "MergedWithNext", ""), "b1a", "b|1a");
    expect(SPLIT("{\"String\": \"a\"}", "MergedWithPrevious", ""), "b1ab", "b|1a|b"); /* b1a, b: no "ab" */
    expect(SPLIT("{\"Regex\": \"[^-]+\"}", "Removed", ", \"invert\": true"), "a-b", "a|b");
    expect(SPLIT("{\"Regex\": \"(?=b)\"}", "Isolated", ""), "abab", "a|b|a|b"); /* empty matches cut */
    expect(PRE("{\"type\": \"Digits\", \"individual_digits\": true}"), "12a", "1|2|a");
    expect(PRE("{\"type\": \"WhitespaceSplit\"}"), " ab  cd ", "ab|cd");
    expect(PRE("{\"type\": \"Whitespace\"}"), "ab. cd", "ab|.|cd");
    expect(PRE("{\"type\": \"Punctuation\"}"), "a.-", "a|.|-");
    expect(PRE("{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"-\"}"), "a-b", "a|b");
    expect(PRE("{\"type\": \"Metaspace\", \"replacement\": \"" MARK "\", \"prepend_scheme\": \"always\"}"), "a a",
           MARK "a|" MARK "a");
    expect(PRE("{\"type\": \"Metaspace\", \"replacement\": \"" MARK "\", \"prepend_scheme\": \"never\"}"), "a a",
           "a|" MARK "a");
#undef PRE
#undef SPLIT
}

static void the_post_processor_frames_the_text(void **state)
{
#define POST(json) DOCUMENT("\"post_processor\": " json ", ", "")
    (void)state;
    expect(POST("{\"type\": \"BertProcessing\", \"sep\": [\"b\", 2], \"cls\": [\"a\", 1]}"), "c", "a|c|b");
    expect(
        POST("{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, {\"type\": \"TemplateProcessing\", "
             "\"single\": [{\"SpecialToken\": {\"id\": \"x\"}}, {\"Sequence\": {\"id\": \"A\"}}], "
             "\"special_tokens\": {\"x\": {\"ids\": [4, 5]}}}]}"),
        "c", "d|e|c");
#undef POST
}

static void word_pieces_are_the_longest_that_fit(void **state)
{
#define WORDS(members)                                                                                                 \
    "{" members "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"model\": {\"type\": \"WordPiece\", "           \
    "\"unk_token\": \"[UNK]\", \"max_input_chars_per_word\": 8, \"vocab\": {\"[UNK]\": 0, \"a\": 1, \"ab\": 2, "       \
    "\"##c\": 3, \"##cd\": 4, \".\": 5, \"e\": 6, \"\xe6\xbc\xa2\": 7}}}"
    (void)state;
    expect(WORDS(""), "abcd ac. abx", "ab|##cd|a|##c|.|[UNK]");
    expect(WORDS(""), "abcccccc abccccccc", "ab|##c|##c|##c|##c|##c|##c|[UNK]"); /* eight characters, and nine */
    expect(WORDS("\"normalizer\": {\"type\": \"BertNormalizer\"}, "), "A\xc3\x89\a \xc3\x89 a\xe6\xbc\xa2",
           "[UNK]|e|a|\xe6\xbc\xa2");
#undef WORDS
}

/* ---- Refusals ---- */

static void refused(const char *json, infer_status code, const char *sentence)
{
    infer_error err = { 0 };
    infer_tokenizer *t = open_text(json, &err);
    assert_null(t);
    if (err.code != code || !strstr(err.message, sentence))
        fail_msg("%d: \"%s\", not \"%s\"", err.code, err.message, sentence);
}

static void what_is_not_supported_is_named(void **state)
{
    (void)state;
    refused("{\"model\": {\"type\": \"Magic\"}}", INFER_E_UNKNOWN, "small.json: model.type is \"Magic\"");
    refused(DOCUMENT("\"normalizer\": {\"type\": \"Magic\"}, ", ""), INFER_E_UNKNOWN,
            "the normalizer \"Magic\" is not supported");
    refused(DOCUMENT("\"pre_tokenizer\": {\"type\": \"Magic\"}, ", ""), INFER_E_UNKNOWN, "the pre-tokenizer \"Magic\"");
    refused(DOCUMENT("\"post_processor\": {\"type\": \"Magic\"}, ", ""), INFER_E_UNKNOWN,
            "the post-processor \"Magic\"");
    refused(DOCUMENT("\"decoder\": {\"type\": \"Magic\"}, ", ""), INFER_E_UNKNOWN, "the decoder \"Magic\"");
    refused(DOCUMENT("", "\"end_of_word_suffix\": \"</w>\", "), INFER_E_UNKNOWN, "model.end_of_word_suffix is set");
    refused(DOCUMENT("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"[a-z&&[^b]]\"}, "
                     "\"behavior\": \"Isolated\"}, ", ""), INFER_E_UNKNOWN, "intersects classes (&&)");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    refused("", INFER_E_FORMAT, "small.json: line 1");
    refused("[]", INFER_E_UNKNOWN, "model.type");
    refused("{\"model\": {\"type\": \"BPE\"}}", INFER_E_FORMAT, "model.vocab is no object");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {}}}", INFER_E_FORMAT, "no tokens");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}}}", INFER_E_FORMAT, "has the id -1");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 99999999}}}", INFER_E_FORMAT, "has the id 99999999");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 1, \"b\": 1}}}", INFER_E_FORMAT,
            "two tokens with the id 1");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\"]}}", INFER_E_FORMAT,
            "model.merges[0] joins \"a\" and \"b\"");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [1]}}", INFER_E_FORMAT,
            "model.merges[0] is no pair");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"unk_token\": \"u\"}}", INFER_E_FORMAT,
            "model.unk_token \"u\"");
    refused(DOCUMENT("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"a(\"}, "
                     "\"behavior\": \"Isolated\"}, ",
                     ""),
            INFER_E_FORMAT, "regular expression \"a(\" is wrong at byte 2");
    refused(
        DOCUMENT("\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"b\", 99], \"cls\": [\"a\", 1]}, ", ""),
        INFER_E_FORMAT, "names no tokens");
}

/* A pattern that would take for ever: what it was to cut stays whole. */
static void a_hostile_pattern_costs_a_bounded_time(void **state)
{
    char text[4001];
    infer_error err = { 0 };
    (void)state;
    memset(text, 'a', 4000);
    text[4000] = '.';
    infer_tokenizer *t =
        open_text(DOCUMENT("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a|aa)+$\"}, "
                           "\"behavior\": \"Removed\"}, ",
                           ""),
                  &err);
    assert_non_null(t);
    struct ids ids = encode(t, text, sizeof text, 0);
    assert_int_equal(ids.n, sizeof text);
    free(ids.p);
    tokenizer_close(&t);
}

static void memory_may_run_out_anywhere(void **state)
{
    size_t n = 0;
    char *json = read_all(DATA "marks.json", &n);
    infer_tokenizer *t = NULL;
    (void)state;
    for (size_t refuse = 0; !t; refuse++) {
        struct counting c;
        counting_init(&c, refuse);
        infer_error err = { 0 };
        t = tokenizer_open_json(&c.allocator, (struct text){ json, n }, "marks.json", &err);
        if (t) {
            tokenizer_close(&t);
            assert_int_equal(c.live, 0);
            break;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
        assert_int_equal(c.live, 0);
    }
    free(json);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The tokenizer of a directory with this tokenizer_config.json. */
static infer_tokenizer *open_directory(const char *config)
{
    char folder[] = "/tmp/infer-test-XXXXXX", command[64];
    infer_error err = { 0 };
    assert_non_null(mkdtemp(folder));
    write_file(folder, "tokenizer.json", DOCUMENT("", ""));
    write_file(folder, "tokenizer_config.json", config);
    write_file(folder, "generation_config.json", "{\"eos_token_id\": [2, 3]}");
    struct weights *w = weights_open_vocabulary(&mem_default, folder, &err);
    infer_tokenizer *t = w ? tokenizer_open(&mem_default, w, &err) : NULL;
    weights_close(&w);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    if (!t)
        fail_msg("%s", err.message);
    return t;
}

static void a_directory_says_which_tokens_begin_and_end_a_text(void **state)
{
    (void)state;
    infer_tokenizer *t = open_directory("{\"bos_token\": {\"content\": \"a\"}, \"eos_token\": \"b\", "
                                        "\"chat_template\": \"{{ x }}\"}");
    assert_int_equal(infer_tokenizer_bos(t), 1);
    assert_int_equal(infer_tokenizer_eos(t), 2);
    assert_true(infer_tokenizer_is_end(t, 2));
    assert_true(infer_tokenizer_is_end(t, 3));
    assert_false(infer_tokenizer_is_end(t, 1));
    assert_string_equal(infer_tokenizer_chat_template(t), "{{ x }}");
    tokenizer_close(&t);
}

static void of_several_chat_templates_the_default_one_counts(void **state)
{
    (void)state;
    infer_tokenizer *t = open_directory("{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"{{ y }}\"}, "
                                        "{\"name\": \"default\", \"template\": \"{{ x }}\"}, {}]}");
    assert_string_equal(infer_tokenizer_chat_template(t), "{{ x }}");
    tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_and_texts_are_those_of_another_library),
        cmocka_unit_test(merges_run_by_rank_and_unknown_characters_are_one),
        cmocka_unit_test(added_tokens_stand_before_all_else),
        cmocka_unit_test(normalizers_run_in_order),
        cmocka_unit_test(splits_treat_their_matches_in_five_ways),
        cmocka_unit_test(pieces_are_cut_where_they_should_be),
        cmocka_unit_test(the_post_processor_frames_the_text),
        cmocka_unit_test(word_pieces_are_the_longest_that_fit),
        cmocka_unit_test(a_directory_says_which_tokens_begin_and_end_a_text),
        cmocka_unit_test(of_several_chat_templates_the_default_one_counts),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_hostile_pattern_costs_a_bounded_time),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
