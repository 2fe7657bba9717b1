/* schema_number.c - numbers within bounds, as comparisons of their decimal digits.
 *
 * A number that is held to bounds is written without an exponent. Its size is compared by the number of digits before
 * the point, then digit by digit; signs turn the bounds round. */
#include "src/grammar/schema.h"

#include <stdio.h>

enum { MOST_DIGITS = 60, MOST_DIVISOR = 10000 };

struct bound {
    bool there, strict, negative, zero;
    char whole[MOST_DIGITS + 1]; /* digits before the point, no zero in front */
    char part[MOST_DIGITS + 1];  /* after it, no zero behind */
};

struct numbers {
    struct exprs *g;
    bool fractions;
};

/* ---- Bounds ---- */

/* From the shortest text of a number: [-]digits[.digits][e[+-]digits]. */
static bool read_decimal(const char *text, struct bound *b)
{
    char digits[2 * MOST_DIGITS + 1];
    int n = 0, point = -1, exponent = 0;
    b->negative = *text == '-';
    for (text += b->negative; *text && *text != 'e'; text++) {
        if (*text == '.')
            point = n;
        else if (n < MOST_DIGITS)
            digits[n++] = *text;
        else
            return false;
    }
    if (*text && sscanf(text + 1, "%d", &exponent) != 1)
        return false;
    point = (point < 0 ? n : point) + exponent;
    if (point > MOST_DIGITS || n - point > MOST_DIGITS)
        return false;
    size_t n_whole = 0, n_part = 0;
    for (int i = 0; i < point; i++) {
        const char c = i < n ? digits[i] : '0';
        if (n_whole || c != '0')
            b->whole[n_whole++] = c;
    }
    if (!n_whole)
        b->whole[n_whole++] = '0';
    for (int i = point; i < n; i++)
        b->part[n_part++] = i < 0 ? '0' : digits[i];
    while (n_part && b->part[n_part - 1] == '0')
        n_part--;
    b->whole[n_whole] = b->part[n_part] = 0;
    b->zero = !strcmp(b->whole, "0") && !n_part;
    b->negative = b->negative && !b->zero;
    return true;
}

static void read_bound(struct schemas *s, const json_t *value, bool strict, struct bound *b)
{
    char text[64] = "";
    if (json_is_integer(value))
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    for (int digits = 15; json_is_real(value) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, json_real_value(value));
        if (strtod(text, NULL) == json_real_value(value))
            break;
    }
    for (char *c = text; *c; c++)
        *c = *c == ',' ? '.' : *c; /* of the locale */
    *b = (struct bound){ .there = true, .strict = strict };
    if (!*text || !read_decimal(text, b)) {
        b->there = false;
        schema_refuse(s, "minimum", "a bound of numbers is no number, or has too many digits");
    }
}

/* ---- Digits ---- */

static uint32_t digits(const struct numbers *n, uint32_t least, uint32_t most)
{
    return expr_repeat(n->g, expr_bytes(n->g, '0', '9'), least, most);
}

static uint32_t digit_in(const struct numbers *n, char first, char last)
{
    return first <= last ? expr_bytes(n->g, (uint8_t)first, (uint8_t)last) : EXPR_NEVER;
}

static uint32_t with_point(const struct numbers *n, uint32_t x)
{
    return n->fractions ? expr_seq(n->g, expr_literal(n->g, "."), x) : EXPR_NEVER;
}

static uint32_t any_part(const struct numbers *n)
{
    return expr_optional(n->g, with_point(n, digits(n, 1, UINT32_MAX)));
}

/* Digits after the point that are together more than `part`, or the same unless strict. */
static uint32_t part_above(const struct numbers *n, const char *part, bool strict)
{
    struct exprs *g = n->g;
    const size_t length = strlen(part);
    const uint32_t some = digits(n, 0, UINT32_MAX);
    uint32_t x = strict ? expr_seq(g, some, expr_seq(g, digit_in(n, '1', '9'), some)) : some;
    for (size_t i = length; i-- > 0;)
        x = expr_alt(g, expr_seq(g, digit_in(n, (char)(part[i] + 1), '9'), some),
                     expr_seq(g, digit_in(n, part[i], part[i]), x));
    return length || strict ? with_point(n, x) : any_part(n);
}

/* Less than `part`, or the same unless strict. No digits at all are 0. */
static uint32_t part_below(const struct numbers *n, const char *part, bool strict)
{
    struct exprs *g = n->g;
    const size_t length = strlen(part);
    const uint32_t zeros = expr_star(g, expr_literal(g, "0"));
    uint32_t x = strict ? EXPR_NEVER : zeros;
    if (!length)
        return strict ? EXPR_NEVER : expr_optional(g, with_point(n, expr_seq(g, expr_literal(g, "0"), zeros)));
    for (size_t i = length; i-- > 0;) {
        x = expr_alt(g, expr_seq(g, digit_in(n, '0', (char)(part[i] - 1)), digits(n, 0, UINT32_MAX)),
                     expr_seq(g, digit_in(n, part[i], part[i]), x));
        x = i ? expr_optional(g, x) : x;
    }
    return expr_optional(g, with_point(n, x));
}

/* Sizes (no sign) above or below a bound's. */
static uint32_t size_beside(const struct numbers *n, const struct bound *b, bool above)
{
    struct exprs *g = n->g;
    const uint32_t length = (uint32_t)strlen(b->whole), part = any_part(n);
    uint32_t same = above ? part_above(n, b->part, b->strict) : part_below(n, b->part, b->strict);
    for (uint32_t i = length; i-- > 0;) {
        const char c = b->whole[i], least = i || length == 1 ? '0' : '1';
        const uint32_t other = above ? digit_in(n, (char)(c + 1), '9') : digit_in(n, least, (char)(c - 1));
        const uint32_t rest = expr_seq(g, digits(n, length - 1 - i, length - 1 - i), part);
        same = expr_alt(g, expr_seq(g, other, rest), expr_seq(g, digit_in(n, c, c), same));
    }
    const uint32_t first = digit_in(n, '1', '9');
    uint32_t x = EXPR_NEVER;
    if (above)
        x = expr_seq(g, first, digits(n, length, UINT32_MAX));
    else if (length > 1)
        x = expr_alt(g, expr_literal(g, "0"), expr_seq(g, first, digits(n, 0, length - 2)));
    return expr_alt(g, expr_seq(g, x, part), same);
}

/* Sizes from one bound to another, either of which may be missing. */
static uint32_t sizes(const struct numbers *n, const struct bound *least, const struct bound *most)
{
    struct exprs *g = n->g;
    uint32_t x = expr_alt(g, expr_literal(g, "0"), expr_seq(g, digit_in(n, '1', '9'), digits(n, 0, UINT32_MAX)));
    x = expr_seq(g, x, any_part(n));
    if (least->there)
        x = size_beside(n, least, true);
    if (!most->there)
        return x;
    const uint32_t below = size_beside(n, most, false);
    return least->there ? expr_and(g, x, below) : below;
}

static uint32_t between(const struct numbers *n, const struct bound *least, const struct bound *most)
{
    static const struct bound none = { .there = false };
    struct exprs *g = n->g;
    uint32_t plus = EXPR_NEVER, minus = EXPR_NEVER;
    if (!most->there || !most->negative)
        plus = sizes(n, least->there && !least->negative ? least : &none, most);
    if (!least->there || least->negative)
        minus = sizes(n, most->there && (most->negative || most->zero) ? most : &none, least);
    return expr_alt(g, plus, expr_seq(g, expr_literal(g, "-"), minus));
}

/* ---- Keywords ---- */

static uint32_t multiples(struct schemas *s, const json_t *value, struct numbers *n)
{
    struct exprs *g = s->g;
    const uint32_t sign = expr_optional(g, expr_literal(g, "-"));
    const uint32_t whole = expr_seq(g, sign, digits(n, 1, UINT32_MAX));
    const double m = json_number_value(value);
    if (m >= 1 && m <= MOST_DIVISOR && m == (double)(uint32_t)m) {
        n->fractions = false; /* every multiple can be written without */
        return expr_seq(g, sign, expr_multiple(g, (uint32_t)m));
    }
    double power = 1;
    for (uint32_t places = 1; places <= 15; places++) {
        power *= 10;
        if (m == 1 / power)
            return expr_seq(g, whole, expr_optional(g, with_point(n, digits(n, 1, places))));
    }
    return schema_refuse(s, "multipleOf", "expected a whole number up to 10000, or 0.1, 0.01 ...");
}

static const struct {
    const char *keyword;
    bool upper, strict;
} keywords[] = {
    { "minimum", false, false },
    { "exclusiveMinimum", false, true },
    { "maximum", true, false },
    { "exclusiveMaximum", true, true },
};

/* The bounds of one schema; draft 4 has exclusiveMinimum as a flag. */
static uint32_t bounded(struct schemas *s, const json_t *schema, const struct numbers *n, uint32_t x)
{
    for (size_t i = 0; i < 4; i++) {
        struct bound b[2] = { { .there = false }, { .there = false } };
        const json_t *value = json_object_get(schema, keywords[i].keyword);
        const json_t *flag = keywords[i].strict ? NULL : json_object_get(schema, keywords[i + 1].keyword);
        if (!value || json_is_boolean(value))
            continue;
        read_bound(s, value, keywords[i].strict || json_is_true(flag), &b[keywords[i].upper]);
        const uint32_t y = between(n, &b[0], &b[1]);
        x = x == EXPR_NEVER ? y : expr_and(s->g, x, y);
    }
    return x;
}

uint32_t schema_equal_number(struct schemas *s, const json_t *value)
{
    struct bound b;
    const struct numbers n = { s->g, true };
    read_bound(s, value, false, &b);
    return between(&n, &b, &b);
}

static uint32_t any_number(struct schemas *s, const struct numbers *n)
{
    struct exprs *g = s->g;
    uint32_t *slot = n->fractions ? &s->number : &s->integer;
    if (*slot == UINT32_MAX) {
        const struct bound none = { .there = false };
        const uint32_t sign = expr_optional(g, expr_bytes(g, '-', '-'));
        const uint32_t e = expr_alt(g, expr_literal(g, "e"), expr_literal(g, "E"));
        const uint32_t signs = expr_optional(g, expr_alt(g, expr_literal(g, "+"), expr_literal(g, "-")));
        const uint32_t exponent = expr_seq(g, e, expr_seq(g, signs, digits(n, 1, UINT32_MAX)));
        const uint32_t size = sizes(n, &none, &none);
        *slot = exprs_add_rule(g, text_of(n->fractions ? "number" : "integer"));
        if (g->status)
            return EXPR_NEVER;
        g->rules[*slot].expr = expr_seq(g, sign, n->fractions ? expr_seq(g, size, expr_optional(g, exponent)) : size);
        g->rules[*slot].apart = true;
    }
    return g->status ? EXPR_NEVER : expr_rule(g, *slot);
}

uint32_t schema_number(struct schemas *s, const struct together *all, bool fractions, bool plain)
{
    struct numbers n = { s->g, fractions };
    uint32_t x = EXPR_NEVER;
    bool conditions = false;
    for (size_t i = 0; i < all->n && !s->g->status; i++) {
        const json_t *value = json_object_get(all->item[i], "multipleOf");
        if (value) {
            const uint32_t y = multiples(s, value, &n);
            x = conditions ? expr_and(s->g, x, y) : y;
            conditions = true;
        }
    }
    if (conditions || plain) {
        const struct bound none = { .there = false };
        const uint32_t y = between(&n, &none, &none); /* no zeros in front */
        x = conditions ? expr_and(s->g, x, y) : y;
        conditions = true;
    }
    for (size_t i = 0; i < all->n && !s->g->status; i++) {
        const uint32_t y = bounded(s, all->item[i], &n, EXPR_NEVER);
        const bool has = json_object_get(all->item[i], "minimum") || json_object_get(all->item[i], "maximum") ||
                         json_is_number(json_object_get(all->item[i], "exclusiveMinimum")) ||
                         json_is_number(json_object_get(all->item[i], "exclusiveMaximum"));
        if (has)
            x = conditions ? expr_and(s->g, x, y) : y;
        conditions |= has;
    }
    return conditions ? x : any_number(s, &n);
}
