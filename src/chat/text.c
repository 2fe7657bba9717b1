/* text.c - text as Python has it, by characters. Bytes that are no UTF-8 count as characters of their own. */
#include "src/base/utf8.h"
#include "src/chat/template.h"

#include <stdio.h>

bool text_is_space(uint32_t code)
{
    return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85 || code == 0xa0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
           code == 0x202f || code == 0x205f || code == 0x3000;
}

uint32_t text_next(struct text *s, struct text *bytes)
{
    uint32_t code = 0;
    unsigned bad = 0, n = s->n ? utf8_read(s->p, s->n, &code, &bad) : 0;
    if (s->n && !n) {
        code = 0xfffd;
        n = bad;
    }
    if (bytes)
        *bytes = (struct text){ s->p, n };
    s->p += n;
    s->n -= n;
    return code;
}

/* The last character of s, which is taken off. */
static uint32_t last_char(struct text *s, struct text *bytes)
{
    size_t n = 1;
    while (n < 4 && n < s->n && ((uint8_t)s->p[s->n - n] & 0xc0) == 0x80)
        n++;
    struct text tail = { s->p + s->n - n, n };
    uint32_t code = text_next(&tail, bytes);
    if (bytes->n != n) { /* broken: one byte alone */
        code = 0xfffd;
        *bytes = (struct text){ s->p + s->n - 1, 1 };
    }
    s->n -= bytes->n;
    return code;
}

size_t text_count(struct text s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n && (uint8_t)s.p[i] < 0x80; i++)
        n++;
    s = (struct text){ s.p + n, s.n - n };
    for (; s.n; n++)
        text_next(&s, NULL);
    return n;
}

struct text text_part(struct text s, size_t i, size_t n)
{
    for (; i && s.n; i--)
        text_next(&s, NULL);
    struct text rest = s;
    for (; n && rest.n; n--)
        text_next(&rest, NULL);
    return (struct text){ s.p, s.n - rest.n };
}

static bool has_char(struct text chars, struct text bytes)
{
    for (struct text one; chars.n;) {
        text_next(&chars, &one);
        if (text_equal(one, bytes))
            return true;
    }
    return false;
}

struct text text_trim(struct text s, unsigned sides, const struct text *chars)
{
    struct text bytes;
    for (struct text rest = s; (sides & TRIM_LEFT) && s.n; s = rest) {
        const uint32_t code = text_next(&rest, &bytes);
        if (chars ? !has_char(*chars, bytes) : !text_is_space(code))
            break;
    }
    for (struct text rest = s; (sides & TRIM_RIGHT) && s.n; s = rest) {
        const uint32_t code = last_char(&rest, &bytes);
        if (chars ? !has_char(*chars, bytes) : !text_is_space(code))
            break;
    }
    return s;
}

/* jansson reads numbers whatever the locale; JSON wants digits on both sides of the point, and no plus. */
bool text_real(struct text s, double *x)
{
    char number[80];
    size_t n = 0;
    s = text_trim(s, TRIM_LEFT | TRIM_RIGHT, NULL);
    bool negative = s.n && *s.p == '-', digits = false;
    if (s.n && (*s.p == '-' || *s.p == '+'))
        s = (struct text){ s.p + 1, s.n - 1 };
    if (text_is(s, "inf") || text_is(s, "nan")) {
        *x = *s.p == 'n' ? __builtin_nan("") : negative ? -__builtin_inf() : __builtin_inf();
        return true;
    }
    while (s.n > 1 && *s.p == '0' && s.p[1] >= '0' && s.p[1] <= '9')
        s = (struct text){ s.p + 1, s.n - 1 };
    for (size_t i = 0; i < s.n && n < sizeof number - 4; i++) {
        const bool digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (!digit && !digits && i == 0)
            number[n++] = '0';
        digits |= digit;
        number[n++] = s.p[i];
        if (s.p[i] == '.' && (i + 1 == s.n || s.p[i + 1] < '0' || s.p[i + 1] > '9'))
            number[n++] = '0';
    }
    if (!digits || s.n > sizeof number / 2)
        return false;
    json_t *json = json_loadb(number, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    const bool good = json_is_real(json);
    *x = negative ? -json_real_value(json) : json_real_value(json);
    json_decref(json);
    return good;
}

bool text_int(struct text s, unsigned base, int64_t *x)
{
    s = text_trim(s, TRIM_LEFT | TRIM_RIGHT, NULL);
    const bool negative = s.n && *s.p == '-';
    if (s.n && (*s.p == '-' || *s.p == '+'))
        s = (struct text){ s.p + 1, s.n - 1 };
    if (s.n > 2 && *s.p == '0' && (s.p[1] | 0x20) == (base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : 0))
        s = (struct text){ s.p + 2, s.n - 2 };
    *x = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                               : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (unsigned)((c | 0x20) - 'a' + 10)
                                                                        : 99;
        if (digit >= base || __builtin_mul_overflow(*x, (int64_t)base, x) ||
            __builtin_sub_overflow(*x, (int64_t)digit, x)) /* below zero there is one more */
            return false;
    }
    return s.n && (negative || !__builtin_mul_overflow(*x, (int64_t)-1, x));
}

size_t text_find(struct render *r, struct text s, struct text needle, size_t from)
{
    if (from > s.n || !render_charge(r, (s.n - from) / 64 * (needle.n / 64 + 1)))
        return SIZE_MAX;
    const char *at = needle.n ? memmem(s.p + from, s.n - from, needle.p, needle.n) : s.p + from;
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}
