/* scan.h - reading a notation character by character, for its parsers. */
#ifndef GRAMMAR_SCAN_H
#define GRAMMAR_SCAN_H

#include "src/grammar/expr.h"
#include "src/base/utf8.h"

enum { MOST_GROUPS = 200 }; /* groups within each other */

struct scan {
    const char *start, *p, *end;
    struct exprs *g;
    struct table names; /* of rules */
    unsigned depth;     /* of groups */
    struct chars *runs; /* of the class at hand */
    size_t n_runs, room_runs;
};

static inline bool scan_at(const struct scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static inline bool scan_take(struct scan *s, char c)
{
    const bool there = scan_at(s, c);
    s->p += there;
    return there;
}

static inline bool scan_take_text(struct scan *s, const char *text)
{
    const size_t n = strlen(text);
    const bool there = (size_t)(s->end - s->p) >= n && !memcmp(s->p, text, n);
    s->p += there ? n : 0;
    return there;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** Fails with the line it is at. Returns EXPR_NEVER. */
uint32_t scan_fail(struct scan *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** One character of the text; fails at its end and at what is no UTF-8. */
uint32_t scan_char(struct scan *s);
/** A character written as n hexadecimal digits. */
uint32_t scan_hex(struct scan *s, unsigned n);
/** A decimal number up to MOST_REPEATS. */
uint32_t scan_number(struct scan *s);
/** Add to the class at hand. */
void scan_add_run(struct scan *s, uint32_t first, uint32_t last);
/** {m}, {m,} or {m,n} after the {, applied to x. */
uint32_t scan_repeat(struct scan *s, uint32_t x);

#endif
