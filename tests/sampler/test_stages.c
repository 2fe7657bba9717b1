/* test_stages.c - what each stage leaves, against llama.cpp's samplers and against formulas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/sampler/stages.h"

#include "src/sampler/elementary.h"
#include "src/sampler/sampler.h"
#include "tests/common/counting.h"
#include "tests/common/embedded.h"
#include "tests/sampler/samplers.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static infer_sampler *open_sampler(const infer_sampler_options *o)
{
    return open_sampler_in(context, o);
}

/* After a choice: the probability of each token that was left. Returns how many were. */
static size_t distribution(const infer_sampler *s, double *p, size_t n)
{
    const struct candidates *c = &s->candidates;
    double total = 0;
    memset(p, 0, n * sizeof *p);
    for (size_t i = 0; i < c->n; i++)
        total += (double)c->weight[i];
    for (size_t i = 0; i < c->n; i++)
        p[candidates_id(c, i)] = (double)c->weight[i] / total;
    return c->n;
}

/* ---- llama.cpp ---- */

enum { N = 400 };

/* As tests/data/sampler/make.py has it. */
static void make_logits(float *logits, int64_t seed)
{
    for (int64_t i = 0; i < N; i++) {
        const double x = (double)((i * 7919 + seed * 104729) % 1009) / 1009 * 2 - 1;
        logits[i] = (float)(9 * x * x * x);
    }
}

static void set_option(infer_sampler_options *o, const char *key, const json_t *value)
{
    const struct {
        const char *key;
        float *real;
        int32_t *whole;
    } fields[] = {
        { "temperature", &o->temperature, NULL }, { "top_k", NULL, &o->top_k }, { "top_p", &o->top_p, NULL },
        { "min_p", &o->min_p, NULL }, { "typical_p", &o->typical_p, NULL },
        { "top_n_sigma", &o->top_n_sigma, NULL }, { "xtc_probability", &o->xtc_probability, NULL },
        { "xtc_threshold", &o->xtc_threshold, NULL }, { "dynatemp_range", &o->dynatemp_range, NULL },
        { "dynatemp_exponent", &o->dynatemp_exponent, NULL }, { "repeat_penalty", &o->repeat_penalty, NULL },
        { "repeat_last_n", NULL, &o->repeat_last_n }, { "frequency_penalty", &o->frequency_penalty, NULL },
        { "presence_penalty", &o->presence_penalty, NULL }, { "dry_multiplier", &o->dry_multiplier, NULL },
        { "dry_base", &o->dry_base, NULL }, { "dry_allowed_length", NULL, &o->dry_allowed_length },
        { "dry_last_n", NULL, &o->dry_last_n }, { "mirostat", NULL, &o->mirostat },
        { "mirostat_tau", &o->mirostat_tau, NULL },
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strcmp(fields[i].key, key)) {
            if (fields[i].real)
                *fields[i].real = (float)json_number_value(value);
            else
                *fields[i].whole = (int32_t)json_integer_value(value);
            return;
        }
    fail_msg("no option %s", key);
}

static infer_sampler_stage stage_of(const char *name)
{
    infer_sampler_stage stage = 0;
    while (infer_sampler_stage_name(stage) && strcmp(infer_sampler_stage_name(stage), name) != 0)
        stage++;
    assert_non_null(infer_sampler_stage_name(stage));
    return stage;
}

static infer_sampler *sampler_of_case(const json_t *row)
{
    infer_sampler_options o = plain();
    infer_sampler_stage stages[MAX_STAGES];
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(row, "options"), key, value)
        set_option(&o, key, value);
    const json_t *list = json_object_get(row, "stages");
    for (; o.n_stages < json_array_size(list); o.n_stages++)
        stages[o.n_stages] = stage_of(json_string_value(json_array_get(list, o.n_stages)));
    o.stages = o.n_stages ? stages : NULL;
    infer_sampler *s = open_sampler(&o);
    const json_t *history = json_object_get(row, "history");
    for (size_t i = 0; i < json_array_size(history); i++)
        infer_sampler_accept(s, (int32_t)json_integer_value(json_array_get(history, i)));
    return s;
}

static void test_each_stage_leaves_what_llama_cpp_leaves(void **state)
{
    (void)state;
    json_t *rows = json_load_file("tests/data/sampler/llama.json", 0, NULL);
    assert_true(json_array_size(rows) >= 25);
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r), *ids = json_object_get(row, "ids");
        const json_t *ps = json_object_get(row, "p");
        float logits[N];
        double p[N];
        make_logits(logits, json_integer_value(json_object_get(row, "seed")));
        infer_sampler *s = sampler_of_case(row);
        assert_true(infer_sampler_sample(s, logits, N) >= 0);
        const size_t n = distribution(s, p, N);
        if (n != json_array_size(ids))
            fail_msg("case %zu: %zu tokens are left, of llama.cpp %zu", r, n, json_array_size(ids));
        for (size_t i = 0; i < n; i++) {
            const double expected = json_real_value(json_array_get(ps, i));
            const double found = p[json_integer_value(json_array_get(ids, i))];
            if (!(fabs(found - expected) <= 2e-5 * expected + 2e-8))
                fail_msg("case %zu, token %d: %.8f, llama.cpp has %.8f", r,
                         (int)json_integer_value(json_array_get(ids, i)), found, expected);
        }
        infer_sampler_close(&s);
    }
    json_decref(rows);
}

/* ---- Logarithm ---- */

static void test_logarithm_is_within_its_bound(void **state)
{
    (void)state;
    for (double x = 1e-300; x < 1e300; x *= 1.0731) {
        const double expected = log(x), largest = fabs(expected) > 1 ? fabs(expected) : 1;
        assert_true(fabs(log_positive(x) - expected) <= 4e-16 * largest);
    }
    assert_true(log_positive(1) == 0);
}

/* ---- Many tokens ---- */

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Each score comes up some times; the cut must fall within those of one score by their order. */
static void test_a_cut_by_weight_keeps_the_fewest_that_reach_it(void **state)
{
    (void)state;
    enum { MANY = 50000 };
    static float logits[MANY], sorted[MANY];
    struct random r;
    random_seed(&r, 3);
    const float spreads[] = { 0, 0.01f, 1, 8, 1000 }, ps[] = { 0.1f, 0.5f, 0.95f, 0.9999f };
    const int32_t ks[] = { 1025, 30000 };
    for (int t = 0; t < 30; t++) {
        infer_sampler_options o = plain();
        const bool by_count = t >= 20;
        o.top_p = by_count ? 1 : ps[t % 4];
        o.top_k = by_count ? ks[t % 2] : 0;
        for (int i = 0; i < MANY; i++)
            logits[i] = sorted[i] = spreads[t % 5] * (float)(random_next(&r) % 5000) / 5000;
        qsort(sorted, MANY, sizeof *sorted, descending);
        double total = 0, sum = 0;
        for (int i = 0; i < MANY; i++)
            total += (double)exp_negative(sorted[i] - sorted[0]);
        size_t expected = 0;
        while (by_count ? expected < (size_t)o.top_k : expected < MANY && sum < (double)o.top_p * total)
            sum += (double)exp_negative(sorted[expected++] - sorted[0]);
        infer_sampler *s = open_sampler(&o);
        assert_true(infer_sampler_sample(s, logits, MANY) >= 0);
        const struct candidates *c = &s->candidates;
        assert_true(c->n + 1 >= expected && c->n <= expected + 1); /* sums of 50000 weights round */
        double kept = 0;
        int32_t tie = -1;
        for (size_t i = 0; i < c->n; i++) {
            const int32_t id = candidates_id(c, i);
            assert_true(logits[id] >= sorted[c->n - 1]);
            kept += (double)exp_negative(logits[id] - sorted[0]);
            assert_true(logits[id] != sorted[c->n - 1] || id > tie); /* of equal ones the lower ids */
            tie = logits[id] == sorted[c->n - 1] ? id : tie;
        }
        for (int32_t id = 0; id < tie; id++)
            if (logits[id] == sorted[c->n - 1]) {
                bool there = false;
                for (size_t i = 0; i < c->n && !there; i++)
                    there = candidates_id(c, i) == id;
                assert_true(there);
                break;
            }
        if (!by_count)
            assert_true(kept >= (double)o.top_p * total * (1 - 1e-12));
        infer_sampler_close(&s);
    }
}

/* ---- Draws ---- */

/* Pearson's statistic of draws by o against the distribution of a fixed set of tokens. */
static double chi_square(const infer_sampler_options *o, const float *logits, int n, const double *p, int draws)
{
    int count[16] = { 0 };
    double chi = 0;
    infer_sampler *s = open_sampler(o);
    for (int i = 0; i < draws; i++)
        count[infer_sampler_sample(s, logits, n)]++;
    infer_sampler_close(&s);
    for (int i = 0; i < n; i++) {
        if (!p[i])
            assert_int_equal(count[i], 0);
        chi += p[i] > 0 ? (count[i] - draws * p[i]) * (count[i] - draws * p[i]) / (draws * p[i]) : 0;
    }
    return chi;
}

/* With probability q the first two of three tokens above the threshold are left out. */
static void test_xtc_leaves_the_best_out_as_often_as_it_says(void **state)
{
    (void)state;
    const float logits[6] = { 2, 1.5f, 1, -1, -1.5f, 0.9f };
    infer_sampler_options o = plain();
    o.xtc_probability = 0.3f;
    o.xtc_threshold = 0.15f;
    o.seed = 5;
    double p[6], q[6], all = 0, rest = 0;
    for (int i = 0; i < 6; i++)
        all += exp((double)logits[i]);
    for (int i = 2; i < 6; i++)
        rest += exp((double)logits[i]);
    for (int i = 0; i < 6; i++) {
        p[i] = exp((double)logits[i]) / all;
        q[i] = 0.7 * p[i] + 0.3 * (i < 2 ? 0 : exp((double)logits[i]) / rest);
    }
    assert_true(p[2] >= 0.15 && p[5] < 0.15);
    const double limit = 20.52; /* 5 degrees of freedom: exceeded once in a thousand, but the seed is fixed */
    assert_true(chi_square(&o, logits, 6, q, 20000) < limit);
    assert_true(chi_square(&o, logits, 6, p, 20000) > limit); /* the test does tell */
}

/* The distance of each token's information from the entropy, straight from the definition. */
static void test_draws_of_typical_follow_its_formula(void **state)
{
    (void)state;
    const float logits[8] = { 3, 1.2f, 1, 0.9f, 0.5f, -1, -2, 0.7f };
    double p[8], total = 0, entropy = 0, sum = 0;
    bool kept[8] = { 0 };
    for (int i = 0; i < 8; i++)
        total += exp((double)logits[i]);
    for (int i = 0; i < 8; i++) {
        p[i] = exp((double)logits[i]) / total;
        entropy -= p[i] * log(p[i]);
    }
    while (sum < 0.5) {
        int nearest = -1;
        for (int i = 0; i < 8; i++)
            if (!kept[i] && (nearest < 0 || fabs(-log(p[i]) - entropy) < fabs(-log(p[nearest]) - entropy)))
                nearest = i;
        kept[nearest] = true;
        sum += p[nearest];
    }
    for (int i = 0; i < 8; i++)
        p[i] = kept[i] ? p[i] / sum : 0;
    infer_sampler_options o = plain();
    o.typical_p = 0.5f;
    o.seed = 9;
    assert_true(chi_square(&o, logits, 8, p, 20000) < 24.32); /* at most 7 degrees of freedom */
}

static void test_mirostat_holds_the_surprise_near_its_target(void **state)
{
    (void)state;
    static float logits[2000];
    for (int version = 1; version <= 2; version++) {
        infer_sampler_options o = plain();
        o.mirostat = version;
        o.mirostat_tau = 4;
        o.seed = 11;
        for (int i = 0; i < 2000; i++)
            logits[i] = -1.1f * (float)log(i + 1.0); /* Zipf's law */
        infer_sampler *s = open_sampler(&o);
        double sum = 0;
        for (int i = 0; i < 3000; i++) {
            const double before = s->mirostat_mu;
            assert_true(infer_sampler_sample(s, logits, 2000) >= 0);
            if (i >= 500)
                sum += 4 - (s->mirostat_mu - before) / (double)o.mirostat_eta;
        }
        assert_true(fabs(sum / 2500 - 4) < 0.1);
        infer_sampler_close(&s);
    }
}

/* ---- Options ---- */

static void test_stages_are_done_in_the_order_given_and_others_are_not(void **state)
{
    (void)state;
    const float logits[4] = { 3, 2, 1, 0 };
    infer_sampler_options o = plain();
    const infer_sampler_stage stages[] = { INFER_STAGE_TOP_K };
    o.top_k = 2;
    o.temperature = 0; /* not listed */
    o.stages = stages;
    o.n_stages = 1;
    double p[4];
    infer_sampler *s = open_sampler(&o);
    infer_sampler_sample(s, logits, 4);
    assert_int_equal(distribution(s, p, 4), 2);
    assert_true(fabs(p[1] - 1 / (1 + exp(1))) < 1e-6);
    infer_sampler_close(&s);
    o.n_stages = 0; /* a list without a stage */
    s = open_sampler(&o);
    infer_sampler_sample(s, logits, 4);
    assert_int_equal(distribution(s, p, 4), 4);
    infer_sampler_close(&s);
    const infer_sampler_stage wrong[] = { (infer_sampler_stage)9 };
    infer_error err;
    o.stages = wrong;
    o.n_stages = 1;
    assert_null(infer_sampler_open(context, &o, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_null(infer_sampler_stage_name((infer_sampler_stage)9));
    assert_string_equal(infer_sampler_stage_name(INFER_STAGE_TYPICAL), "typ_p");
}

/* llama.cpp's. Backwards the distribution is another one. */
static void test_the_default_order_is_penalties_dry_sigma_k_typical_p_min_p_xtc_temperature(void **state)
{
    (void)state;
    static const infer_sampler_stage order[] = {
        INFER_STAGE_PENALTIES, INFER_STAGE_DRY, INFER_STAGE_TOP_N_SIGMA, INFER_STAGE_TOP_K, INFER_STAGE_TYPICAL,
        INFER_STAGE_TOP_P, INFER_STAGE_MIN_P, INFER_STAGE_XTC, INFER_STAGE_TEMPERATURE,
    };
    enum { N_STAGES = sizeof order / sizeof *order, N_LOGITS = 64 };
    infer_sampler_stage back[N_STAGES];
    float logits[N_LOGITS];
    double p[3][N_LOGITS];
    for (int i = 0; i < N_LOGITS; i++)
        logits[i] = (float)(i * 37 % N_LOGITS) / 8;
    for (int i = 0; i < N_STAGES; i++)
        back[i] = order[N_STAGES - 1 - i];
    infer_sampler_options o = infer_sampler_defaults();
    o.temperature = 1.7f;
    o.top_k = 30;
    o.top_p = o.typical_p = 0.9f;
    o.min_p = 0.1f;
    o.top_n_sigma = 1.5f;
    o.repeat_penalty = 1.5f;
    for (int way = 0; way < 3; way++) {
        o.stages = way == 0 ? NULL : way == 1 ? order : back;
        o.n_stages = N_STAGES;
        infer_sampler *s = open_sampler(&o);
        infer_sampler_accept(s, 5);
        infer_sampler_sample(s, logits, N_LOGITS);
        distribution(s, p[way], N_LOGITS);
        infer_sampler_close(&s);
    }
    assert_memory_equal(p[0], p[1], sizeof p[0]);
    assert_memory_not_equal(p[0], p[2], sizeof p[0]);
}

static void test_temperature_0_takes_the_best_of_what_xtc_leaves(void **state)
{
    (void)state;
    const float logits[5] = { 5, 3.2f, 3.1f, 3, 2.9f };
    infer_sampler_options o = plain();
    o.temperature = 0;
    infer_sampler *s = open_sampler(&o);
    assert_int_equal(infer_sampler_sample(s, logits, 5), 0);
    infer_sampler_close(&s);
    o.xtc_probability = 1;
    o.xtc_threshold = 0.05f;
    s = open_sampler(&o);
    const int32_t id = infer_sampler_sample(s, logits, 5);
    assert_int_equal(id, 4);
    infer_sampler_close(&s);
}

static void test_biases_are_added_before_all_else(void **state)
{
    (void)state;
    const float logits[4] = { 1, 2, 3, 4 };
    const infer_logit_bias biases[] = { { 3, -INFINITY }, { 0, 1.5f }, { 1, 0.25f }, { 1, 0.25f }, { 9, 1 } };
    infer_sampler_options o = plain();
    o.biases = biases;
    o.n_biases = 5;
    double p[4];
    infer_sampler *s = open_sampler(&o);
    infer_sampler_sample(s, logits, 4);
    assert_int_equal(distribution(s, p, 4), 3);
    const double total = exp(2.5) + exp(2.5) + exp(3);
    assert_true(fabs(p[0] - exp(2.5) / total) < 1e-6 && fabs(p[1] - exp(2.5) / total) < 1e-6 && p[3] == 0);
    infer_sampler_close(&s);
    const infer_logit_bias bad[] = { { 1, INFINITY }, { 1, NAN }, { -1, 0 } };
    for (int i = 0; i < 3; i++) {
        o.biases = &bad[i];
        o.n_biases = 1;
        assert_null(infer_sampler_open(context, &o, NULL));
    }
}

/* ---- Texts ---- */

static int32_t id_of(const char *text)
{
    int32_t id;
    size_t n;
    const infer_tokenizer *t = infer_model_tokenizer(model);
    assert_int_equal(infer_tokenizer_encode(t, text, strlen(text), 0, &id, 1, &n, NULL), INFER_OK);
    return id;
}

/* Random text without a banned string in it, whatever tokens it comes in. */
static void test_banned_texts_never_come_up(void **state)
{
    (void)state;
    const infer_tokenizer *t = infer_model_tokenizer(model);
    const char *const banned[] = { "the", "e a", " s", "nd t" };
    const int32_t n = infer_tokenizer_size(t);
    float *logits = calloc((size_t)n, sizeof *logits);
    for (int32_t id = 0; id < n; id++) { /* short pieces are likelier: texts of several tokens */
        size_t length = 0;
        char piece[256];
        infer_tokenizer_decode(t, &id, 1, 0, piece, sizeof piece, &length, NULL);
        logits[id] = length && length < 3 && strspn(piece, "thenads ") >= length ? 4 : 0;
    }
    for (int with = 0; with < 2; with++) {
        static int32_t ids[4000];
        static char text[40000];
        infer_sampler_options o = plain();
        o.seed = 3;
        infer_sampler *s = open_sampler(&o);
        assert_int_equal(infer_sampler_set_banned(s, t, banned, with ? 4 : 0, NULL), INFER_OK);
        for (int i = 0; i < 4000; i++) {
            ids[i] = infer_sampler_sample(s, logits, n);
            assert_true(ids[i] >= 0);
            infer_sampler_accept(s, ids[i]);
        }
        size_t length;
        assert_int_equal(infer_tokenizer_decode(t, ids, 4000, 0, text, sizeof text - 1, &length, NULL), INFER_OK);
        text[length] = 0;
        for (int b = 0; b < 4; b++)
            assert_int_equal(strstr(text, banned[b]) == NULL, with);
        infer_sampler_close(&s);
    }
    free(logits);
}

static void test_dry_does_not_go_over_a_breaker(void **state)
{
    (void)state;
    const infer_tokenizer *t = infer_model_tokenizer(model);
    const char *const breakers[] = { "\n", "." };
    const int32_t a = id_of("a"), b = id_of("b"), stop = id_of(".");
    const int32_t texts[2][7] = { { a, b, a, b, a, b, a }, { a, b, a, b, stop, b, a } };
    for (int k = 0; k < 2; k++) {
        infer_sampler_options o = plain();
        o.dry_multiplier = 1;
        infer_sampler *s = open_sampler(&o);
        assert_int_equal(infer_sampler_set_dry_breakers(s, t, breakers, 2, NULL), INFER_OK);
        for (int i = 0; i < 7; i++)
            infer_sampler_accept(s, texts[k][i]);
        assert_true(dry_find(&s->dry, 1));
        const uint32_t *length = id_map_find(&s->dry.lengths, b);
        assert_int_equal(length ? *length : 0, k ? 2 : 5); /* "ba" is all there is after the breaker */
        infer_sampler_close(&s);
    }
}

static void test_texts_that_cannot_be_looked_for_are_refused(void **state)
{
    (void)state;
    const infer_tokenizer *t = infer_model_tokenizer(model);
    const infer_sampler_options o = plain();
    infer_sampler *s = open_sampler(&o);
    static char long_text[PHRASES_BYTES + 2];
    memset(long_text, 'x', PHRASES_BYTES + 1);
    const char *const empty[] = { "" }, *const too_long[] = { long_text }, *const good[] = { "x" };
    assert_int_equal(infer_sampler_set_banned(s, t, empty, 1, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_sampler_set_banned(s, t, too_long, 1, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_sampler_set_banned(s, NULL, good, 1, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_sampler_set_dry_breakers(s, t, NULL, 1, NULL), INFER_E_ARGUMENT);
    infer_sampler_close(&s);
}

/* ---- Memory ---- */

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    const char *const texts[] = { "the" };
    static float logits[3000];
    struct counting counting;
    bool done = false;
    counting_init(&counting, SIZE_MAX);
    infer_context_options co = infer_context_defaults();
    co.n_threads = 1;
    co.allocator = counting.allocator;
    infer_context *own = infer_context_open(&co, NULL);
    const size_t live = counting.live;
    infer_sampler_options o = plain();
    o.dry_multiplier = 1;
    o.presence_penalty = 1;
    o.repeat_last_n = -1;
    o.typical_p = 0.9f;
    o.biases = &(infer_logit_bias){ 4, 1 };
    o.n_biases = 1;
    for (size_t n = 0; !done && n < 200; n++) {
        infer_error err = { 0 };
        counting.refuse_from = counting.calls + n;
        infer_sampler *s = infer_sampler_open(own, &o, &err);
        if (!s)
            assert_int_equal(err.code, INFER_E_NOMEM);
        else if (infer_sampler_set_banned(s, infer_model_tokenizer(model), texts, 1, &err) != INFER_OK)
            assert_int_equal(err.code, INFER_E_NOMEM);
        else {
            for (int32_t i = 0; i < 3000; i++)
                infer_sampler_accept(s, i % 1000);
            done = infer_sampler_sample(s, logits, 3000) >= 0;
        }
        infer_sampler_close(&s);
        counting.refuse_from = SIZE_MAX;
        assert_int_equal(counting.live, live);
    }
    assert_true(done);
    infer_context_close(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_stage_leaves_what_llama_cpp_leaves),
        cmocka_unit_test(test_logarithm_is_within_its_bound),
        cmocka_unit_test(test_a_cut_by_weight_keeps_the_fewest_that_reach_it),
        cmocka_unit_test(test_xtc_leaves_the_best_out_as_often_as_it_says),
        cmocka_unit_test(test_draws_of_typical_follow_its_formula),
        cmocka_unit_test(test_mirostat_holds_the_surprise_near_its_target),
        cmocka_unit_test(test_stages_are_done_in_the_order_given_and_others_are_not),
        cmocka_unit_test(test_the_default_order_is_penalties_dry_sigma_k_typical_p_min_p_xtc_temperature),
        cmocka_unit_test(test_temperature_0_takes_the_best_of_what_xtc_leaves),
        cmocka_unit_test(test_biases_are_added_before_all_else),
        cmocka_unit_test(test_banned_texts_never_come_up),
        cmocka_unit_test(test_dry_does_not_go_over_a_breaker),
        cmocka_unit_test(test_texts_that_cannot_be_looked_for_are_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("stages", tests, open_model_1, close_model);
}
