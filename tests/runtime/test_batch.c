/* test_batch.c - sessions that advance together: each as if it were alone. */
#include "tests/common/counting.h"
#include "tests/reference/reference.h"

#include <pthread.h>

enum { MOST = 400, N_VOCAB = 96 };

static int32_t ids[MOST + 1];

static infer_session *open_session(infer_model *m, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    infer_error err;
    o.n_ctx = MOST;
    o.n_batch = n_batch;
    o.precision = INFER_EXACT;
    infer_session *s = infer_session_open(m, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

static infer_model *open_model(infer_context *c, const char *name)
{
    char path[100];
    infer_error err;
    snprintf(path, sizeof path, "tests/data/tiny/%s", name);
    infer_model *m = infer_model_open(c, path, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static void fork_all(infer_session *from, infer_session **sessions, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_non_null(sessions[i] = infer_session_fork(from, NULL));
}

static void close_all(infer_session **sessions, size_t n)
{
    for (size_t i = 0; i < n; i++)
        infer_session_close(&sessions[i]);
}

/* Sessions of other lengths that get other numbers of tokens, few in a step, in steps that are split anywhere. */
static void every_session_goes_on_as_if_alone(void **state)
{
    (void)state;
    static const char *const models[] = { "qwen3", "gemma3", "gpt-oss", "deepseek3", "llama3" };
    enum { SESSIONS = 20, ROUNDS = 6 };
    infer_context *c = open_context(NULL, 3);
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        infer_model *model = open_model(c, models[m]);
        infer_session *root = open_session(model, 48), *sessions[SESSIONS], *alone = open_session(model, 0);
        fork_all(root, sessions, SESSIONS);
        for (int round = 0; round < ROUNDS; round++) {
            infer_batch_item items[SESSIONS];
            infer_error err = { 0 };
            for (int i = 0; i < SESSIONS; i++) {
                const int n = round ? (i % 3 ? 1 : i * round) : 1 + 3 * i;
                items[i] = (infer_batch_item){ sessions[i], ids + i + round, (size_t)n, 0 };
            }
            if (infer_batch_eval(items, SESSIONS, &err) != INFER_OK)
                fail_msg("%s", err.message);
        }
        for (int i = 0; i < SESSIONS; i++) {
            assert_int_equal(infer_session_rewind(alone, 0, NULL), INFER_OK);
            assert_int_equal(infer_session_eval(alone, infer_session_tokens(sessions[i]),
                                                infer_session_length(sessions[i]), NULL), INFER_OK);
            const double off = distance(infer_session_logits(sessions[i]), infer_session_logits(alone), N_VOCAB);
            if (!(off < 2e-5))
                fail_msg("%s: session %d of %zu tokens is off by %g", models[m], i,
                         infer_session_length(sessions[i]), off);
        }
        close_all(sessions, SESSIONS);
        infer_session_close(&root);
        infer_session_close(&alone);
        infer_model_close(&model);
    }
    infer_context_close(&c);
}

static void what_is_wrong_with_an_item_is_told_and_changes_nothing(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    infer_model *m = open_model(c, "qwen3"), *other = open_model(c, "llama3"), *encoder = open_model(c, "bert");
    infer_session *a = open_session(m, 0), *b = infer_session_fork(a, NULL), *x = open_session(other, 0);
    infer_session_options fast = infer_session_defaults();
    infer_session *f = infer_session_open(m, &fast, NULL), *e = infer_session_open(encoder, NULL, NULL);
    const int32_t bad = N_VOCAB;
    const struct {
        infer_batch_item second;
        infer_status status;
        const char *message;
    } cases[] = {
        { { b, ids, MOST + 1, 0 }, INFER_E_FULL, "item 1 of the batch: the context holds 400 tokens" },
        { { b, &bad, 1, 0 }, INFER_E_ARGUMENT, "item 1 of the batch: token 0 of 1 is 96, expected 0 to 95" },
        { { a, ids, 1, 0 }, INFER_E_ARGUMENT, "item 1 of the batch has the session of an earlier one" },
        { { x, ids, 1, 0 }, INFER_E_ARGUMENT, "item 1 of the batch is a session of another model" },
        { { f, ids, 1, 0 }, INFER_E_ARGUMENT,
          "item 1 of the batch is a session of another model, or with another precision" },
        { { e, ids, 1, 0 }, INFER_E_ARGUMENT, "item 1 of the batch is a session of an encoder" },
        { { NULL, ids, 1, 0 }, INFER_E_ARGUMENT, "item 1 of the batch has no session" },
        { { b, NULL, 1, 0 }, INFER_E_ARGUMENT, "item 1 of the batch has no session or no tokens" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        infer_batch_item items[] = { { a, ids, 3, 0 }, cases[i].second };
        infer_error err = { 0 };
        assert_int_equal(infer_batch_eval(items, 2, &err), cases[i].status);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("\"%s\", expected \"%s\"", err.message, cases[i].message);
        assert_int_equal(infer_session_length(a), 0);
    }
    assert_int_equal(infer_batch_eval(NULL, 0, NULL), INFER_OK);
    infer_session *all[] = { a, b, x, f, e };
    close_all(all, 5);
    infer_model_close(&m), infer_model_close(&other), infer_model_close(&encoder);
    infer_context_close(&c);
}

static void a_session_that_is_cancelled_drops_out(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, "qwen3");
    infer_session *s[3];
    s[0] = open_session(m, 16);
    fork_all(s[0], s + 1, 2);
    infer_batch_item items[] = { { s[0], ids, 40, 0 }, { s[1], ids, 50, 0 }, { s[2], ids, 3, 0 } };
    infer_error err = { 0 };
    infer_session_cancel(s[1]);
    assert_int_equal(infer_batch_eval(items, 3, &err), INFER_E_CANCELLED);
    assert_string_equal(err.message, "cancelled with 0 of 50 tokens computed");
    assert_int_equal(items[0].status, INFER_OK);
    assert_int_equal(items[1].status, INFER_E_CANCELLED);
    assert_int_equal(items[2].status, INFER_OK);
    assert_int_equal(infer_session_length(s[0]), 40);
    assert_int_equal(infer_session_length(s[1]), 0);
    assert_non_null(infer_session_logits(s[2]));
    assert_int_equal(infer_batch_eval(items + 1, 1, &err), INFER_OK); /* once */
    close_all(s, 3);
    infer_model_close(&m);
    infer_context_close(&c);
}

/* Whether all went well; what failed said so and left its session as it was. */
static bool survives(size_t refuse_from)
{
    struct counting counting;
    infer_context_options o = infer_context_defaults();
    counting_init(&counting, SIZE_MAX);
    o.allocator = counting.allocator;
    o.n_threads = 1;
    infer_context *c = infer_context_open(&o, NULL);
    infer_model *m = open_model(c, "gemma3");
    infer_session *root = open_session(m, 32), *s[4];
    assert_int_equal(infer_session_eval(root, ids, 70, NULL), INFER_OK);
    fork_all(root, s, 4);
    infer_batch_item items[4];
    infer_error err = { 0 };
    for (int i = 0; i < 4; i++)
        items[i] = (infer_batch_item){ s[i], ids, (size_t)(1 + 40 * i), 0 };
    counting.refuse_from = counting.calls + refuse_from;
    const infer_status status = infer_batch_eval(items, 4, &err);
    counting.refuse_from = SIZE_MAX;
    for (int i = 0; i < 4 && status != INFER_OK; i++) {
        assert_true(items[i].status == INFER_OK || items[i].status == INFER_E_NOMEM);
        const size_t length = infer_session_length(s[i]);
        assert_true(length == 70 || (items[i].status == INFER_OK && length == 70 + items[i].n_tokens));
        assert_memory_equal(infer_session_tokens(s[i]), ids, 70 * sizeof *ids);
        infer_session *anew = infer_session_fork(s[i], NULL);
        assert_int_equal(infer_session_rewind(anew, 0, NULL), INFER_OK);
        assert_int_equal(infer_session_eval(anew, infer_session_tokens(s[i]), length, NULL), INFER_OK);
        assert_true(distance(infer_session_logits(anew), infer_session_logits(s[i]), N_VOCAB) < 1e-5);
        infer_session_close(&anew);
    }
    assert_true(status == INFER_OK || status == INFER_E_NOMEM);
    close_all(s, 4);
    infer_session_close(&root);
    infer_model_close(&m);
    infer_context_close(&c);
    assert_int_equal(counting.live, 0);
    return status == INFER_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    size_t n = 0;
    while (!survives(n))
        n++;
    assert_true(n > 10);
}

struct runner {
    infer_session *root;
    float logits[4][N_VOCAB];
};

static void *run(void *arg)
{
    struct runner *r = arg;
    infer_session *s[4];
    for (int round = 0; round < 3; round++) {
        infer_batch_item items[4];
        fork_all(r->root, s, 4);
        for (int i = 0; i < 4; i++)
            items[i] = (infer_batch_item){ s[i], ids + i, (size_t)(1 + 20 * i), 0 };
        assert_int_equal(infer_batch_eval(items, 4, NULL), INFER_OK);
        for (int i = 0; i < 4; i++)
            memcpy(r->logits[i], infer_session_logits(s[i]), sizeof r->logits[i]);
        close_all(s, 4);
    }
    return NULL;
}

static void batches_of_forks_run_in_threads_side_by_side(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, "qwen3");
    infer_session *root = open_session(m, 64);
    assert_int_equal(infer_session_eval(root, ids, 70, NULL), INFER_OK);
    static struct runner runners[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        runners[i].root = infer_session_fork(root, NULL);
        assert_int_equal(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_memory_equal(runners[i].logits, runners[0].logits, sizeof runners[0].logits);
        infer_session_close(&runners[i].root);
    }
    infer_session_close(&root);
    infer_model_close(&m);
    infer_context_close(&c);
}

int main(void)
{
    for (int i = 0; i < MOST; i++)
        ids[i] = i * 7 % N_VOCAB;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_session_goes_on_as_if_alone),
        cmocka_unit_test(what_is_wrong_with_an_item_is_told_and_changes_nothing),
        cmocka_unit_test(a_session_that_is_cancelled_drops_out),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(batches_of_forks_run_in_threads_side_by_side),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
