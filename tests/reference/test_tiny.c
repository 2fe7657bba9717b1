/* test_tiny.c - tiny random models of each architecture against logits computed elsewhere in float64. */
#include "kernels/kernels.h"
#include "tests/reference/reference.h"

#define OURS "tests/data/tiny/"
#define SHARED INFER_SHARED "/models/tiny/"
static const char *const folders[] = {
    OURS "llama",      OURS "llama3",        OURS "llama-yarn",   OURS "mistral",        OURS "qwen2",
    OURS "qwen3",      OURS "mixtral",       OURS "qwen2moe",     OURS "qwen3moe",       OURS "olmoe",
    OURS "phi3",       OURS "phimoe",        OURS "gemma",        OURS "gemma2",         OURS "gemma3",
    OURS "gpt-oss",    OURS "gpt-oss-mxfp4", OURS "granite",       OURS "granitemoe",   OURS "olmo2",
             OURS "stablelm",
    OURS "starcoder2", OURS "command-r",     OURS "deepseek",     OURS "smollm3",
    OURS "phi2",       OURS "cohere2",       OURS "glm4moe",      OURS "dots1",          OURS "ernie4_5",
    OURS "ernie4_5-moe", OURS "seed_oss",    OURS "minimax-m2",
    OURS "deepseek2",   OURS "deepseek3", OURS "gptneox", OURS "falcon", OURS "falcon-new",
    OURS "olmo3", OURS "exaone4", OURS "exaone4-plain", OURS "internlm3", OURS "glm", OURS "glm4", OURS "glm4moelite",
    OURS "youtu", OURS "kimi-k2", OURS "gpt2", OURS "bert", OURS "bert-rank", OURS "nomic-bert", OURS "colbert",
    OURS "modernbert", OURS "embeddinggemma", OURS "bert-dense", OURS "roberta", OURS "xlm-roberta", 
    OURS "xlm-roberta-rank", OURS "distilbert", OURS "eurobert",
    OURS "jina-embeddings-v3", OURS "camembert", OURS "solar_open", OURS "iquestcoder", OURS "exaone-moe",
    OURS "gptneox-fast", OURS "hunyuan-dense", OURS "hunyuan-moe", OURS "granitemoeshared", OURS "arcee",
    OURS "nemotron", OURS "jais2", OURS "helium", OURS "olmo",
    OURS "minicpm", OURS "internlm2", OURS "exaone", OURS "bailingmoe", OURS "bailingmoe2", OURS "orion", OURS "xverse",
    OURS "baichuan", OURS "chatglm3", OURS "codeshell", OURS "ministral3", OURS "mistral3", OURS "qwen2vl", OURS "qwen3vl",
    OURS "starcoder", OURS "gptj", OURS "olmoe-7b", OURS "dots1-142b", OURS "glm-9b", OURS "qwen3moe-30b",
    OURS "falcon-7b", OURS "gemma2-2b", OURS "gemma2-27b", OURS "exaone4-32b", OURS "deepseek2-lite",
    OURS "deepseek2-236b", OURS "gpt-oss-20b", OURS "internlm2-7b", OURS "ling-lite", OURS "ling-mini-2",
    OURS "baichuan-7b", OURS "qwen2vl-2b",
    SHARED "phi",          SHARED "llama",
          SHARED "llama-bias", SHARED "llama3",       SHARED "llama-linear",
    SHARED "llama-yarn", SHARED "mistral",   SHARED "qwen2",      SHARED "qwen3",
    SHARED "mixtral", SHARED "qwen2_moe", SHARED "qwen3_moe", SHARED "phi3", SHARED "phi3-longrope", SHARED "phimoe",
    SHARED "gemma", SHARED "gemma2", SHARED "gemma3", SHARED "gpt_oss", SHARED "granite", SHARED "olmo2",
    SHARED "stablelm", SHARED "starcoder2", SHARED "cohere", SHARED "smollm3", SHARED "deepseek_v2-lite",
    SHARED "deepseek_v2", SHARED "deepseek_v3", SHARED "gpt_neox", SHARED "falcon", SHARED "falcon-new",
    SHARED "gpt2", SHARED "bert", SHARED "nomic_bert",
};
static const double tolerance = 2e-4; /* of the reference's standard deviation: float32 arithmetic meets it */

static const char *folder_of(void **state)
{
    const char *folder = *state;
    if (access(folder, R_OK) != 0)
        skip();
    return folder;
}

/* The directory itself and the files in it: model.gguf, and older.gguf, where files of a family were different once. */
static int paths_of(char paths[3][600], const char *folder)
{
    static const char *const names[] = { "model.gguf", "older.gguf" };
    int n = 1;
    snprintf(paths[0], 600, "%s", folder);
    for (int i = 0; i < 2; i++) {
        snprintf(paths[n], 600, "%s/%s", folder, names[i]);
        n += access(paths[n], R_OK) == 0;
    }
    return n;
}

static infer_model *open_model(infer_context *c, const char *path)
{
    infer_error err = { 0 };
    infer_model *m = infer_model_open(c, path, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static void check_greedy(infer_model *m, const char *folder, const struct ids *ids)
{
    const struct ids want = read_ids(folder, "greedy.json"), got = greedy(m, ids, want.n);
    assert_memory_equal(got.v, want.v, want.n * sizeof *want.v);
    free(got.v);
    free(want.v);
}

static void check_case(infer_context *c, const char *folder, const char *path, const char *level)
{
    const struct ids ids = read_ids(folder, "ids.json");
    infer_model *m = open_model(c, path);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    const size_t n = ids.n * output_width(m);
    float *want = read_npy(folder, info.encoder ? "hidden.npy" : "logits.npy", n);
    float *got = all_logits(m, INFER_EXACT, &ids, 0);
    const double d = distance(got, want, n);
    if (!(d <= tolerance))
        fail_msg("%s at %s: outputs are off by %.3g standard deviations, allowed %.3g", path, level, d, tolerance);
    if (!info.encoder)
        check_greedy(m, folder, &ids);
    free(got);
    free(want);
    infer_model_close(&m);
    free(ids.v);
}

static void logits_and_greedy_ids_meet_the_reference(void **state)
{
    const char *folder = folder_of(state);
    char paths[3][600];
    const int n_paths = paths_of(paths, folder);
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVELS; level++) {
        infer_context_options o = infer_context_defaults();
        o.cpu = cpu_level_name(level);
        o.n_threads = 2;
        infer_context *c = infer_context_open(&o, NULL);
        if (!c)
            break; /* this machine has no such instruction set */
        for (int p = 0; p < n_paths; p++)
            check_case(c, folder, paths[p], o.cpu);
        infer_context_close(&c);
    }
}

static void logits_have_the_same_bits_for_any_number_of_threads(void **state)
{
    static const int threads[] = { 1, 2, 3, 5 };
    const char *folder = folder_of(state);
    const struct ids ids = read_ids(folder, "ids.json");
    for (int precision = INFER_FAST; precision <= INFER_EXACT; precision++) {
        float *first = NULL;
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            infer_context *c = open_context(NULL, threads[i]);
            infer_model *m = open_model(c, folder);
            float *logits = all_logits(m, (infer_precision)precision, &ids, 0);
            if (first)
                assert_memory_equal(logits, first, ids.n * output_width(m) * sizeof *logits);
            infer_model_close(&m);
            infer_context_close(&c);
            if (first)
                free(logits);
            else
                first = logits;
        }
        free(first);
    }
    free(ids.v);
}

static void logits_do_not_depend_on_the_batch_size(void **state)
{
    const char *folder = folder_of(state);
    const struct ids ids = read_ids(folder, "ids.json");
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, folder);
    const size_t n = ids.n * output_width(m);
    float *whole = all_logits(m, INFER_EXACT, &ids, 0);
    for (int32_t n_batch = 1; n_batch <= 7; n_batch += 3) {
        float *pieces = all_logits(m, INFER_EXACT, &ids, n_batch);
        assert_true(distance(pieces, whole, n) <= tolerance);
        free(pieces);
    }
    free(whole);
    infer_model_close(&m);
    infer_context_close(&c);
    free(ids.v);
}

int main(void)
{
    enum { N = sizeof folders / sizeof *folders };
    struct CMUnitTest tests[3 * N];
    char names[3 * N][300];
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } kinds[] = {
        { "logits and greedy ids meet the reference", logits_and_greedy_ids_meet_the_reference },
        { "same bits for any number of threads", logits_have_the_same_bits_for_any_number_of_threads },
        { "logits do not depend on the batch size", logits_do_not_depend_on_the_batch_size },
    };
    for (size_t i = 0; i < 3 * N; i++) {
        snprintf(names[i], sizeof names[i], "%s: %s", folders[i % N], kinds[i / N].name);
        tests[i] = (struct CMUnitTest){ names[i], kinds[i / N].function, NULL, NULL,
        (void *)(uintptr_t)folders[i % N] };
    }
    return cmocka_run_group_tests_name("tiny models", tests, NULL, NULL);
}
