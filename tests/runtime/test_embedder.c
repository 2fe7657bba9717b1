/* test_embedder.c - vectors of texts and tokens, scores of pairs: against what transformers computes in float64
 * (tests/data/tiny/make_encoders.py), and against each other. */
#include "tests/common/counting.h"
#include "tests/reference/reference.h"

#include <sys/stat.h>

#define TINY "tests/data/tiny/"
enum { WIDTH = 32, MAX_TEXTS = 16 };
static const double tolerance = 2e-4;

struct texts {
    json_t *json;
    infer_input in[MAX_TEXTS], second[MAX_TEXTS]; /* second: of pairs */
    size_t n;
};

static infer_input input_of(const json_t *text)
{
    return (infer_input){ .text = json_string_value(text), .length = json_string_length(text) };
}

static struct texts read_texts(const char *folder, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct texts t = { .json = json_load_file(path, 0, NULL) };
    assert_non_null(t.json);
    t.n = json_array_size(t.json);
    assert_in_range(t.n, 1, MAX_TEXTS);
    for (size_t i = 0; i < t.n; i++) {
        const json_t *const item = json_array_get(t.json, i);
        t.in[i] = input_of(json_is_array(item) ? json_array_get(item, 0) : item);
        t.second[i] = input_of(json_array_get(item, 1));
    }
    return t;
}

static infer_input input_of_ids(const struct ids *ids)
{
    return (infer_input){ .ids = ids->v, .n_ids = ids->n };
}

static infer_model *open_model(infer_context *c, const char *path)
{
    infer_error err = { 0 };
    infer_model *m = infer_model_open(c, path, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static infer_embedder *open_embedder(infer_model *m, const infer_embedder_options *o)
{
    infer_error err = { 0 };
    infer_embedder *e = infer_embedder_open(m, o, &err);
    if (!e)
        fail_msg("%s", err.message);
    return e;
}

static infer_embedder_options exact(void)
{
    infer_embedder_options o = infer_embedder_defaults();
    o.precision = INFER_EXACT;
    return o;
}

/* A model, an embedder of it, and a context of their own. */
struct bench {
    infer_context *c;
    infer_model *m;
    infer_embedder *e;
};

static struct bench set_up(const char *path, int n_threads, const infer_embedder_options *o)
{
    struct bench b = { .c = open_context(NULL, n_threads) };
    b.m = open_model(b.c, path);
    b.e = open_embedder(b.m, o);
    return b;
}

static void tear_down(struct bench *b)
{
    infer_embedder_close(&b->e);
    infer_model_close(&b->m);
    infer_context_close(&b->c);
}

static void assert_near(const float *got, const float *want, size_t n, const char *what)
{
    const double d = distance(got, want, n);
    if (!(d <= tolerance))
        fail_msg("%s: off by %.3g standard deviations", what, d);
}

/* ---- Against the reference ---- */

static const char *const levels[] = { "scalar", "avx2", "avx512", "amx", "neon", "dotprod", "i8mm" };

static void vectors_of_texts_meet_the_reference(void **state)
{
    (void)state;
    static const char *const paths[][2] = {
        { TINY "bert", TINY "bert" },
        { TINY "bert", TINY "bert/model.gguf" },
        { TINY "nomic-bert", TINY "nomic-bert" },
        { TINY "nomic-bert", TINY "nomic-bert/model.gguf" },
        { TINY "roberta", TINY "roberta" },
        { TINY "modernbert", TINY "modernbert" },
        { TINY "modernbert", TINY "modernbert/model.gguf" },
        { TINY "embeddinggemma", TINY "embeddinggemma" },
        { TINY "embeddinggemma", TINY "embeddinggemma/model.gguf" },
        { TINY "bert-dense", TINY "bert-dense" },
        { TINY "distilbert", TINY "distilbert" },
        { TINY "distilbert", TINY "distilbert/model.gguf" },
        { TINY "eurobert", TINY "eurobert" },
        { TINY "eurobert", TINY "eurobert/model.gguf" },
        { TINY "jina-embeddings-v3", TINY "jina-embeddings-v3" },
        { TINY "jina-embeddings-v3", TINY "jina-embeddings-v3/model.gguf" },
        { TINY "camembert", TINY "camembert" },
        { TINY "xlm-roberta", TINY "xlm-roberta" },
        { TINY "xlm-roberta", TINY "xlm-roberta/model.gguf" },
    };
    const infer_embedder_options o = exact();
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        infer_context_options options = infer_context_defaults();
        options.cpu = levels[l];
        options.n_threads = 2;
        infer_context *c = infer_context_open(&options, NULL);
        for (size_t i = 0; c && i < sizeof paths / sizeof *paths; i++) {
            struct texts t = read_texts(paths[i][0], "texts.json");
            infer_model *m = open_model(c, paths[i][1]);
            infer_embedder *e = open_embedder(m, &o);
            infer_embedder_info info = { .size = sizeof info };
            infer_embedder_get_info(e, &info);
            const size_t width = (size_t)info.dimensions;
            assert_in_range(width, 24, WIDTH);
            float got[MAX_TEXTS * WIDTH], *want = read_npy(paths[i][0], "vectors.npy", t.n * width);
            assert_int_equal(infer_embed(e, t.in, t.n, got, NULL), INFER_OK);
            assert_near(got, want, t.n * width, paths[i][1]);
            infer_embedder_close(&e);
            infer_model_close(&m);
            free(want);
            json_decref(t.json);
        }
        infer_context_close(&c);
    }
}

static void scores_of_pairs_meet_the_reference(void **state)
{
    (void)state;
    static const char *const folders[] = { TINY "bert-rank", TINY "xlm-roberta-rank" };
    const infer_embedder_options o = exact();
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        const char *const folder = folders[i / 2];
        snprintf(path, sizeof path, "%s%s", folder, i % 2 ? "/model.gguf" : "");
        struct bench b = set_up(path, 2, &o);
        struct texts t = read_texts(folder, "pairs.json");
        float got[MAX_TEXTS], all[MAX_TEXTS], *want = read_npy(folder, "scores.npy", t.n);
        size_t n_same = 0; /* the first ones are pairs of one query */
        while (n_same < t.n && t.in[n_same].length == t.in[0].length)
            n_same++;
        for (size_t j = 0; j < t.n; j++)
            assert_int_equal(infer_rerank(b.e, &t.in[j], &t.second[j], 1, &got[j], NULL), INFER_OK);
        assert_near(got, want, t.n, path);
        assert_in_range(n_same, 2, t.n - 1);
        assert_int_equal(infer_rerank(b.e, &t.in[0], t.second, n_same, all, NULL), INFER_OK);
        assert_near(all, want, n_same, "all at once");
        infer_embedder_info info = { .size = sizeof info };
        infer_embedder_get_info(b.e, &info);
        assert_true(info.reranks);
        free(want);
        json_decref(t.json);
        tear_down(&b);
    }
}

/* A ColBERT: each token's state is projected to 8 numbers. */
static void vectors_of_tokens_meet_the_reference(void **state)
{
    (void)state;
    enum { NARROW = 8, MAX_TOKENS = 128 };
    const infer_embedder_options o = exact();
    struct bench b = set_up(TINY "colbert", 2, &o);
    struct texts t = read_texts(TINY "colbert", "texts.json");
    infer_embedder_info info = { .size = sizeof info };
    infer_embedder_get_info(b.e, &info);
    assert_int_equal(info.pooling, INFER_POOLING_NONE);
    assert_int_equal(info.token_dimensions, NARROW);
    size_t first[MAX_TEXTS + 1];
    float got[MAX_TOKENS * NARROW];
    assert_int_equal(infer_embed_tokens(b.e, t.in, t.n, NULL, 0, first, NULL), INFER_OK);
    assert_in_range(first[t.n], t.n, MAX_TOKENS);
    float *want = read_npy(TINY "colbert", "vectors.npy", first[t.n] * NARROW);
    assert_int_equal(infer_embed_tokens(b.e, t.in, t.n, got, MAX_TOKENS, first, NULL), INFER_OK);
    assert_near(got, want, first[t.n] * NARROW, "colbert");
    free(want);
    json_decref(t.json);
    tear_down(&b);
}

/* A decoder: the last token's state under the last norm. Its directory has the base model alone. */
static void a_decoder_gives_the_state_of_its_last_token(void **state)
{
    (void)state;
    static const char *const paths[] = { TINY "qwen3-embedding", TINY "qwen3-embedding/model.gguf" };
    for (size_t i = 0; i < 2; i++) {
        const infer_embedder_options o = exact();
        struct bench b = set_up(paths[i], 2, &o);
        const struct ids ids = read_ids(paths[0], "ids.json");
        const infer_input in = input_of_ids(&ids);
        float *hidden = read_npy(paths[0], "hidden.npy", ids.n * WIDTH), *want = hidden + (ids.n - 1) * WIDTH,
              got[WIDTH];
        double square = 0;
        for (int j = 0; j < WIDTH; j++)
            square += (double)want[j] * (double)want[j];
        for (int j = 0; j < WIDTH; j++)
            want[j] /= (float)sqrt(square);
        assert_int_equal(infer_embed(b.e, &in, 1, got, NULL), INFER_OK);
        assert_near(got, want, WIDTH, paths[i]);
        infer_embedder_info info = { .size = sizeof info };
        infer_embedder_get_info(b.e, &info);
        assert_int_equal(info.pooling, INFER_POOLING_LAST);
        assert_false(info.reranks);
        free(hidden);
        free(ids.v);
        tear_down(&b);
    }
}

/* ---- Against each other ---- */

static const int32_t *some_ids(void)
{
    static int32_t ids[600];
    for (size_t i = 0; i < 600; i++)
        ids[i] = (int32_t)((i * 37 + 5) % 90);
    return ids;
}

/* n texts of ids of many lengths. */
static infer_input *some_inputs(size_t n, size_t longest)
{
    infer_input *in = calloc(n, sizeof *in);
    for (size_t i = 0; i < n; i++)
        in[i] = (infer_input){ .ids = some_ids() + i, .n_ids = 1 + i * 13 % longest };
    return in;
}

static void a_text_has_the_same_vector_alone_and_among_others(void **state)
{
    (void)state;
    static const char *const paths[] = { TINY "bert", TINY "nomic-bert", TINY "qwen3-embedding", TINY "gpt2" };
    enum { N = 60 };
    for (size_t i = 0; i < 4; i++)
        for (infer_pooling pooling = INFER_POOLING_MEAN; pooling <= INFER_POOLING_LAST; pooling++) {
            infer_embedder_options o = exact();
            o.pooling = pooling;
            struct bench b = set_up(paths[i], 2, &o);
            infer_input *in = some_inputs(N, 60);
            float *all = calloc(N * WIDTH, sizeof *all), *one = calloc(N * WIDTH, sizeof *one);
            assert_int_equal(infer_embed(b.e, in, N, all, NULL), INFER_OK);
            for (size_t j = 0; j < N; j++)
                assert_int_equal(infer_embed(b.e, &in[j], 1, one + j * WIDTH, NULL), INFER_OK);
            assert_near(all, one, N * WIDTH, paths[i]);
            free(all);
            free(one);
            free(in);
            tear_down(&b);
        }
}

static void vectors_have_the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    enum { N = 40 };
    for (infer_precision precision = INFER_FAST; precision <= INFER_EXACT; precision++) {
        float *first = NULL;
        for (int threads = 1; threads <= 5; threads += 2) {
            infer_embedder_options o = infer_embedder_defaults();
            o.precision = precision;
            struct bench b = set_up(TINY "bert", threads, &o);
            infer_input *in = some_inputs(N, 60);
            float *v = calloc(N * WIDTH, sizeof *v);
            assert_int_equal(infer_embed(b.e, in, N, v, NULL), INFER_OK);
            if (first)
                assert_memory_equal(v, first, N * WIDTH * sizeof *v);
            free(first ? v : NULL);
            first = first ? first : v;
            free(in);
            tear_down(&b);
        }
        free(first);
    }
}

/* More tokens than a step has: a decoder takes several steps. */
static void a_text_longer_than_a_step_is_computed_in_several(void **state)
{
    (void)state;
    infer_embedder_options o = exact();
    o.n_ctx = 600;
    o.normalize = false;
    struct bench b = set_up(TINY "qwen3-embedding", 2, &o);
    const infer_input in = { .ids = some_ids(), .n_ids = 599 };
    float got[WIDTH];
    float *tokens = calloc(599 * WIDTH, sizeof *tokens);
    size_t first[2];
    for (infer_pooling pooling = INFER_POOLING_MEAN; pooling <= INFER_POOLING_LAST; pooling++) {
        infer_embedder_close(&b.e);
        o.pooling = pooling;
        b.e = open_embedder(b.m, &o);
        assert_int_equal(infer_embed(b.e, &in, 1, got, NULL), INFER_OK);
        assert_int_equal(infer_embed_tokens(b.e, &in, 1, tokens, 599, first, NULL), INFER_OK);
        assert_int_equal(first[1], 599);
        float want[WIDTH] = { 0 };
        for (int r = 0; r < 599; r++)
            for (int i = 0; i < WIDTH; i++)
                want[i] += pooling == INFER_POOLING_MEAN  ? tokens[r * WIDTH + i] / 599
                           : pooling == INFER_POOLING_CLS ? (r == 0) * tokens[r * WIDTH + i]
                                                          : (r == 598) * tokens[r * WIDTH + i];
        assert_near(got, want, WIDTH, "a long text");
    }
    free(tokens);
    tear_down(&b);
}

static void vectors_are_cut_and_then_normalised(void **state)
{
    (void)state;
    infer_embedder_options o = exact();
    struct bench b = set_up(TINY "bert", 2, &o);
    infer_input *in = some_inputs(3, 20);
    float whole[3 * WIDTH], cut[3 * 7], raw[3 * WIDTH];
    assert_int_equal(infer_embed(b.e, in, 3, whole, NULL), INFER_OK);
    o.dimensions = 7;
    infer_embedder *e = open_embedder(b.m, &o);
    assert_int_equal(infer_embed(e, in, 3, cut, NULL), INFER_OK);
    infer_embedder_close(&e);
    o.dimensions = 0;
    o.normalize = false;
    e = open_embedder(b.m, &o);
    assert_int_equal(infer_embed(e, in, 3, raw, NULL), INFER_OK);
    infer_embedder_close(&e);
    for (int i = 0; i < 3; i++) {
        double all = 0, few = 0;
        for (int j = 0; j < WIDTH; j++)
            all += (double)raw[i * WIDTH + j] * (double)raw[i * WIDTH + j];
        for (int j = 0; j < 7; j++)
            few += (double)raw[i * WIDTH + j] * (double)raw[i * WIDTH + j];
        assert_true(fabs(all - 1) > 1e-2); /* else normalising shows nothing */
        for (int j = 0; j < WIDTH; j++)
            assert_true(fabs((double)whole[i * WIDTH + j] - (double)raw[i * WIDTH + j] / sqrt(all)) < 1e-6);
        for (int j = 0; j < 7; j++)
            assert_true(fabs((double)cut[i * 7 + j] - (double)raw[i * WIDTH + j] / sqrt(few)) < 1e-6);
    }
    free(in);
    tear_down(&b);
}

static void a_long_text_is_refused_or_cut_before_its_last_token(void **state)
{
    (void)state;
    static const char text[] = "a b c d e f g h";
    static const int32_t cut_ids[] = { 2, 10, 11, 12, 3 }; /* [CLS] a b c [SEP] */
    const infer_input in = { .text = text, .length = strlen(text) }, same = { .ids = cut_ids, .n_ids = 5 };
    infer_embedder_options o = exact();
    o.n_ctx = 5;
    struct bench b = set_up(TINY "bert", 1, &o);
    infer_error err = { 0 };
    float got[WIDTH], want[WIDTH];
    assert_int_equal(infer_embed(b.e, &in, 1, got, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "10 tokens, expected at most 5"));
    infer_embedder_close(&b.e);
    o.truncate = true;
    b.e = open_embedder(b.m, &o);
    assert_int_equal(infer_embed(b.e, &in, 1, got, &err), INFER_OK);
    assert_int_equal(infer_embed(b.e, &same, 1, want, &err), INFER_OK);
    assert_memory_equal(got, want, sizeof got);
    tear_down(&b);
}

/* [CLS] query [SEP] document [SEP]: of 64 positions 61 are left; the longer one is cut, then both. */
static void long_pairs_are_cut_where_they_are_longest(void **state)
{
    (void)state;
    infer_embedder_options o = exact();
    o.truncate = true;
    struct bench b = set_up(TINY "bert-rank", 1, &o);
    const int32_t *const ids = some_ids();
    static const size_t cases[][4] = {
        { 10, 100, 10, 51 }, { 100, 10, 51, 10 }, { 200, 300, 30, 31 }, { 30, 31, 30, 31 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float got, want;
        const infer_input query = { .ids = ids, .n_ids = cases[i][0] },
                          document = { .ids = ids + 9, .n_ids = cases[i][1] };
        const infer_input query_cut = { .ids = ids, .n_ids = cases[i][2] };
        const infer_input document_cut = { .ids = ids + 9, .n_ids = cases[i][3] };
        assert_int_equal(infer_rerank(b.e, &query, &document, 1, &got, NULL), INFER_OK);
        assert_int_equal(infer_rerank(b.e, &query_cut, &document_cut, 1, &want, NULL), INFER_OK);
        assert_memory_equal(&got, &want, sizeof got);
    }
    tear_down(&b);
}

/* ---- What is refused ---- */

static void assert_no_embedder(infer_model *m, const infer_embedder_options *o, const char *words)
{
    infer_error err = { 0 };
    assert_null(infer_embedder_open(m, o, &err));
    if (!strstr(err.message, words))
        fail_msg("says \"%s\", not \"%s\"", err.message, words);
}

static void wrong_options_and_inputs_are_refused(void **state)
{
    (void)state;
    infer_embedder_options o = exact();
    struct bench b = set_up(TINY "bert", 1, &o);
    infer_error err = { 0 };
    float out[WIDTH];
    o.dimensions = 33;
    assert_no_embedder(b.m, &o, "dimensions is 33");
    o.dimensions = -1;
    assert_no_embedder(b.m, &o, "dimensions is -1");
    o = exact();
    o.n_ctx = 65;
    assert_no_embedder(b.m, &o, "n_ctx is 65, expected 0 to 64");
    o = exact();
    o.pooling = (infer_pooling)9;
    assert_no_embedder(b.m, &o, "pooling is 9");
    const infer_input none = { .ids = NULL }, bad = { .ids = (const int32_t[]){ 5, 96 }, .n_ids = 2 };
    assert_int_equal(infer_embed(b.e, &none, 1, out, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "no tokens"));
    assert_int_equal(infer_embed(b.e, &bad, 1, out, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "96, expected 0 to 95"));
    assert_int_equal(infer_rerank(b.e, &none, &bad, 1, out, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "no head"));
    size_t first[2];
    const infer_input two = { .ids = bad.ids, .n_ids = 1 };
    assert_int_equal(infer_embed_tokens(b.e, &two, 1, out, 0, first, &err), INFER_E_ARGUMENT);
    o = exact();
    o.pooling = INFER_POOLING_NONE;
    infer_embedder *e = open_embedder(b.m, &o);
    assert_int_equal(infer_embed(e, &two, 1, out, &err), INFER_E_ARGUMENT);
    infer_embedder_close(&e);
    tear_down(&b);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A directory with the weights of `bert` and such modules. */
/* bert-dense, but its layer over vectors is said to be something else. */
static void layers_over_vectors_that_are_not_known_are_refused(void **state)
{
    (void)state;
    static const char *const settings[] = { "{\"activation_function\":\"torch.nn.modules.activation.GELU\"}",
                                            "{\"use_residual\":true}", "{\"module_input_name\":\"token_embeddings\"}" };
    char folder[] = "/tmp/infer-dense-XXXXXX", from[600], to[300], here[256];
    static const char *const names[] = { "config.json", "model.safetensors", "modules.json",
                                         "2_Dense/model.safetensors" };
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(here, sizeof here));
    snprintf(to, sizeof to, "%s/2_Dense", folder);
    assert_int_equal(mkdir(to, 0777), 0);
    for (size_t i = 0; i < 4; i++) {
        snprintf(from, sizeof from, "%s/" TINY "bert-dense/%s", here, names[i]);
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    infer_context *c = open_context(NULL, 1);
    for (size_t i = 0; i < 3; i++) {
        infer_error err = { 0 };
        write_text(folder, "2_Dense/config.json", settings[i]);
        assert_null(infer_model_open(c, folder, NULL, &err));
        assert_int_equal(err.code, INFER_E_UNKNOWN);
        assert_non_null(strstr(err.message, "known layers over vectors"));
    }
    infer_context_close(&c);
    for (size_t i = 0; i < 4; i++) {
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        unlink(to);
    }
    snprintf(to, sizeof to, "%s/2_Dense/config.json", folder);
    unlink(to);
    snprintf(to, sizeof to, "%s/2_Dense", folder);
    rmdir(to);
    rmdir(folder);
}

static void ways_to_make_vectors_that_are_not_known_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *modules, *pooling, *words;
    } cases[] = {
        { "[]", "{\"pooling_mode_mean_tokens\":true}", NULL },
        { "[]", "{\"pooling_mode\":\"cls\"}", NULL },
        { "[]", "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":true}", "several ways" },
        { "[]", "{\"pooling_mode_max_tokens\":true}", "not known" },
        { "[]", "{\"pooling_mode\":\"max\"}", "not known" },
        { "[]", "{\"pooling_mode\":[\"cls\",\"mean\"]}", "several ways" },
    };
    char folder[] = "/tmp/infer-modules-XXXXXX", from[600], to[300], here[256];
    static const char *const names[] = { "config.json", "model.safetensors", "tokenizer.json" };
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(here, sizeof here));
    for (size_t i = 0; i < 3; i++) {
        snprintf(from, sizeof from, "%s/" TINY "bert/%s", here, names[i]);
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    snprintf(to, sizeof to, "%s/P", folder);
    assert_int_equal(mkdir(to, 0777), 0);
    infer_context *c = open_context(NULL, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char modules[300];
        snprintf(modules, sizeof modules, "[{\"type\":\"Pooling\",\"path\":\"P\"}%s%s",
                 cases[i].modules[1] == ']' ? "" : ",", cases[i].modules + 1);
        write_text(folder, "modules.json", modules);
        write_text(folder, "P/config.json", cases[i].pooling);
        infer_model *m = open_model(c, folder);
        if (cases[i].words) {
            assert_no_embedder(m, NULL, cases[i].words);
        } else {
            infer_embedder *e = open_embedder(m, NULL);
            infer_embedder_info info = { .size = sizeof info };
            infer_embedder_get_info(e, &info);
            assert_int_equal(info.pooling,
                             strstr(cases[i].pooling, "\"cls\"") && i == 1 ? INFER_POOLING_CLS : INFER_POOLING_MEAN);
            infer_embedder_close(&e);
        }
        infer_model_close(&m);
    }
    infer_context_close(&c);
    static const char *const all[] = {
        "config.json", "model.safetensors", "tokenizer.json", "modules.json", "P/config.json", "P", ""
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(to, sizeof to, "%s/%s", folder, all[i]);
        assert_int_equal(remove(to), 0);
    }
}

static void an_encoder_s_session_holds_one_text(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    infer_model *m = open_model(c, TINY "bert");
    infer_error err = { 0 };
    infer_session_options o = infer_session_defaults();
    o.n_ctx = 65;
    assert_null(infer_session_open(m, &o, &err));
    assert_non_null(strstr(err.message, "positions for 64 tokens"));
    infer_session *s = infer_session_open(m, NULL, &err);
    const int32_t ids[] = { 2, 10, 3 };
    assert_int_equal(infer_session_eval(s, ids, 3, &err), INFER_OK);
    assert_null(infer_session_logits(s));
    assert_int_equal(infer_session_eval(s, ids, 3, &err), INFER_E_ARGUMENT);
    assert_int_equal(infer_session_rewind(s, 0, &err), INFER_OK);
    assert_int_equal(infer_session_eval(s, ids, 2, &err), INFER_OK);
    infer_session_close(&s);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    infer_status status = INFER_E_NOMEM;
    for (size_t n = 0; status != INFER_OK; n++) {
        struct counting counting;
        counting_init(&counting, n);
        infer_context_options o = infer_context_defaults();
        o.allocator = counting.allocator;
        o.n_threads = 1;
        infer_error err = { 0 };
        infer_context *c = infer_context_open(&o, &err);
        infer_model *m = c ? infer_model_open(c, TINY "bert-rank", NULL, &err) : NULL;
        infer_embedder *e = m ? infer_embedder_open(m, NULL, &err) : NULL;
        const infer_input in = { .text = "the cat", .length = 7 };
        float out[WIDTH], query[3 * WIDTH] = { 1 };
        const size_t first[] = { 0, 3 };
        status = e ? infer_embed(e, &in, 1, out, &err) : INFER_E_NOMEM;
        if (status == INFER_OK)
            status = infer_rerank(e, &in, &in, 1, out, &err);
        if (status == INFER_OK)
            status = infer_maxsim(c, WIDTH, query, 3, query, first, 1, out, &err);
        if (status != INFER_OK)
            assert_int_equal(err.code, INFER_E_NOMEM);
        infer_embedder_close(&e);
        infer_model_close(&m);
        infer_context_close(&c);
        assert_int_equal(counting.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_texts_meet_the_reference),
        cmocka_unit_test(scores_of_pairs_meet_the_reference),
        cmocka_unit_test(vectors_of_tokens_meet_the_reference),
        cmocka_unit_test(a_decoder_gives_the_state_of_its_last_token),
        cmocka_unit_test(a_text_has_the_same_vector_alone_and_among_others),
        cmocka_unit_test(vectors_have_the_same_bits_for_any_number_of_threads),
        cmocka_unit_test(a_text_longer_than_a_step_is_computed_in_several),
        cmocka_unit_test(vectors_are_cut_and_then_normalised),
        cmocka_unit_test(a_long_text_is_refused_or_cut_before_its_last_token),
        cmocka_unit_test(long_pairs_are_cut_where_they_are_longest),
        cmocka_unit_test(wrong_options_and_inputs_are_refused),
        cmocka_unit_test(layers_over_vectors_that_are_not_known_are_refused),
        cmocka_unit_test(ways_to_make_vectors_that_are_not_known_are_refused),
        cmocka_unit_test(an_encoder_s_session_holds_one_text),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("embedder", tests, NULL, NULL);
}
