/* stages.h - the stages of a sampler: a row each, a function over the candidates. */
#ifndef SAMPLER_STAGES_H
#define SAMPLER_STAGES_H

#include "src/sampler/candidates.h"
#include "src/sampler/dry.h"
#include "src/sampler/random.h"
#include "src/sampler/recent.h"

enum { MAX_STAGES = 32 };

struct stage {
    const char *name;
    bool few;           /* changes the logits of few tokens, and keeps all */
    bool may_drop_best; /* so that temperature 0 cannot do without the filters */
    bool (*is_on)(const infer_sampler_options *o);
    bool (*run)(struct infer_sampler *s, struct candidates *c); /* false if memory is out */
};

struct infer_sampler {
    infer_context *context;
    const infer_allocator *a;
    infer_sampler_options o;
    const struct stage *stages[MAX_STAGES]; /* those that do something, in their order */
    size_t n_stages;
    infer_logit_bias *biases; /* o.n_biases */
    bool lost_count;          /* memory was out when a token was to be counted */
    infer_matcher *matcher;   /* NULL without a grammar */
    int32_t n_ids;            /* ids below it are the grammar's */
    bool left_grammar;        /* a token was accepted that it does not allow, or memory was out */
    struct random random;
    struct recent recent;
    struct dry dry;
    struct phrases banned;
    double mirostat_mu;
    struct candidates candidates;
};

/** The stages that the options ask for and that do something, as a list. False if one of them does not exist. */
bool stages_list(struct infer_sampler *s);
/** Choose among the candidates, which become those of the last stage; -1 if there are none. */
int32_t stages_draw(struct infer_sampler *s, struct candidates *c);
/** Leave the k <= FEW best that the grammar allows, in order, after the stages that change few logits, and no others.
 *  False if memory is out. */
bool stages_best(struct infer_sampler *s, struct candidates *c, size_t k);
/** As candidates_gather, with the grammar's mask. */
bool stages_gather(struct infer_sampler *s, struct candidates *c);

#endif
