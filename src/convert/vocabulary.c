/* vocabulary.c - a tokenizer as the metadata of a GGUF file.
 *
 * GGUF has no steps, only names for whole ways of doing it. So each form that a vocabulary might take is made and
 * opened again, and the first one that gives the same ids is it. Texts that begin with a space are the exception:
 * whether SentencePiece puts another one before them is no matter of the file. Where no form does, the model is not
 * converted: it would read other text than it was trained on. */
#include "src/convert/convert.h"

#include "src/convert/probe.h"
#include "src/formats/weights.h"
#include "src/tokenizer/parts.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY(name) "tokenizer.ggml." name

/* A way to say a vocabulary. */
struct form {
    const char *model; /* "gpt2": byte-level merges; "llama": scores; "gemma4": merges of characters */
    struct text pre;   /* of "gpt2" */
    bool space_prefix; /* of "llama" */
};

struct making {
    const infer_tokenizer *t;
    const infer_allocator *a;
    struct arena arena; /* of the arrays until it is clear which of them are needed */
    int32_t n;          /* tokens that the file has */
    const uint8_t *tokens, *merges; /* as struct meta has arrays of strings */
    size_t token_bytes, merge_bytes, n_merges;
    float *scores;
    int32_t *types;
    int32_t eot, eom; /* further tokens that end a text, or -1 */
    infer_error *err;
};

/* ---- Arrays ---- */

/* Token of an id; ids without a token, and those that only the embedding has, get a name. */
static struct text token_text(const struct making *k, int32_t id, char name[32])
{
    const struct vocab *v = &k->t->vocab;
    if (id < v->n && v->kind[id] != TOKEN_HOLE)
        return v->text[id];
    snprintf(name, 32, "[PAD%d]", id);
    return text_of(name);
}

static void put_string(uint8_t **at, struct text t)
{
    const uint64_t n = t.n;
    memcpy(*at, &n, sizeof n);
    memcpy(*at + sizeof n, t.p, t.n);
    *at += sizeof n + t.n;
}

static infer_status make_tokens(struct making *k)
{
    char name[32];
    k->token_bytes = 0;
    for (int32_t id = 0; id < k->n; id++)
        k->token_bytes += sizeof(uint64_t) + token_text(k, id, name).n;
    uint8_t *at = arena_new(&k->arena, k->token_bytes, 1);
    k->tokens = at;
    for (int32_t id = 0; at && id < k->n; id++)
        put_string(&at, token_text(k, id, name));
    return at ? INFER_OK : fail_memory(k->err, "a vocabulary");
}

/* Tokens that were added without being special are found in the text as if they were. */
static infer_status make_types(struct making *k)
{
    const struct vocab *v = &k->t->vocab;
    const struct added_set *const sets[] = { &k->t->added, &k->t->added_normal };
    k->types = arena_new(&k->arena, (size_t)k->n, sizeof *k->types);
    if (!k->types)
        return fail_memory(k->err, "a vocabulary");
    for (int32_t id = 0; id < k->n; id++)
        k->types[id] = id < v->n && v->kind[id] != TOKEN_HOLE ? v->kind[id] : TOKEN_UNUSED;
    if (v->unk >= 0 && k->types[v->unk] == TOKEN_CONTROL)
        k->types[v->unk] = TOKEN_UNKNOWN;
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->n; i++)
            if (!sets[s]->items[i].control)
                k->types[sets[s]->items[i].id] = TOKEN_USER;
    return INFER_OK;
}

static int by_rank(const void *a, const void *b)
{
    const struct merge *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Merges in their order, as "left right". */
static infer_status make_merges(struct making *k, const struct merge *merges)
{
    const struct text *text = k->t->vocab.text;
    k->merge_bytes = 0;
    for (size_t i = 0; i < k->n_merges; i++)
        k->merge_bytes += sizeof(uint64_t) + text[merges[i].left].n + 1 + text[merges[i].right].n;
    uint8_t *at = arena_new(&k->arena, k->merge_bytes, 1);
    k->merges = at;
    for (size_t i = 0; at && i < k->n_merges; i++) {
        const struct text l = text[merges[i].left], r = text[merges[i].right];
        const uint64_t n = l.n + 1 + r.n;
        memcpy(at, &n, sizeof n);
        memcpy(at + sizeof n, l.p, l.n);
        at[sizeof n + l.n] = ' ';
        memcpy(at + sizeof n + l.n + 1, r.p, r.n);
        at += sizeof n + n;
    }
    return at ? INFER_OK : fail_memory(k->err, "the merges of a vocabulary");
}

/* The sooner a token is merged, the better its score. Those that no merge makes stand behind all others. */
static infer_status make_scores(struct making *k, const struct merge *merges)
{
    k->scores = arena_new(&k->arena, (size_t)k->n, sizeof *k->scores);
    if (!k->scores)
        return fail_memory(k->err, "the scores of a vocabulary");
    for (int32_t id = 0; id < k->n; id++)
        k->scores[id] = k->types[id] == TOKEN_NORMAL ? -(float)(k->n_merges + (size_t)id + 1) : 0;
    for (size_t i = k->n_merges; i--;)
        k->scores[merges[i].id] = -(float)(i + 1);
    return INFER_OK;
}

static infer_status make_arrays(struct making *k)
{
    const struct bpe *b = &k->t->bpe;
    struct merge *merges = mem_new(k->a, b->n_merges, sizeof *merges);
    infer_status status = merges ? INFER_OK : fail_memory(k->err, "the merges of a vocabulary");
    for (size_t i = 0; merges && b->merges && i <= b->mask; i++)
        if (b->merges[i].left != MERGE_FREE)
            merges[k->n_merges++] = b->merges[i];
    if (k->n_merges)
        qsort(merges, k->n_merges, sizeof *merges, by_rank);
    if (status == INFER_OK)
        status = make_tokens(k);
    if (status == INFER_OK)
        status = make_types(k);
    if (status == INFER_OK)
        status = make_merges(k, merges);
    if (status == INFER_OK)
        status = make_scores(k, merges);
    mem_free(k->a, merges);
    return status;
}

/* ---- Forms ---- */

static infer_status put_id(struct weights *to, const char *key, int32_t id, infer_error *err)
{
    return id < 0 ? INFER_OK : convert_u32(to, key, (uint32_t)id, err);
}

/* What stands around the ids is one token, and it is the one that the file calls so. */
static infer_status put_ids(struct weights *to, const struct making *k)
{
    const infer_tokenizer *t = k->t;
    const struct {
        const char *key;
        int32_t id;
    } ids[] = {
        { KEY("bos_token_id"), t->n_prefix ? t->prefix[0] : t->vocab.bos },
        { KEY("eos_token_id"), t->n_suffix ? t->suffix[0] : t->vocab.eos },
        { KEY("unknown_token_id"), t->vocab.unk },
        { KEY("eot_token_id"), k->eot },
        { KEY("eom_token_id"), k->eom },
    };
    infer_status status = INFER_OK;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && status == INFER_OK; i++)
        status = put_id(to, ids[i].key, ids[i].id, k->err);
    if (status == INFER_OK)
        status = convert_bool(to, KEY("add_bos_token"), t->n_prefix > 0, k->err);
    return status == INFER_OK ? convert_bool(to, KEY("add_eos_token"), t->n_suffix > 0, k->err) : status;
}

static infer_status put_form(struct weights *to, const struct making *k, const struct form *form)
{
    const bool by_score = !strcmp(form->model, "llama");
    const uint64_t n = (uint64_t)k->n;
    infer_status status = convert_text(to, KEY("model"), text_of(form->model), k->err);
    if (status == INFER_OK && form->pre.p)
        status = convert_text(to, KEY("pre"), form->pre, k->err);
    if (status == INFER_OK)
        status = convert_array(to, KEY("tokens"), META_STRING, n, k->tokens, k->err);
    if (status == INFER_OK)
        status = convert_array(to, KEY("token_type"), META_I32, n, k->types, k->err);
    if (status == INFER_OK)
        status = by_score ? convert_array(to, KEY("scores"), META_F32, n, k->scores, k->err)
                          : convert_array(to, KEY("merges"), META_STRING, k->n_merges, k->merges, k->err);
    if (status == INFER_OK && by_score)
        status = convert_bool(to, KEY("add_space_prefix"), form->space_prefix, k->err);
    return status == INFER_OK ? put_ids(to, k) : status;
}

/* Ends of texts that the names do not tell: there is room for two. */
static void find_ends(struct making *k, const infer_tokenizer *trial)
{
    k->eot = k->eom = -1;
    for (int32_t id = 0; id < k->t->vocab.n; id++)
        if (infer_tokenizer_is_end(k->t, id) && !infer_tokenizer_is_end(trial, id))
            *(k->eot < 0 ? &k->eot : &k->eom) = id;
}

static infer_status try_form(struct making *k, const struct form *form, enum likeness *likeness)
{
    struct weights *w = weights_new(k->a, "the vocabulary", WEIGHTS_GGUF, k->err);
    if (!w)
        return INFER_E_NOMEM;
    infer_status status = put_form(w, k, form);
    infer_tokenizer *trial = status == INFER_OK ? tokenizer_open(k->a, w, k->err) : NULL;
    *likeness = LIKENESS_NONE;
    if (trial)
        status = probe(k->t, trial, k->a, likeness, k->err);
    else if (status == INFER_OK)
        status = k->err->code == INFER_E_NOMEM ? INFER_E_NOMEM : INFER_OK; /* else it is not of this form */
    if (trial && *likeness)
        find_ends(k, trial);
    tokenizer_close(&trial);
    weights_close(&w);
    return status;
}

/* Form i that a vocabulary might take, most usual first; false past the last. */
static bool form_at(const infer_tokenizer *t, size_t i, struct form *form)
{
    static const struct form of_characters[] = { { "llama", { NULL, 0 }, true }, { "llama", { NULL, 0 }, false },
                                                 { "gemma4", { NULL, 0 }, false } };
    if (t->model != MODEL_BPE)
        return false;
    if (t->bpe.byte_level) {
        *form = (struct form){ "gpt2", pattern_name(i), false };
        return form->pre.p != NULL;
    }
    if (i < sizeof of_characters / sizeof *of_characters)
        *form = of_characters[i];
    return i < sizeof of_characters / sizeof *of_characters;
}

/* Arrays were made in memory that goes; those of the form move to the file's. */
static bool keep(struct weights *gguf, const uint8_t **p, size_t n)
{
    uint8_t *copy = arena_new(&gguf->arena, n, 1);
    if (copy)
        memcpy(copy, *p, n);
    *p = copy;
    return copy != NULL;
}

static infer_status keep_form(struct weights *gguf, struct making *k, const struct form *form)
{
    const uint8_t *types = (const uint8_t *)k->types, *scores = (const uint8_t *)k->scores;
    const size_t n = (size_t)k->n;
    const bool by_score = !strcmp(form->model, "llama");
    if (!keep(gguf, &k->tokens, k->token_bytes) || !keep(gguf, &types, n * sizeof *k->types) ||
        !(by_score ? keep(gguf, &scores, n * sizeof *k->scores) : keep(gguf, &k->merges, k->merge_bytes)))
        return fail_memory(k->err, "a vocabulary");
    k->types = (int32_t *)(uintptr_t)types;
    k->scores = (float *)(uintptr_t)scores;
    return put_form(gguf, k, form);
}

/* What no form of GGUF can say, whatever the ids of the probes are. */
static const char *what_is_lost(const infer_tokenizer *t)
{
    const struct added_set *const sets[] = { &t->added, &t->added_normal };
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->n; i++)
            if (sets[s]->items[i].lstrip || sets[s]->items[i].rstrip || sets[s]->items[i].single_word)
                return "added tokens that take the white space beside them, or stand only as whole words, lose that";
    return NULL;
}

infer_status convert_vocabulary(struct weights *gguf, const infer_tokenizer *t, uint32_t n_vocab, const char **note,
                                infer_error *err)
{
    infer_error own;
    struct making k = { .t = t, .a = gguf->a, .n = (int32_t)n_vocab, .eot = -1, .eom = -1, .err = err ? err : &own };
    if (n_vocab > INT32_MAX / 2 || t->vocab.n > k.n)
        return fail(err, INFER_E_FORMAT, "the tokenizer has %d tokens, the embedding %u", t->vocab.n, n_vocab);
    if (t->n_prefix > 1 || t->n_suffix > 1)
        return fail(err, INFER_E_UNKNOWN, "the tokenizer puts %zu tokens before a text and %zu behind it, GGUF files"
                    " can say one each", t->n_prefix, t->n_suffix);
    arena_init(&k.arena, gguf->a);
    infer_status status = make_arrays(&k);
    struct form form, best = { NULL, { NULL, 0 }, false };
    enum likeness likeness = LIKENESS_NONE, most = LIKENESS_NONE;
    for (size_t i = 0; status == INFER_OK && most != LIKENESS_SAME && form_at(t, i, &form); i++) {
        status = try_form(&k, &form, &likeness);
        if (likeness > most) {
            most = likeness;
            best = form;
        }
    }
    if (status == INFER_OK && !most)
        status = fail(err, INFER_E_UNKNOWN, "the tokenizer is of a kind that GGUF has no name for, or none known here");
    if (status == INFER_OK)
        status = keep_form(gguf, &k, &best);
    if (status == INFER_OK && t->chat_template)
        status = convert_text(gguf, "tokenizer.chat_template", text_of(t->chat_template), err);
    if (status == INFER_OK)
        *note = most == LIKENESS_SAME ? what_is_lost(t) : "texts that begin with a space, or follow a control token,"
                                                          " get other ids than from the directory";
    arena_free(&k.arena);
    return status;
}
