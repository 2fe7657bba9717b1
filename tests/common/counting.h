/* counting.h - an allocator that counts, and that can refuse from some call on. For tests only. */
#ifndef TESTS_COUNTING_H
#define TESTS_COUNTING_H

#include "src/base/memory.h"

struct counting {
    infer_allocator allocator;
    size_t calls, bytes; /* asked for so far */
    size_t largest;      /* bytes asked for in one call */
    size_t live;         /* blocks not freed */
    size_t refuse_from;  /* number of the first call that gets NULL */
};

static void *counting_alloc(void *user, size_t size)
{
    struct counting *c = user;
    if (c->calls++ >= c->refuse_from)
        return NULL;
    c->bytes += size;
    c->largest = size > c->largest ? size : c->largest;
    void *p = mem_default.alloc(mem_default.user, size);
    c->live += p != NULL;
    return p;
}

static void counting_free(void *user, void *memory)
{
    struct counting *c = user;
    c->live--;
    mem_default.free(mem_default.user, memory);
}

static inline void counting_init(struct counting *c, size_t refuse_from)
{
    *c = (struct counting){ .allocator = { c, counting_alloc, counting_free }, .refuse_from = refuse_from };
}

#endif
