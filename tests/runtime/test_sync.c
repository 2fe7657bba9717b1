/* test_sync.c - timelines that are reached by the least work: what sessions have in common is computed once. */
#include "tests/common/counting.h"
#include "tests/runtime/models.h"

#include <pthread.h>

enum { N_CTX = 600 };

static int32_t ids[N_CTX], other[N_CTX];

static infer_session *open_session(infer_model *m)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = N_CTX;
    o.n_batch = 100;
    o.deterministic = true;
    infer_session *s = infer_session_open(m, &o, NULL);
    assert_non_null(s);
    return s;
}

/* The bits that a session has which nobody shares with, in a model of its own. */
static void assert_as_anew(const struct fixture *f, const infer_session *s)
{
    infer_session *anew = open_session(f->model);
    assert_int_equal(infer_session_eval(anew, infer_session_tokens(s), infer_session_length(s), NULL), INFER_OK);
    assert_memory_equal(infer_session_logits(s), infer_session_logits(anew), N_VOCAB * sizeof(float));
    infer_session_close(&anew);
}

static void what_a_session_has_is_kept(void **state)
{
    struct fixture *f = *state;
    infer_session *s = open_session(f->model);
    infer_model_set_prefix_bytes(f->model, 0);
    assert_int_equal(sync_to(s, ids, 250), 250);
    assert_int_equal(sync_to(s, ids, 250), 0);
    assert_int_equal(sync_to(s, ids, 260), 10);
    assert_int_equal(sync_to(s, ids, 259), 1); /* its logits */
    assert_int_equal(sync_to(s, other, 230), 30);
    assert_as_anew(f, s);
    assert_int_equal(sync_to(s, infer_session_tokens(s), 229), 1);
    assert_as_anew(f, s);
    assert_int_equal(infer_session_eval(s, ids, 3, NULL), INFER_OK);
    assert_int_equal(infer_session_rewind(s, 231, NULL), INFER_OK);
    assert_int_equal(sync_to(s, infer_session_tokens(s), 231), 1);
    assert_as_anew(f, s);
    assert_int_equal(sync_to(s, NULL, 0), 0);
    assert_null(infer_session_logits(s));
    infer_session_close(&s);
}

static void pages_of_other_sessions_are_found(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model), *b = open_session(f->model);
    assert_int_equal(sync_to(a, ids, 300), 300);
    assert_int_equal(sync_to(b, ids, 300), 300 - 256);
    assert_as_anew(f, b);
    infer_session_close(&a);
    infer_session_close(&b);
    a = open_session(f->model);
    assert_int_equal(sync_to(a, ids, 320), 64); /* logits of the last one are wanted */
    assert_as_anew(f, a);
    assert_int_equal(infer_session_eval(a, ids + 320, 100, NULL), INFER_OK);
    infer_session_close(&a); /* what followed is known too */
    a = open_session(f->model);
    assert_int_equal(sync_to(a, ids, 420), 420 - 384);
    assert_as_anew(f, a);
    infer_session_close(&a);
}

static void other_ways_to_compute_are_others(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model);
    assert_int_equal(sync_to(a, ids, 200), 200);
    infer_session_options o = infer_session_defaults();
    o.n_ctx = N_CTX;
    infer_session *plain = infer_session_open(f->model, &o, NULL);
    assert_int_equal(sync_to(plain, ids, 200), 200);
    o.deterministic = true;
    o.precision = INFER_EXACT;
    o.kv_type_k = o.kv_type_v = INFER_KV_F16;
    infer_session *exact = infer_session_open(f->model, &o, NULL);
    assert_int_equal(sync_to(exact, ids, 200), 200);
    o.precision = INFER_FAST;
    o.kv_type_k = INFER_KV_BF16;
    infer_session *bf16 = infer_session_open(f->model, &o, NULL);
    assert_int_equal(sync_to(bf16, ids, 200), 200);
    o = infer_session_defaults();
    o.n_ctx = N_CTX / 2;
    o.deterministic = true; /* as open_session() has it */
    infer_session *small = infer_session_open(f->model, &o, NULL);
    assert_int_equal(sync_to(small, ids, 200), 200);
    infer_session_close(&a), infer_session_close(&plain), infer_session_close(&exact), infer_session_close(&bf16);
    infer_session_close(&small);
}

static void texts_that_part_share_what_is_before(void **state)
{
    struct fixture *f = *state;
    infer_session *a = open_session(f->model), *b = open_session(f->model);
    sync_to(a, ids, 500);
    assert_int_equal(sync_to(b, other, 500), 500 - 192); /* 192 tokens are the same pages */
    assert_as_anew(f, b);
    assert_int_equal(sync_to(a, other, 500), 500 - 448);
    assert_as_anew(f, a);
    assert_int_equal(sync_to(a, ids, 500), 500 - 448);
    assert_as_anew(f, a);
    infer_session_close(&a);
    infer_session_close(&b);
}

static void what_was_not_used_for_longest_goes_first(void **state)
{
    struct fixture *f = *state;
    infer_session_options o = infer_session_defaults();
    o.n_ctx = N_CTX;
    const uint64_t page = infer_kv_bytes(f->model, &o, 64, NULL);
    infer_model_set_prefix_bytes(f->model, 4 * page);
    int32_t texts[6][130];
    for (int t = 0; t < 6; t++)
        for (int i = 0; i < 130; i++)
            texts[t][i] = (i * 7 + t) % N_VOCAB;
    infer_session *s = open_session(f->model);
    for (int t = 0; t < 3; t++)
        assert_int_equal(sync_to(s, texts[t], 130), 130);
    assert_int_equal(sync_to(s, texts[1], 130), 2);
    assert_int_equal(sync_to(s, texts[2], 130), 2);
    assert_int_equal(sync_to(s, texts[0], 130), 130);
    assert_int_equal(sync_to(s, texts[1], 130), 130); /* went for 0 */
    assert_int_equal(sync_to(s, texts[0], 130), 2);
    infer_model_set_prefix_bytes(f->model, 0);
    assert_int_equal(sync_to(s, texts[1], 130), 130);
    infer_session_close(&s);
}

static void what_cannot_be_is_refused_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    infer_session *s = open_session(f->model);
    infer_error err;
    const int32_t bad[] = { 1, 2, N_VOCAB };
    sync_to(s, ids, 70);
    assert_int_equal(infer_session_sync(s, ids, N_CTX + 1, NULL, &err), INFER_E_FULL);
    assert_int_equal(infer_session_sync(s, bad, 3, NULL, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, "token 2 of 3 is 96, expected 0 to 95");
    assert_int_equal(infer_session_shift(s, 60, 11, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, "shift: keep 60 tokens and forget 11, but the session has 70");
    assert_int_equal(infer_session_length(s), 70);
    assert_non_null(infer_session_logits(s));
    infer_session_cancel(s);
    assert_int_equal(infer_session_sync(s, ids, 90, NULL, &err), INFER_E_CANCELLED);
    assert_int_equal(sync_to(s, ids, 90), 20);
    assert_as_anew(f, s);
    infer_session_close(&s);
}

static void a_shift_computes_what_follows_as_if_the_rest_had_not_been(void **state)
{
    struct fixture *f = *state;
    infer_session *s = open_session(f->model), *fork;
    assert_int_equal(infer_session_eval(s, ids, 300, NULL), INFER_OK);
    fork = infer_session_fork(s, NULL);
    assert_int_equal(infer_session_shift(s, 10, 100, NULL), INFER_OK);
    assert_int_equal(infer_session_length(s), 200);
    assert_memory_equal(infer_session_tokens(s), ids, 10 * sizeof *ids);
    assert_memory_equal(infer_session_tokens(s) + 10, ids + 110, 190 * sizeof *ids);
    assert_as_anew(f, s);
    assert_as_anew(f, fork);
    infer_session_close(&s);
    infer_session_close(&fork);
}

static void *run(void *arg)
{
    infer_session *const root = arg;
    for (size_t round = 0; round < 6; round++) {
        infer_session *s = infer_session_fork(root, NULL);
        sync_to(s, round % 2 ? ids : other, 210 + 31 * round);
        sync_to(s, other, 300);
        infer_session_close(&s);
    }
    return NULL;
}

static void threads_share_pages(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[3];
    infer_session *roots[3];
    for (int i = 0; i < 3; i++) {
        roots[i] = open_session(f->model);
        assert_int_equal(pthread_create(&threads[i], NULL, run, roots[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        infer_model_set_prefix_bytes(f->model, (uint64_t)100000 * (uint64_t)i);
        pthread_join(threads[i], NULL);
        sync_to(roots[i], other, 300);
        assert_as_anew(f, roots[i]);
        infer_session_close(&roots[i]);
    }
}

/* Without memory for the trie or the pages: an error, or nothing shared; never other logits. */
static bool survives(size_t refuse_from)
{
    struct counting counting;
    infer_context_options o = infer_context_defaults();
    counting_init(&counting, SIZE_MAX);
    o.allocator = counting.allocator;
    o.n_threads = 1;
    struct fixture f = { infer_context_open(&o, NULL), NULL };
    f.model = infer_model_open(f.context, "tests/data/tiny/gemma3/model.gguf", NULL, NULL);
    infer_session *a = open_session(f.model), *b = open_session(f.model);
    counting.refuse_from = counting.calls + refuse_from;
    infer_error err;
    infer_status status = infer_session_sync(a, ids, 130, NULL, &err);
    if (status == INFER_OK)
        status = infer_session_sync(b, ids, 140, NULL, &err);
    const bool well = counting.calls < counting.refuse_from;
    counting.refuse_from = SIZE_MAX;
    assert_true(status == INFER_OK || status == INFER_E_NOMEM);
    sync_to(b, ids, 140);
    assert_as_anew(&f, b);
    infer_session_close(&a);
    infer_session_close(&b);
    infer_model_close(&f.model);
    infer_context_close(&f.context);
    assert_int_equal(counting.live, 0);
    return well;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    size_t n = 0;
    while (!survives(n))
        n++;
    assert_true(n > 5);
}

int main(void)
{
    make_texts(ids, other, N_CTX);
    const struct CMUnitTest tests[] = {
        WITH_BOTH(what_a_session_has_is_kept),
        WITH_PLAIN(pages_of_other_sessions_are_found),
        WITH_PLAIN(other_ways_to_compute_are_others),
        WITH_BOTH(texts_that_part_share_what_is_before),
        WITH_PLAIN(what_was_not_used_for_longest_goes_first),
        WITH_BOTH(what_cannot_be_is_refused_and_changes_nothing),
        WITH_BOTH(a_shift_computes_what_follows_as_if_the_rest_had_not_been),
        WITH_BOTH(threads_share_pages),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
