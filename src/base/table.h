/* table.h - from strings to numbers: a hash table that only grows, filled once and then read by any thread. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "src/base/memory.h"

/** Bytes somewhere else, not terminated. */
struct text {
    const char *p;
    size_t n;
};
static inline struct text text_of(const char *s)
{
    return (struct text){ s, strlen(s) };
}
static inline bool text_equal(struct text a, struct text b)
{
    return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}
static inline bool text_is(struct text a, const char *s)
{
    return text_equal(a, text_of(s));
}

struct table {
    const infer_allocator *a;
    struct table_slot {
        const char *key; /* NULL: free. The bytes stay where they are and must outlive the table */
        uint32_t length, hash, value;
    } *slots;
    size_t n, n_slots; /* n_slots a power of two, at most 3/4 used */
};

void table_init(struct table *t, const infer_allocator *a);
void table_free(struct table *t);
/** Make room for n keys in all, so that adding them needs no further memory. */
bool table_reserve(struct table *t, size_t n);
enum table_result { TABLE_NOMEM, TABLE_ADDED, TABLE_THERE };
/** Add a key; if it is there already its value stays. */
enum table_result table_add(struct table *t, struct text key, uint32_t value);
/** False if the key is not there. */
bool table_find(const struct table *t, struct text key, uint32_t *value);

#endif
