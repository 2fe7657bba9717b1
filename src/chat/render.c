/* render.c - one rendering: its limits, its memory, its variables. */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <stdarg.h>
#include <stdio.h>

/* A conversation of a megabyte is far below these; a template that means harm is through in a second or two. */
const struct limits default_limits = { .steps = 50u << 20, .bytes = 256u << 20, .output = 64u << 20, .depth = 600 };

void render_open(struct render *r, const infer_chat_template *t, const struct limits *limits, infer_error *err)
{
    *r = (struct render){ .t = t, .limits = limits, .err = err, .line = 1 };
    arena_init(&r->arena, t->a);
    r->scope = scope_new(r, NULL);
}

void render_close(struct render *r)
{
    mem_free(r->t->a, r->out);
    arena_free(&r->arena);
}

infer_status render_run(struct render *r)
{
    infer_error ignored;
    r->err = r->err ? r->err : &ignored;
    execute_body(r, r->t->body);
    return r->failed ? r->err->code : INFER_OK;
}

void render_set(struct render *r, const char *name, struct value v)
{
    uint32_t symbol;
    if (table_find(&r->t->symbols, text_of(name), &symbol))
        scope_set(r, r->scope, symbol, v);
}

struct value render_fail(struct render *r, infer_status status, const char *format, ...)
{
    if (!r->failed) {
        char what[400];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        fail(r->err, status, "template line %u: %s", r->line, what);
    }
    r->failed = true;
    return value_undefined((struct text){ "", 0 });
}

bool render_charge(struct render *r, size_t n)
{
    if (r->failed)
        return false;
    if (n > r->limits->steps - r->steps) {
        render_fail(r, INFER_E_FORMAT, "more than %llu steps", (unsigned long long)r->limits->steps);
        return false;
    }
    r->steps += n;
    return true;
}

bool render_enter(struct render *r)
{
    if (!render_charge(r, 1))
        return false;
    if (r->depth >= r->limits->depth) {
        render_fail(r, INFER_E_FORMAT, "nested deeper than %u", r->limits->depth);
        return false;
    }
    r->depth++;
    return true;
}

void *render_new(struct render *r, size_t count, size_t size)
{
    size_t bytes;
    if (r->failed)
        return NULL;
    if (!mul_size(count, size, &bytes) || bytes > r->limits->bytes || r->arena.bytes > r->limits->bytes - bytes) {
        render_fail(r, INFER_E_FORMAT, "more than %zu bytes of values", r->limits->bytes);
        return NULL;
    }
    void *p = arena_new(&r->arena, count, size);
    if (!p)
        render_fail(r, INFER_E_NOMEM, "out of memory");
    return p;
}

struct text render_copy(struct render *r, struct text s)
{
    char *copy = render_new(r, s.n + 1, 1);
    if (copy && s.n)
        memcpy(copy, s.p, s.n);
    return (struct text){ copy ? copy : "", copy ? s.n : 0 };
}

/* ---- Variables ---- */

struct scope *scope_new(struct render *r, struct scope *parent)
{
    struct scope *s = render_new(r, 1, sizeof *s);
    if (s)
        s->parent = parent;
    return s;
}

void scope_set(struct render *r, struct scope *s, uint32_t name, struct value v)
{
    if (!s || r->failed)
        return;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->items[i].name == name) {
            s->items[i].value = v;
            return;
        }
    if (s->n == s->room) {
        const uint32_t room = s->room ? 2 * s->room : 4;
        struct binding *grown = render_new(r, room, sizeof *grown);
        if (!grown)
            return;
        if (s->n)
            memcpy(grown, s->items, s->n * sizeof *grown);
        s->items = grown;
        s->room = room;
    }
    s->items[s->n++] = (struct binding){ name, v };
}

const struct value *scope_find(const struct scope *s, uint32_t name)
{
    for (; s; s = s->parent)
        for (uint32_t i = 0; i < s->n; i++)
            if (s->items[i].name == name)
                return &s->items[i].value;
    return NULL;
}
