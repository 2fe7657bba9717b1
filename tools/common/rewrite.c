/* rewrite.c - types are chosen, the original is checked, then its tensors are written one by one. */
#include "tools/common/rewrite.h"

#include "src/quantize/quantize.h"
#include "tools/common/failure.h"
#include "tools/common/model_write.h"
#include "tools/common/program.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int unused)
{
    (void)unused;
    interrupted = 1;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Whether OUT is one of the files of a Hugging Face directory that may be mapped. */
static bool is_in_directory(const struct rewrite *r, const char *path)
{
    static const char *const endings[] = { ".safetensors", ".json", ".jinja" };
    DIR *directory = opendir(path);
    bool found = false;
    for (struct dirent *e; directory && !found && (e = readdir(directory));) {
        char file[PATH_MAX + sizeof e->d_name];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
            found |= strlen(e->d_name) > strlen(endings[i]) &&
                     !strcmp(e->d_name + strlen(e->d_name) - strlen(endings[i]), endings[i]) && same_file(file, r->out);
    }
    if (directory)
        closedir(directory);
    return found;
}

/* OUT is no file that is mapped: those are read while OUT is written. */
static bool overwrites(const struct rewrite *r, const struct weights *in)
{
    const char *path = r->in, *slash = strrchr(path, '/');
    const size_t ending = strlen("-00001-of-00002.gguf"), n = strlen(path);
    uint32_t parts = 0;
    infer_error unused;
    bool found = same_file(path, r->out);
    char file[PATH_MAX];
    meta_get_u32(in, "split.count", &parts, &unused);
    for (uint32_t i = 1; n > ending && i <= parts && !found; i++) {
        snprintf(file, sizeof file, "%.*s-%05u-of-%05u.gguf", (int)(n - ending), path, i % 100000, parts % 100000);
        found = same_file(file, r->out);
    }
    if (in->format == WEIGHTS_HF) {
        snprintf(file, sizeof file, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
        found |= is_in_directory(r, path_kind(path) == 'd' ? path : file);
    }
    return found;
}

static infer_status check_tensor(const struct rewrite *r, const struct model_write *m, const struct kernels *k,
                                 size_t i, infer_error *err)
{
    const struct tensor *t = &m->in->tensors[i];
    const enum dtype type = m->types[i];
    const float *importance;
    if (type == t->type)
        return INFER_OK;
    if (dtype_info(t->type)->block > 1 && !r->requantize)
        return failure(err, INFER_E_UNKNOWN, "%s: tensor %s is %s already; take the original, or add --requantize",
                       r->in, t->name.p, dtype_name(t->type));
    if (!k->dequantize[t->type] || !quantize_has(type))
        return failure(err, INFER_E_UNKNOWN, "%s: tensor %s cannot be made %s from %s", r->in, t->name.p,
                       dtype_name(type), dtype_name(t->type));
    const infer_status status = model_importance(m, t, &importance, err);
    if (status == INFER_OK && !importance && !r->dry_run && mix_needs_importance(r->mix, t, type))
        return failure(err, INFER_E_UNKNOWN, "%s: tensor %s would be worthless in %s without importance: %s", r->in,
                       t->name.p, dtype_name(type),
                       m->importance ? "the matrix given has none for it" : "give a matrix with --imatrix");
    return status;
}

/* What general.file_type calls the type of most values. */
static uint32_t usual_type(const struct weights *in)
{
    uint64_t bytes[DTYPE_COUNT] = { 0 };
    enum dtype most = DTYPE_F32;
    for (size_t i = 0; i < in->n_tensors; i++)
        bytes[in->tensors[i].type] += in->tensors[i].bytes;
    for (int type = 0; type < DTYPE_COUNT; type++)
        most = bytes[type] > bytes[most] ? (enum dtype)type : most;
    const struct mix *const mix = mix_find(dtype_name(most));
    return (mix ? mix : mix_find("f32"))->file_type;
}

/* The type of each tensor, and whether all can be made. What no mix changes is floats: a directory may hold it in 16
 * bits, which llama.cpp cannot add. */
static infer_status choose(const struct rewrite *r, struct model_write *m, enum dtype *types, infer_error *err)
{
    struct kernels k;
    kernels_init(&k, CPU_SCALAR);
    struct mix_model model = mix_model_of(m->in);
    model.has_importance = m->importance != NULL;
    if (r->mix && !mix_plan(types, r->mix, &model, m->in->tensors, m->in->n_tensors, &mem_default))
        return failure(err, INFER_E_NOMEM, "out of memory");
    m->file_type = r->mix ? r->mix->file_type : usual_type(m->in);
    infer_status status = INFER_OK;
    for (size_t i = 0; i < m->in->n_tensors && status == INFER_OK; i++) {
        if (!r->mix)
            types[i] = m->in->tensors[i].type;
        if (m->orders && mix_keeps(&m->in->tensors[i]))
            types[i] = DTYPE_F32;
        status = check_tensor(r, m, &k, i, err);
    }
    return status;
}

static void report(const struct rewrite *r, const struct weights *in, const enum dtype *types)
{
    uint64_t before = 0, after = 0, values = 0;
    for (size_t i = 0; i < in->n_tensors; i++) {
        const struct tensor *t = &in->tensors[i];
        const uint64_t n = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        uint64_t bytes = 0;
        dtype_row_bytes(types[i], t->ne[0], &bytes);
        bytes *= t->ne[1] * t->ne[2] * t->ne[3];
        if (r->dry_run)
            printf("%-32s %6" PRIu64 " x %-8" PRIu64 " %-5s %s%s\n", t->name.p, t->ne[0], t->ne[0] ? n / t->ne[0] : 0,
                   dtype_name(t->type), types[i] == t->type ? "stays" : "becomes ",
                   types[i] == t->type ? "" : dtype_name(types[i]));
        before += t->bytes;
        after += bytes;
        values += n;
    }
    printf("%s: %s of tensors", r->out, human_bytes((double)after));
    printf(" instead of %s, %.2f bits a weight%s\n", human_bytes((double)before),
           values ? (double)after * 8 / (double)values : 0, r->dry_run ? " (not written)" : "");
}

static infer_status write_types(const struct rewrite *r, struct model_write *m, infer_error *err)
{
    enum dtype *types = calloc(m->in->n_tensors + 1, sizeof *types);
    m->types = types;
    infer_status status = types ? choose(r, m, types, err) : failure(err, INFER_E_NOMEM, "out of memory");
    if (status == INFER_OK && !r->dry_run)
        status = model_write(m, err);
    if (status == INFER_OK)
        report(r, m->in, types);
    free(types);
    return status;
}

static infer_status rewrite_weights(const struct rewrite *r, const struct weights *in, infer_error *err)
{
    struct model_write m = { .path = r->out,
                             .in = in,
                             .n_threads = r->n_threads,
                             .importance_path = r->importance,
                             .interrupted = &interrupted };
    struct conversion *conversion = NULL;
    struct importance *importance = NULL;
    infer_status status = INFER_OK;
    if (overwrites(r, in))
        return failure(err, INFER_E_ARGUMENT, "%s is part of the input: expected another file to write", r->out);
    if (in->format == WEIGHTS_HF) {
        conversion = conversion_open(&mem_default, in, err);
        status = conversion ? INFER_OK : err->code;
    }
    if (conversion) {
        m.in = conversion->gguf;
        m.orders = conversion->orders;
        if (conversion->note)
            fprintf(stderr, "%s: %s: %s\n", r->program, r->in, conversion->note);
    }
    if (status == INFER_OK && r->importance) {
        importance = importance_open(&mem_default, r->importance, err);
        status = importance ? INFER_OK : err->code;
    }
    m.importance = importance;
    if (status == INFER_OK)
        status = write_types(r, &m, err);
    importance_close(&importance);
    conversion_close(&conversion);
    return status;
}

infer_status rewrite_model(const struct rewrite *r, infer_error *err)
{
    sigaction(SIGINT, &(struct sigaction){ .sa_handler = interrupt }, NULL);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = interrupt }, NULL);
    struct weights *in = weights_open(&mem_default, r->in, err);
    const infer_status status = in ? rewrite_weights(r, in, err) : err->code;
    if (in)
        weights_close(&in);
    return status;
}
