/* test_kernels.c - every entry of every table this machine can run, against truth that is computed another way.
 *
 *   test_kernels [--seed N] [--level NAME] [--share N] [FILTER]    check the entries whose name holds FILTER, with one
 *                                                                  in N of their cases
 *
 * Also the environment: INFER_SEED as --seed, INFER_CPU as --level (the highest level to use). */
#include "tests/kernels/check_attend.h"
#include "tests/kernels/check_convert.h"
#include "tests/kernels/check_dispatch.h"
#include "tests/kernels/check_fit.h"
#include "tests/kernels/check_matmul.h"
#include "tests/kernels/check_vector.h"

#include <time.h>

static struct group convert = { .name = "convert" }, fast = { .name = "matmul fast" };
static struct group exact = { .name = "matmul exact" }, vectors = { .name = "vector" }, attends = { .name = "attend" };
static struct group fits = { .name = "fit" };

static int check_all(void)
{
    add_convert(&convert);
    add_matmul(&fast, PRECISION_FAST);
    add_matmul(&exact, PRECISION_EXACT);
    add_vector(&vectors);
    add_attend(&attends);
    add_fit(&fits);
    int failed = run_dispatch();
    struct group *const groups[] = { &convert, &fast, &exact, &vectors, &attends, &fits };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        failed += group_run(groups[i]);
    if (failed)
        printf("to repeat: --seed %llu\n", (unsigned long long)seed);
    return failed;
}

int main(int argc, char **argv)
{
    const char *seed_text = getenv("INFER_SEED"), *level_text = getenv("INFER_CPU");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed_text = argv[++i];
        else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
            level_text = argv[++i];
        else if (strcmp(argv[i], "--share") == 0 && i + 1 < argc)
            share = atoi(argv[++i]);
        else
            only_units = argv[i];
    }
    seed = seed_text ? strtoull(seed_text, NULL, 0) : (uint64_t)time(NULL);
    int level = level_text ? cpu_level_find(level_text) : (int)cpu_detect();
    if (level < 0) {
        fprintf(stderr, "no level of the name \"%s\"\n", level_text);
        return 2;
    }
    if (share < 1) {
        fprintf(stderr, "--share is at least 1\n");
        return 2;
    }
    if (level > (int)cpu_detect())
        level = (int)cpu_detect();
    harness_init((enum cpu_level)level);
    printf("kernels up to %s, seed %llu\n", cpu_level_name((enum cpu_level)level), (unsigned long long)seed);
    return check_all() != 0;
}
