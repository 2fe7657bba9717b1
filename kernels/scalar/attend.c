/* attend.c - attention of query rows to one block of keys, by running soft-max.
 *
 * A row carries the largest score so far, the sum of exp(score - max), and the values weighted so. A block with a
 * larger score first shrinks what is carried by exp(old max - new max). */
#include "kernels/scalar/dot.h"
#include "kernels/scalar/scalar.h"

#include <math.h>

/* Scores of the keys [first, last) for query row i; returns the largest. */
static float score_row(float *scores, const struct attend_block *b, int i)
{
    float max = -INFINITY;
    for (int j = b->first[i]; j < b->last[i]; j++) {
        float score = dot(b->q + (size_t)i * b->q_stride, b->k + (size_t)j * b->k_stride, (size_t)b->d_k);
        if (b->soft_cap != 0)
            score = b->soft_cap * tanhf(score / b->soft_cap);
        scores[j] = score;
        max = score > max ? score : max;
    }
    return max;
}

static void attend_row(const struct attend_block *b, int i)
{
    float scores[ATTEND_KEYS];
    const float block_max = score_row(scores, b, i);
    if (block_max == -INFINITY) /* no key, or none that can be seen */
        return;
    const float max = block_max > b->max[i] ? block_max : b->max[i];
    const float shrink = expf(b->max[i] - max); /* 0 for the first block, where the old one is -INFINITY */
    float *const out = b->out + (size_t)i * b->out_stride;
    b->max[i] = max;
    b->sum[i] *= shrink;
    for (int d = 0; d < b->d_v; d++)
        out[d] *= shrink;
    for (int j = b->first[i]; j < b->last[i]; j++) {
        const float weight = expf(scores[j] - max), *const v = b->v + (size_t)j * b->v_stride;
        b->sum[i] += weight;
        for (int d = 0; d < b->d_v; d++)
            out[d] += weight * v[d];
    }
}

static void attend(const struct attend_block *b)
{
    for (int i = 0; i < b->n_q; i++)
        attend_row(b, i);
}

void kernels_init_scalar_attend(struct kernels *k)
{
    k->attend = attend;
}
