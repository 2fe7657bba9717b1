/* chat.c - a conversation with a model in a terminal. */
#include "tools/common/chat.h"

#include "tools/common/failure.h"
#include "tools/common/program.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct chat {
    infer_chat *chat;
    json_t *messages;
    bool dim;
    /* of the answer being written */
    const infer_generate_options *options;
    infer_chat_part part;
    bool any;
    char *name; /* of the function being called */
};

static json_t *new_message(const char *role, const char *text, size_t length, infer_error *err)
{
    json_t *content = json_stringn(text, length);
    json_t *message = content ? json_pack("{ssso}", "role", role, "content", content) : NULL;
    if (!message)
        failure(err, INFER_E_ARGUMENT, "a message is no UTF-8, or memory is out");
    return message;
}

infer_status chat_add(struct chat *c, const char *role, const char *text, size_t length, infer_error *err)
{
    json_t *message = new_message(role, text, length, err);
    if (!message || json_array_append_new(c->messages, message))
        return failure(err, INFER_E_ARGUMENT, "a message is no UTF-8, or memory is out");
    return INFER_OK;
}

struct chat *chat_open(infer_model *model, const infer_chat_setup *setup, bool dim, infer_error *err)
{
    infer_chat_setup o = *setup;
    const time_t now = time(NULL);
    struct tm local;
    struct chat *c = calloc(1, sizeof *c);
    if (!c)
        return failure(err, INFER_E_NOMEM, "no memory for a conversation"), NULL;
    o.now = localtime_r(&now, &local) ? (int64_t)timegm(&local) : 0;
    c->dim = dim;
    c->messages = json_array();
    c->chat = infer_chat_open(model, &o, err);
    if (!c->chat)
        chat_close(&c);
    return c;
}

void chat_close(struct chat **chat)
{
    struct chat *c = *chat;
    *chat = NULL;
    if (!c)
        return;
    infer_chat_close(&c->chat);
    json_decref(c->messages);
    free(c->name);
    free(c);
}

/* ---- Answers ---- */

static bool show(const struct chat *c, const char *text)
{
    return !c->options->on_text || c->options->on_text(c->options->user, text, strlen(text));
}

/* One line, whatever the arguments look like. */
static bool show_call(const struct chat *c, const char *arguments)
{
    json_t *parsed = json_loads(arguments, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    json_t *call = json_pack("{s:s, s:o}", "name", c->name ? c->name : "", "arguments",
                             parsed ? parsed : json_string(arguments));
    char *line = call ? json_dumps(call, 0) : NULL;
    json_decref(call);
    const bool more = line && show(c, line);
    free(line);
    return more;
}

static bool show_part(struct chat *c, infer_chat_part part, const char *text)
{
    if (part == INFER_CHAT_ARGUMENTS)
        return show_call(c, text);
    if (part != INFER_CHAT_CALL)
        return show(c, text);
    free(c->name);
    c->name = strdup(text);
    return c->name;
}

/* Between parts of different kinds stands a line. */
static bool on_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct chat *c = user;
    const bool other = part != c->part || !c->any, thought = c->part == INFER_CHAT_REASONING && c->any;
    bool more = true;
    (void)length;
    if (other && thought && c->dim)
        more = show(c, "\033[0m");
    if (more && other && c->any && part != INFER_CHAT_ARGUMENTS)
        more = show(c, thought ? "\n\n" : "\n");
    if (more && other && part == INFER_CHAT_REASONING && c->dim)
        more = show(c, "\033[2m");
    c->part = part;
    c->any = true;
    return more && show_part(c, part, text);
}

static void on_message(void *user, const char *json, size_t length)
{
    struct chat *c = user;
    json_array_append_new(c->messages, json_loadb(json, length, JSON_ALLOW_NUL, NULL));
}

/* Answer the conversation as it is. */
static infer_status answer(struct chat *c, infer_session *session, infer_sampler *sampler,
                           const infer_generate_options *options, infer_generate_result *result, infer_error *err)
{
    infer_generate_options o = *options;
    c->options = options;
    c->any = false;
    o.on_text = NULL;
    o.on_prompt = NULL;
    o.on_part = on_part;
    o.on_message = on_message;
    o.user = c;
    char *messages = json_dumps(c->messages, 0);
    const infer_status status = infer_generate_chat(c->chat, session, sampler, messages,
                                                    messages ? strlen(messages) : 0, &o, result, err);
    free(messages);
    if (c->dim && c->any && c->part == INFER_CHAT_REASONING)
        show(c, "\033[0m");
    return status;
}

infer_status chat_say(struct chat *c, infer_session *session, infer_sampler *sampler, const char *text, size_t length,
                      const infer_generate_options *options, infer_generate_result *result, infer_error *err)
{
    const size_t n = json_array_size(c->messages);
    infer_status status = chat_add(c, "user", text, length, err);
    if (status != INFER_OK)
        return status;
    status = answer(c, session, sampler, options, result, err);
    if (json_array_size(c->messages) == n + 1) /* no answer began */
        json_array_remove(c->messages, n);
    return status;
}

static const char *role_of(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role ? role : "";
}

infer_status chat_again(struct chat *c, infer_session *session, infer_sampler *sampler,
                        const infer_generate_options *options, infer_generate_result *result, infer_error *err)
{
    size_t n = json_array_size(c->messages);
    while (n && strcmp(role_of(json_array_get(c->messages, n - 1)), "user") != 0)
        n--;
    if (!n)
        return failure(err, INFER_E_ARGUMENT, "nothing was said that could be answered again");
    json_t *before = json_copy(c->messages);
    while (json_array_size(c->messages) > n)
        json_array_remove(c->messages, n);
    const infer_status status = answer(c, session, sampler, options, result, err);
    if (before && json_array_size(c->messages) == n) { /* no answer began */
        json_decref(c->messages);
        c->messages = before;
    } else {
        json_decref(before);
    }
    return status;
}

/* ---- What was said ---- */

size_t chat_length(const struct chat *c)
{
    return json_array_size(c->messages);
}

static bool has_system(const struct chat *c)
{
    return !strcmp(role_of(json_array_get(c->messages, 0)), "system");
}

const char *chat_system(const struct chat *c)
{
    return has_system(c) ? json_string_value(json_object_get(json_array_get(c->messages, 0), "content")) : NULL;
}

infer_status chat_set_system(struct chat *c, const char *text, infer_error *err)
{
    json_t *message = *text ? new_message("system", text, strlen(text), err) : NULL;
    if (*text && !message)
        return err->code;
    if (has_system(c))
        json_array_remove(c->messages, 0);
    if (message && json_array_insert_new(c->messages, 0, message))
        return failure(err, INFER_E_NOMEM, "no memory for a message");
    return INFER_OK;
}

void chat_clear(struct chat *c)
{
    const size_t n = has_system(c);
    while (json_array_size(c->messages) > n)
        json_array_remove(c->messages, n);
}

infer_status chat_save(const struct chat *c, const char *path, infer_error *err)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return failure(err, INFER_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    const bool written = json_dumpf(c->messages, f, JSON_INDENT(2)) == 0 && fputc('\n', f) != EOF;
    return fclose(f) == 0 && written ? INFER_OK
                                     : failure(err, INFER_E_IO, "%s: cannot be written: %s", path, strerror(errno));
}

static infer_status check(const json_t *messages, const char *path, infer_error *err)
{
    size_t i;
    json_t *message;
    if (!json_is_array(messages))
        return failure(err, INFER_E_FORMAT, "%s: expected a JSON array of messages", path);
    json_array_foreach(messages, i, message)
        if (!*role_of(message))
            return failure(err, INFER_E_FORMAT, "%s: message %zu has no role, expected {\"role\": ..., \"content\": "
                           "...}", path, i);
    return INFER_OK;
}

infer_status chat_load(struct chat *c, const char *path, infer_error *err)
{
    size_t length;
    json_error_t why = { .text = "no memory" };
    char *text = read_file(path, &length, err);
    if (!text)
        return err->code;
    json_t *messages = json_loadb(text, length, JSON_ALLOW_NUL, &why);
    free(text);
    if (!messages)
        return failure(err, INFER_E_FORMAT, "%s, line %d: expected a JSON array of messages: %s", path, why.line,
                       why.text);
    const infer_status status = check(messages, path, err);
    if (status == INFER_OK) {
        json_decref(c->messages);
        c->messages = json_incref(messages);
    }
    json_decref(messages);
    return status;
}
