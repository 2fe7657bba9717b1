/* pool.c - threads that share the tasks of one job at a time.
 *
 * The tasks of a job are cut into one run for each thread, kept in a word as "next, end". A thread takes tasks from the
 * front of its own run, then from those of the others. So each thread walks through contiguous memory, from job to job
 * the same part of the work, and only near the end of a job do threads meet at one word.
 *
 * A task is taken by compare-and-swap of that word, and the function that runs it is read only after that: from then on
 * the job cannot end before the task is counted as done. So it does not matter which job the word was read from, as
 * long as the swap succeeds; and the caller waits for tasks, never for threads: a worker that the system has put aside
 * delays nobody unless it holds a task.
 *
 * Workers look for a while at their own run, which one cache line brings them with all they need; in between they offer
 * their core, which another thread may need. Then they sleep on the number of the job (a futex). A worker first says
 * that it sleeps, then looks once more (the system call does); the caller first changes the number, then looks who
 * sleeps: in the one order of all these operations, one of the two sees the other. */
#include "src/base/pool.h"

#include "src/base/cores.h"
#include "src/base/error.h"
#include "src/base/memory.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_THREADS = 256,
    SEARCH_NS = 200 * 1000, /* longer than what lies between two jobs of a token, sampling included */
    SPINS = 256,            /* some microseconds; then a thread offers its core */
};

static const uint64_t BOUND = 1ull << 63; /* a run that only its own thread may take from */

struct member {
    _Alignas(CACHE_LINE) _Atomic uint64_t run; /* tasks that nobody has taken: next | end << 32, perhaps BOUND */
    pool_task_fn *fn; /* of the run's job */
    void *job;
    struct pool *pool;
    pthread_t handle;
    int thread;
};

struct pool {
    const infer_allocator *a;
    int n_threads;
    int n_started; /* workers, n_threads - 1 once open */
    struct member *members;
    pthread_mutex_t turn; /* held by the caller of pool_run */

    _Alignas(CACHE_LINE) atomic_int number; /* of the job; workers wait for it to change */
    atomic_int n_asleep;
    atomic_bool closing;

    _Alignas(CACHE_LINE) atomic_int n_open; /* tasks that are not done; the caller waits for 0 */
};

/* ---- Waiting ---- */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void futex_wait(atomic_int *word, int value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_int *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* ---- Tasks ---- */

static bool is_empty(uint64_t run)
{
    return (uint32_t)run >= (uint32_t)(run >> 32 & INT32_MAX);
}

/* Take the next task of a member's run. */
static bool take(struct member *m, bool own, int *task)
{
    uint64_t run = atomic_load(&m->run);
    while (!is_empty(run) && (own || !(run & BOUND))) {
        if (atomic_compare_exchange_weak(&m->run, &run, run + 1)) {
            *task = (int)(uint32_t)run;
            return true;
        }
    }
    return false;
}

/* Run tasks until there are none to take, then count them as done. */
static void work(struct pool *p, int thread)
{
    int n_mine = 0;
    for (int i = 0; i < p->n_threads; i++) {
        struct member *m = &p->members[(thread + i) % p->n_threads];
        for (int task; take(m, !i, &task); n_mine++)
            m->fn(m->job, task, thread);
    }
    if (n_mine)
        atomic_fetch_sub(&p->n_open, n_mine);
}

/* Workers first, so that they begin while the caller is still busy here. */
static void open_job(struct pool *p, int n_tasks, uint64_t flags, pool_task_fn *fn, void *job)
{
    atomic_store_explicit(&p->n_open, n_tasks, memory_order_relaxed); /* the stores of the runs publish it */
    for (int i = p->n_threads, end = n_tasks; i-- > 0;) {
        struct member *m = &p->members[i];
        const int first = (int)((int64_t)n_tasks * i / p->n_threads);
        m->fn = fn;
        m->job = job;
        atomic_store_explicit(&m->run, flags | (uint64_t)end << 32 | (uint32_t)first, memory_order_release);
        end = first;
    }
    atomic_fetch_add(&p->number, 1);
    if (atomic_load(&p->n_asleep) > 0)
        futex_wake(&p->number, n_tasks - 1);
}

/* Wait for the tasks that others hold. */
static void finish_job(struct pool *p)
{
    for (int spins = 0; atomic_load(&p->n_open); spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
    }
}

static void run_job(struct pool *p, int n_tasks, uint64_t flags, pool_task_fn *fn, void *job)
{
    pthread_mutex_lock(&p->turn);
    open_job(p, n_tasks, flags, fn, job);
    work(p, 0);
    finish_job(p);
    pthread_mutex_unlock(&p->turn);
}

void pool_run(struct pool *p, int n_tasks, pool_task_fn *fn, void *job)
{
    if (n_tasks > 1 && p->n_threads > 1)
        run_job(p, n_tasks, 0, fn, job);
    else /* nothing to share: no turn is needed */
        for (int i = 0; i < n_tasks; i++)
            fn(job, i, 0);
}

void pool_run_each(struct pool *p, pool_task_fn *fn, void *job)
{
    run_job(p, p->n_threads, BOUND, fn, job);
}

/* ---- Workers ---- */

/* Spin until there is another job than number `seen`; false if that takes long. */
static bool search(const struct member *m, int seen)
{
    const int64_t end = now_ns() + SEARCH_NS;
    do {
        for (int i = 0; i < SPINS; i++) {
            if (!is_empty(atomic_load(&m->run)))
                return true;
            relax();
        }
        sched_yield();
        if (atomic_load(&m->pool->number) != seen) /* others have taken the whole run, but there may be more */
            return true;
    } while (now_ns() < end);
    return false;
}

static void sleep_until_woken(struct pool *p, int seen)
{
    atomic_fetch_add(&p->n_asleep, 1);
    while (atomic_load(&p->number) == seen)
        futex_wait(&p->number, seen);
    atomic_fetch_sub(&p->n_asleep, 1);
}

static void *worker_main(void *arg)
{
    struct member *m = arg;
    struct pool *p = m->pool;
    for (;;) {
        const int seen = atomic_load(&p->number); /* a job that comes later is not missed, */
        if (atomic_load(&p->closing))             /* nor that there will be none: this is set before the number */
            return NULL;
        work(p, m->thread);
        if (!search(m, seen))
            sleep_until_woken(p, seen);
    }
}

/* ---- Opening and closing ---- */

static int start_worker(struct member *m, const cpu_set_t *cpus)
{
    pthread_attr_t attr;
    int e = pthread_attr_init(&attr);
    if (e)
        return e;
    if (CPU_COUNT(cpus))
        e = pthread_attr_setaffinity_np(&attr, sizeof *cpus, cpus);
    if (!e)
        e = pthread_create(&m->handle, &attr, worker_main, m);
    pthread_attr_destroy(&attr);
    return e;
}

static infer_status start_workers(struct pool *p, const cpu_set_t *cpus, infer_error *err)
{
    for (int i = 1; i < p->n_threads; i++) {
        const int e = start_worker(&p->members[i], &cpus[i]);
        if (e)
            return fail(err, INFER_E_NOMEM, "thread %d of %d cannot be started: %s", i + 1, p->n_threads, strerror(e));
        p->n_started++;
    }
    return INFER_OK;
}

static struct pool *make_pool(const infer_allocator *a, int n_threads)
{
    struct pool *p = mem_new(a, 1, sizeof *p);
    if (!p)
        return NULL;
    p->a = a;
    p->n_threads = n_threads;
    pthread_mutex_init(&p->turn, NULL);
    p->members = mem_new(a, (size_t)n_threads, sizeof *p->members);
    for (int i = 0; p->members && i < n_threads; i++) {
        p->members[i].pool = p;
        p->members[i].thread = i;
    }
    if (!p->members)
        pool_close(&p);
    return p;
}

struct pool *pool_open_on(const infer_allocator *a, int n_threads, const char *affinity, infer_numa numa,
                          infer_error *err)
{
    if (n_threads < 0 || n_threads > MAX_THREADS)
        return fail_null(err, INFER_E_ARGUMENT, "n_threads is %d, expected 0 to %d", n_threads, MAX_THREADS);
    struct cores cores;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        CPU_ZERO(&allowed);
    cores_read(&cores, "", &allowed);
    const int here = sched_getcpu();
    if (numa == INFER_NUMA_ISOLATE)
        cores_isolate(&cores, here);
    if (!n_threads)
        n_threads = cores_default_threads(&cores, affinity);
    if (n_threads > MAX_THREADS)
        n_threads = MAX_THREADS;
    struct pool *p = make_pool(a, n_threads);
    cpu_set_t *cpus = p ? mem_new(a, (size_t)n_threads, sizeof *cpus) : NULL;
    if (!cpus)
        fail_memory(err, "the thread pool");
    const bool started = cpus && cores_assign(&cores, affinity, numa, here, n_threads, cpus, err) == INFER_OK &&
                         start_workers(p, cpus, err) == INFER_OK;
    mem_free(a, cpus);
    if (!started)
        pool_close(&p);
    return p;
}

struct pool *pool_open(const infer_allocator *a, int n_threads, infer_error *err)
{
    return pool_open_on(a, n_threads, NULL, INFER_NUMA_NONE, err);
}

void pool_close(struct pool **pool)
{
    struct pool *p = *pool;
    if (!p)
        return;
    atomic_store(&p->closing, true);
    atomic_fetch_add(&p->number, 1);
    futex_wake(&p->number, MAX_THREADS);
    for (int i = 1; i <= p->n_started; i++)
        pthread_join(p->members[i].handle, NULL);
    pthread_mutex_destroy(&p->turn);
    mem_free(p->a, p->members);
    mem_free(p->a, p);
    *pool = NULL;
}

int pool_threads(const struct pool *p)
{
    return p->n_threads;
}

int pool_jobs(const struct pool *p)
{
    return atomic_load(&p->number);
}
