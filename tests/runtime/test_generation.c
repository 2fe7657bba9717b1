/* test_generation.c - text that is fetched piece by piece, and what its result tells. The embedded model writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "infer.h"
#include "tests/common/counting.h"
#include "tests/sampler/samplers.h"

#include <stdio.h>
#include <string.h>

enum { LENGTH = 40, ROOM = 4096 };
static const char prompt[] = "Once upon a time";

struct fixture {
    struct counting memory;
    infer_context *context;
    infer_model *model;
    infer_session *session;
    infer_sampler *sampler;
    infer_generate_options o;
    infer_generation *generation;
    infer_piece piece;
    char text[ROOM];
    size_t length, n_pieces;
    infer_error err;
};

static void open_session(struct fixture *f)
{
    open_greedy(f->model, 128, f->context, &f->session, &f->sampler);
}

static int set_up(void **state)
{
    static struct fixture f;
    infer_context_options o = infer_context_defaults();
    f = (struct fixture){ .o = infer_generate_defaults(), .piece.size = sizeof f.piece };
    counting_init(&f.memory, SIZE_MAX);
    o.n_threads = 2;
    o.allocator = f.memory.allocator;
    f.context = infer_context_open(&o, &f.err);
    f.model = infer_model_open_default(f.context, NULL, &f.err);
    assert_non_null(f.model);
    open_session(&f);
    f.o.n_predict = LENGTH;
    f.o.ignore_end = true;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    infer_generation_close(&f->generation);
    infer_sampler_close(&f->sampler);
    infer_session_close(&f->session);
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    assert_int_equal(f->memory.live, 0);
    return 0;
}

static bool keep(void *user, const char *text, size_t length)
{
    struct fixture *f = user;
    assert_true(f->length + length < ROOM);
    memcpy(f->text + f->length, text, length);
    f->length += length;
    f->text[f->length] = 0;
    f->n_pieces++;
    return true;
}

static void begin(struct fixture *f, const char *from)
{
    f->length = f->n_pieces = 0;
    f->generation = infer_generation_open(f->session, f->sampler, from, strlen(from), &f->o, &f->err);
    if (!f->generation)
        fail_msg("%s", f->err.message);
}

/* Fetch up to n pieces. */
static infer_status fetch(struct fixture *f, size_t n)
{
    infer_status status = INFER_OK;
    while (n-- && !(status = infer_generation_next(f->generation, &f->piece, &f->err)) && f->piece.text) {
        assert_int_equal(f->piece.part, INFER_CHAT_CONTENT);
        assert_int_equal(strlen(f->piece.text), f->piece.length);
        keep(f, f->piece.text, f->piece.length);
    }
    return status;
}

static infer_generate_result result(struct fixture *f)
{
    infer_generate_result r = { .size = sizeof r };
    infer_generation_get_result(f->generation, &r);
    return r;
}

static void what_is_fetched_is_what_is_received(void **state)
{
    struct fixture *f = *state;
    char received[ROOM];
    f->o.on_text = keep;
    f->o.user = f;
    assert_int_equal(infer_generate(f->session, f->sampler, prompt, strlen(prompt), &f->o, NULL, &f->err), INFER_OK);
    strcpy(received, f->text);
    const size_t n_pieces = f->n_pieces, n_tokens = infer_session_length(f->session);
    assert_int_equal(infer_session_rewind(f->session, 0, NULL), INFER_OK);
    begin(f, prompt);
    assert_int_equal(fetch(f, SIZE_MAX), INFER_OK);
    assert_string_equal(f->text, received);
    assert_int_equal(f->n_pieces, n_pieces);
    assert_int_equal(infer_session_length(f->session), n_tokens);
    assert_int_equal(result(f).reason, INFER_STOP_LENGTH);
    assert_int_equal(fetch(f, 1), INFER_OK); /* the end stays the end */
    assert_null(f->piece.text);
}

static void nothing_is_computed_before_the_first_piece_is_asked_for(void **state)
{
    struct fixture *f = *state;
    begin(f, prompt);
    assert_int_equal(infer_session_length(f->session), 0);
    assert_int_equal(fetch(f, 1), INFER_OK);
    assert_int_equal(f->n_pieces, 1);
    assert_int_equal(infer_session_length(f->session), result(f).n_prompt + result(f).n_generated);
}

static void a_generation_closed_early_leaves_the_session_to_go_on_from(void **state)
{
    struct fixture *f = *state;
    char whole[ROOM], first[ROOM];
    begin(f, prompt);
    assert_int_equal(fetch(f, SIZE_MAX), INFER_OK);
    strcpy(whole, f->text);
    infer_generation_close(&f->generation);
    assert_int_equal(infer_session_rewind(f->session, 0, NULL), INFER_OK);
    begin(f, prompt);
    assert_int_equal(fetch(f, 3), INFER_OK);
    strcpy(first, f->text);
    infer_generation_close(&f->generation);
    begin(f, "");
    assert_int_equal(fetch(f, SIZE_MAX), INFER_OK);
    strcat(first, f->text);
    assert_memory_equal(first, whole, strlen(whole));
}

static void cancelling_gives_what_was_held_back_and_then_tells(void **state)
{
    struct fixture *f = *state;
    char whole[ROOM], stop[ROOM + 16];
    begin(f, prompt);
    assert_int_equal(fetch(f, SIZE_MAX), INFER_OK);
    strcpy(whole, f->text);
    infer_generation_close(&f->generation);
    assert_int_equal(infer_session_rewind(f->session, 0, NULL), INFER_OK);
    snprintf(stop, sizeof stop, "%s and more", strchr(whole + 1, ' ')); /* all but the first word is its beginning */
    const char *const stops[] = { stop };
    f->o.stops = stops;
    f->o.n_stops = 1;
    begin(f, prompt);
    assert_int_equal(fetch(f, 1), INFER_OK);
    infer_session_cancel(f->session);
    assert_int_equal(fetch(f, SIZE_MAX), INFER_E_CANCELLED);
    assert_null(f->piece.text);
    assert_memory_equal(f->text, whole, f->length);
    assert_int_equal(result(f).reason, INFER_STOP_ERROR);
    assert_int_equal(fetch(f, 1), INFER_E_CANCELLED); /* it stays so, and the session is good for another */
    infer_generation_close(&f->generation);
    f->o.n_stops = 0;
    begin(f, "");
    assert_int_equal(fetch(f, SIZE_MAX), INFER_OK);
}

static void a_session_changed_in_between_is_refused(void **state)
{
    struct fixture *f = *state;
    begin(f, prompt);
    assert_int_equal(fetch(f, 2), INFER_OK);
    assert_int_equal(infer_session_rewind(f->session, 0, NULL), INFER_OK);
    assert_int_equal(fetch(f, SIZE_MAX), INFER_E_ARGUMENT);
    assert_non_null(strstr(f->err.message, "the session has 0 tokens"));
}

static void wrong_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_null(infer_generation_open(NULL, f->sampler, "", 0, NULL, &f->err));
    assert_int_equal(f->err.code, INFER_E_ARGUMENT);
    assert_null(infer_generation_open(f->session, NULL, "", 0, NULL, NULL));
    assert_null(infer_generation_open(f->session, f->sampler, NULL, 1, NULL, NULL));
    begin(f, prompt);
    assert_int_equal(infer_generation_next(NULL, &f->piece, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_generation_next(f->generation, NULL, NULL), INFER_E_ARGUMENT);
    f->piece.size = 0;
    assert_int_equal(infer_generation_next(f->generation, &f->piece, NULL), INFER_E_ARGUMENT);
    infer_generation *none = NULL;
    infer_generation_close(&none);
}

static void times_add_up_and_are_in_order(void **state)
{
    struct fixture *f = *state;
    begin(f, prompt);
    infer_generate_result r = result(f);
    assert_true(r.first_token_seconds == 0 && r.token_p99 == 0 && r.generate_seconds == 0);
    assert_int_equal(fetch(f, SIZE_MAX), INFER_OK);
    r = result(f);
    assert_int_equal(r.n_generated, LENGTH);
    assert_true(r.prompt_seconds > 0 && r.first_token_seconds >= r.prompt_seconds);
    assert_true(r.token_p50 > 0 && r.token_p50 <= r.token_p95 && r.token_p95 <= r.token_p99);
    assert_true(r.first_token_seconds + r.token_p50 * (LENGTH - 1) / 2 <= r.prompt_seconds + r.generate_seconds + 1e-6);
    assert_true(r.token_p99 <= r.generate_seconds);
    const infer_generate_result again = result(f);
    assert_memory_equal(&again, &r, sizeof r);
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    for (size_t n = 0; n < 300; n++) {
        f->memory.refuse_from = f->memory.calls + n;
        f->generation = infer_generation_open(f->session, f->sampler, prompt, strlen(prompt), &f->o, &f->err);
        infer_status status = f->generation ? fetch(f, SIZE_MAX) : f->err.code;
        f->memory.refuse_from = SIZE_MAX;
        infer_generation_close(&f->generation);
        infer_sampler_close(&f->sampler); /* anew, as both keep what they have taken */
        infer_session_close(&f->session);
        open_session(f);
        f->length = 0;
        if (status == INFER_OK)
            return;
        assert_int_equal(status, INFER_E_NOMEM);
    }
    fail_msg("generation still fails after 300 allocations");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(what_is_fetched_is_what_is_received),
        TEST(nothing_is_computed_before_the_first_piece_is_asked_for),
        TEST(a_generation_closed_early_leaves_the_session_to_go_on_from),
        TEST(cancelling_gives_what_was_held_back_and_then_tells),
        TEST(a_session_changed_in_between_is_refused),
        TEST(wrong_arguments_are_refused),
        TEST(times_add_up_and_are_in_order),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
