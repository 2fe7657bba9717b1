/* memory.h - every allocation of the library goes through the context's allocator.
 *
 * mem_*    single blocks, zeroed, aligned to 64 bytes
 * arena_*  many small pieces that live and die together (a parsed file, a vocabulary) */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "infer.h"

#define CACHE_LINE 64

/** The allocator to use where the caller gave none: aligned_alloc and free. */
extern const infer_allocator mem_default;
/** The same, and the system is asked for huge pages wherever whole ones fit. */
extern const infer_allocator mem_huge;

/** count objects of size bytes, zeroed; NULL if memory is out or count * size overflows. count may be 0 (not NULL). */
void *mem_new(const infer_allocator *a, size_t count, size_t size);
/** The same, not zeroed: for large buffers that are written before they are read, so that pages never used cost nothing. */
void *mem_raw(const infer_allocator *a, size_t count, size_t size);
void mem_free(const infer_allocator *a, void *p);
/** Make room for at least `need` objects: *capacity grows geometrically, *array may move, old content stays.
 *  false leaves all as it was. */
bool mem_grow(const infer_allocator *a, void *array, size_t *capacity, size_t need, size_t size);

/** x * y into *out; false if it does not fit. */
static inline bool mul_size(size_t x, size_t y, size_t *out)
{
    return !__builtin_mul_overflow(x, y, out);
}
static inline bool add_size(size_t x, size_t y, size_t *out)
{
    return !__builtin_add_overflow(x, y, out);
}
static inline size_t round_up(size_t x, size_t to)
{
    return (x + to - 1) / to * to;
}

struct arena_block;
struct arena {
    const infer_allocator *a; /* must outlive the arena */
    struct arena_block *head;
    size_t used, room; /* in head */
    size_t bytes;      /* taken from the allocator in all */
};

void arena_init(struct arena *arena, const infer_allocator *a);
void arena_free(struct arena *arena);
/** count objects of size bytes, zeroed, aligned to 16; NULL on overflow or if memory is out. */
void *arena_new(struct arena *arena, size_t count, size_t size);
/** A terminated copy of n bytes, or NULL. */
char *arena_text(struct arena *arena, const char *text, size_t n);

#endif
