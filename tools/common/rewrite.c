/* rewrite.c - what is opened in other types is written; and what was written is told. */
#include "tools/common/rewrite.h"

#include "src/adapters/merge.h"

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

static infer_status rewrite_weights(const struct rewrite *r, struct weights *in, const struct row_change *change,
                                    infer_error *err)
{
    const struct recast_options o = { .mix = r->mix, .importance = r->importance, .requantize = r->requantize,
                                      .vocabulary = true, .plan_only = r->dry_run, .change = change };
    struct kernels kernels;
    if (overwrites(r, in))
        return failure(err, INFER_E_ARGUMENT, "%s is part of the input: expected another file to write", r->out);
    kernels_init(&kernels, cpu_detect());
    struct pool *pool = pool_open(&mem_default, r->n_threads, err);
    struct recast *recast = pool ? recast_open(&mem_default, in, &o, &kernels, pool, err) : NULL;
    infer_status status = recast ? INFER_OK : err->code;
    if (recast && recast->note)
        fprintf(stderr, "%s: %s: %s\n", r->program, r->in, recast->note);
    if (recast && !r->dry_run)
        status = model_write(recast, r->out, &interrupted, err);
    if (status == INFER_OK)
        report(r, recast->in, recast->types);
    recast_close(&recast);
    if (pool)
        pool_close(&pool);
    return status;
}

/* With the adapters in it. The model is open a second time, for what its tensors are to it. */
static infer_status rewrite_merged(const struct rewrite *r, struct weights *in, infer_error *err)
{
    struct open_adapters a = { .n = 0 };
    struct merge *merge = NULL;
    infer_context *context = program_context(1, INFER_LOG_ERROR, err);
    infer_model *model = context ? infer_model_open(context, r->in, NULL, err) : NULL;
    infer_status status = model ? adapters_open(&a, r->adapters, model, err) : err->code;
    if (status == INFER_OK)
        status = (merge = merge_open(model, a.v, a.scales, a.n, err)) ? INFER_OK : err->code;
    if (status == INFER_OK) {
        const struct row_change change = merge_changes(merge);
        status = rewrite_weights(r, in, &change, err);
    }
    merge_close(&merge);
    adapters_close(&a);
    infer_model_close(&model);
    infer_context_close(&context);
    return status;
}

infer_status rewrite_model(const struct rewrite *r, infer_error *err)
{
    const bool merged = r->adapters && r->adapters->lora.n;
    sigaction(SIGINT, &(struct sigaction){ .sa_handler = interrupt }, NULL);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = interrupt }, NULL);
    struct weights *in = weights_open(&mem_default, r->in, err);
    const infer_status status = !in      ? err->code
                                : merged ? rewrite_merged(r, in, err)
                                         : rewrite_weights(r, in, NULL, err);
    if (in)
        weights_close(&in);
    return status;
}
