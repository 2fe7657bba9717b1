/* chat.c - chat templates of the public API. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/chat/chat.h"
#include "src/chat/template.h"

#include <time.h>

infer_chat_template *infer_chat_template_open(infer_context *context, const char *source, size_t length,
                                              infer_error *err)
{
    if (!context || !source)
        return fail_null(err, INFER_E_ARGUMENT, "a context and a source are needed to open a chat template");
    infer_chat_template *t = template_compile(context_allocator(context), (struct text){ source, length }, err);
    if (t)
        t->context = context_retain(context);
    return t;
}

void infer_chat_template_close(infer_chat_template **chat)
{
    if (!chat || !*chat)
        return;
    infer_context *context = (*chat)->context;
    template_free(chat);
    infer_context_close(&context); /* the allocator is the context's */
}

/* ---- Built-in templates ---- */

const char *infer_chat_template_builtin(const char *name)
{
    for (size_t i = 0; name && i < n_chat_builtins; i++)
        if (!strcmp(chat_builtins[i].name, name))
            return chat_builtins[i].source;
    return NULL;
}

const char *infer_chat_template_name(size_t index)
{
    return index < n_chat_builtins ? chat_builtins[index].name : NULL;
}

/* ---- Rendering ---- */

static void set_token(struct render *r, const char *name, const infer_tokenizer *t, int32_t id)
{
    size_t n;
    const char *text = infer_tokenizer_token(t, id, &n);
    if (text)
        render_set(r, name, value_text((struct text){ text, n }));
}

static void set_variables(struct render *r, const char *json)
{
    const struct value all = value_parse_json(r, text_of(json), "variables");
    if (all.type != V_DICT && !r->failed)
        render_fail(r, INFER_E_ARGUMENT, "variables: expected an object, found '%s'", value_type_name(all));
    for (size_t i = 0; !r->failed && i < all.u.dict->n; i++) {
        uint32_t symbol;
        if (table_find(&r->t->symbols, all.u.dict->items[i].key.u.s, &symbol))
            scope_set(r, r->scope, symbol, all.u.dict->items[i].value);
    }
}

static void set_all(struct render *r, const char *messages, size_t n, const infer_chat_options *o)
{
    if (messages) {
        const struct value list = value_parse_json(r, (struct text){ messages, n }, "messages");
        if (list.type != V_LIST)
            render_fail(r, INFER_E_ARGUMENT, "messages: expected an array, found '%s'", value_type_name(list));
        render_set(r, "messages", list);
        render_set(r, "tools", o->tools ? value_parse_json(r, text_of(o->tools), "tools") : value_none());
        render_set(r, "documents", value_none());
        render_set(r, "add_generation_prompt", value_bool(!o->no_generation_prompt));
    }
    if (o->tokenizer) {
        set_token(r, "bos_token", o->tokenizer, infer_tokenizer_bos(o->tokenizer));
        set_token(r, "eos_token", o->tokenizer, infer_tokenizer_eos(o->tokenizer));
    }
    if (o->variables)
        set_variables(r, o->variables);
}

infer_status infer_chat_render(const infer_chat_template *chat, const char *messages, size_t n,
                               const infer_chat_options *options, char *text, size_t max, size_t *length,
                               infer_error *err)
{
    infer_chat_options o = infer_chat_defaults();
    infer_error ignored;
    struct render r;
    if (!chat || !length || (!text && max))
        return fail(err, INFER_E_ARGUMENT, "a template, and a place for the text and its length are needed");
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    render_open(&r, chat, &default_limits, err ? err : &ignored);
    r.now = o.now ? o.now : (int64_t)time(NULL);
    set_all(&r, messages, n, &o);
    const infer_status status = r.failed ? r.err->code : render_run(&r);
    *length = status ? 0 : r.n_out;
    if (!status && max)
        memcpy(text, r.out ? r.out : "", r.n_out < max ? r.n_out : max);
    render_close(&r);
    return status;
}
