/* notations.h - the notations that grammars come in. Each reader makes rules and returns the expression of the whole;
 * failures are noted in the exprs. */
#ifndef GRAMMAR_NOTATIONS_H
#define GRAMMAR_NOTATIONS_H

#include "src/grammar/expr.h"

/** GBNF, whose rule "root" is the whole. */
uint32_t gbnf_read(struct exprs *g, struct text text);
/** A regular expression that all of a text has to match. */
uint32_t regex_read(struct exprs *g, struct text text);
/** The same, or (not `whole`) one that has to match somewhere in a text. json: the text is the inside of a JSON string,
 *  see json_text.h. */
uint32_t regex_read_as(struct exprs *g, struct text text, bool whole, bool json);
/** Whether a pattern matches somewhere in a text. Failures are noted in g. */
bool regex_matches(struct exprs *g, struct text pattern, struct text text);
/** A JSON Schema. */
uint32_t schema_read(struct exprs *g, struct text text);

#endif
