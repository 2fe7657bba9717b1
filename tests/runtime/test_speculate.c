/* test_speculate.c - guessing tokens changes nothing but the time: texts, their ends, log-probabilities and what the
 * session is afterwards are those of plain decoding, bit by bit. The embedded model writes, and tiny ones of other
 * architectures with a made-up vocabulary. */
#include "tests/common/counting.h"
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"

enum { ROOM = 1 << 14, MOST = 512 };
enum { LENGTH = SANITIZED ? 60 : 120 };     /* tokens of a text */
enum { COME_TRUE = SANITIZED ? 40 : 180 };  /* more guesses of it than this, of all kinds */
enum { EVERY = SANITIZED ? 5 : 1 };         /* of the places where a text may end, those tried */

enum kind { PLAIN, LOOKUP, DRAFT, WRONG_DRAFT, BOTH, IF_IT_PAYS, KINDS };

static struct counting memory;
static infer_context *context;
static infer_model *model, *small; /* the embedded one, and the same in fewer bits */

/* How a text is written. */
struct manner {
    infer_model *model, *draft, *wrong_draft;
    infer_session_options session;
    infer_sampler_options sampler;
    infer_generate_options o;
    infer_grammar *grammar;
    const char *prompt;
    infer_chat *chat; /* the prompt is said in a conversation */
    size_t stop_after, cancel_after; /* pieces; 0: never */
    size_t fork_every;               /* pieces: that the session is forked, and the fork goes elsewhere; 0: never */
};

/* What came of it. */
struct outcome {
    infer_status status;
    infer_error err;
    infer_generate_result r;
    char text[ROOM];
    size_t length, n_pieces, n_tokens, n_saved;
    int32_t ids[MOST];
    float logprobs[MOST], *logits;
    unsigned char *saved;
    /* while it is written */
    infer_session *session, *fork;
    const struct manner *way;
};

static bool on_text(void *user, const char *text, size_t length)
{
    struct outcome *x = user;
    const struct manner *w = x->way;
    assert_true(x->length + length < ROOM);
    memcpy(x->text + x->length, text, length);
    x->length += length;
    x->n_pieces++;
    if (x->n_pieces == w->cancel_after)
        infer_session_cancel(x->session);
    if (w->fork_every && x->n_pieces % w->fork_every == 0) {
        const int32_t other[] = { 5, 6, 7 };
        if (x->fork && infer_session_length(x->fork) + 3 < infer_session_capacity(x->fork))
            assert_int_equal(infer_session_eval(x->fork, other, 3, NULL), INFER_OK);
        infer_session_close(&x->fork);
        x->fork = infer_session_fork(x->session, NULL);
    }
    return x->n_pieces != w->stop_after;
}

static void on_token(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct outcome *x = user;
    (void)top;
    (void)n_top;
    assert_true(x->n_tokens < MOST);
    x->ids[x->n_tokens] = id;
    x->logprobs[x->n_tokens++] = logprob;
}

static void generate(struct outcome *x, const struct manner *w, infer_sampler *sampler, const infer_generate_options *o)
{
    char messages[256];
    snprintf(messages, sizeof messages, "[{\"role\": \"user\", \"content\": \"%s\"}]", w->prompt);
    if (w->chat)
        x->status = infer_generate_chat(w->chat, x->session, sampler, messages, strlen(messages), o, &x->r, &x->err);
    else
        x->status = infer_generate(x->session, sampler, w->prompt, strlen(w->prompt), o, &x->r, &x->err);
}

static void keep_state(struct outcome *x, const struct manner *w)
{
    assert_int_equal(infer_session_save_bytes(x->session, NULL, 0, &x->n_saved, NULL), INFER_OK);
    x->saved = malloc(x->n_saved);
    assert_int_equal(infer_session_save_bytes(x->session, x->saved, x->n_saved, &x->n_saved, NULL), INFER_OK);
    const size_t bytes = output_width(w->model) * sizeof(float);
    x->logits = malloc(bytes);
    assert_int_equal(infer_session_eval(x->session, NULL, 0, NULL), INFER_OK);
    memcpy(x->logits, infer_session_logits(x->session), bytes);
}

/* The caller frees what comes back, by forget(). */
static struct outcome *write_text(const struct manner *w, enum kind kind)
{
    struct outcome *x = calloc(1, sizeof *x);
    infer_error err = { 0 };
    infer_speculation o = infer_speculation_defaults();
    infer_model *const drafts[KINDS] = { [DRAFT] = w->draft, [WRONG_DRAFT] = w->wrong_draft, [BOTH] = w->draft,
                                         [IF_IT_PAYS] = w->draft };
    infer_session *draft = drafts[kind] ? infer_session_open(drafts[kind], &w->session, &err) : NULL;
    infer_sampler *sampler = infer_sampler_open(context, &w->sampler, &err);
    x->session = infer_session_open(w->model, &w->session, &err);
    if (!x->session || !sampler || (drafts[kind] && !draft) ||
        infer_sampler_set_grammar(sampler, w->grammar, infer_model_tokenizer(w->model), &err) != INFER_OK)
        fail_msg("%s", err.message);
    o.no_lookup = kind == DRAFT || kind == WRONG_DRAFT;
    o.draft = draft;
    o.always = kind != IF_IT_PAYS;
    o.n_max = kind == DRAFT ? 5 : 0;
    infer_generate_options g = w->o;
    g.on_text = on_text;
    g.on_token = on_token;
    g.user = x;
    g.speculation = kind == PLAIN ? NULL : &o;
    x->r.size = sizeof x->r;
    x->way = w;
    generate(x, w, sampler, &g);
    infer_session_close(&x->fork);
    keep_state(x, w);
    infer_session_close(&x->session);
    infer_session_close(&draft);
    infer_sampler_close(&sampler);
    return x;
}

static void forget(struct outcome *x)
{
    free(x->saved);
    free(x->logits);
    free(x);
}

static void assert_alike(const struct manner *w, const struct outcome *plain, const struct outcome *x, enum kind kind)
{
    if (x->length != plain->length || memcmp(x->text, plain->text, x->length))
        fail_msg("kind %d: \"%.*s\" is not \"%.*s\"", kind, (int)x->length, x->text, (int)plain->length, plain->text);
    assert_int_equal(x->status, plain->status);
    assert_string_equal(x->err.message, plain->err.message);
    assert_int_equal(x->r.reason, plain->r.reason);
    assert_int_equal(x->r.n_prompt, plain->r.n_prompt);
    assert_int_equal(x->r.n_generated, plain->r.n_generated);
    assert_int_equal(x->n_pieces, plain->n_pieces);
    assert_int_equal(x->n_tokens, plain->n_tokens);
    assert_memory_equal(x->ids, plain->ids, x->n_tokens * sizeof *x->ids);
    assert_memory_equal(x->logprobs, plain->logprobs, x->n_tokens * sizeof *x->logprobs);
    assert_int_equal(x->n_saved, plain->n_saved);
    assert_memory_equal(x->saved, plain->saved, x->n_saved);
    assert_memory_equal(x->logits, plain->logits, output_width(w->model) * sizeof(float));
    assert_true(x->r.n_accepted <= x->r.n_drafted && x->r.n_accepted <= x->r.n_generated);
}

/* Every kind of speculation against none. Tokens guessed and come true, of all kinds. */
static size_t compare(const struct manner *w)
{
    size_t n_accepted = 0;
    struct outcome *plain = write_text(w, PLAIN);
    assert_int_equal(plain->r.n_drafted, 0);
    for (int kind = LOOKUP; kind < KINDS; kind++) {
        struct outcome *x = write_text(w, (enum kind)kind);
        assert_alike(w, plain, x, (enum kind)kind);
        n_accepted += x->r.n_accepted;
        forget(x);
    }
    forget(plain);
    return n_accepted;
}

static struct manner usual_way(void)
{
    struct manner w = { .model = model, .draft = small, .wrong_draft = NULL, .prompt = "Once upon a time" };
    w.session = infer_session_defaults();
    w.session.n_ctx = 300;
    w.sampler = infer_sampler_defaults();
    w.sampler.seed = 3;
    w.o = infer_generate_defaults();
    w.o.n_predict = LENGTH;
    return w;
}

/* ---- Models ---- */

static void put(const char *folder, const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A tiny model of 96 tokens, with a vocabulary of as many characters; `first` is the one of id 2. */
static infer_model *open_tiny(const char *name, char first)
{
    static const char *const files[] = { "config.json", "model.safetensors" };
    char folder[] = "/tmp/speculate-XXXXXX", here[512], from[1200], to[600], json[4096];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(here, sizeof here));
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/tests/data/tiny/%s/%s", here, name, files[i]);
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    int n = snprintf(json, sizeof json, "{\"added_tokens\": [{\"id\": 0, \"content\": \"<s>\", \"special\": true}, "
                     "{\"id\": 1, \"content\": \"</s>\", \"special\": true}], \"model\": {\"type\": \"BPE\", "
                     "\"vocab\": {\"<s>\": 0, \"</s>\": 1, \"%c\": 2", first);
    for (int id = 3; id < 96; id++) /* \u0100 is no character that has to be escaped */
        n += snprintf(json + n, sizeof json - (size_t)n, ", \"\\u%04x\": %d", id < 40 ? 'A' + id - 3 : 0x100 + id, id);
    snprintf(json + n, sizeof json - (size_t)n, "}, \"merges\": []}}");
    put(folder, "tokenizer.json", json);
    put(folder, "tokenizer_config.json", "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}");
    infer_error err = { 0 };
    infer_model *m = infer_model_open(context, folder, NULL, &err);
    if (!m)
        fail_msg("%s: %s", name, err.message);
    static const char *const all[] = { "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json" };
    for (int i = 0; i < 4; i++) {
        snprintf(to, sizeof to, "%s/%s", folder, all[i]);
        unlink(to);
    }
    rmdir(folder);
    return m;
}

static int open_models_on(int n_threads)
{
    infer_error err = { 0 };
    counting_init(&memory, SIZE_MAX);
    infer_context_options c = infer_context_defaults();
    c.n_threads = n_threads;
    c.allocator = memory.allocator;
    infer_model_options o = infer_model_defaults();
    o.quantize = "q4_0";
    o.requantize = true;
    context = infer_context_open(&c, &err);
    model = context ? infer_model_open_default(context, NULL, &err) : NULL;
    small = model ? infer_model_open_default(context, &o, &err) : NULL;
    if (!small)
        fail_msg("%s", err.message);
    return 0;
}

static int open_models(void **state)
{
    (void)state;
    return open_models_on(2);
}

static int close_models(void **state)
{
    (void)state;
    infer_model_close(&small);
    infer_model_close(&model);
    infer_context_close(&context);
    assert_int_equal(memory.live, 0);
    return 0;
}

/* ---- Texts ---- */

static void a_greedy_text_is_the_plain_one(void **state)
{
    (void)state;
    struct manner w = usual_way();
    w.sampler.temperature = 0;
    assert_true(compare(&w) > COME_TRUE);
    w.session.precision = INFER_EXACT;
    assert_true(compare(&w) > COME_TRUE);
}

static void a_seeded_text_is_the_plain_one(void **state)
{
    (void)state;
    struct manner w = usual_way();
    for (w.sampler.seed = 1; w.sampler.seed < (SANITIZED ? 3 : 5); w.sampler.seed++) {
        w.session.deterministic = w.sampler.seed & 1;
        assert_true(compare(&w) > COME_TRUE);
    }
    w.sampler.repeat_penalty = 1.3f;
    w.sampler.dry_multiplier = 0.8f;
    w.sampler.xtc_probability = 0.5f;
    w.sampler.temperature = 2;
    compare(&w);
    w.sampler = infer_sampler_defaults();
    w.sampler.mirostat = 2;
    compare(&w);
}

static void so_it_is_of_other_architectures(void **state)
{
    (void)state;
    static const char *const names[] = { "gemma3", "gpt-oss", "qwen3moe", "deepseek3", "cohere2", "gpt2" };
    infer_model *wrong = open_tiny("llama", 'x');
    size_t n_accepted = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int turn = SANITIZED ? (int)i % 4 : 0; turn < 4; turn += SANITIZED ? 4 : 1) {
            struct manner w = usual_way();
            w.model = w.draft = open_tiny(names[i], 'x');
            w.wrong_draft = wrong;
            w.prompt = "ABABCDABCABACDABC";
            w.session.n_ctx = i == 5 ? 64 : 200; /* gpt2 has a table of positions */
            w.session.precision = turn & 1 ? INFER_EXACT : INFER_FAST;
            w.session.deterministic = turn == 3;
            w.sampler.temperature = turn < 2 ? 0 : 0.7f;
            w.o.ignore_end = true;
            n_accepted += compare(&w);
            infer_model_close(&w.model);
        }
    infer_model_close(&wrong);
    assert_true(n_accepted > 6 * (SANITIZED ? 1 : 4) * LENGTH * 5 / 6);
}

static void threads_and_batches_change_nothing(void **state)
{
    (void)state;
    struct manner w = usual_way();
    struct outcome *two = write_text(&w, BOTH);
    close_models(NULL);
    open_models_on(1);
    w = usual_way();
    struct outcome *one = write_text(&w, BOTH);
    w.session.n_batch = 3; /* no more than two guesses are computed at once */
    assert_true(compare(&w) > COME_TRUE / 2);
    w.session.n_batch = 1;
    assert_int_equal(compare(&w), 0);
    assert_alike(&w, one, two, BOTH);
    assert_int_equal(one->r.n_drafted, two->r.n_drafted);
    forget(one);
    forget(two);
}

/* ---- Ends ---- */

static void it_ends_where_the_plain_text_does(void **state)
{
    (void)state;
    static const char *const stops[] = { "there", " day", "zzz" };
    struct manner w = usual_way();
    w.o.stops = stops;
    for (w.o.n_stops = 1; w.o.n_stops <= 3; w.o.n_stops++)
        compare(&w);
    w = usual_way();
    for (w.o.n_predict = 0; w.o.n_predict < 20; w.o.n_predict += EVERY)
        compare(&w);
    w.o.n_predict = -1;
    for (w.session.n_ctx = 30; w.session.n_ctx < 40; w.session.n_ctx += EVERY)
        compare(&w); /* the context is full */
    w.session.n_ctx = 512;
    compare(&w); /* the model ends it */
    for (w.stop_after = 1; w.stop_after < 12; w.stop_after += EVERY)
        compare(&w);
}

static void a_full_context_is_shifted_alike(void **state)
{
    (void)state;
    struct manner w = usual_way();
    w.session.n_ctx = 40;
    w.o.on_full = INFER_FULL_SHIFT;
    w.o.n_full_keep = 4;
    w.o.ignore_end = true;
    assert_true(compare(&w) > LENGTH / 3);
    w.o.on_full = INFER_FULL_ERROR;
    compare(&w);
}

static void it_is_cancelled_at_the_same_token(void **state)
{
    (void)state;
    struct manner w = usual_way();
    for (w.cancel_after = 1; w.cancel_after < 16; w.cancel_after += EVERY)
        compare(&w);
}

static void a_session_may_be_forked_meanwhile(void **state)
{
    (void)state;
    struct manner w = usual_way();
    for (w.fork_every = 1; w.fork_every < 6; w.fork_every += SANITIZED ? 3 : 1)
        compare(&w);
}

/* ---- What texts are held to ---- */

static void grammars_hold_and_cut_what_is_guessed(void **state)
{
    (void)state;
    static const char colours[] = "root ::= (\"red, \" | \"green, \" | \"blue, and \")+ \"end\"";
    static const char schema[] = "{\"type\": \"array\", \"minItems\": 4, \"items\": {\"type\": \"object\", "
                                 "\"properties\": {\"name\": {\"type\": \"string\", \"maxLength\": 9}, \"age\": {\"type\": \"integer\"}}, "
                                 "\"required\": [\"name\", \"age\"]}}";
    infer_error err;
    struct manner w = usual_way();
    w.grammar = infer_grammar_open(context, INFER_GBNF, colours, strlen(colours), NULL, &err);
    assert_true(compare(&w) > LENGTH / 2);
    infer_grammar_close(&w.grammar);
    w.grammar = infer_grammar_open(context, INFER_JSON_SCHEMA, schema, strlen(schema), NULL, &err);
    if (!w.grammar)
        fail_msg("%s", err.message);
    assert_true(compare(&w) > 20);
    infer_grammar_close(&w.grammar);
}

static void answers_of_conversations_are_the_plain_ones(void **state)
{
    (void)state;
    struct manner w = usual_way();
    infer_error err;
    infer_chat_setup setup = infer_chat_setup_defaults();
    setup.template_name = "chatml";
    w.chat = infer_chat_open(model, &setup, &err);
    if (!w.chat)
        fail_msg("%s", err.message);
    w.prompt = "Tell me a story about a cat and a dog.";
    assert_true(compare(&w) > 20);
    infer_chat_close(&w.chat);
}

/* ---- Rounded as batches are ---- */

enum { TEXTS = SANITIZED ? 100 : 1500, CELLS = 8 };

/* How often each of the tokens that come third does, the rarest in one cell. */
static void third_tokens(bool guessed, uint64_t seed, size_t counts[CELLS])
{
    struct manner w = usual_way();
    infer_error err;
    infer_speculation o = infer_speculation_defaults();
    infer_session *s = infer_session_open(model, &w.session, &err);
    infer_session *draft = infer_session_open(small, &w.session, &err);
    o.draft = draft;
    o.always = o.as_batch = true;
    w.o.speculation = guessed ? &o : NULL;
    w.o.n_predict = 3;
    for (size_t i = 0; i < TEXTS; i++) {
        infer_generate_result r = { .size = sizeof r };
        w.sampler.seed = seed + i;
        w.sampler.temperature = 1;
        infer_sampler *sampler = infer_sampler_open(context, &w.sampler, &err);
        assert_int_equal(infer_session_rewind(s, 0, NULL), INFER_OK);
        assert_int_equal(infer_generate(s, sampler, ". A", 3, &w.o, &r, NULL), INFER_OK);
        const int32_t id = infer_session_tokens(s)[infer_session_length(s) - 1];
        counts[r.n_generated < 3 ? 0 : id % CELLS]++;
        infer_sampler_close(&sampler);
    }
    infer_session_close(&s);
    infer_session_close(&draft);
}

/* Two samples of one distribution: chi-square of 7 degrees of freedom is below 29.9 in all but 1 of 10,000. */
static void the_distribution_is_that_of_plain_sampling(void **state)
{
    (void)state;
    size_t plain[CELLS] = { 0 }, guessed[CELLS] = { 0 };
    double chi = 0;
    third_tokens(false, 1, plain);
    third_tokens(true, 100000, guessed);
    for (int i = 0; i < CELLS; i++) {
        const double all = (double)(plain[i] + guessed[i]), d = (double)plain[i] - (double)guessed[i];
        chi += all > 0 ? d * d / all : 0;
    }
    if (chi > 29.9)
        fail_msg("chi-square is %.1f", chi);
}

/* ---- Refused, and failing ---- */

static void refused(infer_session *s, infer_sampler *sampler, infer_speculation o, const char *why)
{
    infer_error err = { 0 };
    infer_generate_options g = infer_generate_defaults();
    g.speculation = &o;
    assert_int_equal(infer_generate(s, sampler, "a", 1, &g, NULL, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, why);
    assert_int_equal(infer_session_length(s), 0);
}

static void wrong_options_and_other_vocabularies_are_refused(void **state)
{
    (void)state;
    struct manner w = usual_way();
    infer_error err;
    infer_speculation o = infer_speculation_defaults();
    infer_model *tiny = open_tiny("llama", 'x'), *other = open_tiny("llama", 'y'), *encoder = NULL;
    encoder = infer_model_open(context, "tests/data/tiny/bert", NULL, &err);
    infer_session *s = infer_session_open(model, &w.session, &err), *t = infer_session_open(tiny, &w.session, &err);
    infer_session *u = infer_session_open(other, &w.session, &err), *e = infer_session_open(encoder, NULL, &err);
    infer_sampler *sampler = infer_sampler_open(context, NULL, &err);
    assert_true(s && t && u && e && sampler);
    o.n_max = INFER_MAX_GUESSES + 1;
    refused(s, sampler, o, "speculation: n_max is 17, expected 0 (as usual) to 16");
    o = infer_speculation_defaults();
    o.size = 0;
    refused(s, sampler, o, "speculation: size is 0; start from infer_speculation_defaults()");
    o = infer_speculation_defaults();
    o.draft = s;
    refused(s, sampler, o, "speculation: the draft is the session itself, expected one of a smaller model");
    o.draft = t;
    refused(s, sampler, o, "speculation: the draft's vocabulary has 96 tokens, expected the model's 1024");
    o.draft = u;
    refused(t, sampler, o, "speculation: token 2 of the draft's vocabulary is \"y\", expected the model's \"x\"");
    o.draft = e;
    refused(s, sampler, o, "speculation: the draft's model has no tokens to guess, expected one that generates text");
    infer_sampler_close(&sampler);
    infer_session_close(&e);
    infer_session_close(&u);
    infer_session_close(&t);
    infer_session_close(&s);
    infer_model_close(&encoder);
    infer_model_close(&other);
    infer_model_close(&tiny);
}

static void a_draft_with_less_room_guesses_as_far_as_that_goes(void **state)
{
    (void)state;
    struct manner w = usual_way();
    infer_error err;
    infer_generate_result r = { .size = sizeof r };
    infer_session *s = infer_session_open(model, &w.session, &err);
    infer_sampler *sampler = infer_sampler_open(context, &w.sampler, &err);
    w.session.n_ctx = 40;
    infer_session *draft = infer_session_open(small, &w.session, &err);
    infer_speculation o = infer_speculation_defaults();
    o.no_lookup = o.always = true;
    o.draft = draft;
    w.o.speculation = &o;
    assert_int_equal(infer_generate(s, sampler, "Once", 4, &w.o, &r, NULL), INFER_OK);
    assert_int_equal(r.n_generated, LENGTH);
    assert_true(r.n_accepted > 10 && r.n_accepted < 40);
    infer_session_close(&draft);
    infer_session_close(&s);
    infer_sampler_close(&sampler);
}

/* Where memory is out for guesses, the text is the plain one; where it is out for that too, it says so. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct manner w = usual_way();
    infer_error err;
    infer_speculation o = infer_speculation_defaults();
    o.always = true;
    w.o.n_predict = 90; /* into a second page */
    struct outcome *plain = write_text(&w, PLAIN);
    infer_status status = INFER_E_NOMEM;
    for (size_t n = 0; status != INFER_OK && n < 400; n += EVERY) {
        infer_session *s = infer_session_open(model, &w.session, &err);
        infer_session *d = infer_session_open(small, &w.session, &err);
        infer_sampler *sampler = infer_sampler_open(context, &w.sampler, &err);
        struct outcome *x = calloc(1, sizeof *x);
        x->way = &w;
        o.draft = d;
        infer_generate_options g = w.o;
        g.on_text = on_text;
        g.user = x;
        g.speculation = &o;
        memory.refuse_from = memory.calls + n;
        status = infer_generate(s, sampler, w.prompt, strlen(w.prompt), &g, NULL, &err);
        memory.refuse_from = SIZE_MAX;
        assert_true(status == INFER_OK || status == INFER_E_NOMEM);
        assert_true(x->length <= plain->length);
        assert_memory_equal(x->text, plain->text, x->length);
        forget(x);
        infer_sampler_close(&sampler);
        infer_session_close(&d);
        infer_session_close(&s);
    }
    assert_int_equal(status, INFER_OK);
    forget(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_models, close_models)
        TEST(a_greedy_text_is_the_plain_one),
        TEST(a_seeded_text_is_the_plain_one),
        TEST(so_it_is_of_other_architectures),
        TEST(threads_and_batches_change_nothing),
        TEST(it_ends_where_the_plain_text_does),
        TEST(a_full_context_is_shifted_alike),
        TEST(it_is_cancelled_at_the_same_token),
        TEST(a_session_may_be_forked_meanwhile),
        TEST(grammars_hold_and_cut_what_is_guessed),
        TEST(answers_of_conversations_are_the_plain_ones),
        TEST(the_distribution_is_that_of_plain_sampling),
        TEST(wrong_options_and_other_vocabularies_are_refused),
        TEST(a_draft_with_less_room_guesses_as_far_as_that_goes),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("speculate", tests, NULL, NULL);
}
