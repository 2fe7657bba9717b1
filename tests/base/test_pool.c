/* test_pool.c - the thread pool: every task once, thread numbers, turns, sleep, nothing left behind. */
#include "src/base/memory.h"
#include "src/base/pool.h"
#include "tests/common/sanitized.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

enum { MAX_TASKS = 10000, MAX_THREADS = 8 };

static struct pool *open_pool(int n_threads)
{
    infer_error err = { 0 };
    struct pool *const p = pool_open(&mem_default, n_threads, &err);
    if (!p)
        fail_msg("%s", err.message);
    return p;
}

/* ---- every task exactly once, by a thread of its own ---- */

struct tally {
    int n_threads;
    int runs[MAX_TASKS]; /* plain: the end of a job must make them visible */
    atomic_bool busy[MAX_THREADS];
    atomic_int n_bad;
};

static void tally_task(void *job, int task, int thread)
{
    struct tally *const t = job;
    if (thread < 0 || thread >= t->n_threads) {
        atomic_fetch_add(&t->n_bad, 1);
        return;
    }
    if (atomic_exchange(&t->busy[thread], true))
        atomic_fetch_add(&t->n_bad, 1);
    t->runs[task]++;
    if (task % 16 == 0)
        sched_yield(); /* let the threads meet in many orders */
    atomic_store(&t->busy[thread], false);
}

static void run_and_check(struct pool *p, struct tally *t, int n_tasks)
{
    memset(t->runs, 0, (size_t)n_tasks * sizeof *t->runs);
    pool_run(p, n_tasks, tally_task, t);
    for (int i = 0; i < n_tasks; i++)
        if (t->runs[i] != 1)
            fail_msg("%d threads, %d tasks: task %d ran %d times", t->n_threads, n_tasks, i, t->runs[i]);
    assert_int_equal(atomic_load(&t->n_bad), 0);
}

static void every_task_runs_once_on_a_thread_number_of_its_own(void **state)
{
    (void)state;
    static const int sizes[] = { 0, 1, 2, 3, 7, 8, 9, 64, 1000, MAX_TASKS };
    static struct tally t;
    for (t.n_threads = 1; t.n_threads <= MAX_THREADS; t.n_threads++) {
        struct pool *p = open_pool(t.n_threads);
        assert_int_equal(pool_threads(p), t.n_threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            run_and_check(p, &t, sizes[i]);
        for (int round = 0; round < 1000; round++)
            run_and_check(p, &t, round % 11);
        pool_close(&p);
        assert_null(p);
    }
}

/* Jobs that come after pauses of all lengths find their workers searching, going to sleep, or asleep. */
static void jobs_count_that_are_shared(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        struct pool *p = open_pool(n_threads);
        struct tally t = { .n_threads = n_threads };
        for (int n_tasks = 0; n_tasks <= 3; n_tasks++)
            run_and_check(p, &t, n_tasks);
        assert_int_equal(pool_jobs(p), n_threads > 1 ? 2 : 0); /* those of two and three tasks */
        pool_close(&p);
    }
}

static void jobs_after_pauses_wake_the_workers(void **state)
{
    (void)state;
    static struct tally t = { .n_threads = 4 };
    struct pool *p = open_pool(t.n_threads);
    for (int round = 0; round < 200; round++) {
        usleep((useconds_t)(round * 7 % 500));
        run_and_check(p, &t, 1 + round % 9);
    }
    pool_close(&p);
}

/* Two tasks that wait for each other end only if a worker takes one of them. */
static void meet(void *job, int task, int thread)
{
    (void)task, (void)thread;
    atomic_int *const n = job;
    atomic_fetch_add(n, 1);
    while (atomic_load(n) < 2)
        sched_yield();
}

static void a_sleeping_worker_comes_when_it_is_needed(void **state)
{
    (void)state;
    struct pool *p = open_pool(2);
    for (int round = 0; round < 20; round++) {
        if (round % 2)
            usleep(5000);
        atomic_int n = 0;
        pool_run(p, 2, meet, &n);
        assert_int_equal(atomic_load(&n), 2);
    }
    pool_close(&p);
}

/* ---- who runs what ---- */

/* Some task waits for all the others, among them those of its thread's own run. */
struct held_up {
    int waits; /* the task that does */
    atomic_int n_done;
};

static void task_that_may_wait(void *job, int task, int thread)
{
    (void)thread;
    struct held_up *const h = job;
    while (task == h->waits && atomic_load(&h->n_done) < 7)
        sched_yield();
    atomic_fetch_add(&h->n_done, 1);
}

static void a_thread_that_is_held_up_holds_up_no_task_but_its_own(void **state)
{
    (void)state;
    struct pool *p = open_pool(2);
    for (int round = 0; round < 200; round++) {
        struct held_up h = { .waits = round % 8 };
        pool_run(p, 8, task_that_may_wait, &h);
        assert_int_equal(atomic_load(&h.n_done), 8);
    }
    pool_close(&p);
}

static void note_thread(void *job, int task, int thread)
{
    int *const thread_of = job;
    thread_of[task] = thread;
}

static void each_thread_runs_its_own_task(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= MAX_THREADS; n_threads++) {
        struct pool *p = open_pool(n_threads);
        for (int round = 0; round < 100; round++) {
            int thread_of[MAX_THREADS];
            memset(thread_of, -1, sizeof thread_of);
            if (round % 10 == 0)
                usleep(1000);
            pool_run_each(p, note_thread, thread_of);
            for (int i = 0; i < n_threads; i++)
                assert_int_equal(thread_of[i], i);
        }
        pool_close(&p);
    }
}

static void note_cpus(void *job, int task, int thread)
{
    (void)thread;
    cpu_set_t *const cpus = job;
    assert_int_equal(sched_getaffinity(0, sizeof *cpus, &cpus[task]), 0);
}

static void workers_are_kept_on_their_cpus_and_the_caller_is_left_alone(void **state)
{
    (void)state;
    cpu_set_t before, cpus[3];
    infer_error err;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    char list[64];
    snprintf(list, sizeof list, "%d,%d,%d", first, first, first);
    struct pool *p = pool_open_on(&mem_default, 0, list, INFER_NUMA_NONE, &err);
    assert_non_null(p);
    assert_int_equal(pool_threads(p), 3);
    pool_run_each(p, note_cpus, cpus);
    assert_true(CPU_EQUAL(&cpus[0], &before));
    for (int i = 1; i < 3; i++) {
        assert_int_equal(CPU_COUNT(&cpus[i]), 1);
        assert_true(CPU_ISSET(first, &cpus[i]));
    }
    pool_close(&p);
    assert_null(pool_open_on(&mem_default, 2, "here", INFER_NUMA_NONE, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
}

/* ---- callers ---- */

struct caller {
    pthread_t thread;
    struct pool *pool;
    struct tally *shared; /* its busy flags and bad count; runs stay unused */
    int number, n_wrong;
};

struct caller_job {
    struct tally *shared;
    int done[40];
};

static void caller_task(void *job, int task, int thread)
{
    struct caller_job *const j = job;
    if (thread < 0 || thread >= j->shared->n_threads || atomic_exchange(&j->shared->busy[thread], true))
        atomic_fetch_add(&j->shared->n_bad, 1);
    j->done[task]++;
    atomic_store(&j->shared->busy[thread], false);
}

static void *caller_main(void *arg)
{
    struct caller *const c = arg;
    for (int round = 0; round < 300; round++) {
        int n = (round + c->number) % 41;
        n += n == 1; /* a job of one task is not shared, so it takes no turn */
        struct caller_job job = { .shared = c->shared };
        pool_run(c->pool, n, caller_task, &job);
        for (int i = 0; i < 40; i++)
            c->n_wrong += job.done[i] != (i < n);
    }
    return NULL;
}

static void callers_from_several_threads_take_turns(void **state)
{
    (void)state;
    enum { CALLERS = 4 };
    static struct tally shared = { .n_threads = 3 };
    struct pool *p = open_pool(shared.n_threads);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){ .pool = p, .shared = &shared, .number = i };
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].n_wrong, 0);
    }
    assert_int_equal(atomic_load(&shared.n_bad), 0);
    pool_close(&p);
}

/* ---- what is left behind ---- */

struct budget {
    int n_live, n_left; /* blocks held; allocations until one fails, -1: never */
};

static void *budget_alloc(void *user, size_t size)
{
    struct budget *const b = user;
    if (b->n_left == 0)
        return NULL;
    b->n_left -= b->n_left > 0;
    void *const p = mem_default.alloc(mem_default.user, size);
    b->n_live += p != NULL;
    return p;
}

static void budget_free(void *user, void *p)
{
    ((struct budget *)user)->n_live--;
    mem_default.free(mem_default.user, p);
}

static int count_threads(void)
{
    DIR *const d = opendir("/proc/self/task");
    int n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void opening_and_closing_leaves_nothing(void **state)
{
    (void)state;
    struct budget budget = { .n_left = -1 };
    const infer_allocator a = { &budget, budget_alloc, budget_free };
    const int threads_before = count_threads();
    static struct tally t;
    for (int round = 0; round < 200; round++) {
        t.n_threads = 1 + round % MAX_THREADS;
        struct pool *p = pool_open(&a, t.n_threads, NULL);
        assert_non_null(p);
        if (round % 3)
            run_and_check(p, &t, round % 50);
        pool_close(&p);
        pool_close(&p); /* NULL is allowed */
        assert_int_equal(budget.n_live, 0);
    }
    usleep(1000); /* a joined thread leaves /proc a moment later */
    assert_int_equal(count_threads(), threads_before);
}

/* A worker once saw that the pool was not closing, then the number of the job that closes it, and slept on that for ever:
 * of some 50,000 pools one did not close. */
static void a_pool_closes_whenever_its_workers_begin(void **state)
{
    (void)state;
    unsigned random = 1;
    for (int round = 0; round < (SANITIZED ? 500 : 10000); round++) {
        struct pool *p = open_pool(2);
        random = random * 1103515245u + 12345u;
        for (volatile unsigned delay = (random >> 16) % 20000; delay > 0; delay--) {
        }
        pool_close(&p);
    }
}

static void a_pool_that_cannot_be_opened_says_why(void **state)
{
    (void)state;
    infer_error err = { 0 };
    assert_null(pool_open(&mem_default, -1, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_string_equal(err.message, "n_threads is -1, expected 0 to 256");
    assert_null(pool_open(&mem_default, 257, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    struct budget budget = { 0 };
    const infer_allocator a = { &budget, budget_alloc, budget_free };
    for (int n = 0;; n++) {
        budget.n_left = n;
        struct pool *p = pool_open(&a, 2, &err);
        if (p) {
            pool_close(&p);
            break;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
        assert_int_equal(budget.n_live, 0);
    }
    assert_int_equal(budget.n_live, 0);
}

static void zero_threads_means_one_per_core(void **state)
{
    (void)state;
    struct pool *p = open_pool(0);
    assert_in_range(pool_threads(p), 1, sysconf(_SC_NPROCESSORS_ONLN));
    pool_close(&p);
}

/* ---- sleep ---- */

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void idle_threads_sleep(void **state)
{
    (void)state;
    static struct tally t = { .n_threads = MAX_THREADS };
    struct pool *p = open_pool(t.n_threads);
    run_and_check(p, &t, 100);
    usleep(20000);
    double used = 1;
    for (int i = 0; i < 20 && used > 0.02; i++) { /* they search for work for a while, longer where cores are busy */
        const double before = cpu_seconds();
        usleep(200000);
        used = cpu_seconds() - before;
    }
    if (used > 0.02)
        fail_msg("idle threads used %.3f s of 0.2 s", used);
    run_and_check(p, &t, 100);
    pool_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once_on_a_thread_number_of_its_own),
        cmocka_unit_test(jobs_count_that_are_shared),
        cmocka_unit_test(jobs_after_pauses_wake_the_workers),
        cmocka_unit_test(a_sleeping_worker_comes_when_it_is_needed),
        cmocka_unit_test(a_thread_that_is_held_up_holds_up_no_task_but_its_own),
        cmocka_unit_test(each_thread_runs_its_own_task),
        cmocka_unit_test(workers_are_kept_on_their_cpus_and_the_caller_is_left_alone),
        cmocka_unit_test(callers_from_several_threads_take_turns),
        cmocka_unit_test(opening_and_closing_leaves_nothing),
        cmocka_unit_test(a_pool_closes_whenever_its_workers_begin),
        cmocka_unit_test(a_pool_that_cannot_be_opened_says_why),
        cmocka_unit_test(zero_threads_means_one_per_core),
        cmocka_unit_test(idle_threads_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
