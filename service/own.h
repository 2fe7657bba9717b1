/* own.h - routes that are this server's own, or that several APIs share: models, texts, vectors, figures. */
#ifndef SERVICE_OWN_H
#define SERVICE_OWN_H

#include "service/fields.h"
#include "service/models.h"

/** A request with a JSON body about a model. */
struct asked {
    json_t *body;
    struct fields f;
    struct served *model; /* held by the exchange */
};
/** False: what is wrong has been answered, or it is to be answered later; nothing is open. */
bool asked_open(struct asked *a, infer_exchange *x);
void asked_close(struct asked *a);

/** A conversation as the model has it written, which the caller frees; NULL: err tells why. `how` has the fields tools,
 *  chat_template_kwargs and add_generation_prompt; NULL: the conversation alone, without an answer's beginning. */
char *render_messages(const struct served *model, infer_context *context, const json_t *messages,
                      const struct fields *how, infer_error *err);

/* own_models.c */
void health(infer_exchange *x);
void models_list(infer_exchange *x);
void models_one(infer_exchange *x);
void model_load(infer_exchange *x);
void model_unload(infer_exchange *x);
void props(infer_exchange *x);
/* own_text.c */
void tokenize(infer_exchange *x);
void detokenize(infer_exchange *x);
void apply_template(infer_exchange *x);
/* vectors.c */
void embeddings(infer_exchange *x);
void rerank(infer_exchange *x);
/* metrics.c */
void metrics(infer_exchange *x);
/* adapters.c */
void adapters_list(infer_exchange *x);
void adapters_set(infer_exchange *x);
/* openapi.c */
void openapi(infer_exchange *x);
/* own_score.c */
void score(infer_exchange *x);

#endif
