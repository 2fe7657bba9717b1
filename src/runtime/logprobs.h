/* logprobs.h - the logarithms of all probabilities. */
#ifndef RUNTIME_LOGPROBS_H
#define RUNTIME_LOGPROBS_H

#include <stdint.h>

/** Logits of n tokens to log-probabilities, as infer_logprobs() tells them. */
void logprobs_all(const float *logits, int32_t n, float *logprob);

#endif
