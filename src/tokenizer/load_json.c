/* load_json.c - a tokenizer from tokenizer.json: its vocabulary, merges and added tokens. load_steps.c has the rest. */
#include "src/tokenizer/load_json.h"

/* Ids may have holes, but not so many that a short file takes much memory. */
enum { HOLES_PER_TOKEN = 4, HOLES_ANYWAY = 65536 };

struct text json_text(struct loader *l, const json_t *string)
{
    struct text t = { NULL, json_string_length(string) };
    if (json_is_string(string))
        t.p = arena_text(&l->t->arena, json_string_value(string), t.n);
    return t;
}

bool json_flag(const json_t *object, const char *key, bool absent)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_boolean_value(value) : absent;
}

/* ---- Vocabulary ---- */

static infer_status check_id(struct loader *l, json_int_t id, const char *what, size_t n_tokens)
{
    const size_t most = HOLES_PER_TOKEN * n_tokens + HOLES_ANYWAY;
    if (id >= 0 && (uint64_t)id < most)
        return INFER_OK;
    return fail(l->err, INFER_E_FORMAT, "%s has the id %lld; expected 0 to %zu for %zu tokens", what, (long long)id,
                most, n_tokens);
}

/* Tokens of model.vocab: {name: id}, or of Unigram [[name, score], ...]. */
struct tokens {
    const json_t *vocab;
    void *at;
    size_t i;
};

/* The next token; *id -1: it has none. */
static bool next_token(struct tokens *t, struct text *name, json_int_t *id)
{
    if (json_is_array(t->vocab)) {
        const json_t *const string = json_array_get(json_array_get(t->vocab, t->i), 0);
        *name = (struct text){ json_string_value(string), json_string_length(string) };
        *id = json_is_string(string) ? (json_int_t)t->i : -1;
        return t->i++ < json_array_size(t->vocab);
    }
    json_t *const object = (json_t *)(uintptr_t)t->vocab;
    t->at = t->i++ ? json_object_iter_next(object, t->at) : json_object_iter(object);
    if (!t->at)
        return false;
    const json_t *const value = json_object_iter_value(t->at);
    *name = text_of(json_object_iter_key(t->at));
    *id = json_is_integer(value) ? json_integer_value(value) : -1;
    return true;
}

/* One past the largest id of the vocabulary and the added tokens. */
static infer_status count_ids(struct loader *l, const json_t *vocab, const json_t *added, size_t *n)
{
    const size_t n_tokens = json_object_size(vocab) + json_array_size(vocab) + json_array_size(added);
    struct tokens tokens = { .vocab = vocab };
    struct text name;
    json_t *value;
    json_int_t last = -1, id;
    while (next_token(&tokens, &name, &id)) {
        if (check_id(l, id, "a token of model.vocab", n_tokens))
            return INFER_E_FORMAT;
        last = id > last ? id : last;
    }
    size_t i;
    json_array_foreach(added, i, value) {
        const json_t *member = json_object_get(value, "id");
        id = json_is_integer(member) ? json_integer_value(member) : -1;
        if (check_id(l, id, "an entry of added_tokens", n_tokens))
            return INFER_E_FORMAT;
        last = id > last ? id : last;
    }
    *n = (size_t)(last + 1);
    return last < 0 ? fail(l->err, INFER_E_FORMAT, "no tokens: model.vocab and added_tokens are empty") : INFER_OK;
}

static infer_status fill_vocab(struct loader *l, const json_t *vocab, bool bytes)
{
    struct vocab *v = &l->t->vocab;
    struct tokens tokens = { .vocab = vocab };
    struct text name;
    json_int_t id;
    while (next_token(&tokens, &name, &id)) {
        if (v->kind[id] != TOKEN_HOLE)
            return fail(l->err, INFER_E_FORMAT, "model.vocab has two tokens with the id %lld", (long long)id);
        v->text[id] = (struct text){ arena_text(&l->t->arena, name.p, name.n), name.n };
        if (!v->text[id].p)
            return fail_memory(l->err, "a vocabulary");
        v->kind[id] = bytes && byte_token_value(v->text[id]) >= 0 ? TOKEN_BYTE : TOKEN_NORMAL;
    }
    return INFER_OK;
}

static infer_status add_token(struct loader *l, const json_t *json)
{
    struct vocab *v = &l->t->vocab;
    const size_t id = (size_t)json_integer_value(json_object_get(json, "id"));
    const bool special = json_flag(json, "special", false);
    const struct added token = {
        .text = json_text(l, json_object_get(json, "content")),
        .id = (int32_t)id,
        .control = special,
        .single_word = json_flag(json, "single_word", false),
        .lstrip = json_flag(json, "lstrip", false),
        .rstrip = json_flag(json, "rstrip", false),
        .normalized = json_flag(json, "normalized", !special),
    };
    if (!token.text.p)
        return fail(l->err, INFER_E_FORMAT, "added token %zu has no content", id);
    if (v->kind[id] != TOKEN_HOLE && !text_equal(v->text[id], token.text))
        return fail(l->err, INFER_E_FORMAT, "added token %zu is \"%.*s\", but model.vocab has \"%.*s\"", id,
                    (int)(token.text.n < 64 ? token.text.n : 64), token.text.p,
                    (int)(v->text[id].n < 64 ? v->text[id].n : 64), v->text[id].p);
    v->text[id] = token.text;
    if (special || v->kind[id] == TOKEN_HOLE) /* else the model may make it of plain text as well */
        v->kind[id] = special ? TOKEN_CONTROL : TOKEN_USER;
    return tokenizer_add(l->t, &token, l->err);
}

static infer_status load_vocab(struct loader *l, const json_t *root, const json_t *model)
{
    const json_t *vocab = json_object_get(model, "vocab"), *added = json_object_get(root, "added_tokens");
    size_t n = 0, i;
    if (l->t->model == MODEL_UNIGRAM ? !json_is_array(vocab) : !json_is_object(vocab))
        return fail(l->err, INFER_E_FORMAT, "model.vocab is no %s", l->t->model == MODEL_UNIGRAM ? "list" : "object");
    if (count_ids(l, vocab, added, &n))
        return INFER_E_FORMAT;
    if (!vocab_new(&l->t->vocab, &l->t->arena, n))
        return fail_memory(l->err, "a vocabulary");
    const bool bytes = json_flag(model, "byte_fallback", false) || has_byte_fallback(json_object_get(root, "decoder"));
    infer_status status = fill_vocab(l, vocab, bytes);
    json_t *token;
    json_array_foreach(added, i, token) {
        if (!status)
            status = add_token(l, token);
    }
    return status ? status : vocab_finish(&l->t->vocab, l->err);
}

/* ---- BPE ---- */

/* A merge is ["a", "b"], or in older files "a b". */
static bool merge_parts(const json_t *merge, struct text *left, struct text *right)
{
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        const json_t *l = json_array_get(merge, 0), *r = json_array_get(merge, 1);
        *left = (struct text){ json_string_value(l), json_string_length(l) };
        *right = (struct text){ json_string_value(r), json_string_length(r) };
        return left->p && right->p;
    }
    const char *line = json_string_value(merge);
    const size_t n = json_string_length(merge);
    const char *space = line ? memchr(line, ' ', n) : NULL;
    if (!space)
        return false;
    *left = (struct text){ line, (size_t)(space - line) };
    *right = (struct text){ space + 1, n - left->n - 1 };
    return true;
}

static infer_status load_merges(struct loader *l, const json_t *merges)
{
    const struct vocab *v = &l->t->vocab;
    char *joined = mem_new(l->t->a, 2 * v->longest + 1, 1);
    infer_status status = INFER_OK;
    size_t i;
    json_t *merge;
    if (!joined || json_array_size(merges) >= UINT32_MAX || !bpe_reserve(&l->t->bpe, l->t->a, json_array_size(merges)))
        status = fail_memory(l->err, "the merges of a vocabulary");
    json_array_foreach(merges, i, merge) {
        struct text left, right;
        if (status)
            break;
        if (!merge_parts(merge, &left, &right)) {
            status = fail(l->err, INFER_E_FORMAT, "model.merges[%zu] is no pair of tokens", i);
            break;
        }
        const int32_t a = vocab_find(v, left), b = vocab_find(v, right);
        int32_t both = -1;
        if (a >= 0 && b >= 0) { /* so neither is longer than the longest token */
            memcpy(joined, left.p, left.n);
            memcpy(joined + left.n, right.p, right.n);
            both = vocab_find(v, (struct text){ joined, left.n + right.n });
        }
        if (both >= 0)
            bpe_add(&l->t->bpe, (uint32_t)a, (uint32_t)b, (uint32_t)i, (uint32_t)both);
        else
            status = fail(l->err, INFER_E_FORMAT,
                          "model.merges[%zu] joins \"%.*s\" and \"%.*s\", which are not in model.vocab "
                          "both and joined",
                          i, (int)(left.n < 64 ? left.n : 64), left.p, (int)(right.n < 64 ? right.n : 64), right.p);
    }
    mem_free(l->t->a, joined);
    return status;
}

static infer_status load_bpe(struct loader *l, const json_t *model)
{
    static const char *const affixes[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    struct bpe *b = &l->t->bpe;
    for (size_t i = 0; i < 2; i++) {
        if (json_string_length(json_object_get(model, affixes[i])))
            return fail(l->err, INFER_E_UNKNOWN, "model.%s is set, which is not supported", affixes[i]);
    }
    b->ignore_merges = json_flag(model, "ignore_merges", false);
    b->byte_fallback = json_flag(model, "byte_fallback", false);
    b->fuse_unk = json_flag(model, "fuse_unk", false);
    return load_merges(l, json_object_get(model, "merges"));
}

/* ---- Models ---- */

static infer_status load_unknown(struct loader *l, const json_t *model)
{
    const json_t *unk = json_object_get(model, "unk_token");
    if (!json_is_string(unk))
        return INFER_OK;
    const struct text name = { json_string_value(unk), json_string_length(unk) };
    l->t->vocab.unk = vocab_find(&l->t->vocab, name);
    if (l->t->vocab.unk >= 0)
        return INFER_OK;
    return fail(l->err, INFER_E_FORMAT, "model.unk_token \"%.*s\" is not in the vocabulary",
                (int)(name.n < 64 ? name.n : 64), name.p);
}

static infer_status load_wordpiece(struct loader *l, const json_t *model)
{
    struct wordpiece *w = &l->t->wordpiece;
    const json_t *prefix = json_object_get(model, "continuing_subword_prefix");
    const json_t *most = json_object_get(model, "max_input_chars_per_word");
    w->first = text_of("");
    w->rest = prefix ? json_text(l, prefix) : text_of("##");
    w->most_chars = json_is_integer(most) && json_integer_value(most) >= 0 ? (size_t)json_integer_value(most) : 100;
    return w->rest.p ? INFER_OK : fail(l->err, INFER_E_FORMAT, "model.continuing_subword_prefix is no text");
}

static infer_status load_unigram(struct loader *l, const json_t *model)
{
    const json_t *const vocab = json_object_get(model, "vocab"), *const unk = json_object_get(model, "unk_id");
    struct vocab *const v = &l->t->vocab;
    double *const score = arena_new(&l->t->arena, (size_t)v->n, sizeof *score);
    size_t i;
    json_t *pair;
    if (!score)
        return fail_memory(l->err, "the scores of tokens");
    json_array_foreach(vocab, i, pair) {
        const json_t *const number = json_array_get(pair, 1);
        if (!json_is_number(number))
            return fail(l->err, INFER_E_FORMAT, "model.vocab[%zu] has no score", i);
        score[i] = json_number_value(number);
    }
    l->t->unigram.score = score;
    l->t->unigram.all_match = true;
    l->t->bpe.byte_fallback = json_flag(model, "byte_fallback", false);
    if (!json_is_integer(unk))
        return INFER_OK;
    if (json_integer_value(unk) < 0 || json_integer_value(unk) >= (json_int_t)json_array_size(vocab))
        return fail(l->err, INFER_E_FORMAT, "model.unk_id is %lld; expected 0 to %zu",
                    (long long)json_integer_value(unk), json_array_size(vocab) - 1);
    v->unk = (int32_t)json_integer_value(unk);
    return INFER_OK;
}

/* Older files name no type. */
static struct text model_type(const json_t *model)
{
    const json_t *type = json_object_get(model, "type");
    if (json_is_string(type))
        return (struct text){ json_string_value(type), json_string_length(type) };
    return text_of(json_object_get(model, "merges") ? "BPE" : "");
}

static infer_status load_document(struct loader *l, const json_t *root)
{
    const json_t *model = json_object_get(root, "model");
    const struct text type = model_type(model);
    static const struct {
        const char *type;
        enum model_kind model;
        infer_status (*load)(struct loader *l, const json_t *model);
    } kinds[] = {
        { "BPE", MODEL_BPE, load_bpe },
        { "WordPiece", MODEL_WORDPIECE, load_wordpiece },
        { "Unigram", MODEL_UNIGRAM, load_unigram },
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    size_t kind = 0;
    while (kind < KINDS && !text_is(type, kinds[kind].type))
        kind++;
    if (kind == KINDS)
        return fail(l->err, INFER_E_UNKNOWN, "model.type is \"%.*s\"; supported are BPE, WordPiece and Unigram",
                    (int)(type.n < 64 ? type.n : 64), type.p);
    l->t->model = kinds[kind].model;
    infer_status status = load_vocab(l, root, model);
    if (!status)
        status = load_unknown(l, model);
    if (!status)
        status = kinds[kind].load(l, model);
    if (!status)
        status = load_normalizer(l, json_object_get(root, "normalizer"));
    if (!status)
        status = load_pre_tokenizer(l, json_object_get(root, "pre_tokenizer"));
    if (!status)
        status = load_post_processor(l, json_object_get(root, "post_processor"));
    if (!status)
        status = load_decoder(l, json_object_get(root, "decoder"));
    return status;
}

infer_status load_json(infer_tokenizer *t, struct text json, const char *name, infer_error *err)
{
    struct loader l = { t, err };
    json_error_t why;
    json_t *root = json_loadb(json.p, json.n, JSON_ALLOW_NUL, &why);
    if (!root)
        return json_error_code(&why) == json_error_out_of_memory
                   ? fail_memory(err, name)
                   : fail(err, INFER_E_FORMAT, "%s: line %d, column %d: %s", name, why.line, why.column, why.text);
    t->names_decoded = true;
    infer_status status = load_document(&l, root);
    json_decref(root);
    if (!status)
        status = tokenizer_finish(t, err);
    if (status) {
        fail_prefix(err, name);
        return status;
    }
    struct vocab *v = &t->vocab; /* until a tokenizer_config.json says it better */
    v->bos = t->n_prefix ? t->prefix[0] : -1;
    v->eos = t->n_suffix ? t->suffix[t->n_suffix - 1] : -1;
    return INFER_OK;
}

/* ---- A Hugging Face directory ---- */

/* "tokenizer_config.bos_token" is a name, or an object with it. */
static int32_t named_token(const infer_tokenizer *t, const struct weights *w, const char *key, const char *content_key)
{
    struct text name;
    if (meta_get_text(w, key, &name, NULL) != META_FOUND && meta_get_text(w, content_key, &name, NULL) != META_FOUND)
        return -1;
    return vocab_find(&t->vocab, name);
}

static void mark_ends(infer_tokenizer *t, const struct meta *m)
{
    struct vocab *v = &t->vocab;
    const bool number = m && m->type != META_ARRAY && m->type != META_STRING;
    const uint64_t n = number ? 1 : m && m->type == META_ARRAY && m->element != META_STRING ? m->n : 0;
    for (uint64_t i = 0; i < n; i++) {
        const int64_t id = !number ? meta_element_i64(m, i) : m->type == META_F64 ? (int64_t)-1 : m->value.i;
        if (id >= 0 && id < v->n && v->kind[id] != TOKEN_HOLE) {
            v->end[id] = true;
            v->eos = v->eos < 0 ? (int32_t)id : v->eos;
        }
    }
}

infer_status load_directory(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    struct vocab *v = &t->vocab;
    struct text chat;
    if (!w->tokenizer_json.p)
        return fail(err, INFER_E_FORMAT, "%s: there is no tokenizer.json", w->path);
    const infer_status status = load_json(t, w->tokenizer_json, w->path, err);
    if (status)
        return status;
    const int32_t bos = named_token(t, w, "tokenizer_config.bos_token", "tokenizer_config.bos_token.content");
    const int32_t eos = named_token(t, w, "tokenizer_config.eos_token", "tokenizer_config.eos_token.content");
    v->bos = bos >= 0 ? bos : v->bos;
    v->eos = eos >= 0 ? eos : v->eos;
    mark_ends(t, weights_meta(w, "eos_token_id"));
    mark_ends(t, weights_meta(w, "generation_config.eos_token_id"));
    if (v->eos >= 0)
        v->end[v->eos] = true;
    if (meta_get_text(w, "tokenizer_config.chat_template", &chat, NULL) == META_FOUND ||
        meta_get_text(w, "tokenizer_config.chat_template.default.template", &chat, NULL) == META_FOUND) {
        t->chat_template = arena_text(&t->arena, chat.p, chat.n);
        if (!t->chat_template)
            return fail_memory(err, "a chat template");
    }
    return INFER_OK;
}
