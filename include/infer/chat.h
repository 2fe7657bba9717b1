/* chat.h - how conversations are written, and how answers are read. Part of infer.h, which says what holds for all. */
#ifndef INFER_CHAT_H
#define INFER_CHAT_H

#include "tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Chat templates ------------------------------------------------------------------------------------------- */

/** A compiled chat template: how a model wants a conversation written. It is constant once open, any number of threads
 *  may render it at once. Templates are programs of strangers: the steps, the memory, the depth and the output of a
 *  rendering are bounded, and it reaches nothing outside itself. */
typedef struct infer_chat_template infer_chat_template;

/** Compile a template: Jinja source, such as infer_tokenizer_chat_template() or infer_chat_template_builtin() give.
 *  What it may use: docs/chat.md. */
INFER_API infer_chat_template *infer_chat_template_open(infer_context *context, const char *source, size_t length,
                                                        infer_error *err);
INFER_API void infer_chat_template_close(infer_chat_template **chat);
/** Source of a common template by its name, "chatml", terminated; NULL if there is none of this name. For models that
 *  bring none. */
INFER_API const char *infer_chat_template_builtin(const char *name);
/** Names of the built-in templates in alphabetical order; NULL past the last. */
INFER_API const char *infer_chat_template_name(size_t index);

/** How infer_chat_render() writes a conversation. */
typedef struct infer_chat_options {
    size_t size;                      /**< sizeof(infer_chat_options) */
    const char *tools;                /**< JSON array of the functions that the model may call; NULL = none (default) */
    const char *variables;            /**< JSON object of further variables, {"enable_thinking": false}, which count
                                       *   more than those above and below; NULL = none (default) */
    bool no_generation_prompt;        /**< do not end with the beginning of the model's answer (default false) */
    const infer_tokenizer *tokenizer; /**< whose bos_token and eos_token the template gets; NULL = they are undefined,
                                       *   and print as nothing (default) */
    int64_t now;                      /**< what strftime_now() of templates tells: seconds from 1970-01-01 00:00:00 to
                                       *   the date and time on the clock, whatever its time zone; 0 = the system's, in
                                       *   UTC (default) */
} infer_chat_options;

static inline infer_chat_options infer_chat_defaults(void)
{
    infer_chat_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Write a conversation as the template has it. Nothing must be added to it by the tokenizer: encode it with
 *  INFER_PARSE_SPECIAL alone, as it begins with BOS where the model wants that.
 *  @param messages JSON array of objects with "role" and "content", as OpenAI's API has them, n bytes; NULL =
 *                  `variables` are the only ones that the template has.
 *  @param text     room for max bytes, of which at most max are written (no terminator). May be NULL if max is 0.
 *  @param length   receives the size needed, also when that is more than max (call again with more room).
 *  @return INFER_E_ARGUMENT for what is no JSON, and where the template itself refuses the conversation
 *          (raise_exception); INFER_E_FORMAT for its other mistakes, of which the sentence names the line. */
INFER_API infer_status infer_chat_render(const infer_chat_template *chat, const char *messages, size_t n,
                                         const infer_chat_options *options, char *text, size_t max, size_t *length,
                                         infer_error *err);

/* ---- Answers of chat models ----------------------------------------------------------------------------------- */

/** Tells apart what a chat model writes: text for the reader, reasoning, calls of tools. Fed with text as it is
 *  generated, with control tokens written by name (infer_generate_options.unparse_special), as their names are the
 *  marks of many formats. Used by one thread at a time. */
typedef struct infer_chat_parser infer_chat_parser;

typedef enum infer_chat_part {
    INFER_CHAT_CONTENT = 0,   /**< text for the reader */
    INFER_CHAT_REASONING = 1, /**< what the model thinks before it answers */
    INFER_CHAT_CALL = 2,      /**< a tool is called: the function's name, whole */
    INFER_CHAT_ARGUMENTS = 3  /**< of the call before, whole: a JSON object */
} infer_chat_part;

/** Receives parts as they come. Content and reasoning come in pieces (whole characters, if the parser is fed with
 *  such); a call comes when it is complete. */
typedef void infer_chat_part_fn(void *user, infer_chat_part part, const char *text, size_t length);

/** What infer_chat_parser_open() is told of the answers to come. */
typedef struct infer_chat_parser_options {
    size_t size;                 /**< sizeof(infer_chat_parser_options) */
    const char *format;          /**< a name of infer_chat_format_name(); NULL = that of the template (default) */
    const char *chat_template;   /**< source of the model's template: the format whose marks it holds; NULL = "json"
                                  *   (default). Not kept */
    const char *prompt;          /**< the prompt that the model continues: if it ends with the mark that reasoning
                                  *   begins with, so does the answer; NULL = it does not (default). Not kept */
    const char *tools;           /**< JSON array of the functions, as in infer_chat_options: tells strings from numbers
                                  *   where a format does not; NULL = not known (default) */
    bool no_calls;               /**< calls are content: no tools were offered (default false) */
    infer_chat_part_fn *on_part; /**< NULL = parts are dropped */
    void *user;                  /**< handed to on_part */
} infer_chat_parser_options;

static inline infer_chat_parser_options infer_chat_parser_defaults(void)
{
    infer_chat_parser_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

INFER_API infer_chat_parser *infer_chat_parser_open(infer_context *context, const infer_chat_parser_options *options,
                                                    infer_error *err);
INFER_API void infer_chat_parser_close(infer_chat_parser **parser);
/** The next piece of the answer. Text that may be the beginning of a mark is held back until that is clear, that of a
 *  call until it is complete. What looks like a call but is none is content (or reasoning, within that), as it stands.
 *  Space around marks is dropped.
 *  @return INFER_OK, or INFER_E_NOMEM, after which nothing more can be fed. */
INFER_API infer_status infer_chat_parser_feed(infer_chat_parser *parser, const char *text, size_t length,
                                              infer_error *err);
/** The answer is at its end: what was held back comes out. A call may lack its last mark, which is often the token that
 *  ended the answer. The parser is then ready for another answer, without a prompt. */
INFER_API infer_status infer_chat_parser_end(infer_chat_parser *parser, infer_error *err);
/** Parse a whole answer into a message of OpenAI's API: {"role": "assistant", "content": T or null,
 *  "reasoning_content": T, "tool_calls": [{"type": "function", "function": {"name": T, "arguments": T}}]}, the last two
 *  where there are any. on_part is called too, if it is set. At most max bytes are written to json (no terminator);
 *  *needed receives the size needed. The parts are what feeding the text in any pieces gives. */
INFER_API infer_status infer_chat_parse(infer_context *context, const infer_chat_parser_options *options,
                                        const char *text, size_t length, char *json, size_t max, size_t *needed,
                                        infer_error *err);
/** Names of the formats; NULL past the last. docs/chat.md says what they are. */
INFER_API const char *infer_chat_format_name(size_t index);
/** Name of the format that a parser reads. */
INFER_API const char *infer_chat_parser_format(const infer_chat_parser *parser);

#ifdef __cplusplus
}
#endif
#endif
