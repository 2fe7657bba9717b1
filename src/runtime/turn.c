/* turn.c - an answer on its way: by force, freely, or held to a grammar. */
#include "src/runtime/turn.h"

#include "src/base/context.h"
#include "src/base/error.h"
#include "src/model/model.h"

infer_status infer_chat_prompt(const infer_chat *c, const char *messages, size_t n, char *text, size_t max,
                               size_t *length, infer_error *err)
{
    infer_chat_options o = infer_chat_defaults();
    if (!c || !messages || !length)
        return fail(err, INFER_E_ARGUMENT, "a prompt needs a conversation, messages and a place for its length");
    o.tools = c->tools;
    o.variables = c->variables;
    o.tokenizer = c->tokenizer;
    o.now = c->now;
    return infer_chat_render(c->template, messages, n, &o, text, max, length, err);
}

infer_status chat_write_prompt(const infer_chat *c, const char *messages, size_t n, char **prompt, infer_error *err)
{
    size_t length = 0, room = 4096;
    for (*prompt = NULL;; room = length) {
        mem_free(c->a, *prompt);
        *prompt = mem_new(c->a, room + 1, 1);
        if (!*prompt)
            return fail_memory(err, "the prompt");
        const infer_status status = infer_chat_prompt(c, messages, n, *prompt, room, &length, err);
        (*prompt)[length < room ? length : room] = 0;
        if (status || length <= room)
            return status;
    }
}

infer_status turn_open(struct turn *t, infer_chat *chat, infer_sampler *sampler, const char *prompt,
                       infer_chat_part_fn *on_part, void *user, infer_error *err)
{
    infer_chat_parser_options o = infer_chat_parser_defaults();
    *t = (struct turn){ .chat = chat, .sampler = sampler };
    atomic_fetch_add(&chat->owners, 1);
    message_open(&t->message, chat->a);
    o.format = chat->format->name;
    o.prompt = prompt;
    o.tools = chat->tools;
    o.no_calls = !chat->tools;
    o.on_part = on_part;
    o.user = user;
    t->parser = infer_chat_parser_open(chat->model->context, &o, err);
    if (!t->parser)
        return err ? err->code : INFER_E_NOMEM;
    if (chat->json_calls)
        parser_calls_as_json(t->parser);
    t->held = !chat->calls && !chat->response;
    return t->held ? INFER_OK : infer_sampler_set_grammar(sampler, NULL, chat->tokenizer, err);
}

void turn_close(struct turn *t)
{
    infer_chat *chat = t->chat;
    if (!chat)
        return;
    if (chat->calls || chat->response)
        infer_sampler_set_grammar(t->sampler, NULL, chat->tokenizer, NULL);
    infer_chat_parser_close(&t->parser);
    message_close(&t->message);
    mem_free(chat->a, t->forced);
    *t = (struct turn){ 0 };
    infer_chat_close(&chat);
}

/* ---- By force ---- */

static infer_status force(struct turn *t, const char *mark, infer_error *err)
{
    const infer_tokenizer *tokenizer = t->chat->tokenizer;
    t->next_forced = t->n_forced = 0;
    if (!mem_grow(t->chat->a, &t->forced, &t->forced_room, strlen(mark) + 8, sizeof *t->forced))
        return fail_memory(err, "a mark");
    const infer_status status = infer_tokenizer_encode(tokenizer, mark, strlen(mark), INFER_PARSE_SPECIAL, t->forced,
                                                       t->forced_room, &t->n_forced, err);
    if (status == INFER_OK && t->n_forced > t->forced_room)
        return fail(err, INFER_E_UNKNOWN, "the mark %.64s has %zu tokens", mark, t->n_forced);
    return status;
}

infer_status turn_forced(struct turn *t, size_t n_reasoning, int32_t *id, infer_error *err)
{
    const int32_t budget = t->chat->reasoning_budget;
    infer_status status = INFER_OK;
    *id = -1;
    if (turn_reasons(t) && budget >= 0 && n_reasoning >= (size_t)budget && !t->over_budget) {
        t->over_budget = true;
        status = force(t, parser_reasoning(t->parser), err);
    }
    if (status == INFER_OK && t->next_forced < t->n_forced) {
        *id = t->forced[t->next_forced++];
    } else if (status == INFER_OK && t->then) {
        status = infer_sampler_set_grammar(t->sampler, t->then, t->chat->tokenizer, err);
        t->then = NULL;
    }
    return status;
}

/* ---- Freely, and held to a grammar ---- */

bool turn_reasons(const struct turn *t)
{
    return parser_reasoning(t->parser) != NULL;
}

/* Marks are over. Where calls are required their mark is forced; where the model may choose, the grammar of calls
 * allows any text up to the mark. */
static infer_status hold(struct turn *t, infer_error *err)
{
    const infer_chat *c = t->chat;
    t->held = true;
    t->then = c->response && !c->required ? c->response : c->calls;
    return c->required && c->mark ? force(t, c->mark, err) : INFER_OK;
}

/* Whether a text is the beginning of the mark of a call; *whole: all of it. */
static bool is_call_mark(const infer_chat *c, struct text text, bool *whole)
{
    text = text_trim(text, TRIM_LEFT, NULL);
    const size_t n = c->mark && c->calls && c->response && !c->required ? strlen(c->mark) : 0;
    *whole = n && n == text.n;
    return n && text.n <= n && !memcmp(c->mark, text.p, text.n);
}

infer_status turn_takes(struct turn *t, bool is_end, struct text text, bool *takes, infer_error *err)
{
    enum { MOST_SPACE = 16 };
    *takes = true;
    if (t->held || turn_reasons(t))
        return INFER_OK;
    if (!is_end && text.n <= sizeof t->marks - t->n_marks) {
        bool call = false;
        memcpy(t->marks + t->n_marks, text.p, text.n);
        const struct text all = { t->marks, t->n_marks + text.n };
        const bool endless = all.n - text_trim(all, TRIM_RIGHT, NULL).n > MOST_SPACE;
        if (!endless && (parser_only_marks(t->parser, all) || is_call_mark(t->chat, all, &call))) {
            t->n_marks = all.n;
            t->held = call;
            t->then = call ? t->chat->calls : NULL;
            return INFER_OK;
        }
    }
    *takes = false;
    return hold(t, err);
}

infer_status turn_feed(struct turn *t, struct text text, infer_error *err)
{
    const infer_status status = infer_chat_parser_feed(t->parser, text.p, text.n, err);
    if (turn_reasons(t))
        t->n_marks = 0;
    return status;
}
