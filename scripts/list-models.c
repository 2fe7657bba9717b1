/* list-models.c - docs/models.md from the table of architectures, and from the models that the tests compute. */
#include "src/arch/arch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define TINY "tests/data/tiny"

static const struct {
    uint64_t trait;
    const char *words;
} traits[] = {
    { TRAIT_ENCODER, "an encoder" },
    { TRAIT_EXPERTS, "mixture of experts" },
    { TRAIT_LATENT, "latent attention" },
    { TRAIT_QUERY_LATENT, "latent queries" },
    { TRAIT_SHARED_EXPERT, "a shared expert" },
    { TRAIT_SHARED_SWITCH, "which has a gate of its own" },
    { TRAIT_CHOICE_BIAS, "a bias in the choice of experts" },
    { TRAIT_EXPERT_BIAS, "biases of experts" },
    { TRAIT_CLAMPED_GATE, "clamped gate" },
    { TRAIT_SINKS, "attention sinks" },
    { TRAIT_QKV_BIAS, "biases of queries, keys and values" },
    { TRAIT_OUT_BIAS, "of attention's output" },
    { TRAIT_FFN_BIAS, "of the feed-forward network" },
    { TRAIT_OUTPUT_BIAS, "of the logits" },
    { TRAIT_WIDE_QK_NORM, "queries and keys normalised over all heads" },
    { TRAIT_QK_NORM, "queries and keys normalised" },
    { TRAIT_QK_NORM_LAST, "after the rotation" },
    { TRAIT_LAYER_NORM, "LayerNorm" },
    { TRAIT_PLAIN_NORM, "without weights" },
    { TRAIT_NORM_BIAS, "with bias" },
    { TRAIT_NO_PRE_NORM, "no norm before a block" },
    { TRAIT_BARE_FIRST, "none before the first" },
    { TRAIT_POST_NORM, "norms after attention and feed-forward network" },
    { TRAIT_STREAM_NORM, "norms of the residual stream after attention and feed-forward network" },
    { TRAIT_EMBD_NORM, "normalised embeddings" },
    { TRAIT_POSITIONS, "learned positions" },
    { TRAIT_PAD_POSITIONS, "which begin behind that of padding in checkpoints" },
    { TRAIT_TOKEN_TYPES, "token types" },
    { TRAIT_PARALLEL, "both read one norm" },
    { TRAIT_PARALLEL_NORMS, "both read the residual stream" },
    { TRAIT_ATTN_NORM_2, "attention under a norm of its own" },
    { TRAIT_NO_GATE, "no gate" },
    { TRAIT_TURNED, "checkpoints with the rows' axis last" },
    { TRAIT_FUSED_QKV, "fused QKV" },
    { TRAIT_FUSED_GATE_UP, "fused gate and up" },
    { TRAIT_ROPE_FREQS, "llama3 rope scaling" },
    { TRAIT_ROPE_FACTORS, "longrope" },
    { TRAIT_EMBD_SCALE, "scaled embeddings" },
    { TRAIT_LOGIT_DIVISOR, "multipliers" },
    { TRAIT_POOLER, "pooler" },
    { TRAIT_CLASSES, "scores of classes" },
    { TRAIT_PROJECTION, "vectors of tokens" },
};

/* Words with commas between them. */
static void put(bool *any, const char *words)
{
    printf("%s%s", *any ? ", " : "", words);
    *any = true;
}

static void put_traits(const struct arch *a, uint64_t set)
{
    static const char *const gatings[] = { NULL, "sigmoid scores", "SparseMixer" };
    static const char *const activations[] = { NULL, "GELU", "GELU (tanh)", "ReLU", "squared ReLU" };
    bool any = false;
    char period[64];
    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
        if ((set & traits[i].trait) && !(traits[i].trait == TRAIT_QK_NORM && (set & TRAIT_WIDE_QK_NORM)))
            put(&any, traits[i].words);
    if (set != a->must)
        return;
    if (gatings[a->gating])
        put(&any, gatings[a->gating]);
    if (activations[a->activation])
        put(&any, activations[a->activation]);
    snprintf(period, sizeof period, "windows but in each %u%s layer", a->window_period,
             a->window_period == 2 ? "nd" : "th");
    if (a->window_period)
        put(&any, period);
    snprintf(period, sizeof period, a->still_period == 1 ? "no rope" : "no rope in each %uth layer", a->still_period);
    if (a->still_period)
        put(&any, period);
    if (a->local_base > 0)
        put(&any, "two rope bases");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list_folders(char *names[256])
{
    DIR *directory = opendir(TINY);
    size_t n = 0;
    for (struct dirent *e; directory && n < 256 && (e = readdir(directory));)
        if (e->d_name[0] != '.' && e->d_type == DT_DIR)
            names[n++] = strdup(e->d_name);
    if (directory)
        closedir(directory);
    qsort(names, n, sizeof *names, by_name);
    return n;
}

/* Is a file or directory a model of this row? */
static bool is_of(const struct arch *row, const char *path)
{
    struct hparams h;
    struct arena arena;
    infer_error unused;
    struct weights *w = weights_open(&mem_default, path, &unused);
    arena_init(&arena, &mem_default);
    const bool is = w && arch_read(&h, w, &arena, &unused) == INFER_OK && h.arch == row;
    arena_free(&arena);
    if (w)
        weights_close(&w);
    return is;
}

static void put_proof(const struct arch *row, char *const names[], size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        char folder[300], file[320], words[320];
        snprintf(folder, sizeof folder, TINY "/%s", names[i]);
        snprintf(file, sizeof file, "%s/model.gguf", folder);
        const bool hf = is_of(row, folder), gguf = is_of(row, file);
        snprintf(words, sizeof words, "%s%s", names[i], hf && gguf ? "" : hf ? " (HF)" : " (GGUF)");
        if (hf || gguf)
            put(&any, words);
    }
}

int main(void)
{
    char *names[256];
    const size_t n = list_folders(names);
    const struct arch *a;
    printf(
        "# Models\n\n"
        "Written by `make models` from the table in `src/arch/rows.c`; do not edit. A family is a row there: what it "
        "is\n"
        "called in GGUF files and in a Hugging Face `config.json`, and which traits its models have. *Always* are "
        "those\n"
        "of every model of the family, *some* those that a model has if its tensors are there. Without a word on it a\n"
        "model has RMS norms before its blocks, SwiGLU, and rope in all layers.\n\n"
        "The proof is a small random model in `" TINY "`, whose logits, or an encoder's hidden states, were\n"
        "computed in float64 elsewhere (`make.py`, `make_encoders.py` and `make_families.py` there).\n`tests/reference` "
        "holds each to 2e-4 of their standard deviation, in both formats unless it says one, in every instruction\nset, "
        "and its greedy ids to the same. `tests/convert/test_llama_cpp.sh` holds llama.cpp to it, too, with what\n"
        "`infer-convert` writes of the directory; where the two differ, `tests/convert/known_limits.py` says why.\n"
        "Names that end in a size, in lite or in mini-2 are of models that have the shape of published ones.\n\n"
        "| family | GGUF | Hugging Face | always | some | proof |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; (a = arch_row(i)); i++) {
        printf("| %s | %s | ", a->family, a->gguf);
        for (const char *c = a->hf; *c; c++)
            printf("%.*s", *c == '|' ? 2 : 1, *c == '|' ? ", " : c);
        printf(" | ");
        put_traits(a, a->must);
        printf(" | ");
        put_traits(a, a->may & ~a->must);
        printf(" | ");
        put_proof(a, names, n);
        printf(" |\n");
    }
    printf("\nA model of another family is refused with a sentence that names it and the nearest known ones.\n"
           "`infer-synth` writes a model of any `config.json` of these families with random weights.\n");
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    return 0;
}
