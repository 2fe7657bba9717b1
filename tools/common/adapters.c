/* adapters.c - adapters that options name. */
#include "tools/common/adapters.h"

#include "tools/common/failure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "PATH:SCALE": what follows the last colon, if it is a number; else 1. */
static float split_scale(char *path)
{
    char *colon = strrchr(path, ':'), *end;
    if (!colon || !colon[1])
        return 1;
    const float scale = strtof(colon + 1, &end);
    if (*end || !isfinite(scale))
        return 1;
    *colon = 0;
    return scale;
}

static infer_status open_one(struct open_adapters *a, const char *item, bool control,
                             const infer_adapter_options *options, infer_model *model, infer_error *err)
{
    char *path = strdup(item);
    if (!path)
        return failure(err, INFER_E_NOMEM, "no memory for an adapter's path");
    a->scales[a->n] = split_scale(path);
    a->v[a->n] = infer_adapter_open(model, path, options, err);
    infer_adapter_info info = { .size = sizeof info };
    infer_status status = a->v[a->n] ? INFER_OK : err->code;
    if (a->v[a->n])
        infer_adapter_get_info(a->v[a->n++], &info);
    if (status == INFER_OK && info.control != control)
        status = failure(err, INFER_E_ARGUMENT, "%s: is %s, expected %s: give it with %s", path,
                         control ? "a LoRA adapter" : "a control vector",
                         control ? "a control vector" : "a LoRA adapter", control ? "--lora" : "--control-vector");
    free(path);
    return status;
}

static infer_status read_layers(infer_adapter_options *options, const char *layers, infer_error *err)
{
    char rest;
    if (!layers)
        return INFER_OK;
    if (sscanf(layers, "%d:%d%c", &options->first_layer, &options->last_layer, &rest) == 2 &&
        options->first_layer >= 0 && options->last_layer >= options->first_layer)
        return INFER_OK;
    return failure(err, INFER_E_ARGUMENT, "--control-vector-layers: found \"%s\", expected FIRST:LAST such as 10:20",
                   layers);
}

infer_status adapters_open(struct open_adapters *a, const struct adapter_options *o, infer_model *model,
                           infer_error *err)
{
    infer_adapter_options options = infer_adapter_defaults();
    infer_status status = INFER_OK;
    a->n = 0;
    for (size_t i = 0; i < o->lora.n && status == INFER_OK; i++)
        status = open_one(a, o->lora.item[i], false, NULL, model, err);
    if (status == INFER_OK)
        status = read_layers(&options, o->layers, err);
    for (size_t i = 0; i < o->control.n && status == INFER_OK; i++)
        status = open_one(a, o->control.item[i], true, &options, model, err);
    if (status != INFER_OK)
        adapters_close(a);
    return status;
}

void adapters_close(struct open_adapters *a)
{
    while (a->n)
        infer_adapter_close(&a->v[--a->n]);
}

infer_status adapters_set(const struct adapter_options *o, infer_model *model, infer_session *session, infer_error *err)
{
    struct open_adapters a;
    infer_status status = adapters_open(&a, o, model, err);
    if (status == INFER_OK)
        status = infer_session_set_adapters(session, a.v, a.scales, a.n, err);
    adapters_close(&a);
    return status;
}
