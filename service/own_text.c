/* own_text.c - texts, their tokens, and conversations as the model has them written. */
#include "service/conversation.h"
#include "service/own.h"
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

bool asked_open(struct asked *a, infer_exchange *x)
{
    infer_error err = { 0 };
    int status = 500;
    *a = (struct asked){ .body = exchange_json(x) };
    if (!a->body)
        return false;
    a->f = fields_of(a->body);
    const char *const name = field_text(&a->f, "model", NULL);
    if (!a->f.param && x->hurried && !models_ready(&x->service->models, name))
        x->later = true;
    else if (!fields_fail(&a->f, x) && !(a->model = models_take(&x->service->models, name, &status, &err)))
        exchange_fail(x, status, "model", status == 404 ? "model_not_found" : NULL, "%s", err.message);
    x->held = a->model;
    if (a->model)
        x->model = strdup(a->model->id);
    else
        asked_close(a);
    return a->model;
}

void asked_close(struct asked *a)
{
    json_decref(a->body);
}

/* ---- Tokens ---- */

enum { FEW = 512 };

static infer_status encode(const infer_tokenizer *tokenizer, const json_t *text, unsigned flags, int32_t few[FEW],
                           int32_t **ids, size_t *n, infer_error *err)
{
    const char *const bytes = json_string_value(text);
    const size_t length = json_string_length(text);
    infer_status status = infer_tokenizer_encode(tokenizer, bytes, length, flags, few, FEW, n, err);
    *ids = few;
    if (status != INFER_OK || *n <= FEW)
        return status;
    *ids = malloc(*n * sizeof **ids);
    return *ids ? infer_tokenizer_encode(tokenizer, bytes, length, flags, *ids, *n, n, err) : INFER_E_NOMEM;
}

/* {"id", "piece"}: the piece is text, or an array of bytes where these are no whole characters. */
static json_t *token_piece(const infer_tokenizer *tokenizer, int32_t id)
{
    char bytes[FEW];
    size_t n = 0;
    infer_tokenizer_decode(tokenizer, &id, 1, INFER_UNPARSE_SPECIAL, bytes, sizeof bytes, &n, NULL);
    n = n < sizeof bytes ? n : sizeof bytes;
    json_t *piece = json_stringn(bytes, n);
    if (!piece) {
        piece = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(piece, json_integer((unsigned char)bytes[i]));
    }
    return json_pack("{s:i, s:o}", "id", (int)id, "piece", piece);
}

void tokenize(infer_exchange *x)
{
    struct asked a;
    infer_error err = { 0 };
    int32_t few[FEW], *ids = few;
    size_t n = 0;
    if (!asked_open(&a, x))
        return;
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(a.model->model);
    const json_t *const content = field_any(&a.f, "content");
    const unsigned flags = (field_flag(&a.f, "add_special", false) ? INFER_ADD_SPECIAL : 0) |
                           (field_flag(&a.f, "parse_special", true) ? INFER_PARSE_SPECIAL : 0);
    const bool pieces = field_flag(&a.f, "with_pieces", false);
    if (!json_is_string(content))
        field_wrong(&a.f, "content", "expected a string, found %s", json_kind(content));
    if (fields_fail(&a.f, x)) {
        asked_close(&a);
        return;
    }
    const infer_status status = encode(tokenizer, content, flags, few, &ids, &n, &err);
    json_t *const list = json_array();
    for (size_t i = 0; status == INFER_OK && i < n; i++)
        json_array_append_new(list, pieces ? token_piece(tokenizer, ids[i]) : json_integer(ids[i]));
    if (ids != few)
        free(ids);
    asked_close(&a);
    json_t *const answer = json_pack("{s:o}", "tokens", list);
    if (status == INFER_OK)
        exchange_answer_json(x, 200, answer);
    else
        exchange_fail_by(x, "content", &err), json_decref(answer);
}

/* Ids from an array, which the caller frees. NULL: f tells what is wrong. */
static int32_t *read_ids(struct fields *f, const char *name, size_t *n)
{
    const json_t *const list = field_array(f, name);
    *n = json_array_size(list);
    int32_t *const ids = calloc(*n + 1, sizeof *ids);
    if (!list)
        field_wrong(f, name, "expected an array of ids, found none");
    for (size_t i = 0; ids && i < *n; i++) {
        const json_t *const id = json_array_get(list, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            field_wrong(f, name, "expected ids, whole numbers from 0 on, found %s at %zu", json_kind(id), i);
        else
            ids[i] = (int32_t)json_integer_value(id);
    }
    return ids;
}

void detokenize(infer_exchange *x)
{
    struct asked a;
    infer_error err = { 0 };
    size_t n = 0, length = 0;
    char *text = NULL;
    if (!asked_open(&a, x))
        return;
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(a.model->model);
    int32_t *const ids = read_ids(&a.f, "tokens", &n);
    const unsigned flags = INFER_UNPARSE_SPECIAL;
    if (fields_fail(&a.f, x)) {
        free(ids);
        asked_close(&a);
        return;
    }
    infer_status status = ids ? infer_tokenizer_decode(tokenizer, ids, n, flags, NULL, 0, &length, &err)
                              : INFER_E_NOMEM;
    if (status == INFER_OK && (text = malloc(length + 1)))
        status = infer_tokenizer_decode(tokenizer, ids, n, flags, text, length, &length, &err);
    json_t *const content = text ? json_stringn(text, length) : NULL;
    asked_close(&a);
    if (status != INFER_OK)
        exchange_fail_by(x, "tokens", &err);
    else
        exchange_answer_json(x, 200, json_pack("{s:o}", "content", content ? content : json_string("\xef\xbf\xbd")));
    free(text);
    free(ids);
}

/* ---- Conversations ---- */

char *render_messages(const struct served *model, infer_context *context, const json_t *messages,
                      const struct fields *how, infer_error *err)
{
    infer_chat_options o = infer_chat_defaults();
    const struct fields none = { 0 };
    how = how ? how : &none;
    o.tokenizer = infer_model_tokenizer(model->model);
    const char *source = o.tokenizer ? infer_tokenizer_chat_template(o.tokenizer) : NULL;
    source = source ? source : infer_chat_template_builtin("chatml");
    infer_chat_template *chat = infer_chat_template_open(context, source, strlen(source), err);
    const json_t *const generate = field_any(how, "add_generation_prompt");
    json_t *const tools = field_any(how, "tools"), *const variables = field_any(how, "chat_template_kwargs");
    char *const t = tools ? json_dumps(tools, JSON_COMPACT) : NULL;
    char *const v = variables ? json_dumps(variables, JSON_COMPACT) : NULL;
    char *const m = json_dumps(messages, JSON_COMPACT), *text = NULL;
    size_t n = 0;
    o.tools = t;
    o.variables = v;
    o.no_generation_prompt = json_is_false(generate) || !how->object;
    if (chat && m && infer_chat_render(chat, m, strlen(m), &o, NULL, 0, &n, err) == INFER_OK && (text = malloc(n + 1)))
        text[infer_chat_render(chat, m, strlen(m), &o, text, n, &n, err) == INFER_OK ? n : 0] = '\0';
    free(t);
    free(v);
    free(m);
    infer_chat_template_close(&chat);
    return text;
}

void apply_template(infer_exchange *x)
{
    struct asked a;
    infer_error err = { 0 };
    if (!asked_open(&a, x))
        return;
    json_t *const messages = conversation_messages(&a.f, "messages", field_any(&a.f, "messages"));
    field_array(&a.f, "tools");
    field_object(&a.f, "chat_template_kwargs");
    field_flag(&a.f, "add_generation_prompt", true);
    if (!fields_fail(&a.f, x)) {
        char *const prompt = render_messages(a.model, x->service->context, messages, &a.f, &err);
        if (prompt)
            exchange_answer_json(x, 200, json_pack("{s:s}", "prompt", prompt));
        else
            exchange_fail_by(x, "messages", &err);
        free(prompt);
    }
    json_decref(messages);
    asked_close(&a);
}
