/* test_threads.c - a scheduler with a thread of its own: requests come, are fetched, cancelled and closed from
 * many threads at once. Meant for SAN=thread too. */
#include "tests/scheduler/requests.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { N_THREADS = 4, N_EACH = 6 };

static infer_scheduler *open_scheduler(int32_t max_running, int32_t max_queue)
{
    const infer_session_options session = deterministic(N_CTX);
    infer_scheduler_options o = infer_scheduler_defaults();
    infer_error err = { 0 };
    o.session = &session;
    o.max_running = max_running;
    o.max_queue = max_queue;
    infer_scheduler *s = infer_scheduler_open(model, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

static const struct wish wishes[N_EACH] = {
    { "Once upon a time", 12, 0, 0, NULL }, { "The dog", 9, 0.8f, 3, NULL },    { "Mom said", 14, 1.2f, 5, NULL },
    { "One day", 3, 0.9f, 6, NULL },        { "Once upon", 16, 0.8f, 7, NULL }, { "The sun", 11, 0.9f, 9, NULL },
};

/* What a thread does with the scheduler, and what came of it. */
struct user {
    infer_scheduler *scheduler;
    int number;
    struct collected texts[N_EACH];
    infer_status status[N_EACH];
    atomic_bool *stop;
};

static void in_threads(infer_scheduler *s, void *(*work)(void *), struct user *users)
{
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        users[i].scheduler = s;
        users[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &users[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *ask_for_all(void *user)
{
    struct user *u = user;
    infer_request *r[N_EACH];
    for (int i = 0; i < N_EACH; i++)
        r[i] = submit(u->scheduler, &wishes[(i + u->number) % N_EACH]);
    for (int i = 0; i < N_EACH; i++) {
        const int which = (i + u->number) % N_EACH;
        u->status[which] = fetch_all(r[i], &u->texts[which], NULL);
        infer_request_close(&r[i]);
    }
    return NULL;
}

static void texts_of_many_threads_are_those_that_are_written_alone(void **state)
{
    (void)state;
    static struct user users[N_THREADS];
    static struct collected want;
    const infer_session_options session = deterministic(N_CTX);
    infer_scheduler *s = open_scheduler(5, 100);
    memset(users, 0, sizeof users);
    in_threads(s, ask_for_all, users);
    infer_scheduler_close(&s);
    for (int w = 0; w < N_EACH; w++) {
        written(&wishes[w], &session, &want);
        for (int i = 0; i < N_THREADS; i++) {
            assert_int_equal(users[i].status[w], INFER_OK);
            assert_string_equal(users[i].texts[w].text, want.text);
        }
    }
}

static infer_request *submit_endless(infer_scheduler *s, infer_request_options *o)
{
    infer_generate_options g = infer_generate_defaults();
    g.ignore_end = true;
    g.on_full = INFER_FULL_SHIFT;
    o->generate = &g;
    infer_request *r = infer_scheduler_submit(s, "Once", 4, o, NULL);
    assert_non_null(r);
    return r;
}

/* Requests end by being cancelled or closed, at moments that differ. */
static void *ask_and_cancel(void *user)
{
    struct user *u = user;
    infer_request_options o = infer_request_defaults();
    for (int i = 0; i < N_EACH; i++) {
        infer_request_piece piece = { .size = sizeof piece };
        o.n = 1 + i % 2;
        infer_request *r = submit_endless(u->scheduler, &o);
        usleep((useconds_t)(500 * ((i * 7 + u->number * 5) % 9)));
        u->status[i] = INFER_E_CANCELLED;
        if (i % 3) {
            infer_request_next(r, 0.01 * (i % 2), &piece, NULL);
            infer_request_cancel(r);
            u->status[i] = infer_request_wait(r, -1, NULL);
        }
        infer_request_close(&r);
    }
    return NULL;
}

static void requests_are_cancelled_at_any_moment(void **state)
{
    (void)state;
    static struct user users[N_THREADS];
    infer_scheduler *s = open_scheduler(3, 100);
    memset(users, 0, sizeof users);
    in_threads(s, ask_and_cancel, users);
    for (int i = 0; i < N_THREADS; i++)
        for (int j = 0; j < N_EACH; j++)
            assert_int_equal(users[i].status[j], INFER_E_CANCELLED);
    infer_request *r = submit(s, &wishes[0]); /* and it goes on */
    assert_int_equal(infer_request_wait(r, 60, NULL), INFER_OK);
    infer_request_close(&r);
    infer_scheduler_close(&s);
}

static void *cancel_soon(void *request)
{
    usleep(20000);
    infer_request_cancel(request);
    return NULL;
}

static void who_waits_is_woken_by_a_cancellation(void **state)
{
    (void)state;
    infer_scheduler *s = open_scheduler(2, 10);
    infer_request_options o = infer_request_defaults();
    infer_request *r = submit_endless(s, &o);
    pthread_t thread;
    assert_int_equal(infer_request_wait(r, 0.001, NULL), INFER_E_TIMEOUT);
    assert_int_equal(infer_request_get_result(r, 0, NULL, NULL), INFER_E_TIMEOUT);
    pthread_create(&thread, NULL, cancel_soon, r);
    assert_int_equal(infer_request_wait(r, 60, NULL), INFER_E_CANCELLED);
    pthread_join(thread, NULL);
    infer_request_close(&r);
    infer_scheduler_close(&s);
}

static void *wait_for_the_end(void *request)
{
    infer_request *r = request;
    return (void *)(intptr_t)infer_request_wait(r, -1, NULL);
}

static void closing_wakes_all_who_wait(void **state)
{
    (void)state;
    infer_scheduler *s = open_scheduler(1, 10);
    infer_request_options o = infer_request_defaults();
    infer_request *r[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        r[i] = submit_endless(s, &o);
        pthread_create(&threads[i], NULL, wait_for_the_end, r[i]);
    }
    usleep(5000);
    infer_scheduler_close(&s);
    for (int i = 0; i < 3; i++) {
        void *status;
        pthread_join(threads[i], &status);
        assert_int_equal((intptr_t)status, INFER_E_CANCELLED);
        infer_request_close(&r[i]);
    }
}

/* Each request's end asks for the next one. */
struct chain {
    infer_scheduler *scheduler;
    atomic_int n_left;
    atomic_int n_ended;
};

static void ask_again(void *user, infer_request *ended)
{
    struct chain *c = user;
    infer_request_options o = infer_request_defaults();
    infer_generate_options g = infer_generate_defaults();
    g.n_predict = 3;
    o.generate = &g;
    o.on_end = ask_again;
    o.end_user = c;
    if (atomic_fetch_sub(&c->n_left, 1) > 0 && !infer_scheduler_submit(c->scheduler, "The", 3, &o, NULL))
        atomic_store(&c->n_left, -1000);
    atomic_fetch_add(&c->n_ended, ended != NULL);
    infer_request_close(&ended);
}

static void callbacks_may_submit_and_close(void **state)
{
    (void)state;
    struct chain c = { .scheduler = open_scheduler(2, 10) };
    atomic_init(&c.n_left, 12);
    atomic_init(&c.n_ended, 0);
    ask_again(&c, NULL);
    ask_again(&c, NULL);
    for (int i = 0; i < 3000 && atomic_load(&c.n_ended) < 12; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&c.n_ended), 12);
    infer_scheduler_close(&c.scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_many_threads_are_those_that_are_written_alone),
        cmocka_unit_test(requests_are_cancelled_at_any_moment),
        cmocka_unit_test(who_waits_is_woken_by_a_cancellation),
        cmocka_unit_test(closing_wakes_all_who_wait),
        cmocka_unit_test(callbacks_may_submit_and_close),
    };
    return cmocka_run_group_tests_name("scheduler_threads", tests, open_model, close_model);
}
