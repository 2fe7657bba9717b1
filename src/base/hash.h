/* hash.h - 64 bits of bytes that come piece by piece, fast: for finding damage and telling things apart, not for
 * keeping adversaries out.
 *
 * Words of 8 bytes go round robin to four lanes, so that a processor multiplies them side by side. A step of a lane,
 *   h = (h ^ word) * odd; h ^= h >> 32
 * is a bijection of h for a given word, and of the word for a given h; lanes and length are joined by such steps too.
 * So damage within one word is always found, and any other is missed with a chance of 1 in 2^64. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { HASH_LANES = 4 };
struct hash {
    uint64_t lanes[HASH_LANES];
    uint64_t length;
    uint8_t held[8 * HASH_LANES]; /* length % sizeof held of them */
};

void hash_init(struct hash *h);
void hash_add(struct hash *h, const void *data, size_t n);
/** Of all that was added; more may follow. The same for any cut into pieces. */
uint64_t hash_value(const struct hash *h);
/** Of n bytes at once. */
uint64_t hash_bytes(const void *data, size_t n);

#endif
