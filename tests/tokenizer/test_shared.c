/* test_shared.c - the truth files beside the repository: vocabularies of well-known models, and what llama.cpp and
 * Hugging Face's tokenizers make of several hundred texts with each. Skipped where they are not there.
 *
 * Where the two worlds differ (a case has hf_ids), the ids that the model saw in training are right. Of Unigram these
 * are SentencePiece's, which llama.cpp has too: Hugging Face also makes the text of control tokens ("</s>") of ordinary
 * pieces, which SentencePiece never does and which would let any text end itself, and maps whole graphemes where
 * SentencePiece maps the longest string. */
#include "tests/tokenizer/tokenizer_test.h"

#define TOKENIZERS INFER_SHARED "/tokenizers/"
enum { SHOWN = 5 };

struct tally {
    size_t cases, wrong;
    bool unigram;
};

static void differs(struct tally *tally, const char *what, const json_t *json)
{
    if (tally->wrong++ < SHOWN) {
        char *text = json_dumps(json_object_get(json, "text"), JSON_ENCODE_ANY);
        print_message("  %s differs for %s\n", what, text ? text : "(ids)");
        free(text);
    }
}

static void check_decode(struct tally *tally, const infer_tokenizer *t, struct ids ids, unsigned flags,
                         const json_t *json, const char *key)
{
    size_t length, streamed;
    char *text = decode(t, ids.p, ids.n, flags, &length);
    if (!is_text(json_object_get(json, key), text, length))
        differs(tally, key, json);
    if (!(flags & INFER_REMOVE_SPECIAL)) {
        char *again = stream(t, ids.p, ids.n, flags, &streamed);
        /* of byte tokens that are no UTF-8 together, decode shows none, a stream those characters that were whole */
        const bool broken = json_object_get(json, "decode_ids") && strstr(text, "\xef\xbf\xbd");
        if (!broken && (streamed != length || memcmp(text, again, length)))
            differs(tally, "the stream", json);
        free(again);
    }
    free(text);
}

static struct ids ids_of(const json_t *array)
{
    struct ids ids = { malloc((json_array_size(array) + 1) * sizeof(int32_t)), json_array_size(array) };
    for (size_t i = 0; i < ids.n; i++)
        ids.p[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return ids;
}

/* ---- GGUF ---- */

static void gguf_case(const infer_tokenizer *t, const json_t *json, void *user)
{
    struct tally *tally = user;
    const json_t *text = json_object_get(json, "text");
    const json_t *trained = tally->unigram ? NULL : json_object_get(json, "hf_ids");
    const unsigned flags = (json_is_true(json_object_get(json, "add_special")) ? INFER_ADD_SPECIAL : 0) |
                           (json_is_true(json_object_get(json, "parse_special")) ? INFER_PARSE_SPECIAL : 0);
    struct ids ids = encode(t, json_string_value(text), json_string_length(text), flags);
    tally->cases++;
    if (!is_ids(trained ? trained : json_object_get(json, "ids"), ids))
        differs(tally, trained ? "hf_ids" : "ids", json);
    free(ids.p);
    ids = ids_of(json_object_get(json, "ids"));
    check_decode(tally, t, ids, INFER_UNPARSE_SPECIAL, json, "detok");
    check_decode(tally, t, ids, INFER_REMOVE_SPECIAL, json, "detok_plain");
    free(ids.p);
}

/* llama.cpp's own cases: texts with a separator after each, and a line of ids for each. */
static void run_inp(const infer_tokenizer *t, const char *name, struct tally *tally)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[512];
    size_t n, m;
    snprintf(path, sizeof path, TOKENIZERS "ggml-vocab-%s.gguf.inp", name);
    char *texts = read_all(path, &n), *text = texts;
    snprintf(path, sizeof path, TOKENIZERS "ggml-vocab-%s.gguf.out", name);
    char *lines = read_all(path, &m), *line = lines;
    for (char *end; text && line && (end = strstr(text, separator)); text = end + strlen(separator)) {
        struct ids ids = encode(t, text, (size_t)(end - text), 0);
        bool same = true;
        for (size_t i = 0; i < ids.n; i++)
            same &= strtol(line, &line, 10) == ids.p[i];
        line += strspn(line, " ");
        same &= *line == '\n';
        free(ids.p);
        tally->cases++;
        if (!same && tally->wrong++ < SHOWN)
            print_message("  .out differs for '%.*s'\n", (int)(end - text), text);
        line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
    }
    free(texts);
    free(lines);
}

static void gguf(void **state)
{
    const char *name = *state;
    char path[512];
    struct tally tally = { .unigram = !strcmp(name, "ugm-small") };
    snprintf(path, sizeof path, TOKENIZERS "ggml-vocab-%s.gguf", name);
    if (path_kind(path) != 'f')
        skip();
    struct opened o = open_vocabulary(path);
    run_inp(o.t, name, &tally);
    snprintf(path, sizeof path, TOKENIZERS "cases/%s.jsonl", name);
    assert_true(each_case(path, o.t, gguf_case, &tally));
    close_vocabulary(&o);
    print_message("%s: %zu cases, %zu differences\n", name, tally.cases, tally.wrong);
    assert_int_equal(tally.wrong, 0);
}

/* ---- tokenizer.json ---- */

static void json_case(const infer_tokenizer *t, const json_t *json, void *user)
{
    struct tally *tally = user;
    const json_t *text = json_object_get(json, "text"), *given = json_object_get(json, "decode_ids");
    tally->cases++;
    if (text) {
        static const struct {
            const char *key;
            unsigned flags;
        } ways[] = { { "ids", INFER_PARSE_SPECIAL | INFER_ADD_SPECIAL }, { "ids_no_special", INFER_PARSE_SPECIAL } };
        for (size_t i = 0; i < 2; i++) {
            struct ids ids = encode(t, json_string_value(text), json_string_length(text), ways[i].flags);
            if (!is_ids(json_object_get(json, ways[i].key), ids))
                differs(tally, ways[i].key, json);
            free(ids.p);
        }
    }
    struct ids ids = ids_of(given ? given : json_object_get(json, "ids"));
    check_decode(tally, t, ids, INFER_UNPARSE_SPECIAL, json, "decode");
    check_decode(tally, t, ids, 0, json, "decode_skip");
    free(ids.p);
}

static void tokenizer_json(void **state)
{
    const char *name = *state;
    char path[512];
    struct tally tally = { 0 };
    snprintf(path, sizeof path, TOKENIZERS "hf/%s/tokenizer.json", name);
    if (path_kind(path) != 'f')
        skip();
    struct opened o = open_vocabulary(path);
    snprintf(path, sizeof path, TOKENIZERS "hf/%s/cases.jsonl", name);
    assert_true(each_case(path, o.t, json_case, &tally));
    close_vocabulary(&o);
    print_message("%s: %zu cases, %zu differences\n", name, tally.cases, tally.wrong);
    assert_int_equal(tally.wrong, 0);
}

#define GGUF(name) { "ids and texts of ggml-vocab-" name, gguf, NULL, NULL, name }
#define JSON(name) { "ids and texts of tokenizer.json " name, tokenizer_json, NULL, NULL, name }

int main(void)
{
    const struct CMUnitTest tests[] = {
        GGUF("llama-spm"),    GGUF("phi-3"),          GGUF("llama-bpe"),      GGUF("gpt-2"),      GGUF("qwen2"),
        GGUF("falcon"),       GGUF("starcoder"),      GGUF("deepseek-llm"),   GGUF("deepseek-coder"),
        GGUF("bert-bge"),
        JSON("bpe-gpt2"),     JSON("bpe-llama3"),     JSON("bpe-qwen2"),      JSON("spm-bpe-legacy"),
        GGUF("ugm-small"),
        JSON("spm-bpe-first"), JSON("wordpiece-bert"), JSON("unigram-t5"),     JSON("unigram-xlmr"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
