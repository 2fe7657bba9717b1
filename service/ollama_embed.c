/* ollama_embed.c - POST /api/embed and /api/embeddings. */
#include "service/ollama.h"
#include "service/own.h"
#include "service/service.h"
#include "service/vectors.h"

#include <stdlib.h>
#include <string.h>

/* Most tokens of a text; 0: err tells why there are none. */
static size_t longest(infer_exchange *x, struct served *model, infer_error *err)
{
    infer_embedder_info info = { .size = sizeof info };
    infer_embedder *const embedder = served_embedder(&x->service->models, model, err);
    if (!embedder)
        return 0;
    infer_embedder_get_info(embedder, &info);
    pthread_mutex_unlock(&model->embedding);
    return (size_t)info.n_ctx;
}

/* A text that is too long becomes its first `most` tokens, the last of them being the one that ends texts, if there is
 * such; `ids` is where these are. False: err tells why not. */
static bool shorten(const struct served *model, infer_input *text, size_t most, struct ids *ids, infer_error *err)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(model->model);
    if (!text->text || inputs_tokens(model, text, 1) <= most)
        return true;
    if (!ids_add_text(ids, tokenizer, text->text, text->length, INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, err))
        return false;
    if (infer_tokenizer_is_control(tokenizer, ids->v[ids->n - 1]))
        ids->v[most - 1] = ids->v[ids->n - 1];
    *text = (infer_input){ .ids = ids->v, .n_ids = most };
    return true;
}

/* The vectors of texts, shortened or not; the caller frees them. */
static float *embed(infer_exchange *x, struct served *model, const struct inputs *in, bool truncate, size_t *dimensions,
                    infer_error *err)
{
    const size_t most = longest(x, model, err);
    struct ids *const ids = calloc(in->n + 1, sizeof *ids);
    bool good = most && ids;
    for (size_t i = 0; i < in->n && truncate && good; i++)
        good = shorten(model, &in->v[i], most, &ids[i], err);
    float *const vectors = good ? vectors_of(x, model, in, dimensions, err) : NULL;
    for (size_t i = 0; ids && i < in->n; i++)
        ids_free(&ids[i]);
    free(ids);
    return vectors;
}

/* What both routes do: fields are checked, and texts become vectors. NULL: that has been answered. */
static float *answer_with(infer_exchange *x, struct asked *a, struct inputs *in, const char *name, size_t *dimensions)
{
    infer_error err = { 0 };
    double keep;
    const bool truncate = field_flag(&a->f, "truncate", true), keeps = ollama_keep_alive(&a->f, &keep);
    field_object(&a->f, "options");
    inputs_read(in, &a->f, name);
    if (fields_fail(&a->f, x))
        return NULL;
    x->n_prompt = inputs_tokens(a->model, in->v, in->n);
    float *const vectors = embed(x, a->model, in, truncate, dimensions, &err);
    if (keeps)
        models_keep(&x->service->models, a->model, keep);
    if (!vectors)
        exchange_fail_by(x, name, &err);
    return vectors;
}

void ollama_embed(infer_exchange *x)
{
    struct asked a;
    struct inputs in = { 0 };
    size_t dimensions = 0;
    if (!asked_open(&a, x))
        return;
    const double loaded = service_seconds() - x->began;
    const size_t wanted = (size_t)field_integer(&a.f, "dimensions", 0, 0, INT32_MAX);
    float *const vectors = answer_with(x, &a, &in, "input", &dimensions);
    json_t *const list = json_array();
    const size_t keep = wanted && wanted < dimensions ? wanted : dimensions;
    for (size_t i = 0; vectors && i < in.n; i++) {
        if (keep < dimensions)
            vector_cut(vectors + i * dimensions, keep);
        json_array_append_new(list, vector_json(vectors + i * dimensions, keep));
    }
    if (vectors)
        exchange_answer_json(x, 200,
                             json_pack("{s:s, s:O, s:o, s:o, s:I}", "model", ollama_name(a.body, a.model), "embeddings",
                                       list, "total_duration", ollama_duration(service_seconds() - x->began),
                                       "load_duration", ollama_duration(loaded), "prompt_eval_count",
                                       (json_int_t)x->n_prompt));
    json_decref(list);
    free(vectors);
    inputs_free(&in);
    asked_close(&a);
}

void ollama_embeddings(infer_exchange *x)
{
    struct asked a;
    struct inputs in = { 0 };
    size_t dimensions = 0;
    if (!asked_open(&a, x))
        return;
    if (!json_is_string(field_any(&a.f, "prompt")))
        field_wrong(&a.f, "prompt", "expected a string, found %s", json_kind(field_any(&a.f, "prompt")));
    float *const vectors = answer_with(x, &a, &in, "prompt", &dimensions);
    if (vectors)
        exchange_answer_json(x, 200, json_pack("{s:o}", "embedding", vector_json(vectors, dimensions)));
    free(vectors);
    inputs_free(&in);
    asked_close(&a);
}
