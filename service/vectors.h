/* vectors.h - vectors of texts, in any API. */
#ifndef SERVICE_VECTORS_H
#define SERVICE_VECTORS_H

#include "service/fields.h"
#include "service/models.h"

/** Texts or arrays of ids. */
struct inputs {
    infer_input *v; /* n of them; the texts lie in the request */
    int32_t *ids;   /* n_ids, of all */
    size_t n, n_ids;
};

/** A string, an array of strings (or of objects with "text"), an array of ids, or an array of such arrays. */
void inputs_read(struct inputs *in, struct fields *f, const char *name);
void inputs_free(struct inputs *in);
/** Tokens of n of them, those that are put around texts included. */
size_t inputs_tokens(const struct served *model, const infer_input *in, size_t n);

/** (n, *dimensions) vectors of length 1, which the caller frees; NULL: err tells why. */
float *vectors_of(infer_exchange *x, struct served *model, const struct inputs *in, size_t *dimensions,
                  infer_error *err);
/** Make the first `keep` numbers of a vector one of length 1. */
void vector_cut(float *vector, size_t keep);
json_t *vector_json(const float *vector, size_t n);

#endif
