/* output.c - the tests of infer-bench as lines for people and as fields for programs. Fields that llama-bench has too
 * have its names. */
#include "tools/bench/bench.h"
#include "tools/common/machine.h"
#include "tools/common/program.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

/* ---- Fields, for JSON and CSV ---- */

enum field_type { FIELD_TEXT, FIELD_WHOLE, FIELD_REAL };

struct field {
    const char *name;
    enum field_type type;
    const char *text;
    double number;
};

enum { MAX_FIELDS = 32 };
struct fields {
    struct field field[MAX_FIELDS];
    size_t n;
};

static void add_text(struct fields *f, const char *name, const char *text)
{
    f->field[f->n++] = (struct field){ name, FIELD_TEXT, text, 0 };
}

static void add_whole(struct fields *f, const char *name, double number)
{
    f->field[f->n++] = (struct field){ name, FIELD_WHOLE, NULL, number };
}

static void add_real(struct fields *f, const char *name, double number)
{
    f->field[f->n++] = (struct field){ name, FIELD_REAL, NULL, number };
}

static const char *bound_name(const struct bound *b)
{
    return b->by_read ? "read" : peak_name(b->peak);
}

static double level_peak(const struct bound *b, const char *cpu, enum peak peak)
{
    return limits_peak(&b->limits, (enum cpu_level)cpu_level_find(cpu), peak);
}

static void add_limits(struct fields *f, const char *cpu, const struct test *t)
{
    const struct bound *b = &t->bound[t->limited];
    add_real(f, "read_gbs", b->limits.read * 1e-9);
    add_real(f, "f32_gflops", level_peak(b, cpu, PEAK_F32) * 1e-9);
    add_real(f, "bf16_gflops", level_peak(b, cpu, PEAK_BF16) * 1e-9);
    add_real(f, "int8_gops", level_peak(b, cpu, PEAK_INT8) * 1e-9);
    add_text(f, "limit_by", bound_name(b));
    add_real(f, "limit_ts", t->limit_ts);
    add_real(f, "limit_pct", 100 * t->limit_share);
}

struct texts {
    char processor[128], model[64], time[32];
};

static void fields_of(struct fields *f, struct texts *texts, const infer_model_info *info, const char *path,
                      const char *cpu, const struct test *t)
{
    const time_t now = time(NULL);
    struct tm utc;
    struct machine machine;
    machine_read(&machine, "");
    snprintf(texts->processor, sizeof texts->processor, "%s", machine.processor);
    snprintf(texts->model, sizeof texts->model, "%s %s", info->architecture, info->quantization);
    strftime(texts->time, sizeof texts->time, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    f->n = 0;
    add_text(f, "cpu_info", texts->processor);
    add_text(f, "cpu", cpu);
    add_text(f, "model_filename", path ? path : info->name);
    add_text(f, "model_type", texts->model);
    add_whole(f, "model_size", (double)info->bytes);
    add_whole(f, "model_n_params", (double)info->n_params);
    add_text(f, "precision", t->precision == INFER_FAST ? "fast" : "exact");
    add_text(f, "type_k", kv_type_name(t->cache.kv_type_k));
    add_text(f, "type_v", kv_type_name(t->cache.kv_type_v));
    add_whole(f, "n_threads", t->n_threads);
    add_whole(f, "n_batch", t->n_batch);
    add_whole(f, "n_prompt", t->n_prompt);
    add_whole(f, "n_gen", t->n_gen);
    add_whole(f, "n_depth", t->n_depth);
    add_whole(f, "n_embed", t->n_embed);
    add_whole(f, "n_texts", t->n_texts);
    add_text(f, "test_time", texts->time);
    add_whole(f, "avg_ns", t->avg_ns);
    add_whole(f, "stddev_ns", t->stddev_ns);
    add_real(f, "avg_ts", t->avg_ts);
    add_real(f, "stddev_ts", t->stddev_ts);
    if (t->limited >= 0)
        add_limits(f, cpu, t);
}

static void print_json(const struct fields *f, const struct test *t, bool first)
{
    json_t *test = json_object(), *ns = json_array(), *ts = json_array();
    for (size_t i = 0; i < f->n; i++) {
        const struct field *field = &f->field[i];
        json_object_set_new(test, field->name,
                            field->type == FIELD_TEXT    ? json_string(field->text)
                            : field->type == FIELD_WHOLE ? json_integer((json_int_t)field->number)
                                                         : json_real(field->number));
    }
    for (int i = 0; i < t->n_runs; i++) {
        json_array_append_new(ns, json_integer((json_int_t)t->ns[i]));
        json_array_append_new(ts, json_real(1e9 * test_tokens(t) / t->ns[i]));
    }
    json_object_set_new(test, "samples_ns", ns);
    json_object_set_new(test, "samples_ts", ts);
    printf(first ? "[\n" : ",\n");
    json_dumpf(test, stdout, JSON_REAL_PRECISION(6));
    json_decref(test);
}

/* Text in quotation marks, one within it twice. */
static void print_csv_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const struct fields *f, bool first)
{
    for (size_t i = 0; first && i < f->n; i++)
        printf("%s%s", f->field[i].name, i + 1 < f->n ? "," : "\n");
    for (size_t i = 0; i < f->n; i++) {
        const struct field *field = &f->field[i];
        if (field->type == FIELD_TEXT)
            print_csv_text(field->text);
        else
            printf(field->type == FIELD_WHOLE ? "%.0f" : "%.4f", field->number);
        putchar(i + 1 < f->n ? ',' : '\n');
    }
}

/* ---- Lines, for people ---- */

/* "read 51.3 GB/s", "int8 0.94 TOP/s" */
static void bound_text(char text[32], const struct bound *b)
{
    if (b->by_read)
        snprintf(text, 32, "read %.1f GB/s", b->limits.read * 1e-9);
    else
        snprintf(text, 32, "%s %.2f T%sOP/s", peak_name(b->peak), b->rate * 1e-12, b->peak == PEAK_INT8 ? "" : "FL");
}

static void print_head(bool md, const struct test *t)
{
    const bool limits = t->limited >= 0;
    if (md)
        printf("| model | size | params | cpu | threads | test | t/s |%s%s\n|---|---:|---:|---|---:|---|---:|%s%s\n",
               t->texts ? " texts/s |" : "", limits ? " limit | t/s | reached |" : "", t->texts ? "---:|" : "",
               limits ? "---|---:|---:|" : "");
    else
        printf("%-20s %9s %9s %-8s %7s  %-14s %16s%s%s\n", "model", "size", "params", "cpu", "threads", "test", "t/s",
               t->texts ? "    texts/s" : "", limits ? "  limit                 t/s  reached" : "");
}

/* Empty for a test of something else. */
static void print_texts(bool md, const struct test *t)
{
    char rate[32] = "";
    if (t->n_embed)
        snprintf(rate, sizeof rate, "%.1f", t->avg_ts / t->n_embed);
    printf(md ? " %s |" : " %10s", rate);
}

static void print_line(bool md, const infer_model_info *info, const char *model, const char *cpu, const struct test *t)
{
    char name[48], bound[32];
    size_t n = (size_t)snprintf(name, sizeof name, "%s%d", t->n_embed ? "emb" : t->n_prompt ? "pp" : "tg",
                                t->n_embed ? t->n_embed : t->n_prompt ? t->n_prompt : t->n_gen);
    if (t->n_depth)
        snprintf(name + n, sizeof name - n, " @ d%d", t->n_depth);
    const char *size = human_bytes((double)info->bytes);
    const double millions = (double)info->n_params / 1e6;
    printf(md ? "| %s | %s | %.1f M | %s | %d | %s | %.2f ± %.2f |"
              : "%-20s %9s %7.1f M %-8s %7d  %-14s %9.2f ± %-5.2f",
           model, size, millions, cpu, t->n_threads, name, t->avg_ts, t->stddev_ts);
    if (t->texts)
        print_texts(md, t);
    if (t->limited >= 0) {
        bound_text(bound, &t->bound[t->limited]);
        printf(md ? " %s | %.1f | %.0f %% |" : "  %-17s %7.1f   %4.0f %%", bound, t->limit_ts, 100 * t->limit_share);
    }
    printf("\n");
}

void output_test(enum output form, const infer_model *model, const char *path, const char *cpu, const struct test *t,
                 bool first)
{
    struct fields fields;
    struct texts texts;
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    fields_of(&fields, &texts, &info, path, cpu, t);
    if (form == OUTPUT_JSON) {
        print_json(&fields, t, first);
    } else if (form == OUTPUT_CSV) {
        print_csv(&fields, first);
    } else {
        if (first)
            print_head(form == OUTPUT_MD, t);
        print_line(form == OUTPUT_MD, &info, texts.model, cpu, t);
    }
    fflush(stdout);
}

void output_end(enum output form, bool empty)
{
    if (form == OUTPUT_JSON)
        printf(empty ? "[]\n" : "\n]\n");
}
