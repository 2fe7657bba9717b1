/* dry.h - "don't repeat yourself": which tokens would go on with a repetition, and how long it is. */
#ifndef SAMPLER_DRY_H
#define SAMPLER_DRY_H

#include "src/sampler/phrases.h"

struct dry {
    const infer_allocator *a;
    size_t window;    /* tokens that are searched; SIZE_MAX: all */
    int32_t *token;   /* the last of them, the newest at the end */
    size_t n, room;
    size_t unbroken;  /* tokens since the last breaker */
    uint32_t *common; /* scratch */
    size_t room_common;
    struct phrases breakers;
    struct id_map lengths; /* of a token: how many tokens it would go on with */
};

/** window: tokens that are searched, -1 = all. False if memory is out. */
bool dry_open(struct dry *d, const infer_allocator *a, int32_t window);
/** One that goes on from the same tokens; `from` outlives it. False if memory is out. dry_close() is due in any
 *  case. */
bool dry_fork(struct dry *d, const struct dry *from);
void dry_close(struct dry *d);
void dry_clear(struct dry *d);
/** False if memory is out: the token is not there. */
bool dry_add(struct dry *d, int32_t id);
/** Fill d->lengths with the repetitions of at least `least` tokens; false if memory is out. */
bool dry_find(struct dry *d, size_t least);

#endif
