/* notations.h - the notations that grammars come in. Each reader makes rules and returns the expression of the whole;
 * failures are noted in the exprs. */
#ifndef GRAMMAR_NOTATIONS_H
#define GRAMMAR_NOTATIONS_H

#include "src/grammar/expr.h"

/** GBNF, whose rule "root" is the whole. */
uint32_t gbnf_read(struct exprs *g, struct text text);

#endif
