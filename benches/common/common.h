/* common.h - what the suites share: instruction sets to measure, limits of one thread, memory. */
#ifndef BENCHES_COMMON_H
#define BENCHES_COMMON_H

#include "benches/limits/limits.h"
#include "benches/shim.h"

/** The table of each level up to the best of this machine and of $INFER_CPU; NULL for levels that it does not have. */
const struct kernels *bench_table(enum cpu_level level);
/** Whether a level has an entry of its own at `offset` bytes within the table: not the one of the level below. */
bool bench_is_new(enum cpu_level level, size_t offset);
/** Add a case for each level from `first` on that has an entry of its own there. The name gets "/" and the level's;
 *  `arg` begins with a pointer to the table, which is set. */
void bench_add_levels(const char *name, size_t offset, enum cpu_level first, bench_fn *fn, void *arg, size_t arg_bytes);
/** Names of the levels of this machine: the columns of --table. */
size_t bench_level_names(const char *names[CPU_LEVELS]);

/** Of one thread, measured when first asked for. */
const struct limits *bench_limits(void);

/** bytes aligned to 64, zeroed; ends the program if there are none. */
void *bench_memory(size_t bytes);
/** n floats in [-1, 1). */
void bench_fill(float *x, size_t n);

#endif
