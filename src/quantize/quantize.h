/* quantize.h - floats to the types that GGUF stores weights in. */
#ifndef QUANTIZE_H
#define QUANTIZE_H

#include "kernels/kernels.h"
#include "src/base/memory.h"

/** Whether there is a quantiser for this type. */
bool quantize_has(enum dtype type);

/** What quantising to one type needs. Constant once made: any number of threads may use it. */
struct quantizer;
/** `k` must outlive it. INFER_E_ARGUMENT for a type that is not made here. */
struct quantizer *quantizer_open(const infer_allocator *a, const struct kernels *k, enum dtype type, infer_error *err);
void quantizer_close(struct quantizer **q);

/** A row of n floats, a multiple of the type's block, into dtype_row_bytes() bytes of blocks. The sum over the row of
 *  importance[i] * (x[i] - stored[i])^2 is made as small as the type and the search allow.
 *  @param importance n weights, finite and not negative, such as the mean square of what column i is multiplied with;
 *                    NULL: all the same.
 *  @return false if n is no whole number of blocks, or a value is not finite or too large for the type. What was
 *          written by then is unspecified.
 *  The same input gives the same bytes on every machine. */
bool quantize_row(const struct quantizer *q, void *blocks, const float *x, size_t n, const float *importance);

#endif
