/* log.c - lines on stderr. Each is one write, so that lines of several threads do not mix. */
#include "server/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A line that grows; what does not fit memory is left out. */
struct line {
    char *text;
    size_t n, room;
};

static void add(struct line *l, const char *text, size_t n)
{
    if (l->room - l->n < n) {
        const size_t room = 2 * (l->room + n);
        char *more = realloc(l->text, room);
        if (!more)
            return;
        l->text = more;
        l->room = room;
    }
    memcpy(l->text + l->n, text, n);
    l->n += n;
}

/* Ends the line and writes it; nobody can be told where that fails. */
static void put(struct line *l)
{
    add(l, "\n", 1);
    if (l->n && write(STDERR_FILENO, l->text, l->n) < 0)
        l->n = 0;
    free(l->text);
}

/* "time event name=value ...": strings without quotes where they have no spaces. */
static void put_text(const json_t *object)
{
    static const char *const first[] = { "time", "event" };
    struct line l = { NULL, 0, 0 };
    const char *name;
    json_t *value;
    for (size_t i = 0; i < 2; i++) {
        const char *text = json_string_value(json_object_get(object, first[i]));
        add(&l, text ? text : "-", text ? strlen(text) : 1);
        add(&l, " ", i == 0);
    }
    json_object_foreach((json_t *)object, name, value) {
        const char *text = json_string_value(value);
        char *json = text && *text && !strpbrk(text, " \"\\\n\r\t") ? NULL
                     : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        if (!strcmp(name, first[0]) || !strcmp(name, first[1])) {
            free(json);
            continue;
        }
        add(&l, " ", 1);
        add(&l, name, strlen(name));
        add(&l, "=", 1);
        text = json ? json : text;
        add(&l, text ? text : "", text ? strlen(text) : 0);
        free(json);
    }
    put(&l);
}

static void put_json(const char *json, size_t length)
{
    struct line l = { NULL, 0, 0 };
    add(&l, json, length);
    put(&l);
}

void log_event(void *user, const char *json, size_t length)
{
    const enum log_format format = *(const enum log_format *)user;
    json_t *object = format == LOG_TEXT ? json_loadb(json, length, 0, NULL) : NULL;
    if (object)
        put_text(object);
    else if (format != LOG_NONE)
        put_json(json, length);
    json_decref(object);
}

static enum log_format library_format;
static infer_log_level library_most;

void log_library_format(enum log_format format, infer_log_level most)
{
    library_format = format;
    library_most = most;
}

/* Takes the object. */
static void put_now(enum log_format format, const char *event, json_t *taken)
{
    char when[40];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    const size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
    snprintf(when + n, sizeof when - n, ".%03ldZ", now.tv_nsec / 1000000);
    json_t *line = json_pack("{ssss}", "time", when, "event", event);
    if (line && taken && json_object_update(line, taken) == 0) {
        char *json = format == LOG_JSON ? json_dumps(line, JSON_COMPACT) : NULL;
        if (json)
            put_json(json, strlen(json));
        else if (format == LOG_TEXT)
            put_text(line);
        free(json);
    }
    json_decref(line);
    json_decref(taken);
}

void log_refused(enum log_format *format, const char *peer, const char *method, const char *path, unsigned status)
{
    if (*format != LOG_NONE)
        put_now(*format, "refused", json_pack("{ss*ss*ss*si}", "peer", *peer ? peer : NULL, "method", method, "path",
                                              path, "status", (int)status));
}

void log_library(void *user, infer_log_level level, const char *line)
{
    static const char *const names[] = { "", "error", "warning", "info", "debug" };
    (void)user;
    if (level <= library_most && library_format != LOG_NONE)
        put_now(library_format, "library", json_pack("{ssss}", "level", names[level], "line", line));
}
