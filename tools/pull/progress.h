/* progress.h - telling how far it has come, and being told to stop. */
#ifndef TOOLS_PULL_PROGRESS_H
#define TOOLS_PULL_PROGRESS_H

#include "tools/pull/pull.h"

struct progress {
    struct pull_progress now;
    pull_progress_fn *fn; /* or NULL */
    void *user;
};

/** False: it is to stop. */
static inline bool progress_tell(struct progress *p, enum pull_state state)
{
    p->now.state = state;
    return !p->fn || p->fn(p->user, &p->now);
}

#endif
