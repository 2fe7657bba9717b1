/* adapters.c - which adapters a session computes with. */
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/runtime/session_parts.h"

#include <math.h>

struct adapter_set *adapter_set_retain(struct adapter_set *set)
{
    if (set)
        atomic_fetch_add(&set->refs, 1);
    return set;
}

void adapter_set_release(struct adapter_set *set)
{
    if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
        return;
    const infer_allocator *a = set->a; /* of the model's context, which the session holds */
    for (size_t i = 0; i < set->n; i++)
        infer_adapter_close(&set->held[i]);
    mem_free(a, (void *)(uintptr_t)set->how.parts);
    mem_free(a, (void *)(uintptr_t)set->how.directions);
    mem_free(a, set);
}

uint64_t adapter_set_identity(const struct adapter_set *set)
{
    return set ? set->identity : 0;
}

infer_status adapter_set_intact(const struct adapter_set *set, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t i = 0; set && i < set->n && status == INFER_OK; i++)
        status = weights_intact(set->held[i]->files, err);
    return status;
}

/* The directions of all control vectors, times their scales, summed: pointers of each layer, and behind them the
 * sums. */
static infer_status sum_directions(struct adapter_set *set, const float *scales, const struct network *net,
                                   infer_error *err)
{
    const uint32_t n_layer = net->h.n_layer, n_embd = net->h.n_embd;
    const size_t at = round_up(n_layer * sizeof(float *), CACHE_LINE);
    uint8_t *memory = NULL;
    for (size_t i = 0; i < set->n; i++) {
        const infer_adapter *x = set->held[i];
        if (!x->directions)
            continue;
        if (!memory && !(memory = mem_new(set->a, 1, at + (size_t)n_layer * n_embd * sizeof(float))))
            return fail_memory(err, "the session's control vectors");
        const float **directions = (const float **)memory;
        float *sums = (float *)(memory + at);
        for (uint32_t l = 0; l < n_layer; l++, sums += n_embd) {
            for (uint32_t j = 0; x->directions[l] && j < n_embd; j++)
                sums[j] += scales[i] * x->directions[l][j];
            directions[l] = x->directions[l] ? sums : directions[l];
        }
        set->how.directions = directions;
    }
    return INFER_OK;
}

/* Only those that change anything are in it. */
static struct adapter_set *make_set(const infer_model *m, infer_adapter *const *adapters, const float *scales, size_t n,
                                    infer_error *err)
{
    const infer_allocator *a = &m->context->a;
    struct adapter_set *set = mem_new(a, 1, sizeof *set + n * sizeof *set->held);
    struct adaptation_part *parts = mem_new(a, n, sizeof *parts);
    float *kept = mem_new(a, n, sizeof *kept);
    struct hash h;
    if (!set || !parts || !kept) {
        mem_free(a, set);
        mem_free(a, parts);
        mem_free(a, kept);
        return fail_memory(err, "the session's adapters"), NULL;
    }
    set->a = a;
    set->how.parts = parts;
    atomic_init(&set->refs, 1);
    hash_init(&h);
    for (size_t i = 0; i < n; i++) {
        const float scale = scales ? scales[i] : 1;
        const infer_adapter *x = adapters[i];
        if (scale == 0)
            continue;
        kept[set->n] = scale;
        set->held[set->n++] = infer_adapter_retain(adapters[i]);
        hash_add(&h, &x->identity, sizeof x->identity);
        hash_add(&h, &scale, sizeof scale);
        if (x->low)
            parts[set->how.n_parts++] = (struct adaptation_part){ x->low, scale, x->rank };
    }
    set->identity = hash_value(&h) | 1ull << 63; /* never 0, nor one of the numbers below 2^40 that ways have */
    if (sum_directions(set, kept, &m->net, err) != INFER_OK) {
        adapter_set_release(set);
        set = NULL;
    }
    mem_free(a, kept);
    return set;
}

static infer_status check(const infer_model *m, infer_adapter *const *adapters, const float *scales, size_t n,
                          size_t *n_used, infer_error *err)
{
    enum { MOST = 64 };
    *n_used = 0;
    if (n > MOST || (n && !adapters))
        return fail(err, INFER_E_ARGUMENT, "a session can have %d adapters; found %zu%s", MOST, n,
                    adapters ? "" : " at NULL");
    for (size_t i = 0; i < n; i++) {
        if (!adapters[i] || adapters[i]->model != m)
            return fail(err, INFER_E_ARGUMENT,
                        "adapter %zu of %zu is %s, expected one that was opened for the session's "
                        "model",
                        i, n, adapters[i] ? "of another model" : "NULL");
        if (scales && !isfinite(scales[i]))
            return fail(err, INFER_E_ARGUMENT, "the scale of adapter %zu of %zu is no finite number", i, n);
        *n_used += !scales || scales[i] != 0;
    }
    return INFER_OK;
}

struct adapter_set *adapter_set_open(const infer_model *m, infer_adapter *const *adapters, const float *scales,
                                     size_t n, infer_status *status, infer_error *err)
{
    size_t n_used;
    *status = check(m, adapters, scales, n, &n_used, err);
    struct adapter_set *set = *status == INFER_OK && n_used ? make_set(m, adapters, scales, n, err) : NULL;
    if (*status == INFER_OK && n_used && !set)
        *status = INFER_E_NOMEM;
    return set;
}

infer_status infer_session_set_adapters(infer_session *s, infer_adapter *const *adapters, const float *scales, size_t n,
                                        infer_error *err)
{
    infer_status status;
    struct adapter_set *set = adapter_set_open(s->model, adapters, scales, n, &status, err);
    if (status != INFER_OK)
        return status;
    if (adapter_set_identity(set) == adapter_set_identity(s->adapters)) {
        adapter_set_release(set);
        return INFER_OK;
    }
    session_forget(s);
    adapter_set_release(s->adapters);
    s->adapters = set;
    return INFER_OK;
}
