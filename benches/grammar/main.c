/* main.c - the suite grammar: compiling, masks and sampling, one thread. Cases are named what/vocabulary/grammar.
 * "default" is the vocabulary of the model in the library; llama-bpe that of $INFER_SHARED/tokenizers, if it is there.
 *   compile   a grammar from its source
 *   first     the masks along a text by a grammar that was just compiled, items are bytes of the text
 *   masks     the same by one that has masks already
 *   sample    one token of random logits, top-k 40 or 0, with the grammar or "free" */
#include "benches/common/common.h"
#include "benches/shim.h"
#include "infer.h"

#include <stdio.h>
#include <stdlib.h>

static infer_context *context;

static const struct source {
    const char *name, *text;
    infer_notation notation;
    const char *match; /* a text that it allows */
} sources[] = {
    { "json", "{}", INFER_JSON_SCHEMA, "{\"name\": \"the cat sat\", \"age\": 12, \"tags\": [\"a\", true, null]}" },
    { "string", "{\"type\": \"string\", \"minLength\": 20, \"maxLength\": 2000}", INFER_JSON_SCHEMA,
      "\"Once upon a time there was a little girl named Lily. She had a surprise\"" },
    { "regex", "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-[0-3][0-9]( [a-z]+)*", INFER_REGEX, "2026-11-21 a day of rain" },
};

struct subject {
    const infer_tokenizer *tokenizer;
    const struct source *source; /* NULL: no grammar */
    int32_t top_k;
};

static void must(bool good, const infer_error *err)
{
    if (good)
        return;
    fprintf(stderr, "grammar: %s\n", err->message);
    exit(1);
}

static infer_grammar *compile(const struct source *s)
{
    infer_error err = { 0 };
    infer_grammar *g = infer_grammar_open(context, s->notation, s->text, strlen(s->text), NULL, &err);
    must(g, &err);
    return g;
}

static void run_compile(struct bench *b, const void *arg)
{
    const struct subject *s = arg;
    bench_one_thread(b);
    while (bench_next(b)) {
        infer_grammar *g = compile(s->source);
        infer_grammar_close(&g);
    }
}

/* A mask before each byte of the text. */
static void all_masks(infer_grammar *g, const struct subject *s, uint32_t *bits, size_t n_words)
{
    infer_error err = { 0 };
    infer_matcher *m = infer_matcher_open(g, s->tokenizer, &err);
    must(m, &err);
    for (const char *p = s->source->match; *p; p++)
        must(infer_matcher_mask(m, bits, n_words, &err) == INFER_OK &&
                 infer_matcher_accept_text(m, p, 1, &err) == INFER_OK,
             &err);
    infer_matcher_close(&m);
}

static void time_masks(struct bench *b, const struct subject *s, bool first)
{
    const size_t n_words = ((size_t)infer_tokenizer_size(s->tokenizer) + 31) / 32;
    uint32_t *bits = bench_memory(n_words * sizeof *bits);
    infer_grammar *g = compile(s->source);
    all_masks(g, s, bits, n_words);
    while (bench_next(b)) {
        if (first) {
            bench_pause(b);
            infer_grammar_close(&g);
            g = compile(s->source);
            bench_resume(b);
        }
        all_masks(g, s, bits, n_words);
    }
    bench_items(b, (double)strlen(s->source->match));
    infer_grammar_close(&g);
    free(bits);
}

static void run_first(struct bench *b, const void *arg)
{
    time_masks(b, arg, true);
}

static void run_masks(struct bench *b, const void *arg)
{
    time_masks(b, arg, false);
}

static void run_sample(struct bench *b, const void *arg)
{
    const struct subject *s = arg;
    infer_error err = { 0 };
    infer_sampler_options options = infer_sampler_defaults();
    options.top_k = s->top_k;
    const int32_t n = infer_tokenizer_size(s->tokenizer);
    float *logits = bench_memory((size_t)n * sizeof *logits);
    bench_fill(logits, (size_t)n);
    for (int32_t i = 0; i < n; i++) /* from -3 to 9, large ones rare */
        logits[i] = 9 * logits[i] * logits[i] * logits[i];
    infer_grammar *g = s->source ? compile(s->source) : NULL;
    infer_sampler *sampler = infer_sampler_open(context, &options, &err);
    must(sampler, &err);
    must(!g || infer_sampler_set_grammar(sampler, g, s->tokenizer, &err) == INFER_OK, &err);
    while (bench_next(b)) {
        const int32_t id = infer_sampler_sample(sampler, logits, n);
        infer_sampler_accept(sampler, id);
        if (id < 0 || infer_tokenizer_is_end(s->tokenizer, id))
            infer_sampler_reset(sampler);
    }
    bench_items(b, 1);
    infer_sampler_close(&sampler);
    infer_grammar_close(&g);
    free(logits);
}

static void add(const char *what, const char *vocabulary, const char *grammar, bench_fn *fn, const struct subject *s)
{
    char name[96];
    snprintf(name, sizeof name, "%s/%s/%s", what, vocabulary, grammar);
    bench_add(name, fn, s, sizeof *s);
}

static void add_cases(const infer_tokenizer *tokenizer, const char *name)
{
    static const struct {
        const char *what;
        int32_t top_k;
    } sampling[] = { { "sample/top_k:40", 40 }, { "sample/top_k:0", 0 } };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const struct subject s = { tokenizer, &sources[i], 40 };
        add("first", name, sources[i].name, run_first, &s);
        add("masks", name, sources[i].name, run_masks, &s);
    }
    for (size_t k = 0; k < sizeof sampling / sizeof *sampling; k++) {
        const struct subject free = { tokenizer, NULL, sampling[k].top_k };
        add(sampling[k].what, name, "free", run_sample, &free);
        for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
            const struct subject s = { tokenizer, &sources[i], sampling[k].top_k };
            add(sampling[k].what, name, sources[i].name, run_sample, &s);
        }
    }
}

int main(int argc, char **argv)
{
    infer_error err = { 0 };
    context = infer_context_open(NULL, &err);
    infer_model *model = context ? infer_model_open_default(context, NULL, &err) : NULL;
    must(model, &err);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const struct subject s = { NULL, &sources[i], 0 };
        add("compile", "any", sources[i].name, run_compile, &s);
    }
    add_cases(infer_model_tokenizer(model), "default");
    char path[512];
    const char *const shared = getenv("INFER_SHARED");
    snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-llama-bpe.gguf", shared ? shared : ".");
    infer_tokenizer *large = infer_tokenizer_open(context, path, NULL);
    if (large)
        add_cases(large, "llama-bpe");
    const int code = bench_main(argc, argv, NULL, 0);
    infer_tokenizer_close(&large);
    infer_model_close(&model);
    infer_context_close(&context);
    return code;
}
