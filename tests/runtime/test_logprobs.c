/* test_logprobs.c - log-probabilities against their formula, and those of a text against its logits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/embedded.h"

#include <math.h>
#include <stdlib.h>

static double reference(const float *logits, int n, int id)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += isfinite(logits[i]) ? exp((double)logits[i] - (double)logits[id]) : 0;
    return -log(sum);
}

static void test_they_are_logarithms_of_soft_max(void **state)
{
    (void)state;
    const float logits[] = { 2, -1, NAN, 5, -INFINITY, 5, 0.5f, -80, INFINITY };
    infer_logprob top[8];
    float logprob;
    for (int id = 0; id < 9; id++) {
        assert_int_equal(infer_logprobs(logits, 9, id, &logprob, top, 8, NULL), INFER_OK);
        if (isfinite(logits[id]))
            assert_true(fabs((double)logprob - reference(logits, 9, id)) < 1e-6 * (1 + fabs(reference(logits, 9, id))));
        else
            assert_true(logprob == -INFINITY);
    }
    const int32_t order[] = { 3, 5, 0, 6, 1, 7, -1, -1 };
    for (int i = 0; i < 8; i++) {
        assert_int_equal(top[i].id, order[i]);
        if (order[i] >= 0)
            assert_int_equal(infer_logprobs(logits, 9, order[i], &logprob, NULL, 0, NULL), INFER_OK);
        assert_true(order[i] >= 0 ? top[i].logprob == logprob : top[i].logprob == -INFINITY);
    }
    assert_int_equal(infer_logprobs(logits, 9, 9, &logprob, NULL, 0, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_logprobs(logits, 9, 0, &logprob, top, INFER_MAX_TOP + 1, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_logprobs(logits, 9, 0, &logprob, NULL, 1, NULL), INFER_E_ARGUMENT);
}

static void test_those_of_a_text_are_those_of_its_logits(void **state)
{
    (void)state;
    enum { N = 20, TOP = 3 };
    int32_t ids[N];
    float found[N], expected;
    infer_logprob top[N][TOP], best[TOP];
    infer_error err;
    infer_session_options so = infer_session_defaults();
    so.precision = INFER_EXACT;
    infer_session *one = infer_session_open(model, &so, NULL), *all = infer_session_open(model, &so, NULL);
    const int32_t n_vocab = infer_tokenizer_size(infer_model_tokenizer(model));
    for (int i = 0; i < N; i++)
        ids[i] = (i * 37 + 11) % n_vocab;
    assert_int_equal(infer_session_logprobs(all, ids, 8, found, top[0], TOP, NULL), INFER_OK);
    assert_int_equal(infer_session_logprobs(all, ids + 8, N - 8, found + 8, top[8], TOP, NULL), INFER_OK);
    assert_true(isnan(found[0]) && top[0][0].id == -1);
    assert_int_equal(infer_session_length(all), N);
    for (int i = 0; i < N; i++) {
        const float *logits = infer_session_logits(one);
        if (i) {
            assert_int_equal(infer_logprobs(logits, n_vocab, ids[i], &expected, best, TOP, NULL), INFER_OK);
            if (!(fabsf(found[i] - expected) < 1e-3f)) /* a token alone and one of many are rounded otherwise */
                fail_msg("token %d: %g, expected %g", i, (double)found[i], (double)expected);
            assert_int_equal(top[i][0].id, best[0].id);
        }
        assert_int_equal(infer_session_eval(one, &ids[i], 1, NULL), INFER_OK);
    }
    ids[3] = n_vocab + 100000;
    assert_int_equal(infer_session_logprobs(all, ids, N, found, NULL, 0, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_session_length(all), N);
    assert_int_equal(infer_session_logprobs(all, ids, 0, NULL, NULL, 0, NULL), INFER_OK);
    infer_session_close(&one);
    infer_session_close(&all);
}

struct seen {
    size_t n;
    double sum;
    bool best;
};

static void see(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct seen *s = user;
    s->n++;
    s->sum += (double)logprob;
    s->best = s->best && n_top == 2 && top[0].id == id && top[0].logprob == logprob && top[1].logprob <= logprob;
}

static void test_generation_tells_those_of_what_it_chooses(void **state)
{
    (void)state;
    infer_sampler_options so = infer_sampler_defaults();
    so.temperature = 0;
    infer_sampler *sampler = infer_sampler_open(context, &so, NULL);
    infer_session *session = infer_session_open(model, NULL, NULL);
    struct seen seen = { .best = true };
    infer_generate_options o = infer_generate_defaults();
    o.n_predict = 12;
    o.ignore_end = true;
    o.on_token = see;
    o.user = &seen;
    o.n_top = 2;
    assert_int_equal(infer_generate(session, sampler, "Once upon", 9, &o, NULL, NULL), INFER_OK);
    assert_int_equal(seen.n, 12);
    assert_true(seen.best && seen.sum < 0 && seen.sum > -60);
    o.n_top = INFER_MAX_TOP + 1;
    assert_int_equal(infer_generate(session, sampler, "a", 1, &o, NULL, NULL), INFER_E_ARGUMENT);
    infer_session_close(&session);
    infer_sampler_close(&sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_are_logarithms_of_soft_max),
        cmocka_unit_test(test_those_of_a_text_are_those_of_its_logits),
        cmocka_unit_test(test_generation_tells_those_of_what_it_chooses),
    };
    return cmocka_run_group_tests_name("logprobs", tests, open_model_1, close_model);
}
