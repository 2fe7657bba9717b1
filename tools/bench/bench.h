/* bench.h - one test of infer-bench: what is run, what came out, and what the machine would have allowed. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include "benches/limits/limits.h"
#include "infer.h"

enum { MAX_RUNS = 100 };

/* ---- The least that a test must do: work.c ---- */

/** Bytes of weights and cache that are read, once for the tokens computed together; operations of the products with
 *  weights and of attention, by the unit that the kernels in use compute them with. A multiply-add is two. */
struct work {
    double bytes, ops[CPU_LEVELS][PEAK_COUNT];
};

/** The shortest time that the machine, as it was around a run, needs for the work. */
struct bound {
    struct limits limits;
    double seconds;
    bool by_read;   /* else by multiplying, */
    enum peak peak; /* most of its time of this kind, */
    double rate;    /* by units that do this many such operations a second */
};

struct test {
    int32_t n_prompt, n_gen, n_depth, n_batch, n_threads, n_runs;
    int32_t n_embed, n_texts; /* a test of vectors of texts: tokens of each, texts of a call; else 0 */
    bool texts;               /* some tests are of texts: lines have a column for them */
    infer_precision precision;
    infer_session_info cache;
    double ns[MAX_RUNS]; /* of each run */
    struct bound bound[MAX_RUNS];
    double avg_ns, stddev_ns, avg_ts, stddev_ts; /* ts: tokens a second */
    int limited;         /* the run whose share of its bound is the median; -1: limits were not measured */
    double limit_ts, limit_share; /* of that run: tokens a second at the bound, and what part of it was reached */
};

static inline double test_tokens(const struct test *t)
{
    return t->n_embed ? (double)t->n_embed * t->n_texts : t->n_prompt + t->n_gen;
}

/** The work of evaluating a prompt or generating. */
void work_of(struct work *work, const infer_model *model, const struct test *t, const char *cpu);
/** Give the meter the model's weights to read. */
void work_add_weights(struct meter *meter, const infer_model *model);
struct bound work_bound(const struct work *work, const struct limits *before, const struct limits *after);

/* ---- Output: output.c ---- */

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_MD };

/** Print a test; the first one after what opens the form. */
void output_test(enum output form, const infer_model *model, const char *path, const char *cpu, const struct test *t,
                 bool first);
/** What closes the form. */
void output_end(enum output form, bool empty);

#endif
