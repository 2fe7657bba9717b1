/* tokenizer.c - making and closing a tokenizer, and what can be asked about it. */
#include "src/tokenizer/parts.h"

#include "src/tokenizer/trie.h"

infer_tokenizer *tokenizer_new(const infer_allocator *a, infer_error *err)
{
    infer_tokenizer *t = mem_new(a, 1, sizeof *t);
    if (!t)
        return fail_memory(err, "a tokenizer"), NULL;
    t->a = a;
    arena_init(&t->arena, a);
    table_init(&t->vocab.by_name, a);
    t->memory = regex_memory(a);
    if (!t->memory) {
        fail_memory(err, "a tokenizer");
        tokenizer_close(&t);
    }
    return t;
}

void tokenizer_close(infer_tokenizer **tokenizer)
{
    infer_tokenizer *t = *tokenizer;
    *tokenizer = NULL;
    if (!t)
        return;
    const infer_allocator *a = t->a;
    for (size_t i = 0; i < t->n_normal; i++)
        regex_close(&t->normal[i].regex);
    for (size_t i = 0; i < t->n_pre; i++)
        regex_close(&t->pre[i].regex);
    pcre2_general_context_free(t->memory);
    trie_free(a, atomic_load(&t->trie));
    table_free(&t->vocab.by_name);
    mem_free(a, t->bpe.merges);
    unigram_close(&t->unigram, a);
    mem_free(a, t->added.items);
    mem_free(a, t->added_normal.items);
    arena_free(&t->arena);
    weights_close(&t->weights);
    infer_context *context = t->context;
    mem_free(a, t);
    infer_context_close(&context); /* the allocator is the context's */
}

void infer_tokenizer_close(infer_tokenizer **tokenizer)
{
    if (tokenizer)
        tokenizer_close(tokenizer);
}

infer_tokenizer *tokenizer_open(const infer_allocator *a, const struct weights *w, infer_error *err)
{
    infer_tokenizer *t = tokenizer_new(a, err);
    if (t && (w->format == WEIGHTS_GGUF ? load_gguf(t, w, err) : load_directory(t, w, err)))
        tokenizer_close(&t);
    return t;
}

infer_tokenizer *tokenizer_open_json(const infer_allocator *a, struct text json, const char *name, infer_error *err)
{
    infer_tokenizer *t = tokenizer_new(a, err);
    if (t && load_json(t, json, name, err))
        tokenizer_close(&t);
    return t;
}

infer_status tokenizer_add(infer_tokenizer *t, const struct added *token, infer_error *err)
{
    struct added_set *set = token->normalized ? &t->added_normal : &t->added;
    if (!token->text.n)
        return INFER_OK;
    if (!mem_grow(t->a, &set->items, &set->room, set->n + 1, sizeof *set->items))
        return fail_memory(err, "added tokens");
    set->items[set->n++] = *token;
    return INFER_OK;
}

/* Tokens that are looked for in normalised text are themselves normalised, and are decoded so. */
static infer_status normalize_added(infer_tokenizer *t, infer_error *err)
{
    struct scratch s = { .t = t, .a = t->a };
    bool good = !t->n_normal || regex_ready(&s);
    for (size_t i = 0; i < t->added_normal.n && good && t->n_normal; i++) {
        struct text *text = &t->added_normal.items[i].text;
        good = normalize(t, &s, text);
        const char *kept = good ? arena_text(&t->arena, text->p, text->n) : NULL;
        good = kept != NULL;
        text->p = kept;
        t->vocab.text[t->added_normal.items[i].id] = good ? *text : (struct text){ NULL, 0 };
    }
    scratch_free(&s);
    return good ? INFER_OK : fail_memory(err, "added tokens");
}

infer_status tokenizer_finish(infer_tokenizer *t, infer_error *err)
{
    const infer_status status = normalize_added(t, err);
    if (status)
        return status;
    added_sort(&t->added);
    added_sort(&t->added_normal);
    bpe_finish(&t->bpe, &t->vocab);
    if (!words_place(t))
        return fail_memory(err, "a regular expression");
    if (t->model == MODEL_UNIGRAM && !unigram_finish(&t->unigram, t->a, &t->vocab))
        return fail_memory(err, "the tree of a vocabulary");
    return decode_prepare(t, err);
}

infer_status tokenizer_split(infer_tokenizer *t, struct text pattern, enum behaviour behaviour, bool invert,
                             infer_error *err)
{
    if (t->n_pre == MAX_STEPS)
        return fail(err, INFER_E_UNKNOWN, "more than %d pre-tokenizer steps", MAX_STEPS);
    struct pre_step *step = &t->pre[t->n_pre];
    *step = (struct pre_step){ .kind = PRE_SPLIT, .behaviour = behaviour, .invert = invert };
    const infer_status status = regex_open(&step->regex, t->a, t->memory, pattern, err);
    t->n_pre += !status;
    return status;
}

infer_status tokenizer_frame(infer_tokenizer *t, const int32_t *before, size_t n_before, const int32_t *after,
                             size_t n_after, infer_error *err)
{
    int32_t *prefix = arena_new(&t->arena, n_before + t->n_prefix, sizeof *prefix);
    int32_t *suffix = arena_new(&t->arena, n_after + t->n_suffix, sizeof *suffix);
    if (!prefix || !suffix)
        return fail_memory(err, "a post-processor");
    for (size_t i = 0; i < n_before; i++)
        prefix[i] = before[i];
    for (size_t i = 0; i < t->n_prefix; i++)
        prefix[n_before + i] = t->prefix[i];
    for (size_t i = 0; i < t->n_suffix; i++)
        suffix[i] = t->suffix[i];
    for (size_t i = 0; i < n_after; i++)
        suffix[t->n_suffix + i] = after[i];
    t->prefix = prefix;
    t->suffix = suffix;
    t->n_prefix += n_before;
    t->n_suffix += n_after;
    return INFER_OK;
}

infer_status tokenizer_between(infer_tokenizer *t, const int32_t *ids, size_t n, infer_error *err)
{
    t->between = arena_new(&t->arena, n, sizeof *t->between);
    if (!t->between)
        return fail_memory(err, "a post-processor");
    for (size_t i = 0; i < n; i++)
        t->between[i] = ids[i];
    t->n_between = n;
    return INFER_OK;
}

/* ---- Questions ---- */

static bool is_token(const infer_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.n && t->vocab.kind[id] != TOKEN_HOLE;
}

int32_t infer_tokenizer_size(const infer_tokenizer *t)
{
    return t->vocab.n;
}

const char *infer_tokenizer_token(const infer_tokenizer *t, int32_t id, size_t *length)
{
    *length = is_token(t, id) ? t->vocab.text[id].n : 0;
    return is_token(t, id) ? t->vocab.text[id].p : NULL;
}

int32_t infer_tokenizer_find(const infer_tokenizer *t, const char *name, size_t length)
{
    return vocab_find(&t->vocab, (struct text){ name, length });
}

bool infer_tokenizer_is_end(const infer_tokenizer *t, int32_t id)
{
    return is_token(t, id) && t->vocab.end[id];
}

bool infer_tokenizer_is_control(const infer_tokenizer *t, int32_t id)
{
    return is_token(t, id) && (t->vocab.kind[id] == TOKEN_CONTROL || t->vocab.kind[id] == TOKEN_UNKNOWN);
}

int32_t infer_tokenizer_bos(const infer_tokenizer *t)
{
    return t->vocab.bos;
}

int32_t infer_tokenizer_eos(const infer_tokenizer *t)
{
    return t->vocab.eos;
}

const char *infer_tokenizer_chat_template(const infer_tokenizer *t)
{
    return t->chat_template;
}

struct token_frame tokenizer_around(const infer_tokenizer *t)
{
    const bool said = t->between;
    return (struct token_frame){ t->prefix, t->suffix, said ? t->between : t->suffix, t->n_prefix, t->n_suffix,
                                 said ? t->n_between : t->n_suffix };
}
