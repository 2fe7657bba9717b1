/* shim.h - Google Benchmark for C.
 *
 *     static void add(struct bench *b, const void *arg)
 *     {
 *         const struct sizes *s = arg;
 *         while (bench_next(b))
 *             do_it(s);
 *         bench_bytes(b, s->bytes, 0);
 *     }
 *     bench_add("add/avx2", add, &s, sizeof s);
 *     return bench_main(argc, argv, sets, n_sets);
 *
 * The last part of a name may be a column's: with --table, cases that differ in it only stand side by side. */
#ifndef BENCHES_SHIM_H
#define BENCHES_SHIM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench; /* one case while it runs */
typedef void bench_fn(struct bench *b, const void *arg);

/** Add a case; arg_bytes of arg are copied. */
void bench_add(const char *name, bench_fn *fn, const void *arg, size_t arg_bytes);
/** Run what the command line asks for: all flags of Google Benchmark, and --table. Returns the exit code. */
int bench_main(int argc, char **argv, const char *const *columns, size_t n_columns);

/** Whether to go on. Time runs from the first call to the one that returns false. */
bool bench_next(struct bench *b);
/** Before the loop: rates are by the time that this thread computed, not by the wall clock, so that a busy machine
 *  disturbs them less. */
void bench_one_thread(struct bench *b);
/** Leave out what lies between. */
void bench_pause(struct bench *b);
void bench_resume(struct bench *b);
/** End the case; `why` is told. Return after this. */
void bench_skip(struct bench *b, const char *why);

/* After the loop: what one turn of it did. */

/** Bytes read and written: "GB/s", and "%read", the share of `limit` bytes a second, unless that is 0. */
void bench_bytes(struct bench *b, double bytes, double limit);
/** Operations, a multiply-add being two: "GFLOP/s", and "%peak", the share of `limit` a second, unless that is 0. */
void bench_flops(struct bench *b, double flops, double limit);
/** Such as tokens: "items/s". */
void bench_items(struct bench *b, double items);

#ifdef __cplusplus
}
#endif
#endif
