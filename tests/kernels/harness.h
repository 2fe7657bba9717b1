/* harness.h - what all kernel checks share: one table per level, random numbers from one seed, memory whose end is the
 * end of the world, and failures that name the kernel, the case and both values. */
#ifndef TESTS_KERNELS_HARNESS_H
#define TESTS_KERNELS_HARNESS_H

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "src/base/numbers.h"

/* By level, up to the highest this machine has; past these what a machine has that lacks the features which are not
 * part of a level. */
enum { BARE = CPU_LEVELS, N_TABLES };
static struct kernels tables[N_TABLES];

/* --- random numbers: SplitMix64; each unit starts from the seed and its own name --- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* first..last, both included */
static int random_int(int first, int last)
{
    return first + (int)(random_u64() % (uint64_t)(last - first + 1));
}

/* uniform in (-1, 1) */
static float random_float(void)
{
    return (float)random_int(-0xffffff, 0xffffff) * 0x1p-24f;
}

static void random_bytes(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(random_u64() >> 56);
}

/* A size in 1..max: small ones, where the ends of vectors fall, half of the time; now and then the largest. */
static size_t random_size(size_t max)
{
    const int small = max < 40 ? (int)max : 40, kind = random_int(0, 7);
    return kind < 4 ? (size_t)random_int(1, small) : kind == 7 ? max : (size_t)random_int(1, (int)max);
}

/* --- values to try --- */

enum fill { FILL_LARGE, FILL_SMALL, FILL_ZERO, FILL_RANDOM, FILL_COUNT };
static const char *const fill_names[FILL_COUNT] = { "large", "small", "zero", "random" };

/* Of the cases of a unit: random values show most faults, so half of them have these. */
static enum fill case_fill(int i)
{
    return i % 2 ? FILL_RANDOM : (enum fill)(i / 2 % FILL_COUNT);
}

/* Large: +-limit. Small: from far below what 8-bit blocks can hold, subnormal numbers among them, up to 1e-20. */
static float fill_value(enum fill fill, float limit)
{
    switch (fill) {
    case FILL_ZERO: return 0;
    case FILL_RANDOM: return random_float() * (random_int(0, 31) ? 1 : 20);
    case FILL_LARGE: return random_int(0, 1) ? limit : -limit;
    default: return ldexpf(random_float(), -random_int(66, 150));
    }
}

static void fill_floats(float *x, size_t n, enum fill fill, float limit)
{
    for (size_t i = 0; i < n; i++)
        x[i] = fill_value(fill, limit);
}

/* --- memory that ends where a page without access begins, with known bytes before it --- */

#define CANARY 0xa5
#define CANARY_BYTES 256

struct guarded {
    uint8_t *end;
    size_t size, taken;
};

static struct guarded guarded_new(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), usable = (size + CANARY_BYTES + page - 1) / page * page;
    uint8_t *p = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + usable, page, PROT_NONE) != 0) {
        fprintf(stderr, "no memory for the tests\n");
        exit(1);
    }
    memset(p + usable - CANARY_BYTES, CANARY, CANARY_BYTES); /* fronts are checked even where nothing was taken */
    return (struct guarded){ .end = p + usable, .size = size };
}

/* The last `bytes` bytes, filled with canaries, more of them in front. */
static void *guarded_take(struct guarded *g, size_t bytes)
{
    assert_true(bytes <= g->size);
    g->taken = bytes;
    memset(g->end - bytes - CANARY_BYTES, CANARY, bytes + CANARY_BYTES);
    return g->end - bytes;
}

static bool all_canary(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)p)[i] != CANARY)
            return false;
    return true;
}

static bool guarded_front_intact(const struct guarded *g)
{
    return all_canary(g->end - g->taken - CANARY_BYTES, CANARY_BYTES);
}

/* Named after what the checks keep there. */
static struct guarded mem_w, mem_x, mem_y, mem_a, mem_b, mem_c, mem_d, mem_scratch;

static void init_bare(enum cpu_level highest)
{
    (void)highest;
#if defined(__x86_64__)
    if (highest < CPU_AVX512)
        return;
    kernels_init_scalar(&tables[BARE]);
    kernels_init_avx2(&tables[BARE], &(struct cpu_features){ 0 });
    kernels_init_avx512(&tables[BARE], &(struct cpu_features){ 0 });
    tables[BARE].name = "bare avx512";
#endif
}

static void harness_init(enum cpu_level highest)
{
    for (int level = 0; level <= (int)highest; level++)
        kernels_init(&tables[level], (enum cpu_level)level);
    init_bare(highest);
    struct guarded *const all[] = { &mem_w, &mem_x, &mem_y, &mem_a, &mem_b, &mem_c, &mem_d };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = guarded_new(4 << 20);
    mem_scratch = guarded_new(KERNEL_SCRATCH_BYTES);
}

/* --- one unit: one entry of the table at one level --- */

struct unit {
    char name[64]; /* "avx2 dot fast q4_k" */
    int table;
    void (*run)(const struct kernels *k, int index);
    int index;
};

static const char *unit_name;   /* of the unit that runs */
static char unit_case[256];     /* what it is doing, told if it fails or crashes */
static const char *only_units;  /* run those whose name holds this; NULL = all */
static uint64_t seed;
static int share = 1;           /* of a unit's cases one in so many is tried */

static int cases(int all)
{
    return all > share ? all / share : 1;
}

#define CASE(...) (void)snprintf(unit_case, sizeof unit_case, __VA_ARGS__)

/* A NaN is never near. */
static void check_near(double got, double want, double bound, const char *what, size_t index)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s, %s: %s[%zu] = %.9g, want %.9g within %.3g", unit_name, unit_case, what, index, got, want, bound);
}

static void check_same(float got, float want, const char *what, size_t index)
{
    if (!(got == want))
        fail_msg("%s, %s: %s[%zu] = %.9g, want exactly %.9g", unit_name, unit_case, what, index, (double)got,
                 (double)want);
}

static void check_true(bool ok, const char *what)
{
    if (!ok)
        fail_msg("%s, %s: %s", unit_name, unit_case, what);
}

static void unit_run(void **state)
{
    const struct unit *const u = *state;
    unit_name = u->name;
    CASE("not begun");
    random_state = seed;
    for (const char *p = u->name; *p; p++)
        random_state = random_state * 31 + (uint8_t)*p;
    u->run(&tables[u->table], u->index);
    unit_name = NULL;
}

/* After a crash, which reports nothing by itself. */
static int unit_end(void **state)
{
    (void)state;
    if (unit_name)
        fprintf(stderr, "stopped in %s, %s (seed %llu)\n", unit_name, unit_case, (unsigned long long)seed);
    unit_name = NULL;
    return 0;
}

#define UNITS_MAX 512
struct group {
    const char *name;
    size_t n;
    struct unit units[UNITS_MAX];
};

/* Whether the table is that of a set which this machine has, with a function at `offset`, not that of the one below. */
static bool brings(int table, size_t offset)
{
    static void (*const none)(void);
    if (memcmp((const char *)&tables[table] + offset, &none, sizeof none) == 0)
        return false;
    if (!tables[table].name || table == CPU_SCALAR)
        return tables[table].name != NULL;
    const int below = table == BARE ? cpu_level_find("avx512") : table - 1;
    const char *const here = (const char *)&tables[table] + offset;
    const char *const there = (const char *)&tables[below] + offset;
    return memcmp(here, there, sizeof(void (*)(void))) != 0;
}

static void group_add(struct group *g, const char *name, size_t offset, void (*run)(const struct kernels *k, int index),
                      int index)
{
    for (int table = 0; table < N_TABLES; table++) {
        if (!brings(table, offset))
            continue;
        struct unit u = { .table = table, .run = run, .index = index };
        snprintf(u.name, sizeof u.name, "%s %s", tables[table].name, name);
        assert_true(g->n < UNITS_MAX);
        if (!only_units || strstr(u.name, only_units))
            g->units[g->n++] = u;
    }
}

static int group_run(struct group *g)
{
    struct CMUnitTest tests[UNITS_MAX];
    for (size_t i = 0; i < g->n; i++)
        tests[i] = (struct CMUnitTest){ g->units[i].name, unit_run, NULL, unit_end, &g->units[i] };
    return g->n ? _cmocka_run_group_tests(g->name, tests, g->n, NULL, NULL) : 0;
}

#endif
