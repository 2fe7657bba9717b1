/* filters_text.c - filters that make text of text. */
#include "src/base/error.h"
#include "src/chat/text_ops.h"

#include <utf8proc.h>

#define FILTER(name) static struct value name(struct render *r, struct value self, const struct args *a)

FILTER(string)
{
    (void)a;
    return is_string(self) ? self : value_text(value_text_of(r, self));
}

FILTER(safe)
{
    (void)a;
    struct value v = value_text(value_text_of(r, self));
    v.kind = 1;
    return v;
}

FILTER(forceescape)
{
    (void)a;
    const struct text s = value_text_of(r, self);
    const size_t mark = r->n_out;
    put_escaped(r, s);
    struct value v = put_taken(r, mark);
    v.kind = 1;
    return v;
}

FILTER(escape)
{
    return is_string(self) && self.kind ? self : forceescape(r, self, a);
}

/* (width=4, first=false, blank=false); width may be the text to put before lines. */
FILTER(indent)
{
    static const char newline[] = "\n";
    const struct args none = { .rest = { { NULL, 0, 0 }, { NULL, 0, 0 } } };
    const struct value s = value_text(value_text_of(r, self));
    const struct value ended = value_concat(r, s, value_text(text_of(newline)));
    const struct value lines = builtin_find(methods_text, text_of("splitlines"))->run(r, ended, &none);
    const bool first = arg_bool(a, 1, false), blank = arg_bool(a, 2, false);
    const struct value width = a->v[0].type == V_ABSENT ? value_int(4) : a->v[0];
    const struct value by = is_string(width) ? width : value_binary(r, '*', value_text(text_of(" ")), width);
    const size_t mark = r->n_out;
    for (size_t i = 0; i < list_count(lines) && is_string(by) && render_charge(r, 1); i++) {
        const struct text line = lines.u.list->items[i].u.s;
        put_bytes(r, newline, i ? 1 : 0);
        if (i ? line.n || blank : first)
            put_text(r, by.u.s);
        put_text(r, line);
    }
    return put_finish(r, mark, self);
}

/* (length=255, killwords=false, end="...", leeway=5) */
FILTER(truncate)
{
    const struct value s = value_text(value_text_of(r, self));
    const struct text end = arg_text(r, a, 2, "...");
    const int64_t length = arg_int(r, a, 0, 255), leeway = arg_int(r, a, 3, 5), n = value_length(s);
    const int64_t keep = length - (int64_t)text_count(end);
    if (n <= length || n - length <= leeway)
        return s;
    if (keep < 0)
        return render_fail(r, INFER_E_FORMAT, "truncate: the end is longer than %lld", (long long)length);
    struct text kept = text_part(s.u.s, 0, (size_t)keep);
    const char *space = arg_bool(a, 1, false) || !kept.n ? NULL : memrchr(kept.p, ' ', kept.n);
    kept.n = space ? (size_t)(space - kept.p) : kept.n;
    const size_t mark = r->n_out;
    put_text(r, kept);
    put_text(r, end);
    return put_finish(r, mark, self);
}

static bool is_word(uint32_t code)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return code == '_' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

FILTER(wordcount)
{
    (void)a;
    int64_t n = 0;
    bool within = false;
    for (struct text s = value_text_of(r, self); s.n && render_charge(r, 1);) {
        const bool word = is_word(text_next(&s, NULL));
        n += word && !within;
        within = word;
    }
    return value_int(n);
}

FILTER(format)
{
    const struct value s = { .type = V_STRING, .kind = self.kind, .u.s = value_text_of(r, self) };
    if (a->rest.named.n)
        return format_percent(r, s, (struct value){ .type = V_DICT, .u.dict = (struct dict *)&a->rest.named });
    return format_percent(r, s, list_value((struct list *)&a->rest.positional, LIST_TUPLE));
}

/* Tags and comments go, runs of space become one. */
FILTER(striptags)
{
    (void)a;
    const size_t mark = r->n_out;
    bool space = false, any = false;
    for (struct text s = value_text_of(r, self), bytes; s.n && render_charge(r, 1);) {
        const bool comment = s.n > 3 && !memcmp(s.p, "<!--", 4);
        const char *end = *s.p != '<' ? NULL : comment ? memmem(s.p, s.n, "-->", 3) : memchr(s.p, '>', s.n);
        if (end) {
            end += comment ? 3 : 1;
            s = (struct text){ end, s.n - (size_t)(end - s.p) };
            continue;
        }
        const uint32_t code = text_next(&s, &bytes);
        if (text_is_space(code)) {
            space = true;
            continue;
        }
        put_bytes(r, " ", space && any);
        put_text(r, bytes);
        space = false;
        any = true;
    }
    return value_text(put_taken(r, mark).u.s);
}

static void put_quoted_url(struct render *r, struct text s, const char *safe)
{
    for (size_t i = 0; i < s.n && render_charge(r, 1); i++) {
        const uint8_t c = (uint8_t)s.p[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                           (c && c < 0x80 && strchr("_.-~", c)) || (c && c < 0x80 && strchr(safe, c));
        static const char digits[] = "0123456789ABCDEF";
        if (plain)
            put_char(r, (char)c);
        else
            put_bytes(r, (char[]){ '%', digits[c >> 4], digits[c & 15] }, 3);
    }
}

FILTER(urlencode)
{
    (void)a;
    const size_t mark = r->n_out;
    if (self.type == V_DICT) {
        for (size_t i = 0; i < self.u.dict->n && !r->failed; i++) {
            const struct text key = value_text_of(r, self.u.dict->items[i].key);
            const struct text value = value_text_of(r, self.u.dict->items[i].value);
            put_bytes(r, "&", i ? 1 : 0);
            put_quoted_url(r, key, "");
            put_char(r, '=');
            put_quoted_url(r, value, "");
        }
    } else {
        const struct text s = value_text_of(r, self);
        put_quoted_url(r, s, "/");
    }
    return value_text(put_taken(r, mark).u.s);
}

#define ROW(name, run, parameters, least) { name, run, parameters, least, 0, 0 }
const struct builtin filters_text[] = {
    ROW("upper", text_upper, "", 0),
    ROW("lower", text_lower, "", 0),
    ROW("capitalize", text_capitalize, "", 0),
    ROW("title", text_title_words, "", 0),
    ROW("trim", text_strip, "chars", 0),
    ROW("replace", text_replace, "old new count", 2),
    ROW("center", text_center, "width", 0),
    ROW("string", string, "", 0),
    ROW("safe", safe, "", 0),
    ROW("escape", escape, "", 0),
    ROW("e", escape, "", 0),
    ROW("forceescape", forceescape, "", 0),
    ROW("indent", indent, "width first blank", 0),
    ROW("truncate", truncate, "length killwords end leeway", 0),
    ROW("wordcount", wordcount, "", 0),
    ROW("format", format, "* **", 0),
    ROW("striptags", striptags, "", 0),
    ROW("urlencode", urlencode, "", 0),
    { .name = NULL },
};
