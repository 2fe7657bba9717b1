/* grammar.c - from a text in some notation to a compiled grammar. */
#include "src/grammar/grammar.h"

#include "src/base/context.h"
#include "src/grammar/masks.h"
#include "src/grammar/notations.h"

enum { MOST_TEXT = 16 << 20 }; /* bytes of a grammar */

static infer_grammar *grammar_new(infer_context *context, infer_error *err)
{
    const infer_allocator *a = context_allocator(context);
    infer_grammar *g = mem_new(a, 1, sizeof *g);
    if (!g)
        return fail_memory(err, "a grammar"), NULL;
    g->a = a;
    g->context = context_retain(context);
    atomic_init(&g->owners, 1);
    return g;
}

/* The automaton of what a reader has made of its text. Takes the exprs. */
static infer_grammar *grammar_of(infer_context *context, struct exprs *x, uint32_t whole, infer_error *err)
{
    const uint32_t root = exprs_add_rule(x, text_of("root"));
    if (!x->status)
        x->rules[root].expr = whole;
    infer_grammar *g = x->status ? NULL : grammar_new(context, err);
    if (g && automaton_make(&g->m, x, root) != INFER_OK)
        infer_grammar_close(&g);
    exprs_free(x);
    return g;
}

infer_grammar *infer_grammar_open(infer_context *context, infer_notation notation, const char *text, size_t length,
                                  infer_error *err)
{
    static uint32_t (*const readers[])(struct exprs *, struct text) = {
        [INFER_GBNF] = gbnf_read, [INFER_JSON_SCHEMA] = schema_read, [INFER_REGEX] = regex_read,
    };
    if (!context || !text)
        return fail_null(err, INFER_E_ARGUMENT, "infer_grammar_open needs a context and a text, found NULL");
    if ((unsigned)notation >= sizeof readers / sizeof *readers)
        return fail_null(err, INFER_E_ARGUMENT, "notation %d of a grammar is none of infer_notation", (int)notation);
    if (length > MOST_TEXT)
        return fail_null(err, INFER_E_ARGUMENT, "a grammar of %zu bytes, expected at most %d", length, MOST_TEXT);
    struct exprs x;
    exprs_init(&x, context_allocator(context), err);
    const uint32_t whole = readers[notation](&x, (struct text){ text, length });
    return grammar_of(context, &x, whole, err);
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
    mem_free(g->a, g);
    infer_context_close(&context);
}
