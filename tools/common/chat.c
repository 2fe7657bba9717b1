/* chat.c - a conversation with a model in a terminal. */
#include "tools/common/chat.h"

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
};

static bool add_message(struct chat *c, const char *role, const char *text, size_t length, infer_error *err)
{
    json_t *content = json_stringn(text, length);
    json_t *message = content ? json_pack("{ssso}", "role", role, "content", content) : NULL;
    if (message && !json_array_append_new(c->messages, message))
        return true;
    err->code = INFER_E_ARGUMENT;
    snprintf(err->message, sizeof err->message, "a message is no UTF-8, or memory is out");
    return false;
}

struct chat *chat_open(infer_model *model, const infer_chat_setup *setup, const char *system, bool dim,
                       infer_error *err)
{
    infer_chat_setup o = *setup;
    const time_t now = time(NULL);
    struct tm local;
    struct chat *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    o.now = localtime_r(&now, &local) ? (int64_t)timegm(&local) : 0;
    c->dim = dim;
    c->messages = json_array();
    c->chat = infer_chat_open(model, &o, err);
    if (!c->chat || (system && !add_message(c, "system", system, strlen(system), err)))
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
    free(c);
}

static bool show(const struct chat *c, const char *text)
{
    return !c->options->on_text || c->options->on_text(c->options->user, text, strlen(text));
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
    return more && show(c, text);
}

static void on_message(void *user, const char *json, size_t length)
{
    struct chat *c = user;
    json_array_append_new(c->messages, json_loadb(json, length, JSON_ALLOW_NUL, NULL));
}

infer_status chat_say(struct chat *c, infer_session *session, infer_sampler *sampler, const char *text, size_t length,
                      const infer_generate_options *options, infer_generate_result *result, infer_error *err)
{
    const size_t n = json_array_size(c->messages);
    infer_generate_options o = *options;
    if (!add_message(c, "user", text, length, err))
        return err->code;
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
    if (json_array_size(c->messages) == n + 1) /* no answer began */
        json_array_remove(c->messages, n);
    return status;
}
