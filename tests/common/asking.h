/* asking.h - requests to a service without a socket. For tests only. */
#ifndef TESTS_COMMON_ASKING_H
#define TESTS_COMMON_ASKING_H

#include "infer_service.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/** What a test program asks, and its context. */
static infer_context *context;
static infer_service *service;

/** Another service of the context; the test fails if there is none. NULL: the defaults. */
static inline infer_service *open_with(const infer_service_options *o)
{
    infer_error err = { 0 };
    infer_service *const s = infer_service_open(context, o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

/** cmocka's set-up and tear-down of a group: the context with the service, or alone. */
static inline int open_context(void **state)
{
    (void)state;
    context = infer_context_open(NULL, NULL);
    return context ? 0 : -1;
}
static inline int open_service(void **state)
{
    const int failed = open_context(state);
    service = failed ? NULL : infer_service_open(context, NULL, NULL);
    return service ? 0 : -1;
}
static inline int close_service(void **state)
{
    (void)state;
    infer_service_close(&service);
    infer_context_close(&context);
    return 0;
}

/** What came back. */
struct reply {
    int status;
    infer_status end; /* INFER_OK, or INFER_E_CANCELLED: it broke off */
    char *text;       /* all of the body */
    size_t n;
    char type[64];    /* Content-Type */
};

static inline infer_exchange *ask_begin(infer_service *service, const char *method, const char *path, const char *body)
{
    infer_service_request r = infer_service_request_defaults();
    r.method = method;
    r.path = path;
    r.body = body;
    r.length = body ? strlen(body) : 0;
    infer_exchange *const x = infer_service_submit(service, &r, NULL);
    assert_non_null(x);
    return x;
}

/** All that is left of an answer, which is closed. */
static inline struct reply ask_end(infer_exchange *x)
{
    struct reply r = { .text = calloc(1, 1) };
    const char *chunk;
    size_t n;
    infer_header h;
    while ((r.end = infer_exchange_next(x, 60, &chunk, &n, NULL)) == INFER_OK && chunk) {
        r.text = realloc(r.text, r.n + n + 1);
        assert_non_null(r.text);
        memcpy(r.text + r.n, chunk, n);
        r.text[r.n += n] = '\0';
    }
    r.status = infer_exchange_status(x);
    for (size_t i = 0; infer_exchange_header(x, i, &h); i++)
        if (!strcmp(h.name, "Content-Type"))
            strncpy(r.type, h.value, sizeof r.type - 1);
    infer_exchange_close(&x);
    return r;
}

static inline struct reply ask(infer_service *service, const char *method, const char *path, const char *body)
{
    return ask_end(ask_begin(service, method, path, body));
}

/** The same as JSON, which the caller releases; the status has to be this one. */
static inline json_t *ask_json(infer_service *service, const char *method, const char *path, const char *body,
                               int status)
{
    struct reply r = ask(service, method, path, body);
    json_t *const json = json_loads(r.text, JSON_DECODE_ANY, NULL);
    if (r.status != status || !json)
        fail_msg("%s %s: status %d, expected %d: %s", method, path, r.status, status, r.text);
    free(r.text);
    return json;
}

/** A value within JSON by keys and indices with dots between: "choices.0.message.content". NULL: there is none. */
static inline json_t *at(json_t *json, const char *path)
{
    while (json && *path) {
        char key[64] = "";
        const size_t n = strcspn(path, ".");
        memcpy(key, path, n < sizeof key ? n : sizeof key - 1);
        json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10)) : json_object_get(json, key);
        path += n + (path[n] == '.');
    }
    return json;
}
static inline const char *text_at(json_t *json, const char *path)
{
    return json_string_value(at(json, path)) ? json_string_value(at(json, path)) : "";
}

/** The data of a stream's events as a JSON array, "[DONE]" left out; the caller releases it. */
static inline json_t *events(const char *stream)
{
    json_t *const all = json_array();
    for (const char *p = stream; (p = strstr(p, "data: ")); p += strcspn(p, "\n")) {
        p += strlen("data: ");
        json_t *const event = json_loadb(p, strcspn(p, "\n"), 0, NULL);
        if (strncmp(p, "[DONE]", 6))
            json_array_append_new(all, event);
    }
    return all;
}

/** Put a value, which is released, where a path of keys and indices leads to. */
static inline void put_at(json_t *json, const char *path, json_t *value)
{
    const char *const dot = strrchr(path, '.'), *const key = dot ? dot + 1 : path;
    char before[128] = "";
    memcpy(before, path, dot ? (size_t)(dot - path) : 0);
    json_t *const parent = at(json, before);
    if (json_is_array(parent))
        json_array_set_new(parent, strtoul(key, NULL, 10), value);
    else if (json_is_object(parent))
        json_object_set_new(parent, key, value);
    else
        json_decref(value);
}

/** Send a body with each of these fields, or of the values within it ("tools.0.name"), as each type of JSON and some odd
 *  values, one at a time: whatever comes, the answer is no failure of the server's, and what is refused is told why. */
static inline void ask_all_types(infer_service *service, const char *method, const char *path, const char *body,
                                 const char *const *fields, size_t n)
{
    static const char *const values[] = {
        "null", "true", "0", "-1", "1", "-1e300", "0.5", "9223372036854775807", "\"\"", "\"text\"",
        "\"\\u0000\"", "[]", "[null]", "[1,[2]]", "[\"a\",{}]", "[{\"type\":5,\"id\":-1,\"role\":[]}]", "{}",
        "{\"type\":[]}", "{\"type\":\"function\"}", "{\"1\":\"x\"}",
    };
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            json_t *const request = json_loads(body, 0, NULL);
            assert_non_null(request);
            put_at(request, fields[i], json_loads(values[k], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
            char *const text = json_dumps(request, JSON_COMPACT);
            struct reply r = ask(service, method, path, text);
            json_t *const why = r.status != 200 ? json_loads(r.text, 0, NULL) : NULL;
            const bool told = *text_at(why, "error.message") || *text_at(why, "error");
            if (r.status >= 500 || r.status < 200 || (r.status != 200 && !told))
                fail_msg("%s %s: %d %s", path, text, r.status, r.text);
            json_decref(why);
            free(r.text);
            free(text);
            json_decref(request);
        }
}

/** The same for fields in place of, or beside, those of `usual` ("\"a\":1"). */
static inline void ask_with_any_field(infer_service *service, const char *path, const char *usual,
                                      const char *const *fields, size_t n)
{
    char body[512];
    snprintf(body, sizeof body, "{%s}", usual);
    ask_all_types(service, "POST", path, body, fields, n);
}

#endif
