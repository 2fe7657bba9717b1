/* reader.h - how a piece of memory is read: a few streams side by side, with or without asking for what comes. The
 * includer has `vector`, an integer vector, and load_vector(). Which reader is the best differs by machine. */
#ifndef BENCHES_LIMITS_READER_H
#define BENCHES_LIMITS_READER_H

#include "benches/limits/limits.h"

#include <string.h>

#define LINE 64
#define VECTORS (4 * LINE / (int)sizeof(vector)) /* of a stream's turn of four cache lines */

/* `ahead`: bytes between what is read and what is prefetched, 0 = none; `keep`: to the second cache, else past those
 * that will not see it again. */
INLINE uint64_t read_streams(const uint8_t *p, size_t n, size_t streams, size_t ahead, bool keep)
{
    vector sum[VECTORS] = { 0 };
    uint64_t all = 0;
    for (size_t i = 0; i < n / streams; i += 4 * LINE)
        for (size_t s = 0; s < streams; s++) {
            const uint8_t *const at = p + s * (n / streams) + i;
            for (size_t j = 0; ahead && j < 4 * LINE; j += LINE)
                keep ? __builtin_prefetch(at + ahead + j, 0, 2) : __builtin_prefetch(at + ahead + j, 0, 0);
            for (int j = 0; j < VECTORS; j++)
                sum[j] += load_vector(at + (size_t)j * sizeof(vector));
        }
    for (int j = 0; j < VECTORS; j++)
        for (size_t i = 0; i < sizeof(vector) / sizeof(uint64_t); i++)
            all += (uint64_t)sum[j][i];
    return all;
}

static uint64_t read_plain(const uint8_t *p, size_t n)
{
    return read_streams(p, n, 1, 0, false);
}
static uint64_t read_4(const uint8_t *p, size_t n)
{
    return read_streams(p, n, 4, 0, false);
}
static uint64_t read_4_ahead(const uint8_t *p, size_t n)
{
    return read_streams(p, n, 4, 1024, false);
}
static uint64_t read_ahead(const uint8_t *p, size_t n)
{
    return read_streams(p, n, 1, 4096, true);
}

static inline void use_readers(struct probe *p)
{
    read_fn *const readers[MAX_READERS] = { read_plain, read_4, read_4_ahead, read_ahead };
    memcpy(p->reader, readers, sizeof readers);
}

#endif
