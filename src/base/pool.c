/* pool.c - threads that share the tasks of one job at a time.
 *
 * A job is open while `n_left` > 0. A thread takes a task by lowering the count with compare-and-swap, and reads the
 * job's other fields only after that: from then on the job cannot end before the thread has counted its task as done.
 * So it does not matter which job the count was read from, as long as the swap succeeds; and the caller waits for
 * tasks, never for threads: a worker that the system has put aside delays nobody unless it holds a task.
 *
 * Workers look for a new job for a while, then sleep. A worker first says that it sleeps, then looks once more; the
 * caller first opens the job, then looks who sleeps: in the one order of all these operations, one of the two sees the
 * other. */
#include "src/base/pool.h"

#include "src/base/error.h"
#include "src/base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_THREADS = 256,
    SEARCH_NS = 200 * 1000, /* longer than what lies between two jobs of a token, sampling included */
    SPINS = 256,            /* some microseconds; then a thread offers its core, which another of the pool may need */
};

struct pool {
    const infer_allocator *a;
    int n_threads;
    int n_started; /* workers, n_threads - 1 once open */
    pthread_t *workers;
    struct worker {
        struct pool *pool;
        int thread;
    } *worker;

    pthread_mutex_t turn; /* held by the caller of pool_run */
    pool_task_fn *fn;
    void *job;
    int n_tasks;
    _Alignas(CACHE_LINE) atomic_int n_left; /* tasks that nobody has taken */
    _Alignas(CACHE_LINE) atomic_int n_done;

    _Alignas(CACHE_LINE) atomic_int n_asleep;
    atomic_bool closing;
    pthread_mutex_t sleep_lock;
    pthread_cond_t wake;
};

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool is_needed(struct pool *p)
{
    return atomic_load(&p->n_left) > 0 || atomic_load(&p->closing);
}

/* Take and run tasks until none is left, then count them as done. */
static void work(struct pool *p, int thread)
{
    int n_mine = 0;
    for (int left = atomic_load(&p->n_left); left > 0;) {
        if (!atomic_compare_exchange_weak(&p->n_left, &left, left - 1))
            continue;
        p->fn(p->job, p->n_tasks - left, thread);
        n_mine++;
        left = atomic_load(&p->n_left);
    }
    if (n_mine)
        atomic_fetch_add(&p->n_done, n_mine);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Spin until the worker is needed; false if that takes long. */
static bool search(struct pool *p)
{
    const int64_t end = now_ns() + SEARCH_NS;
    do {
        for (int i = 0; i < SPINS; i++) {
            if (is_needed(p))
                return true;
            relax();
        }
        sched_yield();
    } while (now_ns() < end);
    return false;
}

static void sleep_until_woken(struct pool *p)
{
    pthread_mutex_lock(&p->sleep_lock);
    atomic_fetch_add(&p->n_asleep, 1);
    while (!is_needed(p))
        pthread_cond_wait(&p->wake, &p->sleep_lock);
    atomic_fetch_sub(&p->n_asleep, 1);
    pthread_mutex_unlock(&p->sleep_lock);
}

static void wake_all(struct pool *p)
{
    pthread_mutex_lock(&p->sleep_lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->sleep_lock);
}

static void *worker_main(void *arg)
{
    const struct worker *w = arg;
    struct pool *p = w->pool;
    while (!atomic_load(&p->closing)) {
        if (search(p))
            work(p, w->thread);
        else
            sleep_until_woken(p);
    }
    return NULL;
}

void pool_run(struct pool *p, int n_tasks, pool_task_fn *fn, void *job)
{
    if (n_tasks <= 1 || p->n_threads == 1) { /* nothing to share: no turn is needed */
        for (int i = 0; i < n_tasks; i++)
            fn(job, i, 0);
        return;
    }
    pthread_mutex_lock(&p->turn);
    p->fn = fn;
    p->job = job;
    p->n_tasks = n_tasks;
    atomic_store_explicit(&p->n_done, 0, memory_order_relaxed); /* the next store publishes all of these */
    atomic_store(&p->n_left, n_tasks);
    if (atomic_load(&p->n_asleep) > 0)
        wake_all(p);
    work(p, 0);
    for (int spins = 0; atomic_load(&p->n_done) < n_tasks; spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
    }
    pthread_mutex_unlock(&p->turn);
}

/* Distinct physical cores among those the process may use, by the lowest sibling of each; logical ones if the system
 * does not say. */
static int physical_cores(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return 1;
    int cores = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        char path[96];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        int first = cpu;
        FILE *f = fopen(path, "re");
        if (f) {
            if (fscanf(f, "%d", &first) != 1)
                first = cpu;
            fclose(f);
        }
        cores += first == cpu || first < 0 || first >= CPU_SETSIZE || !CPU_ISSET(first, &allowed);
    }
    return cores < 1 ? 1 : cores > MAX_THREADS ? MAX_THREADS : cores;
}

static infer_status start_workers(struct pool *p, infer_error *err)
{
    for (int i = 0; i < p->n_threads - 1; i++) {
        p->worker[i] = (struct worker){ p, i + 1 };
        const int e = pthread_create(&p->workers[i], NULL, worker_main, &p->worker[i]);
        if (e)
            return fail(err, INFER_E_NOMEM, "thread %d of %d cannot be started: %s", i + 2, p->n_threads, strerror(e));
        p->n_started++;
    }
    return INFER_OK;
}

struct pool *pool_open(const infer_allocator *a, int n_threads, infer_error *err)
{
    if (n_threads < 0 || n_threads > MAX_THREADS)
        return fail_null(err, INFER_E_ARGUMENT, "n_threads is %d, expected 0 to %d", n_threads, MAX_THREADS);
    if (!n_threads)
        n_threads = physical_cores();
    struct pool *p = mem_new(a, 1, sizeof *p);
    if (!p)
        return fail_memory(err, "the thread pool"), NULL;
    p->a = a;
    p->n_threads = n_threads;
    pthread_mutex_init(&p->turn, NULL);
    pthread_mutex_init(&p->sleep_lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->workers = mem_new(a, (size_t)n_threads, sizeof *p->workers);
    p->worker = mem_new(a, (size_t)n_threads, sizeof *p->worker);
    if (!p->workers || !p->worker)
        fail_memory(err, "the thread pool");
    else if (start_workers(p, err) == INFER_OK)
        return p;
    pool_close(&p);
    return NULL;
}

void pool_close(struct pool **pool)
{
    struct pool *p = *pool;
    if (!p)
        return;
    atomic_store(&p->closing, true);
    wake_all(p);
    for (int i = 0; i < p->n_started; i++)
        pthread_join(p->workers[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->sleep_lock);
    pthread_mutex_destroy(&p->turn);
    mem_free(p->a, p->worker);
    mem_free(p->a, p->workers);
    mem_free(p->a, p);
    *pool = NULL;
}

int pool_threads(const struct pool *p)
{
    return p->n_threads;
}
