/* error.c - filling the caller's infer_error. */
#include "src/base/error.h"

#include <stdarg.h>
#include <stdio.h>

infer_status fail(infer_error *err, infer_status code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

infer_status fail_memory(infer_error *err, const char *what)
{
    return fail(err, INFER_E_NOMEM, "out of memory for %s", what);
}

infer_status fail_prefix(infer_error *err, const char *prefix)
{
    if (!err)
        return INFER_E_FORMAT;
    char message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    message[sizeof message - 1] = 0;
    size_t room = sizeof err->message;
    int n = snprintf(err->message, room, "%s: ", prefix);
    size_t used = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    snprintf(err->message + used, room - used, "%.*s", (int)(room - used - 1), message);
    return err->code;
}

const char *infer_status_name(infer_status status)
{
    static const struct {
        infer_status status;
        const char *name;
    } names[] = {
        { INFER_OK, "INFER_OK" },
        { INFER_E_NOMEM, "INFER_E_NOMEM" },
        { INFER_E_IO, "INFER_E_IO" },
        { INFER_E_ARGUMENT, "INFER_E_ARGUMENT" },
        { INFER_E_FORMAT, "INFER_E_FORMAT" },
        { INFER_E_UNKNOWN, "INFER_E_UNKNOWN" },
        { INFER_E_FULL, "INFER_E_FULL" },
        { INFER_E_CANCELLED, "INFER_E_CANCELLED" },
        { INFER_E_TIMEOUT, "INFER_E_TIMEOUT" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].status == status)
            return names[i].name;
    return "unknown status";
}

unsigned infer_version(void)
{
    return INFER_VERSION_MAJOR << 16 | INFER_VERSION_MINOR << 8 | INFER_VERSION_PATCH;
}
