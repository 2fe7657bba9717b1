/* test_sampler.c - the sampler against formulas and against a naive reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/base/memory.h"
#include "src/sampler/elementary.h"
#include "src/sampler/random.h"
#include "src/sampler/recent.h"
#include "src/sampler/sampler.h"
#include "src/sampler/select.h"
#include "tests/sampler/samplers.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static infer_context *context;

/* An allocator that counts, and fails once `left` allocations have been made. */
static int n_allocations, left = -1;

static void *counting_alloc(void *user, size_t size)
{
    (void)user;
    n_allocations++;
    if (left == 0)
        return NULL;
    left -= left > 0;
    return mem_default.alloc(NULL, size);
}

static void counting_free(void *user, void *memory)
{
    (void)user;
    mem_default.free(NULL, memory);
}

static int open_context(void **state)
{
    (void)state;
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    o.allocator = (infer_allocator){ NULL, counting_alloc, counting_free };
    context = infer_context_open(&o, NULL);
    return context ? 0 : -1;
}

static int close_context(void **state)
{
    (void)state;
    infer_context_close(&context);
    return 0;
}

static infer_sampler *open_sampler(const infer_sampler_options *o)
{
    return open_sampler_in(context, o);
}

static float normal(struct random *r)
{
    const double u = 1 - random_uniform(r), v = random_uniform(r);
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

/* ---- The parts ---- */

/* The reference vectors of the authors' own C code. */
static void test_random_numbers_are_those_of_the_papers(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, 0);
    assert_true(r.s[0] == 0xe220a8397b1dcdaf && r.s[1] == 0x6e789e6aa1b965f4);
    assert_true(r.s[2] == 0x06c45d188009454f && r.s[3] == 0xf88bb8a8724c81ec);
    r = (struct random){ { 1, 2, 3, 4 } };
    const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600 };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(random_next(&r) == expected[i]);
    for (int i = 0; i < 1000; i++) {
        const double u = random_uniform(&r);
        assert_true(u >= 0 && u < 1);
    }
}

static void test_exp_is_within_its_bound(void **state)
{
    (void)state;
    double worst = 0;
    for (float x = 0; x > -86.9f; x -= 0.00173f) {
        const double error = fabs((double)exp_negative(x) / exp((double)x) - 1);
        worst = error > worst ? error : worst;
    }
    assert_true(worst < 2e-7);
    assert_true(exp_negative(0) == 1);
    assert_true(exp_negative(-88) == 0);
    assert_true(exp_negative(-INFINITY) == 0);
}

static int descending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

static void test_keys_order_as_their_logits_do(void **state)
{
    (void)state;
    const float logits[] = { FLT_MAX, 2, 1, FLT_MIN, 1e-45f, 0, -1e-45f, -FLT_MIN, -1, -FLT_MAX };
    for (size_t i = 0; i < sizeof logits / sizeof *logits; i++) {
        const uint64_t key = key_of(logits[i], 7);
        assert_true(key_logit(key) == logits[i] && key_id(key) == 7 && key > KEY_NONE);
        if (i)
            assert_true(key < key_of(logits[i - 1], INT32_MAX));
    }
    assert_true(key_of(1, 3) > key_of(1, 4));
    assert_true(key_of(-0.0f, 3) == key_of(0.0f, 3));
}

static void test_heap_agrees_with_qsort(void **state)
{
    (void)state;
    enum { N = 3000 };
    static uint64_t key[N], expected[N], few[N];
    struct random r;
    random_seed(&r, 1);
    const size_t sizes[] = { 0, 1, 2, 3, 100, N };
    for (size_t t = 0; t < sizeof sizes / sizeof *sizes; t++) {
        const size_t n = sizes[t];
        for (size_t i = 0; i < n; i++) /* many equal logits */
            key[i] = expected[i] = key_of(roundf(normal(&r) * 20), (int32_t)i);
        qsort(expected, n, sizeof *expected, descending);
        for (size_t k = 1; k < N; k = k * 3 + 1) {
            struct best best = { .key = few, .k = k };
            for (size_t i = 0; i < n; i++)
                best_offer(&best, key[i]);
            best_sort(&best);
            assert_int_equal(best.n, n < k ? n : k);
            assert_memory_equal(few, expected, best.n * sizeof *few);
        }
    }
}

static void test_recent_tokens_are_counted_within_their_window(void **state)
{
    (void)state;
    enum { N = 6000, IDS = 400 };
    static int32_t seen[N];
    const int32_t windows[] = { 1, 2, 7, 64, 3000, -1 };
    for (size_t t = 0; t < sizeof windows / sizeof *windows; t++) {
        struct recent recent;
        struct random r;
        random_seed(&r, t);
        assert_true(recent_open(&recent, &mem_default, windows[t]));
        uint32_t count[IDS] = { 0 };
        for (int i = 0; i < N; i++) {
            /* ids in clusters, so that they collide in the table */
            const int32_t index = (int32_t)(random_next(&r) % IDS);
            seen[i] = index;
            assert_true(recent_add(&recent, index * 1597));
            count[index]++;
            if (windows[t] > 0 && i >= windows[t])
                count[seen[i - windows[t]]]--;
            assert_int_equal(recent_count(&recent, index * 1597), count[index]);
            if (i % 50 == 0)
                for (int32_t j = 0; j < IDS; j++)
                    assert_int_equal(recent_count(&recent, j * 1597), count[j]);
        }
        recent_clear(&recent);
        for (int32_t j = 0; j < IDS; j++)
            assert_int_equal(recent_count(&recent, j * 1597), 0);
        recent_close(&recent);
    }
}

/* ---- Options ---- */

static void test_options_outside_their_range_are_refused_by_name(void **state)
{
    (void)state;
    const infer_sampler_options good = infer_sampler_defaults();
    struct {
        const char *name;
        infer_sampler_options o;
    } bad[] = {
        { "temperature", good }, { "temperature", good }, { "top_p", good }, { "min_p", good },
        { "repeat_penalty", good }, { "frequency_penalty", good }, { "presence_penalty", good },
        { "top_k", good }, { "repeat_last_n", good }, { "size", good },
    };
    bad[0].o.temperature = -1;
    bad[1].o.temperature = NAN;
    bad[2].o.top_p = 1.5f;
    bad[3].o.min_p = -0.1f;
    bad[4].o.repeat_penalty = 0;
    bad[5].o.frequency_penalty = INFINITY;
    bad[6].o.presence_penalty = NAN;
    bad[7].o.top_k = -1;
    bad[8].o.repeat_last_n = -2;
    bad[9].o.size = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        infer_error err = { 0 };
        assert_null(infer_sampler_open(context, &bad[i].o, &err));
        assert_int_equal(err.code, INFER_E_ARGUMENT);
        assert_non_null(strstr(err.message, bad[i].name));
    }
    assert_null(infer_sampler_open(NULL, NULL, NULL));
}

static void test_an_older_and_shorter_options_struct_leaves_the_rest_at_its_defaults(void **state)
{
    (void)state;
    infer_sampler_options o = plain();
    o.temperature = 0;
    o.repeat_penalty = 0; /* beyond the older struct's end: not read */
    o.size = offsetof(infer_sampler_options, top_k);
    infer_sampler *s = open_sampler(&o);
    assert_int_equal(infer_sampler_sample(s, (float[]){ 1, 3, 2 }, 3), 1);
    infer_sampler_close(&s);
    assert_null(s);
    infer_sampler_close(&s);
}

/* ---- Greedy ---- */

static void test_temperature_0_takes_the_largest_and_of_equals_the_first(void **state)
{
    (void)state;
    infer_sampler_options o = infer_sampler_defaults();
    o.temperature = 0;
    infer_sampler *s = open_sampler(&o);
    assert_int_equal(infer_sampler_sample(s, (float[]){ 1, 3, 2, 3 }, 4), 1);
    assert_int_equal(infer_sampler_sample(s, (float[]){ -5 }, 1), 0);
    assert_int_equal(infer_sampler_sample(s, (float[]){ -0.0f, 0.0f }, 2), 0);
    float logits[200];
    struct random r;
    random_seed(&r, 3);
    for (int t = 0; t < 200; t++) {
        int best = 0;
        for (int i = 0; i <= t; i++) {
            logits[i] = roundf(normal(&r) * 3);
            best = logits[i] > logits[best] ? i : best;
        }
        assert_int_equal(infer_sampler_sample(s, logits, t + 1), best);
    }
    infer_sampler_close(&s);
}

static void test_logits_that_are_not_finite_are_never_chosen(void **state)
{
    (void)state;
    const float temperatures[] = { 0, 1 };
    const int32_t ks[] = { 0, 5, 40, 2000 };
    for (int t = 0; t < 2; t++) {
        for (int k = 0; k < 4; k++) {
            infer_sampler_options o = infer_sampler_defaults();
            o.temperature = temperatures[t];
            o.top_k = ks[k];
            infer_sampler *s = open_sampler(&o);
            float logits[100];
            for (int i = 0; i < 100; i++)
                logits[i] = i % 3 == 0 ? INFINITY : i % 3 == 1 ? NAN : -INFINITY;
            assert_int_equal(infer_sampler_sample(s, logits, 100), -1);
            logits[77] = -FLT_MAX;
            assert_int_equal(infer_sampler_sample(s, logits, 100), 77);
            assert_int_equal(infer_sampler_sample(s, logits, 0), -1);
            assert_int_equal(infer_sampler_sample(s, NULL, 5), -1);
            infer_sampler_close(&s);
        }
    }
}

static void test_a_small_temperature_approaches_the_largest(void **state)
{
    (void)state;
    infer_sampler_options o = plain();
    const float temperatures[] = { 0.01f, 1e-30f, 1e-45f };
    for (int t = 0; t < 3; t++) {
        o.temperature = temperatures[t];
        infer_sampler *s = open_sampler(&o);
        for (int i = 0; i < 100; i++)
            assert_int_equal(infer_sampler_sample(s, (float[]){ 1, 2, 4, 3 }, 4), 2);
        infer_sampler_close(&s);
    }
}

static void test_extreme_logits_give_a_token(void **state)
{
    (void)state;
    infer_sampler_options o = infer_sampler_defaults();
    const int32_t ks[] = { 0, 2, 2000 };
    const float temperatures[] = { 1e-45f, 1, FLT_MAX };
    for (int k = 0; k < 3; k++) {
        for (int t = 0; t < 3; t++) {
            o.top_k = ks[k];
            o.temperature = temperatures[t] > 3e38f ? 3e38f : temperatures[t];
            infer_sampler *s = open_sampler(&o);
            for (int i = 0; i < 20; i++)
                assert_int_equal(infer_sampler_sample(s, (float[]){ -FLT_MAX, FLT_MAX, -FLT_MAX }, 3), 1);
            infer_sampler_close(&s);
        }
    }
}

/* ---- The filters against a naive reference ---- */

struct token {
    float logit;
    int32_t id;
};

static int by_logit(const void *a, const void *b)
{
    const struct token *x = a, *y = b;
    return x->logit != y->logit ? (x->logit < y->logit) - (x->logit > y->logit) : x->id - y->id;
}

/* Which tokens the filters keep, straight from their definitions. Returns how many. */
static int reference(const infer_sampler_options *o, const float *logits, int n, bool *kept)
{
    struct token *t = calloc((size_t)n, sizeof *t);
    for (int i = 0; i < n; i++)
        t[i] = (struct token){ logits[i], i };
    qsort(t, (size_t)n, sizeof *t, by_logit);
    int m = o->top_k && o->top_k < n ? o->top_k : n;
    if (o->top_p < 1) {
        double total = 0, sum = 0;
        for (int i = 0; i < m; i++)
            total += exp((double)t[i].logit - (double)t[0].logit);
        for (int i = 0; i < m; i++) {
            sum += exp((double)t[i].logit - (double)t[0].logit) / total;
            if (sum >= (double)o->top_p)
                m = i + 1;
        }
    }
    int n_kept = 0;
    memset(kept, 0, (size_t)n * sizeof *kept);
    for (int i = 0; i < m; i++)
        if (exp((double)t[i].logit - (double)t[0].logit) >= (double)o->min_p)
            kept[t[i].id] = true, n_kept++;
    free(t);
    return n_kept;
}

/* A very high temperature makes all tokens that the filters keep equally likely, so that some draws show the whole
 * set. */
static void check_kept(infer_sampler_options o, const float *logits, int n, struct random *r)
{
    static bool kept[8000], seen[8000];
    const int n_kept = reference(&o, logits, n, kept);
    o.temperature = 1e6f;
    o.seed = random_next(r);
    infer_sampler *s = open_sampler(&o);
    memset(seen, 0, sizeof seen);
    int n_seen = 0;
    for (int i = 0; i < 20 * (n_kept < 64 ? n_kept : 64); i++) {
        const int32_t id = infer_sampler_sample(s, logits, n);
        assert_in_range(id, 0, n - 1);
        if (!kept[id])
            fail_msg("token %d of %d was chosen: k %d, p %g, min_p %g", (int)id, n, (int)o.top_k, o.top_p, o.min_p);
        n_seen += !seen[id];
        seen[id] = true;
    }
    if (n_kept <= 64 && n_seen != n_kept)
        fail_msg("%d of %d kept tokens were chosen: n %d, k %d, p %g, min_p %g", n_seen, n_kept, n, (int)o.top_k,
                 o.top_p, o.min_p);
    infer_sampler_close(&s);
}

static void test_each_filter_and_all_together_keep_what_their_definitions_say(void **state)
{
    (void)state;
    static float logits[8000];
    const int sizes[] = { 1, 2, 31, 32, 33, 300, 8000 };
    const int32_t ks[] = { 0, 1, 3, 40, 1024, 1025, 5000, 100000 };
    const float ps[] = { 1, 0.95f, 0.5f, 0.01f, 0 };
    const float min_ps[] = { 0, 0.05f, 0.9f, 1 };
    struct random r;
    random_seed(&r, 4);
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        for (int i = 0; i < sizes[n]; i++)
            logits[i] = normal(&r) * 3;
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
            for (size_t p = 0; p < sizeof ps / sizeof *ps; p++)
                for (size_t m = 0; m < sizeof min_ps / sizeof *min_ps; m++) {
                    infer_sampler_options o = plain();
                    o.top_k = ks[k];
                    o.top_p = ps[p];
                    o.min_p = min_ps[m];
                    check_kept(o, logits, sizes[n], &r);
                }
    }
}

static void test_of_equal_logits_the_filters_keep_the_lower_ids(void **state)
{
    (void)state;
    float logits[500];
    for (int i = 0; i < 500; i++)
        logits[i] = 1;
    struct random r;
    random_seed(&r, 5);
    const int32_t ks[] = { 1, 7, 33 };
    for (int k = 0; k < 3; k++) {
        infer_sampler_options o = plain();
        o.top_k = ks[k];
        check_kept(o, logits, 500, &r);
        o.top_k = 0;
        o.top_p = (float)ks[k] / 500 - 0.0005f; /* half a token below the step */
        check_kept(o, logits, 500, &r);
    }
}

/* ---- Distribution ---- */

/* Pearson's statistic of draws against softmax(logits / temperature). */
static double chi_square(const infer_sampler_options *o, const float *logits, double temperature)
{
    enum { N = 8, DRAWS = 20000 };
    double p[N], total = 0, chi = 0;
    for (int i = 0; i < N; i++)
        total += p[i] = exp((double)logits[i] / temperature);
    int count[N] = { 0 };
    infer_sampler *s = open_sampler(o);
    for (int i = 0; i < DRAWS; i++)
        count[infer_sampler_sample(s, logits, N)]++;
    for (int i = 0; i < N; i++) {
        const double expected = DRAWS * p[i] / total;
        chi += (count[i] - expected) * (count[i] - expected) / expected;
    }
    infer_sampler_close(&s);
    return chi;
}

static void test_draws_follow_softmax(void **state)
{
    (void)state;
    const double limit = 24.32; /* 7 degrees of freedom: exceeded once in a thousand, but the seeds are fixed */
    const float logits[8] = { 0.5f, -1, 2, 1.5f, -2, 0, 1, 2 };
    const float temperatures[] = { 0.5f, 0.8f, 1, 3 };
    for (int t = 0; t < 4; t++) {
        infer_sampler_options o = plain();
        o.seed = 10 + (uint64_t)t;
        o.temperature = temperatures[t];
        assert_true(chi_square(&o, logits, (double)o.temperature) < limit); /* all tokens, in no order */
        o.top_k = 8;
        assert_true(chi_square(&o, logits, (double)o.temperature) < limit); /* the best few */
        o.top_k = 0;
        o.top_p = 0.99999f;
        assert_true(chi_square(&o, logits, (double)o.temperature) < limit); /* in order, for top-p */
        assert_true(chi_square(&o, logits, 1.3 * (double)o.temperature) > limit); /* the test does tell */
    }
}

/* ---- Penalties ---- */

static void test_penalties_are_exactly_their_formula(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, 6);
    for (int t = 0; t < 500; t++) {
        infer_sampler_options o = plain();
        o.temperature = 0;
        o.repeat_penalty = 0.8f + (float)random_uniform(&r);
        o.frequency_penalty = normal(&r);
        o.presence_penalty = normal(&r);
        infer_sampler *s = open_sampler(&o);
        const float logit = normal(&r) * 4;
        const int count = 1 + (int)(random_next(&r) % 5);
        for (int i = 0; i < count; i++)
            infer_sampler_accept(s, 1);
        float x = logit > 0 ? logit / o.repeat_penalty : logit * o.repeat_penalty;
        x -= (float)count * o.frequency_penalty + o.presence_penalty;
        /* token 0, which is not recent, sets the mark: it wins a tie, and loses by the smallest step */
        assert_int_equal(infer_sampler_sample(s, (float[]){ x, logit }, 2), 0);
        assert_int_equal(infer_sampler_sample(s, (float[]){ nextafterf(x, -INFINITY), logit }, 2), 1);
        infer_sampler_close(&s);
    }
}

static void test_penalties_reach_tokens_wherever_they_rank(void **state)
{
    (void)state;
    enum { N = 3000 };
    static float logits[N], penalized[N];
    struct random r;
    random_seed(&r, 7);
    const int32_t ks[] = { 1, 10, 0, 2000 };
    for (int t = 0; t < 40; t++) {
        infer_sampler_options o = plain();
        o.top_k = ks[t % 4];
        o.repeat_penalty = t & 4 ? 1.4f : 0.7f; /* below 1 lifts tokens up into the best */
        o.presence_penalty = t & 8 ? -2.0f : 0.5f;
        o.temperature = 0.7f;
        infer_sampler *s = open_sampler(&o);
        infer_sampler_options none = plain();
        none.top_k = o.top_k;
        none.temperature = o.temperature;
        infer_sampler *naive = open_sampler(&none);
        for (int i = 0; i < N; i++)
            logits[i] = penalized[i] = normal(&r) * 3;
        for (int i = 0; i < 30; i++) {
            const int32_t id = (int32_t)(random_next(&r) % N);
            infer_sampler_accept(s, id);
            float x = logits[id] > 0 ? logits[id] / o.repeat_penalty : logits[id] * o.repeat_penalty;
            x -= o.presence_penalty;
            penalized[id] = x; /* the count plays no part: no frequency penalty */
        }
        infer_sampler_accept(s, N + 5); /* outside this vocabulary: no matter */
        infer_sampler_accept(s, -1);
        for (int i = 0; i < 20; i++)
            assert_int_equal(infer_sampler_sample(s, logits, N), infer_sampler_sample(naive, penalized, N));
        infer_sampler_close(&naive);
        infer_sampler_close(&s);
    }
}

static void test_penalties_end_with_the_window_and_with_reset(void **state)
{
    (void)state;
    const float logits[] = { 1, 2, 0, 0, 0 };
    const int32_t windows[] = { 3, -1, 0 };
    for (int w = 0; w < 3; w++) {
        infer_sampler_options o = plain();
        o.temperature = 0;
        o.presence_penalty = 5;
        o.repeat_last_n = windows[w];
        infer_sampler *s = open_sampler(&o);
        assert_int_equal(infer_sampler_sample(s, logits, 5), 1);
        infer_sampler_accept(s, 1);
        assert_int_equal(infer_sampler_sample(s, logits, 5), windows[w] ? 0 : 1);
        infer_sampler_accept(s, 2);
        infer_sampler_accept(s, 3);
        assert_int_equal(infer_sampler_sample(s, logits, 5), windows[w] ? 0 : 1);
        infer_sampler_accept(s, 4); /* the fourth: token 1 leaves a window of 3 */
        assert_int_equal(infer_sampler_sample(s, logits, 5), windows[w] < 0 ? 0 : 1);
        infer_sampler_accept(s, 1);
        infer_sampler_reset(s);
        assert_int_equal(infer_sampler_sample(s, logits, 5), 1);
        infer_sampler_close(&s);
    }
}

static void test_banned_tokens_are_never_chosen(void **state)
{
    (void)state;
    const float logits[] = { 9, 1, 8, 0, 7 };
    const int32_t banned[] = { -3, 0, 2, 4, 99 };
    const int32_t ks[] = { 0, 2, 2000 };
    for (int k = 0; k < 3; k++) {
        infer_sampler_options o = plain();
        o.top_k = ks[k];
        o.presence_penalty = 0.5f;
        infer_sampler *s = open_sampler(&o);
        infer_sampler_accept(s, 2); /* recent and banned */
        for (int i = 0; i < 200; i++) {
            const int32_t id = sampler_sample_except(s, logits, 5, banned, 5);
            assert_true(id == 1 || id == 3);
        }
        assert_int_equal(sampler_sample_except(s, logits, 1, banned, 5), -1);
        infer_sampler_close(&s);
    }
}

/* ---- Reproducibility and memory ---- */

static void test_a_seed_gives_the_same_tokens_everywhere(void **state)
{
    (void)state;
    float logits[1000];
    for (int i = 0; i < 1000; i++)
        logits[i] = (float)((i * 7919) % 1000) / 100;
    infer_sampler_options o = infer_sampler_defaults();
    o.seed = 42;
    const int32_t ks[] = { 40, 0 };
    static const int32_t expected[2][12] = { /* as a few lines of Python with doubles give them */
        { 963, 173, 704, 235, 198, 988, 346, 272, 988, 420, 704, 210 },
        { 99, 383, 669, 926, 988, 778, 718, 853, 766, 593, 680, 287 },
    };
    for (int k = 0; k < 2; k++) {
        o.top_k = ks[k];
        o.min_p = k ? 0 : 0.05f;
        infer_sampler *s = open_sampler(&o), *same = open_sampler(&o);
        for (int i = 0; i < 12; i++) {
            const int32_t id = infer_sampler_sample(s, logits, 1000);
            assert_int_equal(id, expected[k][i]);
            assert_int_equal(id, infer_sampler_sample(same, logits, 1000));
        }
        infer_sampler_reset(s);
        assert_int_equal(infer_sampler_sample(s, logits, 1000), expected[k][0]);
        infer_sampler_close(&same);
        infer_sampler_close(&s);
    }
    o.seed = 43;
    infer_sampler *other = open_sampler(&o);
    int n_same = 0;
    for (int i = 0; i < 12; i++)
        n_same += infer_sampler_sample(other, logits, 1000) == expected[1][i];
    assert_true(n_same < 6);
    infer_sampler_close(&other);
}

static void test_sampling_takes_no_memory_after_the_first_token(void **state)
{
    (void)state;
    static float logits[5000];
    const int32_t ks[] = { 0, 40, 3000 };
    for (int k = 0; k < 3; k++) {
        infer_sampler_options o = infer_sampler_defaults();
        o.top_k = ks[k];
        o.repeat_penalty = 1.1f;
        infer_sampler *s = open_sampler(&o);
        infer_sampler_accept(s, infer_sampler_sample(s, logits, 5000));
        const int before = n_allocations;
        for (int i = 0; i < 300; i++) {
            const int32_t id = infer_sampler_sample(s, logits, i % 2 ? 5000 : 100);
            assert_true(id >= 0);
            infer_sampler_accept(s, id);
        }
        assert_int_equal(n_allocations, before);
        infer_sampler_close(&s);
    }
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    float logits[3000] = { 0 };
    infer_sampler_options o = plain();
    o.presence_penalty = 1;
    o.repeat_last_n = -1;
    for (int n = 0; n < 40; n++) {
        infer_error err = { 0 };
        left = n;
        infer_sampler *s = infer_sampler_open(context, &o, &err);
        bool failed = !s;
        if (!s)
            assert_int_equal(err.code, INFER_E_NOMEM);
        for (int i = 0; s && i < 3000; i++)
            infer_sampler_accept(s, i);
        if (s)
            failed = infer_sampler_sample(s, logits, 3000) < 0;
        infer_sampler_close(&s);
        left = -1;
        if (!failed)
            return;
        assert_true(n < 39);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_numbers_are_those_of_the_papers),
        cmocka_unit_test(test_exp_is_within_its_bound),
        cmocka_unit_test(test_keys_order_as_their_logits_do),
        cmocka_unit_test(test_heap_agrees_with_qsort),
        cmocka_unit_test(test_recent_tokens_are_counted_within_their_window),
        cmocka_unit_test(test_options_outside_their_range_are_refused_by_name),
        cmocka_unit_test(test_an_older_and_shorter_options_struct_leaves_the_rest_at_its_defaults),
        cmocka_unit_test(test_temperature_0_takes_the_largest_and_of_equals_the_first),
        cmocka_unit_test(test_logits_that_are_not_finite_are_never_chosen),
        cmocka_unit_test(test_a_small_temperature_approaches_the_largest),
        cmocka_unit_test(test_extreme_logits_give_a_token),
        cmocka_unit_test(test_each_filter_and_all_together_keep_what_their_definitions_say),
        cmocka_unit_test(test_of_equal_logits_the_filters_keep_the_lower_ids),
        cmocka_unit_test(test_draws_follow_softmax),
        cmocka_unit_test(test_penalties_are_exactly_their_formula),
        cmocka_unit_test(test_penalties_reach_tokens_wherever_they_rank),
        cmocka_unit_test(test_penalties_end_with_the_window_and_with_reset),
        cmocka_unit_test(test_banned_tokens_are_never_chosen),
        cmocka_unit_test(test_a_seed_gives_the_same_tokens_everywhere),
        cmocka_unit_test(test_sampling_takes_no_memory_after_the_first_token),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("sampler", tests, open_context, close_context);
}
