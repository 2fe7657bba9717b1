/* infer-quantize.c - write a model's matrices in a smaller type. It needs the formats and the quantisers beside
 * infer.h: the library itself only reads models. */
#include "infer.h"
#include "src/quantize/mix.h"
#include "src/quantize/quantize.h"
#include "tools/common/failure.h"
#include "tools/common/model_write.h"
#include "tools/common/options.h"
#include "tools/common/program.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct {
    const char *operands[3], *importance;
    int32_t threads;
    bool requantize, dry_run;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
    { OPT_TEXT, "--imatrix", "FILE", "importance matrix of this model: which columns count most", &o.importance, 0, 0 },
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

/* ---- What is asked for ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Whether OUT is one of the files of a Hugging Face directory that may be mapped. */
static bool is_in_directory(const char *path)
{
    static const char *const endings[] = { ".safetensors", ".json", ".jinja" };
    DIR *directory = opendir(path);
    bool found = false;
    for (struct dirent *e; directory && !found && (e = readdir(directory));) {
        char file[PATH_MAX + sizeof e->d_name];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
            found |= strlen(e->d_name) > strlen(endings[i]) &&
                     !strcmp(e->d_name + strlen(e->d_name) - strlen(endings[i]), endings[i]) &&
                     same_file(file, o.operands[1]);
    }
    if (directory)
        closedir(directory);
    return found;
}

/* OUT is no file that is mapped: those are read while OUT is written. */
static bool overwrites(const struct weights *in)
{
    const char *path = o.operands[0], *slash = strrchr(path, '/');
    const size_t ending = strlen("-00001-of-00002.gguf"), n = strlen(path);
    uint32_t parts = 0;
    infer_error unused;
    bool found = same_file(path, o.operands[1]);
    char file[PATH_MAX];
    meta_get_u32(in, "split.count", &parts, &unused);
    for (uint32_t i = 1; n > ending && i <= parts && !found; i++) {
        snprintf(file, sizeof file, "%.*s-%05u-of-%05u.gguf", (int)(n - ending), path, i % 100000, parts % 100000);
        found = same_file(file, o.operands[1]);
    }
    if (in->format == WEIGHTS_HF) {
        snprintf(file, sizeof file, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
        found |= is_in_directory(path_kind(path) == 'd' ? path : file);
    }
    return found;
}

static infer_status check_tensor(const struct model_write *m, const struct mix *mix, const struct kernels *k, size_t i,
                                 infer_error *err)
{
    const struct tensor *t = &m->in->tensors[i];
    const enum dtype type = m->types[i];
    const float *importance;
    if (type == t->type)
        return INFER_OK;
    if (dtype_info(t->type)->block > 1 && !o.requantize)
        return failure(err, INFER_E_UNKNOWN, "%s: tensor %s is %s already; take the original, or add --requantize",
                       o.operands[0], t->name.p, dtype_name(t->type));
    if (!k->dequantize[t->type] || !quantize_has(type))
        return failure(err, INFER_E_UNKNOWN, "%s: tensor %s cannot be made %s from %s", o.operands[0], t->name.p,
                       dtype_name(type), dtype_name(t->type));
    const infer_status status = model_importance(m, t, &importance, err);
    if (status == INFER_OK && !importance && !o.dry_run && mix_needs_importance(mix, t, type))
        return failure(err, INFER_E_UNKNOWN, "%s: tensor %s would be worthless in %s without importance: %s",
                       o.operands[0], t->name.p, dtype_name(type),
                       m->importance ? "the matrix given has none for it" : "give a matrix with --imatrix");
    return status;
}

/* The type of each tensor, and whether all can be made. What is no matrix stays, but as floats: a directory may hold
 * its vectors in 16 bits. */
static infer_status choose(struct model_write *m, const struct mix *mix, enum dtype *types, infer_error *err)
{
    struct kernels k;
    kernels_init(&k, CPU_SCALAR);
    struct mix_model model = mix_model_of(m->in);
    model.has_importance = m->importance != NULL;
    if (!mix_plan(types, mix, &model, m->in->tensors, m->in->n_tensors, &mem_default))
        return failure(err, INFER_E_NOMEM, "out of memory");
    infer_status status = INFER_OK;
    for (size_t i = 0; i < m->in->n_tensors && status == INFER_OK; i++) {
        if (m->orders && m->in->tensors[i].n_dims < 2)
            types[i] = DTYPE_F32;
        status = check_tensor(m, mix, &k, i, err);
    }
    return status;
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

static infer_status quantize(struct model_write *m, const struct mix *mix, infer_error *err)
{
    enum dtype *types = calloc(m->in->n_tensors + 1, sizeof *types);
    m->types = types;
    infer_status status = types ? choose(m, mix, types, err) : failure(err, INFER_E_NOMEM, "out of memory");
    if (status == INFER_OK && !o.dry_run)
        status = model_write(m, err);
    if (status == INFER_OK)
        report(m->in, types);
    free(types);
    return status;
}

static infer_status run(const struct mix *mix, const struct weights *in, infer_error *err)
{
    struct model_write m = { .path = o.operands[1], .in = in, .file_type = mix->file_type, .n_threads = o.threads,
                             .importance_path = o.importance, .interrupted = &interrupted };
    struct conversion *conversion = NULL;
    struct importance *importance = NULL;
    infer_status status = INFER_OK;
    if (overwrites(in))
        return failure(err, INFER_E_ARGUMENT, "%s is part of the input: expected another file to write", o.operands[1]);
    if (in->format == WEIGHTS_HF) {
        conversion = conversion_open(&mem_default, in, err);
        status = conversion ? INFER_OK : err->code;
    }
    if (conversion) {
        m.in = conversion->gguf;
        m.orders = conversion->orders;
        if (conversion->note)
            fprintf(stderr, "infer-quantize: %s: %s\n", o.operands[0], conversion->note);
    }
    if (status == INFER_OK && o.importance) {
        importance = importance_open(&mem_default, o.importance, err);
        status = importance ? INFER_OK : err->code;
    }
    m.importance = importance;
    if (status == INFER_OK)
        status = quantize(&m, mix, err);
    importance_close(&importance);
    conversion_close(&conversion);
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
             "\nMost of them give sensitive matrices more bits, those that llama.cpp chooses;\n"
             "vectors stay as they are. The iq1 and iq2 types, iq3_xxs, iq3_xs and q2_k_s\n"
             "need --imatrix; the others are better with it.\n\n"
             "Exit codes: 0 done, 1 failure (OUT is removed), 2 wrong usage.\n");
}

int main(int argc, char **argv)
{
    char notes[1600];
    write_notes(notes, sizeof notes);
    const struct command command = {
        .name = "infer-quantize",
        .about = "write a GGUF model with smaller weights, from GGUF or a Hugging Face directory",
        .usage = "[options] IN OUT.gguf TYPE",
        .examples = "  infer-quantize model-f16.gguf model-q4_k_m.gguf q4_k_m\n"
                    "  infer-quantize Llama-3.2-1B/ llama.gguf iq2_m --imatrix imatrix.gguf\n"
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
