/* recent.c - a ring says which token leaves, a map counts. */
#include "src/sampler/recent.h"

enum { RESERVED = 1024 };

bool recent_open(struct recent *r, const infer_allocator *a, int32_t window)
{
    *r = (struct recent){ .a = a, .window = window };
    const size_t n = window < 0 || window > RESERVED ? RESERVED : (size_t)window;
    if (id_map_open(&r->counts, a, n) &&
        (window < 0 || mem_grow(a, &r->ring, &r->room_ring, n, sizeof *r->ring)))
        return true;
    recent_close(r);
    return false;
}

bool recent_fork(struct recent *r, const struct recent *from)
{
    *r = *from;
    r->ring = mem_new(from->a, from->room_ring, sizeof *r->ring);
    if (r->ring && from->n_ring)
        memcpy(r->ring, from->ring, from->n_ring * sizeof *r->ring);
    return id_map_copy(&r->counts, &from->counts) && r->ring;
}

void recent_close(struct recent *r)
{
    id_map_close(&r->counts);
    if (r->a)
        mem_free(r->a, r->ring);
    *r = (struct recent){ 0 };
}

void recent_clear(struct recent *r)
{
    id_map_clear(&r->counts);
    r->n_ring = r->oldest = 0;
}

static void forget(struct recent *r, int32_t id)
{
    uint32_t *const count = id_map_find(&r->counts, id);
    if (!--*count)
        id_map_remove(&r->counts, id);
}

bool recent_add(struct recent *r, int32_t id)
{
    if (!r->window)
        return true;
    const bool full = r->window > 0 && r->n_ring == (size_t)r->window;
    if (r->window > 0 && !full && !mem_grow(r->a, &r->ring, &r->room_ring, r->n_ring + 1, sizeof *r->ring))
        return false;
    uint32_t *const count = id_map_put(&r->counts, id);
    if (!count)
        return false;
    *count += *count < UINT32_MAX;
    if (full) {
        forget(r, r->ring[r->oldest]);
        r->ring[r->oldest] = id;
        r->oldest = (r->oldest + 1) % (size_t)r->window;
    } else if (r->window > 0) {
        r->ring[r->n_ring++] = id;
    }
    return true;
}

uint32_t recent_count(const struct recent *r, int32_t id)
{
    const uint32_t *count = id_map_find(&r->counts, id);
    return count ? *count : 0;
}
