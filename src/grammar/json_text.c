/* json_text.c - JSON's way of writing characters and values. */
#include "src/grammar/json_text.h"

#include "src/base/utf8.h"

#include <stdlib.h>

enum { MOST_BLANKS = 20 }; /* of an indentation */

static bool is_in(const struct chars *runs, size_t n, bool inverted, uint32_t c)
{
    bool in = false;
    for (size_t i = 0; i < n; i++)
        in |= runs[i].first <= c && c <= runs[i].last;
    return in != inverted;
}

static uint32_t hex_digit(struct exprs *g, unsigned digit)
{
    const uint32_t lower = expr_bytes(g, (uint8_t) "0123456789abcdef"[digit], (uint8_t) "0123456789abcdef"[digit]);
    return digit < 10 ? lower
                      : expr_alt(g, lower, expr_bytes(g, (uint8_t)('A' + digit - 10), (uint8_t)('A' + digit - 10)));
}

/* The escape of a character that cannot stand as it is. */
static uint32_t escaped(struct exprs *g, uint32_t c)
{
    static const char plain[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *at = c ? strchr(plain, (int)c) : NULL;
    const char two[2] = { '\\', at ? letters[at - plain] : 0 };
    return at ? expr_text(g, two, 2)
              : expr_seq(g, expr_literal(g, "\\u00"), expr_seq(g, hex_digit(g, c >> 4), hex_digit(g, c & 15)));
}

/* Characters that can stand as they are: all but the escaped ones, which are taken out of the runs. */
uint32_t json_chars(struct exprs *g, struct chars *runs, size_t n, bool inverted)
{
    static const struct chars plain[] = { { 0x20, 0x21 }, { 0x23, 0x5b }, { 0x5d, LAST_CHAR } };
    uint32_t x = EXPR_NEVER;
    size_t kept = 0;
    struct chars *cut = mem_new(g->a, 3 * (n + 1), sizeof *cut);
    if (!cut)
        return exprs_nomem(g);
    n = chars_order(runs, n);
    for (uint32_t c = 0; c <= 0x5c; c++)
        if ((c < 0x20 || c == '"' || c == '\\') && is_in(runs, n, inverted, c))
            x = expr_alt(g, x, escaped(g, c));
    uint32_t next = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i == n && !inverted)
            break;
        const uint32_t first = inverted ? next : runs[i].first;
        const uint32_t end = inverted ? (i < n ? runs[i].first : LAST_CHAR + 1u) : runs[i].last + 1;
        for (size_t p = 0; p < 3; p++) {
            const uint32_t low = first > plain[p].first ? first : plain[p].first;
            const uint32_t high = end - 1 < plain[p].last ? end - 1 : plain[p].last;
            if (first < end && low <= high)
                cut[kept++] = (struct chars){ low, high };
        }
        next = i < n ? runs[i].last + 1 : next;
    }
    if (kept)
        x = expr_alt(g, expr_chars(g, cut, kept, false), x);
    mem_free(g->a, cut);
    return x;
}

uint32_t json_any_char(struct exprs *g)
{
    return json_chars(g, NULL, 0, true);
}

static uint32_t hex_range(struct exprs *g, unsigned first, unsigned last)
{
    uint32_t x = EXPR_NEVER;
    for (unsigned d = first; d <= last; d++)
        x = expr_alt(g, x, hex_digit(g, d));
    return x;
}

/* \uXXXX of a character, or of both halves of one. */
uint32_t json_free_char(struct exprs *g)
{
    struct chars bare[] = { { 0x20, 0x21 }, { 0x23, 0x5b }, { 0x5d, LAST_CHAR } };
    const uint32_t any = hex_range(g, 0, 15), d = hex_digit(g, 13);
    const uint32_t three = expr_repeat(g, any, 3, 3), two = expr_repeat(g, any, 2, 2);
    const uint32_t not_d = expr_alt(g, hex_range(g, 0, 12), hex_range(g, 14, 15));
    const uint32_t whole = expr_alt(g, expr_seq(g, not_d, three), expr_seq(g, d, expr_seq(g, hex_range(g, 0, 7), two)));
    const uint32_t high = expr_seq(g, d, expr_seq(g, hex_range(g, 8, 11), two));
    const uint32_t low = expr_seq(g, d, expr_seq(g, hex_range(g, 12, 15), two));
    const uint32_t pair = expr_seq(g, high, expr_seq(g, expr_literal(g, "\\u"), low));
    uint32_t after = expr_seq(g, expr_literal(g, "u"), expr_alt(g, whole, pair));
    for (const char *c = "\"\\/bfnrt"; *c; c++)
        after = expr_alt(g, expr_text(g, c, 1), after);
    return expr_alt(g, expr_chars(g, bare, 3, false), expr_seq(g, expr_literal(g, "\\"), after));
}

uint32_t json_inside(struct exprs *g, const char *text, size_t n)
{
    const char *p = text;
    uint32_t x = EXPR_EMPTY;
    /* from the end, a character at a time: bytes of UTF-8 that continue one begin no character */
    for (size_t end = n, at; end && !g->status; end = at) {
        at = end - 1;
        while (at && ((uint8_t)p[at] & 0xc0) == 0x80)
            at--;
        const uint8_t c = (uint8_t)p[at];
        const bool bare = c >= 0x20 && c != '"' && c != '\\';
        x = expr_seq(g, bare ? expr_text(g, p + at, end - at) : escaped(g, c), x);
    }
    return g->status ? EXPR_NEVER : x;
}

uint32_t json_quoted(struct exprs *g, uint32_t x)
{
    const uint32_t quote = expr_bytes(g, '"', '"');
    return expr_seq(g, quote, expr_seq(g, x, quote));
}

uint32_t json_space(struct exprs *g)
{
    const uint32_t blank = expr_alt(g, expr_literal(g, " "), expr_literal(g, "\t"));
    const uint32_t lines = expr_repeat(g, expr_literal(g, "\n"), 1, 2);
    return expr_optional(g,
                         expr_alt(g, expr_literal(g, " "), expr_seq(g, lines, expr_repeat(g, blank, 0, MOST_BLANKS))));
}

/* ---- Constants ---- */

static uint32_t spaced(struct exprs *g, uint32_t x)
{
    return expr_seq(g, x, json_space(g));
}

static uint32_t constant_members(struct exprs *g, const json_t *object)
{
    const char *key;
    size_t n;
    json_t *value;
    uint32_t x = EXPR_EMPTY, all = EXPR_EMPTY;
    json_object_keylen_foreach((json_t *)object, key, n, value)
    {
        x = json_quoted(g, json_inside(g, key, n));
        x = expr_seq(g, spaced(g, x), spaced(g, expr_literal(g, ":")));
        x = expr_seq(g, x, spaced(g, json_constant(g, value)));
        all = all == EXPR_EMPTY ? x : expr_seq(g, all, expr_seq(g, spaced(g, expr_literal(g, ",")), x));
    }
    return expr_seq(g, spaced(g, expr_literal(g, "{")), expr_seq(g, all, expr_literal(g, "}")));
}

static uint32_t constant_items(struct exprs *g, const json_t *array)
{
    uint32_t all = EXPR_EMPTY;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const uint32_t x = spaced(g, json_constant(g, json_array_get(array, i)));
        all = i ? expr_seq(g, all, expr_seq(g, spaced(g, expr_literal(g, ",")), x)) : x;
    }
    return expr_seq(g, spaced(g, expr_literal(g, "[")), expr_seq(g, all, expr_literal(g, "]")));
}

uint32_t json_constant(struct exprs *g, const json_t *value)
{
    if (json_is_object(value))
        return constant_members(g, value);
    if (json_is_array(value))
        return constant_items(g, value);
    if (json_is_string(value))
        return json_quoted(g, json_inside(g, json_string_value(value), json_string_length(value)));
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    if (!text)
        return exprs_nomem(g);
    const uint32_t x = expr_literal(g, text);
    free(text);
    return x;
}
