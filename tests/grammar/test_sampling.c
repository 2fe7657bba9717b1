/* test_sampling.c - a sampler with a grammar: what it chooses, how likely, and what generation makes of it. */
#include "tests/common/counting.h"
#include "tests/grammar/grammar_test.h"
#include "tests/grammar/grammars.h"

#include <jansson.h>
#include <math.h>

static infer_context *context;
static infer_model *model;
static const infer_tokenizer *tokenizer;
static int32_t n_vocab;

static int open_model(void **state)
{
    (void)state;
    infer_error err = { 0 };
    context = context_new(NULL);
    model = infer_model_open_default(context, NULL, &err);
    if (!model)
        fail_msg("%s", err.message);
    tokenizer = infer_model_tokenizer(model);
    n_vocab = infer_tokenizer_size(tokenizer);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    infer_model_close(&model);
    infer_context_close(&context);
    return 0;
}

static infer_grammar *grammar_open(infer_notation notation, const char *source)
{
    infer_error err = { 0 };
    infer_grammar *g = infer_grammar_open(context, notation, source, strlen(source), NULL, &err);
    if (!g)
        fail_msg("%s: %s", source, err.message);
    return g;
}

static infer_sampler *sampler_open(const infer_sampler_options *options, infer_grammar *g)
{
    infer_error err = { 0 };
    infer_sampler *s = infer_sampler_open(context, options, &err);
    assert_non_null(s);
    if (g && infer_sampler_set_grammar(s, g, tokenizer, &err))
        fail_msg("%s", err.message);
    return s;
}

static void fill(float *logits, uint32_t *seed)
{
    for (int32_t i = 0; i < n_vocab; i++) {
        *seed = *seed * 1664525 + 1013904223;
        logits[i] = (float)(*seed >> 8) / (float)(1 << 21) - 4;
    }
}

/* With a grammar as without one over logits in which all else is -infinity, whatever way the tokens are found. */
static void same_as_masked(void **state)
{
    (void)state;
    static const struct {
        float temperature, top_p, min_p, repeat_penalty;
        int32_t top_k;
    } ways[] = { { 0, 1, 0, 1, 40 }, { 1, 1, 0, 1, 5 },          { 1, 0.9f, 0.05f, 1.2f, 40 },
                 { 1, 1, 0, 1, 0 },  { 0.7f, 0.8f, 0, 1.1f, 0 }, { 1, 1, 0.01f, 1, 5000 } };
    float *logits = malloc((size_t)n_vocab * sizeof *logits), *masked = malloc((size_t)n_vocab * sizeof *masked);
    uint32_t *bits = malloc(((size_t)n_vocab + 31) / 32 * sizeof *bits), seed = 1;
    for (size_t i = 0; i < COUNT(grammars); i++)
        for (size_t w = 0; w < COUNT(ways); w++) {
            infer_error err = { 0 };
            infer_sampler_options o = infer_sampler_defaults();
            o.temperature = ways[w].temperature;
            o.top_k = ways[w].top_k;
            o.top_p = ways[w].top_p;
            o.min_p = ways[w].min_p;
            o.repeat_penalty = ways[w].repeat_penalty;
            infer_grammar *g = grammar_open(grammars[i].notation, grammars[i].source);
            infer_sampler *with = sampler_open(&o, g), *without = sampler_open(&o, NULL);
            for (int n = 0; n < 30 && !infer_matcher_must_end(infer_sampler_matcher(with)); n++) {
                infer_matcher *m = infer_matcher_fork(infer_sampler_matcher(with), &err);
                assert_int_equal(infer_matcher_mask(m, bits, ((size_t)n_vocab + 31) / 32, &err), INFER_OK);
                infer_matcher_close(&m);
                fill(logits, &seed);
                for (int32_t id = 0; id < n_vocab; id++)
                    masked[id] = bits[id / 32] >> (id % 32) & 1 ? logits[id] : -INFINITY;
                const int32_t id = infer_sampler_sample(with, logits, n_vocab);
                assert_int_equal(id, infer_sampler_sample(without, masked, n_vocab));
                assert_true(id >= 0);
                if (infer_tokenizer_is_end(tokenizer, id))
                    break;
                infer_sampler_accept(with, id);
                infer_sampler_accept(without, id);
            }
            infer_sampler_close(&with);
            infer_sampler_close(&without);
            infer_grammar_close(&g);
        }
    free(logits);
    free(masked);
    free(bits);
}

static void wrong_token(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_grammar *g = grammar_open(INFER_GBNF, "root ::= \"aaaa\"");
    infer_sampler *s = sampler_open(NULL, g);
    float *logits = calloc((size_t)n_vocab, sizeof *logits);
    const int32_t id = infer_sampler_sample(s, logits, n_vocab);
    assert_true(infer_matcher_allows(infer_sampler_matcher(s), id));
    infer_sampler_accept(s, infer_tokenizer_bos(tokenizer));
    assert_int_equal(infer_sampler_sample(s, logits, n_vocab), -1);
    infer_sampler_reset(s);
    assert_true(infer_sampler_sample(s, logits, n_vocab) >= 0);
    assert_int_equal(infer_sampler_set_grammar(s, g, NULL, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_sampler_set_grammar(s, NULL, NULL, &err), INFER_OK);
    assert_null(infer_sampler_matcher(s));
    infer_grammar_close(&g);
    infer_sampler_close(&s);
    free(logits);
}

struct written {
    char text[4096];
    size_t n;
};

static bool take(void *user, const char *text, size_t length)
{
    struct written *w = user;
    assert_true(w->n + length < sizeof w->text);
    memcpy(w->text + w->n, text, length);
    w->n += length;
    w->text[w->n] = 0;
    return true;
}

static infer_stop_reason write_text(infer_grammar *g, uint64_t seed, const char *prompt, struct written *w)
{
    infer_error err = { 0 };
    infer_sampler_options so = infer_sampler_defaults();
    so.seed = seed;
    infer_sampler *s = sampler_open(&so, g);
    infer_session *session = infer_session_open(model, NULL, &err);
    assert_non_null(session);
    infer_generate_options o = infer_generate_defaults();
    infer_generate_result r = { .size = sizeof r };
    o.n_predict = 400;
    o.on_text = take;
    o.user = w;
    w->n = 0;
    if (infer_generate(session, s, prompt, strlen(prompt), &o, &r, &err))
        fail_msg("%s", err.message);
    infer_session_close(&session);
    infer_sampler_close(&s);
    return r.reason;
}

/* A model of stories writes JSON; the grammar ends the text. */
static void generated(void **state)
{
    (void)state;
    infer_grammar *g = grammar_open(
        INFER_JSON_SCHEMA,
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":20},"
        "\"n\":{\"type\":\"integer\",\"maximum\":99,\"minimum\":-9},\"kind\":{\"enum\":[\"cat\",\"dog\"]}},"
        "\"required\":[\"name\",\"n\",\"kind\"],\"additionalProperties\":false}");
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct written w;
        assert_int_equal(write_text(g, seed, "Once upon a time", &w), INFER_STOP_GRAMMAR);
        assert_int_equal(fate_of(g, w.text, w.n), WHOLE);
        json_t *json = json_loadb(w.text, w.n, 0, NULL);
        if (!json)
            fail_msg("no JSON: %s", w.text);
        assert_int_equal(json_object_size(json), 3);
        json_decref(json);
    }
    infer_grammar_close(&g);
}

/* Each prompt begins the grammar anew; none goes on with it. */
static void prompts(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_grammar *g = grammar_open(INFER_REGEX, "(cat|dog)s{3}");
    infer_sampler *s = sampler_open(NULL, g);
    infer_session *session = infer_session_open(model, NULL, &err);
    struct written w = { .n = 0 };
    infer_generate_options o = infer_generate_defaults();
    infer_generate_result r = { .size = sizeof r };
    o.on_text = take;
    o.user = &w;
    o.n_predict = 1;
    assert_int_equal(infer_generate(session, s, "A", 1, &o, &r, &err), INFER_OK);
    assert_int_equal(r.reason, INFER_STOP_LENGTH);
    o.n_predict = -1;
    assert_int_equal(infer_generate(session, s, NULL, 0, &o, &r, &err), INFER_OK);
    assert_int_equal(r.reason, INFER_STOP_GRAMMAR);
    assert_int_equal(fate_of(g, w.text, w.n), WHOLE);
    w.n = 0;
    assert_int_equal(infer_generate(session, s, " and", 4, &o, &r, &err), INFER_OK);
    assert_int_equal(r.reason, INFER_STOP_GRAMMAR);
    assert_int_equal(fate_of(g, w.text, w.n), WHOLE);
    infer_session_close(&session);
    infer_sampler_close(&s);
    infer_grammar_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "what is chosen is as if all that the grammar does not allow were impossible", same_as_masked, NULL, NULL,
          NULL },
        { "a token that the grammar does not allow ends sampling until a reset", wrong_token, NULL, NULL, NULL },
        { "a text that is generated is one of the grammar, and ends with it", generated, NULL, NULL, NULL },
        { "each prompt begins the grammar anew, an empty one goes on", prompts, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
