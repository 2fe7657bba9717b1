/* methods_text.c - methods of strings. */
#include "src/base/error.h"
#include "src/chat/text_ops.h"

#include <utf8proc.h>

#define METHOD(name) static struct value name(struct render *r, struct value self, const struct args *a)

/* ---- Splitting ---- */

static void add_part(struct render *r, struct list *l, struct value self, const char *from, const char *to)
{
    self.u.s = (struct text){ from, (size_t)(to - from) };
    list_add(r, l, self);
}

/* By runs of space, none of which begins or ends a part. */
static void split_space(struct render *r, struct list *l, struct value self, int64_t most)
{
    struct text s = text_trim(self.u.s, TRIM_LEFT, NULL);
    while (s.n && most-- && render_charge(r, 1)) {
        struct text rest = s, bytes;
        while (rest.n && !text_is_space(text_next(&rest, &bytes)))
            ;
        const bool found = text_is_space(text_next(&(struct text){ bytes.p, bytes.n }, NULL));
        add_part(r, l, self, s.p, found ? bytes.p : s.p + s.n);
        s = text_trim(found ? rest : (struct text){ s.p + s.n, 0 }, TRIM_LEFT, NULL);
    }
    if (s.n) /* the rest, with the space at its end */
        add_part(r, l, self, s.p, s.p + s.n);
}

METHOD(split)
{
    const struct text s = self.u.s, by = arg_text(r, a, 0, "");
    int64_t most = arg_int(r, a, 1, -1);
    struct list *l = list_new(r, 0);
    if (arg_absent(a, 0)) {
        split_space(r, l, self, most);
        return list_value(l, LIST_PLAIN);
    }
    if (!by.n)
        return render_fail(r, INFER_E_FORMAT, "split needs a separator that is not empty");
    size_t from = 0, at;
    for (; most-- && render_charge(r, 1) && (at = text_find(r, s, by, from)) != SIZE_MAX; from = at + by.n)
        add_part(r, l, self, s.p + from, s.p + at);
    add_part(r, l, self, s.p + from, s.p + s.n);
    return list_value(l, LIST_PLAIN);
}

/* The last place of needle within the first n bytes; SIZE_MAX if there is none. */
static size_t find_last(struct render *r, struct text s, struct text needle)
{
    for (size_t at = s.n - (needle.n < s.n ? needle.n : s.n) + 1; needle.n <= s.n && at-- && render_charge(r, 1);)
        if (!needle.n || !memcmp(s.p + at, needle.p, needle.n))
            return at;
    return SIZE_MAX;
}

static void reverse(struct list *l)
{
    for (size_t i = 0; l && i < l->n / 2; i++) {
        const struct value v = l->items[i];
        l->items[i] = l->items[l->n - 1 - i];
        l->items[l->n - 1 - i] = v;
    }
}

METHOD(rsplit)
{
    struct text s = self.u.s;
    const struct text by = arg_text(r, a, 0, " ");
    int64_t most = arg_int(r, a, 1, -1);
    struct list *l = list_new(r, 0);
    if (!by.n)
        return render_fail(r, INFER_E_FORMAT, "rsplit needs a separator that is not empty");
    if (arg_absent(a, 0))
        s = text_trim(s, TRIM_LEFT | TRIM_RIGHT, NULL);
    for (size_t at; most-- && render_charge(r, 1) && (at = find_last(r, s, by)) != SIZE_MAX; s.n = at) {
        add_part(r, l, self, s.p + at + by.n, s.p + s.n);
        if (arg_absent(a, 0)) /* a run of spaces is one separator */
            at = text_trim((struct text){ s.p, at }, TRIM_RIGHT, NULL).n;
    }
    add_part(r, l, self, s.p, s.p + s.n);
    reverse(l);
    return list_value(l, LIST_PLAIN);
}

METHOD(splitlines)
{
    struct list *l = list_new(r, 0);
    const bool keep = arg_bool(a, 0, false);
    struct text s = self.u.s;
    while (s.n && render_charge(r, 1)) {
        const char *from = s.p, *end = s.p;
        for (struct text bytes; s.n;) {
            const uint32_t code = text_next(&s, &bytes);
            end = bytes.p;
            if ((code >= 10 && code <= 13) || (code >= 0x1c && code <= 0x1e) || code == 0x85 || code == 0x2028 ||
                code == 0x2029) {
                if (code == '\r' && s.n && *s.p == '\n')
                    text_next(&s, NULL);
                break;
            }
            end = s.p;
        }
        add_part(r, l, self, from, keep ? s.p : end);
    }
    return list_value(l, LIST_PLAIN);
}

static struct value parted(struct render *r, struct value self, const struct args *a, bool last)
{
    const struct text s = self.u.s, by = arg_text(r, a, 0, "");
    const size_t at = last ? find_last(r, s, by) : text_find(r, s, by, 0);
    struct list *l = list_new(r, 3);
    if (at == SIZE_MAX) {
        add_part(r, l, self, s.p, s.p + (last ? 0 : s.n));
        add_part(r, l, self, s.p, s.p);
        add_part(r, l, self, s.p, s.p + (last ? s.n : 0));
    } else {
        add_part(r, l, self, s.p, s.p + at);
        add_part(r, l, self, s.p + at, s.p + at + by.n);
        add_part(r, l, self, s.p + at + by.n, s.p + s.n);
    }
    return list_value(l, LIST_TUPLE);
}

METHOD(partition) { return parted(r, self, a, false); }
METHOD(rpartition) { return parted(r, self, a, true); }

/* ---- Finding ---- */

/* The part between the arguments i and i + 1, as slices have it; *before receives its first character's number. */
static struct text part_between(struct render *r, struct value self, const struct args *a, size_t i, size_t *before)
{
    *before = 0;
    if (arg_absent(a, i) && arg_absent(a, i + 1))
        return self.u.s;
    const struct value from = arg_absent(a, i) ? value_none() : a->v[i],
                       to = arg_absent(a, i + 1) ? value_none() : a->v[i + 1];
    const struct value part = value_slice(r, self, from, to, value_none());
    if (!is_string(part))
        return (struct text){ "", 0 };
    *before = part.u.s.p >= self.u.s.p && part.u.s.p <= self.u.s.p + self.u.s.n
                  ? text_count((struct text){ self.u.s.p, (size_t)(part.u.s.p - self.u.s.p) })
                  : 0;
    return part.u.s;
}

static struct value place(struct render *r, struct value self, const struct args *a, bool last, bool must)
{
    size_t before;
    const struct text s = part_between(r, self, a, 1, &before), needle = arg_text(r, a, 0, "");
    const size_t at = last ? find_last(r, s, needle) : text_find(r, s, needle, 0);
    if (at == SIZE_MAX)
        return must ? render_fail(r, INFER_E_FORMAT, "substring not found") : value_int(-1);
    return value_int((int64_t)(before + text_count((struct text){ s.p, at })));
}

METHOD(find) { return place(r, self, a, false, false); }
METHOD(rfind) { return place(r, self, a, true, false); }
METHOD(index_of) { return place(r, self, a, false, true); }
METHOD(last_index) { return place(r, self, a, true, true); }

METHOD(count)
{
    size_t before, n = 0, from = 0, at;
    const struct text s = part_between(r, self, a, 1, &before), needle = arg_text(r, a, 0, "");
    if (!needle.n)
        return value_int((int64_t)text_count(s) + 1);
    for (; render_charge(r, 1) && (at = text_find(r, s, needle, from)) != SIZE_MAX; from = at + needle.n)
        n++;
    return value_int((int64_t)n);
}

static bool has_affix(struct text s, struct text affix, bool end)
{
    return affix.n <= s.n && (!affix.n || !memcmp(end ? s.p + s.n - affix.n : s.p, affix.p, affix.n));
}

static struct value affixed(struct render *r, struct value self, const struct args *a, bool end)
{
    size_t before;
    const struct text s = part_between(r, self, a, 1, &before);
    if (a->v[0].type != V_LIST || a->v[0].kind != LIST_TUPLE)
        return value_bool(has_affix(s, arg_text(r, a, 0, ""), end));
    for (size_t i = 0; i < list_count(a->v[0]) && render_charge(r, 1); i++)
        if (is_string(a->v[0].u.list->items[i]) && has_affix(s, a->v[0].u.list->items[i].u.s, end))
            return value_bool(true);
    return value_bool(false);
}

METHOD(startswith) { return affixed(r, self, a, false); }
METHOD(endswith) { return affixed(r, self, a, true); }

METHOD(removeprefix)
{
    const struct text affix = arg_text(r, a, 0, "");
    if (has_affix(self.u.s, affix, false))
        self.u.s = (struct text){ self.u.s.p + affix.n, self.u.s.n - affix.n };
    return self;
}

METHOD(removesuffix)
{
    const struct text affix = arg_text(r, a, 0, "");
    self.u.s.n -= has_affix(self.u.s, affix, true) ? affix.n : 0;
    return self;
}

/* ---- Others ---- */

METHOD(join)
{
    const struct list *l = value_items(r, a->v[0]);
    const size_t mark = r->n_out;
    for (size_t i = 0; l && i < l->n && render_charge(r, 1); i++) {
        if (!is_string(l->items[i]))
            return render_fail(r, INFER_E_FORMAT, "join: item %zu is no string but '%s'", i,
                               value_type_name(l->items[i]));
        if (i)
            put_text(r, self.u.s);
        put_text(r, l->items[i].u.s);
    }
    return put_finish(r, mark, self);
}

METHOD(format)
{
    return format_braces(r, self.u.s, &a->rest);
}

METHOD(zfill)
{
    const bool sign = self.u.s.n && (*self.u.s.p == '-' || *self.u.s.p == '+');
    const size_t mark = r->n_out;
    put_bytes(r, self.u.s.p, sign);
    put_padded(r, (struct text){ self.u.s.p + sign, self.u.s.n - sign }, arg_int(r, a, 0, 0) - sign, '>', '0');
    return put_finish(r, mark, self);
}

METHOD(expandtabs)
{
    const int64_t width = arg_int(r, a, 0, 8);
    const size_t mark = r->n_out;
    int64_t column = 0;
    for (struct text s = self.u.s, bytes; s.n && render_charge(r, 1);) {
        const uint32_t code = text_next(&s, &bytes);
        const int64_t to = width > 0 ? column + width - column % width : column;
        if (code == '\t')
            for (; column < to && render_charge(r, 1); column++)
                put_char(r, ' ');
        else
            put_text(r, bytes);
        column = code == '\n' || code == '\r' ? 0 : code == '\t' ? column : column + 1;
    }
    return put_finish(r, mark, self);
}

/* All characters of a kind, and at least one. */
static struct value every(struct text s, bool (*is)(utf8proc_category_t c, uint32_t code))
{
    bool all = s.n > 0;
    while (s.n && all) {
        const uint32_t code = text_next(&s, NULL);
        all = is(utf8proc_category((utf8proc_int32_t)code), code);
    }
    return value_bool(all);
}

static bool letter(utf8proc_category_t c, uint32_t code)
{
    (void)code;
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool digit(utf8proc_category_t c, uint32_t code)
{
    (void)code;
    return c == UTF8PROC_CATEGORY_ND;
}

static bool numeric(utf8proc_category_t c, uint32_t code)
{
    (void)code;
    return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_NO;
}

static bool alphanumeric(utf8proc_category_t c, uint32_t code)
{
    return letter(c, code) || numeric(c, code);
}

static bool space(utf8proc_category_t c, uint32_t code)
{
    (void)c;
    return text_is_space(code);
}

#define EVERY(name, is)                                                                                                \
    METHOD(name)                                                                                                       \
    {                                                                                                                  \
        (void)r, (void)a;                                                                                              \
        return every(self.u.s, is);                                                                                    \
    }
EVERY(all_alpha, letter)
EVERY(all_digit, digit)
EVERY(all_numeric, numeric)
EVERY(all_alnum, alphanumeric)
EVERY(all_space, space)

static struct value as_test(struct render *r, struct value self, const char *test)
{
    const struct args none = { .rest = { { NULL, 0, 0 }, { NULL, 0, 0 } } };
    return builtin_test(text_of(test))->run(r, self, &none);
}

METHOD(all_upper) { return (void)a, as_test(r, self, "upper"); }
METHOD(all_lower) { return (void)a, as_test(r, self, "lower"); }

#define ROW(name, run, parameters, least) { name, run, parameters, least, V_STRING, 0 }
const struct builtin methods_text[] = {
    ROW("upper", text_upper, "", 0),
    ROW("lower", text_lower, "", 0),
    ROW("casefold", text_lower, "", 0),
    ROW("capitalize", text_capitalize, "", 0),
    ROW("swapcase", text_swapcase, "", 0),
    ROW("title", text_title, "", 0),
    ROW("strip", text_strip, "chars", 0),
    ROW("lstrip", text_lstrip, "chars", 0),
    ROW("rstrip", text_rstrip, "chars", 0),
    ROW("replace", text_replace, "old new count", 2),
    ROW("center", text_center, "width fillchar", 1),
    ROW("ljust", text_ljust, "width fillchar", 1),
    ROW("rjust", text_rjust, "width fillchar", 1),
    ROW("split", split, "sep maxsplit", 0),
    ROW("rsplit", rsplit, "sep maxsplit", 0),
    ROW("splitlines", splitlines, "keepends", 0),
    ROW("partition", partition, "sep", 1),
    ROW("rpartition", rpartition, "sep", 1),
    ROW("find", find, "sub start end", 1),
    ROW("rfind", rfind, "sub start end", 1),
    ROW("index", index_of, "sub start end", 1),
    ROW("rindex", last_index, "sub start end", 1),
    ROW("count", count, "sub start end", 1),
    ROW("startswith", startswith, "prefix start end", 1),
    ROW("endswith", endswith, "suffix start end", 1),
    ROW("removeprefix", removeprefix, "prefix", 1),
    ROW("removesuffix", removesuffix, "suffix", 1),
    ROW("join", join, "iterable", 1),
    ROW("format", format, "* **", 0),
    ROW("zfill", zfill, "width", 1),
    ROW("expandtabs", expandtabs, "tabsize", 0),
    ROW("isalpha", all_alpha, "", 0),
    ROW("isdigit", all_digit, "", 0),
    ROW("isdecimal", all_digit, "", 0),
    ROW("isnumeric", all_numeric, "", 0),
    ROW("isalnum", all_alnum, "", 0),
    ROW("isspace", all_space, "", 0),
    ROW("isupper", all_upper, "", 0),
    ROW("islower", all_lower, "", 0),
    { .name = NULL },
};
