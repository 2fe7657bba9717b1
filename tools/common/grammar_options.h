/* grammar_options.h - a grammar from a program's options. */
#ifndef TOOLS_COMMON_GRAMMAR_OPTIONS_H
#define TOOLS_COMMON_GRAMMAR_OPTIONS_H

#include "infer.h"
#include "tools/common/options.h"

struct grammar_options {
    const char *grammar, *schema, *regex; /* NULL: not given */
};

/** Rows of a command's table. */
#define GRAMMAR_ROWS(o)                                                                                                \
    { OPT_TEXT,                                                                                                        \
      "--grammar, --grammar-file",                                                                                     \
      "GBNF|FILE",                                                                                                     \
      "write only what this grammar allows: its text (it has ::= in "                                                  \
      "it) or a file",                                                                                                 \
      &(o).grammar,                                                                                                    \
      0,                                                                                                               \
      0 },                                                                                                             \
        { OPT_TEXT,                                                                                                    \
          "-j, --json-schema, --json-schema-file",                                                                     \
          "JSON|FILE",                                                                                                 \
          "write only JSON that this schema holds for: its "                                                           \
          "text (it begins with {) or a file; {} is any JSON",                                                         \
          &(o).schema,                                                                                                 \
          0,                                                                                                           \
          0 },                                                                                                         \
    {                                                                                                                  \
        OPT_TEXT, "--regex", "PATTERN", "write only what this regular expression matches", &(o).regex, 0, 0            \
    }

/** The grammar that was asked for; NULL if there is none (err->code is INFER_OK), or on failure. */
infer_grammar *grammar_options_open(const struct grammar_options *o, infer_context *context, infer_error *err);

#endif
