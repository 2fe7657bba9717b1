/* stops.c - strings that end a text. Their number and length are small, so each byte is simply compared with all. */
#include "src/runtime/stops.h"

#include "src/base/error.h"

infer_status stops_open(struct stops *s, const infer_allocator *a, const char *const *stops, size_t n, size_t max_piece,
                        infer_error *err)
{
    *s = (struct stops){ .a = a };
    if (n && !stops)
        return fail(err, INFER_E_ARGUMENT, "n_stops is %zu, but stops is NULL", n);
    size_t longest = 0, room;
    s->stop = mem_new(a, n, sizeof *s->stop);
    if (!s->stop)
        return fail_memory(err, "stop strings");
    for (; s->n < n; s->n++) {
        const char *stop = stops[s->n];
        if (!stop || !*stop)
            return fail(err, INFER_E_ARGUMENT, "stop string %zu of %zu is empty", s->n + 1, n);
        if (((unsigned char)*stop & 0xc0) == 0x80) /* the text before it would end within a character */
            return fail(err, INFER_E_ARGUMENT, "stop string %zu of %zu does not begin with a UTF-8 character",
                        s->n + 1, n);
        s->stop[s->n] = text_of(stop);
        longest = s->stop[s->n].n > longest ? s->stop[s->n].n : longest;
    }
    s->text = add_size(longest, max_piece, &room) ? mem_new(a, room, 1) : NULL;
    return s->text ? INFER_OK : fail_memory(err, "stop strings");
}

void stops_close(struct stops *s)
{
    if (!s->a)
        return;
    mem_free(s->a, s->stop);
    mem_free(s->a, s->text);
    *s = (struct stops){ 0 };
}

/* Length of the longest stop string that ends with the text, 0 if there is none; *which: its index. */
static size_t complete_at(const struct stops *s, const char *text, size_t end, size_t *which)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct text stop = s->stop[i];
        if (stop.n > longest && stop.n <= end && !memcmp(text + end - stop.n, stop.p, stop.n)) {
            longest = stop.n;
            *which = i;
        }
    }
    return longest;
}

/* Length of the longest beginning of a stop string with which the text ends. */
static size_t begun_at(const struct stops *s, size_t end)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct text stop = s->stop[i];
        for (size_t n = stop.n - 1 < end ? stop.n - 1 : end; n > longest; n--)
            if (!memcmp(s->text + end - n, stop.p, n))
                longest = n;
    }
    return longest;
}

const char *stops_take(struct stops *s, const char *piece, size_t length, size_t *n, bool *found)
{
    memmove(s->text, s->text + s->shown, s->held);
    size_t end = s->held, stop = 0;
    for (size_t i = 0; i < length && !stop; i++) {
        s->text[end++] = piece[i];
        stop = complete_at(s, s->text, end, &s->which);
    }
    *found = stop;
    s->held = stop ? 0 : begun_at(s, end);
    *n = s->shown = end - stop - s->held;
    return s->text;
}

size_t stops_find(const struct stops *s, struct text text, size_t from)
{
    size_t which;
    for (size_t end = from + 1; end <= text.n; end++) {
        const size_t n = complete_at(s, text.p, end, &which);
        if (n)
            return end - n;
    }
    return SIZE_MAX;
}

const char *stops_end(struct stops *s, size_t *n)
{
    const char *rest = s->text + s->shown;
    *n = s->held;
    s->held = 0;
    return rest;
}
