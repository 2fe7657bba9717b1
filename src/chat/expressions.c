/* expressions.c - expressions to nodes. Each function is a level of precedence, from `a if b else c` down. */
#include "src/chat/template.h"

/* ---- Primary expressions ---- */

static const struct node *constant(struct parser *p, struct value v)
{
    struct node *n = parse_node(p, N_CONST);
    if (n)
        n->value = v;
    parse_advance(p);
    return n;
}

static const struct node *name_or_constant(struct parser *p)
{
    const struct text name = p->now.text;
    static const struct {
        const char *name;
        struct value value;
    } constants[] = {
        { "true", { .type = V_BOOL, .u.truth = true } },   { "True", { .type = V_BOOL, .u.truth = true } },
        { "false", { .type = V_BOOL, .u.truth = false } }, { "False", { .type = V_BOOL, .u.truth = false } },
        { "none", { .type = V_NONE } },                    { "None", { .type = V_NONE } },
    };
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (text_is(name, constants[i].name))
            return constant(p, constants[i].value);
    struct node *n = parse_node(p, N_NAME);
    if (!n)
        return NULL;
    n->name = parse_symbol(p, name);
    p->uses |= n->name == SYMBOL_CALLER    ? USES_CALLER
               : n->name == SYMBOL_VARARGS ? USES_VARARGS
               : n->name == SYMBOL_KWARGS  ? USES_KWARGS
                                           : 0;
    parse_advance(p);
    return n;
}

/* "a" "b" is one string. */
static const struct node *string(struct parser *p)
{
    struct text all = p->now.text;
    const struct node *n = NULL;
    while (p->ahead.kind == TOKEN_STRING) {
        char *joined = arena_new(&p->t->arena, all.n + p->ahead.text.n + 1, 1);
        if (!joined)
            return parse_node(p, N_CONST); /* tells that memory is out, if it still is */
        memcpy(joined, all.p, all.n);
        memcpy(joined + all.n, p->ahead.text.p, p->ahead.text.n);
        all = (struct text){ joined, all.n + p->ahead.text.n };
        parse_advance(p);
    }
    n = constant(p, value_text(all));
    return n;
}

/* Expressions up to a closing bracket, with a comma allowed at the end. */
static const struct node *items(struct parser *p, enum node_kind kind, char close)
{
    struct node *n = parse_node(p, kind);
    struct node_list l = { NULL, NULL };
    parse_advance(p);
    while (!p->failed && !parse_at_operator(p, close)) {
        struct node *item = parse_node(p, N_PAIR);
        const struct node *value = parse_expression(p);
        if (kind == N_DICT && item) {
            item->a = value;
            parse_expect_operator(p, ':');
            item->b = parse_expression(p);
        } else if (item) {
            item->kind = N_EXPRESSIONS; /* expressions may be shared, so they are listed by a node of the list's */
            item->a = value;
        }
        parse_append(&l, item);
        if (!parse_at_operator(p, close))
            parse_expect_operator(p, ',');
    }
    parse_expect_operator(p, close);
    if (n)
        n->a = l.first;
    return n;
}

static const struct node *brackets(struct parser *p)
{
    parse_advance(p);
    if (parse_skip_operator(p, ')'))
        return parse_node(p, N_TUPLE);
    const struct node *n = parse_tuple(p, true);
    parse_expect_operator(p, ')');
    return n;
}

static const struct node *primary(struct parser *p)
{
    const struct token t = p->now;
    switch (t.kind) {
    case TOKEN_NAME: return name_or_constant(p);
    case TOKEN_STRING: return string(p);
    case TOKEN_INT: return constant(p, value_int(t.i));
    case TOKEN_FLOAT: return constant(p, value_float(t.f));
    default: break;
    }
    if (parse_at_operator(p, '('))
        return brackets(p);
    if (parse_at_operator(p, '['))
        return items(p, N_LIST, ']');
    if (parse_at_operator(p, '{'))
        return items(p, N_DICT, '}');
    return parse_fail(p, "expected an expression, found %s", token_words(t).s);
}

/* ---- What follows one: .name [item] (arguments) |filter is test ---- */

static const struct node *subscript(struct parser *p, const struct node *operand)
{
    struct node *n = parse_node(p, N_ITEM), *slice = parse_node(p, N_SLICE);
    const struct node *part[3] = { NULL, NULL, NULL };
    size_t i = 0;
    parse_advance(p);
    for (; i < 3 && !p->failed; i++) {
        if (!parse_at_operator(p, ':') && !parse_at_operator(p, ']'))
            part[i] = i ? parse_expression(p) : parse_tuple(p, true);
        if (!parse_at_operator(p, ':') || i == 2)
            break;
        parse_advance(p);
    }
    if (!i && !part[0])
        return parse_fail(p, "expected an index, found %s", token_words(p->now).s);
    parse_expect_operator(p, ']');
    if (!n || !slice)
        return NULL;
    slice->a = part[0];
    slice->b = part[1];
    slice->c = part[2];
    n->a = operand;
    n->b = i ? slice : part[0];
    return n;
}

static const struct node *attribute(struct parser *p, const struct node *operand)
{
    struct node *n = parse_node(p, N_ATTRIBUTE);
    parse_advance(p);
    if (p->now.kind == TOKEN_INT) { /* a.0 is a[0] */
        if (n) {
            n->kind = N_ITEM;
            n->a = operand;
            n->b = constant(p, value_int(p->now.i));
        }
        return n;
    }
    const struct text name = parse_expect_name(p);
    if (n) {
        n->a = operand;
        n->value = value_text(name);
    }
    return n;
}

const struct node *parse_arguments(struct parser *p)
{
    struct node_list l = { NULL, NULL };
    parse_expect_operator(p, '(');
    while (!p->failed && !parse_at_operator(p, ')')) {
        struct node *n = parse_node(p, N_EXPRESSIONS);
        if (n && parse_skip_operator(p, '*')) {
            n->kind = N_STAR;
        } else if (n && parse_skip_operator(p, OP_POWER)) {
            n->kind = N_STARSTAR;
        } else if (n && p->now.kind == TOKEN_NAME && p->ahead.kind == TOKEN_OPERATOR && p->ahead.op == '=') {
            n->kind = N_KEYWORD;
            n->value = value_text(p->now.text);
            parse_advance(p);
            parse_advance(p);
        }
        if (n)
            n->a = parse_expression(p);
        parse_append(&l, n);
        if (!parse_at_operator(p, ')'))
            parse_expect_operator(p, ',');
    }
    parse_expect_operator(p, ')');
    return l.first;
}

static const struct node *call(struct parser *p, const struct node *operand)
{
    struct node *n = parse_node(p, N_CALL);
    const struct node *arguments = parse_arguments(p);
    if (n) {
        n->a = operand;
        n->b = arguments;
    }
    return n;
}

static const struct node *postfix(struct parser *p, const struct node *n)
{
    while (!p->failed) {
        if (parse_at_operator(p, '.'))
            n = attribute(p, n);
        else if (parse_at_operator(p, '['))
            n = subscript(p, n);
        else if (parse_at_operator(p, '('))
            n = call(p, n);
        else
            break;
    }
    return n;
}

/* The name may have dots in it; none of ours has. */
static struct node *named(struct parser *p, enum node_kind kind, const struct node *operand)
{
    struct node *n = parse_node(p, kind);
    const struct text name = parse_expect_name(p);
    if (!n)
        return NULL;
    n->a = operand;
    n->value = value_text(name);
    n->row = kind == N_FILTER ? builtin_filter(name) : builtin_test(name);
    return n;
}

/* After `is`: a test, whose only argument may stand without brackets. */
static const struct node *test(struct parser *p, const struct node *operand)
{
    const bool negated = parse_skip_name(p, "not");
    struct node *n = named(p, N_TEST, operand);
    if (!n)
        return NULL;
    n->op = negated;
    const enum token_kind kind = p->now.kind;
    const bool word = parse_at_name(p, "else") || parse_at_name(p, "or") || parse_at_name(p, "and") ||
                      parse_at_name(p, "is") || parse_at_name(p, "if") || parse_at_name(p, "not") ||
                      parse_at_name(p, "in");
    if (parse_at_operator(p, '(')) {
        n->b = parse_arguments(p);
    } else if ((kind == TOKEN_NAME && !word) || kind == TOKEN_STRING || kind == TOKEN_INT || kind == TOKEN_FLOAT ||
               parse_at_operator(p, '[') || parse_at_operator(p, '{')) {
        struct node *argument = parse_node(p, N_EXPRESSIONS);
        if (argument)
            argument->a = postfix(p, primary(p));
        n->b = argument;
    }
    if (!n->row && !p->failed)
        return parse_fail(p, "there is no test '%.*s'", (int)(n->value.u.s.n < 60 ? n->value.u.s.n : 60),
                          n->value.u.s.p);
    return n;
}

const struct node *parse_filter(struct parser *p, const struct node *operand)
{
    struct node *n = named(p, N_FILTER, operand);
    if (n && parse_at_operator(p, '('))
        n->b = parse_arguments(p);
    return n;
}

const struct node *parse_filters(struct parser *p, const struct node *operand)
{
    while (!p->failed && parse_skip_operator(p, '|'))
        operand = parse_filter(p, operand);
    return operand;
}

static const struct node *filters_and_tests(struct parser *p, const struct node *n)
{
    while (!p->failed) {
        if (parse_at_operator(p, '|'))
            n = parse_filters(p, n);
        else if (parse_skip_name(p, "is"))
            n = test(p, n);
        else if (parse_at_operator(p, '('))
            n = call(p, n);
        else
            break;
    }
    return n;
}

/* ---- Operators ---- */

static const struct node *unary(struct parser *p, bool with_filters)
{
    const struct node *n = NULL;
    if (!parse_enter(p))
        return NULL;
    if (parse_at_operator(p, '-') || parse_at_operator(p, '+')) {
        struct node *sign = parse_node(p, parse_at_operator(p, '-') ? N_NEGATE : N_PLUS);
        parse_advance(p);
        const struct node *operand = unary(p, false);
        if (sign)
            sign->a = operand;
        n = sign;
    } else {
        n = primary(p);
    }
    n = postfix(p, n);
    if (with_filters)
        n = filters_and_tests(p, n);
    p->depth--;
    return n;
}

/* Operators of one level, which associate to the left. */
static const struct node *level(struct parser *p, size_t i);
static const struct node *operands(struct parser *p, size_t i)
{
    return i < 2 ? level(p, i + 1) : unary(p, true);
}

static const struct node *concatenation(struct parser *p)
{
    const struct node *first = level(p, 1);
    if (!parse_at_operator(p, '~'))
        return first;
    struct node *n = parse_node(p, N_CONCAT);
    struct node_list l = { NULL, NULL };
    for (;;) {
        parse_append_expression(p, &l, first);
        if (p->failed || !parse_skip_operator(p, '~'))
            break;
        first = level(p, 1);
    }
    if (n)
        n->a = l.first;
    return n;
}

static const struct node *level(struct parser *p, size_t i)
{
    static const char operators[][5] = { "+-", { '*', '/', OP_FLOOR, '%', 0 }, { OP_POWER, 0 } };
    const struct node *left = i ? operands(p, i) : concatenation(p);
    while (!p->failed && p->now.kind == TOKEN_OPERATOR && strchr(operators[i], p->now.op)) {
        struct node *n = parse_node(p, N_BINARY);
        const char op = p->now.op;
        parse_advance(p);
        const struct node *right = i ? operands(p, i) : concatenation(p);
        if (!n)
            return NULL;
        n->op = (uint8_t)op;
        n->a = left;
        n->b = right;
        left = n;
    }
    return left;
}

/* The comparison that comes next, or -1. */
static int comparison(struct parser *p)
{
    static const char operators[] = { OP_EQ, OP_NE, '<', OP_LE, '>', OP_GE };
    for (int i = 0; i < (int)sizeof operators; i++)
        if (parse_skip_operator(p, operators[i]))
            return CMP_EQ + i;
    if (parse_skip_name(p, "in"))
        return CMP_IN;
    if (!parse_at_name(p, "not") || p->ahead.kind != TOKEN_NAME || !text_is(p->ahead.text, "in"))
        return -1;
    parse_advance(p);
    parse_advance(p);
    return CMP_NOT_IN;
}

static const struct node *compare(struct parser *p)
{
    const struct node *first = level(p, 0);
    struct node_list l = { NULL, NULL };
    for (int op; !p->failed && (op = comparison(p)) >= 0;) {
        struct node *n = parse_node(p, N_OPERAND);
        if (!n)
            return NULL;
        n->op = (uint8_t)op;
        n->a = level(p, 0);
        parse_append(&l, n);
    }
    if (!l.first)
        return first;
    struct node *n = parse_node(p, N_COMPARE);
    if (n) {
        n->a = first;
        n->b = l.first;
    }
    return n;
}

static const struct node *negation(struct parser *p)
{
    if (!parse_at_name(p, "not"))
        return compare(p);
    struct node *n = parse_node(p, N_NOT);
    parse_advance(p);
    if (!n || !parse_enter(p))
        return NULL;
    n->a = negation(p);
    p->depth--;
    return n;
}

static const struct node *logic(struct parser *p, bool either)
{
    const struct node *left = either ? logic(p, false) : negation(p);
    while (!p->failed && parse_skip_name(p, either ? "or" : "and")) {
        struct node *n = parse_node(p, either ? N_OR : N_AND);
        if (!n)
            return NULL;
        n->a = left;
        n->b = either ? logic(p, false) : negation(p);
        left = n;
    }
    return left;
}

const struct node *parse_expression(struct parser *p)
{
    if (!parse_enter(p))
        return NULL;
    const struct node *n = logic(p, true);
    while (!p->failed && parse_skip_name(p, "if")) {
        struct node *condition = parse_node(p, N_COND);
        if (!condition)
            return NULL;
        condition->b = n;
        condition->a = logic(p, true);
        if (parse_skip_name(p, "else"))
            condition->c = parse_expression(p);
        n = condition;
    }
    p->depth--;
    return n;
}

const struct node *parse_tuple(struct parser *p, bool with_condition)
{
    const struct node *first = with_condition ? parse_expression(p) : logic(p, true);
    if (!parse_at_operator(p, ','))
        return first;
    struct node *n = parse_node(p, N_TUPLE);
    struct node_list l = { NULL, NULL };
    for (;;) {
        parse_append_expression(p, &l, first);
        if (p->failed || !parse_skip_operator(p, ',') || parse_at_operator(p, ')') || parse_at_operator(p, ']') ||
            parse_at_operator(p, '=') || p->now.kind == TOKEN_END || p->now.kind == TOKEN_PRINT_END ||
            parse_at_name(p, "in"))
            break;
        first = with_condition ? parse_expression(p) : logic(p, true);
    }
    if (n)
        n->a = l.first;
    return n;
}
