/* test_prompt.c - what a prompt costs: pages that other sessions computed are found. And how likely its tokens were.
 * The embedded model reads, deterministically, so that bits can be compared. */
#include "tests/common/counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 512, TOP = 3 };

struct told {
    int32_t id;
    float logprob;
    infer_logprob top[TOP];
};

struct fixture {
    struct counting memory;
    infer_context *context;
    infer_model *model;
    infer_sampler *sampler;
    infer_session *session;
    infer_generate_options o;
    infer_generate_result r;
    infer_error err;
    char prompt[1200]; /* of some 200 tokens */
    struct told told[MOST];
    size_t n_told, n_progress, refuse_progress, n_told_before_progress;
};

static infer_session *open_session(struct fixture *f, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = MOST;
    o.n_batch = n_batch;
    o.deterministic = true;
    infer_session *s = infer_session_open(f->model, &o, &f->err);
    if (!s)
        fail_msg("%s", f->err.message);
    return s;
}

static int set_up(void **state)
{
    static struct fixture f;
    infer_context_options o = infer_context_defaults();
    infer_sampler_options greedy = infer_sampler_defaults();
    f = (struct fixture){ .o = infer_generate_defaults() };
    counting_init(&f.memory, SIZE_MAX);
    o.n_threads = 2;
    o.allocator = f.memory.allocator;
    f.context = infer_context_open(&o, &f.err);
    f.model = infer_model_open_default(f.context, NULL, &f.err);
    greedy.temperature = 0;
    f.sampler = infer_sampler_open(f.context, &greedy, &f.err);
    assert_non_null(f.sampler);
    f.session = open_session(&f, 0);
    f.o.n_predict = 8;
    f.o.ignore_end = true;
    f.o.user = &f;
    for (int i = 0; i < 12; i++)
        strcat(f.prompt, i % 2 ? "The dog ran to the big tree and was happy. "
                               : "One day Lily saw a red ball in the park. ");
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    infer_sampler_close(&f->sampler);
    infer_session_close(&f->session);
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    assert_int_equal(f->memory.live, 0);
    return 0;
}

static infer_status try_reading(struct fixture *f, infer_session *s, const char *prompt)
{
    f->r = (infer_generate_result){ .size = sizeof f->r };
    f->n_told = f->n_progress = 0;
    return infer_generate(s, f->sampler, prompt, strlen(prompt), &f->o, &f->r, &f->err);
}

static void read_prompt(struct fixture *f, infer_session *s, const char *prompt)
{
    if (try_reading(f, s, prompt) != INFER_OK)
        fail_msg("%s", f->err.message);
}

static void assert_same_tokens(const infer_session *a, const infer_session *b)
{
    assert_int_equal(infer_session_length(a), infer_session_length(b));
    assert_memory_equal(infer_session_tokens(a), infer_session_tokens(b), infer_session_length(a) * sizeof(int32_t));
}

static bool on_prompt(void *user, float done)
{
    struct fixture *f = user;
    (void)done;
    if (!f->n_progress)
        f->n_told_before_progress = f->n_told;
    return ++f->n_progress != f->refuse_progress;
}

/* ---- Shared pages ---- */

static void pages_that_others_computed_are_used_by_a_prompt_that_opens_a_session(void **state)
{
    struct fixture *f = *state;
    infer_session *other = open_session(f, 0);
    read_prompt(f, f->session, f->prompt);
    const size_t n = f->r.n_prompt;
    assert_true(n > 128 && f->r.n_cached == 0);
    read_prompt(f, other, f->prompt);
    assert_int_equal(f->r.n_cached, n / 64 * 64);
    assert_int_equal(f->r.n_prompt, n % 64);
    assert_same_tokens(f->session, other);
    infer_session_close(&other);
    infer_model_set_prefix_bytes(f->model, 0);
    other = open_session(f, 0);
    read_prompt(f, other, f->prompt);
    assert_int_equal(f->r.n_cached, 0);
    assert_same_tokens(f->session, other);
    infer_session_close(&other);
}

static void pages_are_used_by_a_prompt_that_goes_on(void **state)
{
    struct fixture *f = *state;
    infer_session *other = open_session(f, 0);
    read_prompt(f, f->session, f->prompt);
    const size_t n = f->r.n_prompt;
    const int32_t *ids = infer_session_tokens(f->session);
    assert_int_equal(infer_session_eval(other, ids, 10, NULL), INFER_OK);
    char rest[sizeof f->prompt];
    size_t length;
    assert_int_equal(infer_tokenizer_decode(infer_model_tokenizer(f->model), ids + 10, n - 10, 0, rest, sizeof rest,
                                            &length, NULL), INFER_OK);
    rest[length] = 0;
    f->o.raw_prompt = true;
    read_prompt(f, other, rest);
    assert_true(f->r.n_cached >= 64 - 10);
    assert_same_tokens(f->session, other);
    infer_session_close(&other);
}

static void a_prompt_that_is_fetched_uses_them_too(void **state)
{
    struct fixture *f = *state;
    read_prompt(f, f->session, f->prompt);
    const size_t n = f->r.n_prompt;
    infer_session *other = open_session(f, 0);
    infer_generation *g = infer_generation_open(other, f->sampler, f->prompt, strlen(f->prompt), &f->o, &f->err);
    infer_piece piece = { .size = sizeof piece };
    do
        assert_int_equal(infer_generation_next(g, &piece, &f->err), INFER_OK);
    while (piece.text);
    infer_generation_get_result(g, &f->r);
    assert_int_equal(f->r.n_cached, n / 64 * 64);
    assert_same_tokens(f->session, other);
    infer_generation_close(&g);
    infer_session_close(&other);
}

static void a_prompt_cancelled_on_its_way_leaves_what_is_there_and_goes_on_from_it(void **state)
{
    struct fixture *f = *state;
    read_prompt(f, f->session, f->prompt);
    const size_t n = f->r.n_prompt;
    infer_session *other = open_session(f, 5);
    f->o.on_prompt = on_prompt;
    f->refuse_progress = 2;
    assert_int_equal(try_reading(f, other, f->prompt), INFER_E_CANCELLED);
    assert_int_equal(f->r.n_cached, n / 64 * 64);
    assert_int_equal(f->r.n_prompt, 10);
    assert_int_equal(infer_session_length(other), f->r.n_cached + f->r.n_prompt);
    f->o.on_prompt = NULL;
    assert_int_equal(infer_session_rewind(other, 0, NULL), INFER_OK);
    read_prompt(f, other, f->prompt);
    assert_same_tokens(f->session, other);
    infer_session_close(&other);
}

static void pages_found_for_a_prompt_that_was_cancelled_are_not_those_of_another(void **state)
{
    struct fixture *f = *state;
    const int32_t other_ids[] = { 7, 8, 9, 10, 11 };
    infer_session *a = open_session(f, 0), *b = open_session(f, 0);
    read_prompt(f, f->session, f->prompt);
    infer_session_cancel(a);
    assert_int_equal(try_reading(f, a, f->prompt), INFER_E_CANCELLED);
    assert_int_equal(infer_session_length(a), 0);
    assert_int_equal(infer_session_eval(a, other_ids, 5, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(b, other_ids, 5, NULL), INFER_OK);
    assert_non_null(infer_session_logits(a));
    const size_t n_vocab = (size_t)infer_tokenizer_size(infer_model_tokenizer(f->model));
    assert_memory_equal(infer_session_logits(a), infer_session_logits(b), n_vocab * sizeof(float));
    infer_session_close(&a);
    infer_session_close(&b);
}

/* A prompt of several steps, refused memory at any moment, leaves the tokens that were there. */
static void without_memory_the_session_has_the_tokens_that_it_had(void **state)
{
    struct fixture *f = *state;
    f->o.on_prompt = on_prompt;
    for (size_t n = 0; n < 300; n++) {
        infer_session *s = open_session(f, 40);
        assert_int_equal(infer_session_eval(s, (const int32_t[]){ 1, 2, 3 }, 3, NULL), INFER_OK);
        f->memory.refuse_from = f->memory.calls + n;
        const infer_status status = try_reading(f, s, f->prompt);
        f->memory.refuse_from = SIZE_MAX;
        if (status != INFER_OK) {
            assert_int_equal(status, INFER_E_NOMEM);
            assert_true(infer_session_length(s) == 3 || f->r.first_token_seconds > 0 || f->r.generate_seconds > 0);
            read_prompt(f, s, ""); /* nothing is broken */
        }
        infer_session_close(&s);
        infer_model_set_prefix_bytes(f->model, 0); /* so that the next one computes all of it */
        if (status == INFER_OK)
            return;
    }
    fail_msg("a prompt still fails after 300 allocations");
}

/* ---- Echo ---- */

static void on_token(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct fixture *f = user;
    assert_true(f->n_told < MOST && n_top == TOP);
    struct told *t = &f->told[f->n_told++];
    t->id = id;
    t->logprob = logprob;
    memcpy(t->top, top, sizeof t->top);
}

/* Each token told of is one of the session's from `first` on, with the log-probability of the logits before it. */
static void assert_told(struct fixture *f, const infer_session *s, size_t first)
{
    infer_session *alone = open_session(f, 0);
    const int32_t n_vocab = infer_tokenizer_size(infer_model_tokenizer(f->model));
    const int32_t *ids = infer_session_tokens(s);
    assert_int_equal(f->n_told, infer_session_length(s) - first);
    for (size_t i = 0; i < infer_session_length(s); i++) {
        struct told expected = { ids[i], NAN, { { -1, -INFINITY }, { -1, -INFINITY }, { -1, -INFINITY } } };
        if (i)
            infer_logprobs(infer_session_logits(alone), n_vocab, ids[i], &expected.logprob, expected.top, TOP, NULL);
        if (i >= first) {
            const struct told *t = &f->told[i - first];
            assert_int_equal(t->id, expected.id);
            assert_true(i ? t->logprob == expected.logprob : isnan(t->logprob));
            assert_memory_equal(t->top, expected.top, sizeof t->top);
        }
        assert_int_equal(infer_session_eval(alone, &ids[i], 1, NULL), INFER_OK);
    }
    infer_session_close(&alone);
}

static void an_echo_tells_the_tokens_of_the_prompt_before_those_generated(void **state)
{
    struct fixture *f = *state;
    f->o.on_token = on_token;
    f->o.n_top = TOP;
    read_prompt(f, f->session, f->prompt);
    assert_int_equal(f->n_told, 8);
    infer_session_close(&f->session);
    f->o.echo = true;
    f->session = open_session(f, 30); /* in steps, and though all of it could be found */
    read_prompt(f, f->session, f->prompt);
    assert_int_equal(f->r.n_cached, 0);
    assert_int_equal(f->n_told, f->r.n_prompt + 8);
    assert_told(f, f->session, 0);
}

static void an_echo_of_what_goes_on_begins_with_what_is_new(void **state)
{
    struct fixture *f = *state;
    f->o.on_token = on_token;
    f->o.n_top = TOP;
    f->o.echo = true;
    f->o.n_predict = 0;
    read_prompt(f, f->session, "Once upon a time");
    const size_t n = infer_session_length(f->session);
    assert_told(f, f->session, 0);
    assert_int_equal(infer_session_rewind(f->session, n - 1, NULL), INFER_OK); /* its logits are to be had again */
    read_prompt(f, f->session, " there was a dog");
    assert_told(f, f->session, n - 1);
}

static void progress_is_told_after_the_tokens_and_may_cancel(void **state)
{
    struct fixture *f = *state;
    f->o.on_token = on_token;
    f->o.n_top = TOP;
    f->o.echo = true;
    f->o.on_prompt = on_prompt;
    f->refuse_progress = 2;
    infer_session_close(&f->session);
    f->session = open_session(f, 20);
    assert_int_equal(try_reading(f, f->session, f->prompt), INFER_E_CANCELLED);
    assert_int_equal(f->n_told_before_progress, 20);
    assert_int_equal(f->n_told, 40);
    assert_int_equal(f->r.n_prompt, 40);
    assert_int_equal(infer_session_length(f->session), 40);
}

static void an_echo_of_a_conversation_is_all_of_it(void **state)
{
    struct fixture *f = *state;
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"Tell me a story of a dog and a ball.\"}]";
    infer_chat *chat = infer_chat_open(f->model, NULL, &f->err);
    assert_non_null(chat);
    for (int round = 0; round < 2; round++) { /* the second time the session has it */
        f->o.on_token = on_token;
        f->o.n_top = TOP;
        f->o.echo = true;
        f->n_told = 0;
        f->r = (infer_generate_result){ .size = sizeof f->r };
        assert_int_equal(infer_generate_chat(chat, f->session, f->sampler, messages, strlen(messages), &f->o, &f->r,
                                             &f->err), INFER_OK);
        assert_int_equal(f->r.n_cached, 0);
        assert_told(f, f->session, 0);
    }
    infer_chat_close(&chat);
}

/* Logits of a long prompt are held for some tokens at once, not for all. */
static void an_echo_takes_memory_for_a_step_alone(void **state)
{
    struct fixture *f = *state;
    f->o.on_token = on_token;
    f->o.n_top = TOP;
    f->o.echo = true;
    f->o.n_predict = 0;
    f->o.on_prompt = on_prompt;
    infer_session_close(&f->session);
    f->session = open_session(f, 16);
    const size_t row = sizeof(float) * (size_t)infer_tokenizer_size(infer_model_tokenizer(f->model));
    const int32_t any = 1;
    assert_int_equal(infer_session_eval(f->session, &any, 1, NULL), INFER_OK); /* its cache is there */
    assert_int_equal(infer_session_rewind(f->session, 0, NULL), INFER_OK);
    f->memory.largest = 0;
    read_prompt(f, f->session, f->prompt);
    assert_true(f->r.n_prompt > 128);
    assert_in_range(f->memory.largest, 16 * row, 16 * row + 4096);
    assert_int_equal(f->n_told, f->r.n_prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(pages_that_others_computed_are_used_by_a_prompt_that_opens_a_session),
        TEST(pages_are_used_by_a_prompt_that_goes_on),
        TEST(a_prompt_that_is_fetched_uses_them_too),
        TEST(a_prompt_cancelled_on_its_way_leaves_what_is_there_and_goes_on_from_it),
        TEST(pages_found_for_a_prompt_that_was_cancelled_are_not_those_of_another),
        TEST(without_memory_the_session_has_the_tokens_that_it_had),
        TEST(an_echo_tells_the_tokens_of_the_prompt_before_those_generated),
        TEST(an_echo_of_what_goes_on_begins_with_what_is_new),
        TEST(progress_is_told_after_the_tokens_and_may_cancel),
        TEST(an_echo_of_a_conversation_is_all_of_it),
        TEST(an_echo_takes_memory_for_a_step_alone),
    };
    return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
