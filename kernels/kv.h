/* kv.h - where the numbers of stored keys and values lie in a block, as kernels.h describes it.
 *
 * A line is what one step of products reads: of keys the pair 2i, 2i + 1 of all positions, of values all numbers (of a
 * part, if quantised) of the positions 2j, 2j + 1. */
#ifndef KERNELS_KV_H
#define KERNELS_KV_H

#include "kernels/kernels.h"

enum { KV_SCALE_BYTES = 2 * ATTEND_KEYS, KV_LINE = 2 * ATTEND_KEYS /* numbers in a line of keys */ };

static inline bool kv_is_quantised(enum dtype type)
{
    return type == DTYPE_Q8_0 || type == DTYPE_Q4_0;
}

/** Whether a number has more digits than a bf16. */
static inline bool kv_is_finer(enum dtype type)
{
    return type == DTYPE_F32 || type == DTYPE_F16;
}

/** Bytes of n numbers without their scales. */
static inline size_t kv_bytes(enum dtype type, size_t n)
{
    switch (type) {
    case DTYPE_F32: return 4 * n;
    case DTYPE_Q8_0: return n;
    case DTYPE_Q4_0: return n / 2;
    default: return 2 * n;
    }
}

static inline size_t kv_part_bytes(enum dtype type)
{
    return KV_SCALE_BYTES + kv_bytes(type, (size_t)KV_PART * ATTEND_KEYS);
}

static inline size_t kv_key_lines(size_t d)
{
    return (d + 1) / 2;
}
static inline size_t kv_width(size_t d)
{
    return (d + 15) / 16 * 16;
}

/** Offset of line i of keys. */
static inline size_t kv_key_line(enum dtype type, size_t i)
{
    const size_t line = kv_bytes(type, KV_LINE), in_part = KV_PART / 2;
    return kv_is_quantised(type) ? i / in_part * kv_part_bytes(type) + KV_SCALE_BYTES + i % in_part * line : i * line;
}

/** Bytes from a line of values d wide to the next. */
static inline size_t kv_value_stride(enum dtype type, size_t d)
{
    return kv_bytes(type, 2 * (kv_is_quantised(type) ? KV_PART : kv_width(d)));
}

/** Offset of the first line of values of the part that number i of a value lies in, if there are parts. */
static inline size_t kv_value_lines(enum dtype type, size_t i)
{
    return kv_is_quantised(type) ? i / KV_PART * kv_part_bytes(type) + KV_SCALE_BYTES : 0;
}
/** Where in such a line number i of the first of two positions stands. */
static inline size_t kv_value_index(enum dtype type, size_t i)
{
    return 2 * (kv_is_quantised(type) ? i % KV_PART : i);
}

#endif
