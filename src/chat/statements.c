/* statements.c - tags to nodes, and a template as a whole. */
#include "src/base/error.h"
#include "src/base/utf8.h"
#include "src/chat/template.h"

/* A statement's parser begins after its name and ends before its %}. */
typedef struct node *statement_fn(struct parser *p);

static void end_tag(struct parser *p)
{
    if (p->now.kind != TOKEN_END)
        parse_fail(p, "expected %%}, found %s", token_words(p->now).s);
    parse_advance(p);
}

/* The body after a tag, up to and with "{% end"; its %} is left. */
static const struct node *body_until(struct parser *p, const char *end)
{
    end_tag(p);
    const struct node *body = parse_body(p, (const char *const[]){ end, NULL });
    parse_advance(p);
    return body;
}

/* ---- Targets of for and set ---- */

static const struct node *target(struct parser *p, bool members);

static const struct node *one_target(struct parser *p, bool members)
{
    if (parse_at_operator(p, '(') && parse_enter(p)) {
        parse_advance(p);
        const struct node *n = target(p, members);
        parse_expect_operator(p, ')');
        p->depth--;
        return n;
    }
    struct node *n = parse_node(p, N_NAME);
    const struct text name = parse_expect_name(p);
    if (!n || p->failed)
        return NULL;
    n->name = parse_symbol(p, name);
    if (members && parse_skip_operator(p, '.')) {
        n->kind = N_MEMBER;
        n->value = value_text(parse_expect_name(p));
    }
    return n;
}

static const struct node *target(struct parser *p, bool members)
{
    const struct node *first = one_target(p, members);
    if (!parse_at_operator(p, ','))
        return first;
    struct node *n = parse_node(p, N_TUPLE);
    struct node_list l = { NULL, NULL };
    for (;;) {
        parse_append_expression(p, &l, first);
        if (p->failed || !parse_skip_operator(p, ',') || p->now.kind == TOKEN_END)
            break;
        first = one_target(p, members);
    }
    if (n)
        n->a = l.first;
    return n;
}

/* ---- Statements ---- */

static struct node *if_statement(struct parser *p)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL };
    struct node *n = parse_node(p, N_IF);
    struct node_list branches = { NULL, NULL };
    bool last = false, more = true;
    while (more && !p->failed) {
        struct node *branch = parse_node(p, N_BRANCH);
        if (!branch)
            return NULL;
        branch->a = last ? NULL : parse_tuple(p, false);
        end_tag(p);
        branch->b = parse_body(p, last ? ends + 2 : ends);
        parse_append(&branches, branch);
        more = !parse_at_name(p, "endif");
        last = parse_at_name(p, "else");
        parse_advance(p);
    }
    if (n)
        n->a = branches.first;
    return n;
}

static struct node *for_statement(struct parser *p)
{
    static const char *const ends[] = { "else", "endfor", NULL };
    struct node *n = parse_node(p, N_FOR), *filter = parse_node(p, N_EXPRESSIONS);
    const struct node *to = target(p, false);
    if (!parse_skip_name(p, "in"))
        parse_fail(p, "expected 'in', found %s", token_words(p->now).s);
    const struct node *from = parse_tuple(p, false);
    if (!n || !filter)
        return NULL;
    filter->a = from; /* items, and whether one is wanted */
    if (parse_skip_name(p, "if"))
        filter->b = parse_expression(p);
    n->op = parse_skip_name(p, "recursive");
    end_tag(p);
    p->n_loops++;
    n->c = parse_body(p, ends);
    p->n_loops--;
    n->a = to;
    n->b = filter;
    if (parse_skip_name(p, "else"))
        n->d = body_until(p, "endfor");
    else
        parse_advance(p);
    return n;
}

static struct node *set_statement(struct parser *p)
{
    struct node *n = parse_node(p, N_SET);
    const struct node *to = target(p, true);
    if (!n)
        return NULL;
    n->a = to;
    if (parse_skip_operator(p, '=')) {
        n->b = parse_tuple(p, true);
        return n;
    }
    n->kind = N_SET_BLOCK;
    n->c = parse_at_operator(p, '|') ? parse_filters(p, NULL) : NULL;
    n->b = body_until(p, "endset");
    return n;
}

static const struct node *parameters(struct parser *p)
{
    struct node_list l = { NULL, NULL };
    parse_expect_operator(p, '(');
    while (!p->failed && !parse_at_operator(p, ')')) {
        struct node *n = parse_node(p, N_PARAMETER);
        const struct text name = parse_expect_name(p);
        if (!n || p->failed)
            return NULL;
        n->name = parse_symbol(p, name);
        n->a = parse_skip_operator(p, '=') ? parse_expression(p) : NULL;
        parse_append(&l, n);
        if (!parse_at_operator(p, ')'))
            parse_expect_operator(p, ',');
    }
    parse_expect_operator(p, ')');
    return l.first;
}

/* The body of a macro: what it uses of its arguments is its own, and loops around it are not its. */
static void macro_body(struct parser *p, struct node *macro, const char *end)
{
    const uint8_t uses = p->uses;
    const unsigned loops = p->n_loops;
    p->uses = 0;
    p->n_loops = 0;
    macro->b = body_until(p, end);
    macro->op = p->uses;
    p->uses = uses;
    p->n_loops = loops;
}

static struct node *macro_statement(struct parser *p)
{
    struct node *n = parse_node(p, N_MACRO);
    const struct text name = parse_expect_name(p);
    if (!n || p->failed)
        return NULL;
    n->name = parse_symbol(p, name);
    n->a = parameters(p);
    macro_body(p, n, "endmacro");
    return n;
}

static struct node *call_statement(struct parser *p)
{
    struct node *n = parse_node(p, N_CALL_BLOCK), *caller = parse_node(p, N_MACRO);
    if (!n || !caller)
        return NULL;
    caller->name = SYMBOL_CALLER;
    caller->a = parse_at_operator(p, '(') ? parameters(p) : NULL;
    n->a = parse_expression(p);
    n->b = caller;
    if (n->a && n->a->kind != N_CALL)
        return parse_fail(p, "a call block needs a call");
    macro_body(p, caller, "endcall");
    return n;
}

static struct node *filter_statement(struct parser *p)
{
    struct node *n = parse_node(p, N_FILTER_BLOCK);
    if (!n)
        return NULL;
    n->a = parse_filters(p, parse_filter(p, NULL));
    n->b = body_until(p, "endfilter");
    return n;
}

static struct node *with_statement(struct parser *p)
{
    struct node *n = parse_node(p, N_WITH);
    struct node_list l = { NULL, NULL };
    while (!p->failed && p->now.kind != TOKEN_END) {
        struct node *set = parse_node(p, N_SET);
        if (!set)
            return NULL;
        set->a = one_target(p, false);
        parse_expect_operator(p, '=');
        set->b = parse_expression(p);
        parse_append(&l, set);
        if (p->now.kind != TOKEN_END)
            parse_expect_operator(p, ',');
    }
    if (n) {
        n->a = l.first;
        n->b = body_until(p, "endwith");
    }
    return n;
}

static struct node *scope_until(struct parser *p, const char *end)
{
    struct node *n = parse_node(p, N_SCOPE);
    if (n)
        n->b = body_until(p, end);
    return n;
}

static struct node *generation_statement(struct parser *p)
{
    return scope_until(p, "endgeneration");
}

/* Nothing inherits from a chat template, so a block is its body. */
static struct node *block_statement(struct parser *p)
{
    parse_expect_name(p);
    struct node *n = scope_until(p, "endblock");
    if (p->now.kind == TOKEN_NAME)
        parse_advance(p);
    return n;
}

static struct node *do_statement(struct parser *p)
{
    struct node *n = parse_node(p, N_DO);
    const struct node *expression = parse_tuple(p, true);
    if (n)
        n->a = expression;
    return n;
}

static struct node *loop_control(struct parser *p, enum node_kind kind)
{
    if (!p->n_loops)
        return parse_fail(p, "%s outside of a loop", kind == N_BREAK ? "break" : "continue");
    return parse_node(p, kind);
}

static struct node *break_statement(struct parser *p)
{
    return loop_control(p, N_BREAK);
}

static struct node *continue_statement(struct parser *p)
{
    return loop_control(p, N_CONTINUE);
}

static struct node *statement(struct parser *p)
{
    static const struct {
        const char *name;
        statement_fn *parse;
    } rows[] = {
        { "if", if_statement },         { "for", for_statement },
        { "set", set_statement },       { "macro", macro_statement },
        { "call", call_statement },     { "filter", filter_statement },
        { "with", with_statement },     { "generation", generation_statement },
        { "block", block_statement },   { "do", do_statement },
        { "break", break_statement },   { "continue", continue_statement },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (parse_at_name(p, rows[i].name)) {
            parse_advance(p);
            return rows[i].parse(p);
        }
    return parse_fail(p, "there is no tag %s", token_words(p->now).s);
}

/* ---- Bodies and templates ---- */

static bool at_end(const struct parser *p, const char *const *ends)
{
    for (; *ends; ends++)
        if (parse_at_name(p, *ends))
            return true;
    return false;
}

static struct node *print_tag(struct parser *p)
{
    struct node *n = parse_node(p, N_OUTPUT);
    parse_advance(p);
    const struct node *expression = parse_tuple(p, true);
    if (n)
        n->a = expression;
    if (p->now.kind != TOKEN_PRINT_END)
        parse_fail(p, "expected }}, found %s", token_words(p->now).s);
    parse_advance(p);
    return n;
}

const struct node *parse_body(struct parser *p, const char *const *ends)
{
    struct node_list l = { NULL, NULL };
    const uint32_t line = p->now.line;
    if (!parse_enter(p))
        return NULL;
    while (!p->failed && p->now.kind != TOKEN_EOF) {
        struct node *n = NULL;
        if (p->now.kind == TOKEN_TEXT) {
            n = parse_node(p, N_TEXT);
            if (n)
                n->value = value_text(p->now.text);
            parse_advance(p);
        } else if (p->now.kind == TOKEN_PRINT) {
            n = print_tag(p);
        } else {
            parse_advance(p);
            if (ends && at_end(p, ends)) {
                p->depth--;
                return l.first;
            }
            n = statement(p);
            end_tag(p);
        }
        parse_append(&l, n);
    }
    p->depth--;
    if (ends)
        parse_fail(p, "expected {%% %s %%} for the tag of line %u, found the end of the template",
                   ends[1] && ends[2] ? ends[2] : ends[1] ? ends[1] : ends[0], line);
    return l.first;
}

static bool add_symbols(struct parser *p)
{
    static const char *const names[SYMBOLS] = { "loop", "caller", "varargs", "kwargs" };
    for (size_t i = 0; i < SYMBOLS; i++)
        parse_symbol(p, text_of(names[i]));
    return !p->failed;
}

static void compile(infer_chat_template *t, struct text source, struct parser *p)
{
    if (!lexer_open(&p->lexer, &t->arena, source, p->err)) {
        p->failed = true;
        return;
    }
    if (!add_symbols(p))
        return;
    p->ahead = lexer_next(&p->lexer);
    p->failed = p->lexer.failed;
    parse_advance(p);
    t->body = parse_body(p, NULL);
}

infer_chat_template *template_compile(const infer_allocator *a, struct text source, infer_error *err)
{
    if (source.n > MAX_SOURCE)
        return fail_null(err, INFER_E_FORMAT, "a template of %zu bytes, expected at most %d", source.n, MAX_SOURCE);
    const size_t valid = utf8_valid(source.p, source.n);
    if (valid < source.n)
        return fail_null(err, INFER_E_FORMAT, "the template is no UTF-8 at byte %zu", valid);
    infer_chat_template *t = mem_new(a, 1, sizeof *t);
    if (!t)
        return fail_memory(err, "a template"), NULL;
    t->a = a;
    arena_init(&t->arena, a);
    table_init(&t->symbols, a);
    struct parser p = { .t = t, .err = err };
    compile(t, source, &p);
    if (p.failed)
        template_free(&t);
    return t;
}

void template_free(infer_chat_template **template)
{
    infer_chat_template *t = *template;
    *template = NULL;
    if (!t)
        return;
    table_free(&t->symbols);
    mem_free(t->a, t->names);
    arena_free(&t->arena);
    mem_free(t->a, t);
}
