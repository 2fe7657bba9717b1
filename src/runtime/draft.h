/* draft.h - a smaller model that follows a text and guesses how it goes on. */
#ifndef RUNTIME_DRAFT_H
#define RUNTIME_DRAFT_H

#include "src/runtime/session_parts.h"

struct draft {
    infer_session *s;       /* the caller's; NULL: there is none */
    infer_sampler *sampler; /* of its own */
    int32_t n_choices;      /* ids below this are in both vocabularies */
};

/** Refused with a sentence: a model that generates nothing, or has another vocabulary than `model`. The sampler is the
 *  one that its tokens are to please. On failure there is nothing to close. */
infer_status draft_open(struct draft *d, infer_session *s, const infer_model *model, const infer_sampler *sampler,
                        infer_error *err);
void draft_close(struct draft *d);
/** Tokens of this text that the draft's session lacks: at least 1. UINT32_MAX: there is no room for them. */
uint32_t draft_behind(const struct draft *d, const int32_t *tokens, uint32_t n);
/** Have the logits that follow this text, of at least 1 token. *cancel is looked at between steps. False: it cannot be
 *  done. */
bool draft_follow(struct draft *d, const int32_t *tokens, uint32_t n, const atomic_bool *cancel);
/** The next token, and how likely the draft finds it; -1: there is none. */
int32_t draft_choose(struct draft *d, double *likely);
/** Go on with it. */
bool draft_take(struct draft *d, int32_t id);

#endif
