/* test_session.c - what a session promises: growing, rewinding, filling up, cancelling, failing without harm. */
#include "tests/reference/reference.h"

#include <pthread.h>
#include <stdatomic.h>

#define MODEL "tests/data/tiny/qwen3/model.gguf"
enum { N_VOCAB = 96 };
static const int32_t text[] = { 5, 17, 80, 3, 44, 9, 61, 22, 7, 90, 13, 31 };
enum { N = sizeof text / sizeof *text };

struct fixture {
    infer_context *context;
    infer_model *model;
    infer_session *session;
};

static infer_session *open_session(infer_model *m, int32_t n_ctx, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = n_ctx;
    o.n_batch = n_batch;
    o.precision = INFER_EXACT;
    infer_error err = { 0 };
    infer_session *s = infer_session_open(m, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

static int set_up(void **state)
{
    static struct fixture f;
    infer_error err = { 0 };
    f.context = open_context(NULL, 2);
    f.model = infer_model_open(f.context, MODEL, NULL, &err);
    if (!f.model)
        fail_msg("%s", err.message);
    f.session = open_session(f.model, 20, 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    infer_session_close(&f->session);
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    return 0;
}

static void assert_near(const float *got, const float *want)
{
    assert_true(distance(got, want, N_VOCAB) < 1e-5);
}

static void tokens_fed_one_by_one_or_at_once_give_the_same_logits(void **state)
{
    struct fixture *f = *state;
    assert_null(infer_session_logits(f->session));
    assert_int_equal(infer_session_eval(f->session, text, N, NULL), INFER_OK);
    infer_session *single = open_session(f->model, 0, 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(infer_session_eval(single, &text[i], 1, NULL), INFER_OK);
    assert_near(infer_session_logits(single), infer_session_logits(f->session));
    assert_int_equal(infer_session_length(single), N);
    assert_memory_equal(infer_session_tokens(single), text, sizeof text);
    infer_session_close(&single);
}

static void rewinding_forgets_the_tokens_after(void **state)
{
    struct fixture *f = *state;
    float want[N_VOCAB];
    assert_int_equal(infer_session_eval(f->session, text, 5, NULL), INFER_OK);
    memcpy(want, infer_session_logits(f->session), sizeof want);
    assert_int_equal(infer_session_rewind(f->session, 3, NULL), INFER_OK);
    assert_null(infer_session_logits(f->session));
    assert_int_equal(infer_session_eval(f->session, text + 6, 6, NULL), INFER_OK);
    assert_int_equal(infer_session_rewind(f->session, 3, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(f->session, text + 3, 2, NULL), INFER_OK);
    assert_near(infer_session_logits(f->session), want);
    infer_error err = { 0 };
    assert_int_equal(infer_session_rewind(f->session, 6, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "6"));
}

static void a_full_context_is_an_error_that_changes_nothing(void **state)
{
    struct fixture *f = *state;
    infer_error err = { 0 };
    assert_int_equal(infer_session_eval(f->session, text, N, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(f->session, text, N, &err), INFER_E_FULL);
    assert_int_equal(err.code, INFER_E_FULL);
    assert_int_equal(infer_session_length(f->session), N);
    assert_non_null(infer_session_logits(f->session));
    assert_int_equal(infer_session_eval(f->session, text, 20 - N, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(f->session, text, 1, NULL), INFER_E_FULL);
    assert_int_equal(infer_session_capacity(f->session), 20);
}

static void a_token_outside_the_vocabulary_is_refused(void **state)
{
    struct fixture *f = *state;
    infer_error err = { 0 };
    const int32_t high[] = { 1, N_VOCAB }, low[] = { -1 };
    assert_int_equal(infer_session_eval(f->session, high, 2, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "96"));
    assert_int_equal(infer_session_eval(f->session, low, 1, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_session_length(f->session), 0);
    assert_int_equal(infer_session_eval(f->session, NULL, 0, NULL), INFER_OK);
}

static void cancelling_stops_the_next_evaluation_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(infer_session_eval(f->session, text, 2, NULL), INFER_OK);
    infer_session_cancel(f->session);
    assert_int_equal(infer_session_eval(f->session, text, N, NULL), INFER_E_CANCELLED);
    assert_int_equal(infer_session_length(f->session), 2);
    assert_int_equal(infer_session_eval(f->session, text, N, NULL), INFER_OK);
}

static void a_cancellation_that_nobody_heeded_can_be_forgotten(void **state)
{
    struct fixture *f = *state;
    infer_session_cancel(f->session);
    infer_session_uncancel(f->session);
    assert_int_equal(infer_session_eval(f->session, text, N, NULL), INFER_OK);
}

static void options_outside_their_range_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct {
        int32_t n_ctx, n_batch;
        int precision;
    } bad[] = { { -1, 0, 0 }, { 0, -1, 0 }, { 0, 5000, 0 }, { 0, 0, 7 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        infer_session_options o = infer_session_defaults();
        infer_error err = { 0 };
        o.n_ctx = bad[i].n_ctx;
        o.n_batch = bad[i].n_batch;
        o.precision = (infer_precision)bad[i].precision;
        assert_null(infer_session_open(f->model, &o, &err));
        assert_int_equal(err.code, INFER_E_ARGUMENT);
        assert_true(strlen(err.message) > 10);
    }
}

static infer_session *open_with_cache(infer_model *m, infer_precision precision, infer_kv_type k, infer_kv_type v,
                                      infer_error *err)
{
    infer_session_options o = infer_session_defaults();
    o.precision = precision;
    o.kv_type_k = k;
    o.kv_type_v = v;
    return infer_session_open(m, &o, err);
}

/* The embedded model's heads are 32 wide, which fits all types. */
static void types_of_the_cache_give_logits_near_those_of_floats(void **state)
{
    struct fixture *f = *state;
    static const double near[] = { [INFER_KV_DEFAULT] = 0, [INFER_KV_F32] = 0, [INFER_KV_F16] = 5e-3,
                                   [INFER_KV_BF16] = 4e-2, [INFER_KV_Q8_0] = 0.1, [INFER_KV_Q4_0] = 1.5 };
    infer_model *m = infer_model_open_default(f->context, NULL, NULL);
    infer_session *floats = open_with_cache(m, INFER_EXACT, INFER_KV_F32, INFER_KV_F32, NULL);
    assert_int_equal(infer_session_eval(floats, text, N, NULL), INFER_OK);
    for (int k = INFER_KV_DEFAULT; k <= INFER_KV_Q4_0; k++)
        for (int v = INFER_KV_DEFAULT; v <= INFER_KV_Q4_0; v++) {
            infer_session *s = open_with_cache(m, INFER_EXACT, (infer_kv_type)k, (infer_kv_type)v, NULL);
            assert_int_equal(infer_session_eval(s, text, N, NULL), INFER_OK);
            const double d = distance(infer_session_logits(s), infer_session_logits(floats), 1024);
            if (!(d <= near[k] + near[v]) || (d > 0) != (near[k] + near[v] > 0))
                fail_msg("types %d and %d: logits are off by %g standard deviations", k, v, d);
            infer_session_close(&s);
        }
    infer_session_close(&floats);
    infer_model_close(&m);
}

static void a_latent_vector_is_all_that_the_cache_holds_of_a_token(void **state)
{
    struct fixture *f = *state;
    enum { LAYERS = 2, LATENT = 16, ROTATES = 4, TOKENS = 64 };
    infer_error err = { 0 };
    infer_model *m = infer_model_open(f->context, "tests/data/tiny/deepseek3", NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    infer_session *s = open_with_cache(m, INFER_FAST, INFER_KV_F16, INFER_KV_F32, NULL);
    infer_session_info info = { .size = sizeof info };
    int32_t ids[TOKENS] = { 0 };
    assert_int_equal(infer_session_eval(s, ids, TOKENS, &err), INFER_OK);
    infer_session_get_info(s, &info);
    assert_int_equal(info.kv_type_v, INFER_KV_F16);
    assert_int_equal(info.kv_bytes_per_token, LAYERS * (LATENT + ROTATES) * 2);
    assert_int_equal(info.kv_bytes, TOKENS * info.kv_bytes_per_token);
    infer_session_close(&s);
    infer_model_close(&m);
}

static void the_cache_is_as_large_as_its_types_say(void **state)
{
    struct fixture *f = *state;
    static const double bits[] = { [INFER_KV_F32] = 32, [INFER_KV_F16] = 16, [INFER_KV_BF16] = 16,
                                   [INFER_KV_Q8_0] = 8.5, [INFER_KV_Q4_0] = 4.5 };
    infer_model *m = infer_model_open_default(f->context, NULL, NULL);
    infer_model_info model = { .size = sizeof model };
    infer_model_get_info(m, &model);
    const double numbers = (double)model.kv_bytes_per_token / sizeof(uint16_t); /* at the default, F16 */
    for (int k = INFER_KV_F32; k <= INFER_KV_Q4_0; k++) {
        infer_session *s = open_with_cache(m, INFER_FAST, (infer_kv_type)k, INFER_KV_BF16, NULL);
        infer_session_info info = { .size = sizeof info };
        infer_session_get_info(s, &info);
        assert_int_equal(info.kv_type_k, k);
        assert_int_equal(info.kv_type_v, INFER_KV_BF16);
        assert_int_equal(info.kv_bytes, 0);
        assert_int_equal(info.kv_bytes_per_token * 16, numbers * (bits[k] + 16));
        assert_int_equal(infer_session_eval(s, text, 1, NULL), INFER_OK);
        infer_session_get_info(s, &info);
        assert_true(info.kv_bytes >= 64 * info.kv_bytes_per_token && info.kv_bytes < infer_session_bytes(s));
        infer_session_close(&s);
    }
    for (int precision = INFER_FAST; precision <= INFER_EXACT; precision++) {
        infer_session *s = open_with_cache(m, (infer_precision)precision, INFER_KV_DEFAULT, INFER_KV_DEFAULT, NULL);
        infer_session_info info = { .size = sizeof info };
        infer_session_get_info(s, &info);
        assert_int_equal(info.kv_type_k, precision == INFER_FAST ? INFER_KV_F16 : INFER_KV_F32);
        assert_int_equal(info.kv_type_v, info.kv_type_k);
        infer_session_close(&s);
    }
    infer_model_close(&m);
}

static void types_of_the_cache_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    infer_error err = { 0 };
    assert_null(open_with_cache(f->model, INFER_FAST, (infer_kv_type)6, INFER_KV_F16, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "kv_type_k is 6"));
    assert_null(open_with_cache(f->model, INFER_FAST, INFER_KV_F16, (infer_kv_type)-1, &err));
    assert_non_null(strstr(err.message, "kv_type_v is -1"));
    infer_model *m = infer_model_open(f->context, "tests/data/tiny/llama3/model.gguf", NULL, &err);
    assert_non_null(m);
    assert_null(open_with_cache(m, INFER_FAST, INFER_KV_F16, INFER_KV_Q8_0, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_string_equal(err.message,
                        "values of 8 numbers cannot be stored as q8_0, which takes multiples of 32; f16 takes any");
    infer_model_close(&m);
}

static void a_session_keeps_its_model_and_context(void **state)
{
    struct fixture *f = *state;
    infer_context_close(&f->context);
    infer_model_close(&f->model);
    assert_int_equal(infer_session_eval(f->session, text, N, NULL), INFER_OK);
}

/* ---- Threads ---- */

struct runner {
    infer_model *model;
    float logits[N_VOCAB];
};

static void *run_session(void *arg)
{
    struct runner *r = arg;
    infer_session *s = open_session(r->model, 0, 4);
    for (int round = 0; round < 20; round++) {
        assert_int_equal(infer_session_rewind(s, 0, NULL), INFER_OK);
        assert_int_equal(infer_session_eval(s, text, N, NULL), INFER_OK);
    }
    memcpy(r->logits, infer_session_logits(s), sizeof r->logits);
    infer_session_close(&s);
    return NULL;
}

static void sessions_of_one_model_run_in_threads_side_by_side(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        infer_context *c = open_context(NULL, n_threads);
        struct runner runners[4] = { { .model = infer_model_open(c, MODEL, NULL, NULL) } };
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            runners[i].model = runners[0].model;
            assert_int_equal(pthread_create(&threads[i], NULL, run_session, &runners[i]), 0);
        }
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (int i = 1; i < 4; i++)
            assert_memory_equal(runners[i].logits, runners[0].logits, sizeof runners[0].logits);
        infer_model_close(&runners[0].model);
        infer_context_close(&c);
    }
}

/* ---- Memory ---- */

struct meter {
    atomic_long calls, live, fail_at; /* fail_at 0: never */
};

static void *metered_alloc(void *user, size_t size)
{
    struct meter *m = user;
    if (atomic_fetch_add(&m->calls, 1) + 1 == atomic_load(&m->fail_at))
        return NULL;
    atomic_fetch_add(&m->live, 1);
    return aligned_alloc(64, (size + 63) / 64 * 64 + 64);
}

static void metered_free(void *user, void *memory)
{
    struct meter *m = user;
    atomic_fetch_sub(&m->live, 1);
    free(memory);
}

/* Open, evaluate, close. Returns whether all went well; what failed must have said that memory is out. */
static bool whole_life(struct meter *meter, const char *path)
{
    infer_context_options o = infer_context_defaults();
    o.allocator = (infer_allocator){ meter, metered_alloc, metered_free };
    o.n_threads = 2;
    infer_error err = { 0 };
    infer_context *c = infer_context_open(&o, &err);
    infer_model *m = c ? infer_model_open(c, path, NULL, &err) : NULL;
    infer_session *s = m ? infer_session_open(m, NULL, &err) : NULL;
    const bool well = s && infer_session_eval(s, text, N, &err) == INFER_OK;
    if (!well && err.code != INFER_E_NOMEM)
        fail_msg("%s: allocation %ld failed, but the error is %s: %s", path, atomic_load(&meter->fail_at),
                 infer_status_name(err.code), err.message);
    infer_session_close(&s);
    infer_model_close(&m);
    infer_context_close(&c);
    assert_int_equal(atomic_load(&meter->live), 0);
    return well;
}

static void every_failing_allocation_is_an_error_without_a_leak(void **state)
{
    (void)state;
    static const char *const paths[] = { MODEL, "tests/data/tiny/llama3/model.gguf" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        long n = 1;
        for (;; n++) {
            struct meter meter = { .fail_at = n };
            if (whole_life(&meter, paths[i]))
                break;
        }
        assert_true(n > 10);
    }
}

static void evaluating_takes_memory_for_cache_pages_only(void **state)
{
    (void)state;
    struct meter meter = { 0 };
    infer_context_options o = infer_context_defaults();
    o.allocator = (infer_allocator){ &meter, metered_alloc, metered_free };
    o.n_threads = 2;
    infer_context *c = infer_context_open(&o, NULL);
    infer_model *m = infer_model_open(c, MODEL, NULL, NULL);
    infer_session *s = infer_session_open(m, NULL, NULL);
    assert_int_equal(infer_session_eval(s, text, 1, NULL), INFER_OK); /* the first page */
    const long calls = atomic_load(&meter.calls);
    for (int i = 1; i < N; i++)
        assert_int_equal(infer_session_eval(s, &text[i], 1, NULL), INFER_OK);
    assert_int_equal(atomic_load(&meter.calls), calls);
    infer_session_close(&s);
    infer_model_close(&m);
    infer_context_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tokens_fed_one_by_one_or_at_once_give_the_same_logits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rewinding_forgets_the_tokens_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_context_is_an_error_that_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_token_outside_the_vocabulary_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelling_stops_the_next_evaluation_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancellation_that_nobody_heeded_can_be_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(options_outside_their_range_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types_of_the_cache_give_logits_near_those_of_floats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_latent_vector_is_all_that_the_cache_holds_of_a_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_cache_is_as_large_as_its_types_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types_of_the_cache_that_do_not_fit_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_keeps_its_model_and_context, set_up, tear_down),
        cmocka_unit_test(sessions_of_one_model_run_in_threads_side_by_side),
        cmocka_unit_test(every_failing_allocation_is_an_error_without_a_leak),
        cmocka_unit_test(evaluating_takes_memory_for_cache_pages_only),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
