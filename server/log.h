/* log.h - lines about what happens, on stderr: as the service makes them, in JSON, or for people to read. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "infer.h"

enum log_format { LOG_TEXT, LOG_JSON, LOG_NONE }; /* in the order of --log-format */

/** For infer_service_options: `user` points to the enum log_format. */
void log_event(void *user, const char *json, size_t length);
/** What the server refused without asking the service; format as above. */
void log_refused(enum log_format *format, const char *peer, const char *method, const char *path, unsigned status);
/** For infer_context_options, which have their own `user`: lines of the library, in the format set here. */
void log_library(void *user, infer_log_level level, const char *line);
void log_library_format(enum log_format format, infer_log_level most);

#endif
