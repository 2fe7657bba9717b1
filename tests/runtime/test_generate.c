/* test_generate.c - generation: its text, its ends, and what it leaves in the session. The embedded model writes;
 * what is expected is derived from its own greedy text, so that another model may take its place. */
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"

#include "src/base/memory.h"

#include <pthread.h>
#include <unistd.h>

enum { LENGTH = 60, ROOM = 8192 };
static const char prompt[] = "Once upon a time";

static infer_context *context;
static infer_model *model;
static const infer_tokenizer *tokenizer;

/* An allocator that fails once `left` allocations have been made. */
static int left = -1;

static void *failing_alloc(void *user, size_t size)
{
    (void)user;
    if (left == 0)
        return NULL;
    left -= left > 0;
    return mem_default.alloc(NULL, size);
}

static void failing_free(void *user, void *memory)
{
    (void)user;
    mem_default.free(NULL, memory);
}

static int open_model(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_context_options o = infer_context_defaults();
    o.n_threads = 2;
    o.allocator = (infer_allocator){ NULL, failing_alloc, failing_free };
    context = infer_context_open(&o, &err);
    model = context ? infer_model_open_default(context, NULL, &err) : NULL;
    if (!model)
        fail_msg("%s", err.message);
    tokenizer = infer_model_tokenizer(model);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    infer_model_close(&model);
    infer_context_close(&context);
    return 0;
}

/* A session, a greedy sampler, and what generation has shown. */
struct writer {
    infer_session *session;
    infer_sampler *sampler;
    infer_generate_options o;
    infer_generate_result r;
    infer_error err;
    char text[ROOM];
    size_t length, n_pieces;
    size_t stop_after;   /* pieces; the callback says no then. 0: never */
    size_t cancel_after; /* pieces; 0: never */
    float progress[64];
    size_t n_progress, refuse_progress;
};

static bool on_text(void *user, const char *text, size_t length)
{
    struct writer *w = user;
    assert_true(length > 0 && w->length + length < ROOM);
    memcpy(w->text + w->length, text, length);
    w->length += length;
    w->text[w->length] = 0;
    w->n_pieces++;
    if (w->n_pieces == w->cancel_after)
        infer_session_cancel(w->session);
    return w->n_pieces != w->stop_after;
}

static bool on_prompt(void *user, float done)
{
    struct writer *w = user;
    assert_true(w->n_progress < 64);
    w->progress[w->n_progress++] = done;
    return w->n_progress != w->refuse_progress;
}

static struct writer *open_writer_of(infer_model *m, int32_t n_ctx, int32_t n_batch)
{
    struct writer *w = calloc(1, sizeof *w);
    infer_session_options session = infer_session_defaults();
    session.n_ctx = n_ctx;
    session.n_batch = n_batch;
    session.precision = INFER_EXACT;
    infer_sampler_options sampler = infer_sampler_defaults();
    sampler.temperature = 0;
    w->session = infer_session_open(m, &session, &w->err);
    w->sampler = infer_sampler_open(context, &sampler, &w->err);
    if (!w->session || !w->sampler)
        fail_msg("%s", w->err.message);
    w->o = infer_generate_defaults();
    w->o.n_predict = LENGTH;
    w->o.on_text = on_text;
    w->o.user = w;
    return w;
}

static struct writer *open_writer(void)
{
    return open_writer_of(model, 256, 0);
}

static void close_writer(struct writer *w)
{
    infer_sampler_close(&w->sampler);
    infer_session_close(&w->session);
    free(w);
}

static infer_status go_on(struct writer *w, const char *from)
{
    w->r = (infer_generate_result){ .size = sizeof w->r };
    w->length = w->n_pieces = w->n_progress = 0;
    w->text[0] = 0;
    return infer_generate(w->session, w->sampler, from, strlen(from), &w->o, &w->r, &w->err);
}

static void write_text(struct writer *w, const char *from)
{
    if (go_on(w, from) != INFER_OK)
        fail_msg("%s", w->err.message);
}

/* LENGTH tokens after the prompt, or fewer if the model ends. */
static struct writer *whole_text(void)
{
    struct writer *w = open_writer();
    w->o.ignore_end = true;
    write_text(w, prompt);
    assert_int_equal(w->r.reason, INFER_STOP_LENGTH);
    assert_int_equal(w->r.n_generated, LENGTH);
    return w;
}

/* ---- The text ---- */

static void the_tokens_become_part_of_the_session_and_the_text_is_theirs(void **state)
{
    (void)state;
    struct writer *w = whole_text();
    const size_t n = infer_session_length(w->session);
    assert_int_equal(n, w->r.n_prompt + LENGTH);
    char text[ROOM];
    size_t length;
    const int32_t *tokens = infer_session_tokens(w->session);
    assert_int_equal(infer_tokenizer_decode(tokenizer, tokens, n, INFER_REMOVE_SPECIAL, text, ROOM, &length, NULL),
                     INFER_OK);
    assert_true(length > sizeof prompt - 1 && length < ROOM);
    text[length] = 0;
    assert_non_null(strstr(text, prompt));
    assert_string_equal(strstr(text, prompt) + sizeof prompt - 1, w->text);
    assert_true(w->r.prompt_seconds > 0 && w->r.generate_seconds > 0);
    close_writer(w);
}

static void the_last_token_waits_and_is_evaluated_with_what_follows(void **state)
{
    (void)state;
    struct writer *w = whole_text(), *plain = open_writer();
    const size_t n = infer_session_length(w->session);
    assert_null(infer_session_logits(w->session));
    assert_int_equal(infer_session_eval(plain->session, infer_session_tokens(w->session), n, NULL), INFER_OK);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    assert_int_equal(infer_session_eval(w->session, NULL, 0, NULL), INFER_OK);
    const float *logits = infer_session_logits(plain->session);
    assert_true(distance(infer_session_logits(w->session), logits, (size_t)info.n_vocab) < 1e-4);

    /* Once more with a token after it, and every output asked for. */
    w->o.n_predict = 1;
    write_text(w, "");
    assert_null(infer_session_logits(w->session));
    const int32_t last = infer_session_tokens(w->session)[n], next = 5;
    assert_int_equal(infer_session_eval(plain->session, &last, 1, NULL), INFER_OK);
    assert_int_equal(infer_session_eval(plain->session, &next, 1, NULL), INFER_OK);
    float *out = calloc((size_t)info.n_vocab, sizeof *out);
    assert_int_equal(infer_session_eval_all(w->session, &next, 1, out, NULL), INFER_OK);
    assert_true(distance(out, infer_session_logits(plain->session), (size_t)info.n_vocab) < 1e-4);
    assert_int_equal(infer_session_length(w->session), n + 2);
    free(out);
    close_writer(plain);
    close_writer(w);
}

static void two_calls_with_no_prompt_between_write_the_text_of_one(void **state)
{
    (void)state;
    struct writer *once = whole_text(), *twice = open_writer();
    twice->o.ignore_end = true;
    twice->o.n_predict = LENGTH / 3;
    write_text(twice, prompt);
    assert_memory_equal(twice->text, once->text, twice->length);
    const size_t first = twice->length;
    twice->o.n_predict = LENGTH - LENGTH / 3;
    write_text(twice, "");
    assert_int_equal(twice->r.n_prompt, 0);
    assert_string_equal(twice->text, once->text + first);
    close_writer(twice);
    close_writer(once);
}

static void a_rewound_session_goes_on_from_there(void **state)
{
    (void)state;
    struct writer *w = whole_text();
    char first[ROOM];
    strcpy(first, w->text);
    for (size_t back = 0; back < 3; back++) {
        assert_int_equal(infer_session_rewind(w->session, infer_session_length(w->session) - LENGTH, NULL), INFER_OK);
        write_text(w, "");
        assert_string_equal(w->text, first);
    }
    close_writer(w);
}

static void an_empty_prompt_begins_a_text(void **state)
{
    (void)state;
    struct writer *w = open_writer();
    write_text(w, "");
    assert_int_equal(w->r.n_prompt, 1);
    assert_int_equal(infer_session_tokens(w->session)[0], infer_tokenizer_bos(tokenizer));
    assert_true(w->r.n_generated > 0);
    close_writer(w);
}

static void names_of_special_tokens_are_parsed_unless_the_prompt_is_raw(void **state)
{
    (void)state;
    const int32_t bos = infer_tokenizer_bos(tokenizer);
    size_t length;
    const char *name = infer_tokenizer_token(tokenizer, bos, &length);
    char text[64];
    snprintf(text, sizeof text, "a%.*s", (int)length, name);
    struct writer *parsed = open_writer(), *raw = open_writer();
    parsed->o.n_predict = raw->o.n_predict = 0;
    raw->o.raw_prompt = true;
    write_text(parsed, text);
    write_text(raw, text);
    assert_int_equal(infer_session_tokens(parsed->session)[0], bos);
    assert_int_equal(infer_session_tokens(parsed->session)[parsed->r.n_prompt - 1], bos);
    for (size_t i = 0; i < raw->r.n_prompt; i++)
        assert_int_not_equal(infer_session_tokens(raw->session)[i], bos);
    close_writer(raw);
    close_writer(parsed);
}

static void pieces_are_whole_characters_whatever_is_sampled(void **state)
{
    (void)state;
    struct writer *w = open_writer();
    infer_sampler_close(&w->sampler);
    infer_sampler_options o = infer_sampler_defaults();
    o.temperature = 50; /* bytes of all kinds */
    o.top_k = 0;
    o.top_p = 1;
    o.min_p = 0;
    w->sampler = infer_sampler_open(context, &o, NULL);
    w->o.ignore_end = true;
    w->o.n_predict = 240;
    write_text(w, "a");
    json_t *utf8 = json_stringn(w->text, w->length); /* NULL for what is not UTF-8 */
    assert_non_null(utf8);
    json_decref(utf8);
    close_writer(w);
}

/* ---- Its ends ---- */

static void a_stop_string_ends_the_text_before_it_wherever_tokens_are_cut(void **state)
{
    (void)state;
    struct writer *w = whole_text();
    char text[ROOM];
    strcpy(text, w->text);
    const size_t length = w->length;
    for (size_t at = 0; at + 9 < length; at += SANITIZED ? 28 : 7) {
        for (size_t n = 1; n <= 9; n += 4) {
            char stop[16] = "";
            memcpy(stop, text + at, n);
            if (((unsigned char)*stop & 0xc0) == 0x80)
                continue;
            const char *stops[] = { "never there", stop };
            struct writer *s = open_writer();
            s->o.ignore_end = true;
            s->o.stops = stops;
            s->o.n_stops = 2;
            write_text(s, prompt);
            assert_int_equal(s->r.reason, INFER_STOP_STRING);
            assert_int_equal(s->r.stop, 1);
            assert_int_equal(s->length, (size_t)(strstr(text, stop) - text));
            assert_memory_equal(s->text, text, s->length);
            assert_int_equal(infer_session_length(s->session), s->r.n_prompt + s->r.n_generated);
            close_writer(s);
        }
    }
    close_writer(w);
}

static void what_only_looked_like_a_stop_string_is_shown_at_the_end(void **state)
{
    (void)state;
    struct writer *w = whole_text(), *s = open_writer();
    char stop[ROOM + 32];
    snprintf(stop, sizeof stop, "%s and then something else", w->text); /* all the text is its beginning */
    const char *stops[] = { stop };
    s->o.ignore_end = true;
    s->o.stops = stops;
    s->o.n_stops = 1;
    write_text(s, prompt);
    assert_int_equal(s->r.reason, INFER_STOP_LENGTH);
    assert_int_equal(s->n_pieces, 1);
    assert_string_equal(s->text, w->text);
    close_writer(s);
    close_writer(w);
}

static void the_callback_may_end_it(void **state)
{
    (void)state;
    struct writer *w = open_writer();
    w->stop_after = 3;
    write_text(w, prompt);
    assert_int_equal(w->r.reason, INFER_STOP_CALLBACK);
    assert_int_equal(w->n_pieces, 3);
    assert_int_equal(infer_session_length(w->session), w->r.n_prompt + w->r.n_generated);
    close_writer(w);
}

static void a_full_context_ends_it(void **state)
{
    (void)state;
    struct writer *w = open_writer_of(model, 16, 0);
    w->o.ignore_end = true;
    w->o.n_predict = -1;
    write_text(w, prompt);
    assert_int_equal(w->r.reason, INFER_STOP_FULL);
    assert_int_equal(infer_session_length(w->session), 16);
    assert_int_equal(w->r.n_generated, 16 - w->r.n_prompt);
    write_text(w, "");
    assert_int_equal(w->r.reason, INFER_STOP_FULL);
    assert_int_equal(w->r.n_generated, 0);
    assert_int_equal(go_on(w, "more"), INFER_E_FULL);
    assert_int_equal(infer_session_length(w->session), 16);
    close_writer(w);
}

static void a_full_context_is_what_the_caller_chose(void **state)
{
    (void)state;
    struct writer *w = open_writer_of(model, 16, 0);
    w->o.ignore_end = true;
    w->o.n_predict = 50;
    w->o.on_full = INFER_FULL_ERROR;
    assert_int_equal(go_on(w, prompt), INFER_E_FULL);
    assert_string_equal(w->err.message, "the context of 16 tokens is full");
    assert_int_equal(infer_session_rewind(w->session, 0, NULL), INFER_OK);
    w->o.on_full = INFER_FULL_SHIFT;
    w->o.n_full_keep = 3;
    write_text(w, prompt);
    assert_int_equal(w->r.reason, INFER_STOP_LENGTH);
    assert_int_equal(w->r.n_generated, 50);
    int32_t first[3];
    memcpy(first, infer_session_tokens(w->session), sizeof first);
    assert_int_equal(infer_session_rewind(w->session, 0, NULL), INFER_OK);
    w->o.n_predict = 0;
    write_text(w, prompt);
    assert_memory_equal(infer_session_tokens(w->session), first, sizeof first);
    w->o.n_predict = 50;
    w->o.n_full_keep = 15;
    assert_int_equal(go_on(w, ""), INFER_E_FULL);
    assert_string_equal(w->err.message, "the context of 16 tokens is full, and 15 are to be kept");
    w->o.on_full = (infer_full)9;
    assert_int_equal(go_on(w, ""), INFER_E_ARGUMENT);
    assert_string_equal(w->err.message, "generate options: on_full is 9, expected an infer_full, 0 to 2");
    close_writer(w);
}

static void a_prompt_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct writer *w = open_writer_of(model, 4, 0);
    assert_int_equal(go_on(w, "There is no room for so many words in a context that is so small."), INFER_E_FULL);
    assert_non_null(strstr(w->err.message, "room for 4"));
    assert_int_equal(infer_session_length(w->session), 0);
    assert_int_equal(w->r.n_prompt, 0);
    close_writer(w);
}

/* Of texts at a usual temperature and at one that makes all tokens alike, some end before the context is full; with the
 * same seed, but no such token to be chosen, they do not. */
static void tokens_that_end_the_text_end_it_unless_they_are_ignored(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 24; seed++) {
        infer_sampler_options o = infer_sampler_defaults();
        o.seed = seed;
        if (seed % 2) {
            o.temperature = 50;
            o.top_k = 0;
            o.top_p = 1;
            o.min_p = 0;
        }
        struct writer *w = open_writer_of(model, 512, 0);
        infer_sampler_close(&w->sampler);
        w->sampler = infer_sampler_open(context, &o, NULL);
        w->o.n_predict = -1;
        write_text(w, prompt);
        const bool ended = w->r.reason == INFER_STOP_END;
        if (ended) {
            assert_int_equal(infer_session_length(w->session), w->r.n_prompt + w->r.n_generated);
            assert_int_equal(infer_session_rewind(w->session, w->r.n_prompt, NULL), INFER_OK);
            infer_sampler_reset(w->sampler);
            w->o.ignore_end = true;
            const size_t n_prompt = w->r.n_prompt;
            write_text(w, "");
            assert_int_equal(w->r.reason, INFER_STOP_FULL);
            for (size_t i = n_prompt; i < 512; i++)
                assert_false(infer_tokenizer_is_end(tokenizer, infer_session_tokens(w->session)[i]));
        } else {
            assert_int_equal(w->r.reason, INFER_STOP_FULL);
        }
        close_writer(w);
        if (ended)
            return;
    }
    fail_msg("the model never ends a text");
}

static void no_tokens_asked_for_means_the_prompt_alone(void **state)
{
    (void)state;
    struct writer *w = open_writer();
    w->o.n_predict = 0;
    write_text(w, prompt);
    assert_int_equal(w->r.reason, INFER_STOP_LENGTH);
    assert_int_equal(w->r.n_generated, 0);
    assert_int_equal(w->length, 0);
    assert_non_null(infer_session_logits(w->session));
    close_writer(w);
}

/* ---- Progress and cancelling ---- */

static void progress_comes_once_a_batch_and_may_cancel(void **state)
{
    (void)state;
    struct writer *w = open_writer_of(model, 256, 2);
    w->o.on_prompt = on_prompt;
    write_text(w, prompt);
    assert_int_equal(w->n_progress, (w->r.n_prompt + 1) / 2);
    for (size_t i = 0; i < w->n_progress; i++)
        assert_true(w->progress[i] > (i ? w->progress[i - 1] : 0));
    assert_true(w->progress[w->n_progress - 1] == 1);
    close_writer(w);

    w = open_writer_of(model, 256, 2);
    w->o.on_prompt = on_prompt;
    w->refuse_progress = 2;
    assert_int_equal(go_on(w, prompt), INFER_E_CANCELLED);
    assert_int_equal(w->r.n_prompt, 4);
    assert_int_equal(infer_session_length(w->session), 4);
    assert_int_equal(w->r.n_generated, 0);
    close_writer(w);
}

static void cancelling_keeps_what_was_written_and_the_text_can_go_on(void **state)
{
    (void)state;
    struct writer *whole = whole_text(), *w = open_writer();
    w->o.ignore_end = true;
    w->cancel_after = 5;
    assert_int_equal(go_on(w, prompt), INFER_E_CANCELLED);
    const size_t n = infer_session_length(w->session), length = w->length;
    assert_int_equal(n, w->r.n_prompt + w->r.n_generated);
    assert_memory_equal(w->text, whole->text, length);
    w->cancel_after = 0;
    w->o.n_predict = LENGTH - (int32_t)w->r.n_generated;
    write_text(w, "");
    assert_string_equal(w->text, whole->text + length);
    close_writer(w);
    close_writer(whole);
}

static void a_cancellation_that_comes_too_late_does_not_stop_the_next_text(void **state)
{
    (void)state;
    struct writer *whole = whole_text(), *w = open_writer();
    w->o.ignore_end = true;
    w->cancel_after = whole->n_pieces; /* nothing is computed after the last piece */
    write_text(w, prompt);
    assert_string_equal(w->text, whole->text);
    w->cancel_after = 0;
    w->o.n_predict = 3;
    write_text(w, "");
    assert_int_equal(w->r.n_generated, 3);
    close_writer(w);
    close_writer(whole);
}

static void *cancel_soon(void *session)
{
    usleep(20000);
    infer_session_cancel(session);
    return NULL;
}

static void another_thread_may_cancel(void **state)
{
    (void)state;
    struct writer *w = open_writer_of(model, 0, 0);
    w->o.ignore_end = true;
    w->o.n_predict = -1;
    w->o.on_text = NULL;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, w->session), 0);
    infer_status status;
    do { /* a fast machine fills the context sooner */
        assert_int_equal(infer_session_rewind(w->session, 0, NULL), INFER_OK);
        status = go_on(w, prompt);
    } while (status == INFER_OK);
    assert_int_equal(status, INFER_E_CANCELLED);
    pthread_join(thread, NULL);
    close_writer(w);
}

/* ---- Mistakes ---- */

static void wrong_arguments_are_refused_with_a_sentence_and_change_nothing(void **state)
{
    (void)state;
    const char *empty[] = { "" };
    struct writer *w = open_writer();
    const infer_generate_options good = w->o;
    assert_int_equal(infer_generate(NULL, w->sampler, "a", 1, NULL, NULL, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_generate(w->session, NULL, "a", 1, NULL, NULL, NULL), INFER_E_ARGUMENT);
    assert_int_equal(infer_generate(w->session, w->sampler, NULL, 1, NULL, NULL, NULL), INFER_E_ARGUMENT);
    w->o.n_predict = -2;
    assert_int_equal(go_on(w, prompt), INFER_E_ARGUMENT);
    assert_non_null(strstr(w->err.message, "n_predict"));
    w->o = good;
    w->o.stops = empty;
    w->o.n_stops = 1;
    assert_int_equal(go_on(w, prompt), INFER_E_ARGUMENT);
    assert_non_null(strstr(w->err.message, "stop string 1"));
    w->o = good;
    w->o.size = 0;
    assert_int_equal(go_on(w, prompt), INFER_E_ARGUMENT);
    assert_int_equal(infer_session_length(w->session), 0);
    close_writer(w);
}

static void an_older_result_struct_is_filled_as_far_as_it_goes(void **state)
{
    (void)state;
    struct writer *w = open_writer();
    infer_generate_result r;
    memset(&r, 0x55, sizeof r);
    r.size = offsetof(infer_generate_result, n_generated);
    w->o.n_predict = 3;
    assert_int_equal(infer_generate(w->session, w->sampler, prompt, sizeof prompt - 1, &w->o, &r, NULL), INFER_OK);
    assert_int_equal(r.size, offsetof(infer_generate_result, n_generated));
    assert_int_equal(r.n_prompt, infer_session_length(w->session) - 3);
    assert_true(r.n_generated == (size_t)0x5555555555555555);
    close_writer(w);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const char *stops[] = { "never there" };
    for (int n = 0; n < 200; n++) {
        struct writer *w = open_writer();
        w->o.ignore_end = true;
        w->o.stops = stops;
        w->o.n_stops = 1;
        left = n;
        const infer_status status = go_on(w, prompt);
        left = -1;
        if (status == INFER_OK) {
            close_writer(w);
            return;
        }
        assert_int_equal(status, INFER_E_NOMEM);
        assert_int_equal(infer_session_length(w->session), w->r.n_prompt + w->r.n_generated);
        write_text(w, ""); /* nothing is broken */
        close_writer(w);
    }
    fail_msg("infer_generate still fails after 200 allocations");
}

/* ---- A model that others have run ---- */

static void stories_are_those_of_the_other_engines(void **state)
{
    (void)state;
    static const char *const files[] = { "stories260K.gguf", "stories260K-hf" };
    static const int32_t ids[] = {
        1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410,
        408, 419, 292, 411, 322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388,
        426, 338, 391, 266, 267, 337, 335, 312, 432, 398, 312, 286, 267, 414, 270, 333, 415, 426, 13, 438, 310,
    };
    static const char text[] = ", there was a little girl named Lily. She loved to play outside in the park. One day, "
                               "she saw a big, red ball. She wanted to play with it, but it was too high.\nLily";
    const char *shared = getenv("INFER_SHARED");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/models/%s", shared ? shared : INFER_SHARED, files[i]);
        if (access(path, R_OK) != 0)
            skip();
        infer_error err = { 0 };
        infer_model *stories = infer_model_open(context, path, NULL, &err);
        if (!stories)
            fail_msg("%s", err.message);
        struct writer *w = open_writer_of(stories, 0, 0);
        write_text(w, prompt);
        assert_int_equal(infer_session_length(w->session), sizeof ids / sizeof *ids);
        assert_memory_equal(infer_session_tokens(w->session), ids, sizeof ids);
        assert_string_equal(w->text, text);
        close_writer(w);
        infer_model_close(&stories);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tokens_become_part_of_the_session_and_the_text_is_theirs),
        cmocka_unit_test(the_last_token_waits_and_is_evaluated_with_what_follows),
        cmocka_unit_test(two_calls_with_no_prompt_between_write_the_text_of_one),
        cmocka_unit_test(a_rewound_session_goes_on_from_there),
        cmocka_unit_test(an_empty_prompt_begins_a_text),
        cmocka_unit_test(names_of_special_tokens_are_parsed_unless_the_prompt_is_raw),
        cmocka_unit_test(pieces_are_whole_characters_whatever_is_sampled),
        cmocka_unit_test(a_stop_string_ends_the_text_before_it_wherever_tokens_are_cut),
        cmocka_unit_test(what_only_looked_like_a_stop_string_is_shown_at_the_end),
        cmocka_unit_test(the_callback_may_end_it),
        cmocka_unit_test(a_full_context_ends_it),
        cmocka_unit_test(a_full_context_is_what_the_caller_chose),
        cmocka_unit_test(a_prompt_that_does_not_fit_changes_nothing),
        cmocka_unit_test(tokens_that_end_the_text_end_it_unless_they_are_ignored),
        cmocka_unit_test(no_tokens_asked_for_means_the_prompt_alone),
        cmocka_unit_test(progress_comes_once_a_batch_and_may_cancel),
        cmocka_unit_test(cancelling_keeps_what_was_written_and_the_text_can_go_on),
        cmocka_unit_test(a_cancellation_that_comes_too_late_does_not_stop_the_next_text),
        cmocka_unit_test(another_thread_may_cancel),
        cmocka_unit_test(wrong_arguments_are_refused_with_a_sentence_and_change_nothing),
        cmocka_unit_test(an_older_result_struct_is_filled_as_far_as_it_goes),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(stories_are_those_of_the_other_engines),
    };
    return cmocka_run_group_tests_name("generate", tests, open_model, close_model);
}
