/* model_write.h - writing a model to a GGUF file, each tensor in the type chosen for it: row by row from the mapping,
 * so that a model need not fit into memory. */
#ifndef TOOLS_COMMON_MODEL_WRITE_H
#define TOOLS_COMMON_MODEL_WRITE_H

#include "src/convert/recast.h"

#include <signal.h>

/** Write what has been opened to a file, which shall be no part of the input. Progress goes to stderr if that is a
 *  terminal. When *interrupted becomes true it stops. On failure nothing is left of the file. The bytes do not depend
 *  on the number of threads. */
infer_status model_write(struct recast *r, const char *path, const volatile sig_atomic_t *interrupted,
                         infer_error *err);

#endif
