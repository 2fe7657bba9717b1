/* test_vocabulary.c - a tokenizer.json that has become tokenizer.ggml.* gives the same ids. */
#include "src/convert/convert.h"

#include "src/formats/weights.h"
#include "tests/common/counting.h"
#include "tests/tokenizer/tokenizer_test.h"

struct converted {
    struct opened from, to;
    struct text model, pre;
    const char *note;
};

static struct text text_entry(const struct weights *w, const char *key)
{
    struct text value = { "", 0 };
    infer_error unused;
    meta_get_text(w, key, &value, &unused);
    return value;
}

/* With 3 tokens more than the tokenizer has. */
static struct converted convert(const char *path)
{
    struct converted c = { .from = open_vocabulary(path) };
    infer_error err = { 0 };
    c.to.w = weights_new(&mem_default, "converted", WEIGHTS_GGUF, &err);
    assert_non_null(c.to.w);
    const uint32_t n = (uint32_t)infer_tokenizer_size(c.from.t) + 3;
    if (convert_vocabulary(c.to.w, c.from.t, n, &c.note, &err) != INFER_OK ||
        !(c.to.t = tokenizer_open(&mem_default, c.to.w, &err)))
        fail_msg("%s: %s", path, err.message);
    assert_int_equal(infer_tokenizer_size(c.to.t), n);
    c.model = text_entry(c.to.w, "tokenizer.ggml.model");
    c.pre = text_entry(c.to.w, "tokenizer.ggml.pre");
    return c;
}

static void close_both(struct converted *c)
{
    close_vocabulary(&c->from);
    close_vocabulary(&c->to);
}

struct tally {
    const char *name;
    size_t cases, wrong;
    const char *differ; /* texts with any of these, separated by |, may differ; "^ ", "$ ": at their start, end */
};

static void check_ids(struct tally *tally, const infer_tokenizer *t, const json_t *json, unsigned flags,
                      const char *key)
{
    const json_t *text = json_object_get(json, "text");
    struct ids ids = encode(t, json_string_value(text), json_string_length(text), flags | INFER_PARSE_SPECIAL);
    if (!is_ids(json_object_get(json, key), ids) && tally->wrong++ < 5) {
        char *shown = json_dumps(text, JSON_ENCODE_ANY);
        print_message("  %s: other %s for %s\n", tally->name, key, shown);
        free(shown);
    }
    free(ids.p);
}

static bool may_differ(const char *differ, const char *text)
{
    char copy[200];
    snprintf(copy, sizeof copy, "%s", differ ? differ : "");
    for (char *save, *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save))
        if (*part == '^'   ? !strncmp(text, part + 1, strlen(part + 1))
            : *part == '$' ? text_ends(text_of(text), part + 1)
                           : strstr(text, part) != NULL)
            return true;
    return false;
}

static void one_case(const infer_tokenizer *t, const json_t *json, void *user)
{
    struct tally *tally = user;
    const char *text = json_string_value(json_object_get(json, "text"));
    const char *name = json_string_value(json_object_get(json, "tokenizer"));
    if (!text || strcmp(name, tally->name) != 0 || may_differ(tally->differ, text))
        return;
    tally->cases++;
    check_ids(tally, t, json, INFER_ADD_SPECIAL, "ids");
    check_ids(tally, t, json, 0, "ids_no_special");
}

static void ids_stay_the_same(void **unused)
{
    (void)unused;
    static const struct {
        const char *name, *model, *pre;
    } files[] = { { "bytes", "gpt2", "gpt-2" }, { "marks", "llama", "" } };
    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "tests/data/tokenizer/%s.json", files[i].name);
        struct converted c = convert(path);
        struct tally tally = { .name = files[i].name };
        assert_true(text_is(c.model, files[i].model));
        assert_true(text_is(c.pre, files[i].pre));
        assert_null(c.note);
        assert_true(each_case("tests/data/tokenizer/cases.jsonl", c.to.t, one_case, &tally));
        assert_true(tally.cases > 10);
        assert_int_equal(tally.wrong, 0);
        close_both(&c);
    }
}

/* The path of a file beside the repository; skips the test if it is not there. */
static void shared(char path[256], const char *name, const char *file)
{
    snprintf(path, 256, INFER_SHARED "/tokenizers/hf/%s/%s", name, file);
    FILE *f = fopen(path, "rb");
    if (!f)
        skip();
    fclose(f);
}

/* GGUF cannot say that an added token takes white space with it, nor that only the first words of a text get a space.
 * SentencePiece takes white space off a text's ends, also what only its map makes of it, and composes Hangul;
 * tokenizer.json's T5 does neither. */
static void ids_of_the_usual_kinds_stay_the_same(void **unused)
{
    (void)unused;
    static const struct {
        const char *name, *model, *pre, *note, *differ;
    } files[] = { { "bpe-gpt2", "gpt2", "gpt-2", NULL, NULL },
                  { "bpe-llama3", "gpt2", "minicpm5", NULL, NULL }, /* it cuts off digits first */
                  { "bpe-qwen2", "gpt2", "qwen2", NULL, NULL },
                  { "spm-bpe-legacy", "llama", "", "white space beside", "<|end|>" },
                  { "spm-bpe-first", "llama", "", "end with white space",
                    "^ |^\xe2\x96\x81|<s>|</s>|<unk>|INST]|<tool>|word" },
                  { "wordpiece-bert", "bert", "", "white space beside", "[MASK]|ode.js|qux" },
                  { "unigram-t5", "t5", "", "end with white space",
                    "$ |$\t|$\n|$\r|$\xc2\xa0|$\xe3\x80\x80|<pad>|</s>|<unk>|<extra|NASA|\xd8\x9c|^\xe2\x96\x81|\xe1\x84\x80" } };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[256];
        shared(path, files[i].name, "tokenizer.json");
        struct converted c = convert(path);
        struct tally tally = { .name = files[i].name, .differ = files[i].differ };
        assert_true(text_is(c.model, files[i].model));
        assert_true(text_is(c.pre, files[i].pre));
        assert_true(!c.note == !files[i].note && (!c.note || strstr(c.note, files[i].note)));
        shared(path, files[i].name, "cases.jsonl");
        assert_true(each_case(path, c.to.t, one_case, &tally));
        assert_true(tally.cases > 100);
        assert_int_equal(tally.wrong, 0);
        close_both(&c);
    }
}

static json_t *read_shared(const char *name)
{
    char path[256];
    shared(path, name, "tokenizer.json");
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    return json;
}

static infer_tokenizer *open_json(const json_t *json)
{
    infer_error err = { 0 };
    char *text = json_dumps(json, 0);
    infer_tokenizer *t = tokenizer_open_json(&mem_default, text_of(text), "a tokenizer.json", &err);
    if (!t)
        fail_msg("%s", err.message);
    free(text);
    return t;
}

/* As XLM-RoBERTa has it: text is cut at white space, whatever there is of it, then each word gets a mark. */
static void unigram_over_words_keeps_all_ids(void **unused)
{
    (void)unused;
    static const char *const lines[] = { " a  b ",  "the quick brown fox\n", "\u2581", "Hello,  World! 3.14", "",
                                         " \t" };
    json_t *json = read_shared("unigram-t5");
    json_t *steps = json_pack("{s:s, s:[{s:s}, O]}", "type", "Sequence", "pretokenizers", "type", "WhitespaceSplit",
                              json_object_get(json, "pre_tokenizer"));
    assert_int_equal(json_object_set_new(json, "pre_tokenizer", steps), 0);
    infer_tokenizer *from = open_json(json);
    infer_error err = { 0 };
    const char *note;
    struct weights *w = weights_new(&mem_default, "converted", WEIGHTS_GGUF, &err);
    const uint32_t n = (uint32_t)infer_tokenizer_size(from);
    assert_int_equal(convert_vocabulary(w, from, n, &note, &err), INFER_OK);
    assert_null(strstr(note, "begin or end"));
    infer_tokenizer *to = tokenizer_open(&mem_default, w, &err);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct ids a = encode(from, lines[i], strlen(lines[i]), INFER_ADD_SPECIAL);
        struct ids b = encode(to, lines[i], strlen(lines[i]), INFER_ADD_SPECIAL);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.p, b.p, a.n * sizeof *a.p);
        free(a.p);
        free(b.p);
    }
    tokenizer_close(&from);
    tokenizer_close(&to);
    weights_close(&w);
    json_decref(json);
}

static void assert_refused(const infer_tokenizer *from, uint32_t n_vocab, infer_status code, const char *words)
{
    infer_error err = { 0 };
    const char *note;
    struct weights *w = weights_new(&mem_default, "converted", WEIGHTS_GGUF, &err);
    assert_int_equal(convert_vocabulary(w, from, n_vocab, &note, &err), code);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    weights_close(&w);
}

/* bytes.json, but every "e" is cut off before anything else: no model does that. */
static void kinds_that_gguf_has_no_name_for_are_refused(void **unused)
{
    (void)unused;
    json_t *json = json_load_file("tests/data/tokenizer/bytes.json", 0, NULL);
    json_t *cut = json_pack("{s:s, s:{s:s}, s:s}", "type", "Split", "pattern", "Regex", "e", "behavior", "Isolated");
    json_t *steps = json_pack("{s:s, s:[o, O]}", "type", "Sequence", "pretokenizers", cut,
                              json_object_get(json, "pre_tokenizer"));
    assert_int_equal(json_object_set_new(json, "pre_tokenizer", steps), 0);
    infer_tokenizer *t = open_json(json);
    assert_refused(t, (uint32_t)infer_tokenizer_size(t), INFER_E_UNKNOWN, "no name for");
    tokenizer_close(&t);
    json_decref(json);
}

/* A normal form without SentencePiece's map. */
static void unigram_without_a_map_is_refused(void **unused)
{
    (void)unused;
    json_t *json = read_shared("unigram-xlmr");
    infer_tokenizer *t = open_json(json);
    assert_refused(t, (uint32_t)infer_tokenizer_size(t), INFER_E_UNKNOWN, "no name for");
    tokenizer_close(&t);
    json_decref(json);
}

static void more_tokens_than_the_embedding_has_are_refused(void **unused)
{
    (void)unused;
    struct opened from = open_vocabulary("tests/data/tokenizer/bytes.json");
    assert_refused(from.t, (uint32_t)infer_tokenizer_size(from.t) - 1, INFER_E_FORMAT, "the embedding");
    close_vocabulary(&from);
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    struct opened from = open_vocabulary("tests/data/tokenizer/marks.json");
    const uint32_t n_vocab = (uint32_t)infer_tokenizer_size(from.t);
    size_t step = 1;
    for (size_t n = 0;; n += step) {
        struct counting counting;
        counting_init(&counting, n);
        infer_error err = { 0 };
        const char *note;
        struct weights *w = weights_new(&counting.allocator, "converted", WEIGHTS_GGUF, &err);
        const infer_status status = w ? convert_vocabulary(w, from.t, n_vocab, &note, &err) : INFER_E_NOMEM;
        const bool asked_in_vain = counting.calls > n;
        weights_close(&w);
        assert_int_equal(counting.live, 0);
        assert_int_equal(status, asked_in_vain ? INFER_E_NOMEM : INFER_OK);
        if (status == INFER_OK)
            break;
        step = n < 200 ? 1 : 97; /* comparing tokenizers asks for memory thousands of times, always for the same */
    }
    close_vocabulary(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_stay_the_same),
        cmocka_unit_test(ids_of_the_usual_kinds_stay_the_same),
        cmocka_unit_test(kinds_that_gguf_has_no_name_for_are_refused),
        cmocka_unit_test(unigram_over_words_keeps_all_ids),
        cmocka_unit_test(unigram_without_a_map_is_refused),
        cmocka_unit_test(more_tokens_than_the_embedding_has_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
