/* chat.c - a conversation with a model through its chat template. */
#include "tools/common/chat.h"
#include "tools/common/program.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct chat {
    infer_context *context;
    infer_session *session;
    infer_sampler *sampler;
    const infer_tokenizer *tokenizer;
    infer_chat_template *template;
    char *source, *variables;
    json_t *messages;
    bool dim;
    /* of the answer being written */
    const infer_generate_options *options;
    infer_chat_parser *parser;
    infer_chat_part part;
    char *said[2]; /* content, reasoning */
    size_t n_said[2];
    bool any, stopped;
};

static infer_status refuse(infer_error *err, infer_status status, const char *format, const char *what)
{
    err->code = status;
    snprintf(err->message, sizeof err->message, format, what);
    return status;
}

/* ---- Opening ---- */

/* The template's source: from a name, a file, the model, or chatml. */
static char *find_source(const char *choice, const infer_tokenizer *t, infer_error *err)
{
    size_t length;
    const char *builtin = choice ? infer_chat_template_builtin(choice) : infer_tokenizer_chat_template(t);
    if (choice && !builtin) {
        char *source = read_file(choice, &length, err);
        if (!source) {
            const infer_error why = *err;
            refuse(err, INFER_E_ARGUMENT, "no chat template has this name, and as a file %.400s", why.message);
        }
        return source;
    }
    return strdup(builtin ? builtin : infer_chat_template_builtin("chatml"));
}

static bool add_message(struct chat *c, const char *role, const char *text, size_t length, infer_error *err)
{
    json_t *content = json_stringn(text, length);
    json_t *message = content ? json_pack("{ssso}", "role", role, "content", content) : NULL;
    if (message && !json_array_append_new(c->messages, message))
        return true;
    refuse(err, INFER_E_ARGUMENT, "%s", "a message is no UTF-8, or memory is out");
    return false;
}

struct chat *chat_open(infer_context *context, infer_model *model, infer_session *session, infer_sampler *sampler,
                       const struct chat_options *o, infer_error *err)
{
    const infer_tokenizer *t = infer_model_tokenizer(model);
    struct chat *c = calloc(1, sizeof *c);
    if (!t || !c) {
        refuse(err, INFER_E_UNKNOWN, "%s", "the model has no vocabulary that is known");
        free(c);
        return NULL;
    }
    *c = (struct chat){ .context = context, .session = session, .sampler = sampler, .tokenizer = t, .dim = o->dim };
    c->source = find_source(o->template, t, err);
    c->variables = o->variables ? strdup(o->variables) : NULL;
    c->messages = json_array();
    c->template = c->source ? infer_chat_template_open(context, c->source, strlen(c->source), err) : NULL;
    if (!c->template || (o->system && !add_message(c, "system", o->system, strlen(o->system), err)))
        chat_close(&c);
    return c;
}

void chat_close(struct chat **chat)
{
    struct chat *c = *chat;
    *chat = NULL;
    if (!c)
        return;
    infer_chat_template_close(&c->template);
    json_decref(c->messages);
    free(c->source);
    free(c->variables);
    free(c);
}

/* ---- The prompt ---- */

/* The whole conversation, terminated. */
static char *write_prompt(struct chat *c, infer_error *err)
{
    infer_chat_options o = infer_chat_defaults();
    const time_t now = time(NULL);
    struct tm local;
    o.tokenizer = c->tokenizer;
    o.variables = c->variables;
    o.now = localtime_r(&now, &local) ? (int64_t)timegm(&local) : 0;
    char *messages = json_dumps(c->messages, 0), *text = NULL;
    size_t n = 0;
    refuse(err, INFER_E_NOMEM, "%s", "out of memory");
    if (messages && !infer_chat_render(c->template, messages, strlen(messages), &o, NULL, 0, &n, err) &&
        (text = calloc(n + 1, 1)) && infer_chat_render(c->template, messages, strlen(messages), &o, text, n, &n, err)) {
        free(text);
        text = NULL;
    }
    free(messages);
    return text;
}

static int32_t *encode(const struct chat *c, const char *text, size_t *n, infer_error *err)
{
    const size_t length = strlen(text);
    int32_t *ids = NULL;
    for (size_t room = length + 16;; room = *n) {
        free(ids);
        ids = malloc(room * sizeof *ids);
        if (!ids || infer_tokenizer_encode(c->tokenizer, text, length, INFER_PARSE_SPECIAL, ids, room, n, err)) {
            free(ids);
            return NULL;
        }
        if (*n <= room)
            return ids;
    }
}

/* Brings the session to hold the prompt, from the first token on in which they differ. */
static infer_status evaluate(struct chat *c, const char *prompt, infer_generate_result *result, infer_error *err)
{
    size_t n = 0, keep = 0;
    const double began = seconds_now();
    int32_t *ids = encode(c, prompt, &n, err);
    const int32_t *held = infer_session_tokens(c->session);
    if (!ids)
        return err->code;
    while (keep + 1 < n && keep < infer_session_length(c->session) && held[keep] == ids[keep])
        keep++; /* the last one is computed in any case: its logits are wanted */
    infer_status status = n > infer_session_capacity(c->session)
                              ? refuse(err, INFER_E_FULL, "%s", "the conversation does not fit into the context")
                              : infer_session_rewind(c->session, keep, err);
    status = status ? status : infer_session_eval(c->session, ids + keep, n - keep, err);
    for (size_t i = keep; i < n && !status; i++)
        infer_sampler_accept(c->sampler, ids[i]);
    result->n_prompt = n - keep;
    result->prompt_seconds = seconds_now() - began;
    free(ids);
    return status;
}

/* ---- The answer ---- */

static void show(struct chat *c, const char *text, size_t length)
{
    if (length && c->options->on_text && !c->stopped)
        c->stopped = !c->options->on_text(c->options->user, text, length);
}

static void show_string(struct chat *c, const char *text)
{
    show(c, text, strlen(text));
}

static void remember(struct chat *c, infer_chat_part part, const char *text, size_t length)
{
    char *grown = realloc(c->said[part], c->n_said[part] + length + 1);
    if (!grown)
        return;
    memcpy(grown + c->n_said[part], text, length);
    c->said[part] = grown;
    c->n_said[part] += length;
}

static void on_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct chat *c = user;
    if (part != c->part && c->part == INFER_CHAT_REASONING && c->any && c->dim)
        show_string(c, "\033[0m");
    if (part != c->part && c->any && part != INFER_CHAT_ARGUMENTS)
        show_string(c, c->part == INFER_CHAT_REASONING ? "\n\n" : "\n");
    if (part == INFER_CHAT_REASONING && (part != c->part || !c->any) && c->dim)
        show_string(c, "\033[2m");
    show(c, text, length);
    if (part <= INFER_CHAT_REASONING)
        remember(c, part, text, length);
    c->part = part;
    c->any = true;
}

static bool on_text(void *user, const char *text, size_t length)
{
    struct chat *c = user;
    return !infer_chat_parser_feed(c->parser, text, length, NULL) && !c->stopped;
}

static infer_status answer(struct chat *c, const char *prompt, infer_generate_result *result, infer_error *err)
{
    infer_generate_options o = *c->options;
    infer_chat_parser_options p = infer_chat_parser_defaults();
    p.chat_template = c->source;
    p.prompt = prompt;
    p.no_calls = true;
    p.on_part = on_part;
    p.user = c;
    o.on_text = on_text;
    o.user = c;
    o.unparse_special = true; /* names of control tokens are the marks that the parser looks for */
    o.on_prompt = NULL;
    c->any = c->stopped = false;
    c->parser = infer_chat_parser_open(c->context, &p, err);
    if (!c->parser)
        return err->code;
    infer_generate_result one = { .size = sizeof one };
    const infer_status status = infer_generate(c->session, c->sampler, NULL, 0, &o, &one, err);
    infer_chat_parser_end(c->parser, NULL);
    infer_chat_parser_close(&c->parser);
    if (c->dim && c->any && c->part == INFER_CHAT_REASONING)
        show_string(c, "\033[0m");
    result->reason = one.reason;
    result->n_generated = one.n_generated;
    result->generate_seconds = one.generate_seconds;
    return status;
}

infer_status chat_say(struct chat *c, const char *text, size_t length, const infer_generate_options *options,
                      infer_generate_result *result, infer_error *err)
{
    const size_t n = json_array_size(c->messages);
    c->options = options;
    if (!add_message(c, "user", text, length, err))
        return err->code;
    char *prompt = write_prompt(c, err);
    infer_status status = prompt ? evaluate(c, prompt, result, err) : err->code;
    const bool answering = !status;
    if (answering)
        status = answer(c, prompt, result, err);
    if (!answering) {
        json_array_remove(c->messages, n);
    } else {
        json_t *message =
            json_pack("{ssss%}", "role", "assistant", "content", c->said[0] ? c->said[0] : "", c->n_said[0]);
        if (c->n_said[1])
            json_object_set_new(message, "reasoning_content", json_stringn(c->said[1], c->n_said[1]));
        json_array_append_new(c->messages, message);
    }
    for (size_t i = 0; i < 2; i++) {
        free(c->said[i]);
        c->said[i] = NULL;
        c->n_said[i] = 0;
    }
    free(prompt);
    return status;
}
