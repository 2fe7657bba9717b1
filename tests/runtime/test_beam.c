/* test_beam.c - beam search: against all texts that there are, against transformers, and what it leaves. */
#include "tests/common/counting.h"
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"
#include "tests/sampler/samplers.h"

#include <jansson.h>
#include <math.h>

static const char *const model_path = "tests/data/default-model";
static const char prompt[] = "Once upon a time";

struct fixture {
    struct counting memory;
    infer_context *context;
    infer_model *model;
    infer_session *session;
    infer_generate_options generate;
    infer_beam_options o;
    infer_error err;
};

static infer_session *open_session(struct fixture *f, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = 256;
    o.n_batch = n_batch;
    o.precision = INFER_EXACT;
    o.deterministic = true;
    infer_session *s = infer_session_open(f->model, &o, &f->err);
    if (!s)
        fail_msg("%s", f->err.message);
    return s;
}

static void open_with(struct fixture *f, int n_threads)
{
    infer_context_options o = infer_context_defaults();
    *f = (struct fixture){ .generate = infer_generate_defaults(), .o = infer_beam_defaults() };
    counting_init(&f->memory, SIZE_MAX);
    o.n_threads = n_threads;
    o.allocator = f->memory.allocator;
    f->context = infer_context_open(&o, &f->err);
    f->model = infer_model_open(f->context, model_path, NULL, &f->err);
    if (!f->model)
        fail_msg("%s", f->err.message);
    f->session = open_session(f, 0);
    f->generate.n_predict = 12;
    f->o.generate = &f->generate;
}

static void close_all(struct fixture *f)
{
    infer_session_close(&f->session);
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    assert_int_equal(f->memory.live, 0);
}

static int set_up(void **state)
{
    static struct fixture f;
    open_with(&f, 2);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    close_all(*state);
    return 0;
}

static infer_beams *search(struct fixture *f, infer_sampler *sampler, const char *from)
{
    infer_beams *b = infer_beam_search(f->session, sampler, from, strlen(from), &f->o, &f->err);
    if (!b)
        fail_msg("%s", f->err.message);
    return b;
}

static infer_beam get(const infer_beams *b, size_t i)
{
    infer_beam beam = { .size = sizeof beam };
    assert_int_equal(infer_beams_get(b, i, &beam, NULL), INFER_OK);
    return beam;
}

static void assert_same(const infer_beams *a, const infer_beams *b)
{
    assert_int_equal(infer_beams_count(a), infer_beams_count(b));
    for (size_t i = 0; i < infer_beams_count(a); i++) {
        const infer_beam x = get(a, i), y = get(b, i);
        assert_int_equal(x.n_tokens, y.n_tokens);
        assert_memory_equal(x.tokens, y.tokens, x.n_tokens * sizeof *x.tokens);
        assert_string_equal(x.text, y.text);
        assert_int_equal(x.reason, y.reason);
        assert_true(x.logprob == y.logprob && x.score == y.score);
    }
}

/* The sum of the log-probabilities of a text's tokens after the prompt, one evaluated after the other. */
static double sum_of(struct fixture *f, const int32_t *ids, size_t n)
{
    const int32_t n_vocab = infer_tokenizer_size(infer_model_tokenizer(f->model));
    infer_session *s = infer_session_fork(f->session, NULL);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        float logprob;
        assert_int_equal(infer_logprobs(infer_session_logits(s), n_vocab, ids[i], &logprob, NULL, 0, NULL), INFER_OK);
        sum += (double)logprob;
        assert_int_equal(infer_session_eval(s, &ids[i], 1, NULL), INFER_OK);
    }
    infer_session_close(&s);
    return sum;
}

/* ---- All texts that there are ---- */

enum { N_LETTERS = 4, DEPTH = 3, N_TEXTS = N_LETTERS * N_LETTERS * N_LETTERS };

struct text_sum {
    int32_t ids[DEPTH];
    double sum;
};

static int by_sum(const void *a, const void *b)
{
    const struct text_sum *x = a, *y = b;
    return (x->sum < y->sum) - (x->sum > y->sum);
}

/* A vocabulary of four tokens, by biases that forbid the others; as many beams as there are texts cannot miss one. */
static void as_many_beams_as_texts_find_all_of_them_in_order(void **state)
{
    struct fixture *f = *state;
    static const char *const letters[N_LETTERS] = { " the", " a", " was", "," };
    const infer_tokenizer *t = infer_model_tokenizer(f->model);
    const int32_t n_vocab = infer_tokenizer_size(t);
    infer_logit_bias *biases = calloc((size_t)n_vocab, sizeof *biases);
    struct text_sum texts[N_TEXTS];
    int32_t ids[N_LETTERS];
    size_t n, n_biases = 0;
    for (int i = 0; i < N_LETTERS; i++) {
        assert_int_equal(infer_tokenizer_encode(t, letters[i], strlen(letters[i]), 0, &ids[i], 1, &n, NULL), INFER_OK);
        assert_int_equal(n, 1);
    }
    for (int32_t id = 0; id < n_vocab; id++)
        if (id != ids[0] && id != ids[1] && id != ids[2] && id != ids[3])
            biases[n_biases++] = (infer_logit_bias){ id, -INFINITY };
    infer_sampler_options so = plain();
    so.biases = biases;
    so.n_biases = n_biases;
    infer_sampler *sampler = open_sampler_in(f->context, &so);
    f->generate.n_predict = DEPTH;
    f->o.n_beams = N_TEXTS;
    infer_beams *found = search(f, sampler, prompt);
    for (int i = 0; i < N_TEXTS; i++) {
        texts[i] = (struct text_sum){ .ids = { ids[i / 16], ids[i / 4 % 4], ids[i % 4] } };
        texts[i].sum = sum_of(f, texts[i].ids, DEPTH);
    }
    qsort(texts, N_TEXTS, sizeof *texts, by_sum);
    assert_int_equal(infer_beams_count(found), N_TEXTS);
    for (size_t i = 0; i < N_TEXTS; i++) {
        const infer_beam b = get(found, i);
        assert_int_equal(b.n_tokens, DEPTH);
        assert_memory_equal(b.tokens, texts[i].ids, sizeof texts[i].ids);
        assert_true(b.logprob == texts[i].sum && b.score == b.logprob / DEPTH);
        assert_int_equal(b.reason, INFER_STOP_LENGTH);
    }
    infer_beams_close(&found);
    infer_sampler_close(&sampler);
    free(biases);
}

static void one_beam_is_the_greedy_text(void **state)
{
    struct fixture *f = *state;
    infer_sampler_options so = infer_sampler_defaults();
    so.temperature = 0;
    infer_sampler *sampler = open_sampler_in(f->context, &so);
    infer_session *other = open_session(f, 0);
    f->o.n_beams = 1;
    infer_beams *found = search(f, sampler, prompt);
    assert_int_equal(infer_beams_count(found), 1);
    const infer_beam b = get(found, 0);
    infer_generate_result r = { .size = sizeof r };
    assert_int_equal(infer_generate(other, sampler, prompt, strlen(prompt), &f->generate, &r, NULL), INFER_OK);
    const size_t n = infer_session_length(other) - r.n_generated;
    assert_int_equal(infer_session_length(f->session), n);
    assert_int_equal(b.n_tokens, r.n_generated);
    assert_memory_equal(b.tokens, infer_session_tokens(other) + n, b.n_tokens * sizeof *b.tokens);
    assert_true(b.logprob == sum_of(f, b.tokens, b.n_tokens));
    infer_beams_close(&found);
    infer_session_close(&other);
    infer_sampler_close(&sampler);
}

/* ---- transformers ---- */

static infer_beam_end end_of(const char *name)
{
    return !strcmp(name, "first") ? INFER_BEAM_END_FIRST : !strcmp(name, "sure") ? INFER_BEAM_END_SURE
                                                                                 : INFER_BEAM_END_LIKELY;
}

static void check_case(struct fixture *f, const json_t *c)
{
    json_t *prompt_ids = json_object_get(c, "prompt_ids"), *texts = json_object_get(c, "texts"), *x;
    infer_sampler_options so = plain();
    so.repeat_penalty = (float)json_number_value(json_object_get(c, "repeat_penalty"));
    so.repeat_last_n = -1;
    infer_sampler *sampler = open_sampler_in(f->context, &so);
    f->o.n_beams = (int32_t)json_integer_value(json_object_get(c, "n_beams"));
    f->o.length_penalty = (float)json_number_value(json_object_get(c, "length_penalty"));
    f->o.end = end_of(json_string_value(json_object_get(c, "end")));
    f->generate.n_predict = (int32_t)json_integer_value(json_object_get(c, "n_predict"));
    assert_int_equal(infer_session_rewind(f->session, 0, NULL), INFER_OK);
    infer_beams *found = search(f, sampler, json_string_value(json_object_get(c, "prompt")));
    size_t i, j;
    assert_int_equal(infer_session_length(f->session), json_array_size(prompt_ids));
    json_array_foreach(prompt_ids, i, x)
        assert_int_equal(infer_session_tokens(f->session)[i], json_integer_value(x));
    assert_int_equal(infer_beams_count(found), json_array_size(texts));
    json_array_foreach(texts, i, x) {
        const infer_beam b = get(found, i);
        const double score = json_number_value(json_object_get(x, "score"));
        json_t *ids = json_object_get(x, "ids"), *id;
        if (!(fabs(b.score - score) < 1e-4 * (1 + fabs(score))))
            fail_msg("%s, text %zu: score %g, expected %g", json_dumps(c, 0), i, b.score, score);
        assert_int_equal(b.n_tokens, json_array_size(ids));
        json_array_foreach(ids, j, id)
            assert_int_equal(b.tokens[j], json_integer_value(id));
        assert_int_equal(b.reason, json_is_true(json_object_get(x, "ended")) ? INFER_STOP_END : INFER_STOP_LENGTH);
    }
    infer_beams_close(&found);
    infer_sampler_close(&sampler);
}

static void texts_and_scores_are_those_of_transformers(void **state)
{
    struct fixture *f = *state;
    json_t *all = json_load_file("tests/data/beams/beams.json", 0, NULL), *c;
    json_t *cases = json_object_get(all, "cases");
    size_t i;
    assert_true(json_array_size(cases) > 50);
    json_array_foreach(cases, i, c)
        if (!SANITIZED || i % 5 == 0)
            check_case(f, c);
    json_decref(all);
}

/* ---- Ends, grammars, stops ---- */

static void each_beam_is_held_to_the_grammar(void **state)
{
    struct fixture *f = *state;
    infer_sampler_options so = plain();
    infer_sampler *sampler = open_sampler_in(f->context, &so);
    static const char pattern[] = " (Lily|Tom|a dog) (ran|sat|slept)!";
    infer_grammar *g = infer_grammar_open(f->context, INFER_REGEX, pattern, strlen(pattern), NULL, &f->err);
    assert_int_equal(infer_sampler_set_grammar(sampler, g, infer_model_tokenizer(f->model), &f->err), INFER_OK);
    f->o.n_beams = 9;
    f->o.end = INFER_BEAM_END_FIRST;
    f->generate.n_predict = -1;
    infer_beams *found = search(f, sampler, "One day");
    bool seen[9] = { false };
    assert_true(infer_beams_count(found) >= 7);
    for (size_t i = 0; i < infer_beams_count(found); i++) {
        static const char *const who[] = { " Lily ", " Tom ", " a dog " }, *const what[] = { "ran!", "sat!", "slept!" };
        const infer_beam b = get(found, i);
        bool known = false;
        for (int k = 0; k < 9; k++) {
            const size_t n = strlen(who[k / 3]);
            if (strncmp(b.text, who[k / 3], n) || strcmp(b.text + n, what[k % 3]))
                continue;
            seen[k] = known = true;
        }
        if (!known)
            fail_msg("'%s'", b.text);
        assert_int_equal(b.reason, INFER_STOP_GRAMMAR);
        assert_true(i == 0 || b.score <= get(found, i - 1).score);
        assert_true(fabs(b.logprob - sum_of(f, b.tokens, b.n_tokens)) < 1e-9); /* the model's, not renormalised */
    }
    assert_true(seen[0] || seen[1] || seen[2]);
    infer_beams_close(&found);
    infer_sampler_close(&sampler);
    infer_grammar_close(&g);
}

static void a_stop_string_ends_a_text_before_it(void **state)
{
    struct fixture *f = *state;
    static const char *const stops[] = { ".", "!" };
    f->generate.stops = stops;
    f->generate.n_stops = 2;
    f->generate.n_predict = 60;
    infer_beams *found = search(f, NULL, prompt);
    assert_int_equal(infer_beams_count(found), 4);
    for (size_t i = 0; i < 4; i++) {
        const infer_beam b = get(found, i);
        char whole[1024];
        size_t n;
        assert_int_equal(b.reason, INFER_STOP_STRING);
        assert_null(strpbrk(b.text, ".!"));
        assert_int_equal(infer_tokenizer_decode(infer_model_tokenizer(f->model), b.tokens, b.n_tokens, 0, whole,
                                                sizeof whole, &n, NULL), INFER_OK);
        assert_true(n > b.length && strchr(".!", whole[b.length]));
        assert_memory_equal(whole, b.text, b.length);
        assert_true(b.logprob == sum_of(f, b.tokens, b.n_tokens));
    }
    infer_beams_close(&found);
}

static void banned_texts_and_ends_that_are_ignored_do_not_come(void **state)
{
    struct fixture *f = *state;
    static const char *const banned[] = { "there", "little" };
    infer_sampler_options so = plain();
    infer_sampler *sampler = open_sampler_in(f->context, &so);
    infer_beams *free = search(f, sampler, prompt);
    assert_non_null(strstr(get(free, 0).text, "there"));
    assert_int_equal(infer_sampler_set_banned(sampler, infer_model_tokenizer(f->model), banned, 2, NULL), INFER_OK);
    assert_int_equal(infer_session_rewind(f->session, 0, NULL), INFER_OK);
    f->generate.ignore_end = true;
    f->generate.n_predict = 200;
    infer_beams *held = search(f, sampler, prompt);
    for (size_t i = 0; i < infer_beams_count(held); i++) {
        const infer_beam b = get(held, i);
        assert_true(!strstr(b.text, "there") && !strstr(b.text, "little"));
        assert_int_equal(b.reason, INFER_STOP_LENGTH);
        assert_int_equal(b.n_tokens, 200);
    }
    infer_beams_close(&free);
    infer_beams_close(&held);
    infer_sampler_close(&sampler);
}

static void a_full_context_ends_all_texts(void **state)
{
    struct fixture *f = *state;
    f->generate.n_predict = -1;
    f->generate.ignore_end = true;
    infer_beams *found = search(f, NULL, prompt);
    assert_int_equal(get(found, 0).reason, INFER_STOP_FULL);
    assert_int_equal(get(found, 0).n_tokens + infer_session_length(f->session), 256);
    infer_beams_close(&found);
}

/* ---- Sessions, threads, memory ---- */

static void threads_and_batches_change_nothing(void **state)
{
    struct fixture *f = *state, one;
    f->o.n_beams = 5;
    f->generate.n_predict = 30;
    infer_beams *expected = search(f, NULL, prompt), *found;
    for (int n = 1; n <= 3; n += 2) {
        open_with(&one, n);
        infer_session_close(&one.session);
        one.session = open_session(&one, n + 1); /* steps of fewer tokens than there are beams */
        one.o.n_beams = 5;
        one.generate.n_predict = 30;
        found = search(&one, NULL, prompt);
        assert_same(expected, found);
        infer_beams_close(&found);
        close_all(&one);
    }
    infer_beams_close(&expected);
}

static void the_session_is_left_with_the_prompt_and_goes_on_with_any_text(void **state)
{
    struct fixture *f = *state;
    infer_beams *found = search(f, NULL, prompt);
    const infer_beam b = get(found, 1);
    infer_generate_result r = { .size = sizeof r };
    infer_beams_get_result(found, &r);
    assert_int_equal(infer_session_length(f->session), r.n_prompt);
    assert_int_equal(r.n_generated, get(found, 0).n_tokens);
    assert_true(r.prompt_seconds > 0 && r.generate_seconds > 0);
    assert_non_null(infer_session_logits(f->session));
    assert_int_equal(infer_session_eval(f->session, b.tokens, b.n_tokens, NULL), INFER_OK);
    infer_beams *more = search(f, NULL, "");
    infer_beams_get_result(more, &r);
    assert_int_equal(r.n_prompt, 0);
    assert_true(infer_beams_count(more) == 4);
    infer_beams_close(&found);
    infer_beams_close(&more);
}

static void what_cannot_be_is_refused_with_a_sentence(void **state)
{
    struct fixture *f = *state;
    const infer_beam_options good = f->o;
    infer_beam b = { .size = sizeof b };
    assert_null(infer_beam_search(NULL, NULL, "", 0, NULL, &f->err));
    assert_null(infer_beam_search(f->session, NULL, NULL, 1, NULL, &f->err));
#define REFUSED(member, value, sentence) \
    f->o = good, f->o.member = value, \
    assert_null(infer_beam_search(f->session, NULL, prompt, strlen(prompt), &f->o, &f->err)), \
    assert_int_equal(f->err.code, INFER_E_ARGUMENT), assert_non_null(strstr(f->err.message, sentence))
    REFUSED(n_beams, 0, "n_beams is 0, expected 1 to 64");
    REFUSED(n_beams, 65, "n_beams is 65");
    REFUSED(length_penalty, NAN, "length_penalty is nan");
    REFUSED(end, (infer_beam_end)3, "end is 3");
    REFUSED(size, 0, "infer_beam_defaults");
    f->o = good;
    f->generate.n_predict = 0;
    assert_null(infer_beam_search(f->session, NULL, prompt, strlen(prompt), &f->o, &f->err));
    assert_non_null(strstr(f->err.message, "n_predict is 0"));
    f->generate.n_predict = 2;
    assert_int_equal(infer_session_length(f->session), 0);
    infer_session_cancel(f->session);
    assert_null(infer_beam_search(f->session, NULL, prompt, strlen(prompt), &f->o, &f->err));
    assert_int_equal(f->err.code, INFER_E_CANCELLED);
    infer_beams *found = search(f, NULL, prompt);
    assert_int_equal(infer_beams_get(found, infer_beams_count(found), &b, &f->err), INFER_E_ARGUMENT);
    b.size = 0;
    assert_int_equal(infer_beams_get(found, 0, &b, &f->err), INFER_E_ARGUMENT);
    infer_beams_close(&found);
    infer_beams_close(&found);
}

static bool cancel(void *user, float done)
{
    (void)done;
    infer_session_cancel(user);
    return true;
}

static void cancelling_ends_the_search_and_leaves_the_prompt(void **state)
{
    struct fixture *f = *state;
    f->generate.on_prompt = cancel; /* after the prompt's only step */
    f->generate.user = f->session;
    assert_null(infer_beam_search(f->session, NULL, prompt, strlen(prompt), &f->o, &f->err));
    assert_int_equal(f->err.code, INFER_E_CANCELLED);
    assert_string_equal(f->err.message, "cancelled after 0 tokens of text");
    const size_t n = infer_session_length(f->session);
    assert_true(n > 3);
    f->generate.on_prompt = NULL;
    infer_beams *found = search(f, NULL, "");
    assert_int_equal(infer_session_length(f->session), n);
    infer_beams_close(&found);
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    static const char *const stops[] = { "nowhere" }, *const banned[] = { "never" };
    static const char pattern[] = "[ a-z,]*";
    infer_sampler_options so = plain();
    so.repeat_penalty = 1.1f;
    so.dry_multiplier = 0.8f;
    f->generate.stops = stops;
    f->generate.n_stops = 1;
    f->generate.n_predict = 5;
    f->o.n_beams = 3;
    for (size_t n = 0; n < 3000; n += SANITIZED ? 13 : n < 200 ? 1 : 7) {
        infer_sampler *sampler = open_sampler_in(f->context, &so);
        infer_grammar *g = infer_grammar_open(f->context, INFER_REGEX, pattern, strlen(pattern), NULL, &f->err);
        assert_int_equal(infer_sampler_set_banned(sampler, infer_model_tokenizer(f->model), banned, 1, NULL), INFER_OK);
        assert_int_equal(infer_sampler_set_grammar(sampler, g, infer_model_tokenizer(f->model), &f->err), INFER_OK);
        f->memory.refuse_from = f->memory.calls + n;
        infer_beams *found = infer_beam_search(f->session, sampler, prompt, strlen(prompt), &f->o, &f->err);
        f->memory.refuse_from = SIZE_MAX;
        infer_grammar_close(&g);
        infer_sampler_close(&sampler);
        infer_session_close(&f->session);
        f->session = open_session(f, 0);
        if (found) {
            assert_true(n > 50);
            infer_beams_close(&found);
            return;
        }
        assert_int_equal(f->err.code, INFER_E_NOMEM);
    }
    fail_msg("a search still fails after 3000 allocations");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(as_many_beams_as_texts_find_all_of_them_in_order),
        TEST(one_beam_is_the_greedy_text),
        TEST(texts_and_scores_are_those_of_transformers),
        TEST(each_beam_is_held_to_the_grammar),
        TEST(a_stop_string_ends_a_text_before_it),
        TEST(banned_texts_and_ends_that_are_ignored_do_not_come),
        TEST(a_full_context_ends_all_texts),
        TEST(threads_and_batches_change_nothing),
        TEST(the_session_is_left_with_the_prompt_and_goes_on_with_any_text),
        TEST(what_cannot_be_is_refused_with_a_sentence),
        TEST(cancelling_ends_the_search_and_leaves_the_prompt),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("beam", tests, NULL, NULL);
}
