/* print.c - values as Python prints them. */
#include "src/base/error.h"
#include "src/base/utf8.h"
#include "src/chat/template.h"

#include <math.h>
#include <stdio.h>
#include <utf8proc.h>

void put_bytes(struct render *r, const char *p, size_t n)
{
    if (r->failed || !n)
        return;
    if (n > r->limits->output || r->n_out > r->limits->output - n) {
        render_fail(r, INFER_E_FORMAT, "the text is longer than %zu bytes", r->limits->output);
        return;
    }
    if (!mem_grow(r->t->a, &r->out, &r->room_out, r->n_out + n, 1)) {
        render_fail(r, INFER_E_NOMEM, "out of memory for the text");
        return;
    }
    memcpy(r->out + r->n_out, p, n);
    r->n_out += n;
}

struct value put_taken(struct render *r, size_t mark)
{
    const size_t n = r->n_out > mark ? r->n_out - mark : 0;
    const struct text s = render_copy(r, (struct text){ n ? r->out + mark : "", n });
    r->n_out -= n;
    return value_text(s);
}

struct text value_text_of(struct render *r, struct value v)
{
    if (is_string(v))
        return v.u.s;
    const size_t mark = r->n_out;
    put_value(r, v);
    return put_taken(r, mark).u.s;
}

void put_code(struct render *r, uint32_t code)
{
    char bytes[4];
    put_bytes(r, bytes, utf8_write(bytes, code));
}

void put_int(struct render *r, int64_t i)
{
    char digits[24];
    put_bytes(r, digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)i));
}

/* Python's repr: the fewest digits that give the same number back, plain from 1e-4 up to 1e16. The host's locale may
 * have another decimal point: digits are taken from the text, whatever else stands in it. */
void put_real(struct render *r, double f)
{
    char text[48], digits[24];
    if (!isfinite(f)) {
        put_string(r, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, f);
        if (strtod(text, NULL) == f)
            break;
    }
    const char *e = strrchr(text, 'e');
    int n = 0, exponent = atoi(e + 1);
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9' && n < (int)sizeof digits - 1)
            digits[n++] = *p;
    const bool plain = exponent >= -4 && exponent < 16;
    const int point = plain ? exponent + 1 : 1; /* digits before the point */
    put_bytes(r, "-", signbit(f) ? 1 : 0);
    if (point <= 0)
        put_bytes(r, "0.000", (size_t)(2 - point));
    for (int i = 0; i < n || (plain && i < point); i++) {
        if (i == point && point > 0)
            put_char(r, '.');
        put_char(r, i < n ? digits[i] : '0');
    }
    if (plain && n <= point)
        put_string(r, ".0");
    if (!plain)
        put_bytes(r, text, (size_t)snprintf(text, sizeof text, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent)));
}

/* ---- repr ---- */

static bool printable(uint32_t code)
{
    if (code < 0x7f)
        return code >= 0x20;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

static void put_quoted(struct render *r, struct text s)
{
    const bool single = s.n && memchr(s.p, '\'', s.n), both = single && memchr(s.p, '"', s.n);
    const char quote = single && !both ? '"' : '\'';
    char hex[16];
    put_char(r, quote);
    for (struct text rest = s, bytes; rest.n && !r->failed;) {
        const uint32_t code = text_next(&rest, &bytes);
        if (code == '\\' || code == (uint32_t)quote)
            put_char(r, '\\');
        if (code == '\n' || code == '\r' || code == '\t')
            put_string(r, code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t");
        else if (printable(code))
            put_text(r, bytes);
        else
            put_bytes(r, hex,
                      (size_t)snprintf(hex, sizeof hex,
                                       code < 0x100     ? "\\x%02x"
                                       : code < 0x10000 ? "\\u%04x"
                                                        : "\\U%08x",
                                       code));
    }
    put_char(r, quote);
}

static void put_list(struct render *r, const struct list *l, enum list_kind kind)
{
    const char *const open = kind == LIST_TUPLE ? "(" : kind == LIST_VIEW ? "dict_view([" : "[";
    put_string(r, open);
    for (size_t i = 0; i < l->n && render_charge(r, 1); i++) {
        put_bytes(r, ", ", i ? 2 : 0);
        put_repr(r, l->items[i]);
    }
    put_string(r, kind == LIST_TUPLE ? (l->n == 1 ? ",)" : ")") : kind == LIST_VIEW ? "])" : "]");
}

static void put_dict(struct render *r, const struct dict *d)
{
    put_char(r, '{');
    for (size_t i = 0; i < d->n && render_charge(r, 1); i++) {
        put_bytes(r, ", ", i ? 2 : 0);
        put_repr(r, d->items[i].key);
        put_bytes(r, ": ", 2);
        put_repr(r, d->items[i].value);
    }
    put_char(r, '}');
}

void put_repr(struct render *r, struct value v)
{
    if (!render_enter(r))
        return;
    switch (v.type) {
    case V_ABSENT:
    case V_UNDEFINED: put_string(r, "Undefined"); break;
    case V_NONE: put_string(r, "None"); break;
    case V_BOOL: put_string(r, v.u.truth ? "True" : "False"); break;
    case V_INT: put_int(r, v.u.i); break;
    case V_FLOAT: put_real(r, v.u.f); break;
    case V_STRING: put_quoted(r, v.u.s); break;
    case V_LIST: put_list(r, v.u.list, v.kind); break;
    case V_DICT: put_dict(r, v.u.dict); break;
    case V_NAMESPACE:
        put_string(r, "<Namespace ");
        put_dict(r, v.u.dict);
        put_char(r, '>');
        break;
    default:
        put_char(r, '<');
        put_string(r, value_type_name(v));
        put_char(r, '>');
        break;
    }
    render_leave(r);
}

void put_value(struct render *r, struct value v)
{
    if (is_string(v))
        put_text(r, v.u.s);
    else if (v.type != V_UNDEFINED)
        put_repr(r, v);
}

void put_escaped(struct render *r, struct text s)
{
    static const char *const names[] = { "&&amp;", "<&lt;", ">&gt;", "\"&#34;", "'&#39;" };
    for (size_t i = 0; i < s.n && !r->failed; i++) {
        const char *found = NULL;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            found = names[k][0] == s.p[i] ? names[k] + 1 : found;
        put_bytes(r, found ? found : s.p + i, found ? strlen(found) : 1);
    }
}
