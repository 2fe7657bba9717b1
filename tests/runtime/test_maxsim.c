/* test_maxsim.c - ColBERT's scores: in every instruction set as plain arithmetic in double has them. */
#include "tests/reference/reference.h"

static const char *const levels[] = { "scalar", "avx2", "avx512", "amx", "neon", "dotprod", "i8mm" };
enum { N_LEVELS = sizeof levels / sizeof *levels };

static float *random_floats(size_t n, unsigned seed)
{
    float *x = malloc(n * sizeof *x + 1);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)((double)(seed >> 8) / (1 << 23) - 1);
    }
    return x;
}

static double truth(size_t dims, const float *query, size_t n_query, const float *rows, size_t n_rows)
{
    double sum = 0;
    for (size_t q = 0; q < n_query && n_rows; q++) {
        double most = -INFINITY;
        for (size_t r = 0; r < n_rows; r++) {
            double dot = 0;
            for (size_t i = 0; i < dims; i++)
                dot += (double)query[q * dims + i] * (double)rows[r * dims + i];
            most = dot > most ? dot : most;
        }
        sum += most;
    }
    return sum;
}

/* Documents of 0 to `longest` tokens, all below 0 of the query's direction in one case: the largest product of a tile
 * may be negative. */
static void check(const char *level, size_t dims, size_t n_query, size_t n, size_t longest, float offset)
{
    infer_context_options o = infer_context_defaults();
    o.cpu = level;
    o.n_threads = 1;
    infer_context *c = infer_context_open(&o, NULL);
    if (!c)
        return;
    size_t *first = calloc(n + 1, sizeof *first);
    for (size_t i = 0; i < n; i++)
        first[i + 1] = first[i] + (i * 31 + 7) % (longest + 1);
    float *query = random_floats(n_query * dims, 1), *rows = random_floats(first[n] * dims, 2);
    float *scores = calloc(n, sizeof *scores), *others = calloc(n, sizeof *others);
    for (size_t i = 0; i < first[n] * dims; i++)
        rows[i] += offset;
    assert_int_equal(infer_maxsim(c, dims, query, n_query, rows, first, n, scores, NULL), INFER_OK);
    for (size_t i = 0; i < n; i++) {
        const double want = truth(dims, query, n_query, rows + first[i] * dims, first[i + 1] - first[i]);
        if (!(fabs((double)scores[i] - want) <= 1e-5 * (double)(dims * n_query + 1)))
            fail_msg("%s: document %zu of %zu tokens: %g, expected %g", level, i, first[i + 1] - first[i],
                     (double)scores[i], want);
    }
    infer_context_close(&c);
    o.n_threads = 3;
    c = infer_context_open(&o, NULL);
    assert_int_equal(infer_maxsim(c, dims, query, n_query, rows, first, n, others, NULL), INFER_OK);
    assert_memory_equal(scores, others, n * sizeof *scores);
    infer_context_close(&c);
    free(first), free(query), free(rows), free(scores), free(others);
}

static void scores_are_those_of_plain_arithmetic_for_any_number_of_threads(void **state)
{
    (void)state;
    for (size_t l = 0; l < N_LEVELS; l++) {
        check(levels[l], 128, 32, 50, 300, 0);
        check(levels[l], 96, 1, 30, 40, 0);
        check(levels[l], 33, 5, 30, 140, 0.5f);
        check(levels[l], 1, 3, 10, 20, -5);
        check(levels[l], 64, 0, 4, 9, 0);
        check(levels[l], 64, 7, 0, 9, 0);
    }
}

static void wrong_documents_are_refused(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    const float x[4] = { 0 };
    float score;
    infer_error err = { 0 };
    assert_int_equal(infer_maxsim(c, 2, x, 1, x, (const size_t[]){ 2, 1 }, 1, &score, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "ends at row 1"));
    assert_int_equal(infer_maxsim(c, 0, x, 1, x, (const size_t[]){ 0, 1 }, 1, &score, &err), INFER_E_ARGUMENT);
    infer_context_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_plain_arithmetic_for_any_number_of_threads),
        cmocka_unit_test(wrong_documents_are_refused),
    };
    return cmocka_run_group_tests_name("maxsim", tests, NULL, NULL);
}
