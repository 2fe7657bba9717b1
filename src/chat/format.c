/* format.c - "%5.2f" % x and "{:>5}".format(x). */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <math.h>
#include <stdio.h>

struct spec {
    uint32_t fill;
    char align, sign, kind; /* 0: not given */
    bool zero, comma, alternate;
    int64_t width, precision; /* -1: not given */
};

enum { MAX_WIDTH = 1 << 20, MAX_PRECISION = 100 };

void put_padded(struct render *r, struct text s, int64_t width, char align, uint32_t fill)
{
    const int64_t n = (int64_t)text_count(s), pad = width > n ? width - n : 0;
    const int64_t before = align == '>' ? pad : align == '^' ? pad / 2 : 0;
    for (int64_t i = 0; i < before && render_charge(r, 1); i++)
        put_code(r, fill);
    put_text(r, s);
    for (int64_t i = before; i < pad && render_charge(r, 1); i++)
        put_code(r, fill);
}

/* The host's locale may have another decimal point. */
void put_fixed(struct render *r, double f, char kind, int64_t precision)
{
    char text[512];
    const char format[] = { '%', '.', '*', kind, 0 };
    const int n = snprintf(text, sizeof text, format, precision < 0 ? 6 : (int)precision, f);
    for (int i = 0; i < n && i < (int)sizeof text - 1; i++) {
        const bool own = strchr("0123456789+-einfaEINFA", text[i]);
        if (own || !i || strchr("0123456789", text[i - 1]))
            put_char(r, own ? text[i] : '.');
    }
}

/* ---- One value by its spec ---- */

static void put_whole(struct render *r, const struct spec *s, int64_t i)
{
    char digits[80];
    uint64_t rest = i < 0 ? -(uint64_t)i : (uint64_t)i;
    const unsigned base = s->kind == 'x' || s->kind == 'X' ? 16 : s->kind == 'o' ? 8 : s->kind == 'b' ? 2 : 10;
    size_t at = sizeof digits, n = 0;
    do {
        if (s->comma && n && n % 3 == 0 && at > 1)
            digits[--at] = ',';
        digits[--at] = (s->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[rest % base];
        n++;
    } while (rest /= base);
    if (s->alternate && base != 10)
        put_bytes(r, (char[]){ '0', s->kind }, 2);
    put_bytes(r, digits + at, sizeof digits - at);
}

static void put_number(struct render *r, const struct spec *s, struct value v)
{
    const bool real = strchr("fFeEgG%", s->kind) && s->kind;
    const bool negative = as_float(v) < 0 || (v.type == V_FLOAT && signbit(v.u.f));
    const size_t mark = r->n_out;
    if (real)
        put_fixed(r, fabs(as_float(v)) * (s->kind == '%' ? 100 : 1), s->kind == '%' ? 'f' : s->kind, s->precision);
    else if (v.type == V_FLOAT && !s->kind && s->precision < 0)
        put_real(r, fabs(v.u.f));
    else if (v.type == V_FLOAT && !s->kind)
        put_fixed(r, fabs(v.u.f), 'g', s->precision);
    else
        put_whole(r, s, v.type == V_FLOAT ? (int64_t)fmax(fmin(v.u.f, 9e18), -9e18) : as_int(v));
    if (s->kind == '%')
        put_char(r, '%');
    const struct text digits = put_taken(r, mark).u.s;
    const char sign = negative ? '-' : s->sign == '+' || s->sign == ' ' ? s->sign : 0;
    const bool zero = s->zero && (!s->align || s->align == '=');
    const int64_t width = s->width - (sign != 0);
    if (zero) {
        put_bytes(r, &sign, sign != 0);
        put_padded(r, digits, width, '>', '0');
        return;
    }
    const size_t start = r->n_out;
    put_bytes(r, &sign, sign != 0);
    put_text(r, digits);
    put_padded(r, put_taken(r, start).u.s, s->width, s->align ? s->align : '>', s->fill);
}

static void put_spec(struct render *r, const struct spec *s, struct value v)
{
    const bool number = s->kind && strchr("dinuxXobfFeEgG%", s->kind);
    if (s->width > MAX_WIDTH || s->precision > MAX_PRECISION) {
        render_fail(r, INFER_E_FORMAT, "a width or precision that is too large in a format");
        return;
    }
    if (number && !is_number(v)) {
        if (value_defined(r, v))
            render_fail(r, INFER_E_FORMAT, "%%%c format: a number is required, not '%s'", s->kind, value_type_name(v));
        return;
    }
    if (number || (!s->kind && is_number(v) && v.type != V_BOOL)) {
        put_number(r, s, v);
        return;
    }
    if (s->kind == 'c' && !(is_whole(v) ? as_int(v) > 0 && as_int(v) < 0xd800 : value_length(v) == 1 && is_string(v))) {
        render_fail(r, INFER_E_FORMAT, "%%c requires a character, not '%s'", value_type_name(v));
        return;
    }
    const size_t mark = r->n_out;
    if (s->kind == 'r')
        put_repr(r, v);
    else if (s->kind == 'c' && is_whole(v))
        put_code(r, (uint32_t)as_int(v));
    else
        put_value(r, v);
    struct text text = put_taken(r, mark).u.s;
    if (s->precision >= 0)
        text = text_part(text, 0, (size_t)s->precision);
    put_padded(r, text, s->width, s->align ? s->align : '<', s->fill);
}

static int64_t digits(struct text *s, int64_t absent)
{
    int64_t n = absent;
    for (; s->n && *s->p >= '0' && *s->p <= '9'; s->p++, s->n--)
        n = n < 0 ? *s->p - '0' : n > MAX_WIDTH ? n : n * 10 + *s->p - '0';
    return n;
}

static char next_byte(struct text *s)
{
    const char c = s->n ? *s->p : 0;
    s->p += s->n > 0;
    s->n -= s->n > 0;
    return c;
}

static bool skip_byte(struct text *s, char c)
{
    const bool there = s->n && *s->p == c;
    if (there)
        next_byte(s);
    return there;
}

/* ---- % ---- */

struct values {
    struct value all;
    size_t used;
};

static struct value next_value(struct render *r, struct values *values)
{
    const bool many = values->all.type == V_LIST && values->all.kind == LIST_TUPLE;
    const size_t n = many ? values->all.u.list->n : 1;
    if (values->used >= n)
        return render_fail(r, INFER_E_FORMAT, "not enough arguments for a format");
    return many ? values->all.u.list->items[values->used++] : (values->used++, values->all);
}

static struct value keyed_value(struct render *r, struct text *s, struct values *values)
{
    const char *end = memchr(s->p, ')', s->n);
    if (!end || values->all.type != V_DICT)
        return render_fail(r, INFER_E_FORMAT, "a format needs a dict and a closing bracket");
    const struct text key = { s->p, (size_t)(end - s->p) };
    *s = (struct text){ end + 1, s->n - key.n - 1 };
    values->used = 1;
    return value_item(r, values->all, value_text(key));
}

struct value format_percent(struct render *r, struct value format, struct value all)
{
    struct values values = { all, 0 };
    const size_t mark = r->n_out;
    for (struct text s = format.u.s; s.n && render_charge(r, 1);) {
        struct spec spec = { .fill = ' ', .align = '>', .width = -1, .precision = -1 };
        struct value v = { .type = V_ABSENT };
        const char c = next_byte(&s);
        if (c != '%' || skip_byte(&s, '%')) {
            put_char(r, c);
            continue;
        }
        if (skip_byte(&s, '('))
            v = keyed_value(r, &s, &values);
        while (s.n && strchr("-+ #0", *s.p)) {
            const char flag = next_byte(&s);
            spec.align = flag == '-' ? '<' : spec.align;
            spec.sign = flag == '+' || (flag == ' ' && !spec.sign) ? flag : spec.sign;
            spec.zero |= flag == '0';
            spec.alternate |= flag == '#';
        }
        spec.width = skip_byte(&s, '*') ? as_int(next_value(r, &values)) : digits(&s, -1);
        if (skip_byte(&s, '.'))
            spec.precision = digits(&s, 0);
        spec.kind = next_byte(&s);
        if (!spec.kind || !strchr("diuxXofFeEgGsrc", spec.kind))
            return render_fail(r, INFER_E_FORMAT, "unsupported format character '%c'", spec.kind ? spec.kind : ' ');
        if (spec.zero && spec.align == '>')
            spec.align = 0;
        put_spec(r, &spec, v.type == V_ABSENT ? next_value(r, &values) : v);
    }
    const bool many = all.type == V_LIST && all.kind == LIST_TUPLE;
    if (values.used < (many ? all.u.list->n : all.type != V_LIST && all.type != V_DICT) && !r->failed)
        return render_fail(r, INFER_E_FORMAT, "not all arguments converted by a format");
    struct value v = put_taken(r, mark);
    v.kind = format.kind;
    return v;
}

/* ---- {} ---- */

/* [[fill]align][sign][#][0][width][,][.precision][kind] */
static bool read_spec(struct text s, struct spec *spec)
{
    struct text rest = s, second;
    *spec = (struct spec){ .fill = ' ', .width = -1, .precision = -1 };
    const uint32_t fill = text_next(&rest, NULL);
    text_next(&rest, &second);
    if (second.n == 1 && strchr("<>^=", *second.p)) {
        *spec = (struct spec){ .fill = fill, .align = *second.p, .width = -1, .precision = -1 };
        s = rest;
    } else if (s.n && strchr("<>^=", *s.p)) {
        spec->align = next_byte(&s);
    }
    if (s.n && strchr("+- ", *s.p))
        spec->sign = next_byte(&s);
    spec->alternate = skip_byte(&s, '#');
    spec->zero = skip_byte(&s, '0');
    spec->width = digits(&s, -1);
    spec->comma = skip_byte(&s, ',');
    if (skip_byte(&s, '.'))
        spec->precision = digits(&s, 0);
    spec->kind = s.n ? next_byte(&s) : 0;
    return !s.n && (!spec->kind || strchr("dxXobfFeEgGs%n", spec->kind));
}

static struct value field_value(struct render *r, struct text name, const struct call *values, size_t *next)
{
    int64_t i = (int64_t)*next;
    if (!name.n)
        (*next)++;
    else if (!text_int(name, 10, &i)) {
        const struct value *v = dict_find(r, &values->named, value_text(name));
        return v ? *v
                 : render_fail(r, INFER_E_FORMAT, "format has no argument '%.*s'", name.n < 60 ? (int)name.n : 60,
                               name.p);
    }
    if (i < 0 || (size_t)i >= values->positional.n)
        return render_fail(r, INFER_E_FORMAT, "format has no argument %lld", (long long)i);
    return values->positional.items[i];
}

struct value format_braces(struct render *r, struct text s, const struct call *values)
{
    const size_t mark = r->n_out;
    size_t next = 0;
    while (s.n && render_charge(r, 1)) {
        const char c = next_byte(&s), *end;
        if ((c != '{' && c != '}') || skip_byte(&s, c)) {
            put_char(r, c);
            continue;
        }
        if (c == '}' || !(end = memchr(s.p, '}', s.n)))
            return render_fail(r, INFER_E_FORMAT, "a single '%c' in a format", c);
        struct text field = { s.p, (size_t)(end - s.p) };
        s = (struct text){ end + 1, s.n - field.n - 1 };
        const char *colon = field.n ? memchr(field.p, ':', field.n) : NULL;
        const struct text name = { field.p, colon ? (size_t)(colon - field.p) : field.n };
        const struct text how = { field.p + name.n + (colon != NULL), field.n - name.n - (colon != NULL) };
        struct spec spec;
        if (!read_spec(how, &spec))
            return render_fail(r, INFER_E_FORMAT, "a format that is not understood: '%.*s'",
                               how.n < 60 ? (int)how.n : 60, how.p);
        put_spec(r, &spec, field_value(r, name, values, &next));
    }
    return put_taken(r, mark);
}
