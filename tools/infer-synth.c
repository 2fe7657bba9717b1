/* infer-synth.c - write a model of a real shape with random weights: speed, loading and memory do not depend on what
 * the weights say. It needs the architectures, the mixes and the kernels beside infer.h: they tell which tensors a
 * model has, of which types, and how large random blocks come out. */
#include "infer.h"
#include "kernels/kernels.h"
#include "tools/common/failure.h"
#include "tools/common/options.h"
#include "tools/common/random_blocks.h"
#include "tools/synth/plan.h"
#include "tools/synth/shapes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

struct synth {
    const char *shape, *path;
    const struct mix *mix; /* NULL: all matrices are of `type` */
    enum dtype type;
    uint32_t n_layer; /* 0: all */
    uint64_t random;  /* state of the random numbers */
    struct plan plan;
    struct kernels kernels;
    infer_error err;
};

/* ---- What is written ---- */

/* The text of a shape's config.json, in the arena; or of a file's. */
static struct text config_text(struct synth *s)
{
    for (size_t i = 0; shape_at(i); i++)
        if (!strcmp(shape_at(i)->name, s->shape))
            return text_of(shape_at(i)->config);
    struct mapping *file = NULL;
    struct mapping m;
    if (weights_map(s->plan.config, s->shape, &m, &s->err) == INFER_OK)
        file = &m;
    return file ? (struct text){ (const char *)m.data, m.size } : (struct text){ NULL, 0 };
}

/* Numbers, tensors and types. */
static infer_status make_plan(struct synth *s)
{
    infer_status status = plan_open(&s->plan, s->shape, &s->err);
    const struct text text = status == INFER_OK ? config_text(s) : (struct text){ NULL, 0 };
    if (!text.p)
        return s->err.code;
    status = plan_shape(&s->plan, text, s->n_layer, &s->err);
    if (status != INFER_OK)
        return fail_prefix(&s->err, s->shape), status;
    return plan_types(&s->plan, s->mix, s->type, &s->err);
}

static void announce(struct synth *s, struct gguf_writer *w, uint32_t n_vocab)
{
    char name[80];
    snprintf(name, sizeof name, "%.40s, random weights", s->shape);
    for (size_t i = 0; i < s->plan.gguf->n_metas; i++)
        gguf_meta(w, &s->plan.gguf->metas[i]);
    gguf_text(w, "general.name", name);
    if (s->mix)
        gguf_u32(w, "general.file_type", s->mix->file_type);
    write_vocabulary(w, n_vocab);
    for (size_t i = 0; i < s->plan.gguf->n_tensors; i++) {
        const struct tensor *t = &s->plan.gguf->tensors[i];
        gguf_tensor(w, t->name.p, s->plan.types[i], t->n_dims, t->ne);
    }
}

/* Norms and divisors near one, matrices that keep the size of what they multiply. A piece of a matrix at a time. */
static bool write_tensor(struct synth *s, struct gguf_writer *w, size_t i, uint8_t *piece, size_t room)
{
    const struct tensor *t = &s->plan.gguf->tensors[i];
    const enum dtype type = s->plan.types[i];
    const struct dtype_info *info = dtype_info(type);
    const bool is_norm = strstr(t->name.p, "norm") || !strncmp(t->name.p, "rope_", 5);
    const float scale = is_norm ? 0 : random_blocks_scale(&s->random, &s->kernels, type, 1 / sqrtf((float)t->ne[0]));
    uint64_t blocks = t->ne[0] / info->block * t->ne[1] * t->ne[2];
    for (size_t n; blocks; blocks -= n) {
        n = blocks < room / info->bytes ? (size_t)blocks : room / info->bytes;
        if (is_norm)
            for (size_t j = 0; j < n; j++)
                memcpy(piece + 4 * j, &(float){ 1 + 0.1f * random_uniform(&s->random) }, 4);
        else
            random_blocks(&s->random, piece, n, type, scale);
        if (!gguf_data(w, piece, n * info->bytes))
            return false;
    }
    return true;
}

static void show_progress(const char *path, uint64_t done, uint64_t all)
{
    static int last = -1;
    const int percent = (int)(done * 100 / all);
    if (percent != last && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: %3d %% of %.0f MB%s", path, percent, (double)all / 1e6, percent == 100 ? "\n" : "");
    last = percent;
}

static infer_status write_model(struct synth *s)
{
    enum { PIECE = 1 << 20 };
    const infer_status status = make_plan(s);
    if (status != INFER_OK)
        return status;
    uint8_t *piece = malloc(PIECE + 8);
    struct gguf_writer *w = piece ? gguf_create(s->path) : NULL;
    if (!w)
        return free(piece), failure(&s->err, INFER_E_NOMEM, "out of memory");
    uint64_t done = 0, bytes = 0;
    const struct tensor *embedding = weights_tensor(s->plan.gguf, text_of("token_embd.weight"));
    announce(s, w, embedding ? (uint32_t)embedding->ne[1] : 0);
    for (size_t i = 0; i < s->plan.gguf->n_tensors && write_tensor(s, w, i, piece, PIECE); i++) {
        const struct tensor *t = &s->plan.gguf->tensors[i];
        dtype_row_bytes(s->plan.types[i], t->ne[0], &bytes);
        show_progress(s->path, done += bytes * t->ne[1] * t->ne[2], gguf_data_bytes(w));
    }
    free(piece);
    return gguf_finish(w, &s->err);
}

/* ---- Command line ---- */

static bool is_shape(const char *name)
{
    for (size_t i = 0; shape_at(i); i++)
        if (!strcmp(shape_at(i)->name, name))
            return true;
    return strchr(name, '/') || (strlen(name) > 5 && !strcmp(name + strlen(name) - 5, ".json"));
}

/* A type that matrices can have, or DTYPE_COUNT. */
static enum dtype type_of(const struct kernels *k, const char *name)
{
    int i = 0;
    while (i < DTYPE_COUNT && !(k->matmul[PRECISION_EXACT][i].way->fn && !strcasecmp(dtype_name((uint64_t)i), name)))
        i++;
    return (enum dtype)i;
}

/* The shapes and types there are, for --help. */
static void write_notes(char *notes, size_t size, const struct kernels *k)
{
    size_t used = (size_t)snprintf(notes, size, "Shapes:");
    for (size_t i = 0; shape_at(i); i++)
        used += (size_t)snprintf(notes + used, size - used, "%s%s", i % 5 ? ", " : "\n  ", shape_at(i)->name);
    used += (size_t)snprintf(notes + used, size - used, "\n  or the config.json of a model of a family that is known"
                             "\nTypes, of all matrices:");
    for (int type = 0, n = 0; type < DTYPE_COUNT; type++)
        if (k->matmul[PRECISION_EXACT][type].way->fn)
            used += (size_t)snprintf(notes + used, size - used, "%s%s", n++ % 10 ? ", " : "\n  ",
                                     dtype_name((uint64_t)type));
    used += (size_t)snprintf(notes + used, size - used, "\nMixes, with the choices of infer-quantize:");
    for (int i = 0, n = 0; mix_at((size_t)i); i++)
        if (type_of(k, mix_at((size_t)i)->name) == DTYPE_COUNT)
            used +=
                (size_t)snprintf(notes + used, size - used, "%s%s", n++ % 8 ? ", " : "\n  ", mix_at((size_t)i)->name);
    snprintf(notes + used, size - used, "\n");
}

int main(int argc, char **argv)
{
    static int32_t layers;
    static int64_t seed = 1;
    static const char *operands[3];
    static struct synth s;
    static const struct opt rows[] = {
        { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
        { OPT_INT, "--layers", "N", "write only the first N layers (default: all)", &layers, 0, 4096 },
        { OPT_INT64, "--seed", "N", "same seed, same file", &seed, 0, 0 },
        OPT_STANDARD,
    };
    char notes[3000];
    kernels_init(&s.kernels, cpu_detect());
    write_notes(notes, sizeof notes, &s.kernels);
    const struct command command = {
        .name = "infer-synth",
        .about = "write a model of a real shape with random weights, to measure speed and memory",
        .usage = "[options] SHAPE TYPE OUT.gguf",
        .examples = "  infer-synth tinyllama-1.1b q4_0 /tmp/tinyllama.gguf\n"
                    "  infer-synth qwen3-30b-a3b q4_k_m /tmp/part.gguf --layers 4\n"
                    "  infer-synth Some-Model/config.json f16 /tmp/some.gguf\n",
        .notes = notes,
        .rows = rows,
        .n_rows = sizeof rows / sizeof *rows,
        .operands = operands,
        .max_operands = 3,
        .min_operands = 3,
    };
    const enum options_result result = options_parse(&command, argc, argv);
    if (result != OPTIONS_RUN)
        return result == OPTIONS_DONE ? 0 : EXIT_USAGE;
    if (!is_shape(operands[0]))
        return options_complain(&command, "there is no shape \"%s\"; --help lists them", operands[0]);
    s.type = type_of(&s.kernels, operands[1]);
    s.mix = s.type == DTYPE_COUNT ? mix_find(operands[1]) : NULL;
    if (s.type == DTYPE_COUNT && !s.mix)
        return options_complain(&command, "there is no type \"%s\"; --help lists them", operands[1]);
    s.shape = operands[0];
    s.path = operands[2];
    s.n_layer = (uint32_t)layers;
    s.random = (uint64_t)seed;
    const infer_status status = write_model(&s);
    if (status != INFER_OK)
        report_failure("infer-synth", &s.err);
    plan_close(&s.plan);
    return status != INFER_OK;
}
