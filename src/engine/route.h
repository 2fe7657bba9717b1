/* route.h - which experts a token uses. */
#ifndef ENGINE_ROUTE_H
#define ENGINE_ROUTE_H

#include "kernels/kernels.h"
#include "src/arch/arch.h"

/** Choose r->n_used experts, all different, by a token's scores (n_expert of them, overwritten), best first, and their
 *  weights. bias: n_expert numbers that are added for the choice alone, or NULL. Of equal ones the first is the better.
 *  work: 2 * n_expert floats. */
void route(const struct routing *r, const struct kernels *k, float *scores, const float *bias, float *work,
           uint32_t *chosen, float *weights);

#endif
