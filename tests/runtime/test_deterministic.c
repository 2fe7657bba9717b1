/* test_deterministic.c - with `deterministic` a token's logits have the same bits for any number of threads, whichever
 * other sessions are in the batch, however prompts are cut, with forks or without, with pages of other sessions or
 * without. */
#include "tests/reference/reference.h"

enum { N_OTHERS = 2, N_CTX = 700 };

/* FNV-1a */
static uint64_t hash(uint64_t h, const float *x, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)x;
    for (size_t i = 0; i < n * sizeof *x; i++)
        h = (h ^ bytes[i]) * 0x100000001b3;
    return h;
}

struct subject {
    const char *model; /* NULL: the embedded one */
    infer_precision precision;
    infer_kv_type k, v;
    size_t n; /* tokens: more than 512 are several pieces to attention at F32 */
};

/* One way to the logits after the last prompt token and after each of some more. */
struct route {
    int n_threads;
    int32_t n_batch;
    size_t chunk;   /* of the prompt */
    bool batched;   /* others are in each step */
    bool synced;    /* the prompt's beginning is known from another session */
    size_t fork_at; /* the session goes on as a fork from here on, and the first one goes elsewhere; 0: not */
};

static infer_session *open_session(infer_model *m, const struct subject *subject, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    infer_error err;
    o.n_ctx = N_CTX;
    o.n_batch = n_batch;
    o.precision = subject->precision;
    o.kv_type_k = subject->k;
    o.kv_type_v = subject->v;
    o.deterministic = true;
    infer_session *s = infer_session_open(m, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

/* Feed n tokens, alone or beside others that get other numbers of tokens. */
static void feed(infer_session *s, infer_session **others, const int32_t *ids, size_t n)
{
    infer_batch_item items[1 + N_OTHERS] = { { s, ids, n, 0 } };
    size_t n_items = 1;
    for (size_t i = 0; others[0] && i < N_OTHERS; i++) {
        const size_t more = 1 + 3 * i * (n % 3);
        if (infer_session_length(others[i]) + more > N_CTX)
            assert_int_equal(infer_session_rewind(others[i], 0, NULL), INFER_OK);
        items[n_items++] = (infer_batch_item){ others[i], ids, more, 0 };
    }
    infer_error err = { 0 };
    if (n_items == 1 ? infer_session_eval(s, ids, n, &err) : infer_batch_eval(items, n_items, &err))
        fail_msg("%s", err.message);
}

static uint64_t logits_by(const struct subject *subject, const struct route *route)
{
    static int32_t ids[N_CTX];
    const size_t most = subject->n;
    infer_error err;
    infer_context *c = open_context(NULL, route->n_threads);
    infer_model *m = subject->model ? infer_model_open(c, subject->model, NULL, &err)
                                    : infer_model_open_default(c, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    for (int i = 0; i < N_CTX; i++)
        ids[i] = i * 7 % info.n_vocab;
    infer_session *s = open_session(m, subject, route->n_batch), *others[N_OTHERS] = { NULL };
    for (int i = 0; i < N_OTHERS && route->batched; i++)
        others[i] = infer_session_fork(s, NULL);
    uint64_t h = 0xcbf29ce484222325;
    size_t begin = 0;
    if (route->synced) {
        infer_session *first = open_session(m, subject, route->n_batch);
        assert_int_equal(infer_session_sync(first, ids, 80, NULL, NULL), INFER_OK);
        infer_session_close(&first);
        assert_int_equal(infer_session_sync(s, ids, begin = 70, NULL, NULL), INFER_OK);
    }
    for (size_t at = begin, n; at < most; at += n) {
        const size_t left = at < most - 8 ? most - 8 - at : 1; /* the last 8 one by one */
        n = route->chunk < left ? route->chunk : left;
        if (route->fork_at && at >= route->fork_at && at < route->fork_at + n) {
            infer_session *from = s;
            s = infer_session_fork(from, NULL);
            feed(from, others, ids + 3, 5);
            infer_session_close(&from);
        }
        feed(s, others, ids + at, n);
        if (at + n >= most - 8)
            h = hash(h, infer_session_logits(s), (size_t)info.n_vocab);
    }
    for (int i = 0; i < N_OTHERS; i++)
        infer_session_close(&others[i]);
    infer_session_close(&s);
    infer_model_close(&m);
    infer_context_close(&c);
    return h;
}

static void bits_are_the_same_by_every_route(void **state)
{
    (void)state;
    static const struct subject subjects[] = {
        { NULL, INFER_EXACT, INFER_KV_F32, INFER_KV_F32, 540 },
        { NULL, INFER_FAST, INFER_KV_DEFAULT, INFER_KV_DEFAULT, 100 },
        { NULL, INFER_EXACT, INFER_KV_Q8_0, INFER_KV_Q4_0, 100 },
        { NULL, INFER_FAST, INFER_KV_BF16, INFER_KV_BF16, 100 },
        { "tests/data/tiny/gemma3/model.gguf", INFER_FAST, INFER_KV_DEFAULT, INFER_KV_DEFAULT, 100 }, /* windows */
        { "tests/data/tiny/gpt-oss/model.gguf", INFER_EXACT, INFER_KV_DEFAULT, INFER_KV_F16, 100 }, /* experts, sinks */
        { "tests/data/tiny/deepseek3", INFER_FAST, INFER_KV_DEFAULT, INFER_KV_DEFAULT, 100 },         /* a latent vector */
    };
    static const int threads[] = { 1, 2 };
    static const int32_t batches[] = { 7, 512 };
    static const size_t chunks[] = { 9, 33, N_CTX }, forks[] = { 0, 75 };
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        uint64_t want = 0;
        for (int r = 0; r < 8 * 3; r++) {
            const struct route route = { threads[r & 1], batches[(r ^ r >> 2) & 1], chunks[r / 8], r >> 1 & 1,
                                         r >> 2 & 1, forks[(r >> 1 ^ r >> 2) & 1] };
            const uint64_t got = logits_by(&subjects[i], &route);
            want = r ? want : got;
            if (got != want)
                fail_msg("subject %zu: other bits with %d threads, %d tokens a step, chunks of %zu%s%s, fork at %zu", i,
                         route.n_threads, route.n_batch, route.chunk, route.batched ? ", others in the batch" : "",
                         route.synced ? ", after another session" : "",
                         route.fork_at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(bits_are_the_same_by_every_route) };
    return cmocka_run_group_tests_name("deterministic", tests, NULL, NULL);
}
