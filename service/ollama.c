/* ollama.c - what the routes of Ollama's API have in common. */
#include "service/ollama.h"

#include "service/service.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *ollama_time_at(struct timespec when)
{
    struct tm utc = { 0 };
    char text[64];
    gmtime_r(&when.tv_sec, &utc);
    const size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, sizeof text - n, ".%09ldZ", when.tv_nsec);
    return json_string(text);
}

json_t *ollama_time(double ahead)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += (time_t)ahead;
    return ollama_time_at(now);
}

json_t *ollama_duration(double seconds)
{
    return json_integer((json_int_t)(seconds * 1e9));
}

const char *ollama_name(const json_t *body, const struct served *model)
{
    const char *const name = json_string_value(json_object_get(body, "model"));
    return name && *name ? name : model->id;
}

/* ---- keep_alive ---- */

/* "1h30m", "300ms", "-1": the seconds. False: it is nothing of the kind. */
static bool read_duration(const char *text, double *seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { "ns", 1e-9 }, { "us", 1e-6 }, { "\xc2\xb5s", 1e-6 }, { "ms", 1e-3 },
                  { "s", 1 },     { "m", 60 },    { "h", 3600 } };
    const bool negative = *text == '-';
    double all = 0;
    text += *text == '-' || *text == '+';
    if (!*text)
        return false;
    while (*text) {
        char *end;
        size_t u = 0;
        if (strchr("0123456789.", *text) == NULL)
            return false;
        const double number = strtod(text, &end);
        while (u < 7 && strncmp(end, units[u].name, strlen(units[u].name)) != 0)
            u++;
        if (end == text || (u == 7 && *end))
            return false;
        all += number * (u < 7 ? units[u].seconds : 1);
        text = end + (u < 7 ? strlen(units[u].name) : 0);
    }
    *seconds = negative ? -all : all;
    return isfinite(all);
}

bool ollama_keep_alive(struct fields *f, double *seconds)
{
    const json_t *const value = field_any(f, "keep_alive");
    *seconds = 0;
    if (!value)
        return false;
    if (json_is_number(value))
        *seconds = json_number_value(value);
    else if (!json_is_string(value) || !read_duration(json_string_value(value), seconds))
        field_wrong(f, "keep_alive", "expected seconds, or a time like \"5m\", found %s",
                    json_is_string(value) ? json_string_value(value) : json_kind(value));
    *seconds = fmin(*seconds, 1e9);
    return !f->param;
}

void ollama_load(infer_exchange *x, json_t *body, const char *key, json_t *empty)
{
    struct models *const m = &x->service->models;
    struct fields f = fields_of(body);
    infer_error err = { 0 };
    int status = 404;
    double seconds;
    const char *const name = field_text(&f, "model", NULL);
    const bool keeps = ollama_keep_alive(&f, &seconds), unload = keeps && seconds == 0;
    const bool wrong = fields_fail(&f, x);
    struct served *const s = wrong ? NULL : unload ? models_find(m, name) : models_take(m, name, &status, &err);
    x->held = wrong ? x->held : s;
    if (s) {
        if (keeps && !(unload && models_unload(m, s)))
            models_keep(m, s, seconds);
        exchange_answer_json(x, 200,
                             json_pack("{s:s, s:o, s:O, s:b, s:s}", "model", ollama_name(body, s), "created_at",
                                       ollama_time(0), key, empty, "done", 1, "done_reason",
                                       unload ? "unload" : "load"));
    } else if (!wrong) {
        exchange_fail(x, status, "model", "model_not_found", "%s",
                      *err.message ? err.message : "there is no such model");
    }
    json_decref(empty);
    json_decref(body);
}

/* ---- What generate and chat share ---- */

struct job *ollama_open(infer_exchange *x, json_t *body, const struct writer *writer)
{
    const double began = service_seconds();
    struct job *const j = job_open(x, body, writer);
    struct ollama *const o = j ? calloc(1, sizeof *o) : NULL;
    if (j && !o) {
        job_fail(j, 500, NULL, NULL, "no memory for a request");
        return NULL;
    }
    if (j)
        j->state = o;
    if (o)
        o->load_seconds = service_seconds() - began;
    return j;
}

static void read_options(struct job *j, struct fields *f)
{
    struct fields inner = fields_of(field_object(f, "options"));
    const int64_t n = field_integer(&inner, "num_predict", -1, -2, INT32_MAX);
    job_set_length(j, n);
    job_read_sampling(j, &inner);
    job_read_stops(j, &inner, "stop");
    field_integer(&inner, "num_ctx", 0, 0, INT32_MAX); /* the server's is what counts */
    if (inner.param)
        field_wrong(f, "options", "%s: %s", inner.param, inner.why);
}

static void read_format(struct job *j, struct fields *f)
{
    const json_t *const format = field_any(f, "format");
    const char *const word = json_string_value(format);
    if (json_is_object(format))
        job_set_schema(j, f, "format", format);
    else if (word && !strcmp(word, "json"))
        job_set_schema(j, f, "format", NULL);
    else if (format && !(word && !*word))
        field_wrong(f, "format", "expected \"json\" or a JSON schema, found %s", json_kind(format));
}

/* true, false, or how much: "low", "medium", "high". */
static void read_think(struct job *j, struct fields *f)
{
    const json_t *const think = field_any(f, "think");
    const char *const effort = json_string_value(think);
    if (!think)
        return;
    if (!effort && !json_is_boolean(think))
        field_wrong(f, "think", "expected true, false or a word, found %s", json_kind(think));
    json_t *const variables =
        json_pack("{s:b, s:s*}", "enable_thinking", effort || json_is_true(think), "reasoning_effort", effort);
    job_set_variables(j, f, "think", variables);
    json_decref(variables);
}

/* Jinja, unlike Ollama's own. */
static void read_template(struct job *j, struct fields *f)
{
    const char *const source = field_text(f, "template", "");
    infer_error err = { 0 };
    infer_chat_template *sound = infer_chat_template_open(j->service->context, source, strlen(source), &err);
    if (!sound)
        field_wrong(f, "template", "%s", err.message);
    else if (*source)
        j->setup.chat_template = source;
    infer_chat_template_close(&sound);
}

void ollama_read(struct job *j, struct fields *f)
{
    struct ollama *const o = j->state;
    const int64_t top = field_integer(f, "top_logprobs", 0, 0, INFER_MAX_TOP);
    j->stream = field_flag(f, "stream", true);
    o->keeps = ollama_keep_alive(f, &o->keep);
    read_options(j, f);
    read_format(j, f);
    read_think(j, f);
    if (field_flag(f, "logprobs", false)) {
        j->generate.on_token = job_on_token;
        j->generate.n_top = (size_t)top;
    }
    read_template(j, f);
}
