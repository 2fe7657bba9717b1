/* load_json.h - the two halves of reading a tokenizer.json: the vocabulary, and the steps around it. */
#ifndef TOKENIZER_LOAD_JSON_H
#define TOKENIZER_LOAD_JSON_H

#include "src/tokenizer/parts.h"

#include <jansson.h>

struct loader {
    infer_tokenizer *t;
    infer_error *err;
};

/** A copy of a JSON string that lives as long as the tokenizer; p NULL if it is no string or memory is out. */
struct text json_text(struct loader *l, const json_t *string);
/** Member `key` of an object, with a default where it is absent or null. */
bool json_flag(const json_t *object, const char *key, bool absent);

infer_status load_normalizer(struct loader *l, const json_t *json);
infer_status load_pre_tokenizer(struct loader *l, const json_t *json);
infer_status load_post_processor(struct loader *l, const json_t *json);
infer_status load_decoder(struct loader *l, const json_t *json);
/** True if a decoder turns byte tokens into bytes. */
bool has_byte_fallback(const json_t *decoder);

#endif
