/* draft.c - the draft's session is brought to a text by a rewind to what both have in common. Whatever fails here only
 * means that nothing is guessed. */
#include "src/runtime/draft.h"

#include "src/base/error.h"
#include "src/sampler/sampler.h"

#include <math.h>

static infer_status compare_vocabularies(const infer_tokenizer *own, const infer_tokenizer *other, infer_error *err)
{
    const int32_t n = infer_tokenizer_size(own), m = infer_tokenizer_size(other);
    if (n != m)
        return fail(err, INFER_E_ARGUMENT, "speculation: the draft's vocabulary has %d tokens, expected the model's %d",
                    m, n);
    for (int32_t id = 0; id < n; id++) {
        size_t length, other_length;
        const char *text = infer_tokenizer_token(own, id, &length);
        const char *other_text = infer_tokenizer_token(other, id, &other_length);
        if (!text && !other_text)
            continue;
        if (!text || !other_text || length != other_length || memcmp(text, other_text, length))
            return fail(err, INFER_E_ARGUMENT, "speculation: token %d of the draft's vocabulary is \"%.*s\", expected "
                        "the model's \"%.*s\"", id, other_text ? (int)(other_length < 64 ? other_length : 64) : 0,
                        other_text, text ? (int)(length < 64 ? length : 64) : 0, text);
    }
    return INFER_OK;
}

infer_status draft_open(struct draft *d, infer_session *s, const infer_model *model, const infer_sampler *sampler,
                        infer_error *err)
{
    const infer_tokenizer *own = infer_model_tokenizer(model), *other = infer_model_tokenizer(s->model);
    const struct hparams *h = &s->model->net.h;
    *d = (struct draft){ .s = NULL };
    if (arch_has(h, TRAIT_ENCODER) || !other)
        return fail(err, INFER_E_ARGUMENT, "speculation: the draft's model has no tokens to guess, expected one that "
                    "generates text");
    const infer_status status = own == other ? INFER_OK : compare_vocabularies(own, other, err);
    if (status != INFER_OK)
        return status;
    d->n_choices = infer_tokenizer_size(other);
    d->n_choices = (uint32_t)d->n_choices < h->n_vocab ? d->n_choices : (int32_t)h->n_vocab;
    d->n_choices = (uint32_t)d->n_choices < model->net.h.n_vocab ? d->n_choices : (int32_t)model->net.h.n_vocab;
    d->sampler = sampler_sketch(sampler, err);
    if (!d->sampler)
        return INFER_E_NOMEM;
    d->s = s;
    return INFER_OK;
}

void draft_close(struct draft *d)
{
    infer_sampler_close(&d->sampler);
    *d = (struct draft){ .s = NULL };
}

static uint32_t common(const infer_session *s, const int32_t *tokens, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && i < s->n_tokens && s->history->tokens[i] == tokens[i])
        i++;
    return i;
}

uint32_t draft_behind(const struct draft *d, const int32_t *tokens, uint32_t n)
{
    const uint32_t n_behind = n - common(d->s, tokens, n);
    return n > d->s->n_ctx ? UINT32_MAX : n_behind ? n_behind : 1;
}

bool draft_follow(struct draft *d, const int32_t *tokens, uint32_t n, const atomic_bool *cancel)
{
    infer_session *const s = d->s;
    const uint32_t same = common(s, tokens, n);
    if (n > s->n_ctx)
        return false;
    if (same == n && s->n_tokens == n && s->has_logits)
        return true;
    if (infer_session_rewind(s, same < n ? same : n - 1, NULL) != INFER_OK)
        return false;
    while (s->n_tokens < n && !atomic_load(cancel)) {
        const uint32_t left = n - s->n_tokens, most = s->workspace->n_batch;
        if (infer_session_eval(s, tokens + s->n_tokens, left < most ? left : most, NULL) != INFER_OK)
            return false;
    }
    return s->n_tokens == n;
}

int32_t draft_choose(struct draft *d, double *likely)
{
    const float *const logits = d->s->output->values;
    const int32_t id = infer_sampler_sample(d->sampler, logits, d->n_choices);
    float logprob;
    if (id < 0 || infer_logprobs(logits, (int32_t)d->s->model->net.h.n_vocab, id, &logprob, NULL, 0, NULL) != INFER_OK)
        return -1;
    *likely = exp((double)logprob);
    return id;
}

bool draft_take(struct draft *d, int32_t id)
{
    return d->s->n_tokens < d->s->n_ctx && infer_session_eval(d->s, &id, 1, NULL) == INFER_OK;
}
