/* own_text.c - texts and their tokens. */
#include "service/fields.h"
#include "service/own.h"
#include "service/service.h"

#include <stdlib.h>

static json_t *encode(const infer_tokenizer *tokenizer, const char *text, size_t n, unsigned flags, infer_error *err)
{
    int32_t few[512], *ids = few;
    size_t count = 0;
    infer_status status = infer_tokenizer_encode(tokenizer, text, n, flags, few, 512, &count, err);
    if (status == INFER_OK && count > 512) {
        ids = malloc(count * sizeof *ids);
        status = ids ? infer_tokenizer_encode(tokenizer, text, n, flags, ids, count, &count, err) : INFER_E_NOMEM;
    }
    json_t *const list = status == INFER_OK ? json_array() : NULL;
    for (size_t i = 0; list && i < count; i++)
        json_array_append_new(list, json_integer(ids[i]));
    if (ids != few)
        free(ids);
    return list;
}

void tokenize(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    struct fields f = fields_of(body);
    infer_error err = { 0 };
    int status = 0;
    if (!body)
        return;
    const char *const name = field_text(&f, "model", NULL);
    const json_t *const content = field_any(&f, "content");
    const bool special = field_flag(&f, "add_special", false), parse = field_flag(&f, "parse_special", true);
    if (!json_is_string(content))
        field_wrong(&f, "content", "expected a string, found %s", json_kind(content));
    struct served *s = NULL;
    if (!fields_fail(&f, x) && !(s = models_take(&x->service->models, name, &status, &err)))
        exchange_fail(x, status, "model", NULL, "%s", err.message);
    if (s) {
        json_t *const ids = encode(infer_model_tokenizer(s->model), json_string_value(content),
                                   json_string_length(content), (special ? INFER_ADD_SPECIAL : 0) |
                                   (parse ? INFER_PARSE_SPECIAL : 0), &err);
        models_give(&x->service->models, s);
        if (ids)
            exchange_answer_json(x, 200, json_pack("{so}", "tokens", ids));
        else
            exchange_fail_by(x, "content", &err);
    }
    json_decref(body);
}
