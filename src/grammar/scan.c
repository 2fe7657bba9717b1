/* scan.c - what the parsers of notations share. */
#include "src/grammar/scan.h"

#include <stdarg.h>
#include <stdio.h>

uint32_t scan_fail(struct scan *s, const char *format, ...)
{
    char why[256];
    size_t line = 1;
    for (const char *p = s->start; p < s->p && p < s->end; p++)
        line += *p == '\n';
    va_list list;
    va_start(list, format);
    vsnprintf(why, sizeof why, format, list);
    va_end(list);
    const int room = s->end - s->p < 16 ? (int)(s->end - s->p) : 16;
    return exprs_fail(s->g, INFER_E_FORMAT, "line %zu: %s, found %s%.*s%s", line, why, room ? "'" : "the end", room,
                      s->p, room ? "'" : "");
}

uint32_t scan_char(struct scan *s)
{
    uint32_t code = 0;
    unsigned bad, length = s->p < s->end ? utf8_read(s->p, (size_t)(s->end - s->p), &code, &bad) : 0;
    if (!length)
        return scan_fail(s, "expected a character in UTF-8");
    s->p += length;
    return code;
}

uint32_t scan_hex(struct scan *s, unsigned n)
{
    uint32_t code = 0;
    const char *begin = s->p;
    for (unsigned i = 0; i < n; i++, s->p++) {
        const char c = s->p < s->end ? *s->p : 0;
        const int digit = c >= '0' && c <= '9'                 ? c - '0'
                          : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                               : -1;
        if (digit < 0) {
            s->p = begin;
            return scan_fail(s, "expected %u hexadecimal digits", n);
        }
        code = code << 4 | (uint32_t)digit;
    }
    if (code > LAST_CHAR || (code >= 0xd800 && code < 0xe000)) {
        s->p = begin;
        return scan_fail(s, "expected a character of Unicode");
    }
    return code;
}

uint32_t scan_number(struct scan *s)
{
    uint32_t x = 0;
    const char *begin = s->p;
    for (; s->p < s->end && is_digit(*s->p) && x <= MOST_REPEATS; s->p++)
        x = 10 * x + (uint32_t)(*s->p - '0');
    if (s->p == begin || x > MOST_REPEATS) {
        s->p = begin;
        return scan_fail(s, "expected a number of repetitions, at most %d", MOST_REPEATS);
    }
    return x;
}

void scan_add_run(struct scan *s, uint32_t first, uint32_t last)
{
    if (s->g->status)
        return;
    if (first > last) {
        scan_fail(s, "expected a range of characters whose end is not before its start");
        return;
    }
    if (mem_grow(s->g->a, &s->runs, &s->room_runs, s->n_runs + 1, sizeof *s->runs))
        s->runs[s->n_runs++] = (struct chars){ first, last };
    else
        exprs_nomem(s->g);
}

uint32_t scan_repeat(struct scan *s, uint32_t x)
{
    const uint32_t least = scan_number(s);
    uint32_t most = least;
    if (scan_take(s, ','))
        most = scan_at(s, '}') ? UINT32_MAX : scan_number(s);
    if (!s->g->status && !scan_take(s, '}'))
        return scan_fail(s, "expected '}' after a number of repetitions");
    if (!s->g->status && least > most)
        return scan_fail(s, "expected at least %u repetitions, as many as the first number", least);
    return expr_repeat(s->g, x, least, most);
}
