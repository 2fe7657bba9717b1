/* main.c - the suite embeddings: vectors of texts by the public API, all threads. Cases are named what/size.
 *   embed   vectors of 8 texts of so many tokens, by an encoder of all-MiniLM-L6's shape with random weights in Q8_0;
 *           items are tokens
 *   maxsim  scores of so many documents of 128 tokens each for a query of 32, vectors of 128 numbers, as ColBERT has
 *           them; items are documents */
#include "benches/common/common.h"
#include "benches/shim.h"
#include "infer.h"

#include <stdio.h>
#include <stdlib.h>

static infer_context *context;
static infer_model *model;

static void must(bool good, const infer_error *err)
{
    if (good)
        return;
    fprintf(stderr, "embeddings: %s\n", err->message);
    exit(1);
}

static void run_embed(struct bench *b, const void *arg)
{
    enum { TEXTS = 8 };
    const size_t n = (size_t)*(const int *)arg;
    infer_error err = { 0 };
    infer_embedder_options options = infer_embedder_defaults();
    infer_model_info info = { .size = sizeof info };
    infer_embedder_info vectors = { .size = sizeof vectors };
    infer_input texts[TEXTS];
    options.n_ctx = (int32_t)n;
    infer_embedder *e = infer_embedder_open(model, &options, &err);
    must(e, &err);
    infer_model_get_info(model, &info);
    infer_embedder_get_info(e, &vectors);
    int32_t *ids = bench_memory(TEXTS * n * sizeof *ids);
    float *out = bench_memory(TEXTS * (size_t)vectors.dimensions * sizeof *out);
    for (size_t i = 0; i < TEXTS * n; i++)
        ids[i] = (int32_t)((i * 7919 + 1) % (size_t)info.n_vocab);
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = (infer_input){ .ids = ids + i * n, .n_ids = n };
    while (bench_next(b))
        must(infer_embed(e, texts, TEXTS, out, &err) == INFER_OK, &err);
    bench_items(b, (double)(TEXTS * n));
    infer_embedder_close(&e);
    free(out);
    free(ids);
}

static void run_maxsim(struct bench *b, const void *arg)
{
    enum { DIMS = 128, QUERY = 32, TOKENS = 128 };
    const size_t n = (size_t)*(const int *)arg;
    infer_error err = { 0 };
    float *query = bench_memory(QUERY * DIMS * sizeof *query), *scores = bench_memory(n * sizeof *scores);
    float *documents = bench_memory(n * TOKENS * DIMS * sizeof *documents);
    size_t *first = bench_memory((n + 1) * sizeof *first);
    bench_fill(query, QUERY * DIMS);
    bench_fill(documents, n * TOKENS * DIMS);
    for (size_t i = 0; i <= n; i++)
        first[i] = i * TOKENS;
    while (bench_next(b))
        must(infer_maxsim(context, DIMS, query, QUERY, documents, first, n, scores, &err) == INFER_OK, &err);
    bench_items(b, (double)n);
    free(first);
    free(documents);
    free(scores);
    free(query);
}

int main(int argc, char **argv)
{
    static const int lengths[] = { 16, 64, 128, 256, 512 }, documents[] = { 1, 10, 100, 1000 };
    infer_error err = { 0 };
    infer_context_options options = infer_context_defaults();
    options.cpu = getenv("INFER_CPU");
    context = infer_context_open(&options, &err);
    model = context ? infer_model_open(context, MINILM_MODEL, NULL, &err) : NULL;
    must(model, &err);
    char name[32];
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        snprintf(name, sizeof name, "embed/%d", lengths[i]);
        bench_add(name, run_embed, &lengths[i], sizeof lengths[i]);
    }
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        snprintf(name, sizeof name, "maxsim/%d", documents[i]);
        bench_add(name, run_maxsim, &documents[i], sizeof documents[i]);
    }
    const int code = bench_main(argc, argv, NULL, 0);
    infer_model_close(&model);
    infer_context_close(&context);
    return code;
}
