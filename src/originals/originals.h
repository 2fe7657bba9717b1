/* originals.h - checkpoints that others have quantised: FP8, GPTQ, AWQ.
 *
 * A module of such a checkpoint is several tensors: codes, scales, and perhaps zero points and the groups of columns.
 * It becomes one tensor "MODULE.weight", rows of outputs, of a type that kernels read: the smallest that holds every
 * weight exactly. All else in the checkpoint stays as it is.
 *
 * What is made lies in memory of its own, whose place is known from the beginning; it is filled when it is needed and
 * can be let go again, so that a checkpoint can be gone through that is larger than memory. */
#ifndef ORIGINALS_H
#define ORIGINALS_H

#include "src/base/pool.h"
#include "src/formats/formats.h"

struct originals;

/** Replace the tensors of w that belong to modules. *o becomes NULL where there are none. INFER_E_UNKNOWN, with the
 *  name of the method and those known, for others; w can only be closed after an error. */
infer_status originals_open(struct originals **o, struct weights *w, infer_error *err);
/** Before the weights are closed. */
void originals_close(struct originals **o);

/** Fill every tensor of which some bytes lie from data on, if it is not filled yet. `pool` NULL: by the caller alone.
 *  o may be NULL: then there is nothing to do. */
infer_status originals_need(struct originals *o, const void *data, uint64_t bytes, struct pool *pool, infer_error *err);
/** Let the memory of these tensors go; they can be filled again. */
void originals_drop(struct originals *o, const void *data, uint64_t bytes);
/** Fill them all. */
infer_status originals_make(struct originals *o, struct pool *pool, infer_progress_fn *progress, void *user,
                            infer_error *err);

#endif
