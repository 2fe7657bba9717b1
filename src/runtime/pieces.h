/* pieces.h - parts of texts that have come and that nobody has fetched. */
#ifndef RUNTIME_PIECES_H
#define RUNTIME_PIECES_H

#include "src/base/memory.h"
#include "src/base/table.h"

struct piece {
    infer_chat_part part;
    int32_t answer; /* whose: 0 unless several are written at once */
    struct text text; /* terminated */
};

/** Zeroed: none. */
struct pieces {
    struct {
        infer_chat_part part;
        int32_t answer;
        size_t at, n; /* in bytes[], terminated */
    } *item;
    size_t n_items, item_room, next; /* next: the first one not fetched */
    char *bytes;
    size_t n_bytes, byte_room;
};

void pieces_close(struct pieces *p, const infer_allocator *a);
/** Add one; an empty text is none. */
infer_status pieces_add(struct pieces *p, const infer_allocator *a, const struct piece *piece, infer_error *err);
/** The next one, valid until others are added. false: there is none; room is used anew then. */
bool pieces_next(struct pieces *p, struct piece *piece);
static inline bool pieces_wait(const struct pieces *p)
{
    return p->next < p->n_items;
}

#endif
