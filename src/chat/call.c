/* call.c - calling functions, filters, tests, methods, macros and loops. */
#include "src/base/error.h"
#include "src/chat/template.h"

/* ---- Arguments ---- */

static void add_starred(struct render *r, struct list *positional, struct value v)
{
    const struct list *l = value_items(r, v);
    for (size_t i = 0, n = l ? l->n : 0; i < n && !r->failed; i++)
        list_add(r, positional, l->items[i]);
}

static void add_named(struct render *r, struct dict *named, struct value v)
{
    if (v.type != V_DICT) {
        render_fail(r, INFER_E_FORMAT, "** needs a dict, found '%s'", value_type_name(v));
        return;
    }
    for (size_t i = 0; i < v.u.dict->n && !r->failed; i++)
        dict_set(r, named, value_text(value_text_of(r, v.u.dict->items[i].key)), v.u.dict->items[i].value);
}

bool eval_arguments(struct render *r, const struct node *list, struct call *call)
{
    *call = (struct call){ { NULL, 0, 0 }, { NULL, 0, 0 } };
    for (; list && !r->failed; list = list->next) {
        const struct value v = eval_node(r, list->a);
        if (list->kind == N_STAR)
            add_starred(r, &call->positional, v);
        else if (list->kind == N_STARSTAR)
            add_named(r, &call->named, v);
        else if (list->kind == N_KEYWORD)
            dict_set(r, &call->named, list->value, v);
        else
            list_add(r, &call->positional, v);
    }
    return !r->failed;
}

/* The next name of a row's parameters; false at their end. */
static bool next_parameter(const char **at, struct text *name)
{
    *at += strspn(*at, " ");
    *name = (struct text){ *at, strcspn(*at, " ") };
    *at += name->n;
    return name->n > 0;
}

static bool bind(struct render *r, const struct builtin *row, const struct call *call, struct args *a)
{
    size_t n = 0, used = 0;
    bool more = false, more_named = false;
    struct text name;
    *a = (struct args){ .rest = { { NULL, 0, 0 }, { NULL, 0, 0 } } };
    for (const char *at = row->parameters; next_parameter(&at, &name);) {
        more |= text_is(name, "*");
        more_named |= text_is(name, "**");
        if (*name.p == '*' || n == MAX_PARAMETERS)
            continue;
        const struct value *named = call->named.n ? dict_find(r, &call->named, value_text(name)) : NULL;
        if (n < call->positional.n)
            a->v[n] = call->positional.items[n];
        else if (named)
            a->v[n] = *named;
        used += n >= call->positional.n && named;
        n++;
    }
    if (more && call->positional.n > n)
        a->rest.positional = (struct list){ call->positional.items + n, call->positional.n - n, 0 };
    if (more_named)
        a->rest.named = call->named;
    if (call->positional.n > n && !more)
        render_fail(r, INFER_E_FORMAT, "%s takes at most %zu arguments, found %zu", row->name, n, call->positional.n);
    else if (used < call->named.n && !more_named)
        render_fail(r, INFER_E_FORMAT, "%s has no argument of one of these names, or it is given twice", row->name);
    else if (row->least && a->v[row->least - 1].type == V_ABSENT && a->rest.positional.n == 0)
        render_fail(r, INFER_E_FORMAT, "%s needs at least %d arguments", row->name, row->least);
    return !r->failed;
}

int64_t arg_int(struct render *r, const struct args *a, size_t i, int64_t absent)
{
    if (arg_absent(a, i))
        return absent;
    if (is_whole(a->v[i]))
        return as_int(a->v[i]);
    if (value_defined(r, a->v[i]))
        render_fail(r, INFER_E_FORMAT, "expected a whole number, found '%s'", value_type_name(a->v[i]));
    return absent;
}

bool arg_bool(const struct args *a, size_t i, bool absent)
{
    return a->v[i].type == V_ABSENT ? absent : value_truth(a->v[i]);
}

struct text arg_text(struct render *r, const struct args *a, size_t i, const char *absent)
{
    if (is_string(a->v[i]))
        return a->v[i].u.s;
    if (!arg_absent(a, i) && value_defined(r, a->v[i]))
        render_fail(r, INFER_E_FORMAT, "expected a string, found '%s'", value_type_name(a->v[i]));
    return text_of(absent);
}

/* ---- Tables ---- */

const struct builtin *builtin_find(const struct builtin *rows, struct text name)
{
    for (; rows->name; rows++)
        if (text_is(name, rows->name))
            return rows;
    return NULL;
}

const struct builtin *builtin_filter(struct text name)
{
    const struct builtin *const tables[] = { filters_text, filters_list, filters_value };
    const struct builtin *row = NULL;
    for (size_t i = 0; i < 3 && !row; i++)
        row = builtin_find(tables[i], name);
    return row;
}

const struct builtin *builtin_test(struct text name)
{
    return builtin_find(template_tests, name);
}

const struct builtin *builtin_method(struct value v, struct text name)
{
    for (const struct builtin *row = is_string(v) ? methods_text : methods_other; row->name; row++)
        if (row->on == v.type && text_is(name, row->name))
            return row;
    return NULL;
}

/* ---- Calls ---- */

struct value builtin_bind(struct render *r, const struct builtin *row, struct value self)
{
    struct bound *b = render_new(r, 1, sizeof *b);
    if (!b)
        return value_none();
    *b = (struct bound){ row, self };
    return (struct value){ .type = V_BOUND, .u.bound = b };
}

struct value call_builtin(struct render *r, const struct builtin *row, struct value self, const struct call *call)
{
    struct args a;
    if (!bind(r, row, call, &a) || !render_enter(r))
        return value_none();
    const struct value v = row->run(r, self, &a);
    render_leave(r);
    return v;
}

/* What a macro gets beyond its parameters, and whether it may. */
static void surplus(struct render *r, const struct macro *m, struct scope *s, const struct call *call, size_t n,
                    struct dict *named)
{
    const unsigned uses = m->node->op;
    const struct text name = r->t->names[m->node->name];
    const struct value *caller = dict_get(r, &call->named, "caller");
    struct list *rest = list_new(r, 0);
    for (size_t i = n; rest && i < call->positional.n && !r->failed; i++)
        list_add(r, rest, call->positional.items[i]);
    if (rest && rest->n && !(uses & USES_VARARGS))
        render_fail(r, INFER_E_FORMAT, "macro '%.*s' takes not more than %zu argument(s)", (int)name.n, name.p, n);
    if (named->n && !(uses & USES_KWARGS))
        render_fail(r, INFER_E_FORMAT, "macro '%.*s' takes no keyword argument '%.*s'", (int)name.n, name.p,
                  (int)named->items[0].key.u.s.n, named->items[0].key.u.s.p);
    scope_set(r, s, SYMBOL_VARARGS, list_value(rest, LIST_TUPLE));
    scope_set(r, s, SYMBOL_KWARGS, (struct value){ .type = V_DICT, .u.dict = named });
    scope_set(r, s, SYMBOL_CALLER, caller ? *caller : value_undefined(text_of("caller")));
}

struct value call_macro(struct render *r, const struct macro *m, const struct call *call)
{
    struct scope *s = scope_new(r, m->scope), *outer = r->scope;
    struct dict *named = dict_new(r, 0);
    size_t n = 0;
    if (!s || !named || !render_enter(r))
        return value_none();
    for (size_t i = 0; i < call->named.n; i++) { /* those that are no parameters */
        bool known = text_is(call->named.items[i].key.u.s, "caller");
        for (const struct node *p = m->node->a; p && !known; p = p->next)
            known = text_equal(r->t->names[p->name], call->named.items[i].key.u.s);
        if (!known)
            dict_set(r, named, call->named.items[i].key, call->named.items[i].value);
    }
    r->scope = s;
    for (const struct node *p = m->node->a; p && !r->failed; p = p->next, n++) {
        const struct text name = r->t->names[p->name];
        const struct value *given = n < call->positional.n ? &call->positional.items[n]
                                                           : dict_find(r, &call->named, value_text(name));
        scope_set(r, s, p->name, given ? *given : p->a ? eval_node(r, p->a) : value_undefined(name));
    }
    surplus(r, m, s, call, n, named);
    r->scope = outer;
    const struct value v = render_capture(r, m->node->b, s);
    render_leave(r);
    return v;
}

static struct value call_loop(struct render *r, const struct loop *l, const struct call *call)
{
    if (!l->node->op || call->positional.n != 1)
        return render_fail(r, INFER_E_FORMAT, "only a recursive loop can be called, with what it is to loop over");
    if (!render_enter(r))
        return value_none();
    const struct value v = render_loop(r, l->node, l->scope, call->positional.items[0], l->depth + 1);
    render_leave(r);
    return v;
}

struct value call_value(struct render *r, struct value callee, const struct call *call)
{
    switch (callee.type) {
    case V_BOUND: return call_builtin(r, callee.u.bound->row, callee.u.bound->self, call);
    case V_MACRO: return call_macro(r, callee.u.macro, call);
    case V_LOOP: return call_loop(r, callee.u.loop, call);
    default:
        return value_defined(r, callee)
                   ? render_fail(r, INFER_E_FORMAT, "'%s' object is not callable", value_type_name(callee))
                   : callee;
    }
}
