/* message.c - an answer as a message of OpenAI's API. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/chat/message.h"

static struct value object(struct render *r, size_t n, const char *const *keys, const struct value *values)
{
    struct dict *d = dict_new(r, n);
    for (size_t i = 0; i < n; i++)
        dict_set(r, d, value_text(text_of(keys[i])), values[i]);
    return d ? (struct value){ .type = V_DICT, .u.dict = d } : value_none();
}

void message_open(struct message *m, const infer_allocator *a)
{
    *m = (struct message){ .base.a = a };
    render_open(&m->r, &m->base, &default_limits, &m->err);
    m->calls = list_new(&m->r, 0);
}

void message_close(struct message *m)
{
    render_close(&m->r);
}

void message_add(struct message *m, infer_chat_part part, const char *text, size_t length)
{
    struct render *r = &m->r;
    const struct value piece = value_text(render_copy(r, (struct text){ text, length }));
    if (part == INFER_CHAT_CALL) {
        m->name = piece.u.s;
    } else if (part == INFER_CHAT_ARGUMENTS) {
        const struct value function = object(r, 2, (const char *const[]){ "name", "arguments" },
                                             (const struct value[]){ value_text(m->name), piece });
        list_add(r, m->calls, object(r, 2, (const char *const[]){ "type", "function" },
                                     (const struct value[]){ value_text(text_of("function")), function }));
    } else {
        list_add(r, &m->pieces[part], piece);
    }
}

static struct value joined(struct render *r, const struct list *pieces)
{
    const size_t mark = r->n_out;
    for (size_t i = 0; i < pieces->n; i++)
        put_text(r, pieces->items[i].u.s);
    return pieces->n ? put_taken(r, mark) : value_none();
}

infer_status message_write(struct message *m, struct text *json, infer_error *err)
{
    static const struct json_style style = { .comma = { ",", 1 }, .colon = { ":", 1 } };
    static const char *const keys[] = { "role", "content", "reasoning_content", "tool_calls" };
    struct render *r = &m->r;
    r->n_out = 0;
    const struct value values[] = { value_text(text_of("assistant")), joined(r, &m->pieces[INFER_CHAT_CONTENT]),
                                    joined(r, &m->pieces[INFER_CHAT_REASONING]), list_value(m->calls, LIST_PLAIN) };
    struct dict *d = dict_new(r, 4);
    for (size_t i = 0; i < 4; i++)
        if (i < 2 || values[i].type == V_STRING || list_count(values[i]))
            dict_set(r, d, value_text(text_of(keys[i])), values[i]);
    if (d)
        put_json(r, (struct value){ .type = V_DICT, .u.dict = d }, &style, 0);
    *json = r->failed ? (struct text){ NULL, 0 } : (struct text){ r->out, r->n_out };
    return r->failed ? fail(err, m->err.code, "%s", m->err.message) : INFER_OK;
}

/* ---- A whole answer at once ---- */

struct collector {
    struct message message;
    infer_chat_part_fn *on_part;
    void *user;
};

static void collect(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct collector *c = user;
    message_add(&c->message, part, text, length);
    if (c->on_part)
        c->on_part(c->user, part, text, length);
}

infer_status infer_chat_parse(infer_context *context, const infer_chat_parser_options *options, const char *text,
                              size_t length, char *json, size_t max, size_t *needed, infer_error *err)
{
    infer_chat_parser_options o = infer_chat_parser_defaults();
    infer_error own = { INFER_OK, "" };
    struct text written = { NULL, 0 };
    if (!context || !needed || (!json && max))
        return fail(err, INFER_E_ARGUMENT, "a context, and a place for the message and its length are needed");
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    err = err ? err : &own;
    struct collector c = { .on_part = o.on_part, .user = o.user };
    message_open(&c.message, context_allocator(context));
    o.size = sizeof o;
    o.on_part = collect;
    o.user = &c;
    infer_chat_parser *p = infer_chat_parser_open(context, &o, err);
    infer_status status = p ? infer_chat_parser_feed(p, text, length, err) : err->code;
    status = status ? status : infer_chat_parser_end(p, err);
    infer_chat_parser_close(&p);
    status = status ? status : message_write(&c.message, &written, err);
    *needed = written.n;
    if (max && written.n)
        memcpy(json, written.p, written.n < max ? written.n : max);
    message_close(&c.message);
    return status;
}
