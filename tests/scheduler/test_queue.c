/* test_queue.c - who goes first, how much of each step prompts get, what is refused, and what ends early. The scheduler is
 * manual: every step is the test's. */
#include "src/scheduler/pace.h"
#include "tests/common/counting.h"
#include "tests/scheduler/requests.h"

/* Prompts of other tests are no business of one that counts. */
static int open_forgetful(void **state)
{
    open_model(state);
    infer_model_set_prefix_bytes(model, 0);
    return 0;
}

static infer_scheduler *open_manual(int32_t n_batch, int32_t max_running, int32_t max_queue)
{
    infer_session_options session = deterministic(N_CTX);
    infer_scheduler_options o = infer_scheduler_defaults();
    infer_error err = { 0 };
    session.n_batch = n_batch;
    o.session = &session;
    o.manual = true;
    o.max_running = max_running;
    o.max_queue = max_queue;
    infer_scheduler *s = infer_scheduler_open(model, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

static void step(infer_scheduler *s)
{
    assert_int_equal(infer_scheduler_step(s, NULL, NULL), INFER_OK);
}

/* A request of n tokens, which are its own. */
static infer_request *submit_ids(infer_scheduler *s, size_t n, int32_t series, int32_t priority, int32_t n_predict)
{
    int32_t ids[N_CTX];
    infer_error err = { 0 };
    infer_generate_options g = infer_generate_defaults();
    infer_request_options o = infer_request_defaults();
    g.n_predict = n_predict;
    g.ignore_end = true;
    o.generate = &g;
    o.priority = priority;
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(i * 31 + (size_t)series * 17) % 300 + 10;
    infer_request *r = infer_scheduler_submit_ids(s, ids, n, &o, &err);
    if (!r)
        fail_msg("%s", err.message);
    return r;
}

static bool ended(infer_request *r)
{
    return infer_request_wait(r, 0, NULL) != INFER_E_TIMEOUT;
}

/* Steps until it has its first text; at most 1000. */
static size_t steps_to_text(infer_scheduler *s, infer_request *r)
{
    infer_request_piece piece = { .size = sizeof piece };
    for (size_t n = 0; n < 1000; n++) {
        if (infer_request_next(r, 0, &piece, NULL) == INFER_OK)
            return n;
        step(s);
    }
    fail_msg("no text came");
    return 0;
}

/* ---- Sharing ---- */

static void a_short_prompt_does_not_wait_for_a_long_one(void **state)
{
    (void)state;
    infer_scheduler *s = open_manual(64, 8, 8);
    infer_request *big = submit_ids(s, 500, 1, 0, 4), *small = submit_ids(s, 20, 2, 0, 4);
    assert_true(steps_to_text(s, small) <= 3);
    assert_true(steps_to_text(s, big) >= 5);
    infer_request_close(&big);
    infer_request_close(&small);
    infer_scheduler_close(&s);
}

static void prompts_of_one_length_come_to_their_end_together(void **state)
{
    (void)state;
    infer_scheduler *s = open_manual(64, 8, 8);
    infer_request *r[3];
    size_t at[3];
    for (int i = 0; i < 3; i++)
        r[i] = submit_ids(s, 320, i, 0, 1);
    for (int i = 0; i < 3; i++)
        at[i] = 0;
    for (size_t n = 1; n <= 20; n++) {
        step(s);
        for (int i = 0; i < 3; i++)
            at[i] = !at[i] && ended(r[i]) ? n : at[i];
    }
    assert_int_equal(at[2], 15); /* 3 * 320 tokens in steps of 64 */
    assert_true(at[0] >= 13);
    for (int i = 0; i < 3; i++)
        infer_request_close(&r[i]);
    infer_scheduler_close(&s);
}

static void texts_go_on_in_every_step_of_a_prompt(void **state)
{
    (void)state;
    infer_scheduler *s = open_manual(64, 8, 8);
    infer_request *text = submit_ids(s, 10, 1, 0, 100);
    step(s);
    infer_request *prompt = submit_ids(s, 500, 2, 0, 1);
    infer_scheduler_info info = { .size = sizeof info };
    infer_scheduler_get_info(s, &info);
    for (uint64_t before = info.n_generated; !ended(prompt); before = info.n_generated) {
        step(s);
        infer_scheduler_get_info(s, &info);
        assert_true(info.n_generated > before);
    }
    infer_request_close(&text);
    infer_request_close(&prompt);
    infer_scheduler_close(&s);
}

static void the_pace_keeps_steps_within_their_bound(void **state)
{
    (void)state;
    struct pace p = { .most = 0.1 };
    assert_true(pace_allows(&p, 512) >= PACE_LEAST && pace_allows(&p, 512) < 100); /* nothing is known: a little */
    pace_learn(&p, 0, 4, 0.02);
    for (int i = 0; i < 50; i++) { /* a machine that takes 20 ms, and 1 ms a token */
        const uint32_t n = pace_allows(&p, 512);
        pace_learn(&p, n, 4, 0.02 + 0.001 * n);
        assert_true(0.02 + 0.001 * n <= p.most);
    }
    assert_in_range(pace_allows(&p, 512), 60, 80);
    assert_int_equal(pace_allows(&p, 30), 30);
    for (int i = 0; i < 10; i++) /* it becomes five times as slow */
        pace_learn(&p, pace_allows(&p, 512), 4, 0.02 + 0.005 * pace_allows(&p, 512));
    assert_true(0.02 + 0.005 * pace_allows(&p, 512) <= p.most);
    p.step = 0.2; /* texts alone take longer: prompts go on all the same */
    assert_int_equal(pace_allows(&p, 512), PACE_LEAST);
    p.most = 0;
    assert_int_equal(pace_allows(&p, 512), 512);
}

static void prompts_are_cut_where_texts_are_not_to_wait(void **state)
{
    (void)state;
    infer_session_options session = deterministic(N_CTX);
    infer_scheduler_options o = infer_scheduler_defaults();
    session.n_batch = 512;
    o.session = &session;
    o.manual = true;
    o.max_itl_ms = 1e-3; /* less than any step takes: the least */
    infer_scheduler *s = infer_scheduler_open(model, &o, NULL);
    infer_request *text = submit_ids(s, 10, 1, 0, 200);
    step(s);
    step(s);
    infer_request *prompt = submit_ids(s, 400, 2, 0, 1);
    infer_scheduler_info before = info_of(s);
    while (!ended(prompt)) {
        step(s);
        const infer_scheduler_info info = info_of(s);
        assert_true(info.n_prompt - before.n_prompt <= 32);
        before = info;
    }
    assert_true(before.n_steps >= 2 + 380 / PACE_LEAST);
    infer_request_close(&text);
    infer_request_close(&prompt);
    infer_scheduler_close(&s);
}

/* ---- Ranks ---- */

static void higher_priorities_go_first_and_equal_ones_in_their_order(void **state)
{
    (void)state;
    enum { N = 5 };
    static const int32_t priorities[N] = { 0, 0, 3, -2, 3 };
    static const int wanted[N] = { 2, 4, 0, 1, 3 };
    infer_scheduler *s = open_manual(64, 1, N);
    infer_request *r[N];
    for (int i = 0; i < N; i++)
        r[i] = submit_ids(s, 10, i, priorities[i], 3);
    for (int i = 0; i < N; i++) {
        while (!ended(r[wanted[i]]))
            step(s);
        for (int j = i + 1; j < N; j++)
            assert_false(ended(r[wanted[j]]));
    }
    for (int i = 0; i < N; i++)
        infer_request_close(&r[i]);
    infer_scheduler_close(&s);
}

static void what_was_passed_over_often_has_its_turn(void **state)
{
    (void)state;
    infer_scheduler *s = open_manual(64, 1, 8);
    infer_request *low = submit_ids(s, 10, 0, 0, 2);
    size_t n = 0;
    for (; !ended(low) && n < 100; n++) { /* there is always one that is more urgent */
        infer_request *urgent = submit_ids(s, 10, 1, 2, 2);
        while (!ended(urgent) && !ended(low))
            step(s);
        infer_request_close(&urgent);
    }
    assert_in_range(n, 16, 26);
    infer_request_close(&low);
    infer_scheduler_close(&s);
}

/* ---- Refusals ---- */

static void a_full_queue_refuses_in_a_sentence_and_takes_more_when_there_is_room(void **state)
{
    (void)state;
    infer_error err;
    infer_scheduler *s = open_manual(64, 1, 2);
    infer_request *r[3] = { submit_ids(s, 10, 0, 0, 2), submit_ids(s, 10, 0, 0, 2), NULL };
    assert_null(infer_scheduler_submit(s, "x", 1, NULL, &err));
    assert_int_equal(err.code, INFER_E_FULL);
    assert_string_equal(err.message, "2 requests wait, and no more than 2 may");
    step(s);
    r[2] = submit_ids(s, 10, 0, 0, 2);
    assert_null(infer_scheduler_submit(s, "x", 1, NULL, &err));
    infer_request_close(&r[2]); /* one that is cancelled waits no longer */
    step(s);
    r[2] = submit_ids(s, 10, 0, 0, 2);
    for (int i = 0; i < 3; i++)
        infer_request_close(&r[i]);
    infer_scheduler_close(&s);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    infer_error err;
    infer_scheduler_options o = infer_scheduler_defaults();
    infer_request_options ro = infer_request_defaults();
    o.max_running = 0;
    assert_null(infer_scheduler_open(model, &o, &err));
    assert_string_equal(err.message, "scheduler options: max_running is 0, expected 1 to 4096");
    o = infer_scheduler_defaults();
    o.max_itl_ms = -1;
    assert_null(infer_scheduler_open(model, &o, &err));
    o = infer_scheduler_defaults();
    o.max_queue = 0;
    assert_null(infer_scheduler_open(model, &o, &err));
    assert_null(infer_scheduler_open(NULL, NULL, &err));
    infer_scheduler *s = open_manual(64, 1, 2);
    const struct {
        int32_t n, best_of, priority;
    } wrong[] = { { 0, 0, 0 }, { 257, 0, 0 }, { 3, 2, 0 }, { 1, 257, 0 }, { 1, 0, 1001 }, { 1, 0, -1001 } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ro.n = wrong[i].n;
        ro.best_of = wrong[i].best_of;
        ro.priority = wrong[i].priority;
        assert_null(infer_scheduler_submit(s, "x", 1, &ro, &err));
        assert_int_equal(err.code, INFER_E_ARGUMENT);
    }
    ro = infer_request_defaults();
    infer_generate_options g = infer_generate_defaults();
    g.n_predict = -7;
    ro.generate = &g;
    assert_null(infer_scheduler_submit(s, "x", 1, &ro, &err));
    assert_non_null(strstr(err.message, "n_predict is -7"));
    assert_null(infer_scheduler_submit_ids(s, NULL, 0, NULL, &err));
    assert_null(infer_scheduler_submit_chat(s, NULL, "[]", 2, NULL, &err));
    assert_int_equal(info_of(s).n_queued, 0);
    infer_scheduler_close(&s);
    infer_session_options session = infer_session_defaults();
    session.n_ctx = -1;
    o = infer_scheduler_defaults();
    o.session = &session;
    assert_null(infer_scheduler_open(model, &o, &err));
    assert_non_null(strstr(err.message, "n_ctx is -1"));
}

/* ---- Early ends ---- */

static void one_is_cancelled_wherever_it_is_and_the_others_go_on(void **state)
{
    (void)state;
    for (int at = 0; at < 8; at++) { /* before the first step, in the prompt, in the text */
        infer_error err = { 0 };
        infer_scheduler *s = open_manual(64, 2, 4);
        infer_request *goes = submit_ids(s, 150, 1, 0, 6), *other = submit_ids(s, 30, 2, 0, 6);
        infer_request *queued = submit_ids(s, 30, 3, 0, 6);
        for (int i = 0; i < at; i++)
            step(s);
        infer_request_cancel(goes);
        infer_request_cancel(queued);
        step(s);
        assert_true(ended(goes));
        assert_int_equal(infer_request_wait(goes, 0, &err), INFER_E_CANCELLED);
        assert_non_null(strstr(err.message, "tokens of text"));
        infer_generate_result result = { .size = sizeof result };
        assert_int_equal(infer_request_get_result(goes, 0, &result, NULL), INFER_E_CANCELLED);
        assert_int_equal(result.reason, INFER_STOP_ERROR);
        assert_int_equal(infer_request_wait(other, -1, NULL), INFER_OK);
        assert_int_equal(result_of(other, 0).n_generated, 6);
        infer_request_close(&goes);
        infer_request_close(&other);
        infer_request_close(&queued);
        assert_int_equal(info_of(s).n_running, 0);
        infer_scheduler_close(&s);
    }
}

static void requests_outlive_their_scheduler(void **state)
{
    (void)state;
    infer_error err;
    infer_scheduler *s = open_manual(64, 1, 4);
    infer_request *done = submit_ids(s, 10, 0, 0, 2), *runs, *waits;
    assert_int_equal(infer_request_wait(done, -1, NULL), INFER_OK);
    runs = submit_ids(s, 10, 0, 0, 200);
    waits = submit_ids(s, 10, 0, 0, 2);
    step(s);
    step(s);
    infer_scheduler_close(&s);
    assert_int_equal(infer_request_wait(done, -1, NULL), INFER_OK);
    assert_int_equal(infer_request_wait(runs, -1, &err), INFER_E_CANCELLED);
    assert_string_equal(err.message, "the scheduler was closed after 2 tokens of text");
    assert_int_equal(infer_request_wait(waits, -1, &err), INFER_E_CANCELLED);
    infer_request_cancel(waits);
    infer_request_close(&done);
    infer_request_close(&runs);
    infer_request_close(&waits);
}

struct calls {
    size_t n_texts, n_ends, n_progress, stop_after;
    infer_request *ended;
};

static bool on_text(void *user, const char *text, size_t length)
{
    struct calls *c = user;
    assert_true(text && length);
    return ++c->n_texts != c->stop_after;
}

static bool on_prompt(void *user, float done)
{
    struct calls *c = user;
    assert_true(done > 0 && done <= 1);
    return ++c->n_progress != c->stop_after;
}

static void on_end(void *user, infer_request *r)
{
    struct calls *c = user;
    c->n_ends++;
    c->ended = r;
}

static void callbacks_get_text_progress_and_the_end_and_may_stop_it(void **state)
{
    (void)state;
    int32_t ids[200];
    infer_scheduler *s = open_manual(64, 1, 4);
    infer_generate_options g = infer_generate_defaults();
    infer_request_options o = infer_request_defaults();
    for (int i = 0; i < 200; i++)
        ids[i] = i + 20;
    g.n_predict = 8;
    g.ignore_end = true;
    o.generate = &g;
    o.on_end = on_end;
    for (int way = 0; way < 3; way++) { /* all of it; text is stopped; progress is stopped */
        struct calls c = { .stop_after = way ? 3 : 0 };
        infer_error err;
        g.user = o.end_user = &c;
        g.on_text = way < 2 ? on_text : NULL;
        g.on_prompt = way != 1 ? on_prompt : NULL;
        infer_request *r = infer_scheduler_submit_ids(s, ids, 200, &o, &err);
        assert_int_equal(infer_request_wait(r, -1, &err), way < 2 ? INFER_OK : INFER_E_CANCELLED);
        assert_int_equal(c.n_ends, 1);
        assert_ptr_equal(c.ended, r);
        if (way == 0)
            assert_true(c.n_progress == 4 && c.n_texts > 0 && result_of(r, 0).reason == INFER_STOP_LENGTH);
        if (way == 1)
            assert_true(c.n_texts == 3 && result_of(r, 0).reason == INFER_STOP_CALLBACK);
        if (way == 2)
            assert_string_equal(err.message, "cancelled after 192 of 200 tokens of the prompt");
        infer_request_piece piece = { .size = sizeof piece };
        if (way < 2) { /* what callbacks had is not fetched, too */
            assert_int_equal(infer_request_next(r, -1, &piece, NULL), INFER_OK);
            assert_null(piece.text);
        }
        infer_request_close(&r);
    }
    infer_scheduler_close(&s);
}

static void times_and_waiting_are_told(void **state)
{
    (void)state;
    infer_scheduler *s = open_manual(64, 1, 4);
    infer_request *first = submit_ids(s, 10, 0, 0, 20), *second = submit_ids(s, 10, 1, 0, 20);
    assert_int_equal(infer_request_wait(second, -1, NULL), INFER_OK);
    const infer_generate_result a = result_of(first, 0), b = result_of(second, 0);
    assert_true(b.queue_seconds >= a.generate_seconds);
    assert_true(b.first_token_seconds >= b.queue_seconds + b.prompt_seconds);
    assert_true(b.prompt_seconds < b.queue_seconds);
    assert_true(b.token_p50 > 0 && b.token_p99 >= b.token_p95 && b.token_p95 >= b.token_p50);
    infer_request_close(&first);
    infer_request_close(&second);
    infer_scheduler_close(&s);
}

/* ---- Memory that is refused ---- */

/* Three requests, one of two answers, of which the model is there already. Whether all went well. */
static bool survives(infer_model *m, size_t *refuse_from, size_t at)
{
    infer_session_options session = deterministic(128);
    infer_scheduler_options o = infer_scheduler_defaults();
    infer_request_options ro = infer_request_defaults();
    infer_generate_options g = infer_generate_defaults();
    static const char *const stops[] = { "xyz" };
    infer_error err = { 0 };
    session.n_batch = 32;
    o.session = &session;
    o.manual = true;
    g.n_predict = 4;
    g.stops = stops;
    g.n_stops = 1;
    ro.generate = &g;
    *refuse_from = at;
    infer_scheduler *s = infer_scheduler_open(m, &o, &err);
    bool well = s;
    if (!s)
        assert_int_equal(err.code, INFER_E_NOMEM);
    for (int i = 0; s && i < 3; i++) {
        ro.n = i == 1 ? 2 : 1;
        ro.best_of = i == 2 ? 2 : 0;
        infer_request *r = infer_scheduler_submit(s, "Once upon a time", 16, &ro, &err);
        if (!r)
            assert_int_equal(err.code, INFER_E_NOMEM);
        infer_status status = r ? infer_request_wait(r, -1, &err) : INFER_E_NOMEM;
        assert_true(status == INFER_OK || status == INFER_E_NOMEM);
        well &= status == INFER_OK;
        infer_request_close(&r);
    }
    infer_scheduler_close(&s);
    *refuse_from = SIZE_MAX;
    return well;
}

static void each_allocation_that_fails_is_an_error_of_its_request_and_nothing_leaks(void **state)
{
    (void)state;
    struct counting c;
    infer_error err = { 0 };
    counting_init(&c, SIZE_MAX);
    infer_context_options o = infer_context_defaults();
    o.allocator = c.allocator;
    o.n_threads = 1;
    infer_context *own = infer_context_open(&o, &err);
    infer_model *m = infer_model_open_default(own, NULL, &err);
    assert_non_null(m);
    infer_model_set_prefix_bytes(m, 0);
    size_t failed = 0;
    assert_true(survives(m, &c.refuse_from, SIZE_MAX)); /* what is kept for good is there now */
    for (size_t n = 0;; n++) {
        const size_t live = c.live;
        const bool well = survives(m, &c.refuse_from, c.calls + n);
        assert_int_equal(c.live, live);
        if (well)
            break;
        failed++;
    }
    assert_true(failed > 60);
    infer_model_close(&m);
    infer_context_close(&own);
    assert_int_equal(c.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_prompt_does_not_wait_for_a_long_one),
        cmocka_unit_test(prompts_of_one_length_come_to_their_end_together),
        cmocka_unit_test(texts_go_on_in_every_step_of_a_prompt),
        cmocka_unit_test(the_pace_keeps_steps_within_their_bound),
        cmocka_unit_test(prompts_are_cut_where_texts_are_not_to_wait),
        cmocka_unit_test(higher_priorities_go_first_and_equal_ones_in_their_order),
        cmocka_unit_test(what_was_passed_over_often_has_its_turn),
        cmocka_unit_test(a_full_queue_refuses_in_a_sentence_and_takes_more_when_there_is_room),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(one_is_cancelled_wherever_it_is_and_the_others_go_on),
        cmocka_unit_test(requests_outlive_their_scheduler),
        cmocka_unit_test(callbacks_get_text_progress_and_the_end_and_may_stop_it),
        cmocka_unit_test(times_and_waiting_are_told),
        cmocka_unit_test(each_allocation_that_fails_is_an_error_of_its_request_and_nothing_leaks),
    };
    return cmocka_run_group_tests_name("queue", tests, open_forgetful, close_model);
}
