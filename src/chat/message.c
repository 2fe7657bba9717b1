/* message.c - a whole answer as a message of OpenAI's API. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/chat/answer.h"

/* Parts as they come. Values live in the rendering's arena, pieces of text are joined there. */
struct collector {
    struct render r;
    struct infer_chat_template base;
    struct list pieces[2]; /* of content, of reasoning */
    struct list *calls;
    struct text name;
    infer_chat_part_fn *on_part;
    void *user;
};

static struct value object(struct render *r, size_t n, const char *const *keys, const struct value *values)
{
    struct dict *d = dict_new(r, n);
    for (size_t i = 0; i < n; i++)
        dict_set(r, d, value_text(text_of(keys[i])), values[i]);
    return d ? (struct value){ .type = V_DICT, .u.dict = d } : value_none();
}

static void collect(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct collector *c = user;
    struct render *r = &c->r;
    const struct value piece = value_text(render_copy(r, (struct text){ text, length }));
    if (part == INFER_CHAT_CALL) {
        c->name = piece.u.s;
    } else if (part == INFER_CHAT_ARGUMENTS) {
        const struct value function = object(r, 2, (const char *const[]){ "name", "arguments" },
                                             (const struct value[]){ value_text(c->name), piece });
        list_add(r, c->calls, object(r, 2, (const char *const[]){ "type", "function" },
                                     (const struct value[]){ value_text(text_of("function")), function }));
    } else {
        list_add(r, &c->pieces[part], piece);
    }
    if (c->on_part)
        c->on_part(c->user, part, text, length);
}

static struct value joined(struct render *r, const struct list *pieces)
{
    const size_t mark = r->n_out;
    for (size_t i = 0; i < pieces->n; i++)
        put_text(r, pieces->items[i].u.s);
    return pieces->n ? put_taken(r, mark) : value_none();
}

static void put_message(struct collector *c)
{
    static const struct json_style style = { .comma = { ",", 1 }, .colon = { ":", 1 } };
    static const char *const keys[] = { "role", "content", "reasoning_content", "tool_calls" };
    struct render *r = &c->r;
    const struct value values[] = { value_text(text_of("assistant")), joined(r, &c->pieces[INFER_CHAT_CONTENT]),
                                    joined(r, &c->pieces[INFER_CHAT_REASONING]), list_value(c->calls, LIST_PLAIN) };
    struct dict *d = dict_new(r, 4);
    for (size_t i = 0; i < 4; i++)
        if (i < 2 || values[i].type == V_STRING || list_count(values[i]))
            dict_set(r, d, value_text(text_of(keys[i])), values[i]);
    if (d)
        put_json(r, (struct value){ .type = V_DICT, .u.dict = d }, &style, 0);
}

infer_status infer_chat_parse(infer_context *context, const infer_chat_parser_options *options, const char *text,
                              size_t length, char *json, size_t max, size_t *needed, infer_error *err)
{
    infer_chat_parser_options o = infer_chat_parser_defaults();
    infer_error own = { 0 };
    if (!context || !needed || (!json && max))
        return fail(err, INFER_E_ARGUMENT, "a context, and a place for the message and its length are needed");
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    err = err ? err : &own;
    struct collector c = { .on_part = o.on_part, .user = o.user };
    c.base.a = context_allocator(context);
    render_open(&c.r, &c.base, &default_limits, err);
    c.calls = list_new(&c.r, 0);
    o.size = sizeof o;
    o.on_part = collect;
    o.user = &c;
    infer_chat_parser *p = infer_chat_parser_open(context, &o, err);
    infer_status status = p ? infer_chat_parser_feed(p, text, length, err) : err->code;
    status = status ? status : infer_chat_parser_end(p, err);
    infer_chat_parser_close(&p);
    if (!status)
        put_message(&c);
    status = c.r.failed ? err->code : status;
    *needed = status ? 0 : c.r.n_out;
    if (!status && max && c.r.n_out)
        memcpy(json, c.r.out, c.r.n_out < max ? c.r.n_out : max);
    render_close(&c.r);
    return status;
}
