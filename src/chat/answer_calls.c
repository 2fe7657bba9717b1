/* answer_calls.c - the calls that a block holds, in each syntax. A failure means that there are none: the caller keeps
 * the text as it is. */
#include "src/base/error.h"
#include "src/chat/answer.h"

static struct value no_call(struct render *r)
{
    return render_fail(r, INFER_E_FORMAT, "no call");
}

static struct text rest_after(struct text s, size_t n)
{
    return n <= s.n ? (struct text){ s.p + n, s.n - n } : (struct text){ s.p + s.n, 0 };
}

static struct text trimmed(struct text s)
{
    return text_trim(s, TRIM_LEFT | TRIM_RIGHT, NULL);
}

static bool begins(struct text s, const char *mark)
{
    const size_t n = strlen(mark);
    return s.n >= n && !memcmp(s.p, mark, n);
}

/* What stands before a mark, and *rest what comes after it; false if the mark is not there. */
static bool cut(struct render *r, struct text s, const char *mark, struct text *before, struct text *rest)
{
    const size_t at = text_find(r, s, text_of(mark), 0);
    if (at == SIZE_MAX)
        return false;
    *before = (struct text){ s.p, at };
    *rest = rest_after(s, at + strlen(mark));
    return true;
}

/* functions.NAME:3, with what may follow it in the head of a message. */
static struct text clean_name(struct text name)
{
    static const char prefix[] = "functions.";
    size_t n = 0;
    name = trimmed(name);
    if (begins(name, prefix))
        name = rest_after(name, strlen(prefix));
    while (n < name.n && !strchr(" \t\r\n<[:(", name.p[n]))
        n++;
    return (struct text){ name.p, n };
}

/* One call more, with its arguments as JSON text. */
static void add_call(struct render *r, struct list *calls, struct text name, struct value arguments)
{
    static const struct json_style style = { .comma = { ",", 1 }, .colon = { ":", 1 } };
    struct list *call = list_new(r, 2);
    name = clean_name(name);
    if (!name.n || arguments.type != V_DICT) {
        no_call(r);
        return;
    }
    const size_t mark = r->n_out;
    put_json(r, arguments, &style, 0);
    const struct value text = put_taken(r, mark);
    list_add(r, call, value_text(name));
    list_add(r, call, text);
    list_add(r, calls, list_value(call, LIST_TUPLE));
}

/* ---- JSON ---- */

/* The JSON value that s begins with, which is taken off; a code fence around it does not count. */
static struct value take_json(struct render *r, struct text *s)
{
    static const char fence[] = "```json";
    *s = text_trim(*s, TRIM_LEFT, NULL);
    if (begins(*s, fence))
        *s = text_trim(rest_after(*s, strlen(fence)), TRIM_LEFT, NULL);
    json_error_t e;
    json_t *json = json_loadb(s->n ? s->p : "", s->n, JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &e);
    if (!json)
        return json_error_code(&e) == json_error_out_of_memory ? render_fail(r, INFER_E_NOMEM, "out of memory")
                                                               : no_call(r);
    const struct value v = value_from_json(r, json);
    json_decref(json);
    *s = rest_after(*s, (size_t)e.position);
    return v;
}

static const struct value *first_of(struct render *r, const struct dict *d, const char *const *names)
{
    const struct value *v = NULL;
    for (; *names && !v; names++)
        v = dict_get(r, d, *names);
    return v;
}

/* Arguments as an object, or as text that holds one; none at all are {}. */
static struct value arguments_of(struct render *r, const struct value *v)
{
    if (v && is_string(*v)) {
        struct text s = v->u.s;
        return trimmed(s).n ? take_json(r, &s) : arguments_of(r, NULL);
    }
    return v && v->type != V_NONE ? *v : (struct value){ .type = V_DICT, .u.dict = dict_new(r, 0) };
}

static void add_json(struct render *r, struct list *calls, struct value v, bool strict);

static void add_json_list(struct render *r, struct list *calls, struct value v, bool strict)
{
    if (!list_count(v))
        no_call(r);
    for (size_t i = 0; i < list_count(v) && !r->failed; i++)
        add_json(r, calls, v.u.list->items[i], strict);
}

/* strict: arguments have to be there, or any object with a name would be a call. */
static void add_json(struct render *r, struct list *calls, struct value v, bool strict)
{
    static const char *const wrappers[] = { "tool_calls", "tool_call", "function_call", NULL };
    static const char *const names[] = { "name", "tool_name", NULL };
    static const char *const arguments[] = { "arguments", "parameters", "args", NULL };
    if (!render_enter(r))
        return;
    if (v.type == V_LIST) {
        add_json_list(r, calls, v, strict);
    } else if (v.type == V_DICT) {
        const struct value *inner = first_of(r, v.u.dict, wrappers), *function = dict_get(r, v.u.dict, "function");
        const struct value *name = first_of(r, v.u.dict, names), *given = first_of(r, v.u.dict, arguments);
        if (inner)
            add_json(r, calls, *inner, strict);
        else if (function && function->type == V_DICT)
            add_json(r, calls, *function, strict);
        else if ((name || (name = function)) && is_string(*name) && (given || !strict))
            add_call(r, calls, name->u.s, arguments_of(r, given));
        else
            no_call(r);
    } else {
        no_call(r);
    }
    render_leave(r);
}

static void json_calls(struct render *r, struct list *calls, struct text s, bool strict)
{
    do {
        add_json(r, calls, take_json(r, &s), strict);
        s = text_trim(s, TRIM_LEFT, NULL);
        if (begins(s, "```"))
            s = text_trim(rest_after(s, 3), TRIM_LEFT, NULL);
        if (s.n && (*s.p == ';' || *s.p == ','))
            s = text_trim(rest_after(s, 1), TRIM_LEFT, NULL);
    } while (s.n && !r->failed);
}

static void keyed_calls(struct render *r, struct list *calls, struct text s)
{
    struct value v = take_json(r, &s);
    struct list one = { &v, 1, 0 };
    const struct list *all = v.type == V_LIST ? v.u.list : &one;
    if (!all->n || trimmed(s).n)
        no_call(r);
    for (size_t i = 0; i < all->n && !r->failed; i++) {
        const struct value item = all->items[i];
        if (item.type != V_DICT || !item.u.dict->n)
            no_call(r);
        for (size_t k = 0; item.type == V_DICT && k < item.u.dict->n && !r->failed; k++)
            add_call(r, calls, item.u.dict->items[k].key.u.s, item.u.dict->items[k].value);
    }
}

/* ---- Marks around names and values ---- */

/* The type that the function's schema gives a parameter, "" if it says none. */
static struct text parameter_type(struct render *r, struct value tools, struct text name, struct text key)
{
    for (size_t i = 0; i < list_count(tools) && !r->failed; i++) {
        struct value f = tools.u.list->items[i];
        const struct value *inner = f.type == V_DICT ? dict_get(r, f.u.dict, "function") : NULL;
        f = inner ? *inner : f;
        const struct value *own = f.type == V_DICT ? dict_get(r, f.u.dict, "name") : NULL;
        if (!own || !is_string(*own) || !text_equal(own->u.s, name))
            continue;
        const struct value path[] = { value_text(text_of("parameters")), value_text(text_of("properties")),
                                      value_text(key), value_text(text_of("type")) };
        for (size_t k = 0; k < 4 && f.type == V_DICT; k++) {
            const struct value *next = dict_find(r, f.u.dict, path[k]);
            f = next ? *next : value_none();
        }
        return is_string(f) ? f.u.s : (struct text){ "", 0 };
    }
    return (struct text){ "", 0 };
}

/* A value as it stands between marks: a string if it has to be one, or is no JSON. A newline on either side is the
 * format's. */
static struct value value_between(struct render *r, struct text s, bool string)
{
    json_error_t e;
    if (!string) {
        json_t *json = json_loadb(s.n ? s.p : "", s.n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
        const struct value v = json ? value_from_json(r, json) : value_none();
        json_decref(json);
        if (json)
            return v;
    }
    if (s.n && *s.p == '\n')
        s = rest_after(s, 1);
    s.n -= s.n && s.p[s.n - 1] == '\n';
    return value_text(s);
}

/* All keys and values up to the end of s. */
static struct value pairs(struct render *r, const struct call_tags *t, struct text s, struct text name,
                          struct value tools)
{
    struct dict *d = dict_new(r, 0);
    struct text key, between, value, skipped;
    while (trimmed(s).n && render_charge(r, 1)) {
        if (!cut(r, s, t->key, &skipped, &s) || trimmed(skipped).n || !cut(r, s, t->key_end, &key, &s) ||
            !cut(r, s, t->value, &between, &s) || !cut(r, s, t->value_end, &value, &s))
            return no_call(r);
        const bool said = text_find(r, between, text_of("string=\"true\""), 0) != SIZE_MAX;
        key = trimmed(key);
        dict_set(r, d, value_text(key),
                 value_between(r, value, said || text_is(parameter_type(r, tools, name, key), "string")));
    }
    return d ? (struct value){ .type = V_DICT, .u.dict = d } : value_none();
}

/* Where the name ends that s begins with, for formats without a mark for that: at the first key, or with the line. */
static struct text plain_name(struct render *r, const struct call_tags *t, struct text *s)
{
    *s = text_trim(*s, TRIM_LEFT, NULL);
    size_t n = text_find(r, *s, text_of(t->key), 0);
    const char *line = s->n ? memchr(s->p, '\n', n < s->n ? n : s->n) : NULL;
    n = line ? (size_t)(line - s->p) : n < s->n ? n : s->n;
    const struct text name = { s->p, n };
    *s = rest_after(*s, n);
    return name;
}

static void tag_calls(struct render *r, struct list *calls, const struct call_tags *t, struct text s,
                      struct value tools)
{
    do {
        struct text name, body, skipped;
        if (!cut(r, s, t->call, &skipped, &s) || trimmed(skipped).n) {
            no_call(r);
        } else if (!*t->name_end) {
            name = plain_name(r, t, &s);
        } else if (!cut(r, s, t->name_end, &name, &s)) {
            no_call(r);
        }
        if (r->failed)
            return;
        if (!t->key) {
            add_call(r, calls, name, take_json(r, &s));
            s = text_trim(s, TRIM_LEFT, NULL);
            s = begins(s, "```") ? text_trim(rest_after(s, 3), TRIM_LEFT, NULL) : s;
            s = begins(s, t->call_end) ? rest_after(s, strlen(t->call_end)) : s;
        } else {
            if (!*t->call_end || !cut(r, s, t->call_end, &body, &s)) {
                body = s;
                s.n = 0;
            }
            add_call(r, calls, name, pairs(r, t, body, clean_name(name), tools));
        }
        s = trimmed(s);
    } while (s.n && !r->failed);
}

/* ---- Python ---- */

/* A name, or names with dots; a last one that is `call` is the runtime's. */
static struct text called_name(struct render *r, const struct node *n, const infer_chat_template *t)
{
    const size_t mark = r->n_out;
    const struct node *parts[8];
    size_t depth = 0;
    for (; n && n->kind == N_ATTRIBUTE && depth < 7; n = n->a)
        parts[depth++] = n;
    if (!n || n->kind != N_NAME)
        return no_call(r), (struct text){ "", 0 };
    put_text(r, t->names[n->name]);
    while (depth--)
        if (depth || !text_is(parts[depth]->value.u.s, "call")) {
            put_char(r, '.');
            put_text(r, parts[depth]->value.u.s);
        }
    return put_taken(r, mark).u.s;
}

static void add_python(struct render *r, struct list *calls, const struct node *n, const infer_chat_template *t)
{
    struct dict *d = dict_new(r, 0);
    if (n->kind != N_CALL) {
        no_call(r);
        return;
    }
    const struct text name = called_name(r, n->a, t);
    for (const struct node *argument = n->b; argument && !r->failed; argument = argument->next) {
        if (argument->kind == N_KEYWORD)
            dict_set(r, d, value_text(render_copy(r, argument->value.u.s)), eval_node(r, argument->a));
        else
            no_call(r);
    }
    if (d && !r->failed)
        add_call(r, calls, name, (struct value){ .type = V_DICT, .u.dict = d });
}

/* Calls in Python's syntax are an expression of the template language; only what it says of names is not evaluated. */
static void python_calls(struct render *r, struct list *calls, struct text s)
{
    const size_t mark = r->n_out;
    infer_error err = { 0 };
    put_string(r, "{{ ");
    put_text(r, trimmed(s));
    put_string(r, " }}");
    infer_chat_template *t = r->failed ? NULL : template_compile(r->t->a, put_taken(r, mark).u.s, &err);
    const infer_chat_template *outer = r->t;
    if (!t) {
        render_fail(r, err.code == INFER_E_NOMEM ? INFER_E_NOMEM : INFER_E_FORMAT, "no call");
        return;
    }
    const struct node *n = t->body && t->body->kind == N_OUTPUT && !t->body->next ? t->body->a : NULL;
    r->t = t;
    if (n && (n->kind == N_LIST || n->kind == N_TUPLE) && n->a)
        for (const struct node *item = n->a; item && !r->failed; item = item->next)
            add_python(r, calls, item->a, t);
    else if (n)
        add_python(r, calls, n, t);
    else
        no_call(r);
    r->t = outer;
    template_free(&t); /* names and texts of the calls have been copied, as JSON or by called_name() */
}

/* ---- call:NAME{key:value} ---- */

static struct value bare_value(struct render *r, const char *quote, struct text *s);

/* Up to a closing bracket: values, with keys before them in objects. */
static struct value bare_items(struct render *r, const char *quote, struct text *s, char close)
{
    struct dict *d = dict_new(r, 0);
    struct list *l = list_new(r, 0);
    *s = text_trim(*s, TRIM_LEFT, NULL);
    while (!r->failed && s->n && *s->p != close) {
        struct text key = { "", 0 };
        if (close == '}' && begins(*s, quote))
            key = bare_value(r, quote, s).u.s;
        if (close == '}' && !cut(r, *s, ":", key.n ? &(struct text){ NULL, 0 } : &key, s))
            return no_call(r);
        const struct value v = bare_value(r, quote, s);
        if (close == '}')
            dict_set(r, d, value_text(trimmed(key)), v);
        else
            list_add(r, l, v);
        *s = text_trim(*s, TRIM_LEFT, NULL);
        if (s->n && *s->p == ',')
            *s = text_trim(rest_after(*s, 1), TRIM_LEFT, NULL);
        else if (!s->n || *s->p != close)
            return no_call(r);
    }
    if (!s->n)
        return no_call(r);
    *s = rest_after(*s, 1);
    return close == '}' ? (struct value){ .type = V_DICT, .u.dict = d } : list_value(l, LIST_PLAIN);
}

static struct value bare_value(struct render *r, const char *quote, struct text *s)
{
    struct value v = value_none();
    struct text string;
    *s = text_trim(*s, TRIM_LEFT, NULL);
    if (!render_enter(r))
        return v;
    if (begins(*s, quote)) {
        *s = rest_after(*s, strlen(quote));
        v = cut(r, *s, quote, &string, s) ? value_text(string) : no_call(r);
    } else if (s->n && (*s->p == '{' || *s->p == '[')) {
        const char close = *s->p == '{' ? '}' : ']';
        *s = rest_after(*s, 1);
        v = bare_items(r, quote, s, close);
    } else {
        size_t n = 0;
        while (n < s->n && !strchr(",}]", s->p[n]))
            n++;
        v = value_between(r, trimmed((struct text){ s->p, n }), false);
        *s = rest_after(*s, n);
    }
    render_leave(r);
    return v;
}

static void bare_calls(struct render *r, struct list *calls, const struct call_tags *t, struct text s)
{
    do {
        struct text name, skipped;
        if (!cut(r, s, t->call, &skipped, &s) || trimmed(skipped).n || !cut(r, s, t->name_end, &name, &s)) {
            no_call(r);
            return;
        }
        add_call(r, calls, name, bare_items(r, t->value, &s, '}'));
        s = trimmed(s);
    } while (s.n && !r->failed);
}

struct value read_calls(struct render *r, const struct call_block *block, struct text body, struct value tools)
{
    infer_error *err = r->err;
    struct list *calls = NULL;
    for (size_t i = 0; i < 2 && block->ways[i].syntax != CALLS_NONE; i++) {
        if (i && (!r->failed || err->code == INFER_E_NOMEM))
            break;
        r->failed = false;
        calls = list_new(r, 0);
        switch (block->ways[i].syntax) {
        case CALLS_JSON: json_calls(r, calls, body, block->whole); break;
        case CALLS_KEYED: keyed_calls(r, calls, body); break;
        case CALLS_TAGS: tag_calls(r, calls, block->ways[i].tags, body, tools); break;
        case CALLS_PYTHON: python_calls(r, calls, body); break;
        case CALLS_BARE: bare_calls(r, calls, block->ways[i].tags, body); break;
        default: break;
        }
    }
    return r->failed ? value_none() : list_value(calls, LIST_PLAIN);
}
