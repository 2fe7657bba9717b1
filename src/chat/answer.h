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

enum { MAX_BLOCKS = 4, MAX_DROPPED = 6, MAX_SIGNS = 3 };

struct answer_format {
    const char *name;
    const char *signs[MAX_SIGNS]; /* a template that holds one of them is of this format */
    struct marks think;           /* besides <think> */
    char between;                 /* what may stand between calls beside space; 0: nothing */
    struct call_block blocks[MAX_BLOCKS];
    const char *dropped[MAX_DROPPED];
};
extern const struct answer_format answer_formats[];
extern const size_t n_answer_formats;

/** Read the calls of a block: a list of (name, arguments as JSON text), or a value of another type if it holds none, or
 *  what is no call. `tools` is the list of functions, or anything else. */
struct value read_calls(struct render *r, const struct call_block *block, struct text body, struct value tools);

#endif
