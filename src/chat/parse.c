/* parse.c - what the parsers of expressions and of statements share: tokens, nodes, names, mistakes. */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAX_NESTING = 150 };

struct node *parse_fail(struct parser *p, const char *format, ...)
{
    if (p->failed || p->lexer.failed)
        return p->failed = true, NULL;
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    fail(p->err, INFER_E_FORMAT, "template line %u: %s", p->now.line, what);
    p->failed = true;
    return NULL;
}

struct node *parse_node(struct parser *p, enum node_kind kind)
{
    struct node *n = arena_new(&p->t->arena, 1, sizeof *n);
    if (!n) {
        if (!p->failed)
            fail_memory(p->err, "a template");
        p->failed = true;
        return NULL;
    }
    n->kind = (uint8_t)kind;
    n->line = p->now.line;
    return n;
}

void parse_advance(struct parser *p)
{
    p->now = p->ahead;
    p->ahead = lexer_next(&p->lexer);
    p->failed |= p->lexer.failed;
    if (p->failed)
        p->now.kind = p->ahead.kind = TOKEN_EOF;
}

bool parse_enter(struct parser *p)
{
    if (++p->depth > MAX_NESTING)
        parse_fail(p, "nested deeper than %d", MAX_NESTING);
    return !p->failed;
}

void parse_append(struct node_list *l, struct node *n)
{
    if (!n)
        return;
    if (l->last)
        l->last->next = n;
    else
        l->first = n;
    l->last = n;
}

void parse_append_expression(struct parser *p, struct node_list *l, const struct node *expression)
{
    struct node *item = parse_node(p, N_EXPRESSIONS);
    if (item)
        item->a = expression;
    parse_append(l, item);
}

struct token_words token_words(struct token t)
{
    static const char *const names[] = {
        "text", "{%", "%}", "{{", "}}", "", "a string", "", "", "", "the end of the template"
    };
    struct token_words w;
    if (*names[t.kind])
        snprintf(w.s, sizeof w.s, "%s", names[t.kind]);
    else
        snprintf(w.s, sizeof w.s, "'%.*s'", t.text.n < 60 ? (int)t.text.n : 60, t.text.n ? t.text.p : "");
    return w;
}

uint32_t parse_symbol(struct parser *p, struct text name)
{
    infer_chat_template *t = p->t;
    uint32_t symbol = (uint32_t)t->n_names;
    if (table_find(&t->symbols, name, &symbol))
        return symbol;
    if (table_add(&t->symbols, name, symbol) == TABLE_NOMEM ||
        !mem_grow(t->a, &t->names, &t->room_names, t->n_names + 1, sizeof *t->names)) {
        if (!p->failed)
            fail_memory(p->err, "a template");
        p->failed = true;
        return 0;
    }
    t->names[t->n_names++] = name;
    return symbol;
}

bool parse_at_operator(const struct parser *p, char op)
{
    return p->now.kind == TOKEN_OPERATOR && p->now.op == op;
}

bool parse_at_name(const struct parser *p, const char *name)
{
    return p->now.kind == TOKEN_NAME && text_is(p->now.text, name);
}

bool parse_skip_operator(struct parser *p, char op)
{
    const bool there = parse_at_operator(p, op);
    if (there)
        parse_advance(p);
    return there;
}

bool parse_skip_name(struct parser *p, const char *name)
{
    const bool there = parse_at_name(p, name);
    if (there)
        parse_advance(p);
    return there;
}

void parse_expect_operator(struct parser *p, char op)
{
    if (!parse_skip_operator(p, op))
        parse_fail(p, "expected '%c', found %s", op, token_words(p->now).s);
}

struct text parse_expect_name(struct parser *p)
{
    const struct text name = p->now.text;
    if (p->now.kind != TOKEN_NAME)
        parse_fail(p, "expected a name, found %s", token_words(p->now).s);
    parse_advance(p);
    return p->failed ? (struct text){ "", 0 } : name;
}
