/* model.c - opening and closing models, and what can be asked of them. */
#include "src/model/model.h"

#include "src/base/error.h"

#include <stdio.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Totals, and the type that most bytes of the weights have. */
static void sum_up(struct infer_model *m)
{
    uint64_t bytes_of[DTYPE_COUNT] = { 0 };
    int most = DTYPE_F32;
    for (size_t i = 0; i < m->weights->n_tensors; i++) {
        const struct tensor *t = &m->weights->tensors[i];
        m->bytes += t->bytes;
        m->n_params += t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        bytes_of[t->type] += t->bytes;
    }
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (bytes_of[i] > bytes_of[most])
            most = i;
    m->quantization = m->bytes ? dtype_name((uint64_t)most) : "none";
    struct text name;
    if (m->weights->format == WEIGHTS_GGUF && meta_get_text(m->weights, "general.name", &name, NULL) == META_FOUND)
        m->name = arena_text(&m->arena, name.p, name.n);
    if (!m->name)
        m->name = base_name(m->weights->path);
}

static void log_unused(const struct infer_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->weights->n_tensors; i++)
        if (!m->used[i]) {
            context_log(m->context, INFER_LOG_DEBUG, "%s: tensor %s is not used", m->weights->path, m->weights->tensors[i].name.p);
            n++;
        }
    if (n)
        context_log(m->context, INFER_LOG_INFO, "%s: %zu of %zu tensors are not used by a %s model", m->weights->path, n,
                    m->weights->n_tensors, m->net.h.name);
}

/* Keys that could be meant to change what the model computes: a GGUF file's under its architecture's name, all of a
 * config.json. */
static void log_unread(const struct infer_model *m)
{
    const struct weights *w = m->weights;
    const char *prefix = w->format == WEIGHTS_GGUF ? m->net.h.arch->gguf : "";
    for (size_t i = 0; i < w->n_metas; i++)
        if (!strncmp(w->metas[i].key.p, prefix, strlen(prefix)) &&
            !atomic_load_explicit(&w->metas[i].read, memory_order_relaxed))
            context_log(m->context, INFER_LOG_DEBUG, "%s: the metadata's %s is not read", w->path, w->metas[i].key.p);
}

static infer_status open_tokenizer(struct infer_model *m, infer_error *err)
{
    infer_error why = { 0 };
    const bool there = m->files->format == WEIGHTS_HF ? m->files->tokenizer_json.p != NULL
                                                        : weights_meta(m->files, "tokenizer.ggml.model") != NULL;
    if (there)
        m->tokenizer = tokenizer_open(&m->context->a, m->files, &why);
    if (there && !m->tokenizer && why.code != INFER_E_UNKNOWN) {
        if (err)
            *err = why;
        return why.code;
    }
    if (!m->tokenizer)
        context_log(m->context, INFER_LOG_WARN, "%s: no tokenizer: %s", m->weights->path, there ? why.message : "the files hold no vocabulary");
    return INFER_OK;
}

infer_status model_read_options(infer_model_options *o, const infer_model_options *given, infer_error *err)
{
    *o = infer_model_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "model options: size is %zu; start from infer_model_defaults()", given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    return INFER_OK;
}

/* What the files hold, as a network and a tokenizer. */
static infer_status understand(struct infer_model *m, bool inspect, infer_error *err)
{
    m->used = arena_new(&m->arena, m->weights->n_tensors, sizeof *m->used);
    if (!m->used)
        return fail_memory(err, "the model");
    sum_up(m);
    infer_status status = model_bind(m, err);
    m->runnable = status == INFER_OK;
    if (status != INFER_OK && !(inspect && status != INFER_E_NOMEM))
        return status;
    if (m->runnable) {
        log_unused(m);
        log_unread(m);
    }
    status = open_tokenizer(m, err);
    return inspect && status != INFER_E_NOMEM ? INFER_OK : status;
}

static infer_status take_weights(struct infer_model *m, const infer_model_options *o, infer_error *err)
{
    return o->quantize && !o->inspect ? model_quantize(m, o, err) : originals_open(&m->originals, m->weights, err);
}

/* Of a model that is only looked at, no weight is made. */
static infer_status make_originals(struct infer_model *m, const infer_model_options *o, infer_error *err)
{
    uint64_t bytes[DTYPE_COUNT] = { 0 };
    for (size_t i = 0; m->originals && i < m->weights->n_tensors; i++)
        if (m->weights->tensors[i].made_of)
            bytes[m->weights->tensors[i].type] += m->weights->tensors[i].bytes;
    for (int type = 0; type < DTYPE_COUNT; type++)
        if (bytes[type])
            context_log(m->context, INFER_LOG_INFO, "%s: quantised matrices become %.1f MB of %s in memory",
                        m->weights->path, (double)bytes[type] / 1e6, dtype_name((uint64_t)type));
    m->made = !o->inspect;
    return m->made ? originals_make(m->originals, m->context->pool, o->on_read, o->user, err) : INFER_OK;
}

/* Takes over the weights, which may be NULL (err is filled then). */
static infer_model *make_model(infer_context *c, struct weights *w, const infer_model_options *given, infer_error *err)
{
    infer_model_options o;
    if (!w)
        return NULL;
    infer_model *m = mem_new(&c->a, 1, sizeof *m);
    if (!m) {
        weights_close(&w);
        return fail_memory(err, "the model"), NULL;
    }
    m->context = context_retain(c);
    m->files = m->weights = w;
    atomic_init(&m->n_owners, 1);
    atomic_init(&m->work_bytes, 0);
    arena_init(&m->arena, &c->a);
    kv_pools_init(&m->kv_pools);
    if (model_read_options(&o, given, err) != INFER_OK || take_weights(m, &o, err) != INFER_OK ||
        understand(m, o.inspect, err) != INFER_OK || make_originals(m, &o, err) != INFER_OK ||
        model_load(m, &o, err) != INFER_OK)
        infer_model_close(&m);
    return m;
}

infer_model *infer_model_open(infer_context *c, const char *path, const infer_model_options *o, infer_error *err)
{
    if (!c || !path)
        return fail_null(err, INFER_E_ARGUMENT, "a model needs a context and a path");
    return make_model(c, weights_open(&c->a, path, err), o, err);
}

infer_model *infer_model_open_memory(infer_context *c, const void *data, size_t size, const infer_model_options *o,
                                     infer_error *err)
{
    if (!c || !data || (uintptr_t)data % 32)
        return fail_null(err, INFER_E_ARGUMENT, "a model in memory needs a context and data aligned to 32 bytes");
    return make_model(c, weights_open_memory(&c->a, data, size, "model in memory", err), o, err);
}

infer_model *infer_model_retain(infer_model *m)
{
    atomic_fetch_add(&m->n_owners, 1);
    return m;
}

void infer_model_close(infer_model **model)
{
    infer_model *m = *model;
    *model = NULL;
    if (!m || atomic_fetch_sub(&m->n_owners, 1) > 1)
        return;
    infer_context *c = m->context;
    kv_pools_free(&m->kv_pools);
    tokenizer_close(&m->tokenizer);
    originals_close(&m->originals);
    model_quantize_close(m);
    weights_close(&m->files);
    arena_free(&m->arena);
    mem_free(&c->a, m);
    infer_context_close(&c);
}

uint64_t model_bytes(struct infer_model *m)
{
    uint64_t bytes = m->arena.bytes + m->weights->arena.bytes + kv_pools_bytes(&m->kv_pools) +
                     atomic_load(&m->work_bytes);
    bytes += m->n_quantised || m->originals ? m->bytes : 0; /* made in memory: nearly all tensors */
    for (size_t i = 0; i < m->files->n_maps; i++)
        bytes += m->files->maps[i].size;
    return bytes;
}

const infer_tokenizer *infer_model_tokenizer(const infer_model *m)
{
    return m->tokenizer;
}

void infer_model_get_info(const infer_model *m, infer_model_info *info)
{
    const struct hparams *h = &m->net.h;
    const infer_model_info full = {
        .size = info->size,
        .architecture = h->name ? h->name : "",
        .name = m->name,
        .format = m->files->format == WEIGHTS_GGUF ? "GGUF" : "SafeTensors",
        .quantization = m->quantization,
        .n_vocab = (int32_t)h->n_vocab,
        .n_embd = (int32_t)h->n_embd,
        .n_layer = (int32_t)h->n_layer,
        .n_head = (int32_t)h->n_head,
        .n_head_kv = (int32_t)h->n_head_kv,
        .n_ctx_train = (int32_t)h->n_ctx_train,
        .encoder = h->arch && arch_has(h, TRAIT_ENCODER),
        .runnable = m->runnable,
        .n_params = m->n_params,
        .bytes = m->bytes,
        .kv_bytes_per_token = kv_token_bytes(h, DTYPE_F16, DTYPE_F16),
    };
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}

bool infer_model_tensor(const infer_model *m, size_t index, infer_tensor_info *info)
{
    if (index >= m->weights->n_tensors)
        return false;
    const struct tensor *t = &m->weights->tensors[index];
    const infer_tensor_info full = {
        .size = info->size,
        .name = t->name.p,
        .type = dtype_name(t->type),
        .n_dims = t->n_dims,
        .dims = { t->ne[0], t->ne[1], t->ne[2], t->ne[3] },
        .bytes = t->bytes,
        .data = t->data,
        .used = m->used[index],
        .made_of = t->made_of,
    };
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
    return true;
}
