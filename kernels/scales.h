/* scales.h - where the blocks of each type keep their floating-point numbers: the scales, or the values themselves. */
#ifndef SCALES_H
#define SCALES_H

#include "src/base/dtype.h"
#include "src/base/numbers.h"

enum number {
    NUMBER_F16,
    NUMBER_BF16,
    NUMBER_F32,
    NUMBER_F64,
    NUMBER_E8M0,
    NUMBER_UE4M3,
    NUMBER_F16_SPREAD, /* nibble i of an f16, the lowest first, is the top nibble of 16-bit word i of four */
    NUMBER_COUNT
};

/** `count` numbers, one after the other, from byte `offset` of each block on; the rest of the block may be any bits. */
struct scales {
    enum number number;
    uint8_t count, offset;
};
/** count is 0 for types without such numbers: whole numbers. */
extern const struct scales scales_of[DTYPE_COUNT];

static inline int number_bytes(enum number number)
{
    static const int bytes[NUMBER_COUNT] = {
        [NUMBER_F16] = 2,  [NUMBER_BF16] = 2,  [NUMBER_F32] = 4,        [NUMBER_F64] = 8,
        [NUMBER_E8M0] = 1, [NUMBER_UE4M3] = 1, [NUMBER_F16_SPREAD] = 8,
    };
    return bytes[number];
}

/** The f16 spread over four words, and back; the words' other bits stay. */
static inline uint16_t read_f16_spread(const void *p)
{
    uint16_t h = 0;
    for (int i = 0; i < 4; i++)
        h |= (uint16_t)(read_u16((const uint8_t *)p + 2 * i) >> 12 << 4 * i);
    return h;
}
static inline void write_f16_spread(void *p, uint16_t h)
{
    for (int i = 0; i < 4; i++) {
        uint8_t *const top = (uint8_t *)p + 2 * i + 1;
        *top = (uint8_t)((*top & 15) | (h >> 4 * i & 15) << 4);
    }
}

#endif
