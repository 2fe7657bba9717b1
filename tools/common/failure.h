/* failure.h - errors of the programs themselves, in the form that the library's have. */
#ifndef TOOLS_COMMON_FAILURE_H
#define TOOLS_COMMON_FAILURE_H

#include "infer.h"

/** Fill an error. Returns code. */
infer_status failure(infer_error *err, infer_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Tell an error on stderr, as "program: sentence". Returns 1, the exit code for it. */
int report_failure(const char *program, const infer_error *err);

#endif
