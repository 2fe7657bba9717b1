/* merge.h - a model's matrices with adapters in them, row by row: for writing them (tools/common/rewrite.c). */
#ifndef ADAPTERS_MERGE_H
#define ADAPTERS_MERGE_H

#include "src/adapters/adapter.h"
#include "src/convert/recast.h"

struct merge;

/** Of a model that is a GGUF file, and n LoRA adapters opened for it, which both must outlive it. INFER_E_UNKNOWN for
 *  what no such file can hold. */
struct merge *merge_open(infer_model *m, infer_adapter *const *adapters, const float *scales, size_t n,
                         infer_error *err);
void merge_close(struct merge **m);
/** What the rows of a recast of the same file become. Valid as long as the merge. */
struct row_change merge_changes(const struct merge *m);

#endif
