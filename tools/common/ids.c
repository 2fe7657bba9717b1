/* ids.c - token ids as a JSON list. "1,2,3" is one too, once it stands in brackets. */
#include "tools/common/ids.h"

#include "tools/common/failure.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *parse(const char *source, json_error_t *why)
{
    if (!strcmp(source, "-"))
        return json_loadf(stdin, 0, why);
    if (source[strspn(source, "0123456789, ")])
        return json_load_file(source, 0, why);
    const size_t n = strlen(source);
    char *list = malloc(n + 3);
    if (!list)
        return NULL;
    snprintf(list, n + 3, "[%s]", source);
    json_t *json = json_loads(list, 0, why);
    free(list);
    return json;
}

static infer_status convert(struct ids *ids, const json_t *json, const char *source, infer_error *err)
{
    size_t i;
    json_t *id;
    if (!json_is_array(json))
        return failure(err, INFER_E_FORMAT, "%s: expected a list of token ids", source);
    ids->n = json_array_size(json);
    ids->v = malloc((ids->n ? ids->n : 1) * sizeof *ids->v);
    if (!ids->v)
        return failure(err, INFER_E_NOMEM, "%s: no memory for %zu token ids", source, ids->n);
    json_array_foreach(json, i, id) {
        const json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT32_MAX)
            return failure(err, INFER_E_FORMAT, "%s: element %zu of the list is no token id", source, i);
        ids->v[i] = (int32_t)value;
    }
    return INFER_OK;
}

infer_status ids_read(struct ids *ids, const char *source, infer_error *err)
{
    json_error_t why = { .text = "no memory" };
    *ids = (struct ids){ NULL, 0 };
    json_t *json = parse(source, &why);
    if (!json)
        return failure(err, INFER_E_FORMAT, "%s: expected a list of token ids: %s", source, why.text);
    const infer_status status = convert(ids, json, source, err);
    json_decref(json);
    if (status != INFER_OK) {
        free(ids->v);
        ids->v = NULL;
    }
    return status;
}

infer_status ids_write(const int32_t *ids, size_t n, const char *path, infer_error *err)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "w") : stdout;
    if (!f)
        return failure(err, INFER_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    fputc('[', f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%d", i ? ", " : "", ids[i]);
    fputs("]\n", f);
    const int failed = ferror(f) | (f == stdout ? fflush(f) : fclose(f));
    return failed ? failure(err, INFER_E_IO, "%s: cannot be written: %s", path, strerror(errno)) : INFER_OK;
}
