/* grammar.c - from a text in some notation to a compiled grammar. */
#include "src/grammar/grammar.h"

#include "src/base/context.h"
#include "src/grammar/masks.h"
#include "src/grammar/notations.h"

enum { MOST_TEXT = 16 << 20 /* bytes of a grammar */, MOST_TRIGGERS = 64, MOST_TRIGGER = 256 /* bytes */ };

static infer_grammar *grammar_new(infer_context *context, infer_error *err)
{
    const infer_allocator *a = context_allocator(context);
    infer_grammar *g = mem_new(a, 1, sizeof *g);
    if (!g)
        return fail_memory(err, "a grammar"), NULL;
    g->a = a;
    g->context = context_retain(context);
    arena_init(&g->arena, a);
    atomic_init(&g->owners, 1);
    return g;
}

/* ---- Triggers ---- */

static infer_status keep_triggers(infer_grammar *g, const infer_grammar_options *o, infer_error *err)
{
    g->lazy = o->n_triggers > 0;
    g->triggers = arena_new(&g->arena, o->n_triggers, sizeof *g->triggers);
    if (o->n_triggers > MOST_TRIGGERS)
        return fail(err, INFER_E_ARGUMENT, "a grammar with %zu triggers, expected at most %d", o->n_triggers,
                    MOST_TRIGGERS);
    for (size_t i = 0; i < o->n_triggers && g->triggers; i++) {
        const size_t n = o->triggers[i] ? strlen(o->triggers[i]) : 0;
        if (!n || n > MOST_TRIGGER)
            return fail(err, INFER_E_ARGUMENT, "trigger %zu of a grammar has %zu bytes, expected 1 to %d", i, n,
                        MOST_TRIGGER);
        g->triggers[i] = (struct text){ arena_text(&g->arena, o->triggers[i], n), n };
        g->n_triggers += g->triggers[i].p != NULL;
    }
    return g->n_triggers == o->n_triggers ? INFER_OK : fail_memory(err, "a grammar");
}

/* Text without a trigger, or up to the first one and then the grammar. */
static uint32_t after_trigger(struct exprs *x, const infer_grammar *g, uint32_t whole)
{
    const uint32_t rule = exprs_add_rule(x, text_of("triggered")), byte = expr_bytes(x, 0, 255);
    const uint32_t any = expr_star(x, byte);
    uint32_t triggers = EXPR_NEVER;
    if (x->status)
        return EXPR_NEVER;
    x->rules[rule].expr = whole;
    x->rules[rule].apart = true;
    for (size_t i = 0; i < g->n_triggers; i++)
        triggers = expr_alt(x, triggers, expr_text(x, g->triggers[i].p, g->triggers[i].n));
    const uint32_t found = expr_seq(x, any, triggers), more = expr_seq(x, found, any);
    const uint32_t first = expr_minus(x, found, expr_seq(x, found, expr_seq(x, byte, any)));
    return expr_alt(x, expr_minus(x, any, more), expr_seq(x, first, expr_rule(x, rule)));
}

/* ---- Making ---- */

infer_grammar *grammar_of(infer_context *context, struct exprs *x, uint32_t whole, const infer_grammar_options *options,
                          infer_error *err)
{
    infer_grammar_options o = infer_grammar_defaults();
    infer_grammar *g = x->status ? NULL : grammar_new(context, err);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (g && keep_triggers(g, &o, err) != INFER_OK)
        infer_grammar_close(&g);
    whole = g && g->lazy ? after_trigger(x, g, whole) : whole;
    const uint32_t root = exprs_add_rule(x, text_of("root"));
    if (!x->status)
        x->rules[root].expr = whole;
    if (g && automaton_make(&g->m, x, root) != INFER_OK)
        infer_grammar_close(&g);
    exprs_free(x);
    if (g && g->lazy && g->m.start[RULE_TRIGGERED] == UINT32_MAX) {
        fail(err, INFER_E_ARGUMENT, "no text at all matches the grammar after a trigger");
        infer_grammar_close(&g);
    }
    return g;
}

static infer_status check(const infer_context *context, const void *text, const infer_grammar_options *o,
                          infer_error *err)
{
    if (!context || !text)
        return fail(err, INFER_E_ARGUMENT, "a grammar needs a context and a text, found NULL");
    if (o && o->size < sizeof o->size)
        return fail(err, INFER_E_ARGUMENT, "grammar options: size is %zu; start from infer_grammar_defaults()",
                    o->size);
    return INFER_OK;
}

infer_grammar *infer_grammar_open(infer_context *context, infer_notation notation, const char *text, size_t length,
                                  const infer_grammar_options *options, infer_error *err)
{
    static uint32_t (*const readers[])(struct exprs *, struct text) = {
        [INFER_GBNF] = gbnf_read,
        [INFER_JSON_SCHEMA] = schema_read,
        [INFER_REGEX] = regex_read,
    };
    if (check(context, text, options, err) != INFER_OK)
        return NULL;
    if ((unsigned)notation >= sizeof readers / sizeof *readers)
        return fail_null(err, INFER_E_ARGUMENT, "notation %d of a grammar is none of infer_notation", (int)notation);
    if (length > MOST_TEXT)
        return fail_null(err, INFER_E_ARGUMENT, "a grammar of %zu bytes, expected at most %d", length, MOST_TEXT);
    struct exprs x;
    exprs_init(&x, context_allocator(context), err);
    const uint32_t whole = readers[notation](&x, (struct text){ text, length });
    return grammar_of(context, &x, whole, options, err);
}

infer_grammar *infer_grammar_open_choices(infer_context *context, const char *const *choices, size_t n,
                                          const infer_grammar_options *options, infer_error *err)
{
    struct exprs x;
    uint32_t whole = EXPR_NEVER;
    if (check(context, choices, options, err) != INFER_OK)
        return NULL;
    exprs_init(&x, context_allocator(context), err);
    for (size_t i = n; i-- > 0 && !x.status;)
        whole = expr_alt(&x, expr_literal(&x, choices[i]), whole);
    return grammar_of(context, &x, whole, options, err);
}

infer_grammar *infer_grammar_retain(infer_grammar *g)
{
    atomic_fetch_add(&g->owners, 1);
    return g;
}

void infer_grammar_close(infer_grammar **grammar)
{
    infer_grammar *g = grammar ? *grammar : NULL;
    if (!g)
        return;
    *grammar = NULL;
    if (atomic_fetch_sub(&g->owners, 1) != 1)
        return;
    infer_context *context = g->context;
    masks_close(g);
    automaton_free(&g->m);
    arena_free(&g->arena);
    mem_free(g->a, g);
    infer_context_close(&context);
}
