/* memory.c - allocation through the context's allocator, and arenas. */
#include "src/base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

static void *default_alloc(void *user, size_t size)
{
    (void)user;
    return size > SIZE_MAX - CACHE_LINE ? NULL : aligned_alloc(CACHE_LINE, round_up(size ? size : 1, CACHE_LINE));
}

static void default_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* Advice for the whole pages only: the rest of a block would take a huge page for some bytes. */
static void *huge_alloc(void *user, size_t size)
{
    enum { HUGE_PAGE = 2 << 20 };
    if (size < HUGE_PAGE || size > SIZE_MAX - HUGE_PAGE)
        return default_alloc(user, size);
    void *p = aligned_alloc(HUGE_PAGE, round_up(size, HUGE_PAGE));
    if (p)
        madvise(p, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return p;
}

const infer_allocator mem_default = { NULL, default_alloc, default_free };
const infer_allocator mem_huge = { NULL, huge_alloc, default_free };

void *mem_raw(const infer_allocator *a, size_t count, size_t size)
{
    size_t bytes;
    return mul_size(count, size, &bytes) ? a->alloc(a->user, bytes ? bytes : 1) : NULL;
}

void *mem_new(const infer_allocator *a, size_t count, size_t size)
{
    void *p = mem_raw(a, count, size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

void mem_free(const infer_allocator *a, void *p)
{
    if (p)
        a->free(a->user, p);
}

bool mem_grow(const infer_allocator *a, void *array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return true;
    size_t want = *capacity < 8 ? 8 : *capacity + *capacity / 2;
    if (want < need)
        want = need;
    void *grown = mem_new(a, want, size), *old;
    if (!grown)
        return false;
    memcpy(&old, array, sizeof old); /* array is the address of a pointer of any type */
    if (old)
        memcpy(grown, old, *capacity * size);
    mem_free(a, old);
    memcpy(array, &grown, sizeof grown);
    *capacity = want;
    return true;
}

/* Blocks double from 4 KiB to 1 MiB; a request larger than that gets a block of its own. */
enum { ARENA_FIRST = 4096, ARENA_LARGEST = 1 << 20, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_init(struct arena *arena, const infer_allocator *a)
{
    *arena = (struct arena){ .a = a };
}

void arena_free(struct arena *arena)
{
    for (struct arena_block *b = arena->head, *next; b; b = next) {
        next = b->next;
        mem_free(arena->a, b);
    }
    arena_init(arena, arena->a);
}

static bool arena_add_block(struct arena *arena, size_t need)
{
    size_t room = arena->bytes < ARENA_FIRST ? ARENA_FIRST : arena->bytes > ARENA_LARGEST ? ARENA_LARGEST : arena->bytes;
    if (room < need)
        room = need;
    size_t bytes;
    if (!add_size(room, sizeof(struct arena_block), &bytes))
        return false;
    struct arena_block *b = arena->a->alloc(arena->a->user, bytes);
    if (!b)
        return false;
    b->next = arena->head;
    arena->head = b;
    arena->used = 0;
    arena->room = room;
    arena->bytes += bytes;
    return true;
}

void *arena_new(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!mul_size(count, size, &bytes) || bytes > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    bytes = round_up(bytes, ARENA_ALIGN);
    if (arena->room - arena->used < bytes && !arena_add_block(arena, bytes))
        return NULL;
    if (!arena->head && !arena_add_block(arena, bytes)) /* zero bytes asked for first of all */
        return NULL;
    void *p = arena->head->data + arena->used;
    arena->used += bytes;
    memset(p, 0, bytes);
    return p;
}

char *arena_text(struct arena *arena, const char *text, size_t n)
{
    char *copy = n < SIZE_MAX ? arena_new(arena, n + 1, 1) : NULL;
    if (copy && n)
        memcpy(copy, text, n);
    return copy;
}
