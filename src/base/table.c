/* table.c - open addressing, linear probing. The hash is FNV-1a over 8 bytes at a time with a final mix: short keys, many
 * of them. Keys come from files, so a crafted file can make lookups slow, but probing is bounded by the table's size. */
#include "src/base/table.h"

#include "src/base/numbers.h"

static uint32_t hash_of(struct text key)
{
    uint64_t h = 0xcbf29ce484222325u ^ key.n;
    size_t i = 0;
    for (; i + 8 <= key.n; i += 8) {
        h = (h ^ read_u64(key.p + i)) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; i < key.n; i++)
        h = (h ^ (uint8_t)key.p[i]) * 0x100000001b3u;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

void table_init(struct table *t, const infer_allocator *a)
{
    *t = (struct table){ .a = a };
}

void table_free(struct table *t)
{
    mem_free(t->a, t->slots);
    table_init(t, t->a);
}

/* The slot of the key, or the free one where it belongs. There is always a free one. */
static struct table_slot *slot_of(const struct table *t, struct text key, uint32_t hash)
{
    size_t i = hash & (t->n_slots - 1);
    for (;; i = (i + 1) & (t->n_slots - 1)) {
        struct table_slot *s = &t->slots[i];
        if (!s->key || (s->hash == hash && text_equal((struct text){ s->key, s->length }, key)))
            return s;
    }
}

bool table_reserve(struct table *t, size_t n)
{
    if (n > SIZE_MAX / 8)
        return false;
    size_t n_slots = t->n_slots ? t->n_slots : 16;
    while (n_slots / 4 * 3 < n)
        n_slots *= 2;
    if (n_slots == t->n_slots)
        return true;
    struct table bigger = { .a = t->a, .n = t->n, .n_slots = n_slots };
    bigger.slots = mem_new(t->a, n_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < t->n_slots; i++) {
        const struct table_slot *s = &t->slots[i];
        if (s->key)
            *slot_of(&bigger, (struct text){ s->key, s->length }, s->hash) = *s;
    }
    mem_free(t->a, t->slots);
    *t = bigger;
    return true;
}

enum table_result table_add(struct table *t, struct text key, uint32_t value)
{
    if (key.n > UINT32_MAX || !table_reserve(t, t->n + 1))
        return TABLE_NOMEM;
    const uint32_t hash = hash_of(key);
    struct table_slot *s = slot_of(t, key, hash);
    if (s->key)
        return TABLE_THERE;
    *s = (struct table_slot){ key.n ? key.p : "", (uint32_t)key.n, hash, value };
    t->n++;
    return TABLE_ADDED;
}

bool table_find(const struct table *t, struct text key, uint32_t *value)
{
    if (!t->n || key.n > UINT32_MAX)
        return false;
    const struct table_slot *s = slot_of(t, key, hash_of(key));
    if (s->key)
        *value = s->value;
    return s->key != NULL;
}
