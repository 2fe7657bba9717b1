/* embedded.h - the model inside the library, opened for all tests of a file. Include cmocka.h first. */
#ifndef TESTS_COMMON_EMBEDDED_H
#define TESTS_COMMON_EMBEDDED_H

#include "include/infer.h"

static infer_context *context;
static infer_model *model;

static inline void open_embedded(int n_threads)
{
    infer_context_options o = infer_context_defaults();
    infer_error err = { 0 };
    o.n_threads = n_threads;
    context = infer_context_open(&o, &err);
    model = context ? infer_model_open_default(context, NULL, &err) : NULL;
    if (!model)
        fail_msg("%s", err.message);
}

/** For one thread, and for two. */
static inline int open_model_1(void **state)
{
    (void)state;
    open_embedded(1);
    return 0;
}

static inline int open_model(void **state)
{
    (void)state;
    open_embedded(2);
    return 0;
}

static inline int close_model(void **state)
{
    (void)state;
    infer_model_close(&model);
    infer_context_close(&context);
    return 0;
}

#endif
