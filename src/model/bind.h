/* bind.h - what the files of this folder that bind tensors to roles share. */
#ifndef MODEL_BIND_H
#define MODEL_BIND_H

#include "src/model/model.h"

/** Floats of a tensor: where they are, if they are aligned floats already, or a copy; NULL if memory is out. `plus` is
 *  added to each. The tensor's type must be one that kernels know. */
const float *bind_floats(struct infer_model *m, const struct tensor *t, float plus);
/** Bind a layer's experts where a directory holds them in a form of their own; else nothing. */
infer_status bind_packed(struct infer_model *m, struct layer *layer, uint32_t l, infer_error *err);

#endif
