/* error.h - filling the caller's infer_error. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "infer.h"

/** Fill err, which may be NULL, and return code, so that `return fail(err, ...)` is one line. */
infer_status fail(infer_error *err, infer_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** The same for functions that return a pointer. */
#define fail_null(...) (fail(__VA_ARGS__), NULL)
/** Out of memory while making `what`. */
infer_status fail_memory(infer_error *err, const char *what);
/** Put "prefix: " before the message: the layer above knows the file's name. Returns err's code. */
infer_status fail_prefix(infer_error *err, const char *prefix);

#endif
