/* id_map.c - linear probing. */
#include "src/sampler/id_map.h"

/* Multiplicative hashing: the upper bits of id * 2^32 / golden ratio. */
static size_t home(const struct id_map *m, uint32_t tag)
{
    return ((uint64_t)(tag * 2654435769u) * m->n_slots) >> 32;
}

static struct id_slot *slot_of(const struct id_map *m, uint32_t tag)
{
    size_t i = home(m, tag);
    while (m->slots[i].tag && m->slots[i].tag != tag)
        i = (i + 1) & (m->n_slots - 1);
    return &m->slots[i];
}

static bool reserve(struct id_map *m, size_t n)
{
    size_t n_slots = m->n_slots ? m->n_slots : 16;
    while (n_slots / 2 < n)
        n_slots *= 2;
    if (n_slots == m->n_slots)
        return true;
    struct id_slot *const slots = mem_new(m->a, n_slots, sizeof *slots);
    if (!slots)
        return false;
    struct id_slot *const old = m->slots;
    const size_t n_old = m->n_slots;
    m->slots = slots;
    m->n_slots = n_slots;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].tag)
            *slot_of(m, old[i].tag) = old[i];
    mem_free(m->a, old);
    return true;
}

bool id_map_open(struct id_map *m, const infer_allocator *a, size_t n)
{
    *m = (struct id_map){ .a = a };
    return reserve(m, n);
}

bool id_map_copy(struct id_map *m, const struct id_map *from)
{
    *m = *from;
    m->slots = mem_new(from->a, from->n_slots, sizeof *m->slots);
    if (m->slots && from->n_slots)
        memcpy(m->slots, from->slots, from->n_slots * sizeof *m->slots);
    return m->slots;
}

void id_map_close(struct id_map *m)
{
    if (m->a)
        mem_free(m->a, m->slots);
    *m = (struct id_map){ 0 };
}

void id_map_clear(struct id_map *m)
{
    if (m->n)
        memset(m->slots, 0, m->n_slots * sizeof *m->slots);
    m->n = 0;
}

uint32_t *id_map_find(const struct id_map *m, int32_t id)
{
    struct id_slot *const slot = slot_of(m, (uint32_t)id + 1);
    return slot->tag ? &slot->value : NULL;
}

uint32_t *id_map_put(struct id_map *m, int32_t id)
{
    if (!reserve(m, m->n + 1))
        return NULL;
    const uint32_t tag = (uint32_t)id + 1;
    struct id_slot *const slot = slot_of(m, tag);
    if (!slot->tag) {
        *slot = (struct id_slot){ tag, 0 };
        m->n++;
    }
    return &slot->value;
}

/* When a slot becomes free, those behind it that could not have their home move up, so that a search may go on ending
 * at the first free slot (Knuth, TAOCP 3, 6.4, algorithm R). */
void id_map_remove(struct id_map *m, int32_t id)
{
    const size_t mask = m->n_slots - 1;
    size_t hole = (size_t)(slot_of(m, (uint32_t)id + 1) - m->slots);
    if (!m->slots[hole].tag)
        return;
    m->n--;
    m->slots[hole].tag = 0;
    for (size_t i = (hole + 1) & mask; m->slots[i].tag; i = (i + 1) & mask) {
        if (((i - home(m, m->slots[i].tag)) & mask) < ((i - hole) & mask))
            continue;
        m->slots[hole] = m->slots[i];
        m->slots[i].tag = 0;
        hole = i;
    }
}
