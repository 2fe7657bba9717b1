/* eval.c - the value of an expression. */
#include "src/base/error.h"
#include "src/chat/template.h"

typedef struct value eval_fn(struct render *r, const struct node *n);

static struct value eval_const(struct render *r, const struct node *n)
{
    (void)r;
    return n->value;
}

static struct value eval_name(struct render *r, const struct node *n)
{
    const struct value *v = scope_find(r->scope, n->name);
    if (v)
        return *v;
    const struct text name = r->t->names[n->name];
    const struct builtin *global = builtin_find(template_globals, name);
    return global ? builtin_bind(r, global, value_none()) : value_undefined(name);
}

static struct value eval_attribute(struct render *r, const struct node *n)
{
    return value_attribute(r, eval_node(r, n->a), n->value.u.s);
}

static struct value eval_part(struct render *r, const struct node *n)
{
    return n ? eval_node(r, n) : value_none();
}

static struct value eval_item(struct render *r, const struct node *n)
{
    const struct value v = eval_node(r, n->a);
    if (n->b->kind != N_SLICE)
        return value_item(r, v, eval_node(r, n->b));
    const struct value from = eval_part(r, n->b->a), to = eval_part(r, n->b->b), step = eval_part(r, n->b->c);
    return value_slice(r, v, from, to, step);
}

static struct value eval_call(struct render *r, const struct node *n)
{
    struct call call;
    const struct value callee = eval_node(r, n->a);
    const uint32_t line = n->line;
    if (!eval_arguments(r, n->b, &call))
        return callee;
    r->line = line;
    return call_value(r, callee, &call);
}

/* A filter's operand is what the block wrote where it has none in the template. */
static struct value eval_filter(struct render *r, const struct node *n)
{
    struct call call;
    const struct value v = n->a ? eval_node(r, n->a) : r->block;
    if (!n->row)
        return render_fail(r, INFER_E_FORMAT, "there is no filter '%.*s'",
                           n->value.u.s.n < 60 ? (int)n->value.u.s.n : 60, n->value.u.s.p);
    return eval_arguments(r, n->b, &call) ? call_builtin(r, n->row, v, &call) : v;
}

static struct value eval_test(struct render *r, const struct node *n)
{
    struct call call;
    const struct value v = eval_node(r, n->a);
    if (!eval_arguments(r, n->b, &call))
        return v;
    const bool yes = value_truth(call_builtin(r, n->row, v, &call));
    return value_bool(yes != n->op);
}

static struct value eval_not(struct render *r, const struct node *n)
{
    return value_bool(!value_truth(eval_node(r, n->a)));
}

static struct value eval_sign(struct render *r, const struct node *n)
{
    const struct value v = eval_node(r, n->a);
    if (is_number(v))
        return n->kind == N_NEGATE ? value_binary(r, v.type == V_FLOAT ? '*' : '-',
                                                  v.type == V_FLOAT ? value_float(-1) : value_int(0), v)
                                   : v;
    return value_defined(r, v) ? render_fail(r, INFER_E_FORMAT, "bad operand type for a sign: '%s'", value_type_name(v))
                               : v;
}

static struct value eval_logic(struct render *r, const struct node *n)
{
    const struct value v = eval_node(r, n->a);
    return value_truth(v) == (n->kind == N_OR) ? v : eval_node(r, n->b);
}

static struct value eval_binary(struct render *r, const struct node *n)
{
    const struct value a = eval_node(r, n->a), b = eval_node(r, n->b);
    return r->failed ? a : value_binary(r, (char)n->op, a, b);
}

static struct value eval_concat(struct render *r, const struct node *n)
{
    struct list *l = list_new(r, 4);
    for (const struct node *item = n->a; item && !r->failed; item = item->next)
        list_add(r, l, eval_node(r, item->a));
    const size_t mark = r->n_out;
    for (size_t i = 0; l && i < l->n; i++)
        put_value(r, l->items[i]);
    return put_taken(r, mark);
}

static bool compare(struct render *r, enum comparison op, struct value a, struct value b)
{
    switch (op) {
    case CMP_EQ: return value_same(r, a, b);
    case CMP_NE: return !value_same(r, a, b);
    case CMP_LT: return value_order(r, a, b) < 0;
    case CMP_LE: return value_order(r, a, b) <= 0;
    case CMP_GT: return value_order(r, a, b) > 0;
    case CMP_GE: return value_order(r, a, b) >= 0;
    case CMP_IN: return value_contains(r, b, a);
    default: return !value_contains(r, b, a);
    }
}

static struct value eval_compare(struct render *r, const struct node *n)
{
    struct value a = eval_node(r, n->a);
    bool yes = true;
    for (const struct node *other = n->b; other && yes && !r->failed; other = other->next) {
        const struct value b = eval_node(r, other->a);
        yes = compare(r, other->op, a, b);
        a = b;
    }
    return value_bool(yes);
}

static struct value eval_cond(struct render *r, const struct node *n)
{
    if (value_truth(eval_node(r, n->a)))
        return eval_node(r, n->b);
    return n->c ? eval_node(r, n->c) : value_undefined(text_of("an if without else"));
}

static struct value eval_list(struct render *r, const struct node *n)
{
    struct list *l = list_new(r, 0);
    for (const struct node *item = n->a; item && !r->failed; item = item->next)
        list_add(r, l, eval_node(r, item->a));
    return list_value(l, n->kind == N_TUPLE ? LIST_TUPLE : LIST_PLAIN);
}

static struct value eval_dict(struct render *r, const struct node *n)
{
    struct dict *d = dict_new(r, 0);
    for (const struct node *pair = n->a; pair && !r->failed; pair = pair->next) {
        const struct value key = eval_node(r, pair->a);
        dict_set(r, d, key, eval_node(r, pair->b));
    }
    return d ? (struct value){ .type = V_DICT, .u.dict = d } : value_none();
}

struct value eval_node(struct render *r, const struct node *n)
{
    static eval_fn *const rows[] = {
        [N_CONST] = eval_const,   [N_NAME] = eval_name,     [N_ATTRIBUTE] = eval_attribute, [N_ITEM] = eval_item,
        [N_CALL] = eval_call,     [N_FILTER] = eval_filter, [N_TEST] = eval_test,           [N_NOT] = eval_not,
        [N_NEGATE] = eval_sign,   [N_PLUS] = eval_sign,     [N_AND] = eval_logic,           [N_OR] = eval_logic,
        [N_BINARY] = eval_binary, [N_CONCAT] = eval_concat, [N_COMPARE] = eval_compare,     [N_COND] = eval_cond,
        [N_LIST] = eval_list,     [N_TUPLE] = eval_list,    [N_DICT] = eval_dict,
    };
    if (!render_enter(r))
        return value_none();
    r->line = n->line;
    const struct value v = rows[n->kind](r, n);
    render_leave(r);
    return v;
}
