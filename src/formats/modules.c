/* modules.c - modules.json: what sentence-transformers runs one after another to make a vector of a text. */
#include "src/formats/json.h"

#include <stdio.h>

enum { MAX_EQUAL = 8, MAX_MODULES = 1 << 20, MAX_TYPE = 64 }; /* bytes */

/* The last part of "sentence_transformers.models.Pooling". */
static struct text type_of(const json_t *module)
{
    const json_t *type = json_object_get(module, "type");
    struct text t = { json_string_value(type), json_string_length(type) };
    for (size_t i = t.n; i-- > 0;)
        if (t.p[i] == '.')
            return (struct text){ t.p + i + 1, t.n - i - 1 };
    return t;
}

static infer_status add_module(struct weights *w, const json_t *module, infer_error *err)
{
    const struct text type = type_of(module);
    const json_t *folder = json_object_get(module, "path");
    char key[MAX_TYPE + 16];
    if (!type.n || type.n > MAX_TYPE || !text_is_clean(type) || !json_is_string(folder))
        return fail(err, INFER_E_FORMAT, "a module is no object with a type and a path");
    snprintf(key, sizeof key, "modules.%.*s", (int)type.n, type.p);
    for (int i = 1; i < MAX_EQUAL && weights_meta(w, key); i++)
        snprintf(key, sizeof key, "modules.%.*s.%d", (int)type.n, type.p, i);
    if (weights_meta(w, key))
        return INFER_OK;
    const struct text path = { json_string_value(folder), json_string_length(folder) };
    struct meta m = { .key = text_of(key), .type = META_STRING };
    m.value.s = (struct text){ arena_text(&w->arena, path.p, path.n), path.n };
    return m.value.s.p ? weights_add_meta(w, &m, err) : fail_memory(err, "modules");
}

infer_status modules_parse(struct weights *w, struct text json, infer_error *err)
{
    if (json.n > MAX_MODULES)
        return fail(err, INFER_E_FORMAT, "%zu bytes, expected at most %d", json.n, MAX_MODULES);
    json_t *list = json_read_list(json, err), *module;
    if (!list)
        return err ? err->code : INFER_E_FORMAT;
    infer_status status = INFER_OK;
    size_t i;
    json_array_foreach(list, i, module) if (status == INFER_OK) status = add_module(w, module, err);
    json_decref(list);
    return status;
}
