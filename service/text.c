/* text.c - text that grows. */
#include "service/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes and a terminator. */
static bool reserve(struct text *t, size_t n)
{
    if (t->failed || n >= (size_t)-1 / 4 - t->n)
        return !(t->failed = true);
    if (t->n + n < t->max)
        return true;
    size_t max = t->max ? t->max : 64;
    while (max <= t->n + n)
        max *= 2;
    char *const v = realloc(t->v, max);
    if (!v)
        return !(t->failed = true);
    t->v = v;
    t->max = max;
    return true;
}

void text_add(struct text *t, const char *bytes, size_t n)
{
    if (!reserve(t, n))
        return;
    if (n)
        memcpy(t->v + t->n, bytes, n);
    t->n += n;
    t->v[t->n] = '\0';
}

void text_add_room(struct text *t, size_t n)
{
    if (!reserve(t, n))
        return;
    memset(t->v + t->n, 0, n + 1);
    t->n += n;
}

void text_add_string(struct text *t, const char *string)
{
    text_add(t, string, strlen(string));
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        t->failed = true;
    else if (reserve(t, (size_t)n)) {
        vsnprintf(t->v + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void text_free(struct text *t)
{
    free(t->v);
    *t = (struct text){ 0 };
}

const char *text_string(const struct text *t)
{
    return t->v ? t->v : "";
}
