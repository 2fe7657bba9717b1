/* inline.h - what makes code for one case of many. */
#ifndef KERNELS_GENERIC_INLINE_H
#define KERNELS_GENERIC_INLINE_H

/** What takes a type, a form or a number as an argument is inlined, so that it is a constant. */
#define INLINE static inline __attribute__((always_inline))

/** Unrolls a loop over registers, which would be an array in memory otherwise. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/** do_columns(t, first, n, ...) for all columns of a tile: n, a constant, is 4 as long as there are so many, then 2,
 *  then 1. */
#define EACH_COLUMNS(do_columns, t, ...) \
    do { \
        int first_ = 0; \
        for (; first_ + 4 <= (t)->n_cols; first_ += 4) \
            do_columns(t, first_, 4, __VA_ARGS__); \
        for (; first_ + 2 <= (t)->n_cols; first_ += 2) \
            do_columns(t, first_, 2, __VA_ARGS__); \
        for (; first_ < (t)->n_cols; first_++) \
            do_columns(t, first_, 1, __VA_ARGS__); \
    } while (0)

#endif
