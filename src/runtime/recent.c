/* recent.c - counts of the last n tokens: a ring says which token leaves, a hash table with linear probing counts. The
 * table is as large as the window, not as the vocabulary, so that a walk over it is short and ids need no bound. */
#include "src/runtime/recent.h"

enum { RESERVED = 1024 };

/* Multiplicative hashing: the upper bits of id * 2^32 / golden ratio. */
static size_t home(const struct recent *r, int32_t id)
{
    return ((uint64_t)((uint32_t)id * 2654435769u) * r->n_slots) >> 32;
}

static size_t slot_of(const struct recent *r, int32_t id)
{
    size_t i = home(r, id);
    while (r->slots[i].count && r->slots[i].id != id)
        i = (i + 1) & (r->n_slots - 1);
    return i;
}

/* Room for n different ids. */
static bool reserve(struct recent *r, size_t n)
{
    size_t n_slots = r->n_slots ? r->n_slots : 16;
    while (n_slots / 2 < n)
        n_slots *= 2;
    if (n_slots == r->n_slots)
        return true;
    struct recent_slot *const slots = mem_new(r->a, n_slots, sizeof *slots);
    if (!slots)
        return false;
    struct recent_slot *const old = r->slots;
    const size_t n_old = r->n_slots;
    r->slots = slots;
    r->n_slots = n_slots;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].count)
            slots[slot_of(r, old[i].id)] = old[i];
    mem_free(r->a, old);
    return true;
}

bool recent_open(struct recent *r, const infer_allocator *a, int32_t window)
{
    *r = (struct recent){ .a = a, .window = window };
    const size_t n = window < 0 || window > RESERVED ? RESERVED : (size_t)window;
    if (reserve(r, n) && (window < 0 || mem_grow(a, &r->ring, &r->room_ring, n, sizeof *r->ring)))
        return true;
    recent_close(r);
    return false;
}

void recent_close(struct recent *r)
{
    mem_free(r->a, r->slots);
    mem_free(r->a, r->ring);
    *r = (struct recent){ .a = r->a };
}

void recent_clear(struct recent *r)
{
    memset(r->slots, 0, r->n_slots * sizeof *r->slots);
    r->n_ids = r->n_ring = r->oldest = 0;
}

/* One occurrence less. When a slot becomes free, those behind it that could not have their home move up, so that a
 * search may go on ending at the first free slot (Knuth, TAOCP 3, 6.4, algorithm R). */
static void forget(struct recent *r, int32_t id)
{
    size_t hole = slot_of(r, id);
    if (--r->slots[hole].count)
        return;
    r->n_ids--;
    const size_t mask = r->n_slots - 1;
    for (size_t i = (hole + 1) & mask; r->slots[i].count; i = (i + 1) & mask) {
        if (((i - home(r, r->slots[i].id)) & mask) < ((i - hole) & mask))
            continue;
        r->slots[hole] = r->slots[i];
        r->slots[i].count = 0;
        hole = i;
    }
}

bool recent_add(struct recent *r, int32_t id)
{
    if (!r->window)
        return true;
    const bool full = r->window > 0 && r->n_ring == (size_t)r->window;
    if (!reserve(r, r->n_ids + 1))
        return false;
    if (r->window > 0 && !full && !mem_grow(r->a, &r->ring, &r->room_ring, r->n_ring + 1, sizeof *r->ring))
        return false;
    if (full) {
        forget(r, r->ring[r->oldest]);
        r->ring[r->oldest] = id;
        r->oldest = (r->oldest + 1) % (size_t)r->window;
    } else if (r->window > 0) {
        r->ring[r->n_ring++] = id;
    }
    struct recent_slot *const slot = &r->slots[slot_of(r, id)];
    r->n_ids += !slot->count;
    slot->id = id;
    slot->count += slot->count < UINT32_MAX;
    return true;
}

uint32_t recent_count(const struct recent *r, int32_t id)
{
    const struct recent_slot *slot = &r->slots[slot_of(r, id)];
    return slot->count;
}
