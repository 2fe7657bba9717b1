/* tools.c - one grammar for the calls of several tools.
 *
 * Each tool's schema is compiled alone first: one that is refused is reported and left out, and the others stay. */
#include "src/base/context.h"
#include "src/grammar/grammar.h"
#include "src/grammar/notations.h"

/* The arguments of a tool, any object if there is no schema. */
static uint32_t arguments_of(struct exprs *x, const infer_tool *tool)
{
    return schema_read(x, text_of(tool->parameters ? tool->parameters : "{\"type\":\"object\"}"));
}

static infer_status try_tool(const infer_allocator *a, const infer_tool *tool, infer_error *err)
{
    struct exprs x;
    struct automaton m;
    exprs_init(&x, a, err);
    const uint32_t whole = tool->name ? arguments_of(&x, tool) : exprs_fail(&x, INFER_E_ARGUMENT, "a tool has no name");
    const uint32_t root = exprs_add_rule(&x, text_of("root"));
    if (!x.status)
        x.rules[root].expr = whole;
    const infer_status status = automaton_make(&m, &x, root);
    automaton_free(&m);
    exprs_free(&x);
    return status;
}

static uint32_t call_of(struct exprs *x, const infer_tool *tool, const infer_tools_options *o)
{
    const uint32_t list[] = { expr_literal(x, o->begin), expr_literal(x, tool->name), expr_literal(x, o->middle),
                              arguments_of(x, tool), expr_literal(x, o->end) };
    return expr_seq_of(x, list, sizeof list / sizeof *list);
}

/* Several calls go through one rule, which is compiled once. */
static uint32_t calls_of(struct exprs *x, uint32_t call, const char *between)
{
    if (!between || x->status)
        return call;
    const uint32_t rule = exprs_add_rule(x, text_of("call"));
    if (x->status)
        return EXPR_NEVER;
    x->rules[rule].expr = call;
    const uint32_t one = expr_rule(x, rule);
    return expr_seq(x, one, expr_star(x, expr_seq(x, expr_literal(x, between), one)));
}

infer_grammar *infer_grammar_open_tools(infer_context *context, const infer_tool *tools, size_t n,
                                        const infer_tools_options *options, infer_error *err)
{
    infer_tools_options o = infer_tools_defaults();
    if (!context || (!tools && n))
        return fail_null(err, INFER_E_ARGUMENT, "infer_grammar_open_tools needs a context and tools, found NULL");
    if (options && options->size < sizeof options->size)
        return fail_null(err, INFER_E_ARGUMENT, "tools options: size is %zu; start from infer_tools_defaults()",
                         options->size);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    const infer_allocator *a = context_allocator(context);
    struct exprs x;
    uint32_t call = EXPR_NEVER;
    size_t n_good = 0;
    exprs_init(&x, a, err);
    for (size_t i = 0; i < n && !x.status; i++) {
        infer_error why = { INFER_OK, "" };
        const infer_status status = try_tool(a, &tools[i], &why);
        if (status == INFER_E_NOMEM)
            exprs_nomem(&x);
        else if (status != INFER_OK && o.on_bad)
            o.on_bad(o.user, i, &why);
        if (status != INFER_OK)
            continue;
        call = expr_alt(&x, call, call_of(&x, &tools[i], &o));
        n_good++;
    }
    if (!x.status && !n_good)
        exprs_fail(&x, INFER_E_ARGUMENT, "of %zu tools none has a schema that can be held to", n);
    return grammar_of(context, &x, calls_of(&x, call, o.between), &o.grammar, err);
}
