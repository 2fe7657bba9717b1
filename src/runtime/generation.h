/* generation.h - a text in the making, as a machine: logits go in, tokens and text come out.
 *
 * It owns no session and computes nothing, so whoever drives it decides how logits are made: infer_generation_next()
 * one token at a time, a scheduler those of many texts in one step.
 *
 *     generation_open()           options are checked, memory is taken
 *     generation_encode()         the prompt's ids, which the driver evaluates
 *     generation_count()          ... telling which of them it has
 *     generation_begin()          the text follows these tokens
 *     while (generation_wants())  a token is to be chosen
 *         generation_step()       from these logits; the driver appends it to the timeline
 *         generation_piece()      text that it completed, as long as there is any
 *     generation_close() */
#ifndef RUNTIME_GENERATION_H
#define RUNTIME_GENERATION_H

#include "src/runtime/pieces.h"
#include "src/runtime/stops.h"
#include "src/runtime/turn.h"

struct generation {
    const infer_allocator *a;
    const infer_model *model;
    const infer_tokenizer *tokenizer;
    infer_sampler *sampler;
    infer_generate_options o; /* complete and checked */
    infer_generate_result r;  /* without the times that generation_result() makes of token_seconds */
    bool ended;               /* for r.reason, or because a step failed */
    bool truncated;           /* memory was out for the end of the text */
    bool ranked;              /* the mean of the log-probabilities is wanted */
    /* its own */
    int32_t n_choices; /* ids below this have text */
    int32_t *banned;
    size_t n_banned;
    infer_stream stream;
    struct stops stops;
    char *piece;
    size_t max_piece;
    struct pieces pieces;
    struct turn turn; /* of a conversation; turn.chat NULL: the text is no more than text */
    double opened, begun, last; /* when: opened, begun, the last token came */
    double logprobs;            /* the sum of n_logprobs tokens' */
    size_t n_logprobs;
    float *token_seconds;       /* from one token to the next */
    size_t n_times, time_room;
};

/** On failure too, generation_close is due. */
infer_status generation_open(struct generation *g, const infer_model *model, infer_sampler *sampler,
                             const infer_generate_options *options, infer_error *err);
void generation_close(struct generation *g);
/** The text is an answer after this prompt (terminated). Called after generation_open; g is not moved any more. */
infer_status generation_answer(struct generation *g, infer_chat *chat, const char *prompt, infer_error *err);
/** Whether the prompt's tokens are told too. */
bool generation_echoes(const struct generation *g);
/** Ids of a prompt, *n of them at *ids, which mem_free takes. `begins`: nothing precedes it. */
infer_status generation_encode(const struct generation *g, const char *text, size_t length, bool begins, int32_t **ids,
                               size_t *n, infer_error *err);
/** It waited until now, behind others. */
void generation_queued(struct generation *g);
/** The timeline has n tokens more of the prompt, n_computed of them evaluated for it. */
void generation_count(struct generation *g, const int32_t *ids, size_t n, size_t n_computed);
/** The prompt is evaluated, and the timeline has n tokens. anew: the sampler's grammar begins here. */
infer_status generation_begin(struct generation *g, const int32_t *timeline, size_t n, bool anew, infer_error *err);
/** Whether logits are wanted, those that follow the timeline, which has room for `room` tokens. If not, it ended. */
bool generation_wants(struct generation *g, size_t room);
/** Choose a token. *id is to be appended to the timeline, on failure too; -1: there is none. */
infer_status generation_step(struct generation *g, const float *logits, int32_t *id, infer_error *err);
/** End it from outside: text that was held back comes out. After the end this does nothing. */
void generation_stop(struct generation *g, infer_stop_reason reason);
/** The next part of the text, valid until the next step or stop. false: there is none now. */
bool generation_piece(struct generation *g, struct piece *piece);
/** Give it to the callbacks of the options. false: one of them wants no more. */
bool generation_tell(const struct generation *g, const struct piece *piece);
/** What has been done so far; `result` is filled as far as its size goes. */
void generation_result(struct generation *g, infer_generate_result *result);

#endif
