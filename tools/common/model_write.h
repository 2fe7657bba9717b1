/* model_write.h - writing a model to a GGUF file, each tensor in the type chosen for it: row by row from the mapping,
 * so that a model need not fit into memory. */
#ifndef TOOLS_COMMON_MODEL_WRITE_H
#define TOOLS_COMMON_MODEL_WRITE_H

#include "src/convert/convert.h"
#include "src/quantize/importance.h"

#include <signal.h>

struct model_write {
    const char *path;                    /* to write; it shall be no part of the input */
    const struct weights *in;            /* as GGUF has it: its metadata is copied */
    const struct row_order *orders;      /* of the tensors; NULL: all rows stay where they are */
    const enum dtype *types;             /* that they get */
    uint32_t file_type;                  /* what general.file_type will say */
    const struct importance *importance; /* or NULL */
    const char *importance_path;
    int n_threads;                       /* 0 = one per core */
    const volatile sig_atomic_t *interrupted; /* becomes true: stop */
};

/** Progress goes to stderr if that is a terminal. On failure nothing is left of the file. The bytes do not depend on
 *  the number of threads. */
infer_status model_write(const struct model_write *m, infer_error *err);

/** The importance of the columns of a tensor: ne[0] values for each of its ne[2] matrices. NULL if none is given; an
 *  error if there is one of another size, which is another model's, but for the embedding, which is looked up. */
infer_status model_importance(const struct model_write *m, const struct tensor *t, const float **v, infer_error *err);

#endif
