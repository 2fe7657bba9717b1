/* pool.h - threads that share the tasks of one job at a time. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "infer.h"

struct pool;

/** One task of a job. `thread` in [0, pool_threads()) is for scratch memory: no two tasks of a job that run at the same
 *  time have the same one. Results must not depend on it. */
typedef void pool_task_fn(void *job, int task, int thread);

/** n_threads in 1..256, the caller of pool_run counted; 0 = one per physical core, as infer_context_options says. */
struct pool *pool_open(const infer_allocator *a, int n_threads, infer_error *err);
/** The same, with the threads kept on certain cores; affinity and numa as in infer_context_options. */
struct pool *pool_open_on(const infer_allocator *a, int n_threads, const char *affinity, infer_numa numa,
                          infer_error *err);
void pool_close(struct pool **pool);
int pool_threads(const struct pool *pool);
/** Jobs that were handed out to threads so far; those that the caller did alone do not count. */
int pool_jobs(const struct pool *pool);

/** Run tasks 0..n_tasks-1 and return when all are done. Each thread begins with a run of neighbouring tasks, the same
 *  share of every job, and helps the others when it is through; so tasks that lie next to each other should do so in
 *  memory, and be large enough to be worth handing out (some microseconds). Callers from several threads take turns,
 *  job by job. A task must not call this. */
void pool_run(struct pool *pool, int n_tasks, pool_task_fn *fn, void *job);
/** Run one task on each thread, task i on thread i. */
void pool_run_each(struct pool *pool, pool_task_fn *fn, void *job);

#endif
