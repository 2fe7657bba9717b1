/* test_deterministic.c - with `deterministic` a token's logits have the same bits for any number of threads, whichever
 * other sessions are in the batch, however prompts are cut, with forks or without, with pages of other sessions or
 * without; and texts are the same, with their log-probabilities, whoever else is written to, guessed ahead or not. */
#include "tests/reference/reference.h"

#include "tests/common/folder.h"
#include "tests/common/sanitized.h"

enum { N_OTHERS = 2, N_CTX = 700 };
enum { EVERY = SANITIZED ? 5 : 1 }; /* of the combinations, those tried: with 5 each value of each choice is among them */

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
        for (int r = 0; r < 8 * 3; r += EVERY) {
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

/* ---- Texts ---- */

enum { N_WRITTEN = 64, N_TOP = 8 };

enum beginning { COMPUTED, OF_ANOTHER, ON_DISK, BEGINNINGS };
enum guesses { NONE, LOOKUP, DRAFT, GUESSES };

/* One way to a text. */
struct manner {
    int n_threads;
    int32_t n_batch;
    float temperature;
    enum beginning beginning; /* who has computed the first half of the prompt */
    enum guesses guesses;
    bool scheduled; /* others are written in the same steps */
};

static const char *const halves[] = { /* of a prompt: more than a page of tokens each */
    "Once upon a time there was a little girl who had a red ball. She liked to play with the red ball in the park. One day "
    "the little girl lost the red ball. She was very sad. She looked for the red ball in the park and in the house. ",
    "Her mother said: do not be sad, we will find the red ball. They looked for the red ball together, in the park and in "
    "the house and under the big tree. And there, under the big tree, was the red ball. The little girl",
};

static void hash_token(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    uint64_t *const h = user;
    const float itself = (float)id;
    *h = hash(hash(*h, &itself, 1), &logprob, 1);
    for (size_t i = 0; i < n_top; i++)
        *h = hash(*h, &top[i].logprob, 1);
}

static infer_session *writer(infer_model *m, const struct manner *w, infer_store *store)
{
    infer_session_options o = infer_session_defaults();
    infer_error err;
    o.n_ctx = N_CTX;
    o.n_batch = w->n_batch;
    o.deterministic = true;
    o.store = store;
    infer_session *s = infer_session_open(m, &o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

/* A session of the model computes the first half, and is gone. */
static void compute_beginning(infer_model *m, const struct manner *w, infer_store *store)
{
    int32_t ids[N_CTX];
    size_t n;
    infer_session *s = writer(m, w, store);
    assert_int_equal(infer_tokenizer_encode(infer_model_tokenizer(m), halves[0], strlen(halves[0]),
                                            INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, ids, N_CTX, &n, NULL), INFER_OK);
    assert_true(n > 64 && n <= N_CTX);
    assert_int_equal(infer_session_sync(s, ids, n, NULL, NULL), INFER_OK);
    infer_session_close(&s);
}

static infer_generate_result write_alone(infer_context *c, infer_model *m, const struct manner *w, infer_store *store,
                                         const char *prompt, infer_generate_options *o, const infer_sampler_options *so)
{
    infer_error err;
    infer_generate_result r = { .size = sizeof r };
    infer_session *s = writer(m, w, store), *draft = w->guesses == DRAFT ? writer(m, w, NULL) : NULL;
    infer_sampler *sampler = infer_sampler_open(c, so, NULL);
    infer_speculation guess = infer_speculation_defaults();
    guess.no_lookup = draft != NULL;
    guess.draft = draft;
    guess.always = true;
    o->speculation = w->guesses == NONE ? NULL : &guess;
    if (infer_generate(s, sampler, prompt, strlen(prompt), o, &r, &err) != INFER_OK)
        fail_msg("%s", err.message);
    assert_true(r.n_drafted > 0 || w->guesses == NONE);
    assert_true(r.n_accepted > 0 || w->guesses != DRAFT);
    infer_sampler_close(&sampler);
    infer_session_close(&draft);
    infer_session_close(&s);
    return r;
}

static infer_generate_result write_among_others(infer_model *m, const struct manner *w, infer_store *store,
                                                const char *prompt, infer_generate_options *o,
                                                const infer_sampler_options *so)
{
    infer_error err;
    infer_generate_result r = { .size = sizeof r };
    infer_scheduler_options options = infer_scheduler_defaults();
    infer_session_options session = infer_session_defaults();
    session.n_ctx = N_CTX;
    session.n_batch = w->n_batch;
    session.deterministic = true;
    session.store = store;
    options.session = &session;
    options.manual = true;
    options.max_running = N_OTHERS + 1;
    infer_scheduler *scheduler = infer_scheduler_open(m, &options, &err);
    if (!scheduler)
        fail_msg("%s", err.message);
    infer_request *requests[N_OTHERS + 1];
    for (int i = 0; i <= N_OTHERS; i++) {
        infer_request_options request = infer_request_defaults();
        infer_generate_options other = *o;
        other.on_token = NULL;
        other.n_predict = 8 + 9 * i;
        request.sampler = so;
        request.generate = i < N_OTHERS ? &other : o;
        const char *const text = i < N_OTHERS ? halves[1] + 10 * i : prompt;
        requests[i] = infer_scheduler_submit(scheduler, text, strlen(text), &request, &err);
        if (!requests[i] || (i == 0 && infer_scheduler_step(scheduler, NULL, &err) != INFER_OK))
            fail_msg("%s", err.message);
    }
    assert_int_equal(infer_request_wait(requests[N_OTHERS], -1, &err), INFER_OK);
    assert_int_equal(infer_request_get_result(requests[N_OTHERS], 0, &r, &err), INFER_OK);
    for (int i = 0; i <= N_OTHERS; i++)
        infer_request_close(&requests[i]);
    infer_scheduler_close(&scheduler);
    return r;
}

static infer_model *open_default(infer_context *c)
{
    infer_error err;
    infer_model *m = infer_model_open_default(c, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

/* Ids and log-probabilities, those of other tokens too. */
static uint64_t text_by(const struct manner *w, const char *folder)
{
    infer_context *c = open_context(NULL, w->n_threads);
    infer_model *m = open_default(c);
    infer_store_options store_options = infer_store_defaults();
    store_options.min_tokens = 64;
    infer_store *store = w->beginning == ON_DISK ? infer_store_open(c, folder, &store_options, NULL) : NULL;
    assert_true(store || w->beginning != ON_DISK);
    if (w->beginning != COMPUTED)
        compute_beginning(m, w, store);
    if (store) {
        infer_store_flush(store);
        infer_model_close(&m); /* with what is in memory */
        m = open_default(c);
    }
    char prompt[1024];
    snprintf(prompt, sizeof prompt, "%s%s", halves[0], halves[1]);
    uint64_t h = 0xcbf29ce484222325;
    infer_sampler_options sampler = infer_sampler_defaults();
    infer_generate_options o = infer_generate_defaults();
    sampler.temperature = w->temperature;
    sampler.seed = 7;
    o.n_predict = N_WRITTEN;
    o.ignore_end = true;
    o.on_token = hash_token;
    o.user = &h;
    o.n_top = N_TOP;
    const infer_generate_result r = w->scheduled ? write_among_others(m, w, store, prompt, &o, &sampler)
                                                 : write_alone(c, m, w, store, prompt, &o, &sampler);
    assert_int_equal(r.n_generated, N_WRITTEN);
    assert_true(w->beginning == COMPUTED || r.n_cached >= 64);
    infer_store_close(&store);
    infer_model_close(&m);
    infer_context_close(&c);
    return h;
}

static void texts_are_the_same_by_every_way(void **state)
{
    (void)state;
    char folder[FOLDER_ROOM];
    folder_make(folder);
    for (int greedy = 0; greedy < 2; greedy++) {
        uint64_t want = 0;
        for (int i = 0; i < 2 * 2 * BEGINNINGS * (GUESSES + 1); i += EVERY) {
            const int rest = i / 4, last = rest / BEGINNINGS; /* guessed in three ways, or written among others */
            const struct manner w = { 1 + i % 2, i / 2 % 2 ? 512 : 24, greedy ? 0 : 0.8f,
                                      (enum beginning)(rest % BEGINNINGS),
                                      last < GUESSES ? (enum guesses)last : NONE, last == GUESSES };
            const uint64_t got = text_by(&w, folder);
            want = i ? want : got;
            if (got != want)
                fail_msg("another text at temperature %g with %d threads, %d tokens a step, beginning %d, guesses %d%s",
                         w.temperature, w.n_threads, w.n_batch, w.beginning, w.guesses,
                         w.scheduled ? ", others beside it" : "");
        }
    }
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(bits_are_the_same_by_every_route),
                                        cmocka_unit_test(texts_are_the_same_by_every_way) };
    return cmocka_run_group_tests_name("deterministic", tests, NULL, NULL);
}
