/* candidates.h - the tokens among which a sampler chooses, from all of the vocabulary down to those that are left.
 *
 * At first they are only spoken of: all tokens of the caller's logits but those that a mask leaves out, with the logits
 * of a few changed (`changes`). The best few of these are found without copying anything. Whatever else looks at them
 * has them gathered first: a copy of the logits, all of them finite. */
#ifndef SAMPLER_CANDIDATES_H
#define SAMPLER_CANDIDATES_H

#include "src/sampler/id_map.h"
#include "src/sampler/select.h"

enum { FEW = 1024 }; /* up to so many are found by a heap, without memory over the vocabulary */

struct candidates {
    const infer_allocator *a;
    /* as long as they are not gathered */
    const float *logits;
    int32_t n_vocab;
    const uint32_t *allowed; /* bits of those that a grammar allows; NULL: all */
    struct id_map changes;   /* bits of the logit of some tokens; -INFINITY: cannot be chosen */
    /* once they are */
    bool gathered;
    size_t n;
    float *logit; /* (n) */
    int32_t *id;  /* (n), NULL: candidate i is token i */
    float shift;  /* so much has been taken off every logit */
    /* memory */
    size_t room;
    int32_t *ids;
    float *weight, *score; /* (room), scratch of the stages */
    uint64_t *key;         /* (FEW) */
};

bool candidates_open(struct candidates *c, const infer_allocator *a);
void candidates_close(struct candidates *c);
/** All tokens of n_vocab logits, unchanged. */
void candidates_begin(struct candidates *c, const float *logits, int32_t n_vocab);

static inline int32_t candidates_id(const struct candidates *c, size_t i)
{
    return c->id ? c->id[i] : (int32_t)i;
}
/** The logit of a token that may have been changed; before they are gathered. */
float candidates_logit(const struct candidates *c, int32_t id);
/** Change it; false if memory is out. Ids outside the vocabulary are passed over. */
bool candidates_set(struct candidates *c, int32_t id, float logit);

/** Copy them. False if memory is out. */
bool candidates_gather(struct candidates *c);
/** Of what is not gathered, the keys of the k <= FEW best, in order, in c->key; returns how many there are. */
size_t candidates_best(struct candidates *c, size_t k);
/** The n best of them, found so, are all that is left. */
void candidates_take(struct candidates *c, size_t n);

/* Of gathered ones. */

float candidates_largest(const struct candidates *c);
/** Fill c->weight with e^(logit - largest) and return the sum. */
double candidates_weights(struct candidates *c, float largest);
/** The keys of the k <= FEW best scores, in order, in c->key, with numbers of candidates as ids; returns how many. */
size_t candidates_order(struct candidates *c, const float *score, size_t k);
/** Keep those whose score is above `least`, and of equal ones the first `ties`. */
void candidates_cut(struct candidates *c, const float *score, float least, size_t ties);
/** Keep the fewest, in the order of their scores, whose weights sum to `enough`; weight NULL: each is 1. */
void candidates_keep(struct candidates *c, const float *score, const float *weight, double enough);

#endif
