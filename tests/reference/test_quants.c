/* test_quants.c - one small model for each type of weights, against logits computed from the same blocks in float64.
 *
 *   test_quants                 hold every type at every level to its bounds
 *   test_quants --table [CPU]   print how far off each type is, at the best level or that of the name */
#include "kernels/kernels.h"
#include "tests/reference/reference.h"

#include <string.h>

static const char *const types[] = {
    "f32",     "f16",    "bf16",   "q4_0",    "q4_1",  "q5_0",  "q5_1",  "q8_0",   "q2_k",   "q3_k",
    "q4_k",    "q5_k",   "q6_k",   "q1_0",    "q2_0",  "tq1_0", "tq2_0", "iq4_nl", "iq4_xs", "mxfp4",
    "nvfp4",   "iq1_s",  "iq1_m",  "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s",
};
enum { N_TYPES = sizeof types / sizeof *types };

/* How far logits are from the reference's. In units of the reference's standard deviation: the largest difference and
 * the root of the mean square; in nats: KL(reference || got), the mean over the positions. */
struct off {
    double max, rms, kl;
};

/* Exact activations prove unpacking, layout and forward pass. Fast ones are off by the rounding to 8 bits alone, for
 * all types of weights alike; the most used engine is off by up to 0.12, 2.7e-2 and 6.2e-4 on these files. */
static const struct off allowed[] = {
    [INFER_FAST] = { 0.08, 1.5e-2, 2e-4 },
    [INFER_EXACT] = { 2e-4, 2e-5, 1e-8 },
};

/* log(sum(exp(x))) of a row. */
static double log_sum(const float *x, size_t n)
{
    float max = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        max = fmaxf(max, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)max);
    return (double)max + log(sum);
}

static double divergence(const float *got, const float *want, size_t n)
{
    const double got_sum = log_sum(got, n), want_sum = log_sum(want, n);
    double kl = 0;
    for (size_t i = 0; i < n; i++) {
        const double log_p = (double)want[i] - want_sum;
        kl += exp(log_p) * (log_p - ((double)got[i] - got_sum));
    }
    return kl;
}

static struct off compare(const float *got, const float *want, size_t n_rows, size_t n_vocab)
{
    const size_t n = n_rows * n_vocab;
    struct off off = { .max = distance(got, want, n) };
    double mean = 0, square = 0, error = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)want[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        square += ((double)want[i] - mean) * ((double)want[i] - mean);
        error += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    }
    off.rms = sqrt(error / square);
    for (size_t row = 0; row < n_rows; row++)
        off.kl += divergence(got + row * n_vocab, want + row * n_vocab, n_vocab) / (double)n_rows;
    return off;
}

/* False: this machine has no such level, or the model is not there. */
static bool measure(struct off *off, const char *type, infer_precision precision, const char *cpu, int32_t n_batch)
{
    char folder[500], path[600];
    snprintf(folder, sizeof folder, "%s/models/quants/%s", INFER_SHARED, type);
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    infer_context_options o = infer_context_defaults();
    o.cpu = cpu;
    infer_error err = { 0 };
    infer_context *c = access(path, R_OK) == 0 ? infer_context_open(&o, NULL) : NULL;
    if (!c)
        return false;
    infer_model *m = infer_model_open(c, path, NULL, &err);
    if (!m || infer_model_verify(m, NULL, NULL, &err) != INFER_OK)
        fail_msg("%s", err.message);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    const struct ids ids = read_ids(folder, "ids.json");
    float *want = read_npy(folder, "logits.npy", ids.n * (size_t)info.n_vocab);
    float *got = all_logits(m, precision, &ids, n_batch);
    *off = compare(got, want, ids.n, (size_t)info.n_vocab);
    free(got);
    free(want);
    free(ids.v);
    infer_model_close(&m);
    infer_context_close(&c);
    return true;
}

static void check(const char *type, infer_precision precision)
{
    const struct off *most = &allowed[precision];
    struct off off;
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVELS; level++) {
        const char *const cpu = cpu_level_name(level);
        for (int32_t n_batch = 0; n_batch < 2; n_batch++) { /* all tokens at once, and one by one */
            if (!measure(&off, type, precision, cpu, n_batch)) {
                if (level == CPU_SCALAR)
                    skip();
                return;
            }
            if (!(off.max <= most->max && off.rms <= most->rms && off.kl <= most->kl))
                fail_msg("%s at %s, batch %d: off by %.3g standard deviations (rms %.3g, KL %.3g), allowed %.3g (%.3g, "
                         "%.3g)", type, cpu, n_batch, off.max, off.rms, off.kl, most->max, most->rms, most->kl);
        }
    }
}

static void exact_logits_meet_the_reference(void **state)
{
    check(*state, INFER_EXACT);
}

static void fast_logits_stay_near_the_reference(void **state)
{
    check(*state, INFER_FAST);
}

static int print_table(const char *cpu)
{
    struct off exact, fast;
    puts("| type    | exact max | fast max | rms      | KL       |");
    puts("|---------|-----------|----------|----------|----------|");
    for (int i = 0; i < N_TYPES; i++) {
        if (!measure(&exact, types[i], INFER_EXACT, cpu, 0) || !measure(&fast, types[i], INFER_FAST, cpu, 0))
            return fprintf(stderr, "no models below %s, or no such level\n", INFER_SHARED), 1;
        printf("| %-7s | %.1e   | %.1e  | %.2e | %.2e |\n", types[i], exact.max, fast.max, fast.rms, fast.kl);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--table"))
        return print_table(argc > 2 ? argv[2] : NULL);
    struct CMUnitTest tests[2 * N_TYPES];
    char names[2 * N_TYPES][100];
    for (size_t i = 0; i < 2 * N_TYPES; i++) {
        const char *type = types[i % N_TYPES];
        const CMUnitTestFunction tested[] = { exact_logits_meet_the_reference, fast_logits_stay_near_the_reference };
        snprintf(names[i], sizeof names[i], "%s: %s logits meet the reference", type, i < N_TYPES ? "exact" : "fast");
        tests[i] = (struct CMUnitTest){ names[i], tested[i / N_TYPES], NULL, NULL, (void *)(uintptr_t)type };
    }
    return cmocka_run_group_tests_name("quantised types", tests, NULL, NULL);
}
