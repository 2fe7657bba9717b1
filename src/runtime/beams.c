/* beams.c - a short list in order. */
#include "src/runtime/beams.h"

#include "src/base/context.h"
#include "src/base/error.h"

infer_beams *beams_open(infer_context *context, size_t most, infer_error *err)
{
    const infer_allocator *a = context_allocator(context);
    infer_beams *b = mem_new(a, 1, sizeof *b);
    if (!b)
        return fail_memory(err, "the texts of a search"), NULL;
    *b = (infer_beams){ .context = context_retain(context), .a = a, .most = most };
    b->item = mem_new(a, most + 1, sizeof *b->item);
    if (b->item)
        return b;
    infer_beams_close(&b);
    return fail_memory(err, "the texts of a search"), NULL;
}

static void free_found(const infer_allocator *a, struct found *f)
{
    mem_free(a, f->text);
    mem_free(a, f->tokens);
    *f = (struct found){ 0 };
}

void infer_beams_close(infer_beams **beams)
{
    infer_beams *b = beams ? *beams : NULL;
    if (!b)
        return;
    *beams = NULL;
    for (size_t i = 0; i < b->n; i++)
        free_found(b->a, &b->item[i]);
    mem_free(b->a, b->item);
    infer_context *context = b->context;
    mem_free(b->a, b);
    infer_context_close(&context);
}

static void append(char *to, size_t *n, struct text text)
{
    if (text.n)
        memcpy(to + *n, text.p, text.n);
    *n += text.n;
}

infer_status beams_add(infer_beams *b, const infer_beam *beam, struct text text, struct text tail,
                       const int32_t *tokens, size_t n, int32_t last, infer_error *err)
{
    struct found new = { .beam = *beam };
    size_t at = b->n;
    while (at > 0 && b->item[at - 1].beam.score < beam->score)
        at--;
    if (at == b->most)
        return INFER_OK;
    new.text = mem_new(b->a, text.n + tail.n + 1, 1);
    new.tokens = mem_new(b->a, n + 1, sizeof *new.tokens);
    if (!new.text || !new.tokens) {
        free_found(b->a, &new);
        return fail_memory(err, "the texts of a search");
    }
    append(new.text, &new.beam.length, text);
    append(new.text, &new.beam.length, tail);
    if (n)
        memcpy(new.tokens, tokens, n * sizeof *tokens);
    new.tokens[n] = last;
    new.beam.n_tokens = n + (last >= 0);
    new.beam.text = new.text;
    new.beam.tokens = new.tokens;
    memmove(&b->item[at + 1], &b->item[at], (b->n - at) * sizeof *b->item);
    b->item[at] = new;
    if (b->n == b->most)
        free_found(b->a, &b->item[b->n]);
    else
        b->n++;
    return INFER_OK;
}

size_t infer_beams_count(const infer_beams *b)
{
    return b->n;
}

infer_status infer_beams_get(const infer_beams *b, size_t index, infer_beam *beam, infer_error *err)
{
    if (!b || !beam || beam->size < sizeof beam->size)
        return fail(err, INFER_E_ARGUMENT, "infer_beams_get needs the texts of a search, and a beam with its size");
    if (index >= b->n)
        return fail(err, INFER_E_ARGUMENT, "text %zu, expected 0 to %zu", index, b->n - 1);
    infer_beam found = b->item[index].beam;
    found.size = beam->size;
    memcpy(beam, &found, beam->size < sizeof found ? beam->size : sizeof found);
    return INFER_OK;
}

void infer_beams_get_result(const infer_beams *b, infer_generate_result *result)
{
    const size_t size = result->size;
    memcpy(result, &b->result, size < sizeof b->result ? size : sizeof b->result);
    result->size = size;
}
