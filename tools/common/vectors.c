/* vectors.c - vectors of texts. */
#include "tools/common/vectors.h"

#include "tools/common/failure.h"

#include <stdio.h>
#include <stdlib.h>

infer_status vectors_compute(struct vectors *v, infer_embedder *e, const infer_input *in, size_t n, bool tokens,
                             infer_error *err)
{
    infer_embedder_info info = { .size = sizeof info };
    infer_embedder_get_info(e, &info);
    *v = (struct vectors){ .first = calloc(n + 1, sizeof *v->first),
                           .dims = (size_t)(tokens ? info.token_dimensions : info.dimensions) };
    if (!v->first)
        return failure(err, INFER_E_NOMEM, "no memory for the vectors of %zu texts", n);
    for (size_t i = 0; i <= n; i++)
        v->first[i] = i;
    infer_status status = tokens ? infer_embed_tokens(e, in, n, NULL, 0, v->first, err) : INFER_OK;
    if (status != INFER_OK)
        return status;
    v->v = calloc(v->first[n] + 1, v->dims * sizeof *v->v);
    if (!v->v)
        return failure(err, INFER_E_NOMEM, "no memory for %zu vectors", v->first[n]);
    return tokens ? infer_embed_tokens(e, in, n, v->v, v->first[n], v->first, err) : infer_embed(e, in, n, v->v, err);
}

void vectors_free(struct vectors *v)
{
    free(v->v);
    free(v->first);
}

static void print_one(const float *v, size_t n, const char *between)
{
    for (size_t i = 0; i < n; i++)
        printf("%s%.9g", i ? between : "", (double)v[i]);
}

void vectors_print(const struct vectors *all, size_t text, size_t index, bool tokens, bool plain)
{
    const float *v = all->v + all->first[text] * all->dims;
    const size_t n = all->first[text + 1] - all->first[text];
    if (!plain)
        printf("{\"index\":%zu,\"embedding%s\":[", index, tokens ? "s" : "");
    for (size_t i = 0; i < n; i++, v += all->dims) {
        if (!plain && tokens)
            printf("%s[", i ? "," : "");
        print_one(v, all->dims, plain ? " " : ",");
        printf("%s", plain ? "\n" : tokens ? "]" : "");
    }
    if (!plain || tokens)
        printf("%s\n", plain ? "" : "]}");
}
