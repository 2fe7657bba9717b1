/* scales.h - where the blocks of each type keep their floating-point numbers: the scales, or the values themselves. */
#ifndef SCALES_H
#define SCALES_H

#include "src/base/dtype.h"

enum number { NUMBER_F16, NUMBER_BF16, NUMBER_F32, NUMBER_F64, NUMBER_E8M0 };

/** `count` numbers, one after the other, from byte `offset` of each block on; the rest of the block may be any bits. */
struct scales {
    enum number number;
    uint8_t count, offset;
};
/** count is 0 for types without such numbers: whole numbers; IQ1_M and NVFP4, which spread theirs over other fields. */
extern const struct scales scales_of[DTYPE_COUNT];

static inline int number_bytes(enum number number)
{
    return number == NUMBER_E8M0 ? 1 : number == NUMBER_F32 ? 4 : number == NUMBER_F64 ? 8 : 2;
}

#endif
