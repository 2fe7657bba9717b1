/* context.h - what every folder may ask of a context. Its definition is the engine's. */
#ifndef BASE_CONTEXT_H
#define BASE_CONTEXT_H

#include "infer.h"

const infer_allocator *context_allocator(const infer_context *context);
/** One line to the context's logger, if it has one. Lines are cut at 500 bytes. */
void context_log(const infer_context *context, infer_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
infer_context *context_retain(infer_context *context);

#endif
