/* doctor.c - infer-run doctor: what the machine has for models, what would fit, and what could be changed. It looks
 * behind infer.h for the kernels' features and the threads that reading is measured with. */
#include "benches/limits/limits.h"
#include "src/engine/context.h"
#include "tools/common/failure.h"
#include "tools/run/doctor.h"
#include "tools/run/run.h"

#include <stdarg.h>
#include <stdlib.h>

static struct {
    bool json;
    int32_t n_threads;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
    { OPT_INT, "-t, --threads", "N", "measure reading with so many threads; default 0: one per physical core",
      &o.n_threads, 0, 256 },
    { OPT_FLAG, "--json", NULL, "one JSON object instead of lines", &o.json, 0, 0 },
    OPT_STANDARD,
};

const struct command doctor_command = {
    .name = "infer-run doctor",
    .about = "what this machine has for models, what would fit, what could be changed",
    .usage = "[--json]",
    .examples = "  infer-run doctor\n"
                "  infer-run doctor --json | jq '.memory.read_bytes_per_second'\n",
    .notes = "Reading is measured: it takes half a second and some 256 MB, and bounds how fast\n"
             "text is generated, as each token needs the weights once. Each shape is shown\n"
             "with the largest of f16, q8_0, q4_k_m and q2_k that leaves room for 4096 tokens\n"
             "of context.\n\n"
             "Environment:\n"
             "  INFER_CPU                 best instruction set to use\n\n"
             "Exit codes: 0 done, 1 failed, 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
};

/* ---- Looking ---- */

static void name_features(struct checkup *c)
{
#if defined(__x86_64__)
    const struct cpu_features f = cpu_features();
    snprintf(c->features, sizeof c->features, "%s%s%s%s", f.avx512_vnni ? " avx512_vnni" : "",
             f.avx512_bf16 ? " avx512_bf16" : "", f.avx512_vbmi ? " avx512_vbmi" : "", f.avx_vnni ? " avx_vnni" : "");
#else
    c->features[0] = 0;
#endif
}

/* What is left of memory has to be enough for it not to disturb others. */
static double measure_reading(const infer_context *context, uint64_t room)
{
    enum { LEAST = 2 };
    struct limits limits;
    struct meter *meter = room > (uint64_t)LEAST << 30 ? limits_open(context->pool) : NULL;
    if (!meter)
        return 0;
    limits_measure(meter, &limits);
    limits_close(&meter);
    return limits.read;
}

__attribute__((format(printf, 2, 3)))
static void hint(struct checkup *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (c->n_hints < MOST_HINTS)
        vsnprintf(c->hints[c->n_hints++], sizeof c->hints[0], format, args);
    va_end(args);
}

static void find_hints(struct checkup *c)
{
    const struct machine *m = &c->machine;
    const char *best = cpu_level_name(cpu_detect());
    if (strcmp(c->cpu, best) != 0)
        hint(c, "INFER_CPU holds the kernels to %s; without it they would be those of %s", c->cpu, best);
    else if (!strcmp(c->cpu, "scalar"))
        hint(c, "the kernels are plain C, which is slow: this processor, or what a virtual machine shows of it, lacks "
             "AVX2");
    if (m->governor[0] && strcmp(m->governor, "performance") != 0 && strcmp(m->governor, "schedutil") != 0)
        hint(c, "the clock's governor is %s; sudo cpupower frequency-set -g performance keeps it high", m->governor);
    if (m->cpu_limit && m->cpu_limit < m->n_cores)
        hint(c, "the control group grants the time of %d of %d cores; docker run --cpus, CPUQuota= and the like set it",
             m->cpu_limit, m->n_cores);
    if (m->group_limit && m->group_limit < m->memory / 2)
        hint(c, "the control group grants %s of %s of memory; docker run --memory, MemoryMax= and the like set it",
             human_bytes((double)m->group_limit), human_bytes((double)m->memory));
    if (!strcmp(m->huge_pages, "never"))
        hint(c, "--huge-pages has no effect; echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled gives "
             "it one");
    if (m->lock_limit < m->memory / 2)
        hint(c, "--mlock keeps at most %s in memory; ulimit -l unlimited, or LimitMEMLOCK=infinity, keeps whole models",
             human_bytes((double)m->lock_limit));
    if (m->swap_used > m->memory / 16)
        hint(c, "%s are swapped out: other programs need more memory than there is", human_bytes((double)m->swap_used));
}

static infer_status look(struct checkup *c, infer_context *context, infer_error *err)
{
    machine_read(&c->machine, "");
    c->cpu = infer_context_cpu(context);
    c->n_threads = infer_context_threads(context);
    c->room = machine_room(&c->machine);
    name_features(c);
    c->read = measure_reading(context, c->room);
    find_hints(c);
    return fits_find(c, err);
}

/* ---- Telling ---- */

static void print_processor(const struct checkup *c)
{
    const struct machine *m = &c->machine;
    printf("Processor\n");
    if (m->processor[0])
        printf("  name           %s\n", m->processor);
    printf("  cores          %d", m->n_cores);
    if (m->n_fast < m->n_cores)
        printf(", %d of them fast", m->n_fast);
    if (m->n_cpus > m->n_cores)
        printf(", of %d CPUs", m->n_cpus);
    printf("; %d threads compute\n", c->n_threads);
    printf("  kernels        %s%s%s\n", c->cpu, *c->features ? ", with" : "", c->features);
    if (m->hertz > 0) {
        printf("  clock          %.2f GHz now", m->hertz * 1e-9);
        if (m->most_hertz > 0)
            printf(", %.2f GHz at most", m->most_hertz * 1e-9);
        printf("%s%s\n", *m->governor ? ", governor " : "", m->governor);
    }
    if (m->cpu_limit)
        printf("  control group  %d CPUs\n", m->cpu_limit);
}

static void print_memory(const struct checkup *c)
{
    const struct machine *m = &c->machine;
    printf("\nMemory\n  installed      %s, of which %s can be had\n", human_bytes((double)m->memory),
           human_bytes((double)m->available));
    if (m->group_limit)
        printf("  control group  %s, of which %s are left\n", human_bytes((double)m->group_limit),
               human_bytes((double)m->group_free));
    if (m->swap_used)
        printf("  swapped out    %s\n", human_bytes((double)m->swap_used));
    if (*m->huge_pages)
        printf("  huge pages     %s\n", m->huge_pages);
    if (m->lock_limit == UINT64_MAX)
        printf("  can be locked  all\n");
    else
        printf("  can be locked  %s\n", human_bytes((double)m->lock_limit));
    if (c->read > 0)
        printf("  is read at     %.1f GB/s by %d threads\n", c->read * 1e-9, c->n_threads);
    else
        printf("  is read at     (not measured: too little is left)\n");
}

static void print_fits(const struct checkup *c)
{
    printf("\nWhat would fit in %s\n  %-20s %-8s %9s %9s  %s\n", human_bytes((double)c->room), "shape", "type",
           "weights", "context", c->read > 0 ? "tokens/s at most" : "");
    for (size_t i = 0; i < c->n_fits; i++) {
        const struct fit *f = &c->fits[i];
        printf("  %-20s %-8s %9s ", f->shape, f->type, human_bytes((double)f->bytes));
        if (f->context)
            printf("%9u", f->context);
        else
            printf("%9s", "-");
        if (f->context && c->read > 0)
            printf("  %.1f", c->read / (double)f->bytes_read);
        printf("%s\n", f->context ? "" : "  too large");
    }
}

/* Words behind a dash, in lines of 80 columns. */
static void print_hint(const char *text)
{
    enum { WIDTH = 80 };
    size_t column = (size_t)printf("-");
    for (size_t n; *text; text += n + strspn(text + n, " ")) {
        n = strcspn(text, " ");
        if (column + 1 + n > WIDTH)
            column = (size_t)printf("\n ") - 1;
        column += (size_t)printf(" %.*s", (int)n, text);
    }
    printf("\n");
}

static void print_lines(const struct checkup *c)
{
    print_processor(c);
    print_memory(c);
    print_fits(c);
    if (c->n_hints)
        printf("\nWhat could be changed\n");
    for (size_t i = 0; i < c->n_hints; i++)
        print_hint(c->hints[i]);
}

static json_t *json_or_null(bool known, json_t *value)
{
    if (known)
        return value;
    json_decref(value);
    return json_null();
}

static json_t *json_processor(const struct checkup *c)
{
    const struct machine *m = &c->machine;
    return json_pack("{s:o, s:i, s:i, s:i, s:i, s:s, s:o, s:o, s:o, s:o, s:o}", "name", json_of_text(m->processor),
                     "cpus", m->n_cpus, "cores", m->n_cores, "fast_cores", m->n_fast, "threads", c->n_threads,
                     "kernels", c->cpu, "features", json_of_text(c->features + strspn(c->features, " ")), "hertz",
                     json_or_null(m->hertz > 0, json_real(m->hertz)), "most_hertz",
                     json_or_null(m->most_hertz > 0, json_real(m->most_hertz)), "governor",
                     json_or_null(*m->governor, json_of_text(m->governor)), "control_group",
                     json_or_null(m->cpu_limit, json_integer(m->cpu_limit)));
}

static json_t *json_memory(const struct checkup *c)
{
    const struct machine *m = &c->machine;
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "installed", (json_int_t)m->memory, "available",
                     (json_int_t)m->available, "swapped_out", (json_int_t)m->swap_used, "control_group",
                     json_or_null(m->group_limit, json_integer((json_int_t)m->group_limit)), "control_group_left",
                     json_or_null(m->group_limit, json_integer((json_int_t)m->group_free)), "huge_pages",
                     json_or_null(*m->huge_pages, json_of_text(m->huge_pages)), "lockable",
                     json_or_null(m->lock_limit != UINT64_MAX, json_integer((json_int_t)m->lock_limit)),
                     "read_bytes_per_second", json_or_null(c->read > 0, json_real(c->read)));
}

static json_t *json_fits(const struct checkup *c)
{
    json_t *all = json_array();
    for (size_t i = 0; i < c->n_fits; i++) {
        const struct fit *f = &c->fits[i];
        const bool bound = f->context && c->read > 0;
        const double most = bound ? c->read / (double)f->bytes_read : 0;
        json_array_append_new(all, json_pack("{s:s, s:s, s:I, s:I, s:I, s:i, s:o}", "shape", f->shape, "type", f->type,
                                             "weights", (json_int_t)f->bytes, "read_per_token",
                                             (json_int_t)f->bytes_read, "cache_per_token",
                                             (json_int_t)f->cache_per_token, "context", (int)f->context,
                                             "tokens_per_second_at_most", json_or_null(bound, json_real(most))));
    }
    return all;
}

static void print_json(const struct checkup *c)
{
    json_t *hints = json_array();
    for (size_t i = 0; i < c->n_hints; i++)
        json_array_append_new(hints, json_of_text(c->hints[i]));
    json_t *json = json_pack("{s:o, s:o, s:I, s:o, s:o}", "processor", json_processor(c), "memory", json_memory(c),
                             "room", (json_int_t)c->room, "fits", json_fits(c), "hints", hints);
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

int doctor_run(void)
{
    static struct checkup c; /* large */
    infer_error err = { 0 };
    infer_context *context = program_context(o.n_threads, 0, &err);
    const infer_status status = context ? look(&c, context, &err) : err.code;
    if (status == INFER_OK)
        (o.json ? print_json : print_lines)(&c);
    infer_context_close(&context);
    return status == INFER_OK ? EXIT_SUCCESS : show_failure(&err, NULL);
}
