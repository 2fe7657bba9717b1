/* test_limits.c - who may ask, how much, how often and how long; and what many at once do to each other. */
#include "tests/common/asking.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"temperature\":0"

static int status_with(infer_service *s, const char *path, const char *header, const char *value)
{
    const infer_header h = { header, value };
    infer_service_request r = infer_service_request_defaults();
    r.path = path;
    r.headers = header ? &h : NULL;
    r.n_headers = header != NULL;
    struct reply reply = ask_end(infer_service_submit(s, &r, NULL));
    free(reply.text);
    return reply.status;
}

static void a_key_opens_all_routes_and_none_only_health(void **state)
{
    static const char *const keys[] = { "first", "second key" };
    (void)state;
    infer_service_options o = infer_service_defaults();
    o.api_keys = keys;
    o.n_api_keys = 2;
    infer_service *s = open_with(&o);
    assert_int_equal(status_with(s, "/health", NULL, NULL), 200);
    assert_int_equal(status_with(s, "/v1/models", NULL, NULL), 401);
    assert_int_equal(status_with(s, "/v1/models", "authorization", "Bearer first"), 200);
    assert_int_equal(status_with(s, "/v1/models", "X-API-KEY", "second key"), 200);
    assert_int_equal(status_with(s, "/v1/models", "Authorization", "Bearer firs"), 401);
    assert_int_equal(status_with(s, "/v1/models", "Authorization", "Bearer firstfirst"), 401);
    assert_int_equal(status_with(s, "/v1/models", "Authorization", "Bearer "), 401);
    assert_int_equal(status_with(s, "/v1/models", "x-api-key", ""), 401);
    infer_service_close(&s);
}

static void more_requests_a_minute_than_allowed_are_told_to_wait(void **state)
{
    (void)state;
    infer_service_options o = infer_service_defaults();
    o.rate = 12; /* two at once */
    infer_service *s = open_with(&o);
    assert_int_equal(status_with(s, "/v1/models", NULL, NULL), 200);
    assert_int_equal(status_with(s, "/v1/models", NULL, NULL), 200);
    assert_int_equal(status_with(s, "/v1/models", NULL, NULL), 429);
    assert_int_equal(status_with(s, "/health", NULL, NULL), 200);
    infer_service_close(&s);
}

static void a_body_that_is_too_long_is_not_read(void **state)
{
    (void)state;
    infer_service_options o = infer_service_defaults();
    o.max_body = 20;
    infer_service *s = open_with(&o);
    json_decref(ask_json(s, "POST", "/tokenize", "{\"content\":\"a\"}", 200));
    json_decref(ask_json(s, "POST", "/tokenize", "{\"content\":\"aaaaaaaaaaaaaa\"}", 413));
    infer_service_close(&s);
}

static void a_text_ends_where_the_server_says(void **state)
{
    (void)state;
    infer_service_options o = infer_service_defaults();
    o.max_tokens = 5;
    infer_service *s = open_with(&o);
    json_t *const a = ask_json(s, "POST", "/v1/chat/completions", "{" CHAT ",\"max_tokens\":50}", 200);
    assert_int_equal(json_integer_value(at(a, "usage.completion_tokens")), 5);
    json_decref(a);
    infer_service_close(&s);
}

static void when_the_time_is_up_what_there_is_counts(void **state)
{
    (void)state;
    infer_session_options session = infer_session_defaults();
    infer_scheduler_options scheduler = infer_scheduler_defaults();
    infer_service_options o = infer_service_defaults();
    session.n_ctx = 1 << 20;
    scheduler.session = &session;
    o.scheduler = &scheduler;
    o.max_seconds = 0.2;
    infer_service *s = open_with(&o);
    json_t *const a = ask_json(s, "POST", "/v1/chat/completions", "{" CHAT ",\"ignore_eos\":true}", 200);
    assert_string_equal(text_at(a, "choices.0.finish_reason"), "length");
    assert_true(*text_at(a, "choices.0.message.content"));
    json_decref(a);
    infer_service_close(&s);
}

static void a_service_that_drains_finishes_what_it_has(void **state)
{
    (void)state;
    infer_service *s = open_with(NULL);
    infer_exchange *const x = ask_begin(s, "POST", "/v1/chat/completions", "{" CHAT ",\"max_tokens\":20}");
    infer_service_drain(s);
    assert_int_equal(status_with(s, "/health", NULL, NULL), 503);
    assert_int_equal(status_with(s, "/v1/models", NULL, NULL), 503);
    assert_int_equal(status_with(s, "/metrics", NULL, NULL), 200);
    struct reply r = ask_end(x);
    assert_int_equal(r.status, 200);
    free(r.text);
    infer_service_close(&s);
}

static void an_answer_outlives_its_service(void **state)
{
    (void)state;
    infer_service *s = open_with(NULL);
    infer_exchange *const whole = ask_begin(s, "POST", "/tokenize", "{\"content\":\"a\"}");
    while (infer_service_busy(s))
        ;
    infer_exchange *const cut = ask_begin(s, "POST", "/v1/chat/completions",
                                          "{" CHAT ",\"stream\":true,\"ignore_eos\":true}");
    infer_service_close(&s);
    struct reply a = ask_end(whole), b = ask_end(cut);
    assert_int_equal(a.status, 200);
    assert_int_equal(b.end, INFER_E_CANCELLED);
    free(a.text);
    free(b.text);
}

static void lines_of_the_log_have_no_texts(void *user, const char *json, size_t length)
{
    atomic_int *const lines = user;
    json_t *const line = json_loadb(json, length, 0, NULL);
    assert_non_null(at(line, "event"));
    assert_null(strstr(json, "Once upon"));
    atomic_fetch_add(lines, 1);
    json_decref(line);
}

struct crowd {
    infer_service *service;
    const char *expected; /* body of a greedy answer's content */
    int seed;
    atomic_int *wrong;
};

/* Requests of all kinds, some of which are left before their end. */
static void *crowd(void *user)
{
    struct crowd *const c = user;
    unsigned random = (unsigned)c->seed;
    for (int i = 0; i < 20; i++) {
        random = random * 1664525 + 1013904223;
        switch (random >> 28) {
        case 0: case 1: case 2: case 3: {
            infer_exchange *gone = ask_begin(c->service, "POST", "/v1/chat/completions",
                                             "{" CHAT ",\"stream\":true,\"ignore_eos\":true}");
            const char *chunk;
            size_t n;
            for (unsigned k = random >> 26 & 3; k; k--)
                infer_exchange_next(gone, 10, &chunk, &n, NULL);
            infer_exchange_close(&gone);
            break;
        }
        case 4: case 5: case 6:
            json_decref(ask_json(c->service, "POST", "/tokenize", "{\"content\":\"a b c\"}", 200));
            break;
        case 7: case 8:
            json_decref(ask_json(c->service, "POST", "/v1/embeddings", "{\"input\":[\"a b\",\"c\"]}", 200));
            break;
        case 9:
            json_decref(ask_json(c->service, "POST", "/v1/chat/completions", "{\"messages\":3}", 400));
            break;
        default: {
            json_t *const a = ask_json(c->service, "POST", "/v1/chat/completions", "{" CHAT ",\"max_tokens\":12}", 200);
            if (strcmp(text_at(a, "choices.0.message.content"), c->expected))
                atomic_fetch_add(c->wrong, 1);
            json_decref(a);
        }
        }
    }
    return NULL;
}

static void those_who_leave_change_nothing_for_the_others(void **state)
{
    enum { N = 8 };
    (void)state;
    infer_session_options session = infer_session_defaults();
    infer_scheduler_options scheduler = infer_scheduler_defaults();
    infer_service_options o = infer_service_defaults();
    pthread_t threads[N];
    struct crowd all[N];
    atomic_int lines = 0, wrong = 0;
    session.deterministic = true; /* the same bits, whoever else is computed */
    scheduler.session = &session;
    o.scheduler = &scheduler;
    o.on_log = lines_of_the_log_have_no_texts;
    o.log_user = &lines;
    infer_service *s = open_with(&o);
    json_t *const a = ask_json(s, "POST", "/v1/chat/completions", "{" CHAT ",\"max_tokens\":12}", 200);
    for (int i = 0; i < N; i++) {
        all[i] = (struct crowd){ s, text_at(a, "choices.0.message.content"), 77 * i + 1, &wrong };
        assert_int_equal(pthread_create(&threads[i], NULL, crowd, &all[i]), 0);
    }
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    infer_service_close(&s);
    assert_true(lines > 20 * N);
    json_decref(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_opens_all_routes_and_none_only_health),
        cmocka_unit_test(more_requests_a_minute_than_allowed_are_told_to_wait),
        cmocka_unit_test(a_body_that_is_too_long_is_not_read),
        cmocka_unit_test(a_text_ends_where_the_server_says),
        cmocka_unit_test(when_the_time_is_up_what_there_is_counts),
        cmocka_unit_test(a_service_that_drains_finishes_what_it_has),
        cmocka_unit_test(an_answer_outlives_its_service),
        cmocka_unit_test(those_who_leave_change_nothing_for_the_others),
    };
    return cmocka_run_group_tests(tests, open_context, close_service);
}
