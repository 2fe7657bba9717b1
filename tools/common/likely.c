/* likely.c - lines of JSON by jansson, which knows what to escape. */
#include "tools/common/likely.h"

#include "tools/common/failure.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

bool likely_open(struct likely *l, FILE *file, const infer_tokenizer *tokenizer)
{
    *l = (struct likely){ file, tokenizer, { .flags = INFER_UNPARSE_SPECIAL },
                          malloc(infer_tokenizer_max_piece(tokenizer) + 1) };
    return l->text;
}

void likely_close(struct likely *l)
{
    free(l->text);
    *l = (struct likely){ 0 };
}

static json_t *list(const infer_logprob *top, size_t n)
{
    json_t *const all = json_array();
    for (size_t i = 0; i < n && top[i].id >= 0; i++)
        json_array_append_new(all, json_pack("[i, f]", (int)top[i].id, (double)top[i].logprob));
    return all;
}

infer_status likely_write(struct likely *l, int32_t id, double logprob, const infer_logprob *top, size_t n_top,
                          infer_error *err)
{
    size_t length = 0;
    const infer_status status = infer_tokenizer_stream(l->tokenizer, &l->stream, id, l->text,
                                                       infer_tokenizer_max_piece(l->tokenizer), &length, err);
    if (status != INFER_OK)
        return status;
    json_t *const line = json_pack("{s:i, s:s%, s:o}", "id", (int)id, "text", l->text, length, "logprob",
                                   isnan(logprob) ? json_null() : json_real(logprob));
    if (line && n_top)
        json_object_set_new(line, "top", list(top, n_top));
    char *const out = line ? json_dumps(line, 0) : NULL;
    json_decref(line);
    if (!out)
        return failure(err, INFER_E_NOMEM, "no memory for a line of output");
    const bool written = fputs(out, l->file) >= 0 && fputc('\n', l->file) != EOF;
    free(out);
    return written ? INFER_OK : failure(err, INFER_E_IO, "a line of log-probabilities cannot be written");
}
