/* test_quants.c - one small model for each quantised type, against logits computed from the same blocks in float64. */
#include "tests/reference/reference.h"

static const char *const types[] = { "f32",  "f16",  "bf16", "q4_0", "q4_1", "q5_0", "q5_1",
                                     "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k" };

/* Units: the reference's standard deviation, largest over the case. Exact activations prove unpacking and layout; those of
 * 8 bits are held to the largest error that the most used engine shows on these files, 0.12. */
static const double tolerance[] = { [INFER_FAST] = 0.12, [INFER_EXACT] = 2e-4 };

static void check(const char *type, infer_precision precision)
{
    char folder[500], path[600];
    snprintf(folder, sizeof folder, "%s/models/quants/%s", INFER_SHARED, type);
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    if (access(path, R_OK) != 0)
        skip();
    const struct ids ids = read_ids(folder, "ids.json");
    for (int level = 0; level < 3; level++) {
        infer_context_options o = infer_context_defaults();
        o.cpu = (const char *const[]){ "scalar", "avx2", "avx512" }[level];
        infer_error err = { 0 };
        infer_context *c = infer_context_open(&o, NULL);
        if (!c)
            break; /* this machine has no such instruction set */
        infer_model *m = infer_model_open(c, path, NULL, &err);
        if (!m)
            fail_msg("%s", err.message);
        infer_model_info info = { .size = sizeof info };
        infer_model_get_info(m, &info);
        const size_t n = ids.n * (size_t)info.n_vocab;
        float *want = read_npy(folder, "logits.npy", n), *got = all_logits(m, precision, &ids, 0);
        const double d = distance(got, want, n);
        if (!(d <= tolerance[precision]))
            fail_msg("%s at %s: logits are off by %.3g standard deviations, allowed %.3g", type, o.cpu, d, tolerance[precision]);
        free(got);
        free(want);
        infer_model_close(&m);
        infer_context_close(&c);
    }
    free(ids.v);
}

static void exact_logits_meet_the_reference(void **state)
{
    check(*state, INFER_EXACT);
}

static void fast_logits_stay_near_the_reference(void **state)
{
    check(*state, INFER_FAST);
}

int main(void)
{
    enum { N = sizeof types / sizeof *types };
    struct CMUnitTest tests[2 * N];
    char names[2 * N][100];
    for (size_t i = 0; i < 2 * N; i++) {
        snprintf(names[i], sizeof names[i], "%s: %s logits meet the reference", types[i % N], i < N ? "exact" : "fast");
        tests[i] = (struct CMUnitTest){ names[i], i < N ? exact_logits_meet_the_reference : fast_logits_stay_near_the_reference,
                                        NULL, NULL, (void *)(uintptr_t)types[i % N] };
    }
    return cmocka_run_group_tests_name("quantised types", tests, NULL, NULL);
}
