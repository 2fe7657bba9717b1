/* route.c - which experts a token uses, and how much each of them counts. */
#include "src/engine/route.h"

#include <float.h>
#include <math.h>

static uint32_t best_of(const float *x, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

/* A group counts as much as its best expert (DeepSeek-V2), or, where scores are sigmoids, its best two (V3). */
static float group_value(const struct routing *r, const float *values, uint32_t size)
{
    const uint32_t best = best_of(values, size);
    float second = -FLT_MAX;
    for (uint32_t i = 0; i < size; i++)
        second = i != best && values[i] > second ? values[i] : second;
    return r->gating == GATING_SIGMOID && size > 1 ? values[best] + second : values[best];
}

/* Experts of groups that are not used fall behind all others. groups: room for n_group numbers. */
static void drop_groups(const struct routing *r, float *values, float *groups)
{
    const uint32_t size = r->n_expert / r->n_group;
    for (uint32_t g = 0; g < r->n_group; g++)
        groups[g] = group_value(r, values + g * size, size);
    for (uint32_t g = 0; g < r->n_group; g++) {
        uint32_t better = 0;
        for (uint32_t other = 0; other < r->n_group; other++)
            better += groups[other] > groups[g] || (groups[other] == groups[g] && other < g);
        for (uint32_t i = 0; better >= r->n_group_used && i < size; i++)
            values[g * size + i] = -INFINITY;
    }
}

static void choose(const struct routing *r, const float *scores, const float *bias, float *values, uint32_t *chosen)
{
    for (uint32_t i = 0; i < r->n_expert; i++)
        values[i] = fmaxf(bias ? scores[i] + bias[i] : scores[i], -FLT_MAX); /* what is no number is among the last */
    if (r->n_group)
        drop_groups(r, values, values + r->n_expert);
    for (uint32_t i = 0; i < r->n_used; i++) {
        chosen[i] = best_of(values, r->n_expert);
        values[chosen[i]] = -INFINITY;
    }
}

/* SparseMixer (arXiv 2409.12136), as Phi 3.5 MoE computes it: the best expert's weight is a soft-max over those nearly
 * as good; then the same among the others. */
static void mix_sparsely(const struct routing *r, float *values, uint32_t *chosen, float *weights)
{
    for (uint32_t i = 0; i < r->n_used; i++) {
        const uint32_t best = chosen[i] = best_of(values, r->n_expert);
        const float most = values[best];
        float sum = 0;
        for (uint32_t j = 0; j < r->n_expert; j++) {
            const float s = values[j], unit = fabsf(s) > most ? fabsf(s) : most;
            if (s == most || (s > -INFINITY && (most - s) / unit <= 2 * r->jitter))
                sum += expf(s - most);
        }
        weights[i] = 1 / sum;
        values[best] = -INFINITY;
    }
}

void route(const struct routing *r, const struct kernels *k, float *scores, const float *bias, float *work,
           uint32_t *chosen, float *weights)
{
    if (r->gating == GATING_SPARSEMIXER) {
        for (uint32_t i = 0; i < r->n_expert; i++)
            work[i] = fmaxf(scores[i], -FLT_MAX);
        mix_sparsely(r, work, chosen, weights);
        return;
    }
    if (r->gating == GATING_SOFTMAX)
        k->softmax(scores, r->n_expert);
    else
        for (uint32_t i = 0; i < r->n_expert; i++)
            scores[i] = 1 / (1 + expf(-scores[i]));
    choose(r, scores, bias, work, chosen);
    float sum = 0;
    for (uint32_t i = 0; i < r->n_used; i++)
        sum += weights[i] = scores[chosen[i]];
    for (uint32_t i = 0; i < r->n_used; i++)
        weights[i] *= r->normalise && sum > 0 ? r->scale / sum : r->scale;
}
