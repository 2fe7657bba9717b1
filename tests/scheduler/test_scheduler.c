/* test_scheduler.c - what requests come to: with `deterministic` the texts of infer_generate(), whatever else is
 * computed with them, in whatever pieces, on however little memory. The scheduler is manual: every step is the test's. */
#include "tests/scheduler/requests.h"

/* Prompts of other tests are no business of one that counts: nothing is kept. */
static int forget_prefixes(void **state)
{
    (void)state;
    infer_model_set_prefix_bytes(model, 0);
    infer_model_set_prefix_bytes(model, 64 << 20);
    return 0;
}

static infer_scheduler_options manual(const infer_session_options *session)
{
    infer_scheduler_options o = infer_scheduler_defaults();
    o.session = session;
    o.manual = true;
    return o;
}

static infer_scheduler *open_scheduler(const infer_scheduler_options *o)
{
    infer_error err = { 0 };
    infer_scheduler *s = infer_scheduler_open(model, o, &err);
    if (!s)
        fail_msg("%s", err.message);
    return s;
}

static infer_scheduler *open_manual(void)
{
    const infer_session_options session = deterministic(N_CTX);
    const infer_scheduler_options o = manual(&session);
    return open_scheduler(&o);
}

/* Until nothing is left to do. */
static size_t run(infer_scheduler *s)
{
    size_t n = 0;
    for (bool busy = true; busy; n++)
        assert_int_equal(infer_scheduler_step(s, &busy, NULL), INFER_OK);
    return n;
}

/* A prompt of so many words, each series another text. */
static char *long_prompt(size_t n_words, size_t series)
{
    static const char *const words[] = { "dog", "cat", "sun", "tree", "ball", "girl", "boy", "red", "big", "day", "happy" };
    char *text = calloc(n_words, 8), *end = text;
    for (size_t i = 0; i < n_words; i++)
        end += sprintf(end, "%s ", words[(i * i + 7 * i * series + series) % 11]);
    return text;
}

static const struct wish wishes[] = {
    { "Once upon a time", 30, 0, 0, NULL },
    { "The dog", 17, 0.8f, 3, NULL },
    { "", 12, 0.8f, 4, NULL },
    { "Mom said to Tim", 40, 1.2f, 5, " the" },
    { "One day a girl named Lily found a big red ball in the garden. She was very happy and", 25, 0, 6, NULL },
    { "Once upon a time there was", 1, 0.8f, 7, NULL },
    { "Once upon a time", 0, 0.8f, 8, NULL },
    { "The sun", 33, 0.9f, 9, NULL },
};
enum { N_WISHES = sizeof wishes / sizeof *wishes };

static void assert_as_alone(const struct wish *w, infer_request *r, int32_t n_ctx)
{
    static struct collected want, got;
    const infer_session_options session = deterministic(n_ctx);
    infer_error err = { 0 };
    const infer_generate_result alone = written(w, &session, &want);
    got = (struct collected){ .n = 0 };
    if (fetch_all(r, &got, &err) != INFER_OK)
        fail_msg("%s", err.message);
    assert_string_equal(got.text, want.text);
    const infer_generate_result result = result_of(r, 0);
    assert_int_equal(result.reason, alone.reason);
    assert_int_equal(result.n_generated, alone.n_generated);
    assert_int_equal(result.n_prompt + result.n_cached, alone.n_prompt + alone.n_cached);
}

/* ---- Texts ---- */

static void texts_are_those_that_are_written_alone(void **state)
{
    (void)state;
    infer_scheduler *s = open_manual();
    infer_request *r[N_WISHES];
    for (int i = 0; i < N_WISHES; i++) {
        r[i] = submit(s, &wishes[i]);
        for (int step = 0; step < i; step++) /* so that they are at different places */
            infer_scheduler_step(s, NULL, NULL);
    }
    run(s);
    for (int i = 0; i < N_WISHES; i++) {
        assert_as_alone(&wishes[i], r[i], N_CTX);
        infer_request_close(&r[i]);
    }
    assert_int_equal(info_of(s).n_running, 0);
    infer_scheduler_close(&s);
}

/* Requests with adapters and without, whose prompts begin alike, are in the same steps. */
static void each_request_has_its_own_adapters(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_adapter *a = infer_adapter_open(model, "tests/data/adapters/story/lora.gguf", NULL, &err);
    if (!a)
        fail_msg("%s", err.message);
    char *prompt = long_prompt(100, 3);
    const struct wish w = { prompt, 20, 0, 0, NULL };
    const float scales[] = { 0, 1, -1.5f, 1 };
    infer_scheduler *s = open_manual();
    infer_request *r[4];
    for (int i = 0; i < 4; i++) {
        infer_request_options o = infer_request_defaults();
        o.adapters = &a;
        o.adapter_scales = &scales[i];
        o.n_adapters = i > 0;
        if (!(r[i] = submit_with(s, &w, &o, &err)))
            fail_msg("%s", err.message);
    }
    run(s);
    static struct collected got, texts[4];
    for (int i = 0; i < 4; i++) {
        const infer_session_options session = deterministic(N_CTX);
        const infer_sampler_options so = sampler_of(&w);
        infer_generate_options o = generate_of(&w);
        infer_session *alone = infer_session_open(model, &session, &err);
        infer_sampler *sampler = infer_sampler_open(context, &so, &err);
        texts[i] = got = (struct collected){ .n = 0 };
        o.on_text = collect;
        o.user = &texts[i];
        assert_int_equal(infer_session_set_adapters(alone, &a, &scales[i], 1, &err), INFER_OK);
        assert_int_equal(infer_generate(alone, sampler, prompt, strlen(prompt), &o, NULL, &err), INFER_OK);
        assert_int_equal(fetch_all(r[i], &got, &err), INFER_OK);
        assert_string_equal(got.text, texts[i].text);
        infer_sampler_close(&sampler);
        infer_session_close(&alone);
        infer_request_close(&r[i]);
    }
    assert_string_not_equal(texts[0].text, texts[1].text);
    assert_string_equal(texts[1].text, texts[3].text);
    infer_request_options o = infer_request_defaults();
    o.n_adapters = 1; /* but there are none */
    assert_null(submit_with(s, &w, &o, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    infer_scheduler_close(&s);
    infer_adapter_close(&a);
    free(prompt);
}

static void more_texts_than_there_are_places_take_turns(void **state)
{
    (void)state;
    const infer_session_options session = deterministic(N_CTX);
    infer_scheduler_options o = manual(&session);
    o.max_running = 2;
    infer_scheduler *s = open_scheduler(&o);
    infer_request *r[N_WISHES];
    for (int i = 0; i < N_WISHES; i++)
        r[i] = submit(s, &wishes[i]);
    assert_int_equal(info_of(s).n_queued, N_WISHES);
    infer_scheduler_step(s, NULL, NULL);
    assert_int_equal(info_of(s).n_queued, N_WISHES - 2);
    assert_int_equal(info_of(s).n_running, 2);
    for (int i = N_WISHES; i-- > 0;) { /* fetching computes, too */
        assert_as_alone(&wishes[i], r[i], N_CTX);
        infer_request_close(&r[i]);
    }
    infer_scheduler_close(&s);
}

static void ids_are_taken_as_they_are(void **state)
{
    (void)state;
    infer_scheduler *s = open_manual();
    const struct wish *w = &wishes[0];
    int32_t ids[64];
    size_t n;
    infer_error err;
    const infer_tokenizer *tokenizer = infer_model_tokenizer(model);
    assert_int_equal(infer_tokenizer_encode(tokenizer, w->prompt, strlen(w->prompt), INFER_ADD_SPECIAL, ids, 64, &n,
                                            NULL), INFER_OK);
    const infer_sampler_options sampler = sampler_of(w);
    const infer_generate_options generate = generate_of(w);
    infer_request_options o = infer_request_defaults();
    o.sampler = &sampler;
    o.generate = &generate;
    infer_request *r = infer_scheduler_submit_ids(s, ids, n, &o, NULL);
    assert_non_null(r);
    assert_as_alone(w, r, N_CTX);
    infer_request_close(&r);
    ids[1] = -4;
    assert_null(infer_scheduler_submit_ids(s, ids, n, &o, &err));
    assert_non_null(strstr(err.message, "token 1 of"));
    assert_int_equal(info_of(s).n_queued, 0);
    infer_scheduler_close(&s);
}

static void a_conversation_is_answered_as_alone(void **state)
{
    (void)state;
    static const char messages[] = "[{\"role\":\"user\",\"content\":\"Tell me a story.\"}]";
    infer_error err = { 0 };
    infer_chat *chat = infer_chat_open(model, NULL, &err);
    assert_non_null(chat);
    const infer_session_options session = deterministic(N_CTX);
    infer_session *alone = infer_session_open(model, &session, NULL);
    const infer_sampler_options so = sampler_of(&wishes[1]);
    infer_sampler *sampler = infer_sampler_open(context, &so, NULL);
    infer_generate_options g = infer_generate_defaults();
    g.n_predict = 30;
    infer_generation *generation =
        infer_generation_open_chat(chat, alone, sampler, messages, strlen(messages), &g, &err);
    infer_piece piece = { .size = sizeof piece };
    do
        assert_int_equal(infer_generation_next(generation, &piece, &err), INFER_OK);
    while (piece.text);
    size_t n_want, n_got;
    const char *want = infer_generation_message(generation, &n_want, NULL);
    infer_scheduler *s = open_manual();
    infer_request_options o = infer_request_defaults();
    o.sampler = &so;
    o.generate = &g;
    infer_request *r = infer_scheduler_submit_chat(s, chat, messages, strlen(messages), &o, &err);
    assert_non_null(r);
    assert_null(infer_request_message(r, 0, &n_got));
    assert_int_equal(infer_request_wait(r, -1, &err), INFER_OK);
    assert_string_equal(infer_request_message(r, 0, &n_got), want);
    assert_int_equal(n_got, n_want);
    infer_request_close(&r);
    infer_scheduler_close(&s);
    infer_generation_close(&generation);
    infer_sampler_close(&sampler);
    infer_session_close(&alone);
    infer_chat_close(&chat);
}

static void a_grammar_and_banned_texts_hold(void **state)
{
    (void)state;
    static const char *const choices[] = { "yes it is", "no it is not" }, *const banned[] = { "the" };
    static struct collected got;
    infer_error err = { 0 };
    infer_grammar *grammar = infer_grammar_open_choices(context, choices, 2, NULL, &err);
    infer_scheduler *s = open_manual();
    infer_request_options o = infer_request_defaults();
    o.grammar = grammar;
    infer_request *r = submit_with(s, &wishes[0], &o, &err);
    infer_grammar_close(&grammar);
    got = (struct collected){ .n = 0 };
    assert_int_equal(fetch_all(r, &got, &err), INFER_OK);
    assert_true(!strcmp(got.text, choices[0]) || !strcmp(got.text, choices[1]));
    assert_int_equal(result_of(r, 0).reason, INFER_STOP_GRAMMAR);
    infer_request_close(&r);
    o.grammar = NULL;
    o.banned = banned;
    o.n_banned = 1;
    r = submit_with(s, &wishes[0], &o, &err);
    got = (struct collected){ .n = 0 };
    assert_int_equal(fetch_all(r, &got, &err), INFER_OK);
    assert_true(got.n > 0);
    assert_null(strstr(got.text, "the"));
    infer_request_close(&r);
    infer_scheduler_close(&s);
}

static void a_full_context_ends_fails_or_shifts_as_alone(void **state)
{
    (void)state;
    static struct collected want, got;
    const infer_session_options session = deterministic(40);
    const infer_scheduler_options so = manual(&session);
    const struct wish w = { "Once upon a time", 100, 0, 0, NULL };
    infer_scheduler *s = open_scheduler(&so);
    for (int full = INFER_FULL_STOP; full <= INFER_FULL_SHIFT; full++) {
        infer_error err = { 0 }, why = { 0 };
        infer_session *alone = infer_session_open(model, &session, &err);
        const infer_sampler_options sampler_options = sampler_of(&w);
        infer_sampler *sampler = infer_sampler_open(context, &sampler_options, &err);
        infer_generate_options g = generate_of(&w);
        infer_request_options o = infer_request_defaults();
        g.on_full = (infer_full)full;
        g.n_full_keep = 4;
        g.ignore_end = true;
        o.generate = &g;
        want = got = (struct collected){ .n = 0 };
        infer_request *r = submit_with(s, &w, &o, &err);
        g.on_text = collect;
        g.user = &want;
        const infer_status status = infer_generate(alone, sampler, w.prompt, strlen(w.prompt), &g, NULL, &err);
        assert_int_equal(fetch_all(r, &got, &why), status);
        assert_int_equal(status, full == INFER_FULL_ERROR ? INFER_E_FULL : INFER_OK);
        assert_string_equal(got.text, want.text);
        assert_string_equal(why.message, err.message);
        infer_request_close(&r);
        infer_sampler_close(&sampler);
        infer_session_close(&alone);
    }
    infer_scheduler_close(&s);
}

/* ---- Several answers ---- */

static void n_answers_are_the_texts_of_n_seeds_and_the_prompt_is_computed_once(void **state)
{
    (void)state;
    enum { N = 5 };
    static struct collected want, got[N];
    struct wish w = wishes[4];
    w.temperature = 1;
    infer_error err = { 0 };
    infer_scheduler *s = open_manual();
    infer_request_options o = infer_request_defaults();
    o.n = N;
    infer_request *r = submit_with(s, &w, &o, &err);
    memset(got, 0, sizeof got);
    assert_int_equal(fetch_all(r, got, &err), INFER_OK);
    const infer_session_options session = deterministic(N_CTX);
    for (int32_t i = 0; i < N; i++, w.seed++) {
        const infer_generate_result alone = written(&w, &session, &want);
        assert_string_equal(got[i].text, want.text);
        assert_int_equal(result_of(r, i).n_prompt, i ? 0 : alone.n_prompt);
        assert_int_equal(result_of(r, i).n_cached, i ? alone.n_prompt : 0);
    }
    infer_request_close(&r);
    infer_scheduler_close(&s);
}

static void answers_without_a_place_come_later(void **state)
{
    (void)state;
    enum { N = 5 };
    static struct collected want, got[N];
    struct wish w = wishes[4];
    w.temperature = 1;
    const infer_session_options session = deterministic(N_CTX);
    infer_scheduler_options so = manual(&session);
    so.max_running = 2;
    infer_scheduler *s = open_scheduler(&so);
    infer_request_options o = infer_request_defaults();
    o.n = N;
    infer_request *r = submit_with(s, &w, &o, NULL);
    memset(got, 0, sizeof got);
    assert_int_equal(fetch_all(r, got, NULL), INFER_OK);
    for (int32_t i = 0; i < N; i++, w.seed++) {
        written(&w, &session, &want);
        assert_string_equal(got[i].text, want.text);
    }
    infer_request_close(&r);
    infer_scheduler_close(&s);
}

struct likelihood {
    double sum;
    size_t n;
};

static void add_logprob(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    (void)id, (void)top, (void)n_top;
    struct likelihood *l = user;
    l->sum += (double)logprob;
    l->n++;
}

static void the_best_are_those_of_the_highest_mean_log_probability(void **state)
{
    (void)state;
    enum { N = 2, OF = 6 };
    static struct collected got[N], all[OF];
    struct likelihood likelihood[OF] = { { 0 } };
    void *users[OF];
    const struct wish w = { "The big dog", 12, 1.3f, 11, NULL };
    const infer_sampler_options sampler = sampler_of(&w);
    infer_generate_options g = generate_of(&w);
    infer_request_options o = infer_request_defaults();
    infer_scheduler *s = open_manual();
    infer_error err = { 0 };
    o.sampler = &sampler;
    o.generate = &g;
    g.on_token = add_logprob;
    o.n = OF;
    o.users = users;
    for (int i = 0; i < OF; i++)
        users[i] = &likelihood[i];
    infer_request *every = infer_scheduler_submit(s, w.prompt, strlen(w.prompt), &o, &err);
    memset(all, 0, sizeof all);
    assert_int_equal(fetch_all(every, all, &err), INFER_OK);
    o.n = N;
    o.best_of = OF;
    assert_null(infer_scheduler_submit(s, w.prompt, strlen(w.prompt), &o, &err)); /* whose would on_token's be? */
    g.on_token = NULL;
    o.users = NULL;
    infer_request *r = infer_scheduler_submit(s, w.prompt, strlen(w.prompt), &o, &err);
    memset(got, 0, sizeof got);
    assert_int_equal(fetch_all(r, got, &err), INFER_OK);
    for (int32_t rank = 0; rank < N; rank++) {
        int best = -1;
        for (int i = 0; i < OF; i++)
            if (likelihood[i].n && (best < 0 || likelihood[i].sum / (double)likelihood[i].n >
                                                    likelihood[best].sum / (double)likelihood[best].n))
                best = i;
        assert_string_equal(got[rank].text, all[best].text);
        assert_float_equal(result_of(r, rank).mean_logprob, likelihood[best].sum / (double)likelihood[best].n, 1e-9);
        likelihood[best].n = 0;
    }
    infer_request_close(&every);
    infer_request_close(&r);
    infer_scheduler_close(&s);
}

/* ---- Shared beginnings ---- */

static void prompts_that_begin_alike_are_computed_once_though_they_come_together(void **state)
{
    (void)state;
    enum { N = 3 };
    infer_scheduler *s = open_manual();
    char *common = long_prompt(200, 1), *prompts[N];
    infer_request *r[N];
    struct wish w[N];
    for (int i = 0; i < N; i++) {
        static const char *const ends[] = { "The dog", "A cat", "My ball" };
        prompts[i] = malloc(strlen(common) + 16);
        sprintf(prompts[i], "%s%s", common, ends[i]);
        w[i] = (struct wish){ prompts[i], 10, 0, 0, NULL };
        r[i] = submit(s, &w[i]);
    }
    run(s);
    const size_t whole = result_of(r[0], 0).n_prompt;
    assert_true(whole > 150);
    for (int i = 1; i < N; i++) {
        assert_true(result_of(r[i], 0).n_cached >= 128);
        assert_true(result_of(r[i], 0).n_prompt < 80);
    }
    for (int i = 0; i < N; i++) {
        assert_as_alone(&w[i], r[i], N_CTX);
        infer_request_close(&r[i]);
        free(prompts[i]);
    }
    free(common);
    infer_scheduler_close(&s);
}

/* ---- Too little memory ---- */

static void texts_that_are_put_aside_go_on_as_if_nothing_had_been(void **state)
{
    (void)state;
    enum { N = 4 };
    const infer_session_options session = deterministic(N_CTX);
    infer_scheduler_options o = manual(&session);
    infer_error err = { 0 };
    o.kv_bytes = infer_kv_bytes(model, &session, 320, &err); /* five pages; each text comes to have three */
    infer_scheduler *s = open_scheduler(&o);
    infer_request *r[N];
    char *prompts[N];
    struct wish w[N];
    for (int i = 0; i < N; i++) {
        prompts[i] = long_prompt(50, (size_t)i);
        w[i] = (struct wish){ prompts[i], 110, 0.9f, (uint64_t)i, NULL };
        r[i] = submit(s, &w[i]);
    }
    for (bool busy = true; busy;) {
        assert_int_equal(infer_scheduler_step(s, &busy, NULL), INFER_OK);
        assert_true(info_of(s).kv_bytes <= o.kv_bytes);
    }
    assert_true(info_of(s).n_put_aside > 0);
    for (int i = 0; i < N; i++) {
        assert_as_alone(&w[i], r[i], N_CTX);
        infer_request_close(&r[i]);
        free(prompts[i]);
    }
    infer_scheduler_close(&s);
}

static void a_prompt_that_alone_has_no_room_is_refused_in_a_sentence(void **state)
{
    (void)state;
    const infer_session_options session = deterministic(N_CTX);
    infer_scheduler_options o = manual(&session);
    infer_request_options ro = infer_request_defaults();
    infer_error err = { 0 };
    o.kv_bytes = infer_kv_bytes(model, &session, 128, &err) + 100;
    infer_scheduler *s = open_scheduler(&o);
    assert_int_equal(info_of(s).n_ctx, 128);
    char *prompt = long_prompt(150, 2);
    assert_null(infer_scheduler_submit(s, prompt, strlen(prompt), &ro, &err));
    assert_int_equal(err.code, INFER_E_FULL);
    assert_non_null(strstr(err.message, "a text of this scheduler has room for 128"));
    assert_int_equal(info_of(s).n_queued, 0);
    free(prompt);
    infer_scheduler_close(&s);
    o.kv_bytes = 10;
    assert_null(infer_scheduler_open(model, &o, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "kv_bytes is 10, but 64 tokens take"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_those_that_are_written_alone),
        cmocka_unit_test(each_request_has_its_own_adapters),
        cmocka_unit_test(more_texts_than_there_are_places_take_turns),
        cmocka_unit_test(ids_are_taken_as_they_are),
        cmocka_unit_test(a_conversation_is_answered_as_alone),
        cmocka_unit_test(a_grammar_and_banned_texts_hold),
        cmocka_unit_test(a_full_context_ends_fails_or_shifts_as_alone),
        cmocka_unit_test_setup(n_answers_are_the_texts_of_n_seeds_and_the_prompt_is_computed_once, forget_prefixes),
        cmocka_unit_test(answers_without_a_place_come_later),
        cmocka_unit_test(the_best_are_those_of_the_highest_mean_log_probability),
        cmocka_unit_test_setup(prompts_that_begin_alike_are_computed_once_though_they_come_together, forget_prefixes),
        cmocka_unit_test_setup(texts_that_are_put_aside_go_on_as_if_nothing_had_been, forget_prefixes),
        cmocka_unit_test(a_prompt_that_alone_has_no_room_is_refused_in_a_sentence),
    };
    return cmocka_run_group_tests_name("scheduler", tests, open_model, close_model);
}
