/* perplexity.h - how well a model foretells text: what the modes of infer-perplexity share.
 *
 *   distribution.c  probabilities from logits, how two models' differ, and how they are saved
 *   text.c          perplexity of a text, divergence from another model's saved probabilities, each token's probability
 *   choices.c       questions of several answers, of which the model finds one the most likely */
#ifndef TOOLS_PERPLEXITY_PERPLEXITY_H
#define TOOLS_PERPLEXITY_PERPLEXITY_H

#include "infer.h"

#include <stdio.h>

/** A model, and the session that its texts go through. */
struct scorer {
    const infer_tokenizer *tokenizer;
    infer_session *session;
    size_t n_vocab, n_ctx;
    float *logits; /* (LOGIT_ROWS, n_vocab) */
    bool json;     /* results as JSON */
    bool progress; /* on stderr */
};
enum { LOGIT_ROWS = 128 };

/** Ids of a text with what the model expects around it; free() them. NULL on failure. */
int32_t *scorer_encode(const struct scorer *s, const char *text, size_t length, size_t *n, infer_error *err);

/* Called for each token but those before `from`: `logits` are those that foretell it. */
typedef infer_status token_fn(void *arg, const float *logits, int32_t id, infer_error *err);
/** Go through ids from the session's length on, and call fn for the tokens from ids[from] on, from > 0. */
infer_status scorer_read(const struct scorer *s, const int32_t *ids, size_t n, size_t from, token_fn *fn, void *arg,
                         infer_error *err);

/* ---- distribution.c ---- */

/** ln of a token's probability is logits[id] - log_total(logits). */
double log_total(const float *logits, size_t n);

/** The mean of numbers, and how far it may be off: the standard error. */
struct mean {
    double sum, squares;
    size_t n;
};
void mean_add(struct mean *m, double x);
double mean_of(const struct mean *m);
double mean_error(const struct mean *m);

/* Logarithms of probabilities in 16 bits, as llama.cpp saves them: a row is float scale, float least, then a number q
 * for each token, of which scale * q + least is the logarithm; rows have an even number of them. */
size_t saved_row_bytes(size_t n_vocab);
void save_row(uint16_t *row, const float *logits, size_t n_vocab);

/** How the model at hand differs from the one whose probabilities were saved. */
struct divergence {
    struct mean nll, base_nll, difference; /* -ln p of the tokens; of each token the first less the second */
    struct mean kl;                        /* sum over tokens of p_base ln(p_base / p) */
    struct mean p_difference, p_square;    /* p - p_base of the tokens that came; its square */
    size_t same_top;
    double *kls; /* each, for quantiles; room for as many as will be added */
};
void divergence_add(struct divergence *d, const float *logits, const uint16_t *base, size_t n_vocab, int32_t id);
void divergence_print(struct divergence *d, bool json);

/* ---- The modes: they print what they find ---- */

struct text_options {
    const char *text, *name; /* length bytes, the file's name */
    size_t length;
    int32_t n_chunks; /* at most; -1 = all */
    const char *save; /* file for the probabilities, or NULL */
};
infer_status perplexity_of_text(const struct scorer *s, const struct text_options *o, infer_error *err);
/** From the file that perplexity_of_text saved, or llama.cpp. */
infer_status divergence_from(const struct scorer *s, const char *path, int32_t n_chunks, infer_error *err);
infer_status token_probabilities(const struct scorer *s, const struct text_options *o, infer_error *err);

enum task_format { TASKS_HELLASWAG, TASKS_JSON };
infer_status choose_answers(const struct scorer *s, const struct text_options *o, enum task_format format,
                            int32_t n_tasks, infer_error *err);

#endif
