/* test_adapters.c - adapters belong to sessions: set and taken off, mixed in a batch, shared by forks, and told apart
 * wherever caches are shared. */
#include "tests/common/counting.h"
#include "tests/reference/reference.h"

#include <pthread.h>

#define TINY "tests/data/tiny/"
#define DATA "tests/data/adapters/"
enum { N_IDS = 150, N_CTX = 256, N_VOCAB = 96 };

struct rig {
    infer_context *c;
    infer_model *m;
    infer_adapter *first, *second, *control;
    int32_t ids[N_IDS];
};

static infer_adapter *open_adapter(infer_model *m, const char *path)
{
    infer_error err = { 0 };
    infer_adapter *a = infer_adapter_open(m, path, NULL, &err);
    if (!a)
        fail_msg("%s", err.message);
    return a;
}

static struct rig open_rig(int n_threads)
{
    struct rig r = { .c = open_context(NULL, n_threads) };
    infer_error err = { 0 };
    if (!(r.m = infer_model_open(r.c, TINY "llama3", NULL, &err)))
        fail_msg("%s", err.message);
    r.first = open_adapter(r.m, DATA "llama-second");
    r.second = open_adapter(r.m, DATA "llama-second/lora.gguf");
    r.control = open_adapter(r.m, DATA "llama/control.gguf");
    for (int i = 0; i < N_IDS; i++)
        r.ids[i] = (i * 37 + i / 7) % N_VOCAB;
    return r;
}

static void close_rig(struct rig *r)
{
    infer_adapter_close(&r->first);
    infer_adapter_close(&r->second);
    infer_adapter_close(&r->control);
    infer_model_close(&r->m);
    infer_context_close(&r->c);
}

static infer_session *open_session(const struct rig *r, bool deterministic, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    infer_error err = { 0 };
    o.n_ctx = N_CTX;
    o.n_batch = n_batch;
    o.deterministic = deterministic;
    infer_session *s = infer_session_open(r->m, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

static void set(infer_session *s, infer_adapter *a, float scale)
{
    infer_error err = { 0 };
    if (infer_session_set_adapters(s, &a, &scale, a != NULL, &err) != INFER_OK)
        fail_msg("%s", err.message);
}

static void eval(infer_session *s, const int32_t *ids, size_t n)
{
    infer_error err = { 0 };
    if (infer_session_eval(s, ids, n, &err) != INFER_OK)
        fail_msg("%s", err.message);
}

static void assert_same_bits(const infer_session *a, const infer_session *b)
{
    assert_memory_equal(infer_session_logits(a), infer_session_logits(b), N_VOCAB * sizeof(float));
}

static double apart(const infer_session *a, const infer_session *b)
{
    return distance(infer_session_logits(a), infer_session_logits(b), N_VOCAB);
}

static void test_taking_adapters_off_brings_the_old_bits_back(void **state)
{
    (void)state;
    struct rig r = open_rig(2);
    infer_session *plain = open_session(&r, false, 64), *s = open_session(&r, false, 64);
    eval(plain, r.ids, N_IDS);
    eval(s, r.ids, N_IDS);
    set(s, r.first, 1);
    assert_null(infer_session_logits(s)); /* computed anew with the next evaluation */
    assert_int_equal(infer_session_length(s), N_IDS);
    eval(s, NULL, 0);
    assert_true(apart(s, plain) > 0.1);
    infer_session *fresh = open_session(&r, false, 64);
    set(fresh, r.first, 1);
    eval(fresh, r.ids, N_IDS);
    assert_same_bits(s, fresh);
    set(s, r.first, 1); /* the same ones: nothing is lost */
    assert_non_null(infer_session_logits(s));
    set(s, NULL, 1);
    eval(s, NULL, 0);
    assert_same_bits(s, plain);
    set(s, r.control, 2);
    eval(s, NULL, 0);
    assert_true(apart(s, plain) > 0.1);
    set(s, r.control, 0);
    eval(s, NULL, 0);
    assert_same_bits(s, plain);
    infer_session_close(&fresh);
    infer_session_close(&s);
    infer_session_close(&plain);
    close_rig(&r);
}

/* Sessions with and without adapters, alone and in steps together, cut in different ways. */
static void check_batch(bool deterministic, int n_threads)
{
    struct rig r = open_rig(n_threads);
    infer_adapter *const of[] = { NULL, r.first, r.second, r.control, r.first };
    static const float scales[] = { 1, 1, -0.5f, 1.5f, 0.25f };
    enum { N = sizeof of / sizeof *of };
    infer_session *alone[N], *together[N];
    infer_batch_item items[N];
    for (int i = 0; i < N; i++) {
        alone[i] = open_session(&r, deterministic, 512);
        together[i] = open_session(&r, deterministic, 48);
        set(alone[i], of[i], scales[i]);
        set(together[i], of[i], scales[i]);
        eval(alone[i], r.ids, N_IDS);
        items[i] = (infer_batch_item){ together[i], r.ids, 20 + 10 * (size_t)i, 0 };
    }
    infer_error err = { 0 };
    for (int step = 0; step < 2; step++) {
        if (infer_batch_eval(items, N, &err) != INFER_OK)
            fail_msg("%s", err.message);
        for (int i = 0; i < N; i++)
            items[i] = (infer_batch_item){ together[i], r.ids + infer_session_length(together[i]),
                                           N_IDS - infer_session_length(together[i]), 0 };
    }
    for (int i = 0; i < N; i++) {
        if (deterministic)
            assert_same_bits(alone[i], together[i]);
        assert_true(apart(alone[i], together[i]) < 0.05);
        assert_true(i == 0 || apart(alone[0], together[i]) > 0.1);
    }
    for (int i = 0; i < N; i++) {
        infer_session_close(&alone[i]);
        infer_session_close(&together[i]);
    }
    close_rig(&r);
}

static void test_a_batch_mixes_sessions_of_different_adapters(void **state)
{
    (void)state;
    check_batch(false, 2);
    check_batch(true, 3);
}

static void test_bits_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    static const char *const models[] = { TINY "llama", TINY "mixtral", TINY "phi3" };
    static const char *const adapters[] = { DATA "llama", DATA "mixtral", DATA "phi3" };
    for (int i = 0; i < 3; i++) {
        float want[18 * N_VOCAB], got[18 * N_VOCAB];
        const struct ids ids = read_ids(models[i], "ids.json");
        for (int n_threads = 1; n_threads <= 5; n_threads += 2) {
            infer_context *c = open_context(NULL, n_threads);
            infer_model *m = infer_model_open(c, models[i], NULL, NULL);
            infer_adapter *a = open_adapter(m, adapters[i]);
            infer_session *s = infer_session_open(m, NULL, NULL);
            set(s, a, 1);
            assert_int_equal(ids.n, 18);
            assert_int_equal(infer_session_eval_all(s, ids.v, ids.n, n_threads == 1 ? want : got, NULL), INFER_OK);
            if (n_threads > 1)
                assert_memory_equal(want, got, sizeof want);
            infer_session_close(&s);
            infer_adapter_close(&a);
            infer_model_close(&m);
            infer_context_close(&c);
        }
        free(ids.v);
    }
}

static void test_a_fork_has_its_sessions_adapters(void **state)
{
    (void)state;
    struct rig r = open_rig(1);
    infer_session *s = open_session(&r, true, 64), *whole = open_session(&r, true, 64);
    set(s, r.first, 0.5f);
    set(whole, r.first, 0.5f);
    eval(s, r.ids, 100);
    infer_session *fork = infer_session_fork(s, NULL);
    assert_non_null(fork);
    set(s, NULL, 1); /* no matter to the fork */
    eval(s, NULL, 0);
    eval(fork, r.ids + 100, N_IDS - 100);
    eval(whole, r.ids, N_IDS);
    assert_same_bits(fork, whole);
    infer_session_close(&s);
    infer_session_close(&fork);
    infer_session_close(&whole);
    close_rig(&r);
}

static size_t sync_to(infer_session *s, const int32_t *ids, size_t n)
{
    infer_error err = { 0 };
    size_t n_computed = 0;
    if (infer_session_sync(s, ids, n, &n_computed, &err) != INFER_OK)
        fail_msg("%s", err.message);
    return n_computed;
}

static void test_pages_are_found_by_sessions_of_the_same_adapters_alone(void **state)
{
    (void)state;
    struct rig r = open_rig(2);
    static const struct {
        int adapter;
        float scale;
        size_t computed;
    } turns[] = {
        { 0, 1, N_IDS }, { 1, 1, N_IDS }, { 1, 0.5f, N_IDS }, { 2, 1, N_IDS }, { 0, 1, N_IDS - 128 },
        { 1, 1, N_IDS - 128 }, { 1, 0.5f, N_IDS - 128 }, { 2, 1, N_IDS - 128 }, { 1, 0, N_IDS - 128 },
    };
    infer_adapter *const of[] = { NULL, r.first, r.control };
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        infer_session *s = open_session(&r, true, 64), *own = open_session(&r, true, 64);
        set(s, of[turns[i].adapter], turns[i].scale);
        set(own, of[turns[i].adapter], turns[i].scale);
        assert_int_equal(sync_to(s, r.ids, N_IDS), turns[i].computed);
        eval(own, r.ids, N_IDS);
        assert_same_bits(s, own);
        infer_session_close(&s);
        infer_session_close(&own);
    }
    close_rig(&r);
}

static void test_a_switch_leaves_the_pages_to_others(void **state)
{
    (void)state;
    struct rig r = open_rig(1);
    infer_session *s = open_session(&r, true, 64), *other = open_session(&r, true, 64);
    assert_int_equal(sync_to(s, r.ids, N_IDS), N_IDS);
    set(s, r.first, 1);
    assert_int_equal(sync_to(s, r.ids, N_IDS), N_IDS);
    assert_int_equal(sync_to(other, r.ids, N_IDS), N_IDS - 128);
    eval(other, r.ids, 1);
    set(s, NULL, 1);
    assert_int_equal(sync_to(s, r.ids, N_IDS), N_IDS - 128); /* its own, of before */
    infer_session_close(&s);
    infer_session_close(&other);
    close_rig(&r);
}

static void test_a_saved_session_wants_its_adapters(void **state)
{
    (void)state;
    struct rig r = open_rig(1);
    infer_session *s = open_session(&r, true, 64), *other = open_session(&r, true, 64);
    infer_error err = { 0 };
    size_t size;
    set(s, r.first, 1);
    eval(s, r.ids, 70);
    assert_int_equal(infer_session_save_bytes(s, NULL, 0, &size, &err), INFER_OK);
    void *saved = malloc(size);
    assert_int_equal(infer_session_save_bytes(s, saved, size, &size, &err), INFER_OK);
    assert_int_equal(infer_session_load_bytes(other, saved, size, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "adapters and scales"));
    set(other, r.first, 0.5f);
    assert_int_equal(infer_session_load_bytes(other, saved, size, &err), INFER_E_ARGUMENT);
    infer_adapter *again = open_adapter(r.m, DATA "llama-second"); /* the same file: the same thing */
    set(other, again, 1);
    assert_int_equal(infer_session_load_bytes(other, saved, size, &err), INFER_OK);
    eval(s, r.ids + 70, 10);
    eval(other, r.ids + 70, 10);
    assert_same_bits(s, other);
    free(saved);
    infer_adapter_close(&again);
    infer_session_close(&s);
    infer_session_close(&other);
    close_rig(&r);
}

static void test_sessions_keep_their_adapters_alive(void **state)
{
    (void)state;
    struct rig r = open_rig(1);
    infer_session *s = open_session(&r, false, 64), *other = open_session(&r, false, 64);
    set(s, r.first, 1);
    set(other, r.first, 1);
    infer_adapter *const kept = infer_adapter_retain(r.first);
    assert_ptr_equal(kept, r.first);
    infer_adapter_close(&r.first);
    infer_adapter *rest = kept;
    infer_adapter_close(&rest);
    eval(s, r.ids, 40);
    infer_session_close(&s);
    eval(other, r.ids, 40);
    infer_session_close(&other);
    close_rig(&r);
}

static void test_what_does_not_belong_to_the_session_is_refused(void **state)
{
    (void)state;
    struct rig r = open_rig(1);
    infer_model *again = infer_model_open(r.c, TINY "llama3", NULL, NULL);
    infer_adapter *foreign = open_adapter(again, DATA "llama-second");
    infer_session *s = open_session(&r, false, 64);
    infer_error err = { 0 };
    set(s, r.first, 1);
    eval(s, r.ids, 10);
    infer_adapter *const two[] = { r.first, foreign };
    assert_int_equal(infer_session_set_adapters(s, two, NULL, 2, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message,
                        "adapter 1 of 2 is of another model, expected one that was opened for the session's "
                        "model");
    assert_int_equal(infer_session_set_adapters(s, two, (const float[]){ NAN }, 1, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_session_set_adapters(s, NULL, NULL, 1, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_session_set_adapters(s, (infer_adapter *[]){ NULL }, NULL, 1, &err), INFER_E_ARGUMENT);
    assert_non_null(infer_session_logits(s)); /* as it was */
    infer_session_close(&s);
    infer_adapter_close(&foreign);
    infer_model_close(&again);
    close_rig(&r);
}

/* Each on a thread of its own, of one model and one adapter. */
struct user {
    const struct rig *r;
    float scale;
    float logits[N_VOCAB];
};

static void *use(void *arg)
{
    struct user *u = arg;
    infer_session *s = open_session(u->r, true, 32);
    for (int i = 0; i < 4; i++) {
        set(s, i % 2 ? u->r->control : u->r->first, u->scale);
        eval(s, u->r->ids + 20 * i, 20);
    }
    memcpy(u->logits, infer_session_logits(s), sizeof u->logits);
    infer_session_close(&s);
    return NULL;
}

static void test_threads_share_an_adapter(void **state)
{
    (void)state;
    struct rig r = open_rig(2);
    enum { N = 4 };
    struct user users[N + 1];
    pthread_t threads[N];
    for (int i = 0; i <= N; i++)
        users[i] = (struct user){ .r = &r, .scale = i % 2 ? 1 : 0.5f };
    use(&users[N]);
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        if (i % 2 == 0)
            assert_memory_equal(users[i].logits, users[N].logits, sizeof users[i].logits);
    }
    close_rig(&r);
}

/* All of it, with an allocator that refuses from some call on. */
static bool run_all(struct counting *c, const char *model, const char *adapter)
{
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    o.allocator = c->allocator;
    infer_error err = { 0 };
    infer_context *context = infer_context_open(&o, &err);
    infer_model *m = context ? infer_model_open(context, model, NULL, &err) : NULL;
    infer_adapter *a = m ? infer_adapter_open(m, adapter, NULL, &err) : NULL;
    infer_adapter *control = a ? infer_adapter_open(m, DATA "llama/control.gguf", NULL, &err) : NULL;
    infer_session *s = control ? infer_session_open(m, NULL, &err) : NULL;
    infer_adapter *const two[] = { a, control };
    static const int32_t ids[] = { 1, 2, 3, 4, 5 };
    const bool well = s && infer_session_set_adapters(s, two, NULL, 2, &err) == INFER_OK &&
                      infer_session_eval(s, ids, 5, &err) == INFER_OK &&
                      infer_session_set_adapters(s, two, NULL, 1, &err) == INFER_OK &&
                      infer_session_eval(s, ids, 1, &err) == INFER_OK;
    if (!well)
        assert_int_equal(err.code, INFER_E_NOMEM);
    infer_session_close(&s);
    infer_adapter_close(&control);
    infer_adapter_close(&a);
    infer_model_close(&m);
    infer_context_close(&context);
    return well;
}

static void test_every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { TINY "llama/model.gguf", DATA "llama" },
                                            { TINY "mixtral", DATA "mixtral/lora.gguf" } };
    for (int i = 0; i < 2; i++) {
        bool well = false;
        for (size_t n = 0; !well; n++) {
            struct counting c;
            counting_init(&c, n);
            well = run_all(&c, pairs[i][0], pairs[i][1]);
            assert_int_equal(c.live, 0);
            assert_true(n < 5000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taking_adapters_off_brings_the_old_bits_back),
        cmocka_unit_test(test_a_batch_mixes_sessions_of_different_adapters),
        cmocka_unit_test(test_bits_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(test_a_fork_has_its_sessions_adapters),
        cmocka_unit_test(test_pages_are_found_by_sessions_of_the_same_adapters_alone),
        cmocka_unit_test(test_a_switch_leaves_the_pages_to_others),
        cmocka_unit_test(test_a_saved_session_wants_its_adapters),
        cmocka_unit_test(test_sessions_keep_their_adapters_alive),
        cmocka_unit_test(test_what_does_not_belong_to_the_session_is_refused),
        cmocka_unit_test(test_threads_share_an_adapter),
        cmocka_unit_test(test_every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
