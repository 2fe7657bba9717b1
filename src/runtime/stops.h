/* stops.h - strings that end a text, found while it comes piece by piece.
 *
 * Text that may be the beginning of a stop string is held back until it is clear that it is not. The stop string
 * that is complete first ends the text (of several at the same byte the longest), so how the text is cut into pieces
 * plays no part. */
#ifndef RUNTIME_STOPS_H
#define RUNTIME_STOPS_H

#include "src/base/memory.h"
#include "src/base/table.h"

struct stops {
    const infer_allocator *a;
    struct text *stop;
    size_t n;
    char *text;   /* shown by the last call, then held back */
    size_t shown; /* bytes */
    size_t held;  /* bytes; fewer than the longest stop string has */
    size_t which; /* was found */
};

/** max_piece: the longest piece that will be given. A stop string that is empty or begins within a character is
 *  INFER_E_ARGUMENT. The strings must outlive it. */
infer_status stops_open(struct stops *s, const infer_allocator *a, const char *const *stops, size_t n, size_t max_piece,
                        infer_error *err);
void stops_close(struct stops *s);
/** Take a piece; what may now be shown is *n bytes at the return value, valid until the next call. *found: a stop
 *  string came up and the text ends before it. */
const char *stops_take(struct stops *s, const char *piece, size_t length, size_t *n, bool *found);
/** Where the first stop string begins that is complete behind the first `from` bytes of a text, or SIZE_MAX. */
size_t stops_find(const struct stops *s, struct text text, size_t from);
/** The text ended otherwise: what is held back after all. */
const char *stops_end(struct stops *s, size_t *n);

#endif
