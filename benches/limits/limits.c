/* limits.c - times the probes of each level over the threads of a pool. */
#include "benches/limits/limits.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE = 1 << 20, /* bytes read by a task */
    READ_PASSES = 3,
    PEAK_PASSES = 5,
    TASKS = 8, /* of a thread, so that one which is put aside delays no other */
};
#define TASK_SECONDS 1e-4
#define READ_SECONDS 0.1
#define MIN_AREA ((size_t)256 << 20)
#define MAX_AREA ((size_t)1 << 30)

/* Memory to read, in pieces: all areas are read as far as the smallest goes. */
struct area {
    const uint8_t **piece;
    size_t n;
};

struct meter {
    struct pool *pool;
    uint8_t *buffer;
    size_t bytes;
    struct area own, added;
    struct probe probe[CPU_LEVELS];
    size_t steps[CPU_LEVELS][PEAK_COUNT]; /* of a task */
    atomic_uint_least64_t sink; /* results are used, so they are computed */
};

struct job {
    struct meter *meter;
    const uint8_t **piece;
    read_fn *read;
    uint64_t (*run)(size_t n_steps);
    size_t n_steps;
};

const char *peak_name(enum peak peak)
{
    static const char *const names[PEAK_COUNT] = { "f32", "bf16", "int8" };
    return names[peak];
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void use(struct meter *m, uint64_t result)
{
    atomic_fetch_add_explicit(&m->sink, result, memory_order_relaxed);
}

static double timed(const struct job *job, size_t n_tasks, pool_task_fn *task)
{
    const double start = now();
    pool_run(job->meter->pool, (int)n_tasks, task, (void *)job);
    return now() - start;
}

/* ---- Reading ---- */

static void read_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct job *job = arg;
    use(job->meter, job->read(job->piece[task], PIECE));
}

static void fill_task(void *arg, int task, int thread)
{
    (void)thread;
    const struct job *job = arg;
    memset((uint8_t *)job->piece[task], task | 1, PIECE);
}

static double middle_of_3(const double v[3])
{
    const double low = v[0] < v[1] ? v[0] : v[1], high = v[0] < v[1] ? v[1] : v[0];
    return v[2] < low ? low : v[2] > high ? high : v[2];
}

/* The middle of some passes, as a single one may find part of its memory in a cache. */
static double read_speed(struct meter *m, const struct area *area, read_fn *read)
{
    double seconds[READ_PASSES];
    const struct job job = { .meter = m, .piece = area->piece, .read = read };
    for (int i = 0; i < READ_PASSES; i++)
        seconds[i] = timed(&job, area->n, read_task);
    return (double)area->n * PIECE / middle_of_3(seconds);
}

/* Where a set has readers of its own, those of plain C are never the best. */
static int first_with_readers(const struct meter *m)
{
    for (int level = CPU_SCALAR + 1; level < CPU_LEVELS; level++)
        if (m->probe[level].reader[0])
            return level;
    return CPU_SCALAR;
}

/* The reader and the memory that are the fastest in short passes are timed once more, for longer: the largest of several
 * noisy figures is too large, and what they are compared with is no short burst. */
static double best_read(struct meter *m)
{
    double best = 0, seconds = 0;
    struct job job = { .meter = m };
    const struct area *const areas[] = { &m->own, &m->added };
    size_t n = 0, bytes = 0;
    for (int level = first_with_readers(m); level < CPU_LEVELS; level++)
        for (int i = 0; i < MAX_READERS && m->probe[level].reader[i]; i++)
            for (int a = 0; a < 2; a++) {
                const bool large = areas[a]->n == m->own.n; /* of less, caches would hold too much */
                const double speed = large ? read_speed(m, areas[a], m->probe[level].reader[i]) : 0;
                if (speed > best) {
                    best = speed;
                    job.piece = areas[a]->piece;
                    job.read = m->probe[level].reader[i];
                    n = areas[a]->n;
                }
            }
    for (; seconds < READ_SECONDS; bytes += n * PIECE)
        seconds += timed(&job, n, read_task);
    return (double)bytes / seconds;
}

/* ---- Computing ---- */

static void unit_task(void *arg, int task, int thread)
{
    (void)task, (void)thread;
    const struct job *job = arg;
    use(job->meter, job->run(job->n_steps));
}

static double peak_speed(struct meter *m, const struct unit *unit, size_t n_steps)
{
    const struct job job = { .meter = m, .run = unit->run, .n_steps = n_steps };
    const size_t n_tasks = (size_t)pool_threads(m->pool) * TASKS;
    double best = timed(&job, n_tasks, unit_task);
    for (int i = 1; i < PEAK_PASSES; i++) {
        const double seconds = timed(&job, n_tasks, unit_task);
        best = seconds < best ? seconds : best;
    }
    return unit->ops * (double)n_steps * (double)n_tasks / best;
}

/* Steps that take a task's time. */
static size_t steps_of(struct meter *m, const struct unit *unit)
{
    for (size_t n = 64;; n *= 2) {
        const double start = now();
        use(m, unit->run(n));
        if (now() - start > TASK_SECONDS)
            return n;
    }
}

void limits_measure(struct meter *m, struct limits *limits)
{
    *limits = (struct limits){ .read = best_read(m) };
    for (int level = 0; level < CPU_LEVELS; level++)
        for (int peak = 0; peak < PEAK_COUNT; peak++)
            if (m->probe[level].unit[peak].run)
                limits->peak[level][peak] = peak_speed(m, &m->probe[level].unit[peak], m->steps[level][peak]);
}

double limits_peak(const struct limits *limits, enum cpu_level level, enum peak peak)
{
    while (level > CPU_SCALAR && !(limits->peak[level][peak] > 0))
        level--;
    return limits->peak[level][peak];
}

/* ---- Opening ---- */

static void find_probes(struct meter *m)
{
    limits_init_scalar(&m->probe[CPU_SCALAR]);
#if defined(__x86_64__)
    const enum cpu_level level = cpu_detect();
    const struct cpu_features features = cpu_features();
    if (level >= CPU_AVX2)
        limits_init_avx2(&m->probe[CPU_AVX2], &features);
    if (level >= CPU_AVX512)
        limits_init_avx512(&m->probe[CPU_AVX512], &features);
    if (level >= CPU_AMX)
        limits_init_amx(&m->probe[CPU_AMX]);
#elif defined(__aarch64__)
    const enum cpu_level level = cpu_detect();
    if (level >= CPU_NEON)
        limits_init_neon(&m->probe[CPU_NEON]);
    if (level >= CPU_DOTPROD)
        limits_init_dotprod(&m->probe[CPU_DOTPROD]);
    if (level >= CPU_I8MM)
        limits_init_i8mm(&m->probe[CPU_I8MM]);
#endif
}

/* Of the last cache that cpu 0 sees, 0 if the system does not say. (What sysconf tells is that of a whole socket.) */
static size_t cache_bytes(void)
{
    size_t kilobytes = 0;
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "re");
    if (f) {
        if (fscanf(f, "%zuK", &kilobytes) != 1)
            kilobytes = 0;
        fclose(f);
    }
    return kilobytes * 1024;
}

/* Eight times the last cache, as far as memory allows. */
static size_t area_bytes(void)
{
    const size_t cache = cache_bytes(), page = (size_t)sysconf(_SC_PAGESIZE), pages = (size_t)sysconf(_SC_PHYS_PAGES);
    size_t bytes = MIN_AREA;
    while (bytes < MAX_AREA && bytes / 8 < cache && bytes / page < pages / 8)
        bytes += MIN_AREA;
    return bytes;
}

static bool area_open(struct area *area, size_t n)
{
    area->piece = calloc(n, sizeof *area->piece);
    return area->piece;
}

static void area_add(struct area *area, size_t max, const void *data, size_t bytes)
{
    const uint8_t *p = (const uint8_t *)(((uintptr_t)data + 63) / 64 * 64), *end = (const uint8_t *)data + bytes;
    for (; area->n < max && end > p && (size_t)(end - p) >= PIECE; p += PIECE)
        area->piece[area->n++] = p;
}

void limits_add_memory(struct meter *m, const void *data, size_t bytes)
{
    area_add(&m->added, m->own.n, data, bytes);
}

struct meter *limits_open(struct pool *pool)
{
    struct meter *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->pool = pool;
    m->bytes = area_bytes();
    void *const p = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m->buffer = p == MAP_FAILED ? NULL : p;
    if (!m->buffer || !area_open(&m->own, m->bytes / PIECE) || !area_open(&m->added, m->bytes / PIECE)) {
        limits_close(&m);
        return NULL;
    }
#ifdef MADV_HUGEPAGE
    madvise(m->buffer, m->bytes, MADV_HUGEPAGE); /* with small ones, walks over page tables would be timed */
#endif
    area_add(&m->own, m->bytes / PIECE, m->buffer, m->bytes);
    timed(&(struct job){ .meter = m, .piece = m->own.piece }, m->own.n, fill_task);
    find_probes(m);
    for (int level = 0; level < CPU_LEVELS; level++)
        for (int peak = 0; peak < PEAK_COUNT; peak++)
            if (m->probe[level].unit[peak].run)
                m->steps[level][peak] = steps_of(m, &m->probe[level].unit[peak]);
    return m;
}

void limits_close(struct meter **meter)
{
    struct meter *m = *meter;
    *meter = NULL;
    if (!m)
        return;
    if (m->buffer)
        munmap(m->buffer, m->bytes);
    free(m->own.piece);
    free(m->added.piece);
    free(m);
}
