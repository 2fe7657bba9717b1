/* random_blocks.c - random bits with numbers of a chosen size where a type has its scales. */
#include "tools/common/random_blocks.h"

#include "kernels/scales.h"
#include "src/base/numbers.h"

#include <math.h>
#include <string.h>

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

float random_uniform(uint64_t *state)
{
    return (float)((double)(int64_t)random_next(state) * 0x1p-63);
}

/* The largest number of the format that is no larger, but not 0. */
static uint8_t ue4m3_below(float value)
{
    uint8_t x = 0x7e;
    while (x > 1 && ue4m3_to_f32(x) > value)
        x--;
    return x;
}

static void set_number(uint8_t *at, enum number number, float value)
{
    int exponent;
    switch (number) {
    case NUMBER_F16: memcpy(at, &(uint16_t){ f16_from_f32(value) }, 2); break;
    case NUMBER_BF16: memcpy(at, &(uint16_t){ bf16_from_f32(value) }, 2); break;
    case NUMBER_F32: memcpy(at, &value, 4); break;
    case NUMBER_F64: memcpy(at, &(double){ (double)value }, 8); break;
    case NUMBER_E8M0:
        frexpf(value, &exponent);
        *at = (uint8_t)(exponent + 126);
        break;
    case NUMBER_UE4M3: *at = ue4m3_below(value); break;
    case NUMBER_F16_SPREAD: write_f16_spread(at, f16_from_f32(value)); break;
    case NUMBER_COUNT: break;
    }
}

void random_blocks(uint64_t *state, void *blocks, size_t n, enum dtype type, float scale)
{
    const struct dtype_info *info = dtype_info(type);
    const struct scales *s = &scales_of[type];
    uint8_t *bytes = blocks;
    for (size_t i = 0; i < n * info->bytes; i += 8) {
        const uint64_t bits = random_next(state);
        memcpy(bytes + i, &bits, n * info->bytes - i < 8 ? n * info->bytes - i : 8);
    }
    for (size_t b = 0; b < n; b++)
        for (int i = 0; i < s->count; i++) {
            const float u = random_uniform(state);
            set_number(bytes + b * info->bytes + s->offset + i * number_bytes(s->number), s->number,
                       info->block == 1 ? scale * u : scale * (0.75f + 0.25f * u));
        }
}

/* Measured on blocks, first with scale 1. Where scales are coarse (powers of two, four bits), what is measured is not in
 * proportion, so it takes a few rounds. */
float random_blocks_scale(uint64_t *state, const struct kernels *k, enum dtype type, float want)
{
    enum { BLOCKS = 64, ROUNDS = 4 };
    static uint8_t blocks[BLOCKS * 512];
    static float values[BLOCKS * 256];
    const size_t n = BLOCKS * (size_t)dtype_info(type)->block;
    float scale = 1;
    for (int round = 0; round < ROUNDS; round++) {
        random_blocks(state, blocks, BLOCKS, type, scale);
        k->dequantize[type](values, blocks, n);
        double square = 0;
        for (size_t i = 0; i < n; i++)
            square += (double)values[i] * values[i];
        scale *= (float)(want / sqrt(square / (double)n));
    }
    return scale;
}
