/* inspect.c - a model that is only looked at. */
#include "tools/common/inspect.h"

#include "tools/common/failure.h"

#include <stdlib.h>

bool inspect_tensor(const infer_model *model, size_t i, infer_tensor_info *t)
{
    t->size = sizeof *t;
    return infer_model_tensor(model, i, t);
}

static bool has_tensors(const infer_model *model)
{
    infer_tensor_info first;
    return inspect_tensor(model, 0, &first);
}

/* Weights that have yet to be made of another form: no session is opened then. */
static bool is_unmade(const infer_model *model)
{
    infer_tensor_info t;
    infer_model_info info = { .size = sizeof info };
    bool unmade = false;
    for (size_t i = 0; !unmade && inspect_tensor(model, i, &t); i++)
        unmade = t.made_of != NULL;
    infer_model_get_info(model, &info);
    return unmade && info.runnable;
}

static infer_model *open_model(infer_context *context, const char *path, infer_error *load, infer_error *err)
{
    infer_model_options options = infer_model_defaults();
    options.inspect = true;
    if (!path)
        return infer_model_open_default(context, NULL, err);
    infer_model *model = infer_model_open(context, path, &options, err);
    if (!model || is_unmade(model))
        return model;
    infer_model_close(&model);
    model = infer_model_open(context, path, NULL, load);
    if (model)
        return model;
    model = infer_model_open(context, path, &options, err);
    if (model && !has_tensors(model)) {
        failure(load, INFER_E_UNKNOWN, "%s: holds no tensors", path);
    } else if (model && load->code != INFER_E_UNKNOWN) {
        *err = *load;
        infer_model_close(&model);
    }
    return model;
}

/* A session takes memory for its cache only as it fills up, so what a new one has is the rest. */
static infer_status measure_session(struct inspected *in, infer_error *err)
{
    if (!in->info.runnable || in->unmade)
        return INFER_OK;
    infer_session *session = infer_session_open(in->model, NULL, err);
    if (!session)
        return err->code;
    in->n_ctx = infer_session_capacity(session);
    in->work = infer_session_bytes(session);
    infer_session_close(&session);
    return INFER_OK;
}

infer_status inspect_open(struct inspected *in, infer_context *context, const char *path, infer_error *err)
{
    *in = (struct inspected){ .info.size = sizeof in->info };
    in->model = open_model(context, path, &in->load, err);
    if (!in->model)
        return err->code;
    in->tokenizer = infer_model_tokenizer(in->model);
    in->unmade = is_unmade(in->model);
    infer_model_get_info(in->model, &in->info);
    return measure_session(in, err);
}

void inspect_close(struct inspected *in)
{
    infer_model_close(&in->model);
}

char *inspect_metadata(const infer_model *model, size_t i, bool brief, const char **key)
{
    size_t n;
    if (!infer_model_metadata(model, i, brief, key, NULL, 0, &n))
        return NULL;
    char *value = malloc(n + 1);
    if (value)
        infer_model_metadata(model, i, brief, key, value, n + 1, &n);
    return value;
}

char *inspect_text(const infer_model *model, const char *key)
{
    const char *found;
    size_t n, i = 0;
    while (infer_model_metadata(model, i, true, &found, NULL, 0, &n) && strcmp(found, key) != 0)
        i++;
    char *json = inspect_metadata(model, i, false, &found), *text = NULL;
    json_t *value = json ? json_of_value(json) : NULL;
    if (json_is_string(value))
        text = strdup(json_string_value(value));
    json_decref(value);
    free(json);
    return text;
}

json_t *json_of_text(const char *text)
{
    json_t *json = json_string(text);
    if (json)
        return json;
    const size_t n = strlen(text);
    char *clean = malloc(3 * n + 1), *at = clean;
    for (size_t i = 0; clean && i < n;) {
        size_t whole = n - i < 4 ? n - i : 4;
        while (whole && !(json = json_stringn(text + i, whole)))
            whole--;
        json_decref(json);
        memcpy(at, whole ? text + i : "\xef\xbf\xbd", whole ? whole : 3);
        at += whole ? whole : 3;
        i += whole ? whole : 1;
    }
    json = clean ? json_stringn(clean, (size_t)(at - clean)) : NULL;
    free(clean);
    return json;
}

json_t *json_of_value(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return json ? json : json_of_text(text);
}

void json_join(json_t *json, json_t *part)
{
    json_object_update(json, part);
    json_decref(part);
}

