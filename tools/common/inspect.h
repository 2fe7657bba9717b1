/* inspect.h - a model that is only looked at: what is known of it, and the memory that it needs. */
#ifndef TOOLS_COMMON_INSPECT_H
#define TOOLS_COMMON_INSPECT_H

#include "infer.h"

#include <jansson.h>

struct inspected {
    infer_model *model;
    const infer_tokenizer *tokenizer; /* NULL if there is none */
    bool unmade;                      /* its weights are of another form in the file */
    infer_model_info info;
    infer_error load; /* why it cannot be run; code INFER_OK if it can */
    size_t n_ctx;     /* tokens that a session holds by default; 0 where none was opened */
    uint64_t work;    /* bytes that it takes besides its cache */
};

/** Open what can be run, else what is at least sound: of a kind that is not known, or a vocabulary alone. Why it cannot
 *  be run goes to `load`. Nothing is made only to be looked at. path NULL: the model inside the library.
 *  inspect_close() is due in any case. */
infer_status inspect_open(struct inspected *in, infer_context *context, const char *path, infer_error *err);
void inspect_close(struct inspected *in);
/** Entry i of the metadata as JSON text, for free(); NULL past the last. */
char *inspect_metadata(const infer_model *model, size_t i, bool brief, const char **key);
/** A text of the metadata, for free(); NULL if there is none of this key. */
char *inspect_text(const infer_model *model, const char *key);
/** Tensor i; false past the last. */
bool inspect_tensor(const infer_model *model, size_t i, infer_tensor_info *t);

/** Text as a JSON string. Files may hold bytes that are no UTF-8: these become U+FFFD. */
json_t *json_of_text(const char *text);
/** JSON text as a value. What jansson does not take (numbers beyond 63 bits, bytes that are no UTF-8) stays text. */
json_t *json_of_value(const char *text);
/** The pairs of `part`, which is used up, become part of `json`. */
void json_join(json_t *json, json_t *part);

#endif
