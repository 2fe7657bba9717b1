/* intern.c - a hash table over lists that lie one after the other. */
#include "src/grammar/intern.h"

enum { MOST_WORDS = 1 << 30 };

void intern_init(struct intern *t, const infer_allocator *a)
{
    *t = (struct intern){ .a = a };
}

void intern_free(struct intern *t)
{
    if (!t->a)
        return;
    mem_free(t->a, t->words);
    mem_free(t->a, t->items);
    mem_free(t->a, t->slots);
    intern_init(t, t->a);
}

void intern_clear(struct intern *t)
{
    t->n = t->n_words = 0;
    if (t->slots)
        memset(t->slots, 0, t->n_slots * sizeof *t->slots);
}

static uint32_t hash_of(const uint32_t *words, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static bool grow_slots(struct intern *t)
{
    const size_t n = t->n_slots ? 2 * t->n_slots : 64;
    uint32_t *slots = mem_new(t->a, n, sizeof *slots);
    if (!slots)
        return false;
    for (size_t id = 0; id < t->n; id++) {
        size_t i = t->items[id].hash & (n - 1);
        while (slots[i])
            i = (i + 1) & (n - 1);
        slots[i] = (uint32_t)id + 1;
    }
    mem_free(t->a, t->slots);
    t->slots = slots;
    t->n_slots = n;
    return true;
}

uint32_t intern_add(struct intern *t, const uint32_t *words, size_t n, bool *added)
{
    const uint32_t hash = hash_of(words, n);
    if (added)
        *added = false;
    if (2 * (t->n + 1) > t->n_slots && !grow_slots(t))
        return INTERN_NONE;
    size_t i = hash & (t->n_slots - 1);
    for (; t->slots[i]; i = (i + 1) & (t->n_slots - 1)) {
        const struct intern_item *item = &t->items[t->slots[i] - 1];
        if (item->hash == hash && item[1].start - item->start == n &&
            (!n || !memcmp(t->words + item->start, words, n * sizeof *words)))
            return t->slots[i] - 1;
    }
    if (n > MOST_WORDS - t->n_words || t->n >= MOST_WORDS ||
        !mem_grow(t->a, &t->words, &t->room_words, t->n_words + n, sizeof *t->words) ||
        !mem_grow(t->a, &t->items, &t->room_items, t->n + 2, sizeof *t->items))
        return INTERN_NONE;
    if (n)
        memcpy(t->words + t->n_words, words, n * sizeof *words);
    t->items[t->n] = (struct intern_item){ (uint32_t)t->n_words, hash };
    t->n_words += n;
    t->items[t->n + 1].start = (uint32_t)t->n_words;
    t->slots[i] = (uint32_t)++t->n;
    if (added)
        *added = true;
    return (uint32_t)t->n - 1;
}
