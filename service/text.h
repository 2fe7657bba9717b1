/* text.h - text that grows. Once memory is out it stays as it is, and `failed` tells. */
#ifndef SERVICE_TEXT_H
#define SERVICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *v; /* n bytes and a terminator; NULL while there are none */
    size_t n, max;
    bool failed;
};

void text_add(struct text *t, const char *bytes, size_t n);
/** Room for n bytes, which the caller fills: they are the text's from now on. */
void text_add_room(struct text *t, size_t n);
void text_add_string(struct text *t, const char *string);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);
/** The text, never NULL. */
const char *text_string(const struct text *t);

#endif
