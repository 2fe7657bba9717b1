/* expr.h - what a grammar says, whatever notation it came in: rules whose bodies are expressions over bytes.
 *
 * An expression is a number. Equal expressions are the same number, so what is built twice is kept, and compiled,
 * once. A function that fails (no memory, a bound) notes why in `err` and `status` and returns EXPR_NEVER, so
 * that readers of notations need to look only at their end. */
#ifndef GRAMMAR_EXPR_H
#define GRAMMAR_EXPR_H

#include "src/base/error.h"
#include "src/base/table.h"
#include "src/grammar/intern.h"

enum expr_kind {
    EXPR_BYTES,   /* one byte in a..b */
    EXPR_SEQ,     /* a, then b; long ones are nested in b */
    EXPR_ALT,     /* a or b; long ones are nested in b */
    EXPR_STAR,    /* a any number of times */
    EXPR_RULE,    /* what rule a says */
    EXPR_AND,     /* a and also b, both without rules that recur */
    EXPR_MINUS,   /* a but not b, likewise */
    EXPR_MULTIPLE /* decimal digits of a number that a divides */
};
enum { EXPR_NEVER = 0, EXPR_EMPTY = 1, EXPR_FIRST = 2 }; /* nothing at all; the empty text */

enum {
    MOST_RULES = 1 << 14,
    MOST_EXPRS = 1 << 21,
    MOST_REPEATS = 1 << 20, /* the largest count of a repetition */
    MOST_NESTING = 500,     /* expressions within each other; lists do not count */
    LAST_CHAR = 0x10ffff
};

struct rule {
    struct text name; /* for messages; lives in the arena */
    uint32_t expr;
    bool defined;
    bool apart; /* never copied into the rules that call it */
};

struct exprs {
    const infer_allocator *a;
    struct arena arena;
    struct intern nodes; /* kind, a, b */
    struct expr_size {
        uint16_t depth, cost; /* cost: bytes and calls of rules in it, up to 65535 */
    } * sizes;                /* (nodes.n) */
    size_t room_sizes;
    struct rule *rules;
    size_t n_rules, room_rules;
    struct intern repeats; /* expressions that expr_repeat has made rules of */
    uint32_t *repeat_rule;
    size_t room_repeats;
    infer_status status; /* why it failed, INFER_OK if it has not */
    infer_error *err;
};

struct node {
    enum expr_kind kind;
    uint32_t a, b;
};

/** First and last of a run of characters. */
struct chars {
    uint32_t first, last;
};

void exprs_init(struct exprs *g, const infer_allocator *a, infer_error *err);
void exprs_free(struct exprs *g);
struct node exprs_node(const struct exprs *g, uint32_t expr);
/** Note a failure; the first one counts. Returns EXPR_NEVER. */
uint32_t exprs_fail(struct exprs *g, infer_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
uint32_t exprs_nomem(struct exprs *g);

uint32_t expr_bytes(struct exprs *g, uint8_t first, uint8_t last);
uint32_t expr_seq(struct exprs *g, uint32_t x, uint32_t y);
uint32_t expr_alt(struct exprs *g, uint32_t x, uint32_t y);
uint32_t expr_star(struct exprs *g, uint32_t x);
uint32_t expr_optional(struct exprs *g, uint32_t x);
uint32_t expr_and(struct exprs *g, uint32_t x, uint32_t y);
uint32_t expr_minus(struct exprs *g, uint32_t x, uint32_t y);
uint32_t expr_multiple(struct exprs *g, uint32_t m);
uint32_t expr_rule(struct exprs *g, uint32_t rule);
uint32_t expr_text(struct exprs *g, const char *text, size_t n);
static inline uint32_t expr_literal(struct exprs *g, const char *text)
{
    return expr_text(g, text, strlen(text));
}
/** Several in a row; or any one of them. */
uint32_t expr_seq_of(struct exprs *g, const uint32_t *list, size_t n);
uint32_t expr_alt_of(struct exprs *g, const uint32_t *list, size_t n);
/** x from `least` to `most` times; most UINT32_MAX is no limit. */
uint32_t expr_repeat(struct exprs *g, uint32_t x, uint32_t least, uint32_t most);
/** One character of any of the runs, in UTF-8, or where `inverted` of none; surrogates are no characters. Orders the
 *  runs. */
uint32_t expr_chars(struct exprs *g, struct chars *runs, size_t n, bool inverted);
/** Put runs in order and join those that touch; returns how many are left. */
size_t chars_order(struct chars *runs, size_t n);

/** A new rule; its expression comes later. `name` is copied. Returns its number, or 0 and a status. */
uint32_t exprs_add_rule(struct exprs *g, struct text name);

#endif
