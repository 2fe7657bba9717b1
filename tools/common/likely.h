/* likely.h - how likely tokens were, a line of JSON for each:
 *     {"id": 403, "text": "Once", "logprob": -1.5, "top": [[403, -1.5], ...]}
 * text is what the token completes; logprob null: nothing foretold it; top is there if it was asked for. */
#ifndef TOOLS_COMMON_LIKELY_H
#define TOOLS_COMMON_LIKELY_H

#include "infer.h"

#include <stdio.h>

struct likely {
    FILE *file;
    const infer_tokenizer *tokenizer;
    infer_stream stream;
    char *text; /* room for a piece */
};

/** False if memory is out. likely_close() is due in any case; it leaves the file open. */
bool likely_open(struct likely *l, FILE *file, const infer_tokenizer *tokenizer);
void likely_close(struct likely *l);
/** Write a line. logprob NAN: null. */
infer_status likely_write(struct likely *l, int32_t id, double logprob, const infer_logprob *top, size_t n_top,
                          infer_error *err);

#endif
