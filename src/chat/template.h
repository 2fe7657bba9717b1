/* template.h - the parts of the template engine: source -> nodes -> text.
 *
 *     lex.c parse.c expressions.c statements.c
 *                                  source to a tree of nodes, which is constant then and shared by all renderings
 *     eval.c operators.c call.c    what an expression's value is
 *     execute.c                    what a statement writes
 *     render.c                     one rendering: its limits, its memory, its variables
 *     value.c text.c print.c tojson.c
 *                                  values: lists, dictionaries, equality; characters; as text, as JSON
 *     filters_*.c tests.c methods*.c globals.c text_ops.c format.c time.c
 *                                  what templates can call, as tables of rows
 *
 * Templates come from strangers: a rendering's steps, memory, depth and output are bounded by its struct limits. There
 * is no way out of a rendering in the middle: the first failure is kept in the rendering, everything after it computes
 * with undefined values, and loops end at once where `failed` is set. */
#ifndef CHAT_TEMPLATE_H
#define CHAT_TEMPLATE_H

#include "src/chat/value.h"

#include <jansson.h>

/* ---- Nodes ---- */

enum node_kind {
    /* expressions; a, b, c are expressions unless said otherwise */
    N_CONST,   /* value */
    N_NAME,    /* name */
    N_ATTRIBUTE, /* a.value */
    N_ITEM,    /* a[b] */
    N_SLICE,   /* a[b.a : b.b : b.c], any of the three NULL */
    N_CALL,    /* a(b ...): b a list of expressions, N_KEYWORD, N_STAR, N_STARSTAR */
    N_FILTER,  /* a | row(b ...); row NULL: unknown, value is the name */
    N_TEST,    /* a is row(b ...); op: negated */
    N_NOT,
    N_NEGATE,
    N_PLUS,
    N_AND,
    N_OR,
    N_BINARY,  /* a op b, op a character: + - * / % and 'f' for //, 'p' for ** */
    N_CONCAT,  /* a list of all operands of ~ */
    N_COMPARE, /* a, then the list b of N_OPERAND */
    N_COND,    /* b if a else c; c may be NULL */
    N_LIST,    /* list a */
    N_TUPLE,   /* list a */
    N_DICT,    /* list a of N_PAIR */
    /* parts of expressions */
    N_EXPRESSIONS, /* element a of a list */
    N_OPERAND, /* op a, op an enum comparison */
    N_PAIR,    /* a: b */
    N_KEYWORD, /* value = a */
    N_STAR,
    N_STARSTAR,
    /* statements; a body is a list of statements */
    N_TEXT,    /* value */
    N_OUTPUT,  /* expression a */
    N_IF,      /* list a of N_BRANCH */
    N_BRANCH,  /* if a (NULL: else) body b */
    N_FOR,     /* for a in b.a if b.b (may be NULL), body c, body d if there is nothing; op: recursive */
    N_SET,     /* target a = expression b */
    N_SET_BLOCK,  /* target a = body b through the filters c */
    N_MACRO,   /* name; parameters a: list of N_PARAMETER, body b, op: enum macro_uses */
    N_PARAMETER,  /* name, default a or NULL */
    N_CALL_BLOCK, /* call a with b, a N_MACRO, as its caller */
    N_FILTER_BLOCK, /* body b through filters a, whose innermost operand is NULL */
    N_WITH,    /* list a of N_SET, body b */
    N_SCOPE,   /* body b in a scope of its own */
    N_DO,      /* expression a */
    N_BREAK,
    N_CONTINUE,
    /* targets of for and set: N_NAME, N_TUPLE of targets, or */
    N_MEMBER,  /* name.value of a namespace */
};

enum comparison { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_IN, CMP_NOT_IN };

enum macro_uses { USES_CALLER = 1, USES_VARARGS = 2, USES_KWARGS = 4 };

struct builtin;
struct node {
    uint8_t kind, op;
    uint32_t line;
    uint32_t name; /* symbol */
    const struct node *a, *b, *c, *d, *next;
    const struct builtin *row;
    struct value value;
};

/* Names that mean something to the engine have these symbols in every template. */
enum symbol { SYMBOL_LOOP, SYMBOL_CALLER, SYMBOL_VARARGS, SYMBOL_KWARGS, SYMBOLS };

struct infer_chat_template {
    const infer_allocator *a;
    infer_context *context; /* NULL for those that tests make */
    struct arena arena;     /* source, nodes, constants */
    struct table symbols;   /* name -> symbol */
    struct text *names;     /* of the symbols */
    size_t n_names, room_names;
    const struct node *body;
};

/* ---- Reading ---- */

enum { MAX_SOURCE = 4 << 20 };

infer_chat_template *template_compile(const infer_allocator *a, struct text source, infer_error *err);
void template_free(infer_chat_template **t);

enum token_kind {
    TOKEN_TEXT,  /* between tags */
    TOKEN_BEGIN, /* of a block */
    TOKEN_END,
    TOKEN_PRINT, /* begin of {{ }} */
    TOKEN_PRINT_END,
    TOKEN_NAME,
    TOKEN_STRING, /* with its escapes replaced */
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_OPERATOR, /* op: its first character, or one of enum operator_code */
    TOKEN_EOF
};
enum operator_code { OP_EQ = 'e', OP_NE = 'n', OP_LE = 'l', OP_GE = 'g', OP_FLOOR = 'f', OP_POWER = 'p' };

struct token {
    enum token_kind kind;
    char op;
    uint32_t line;
    struct text text; /* as it stands in the source; of strings the value */
    int64_t i;
    double f;
};

struct lexer {
    const char *at, *end;
    struct arena *arena;
    uint32_t line;
    enum { LEX_TEXT, LEX_BLOCK, LEX_PRINT } state;
    unsigned n_open;       /* brackets within the tag */
    bool line_start;       /* the last tag ended with its line */
    infer_error *err;
    bool failed;
};

/** Newlines become \n and the last one goes, as Jinja has it; the copy is the arena's. False: out of memory. */
bool lexer_open(struct lexer *l, struct arena *arena, struct text source, infer_error *err);
/** The next token; TOKEN_EOF also after a mistake, with `failed` set. */
struct token lexer_next(struct lexer *l);

struct parser {
    infer_chat_template *t;
    struct lexer lexer;
    struct token now, ahead;
    infer_error *err;
    bool failed;
    unsigned depth, n_loops;
    uint8_t uses; /* enum macro_uses of the macro being read */
};

struct node *parse_fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct node *parse_node(struct parser *p, enum node_kind kind);
void parse_advance(struct parser *p);
bool parse_enter(struct parser *p); /* one level deeper; false if that is too deep */
uint32_t parse_symbol(struct parser *p, struct text name);
bool parse_at_operator(const struct parser *p, char op);
bool parse_at_name(const struct parser *p, const char *name);
bool parse_skip_operator(struct parser *p, char op);
bool parse_skip_name(struct parser *p, const char *name);
void parse_expect_operator(struct parser *p, char op);
struct text parse_expect_name(struct parser *p);
const struct node *parse_expression(struct parser *p);
/** Expressions with commas between them are a tuple. */
const struct node *parse_tuple(struct parser *p, bool with_condition);
/** Filters after `operand`, which may be NULL; one at its name, and all that come with a | before each. */
const struct node *parse_filter(struct parser *p, const struct node *operand);
const struct node *parse_filters(struct parser *p, const struct node *operand);
const struct node *parse_arguments(struct parser *p); /* at the opening bracket */
const struct node *parse_body(struct parser *p,
                              const char *const *ends); /* until one of these names; NULL: to the end */
/** What is there, in words. */
struct token_words {
    char s[80];
} token_words(struct token t);

/* A list that grows at its end. */
struct node_list {
    const struct node *first;
    struct node *last;
};
void parse_append(struct node_list *l, struct node *n);
/** Expressions may be shared, so a node of the list's own holds it. */
void parse_append_expression(struct parser *p, struct node_list *l, const struct node *expression);

/* ---- Rendering ---- */

struct limits {
    uint64_t steps;
    size_t bytes; /* of values */
    size_t output;
    unsigned depth;
};
extern const struct limits default_limits;

struct scope {
    struct scope *parent;
    struct binding {
        uint32_t name;
        struct value value;
    } *items;
    uint32_t n, room;
};

struct macro {
    const struct node *node;
    struct scope *scope; /* where it was defined */
};

struct loop {
    const struct node *node;
    struct scope *scope; /* around the loop */
    struct list *items;
    size_t index, n, depth;
    struct value changed; /* what changed() was called with last; V_ABSENT: not yet */
};

struct render {
    const infer_chat_template *t;
    struct arena arena;
    const struct limits *limits;
    uint64_t steps;
    unsigned depth;
    char *out; /* what is being written. Texts under construction stand at its end for a while */
    size_t n_out, room_out;
    struct scope *scope;
    struct value block; /* what the filters of a block begin with */
    uint32_t line;
    enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
    bool failed;
    infer_error *err;
    int64_t now; /* seconds since 1970-01-01 by the clock on the wall */
};

void render_open(struct render *r, const infer_chat_template *t, const struct limits *limits, infer_error *err);
void render_close(struct render *r);
/** Write the template's text to r->out. */
infer_status render_run(struct render *r);
/** Give a variable a value, where the template speaks of it. */
void render_set(struct render *r, const char *name, struct value v);

/** The first failure counts. Returns an undefined value. */
struct value render_fail(struct render *r, infer_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Count n steps; false if there have been too many, or something has failed before. */
bool render_charge(struct render *r, size_t n);
/** One level deeper, and a step; false if that is too deep. Where it is true render_leave() has to follow. */
bool render_enter(struct render *r);
static inline void render_leave(struct render *r)
{
    r->depth--;
}
/** Memory for count objects of size bytes; NULL after a failure. */
void *render_new(struct render *r, size_t count, size_t size);
/** The same bytes in the rendering's memory; none after a failure. */
struct text render_copy(struct render *r, struct text s);

struct value eval_node(struct render *r, const struct node *n);
void execute_body(struct render *r, const struct node *body);
/** Run body in a scope of its own and take what it writes. */
struct value render_capture(struct render *r, const struct node *body, struct scope *scope);
struct scope *scope_new(struct render *r, struct scope *parent);
void scope_set(struct render *r, struct scope *s, uint32_t name, struct value v);
const struct value *scope_find(const struct scope *s, uint32_t name);
void render_assign(struct render *r, const struct node *target, struct value v);
struct value render_loop(struct render *r, const struct node *n, struct scope *outer, struct value items, size_t depth);

/* ---- Values ---- */

const char *value_type_name(struct value v); /* as Python's messages say it */
bool value_truth(struct value v);
bool value_same(struct render *r, struct value a, struct value b);
/** <0, 0, >0; fails for values that have no order. */
int value_order(struct render *r, struct value a, struct value b);
bool value_contains(struct render *r, struct value container, struct value v);
struct list *list_new(struct render *r, size_t room); /* NULL after a failure */
void list_add(struct render *r, struct list *l, struct value v);
struct value list_value(struct list *l, enum list_kind kind); /* undefined for NULL */
struct dict *dict_new(struct render *r, size_t room);
void dict_set(struct render *r, struct dict *d, struct value key, struct value v);
struct value *dict_find(struct render *r, const struct dict *d, struct value key); /* NULL: not there */
struct value *dict_get(struct render *r, const struct dict *d, const char *key);
/** Its items, or characters, or keys; fails for what cannot be iterated. Never NULL unless something failed. */
struct list *value_items(struct render *r, struct value v);
/** Length; -1 for what has none. */
int64_t value_length(struct value v);
struct value value_item(struct render *r, struct value v, struct value key);
struct value value_attribute(struct render *r, struct value v, struct text name);
/** Fails and returns false if v is undefined. */
bool value_defined(struct render *r, struct value v);
struct value value_from_json(struct render *r, const json_t *json);
/** The value of a JSON text. `what` is for the message. */
struct value value_parse_json(struct render *r, struct text json, const char *what);

size_t text_count(struct text s);
/** The part of s from character i, of n characters. */
struct text text_part(struct text s, size_t i, size_t n);
bool text_is_space(uint32_t code);
/** Next character of s, which is taken off. Broken bytes come one by one as U+FFFD. 0 at the end. */
uint32_t text_next(struct text *s, struct text *bytes);
enum { TRIM_LEFT = 1, TRIM_RIGHT = 2 };
struct text text_trim(struct text s, unsigned sides, const struct text *chars);
bool text_real(struct text s, double *x);
bool text_int(struct text s, unsigned base, int64_t *x);
/** First place of needle from byte `from` on; SIZE_MAX if there is none. */
size_t text_find(struct render *r, struct text s, struct text needle, size_t from);

/* ---- Writing ---- */

void put_bytes(struct render *r, const char *p, size_t n);
static inline void put_text(struct render *r, struct text s)
{
    put_bytes(r, s.p, s.n);
}
static inline void put_char(struct render *r, char c)
{
    put_bytes(r, &c, 1);
}
static inline void put_string(struct render *r, const char *s)
{
    put_bytes(r, s, strlen(s));
}
void put_code(struct render *r, uint32_t code);
void put_int(struct render *r, int64_t i);
void put_real(struct render *r, double f);
void put_value(struct render *r, struct value v);   /* as str() */
void put_repr(struct render *r, struct value v);    /* as repr() */
void put_escaped(struct render *r, struct text s);  /* for HTML */
/** What was written since r->n_out was `mark`, taken off again. */
struct value put_taken(struct render *r, size_t mark);
/** The value as str() has it. */
struct text value_text_of(struct render *r, struct value v);

struct json_style {
    bool ascii, sort;
    struct text comma, colon;
    struct text indent; /* of one level; p NULL: all on one line */
};
void put_json(struct render *r, struct value v, const struct json_style *style, unsigned level);

/* ---- What can be called ---- */

enum { MAX_PARAMETERS = 6 };

struct call {
    struct list positional;
    struct dict named;
};

struct args {
    struct value v[MAX_PARAMETERS]; /* V_ABSENT where not given */
    struct call rest;               /* where the row has "*": positional ones; "**": named ones */
};

typedef struct value builtin_fn(struct render *r, struct value self, const struct args *a);
struct builtin {
    const char *name;
    builtin_fn *run;
    const char *parameters; /* names with a space between; at the end "*" and "**" take any more */
    uint8_t least;          /* how many have to be given */
    uint8_t on;             /* of methods: type of the value */
    uint8_t kind;           /* of methods: the list_kind in which the result comes; of strings unused */
};
struct bound {
    const struct builtin *row;
    struct value self;
};

/* Tables, each ended by a row without a name. */
extern const struct builtin filters_text[], filters_list[], filters_value[];
extern const struct builtin template_tests[];
extern const struct builtin template_globals[];
extern const struct builtin methods_text[], methods_other[];
const struct builtin *builtin_filter(struct text name);
const struct builtin *builtin_test(struct text name);
const struct builtin *builtin_method(struct value v, struct text name);
const struct builtin *builtin_find(const struct builtin *rows, struct text name);

struct value call_builtin(struct render *r, const struct builtin *row, struct value self, const struct call *call);
struct value call_value(struct render *r, struct value callee, const struct call *call);
struct value call_macro(struct render *r, const struct macro *m, const struct call *call);
bool eval_arguments(struct render *r, const struct node *list, struct call *call);
struct value builtin_bind(struct render *r, const struct builtin *row, struct value self);

int64_t arg_int(struct render *r, const struct args *a, size_t i, int64_t absent);
bool arg_bool(const struct args *a, size_t i, bool absent);
/** Fails if it is no string. */
struct text arg_text(struct render *r, const struct args *a, size_t i, const char *absent);
/** Not given, or None. */
static inline bool arg_absent(const struct args *a, size_t i)
{
    return a->v[i].type == V_ABSENT || a->v[i].type == V_NONE;
}

struct value value_binary(struct render *r, char op, struct value a, struct value b);
struct value value_concat(struct render *r, struct value a, struct value b); /* a + b of strings, Markup respected */
struct value value_slice(struct render *r, struct value v, struct value from, struct value to, struct value step);
/** printf-like %, with a tuple, a dictionary or one value. */
struct value format_percent(struct render *r, struct value format, struct value values);
struct value format_braces(struct render *r, struct text format, const struct call *values);
void put_padded(struct render *r, struct text s, int64_t width, char align, uint32_t fill);
void put_fixed(struct render *r, double f, char kind, int64_t precision);
struct value format_time(struct render *r, struct text format, int64_t now);

#endif
