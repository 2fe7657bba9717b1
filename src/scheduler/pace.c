/* pace.c - running estimates, quick to get worse and slow to get better: a bound is to hold in the steps that are slow.
 *
 * A prompt's token costs the more the further its prompt has come (attention), and the less the more of them are in a
 * step (weights are read once). Both change slowly from step to step, so one number that follows is enough. */
#include "src/scheduler/pace.h"

enum { FIRST = 32 }; /* tokens while nothing is known */

uint32_t pace_allows(const struct pace *p, uint32_t room)
{
    const double margin = 0.9, left = margin * p->most - p->step;
    uint32_t n = room;
    if (p->most > 0 && !(p->per_token > 0))
        n = FIRST;
    else if (p->most > 0)
        n = left < PACE_LEAST * p->per_token ? PACE_LEAST
            : left < room * p->per_token ? (uint32_t)(left / p->per_token) : room;
    return n < room ? n : room;
}

static void follow(double *estimate, double seen)
{
    const double share = !(*estimate > 0) ? 1 : seen > *estimate ? 0.5 : 0.1;
    *estimate += share * (seen - *estimate);
}

void pace_learn(struct pace *p, uint32_t n_prompt, uint32_t n_texts, double seconds)
{
    if (!n_prompt && n_texts)
        follow(&p->step, seconds);
    else if (n_prompt && seconds > (n_texts ? p->step : 0))
        follow(&p->per_token, (seconds - (n_texts ? p->step : 0)) / n_prompt);
}
