/* infer-quantize.c - write a model's matrices in a smaller type: row by row from the mapped file, so that a model need
 * not fit into memory. It needs the formats and the quantisers beside infer.h: the library itself only reads models. */
#include "infer.h"
#include "kernels/kernels.h"
#include "src/base/memory.h"
#include "src/base/pool.h"
#include "src/quantize/mix.h"
#include "src/quantize/quantize.h"
#include "tools/common/failure.h"
#include "tools/common/gguf_write.h"
#include "tools/common/options.h"
#include "tools/common/program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH_BYTES = 4 << 20, QUANTIZATION_VERSION = 2 };

static struct {
    const char *operands[3];
    int32_t threads;
    bool requantize, dry_run;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
    { OPT_INT, "-t, --threads", "N", "threads; 0 = one per core", &o.threads, 0, 256 },
    { OPT_FLAG, "--requantize", NULL, "also convert tensors that are quantised already: what that lost stays lost",
      &o.requantize, 0, 0 },
    { OPT_FLAG, "--dry-run", NULL, "only show what each tensor would become; OUT is not written", &o.dry_run, 0, 0 },
    OPT_STANDARD,
};

static volatile sig_atomic_t interrupted;

static void interrupt(int unused)
{
    (void)unused;
    interrupted = 1;
}

/* ---- One tensor ---- */

struct converter {
    struct kernels kernels;
    struct pool *pool;
    float *row;     /* for each thread a row of the widest tensor */
    size_t widest;
    uint8_t *batch; /* rows that are done, in order */
    uint64_t *bad;  /* for each thread: one more than the first row that it could not quantise; 0: none */
    uint64_t done, all; /* bytes of the input, for the progress */
};

struct job {
    struct converter *c;
    const struct tensor *t;
    const struct quantizer *q;
    size_t from_bytes, to_bytes; /* of a row */
    uint64_t first;              /* row of the batch */
};

static void convert_row(void *p, int task, int thread)
{
    const struct job *job = p;
    const uint64_t row = job->first + (uint64_t)task;
    float *x = job->c->row + (size_t)thread * job->c->widest;
    job->c->kernels.dequantize[job->t->type](x, (const uint8_t *)job->t->data + row * job->from_bytes, job->t->ne[0]);
    uint64_t *bad = &job->c->bad[thread];
    if (!quantize_row(job->q, job->c->batch + (size_t)task * job->to_bytes, x, job->t->ne[0], NULL) &&
        (!*bad || *bad > row + 1))
        *bad = row + 1;
}

static void show_progress(const char *path, uint64_t done, uint64_t all)
{
    static int last = -1;
    const int percent = all ? (int)((double)done * 100 / (double)all) : 100;
    if (percent != last && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: %3d %% of %.0f MB%s", path, percent, (double)all / 1e6, percent == 100 ? "\n" : "");
    last = percent;
}

/* The sentence is gguf_finish()'s. */
static infer_status cannot_write(infer_error *err)
{
    return failure(err, INFER_E_IO, "%s", "");
}

/* The rows of a batch are shared among the threads, then written. */
static infer_status convert_rows(struct converter *c, struct gguf_writer *w, const struct tensor *t, enum dtype type,
                                 const struct quantizer *q, infer_error *err)
{
    uint64_t from_bytes, to_bytes;
    dtype_row_bytes(t->type, t->ne[0], &from_bytes);
    dtype_row_bytes(type, t->ne[0], &to_bytes);
    const uint64_t n = from_bytes ? t->bytes / from_bytes : 0, most = BATCH_BYTES / (to_bytes + 1) + 1;
    for (uint64_t first = 0; first < n; first += most) {
        const int batch = (int)(n - first < most ? n - first : most);
        struct job job = { c, t, q, from_bytes, to_bytes, first };
        pool_run(c->pool, batch, convert_row, &job);
        for (int i = 0; i < pool_threads(c->pool); i++)
            if (c->bad[i])
                return failure(err, INFER_E_FORMAT, "%s: tensor %s: row %" PRIu64 " of %" PRIu64
                               " has a value that is not finite, or too large for %s", o.operands[0], t->name.p,
                               c->bad[i] - 1, n, dtype_name(type));
        if (interrupted)
            return failure(err, INFER_E_CANCELLED, "interrupted");
        if (!gguf_data(w, c->batch, (size_t)batch * to_bytes))
            return cannot_write(err);
        show_progress(o.operands[1], c->done += (uint64_t)batch * from_bytes, c->all);
    }
    return n || gguf_data(w, "", 0) ? INFER_OK : cannot_write(err);
}

static infer_status convert(struct converter *c, struct gguf_writer *w, const struct tensor *t, enum dtype type,
                            infer_error *err)
{
    struct quantizer *q = quantizer_open(&mem_default, &c->kernels, type, err);
    const infer_status status = q ? convert_rows(c, w, t, type, q, err) : err->code;
    quantizer_close(&q);
    return status;
}

static infer_status write_tensor(struct converter *c, struct gguf_writer *w, const struct tensor *t, enum dtype type,
                                 infer_error *err)
{
    if (t->type != type)
        return convert(c, w, t, type, err);
    if (!gguf_data(w, t->data ? t->data : "", (size_t)t->bytes))
        return cannot_write(err);
    show_progress(o.operands[1], c->done += t->bytes, c->all);
    return interrupted ? failure(err, INFER_E_CANCELLED, "interrupted") : INFER_OK;
}

/* ---- The model ---- */

/* What holds for the input file only, or is written anew. */
static bool is_copied(const struct meta *m)
{
    static const char *const not_copied[] = { "general.file_type", "general.quantization_version", "general.alignment",
                                              "split.no", "split.count", "split.tensors.count" };
    for (size_t i = 0; i < sizeof not_copied / sizeof *not_copied; i++)
        if (text_is(m->key, not_copied[i]))
            return false;
    return true;
}

static void announce(struct gguf_writer *w, const struct weights *in, const struct mix *mix, const enum dtype *types)
{
    for (size_t i = 0; i < in->n_metas; i++)
        if (is_copied(&in->metas[i]))
            gguf_meta(w, &in->metas[i]);
    gguf_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    gguf_u32(w, "general.file_type", mix->file_type);
    for (size_t i = 0; i < in->n_tensors; i++)
        gguf_tensor(w, in->tensors[i].name.p, types[i], in->tensors[i].n_dims, in->tensors[i].ne);
}

static infer_status open_converter(struct converter *c, const struct weights *in, infer_error *err)
{
    size_t most = 0, floats;
    for (size_t i = 0; i < in->n_tensors; i++) {
        const struct tensor *t = &in->tensors[i];
        c->widest = t->ne[0] > c->widest ? t->ne[0] : c->widest;
        c->all += t->bytes;
    }
    kernels_init(&c->kernels, cpu_detect());
    c->pool = pool_open(&mem_default, o.threads, err);
    if (!c->pool)
        return err->code;
    /* A batch is at most one row more than BATCH_BYTES, a row at most four bytes a value. */
    if (mul_size(c->widest, 4, &most) && add_size(most, BATCH_BYTES, &most) &&
        mul_size(c->widest, (size_t)pool_threads(c->pool), &floats)) {
        c->batch = malloc(most);
        c->row = calloc(floats + 1, sizeof *c->row);
        c->bad = calloc((size_t)pool_threads(c->pool), sizeof *c->bad);
    }
    return c->batch && c->row && c->bad
               ? INFER_OK
               : failure(err, INFER_E_NOMEM, "out of memory for rows of %zu values", c->widest);
}

static void close_converter(struct converter *c)
{
    if (c->pool)
        pool_close(&c->pool);
    free(c->batch);
    free(c->row);
    free(c->bad);
}

static infer_status write_model(struct converter *c, const struct weights *in, const struct mix *mix,
                                const enum dtype *types, infer_error *err)
{
    infer_status status = open_converter(c, in, err);
    if (status != INFER_OK)
        return status;
    struct gguf_writer *w = gguf_create(o.operands[1]);
    if (!w)
        return failure(err, INFER_E_NOMEM, "out of memory");
    announce(w, in, mix, types);
    for (size_t i = 0; i < in->n_tensors && status == INFER_OK; i++)
        status = write_tensor(c, w, &in->tensors[i], types[i], err);
    if (status == INFER_OK || status == INFER_E_IO)
        return gguf_finish(w, "infer-quantize") ? INFER_OK : cannot_write(err);
    gguf_abandon(w);
    return status;
}

/* ---- What is asked for ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* OUT is neither IN nor, of a split one, another of its parts: they are mapped, and are read while OUT is written. */
static bool overwrites(const struct weights *in)
{
    const char *path = o.operands[0];
    const size_t ending = strlen("-00001-of-00002.gguf"), n = strlen(path);
    uint32_t parts = 0;
    infer_error unused;
    if (same_file(path, o.operands[1]))
        return true;
    meta_get_u32(in, "split.count", &parts, &unused);
    char *part = n > ending ? malloc(n + 1) : NULL;
    bool found = false;
    for (uint32_t i = 1; part && i <= parts && !found; i++) {
        snprintf(part, n + 1, "%.*s-%05u-of-%05u.gguf", (int)(n - ending), path, i % 100000, parts % 100000);
        found = same_file(part, o.operands[1]);
    }
    free(part);
    return found;
}

/* The type of each tensor, and whether all can be made. */
static infer_status choose(const struct weights *in, const struct mix *mix, enum dtype *types, infer_error *err)
{
    struct kernels k;
    kernels_init(&k, CPU_SCALAR);
    const struct mix_model model = mix_model_of(in);
    for (size_t i = 0; i < in->n_tensors; i++) {
        const struct tensor *t = &in->tensors[i];
        types[i] = mix_choose(mix, &model, t);
        if (types[i] == t->type)
            continue;
        if (dtype_info(t->type)->block > 1 && !o.requantize)
            return failure(err, INFER_E_UNKNOWN, "%s: tensor %s is %s already; take the original, or add"
                           " --requantize", o.operands[0], t->name.p, dtype_name(t->type));
        if (!k.dequantize[t->type] || !quantize_has(types[i]))
            return failure(err, INFER_E_UNKNOWN, "%s: tensor %s cannot be made %s from %s", o.operands[0],
                           t->name.p, dtype_name(types[i]), dtype_name(t->type));
    }
    return INFER_OK;
}

static void report(const struct weights *in, const enum dtype *types)
{
    uint64_t before = 0, after = 0, values = 0;
    for (size_t i = 0; i < in->n_tensors; i++) {
        const struct tensor *t = &in->tensors[i];
        const uint64_t n = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        uint64_t bytes = 0;
        dtype_row_bytes(types[i], t->ne[0], &bytes);
        bytes *= t->ne[1] * t->ne[2] * t->ne[3];
        if (o.dry_run)
            printf("%-32s %6" PRIu64 " x %-8" PRIu64 " %-5s %s%s\n", t->name.p, t->ne[0], t->ne[0] ? n / t->ne[0] : 0,
                   dtype_name(t->type), types[i] == t->type ? "stays" : "becomes ",
                   types[i] == t->type ? "" : dtype_name(types[i]));
        before += t->bytes;
        after += bytes;
        values += n;
    }
    printf("%s: %s of tensors", o.operands[1], human_bytes((double)after));
    printf(" instead of %s, %.2f bits a weight%s\n", human_bytes((double)before),
           values ? (double)after * 8 / (double)values : 0, o.dry_run ? " (not written)" : "");
}

static infer_status run(const struct mix *mix, const struct weights *in, infer_error *err)
{
    if (in->format != WEIGHTS_GGUF)
        return failure(err, INFER_E_UNKNOWN, "%s: expected a GGUF file; Hugging Face directories are not converted",
                       o.operands[0]);
    if (overwrites(in))
        return failure(err, INFER_E_ARGUMENT, "%s is part of the input: expected another file to write", o.operands[1]);
    enum dtype *types = calloc(in->n_tensors + 1, sizeof *types);
    struct converter c = { 0 };
    infer_status status = types ? choose(in, mix, types, err) : failure(err, INFER_E_NOMEM, "out of memory");
    if (status == INFER_OK && !o.dry_run)
        status = write_model(&c, in, mix, types, err);
    if (status == INFER_OK)
        report(in, types);
    close_converter(&c);
    free(types);
    return status;
}

/* ---- Command line ---- */

/* For --help: the types there are. */
static void write_notes(char *notes, size_t size)
{
    size_t used = (size_t)snprintf(notes, size, "Types:");
    for (size_t i = 0; mix_at(i); i++)
        used += (size_t)snprintf(notes + used, size - used, "%s%s", i % 8 ? ", " : "\n  ", mix_at(i)->name);
    snprintf(notes + used, size - used,
             "\nMost of them give sensitive matrices more bits, those that llama.cpp chooses\n"
             "for models like Llama; vectors stay as they are.\n"
             "Not there: importance matrices, the types that need one (iq1, iq2, iq3), nvfp4,\n"
             "and reading Hugging Face directories.\n\n"
             "Exit codes: 0 done, 1 failure (OUT is removed), 2 wrong usage.\n");
}

int main(int argc, char **argv)
{
    char notes[1600];
    write_notes(notes, sizeof notes);
    const struct command command = {
        .name = "infer-quantize",
        .about = "write a GGUF model with smaller weights",
        .usage = "[options] IN.gguf OUT.gguf TYPE",
        .examples = "  infer-quantize model-f16.gguf model-q4_k_m.gguf q4_k_m\n"
                    "  infer-quantize model-f16.gguf x q3_k_m --dry-run\n",
        .notes = notes,
        .rows = rows,
        .n_rows = sizeof rows / sizeof *rows,
        .operands = o.operands,
        .max_operands = 3,
        .min_operands = 3,
    };
    const enum options_result result = options_parse(&command, argc, argv);
    if (result != OPTIONS_RUN)
        return result == OPTIONS_DONE ? 0 : EXIT_USAGE;
    const struct mix *mix = mix_find(o.operands[2]);
    if (!mix)
        return options_complain(&command, "there is no type \"%s\"; --help lists them", o.operands[2]);
    sigaction(SIGINT, &(struct sigaction){ .sa_handler = interrupt }, NULL);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = interrupt }, NULL);
    infer_error err = { 0 };
    struct weights *in = weights_open(&mem_default, o.operands[0], &err);
    const infer_status status = in ? run(mix, in, &err) : err.code;
    if (in)
        weights_close(&in);
    if (status != INFER_OK && *err.message)
        report_failure("infer-quantize", &err);
    return status != INFER_OK;
}
