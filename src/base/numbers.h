/* numbers.h - small floating-point formats, one value at a time, exact. Vector code has its own instructions. */
#ifndef BASE_NUMBERS_H
#define BASE_NUMBERS_H

#include <stdint.h>
#include <string.h>

static inline float f32_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint32_t f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/** IEEE 754 binary16. Normal numbers: shift the mantissa up, rebias by 2^112; subnormals come out by the same product. */
static inline float f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    if (rest >= 0x0f800000) /* infinity or NaN */
        return f32_from_bits(sign | 0x7f800000 | (rest & 0x007fffff));
    return f32_from_bits(f32_bits(f32_from_bits(rest) * 0x1p112f) | sign);
}

/** Round to nearest even; overflow becomes infinity, a NaN stays a (quiet) NaN. */
static inline uint16_t f16_from_f32(float f)
{
    const uint32_t u = f32_bits(f), magnitude = u & 0x7fffffff;
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    if (magnitude >= 0x47800000) /* 2^16 and above, infinity, NaN */
        return (uint16_t)(sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00));
    if (magnitude < 0x38800000) { /* subnormal: let the FPU round at the right bit */
        const float shifted = f32_from_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (f32_bits(shifted) - 0x3f000000));
    }
    const uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

static inline float bf16_to_f32(uint16_t b)
{
    return f32_from_bits((uint32_t)b << 16);
}

/** Round to nearest even; a NaN stays a (quiet) NaN. */
static inline uint16_t bf16_from_f32(float f)
{
    const uint32_t u = f32_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/** E8M0 of the OCP microscaling formats: 2^(x - 127), all ones for NaN. */
static inline float e8m0_to_f32(uint8_t x)
{
    return f32_from_bits(x == 0 ? 0x00400000 : x == 0xff ? 0x7fc00000 : (uint32_t)x << 23);
}

/** Unsigned E4M3, rebiased as in f16_to_f32(). The top bit is not looked at; 0x7f, a NaN elsewhere, counts as 0, as
 *  those who write such scales expect. */
static inline float ue4m3_to_f32(uint8_t x)
{
    return x == 0x7f ? 0 : f32_from_bits((uint32_t)(x & 0x7f) << 20) * 0x1p120f;
}

/** Little-endian reads from any address. */
static inline uint16_t read_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t read_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t read_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
