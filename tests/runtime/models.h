/* models.h - what tests of sessions begin with: a small model, once one whose layers see all and once one of which some
 * have a window, and texts for them. For tests only: failures are cmocka's. */
#ifndef TESTS_MODELS_H
#define TESTS_MODELS_H

#include "tests/reference/reference.h"

enum { N_VOCAB = 96 }; /* of both */
#define PLAIN "tests/data/tiny/qwen3/model.gguf"
#define WINDOWED "tests/data/tiny/gemma3/model.gguf"

struct fixture {
    infer_context *context;
    infer_model *model;
};

static inline int set_up_with(void **state, const char *path)
{
    static struct fixture f;
    infer_error err;
    f.context = open_context(NULL, 2);
    f.model = infer_model_open(f.context, path, NULL, &err);
    if (!f.model)
        fail_msg("%s", err.message);
    *state = &f;
    return 0;
}

static inline int set_up_plain(void **state)
{
    return set_up_with(state, PLAIN);
}

static inline int set_up_windowed(void **state)
{
    return set_up_with(state, WINDOWED);
}

static inline int tear_down_model(void **state)
{
    struct fixture *f = *state;
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    return 0;
}

#define WITH_PLAIN(test) cmocka_unit_test_setup_teardown(test, set_up_plain, tear_down_model)
#define WITH_BOTH(test) \
    WITH_PLAIN(test), { "windowed: " #test, test, set_up_windowed, tear_down_model, NULL }

/** Two texts, which are the same up to token 200; other: or NULL. */
static inline void make_texts(int32_t *ids, int32_t *other, int n)
{
    for (int i = 0; i < n; i++) {
        ids[i] = i * 7 % N_VOCAB;
        if (other)
            other[i] = i < 200 ? ids[i] : i * 5 % N_VOCAB;
    }
}

/** How many tokens infer_session_sync() computes. */
static inline size_t sync_to(infer_session *s, const int32_t *tokens, size_t n)
{
    size_t computed = 99999;
    infer_error err;
    if (infer_session_sync(s, tokens, n, &computed, &err) != INFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(infer_session_length(s), n);
    return computed;
}

#endif
