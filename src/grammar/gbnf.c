/* gbnf.c - llama.cpp's notation: rules `name ::= ...` of literals, classes, groups, repetitions and names.
 *
 * A rule ends with its line, except within parentheses and after ::= and |. */
#include "src/grammar/notations.h"
#include "src/grammar/scan.h"

static uint32_t read_alternatives(struct scan *s, bool nested);

static void skip_space(struct scan *s, bool lines_too)
{
    for (; s->p < s->end; s->p++) {
        if (*s->p == '#')
            while (s->p + 1 < s->end && s->p[1] != '\n' && s->p[1] != '\r')
                s->p++;
        else if (*s->p != ' ' && *s->p != '\t' && !(lines_too && (*s->p == '\n' || *s->p == '\r')))
            return;
    }
}

static bool is_name_char(char c)
{
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '_';
}

/* A rule by its name, made when it is first named. */
static uint32_t read_name(struct scan *s)
{
    const char *begin = s->p;
    while (s->p < s->end && is_name_char(*s->p))
        s->p++;
    const struct text name = { begin, (size_t)(s->p - begin) };
    uint32_t rule;
    if (!name.n)
        return scan_fail(s, "expected the name of a rule");
    if (table_find(&s->names, name, &rule))
        return rule;
    rule = exprs_add_rule(s->g, name);
    if (!s->g->status && table_add(&s->names, s->g->rules[rule].name, rule) != TABLE_ADDED)
        exprs_nomem(s->g);
    return rule;
}

static uint32_t read_char(struct scan *s)
{
    static const char plain[] = "\\\"[]-", *const at = plain;
    if (!scan_take(s, '\\'))
        return scan_char(s);
    const char c = s->p < s->end ? *s->p++ : 0;
    switch (c) {
    case 'x': return scan_hex(s, 2);
    case 'u': return scan_hex(s, 4);
    case 'U': return scan_hex(s, 8);
    case 't': return '\t';
    case 'r': return '\r';
    case 'n': return '\n';
    default: break;
    }
    if (c && strchr(at, c))
        return (uint32_t)c;
    s->p -= c != 0;
    return scan_fail(s, "expected x, u, U, t, r, n, \\, \", [, ] or - after a backslash");
}

static uint32_t read_literal(struct scan *s)
{
    struct exprs *g = s->g;
    const char *quote = s->p;
    while (quote < s->end && *quote != '"')
        quote += *quote == '\\' && s->end - quote > 1 ? 2 : 1;
    char *text = mem_new(g->a, (size_t)(quote - s->p) + 4, 1); /* no escape is shorter than what it stands for */
    size_t n = 0;
    if (!text)
        return exprs_nomem(g);
    while (!g->status && !scan_at(s, '"')) {
        const uint32_t c = read_char(s);
        n += g->status ? 0 : utf8_write(text + n, c);
    }
    s->p++;
    const uint32_t x = expr_text(g, text, n);
    mem_free(g->a, text);
    return x;
}

static uint32_t read_class(struct scan *s)
{
    const bool inverted = scan_take(s, '^');
    s->n_runs = 0;
    while (!s->g->status && !scan_at(s, ']')) {
        const uint32_t first = read_char(s);
        const bool range = scan_at(s, '-') && s->end - s->p > 1 && s->p[1] != ']';
        s->p += range;
        scan_add_run(s, first, range ? read_char(s) : first);
    }
    s->p++;
    if (!s->g->status && !s->n_runs && !inverted)
        return scan_fail(s, "expected characters within [ and ]");
    return expr_chars(s->g, s->runs, s->n_runs, inverted);
}

static uint32_t read_group(struct scan *s)
{
    if (++s->depth > MOST_GROUPS)
        return scan_fail(s, "expected at most %d groups within each other", MOST_GROUPS);
    skip_space(s, true);
    const uint32_t x = read_alternatives(s, true);
    s->depth--;
    return s->g->status || scan_take(s, ')') ? x : scan_fail(s, "expected ')'");
}

/* What a repetition may stand after; false if there is none. */
static bool read_item(struct scan *s, uint32_t *x)
{
    if (scan_take(s, '"')) {
        *x = read_literal(s);
    } else if (scan_take(s, '[')) {
        *x = read_class(s);
    } else if (scan_take(s, '.')) {
        struct chars any = { 0, LAST_CHAR };
        *x = expr_chars(s->g, &any, 1, false);
    } else if (scan_take(s, '(')) {
        *x = read_group(s);
    } else if (s->p < s->end && is_name_char(*s->p)) {
        const uint32_t rule = read_name(s);
        *x = expr_rule(s->g, rule);
    } else {
        return false;
    }
    return true;
}

static uint32_t repeated(struct scan *s, uint32_t x)
{
    while (!s->g->status) {
        if (scan_take(s, '*'))
            x = expr_repeat(s->g, x, 0, UINT32_MAX);
        else if (scan_take(s, '+'))
            x = expr_repeat(s->g, x, 1, UINT32_MAX);
        else if (scan_take(s, '?'))
            x = expr_repeat(s->g, x, 0, 1);
        else if (scan_take(s, '{'))
            x = scan_repeat(s, x);
        else
            break;
    }
    return x;
}

struct list {
    const infer_allocator *a;
    uint32_t *items;
    size_t n, room;
};

static void add_item(struct exprs *g, struct list *l, uint32_t x)
{
    if (mem_grow(g->a, &l->items, &l->room, l->n + 1, sizeof *l->items))
        l->items[l->n++] = x;
    else
        exprs_nomem(g);
}

static uint32_t read_sequence(struct scan *s, bool nested)
{
    struct list list = { .n = 0 };
    uint32_t x;
    while (!s->g->status && read_item(s, &x)) {
        skip_space(s, nested);
        add_item(s->g, &list, repeated(s, x));
        skip_space(s, nested);
    }
    x = expr_seq_of(s->g, list.items, list.n);
    mem_free(s->g->a, list.items);
    return x;
}

static uint32_t read_alternatives(struct scan *s, bool nested)
{
    struct list list = { .n = 0 };
    do {
        skip_space(s, nested || list.n);
        add_item(s->g, &list, read_sequence(s, nested));
    } while (!s->g->status && scan_take(s, '|'));
    const uint32_t x = expr_alt_of(s->g, list.items, list.n);
    mem_free(s->g->a, list.items);
    return x;
}

static void read_rule(struct scan *s)
{
    const uint32_t rule = read_name(s);
    skip_space(s, false);
    if (s->g->status)
        return;
    if (!scan_take_text(s, "::=")) {
        scan_fail(s, "expected ::= after \"%.64s\"", s->g->rules[rule].name.p);
        return;
    }
    if (s->g->rules[rule].defined) {
        scan_fail(s, "expected rule \"%.64s\" once, it is defined before", s->g->rules[rule].name.p);
        return;
    }
    skip_space(s, true);
    const uint32_t x = read_alternatives(s, false);
    if (s->g->status)
        return;
    s->g->rules[rule].expr = x;
    s->g->rules[rule].defined = true;
    if (s->p < s->end && *s->p != '\n' && *s->p != '\r')
        scan_fail(s, "expected the end of rule \"%.64s\" or something it can consist of", s->g->rules[rule].name.p);
}

static uint32_t find_root(struct scan *s)
{
    uint32_t root;
    for (size_t r = 0; r < s->g->n_rules && !s->g->status; r++)
        if (!s->g->rules[r].defined)
            exprs_fail(s->g, INFER_E_FORMAT, "rule \"%.64s\" is used, but not defined", s->g->rules[r].name.p);
    if (!s->g->status && !table_find(&s->names, text_of("root"), &root))
        return exprs_fail(s->g, INFER_E_FORMAT, "the grammar has no rule \"root\"");
    return s->g->status ? EXPR_NEVER : expr_rule(s->g, root);
}

uint32_t gbnf_read(struct exprs *g, struct text text)
{
    struct scan s = { .start = text.p, .p = text.p, .end = text.p + text.n, .g = g };
    table_init(&s.names, g->a);
    for (skip_space(&s, true); s.p < s.end && !g->status; skip_space(&s, true))
        read_rule(&s);
    const uint32_t root = find_root(&s);
    table_free(&s.names);
    mem_free(g->a, s.runs);
    return root;
}
