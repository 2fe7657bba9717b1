/* json_text.h - characters and values as JSON writes them.
 *
 * Where a string is held to conditions each character has one form only: as it is where that is allowed, else as the
 * shortest escape. So conditions can be combined, and none is passed by writing a character in another form. */
#ifndef GRAMMAR_JSON_TEXT_H
#define GRAMMAR_JSON_TEXT_H

#include "src/grammar/expr.h"

#include <jansson.h>

/** As expr_chars, within a string. Orders the runs. */
uint32_t json_chars(struct exprs *g, struct chars *runs, size_t n, bool inverted);
/** Any character within a string, in the one form, or in any that JSON has. */
uint32_t json_any_char(struct exprs *g);
uint32_t json_free_char(struct exprs *g);
/** A text as the inside of a string. */
uint32_t json_inside(struct exprs *g, const char *text, size_t n);
/** x between quotes. */
uint32_t json_quoted(struct exprs *g, uint32_t x);
/** Space that may stand between the parts of a value: none, one blank, or a line's end and the next indentation. */
uint32_t json_space(struct exprs *g);
/** One value, written in any way but with its members in their order. */
uint32_t json_constant(struct exprs *g, const json_t *value);

#endif
