/* answer.h - what a chat model writes, told apart: content, reasoning, tool calls.
 *
 * A format is a row (answer_formats.c): the marks around reasoning, the blocks that hold calls, and the marks that mean
 * nothing to a reader. One machine (answer.c) finds the marks in the stream; what a block holds is read by one of a few
 * syntaxes (answer_calls.c). */
#ifndef CHAT_ANSWER_H
#define CHAT_ANSWER_H

#include "src/chat/template.h"

/* How calls stand within a block. */
enum call_syntax {
    CALLS_NONE,
    CALLS_JSON,  /* {"name": F, "arguments": {...}}, under any of the names in use; one, several, or an array of them */
    CALLS_KEYED, /* {F: {...}} */
    CALLS_TAGS,  /* marks around names, keys and values: struct call_tags */
    CALLS_PYTHON, /* F(key=value, ...), one or a list of them */
    CALLS_BARE    /* call:F{key:value, ...} with strings between marks: call_tags.value */
};

/* `call` NAME `name_end`, then either JSON, or pairs of `key` KEY `key_end` ... `value` VALUE `value_end`; then
 * `call_end`. "" is no mark. */
struct call_tags {
    const char *call, *name_end;
    const char *key, *key_end, *value, *value_end; /* key NULL: the arguments are JSON */
    const char *call_end;
};

struct call_block {
    const char *begin;
    const char *end; /* NULL: it ends with its JSON */
    struct {
        enum call_syntax syntax;
        const struct call_tags *tags;
    } ways[2];     /* tried in turn */
    bool whole;    /* the answer begins with it, and `begin` belongs to what it holds */
};

struct marks {
    const char *begin, *end;
};

/* How a call is written that a grammar is to hold the model to: `mark`, then begin NAME middle ARGUMENTS end, further
 * ones after `between`. NULL mark: it begins without; NULL between: one call only; NULL begin: calls are no JSON, or
 * hold control tokens, and cannot be held to. Last marks that are control tokens are left out: the answer ends before. */
struct call_shape {
    const char *mark, *begin, *middle, *end, *between;
};

enum { MAX_BLOCKS = 4, MAX_DROPPED = 6, MAX_SIGNS = 3 };

struct answer_format {
    const char *name;
    const char *signs[MAX_SIGNS]; /* a template that holds one of them is of this format */
    struct marks think;           /* besides <think> */
    char between;                 /* what may stand between calls beside space; 0: nothing */
    struct call_block blocks[MAX_BLOCKS];
    const char *dropped[MAX_DROPPED];
    struct call_shape shape;
};
extern const struct answer_format answer_formats[];
extern const size_t n_answer_formats;

/** The format of a name, or with NULL of a template's source, which may be NULL too; NULL if there is none of the name. */
const struct answer_format *answer_format_find(const char *name, const char *source);
/** Calls are those of the format "json", whatever the model's are. */
void parser_calls_as_json(infer_chat_parser *p);
/** The mark that ends the reasoning in which the text stands; NULL outside of it. */
const char *parser_reasoning(const infer_chat_parser *p);
/** Whether a text is nothing but marks before content, with space around them; the last one may be unfinished. */
bool parser_only_marks(const infer_chat_parser *p, struct text text);

/** Read the calls of a block: a list of (name, arguments as JSON text), or a value of another type if it holds none, or
 *  what is no call. `tools` is the list of functions, or anything else. */
struct value read_calls(struct render *r, const struct call_block *block, struct text body, struct value tools);

#endif
