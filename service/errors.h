/* errors.h - what went wrong, as each dialect tells it. */
#ifndef SERVICE_ERRORS_H
#define SERVICE_ERRORS_H

#include "service/route.h"
#include "service/text.h"

/** The body of an error. param and code may be NULL. */
void write_error(struct text *body, enum dialect dialect, int status, const char *param, const char *code,
                 const char *message);
/** Fill an error of the public API, which may be NULL. Returns status. */
infer_status service_error(infer_error *err, infer_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
