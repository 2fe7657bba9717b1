/* execute.c - what statements write, and which variables they set.
 *
 * A body of a loop, a macro, a `with` or a block has a scope of its own; that of an `if` has none. */
#include "src/base/error.h"
#include "src/chat/template.h"

struct value render_capture(struct render *r, const struct node *body, struct scope *scope)
{
    struct scope *outer = r->scope;
    const size_t mark = r->n_out;
    r->scope = scope;
    execute_body(r, body);
    r->scope = outer;
    return put_taken(r, mark);
}

/* ---- set ---- */

static void unpack(struct render *r, const struct node *target, struct value v)
{
    const struct list *l = value_items(r, v);
    size_t i = 0;
    for (const struct node *to = target->a; l && to && !r->failed; to = to->next, i++) {
        if (i < l->n)
            render_assign(r, to->a, l->items[i]);
        else
            render_fail(r, INFER_E_FORMAT, "not enough values to unpack: %zu", l->n);
    }
    if (l && i < l->n)
        render_fail(r, INFER_E_FORMAT, "too many values to unpack: %zu, expected %zu", l->n, i);
}

void render_assign(struct render *r, const struct node *target, struct value v)
{
    if (target->kind == N_NAME) {
        scope_set(r, r->scope, target->name, v);
    } else if (target->kind == N_TUPLE) {
        if (render_enter(r)) {
            unpack(r, target, v);
            render_leave(r);
        }
    } else {
        const struct value *object = scope_find(r->scope, target->name);
        if (!object || object->type != V_NAMESPACE)
            render_fail(r, INFER_E_FORMAT, "cannot assign an attribute of what is no namespace");
        else
            dict_set(r, object->u.dict, target->value, v);
    }
}

static void run_set(struct render *r, const struct node *n)
{
    render_assign(r, n->a, eval_node(r, n->b));
}

/* Filters of a block begin with what it wrote. */
static struct value filtered(struct render *r, const struct node *filters, struct value text)
{
    const struct value outer = r->block;
    r->block = text;
    const struct value v = filters ? eval_node(r, filters) : text;
    r->block = outer;
    return v;
}

static void run_set_block(struct render *r, const struct node *n)
{
    const struct value text = render_capture(r, n->b, scope_new(r, r->scope));
    render_assign(r, n->a, filtered(r, n->c, text));
}

static void run_filter_block(struct render *r, const struct node *n)
{
    const struct value text = render_capture(r, n->b, scope_new(r, r->scope));
    put_value(r, filtered(r, n->a, text));
}

/* ---- for ---- */

/* Those items that the loop's condition holds for. The condition sees the targets, but no loop. */
static struct list *wanted(struct render *r, const struct node *n, const struct list *items, struct scope *outer)
{
    struct list *l = list_new(r, 0);
    struct scope *saved = r->scope;
    r->scope = scope_new(r, outer);
    for (size_t i = 0; l && items && i < items->n && !r->failed; i++) {
        render_assign(r, n->a, items->items[i]);
        if (value_truth(eval_node(r, n->b->b)))
            list_add(r, l, items->items[i]);
    }
    r->scope = saved;
    return l;
}

struct value render_loop(struct render *r, const struct node *n, struct scope *outer, struct value items, size_t depth)
{
    struct list *l = value_items(r, items);
    struct loop *loop = render_new(r, 1, sizeof *loop);
    struct scope *saved = r->scope;
    const size_t mark = r->n_out;
    if (n->b->b)
        l = wanted(r, n, l, outer);
    if (!l || !loop || !(r->scope = scope_new(r, outer))) {
        r->scope = saved;
        return value_none();
    }
    *loop = (struct loop){ .node = n, .scope = outer, .items = l, .n = l->n, .depth = depth };
    for (; loop->index < loop->n && loop->index < l->n && render_charge(r, 1); loop->index++) {
        r->scope->n = 0; /* what the last turn has set is gone */
        scope_set(r, r->scope, SYMBOL_LOOP, (struct value){ .type = V_LOOP, .u.loop = loop });
        render_assign(r, n->a, l->items[loop->index]);
        execute_body(r, n->c);
        const bool end = r->flow == FLOW_BREAK;
        r->flow = FLOW_ON;
        if (end)
            break;
    }
    r->scope = saved;
    if (!loop->n && n->d) {
        r->scope = scope_new(r, outer);
        execute_body(r, n->d);
        r->scope = saved;
    }
    return depth > 1 ? put_taken(r, mark) : value_none(); /* loop(...) is an expression */
}

static void run_for(struct render *r, const struct node *n)
{
    render_loop(r, n, r->scope, eval_node(r, n->b->a), 1);
}

/* ---- The others ---- */

static void run_text(struct render *r, const struct node *n)
{
    put_text(r, n->value.u.s);
}

static void run_output(struct render *r, const struct node *n)
{
    put_value(r, eval_node(r, n->a));
}

static void run_if(struct render *r, const struct node *n)
{
    for (const struct node *branch = n->a; branch && !r->failed; branch = branch->next)
        if (!branch->a || value_truth(eval_node(r, branch->a))) {
            execute_body(r, branch->b);
            return;
        }
}

static struct value macro_value(struct render *r, const struct node *n)
{
    struct macro *m = render_new(r, 1, sizeof *m);
    if (!m)
        return value_none();
    *m = (struct macro){ n, r->scope };
    return (struct value){ .type = V_MACRO, .u.macro = m };
}

static void run_macro(struct render *r, const struct node *n)
{
    scope_set(r, r->scope, n->name, macro_value(r, n));
}

static void run_call_block(struct render *r, const struct node *n)
{
    struct call call;
    const struct value callee = eval_node(r, n->a->a);
    if (!eval_arguments(r, n->a->b, &call))
        return;
    dict_set(r, &call.named, value_text(text_of("caller")), macro_value(r, n->b));
    put_value(r, call_value(r, callee, &call));
}

static void run_with(struct render *r, const struct node *n)
{
    struct scope *outer = r->scope, *inner = scope_new(r, outer);
    for (const struct node *set = n->a; inner && set && !r->failed; set = set->next) {
        const struct value v = eval_node(r, set->b); /* outside of what it sets */
        r->scope = inner;
        render_assign(r, set->a, v);
        r->scope = outer;
    }
    r->scope = inner;
    if (inner)
        execute_body(r, n->b);
    r->scope = outer;
}

static void run_scope(struct render *r, const struct node *n)
{
    run_with(r, n);
}

static void run_do(struct render *r, const struct node *n)
{
    eval_node(r, n->a);
}

static void run_flow(struct render *r, const struct node *n)
{
    r->flow = n->kind == N_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
}

typedef void execute_fn(struct render *r, const struct node *n);

void execute_body(struct render *r, const struct node *body)
{
    static execute_fn *const rows[] = {
        [N_TEXT] = run_text,   [N_OUTPUT] = run_output,         [N_IF] = run_if,
        [N_FOR] = run_for,     [N_SET] = run_set,               [N_SET_BLOCK] = run_set_block,
        [N_MACRO] = run_macro, [N_CALL_BLOCK] = run_call_block, [N_FILTER_BLOCK] = run_filter_block,
        [N_WITH] = run_with,   [N_SCOPE] = run_scope,           [N_DO] = run_do,
        [N_BREAK] = run_flow,  [N_CONTINUE] = run_flow,
    };
    if (!render_enter(r))
        return;
    for (const struct node *n = body; n && r->flow == FLOW_ON && render_charge(r, 1); n = n->next) {
        r->line = n->line;
        rows[n->kind](r, n);
    }
    render_leave(r);
}
