/* vectors.c - POST /v1/embeddings and /v1/rerank */
#include "service/own.h"
#include "service/service.h"
#include "service/vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 32 }; /* texts between two looks whether the client is still there */

void inputs_free(struct inputs *in)
{
    free(in->v);
    free(in->ids);
}

static size_t count_ids(const json_t *list)
{
    size_t n = 0, i;
    json_t *one;
    json_array_foreach(list, i, one)
        n += json_is_array(one) ? json_array_size(one) : 1;
    return n;
}

/* An array of ids, behind those that are there already. */
static void add_ids(struct inputs *in, struct fields *f, const char *name, const json_t *list)
{
    infer_input *const to = &in->v[in->n++];
    size_t i;
    json_t *id;
    to->ids = in->ids + in->n_ids;
    json_array_foreach(list, i, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            field_wrong(f, name, "expected ids, whole numbers from 0 on, found %s at %zu", json_kind(id), i);
        else
            in->ids[in->n_ids++] = (int32_t)json_integer_value(id);
    }
    to->n_ids = (size_t)(in->ids + in->n_ids - to->ids);
}

static void add_text(struct inputs *in, struct fields *f, const char *name, const json_t *text)
{
    const json_t *const inner = json_is_object(text) ? json_object_get(text, "text") : text;
    if (!json_is_string(inner))
        field_wrong(f, name, "expected strings, found %s", json_kind(inner));
    else
        in->v[in->n++] = (infer_input){ .text = json_string_value(inner), .length = json_string_length(inner) };
}

void inputs_read(struct inputs *in, struct fields *f, const char *name)
{
    const json_t *const value = field_any(f, name), *const first = json_array_get(value, 0);
    const bool list = json_is_array(value);
    const size_t n = list ? json_array_size(value) : 1;
    in->v = calloc(n + 1, sizeof *in->v);
    in->ids = calloc(count_ids(value) + 1, sizeof *in->ids);
    if (!in->v || !in->ids)
        field_wrong(f, name, "no memory for %zu texts", n);
    else if (!value || (list && !n))
        field_wrong(f, name, "expected a string or an array of strings, found none");
    else if (!list)
        add_text(in, f, name, value);
    else if (json_is_integer(first))
        add_ids(in, f, name, value);
    else
        for (size_t i = 0; i < n && !f->param; i++)
            (json_is_array(json_array_get(value, i)) ? add_ids : add_text)(in, f, name, json_array_get(value, i));
}

size_t inputs_tokens(const struct served *model, const infer_input *in, size_t n)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(model->model);
    size_t all = 0;
    for (size_t i = 0; i < n; i++) {
        size_t some = in[i].n_ids;
        if (in[i].text)
            infer_tokenizer_encode(tokenizer, in[i].text, in[i].length, INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, NULL,
                                   0, &some, NULL);
        all += some;
    }
    return all;
}

/* ---- Embeddings ---- */

void vector_cut(float *vector, size_t keep)
{
    double sum = 0;
    for (size_t i = 0; i < keep; i++)
        sum += (double)vector[i] * vector[i];
    for (size_t i = 0; i < keep && sum > 0; i++)
        vector[i] = (float)(vector[i] / sqrt(sum));
}

/* Little-endian floats, as all machines that this runs on have them. */
static json_t *base64(const float *vector, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *const bytes = (const unsigned char *)vector;
    const size_t size = n * sizeof *vector;
    char *const text = malloc((size + 2) / 3 * 4 + 1), *to = text;
    for (size_t i = 0; text && i < size; i += 3) {
        const size_t left = size - i;
        const unsigned v = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                           (left > 2 ? bytes[i + 2] : 0);
        *to++ = letters[v >> 18];
        *to++ = letters[v >> 12 & 63];
        *to++ = left > 1 ? letters[v >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[v & 63] : '=';
    }
    json_t *const json = text ? json_stringn(text, (size_t)(to - text)) : NULL;
    free(text);
    return json;
}

json_t *vector_json(const float *vector, size_t n)
{
    json_t *const list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(vector[i]));
    return list;
}

float *vectors_of(infer_exchange *x, struct served *model, const struct inputs *in, size_t *dimensions,
                  infer_error *err)
{
    infer_embedder_info info = { .size = sizeof info };
    infer_embedder *const embedder = served_embedder(&x->service->models, model, err);
    if (!embedder)
        return NULL;
    infer_embedder_get_info(embedder, &info);
    *dimensions = (size_t)info.dimensions;
    float *out = in->n < SIZE_MAX / sizeof *out / (*dimensions + 1) ? calloc(in->n, *dimensions * sizeof *out) : NULL;
    infer_status status = out ? INFER_OK : INFER_E_NOMEM;
    for (size_t i = 0; i < in->n && status == INFER_OK; i += AT_ONCE) {
        const size_t n = in->n - i < AT_ONCE ? in->n - i : AT_ONCE;
        status = exchange_cancelled(x) ? INFER_E_CANCELLED
                                       : infer_embed(embedder, in->v + i, n, out + i * *dimensions, err);
    }
    pthread_mutex_unlock(&model->embedding);
    if (status == INFER_OK)
        return out;
    err->code = status;
    free(out);
    return NULL;
}

static json_t *embedding_list(float *vectors, size_t n, size_t dimensions, size_t keep, bool coded)
{
    json_t *const data = json_array();
    for (size_t i = 0; i < n; i++) {
        float *const v = vectors + i * dimensions;
        if (keep < dimensions)
            vector_cut(v, keep);
        json_array_append_new(data, json_pack("{s:s, s:I, s:o}", "object", "embedding", "index", (json_int_t)i,
                                              "embedding", coded ? base64(v, keep) : vector_json(v, keep)));
    }
    return data;
}

void embeddings(infer_exchange *x)
{
    struct asked a;
    struct inputs in = { 0 };
    infer_error err = { 0 };
    size_t dimensions = 0;
    if (!asked_open(&a, x))
        return;
    const char *const format = field_text(&a.f, "encoding_format", "float");
    const size_t wanted = (size_t)field_integer(&a.f, "dimensions", 0, 1, INT32_MAX);
    inputs_read(&in, &a.f, "input");
    if (strcmp(format, "float") && strcmp(format, "base64"))
        field_wrong(&a.f, "encoding_format", "expected \"float\" or \"base64\", found \"%s\"", format);
    float *const vectors = fields_fail(&a.f, x) ? NULL : vectors_of(x, a.model, &in, &dimensions, &err);
    if (vectors && wanted > dimensions) {
        exchange_fail(x, 400, "dimensions", "invalid_value", "dimensions: the model's vectors have %zu, not %zu",
                      dimensions, wanted);
    } else if (vectors) {
        const json_int_t tokens = (json_int_t)(x->n_prompt = inputs_tokens(a.model, in.v, in.n));
        exchange_answer_json(x, 200,
                             json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data",
                                       embedding_list(vectors, in.n, dimensions, wanted ? wanted : dimensions,
                                                      !strcmp(format, "base64")),
                                       "model", a.model->id, "usage", "prompt_tokens", tokens, "total_tokens", tokens));
    } else if (!a.f.param) {
        exchange_fail_by(x, "input", &err);
    }
    free(vectors);
    inputs_free(&in);
    asked_close(&a);
}

/* ---- Reranking ---- */

struct ranked {
    size_t index;
    float score;
};

static int best_first(const void *a, const void *b)
{
    const struct ranked *const p = a, *const q = b;
    return p->score != q->score ? (p->score < q->score) - (p->score > q->score)
                                : (p->index > q->index) - (p->index < q->index);
}

/* Scores of all documents, best first; the caller frees them. */
static struct ranked *rank(infer_exchange *x, struct served *model, const infer_input *query, const struct inputs *in,
                           infer_error *err)
{
    infer_embedder *const embedder = served_embedder(&x->service->models, model, err);
    if (!embedder)
        return NULL;
    struct ranked *const all = calloc(in->n + 1, sizeof *all);
    infer_status status = all ? INFER_OK : INFER_E_NOMEM;
    for (size_t i = 0; i < in->n && status == INFER_OK; i += AT_ONCE) {
        const size_t n = in->n - i < AT_ONCE ? in->n - i : AT_ONCE;
        float scores[AT_ONCE];
        status = exchange_cancelled(x) ? INFER_E_CANCELLED : infer_rerank(embedder, query, in->v + i, n, scores, err);
        for (size_t k = 0; k < n && status == INFER_OK; k++)
            all[i + k] = (struct ranked){ i + k, scores[k] };
    }
    pthread_mutex_unlock(&model->embedding);
    if (status == INFER_OK) {
        qsort(all, in->n, sizeof *all, best_first);
        return all;
    }
    err->code = status;
    free(all);
    return NULL;
}

static json_t *ranked_list(const struct ranked *all, size_t n, const struct inputs *in, bool raw, bool texts)
{
    json_t *const list = json_array();
    for (size_t i = 0; i < n; i++) {
        const double score = all[i].score;
        json_t *const one = json_pack("{s:I, s:f}", "index", (json_int_t)all[i].index, "relevance_score",
                                      raw ? score : 1 / (1 + exp(-score)));
        if (texts)
            json_object_set_new(one, "document", json_pack("{s:s%}", "text", in->v[all[i].index].text,
                                                           in->v[all[i].index].length));
        json_array_append_new(list, one);
    }
    return list;
}

void rerank(infer_exchange *x)
{
    struct asked a;
    struct inputs in = { 0 };
    infer_error err = { 0 };
    if (!asked_open(&a, x))
        return;
    const json_t *const query = field_any(&a.f, "query");
    const bool raw = field_flag(&a.f, "raw_scores", false), texts = field_flag(&a.f, "return_documents", false);
    const size_t top = (size_t)field_integer(&a.f, "top_n", INT32_MAX, 1, INT32_MAX);
    if (!json_is_string(query))
        field_wrong(&a.f, "query", "expected a string, found %s", json_kind(query));
    inputs_read(&in, &a.f, "documents");
    if (in.n_ids || !json_is_array(field_any(&a.f, "documents")))
        field_wrong(&a.f, "documents", "expected an array of strings");
    const infer_input q = { .text = json_string_value(query), .length = json_string_length(query) };
    struct ranked *const all = fields_fail(&a.f, x) ? NULL : rank(x, a.model, &q, &in, &err);
    if (all) {
        const json_int_t tokens = (json_int_t)(x->n_prompt = inputs_tokens(a.model, in.v, in.n) +
                                               in.n * inputs_tokens(a.model, &q, 1));
        exchange_answer_json(x, 200,
                             json_pack("{s:s, s:s, s:o, s:{s:I, s:I}}", "object", "list", "model", a.model->id,
                                       "results", ranked_list(all, in.n < top ? in.n : top, &in, raw, texts), "usage",
                                       "prompt_tokens", tokens, "total_tokens", tokens));
    } else if (!a.f.param) {
        exchange_fail_by(x, "model", &err);
    }
    free(all);
    inputs_free(&in);
    asked_close(&a);
}
