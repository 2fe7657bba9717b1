/* test_fork.c - forks of a session: they go on from the same place, and nothing that one does changes another. */
#include "tests/runtime/models.h"

#include <pthread.h>

enum { N = 300 };

static int32_t ids[N];

static infer_session *open_session(infer_model *m)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = 1000;
    o.n_batch = 64;
    o.precision = INFER_EXACT;
    infer_session *s = infer_session_open(m, &o, NULL);
    assert_non_null(s);
    return s;
}

static void eval(infer_session *s, const int32_t *ids, size_t n)
{
    infer_error err = { 0 };
    if (infer_session_eval(s, ids, n, &err) != INFER_OK)
        fail_msg("%s", err.message);
}

/* As a session that has seen nothing else. */
static void assert_as_anew(struct fixture *f, infer_session *s)
{
    infer_session *anew = open_session(f->model);
    eval(anew, infer_session_tokens(s), infer_session_length(s));
    const double off = distance(infer_session_logits(s), infer_session_logits(anew), N_VOCAB);
    if (!(off < 1e-5))
        fail_msg("logits are off by %g", off);
    infer_session_close(&anew);
}

static void forks_go_on_from_the_same_place_apart(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model);
    eval(a, ids, 100);
    infer_session *b = infer_session_fork(a, NULL), *c = infer_session_fork(b, NULL);
    assert_memory_equal(infer_session_logits(b), infer_session_logits(a), N_VOCAB * sizeof(float));
    assert_int_equal(infer_session_length(c), 100);
    eval(a, ids + 100, 30);
    eval(b, ids + 7, 50);
    assert_as_anew(f, a);
    assert_as_anew(f, b);
    assert_as_anew(f, c);
    infer_session_close(&a);
    eval(c, ids + 3, 150);
    assert_as_anew(f, c);
    assert_as_anew(f, b);
    infer_session_close(&b);
    infer_session_close(&c);
}

static void a_fork_takes_no_page_until_it_appends(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model);
    eval(a, ids, 200);
    infer_session *forks[8];
    for (int i = 0; i < 8; i++)
        forks[i] = infer_session_fork(a, NULL);
    assert_ptr_equal(infer_session_tokens(forks[7]), infer_session_tokens(a));
    eval(forks[0], ids, 1);
    assert_ptr_not_equal(infer_session_tokens(forks[0]), infer_session_tokens(a));
    for (int i = 0; i < 8; i++)
        infer_session_close(&forks[i]);
    infer_session_close(&a);
}

static void rewinding_a_fork_leaves_the_others(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model);
    eval(a, ids, 200);
    infer_session *b = infer_session_fork(a, NULL);
    const size_t keep[] = { 130, 128, 64, 1, 0 };
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        assert_int_equal(infer_session_rewind(b, keep[i], NULL), INFER_OK);
        eval(b, ids + 31, 70);
        assert_as_anew(f, b);
        eval(a, ids, 1);
        assert_as_anew(f, a);
        infer_session_close(&b);
        b = infer_session_fork(a, NULL);
    }
    infer_session_close(&a);
    eval(b, ids, 1);
    assert_as_anew(f, b);
    infer_session_close(&b);
}

/* Tokens of the session itself, which the fork that evaluates them has to copy. */
static void a_fork_can_be_fed_its_own_tokens(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model);
    eval(a, ids, 90);
    infer_session *b = infer_session_fork(a, NULL);
    infer_session_close(&a);
    a = infer_session_fork(b, NULL);
    assert_int_equal(infer_session_rewind(b, 10, NULL), INFER_OK);
    eval(b, infer_session_tokens(b) + 10, 80);
    assert_memory_equal(infer_session_tokens(b), ids, 90 * sizeof *ids);
    assert_as_anew(f, b);
    infer_session_close(&a);
    infer_session_close(&b);
}

static void far_rewinds_behind_a_window_compute_anew(void **state)
{
    struct fixture *f = *state;
    infer_session *s = open_session(f->model);
    eval(s, ids, N);
    for (size_t keep = N; keep > 57; keep -= keep > 250 ? 1 : 37) {
        assert_int_equal(infer_session_rewind(s, keep, NULL), INFER_OK);
        eval(s, ids, 3);
        assert_as_anew(f, s);
        assert_int_equal(infer_session_rewind(s, keep, NULL), INFER_OK);
    }
    infer_session_close(&s);
}

static void sizes_told_before_are_those_taken(void **state)
{
    struct fixture *f = *state;
    infer_session_options o = infer_session_defaults();
    o.n_ctx = 1000;
    o.n_batch = 64;
    o.precision = INFER_EXACT;
    for (size_t n = 1; n <= N; n += n < 70 ? 1 : 23) {
        infer_session *s = open_session(f->model);
        infer_session_info info = { .size = sizeof info };
        eval(s, ids, n);
        infer_session_get_info(s, &info);
        assert_int_equal(infer_kv_bytes(f->model, &o, n, NULL), info.kv_bytes);
        infer_session_close(&s);
    }
    infer_error err = { 0 };
    assert_int_equal(infer_kv_bytes(f->model, &o, 0, &err), 0);
    assert_int_equal(infer_kv_bytes(f->model, &o, 1001, &err), 0);
    assert_int_equal(err.code, INFER_E_FULL);
    assert_string_equal(err.message, "1001 tokens in a context of 1000");
    o.kv_type_k = (infer_kv_type)77;
    assert_int_equal(infer_kv_bytes(f->model, &o, 1, &err), 0);
    assert_int_equal(err.code, INFER_E_ARGUMENT);
}

struct runner {
    infer_session *session;
    size_t first;
};

static void *run(void *arg)
{
    struct runner *r = arg;
    for (int round = 0; round < 5; round++) {
        infer_session *own = infer_session_fork(r->session, NULL);
        for (size_t i = 0; i < 20; i++)
            eval(own, ids + r->first + i, 1);
        infer_session_close(&r->session);
        r->session = own;
        assert_int_equal(infer_session_rewind(r->session, 100, NULL), INFER_OK);
    }
    eval(r->session, ids + r->first, 40);
    return NULL;
}

static void forks_run_in_threads_side_by_side(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model);
    eval(a, ids, 100);
    struct runner runners[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        runners[i] = (struct runner){ infer_session_fork(a, NULL), 11 * i };
    infer_session_close(&a);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_as_anew(f, runners[i].session);
        infer_session_close(&runners[i].session);
    }
}

int main(void)
{
    make_texts(ids, NULL, N);
    const struct CMUnitTest tests[] = {
        WITH_BOTH(forks_go_on_from_the_same_place_apart),
        WITH_BOTH(a_fork_takes_no_page_until_it_appends),
        WITH_BOTH(rewinding_a_fork_leaves_the_others),
        WITH_BOTH(a_fork_can_be_fed_its_own_tokens),
        WITH_BOTH(far_rewinds_behind_a_window_compute_anew),
        WITH_BOTH(sizes_told_before_are_those_taken),
        WITH_BOTH(forks_run_in_threads_side_by_side),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
