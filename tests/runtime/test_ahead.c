/* test_ahead.c - tokens computed before they are chosen: the bits that single steps give, whatever was guessed. */
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"

#include "src/runtime/ahead.h"

enum { N_CTX = 1200, MOST = 12 };

struct subject {
    const char *model; /* NULL: the embedded one */
    infer_precision precision;
    infer_kv_type k, v;
    uint32_t prompt, n; /* tokens; past 512 in several pieces to attention at F32 */
};

static const struct subject subjects[] = {
    { NULL, INFER_FAST, INFER_KV_DEFAULT, INFER_KV_DEFAULT, 20, 60 },
    { NULL, INFER_EXACT, INFER_KV_F32, INFER_KV_F32, 500, 60 },
    { NULL, INFER_FAST, INFER_KV_F32, INFER_KV_BF16, 240, 40 }, /* the second piece begins */
    { NULL, INFER_EXACT, INFER_KV_Q8_0, INFER_KV_Q4_0, 100, 30 },
    { "tests/data/tiny/gemma3/model.gguf", INFER_FAST, INFER_KV_DEFAULT, INFER_KV_DEFAULT, 50, 60 }, /* windows */
    { "tests/data/tiny/gemma3/model.gguf", INFER_FAST, INFER_KV_F32, INFER_KV_F32, 1000, 60 }, /* ... and pieces */
    { "tests/data/tiny/gpt-oss/model.gguf", INFER_EXACT, INFER_KV_DEFAULT, INFER_KV_F16, 50, 60 }, /* experts, sinks */
    { "tests/data/tiny/qwen3moe/model.gguf", INFER_FAST, INFER_KV_DEFAULT, INFER_KV_DEFAULT, 10, 30 },
    { "tests/data/tiny/deepseek3", INFER_FAST, INFER_KV_DEFAULT, INFER_KV_DEFAULT, 10, 60 }, /* a latent vector */
};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

static int32_t ids[N_CTX];

static infer_model *open_model(infer_context *c, const struct subject *x)
{
    infer_error err;
    infer_model *m = x->model ? infer_model_open(c, x->model, NULL, &err) : infer_model_open_default(c, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    for (int32_t i = 0; i < N_CTX; i++)
        ids[i] = i * 7 % (int32_t)output_width(m);
    return m;
}

static infer_session *open_session(infer_model *m, const struct subject *x, bool deterministic)
{
    infer_error err;
    infer_session_options o = infer_session_defaults();
    o.n_ctx = N_CTX;
    o.precision = x->precision;
    o.kv_type_k = x->k;
    o.kv_type_v = x->v;
    o.deterministic = deterministic;
    infer_session *s = infer_session_open(m, &o, &err);
    if (!s || infer_session_eval(s, ids, x->prompt, &err) != INFER_OK)
        fail_msg("%s", err.message);
    return s;
}

/* Of n guesses of what follows the session's tokens, all from `wrong` on are. */
static void guess(const infer_session *s, uint32_t n, uint32_t wrong)
{
    struct advance a;
    int32_t guesses[MOST];
    for (uint32_t i = 0; i < n; i++)
        guesses[i] = ids[s->n_tokens + i] ^ (i >= wrong);
    infer_session *own = (infer_session *)s;
    assert_int_equal(ahead_prepare(own, guesses, n, &a, NULL), INFER_OK);
    a.alone = true;
    assert_int_equal(advance_all(&a, 1, NULL), INFER_OK);
    ahead_computed(own, &a);
}

/* Append the next token; returns whether it was foreseen. */
static bool append(infer_session *s, uint32_t n, uint32_t wrong)
{
    infer_status status;
    assert_int_equal(session_append(s, ids[s->n_tokens], NULL), INFER_OK);
    const bool foreseen = ahead_take(s, &status, NULL);
    if (foreseen)
        assert_int_equal(status, INFER_OK);
    else
        guess(s, n < ahead_room(s) ? n : ahead_room(s), wrong);
    assert_int_equal(s->n_done, s->n_tokens);
    return foreseen;
}

static void bits_are_those_of_single_steps(const struct subject *x, int n_threads, bool deterministic)
{
    infer_context *c = open_context(NULL, n_threads);
    infer_model *m = open_model(c, x);
    infer_session *one = open_session(m, x, deterministic), *many = open_session(m, x, deterministic);
    const size_t bytes = output_width(m) * sizeof(float);
    uint32_t n_foreseen = 0;
    assert_int_equal(ahead_open(many, MOST, NULL), INFER_OK);
    for (uint32_t i = 0; i < x->n; i++) {
        assert_int_equal(infer_session_eval(one, &ids[x->prompt + i], 1, NULL), INFER_OK);
        n_foreseen += append(many, 1 + i * 5 % MOST, i * 3 % 7);
        if (memcmp(infer_session_logits(one), infer_session_logits(many), bytes))
            fail_msg("%s with %d threads: other bits after %u tokens", x->model ? x->model : "embedded", n_threads,
                     x->prompt + i + 1);
    }
    assert_true(n_foreseen > x->n / 3 && n_foreseen < x->n);
    ahead_close(many);
    assert_int_equal(kv_bytes(&one->history->kv), kv_bytes(&many->history->kv));
    assert_int_equal(infer_session_eval(one, ids, 5, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(many, ids, 5, NULL), INFER_OK);
    assert_memory_equal(infer_session_logits(one), infer_session_logits(many), bytes);
    infer_session_close(&one);
    infer_session_close(&many);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void guesses_change_no_bit(void **state)
{
    (void)state;
    for (int i = 0; i < N_SUBJECTS; i++)
        for (int way = SANITIZED ? i % 4 : 0; way < 4; way += SANITIZED ? 4 : 1)
            bits_are_those_of_single_steps(&subjects[i], 1 + way % 2, way / 2);
}

static void whatever_changes_the_session_makes_it_forget(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    infer_model *m = open_model(c, subjects);
    infer_session *s = open_session(m, subjects, false), *plain = open_session(m, subjects, false);
    const size_t bytes = output_width(m) * sizeof(float);
    assert_int_equal(ahead_open(s, 4, NULL), INFER_OK);
    assert_int_equal(ahead_room(s), 0); /* nothing waits */
    append(s, 4, 4);
    assert_true(ahead_foresees(s, ids[21]) && !ahead_foresees(s, ids[21] ^ 1));
    infer_session *fork = infer_session_fork(s, NULL);
    assert_false(ahead_foresees(s, ids[21]));
    infer_session_close(&fork);
    assert_true(ahead_foresees(s, ids[21]));
    assert_int_equal(session_append(s, ids[21], NULL), INFER_OK);
    fork = infer_session_fork(s, NULL); /* between append and take */
    assert_false(ahead_take(s, &(infer_status){ INFER_OK }, NULL));
    assert_int_equal(infer_session_eval(s, NULL, 0, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(plain, &ids[20], 1, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(plain, &ids[21], 1, NULL), INFER_OK);
    assert_memory_equal(infer_session_logits(s), infer_session_logits(plain), bytes);
    assert_int_equal(infer_session_eval(fork, NULL, 0, NULL), INFER_OK);
    assert_memory_equal(infer_session_logits(fork), infer_session_logits(plain), bytes);
    infer_session_close(&fork);
    append(s, 4, 4);
    assert_int_equal(infer_session_rewind(s, 22, NULL), INFER_OK);
    assert_false(ahead_foresees(s, ids[22]));
    append(s, 4, 4);
    assert_int_equal(infer_session_eval(s, &ids[3], 1, NULL), INFER_OK);
    assert_int_equal(s->ahead->n, 0);
    infer_session_close(&s);
    infer_session_close(&plain);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void a_cancelled_session_takes_nothing(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    infer_model *m = open_model(c, subjects);
    infer_session *s = open_session(m, subjects, false);
    infer_status status = INFER_OK;
    infer_error err;
    assert_int_equal(ahead_open(s, 4, NULL), INFER_OK);
    append(s, 4, 4);
    assert_int_equal(session_append(s, ids[21], NULL), INFER_OK);
    infer_session_cancel(s);
    assert_true(ahead_take(s, &status, &err));
    assert_int_equal(status, INFER_E_CANCELLED);
    assert_string_equal(err.message, "cancelled with 21 of 22 tokens computed");
    assert_true(ahead_take(s, &status, &err) && status == INFER_OK);
    infer_session_close(&s);
    infer_model_close(&m);
    infer_context_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_change_no_bit),
        cmocka_unit_test(whatever_changes_the_session_makes_it_forget),
        cmocka_unit_test(a_cancelled_session_takes_nothing),
    };
    return cmocka_run_group_tests_name("ahead", tests, NULL, NULL);
}
