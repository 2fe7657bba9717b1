/* infer-bench.c - how fast a model runs: tokens a second of evaluating a prompt, of generating, and of making vectors
 * of texts, over threads, lengths and depths; with --limits also how fast this machine could run it at the time. The latter needs the pool of
 * the context beside infer.h, as the limits are those of the threads that compute. */
#include "infer.h"
#include "src/engine/context.h"
#include "tools/bench/bench.h"
#include "tools/common/adapters.h"
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
    const char *model, *prompts, *generations, *embeddings, *threads, *depths;
    int32_t runs, batch, texts;
    int precision, output;
    struct kv_options kv;
    struct adapter_options adapters;
    bool limits;
} o = { .threads = "0", .depths = "0", .runs = 5, .batch = 512, .texts = 32 };

/* What is measured; n 0: not said. */
struct plan {
    struct list prompts, generations, embeddings, depths;
};

/* "1,2,8" into numbers of [min, max]; none without text. */
static bool read_list(struct list *list, const char *text, long min, long max)
{
    list->n = 0;
    while (text) {
        char *end;
        const long v = strtol(text, &end, 10);
        if (end == text || v < min || v > max || list->n == MAX_LIST || (*end && *end != ','))
            return false;
        list->v[list->n++] = (int32_t)v;
        if (!*end)
            return true;
        text = end + 1;
    }
    return true;
}

/* ---- One measurement ---- */

static void summarise(struct test *t)
{
    const double tokens = test_tokens(t);
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

/* What making vectors of texts needs. All are NULL until there is memory. */
struct embedding {
    infer_embedder *embedder;
    infer_input *texts;
    int32_t *ids;
    float *out;
    size_t *first; /* NULL: there is one vector for a text; else one for each token, as the model says */
    size_t n, n_tokens; /* of all texts */
};

static infer_status open_embedding(struct embedding *e, infer_model *m, const struct test *t, infer_error *err)
{
    infer_model_info info = { .size = sizeof info };
    infer_embedder_info vectors = { .size = sizeof vectors };
    infer_embedder_options eo = infer_embedder_defaults();
    eo.precision = t->precision;
    eo.n_ctx = t->n_embed;
    e->embedder = infer_embedder_open(m, &eo, err);
    if (!e->embedder)
        return err->code;
    infer_model_get_info(m, &info);
    infer_embedder_get_info(e->embedder, &vectors);
    const bool tokens = vectors.pooling == INFER_POOLING_NONE;
    e->n = (size_t)t->n_texts;
    e->n_tokens = e->n * (size_t)t->n_embed;
    e->texts = calloc(e->n, sizeof *e->texts);
    e->ids = calloc(e->n_tokens, sizeof *e->ids);
    e->out = tokens ? calloc(e->n_tokens * (size_t)vectors.token_dimensions, sizeof *e->out)
                    : calloc(e->n * (size_t)vectors.dimensions, sizeof *e->out);
    e->first = tokens ? calloc(e->n + 1, sizeof *e->first) : NULL;
    if (!e->texts || !e->ids || !e->out || (tokens && !e->first))
        return failure(err, INFER_E_NOMEM, "out of memory for %zu tokens", e->n_tokens);
    fill_ids(e->ids, e->n_tokens, info.n_vocab);
    for (size_t i = 0; i < e->n; i++)
        e->texts[i] = (infer_input){ .ids = e->ids + i * (size_t)t->n_embed, .n_ids = (size_t)t->n_embed };
    return INFER_OK;
}

static void close_embedding(struct embedding *e)
{
    infer_embedder_close(&e->embedder);
    free(e->texts);
    free(e->ids);
    free(e->out);
    free(e->first);
}

static infer_status embed_once(struct embedding *e, double *ns, infer_error *err)
{
    const double start = seconds_now();
    const infer_status status =
        e->first ? infer_embed_tokens(e->embedder, e->texts, e->n, e->out, e->n_tokens, e->first, err)
                 : infer_embed(e->embedder, e->texts, e->n, e->out, err);
    *ns = 1e9 * (seconds_now() - start);
    return status;
}

static infer_status measure_embedding(infer_model *m, struct test *t, infer_error *err)
{
    struct embedding e = { 0 };
    double warm_up;
    infer_status status = open_embedding(&e, m, t, err);
    if (status == INFER_OK)
        status = embed_once(&e, &warm_up, err);
    for (int i = 0; status == INFER_OK && i < t->n_runs; i++)
        status = embed_once(&e, &t->ns[i], err);
    close_embedding(&e);
    if (status == INFER_OK)
        summarise(t);
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
    if (status == INFER_OK)
        status = adapters_set(&o.adapters, m, s, err);
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

enum kind { PROMPT, GENERATION, EMBEDDING };

/* Run a test of n tokens and show it; of none there is nothing to do. */
static infer_status run_test(infer_context *c, infer_model *m, struct meter *meter, enum kind kind, int32_t n,
                             int32_t n_depth, bool texts, bool *first, infer_error *err)
{
    static struct test t; /* large */
    if (!n)
        return INFER_OK;
    t = (struct test){ .n_prompt = kind == PROMPT ? n : 0, .n_gen = kind == GENERATION ? n : 0,
                       .n_embed = kind == EMBEDDING ? n : 0, .n_texts = kind == EMBEDDING ? o.texts : 0,
                       .n_depth = n_depth, .n_batch = o.batch, .n_threads = infer_context_threads(c),
                       .n_runs = o.runs, .precision = (infer_precision)o.precision, .texts = texts, .limited = -1 };
    const infer_status status =
        kind == EMBEDDING ? measure_embedding(m, &t, err) : measure(m, &t, meter, infer_context_cpu(c), err);
    if (status == INFER_OK) {
        output_test((enum output)o.output, m, o.model, infer_context_cpu(c), &t, *first);
        *first = false;
    }
    return status;
}

static bool has_tests(const struct list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i])
            return true;
    return false;
}

/* What is not said is what the model is for: the vectors of texts, or prompts and generating. */
static struct plan usual_plan(const struct plan *said, const infer_model *m)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    struct plan p = *said;
    const bool nothing = !p.prompts.n && !p.generations.n && !p.embeddings.n;
    if (info.encoder && nothing)
        p.embeddings = (struct list){ { 16, 64, 128, 256, 512 }, 5 };
    while (info.encoder && nothing && p.embeddings.n > 1 && p.embeddings.v[p.embeddings.n - 1] > info.n_ctx_train)
        p.embeddings.n--;
    const bool usual = !info.encoder && !has_tests(&p.embeddings);
    if (usual && !p.prompts.n)
        p.prompts = (struct list){ { 512 }, 1 };
    if (usual && !p.generations.n)
        p.generations = (struct list){ { 64 }, 1 };
    return p;
}

static infer_status run_tests(infer_context *c, infer_model *m, struct meter *meter, const struct plan *said,
                              bool *first, infer_error *err)
{
    const struct plan p = usual_plan(said, m);
    const struct list *const lists[] = { &p.prompts, &p.generations };
    const bool texts = has_tests(&p.embeddings);
    infer_status status = INFER_OK;
    if (meter && texts)
        return failure(err, INFER_E_ARGUMENT, "--limits knows the work of -p and -n only, not of texts (-e)");
    for (size_t d = 0; d < p.depths.n; d++)
        for (int kind = PROMPT; kind <= GENERATION; kind++)
            for (size_t i = 0; status == INFER_OK && i < lists[kind]->n; i++)
                status = run_test(c, m, meter, (enum kind)kind, lists[kind]->v[i], p.depths.v[d], texts, first,
                                  err);
    for (size_t i = 0; status == INFER_OK && i < p.embeddings.n; i++)
        status = run_test(c, m, meter, EMBEDDING, p.embeddings.v[i], 0, true, first, err);
    return status;
}

/* All tests on n_threads. */
static infer_status bench_threads(int32_t n_threads, const struct plan *plan, bool *first, infer_error *err)
{
    infer_context *c = program_context(n_threads, 0, err);
    infer_model *m = c ? program_model(c, o.model, err) : NULL;
    struct meter *meter = m && o.limits ? limits_open(c->pool) : NULL;
    if (m && o.limits && !meter)
        failure(err, INFER_E_NOMEM, "out of memory for measuring the limits");
    if (meter)
        work_add_weights(meter, m);
    const infer_status status = m && (meter || !o.limits) ? run_tests(c, m, meter, plan, first, err) : err->code;
    limits_close(&meter);
    infer_model_close(&m);
    infer_context_close(&c);
    return status;
}

static int bench(const struct list *threads, const struct plan *plan)
{
    bool first = true;
    infer_error err = { 0 };
    for (size_t i = 0; i < threads->n; i++)
        if (bench_threads(threads->v[i], plan, &first, &err) != INFER_OK)
            return report_failure("infer-bench", &err);
    output_end((enum output)o.output, first);
    return 0;
}

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "What is measured (lists: 1,2,4)", NULL, 0, 0 },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file or Hugging Face directory (default: $INFER_MODEL, else the embedded "
      "model)", &o.model, 0, 0 },
    { OPT_TEXT, "-p, --n-prompt", "LIST", "prompt lengths; 0 = none (default 512, of an encoder none)", &o.prompts, 0, 0 },
    { OPT_TEXT, "-n, --n-gen", "LIST", "tokens to generate; 0 = none (default 64, of an encoder none)", &o.generations,
      0, 0 },
    { OPT_TEXT, "-e, --n-embed", "LIST", "tokens of texts whose vectors are made; 0 = none (default of an encoder "
      "16,64,128,256,512, else none; with it -p and -n are none unless given)", &o.embeddings, 0, 0 },
    { OPT_INT, "--texts", "N", "so many texts in one call", &o.texts, 1, 4096 },
    { OPT_TEXT, "-d, --n-depth", "LIST", "tokens in the cache before", &o.depths, 0, 0 },
    { OPT_TEXT, "-t, --threads", "LIST", "threads; 0 = one per physical core", &o.threads, 0, 0 },
    { OPT_INT, "-b, --batch-size", "N", "most tokens computed at once", &o.batch, 1, 4096 },
    { OPT_CHOICE, "--precision", "fast|exact", "form of activations", &o.precision, 0, 0 },
    KV_ROWS(o.kv),
    ADAPTER_ROWS(o.adapters),
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
        .about = "measure how fast a model evaluates prompts, generates, and makes vectors of texts",
        .usage = "[options]",
        .examples = "  infer-bench -m model.gguf\n"
                    "  infer-bench -m model.gguf -p 128,512 -n 0 -t 1,2 -o md\n"
                    "  infer-bench -m model.gguf --limits\n"
                    "  infer-bench -m encoder.gguf -e 16,128,512 --texts 64\n"
                    "  INFER_CPU=avx2 infer-bench -m model.gguf -d 0,4096 -o json\n",
        .notes = "A test is shown as pp512 (evaluating a prompt of 512 tokens), tg64 (generating 64 tokens one by\n"
                 "one), with @ d4096 after 4096 tokens, or emb128 (vectors of texts of 128 tokens each; the rate is in\n"
                 "their tokens). Rates are means over the runs ± sample standard deviation.\n"
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
    struct list threads;
    struct plan plan;
    if (!read_list(&plan.prompts, o.prompts, 0, 1 << 20) || !read_list(&plan.generations, o.generations, 0, 1 << 20) ||
        !read_list(&plan.embeddings, o.embeddings, 0, 1 << 20) || !read_list(&plan.depths, o.depths, 0, 1 << 24) ||
        !read_list(&threads, o.threads, 0, 256))
        return options_complain(&command, "-p, -n, -e, -d and -t take numbers with commas between them, at most %d",
                                MAX_LIST);
    return bench(&threads, &plan);
}
