/* infer-synth.c - write a model of a real shape with random weights: speed, loading and memory do not depend on what the
 * weights say. It needs the kernels beside infer.h: their dequantisers tell how large random blocks come out. */
#include "infer.h"
#include "kernels/kernels.h"
#include "tools/common/failure.h"
#include "tools/common/gguf_write.h"
#include "tools/common/options.h"
#include "tools/common/random_blocks.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct shape {
    const char *name, *arch;
    uint32_t n_layer, n_embd, n_head, n_head_kv, d_k, n_ff, n_vocab, n_ctx;
    float rope_base, eps;
    bool tied, qkv_bias, qk_norm;
};

/* From the config.json that the makers published. */
static const struct shape shapes[] = {
    { "tiny", "llama", 2, 32, 1, 1, 32, 64, 100, 128, 1e4f, 1e-5f, false, false, false },
    { "tinyllama-1.1b", "llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 1e4f, 1e-5f, false, false, false },
    { "llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 5e5f, 1e-5f, true, false, false },
    { "llama-3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, 5e5f, 1e-5f, true, false, false },
    { "llama-3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 5e5f, 1e-5f, false, false, false },
    { "llama-2-7b", "llama", 32, 4096, 32, 32, 128, 11008, 32000, 4096, 1e4f, 1e-5f, false, false, false },
    { "llama-2-13b", "llama", 40, 5120, 40, 40, 128, 13824, 32000, 4096, 1e4f, 1e-5f, false, false, false },
    { "mistral-7b", "llama", 32, 4096, 32, 8, 128, 14336, 32000, 32768, 1e4f, 1e-5f, false, false, false },
    { "qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1e6f, 1e-6f, true, true, false },
    { "qwen2.5-7b", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 32768, 1e6f, 1e-6f, false, true, false },
    { "qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6f, 1e-6f, true, false, true },
    { "qwen3-8b", "qwen3", 36, 4096, 32, 8, 128, 12288, 151936, 40960, 1e6f, 1e-6f, false, false, true },
};

/* ---- Vocabulary: SentencePiece as Llama 2 has it: three control tokens, 256 bytes, then made-up words ---- */

static void write_vocabulary(struct gguf_writer *w, uint32_t n)
{
    enum { FIRST_WORD = 3 + 256 };
    char(*text)[16] = calloc(n, sizeof *text);
    const char **tokens = calloc(n, sizeof *tokens);
    float *scores = calloc(n, sizeof *scores);
    int32_t *types = calloc(n, sizeof *types);
    static const char *const control[] = { "<unk>", "<s>", "</s>" };
    for (uint32_t i = 0; text && tokens && scores && types && i < n; i++) {
        tokens[i] = text[i];
        types[i] = i == 0 ? 2 : i < 3 ? 3 : i < FIRST_WORD ? 6 : 1; /* unknown, control, byte, normal */
        scores[i] = i < FIRST_WORD ? 0 : -(float)(i - FIRST_WORD);
        if (i < 3)
            strcpy(text[i], control[i]);
        else if (i < FIRST_WORD)
            snprintf(text[i], sizeof *text, "<0x%02X>", i - 3);
        else { /* syllables: the number in base 100, a consonant and a vowel a digit, after a space */
            size_t at = (size_t)snprintf(text[i], sizeof *text, "\xe2\x96\x81");
            for (uint32_t v = i - FIRST_WORD + 1; v; v /= 100)
                at += (size_t)snprintf(text[i] + at, sizeof *text - at, "%c%c", "bcdfghjklmnpqrstvwxz"[v % 100 / 5], "aeiou"[v % 5]);
        }
    }
    if (text && tokens && scores && types) {
        gguf_text(w, "tokenizer.ggml.model", "llama");
        gguf_texts(w, "tokenizer.ggml.tokens", tokens, n);
        gguf_f32s(w, "tokenizer.ggml.scores", scores, n);
        gguf_i32s(w, "tokenizer.ggml.token_type", types, n);
        gguf_u32(w, "tokenizer.ggml.bos_token_id", 1);
        gguf_u32(w, "tokenizer.ggml.eos_token_id", 2);
        gguf_bool(w, "tokenizer.ggml.add_bos_token", true);
    }
    free(text);
    free(tokens);
    free(scores);
    free(types);
}

/* ---- Tensors ---- */

struct plan {
    enum dtype type;
    bool is_norm;
    uint64_t dims[2];
};

struct synth {
    const struct shape *shape;
    struct gguf_writer *w;
    enum dtype type;
    struct plan *plan;
    size_t n_plan;
    uint64_t random; /* state of the random numbers */
};

static void announce(struct synth *s, const char *format, uint32_t layer, enum dtype type, uint64_t cols, uint64_t rows)
{
    char name[64];
    snprintf(name, sizeof name, format, layer);
    const uint64_t dims[2] = { cols, rows };
    gguf_tensor(s->w, name, type, rows ? 2 : 1, dims);
    s->plan[s->n_plan++] = (struct plan){ type, strstr(name, "norm") != NULL, { cols, rows ? rows : 1 } };
}

static void announce_layer(struct synth *s, uint32_t l)
{
    const struct shape *h = s->shape;
    const uint32_t q = h->n_head * h->d_k, kv = h->n_head_kv * h->d_k;
    announce(s, "blk.%u.attn_norm.weight", l, DTYPE_F32, h->n_embd, 0);
    announce(s, "blk.%u.attn_q.weight", l, s->type, h->n_embd, q);
    announce(s, "blk.%u.attn_k.weight", l, s->type, h->n_embd, kv);
    announce(s, "blk.%u.attn_v.weight", l, s->type, h->n_embd, kv);
    announce(s, "blk.%u.attn_output.weight", l, s->type, q, h->n_embd);
    if (h->qkv_bias) {
        announce(s, "blk.%u.attn_q.bias", l, DTYPE_F32, q, 0);
        announce(s, "blk.%u.attn_k.bias", l, DTYPE_F32, kv, 0);
        announce(s, "blk.%u.attn_v.bias", l, DTYPE_F32, kv, 0);
    }
    if (h->qk_norm) {
        announce(s, "blk.%u.attn_q_norm.weight", l, DTYPE_F32, h->d_k, 0);
        announce(s, "blk.%u.attn_k_norm.weight", l, DTYPE_F32, h->d_k, 0);
    }
    announce(s, "blk.%u.ffn_norm.weight", l, DTYPE_F32, h->n_embd, 0);
    announce(s, "blk.%u.ffn_gate.weight", l, s->type, h->n_embd, h->n_ff);
    announce(s, "blk.%u.ffn_up.weight", l, s->type, h->n_embd, h->n_ff);
    announce(s, "blk.%u.ffn_down.weight", l, s->type, h->n_ff, h->n_embd);
}

static void write_metadata(const struct synth *s, uint32_t n_layer)
{
    const struct shape *h = s->shape;
    const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {
        { "block_count", n_layer },       { "context_length", h->n_ctx },
        { "embedding_length", h->n_embd }, { "feed_forward_length", h->n_ff },
        { "attention.head_count", h->n_head }, { "attention.head_count_kv", h->n_head_kv },
        { "attention.key_length", h->d_k }, { "attention.value_length", h->d_k },
        { "rope.dimension_count", h->d_k }, { "vocab_size", h->n_vocab },
    };
    char key[80], name[80];
    snprintf(name, sizeof name, "%s, random weights", h->name);
    gguf_text(s->w, "general.architecture", h->arch);
    gguf_text(s->w, "general.name", name);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(key, sizeof key, "%s.%s", h->arch, numbers[i].key);
        gguf_u32(s->w, key, numbers[i].value);
    }
    snprintf(key, sizeof key, "%s.rope.freq_base", h->arch);
    gguf_f32(s->w, key, h->rope_base);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", h->arch);
    gguf_f32(s->w, key, h->eps);
    if (h->n_vocab >= 512)
        write_vocabulary(s->w, h->n_vocab);
}

static void write_tensor(struct synth *s, const struct kernels *k, const struct plan *p, uint8_t *row)
{
    uint64_t bytes;
    dtype_row_bytes(p->type, p->dims[0], &bytes);
    /* Norms near one, matrices that keep the size of what they multiply. */
    const float scale = p->is_norm ? 0 : random_blocks_scale(&s->random, k, p->type, 1 / sqrtf((float)p->dims[0]));
    for (uint64_t r = 0; r < p->dims[1]; r++) {
        if (p->is_norm)
            for (uint64_t i = 0; i < p->dims[0]; i++)
                memcpy(row + 4 * i, &(float){ 1 + 0.1f * random_uniform(&s->random) }, 4);
        else
            random_blocks(&s->random, row, bytes / dtype_info(p->type)->bytes, p->type, scale);
        gguf_data(s->w, row, bytes);
    }
}

static void show_progress(const char *path, uint64_t done, uint64_t all)
{
    static int last = -1;
    const int percent = (int)(done * 100 / all);
    if (percent != last && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: %3d %% of %.0f MB%s", path, percent, (double)all / 1e6, percent == 100 ? "\n" : "");
    last = percent;
}

static bool write_model(struct synth *s, uint32_t n_layer, const char *path)
{
    struct kernels k;
    kernels_init(&k, cpu_detect());
    if (!k.matmul[PRECISION_EXACT][s->type].dot) {
        fprintf(stderr, "infer-synth: there are no matrices of type %s\n", dtype_name(s->type));
        return false;
    }
    const struct shape *h = s->shape;
    const uint32_t widths[] = { h->n_embd, h->n_head * h->d_k, h->n_ff };
    uint32_t widest = 0;
    for (size_t i = 0; i < 3; i++) {
        widest = widths[i] > widest ? widths[i] : widest;
        if (widths[i] % dtype_info(s->type)->block) {
            fprintf(stderr, "infer-synth: rows of %u values are no whole blocks of %s (%u)\n", widths[i],
                    dtype_name(s->type), dtype_info(s->type)->block);
            return false;
        }
    }
    s->plan = calloc((size_t)n_layer * 14 + 3, sizeof *s->plan);
    uint8_t *row = calloc(widest, sizeof(double));
    s->w = gguf_create(path);
    bool good = s->plan && row && s->w;
    if (good) {
        write_metadata(s, n_layer);
        announce(s, "token_embd.weight", 0, s->type, h->n_embd, h->n_vocab);
        for (uint32_t l = 0; l < n_layer; l++)
            announce_layer(s, l);
        announce(s, "output_norm.weight", 0, DTYPE_F32, h->n_embd, 0);
        if (!h->tied)
            announce(s, "output.weight", 0, s->type, h->n_embd, h->n_vocab);
        uint64_t done = 0, bytes;
        for (size_t i = 0; i < s->n_plan; i++) {
            write_tensor(s, &k, &s->plan[i], row);
            dtype_row_bytes(s->plan[i].type, s->plan[i].dims[0], &bytes);
            show_progress(path, done += bytes * s->plan[i].dims[1], gguf_data_bytes(s->w));
        }
        infer_error err;
        good = gguf_finish(s->w, &err) == INFER_OK;
        if (!good)
            report_failure("infer-synth", &err);
    }
    free(row);
    free(s->plan);
    return good;
}

/* ---- Command line ---- */

static const struct shape *find_shape(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(shapes[i].name, name))
            return &shapes[i];
    return NULL;
}

static int find_type(const char *name)
{
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (dtype_info((uint64_t)i) && !strcasecmp(dtype_name((uint64_t)i), name))
            return i;
    return -1;
}

/* The shapes and types there are, for --help. */
static void write_notes(char *notes, size_t size)
{
    struct kernels k;
    kernels_init(&k, CPU_SCALAR);
    size_t used = (size_t)snprintf(notes, size, "Shapes:");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        used += (size_t)snprintf(notes + used, size - used, "%s%s", i % 5 ? ", " : "\n  ", shapes[i].name);
    used += (size_t)snprintf(notes + used, size - used, "\nTypes:");
    for (int type = 0, n = 0; type < DTYPE_COUNT; type++)
        if (k.matmul[PRECISION_EXACT][type].dot)
            used += (size_t)snprintf(notes + used, size - used, "%s%s", n++ % 10 ? ", " : "\n  ",
                                     dtype_name((uint64_t)type));
    snprintf(notes + used, size - used, "\n");
}

int main(int argc, char **argv)
{
    static int32_t layers;
    static int64_t seed = 1;
    static const char *operands[3];
    static const struct opt rows[] = {
        { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
        { OPT_INT, "--layers", "N", "write only the first N layers (default: all)", &layers, 0, 4096 },
        { OPT_INT64, "--seed", "N", "same seed, same file", &seed, 0, 0 },
        OPT_STANDARD,
    };
    char notes[1600];
    write_notes(notes, sizeof notes);
    const struct command command = {
        .name = "infer-synth",
        .about = "write a model of a real shape with random weights, to measure speed and memory",
        .usage = "[options] SHAPE TYPE OUT.gguf",
        .examples = "  infer-synth tinyllama-1.1b q4_0 /tmp/tinyllama.gguf\n"
                    "  infer-synth llama-2-7b q4_k /tmp/part.gguf --layers 4\n",
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
    const struct shape *shape = find_shape(operands[0]);
    const int type = find_type(operands[1]);
    if (!shape)
        return options_complain(&command, "there is no shape \"%s\"; --help lists them", operands[0]);
    if (type < 0)
        return options_complain(&command, "there is no type \"%s\"; --help lists them", operands[1]);
    struct synth s = { .shape = shape, .type = (enum dtype)type, .random = (uint64_t)seed };
    return write_model(&s, layers ? (uint32_t)layers : shape->n_layer, operands[2]) ? 0 : 1;
}
