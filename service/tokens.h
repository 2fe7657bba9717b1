/* tokens.h - texts as tokens, and tokens as they are shown. */
#ifndef SERVICE_TOKENS_H
#define SERVICE_TOKENS_H

#include "infer.h"

#include <jansson.h>

/** Ids that grow. Once memory is out they stay as they are, and `failed` tells. */
struct ids {
    int32_t *v; /* n; NULL while there are none */
    size_t n, max;
    bool failed;
};

void ids_add(struct ids *ids, const int32_t *more, size_t n);
/** Ids of a text behind those there are. Returns whether they are there now; else err tells why. */
bool ids_add_text(struct ids *ids, const infer_tokenizer *tokenizer, const char *text, size_t length, unsigned flags,
                  infer_error *err);
/** The same of a prompt, as infer_generate() reads it: at least one. */
bool ids_add_prompt(struct ids *ids, const infer_tokenizer *tokenizer, const char *text, size_t length,
                    infer_error *err);
void ids_free(struct ids *ids);

/** Bytes of a token within a text, which may begin or end within a character; control tokens by name. Returns how many
 *  of them are written to text. */
size_t token_bytes(const infer_tokenizer *tokenizer, int32_t id, char *text, size_t max);
/** The same as JSON; U+FFFD if it is no UTF-8. */
json_t *token_string(const char *bytes, size_t n);
/** A log-probability as JSON can have it: -9999 for what is impossible. */
double finite_logprob(double logprob);

#endif
