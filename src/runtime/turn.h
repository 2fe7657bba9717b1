/* turn.h - one answer of a conversation: what the prompt is, what the model is held to, and what its text means.
 *
 * An answer begins with marks and reasoning, which nothing is held to: while tokens are these, they are taken as they
 * are. The first one that is something else is not: from there on the grammar of calls or of the response decides, and
 * a token is chosen anew. So no grammar has to know how models think. */
#ifndef RUNTIME_TURN_H
#define RUNTIME_TURN_H

#include "src/base/table.h"
#include "src/chat/answer.h"
#include "src/chat/message.h"

#include <stdatomic.h>

/* What is the same for all turns; constant once open. */
struct infer_chat {
    const infer_allocator *a;
    infer_model *model; /* kept alive */
    const infer_tokenizer *tokenizer;
    atomic_uint owners;
    infer_chat_template *template;
    char *source, *variables, *tools; /* tools NULL: none are offered */
    const struct answer_format *format;
    infer_grammar *calls, *response; /* NULL: not held to */
    const char *mark;                /* before calls, as they are held to; NULL: none */
    bool required, json_calls;       /* calls are written as the format "json" has them */
    int32_t reasoning_budget;        /* tokens; -1: any number */
    int64_t now;
};

struct turn {
    infer_chat *chat;
    infer_sampler *sampler;
    infer_chat_parser *parser;
    struct message message;
    size_t n_calls;
    bool held;             /* the answer is held to its grammar, or there is none */
    char marks[192];       /* n_marks bytes of text before that */
    size_t n_marks;
    int32_t *forced;       /* n_forced tokens that come next, whatever the logits are */
    size_t n_forced, next_forced, forced_room;
    infer_grammar *then;   /* holds after these */
    bool over_budget;      /* the mark that ends the reasoning was forced */
};

/** On failure too turn_close is due. Parts of the answer go to on_part. A turn is not moved while it is open. */
infer_status turn_open(struct turn *t, infer_chat *chat, infer_sampler *sampler, const char *prompt,
                       infer_chat_part_fn *on_part, void *user, infer_error *err);
void turn_close(struct turn *t);
/** The token that comes next, whatever the logits are; -1: it is to be chosen. n_reasoning: tokens of reasoning. */
infer_status turn_forced(struct turn *t, size_t n_reasoning, int32_t *id, infer_error *err);
/** Whether a chosen token is taken, text being what it would add. If not, another one is to be chosen, or comes by
 *  force. */
infer_status turn_takes(struct turn *t, bool is_end, struct text text, bool *takes, infer_error *err);
/** The text that came. */
infer_status turn_feed(struct turn *t, struct text text, infer_error *err);
bool turn_reasons(const struct turn *t);
/** The prompt of a conversation, terminated; mem_free takes it. */
infer_status chat_write_prompt(const infer_chat *chat, const char *messages, size_t n, char **prompt, infer_error *err);

#endif
