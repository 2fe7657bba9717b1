/* errors.c - what went wrong, as each dialect tells it. */
#include "service/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *openai_type(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 503: return "unavailable_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
    }
}

static const char *anthropic_type(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
    }
}

void write_error(struct text *body, enum dialect dialect, int status, const char *param, const char *code,
                 const char *message)
{
    json_t *error = NULL;
    /* What a client sent may stand in the message, and be no UTF-8. */
    json_t *const text = json_string(message) ?: json_string("the request is wrong; it holds bytes that are no UTF-8");
    switch (dialect) {
    case OLLAMA: error = json_pack("{s:o}", "error", text); break;
    case ANTHROPIC:
        error =
            json_pack("{s:s, s:{s:s, s:o}}", "type", "error", "error", "type", anthropic_type(status), "message", text);
        break;
    default:
        error = json_pack("{s:{s:o, s:s, s:s?, s:s?}}", "error", "message", text, "type", openai_type(status), "param",
                          param, "code", code);
    }
    char *const json = json_dumps(error, JSON_COMPACT);
    json_decref(error);
    text_add_string(body, json ? json : "{\"error\":{\"message\":\"memory is out\"}}");
    free(json);
}

infer_status service_error(infer_error *err, infer_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    err->code = status;
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}
