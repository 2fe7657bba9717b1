/* text_ops.c - letters' case, stripping, replacing: as filters, of any value's text, and as methods of strings. */
#include "src/chat/text_ops.h"

#include <utf8proc.h>

struct value put_finish(struct render *r, size_t mark, struct value self)
{
    struct value v = put_taken(r, mark);
    v.kind = is_string(self) && self.kind;
    return v;
}

/* ---- Case ---- */

static void put_upper(struct render *r, uint32_t code)
{
    if (code == 0xdf) /* a sharp s has no capital of its own in Python */
        put_string(r, "SS");
    else
        put_code(r, (uint32_t)utf8proc_toupper((utf8proc_int32_t)code));
}

static void put_lower(struct render *r, uint32_t code)
{
    put_code(r, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code));
}

static bool is_cased(uint32_t code)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* Which characters become capitals, by the one before (0: it is the first). */
typedef bool capital_fn(uint32_t before, uint32_t code);

static struct value change_case(struct render *r, struct value self, capital_fn *capital)
{
    const size_t mark = r->n_out;
    uint32_t before = 0;
    for (struct text s = value_text_of(r, self), bytes; s.n && render_charge(r, 1);) {
        const uint32_t code = text_next(&s, &bytes);
        if (capital(before, code))
            put_upper(r, code);
        else
            put_lower(r, code);
        before = code;
    }
    return put_finish(r, mark, self);
}

static bool all_capital(uint32_t before, uint32_t code)
{
    return (void)before, (void)code, true;
}

static bool no_capital(uint32_t before, uint32_t code)
{
    return (void)before, (void)code, false;
}

static bool first_capital(uint32_t before, uint32_t code)
{
    return (void)code, before == 0;
}

static bool other_capital(uint32_t before, uint32_t code)
{
    return (void)before, utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_LL;
}

static bool after_uncased(uint32_t before, uint32_t code)
{
    return (void)code, !before || !is_cased(before);
}

static bool after_break(uint32_t before, uint32_t code)
{
    return (void)code, !before || text_is_space(before) || (before < 0x80 && strchr("-({[<", (int)before));
}

#define CASE(name, capital)                                                                                            \
    struct value name(struct render *r, struct value self, const struct args *a)                                       \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        return change_case(r, self, capital);                                                                          \
    }
CASE(text_upper, all_capital)
CASE(text_lower, no_capital)
CASE(text_capitalize, first_capital)
CASE(text_swapcase, other_capital)
CASE(text_title, after_uncased)     /* the method */
CASE(text_title_words, after_break) /* the filter */

/* ---- Others ---- */

static struct value strip(struct render *r, struct value self, const struct args *a, unsigned sides)
{
    const struct text s = value_text_of(r, self), chars = arg_text(r, a, 0, "");
    if (!render_charge(r, chars.n * s.n / 64))
        return value_none();
    struct value v = value_text(text_trim(s, sides, arg_absent(a, 0) ? NULL : &chars));
    v.kind = is_string(self) && self.kind;
    return v;
}

struct value text_strip(struct render *r, struct value self, const struct args *a)
{
    return strip(r, self, a, TRIM_LEFT | TRIM_RIGHT);
}

struct value text_lstrip(struct render *r, struct value self, const struct args *a)
{
    return strip(r, self, a, TRIM_LEFT);
}

struct value text_rstrip(struct render *r, struct value self, const struct args *a)
{
    return strip(r, self, a, TRIM_RIGHT);
}

/* (old, new[, count]) */
struct value text_replace(struct render *r, struct value self, const struct args *a)
{
    const struct text s = value_text_of(r, self), old = value_text_of(r, a->v[0]), new = value_text_of(r, a->v[1]);
    int64_t count = arg_int(r, a, 2, -1);
    const size_t mark = r->n_out;
    size_t from = 0, at;
    while (count-- && render_charge(r, 1) && (at = text_find(r, s, old, from)) != SIZE_MAX) {
        if (!old.n && from >= s.n) { /* between all characters, and at both ends */
            put_text(r, new);
            break;
        }
        struct text rest = { s.p + at, s.n - at }, one = old;
        if (!old.n)
            text_next(&rest, &one);
        put_bytes(r, s.p + from, at - from);
        put_text(r, new);
        if (!old.n)
            put_text(r, one);
        from = at + one.n;
    }
    if (from < s.n)
        put_bytes(r, s.p + from, s.n - from);
    return put_finish(r, mark, self);
}

static struct value pad(struct render *r, struct value self, const struct args *a, char align, int64_t absent)
{
    const struct text s = value_text_of(r, self);
    const int64_t width = arg_int(r, a, 0, absent), gap = width - (int64_t)text_count(s);
    struct text fill = arg_text(r, a, 1, " ");
    const uint32_t code = text_next(&fill, NULL);
    const size_t mark = r->n_out;
    /* Python puts the odd one to the left where the width is odd */
    if (align == '^' && gap > 0 && (gap & width & 1)) {
        put_code(r, code);
        put_padded(r, s, width - 1, align, code);
    } else {
        put_padded(r, s, width, align, code);
    }
    return put_finish(r, mark, self);
}

struct value text_center(struct render *r, struct value self, const struct args *a)
{
    return pad(r, self, a, '^', 80);
}

struct value text_ljust(struct render *r, struct value self, const struct args *a)
{
    return pad(r, self, a, '<', 0);
}

struct value text_rjust(struct render *r, struct value self, const struct args *a)
{
    return pad(r, self, a, '>', 0);
}
