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

void log_library(void *user, infer_log_level level, const char *line)
{
    static const char *const names[] = { "", "error", "warning", "info", "debug" };
    (void)user;
    if (level > library_most || library_format == LOG_NONE)
        return;
    char now[32];
    const time_t seconds = time(NULL);
    struct tm t;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &t));
    json_t *object = json_pack("{ssssssss}", "time", now, "event", "library", "level", names[level], "line", line);
    char *json = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (object && library_format == LOG_TEXT)
        put_text(object);
    else if (json)
        put_json(json, strlen(json));
    free(json);
    json_decref(object);
}
