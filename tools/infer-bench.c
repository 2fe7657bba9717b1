/* infer-bench.c - how fast a model runs: tokens a second of evaluating a prompt and of generating, over threads,
 * lengths and depths; with --limits also how fast this machine could run it at the time. The latter needs the pool of
 * the context beside infer.h, as the limits are those of the threads that compute. */
#include "infer.h"
#include "src/engine/context.h"
#include "tools/bench/bench.h"
#include "tools/common/failure.h"
#include "tools/common/options.h"
#include "tools/common/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_LIST = 16 };

struct list {
    int32_t v[MAX_LIST];
    size_t n;
};

static struct {
    const char *model, *prompts, *generations, *threads, *depths;
    int32_t runs, batch;
    int precision, output;
    struct kv_options kv;
    bool limits;
} o = { .prompts = "512", .generations = "64", .threads = "0", .depths = "0", .runs = 5, .batch = 512 };

/* "1,2,8" into numbers of [min, max]. */
static bool read_list(struct list *list, const char *text, long min, long max)
{
    list->n = 0;
    for (;;) {
        char *end;
        const long v = strtol(text, &end, 10);
        if (end == text || v < min || v > max || list->n == MAX_LIST || (*end && *end != ','))
            return false;
        list->v[list->n++] = (int32_t)v;
        if (!*end)
            return true;
        text = end + 1;
    }
}

/* ---- One measurement ---- */

static void summarise(struct test *t)
{
    const double tokens = t->n_prompt + t->n_gen;
    double ts = 0, ts_square = 0, ns = 0, ns_square = 0;
    for (int i = 0; i < t->n_runs; i++) {
        const double rate = 1e9 * tokens / t->ns[i];
        ts += rate;
        ts_square += rate * rate;
        ns += t->ns[i];
        ns_square += t->ns[i] * t->ns[i];
    }
    const double n = t->n_runs;
    t->avg_ts = ts / n;
    t->avg_ns = ns / n;
    t->stddev_ts = n > 1 ? sqrt(fmax(0, (ts_square - ts * ts / n) / (n - 1))) : 0;
    t->stddev_ns = n > 1 ? sqrt(fmax(0, (ns_square - ns * ns / n) / (n - 1))) : 0;
}

static double share(const struct test *t, int run)
{
    return 1e9 * t->bound[run].seconds / t->ns[run];
}

/* Choose the run in the middle: as many reached less of their bound as reached more, or one more. */
static void summarise_limits(struct test *t)
{
    for (int i = 0; i < t->n_runs; i++) {
        int before = 0;
        for (int j = 0; j < t->n_runs; j++)
            before += share(t, j) < share(t, i) || (share(t, j) == share(t, i) && j < i);
        if (before == t->n_runs / 2)
            t->limited = i;
    }
    t->limit_share = share(t, t->limited);
    t->limit_ts = (t->n_prompt + t->n_gen) / t->bound[t->limited].seconds;
}

/* Token ids that differ, so that no two rows of the embedding are the same. */
static void fill_ids(int32_t *ids, size_t n, int32_t n_vocab)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 7919 + 1) % (size_t)n_vocab);
}

static infer_status run_once(infer_session *s, const struct test *t, const int32_t *ids, double *ns, infer_error *err)
{
    infer_status status = infer_session_rewind(s, (size_t)t->n_depth, err);
    const double start = seconds_now();
    if (status == INFER_OK && t->n_prompt)
        status = infer_session_eval(s, ids, (size_t)t->n_prompt, err);
    for (int32_t i = 0; status == INFER_OK && i < t->n_gen; i++)
        status = infer_session_eval(s, &ids[i], 1, err);
    *ns = 1e9 * (seconds_now() - start);
    return status;
}

/* All runs; with a meter, the limits before and after each. */
static infer_status run_all(infer_session *s, struct test *t, const int32_t *ids, struct meter *meter,
                            const struct work *work, infer_error *err)
{
    struct limits before, after;
    double warm_up;
    infer_status status = t->n_depth ? infer_session_eval(s, ids, (size_t)t->n_depth, err) : INFER_OK;
    if (status == INFER_OK)
        status = run_once(s, t, ids, &warm_up, err);
    if (meter)
        limits_measure(meter, &before);
    for (int i = 0; status == INFER_OK && i < t->n_runs; i++) {
        status = run_once(s, t, ids, &t->ns[i], err);
        if (!meter)
            continue;
        limits_measure(meter, &after);
        t->bound[i] = work_bound(work, &before, &after);
        before = after;
    }
    return status;
}

static infer_status measure(infer_model *m, struct test *t, struct meter *meter, const char *cpu, infer_error *err)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    infer_session_options so = infer_session_defaults();
    so.n_ctx = t->n_depth + t->n_prompt + t->n_gen + 1;
    so.n_batch = t->n_batch;
    so.precision = t->precision;
    program_kv_types(&so, &o.kv);
    infer_session *s = infer_session_open(m, &so, err);
    if (!s)
        return err->code;
    t->cache.size = sizeof t->cache;
    infer_session_get_info(s, &t->cache);
    int32_t *ids = calloc((size_t)so.n_ctx, sizeof *ids);
    infer_status status = ids ? INFER_OK : failure(err, INFER_E_NOMEM, "out of memory for %d tokens", so.n_ctx);
    if (ids) {
        struct work work;
        fill_ids(ids, (size_t)so.n_ctx, info.n_vocab);
        work_of(&work, m, t, cpu);
        status = run_all(s, t, ids, meter, &work, err);
    }
    free(ids);
    infer_session_close(&s);
    if (status == INFER_OK)
        summarise(t);
    if (status == INFER_OK && meter)
        summarise_limits(t);
    return status;
}

/* ---- All of them ---- */

/* A test with both lengths 0 is none. */
static infer_status run_test(infer_context *c, infer_model *m, struct meter *meter, int32_t n_prompt, int32_t n_gen,
                             int32_t n_depth, bool *first, infer_error *err)
{
    static struct test t; /* large */
    if (!n_prompt && !n_gen)
        return INFER_OK;
    t = (struct test){ .n_prompt = n_prompt, .n_gen = n_gen, .n_depth = n_depth, .n_batch = o.batch,
                       .n_threads = infer_context_threads(c), .n_runs = o.runs,
                       .precision = (infer_precision)o.precision, .limited = -1 };
    const infer_status status = measure(m, &t, meter, infer_context_cpu(c), err);
    if (status == INFER_OK) {
        output_test((enum output)o.output, m, o.model, infer_context_cpu(c), &t, *first);
        *first = false;
    }
    return status;
}

static infer_status run_tests(infer_context *c, infer_model *m, struct meter *meter, const struct list lists[3],
                              bool *first, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t d = 0; d < lists[2].n; d++)
        for (int kind = 0; kind < 2; kind++)
            for (size_t i = 0; status == INFER_OK && i < lists[kind].n; i++) {
                const int32_t n = lists[kind].v[i];
                status = run_test(c, m, meter, kind ? 0 : n, kind ? n : 0, lists[2].v[d], first, err);
            }
    return status;
}

/* All tests on n_threads. */
static infer_status bench_threads(int32_t n_threads, const struct list lists[3], bool *first, infer_error *err)
{
    infer_context *c = program_context(n_threads, 0, err);
    infer_model *m = c ? program_model(c, o.model, err) : NULL;
    struct meter *meter = m && o.limits ? limits_open(c->pool) : NULL;
    if (m && o.limits && !meter)
        failure(err, INFER_E_NOMEM, "out of memory for measuring the limits");
    if (meter)
        work_add_weights(meter, m);
    const infer_status status = m && (meter || !o.limits) ? run_tests(c, m, meter, lists, first, err) : err->code;
    limits_close(&meter);
    infer_model_close(&m);
    infer_context_close(&c);
    return status;
}

static int bench(const struct list *threads, const struct list lists[3])
{
    bool first = true;
    infer_error err = { 0 };
    for (size_t i = 0; i < threads->n; i++)
        if (bench_threads(threads->v[i], lists, &first, &err) != INFER_OK)
            return report_failure("infer-bench", &err);
    output_end((enum output)o.output, first);
    return 0;
}

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "What is measured (lists: 1,2,4)", NULL, 0, 0 },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file or Hugging Face directory (default: $INFER_MODEL, else the embedded "
      "model)", &o.model, 0, 0 },
    { OPT_TEXT, "-p, --n-prompt", "LIST", "prompt lengths; 0 = none", &o.prompts, 0, 0 },
    { OPT_TEXT, "-n, --n-gen", "LIST", "tokens to generate; 0 = none", &o.generations, 0, 0 },
    { OPT_TEXT, "-d, --n-depth", "LIST", "tokens in the cache before", &o.depths, 0, 0 },
    { OPT_TEXT, "-t, --threads", "LIST", "threads; 0 = one per physical core", &o.threads, 0, 0 },
    { OPT_INT, "-b, --batch-size", "N", "most tokens computed at once", &o.batch, 1, 4096 },
    { OPT_CHOICE, "--precision", "fast|exact", "form of activations", &o.precision, 0, 0 },
    KV_ROWS(o.kv),
    PROGRAM_MACHINE_OPTIONS,
    { OPT_GROUP, NULL, NULL, "How", NULL, 0, 0 },
    { OPT_INT, "-r, --repetitions", "N", "runs of each test, after one that is not counted", &o.runs, 1, MAX_RUNS },
    { OPT_FLAG, "--limits", NULL, "measure what the machine can do before and after each run, and show what part "
      "of it the run reached", &o.limits, 0, 0 },
    { OPT_CHOICE, "-o, --output", "table|json|csv|md", "form of the results", &o.output, 0, 0 },
    OPT_STANDARD,
};

int main(int argc, char **argv)
{
    const struct command command = {
        .name = "infer-bench",
        .about = "measure how fast a model evaluates prompts and generates",
        .usage = "[options]",
        .examples = "  infer-bench -m model.gguf\n"
                    "  infer-bench -m model.gguf -p 128,512 -n 0 -t 1,2 -o md\n"
                    "  infer-bench -m model.gguf --limits\n"
                    "  INFER_CPU=avx2 infer-bench -m model.gguf -d 0,4096 -o json\n",
        .notes = "A test is shown as pp512 (evaluating a prompt of 512 tokens) or tg64 (generating 64 tokens one by\n"
                 "one), with @ d4096 after 4096 tokens. Rates are means over the runs ± sample standard deviation.\n"
                 "--limits adds what bounds a test (reading weights and cache once, or multiplying with all weights,\n"
                 "as fast as the same threads were measured to read or multiply), the rate at that bound, and the\n"
                 "share that was reached, of the runs the median. A model that a cache holds can exceed it.\n"
                 PROGRAM_ENVIRONMENT "Exit codes: 0 good, 1 failed, 2 wrong usage.\n",
        .rows = rows,
        .n_rows = sizeof rows / sizeof *rows,
    };
    const enum options_result result = options_parse(&command, argc, argv);
    if (result != OPTIONS_RUN)
        return result == OPTIONS_DONE ? 0 : EXIT_USAGE;
    struct list lists[3], threads;
    if (!read_list(&lists[0], o.prompts, 0, 1 << 20) || !read_list(&lists[1], o.generations, 0, 1 << 20) ||
        !read_list(&lists[2], o.depths, 0, 1 << 24) || !read_list(&threads, o.threads, 0, 256))
        return options_complain(&command, "-p, -n, -d and -t take numbers with commas between them, at most %d",
                                MAX_LIST);
    return bench(&threads, lists);
}
