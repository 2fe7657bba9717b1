/* sampler.h - what generation asks of a sampler beyond infer.h. */
#ifndef RUNTIME_SAMPLER_H
#define RUNTIME_SAMPLER_H

#include "infer.h"

/** As infer_sampler_sample, but none of the n_banned ids, which are in ascending order, is chosen. */
int32_t sampler_sample_except(infer_sampler *sampler, const float *logits, int32_t n_vocab, const int32_t *banned,
                              size_t n_banned);

/** Count a token as recent, but not as part of the grammar's text: a prompt's. */
void sampler_count(infer_sampler *sampler, int32_t id);
/** Begin the grammar's text anew. */
void sampler_begin(infer_sampler *sampler);

/** A sampler that chooses as this one may be going to: by its temperature and filters, but not by tokens before. */
infer_sampler *sampler_sketch(const infer_sampler *sampler, infer_error *err);
/** Let a sketch have the random numbers that its sampler draws next, and lend it the grammar; or, with NULL, take that
 *  back. */
void sampler_couple(infer_sampler *sketch, infer_sampler *sampler);

#endif
