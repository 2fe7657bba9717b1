/* session.c - one timeline of tokens: its cache, its work buffers, its logits. */
#include "src/base/error.h"
#include "src/engine/cpu/cpu.h"
#include "src/runtime/ahead.h"
#include "src/runtime/store.h"

enum { DEFAULT_CTX = 4096, DEFAULT_BATCH = 512, MAX_BATCH = 4096, MAX_CTX = 1 << 27, MAX_ENCODED = 1 << 14 };

/* ---- Opening and closing ---- */

static infer_status read_kv_type(infer_kv_type *type, const char *name, infer_precision precision, infer_error *err)
{
    if (*type != INFER_KV_DEFAULT && kv_dtype(*type) == DTYPE_COUNT)
        return fail(err, INFER_E_ARGUMENT, "session options: %s is %d, expected an infer_kv_type, 0 to %d", name,
                    (int)*type, INFER_KV_Q4_0);
    if (*type == INFER_KV_DEFAULT)
        *type = precision == INFER_EXACT ? INFER_KV_F32 : INFER_KV_F16;
    return INFER_OK;
}

static infer_status read_options(infer_session_options *o, const infer_session_options *given, const infer_model *m,
                                 infer_error *err)
{
    const struct hparams *h = &m->net.h;
    *o = infer_session_defaults();
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (!o->n_batch)
        o->n_batch = DEFAULT_BATCH;
    if (!o->n_ctx)
        o->n_ctx = h->n_ctx_train < DEFAULT_CTX ? (int32_t)h->n_ctx_train : DEFAULT_CTX;
    if (o->n_ctx < 1 || o->n_ctx > MAX_CTX)
        return fail(err, INFER_E_ARGUMENT, "session options: n_ctx is %d, expected 1 to %d", o->n_ctx, MAX_CTX);
    if (o->n_batch < 1 || o->n_batch > MAX_BATCH)
        return fail(err, INFER_E_ARGUMENT, "session options: n_batch is %d, expected 1 to %d", o->n_batch, MAX_BATCH);
    if (o->precision != INFER_FAST && o->precision != INFER_EXACT)
        return fail(err, INFER_E_ARGUMENT, "session options: precision is %d, expected INFER_FAST or INFER_EXACT", (int)o->precision);
    if (arch_has(h, TRAIT_POSITIONS) && (uint32_t)o->n_ctx > h->n_ctx_train)
        return fail(err, INFER_E_ARGUMENT, "session options: n_ctx is %d, but the model has positions for %u tokens",
                    o->n_ctx, h->n_ctx_train);
    if (arch_has(h, TRAIT_ENCODER) && o->n_ctx > MAX_ENCODED)
        return fail(err, INFER_E_ARGUMENT, "session options: n_ctx is %d, expected 1 to %d of an encoder", o->n_ctx,
                    MAX_ENCODED);
    if (o->n_batch > o->n_ctx || arch_has(h, TRAIT_ENCODER)) /* all tokens of a text see each other */
        o->n_batch = o->n_ctx;
    const infer_status status = read_kv_type(&o->kv_type_k, "kv_type_k", o->precision, err);
    return status == INFER_OK ? read_kv_type(&o->kv_type_v, "kv_type_v", o->precision, err) : status;
}

struct output *output_open(const struct infer_session *s, infer_error *err)
{
    struct output *o = mem_raw(&s->model->context->a, 1, sizeof *o + s->n_out * sizeof *o->values);
    if (!o)
        return fail_memory(err, "the session's logits"), NULL;
    atomic_init(&o->refs, 1);
    return o;
}

void output_release(const infer_allocator *a, struct output *o)
{
    if (o && atomic_fetch_sub(&o->refs, 1) == 1)
        mem_free(a, o);
}

static infer_status make_session(infer_session *s, const infer_session_options *o, infer_error *err)
{
    infer_model *m = s->model;
    struct kv_shape shape;
    s->n_ctx = (uint32_t)o->n_ctx;
    s->n_out = arch_output_width(&m->net.h);
    s->kv_type_k = o->kv_type_k;
    const infer_status status =
        kv_shape_init(&shape, &m->net.h, kv_dtype(o->kv_type_k), kv_dtype(o->kv_type_v), err);
    if (status != INFER_OK)
        return status;
    s->kv_type_v = shape.shared ? o->kv_type_k : o->kv_type_v;
    s->store = store_retain(o->store);
    struct kv_pool *pool = kv_pools_get(&m->kv_pools, &m->context->a, &m->net.h, &shape, err);
    const bool well = pool && (s->output = output_open(s, err)) && (s->history = history_open(pool, s->n_ctx, err)) &&
                      (s->workspace = workspace_open(m, &s->history->kv, (uint32_t)o->n_batch,
                                                     (enum precision)o->precision, o->deterministic, err));
    return well ? INFER_OK : INFER_E_NOMEM;
}

infer_session *infer_session_open(infer_model *m, const infer_session_options *options, infer_error *err)
{
    infer_session_options o;
    if (!m)
        return fail_null(err, INFER_E_ARGUMENT, "a session needs a model");
    if (!m->runnable || (m->originals && !m->made))
        return fail_null(err, INFER_E_ARGUMENT, "%s: the model was opened for inspection only", m->weights->path);
    return read_options(&o, options, m, err) == INFER_OK ? session_open(m, &o, err) : NULL;
}

infer_session *session_open(infer_model *m, const infer_session_options *o, infer_error *err)
{
    infer_session *s = mem_new(&m->context->a, 1, sizeof *s);
    if (!s)
        return fail_memory(err, "the session"), NULL;
    s->model = infer_model_retain(m);
    atomic_init(&s->cancel, false);
    if (make_session(s, o, err) != INFER_OK)
        infer_session_close(&s);
    return s;
}

infer_session *infer_session_fork(const infer_session *from, infer_error *err)
{
    infer_session *s = mem_new(&from->model->context->a, 1, sizeof *s);
    if (!s)
        return fail_memory(err, "the session"), NULL;
    s->model = infer_model_retain(from->model);
    s->kv_type_k = from->kv_type_k;
    s->kv_type_v = from->kv_type_v;
    s->workspace = workspace_retain(from->workspace);
    s->store = store_retain(from->store);
    s->history = history_retain(from->history);
    s->adapters = adapter_set_retain(from->adapters);
    s->output = from->output;
    atomic_fetch_add(&s->output->refs, 1);
    s->n_ctx = from->n_ctx;
    s->n_tokens = from->n_tokens;
    s->n_done = from->n_done;
    s->n_out = from->n_out;
    s->has_logits = from->has_logits;
    atomic_init(&s->cancel, false);
    return s;
}

void infer_session_close(infer_session **session)
{
    infer_session *s = *session;
    *session = NULL;
    if (!s)
        return;
    infer_model *m = s->model;
    const infer_allocator *a = &m->context->a;
    if (s->synced)
        session_publish(s);
    workspace_release(s->workspace);
    history_release(s->history);
    output_release(a, s->output);
    mem_free(a, s->ahead);
    infer_store_close(&s->store);
    adapter_set_release(s->adapters);
    mem_free(a, s);
    infer_model_close(&m);
}

void session_replace(infer_session *s, struct history *history, struct output *output, uint32_t n_tokens,
                     uint32_t n_done, bool has_logits)
{
    if (s->synced)
        session_publish(s);
    s->synced = false;
    s->n_offered = 0;
    ahead_forget(s);
    history_release(s->history);
    output_release(&s->model->context->a, s->output);
    s->history = history;
    s->output = output;
    s->n_tokens = n_tokens;
    s->n_done = n_done;
    s->has_logits = has_logits;
}

void session_forget(infer_session *s)
{
    if (s->synced)
        session_publish(s);
    s->synced = false;
    ahead_forget(s);
    s->n_done = 0;
    s->has_logits = false;
    if (atomic_load(&s->history->refs) == 1)
        kv_keep(&s->history->kv, 0);
}

infer_status session_intact(const infer_session *s, infer_error *err)
{
    const infer_status status = model_intact(s->model, err);
    return status == INFER_OK ? adapter_set_intact(s->adapters, err) : status;
}

/* ---- Evaluating ---- */

static infer_status check_ids(const infer_session *s, const int32_t *tokens, size_t n, infer_error *err)
{
    const uint32_t n_vocab = s->model->net.h.n_vocab;
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= n_vocab)
            return fail(err, INFER_E_ARGUMENT, "token %zu of %zu is %d, expected 0 to %u", i, n, tokens[i], n_vocab - 1);
    return INFER_OK;
}

infer_status session_check(const infer_session *s, const int32_t *tokens, size_t n, infer_error *err)
{
    const infer_status status = check_ids(s, tokens, n, err);
    if (status != INFER_OK)
        return status;
    if (s->n_tokens && n && arch_has(&s->model->net.h, TRAIT_ENCODER))
        return fail(err, INFER_E_ARGUMENT, "an encoder computes a text at once: rewind to 0 before the next one");
    if (n > s->n_ctx - s->n_tokens)
        return fail(err, INFER_E_FULL, "the context holds %u tokens, %u are there and %zu more do not fit", s->n_ctx, s->n_tokens, n);
    return INFER_OK;
}

struct forward session_forward(infer_session *s)
{
    return (struct forward){ &s->model->net, &cpu_ops, s->workspace->device, &s->workspace->buffers, &s->cancel };
}

infer_status session_hidden(infer_session *s, const int32_t *ids, const struct segment *where, uint32_t n_out,
                            float *out, infer_error *err)
{
    const struct forward f = session_forward(s);
    const struct segment segment = { &s->history->kv, where->first, where->n, 0, where->passages,
                                     s->adapters ? &s->adapters->how : NULL };
    const struct span span = { &segment, 1, segment.n, s->adapters, false };
    infer_status status = session_intact(s, err);
    if (status == INFER_OK)
        status = kv_reserve(segment.kv, segment.first, segment.n, err);
    if (status != INFER_OK)
        return status;
    status = forward_step(&f, &span, ids, FORWARD_HIDDEN, n_out, out);
    if (status == INFER_OK)
        return status;
    atomic_store(&s->cancel, false);
    return step_failed(status, segment.n, err);
}

infer_status session_own_output(infer_session *s, infer_error *err)
{
    if (atomic_load(&s->output->refs) == 1)
        return INFER_OK;
    struct output *const o = output_open(s, err);
    if (!o)
        return INFER_E_NOMEM;
    if (s->has_logits)
        memcpy(o->values, s->output->values, s->n_out * sizeof *o->values);
    output_release(&s->model->context->a, s->output);
    s->output = o;
    return INFER_OK;
}

infer_status session_write(infer_session *s, const int32_t *tokens, size_t n, infer_error *err)
{
    ahead_forget(s);
    if (session_own_output(s, err) != INFER_OK)
        return INFER_E_NOMEM;
    struct history *const old = s->history, *const own = history_own(old, s->n_tokens, s->n_done, err);
    if (!own)
        return INFER_E_NOMEM;
    if (n)
        memmove(own->tokens + s->n_tokens, tokens, n * sizeof *tokens);
    s->history = own;
    if (old != own)
        history_release(old);
    if (!kv_resumes(&own->kv, s->n_done)) /* what the next token sees went when it was behind a window */
        s->n_done = 0;
    return INFER_OK;
}

void session_advanced(infer_session *s, uint32_t n_tokens)
{
    s->n_done = s->n_tokens = n_tokens;
    s->has_logits = n_tokens > 0;
}

/* Evaluate what is written up to `end`. */
static infer_status advance(infer_session *s, uint32_t end, float *all, infer_error *err)
{
    struct advance one = { .s = s, .at = s->n_done, .end = end, .all = all };
    const size_t n = end - s->n_done;
    const infer_status status = advance_all(&one, 1, err);
    if (status != INFER_OK)
        return status;
    if (all)
        memcpy(s->output->values, all + (n - 1) * s->n_out, s->n_out * sizeof *all);
    session_advanced(s, end);
    return status;
}

infer_status infer_session_eval_all(infer_session *s, const int32_t *tokens, size_t n, float *out, infer_error *err)
{
    infer_status status = session_check(s, tokens, n, err);
    if (status != INFER_OK || (!n && s->n_done == s->n_tokens))
        return status;
    status = session_write(s, tokens, n, err);
    if (status == INFER_OK && out && s->n_done < s->n_tokens) /* the outputs of those that wait are not asked for */
        status = advance(s, s->n_tokens, NULL, err);
    const uint32_t end = s->n_tokens + (uint32_t)n;
    return status == INFER_OK && s->n_done < end ? advance(s, end, out, err) : status;
}

/* ---- Syncing ---- */

/* Results of other kernels, rotations and adapters are no others' business; deterministic ones follow from n_ctx too. */
uint64_t session_variant(const infer_session *s)
{
    const struct workspace *w = s->workspace;
    const uint64_t way = (uint64_t)w->precision | (uint64_t)w->deterministic << 1 | (uint64_t)w->is_long << 2 |
                         (w->deterministic ? (uint64_t)s->n_ctx << 3 : 0);
    return way ^ adapter_set_identity(s->adapters);
}

static void publish(infer_session *s, uint32_t n)
{
    kv_publish(&s->history->kv, session_variant(s), s->history->tokens, n);
    if (s->store)
        store_offer(s->store, s, n);
}

void session_publish(infer_session *s)
{
    publish(s, s->n_done);
}

void session_publish_step(infer_session *s, uint32_t n)
{
    if (s->synced && s->history->kv.pool->shape.n_layers[KV_WINDOW])
        publish(s, n);
}

infer_status session_aim(infer_session *s, const int32_t *tokens, size_t n, infer_error *err)
{
    uint32_t common = 0;
    while (common < n && common < s->n_tokens && tokens[common] == s->history->tokens[common])
        common++;
    if (common == n && n == s->n_tokens && s->has_logits)
        return INFER_OK;
    if (common == n) /* the last one's logits are wanted */
        common--;
    if (s->synced && common < s->n_done)
        session_publish(s);
    infer_status status = infer_session_rewind(s, common, err);
    if (status == INFER_OK)
        status = session_write(s, tokens + common, n - common, err);
    if (status != INFER_OK)
        return status;
    s->synced = true;
    s->n_done = kv_adopt(&s->history->kv, session_variant(s), s->history->tokens, (uint32_t)n - 1, s->n_done);
    if (s->store)
        store_find(s->store, s, (uint32_t)n - 1);
    return INFER_OK;
}

/* Whether a session may have this timeline. */
static infer_status check_timeline(const infer_session *s, const int32_t *tokens, size_t n, infer_error *err)
{
    if (arch_has(&s->model->net.h, TRAIT_ENCODER))
        return fail(err, INFER_E_ARGUMENT, "an encoder computes a text at once: there is nothing to keep of it");
    if (n > s->n_ctx)
        return fail(err, INFER_E_FULL, "the context holds %u tokens, expected room for %zu", s->n_ctx, n);
    return check_ids(s, tokens, n, err);
}

infer_status session_sync(infer_session *s, const int32_t *tokens, size_t n, size_t most, session_step_fn *on_step,
                          void *user, infer_error *err)
{
    infer_status status = check_timeline(s, tokens, n, err);
    if (status != INFER_OK || !n)
        return status == INFER_OK ? infer_session_rewind(s, 0, err) : status;
    status = session_aim(s, tokens, n, err);
    for (uint32_t from = s->n_done, end; status == INFER_OK && s->n_done < n; from = end) {
        end = n - from < most ? (uint32_t)n : from + (uint32_t)most;
        status = advance(s, end, NULL, err);
        if (status == INFER_OK)
            status = on_step(user, end, end - from, err);
    }
    if (s->n_done > s->n_tokens) /* pages were found, but nothing behind them was computed */
        infer_session_rewind(s, s->n_tokens, NULL);
    if (status == INFER_OK)
        session_publish(s);
    return status;
}

static infer_status count_computed(void *user, size_t end, size_t n_computed, infer_error *err)
{
    (void)end, (void)err;
    *(size_t *)user += n_computed;
    return INFER_OK;
}

infer_status infer_session_sync(infer_session *s, const int32_t *tokens, size_t n, size_t *n_computed,
                                infer_error *err)
{
    size_t computed = 0;
    if (n_computed)
        *n_computed = 0;
    const infer_status status = session_sync(s, tokens, n, n, count_computed, &computed, err);
    if (status == INFER_OK && n_computed)
        *n_computed = computed;
    return status;
}

infer_status infer_session_shift(infer_session *s, size_t n_keep, size_t n_forget, infer_error *err)
{
    if (n_keep > s->n_tokens || n_forget > s->n_tokens - n_keep)
        return fail(err, INFER_E_ARGUMENT, "shift: keep %zu tokens and forget %zu, but the session has %u", n_keep,
                    n_forget, s->n_tokens);
    if (!n_forget)
        return INFER_OK;
    const size_t n = s->n_tokens - n_keep - n_forget;
    const infer_status status = infer_session_rewind(s, n_keep, err);
    return status == INFER_OK ? infer_session_eval(s, s->history->tokens + n_keep + n_forget, n, err) : status;
}

infer_status infer_session_eval(infer_session *s, const int32_t *tokens, size_t n, infer_error *err)
{
    return infer_session_eval_all(s, tokens, n, NULL, err);
}

const float *infer_session_logits(const infer_session *s)
{
    return s->has_logits && !arch_has(&s->model->net.h, TRAIT_ENCODER) ? s->output->values : NULL;
}

infer_status infer_session_rewind(infer_session *s, size_t n_keep, infer_error *err)
{
    if (n_keep > s->n_tokens)
        return fail(err, INFER_E_ARGUMENT, "rewind to %zu tokens, but the session has %u", n_keep, s->n_tokens);
    ahead_forget(s);
    s->has_logits = s->has_logits && n_keep == s->n_tokens;
    s->n_tokens = (uint32_t)n_keep;
    s->n_offered = 0; /* what comes now may be another text, and that it begins like this one is a use of it */
    if (s->n_done > s->n_tokens)
        s->n_done = s->n_tokens;
    if (atomic_load(&s->history->refs) == 1)
        kv_keep(&s->history->kv, s->n_done);
    return INFER_OK;
}

infer_status session_append(infer_session *s, int32_t id, infer_error *err)
{
    const bool foreseen = ahead_foresees(s, id);
    const infer_status status = foreseen ? INFER_OK : session_write(s, &id, 1, err);
    if (status != INFER_OK)
        return status;
    s->n_tokens++;
    s->has_logits = false;
    return INFER_OK;
}

void session_await(infer_session *s)
{
    if (s->has_logits || !s->n_tokens || s->n_done < s->n_tokens)
        return;
    s->n_done--;
    infer_session_rewind(s, s->n_tokens, NULL);
}

infer_status session_ready(infer_session *s, infer_error *err)
{
    session_await(s);
    return s->has_logits ? INFER_OK : infer_session_eval(s, NULL, 0, err);
}

bool session_cancelled(infer_session *s)
{
    return atomic_exchange(&s->cancel, false);
}

void infer_session_cancel(infer_session *s)
{
    atomic_store(&s->cancel, true);
}

void infer_session_uncancel(infer_session *s)
{
    atomic_store(&s->cancel, false);
}

/* ---- Asking ---- */

void infer_model_set_prefix_bytes(infer_model *m, uint64_t bytes)
{
    kv_pools_set_prefix_bytes(&m->kv_pools, bytes);
}

uint64_t infer_kv_bytes(const infer_model *m, const infer_session_options *options, size_t n_tokens, infer_error *err)
{
    infer_session_options o;
    struct kv_shape shape;
    if (!m || !m->runnable)
        return fail(err, INFER_E_ARGUMENT, "a cache is of a model that was not opened for inspection only"), 0;
    if (read_options(&o, options, m, err) != INFER_OK ||
        kv_shape_init(&shape, &m->net.h, kv_dtype(o.kv_type_k), kv_dtype(o.kv_type_v), err) != INFER_OK)
        return 0;
    if (n_tokens > (size_t)o.n_ctx)
        return fail(err, INFER_E_FULL, "%zu tokens in a context of %d", n_tokens, o.n_ctx), 0;
    return kv_shape_bytes(&shape, (uint32_t)n_tokens, (uint32_t)o.n_batch);
}

const infer_model *session_model(const infer_session *s)
{
    return s->model;
}

size_t session_batch(const infer_session *s)
{
    return s->workspace->n_batch;
}

size_t infer_session_length(const infer_session *s)
{
    return s->n_tokens;
}

size_t infer_session_capacity(const infer_session *s)
{
    return s->n_ctx;
}

const int32_t *infer_session_tokens(const infer_session *s)
{
    return s->history->tokens;
}

size_t infer_session_bytes(const infer_session *s)
{
    return kv_bytes(&s->history->kv) + workspace_bytes(s->workspace) + s->n_ctx * sizeof *s->history->tokens +
           (1 + (s->ahead ? (size_t)s->ahead->room : 0)) * s->n_out * sizeof *s->output->values;
}

void infer_session_get_info(const infer_session *s, infer_session_info *info)
{
    const infer_session_info full = {
        .size = info->size,
        .kv_type_k = s->kv_type_k,
        .kv_type_v = s->kv_type_v,
        .kv_bytes = kv_bytes(&s->history->kv),
        .kv_bytes_per_token = kv_token_bytes(&s->model->net.h, kv_dtype(s->kv_type_k), kv_dtype(s->kv_type_v)),
    };
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}
