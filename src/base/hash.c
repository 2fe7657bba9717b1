/* hash.c - multiply and fold, in four lanes. */
#include "src/base/hash.h"

#include "src/base/numbers.h"

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0xff51afd7ed558ccd;
    return h ^ h >> 32;
}

void hash_init(struct hash *h)
{
    *h = (struct hash){ .lanes = { 1, 2, 3, 4 } };
}

static void add_blocks(struct hash *h, const uint8_t *p, size_t n_blocks)
{
    uint64_t a = h->lanes[0], b = h->lanes[1], c = h->lanes[2], d = h->lanes[3];
    for (; n_blocks; n_blocks--, p += sizeof h->held) {
        a = mix(a, read_u64(p));
        b = mix(b, read_u64(p + 8));
        c = mix(c, read_u64(p + 16));
        d = mix(d, read_u64(p + 24));
    }
    memcpy(h->lanes, (const uint64_t[HASH_LANES]){ a, b, c, d }, sizeof h->lanes);
}

void hash_add(struct hash *h, const void *data, size_t n)
{
    const uint8_t *p = data;
    const size_t held = h->length % sizeof h->held, room = sizeof h->held - held;
    h->length += n;
    if (held && n >= room) {
        memcpy(h->held + held, p, room);
        add_blocks(h, h->held, 1);
        p += room;
        n -= room;
    } else if (held) {
        memcpy(h->held + held, p, n);
        return;
    }
    add_blocks(h, p, n / sizeof h->held);
    if (n % sizeof h->held)
        memcpy(h->held, p + n / sizeof h->held * sizeof h->held, n % sizeof h->held);
}

uint64_t hash_value(const struct hash *h)
{
    struct hash all = *h;
    const size_t held = h->length % sizeof h->held;
    memset(all.held + held, 0, sizeof all.held - held);
    add_blocks(&all, all.held, 1);
    uint64_t value = all.length;
    for (int i = 0; i < HASH_LANES; i++)
        value = mix(value, all.lanes[i]);
    return mix(value, 0);
}

uint64_t hash_bytes(const void *data, size_t n)
{
    struct hash h;
    hash_init(&h);
    hash_add(&h, data, n);
    return hash_value(&h);
}
