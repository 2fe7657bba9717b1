/* test_memory.c - memory is flat: requests of random lengths, answers, ends and cancellations leave nothing.
 * bench_requests does the same 10,000 times, and looks at what is resident. */
#include "tests/scheduler/requests.h"

#include "src/base/memory.h"

#include <pthread.h>

enum { HEAD = 64, ROUNDS = 12, EACH = 40 };

/* An allocator that knows how many bytes are live. */
struct live {
    pthread_mutex_t lock;
    size_t bytes, most;
};

static void *live_alloc(void *user, size_t size)
{
    struct live *l = user;
    char *p = mem_default.alloc(NULL, size + HEAD);
    if (!p)
        return NULL;
    memcpy(p, &size, sizeof size);
    pthread_mutex_lock(&l->lock);
    l->bytes += size;
    l->most = l->bytes > l->most ? l->bytes : l->most;
    pthread_mutex_unlock(&l->lock);
    return p + HEAD;
}

static void live_free(void *user, void *memory)
{
    struct live *l = user;
    size_t size;
    memcpy(&size, (char *)memory - HEAD, sizeof size);
    pthread_mutex_lock(&l->lock);
    l->bytes -= size;
    pthread_mutex_unlock(&l->lock);
    mem_default.free(NULL, (char *)memory - HEAD);
}

static unsigned random_below(uint64_t *state, unsigned n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % n;
}

static infer_request *begin(infer_scheduler *s, uint64_t *random)
{
    int32_t ids[100];
    infer_generate_options g = infer_generate_defaults();
    infer_request_options o = infer_request_defaults();
    infer_error err = { 0 };
    const size_t n = 1 + random_below(random, 100);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)random_below(random, 1000);
    g.n_predict = (int32_t)random_below(random, 20);
    o.generate = &g;
    o.priority = (int32_t)random_below(random, 3);
    o.n = 1 + (int32_t)random_below(random, 2);
    o.best_of = o.n + (int32_t)random_below(random, 2);
    infer_request *r = infer_scheduler_submit_ids(s, ids, n, &o, &err);
    if (!r)
        fail_msg("%s", err.message);
    return r;
}

/* All are there at once; some are cancelled, some closed before their end. */
static void run_round(infer_scheduler *s, uint64_t *random)
{
    infer_request *r[EACH];
    for (int i = 0; i < EACH; i++)
        r[i] = begin(s, random);
    for (int i = 0; i < EACH; i++) {
        const unsigned way = random_below(random, 8);
        if (way == 0)
            infer_request_cancel(r[i]);
        if (way > 1)
            infer_request_wait(r[i], -1, NULL);
        infer_request_close(&r[i]);
    }
    for (bool busy = true; busy;)
        assert_int_equal(infer_scheduler_step(s, &busy, NULL), INFER_OK);
}

static void memory_is_flat_over_requests_of_random_lengths(void **state)
{
    (void)state;
    struct live live = { .lock = PTHREAD_MUTEX_INITIALIZER };
    infer_context_options co = infer_context_defaults();
    infer_session_options session = infer_session_defaults();
    infer_scheduler_options o = infer_scheduler_defaults();
    infer_error err = { 0 };
    uint64_t random = 5;
    co.n_threads = 2;
    co.allocator = (infer_allocator){ &live, live_alloc, live_free };
    infer_context *context = infer_context_open(&co, &err);
    infer_model *model = infer_model_open_default(context, NULL, &err);
    assert_non_null(model);
    infer_model_set_prefix_bytes(model, 0);
    session.n_ctx = 128;
    o.session = &session;
    o.manual = true;
    o.max_running = 8;
    o.kv_bytes = infer_kv_bytes(model, &session, 128, &err) * 4; /* some are put aside */
    infer_scheduler *s = infer_scheduler_open(model, &o, &err);
    assert_non_null(s);
    size_t idle = 0, most = 0;
    for (int round = 0; round < ROUNDS; round++) {
        run_round(s, &random);
        if (round == ROUNDS / 2) {
            idle = live.bytes;
            most = live.most;
        }
    }
    assert_true(live.bytes <= idle);
    assert_true(live.most <= most + most / 20); /* how many long ones meet is chance */
    infer_scheduler_close(&s);
    infer_model_close(&model);
    infer_context_close(&context);
    assert_int_equal(live.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(memory_is_flat_over_requests_of_random_lengths) };
    return cmocka_run_group_tests_name("scheduler_memory", tests, NULL, NULL);
}
