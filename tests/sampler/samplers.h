/* samplers.h - the samplers that tests begin from. Include cmocka.h first. */
#ifndef TESTS_SAMPLER_SAMPLERS_H
#define TESTS_SAMPLER_SAMPLERS_H

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

/** A session of n_ctx tokens, and a sampler that takes the likeliest. */
static inline void open_greedy(infer_model *model, int32_t n_ctx, infer_context *context, infer_session **session,
                               infer_sampler **sampler)
{
    infer_session_options so = infer_session_defaults();
    infer_sampler_options o = infer_sampler_defaults();
    so.n_ctx = n_ctx;
    o.temperature = 0;
    *session = infer_session_open(model, &so, NULL);
    assert_non_null(*session);
    *sampler = open_sampler_in(context, &o);
}

#endif
