/* recent.h - how often each of the last n tokens occurs among them. */
#ifndef SAMPLER_RECENT_H
#define SAMPLER_RECENT_H

#include "src/sampler/id_map.h"

struct recent {
    const infer_allocator *a;
    int32_t window; /* how many tokens count; -1 = all */
    int32_t *ring;  /* the last tokens, so that the one that leaves is known; not used if all count */
    size_t n_ring, room_ring, oldest;
    struct id_map counts; /* never 0 */
};

/** Takes the memory for windows of common size at once; larger ones grow as tokens come. */
bool recent_open(struct recent *r, const infer_allocator *a, int32_t window);
/** One that goes on from the same tokens; false if memory is out. recent_close() is due in any case. */
bool recent_fork(struct recent *r, const struct recent *from);
void recent_close(struct recent *r);
void recent_clear(struct recent *r);
/** False if memory is out: the token is not counted. */
bool recent_add(struct recent *r, int32_t id);
/** Occurrences of id, 0 if there are none. */
uint32_t recent_count(const struct recent *r, int32_t id);

#endif
