/* vocabulary.c - a tokenizer as the metadata of a GGUF file.
 *
 * GGUF has no steps, only names for whole ways of doing it. So each form that a vocabulary might take is made and
 * opened again, and the first one that gives the same ids is it. Texts that begin with a space are the exception:
 * whether SentencePiece puts another one before them is no matter of the file. Where no form does, the model is not
 * converted: it would read other text than it was trained on. */
#include "src/convert/convert.h"

#include "src/base/utf8.h"
#include "src/convert/probe.h"
#include "src/formats/weights.h"
#include "src/tokenizer/parts.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY(name) "tokenizer.ggml." name

/* What a vocabulary is written as, besides single entries. */
enum column { TOKENS, TYPES, SCORES, MERGES, CHARSMAP, COLUMNS };
static const struct {
    const char *key;
    enum meta_type element;
} columns[COLUMNS] = {
    [TOKENS] = { KEY("tokens"), META_STRING }, [TYPES] = { KEY("token_type"), META_I32 },
    [SCORES] = { KEY("scores"), META_F32 },    [MERGES] = { KEY("merges"), META_STRING },
    [CHARSMAP] = { KEY("precompiled_charsmap"), META_U8 },
};

/* GGUF's kinds of vocabularies: the columns that each has, and what may be true of it or not. */
enum { MAX_SETTINGS = 2 };
static const struct vocabulary_model {
    const char *name;
    unsigned columns; /* a bit for each */
    const char *settings[MAX_SETTINGS];
} by_bytes = { "gpt2", 1 << MERGES, { NULL } },
  by_scores = { "llama", 1 << SCORES, { KEY("add_space_prefix") } },
  by_characters = { "gemma4", 1 << MERGES, { NULL } },
  wordpiece = { "bert", 0, { KEY("normalizer.lowercase"), KEY("normalizer.strip_accents") } },
  unigram = { "t5", 1 << SCORES | 1 << CHARSMAP, { KEY("add_space_prefix"), KEY("remove_extra_whitespaces") } };

/* A way to say a vocabulary. */
struct form {
    const struct vocabulary_model *model;
    struct text pre;   /* of "gpt2" */
    unsigned settings; /* a bit for each that is true */
};

struct array {
    const void *p; /* as struct meta has it */
    size_t bytes;
    uint64_t n;
};

struct making {
    const infer_tokenizer *t;
    const infer_allocator *a;
    struct arena arena; /* of the arrays until it is clear which of them are needed */
    int32_t n;          /* tokens that the file has */
    struct array columns[COLUMNS];
    int32_t eot, eom; /* further tokens that end a text, or -1 */
    infer_error *err;
};

/* ---- Columns ---- */

/* What a token is in the file: where a word may begin with it, WordPiece has a mark there, and none elsewhere. Ids
 * without a token, and those that only the embedding has, get a name. */
struct token_name {
    struct text mark, text;
};
static struct token_name token_name(const struct making *k, int32_t id, char made[32])
{
    const struct vocab *v = &k->t->vocab;
    const struct text none = { "", 0 }, rest = k->t->wordpiece.rest;
    if (id >= v->n || v->kind[id] == TOKEN_HOLE) {
        snprintf(made, 32, "[PAD%d]", id);
        return (struct token_name){ none, text_of(made) };
    }
    const struct text t = v->text[id];
    if (k->t->model != MODEL_WORDPIECE || v->kind[id] != TOKEN_NORMAL)
        return (struct token_name){ none, t };
    if (rest.n && t.n >= rest.n && !memcmp(t.p, rest.p, rest.n))
        return (struct token_name){ none, { t.p + rest.n, t.n - rest.n } };
    return (struct token_name){ text_of(UTF8_LOWER_BLOCK), t };
}

/* A string of an array, of two parts and what stands between them. */
static void put_string(uint8_t **at, struct text left, const char *between, struct text right)
{
    const size_t middle = strlen(between);
    const uint64_t n = left.n + middle + right.n;
    memcpy(*at, &n, sizeof n);
    *at += sizeof n;
    memcpy(*at, left.p, left.n);
    memcpy(*at + left.n, between, middle);
    memcpy(*at + left.n + middle, right.p, right.n);
    *at += n;
}

/* Room for a column of `n` elements. */
static void *new_column(struct making *k, enum column c, uint64_t n, size_t bytes)
{
    void *p = arena_new(&k->arena, bytes, 1);
    k->columns[c] = (struct array){ p, bytes, n };
    if (!p)
        fail_memory(k->err, "a vocabulary");
    return p;
}

static infer_status make_tokens(struct making *k)
{
    char made[32];
    size_t bytes = 0;
    for (int32_t id = 0; id < k->n; id++) {
        const struct token_name name = token_name(k, id, made);
        bytes += sizeof(uint64_t) + name.mark.n + name.text.n;
    }
    uint8_t *at = new_column(k, TOKENS, (uint64_t)k->n, bytes);
    for (int32_t id = 0; at && id < k->n; id++) {
        const struct token_name name = token_name(k, id, made);
        put_string(&at, name.mark, "", name.text);
    }
    return at ? INFER_OK : INFER_E_NOMEM;
}

/* Tokens that were added without being special are found in the text as if they were. */
static infer_status make_types(struct making *k)
{
    const struct vocab *v = &k->t->vocab;
    const struct added_set *const sets[] = { &k->t->added, &k->t->added_normal };
    int32_t *const types = new_column(k, TYPES, (uint64_t)k->n, (size_t)k->n * sizeof *types);
    if (!types)
        return INFER_E_NOMEM;
    for (int32_t id = 0; id < k->n; id++)
        types[id] = id < v->n && v->kind[id] != TOKEN_HOLE ? v->kind[id] : TOKEN_UNUSED;
    if (v->unk >= 0 && types[v->unk] == TOKEN_CONTROL)
        types[v->unk] = TOKEN_UNKNOWN;
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->n; i++)
            if (!sets[s]->items[i].control)
                types[sets[s]->items[i].id] = TOKEN_USER;
    return INFER_OK;
}

static int by_rank(const void *a, const void *b)
{
    const struct merge *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Merges in their order, as "left right". */
static infer_status make_merges(struct making *k, const struct merge *merges, size_t n)
{
    const struct text *text = k->t->vocab.text;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += sizeof(uint64_t) + text[merges[i].left].n + 1 + text[merges[i].right].n;
    uint8_t *at = new_column(k, MERGES, n, bytes);
    for (size_t i = 0; at && i < n; i++)
        put_string(&at, text[merges[i].left], " ", text[merges[i].right]);
    return at ? INFER_OK : INFER_E_NOMEM;
}

/* The sooner a token is merged, the better its score. Those that no merge makes stand behind all others. */
static infer_status make_scores(struct making *k, const struct merge *merges, size_t n)
{
    float *const scores = new_column(k, SCORES, (uint64_t)k->n, (size_t)k->n * sizeof *scores);
    const int32_t *const types = k->columns[TYPES].p;
    if (!scores)
        return INFER_E_NOMEM;
    for (int32_t id = 0; id < k->n; id++)
        scores[id] = types[id] == TOKEN_NORMAL ? -(float)(n + (size_t)id + 1) : 0;
    for (size_t i = n; i--;)
        scores[merges[i].id] = -(float)(i + 1);
    return INFER_OK;
}

static infer_status make_bpe(struct making *k)
{
    const struct bpe *b = &k->t->bpe;
    struct merge *merges = mem_new(k->a, b->n_merges, sizeof *merges);
    size_t n = 0;
    infer_status status = merges ? INFER_OK : fail_memory(k->err, "the merges of a vocabulary");
    for (size_t i = 0; merges && b->merges && i <= b->mask; i++)
        if (b->merges[i].left != MERGE_FREE)
            merges[n++] = b->merges[i];
    if (n)
        qsort(merges, n, sizeof *merges, by_rank);
    if (status == INFER_OK)
        status = make_merges(k, merges, n);
    if (status == INFER_OK)
        status = make_scores(k, merges, n);
    mem_free(k->a, merges);
    return status;
}

/* Tokens that the tokenizer has not are as unlikely as any. */
static infer_status make_unigram(struct making *k)
{
    const infer_tokenizer *t = k->t;
    float least = 0, *const scores = new_column(k, SCORES, (uint64_t)k->n, (size_t)k->n * sizeof *scores);
    if (!scores)
        return INFER_E_NOMEM;
    for (int32_t id = 0; id < t->vocab.n; id++)
        least = (float)t->unigram.score[id] < least ? (float)t->unigram.score[id] : least;
    for (int32_t id = 0; id < k->n; id++)
        scores[id] = id < t->vocab.n ? (float)t->unigram.score[id] : least;
    for (size_t i = 0; i < t->n_normal; i++) {
        const struct charsmap *map = &t->normal[i].map;
        const size_t n = sizeof(uint32_t) + map->trie.n + map->texts.n; /* as charsmap_open() found it */
        if (t->normal[i].kind == NORMAL_CHARSMAP && !k->columns[CHARSMAP].p)
            k->columns[CHARSMAP] = (struct array){ map->trie.p - sizeof(uint32_t), n, n };
    }
    return INFER_OK;
}

static infer_status make_columns(struct making *k)
{
    infer_status status = make_tokens(k);
    if (status == INFER_OK)
        status = make_types(k);
    if (status == INFER_OK && k->t->model == MODEL_BPE)
        status = make_bpe(k);
    return status == INFER_OK && k->t->model == MODEL_UNIGRAM ? make_unigram(k) : status;
}

/* ---- Forms ---- */

static infer_status put_id(struct weights *to, const char *key, int32_t id, infer_error *err)
{
    return id < 0 ? INFER_OK : convert_u32(to, key, (uint32_t)id, err);
}

/* A control token of one of these names, or -1. */
static int32_t control_of(const infer_tokenizer *t, const char *first, const char *second)
{
    int32_t id = vocab_find(&t->vocab, text_of(first));
    id = id < 0 ? vocab_find(&t->vocab, text_of(second)) : id;
    return id >= 0 && t->vocab.kind[id] == TOKEN_CONTROL ? id : -1;
}

/* What stands around the ids is one token, and it is the one that the file calls so. */
static infer_status put_ids(struct weights *to, const struct making *k, const struct form *form)
{
    const infer_tokenizer *t = k->t;
    const int32_t before = t->n_prefix ? t->prefix[0] : t->vocab.bos, after = t->n_suffix ? t->suffix[0] : t->vocab.eos;
    const bool words = form->model == &wordpiece, more = t->n_between > t->n_suffix;
    const struct {
        const char *key;
        int32_t id;
    } ids[] = {
        { KEY("bos_token_id"), before },
        { KEY("eos_token_id"), after },
        { KEY("unknown_token_id"), t->vocab.unk },
        { KEY("eot_token_id"), k->eot },
        { KEY("eom_token_id"), k->eom },
        { KEY("cls_token_id"), words ? before : -1 },
        { KEY("seperator_token_id"), more ? t->between[t->n_between - 1] : words ? after : -1 }, /* so it is spelt */
        { KEY("padding_token_id"), control_of(t, "[PAD]", "<pad>") },
        { KEY("mask_token_id"), control_of(t, "[MASK]", "<mask>") },
    };
    infer_status status = INFER_OK;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && status == INFER_OK; i++)
        status = put_id(to, ids[i].key, ids[i].id, k->err);
    if (status == INFER_OK)
        status = convert_bool(to, KEY("add_bos_token"), t->n_prefix > 0, k->err);
    if (status == INFER_OK && t->between)
        status = convert_bool(to, KEY("add_sep_token"), more, k->err);
    return status == INFER_OK ? convert_bool(to, KEY("add_eos_token"), t->n_suffix > 0, k->err) : status;
}

/* All models have tokens and types. */
static bool has_column(const struct making *k, const struct form *form, enum column c)
{
    return ((form->model->columns | 1 << TOKENS | 1 << TYPES) >> c & 1) && k->columns[c].p;
}

static infer_status put_form(struct weights *to, const struct making *k, const struct form *form)
{
    infer_status status = convert_text(to, KEY("model"), text_of(form->model->name), k->err);
    if (status == INFER_OK && form->pre.p)
        status = convert_text(to, KEY("pre"), form->pre, k->err);
    for (int c = 0; c < COLUMNS && status == INFER_OK; c++)
        if (has_column(k, form, (enum column)c))
            status = convert_array(to, columns[c].key, columns[c].element, k->columns[c].n, k->columns[c].p, k->err);
    for (int i = 0; i < MAX_SETTINGS && form->model->settings[i] && status == INFER_OK; i++)
        status = convert_bool(to, form->model->settings[i], form->settings >> i & 1, k->err);
    return status == INFER_OK ? put_ids(to, k, form) : status;
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
    static const struct form of_characters[] = { { &by_scores, { NULL, 0 }, 1 }, { &by_scores, { NULL, 0 }, 0 },
                                                 { &by_characters, { NULL, 0 }, 0 } };
    static const unsigned both_first[] = { 3, 0, 1, 2 };
    enum { N_CHARACTERS = sizeof of_characters / sizeof *of_characters, N_BOTH = 4 };
    if (t->model == MODEL_BPE && t->bpe.byte_level) {
        *form = (struct form){ &by_bytes, pattern_name(i), 0 };
        return form->pre.p != NULL;
    }
    if (i >= (t->model == MODEL_BPE ? (size_t)N_CHARACTERS : N_BOTH))
        return false;
    if (t->model == MODEL_BPE)
        *form = of_characters[i];
    else
        *form = (struct form){ t->model == MODEL_WORDPIECE ? &wordpiece : &unigram, { NULL, 0 }, both_first[i] };
    return true;
}

/* Columns were made in memory that goes; those of the form move to the file's. */
static infer_status keep_form(struct weights *gguf, struct making *k, const struct form *form)
{
    for (int c = 0; c < COLUMNS; c++) {
        struct array *const column = &k->columns[c];
        uint8_t *copy = has_column(k, form, (enum column)c) ? arena_new(&gguf->arena, column->bytes, 1) : NULL;
        if (!copy && has_column(k, form, (enum column)c))
            return fail_memory(k->err, "a vocabulary");
        if (copy)
            memcpy(copy, column->p, column->bytes);
        column->p = copy;
    }
    return put_form(gguf, k, form);
}

/* What no form of GGUF can say, whatever the ids of the probes are. */
static const char *what_is_lost(const infer_tokenizer *t)
{
    const struct added_set *const sets[] = { &t->added, &t->added_normal };
    bool lowers = false, graphemes = false;
    for (size_t i = 0; i < t->n_normal; i++) {
        lowers |= t->normal[i].kind == NORMAL_LOWERCASE;
        graphemes |= t->normal[i].kind == NORMAL_CHARSMAP && t->normal[i].left;
    }
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->n; i++)
            if (sets[s]->items[i].lstrip || sets[s]->items[i].rstrip || sets[s]->items[i].single_word || (s && lowers))
                return "added tokens that take the white space beside them, stand only as whole words, or are found in"
                       " any case of letters, lose that";
    return graphemes ? "letters of several characters are normalised as by SentencePiece, not tokenizer.json" : NULL;
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
    infer_status status = make_columns(&k);
    struct form form, best = { NULL, { NULL, 0 }, 0 };
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
        *note = most == LIKENESS_SAME ? what_is_lost(t) : "texts that begin or end with white space, or follow a"
                                                          " control token, get other ids than from the directory";
    arena_free(&k.arena);
    return status;
}
