/* sampler.h - what generation asks of a sampler beyond infer.h. */
#ifndef SAMPLER_SAMPLER_H
#define SAMPLER_SAMPLER_H

#include "infer.h"

/** As infer_sampler_sample, but none of the n_banned ids, which are in ascending order, is chosen. */
int32_t sampler_sample_except(infer_sampler *sampler, const float *logits, int32_t n_vocab, const int32_t *banned,
                              size_t n_banned);

/** A sampler that goes on from the same state. `from` outlives it, and its texts stay as they are. */
infer_sampler *sampler_fork(const infer_sampler *from, infer_error *err);
/** The k <= 1024 best of n_vocab scores, the best first, as what changes or forbids tokens leaves them: biases, bans,
 *  penalties, DRY, the grammar; and none of the banned ids, which are in ascending order. Returns how many there are,
 *  SIZE_MAX if memory is out or the text has left the grammar. */
size_t sampler_best(infer_sampler *sampler, const float *scores, int32_t n_vocab, const int32_t *banned,
                    size_t n_banned, infer_logprob *best, size_t k);
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
