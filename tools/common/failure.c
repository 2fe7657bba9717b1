/* failure.c - errors of the programs themselves. */
#include "tools/common/failure.h"

#include <stdarg.h>
#include <stdio.h>

infer_status failure(infer_error *err, infer_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return code;
}

int report_failure(const char *program, const infer_error *err)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", program, err->message);
    return 1;
}
