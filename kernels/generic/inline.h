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

#endif
