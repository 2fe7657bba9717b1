/* grammar.h - what texts may look like. Part of infer.h, which says what holds for all. */
#ifndef INFER_GRAMMAR_H
#define INFER_GRAMMAR_H

#include "tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infer_grammar infer_grammar;
typedef struct infer_matcher infer_matcher;

/** What a grammar is written in. Values are for ever. */
typedef enum infer_notation {
    INFER_GBNF = 0,        /**< llama.cpp's: rules `name ::= ...`, of which `root` is the whole */
    INFER_JSON_SCHEMA = 1, /**< JSON that a schema (draft 2020-12, and what is left of older ones) holds for. Properties
                            *   come in the schema's order, then any others, which there are only if
                            *   additionalProperties says so or no property is named. oneOf is taken as anyOf, a format
                            *   that is not known as a comment. What a grammar cannot say (uniqueItems ...) is
                            *   refused */
    INFER_REGEX = 2        /**< a regular expression that the whole text matches: characters, classes, groups, | * + ?
                            *   {m,n}, \\d \\w \\s, \\p{..}, and at the start (?=..) and (?!..) */
} infer_notation;

/** Options of all that compiles a grammar. */
typedef struct infer_grammar_options {
    size_t size;                 /**< sizeof(infer_grammar_options) */
    const char *const *triggers; /**< n_triggers texts (terminated): any text is allowed until one of these comes, and
                                  *   the grammar begins after it; NULL = it begins at once (default). A control token
                                  *   of this name is a trigger too; the others are allowed as long as text is free */
    size_t n_triggers;           /**< at most 64 */
} infer_grammar_options;

static inline infer_grammar_options infer_grammar_defaults(void)
{
    infer_grammar_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Compile a grammar. The text may be from a stranger: what is left-recursive, matches nothing, or would become too
 *  large or too slow is refused.
 *  @param text length bytes, not kept. */
INFER_API infer_grammar *infer_grammar_open(infer_context *context, infer_notation notation, const char *text,
                                            size_t length, const infer_grammar_options *options, infer_error *err);
/** Any one of n texts (terminated). */
INFER_API infer_grammar *infer_grammar_open_choices(infer_context *context, const char *const *choices, size_t n,
                                                    const infer_grammar_options *options, infer_error *err);

/** A function that a model may call. */
typedef struct infer_tool {
    const char *name;       /**< terminated */
    const char *parameters; /**< JSON Schema of its arguments (terminated); NULL = any object */
} infer_tool;

/** How calls are written. */
typedef struct infer_tools_options {
    size_t size;                   /**< sizeof(infer_tools_options) */
    const char *begin;             /**< a call is: begin, the tool's name as it is, middle, the arguments, end. */
    const char *middle;            /**< These strings are by default those of {"name": "NAME", "arguments": {...}} */
    const char *end;               /**< after the arguments */
    const char *between;           /**< between two calls; NULL = there is one call only (default) */
    infer_grammar_options grammar; /**< triggers */
    void (*on_bad)(void *user, size_t index, const infer_error *why); /**< a tool was left out; NULL = in silence
                                                                       *   (default) */
    void *user;                    /**< handed to on_bad */
} infer_tools_options;

static inline infer_tools_options infer_tools_defaults(void)
{
    infer_tools_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.begin = "{\"name\": \"";
    o.middle = "\", \"arguments\": ";
    o.end = "}";
    o.grammar = infer_grammar_defaults();
    return o;
}

/** Calls of any of n tools. A tool whose schema is refused is reported and left out; if none is left, that is an
 *  error. */
INFER_API infer_grammar *infer_grammar_open_tools(infer_context *context, const infer_tool *tools, size_t n,
                                                  const infer_tools_options *options, infer_error *err);
/** One more owner; each calls infer_grammar_close. Returns grammar. Thread safe. */
INFER_API infer_grammar *infer_grammar_retain(infer_grammar *grammar);
/** A grammar keeps masks for the tokenizers that it was used with, which are closed after it. */
INFER_API void infer_grammar_close(infer_grammar **grammar);

/** Begin a text. Retains the grammar.
 *  @param tokenizer of the tokens that will be accepted, outlives the grammar; NULL if it will only be text. */
INFER_API infer_matcher *infer_matcher_open(infer_grammar *grammar, const infer_tokenizer *tokenizer, infer_error *err);
/** A matcher that goes on from the same place, for another thread or another try. It cannot rewind to before that. */
INFER_API infer_matcher *infer_matcher_fork(const infer_matcher *matcher, infer_error *err);
INFER_API void infer_matcher_close(infer_matcher **matcher);
/** Go on with bytes, which may end within a character.
 *  @return INFER_OK; INFER_E_ARGUMENT if the grammar does not allow them, INFER_E_FULL if the text has too many
 *          readings at once, INFER_E_NOMEM: the matcher is where it was. */
INFER_API infer_status infer_matcher_accept_text(infer_matcher *matcher, const char *text, size_t length,
                                                 infer_error *err);
/** Go on with a token. One that ends a text is accepted where the grammar may end, and changes nothing. */
INFER_API infer_status infer_matcher_accept(infer_matcher *matcher, int32_t id, infer_error *err);
/** Whether infer_matcher_accept would take the token. */
INFER_API bool infer_matcher_allows(infer_matcher *matcher, int32_t id);
/** The text so far is whole. */
INFER_API bool infer_matcher_may_end(const infer_matcher *matcher);
/** Nothing can follow the text but its end. */
INFER_API bool infer_matcher_must_end(const infer_matcher *matcher);
/** How many calls of accept and accept_text lie behind. */
INFER_API size_t infer_matcher_length(const infer_matcher *matcher);
/** Forget all of these calls but the first n_keep, a cheap operation. n_keep above the length is INFER_E_ARGUMENT. */
INFER_API infer_status infer_matcher_rewind(infer_matcher *matcher, size_t n_keep, infer_error *err);
/** Which tokens can come next: bit id % 32 of word id / 32, those that end a text where the grammar may end. n_words is
 *  at least infer_tokenizer_size() / 32, rounded up; words past that are zeroed.
 *  @note The first mask of a place costs up to milliseconds, which all matchers of the grammar profit from. */
INFER_API infer_status infer_matcher_mask(infer_matcher *matcher, uint32_t *bits, size_t n_words, infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
