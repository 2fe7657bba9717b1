/* test_grid.c - the search among the codes of a grid finds what looking at all of them finds. */
#include "kernels/codebooks.h"
#include "src/quantize/grid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CODES(name, values) { #name, codebook_##name, sizeof codebook_##name / (values), values }
static const struct {
    const char *name;
    const void *codes;
    int n, n_values;
} books[] = { CODES(iq2_xxs, 8), CODES(iq2_xs, 8), CODES(iq2_s, 8), CODES(iq3_xxs, 4), CODES(iq3_s, 4), CODES(iq1, 8) };
enum { BOOKS = sizeof books / sizeof *books };

static struct grid grids[BOOKS];
static uint64_t state = 1;

static float uniform(void) /* in [0, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(state >> 40) * 0x1p-24f;
}

static int set_up(void **unused)
{
    (void)unused;
    for (int b = 0; b < BOOKS; b++)
        grid_build(&grids[b], books[b].codes, books[b].n, books[b].n_values);
    return 0;
}

/* What a code costs, less what no code changes, with the cheapest sign turned if asked for. */
static double cost_of(int b, int code, const float *x, const float *w, float scale, float shift, bool flip)
{
    double cost = 0, least = INFINITY;
    for (int i = 0; i < books[b].n_values; i++) {
        const double size = (double)grid_size(books[b].codes, code, books[b].n_values, i) + (double)shift;
        const double product = 2 * (double)w[i] * (double)x[i] * size;
        cost += (double)scale * (double)w[i] * size * size - product;
        least = product < least ? product : least;
    }
    return flip ? cost + 2 * least : cost;
}

static void the_nearest_code_is_found(void **unused)
{
    (void)unused;
    for (int b = 0; b < BOOKS; b++)
        for (int round = 0; round < 300; round++) {
            float x[8], w[8];
            const bool is_signed = grid_size(books[b].codes, 0, books[b].n_values, 0) < 0;
            const bool flip = !is_signed && round % 2;
            const float shift = is_signed ? round % 2 ? 0.125f : -0.125f : 0;
            const float most = is_signed ? 1 : (float)grid_size(books[b].codes, books[b].n - 1, books[b].n_values, 0);
            for (int i = 0; i < 8; i++) {
                const float u = uniform() + uniform() - (is_signed ? 1 : 0);
                x[i] = round % 7 ? u : 0;
                w[i] = round % 3 ? 1 : powf(uniform(), 4) + 1e-6f;
            }
            struct grid_sums sums;
            grid_measure(&sums, &grids[b], x, w, shift, flip);
            for (int s = 0; s < 4; s++) { /* each search begins where the one before ended */
                const float scale = (0.2f + uniform()) / most;
                const struct grid_best got = grid_nearest(&grids[b], &sums, scale);
                double least = INFINITY, size = 0;
                for (int code = 0; code < books[b].n; code++)
                    least = fmin(least, cost_of(b, code, x, w, scale, shift, flip));
                for (int i = 0; i < 8; i++)
                    size += (double)w[i] * (double)(x[i] * x[i] + most * most * scale * scale) / (double)scale;
                assert_true(got.code >= 0 && got.code < books[b].n);
                const double found = cost_of(b, got.code, x, w, scale, shift, flip);
                const double told = (double)scale * (double)got.q - (double)got.p;
                if (!(found - least < 1e-5 * size) || !(fabs(told - found) < 1e-5 * size))
                    fail_msg("%s, round %d: code %d costs %g, said to be %g, the best one %g", books[b].name, round,
                             got.code, found, told, least);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_nearest_code_is_found) };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
