/* quantize.h - floats to the types that GGUF stores weights in. */
#ifndef QUANTIZE_H
#define QUANTIZE_H

#include "src/base/dtype.h"

/** Whether quantize_row() makes this type. */
bool quantize_has(enum dtype type);
/** A row of n floats, a multiple of the type's block, into dtype_row_bytes() bytes of blocks. The sum over the row of
 *  importance[i] * (x[i] - stored[i])^2 is made as small as the type and the search allow.
 *  @param importance n weights, finite and not negative, such as the mean square of what column i is multiplied with;
 *                    NULL: all the same.
 *  @return false if the type is not made here, n is no whole number of blocks, or a value is not finite or too large
 *          for the type. What was written by then is unspecified.
 *  The same input gives the same bytes on every machine. Any number of threads may call this. */
bool quantize_row(enum dtype type, void *blocks, const float *x, size_t n, const float *importance);

#endif
