/* encode.c - text to ids: cuts the text at added tokens and runs the pipeline on what lies between. */
#include "src/tokenizer/parts.h"

void scratch_free(struct scratch *s)
{
    for (size_t i = 0; i < MAX_STEPS; i++)
        mem_free(s->a, s->step[i].p);
    mem_free(s->a, s->normal[0].p);
    mem_free(s->a, s->normal[1].p);
    mem_free(s->a, s->mapped.p);
    mem_free(s->a, s->symbols);
    mem_free(s->a, s->heap);
    mem_free(s->a, s->words);
    regex_done(s);
}

/* Text between added tokens: `first` if it stands at the start of the whole. */
static bool encode_between(const infer_tokenizer *t, struct scratch *s, struct text text, bool first, bool control)
{
    struct added_match m;
    size_t at = 0, done = 0;
    if (!normalize(t, s, &text))
        return false;
    while (added_next(&t->added_normal, text.p, text.n, &at, done, control, &m)) {
        if (!pretokenize(t, s, (struct text){ text.p + done, m.start - done }, first && !done))
            return false;
        emit(s, m.token->id);
        done = m.end;
    }
    return done >= text.n || pretokenize(t, s, (struct text){ text.p + done, text.n - done }, first && !done);
}

static bool encode(const infer_tokenizer *t, struct scratch *s, struct text text, unsigned flags)
{
    const bool control = flags & INFER_PARSE_SPECIAL;
    struct added_match m;
    size_t at = 0, done = 0;
    if (!words_open(s, text.n) || (t->n_pre + t->n_normal && !regex_ready(s)))
        return false;
    for (size_t i = 0; i < t->n_prefix && flags & INFER_ADD_SPECIAL; i++)
        emit(s, t->prefix[i]);
    while (added_next(&t->added, text.p, text.n, &at, done, control, &m)) {
        if (m.start > done && !encode_between(t, s, (struct text){ text.p + done, m.start - done }, !done, control))
            return false;
        emit(s, m.token->id);
        done = m.end;
    }
    if (done < text.n && !encode_between(t, s, (struct text){ text.p + done, text.n - done }, !done, control))
        return false;
    for (size_t i = 0; i < t->n_suffix && flags & INFER_ADD_SPECIAL; i++)
        emit(s, t->suffix[i]);
    return true;
}

infer_status infer_tokenizer_encode(const infer_tokenizer *t, const char *text, size_t length, unsigned flags,
                                    int32_t *ids, size_t max, size_t *n, infer_error *err)
{
    *n = 0;
    if (!t)
        return fail(err, INFER_E_ARGUMENT, "text has no tokenizer: found NULL, as of a model without a vocabulary");
    if (length > UINT32_MAX / 8) /* positions are 32 bits wide, and a normal form can be longer than the text */
        return fail(err, INFER_E_ARGUMENT, "a text of %zu bytes is more than %u", length, UINT32_MAX / 8);
    struct scratch s = { .t = t, .a = t->a, .ids = ids, .max = ids ? max : 0 };
    const bool good = encode(t, &s, (struct text){ text, length }, flags);
    scratch_free(&s);
    *n = good ? s.n : 0;
    return good ? INFER_OK : fail_memory(err, "tokenizing a text");
}
