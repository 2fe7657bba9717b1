/* test_forward.c - what a step computes, and how many jobs it takes, through the public API. */
#include "src/engine/context.h"
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"

static const char *const levels[] = { "scalar", "avx2", "avx512", "amx", "neon", "dotprod", "i8mm" };
enum { N_LEVELS = sizeof levels / sizeof *levels, MAX_IDS = 1200 };

static infer_context *context_of(const char *level, int n_threads)
{
    infer_context_options o = infer_context_defaults();
    o.cpu = level;
    o.n_threads = n_threads;
    return infer_context_open(&o, NULL); /* NULL: no such level here */
}

static const int32_t *some_ids(void)
{
    static int32_t ids[MAX_IDS];
    for (int i = 0; i < MAX_IDS; i++)
        ids[i] = (i * 37 + 5) % 60;
    return ids;
}

/* ---- Which results are asked for ---- */

struct variant {
    infer_session_options o;
    size_t n_before; /* tokens that are there already */
};

static infer_session *open_at(infer_model *m, const struct variant *way)
{
    infer_error err = { 0 };
    infer_session *s = infer_session_open(m, &way->o, &err);
    if (!s || infer_session_eval(s, some_ids(), way->n_before, &err) != INFER_OK)
        fail_msg("%s", err.message);
    return s;
}

/* n tokens more: the last one's logits, as they come alone and among those of all. */
static void assert_same_logits(infer_model *m, const struct variant *way, size_t n, const char *what)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    const size_t bytes = (size_t)info.n_vocab * sizeof(float);
    float *const all = malloc(n * bytes);
    infer_session *one = open_at(m, way), *other = open_at(m, way);
    assert_int_equal(infer_session_eval(one, some_ids() + way->n_before, n, NULL), INFER_OK);
    assert_int_equal(infer_session_eval_all(other, some_ids() + way->n_before, n, all, NULL), INFER_OK);
    if (memcmp(infer_session_logits(one), all + (n - 1) * (size_t)info.n_vocab, bytes) != 0)
        fail_msg("%s, precision %d, %zu tokens after %zu: logits of the last differ if all are asked for", what,
                 (int)way->o.precision, n, way->n_before);
    infer_session_close(&one);
    infer_session_close(&other);
    free(all);
}

static struct variant way_of(infer_precision precision, infer_kv_type kv_type, size_t n_before)
{
    struct variant way = { infer_session_defaults(), n_before };
    way.o.precision = precision;
    way.o.kv_type_k = way.o.kv_type_v = kv_type;
    way.o.n_ctx = MAX_IDS;
    return way;
}

static void the_last_logits_are_the_same_if_all_are_asked_for(void **state)
{
    static const size_t lengths[] = { 1, 2, 3, 7, 20, 70 };
    (void)state;
    for (int level = SANITIZED ? 1 : 0; level < N_LEVELS; level++) {
        infer_context *c = context_of(levels[level], 2);
        infer_model *m = c ? infer_model_open_default(c, NULL, NULL) : NULL;
        for (int precision = 0; m && precision < 2; precision++)
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i += SANITIZED ? 3 : 1) {
                struct variant way = way_of((infer_precision)precision, INFER_KV_DEFAULT, lengths[i] % 3 * 5);
                assert_same_logits(m, &way, lengths[i], levels[level]);
                way.o.n_batch = 32;
                assert_same_logits(m, &way, lengths[i], levels[level]);
            }
        infer_model_close(&m);
        infer_context_close(&c);
    }
}

/* The attention of few tokens to more than 512 positions is cut into pieces. */
static void the_last_logits_after_a_long_context_are_the_same_if_all_are_asked_for(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = infer_model_open_default(c, NULL, NULL);
    for (int type = INFER_KV_F32; type <= INFER_KV_Q4_0; type += SANITIZED ? 2 : 1)
        for (size_t n = 2; n <= 40; n *= 4) {
            const struct variant way = way_of(INFER_FAST, (infer_kv_type)type, 1100);
            assert_same_logits(m, &way, n, "long context");
        }
    infer_model_close(&m);
    infer_context_close(&c);
}

static void the_last_logits_of_every_type_are_the_same_if_all_are_asked_for(void **state)
{
    static const char *const types[] = { "f32", "f16", "bf16", "q4_0", "q8_0", "q4_k", "q6_k", "iq4_xs", "iq2_xxs" };
    (void)state;
    infer_context *c = open_context(NULL, 2);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/models/quants/%s/model.gguf", INFER_SHARED, types[i]);
        infer_model *m = access(path, R_OK) == 0 ? infer_model_open(c, path, NULL, NULL) : NULL;
        for (size_t n = 2; m && n <= 32; n *= 4) {
            const struct variant way = way_of(INFER_FAST, INFER_KV_DEFAULT, 0);
            assert_same_logits(m, &way, n, types[i]);
        }
        infer_model_close(&m);
    }
    infer_context_close(&c);
}

/* Experts, one norm for both blocks, norms behind blocks, no gate, multipliers, latent vectors. */
static void the_last_logits_of_every_kind_of_block_are_the_same_if_all_are_asked_for(void **state)
{
    static const char *const models[] = { "mixtral", "qwen2moe", "phimoe", "gpt-oss", "deepseek", "granitemoe",
                                          "command-r", "gemma2", "olmo2", "starcoder2", "phi2",       "deepseek2", "deepseek3",
                                          "gptneox",   "falcon-new" };
    (void)state;
    infer_context *c = open_context(NULL, 2);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[100];
        snprintf(path, sizeof path, "tests/data/tiny/%s/model.gguf", models[i]);
        infer_model *m = infer_model_open(c, path, NULL, NULL);
        assert_non_null(m);
        for (int precision = 0; precision < 2; precision++)
            for (size_t n = 2; n <= 60; n += 29) {
                const struct variant way = way_of((infer_precision)precision, INFER_KV_DEFAULT, 3);
                assert_same_logits(m, &way, n, models[i]);
            }
        infer_model_close(&m);
    }
    infer_context_close(&c);
}

/* ---- Jobs that threads wait for each other in ---- */

/* Jobs that the tokens [first, first + n) take. */
static int jobs_of(infer_context *c, infer_model *m, size_t first, size_t n)
{
    const struct variant way = way_of(INFER_FAST, INFER_KV_DEFAULT, first);
    infer_session *s = open_at(m, &way);
    const int before = pool_jobs(c->pool);
    assert_int_equal(infer_session_eval(s, some_ids() + first, n, NULL), INFER_OK);
    infer_session_close(&s);
    return pool_jobs(c->pool) - before;
}

/* A token: queries, keys and values; attention; its product; gate and up; down. Norms, activations and the bringing of
 * one token into the form that products read are none. With many tokens, three times the latter, and storing keys and
 * values; once the embedding, the last norm and the logits. */
static void a_layer_takes_five_jobs_and_of_a_prompt_nine(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 3);
    infer_model *m = infer_model_open_default(c, NULL, NULL);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    const int token = jobs_of(c, m, 400, 1), prompt = jobs_of(c, m, 0, 400);
    assert_true(token > 0 && token <= 5 * info.n_layer + 1);
    assert_true(prompt > token && prompt <= 9 * info.n_layer + 3);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void a_step_of_a_tiny_model_is_not_handed_out(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 3);
    infer_model *m = infer_model_open(c, "tests/data/tiny/llama/model.gguf", NULL, NULL);
    assert_non_null(m);
    assert_int_equal(jobs_of(c, m, 0, 1), 0);
    assert_int_equal(jobs_of(c, m, 5, 3), 0);
    infer_model_close(&m);
    infer_context_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_logits_are_the_same_if_all_are_asked_for),
        cmocka_unit_test(the_last_logits_after_a_long_context_are_the_same_if_all_are_asked_for),
        cmocka_unit_test(the_last_logits_of_every_type_are_the_same_if_all_are_asked_for),
        cmocka_unit_test(the_last_logits_of_every_kind_of_block_are_the_same_if_all_are_asked_for),
        cmocka_unit_test(a_layer_takes_five_jobs_and_of_a_prompt_nine),
        cmocka_unit_test(a_step_of_a_tiny_model_is_not_handed_out),
    };
    return cmocka_run_group_tests_name("forward pass", tests, NULL, NULL);
}
