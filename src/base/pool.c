/* pool.c - threads that share the tasks of one job at a time.
 *
 * A job is open while `ticket` says that tasks are left: (number of the job << 32) | tasks left. A thread takes a task by
 * lowering the count with compare-and-swap; it may read the job's other fields only after that, for the job cannot end
 * before its own task is done. So the caller waits for tasks, never for threads: a worker that the system has put aside
 * delays nobody unless it holds a task. Workers look for a new job for a while, then sleep. */
#include "src/base/pool.h"

#include "src/base/error.h"
#include "src/base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_THREADS = 256, SPIN_WORKER = 4000, SPIN_CALLER = 4000 };

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
    uint32_t job_number;
    _Alignas(CACHE_LINE) atomic_uint_fast64_t ticket;
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

static bool has_tasks(struct pool *p)
{
    return (uint32_t)atomic_load(&p->ticket) != 0;
}

/* Take and run tasks until none is left. */
static void work(struct pool *p, int thread)
{
    uint_fast64_t ticket = atomic_load(&p->ticket);
    while ((uint32_t)ticket) {
        if (!atomic_compare_exchange_weak(&p->ticket, &ticket, ticket - 1))
            continue;
        p->fn(p->job, p->n_tasks - (int)(uint32_t)ticket, thread);
        atomic_fetch_add(&p->n_done, 1);
        ticket = atomic_load(&p->ticket);
    }
}

static void sleep_until_woken(struct pool *p)
{
    pthread_mutex_lock(&p->sleep_lock);
    atomic_fetch_add(&p->n_asleep, 1);
    while (!has_tasks(p) && !atomic_load(&p->closing))
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
        int spins = 0;
        while (!has_tasks(p) && !atomic_load(&p->closing) && spins++ < SPIN_WORKER)
            relax();
        if (has_tasks(p))
            work(p, w->thread);
        else
            sleep_until_woken(p);
    }
    return NULL;
}

void pool_run(struct pool *p, int n_tasks, pool_task_fn *fn, void *job)
{
    if (n_tasks <= 1 || p->n_threads == 1) {
        /* Thread number 0 also belongs to whoever has the turn; with more threads that could be somebody else. */
        if (p->n_threads > 1)
            pthread_mutex_lock(&p->turn);
        for (int i = 0; i < n_tasks; i++)
            fn(job, i, 0);
        if (p->n_threads > 1)
            pthread_mutex_unlock(&p->turn);
        return;
    }
    pthread_mutex_lock(&p->turn);
    p->fn = fn;
    p->job = job;
    p->n_tasks = n_tasks;
    atomic_store(&p->n_done, 0);
    atomic_store(&p->ticket, (uint_fast64_t)++p->job_number << 32 | (uint32_t)n_tasks);
    if (atomic_load(&p->n_asleep) > 0)
        wake_all(p);
    work(p, 0);
    for (int spins = 0; atomic_load(&p->n_done) < n_tasks; spins++) {
        if (spins < SPIN_CALLER)
            relax();
        else
            sched_yield();
    }
    pthread_mutex_unlock(&p->turn);
}

/* Distinct physical cores among those the process may use, by the lowest sibling of each; logical ones if the system does
 * not say. */
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
