/* infer-bench.c - how fast a model runs: tokens a second of evaluating a prompt and of generating, over threads, lengths
 * and depths. The names of the fields are those of llama-bench. */
#include "infer.h"
#include "tools/common/options.h"
#include "tools/common/program.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_LIST = 16, MAX_RUNS = 100 };

struct list {
    int32_t v[MAX_LIST];
    size_t n;
};

static struct {
    const char *model, *prompts, *generations, *threads, *depths;
    int32_t runs, batch;
    int precision, output;
} o = { .prompts = "512", .generations = "64", .threads = "0", .depths = "0", .runs = 5, .batch = 512 };

enum { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_MD };

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

struct test {
    int32_t n_prompt, n_gen, n_depth, n_threads;
    double ns[MAX_RUNS];
    double avg_ns, stddev_ns, avg_ts, stddev_ts;
};

static void summarise(struct test *t)
{
    const double tokens = t->n_prompt + t->n_gen;
    double ts = 0, ts_square = 0, ns = 0, ns_square = 0;
    for (int i = 0; i < o.runs; i++) {
        const double rate = 1e9 * tokens / t->ns[i];
        ts += rate;
        ts_square += rate * rate;
        ns += t->ns[i];
        ns_square += t->ns[i] * t->ns[i];
    }
    const double n = o.runs;
    t->avg_ts = ts / n;
    t->avg_ns = ns / n;
    t->stddev_ts = n > 1 ? sqrt(fmax(0, (ts_square - ts * ts / n) / (n - 1))) : 0;
    t->stddev_ns = n > 1 ? sqrt(fmax(0, (ns_square - ns * ns / n) / (n - 1))) : 0;
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

static infer_status measure(infer_model *m, struct test *t, int32_t n_vocab, infer_error *err)
{
    infer_session_options so = infer_session_defaults();
    so.n_ctx = t->n_depth + t->n_prompt + t->n_gen + 1;
    so.n_batch = o.batch;
    so.precision = (infer_precision)o.precision;
    infer_session *s = infer_session_open(m, &so, err);
    int32_t *ids = calloc((size_t)so.n_ctx, sizeof *ids);
    if (!s || !ids) {
        free(ids);
        infer_session_close(&s);
        return INFER_E_NOMEM;
    }
    fill_ids(ids, (size_t)so.n_ctx, n_vocab);
    infer_status status = t->n_depth ? infer_session_eval(s, ids, (size_t)t->n_depth, err) : INFER_OK;
    double warm_up;
    if (status == INFER_OK)
        status = run_once(s, t, ids, &warm_up, err);
    for (int i = 0; status == INFER_OK && i < o.runs; i++)
        status = run_once(s, t, ids, &t->ns[i], err);
    free(ids);
    infer_session_close(&s);
    if (status == INFER_OK)
        summarise(t);
    return status;
}

/* ---- Output ---- */

static const char *file_name(const infer_model_info *info)
{
    return o.model ? o.model : info->name;
}

static void test_name(char name[48], const struct test *t)
{
    size_t n = (size_t)snprintf(name, 48, t->n_prompt ? "pp%d" : "tg%d", t->n_prompt ? t->n_prompt : t->n_gen);
    if (t->n_depth)
        snprintf(name + n, 48 - n, " @ d%d", t->n_depth);
}

static void print_head(void)
{
    if (o.output == OUTPUT_TABLE)
        printf("%-28s %9s %9s %-8s %7s  %-16s %18s\n", "model", "size", "params", "cpu", "threads", "test", "t/s");
    else if (o.output == OUTPUT_MD)
        printf("| model | size | params | cpu | threads | test | t/s |\n|---|---:|---:|---|---:|---|---:|\n");
    else if (o.output == OUTPUT_CSV)
        printf("model_filename,model_type,model_size,model_n_params,cpu,n_threads,n_batch,n_prompt,n_gen,n_depth,avg_ns,stddev_ns,avg_ts,"
               "stddev_ts\n");
    else
        printf("[");
}

static void print_json(const infer_model_info *info, const char *model, const char *cpu, const struct test *t, bool first)
{
    json_t *samples = json_array();
    for (int i = 0; i < o.runs; i++)
        json_array_append_new(samples, json_integer((json_int_t)t->ns[i]));
    json_t *test = json_pack(
        "{ss ss sI sI ss si si si si si sI sI sf sf so}", "model_filename", file_name(info), "model_type", model, "model_size",
        (json_int_t)info->bytes, "model_n_params", (json_int_t)info->n_params, "cpu", cpu, "n_threads", t->n_threads,
        "n_batch", o.batch, "n_prompt", t->n_prompt, "n_gen", t->n_gen, "n_depth", t->n_depth, "avg_ns",
        (json_int_t)t->avg_ns, "stddev_ns", (json_int_t)t->stddev_ns, "avg_ts", t->avg_ts, "stddev_ts", t->stddev_ts,
        "samples_ns", samples);
    printf(first ? "\n" : ",\n");
    json_dumpf(test, stdout, JSON_REAL_PRECISION(6));
    json_decref(test);
}

static void print_test(const infer_model_info *info, const char *cpu, const struct test *t, bool first)
{
    char name[48], model[64];
    test_name(name, t);
    snprintf(model, sizeof model, "%s %s", info->architecture, info->quantization);
    const char *size = human_bytes((double)info->bytes);
    const double millions = (double)info->n_params / 1e6;
    if (o.output == OUTPUT_JSON)
        print_json(info, model, cpu, t, first);
    else if (o.output == OUTPUT_CSV)
        printf("\"%s\",%s,%llu,%llu,%s,%d,%d,%d,%d,%d,%.0f,%.0f,%.4f,%.4f\n", file_name(info), model, (unsigned long long)info->bytes,
               (unsigned long long)info->n_params, cpu, t->n_threads, o.batch, t->n_prompt, t->n_gen, t->n_depth, t->avg_ns,
               t->stddev_ns, t->avg_ts, t->stddev_ts);
    else
        printf(o.output == OUTPUT_MD ? "| %s | %s | %.1f M | %s | %d | %s | %.2f ± %.2f |\n"
                                     : "%-28s %9s %7.1f M %-8s %7d  %-16s %10.2f ± %.2f\n",
               model, size, millions, cpu, t->n_threads, name, t->avg_ts, t->stddev_ts);
    fflush(stdout);
}

/* ---- All of them ---- */

static int run_tests(infer_model *m, const char *cpu, int32_t n_threads, const struct list lists[3], bool *first)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    for (size_t d = 0; d < lists[2].n; d++)
        for (int kind = 0; kind < 2; kind++)
            for (size_t i = 0; i < lists[kind].n; i++) {
                const int32_t n = lists[kind].v[i];
                struct test t = { kind ? 0 : n, kind ? n : 0, lists[2].v[d], n_threads, { 0 }, 0, 0, 0, 0 };
                infer_error err = { .message = "out of memory" };
                if (!n)
                    continue;
                if (measure(m, &t, info.n_vocab, &err) != INFER_OK) {
                    fprintf(stderr, "infer-bench: %s\n", err.message);
                    return 1;
                }
                print_test(&info, cpu, &t, *first);
                *first = false;
            }
    return 0;
}

static int bench(const struct list *threads, const struct list lists[3])
{
    bool first = true;
    print_head();
    for (size_t i = 0; i < threads->n; i++) {
        infer_error err = { 0 };
        infer_context *c = program_context(threads->v[i], 0, &err);
        infer_model *m = c ? program_model(c, o.model, &err) : NULL;
        if (!m)
            fprintf(stderr, "infer-bench: %s\n", err.message);
        const int failed = !m || run_tests(m, infer_context_cpu(c), infer_context_threads(c), lists, &first);
        infer_model_close(&m);
        infer_context_close(&c);
        if (failed)
            return 1;
    }
    if (o.output == OUTPUT_JSON)
        printf("\n]\n");
    return 0;
}

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "What is measured (lists: 1,2,4)", NULL, 0, 0 },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file or Hugging Face directory (default: $INFER_MODEL, else the embedded model)", &o.model, 0, 0 },
    { OPT_TEXT, "-p, --n-prompt", "LIST", "prompt lengths; 0 = none", &o.prompts, 0, 0 },
    { OPT_TEXT, "-n, --n-gen", "LIST", "tokens to generate; 0 = none", &o.generations, 0, 0 },
    { OPT_TEXT, "-d, --n-depth", "LIST", "tokens in the cache before", &o.depths, 0, 0 },
    { OPT_TEXT, "-t, --threads", "LIST", "threads; 0 = one per physical core", &o.threads, 0, 0 },
    { OPT_INT, "-b, --batch-size", "N", "most tokens computed at once", &o.batch, 1, 4096 },
    { OPT_CHOICE, "--precision", "fast|exact", "form of activations", &o.precision, 0, 0 },
    PROGRAM_MACHINE_OPTIONS,
    { OPT_GROUP, NULL, NULL, "How", NULL, 0, 0 },
    { OPT_INT, "-r, --repetitions", "N", "runs of each test, after one that is not counted", &o.runs, 1, MAX_RUNS },
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
                    "  INFER_CPU=avx2 infer-bench -m model.gguf -d 0,4096 -o json\n",
        .notes = "A test is shown as pp512 (evaluating a prompt of 512 tokens) or tg64 (generating 64 tokens one by one), with\n"
                 "@ d4096 after 4096 tokens. Rates are means over the runs ± sample standard deviation.\n"
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
        return options_complain(&command, "-p, -n, -d and -t take numbers with commas between them, at most %d", MAX_LIST);
    return bench(&threads, lists);
}
