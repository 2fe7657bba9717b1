/* generate.h - texts and answers from prompts. Part of infer.h, which says what holds for all. */
#ifndef INFER_GENERATE_H
#define INFER_GENERATE_H

#include "chat.h"
#include "sampler.h"
#include "speculate.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Generation ----------------------------------------------------------------------------------------------- */

/** Receives text as it comes, whole UTF-8 characters. Return false to stop. */
typedef bool infer_text_fn(void *user, const char *text, size_t length);
/** Receives an answer in parts, as they come. Return false to stop. */
typedef bool infer_part_fn(void *user, infer_chat_part part, const char *text, size_t length);
/** Receives the message that an answer is: JSON as infer_chat_parse() makes it. */
typedef void infer_message_fn(void *user, const char *json, size_t length);

/** Receives each token that is chosen, before its text: the one that ends a text too. With `echo` those of the prompt
 *  before them.
 *  @param logprob natural logarithm of its probability; NAN for the first token of a session, which follows nothing.
 *  @param top n_top most likely tokens at its place, as infer_logprobs() has them; id is -1 at the first of a
 *             session. */
typedef void infer_token_fn(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top);

typedef enum infer_stop_reason {
    INFER_STOP_LENGTH = 0,  /**< n_predict tokens were generated */
    INFER_STOP_END = 1,     /**< the model ended its text */
    INFER_STOP_STRING = 2,  /**< a stop string came up; it is not part of the text */
    INFER_STOP_FULL = 3,    /**< the session's context is full */
    INFER_STOP_CALLBACK = 4, /**< the callback returned false */
    INFER_STOP_GRAMMAR = 5, /**< nothing but its end can follow in the sampler's grammar */
    INFER_STOP_ERROR = 6    /**< a failure or a cancellation, which the status tells */
} infer_stop_reason;

/** What generation does when the session's context is full and more text is wanted. A prompt that does not fit is
 *  INFER_E_FULL in any case. */
typedef enum infer_full {
    INFER_FULL_STOP = 0,  /**< it ends, with INFER_STOP_FULL (default) */
    INFER_FULL_ERROR = 1, /**< it fails, with INFER_E_FULL */
    INFER_FULL_SHIFT = 2  /**< half of the tokens behind the first n_full_keep are forgotten, the rest is computed anew:
                           *   infer_session_shift() */
} infer_full;

/** How to generate. */
typedef struct infer_generate_options {
    size_t size;              /**< sizeof(infer_generate_options) */
    int32_t n_predict;        /**< most tokens to generate; -1 = until the model ends or the context is full
                               *   (default) */
    bool ignore_end;          /**< tokens that end a text are never chosen */
    bool unparse_special;     /**< control tokens are written by name */
    bool raw_prompt;          /**< the prompt is plain text: no special tokens added, none parsed */
    const char *const *stops; /**< n_stops strings (terminated) that end generation */
    size_t n_stops;           /**< 0 = none (default) */
    infer_text_fn *on_text;   /**< NULL = text is only counted */
    void *user;               /**< handed to all callbacks here */
    infer_progress_fn *on_prompt; /**< progress of evaluating the prompt, NULL = none */
    infer_part_fn *on_part;       /**< of an answer: content, reasoning and calls, told apart; on_text gets the content
                                   *   alone. NULL = none (default) */
    infer_message_fn *on_message; /**< of an answer, at its end: all of it, also where it was stopped or failed. NULL =
                                   *   none (default) */
    infer_token_fn *on_token;     /**< log-probabilities of the tokens chosen, with `echo` of the prompt's too; NULL =
                                   *   none (default) */
    size_t n_top;                 /**< alternatives that on_token gets, at most INFER_MAX_TOP (default 0) */
    infer_full on_full;           /**< INFER_FULL_STOP (default) */
    size_t n_full_keep;           /**< tokens of the session that are never forgotten (default 0) */
    const infer_speculation *speculation; /**< guess tokens before they are chosen; NULL = do not (default). A
                                           *   scheduler, whose steps have many texts' tokens anyway, does not */
    bool echo;                    /**< on_token gets the tokens of the prompt first, those that were put before it
                                   *   included; with n_predict 0 these alone. They are all evaluated then: nothing of
                                   *   the prompt is taken from other sessions, of a conversation nothing from this one.
                                   *   Logits of no more than 64 MB, or 8 tokens, are held at once. A scheduler's
                                   *   requests tell nothing of their prompts (default false) */
} infer_generate_options;

static inline infer_generate_options infer_generate_defaults(void)
{
    infer_generate_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.n_predict = -1;
    return o;
}

/** What a generation has done. */
typedef struct infer_generate_result {
    size_t size; /**< in: sizeof(infer_generate_result) */
    infer_stop_reason reason;  /**< why it ended */
    size_t n_prompt;           /**< prompt tokens evaluated */
    size_t n_generated;        /**< tokens generated, the one that ended the text not counted */
    double prompt_seconds;     /**< evaluating the prompt */
    double generate_seconds;   /**< from then on */
    double first_token_seconds; /**< from the beginning of the call to the first token; 0 if there is none */
    double token_p50;          /**< seconds from one token to the next: half of them took no longer, */
    double token_p95;          /**< 95 of 100, */
    double token_p99;          /**< 99 of 100; 0 while there are fewer than two tokens */
    double queue_seconds;      /**< waiting for a scheduler; 0 without one */
    size_t n_cached;           /**< further tokens of the prompt, not evaluated: the session or another one had them */
    size_t n_reasoning;        /**< of the tokens generated: those of reasoning */
    size_t n_calls;            /**< calls of tools in the answer */
    size_t n_drafted;          /**< tokens guessed by speculation and computed */
    size_t n_accepted;         /**< of these, the ones that became part of the text */
    double mean_logprob;       /**< of the tokens chosen, the one that ended the text too, as infer_logprobs() has them;
                                *   0 where nobody asked: neither on_token nor a request's best_of */
    size_t stop;               /**< where the reason is INFER_STOP_STRING: which of `stops` it was, from 0 */
} infer_generate_result;

/** Append a prompt to the session, then generate.
 *  A prompt that opens the session gets what the model expects at the start (BOS); the next one goes on where the
 *  session stands, so that calls with the lines of a conversation make one text. An empty prompt evaluates nothing but
 *  BOS in an empty session. The sampler counts the tokens of the prompt and those generated as recent.
 *  Every token generated becomes part of the session's tokens, also those of a stop string, but not the one that ended
 *  the text. The last one is computed when something follows it.
 *  Text that may be the beginning of a stop string is held back until that is clear.
 *  If the sampler has a grammar, it begins anew after each prompt that is not empty, and ends the text where nothing
 *  but the end can follow.
 *  @param prompt length bytes; may be NULL if length is 0.
 *  @param result may be NULL. Filled on failure too, as far as it went.
 *  Of the prompt, what any session of the model has computed after the same tokens is used: infer_session_sync(). The
 *  result's n_cached tells how many tokens.
 *  @return INFER_OK; INFER_E_FULL with the session unchanged if the prompt does not fit; INFER_E_CANCELLED with the
 *          session holding what it has of the prompt until then (n_prompt + n_cached tokens): to undo, rewind to the
 *          length before; other failures before the prompt is evaluated leave the session's tokens unchanged. */
INFER_API infer_status infer_generate(infer_session *session, infer_sampler *sampler, const char *prompt, size_t length,
                                      const infer_generate_options *options, infer_generate_result *result,
                                      infer_error *err);

/** The same text, fetched instead of received: each call of infer_generation_next() computes as far as the next piece.
 *  Used by one thread at a time, as its session and its sampler, which outlive it. */
typedef struct infer_generation infer_generation;

/** A part of a text that is fetched. */
typedef struct infer_piece {
    size_t size;          /**< in: sizeof(infer_piece) */
    infer_chat_part part; /**< INFER_CHAT_CONTENT, unless it is of an answer */
    const char *text;     /**< length bytes and a terminator, whole UTF-8 characters, valid until the next call on the
                           *   generation; NULL: the text is at its end */
    size_t length;        /**< bytes, without the terminator */
} infer_piece;

/** Begin a generation: as infer_generate(), but nothing is computed yet, and on_text is not called.
 *  @param options the stop strings stay as they are until the generation is closed; the rest is not kept.
 *  @return NULL where infer_generate() fails with the session unchanged. */
INFER_API infer_generation *infer_generation_open(infer_session *session, infer_sampler *sampler, const char *prompt,
                                                  size_t length, const infer_generate_options *options,
                                                  infer_error *err);
/** The next piece. The first call evaluates the prompt. Between calls the session is left as it is; one of another
 *  length is INFER_E_ARGUMENT. infer_session_cancel() ends the text: what was held back still comes, then
 *  INFER_E_CANCELLED.
 *  @return INFER_OK with a piece or, at the end, without; a failure is the end too, and told again by further calls. */
INFER_API infer_status infer_generation_next(infer_generation *generation, infer_piece *piece, infer_error *err);
/** What has been done so far. The reason counts at the end only. */
INFER_API void infer_generation_get_result(infer_generation *generation, infer_generate_result *result);
/** Close, at any time: the session keeps what was generated. */
INFER_API void infer_generation_close(infer_generation **generation);

/* ---- Conversations -------------------------------------------------------------------------------------------- */

/** How a model is talked with: its chat template, the tools it may call, what its answers are held to. Constant once
 *  open, used by any number of threads, sessions and turns; keeps its model alive. */
typedef struct infer_chat infer_chat;

/** Who decides whether tools are called. Values are for ever. */
typedef enum infer_tool_choice {
    INFER_TOOL_AUTO = 0,    /**< the model (default) */
    INFER_TOOL_NONE = 1,    /**< none is offered to it */
    INFER_TOOL_REQUIRED = 2 /**< the answer is a call, or several */
} infer_tool_choice;

/** What infer_chat_open() makes a conversation of. */
typedef struct infer_chat_setup {
    size_t size;                   /**< sizeof(infer_chat_setup) */
    const char *chat_template;     /**< Jinja source (terminated); NULL = the model's, else "chatml" (default) */
    const char *template_name;     /**< a template by its infer_chat_template_name(), or else a file of Jinja; counts
                                    *   more than chat_template. NULL = none (default) */
    const char *format;            /**< of answers, an infer_chat_format_name(); NULL = the template's (default) */
    const char *variables;         /**< as in infer_chat_options */
    const char *tools;             /**< JSON array of functions: [{"type": "function", "function": {"name": ...,
                                    *   "parameters": a JSON Schema}}]; NULL = none (default) */
    infer_tool_choice tool_choice; /**< INFER_TOOL_AUTO (default) */
    const char *tool_name;         /**< calls are held to be of this tool; NULL = of any (default) */
    bool single_call;              /**< a call is held to be the only one (default false) */
    infer_grammar *response;       /**< what the content of answers is held to: a JSON Schema, choices ... Retained; not
                                    *   lazy. NULL = free (default) */
    int32_t reasoning_budget;      /**< most tokens of reasoning; then the mark that ends it is forced. -1 = no limit
                                    *   (default) */
    int64_t now;                   /**< as in infer_chat_options */
} infer_chat_setup;

static inline infer_chat_setup infer_chat_setup_defaults(void)
{
    infer_chat_setup o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.reasoning_budget = -1;
    return o;
}

/** Compile template and tools. Nothing of the setup is kept but the response's grammar.
 *  Where the model chooses, calls are held to their schemas from their first mark on; docs/chat.md says in which
 *  formats. A call that is required is held to its schema in every format: in those that a grammar cannot write it
 *  comes as the format "json" has it. A tool whose schema is refused as a grammar is left out of it, which a log line tells.
 *  Reasoning before the answer is free. */
INFER_API infer_chat *infer_chat_open(infer_model *model, const infer_chat_setup *setup, infer_error *err);
INFER_API void infer_chat_close(infer_chat **chat);
/** Name of the format in which the model's answers are read. */
INFER_API const char *infer_chat_format(const infer_chat *chat);
/** The prompt that an answer to a conversation goes on from, as infer_generate_chat() has it: to be encoded with
 *  INFER_PARSE_SPECIAL alone.
 *  @param messages JSON array as for infer_chat_render(), n bytes.
 *  @param text     room for max bytes (no terminator); may be NULL if max is 0.
 *  @param length   receives the size needed, also when that is more than max. */
INFER_API infer_status infer_chat_prompt(const infer_chat *chat, const char *messages, size_t n, char *text, size_t max,
                                         size_t *length, infer_error *err);

/** Answer a conversation: write it by the template, evaluate what no session holds of it already (as
 *  infer_session_sync() does), generate, and tell the parts of the answer apart. What the session holds after the common
 *  beginning is forgotten. The next turn is a call with the message of this one (on_message) and more after it.
 *  Stop strings are looked for in all that the model writes, its reasoning included. raw_prompt and unparse_special
 *  mean nothing here. A grammar of the sampler's own holds from the first token on, unless the conversation has a
 *  response or tools to hold it to; then the sampler is without a grammar afterwards.
 *  @param messages JSON array as for infer_chat_render(), n bytes.
 *  @return as infer_generate(), of which this is a kind; INFER_E_FULL if the whole conversation does not fit. */
INFER_API infer_status infer_generate_chat(infer_chat *chat, infer_session *session, infer_sampler *sampler,
                                           const char *messages, size_t n, const infer_generate_options *options,
                                           infer_generate_result *result, infer_error *err);
/** The same, fetched with infer_generation_next(): a call comes as two pieces, its name and its arguments. */
INFER_API infer_generation *infer_generation_open_chat(infer_chat *chat, infer_session *session, infer_sampler *sampler,
                                                       const char *messages, size_t n,
                                                       const infer_generate_options *options, infer_error *err);
/** The message that the answer is so far: JSON, *length bytes (length may be NULL), valid until the next call on the
 *  generation. NULL where memory is out, and of a text that answers nothing. */
INFER_API const char *infer_generation_message(infer_generation *generation, size_t *length, infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
