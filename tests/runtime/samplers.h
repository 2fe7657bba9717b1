/* samplers.h - the samplers that tests begin from. Include cmocka.h first. */
#ifndef TESTS_RUNTIME_SAMPLERS_H
#define TESTS_RUNTIME_SAMPLERS_H

#include "include/infer.h"

/** A sampler that only draws: every stage off. */
static inline infer_sampler_options plain(void)
{
    infer_sampler_options o = infer_sampler_defaults();
    o.temperature = 1;
    o.top_k = 0;
    o.top_p = 1;
    o.min_p = 0;
    return o;
}

static inline infer_sampler *open_sampler_in(infer_context *context, const infer_sampler_options *o)
{
    infer_error err = { 0 };
    infer_sampler *s = infer_sampler_open(context, o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

#endif
