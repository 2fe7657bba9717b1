/* intern.h - lists of numbers that become one number each: equal lists get the same id, ids count from 0. */
#ifndef GRAMMAR_INTERN_H
#define GRAMMAR_INTERN_H

#include "src/base/memory.h"

#define INTERN_NONE UINT32_MAX

struct intern {
    const infer_allocator *a;
    uint32_t *words; /* all lists, one after the other */
    size_t n_words, room_words;
    struct intern_item {
        uint32_t start, hash; /* in words; the list ends where the next one starts */
    } * items;                /* n + 1 */
    size_t n, room_items;
    uint32_t *slots; /* ids + 1, 0 is free; n_slots a power of two, at most half used */
    size_t n_slots;
};

void intern_init(struct intern *t, const infer_allocator *a);
void intern_free(struct intern *t);
/** Forget all lists, but keep the memory. */
void intern_clear(struct intern *t);
/** The list's id, or INTERN_NONE if memory is out. *added, which may be NULL, says whether it is new. */
uint32_t intern_add(struct intern *t, const uint32_t *words, size_t n, bool *added);
/** The list of an id; the pointer is good until the next intern_add. */
static inline const uint32_t *intern_get(const struct intern *t, uint32_t id, size_t *n)
{
    *n = t->items[id + 1].start - t->items[id].start;
    return t->words ? t->words + t->items[id].start : NULL; /* NULL: all lists are empty */
}

#endif
