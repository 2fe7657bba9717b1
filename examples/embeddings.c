/* embeddings.c - search by meaning: texts become vectors, and what is nearest to a query is what it asks for.
 *
 *     embeddings [MODEL [QUERY]]     without MODEL: the one inside the library, which was not made for this */
#include <infer.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const texts[] = {
    "The cat sleeps on the warm roof.",        "A recipe for bread: flour, water, salt and yeast.",
    "The train to the coast leaves at nine.",  "She planted tulips and roses in the garden.",
    "The court found the contract to be void.", "Birds fly south before the winter comes.",
};
enum { N = sizeof texts / sizeof *texts };

/* Vectors are of length 1, so their product is the cosine of the angle between them: 1 for the same direction. */
static float product(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Print the texts, the nearest first. vectors (N, n): of the texts; query (n). */
static void print_best(const float *vectors, const float *query, size_t n)
{
    float score[N];
    for (size_t i = 0; i < N; i++)
        score[i] = product(vectors + i * n, query, n);
    for (size_t shown = 0; shown < N; shown++) {
        size_t best = 0;
        for (size_t i = 1; i < N; i++)
            best = score[i] > score[best] ? i : best;
        printf("%6.3f  %s\n", (double)score[best], texts[best]);
        score[best] = -2;
    }
}

int main(int argc, char **argv)
{
    const char *query = argc > 2 ? argv[2] : "When can I travel to the sea?";
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                                  : infer_model_open_default(context, NULL, &err);
    infer_embedder *embedder = model ? infer_embedder_open(model, NULL, &err) : NULL;

    /* All in one call: short texts are computed together. */
    infer_input inputs[N + 1];
    for (size_t i = 0; i <= N; i++)
        inputs[i] = (infer_input){ .text = i < N ? texts[i] : query, .length = strlen(i < N ? texts[i] : query) };
    infer_embedder_info info = { .size = sizeof info };
    if (embedder)
        infer_embedder_get_info(embedder, &info);
    const size_t n = (size_t)info.dimensions;
    float *vectors = embedder ? calloc((N + 1) * n, sizeof *vectors) : NULL;
    if (vectors && !infer_embed(embedder, inputs, N + 1, vectors, &err)) {
        printf("%s\n", query);
        print_best(vectors, vectors + N * n, n);
    }
    if (err.code != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);
    free(vectors);
    infer_embedder_close(&embedder);
    infer_model_close(&model);
    infer_context_close(&context);
    return err.code != INFER_OK;
}
