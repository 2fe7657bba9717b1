/* rope.c - the angles of rotary position embeddings (Su et al., arXiv 2104.09864) and their scalings for long contexts. */
#include "src/engine/rope.h"

#include <math.h>

static const double two_pi = 6.283185307179586;

/* Llama 3.1: long waves are stretched by the factor, short ones stay, those between are blended. */
static double scale_llama3(const struct rope *r, double frequency)
{
    const double turns = (double)r->n_ctx_original * frequency / two_pi; /* over the original context */
    if (turns < r->low_freq_factor)
        return frequency / r->factor;
    if (turns > r->high_freq_factor)
        return frequency;
    const double keep = (turns - r->low_freq_factor) / ((double)r->high_freq_factor - r->low_freq_factor);
    return (1 - keep) * frequency / r->factor + keep * frequency;
}

/* YaRN (arXiv 2309.00071): index of the point that turns `turns` times over the original context, as a real number. */
static double yarn_index(const struct rope *r, double turns)
{
    return r->n_rot * log(r->n_ctx_original / (turns * two_pi)) / (2 * log(r->base));
}

static double scale_yarn(const struct rope *r, double frequency, uint32_t i)
{
    const double fast = yarn_index(r, r->beta_fast), slow = yarn_index(r, r->beta_slow);
    const double low = fmax(r->exact_range ? fast : floor(fast), 0);
    double high = fmin(r->exact_range ? slow : ceil(slow), (double)r->n_rot - 1);
    if (high <= low)
        high = low + 0.001;
    const double stretch = fmin(fmax((i - low) / (high - low), 0), 1);
    return stretch * frequency / r->factor + (1 - stretch) * frequency;
}

void rope_frequencies(const struct rope *r, const float *divisors, float *frequency, float *magnitude)
{
    *magnitude = 1;
    if (r->scaling == SCALING_YARN || r->scaling == SCALING_LONGROPE)
        *magnitude = r->attention_factor > 0 ? r->attention_factor
                     : r->scaling == SCALING_YARN && r->factor > 1 ? (float)(0.1 * log(r->factor) + 1) : 1;
    for (uint32_t i = 0; i < r->n_rot / 2; i++) {
        double f = pow(r->base, -2.0 * i / r->n_rot);
        switch (r->scaling) {
        case SCALING_NONE:
        case SCALING_LONGROPE: break; /* the divisors are all of it */
        case SCALING_LINEAR: f /= r->factor; break;
        case SCALING_LLAMA3: f = scale_llama3(r, f); break;
        case SCALING_YARN: f = scale_yarn(r, f, i); break;
        }
        frequency[i] = (float)(divisors ? f / divisors[i] : f);
    }
}
