/* id_map.h - a number for each of some tokens: a hash table of ids, as large as what is in it, not as the vocabulary.
 * */
#ifndef SAMPLER_ID_MAP_H
#define SAMPLER_ID_MAP_H

#include "src/base/memory.h"

struct id_map {
    const infer_allocator *a;
    struct id_slot {
        uint32_t tag; /* id + 1; 0: the slot is free */
        uint32_t value;
    } *slots;
    size_t n, n_slots; /* n_slots a power of two, at most half used */
};

/** Room for n ids from the start on; false if memory is out. */
bool id_map_open(struct id_map *m, const infer_allocator *a, size_t n);
/** One of the same content; false if memory is out. */
bool id_map_copy(struct id_map *m, const struct id_map *from);
void id_map_close(struct id_map *m);
void id_map_clear(struct id_map *m);
/** The value of an id, valid until another one is put or removed; NULL if it is not there. */
uint32_t *id_map_find(const struct id_map *m, int32_t id);
/** The same, put there with 0 if it was not; NULL if memory is out. id >= 0. */
uint32_t *id_map_put(struct id_map *m, int32_t id);
void id_map_remove(struct id_map *m, int32_t id);

static inline int32_t id_slot_id(const struct id_slot *slot) /* of a slot that is not free */
{
    return (int32_t)(slot->tag - 1);
}

#endif
