/* arch.c - from a file's metadata to the model's numbers. */
#include "src/arch/arch.h"

#include "src/base/error.h"

#include <stdio.h>

enum { MAX_LAYERS = 4096, MAX_WIDTH = 1 << 24 };

/* ---- Numbers by key ---- */

/* Where the two formats keep a number. "A|B": the first of them that is there. GGUF keys follow after "NAME.". */
struct field {
    const char *gguf, *hf;
    size_t offset;
    bool is_float, required;
    double fallback;
};
#define AT(member) offsetof(struct hparams, member)
static const struct field fields[] = {
    { "embedding_length", "hidden_size", AT(n_embd), false, true, 0 },
    { "block_count", "num_hidden_layers", AT(n_layer), false, true, 0 },
    { "attention.head_count", "num_attention_heads", AT(n_head), false, true, 0 },
    { "attention.head_count_kv", "num_key_value_heads", AT(n_head_kv), false, false, 0 },
    { "attention.key_length", "head_dim", AT(d_k), false, false, 0 },
    { "attention.value_length", "head_dim", AT(d_v), false, false, 0 },
    { "feed_forward_length", "intermediate_size", AT(n_ff), false, true, 0 },
    { "context_length", "max_position_embeddings", AT(n_ctx_train), false, true, 0 },
    { "attention.sliding_window", "sliding_window", AT(window), false, false, 0 },
    { "attention.layer_norm_rms_epsilon", "rms_norm_eps", AT(eps), true, true, 0 },
    { "rope.dimension_count", NULL, AT(rope.n_rot), false, false, 0 },
    { "rope.freq_base", "rope_theta|rope_parameters.rope_theta", AT(rope.base), true, false, 10000 },
    { "rope.scaling.factor", "rope_scaling.factor|rope_parameters.factor", AT(rope.factor), true, false, 1 },
    { "rope.scaling.original_context_length",
      "rope_scaling.original_max_position_embeddings|rope_parameters.original_max_position_embeddings|"
      "original_max_position_embeddings", AT(rope.n_ctx_original), false, false, 0 },
    { NULL, "rope_scaling.low_freq_factor|rope_parameters.low_freq_factor", AT(rope.low_freq_factor), true, false, 1 },
    { NULL, "rope_scaling.high_freq_factor|rope_parameters.high_freq_factor", AT(rope.high_freq_factor), true, false, 4 },
    { "rope.scaling.yarn_beta_fast", "rope_scaling.beta_fast|rope_parameters.beta_fast", AT(rope.beta_fast), true, false, 32 },
    { "rope.scaling.yarn_beta_slow", "rope_scaling.beta_slow|rope_parameters.beta_slow", AT(rope.beta_slow), true, false, 1 },
    { "rope.scaling.attn_factor", "rope_scaling.attention_factor|rope_parameters.attention_factor",
      AT(rope.attention_factor), true, false, 0 },
};

enum { MAX_KEY = 160 };

/* The next key of an "A|B" list, as it stands in the file; false after the last. */
static bool next_key(const char **list, const char *prefix, char key[MAX_KEY])
{
    if (!*list || !**list)
        return false;
    const size_t n = strcspn(*list, "|");
    const int written = snprintf(key, MAX_KEY, "%s%s%.*s", prefix, *prefix ? "." : "", (int)n, *list);
    *list += n + ((*list)[n] == '|');
    return written > 0 && written < MAX_KEY;
}

static infer_status read_field(struct hparams *h, const struct weights *w, const struct field *f, const char *prefix,
                               infer_error *err)
{
    const char *list = w->format == WEIGHTS_GGUF ? f->gguf : f->hf;
    void *at = (char *)h + f->offset;
    float real = (float)f->fallback;
    uint32_t whole = (uint32_t)f->fallback;
    enum meta_result result = META_ABSENT;
    char key[MAX_KEY] = "";
    while (result == META_ABSENT && next_key(&list, prefix, key))
        result = f->is_float ? meta_get_f32(w, key, &real, err) : meta_get_u32(w, key, &whole, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_ABSENT && f->required)
        return fail(err, INFER_E_FORMAT, "%s: the metadata has no %s, which a %s model needs", w->path, key, h->name);
    if (f->is_float)
        memcpy(at, &real, sizeof real);
    else
        memcpy(at, &whole, sizeof whole);
    return INFER_OK;
}

bool arch_number(const struct hparams *h, size_t i, struct arch_number *number)
{
    if (i >= sizeof fields / sizeof *fields)
        return false;
    const void *at = (const char *)h + fields[i].offset;
    *number = (struct arch_number){ .key = fields[i].gguf, .is_float = fields[i].is_float };
    if (number->is_float)
        memcpy(&number->real, at, sizeof number->real);
    else
        memcpy(&number->whole, at, sizeof number->whole);
    return true;
}

static enum meta_result read_text(const struct weights *w, const char *list, const char *prefix, struct text *value,
                                  infer_error *err)
{
    enum meta_result result = META_ABSENT;
    char key[MAX_KEY];
    while (result == META_ABSENT && next_key(&list, prefix, key))
        result = meta_get_text(w, key, value, err);
    return result;
}

/* ---- Row ---- */

static void list_known(char *text, size_t room, bool gguf)
{
    size_t used = 0;
    const struct arch *row;
    for (size_t i = 0; (row = arch_row(i)) && used < room; i++) {
        const char *name = gguf ? row->gguf : row->hf;
        if (name)
            used += (size_t)snprintf(text + used, room - used, "%s%s", used ? ", " : "", name);
    }
}

static infer_status find_row(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    const bool gguf = w->format == WEIGHTS_GGUF;
    const char *key = gguf ? "general.architecture" : "model_type";
    struct text name;
    const enum meta_result result = meta_get_text(w, key, &name, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_ABSENT)
        return fail(err, INFER_E_FORMAT, "%s: the metadata has no %s", w->path, key);
    h->name = arena_text(arena, name.p, name.n);
    if (!h->name)
        return fail_memory(err, "the architecture's name");
    const struct arch *row;
    for (size_t i = 0; (row = arch_row(i)); i++)
        if ((gguf ? row->gguf : row->hf) && text_is(name, gguf ? row->gguf : row->hf)) {
            h->arch = row;
            return INFER_OK;
        }
    char known[200] = "";
    list_known(known, sizeof known, gguf);
    return fail(err, INFER_E_UNKNOWN, "%s: architecture \"%.60s\" is not known; known are %s", w->path, h->name, known);
}

/* ---- Rope ---- */

static infer_status read_rope(struct hparams *h, const struct weights *w, infer_error *err)
{
    static const struct {
        const char *name;
        enum rope_scaling scaling;
    } kinds[] = {
        { "none", SCALING_NONE },     { "default", SCALING_NONE }, { "linear", SCALING_LINEAR },
        { "llama3", SCALING_LLAMA3 }, { "yarn", SCALING_YARN },
    };
    const bool gguf = w->format == WEIGHTS_GGUF;
    struct rope *r = &h->rope;
    r->kind = gguf ? h->arch->rope_gguf : h->arch->rope_hf;
    r->scaling = SCALING_NONE;
    struct text name;
    const enum meta_result result = read_text(
        w, gguf ? "rope.scaling.type" : "rope_scaling.rope_type|rope_scaling.type|rope_parameters.rope_type",
        gguf ? h->arch->gguf : "", &name, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_ABSENT)
        return INFER_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (text_is(name, kinds[i].name)) {
            r->scaling = kinds[i].scaling;
            return INFER_OK;
        }
    return fail(err, INFER_E_UNKNOWN, "%s: rope scaling \"%.*s\" is not known; known are linear, llama3, yarn", w->path,
                (int)(name.n < 60 ? name.n : 60), name.p);
}

static infer_status check_rope(const struct hparams *h, const char *path, infer_error *err)
{
    const struct rope *r = &h->rope;
    if (!r->n_rot || r->n_rot % 2 || r->n_rot > h->d_k)
        return fail(err, INFER_E_FORMAT, "%s: rope rotates %u values of a head, expected an even number up to %u", path,
                    r->n_rot, h->d_k);
    if (!(r->base > 1 && r->base < 1e15f) || !(r->factor > 0 && r->factor < 1e9f))
        return fail(err, INFER_E_FORMAT, "%s: rope base %g and factor %g, expected base > 1 and factor > 0", path,
                    (double)r->base, (double)r->factor);
    if (!(r->high_freq_factor > r->low_freq_factor && r->low_freq_factor > 0) || !(r->beta_fast > 0 && r->beta_slow > 0))
        return fail(err, INFER_E_FORMAT, "%s: rope scaling: low and high frequency factors %g, %g, yarn betas %g, %g", path,
                    (double)r->low_freq_factor, (double)r->high_freq_factor, (double)r->beta_fast, (double)r->beta_slow);
    return INFER_OK;
}

/* ---- Windows ---- */

/* Which layers look back only `window` tokens. Newer config.json files say it layer by layer; qwen's older ones switch
 * windows on by a flag, from a layer on. */
static infer_status read_windows(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    bool use = true;
    uint32_t first = 0;
    if (meta_get_bool(w, "use_sliding_window", &use, err) == META_WRONG ||
        (use && meta_get_u32(w, "max_window_layers", &first, err) == META_WRONG))
        return INFER_E_FORMAT;
    if (!use)
        h->window = 0;
    h->first_windowed = first;
    const struct meta *types = weights_meta(w, "layer_types");
    if (!h->window || !types)
        return INFER_OK;
    if (types->type != META_ARRAY || types->element != META_STRING || types->n != h->n_layer)
        return fail(err, INFER_E_FORMAT, "%s: layer_types does not name a kind for each of %u layers", w->path, h->n_layer);
    struct text *names = arena_new(arena, h->n_layer, sizeof *names);
    uint8_t *windowed = arena_new(arena, h->n_layer, 1);
    if (!names || !windowed)
        return fail_memory(err, "layer_types");
    meta_strings(types, names);
    for (uint32_t i = 0; i < h->n_layer; i++) {
        windowed[i] = text_is(names[i], "sliding_attention");
        if (!windowed[i] && !text_is(names[i], "full_attention"))
            return fail(err, INFER_E_UNKNOWN, "%s: layer_types[%u] is \"%.*s\", known are full_attention and sliding_attention",
                        w->path, i, (int)(names[i].n < 60 ? names[i].n : 60), names[i].p);
    }
    h->layer_windowed = windowed;
    return INFER_OK;
}

bool arch_layer_windowed(const struct hparams *h, uint32_t layer)
{
    if (!h->window)
        return false;
    return h->layer_windowed ? h->layer_windowed[layer] : layer >= h->first_windowed;
}

/* ---- All of it ---- */

static infer_status check_widths(const struct hparams *h, const char *path, infer_error *err)
{
    const struct {
        const char *what;
        uint32_t value, most;
    } widths[] = {
        { "the hidden width", h->n_embd, MAX_WIDTH },     { "the number of layers", h->n_layer, MAX_LAYERS },
        { "the number of heads", h->n_head, MAX_WIDTH },  { "the number of KV heads", h->n_head_kv, MAX_WIDTH },
        { "the width of a key", h->d_k, 1 << 14 },        { "the width of a value", h->d_v, 1 << 14 },
        { "the feed-forward width", h->n_ff, MAX_WIDTH }, { "the context length", h->n_ctx_train, 1 << 30 },
    };
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (!widths[i].value || widths[i].value > widths[i].most)
            return fail(err, INFER_E_FORMAT, "%s: %s is %u, expected 1 to %u", path, widths[i].what, widths[i].value,
                        widths[i].most);
    if (h->n_head % h->n_head_kv)
        return fail(err, INFER_E_FORMAT, "%s: %u heads are no multiple of %u KV heads", path, h->n_head, h->n_head_kv);
    if ((uint64_t)h->n_head * h->d_k > MAX_WIDTH || (uint64_t)h->n_head * h->d_v > MAX_WIDTH)
        return fail(err, INFER_E_FORMAT, "%s: %u heads of %u and %u values are too wide", path, h->n_head, h->d_k, h->d_v);
    if (!(h->eps >= 0 && h->eps < 1))
        return fail(err, INFER_E_FORMAT, "%s: the norm's epsilon is %g, expected 0 to 1", path, (double)h->eps);
    return INFER_OK;
}

/* Numbers that a file may leave out follow from others. */
static void fill_in(struct hparams *h)
{
    if (!h->n_head_kv)
        h->n_head_kv = h->n_head;
    if (!h->d_k && h->n_head)
        h->d_k = h->n_embd / h->n_head;
    if (!h->d_v)
        h->d_v = h->d_k;
    if (!h->rope.n_rot)
        h->rope.n_rot = h->d_k;
    if (!h->rope.n_ctx_original)
        h->rope.n_ctx_original = h->n_ctx_train;
}

infer_status arch_read(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    *h = (struct hparams){ 0 };
    infer_status status = find_row(h, w, arena, err);
    const char *prefix = w->format == WEIGHTS_GGUF && status == INFER_OK ? h->arch->gguf : "";
    for (size_t i = 0; status == INFER_OK && i < sizeof fields / sizeof *fields; i++)
        status = read_field(h, w, &fields[i], prefix, err);
    if (status != INFER_OK)
        return status;
    fill_in(h);
    if ((status = check_widths(h, w->path, err)) != INFER_OK || (status = read_rope(h, w, err)) != INFER_OK ||
        (status = check_rope(h, w->path, err)) != INFER_OK || (status = read_windows(h, w, arena, err)) != INFER_OK)
        return status;
    if (meta_get_bool(w, "tie_word_embeddings", &h->tied, err) == META_WRONG)
        return INFER_E_FORMAT;
    return INFER_OK;
}

uint64_t arch_dim(const struct hparams *h, enum dim dim)
{
    switch (dim) {
    case DIM_ONE: return 1;
    case DIM_VOCAB: return h->n_vocab;
    case DIM_EMBD: return h->n_embd;
    case DIM_Q: return (uint64_t)h->n_head * h->d_k;
    case DIM_K: return (uint64_t)h->n_head_kv * h->d_k;
    case DIM_V: return (uint64_t)h->n_head_kv * h->d_v;
    case DIM_OUT: return (uint64_t)h->n_head * h->d_v;
    case DIM_HEAD: return h->d_k;
    case DIM_HALF_ROT: return h->rope.n_rot / 2;
    case DIM_FF: return h->n_ff;
    case DIM_COUNT: break;
    }
    return 0;
}
