/* main.c - the suite pool: what it costs to share work between threads, beside the work itself. */
#include "benches/shim.h"
#include "src/base/memory.h"
#include "src/base/pool.h"

#include <stdio.h>
#include <unistd.h>

struct job {
    int n_threads, n_tasks;
    bool empty; /* else tasks of about 10 us */
    useconds_t pause; /* between jobs, not counted */
};

static void empty_task(void *job, int task, int thread)
{
    (void)job, (void)task, (void)thread;
}

/* About 10 us of arithmetic, as a short matrix product of one token has. */
static void short_task(void *job, int task, int thread)
{
    (void)task, (void)thread;
    volatile float *const sink = job;
    float x = 1;
    for (int i = 0; i < 10000; i++)
        x = x * 0.5f + 1;
    *sink = x;
}

static void run_job(struct bench *b, const void *arg)
{
    const struct job *j = arg;
    float sink[16];
    infer_error err = { 0 };
    struct pool *pool = pool_open(&mem_default, j->n_threads, &err);
    if (!pool) {
        bench_skip(b, err.message);
        return;
    }
    while (bench_next(b)) {
        if (j->pause) {
            bench_pause(b);
            usleep(j->pause);
            bench_resume(b);
        }
        pool_run(pool, j->n_tasks, j->empty ? empty_task : short_task, sink);
    }
    pool_close(&pool);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        struct job job;
    } jobs[] = {
        { "2_empty_tasks", { 0, 2, true, 0 } },       { "64_empty_tasks", { 0, 64, true, 0 } },
        { "2_tasks_of_10_us", { 0, 2, false, 0 } },   { "16_tasks_of_10_us", { 0, 16, false, 0 } },
        { "2_tasks_when_idle", { 0, 2, false, 500 } }, /* longer than workers look for work */
    };
    char name[64];
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        for (int n_threads = 1; n_threads <= 4; n_threads *= 2) {
            struct job job = jobs[i].job;
            job.n_threads = n_threads;
            snprintf(name, sizeof name, "%s/threads:%d", jobs[i].name, n_threads);
            bench_add(name, run_job, &job, sizeof job);
        }
    return bench_main(argc, argv, NULL, 0);
}
