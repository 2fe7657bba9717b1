/* convert.c - tensors and numbers of a Hugging Face directory under the names that GGUF has for them. Both names of
 * everything stand in the tables of src/arch, so a family that the library knows needs no code here. */
#include "src/convert/convert.h"

#include "kernels/kernels.h"
#include "src/arch/arch.h"
#include "src/engine/rope.h"
#include "src/formats/weights.h"
#include "src/tokenizer/parts.h"

#include <stdio.h>

struct converting {
    struct conversion *c;
    const struct weights *hf;
    struct hparams h;
    bool *used; /* tensors of the original that have a place in the file */
    size_t n_orders;
    infer_error *err;
};

/* A family without a name of its own has the tensors of this one. */
static const char *gguf_name(const struct hparams *h)
{
    return h->arch->gguf ? h->arch->gguf : "llama";
}

/* ---- Numbers ---- */

static bool is_scaled(const struct hparams *h)
{
    return h->rope.scaling == SCALING_LINEAR || h->rope.scaling == SCALING_YARN;
}

/* Numbers that say nothing are left out: none of them may be 0. */
static bool is_said(const struct hparams *h, const struct arch_number *n)
{
    if (!n->key || (n->is_float ? n->real == 0 : n->whole == 0))
        return false;
    if (!strncmp(n->key, "rope.scaling.yarn", 17) || !strcmp(n->key, "rope.scaling.original_context_length"))
        return h->rope.scaling == SCALING_YARN;
    return strncmp(n->key, "rope.scaling.", 13) != 0 || is_scaled(h);
}

infer_status convert_numbers(struct weights *gguf, const struct hparams *h, infer_error *err)
{
    const char *name = gguf_name(h);
    struct arch_number n;
    char key[128];
    infer_status status = convert_text(gguf, "general.architecture", text_of(name), err);
    if (status == INFER_OK)
        status = convert_text(gguf, "general.type", text_of("model"), err);
    for (size_t i = 0; status == INFER_OK && arch_number(h, i, &n); i++) {
        if (!is_said(h, &n))
            continue;
        snprintf(key, sizeof key, "%s.%s", name, n.key);
        status = n.is_float ? convert_f32(gguf, key, n.real, err) : convert_u32(gguf, key, n.whole, err);
    }
    if (status == INFER_OK && is_scaled(h)) {
        snprintf(key, sizeof key, "%s.rope.scaling.type", name);
        status = convert_text(gguf, key, text_of(h->rope.scaling == SCALING_YARN ? "yarn" : "linear"), err);
    }
    snprintf(key, sizeof key, "%s.vocab_size", name);
    return status == INFER_OK ? convert_u32(gguf, key, h->n_vocab, err) : status;
}

/* A file says of all layers at once whether they look back only so far. */
static infer_status check_windows(struct converting *k)
{
    uint32_t windowed = 0;
    for (uint32_t l = 0; l < k->h.n_layer; l++)
        windowed += arch_layer_windowed(&k->h, l);
    if (!windowed)
        k->h.window = 0;
    if (windowed && windowed < k->h.n_layer)
        return fail(k->err, INFER_E_UNKNOWN, "%s: %u of %u layers look back only %u tokens, which GGUF files of %s"
                    " models cannot say", k->hf->path, windowed, k->h.n_layer, k->h.window, gguf_name(&k->h));
    return INFER_OK;
}

/* ---- Tensors ---- */

static struct row_order order_of(const struct hparams *h, const struct tensor_spec *spec)
{
    const bool turns = h->arch->rope_gguf == ROPE_PAIRS && h->arch->rope_hf == ROPE_HALVES;
    const bool of_head = spec == &layer_tensors[ATTN_Q] || spec == &layer_tensors[ATTN_K] ||
                         spec == &layer_tensors[ATTN_Q_BIAS] || spec == &layer_tensors[ATTN_K_BIAS];
    return turns && of_head ? (struct row_order){ h->d_k, h->rope.n_rot } : (struct row_order){ 0, 0 };
}

/* A vector whose values are to stand in another order. */
static infer_status reorder(struct converting *k, struct tensor *t, struct row_order order)
{
    struct kernels kernels;
    kernels_init(&kernels, CPU_SCALAR);
    if (!kernels.dequantize[t->type])
        return fail(k->err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, which cannot be converted", k->hf->path,
                    t->name.p, dtype_name(t->type));
    float *from = arena_new(&k->c->gguf->arena, (size_t)t->ne[0], sizeof *from);
    float *to = arena_new(&k->c->gguf->arena, (size_t)t->ne[0], sizeof *to);
    if (!from || !to)
        return fail_memory(k->err, t->name.p);
    kernels.dequantize[t->type](from, t->data, (size_t)t->ne[0]);
    for (uint64_t i = 0; i < t->ne[0]; i++)
        to[i] = from[row_source(order, i)];
    t->type = DTYPE_F32;
    t->bytes = t->ne[0] * sizeof *to;
    t->data = to;
    return INFER_OK;
}

static infer_status add_tensor(struct converting *k, const struct tensor *from, const struct tensor_spec *spec,
                               const char *name)
{
    struct row_order order = order_of(&k->h, spec);
    struct tensor t = *from;
    k->used[from - k->hf->tensors] = true;
    if (order.head && spec->rows == DIM_ONE) {
        const infer_status status = reorder(k, &t, order);
        if (status != INFER_OK)
            return status;
        order.head = 0;
    }
    t.name = text_of(name);
    k->c->orders[k->n_orders++] = order;
    return weights_add_tensor(k->c->gguf, &t, k->err);
}

static infer_status check_shape(struct converting *k, const struct tensor *t, const struct tensor_spec *spec)
{
    if (spec == &model_tensors[TOKEN_EMBD])
        k->h.n_vocab = (uint32_t)(t->ne[1] < UINT32_MAX ? t->ne[1] : 0);
    const uint64_t rows = arch_dim(&k->h, spec->rows), cols = arch_dim(&k->h, spec->cols);
    if (t->ne[0] == cols && t->ne[1] == rows && t->ne[2] == 1 && t->ne[3] == 1 && rows && cols)
        return INFER_OK;
    return fail(k->err, INFER_E_FORMAT, "%s: tensor %s is %llu x %llu, expected %llu x %llu", k->hf->path, t->name.p,
                (unsigned long long)t->ne[1], (unsigned long long)t->ne[0], (unsigned long long)rows,
                (unsigned long long)cols);
}

/* The tensor of a role in a layer, if the model has it. */
static infer_status convert_tensor(struct converting *k, const struct tensor_spec *spec, uint32_t layer)
{
    const struct arch *arch = k->h.arch;
    const bool must = !spec->trait || (arch->must & spec->trait);
    char from[128], to[128];
    if (!spec->hf || !spec->gguf || !(must || (arch->may & spec->trait)) ||
        (spec->trait == TRAIT_OUTPUT && k->h.tied))
        return INFER_OK;
    snprintf(from, sizeof from, spec->hf, layer); /* the formats are ours, with at most one %u */
    snprintf(to, sizeof to, spec->gguf, layer);
    const struct tensor *t = weights_tensor(k->hf, text_of(from));
    if (!t)
        return !must ? INFER_OK : fail(k->err, INFER_E_FORMAT, "%s: tensor %s is missing, which a %s model needs",
                                       k->hf->path, from, k->h.name);
    const infer_status status = check_shape(k, t, spec);
    return status == INFER_OK ? add_tensor(k, t, spec, to) : status;
}

/* Llama 3.1's scaling of frequencies is a tensor of divisors in GGUF. */
static infer_status add_rope_divisors(struct converting *k)
{
    const struct tensor_spec *spec = &model_tensors[ROPE_FREQS];
    const uint32_t n = k->h.rope.n_rot / 2;
    struct rope plain = k->h.rope;
    float magnitude, *from = arena_new(&k->c->gguf->arena, n, sizeof *from);
    float *divisors = arena_new(&k->c->gguf->arena, n, sizeof *divisors);
    if (k->h.rope.scaling != SCALING_LLAMA3)
        return INFER_OK;
    if (!(k->h.arch->may & TRAIT_ROPE_FREQS))
        return fail(k->err, INFER_E_UNKNOWN, "%s: rope scaling \"llama3\", which GGUF files of %s models cannot say",
                    k->hf->path, gguf_name(&k->h));
    if (!from || !divisors)
        return fail_memory(k->err, "rope_freqs.weight");
    plain.scaling = SCALING_NONE;
    rope_frequencies(&plain, NULL, from, &magnitude);
    rope_frequencies(&k->h.rope, NULL, divisors, &magnitude);
    for (uint32_t i = 0; i < n; i++)
        divisors[i] = from[i] / divisors[i];
    const struct tensor t = { .name = text_of(spec->gguf), .type = DTYPE_F32, .n_dims = 1, .ne = { n, 1, 1, 1 },
                              .bytes = n * sizeof(float), .data = divisors };
    k->c->orders[k->n_orders++] = (struct row_order){ 0, 0 };
    return weights_add_tensor(k->c->gguf, &t, k->err);
}

/* Tensors that follow from others, or that the model does not use. */
static bool may_be_left(const struct converting *k, const struct tensor *t)
{
    return strstr(t->name.p, "rotary_emb.inv_freq") || (k->h.tied && text_is(t->name, model_tensors[OUTPUT].hf));
}

static infer_status convert_tensors(struct converting *k)
{
    infer_status status = convert_tensor(k, &model_tensors[TOKEN_EMBD], 0);
    if (status == INFER_OK)
        status = add_rope_divisors(k);
    for (uint32_t l = 0; l < k->h.n_layer && status == INFER_OK; l++)
        for (int role = 0; role < LAYER_ROLES && status == INFER_OK; role++)
            status = convert_tensor(k, &layer_tensors[role], l);
    for (int role = TOKEN_EMBD + 1; role < MODEL_ROLES && status == INFER_OK; role++)
        status = convert_tensor(k, &model_tensors[role], 0);
    for (size_t i = 0; i < k->hf->n_tensors && status == INFER_OK; i++)
        if (!k->used[i] && !may_be_left(k, &k->hf->tensors[i]))
            status = fail(k->err, INFER_E_UNKNOWN, "%s: tensor %s has no place in GGUF files of %s models", k->hf->path,
                          k->hf->tensors[i].name.p, gguf_name(&k->h));
    return status;
}

/* ---- All of it ---- */

/* The directory's name, unless config.json tells where it came from. */
static struct text model_name(const struct weights *hf)
{
    struct text name = { "", 0 };
    infer_error unused;
    if (meta_get_text(hf, "_name_or_path", &name, &unused) != META_FOUND || !name.n)
        name = text_of(hf->path);
    while (name.n > 1 && name.p[name.n - 1] == '/')
        name.n--;
    const char *slash = memrchr(name.p, '/', name.n);
    if (slash && slash + 1 < name.p + name.n) {
        name.n -= (size_t)(slash + 1 - name.p);
        name.p = slash + 1;
    }
    return name;
}

static infer_status convert_tokenizer(struct converting *k)
{
    if (!k->hf->tokenizer_json.p) {
        k->c->note = "there is no tokenizer.json: the file gets no vocabulary";
        return convert_text(k->c->gguf, "tokenizer.ggml.model", text_of("none"), k->err);
    }
    infer_tokenizer *t = tokenizer_open(k->hf->a, k->hf, k->err);
    if (!t)
        return k->err->code;
    const infer_status status = convert_vocabulary(k->c->gguf, t, k->h.n_vocab, &k->c->note, k->err);
    tokenizer_close(&t);
    return status == INFER_OK ? status : (fail_prefix(k->err, k->hf->path), status);
}

static infer_status convert_all(struct converting *k)
{
    struct weights *gguf = k->c->gguf;
    infer_status status = arch_read(&k->h, k->hf, &gguf->arena, k->err);
    if (status == INFER_OK && k->h.n_layer > k->hf->n_tensors)
        status = fail(k->err, INFER_E_FORMAT, "%s: %u layers are said to be there, but only %zu tensors are",
                      k->hf->path, k->h.n_layer, k->hf->n_tensors);
    if (status == INFER_OK)
        status = check_windows(k);
    if (status == INFER_OK)
        status = convert_tensors(k);
    if (status == INFER_OK)
        status = convert_numbers(gguf, &k->h, k->err);
    if (status == INFER_OK)
        status = convert_text(gguf, "general.name", model_name(k->hf), k->err);
    return status == INFER_OK ? convert_tokenizer(k) : status;
}

struct conversion *conversion_open(const infer_allocator *a, const struct weights *hf, infer_error *err)
{
    infer_error own;
    struct converting k = { .hf = hf, .err = err ? err : &own, .c = mem_new(a, 1, sizeof *k.c) };
    if (!k.c)
        return fail_memory(err, "a conversion"), NULL;
    k.c->gguf = weights_new(a, hf->path, WEIGHTS_GGUF, k.err);
    if (k.c->gguf) {
        k.c->orders = arena_new(&k.c->gguf->arena, hf->n_tensors + 1, sizeof *k.c->orders);
        k.used = arena_new(&k.c->gguf->arena, hf->n_tensors, sizeof *k.used);
        if (!k.c->orders || !k.used)
            fail_memory(k.err, "a conversion");
        else if (convert_all(&k) == INFER_OK)
            return k.c;
    }
    weights_close(&k.c->gguf);
    mem_free(a, k.c);
    return NULL;
}

void conversion_close(struct conversion **c)
{
    if (!*c)
        return;
    const infer_allocator *a = (*c)->gguf->a;
    weights_close(&(*c)->gguf);
    mem_free(a, *c);
    *c = NULL;
}
