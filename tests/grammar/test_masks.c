/* test_masks.c - masks of whole vocabularies against every token tried by its bytes, along random texts. */
#include "tests/common/counting.h"
#include "tests/common/sanitized.h"
#include "tests/grammar/grammar_test.h"
#include "tests/grammar/grammars.h"

#include "src/tokenizer/trie.h"

#include <pthread.h>

enum { STEPS = SANITIZED ? 8 : 24 };

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Compares one mask with all tokens; one of them at random, rather a long one, or -1 if none but an end can come. */
static int32_t check_mask(infer_matcher *m, const infer_tokenizer *t, uint32_t *bits, size_t n_words, uint32_t *seed,
                          const char *source)
{
    infer_error err = { 0 };
    int32_t chosen = -1;
    uint32_t most = 0;
    if (infer_matcher_mask(m, bits, n_words, &err))
        fail_msg("%s: %s", source, err.message);
    for (int32_t id = 0; id < infer_tokenizer_size(t); id++) {
        const bool allowed = infer_matcher_allows(m, id);
        if ((bits[id / 32] >> (id % 32) & 1) != allowed)
            fail_msg("%s: after %zu tokens token %d is %d, expected %d", source, infer_matcher_length(m), id, !allowed,
                     allowed);
        if (infer_tokenizer_is_end(t, id))
            assert_int_equal(allowed, infer_matcher_may_end(m));
        const uint32_t weight = next_random(seed) % 1000 + 40 * (uint32_t)tokenizer_piece(t, id).n;
        if (allowed && !infer_tokenizer_is_end(t, id) && weight > most) {
            most = weight;
            chosen = id;
        }
    }
    assert_int_equal(chosen < 0, infer_matcher_must_end(m));
    return chosen;
}

static void walk(infer_grammar *g, const infer_tokenizer *t, uint32_t seed, const char *source)
{
    infer_error err = { 0 };
    const size_t n_words = ((size_t)infer_tokenizer_size(t) + 31) / 32;
    uint32_t *bits = malloc(n_words * sizeof *bits);
    infer_matcher *m = infer_matcher_open(g, t, &err);
    if (!m)
        fail_msg("%s", err.message);
    for (int i = 0; i < STEPS; i++) {
        const int32_t id = check_mask(m, t, bits, n_words, &seed, source);
        if (id < 0)
            break;
        assert_int_equal(infer_matcher_accept(m, id, &err), INFER_OK);
    }
    infer_matcher_close(&m);
    free(bits);
}

static void walk_all(infer_context *context, const infer_tokenizer *t)
{
    for (size_t i = 0; i < COUNT(grammars); i++) {
        infer_error err = { 0 };
        infer_grammar *g = infer_grammar_open(context, grammars[i].notation, grammars[i].source,
                                              strlen(grammars[i].source), NULL, &err);
        if (!g)
            fail_msg("%s: %s", grammars[i].source, err.message);
        for (uint32_t seed = 0; seed < (SANITIZED ? 1 : 3); seed++)
            walk(g, t, 17 * seed, grammars[i].source);
        infer_grammar_close(&g);
    }
}

static void vocabulary(void **state)
{
    char path[512];
    snprintf(path, sizeof path, INFER_SHARED "/tokenizers/ggml-vocab-%s.gguf", (const char *)*state);
    FILE *file = fopen(path, "rb");
    if (!file)
        skip();
    fclose(file);
    infer_error err = { 0 };
    infer_context *context = context_new(NULL);
    infer_tokenizer *t = infer_tokenizer_open(context, path, &err);
    if (!t)
        fail_msg("%s", err.message);
    walk_all(context, t);
    infer_tokenizer_close(&t);
    infer_context_close(&context);
}

static void embedded(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_context *context = context_new(NULL);
    infer_model *model = infer_model_open_default(context, NULL, &err);
    assert_non_null(model);
    walk_all(context, infer_model_tokenizer(model));
    infer_model_close(&model);
    infer_context_close(&context);
}

struct walker {
    infer_grammar *g;
    const infer_tokenizer *t;
    uint64_t sum;
};

/* Any text of strings and brackets; a sum over the masks on its way. */
static void *walk_alone(void *user)
{
    struct walker *w = user;
    const size_t n_words = ((size_t)infer_tokenizer_size(w->t) + 31) / 32;
    uint32_t *bits = malloc(n_words * sizeof *bits);
    infer_error err = { 0 };
    infer_matcher *m = infer_matcher_open(w->g, w->t, &err);
    for (const char *p = "[{\"a\": [true, \"x y\"]}, 12, \"\"]"; m && *p; p++) {
        if (infer_matcher_mask(m, bits, n_words, &err) || infer_matcher_accept_text(m, p, 1, &err))
            break;
        for (size_t i = 0; i < n_words; i++)
            w->sum = w->sum * 31 + bits[i];
    }
    infer_matcher_close(&m);
    free(bits);
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    infer_error err = { 0 };
    infer_context *context = context_new(NULL);
    infer_model *model = infer_model_open_default(context, NULL, &err);
    infer_grammar *g = infer_grammar_open(context, INFER_JSON_SCHEMA, "true", 4, NULL, &err);
    assert_true(model && g);
    struct walker w[THREADS];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct walker){ g, infer_model_tokenizer(model), 0 };
        assert_int_equal(pthread_create(&thread[i], NULL, walk_alone, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_true(w[i].sum && w[i].sum == w[0].sum);
    infer_grammar_close(&g);
    infer_model_close(&model);
    infer_context_close(&context);
}

static void no_memory(void **state)
{
    (void)state;
    for (size_t refuse = 0;; refuse++) {
        struct counting counting;
        infer_error err = { 0 };
        counting_init(&counting, SIZE_MAX);
        infer_context *context = context_new(&counting.allocator);
        infer_model *model = infer_model_open_default(context, NULL, &err);
        infer_grammar *g = infer_grammar_open(context, grammars[0].notation, grammars[0].source,
                                              strlen(grammars[0].source), NULL, &err);
        assert_non_null(model);
        assert_non_null(g);
        const infer_tokenizer *t = infer_model_tokenizer(model);
        uint32_t bits[4096] = { 0 };
        counting.refuse_from = counting.calls + refuse;
        infer_matcher *m = infer_matcher_open(g, t, &err);
        infer_status status = m ? infer_matcher_mask(m, bits, 4096, &err) : err.code;
        if (!status)
            status = infer_matcher_accept_text(m, "{\"a\": [\"x", 9, &err);
        if (!status)
            status = infer_matcher_mask(m, bits, 4096, &err);
        const bool done = counting.calls <= counting.refuse_from;
        infer_matcher_close(&m);
        infer_grammar_close(&g);
        infer_model_close(&model);
        infer_context_close(&context);
        assert_int_equal(counting.live, 0);
        assert_int_equal(status, done ? INFER_OK : INFER_E_NOMEM);
        if (done)
            break;
    }
}

/* Where a large vocabulary and a count make masks be made from others. */
static void no_memory_for_likeness(void **state)
{
    static const char source[] = "{\"type\": \"string\", \"maxLength\": 900}";
    (void)state;
    struct counting counting;
    infer_error err = { 0 };
    counting_init(&counting, SIZE_MAX);
    infer_context *context = context_new(&counting.allocator);
    infer_tokenizer *t = infer_tokenizer_open(context, INFER_SHARED "/tokenizers/ggml-vocab-llama-spm.gguf", NULL);
    infer_grammar *g = infer_grammar_open(context, INFER_JSON_SCHEMA, source, strlen(source), NULL, &err);
    bool done = false;
    assert_non_null(g);
    for (size_t refuse = 0; t && !done; refuse++) {
        uint32_t bits[1024] = { 0 };
        counting.refuse_from = counting.calls + refuse;
        infer_matcher *m = infer_matcher_open(g, t, &err);
        infer_status status = m ? INFER_OK : err.code;
        for (int i = 0; i < 6 && !status; i++) {
            status = infer_matcher_accept_text(m, i ? " world" : "\"hello", 6, &err);
            if (!status)
                status = infer_matcher_mask(m, bits, 1024, &err);
        }
        done = counting.calls <= counting.refuse_from;
        counting.refuse_from = SIZE_MAX;
        infer_matcher_close(&m);
        assert_int_equal(status, done ? INFER_OK : INFER_E_NOMEM);
    }
    infer_grammar_close(&g);
    const bool skipped = !t;
    infer_tokenizer_close(&t);
    infer_context_close(&context);
    assert_int_equal(counting.live, 0);
    if (skipped)
        skip();
}

#define VOCABULARY(name)                                                                                               \
    {                                                                                                                  \
        "masks are what each token's bytes say: " name, vocabulary, NULL, NULL, name                                   \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "masks are what each token's bytes say: the embedded model", embedded, NULL, NULL, NULL },
        VOCABULARY("llama-bpe"),
        VOCABULARY("llama-spm"),
        VOCABULARY("qwen2"),
        { "threads that share a grammar from its first mask on get the same masks", threads, NULL, NULL, NULL },
        { "wherever memory is out, that is said and nothing is lost", no_memory, NULL, NULL, NULL },
        { "nor where a mask is made from a similar one", no_memory_for_likeness, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
