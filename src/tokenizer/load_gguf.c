/* load_gguf.c - a tokenizer from the metadata of a GGUF file.
 *
 *   tokenizer.ggml.model   "llama": SentencePiece BPE by scores; "gpt2": byte-level BPE by merges; "bert": WordPiece;
 *                          "gemma4": merges over characters; "t5": Unigram
 *   tokenizer.ggml.pre     how byte-level text is cut into words, see patterns.c
 *   tokens, token_type, scores, merges; ids of bos, eos, ...; add_bos_token, add_eos_token, add_space_prefix */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

#include <strings.h>
#include <utf8proc.h>

#define KEY(name) "tokenizer.ggml." name

enum { MAX_CHARSMAP = 64 << 20 }; /* bytes */

static infer_status wrong_array(const struct weights *w, const char *key, const char *want, infer_error *err)
{
    const struct meta *m = weights_meta(w, key);
    if (!m)
        return fail(err, INFER_E_FORMAT, "%s: %s is missing", w->path, key);
    return fail(err, INFER_E_FORMAT, "%s: %s is of type %s, not an array of %s", w->path, key,
                m->type == META_ARRAY ? meta_type_name(m->element) : meta_type_name(m->type), want);
}

static bool is_numbers(const struct meta *m)
{
    return m && m->type == META_ARRAY && m->element != META_STRING;
}

/* ---- Tokens ---- */

static infer_status load_scores(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    struct vocab *v = &t->vocab;
    const struct meta *m = weights_meta(w, KEY("scores"));
    if (!is_numbers(m))
        return wrong_array(w, KEY("scores"), "numbers", err);
    if (m->n != (uint64_t)v->n)
        return fail(err, INFER_E_FORMAT, "%s: " KEY("scores") " has %llu elements for %d tokens", w->path,
                    (unsigned long long)m->n, v->n);
    v->score = arena_new(&t->arena, (size_t)v->n, sizeof *v->score);
    if (!v->score)
        return fail_memory(err, "the scores of tokens");
    for (int32_t id = 0; id < v->n; id++)
        v->score[id] = (float)meta_element_f64(m, (uint64_t)id);
    return INFER_OK;
}

static infer_status load_tokens(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    struct vocab *v = &t->vocab;
    const struct meta *tokens = weights_meta(w, KEY("tokens")), *types = weights_meta(w, KEY("token_type"));
    if (!tokens || tokens->type != META_ARRAY || tokens->element != META_STRING)
        return wrong_array(w, KEY("tokens"), "strings", err);
    if (!tokens->n || tokens->n > INT32_MAX / 2)
        return fail(err, INFER_E_FORMAT, "%s: " KEY("tokens") " has %llu elements", w->path,
                    (unsigned long long)tokens->n);
    if (types && !is_numbers(types))
        return wrong_array(w, KEY("token_type"), "numbers", err);
    if (types && types->n != tokens->n)
        return fail(err, INFER_E_FORMAT, "%s: " KEY("token_type") " has %llu elements for %llu tokens", w->path,
                    (unsigned long long)types->n, (unsigned long long)tokens->n);
    if (!vocab_new(v, &t->arena, (size_t)tokens->n))
        return fail_memory(err, "a vocabulary");
    meta_strings(tokens, v->text);
    for (int32_t id = 0; id < v->n; id++) {
        const int64_t type = types ? meta_element_i64(types, (uint64_t)id) : 0;
        const bool known = type >= TOKEN_NORMAL && type <= TOKEN_BYTE;
        const bool byte = !types && !t->bpe.byte_level && byte_token_value(v->text[id]) >= 0;
        v->kind[id] = known ? (uint8_t)type : byte ? TOKEN_BYTE : TOKEN_NORMAL;
    }
    return INFER_OK;
}

static infer_status load_id(const infer_tokenizer *t, const struct weights *w, const char *key, int32_t *id,
                            infer_error *err)
{
    uint32_t value;
    const enum meta_result result = meta_get_u32(w, key, &value, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_FOUND) /* some files say -1, or one past the end, for "none" */
        *id = value < (uint32_t)t->vocab.n ? (int32_t)value : -1;
    return INFER_OK;
}

static infer_status load_ids(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    struct vocab *v = &t->vocab;
    int32_t ends[2] = { -1, -1 };
    const struct {
        const char *key;
        int32_t *id;
    } ids[] = {
        { KEY("bos_token_id"), &v->bos },     { KEY("eos_token_id"), &v->eos },  { KEY("unknown_token_id"), &v->unk },
        { KEY("eot_token_id"), &ends[0] },    { KEY("eom_token_id"), &ends[1] },
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const infer_status status = load_id(t, w, ids[i].key, ids[i].id, err);
        if (status)
            return status;
    }
    for (size_t i = 0; i < 2; i++) {
        if (ends[i] >= 0)
            v->end[ends[i]] = true;
    }
    return INFER_OK;
}

/* Phi-3's tokens take the white space behind them, which no field of the file says. */
static bool strips_right(const struct weights *w)
{
    struct text name;
    if (meta_get_text(w, "general.name", &name, NULL) != META_FOUND)
        return false;
    for (size_t i = 0; i + 4 <= name.n; i++) {
        if (!strncasecmp(name.p + i, "phi3", 4) || (i + 5 <= name.n && !strncasecmp(name.p + i, "phi-3", 5)))
            return true;
    }
    return false;
}

static infer_status load_added(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    const struct vocab *v = &t->vocab;
    const bool strips = strips_right(w);
    for (int32_t id = 0; id < v->n; id++) {
        const uint8_t kind = v->kind[id];
        if (kind != TOKEN_CONTROL && kind != TOKEN_USER && kind != TOKEN_UNKNOWN)
            continue;
        const struct text text = v->text[id];
        const bool keeps = text_is(text, "<unk>") || text_is(text, "<s>") || text_is(text, "<|endoftext|>");
        const struct added token = {
            .text = text, .id = id, .control = kind != TOKEN_USER, .rstrip = strips && !keeps
        };
        const infer_status status = tokenizer_add(t, &token, err);
        if (status)
            return status;
    }
    return INFER_OK;
}

/* ---- Merges ---- */

static infer_status load_merges(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    const struct meta *m = weights_meta(w, KEY("merges"));
    if (!m || m->type != META_ARRAY || m->element != META_STRING)
        return wrong_array(w, KEY("merges"), "strings", err);
    struct text *lines = m->n < UINT32_MAX ? mem_new(t->a, (size_t)m->n, sizeof *lines) : NULL;
    char *joined = mem_new(t->a, t->vocab.longest + 1, 1);
    infer_status status = INFER_E_NOMEM;
    if (!lines || !joined || !bpe_reserve(&t->bpe, t->a, (size_t)m->n)) {
        fail_memory(err, "the merges of a vocabulary");
        goto done;
    }
    meta_strings(m, lines);
    for (size_t i = 0; i < m->n; i++) {
        const struct text line = lines[i];
        const char *space = line.n > 1 ? memchr(line.p + 1, ' ', line.n - 1) : NULL;
        if (!space || line.n - 1 > t->vocab.longest) /* joins to no token */
            continue;
        const struct text left = { line.p, (size_t)(space - line.p) }, right = { space + 1, line.n - left.n - 1 };
        memcpy(joined, left.p, left.n);
        memcpy(joined + left.n, right.p, right.n);
        const int32_t l = vocab_find(&t->vocab, left), r = vocab_find(&t->vocab, right);
        const int32_t both = l < 0 || r < 0 ? -1 : vocab_find(&t->vocab, (struct text){ joined, line.n - 1 });
        if (both >= 0)
            bpe_add(&t->bpe, (uint32_t)l, (uint32_t)r, (uint32_t)i, (uint32_t)both);
    }
    status = INFER_OK;
done:
    mem_free(t->a, lines);
    mem_free(t->a, joined);
    return status;
}

/* ---- Steps ---- */

static void add_normal(infer_tokenizer *t, struct normal_step step)
{
    t->normal[t->n_normal++] = step;
}

static void add_decode(infer_tokenizer *t, enum decode_kind kind)
{
    t->decode[t->n_decode++] =
        (struct decode_step){ .kind = kind, .from = text_of(UTF8_LOWER_BLOCK), .to = text_of(" ") };
}

/* Spaces are U+2581 in the vocabulary, characters without a token are bytes. */
static void use_marks(infer_tokenizer *t, bool prepend)
{
    const struct text mark = text_of(UTF8_LOWER_BLOCK);
    if (prepend)
        add_normal(t, (struct normal_step){ .kind = NORMAL_PREPEND, .to = mark });
    add_normal(t, (struct normal_step){ .kind = NORMAL_REPLACE, .from = text_of(" "), .to = mark });
    add_decode(t, DECODE_REPLACE);
    add_decode(t, DECODE_BYTE_FALLBACK);
    t->bpe.byte_fallback = true;
    t->strip_first = prepend;
}

/* What stands around the text unless the file says otherwise. */
struct frame {
    bool bos, eos;
};

static infer_status load_llama(infer_tokenizer *t, const struct weights *w, struct frame *frame, infer_error *err)
{
    bool prepend = true;
    if (meta_get_bool(w, KEY("add_space_prefix"), &prepend, err) == META_WRONG)
        return INFER_E_FORMAT;
    frame->bos = true;
    t->bpe.by_score = true;
    use_marks(t, prepend);
    return load_scores(t, w, err);
}

/* Words begin with U+2581, which WordPiece itself has not; CLS stands for BOS and SEP for EOS. */
static infer_status load_bert(infer_tokenizer *t, const struct weights *w, struct frame *frame, infer_error *err)
{
    bool lower = true;
    if (meta_get_bool(w, KEY("normalizer.lowercase"), &lower, err) == META_WRONG)
        return INFER_E_FORMAT;
    bool accents = lower;
    if (meta_get_bool(w, KEY("normalizer.strip_accents"), &accents, err) == META_WRONG)
        return INFER_E_FORMAT;
    add_normal(t, (struct normal_step){ .kind = NORMAL_CLEAN });
    add_normal(t, (struct normal_step){ .kind = NORMAL_SPACE_HAN });
    if (accents) {
        add_normal(t, (struct normal_step){ .kind = NORMAL_UNICODE, .options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE });
        add_normal(t, (struct normal_step){ .kind = NORMAL_DROP_MARKS, .left = true });
    }
    if (lower)
        add_normal(t, (struct normal_step){ .kind = NORMAL_LOWERCASE });
    add_decode(t, DECODE_REPLACE);
    t->clean_spaces = true;
    t->model = MODEL_WORDPIECE;
    t->wordpiece = (struct wordpiece){ .first = text_of(UTF8_LOWER_BLOCK), .rest = text_of(""), .most_chars = 100 };
    frame->bos = frame->eos = true;
    infer_status status = load_id(t, w, KEY("cls_token_id"), &t->vocab.bos, err);
    if (!status) /* this is how the key is spelt */
        status = load_id(t, w, KEY("seperator_token_id"), &t->vocab.eos, err);
    if (!status)
        status = tokenizer_split(t, text_of("\\s+"), SPLIT_REMOVED, false, err);
    return status ? status : tokenizer_split(t, text_of(pattern_punctuation), SPLIT_ISOLATED, false, err);
}

static infer_status load_gpt2(infer_tokenizer *t, const struct weights *w, struct frame *frame, infer_error *err)
{
    struct text pre = text_of("default"), model = { NULL, 0 };
    unsigned flags = 0;
    if (meta_get_text(w, KEY("pre"), &pre, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (meta_get_text(w, KEY("model"), &model, err) == META_FOUND && text_is(model, "gemma4"))
        pre = model;
    const infer_status status = patterns_apply(t, pre, &flags, err);
    if (status) {
        fail_prefix(err, w->path);
        return status;
    }
    frame->bos = flags & PATTERN_ADD_BOS;
    frame->eos = flags & PATTERN_ADD_SEP;
    t->bpe.byte_level = !(flags & PATTERN_MARKS);
    t->clean_spaces = !(flags & PATTERN_KEEP_SPACES);
    if (t->bpe.byte_level)
        add_decode(t, DECODE_BYTE_LEVEL);
    else
        use_marks(t, false);
    return load_merges(t, w, err);
}

/* SentencePiece's map of characters, an array of bytes. */
static infer_status load_charsmap(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    const struct meta *m = weights_meta(w, KEY("precompiled_charsmap"));
    struct normal_step step = { .kind = NORMAL_CHARSMAP };
    if (!m)
        return INFER_OK;
    if (!is_numbers(m) || m->n > MAX_CHARSMAP)
        return wrong_array(w, KEY("precompiled_charsmap"), "at most 64 MB of bytes", err);
    char *bytes = arena_new(&t->arena, (size_t)m->n, 1);
    if (!bytes)
        return fail_memory(err, "a map of characters");
    for (uint64_t i = 0; i < m->n; i++)
        bytes[i] = (char)meta_element_i64(m, i);
    if (charsmap_open(&step.map, (struct text){ bytes, (size_t)m->n }, err)) {
        fail_prefix(err, w->path);
        return INFER_E_FORMAT;
    }
    add_normal(t, step);
    return INFER_OK;
}

/* White space around words goes, or most of it: one mark before each word is left. */
static infer_status merge_spaces(infer_tokenizer *t, infer_error *err)
{
    static const struct {
        const char *pattern, *to;
    } steps[] = { { "\\A +| +\\z", "" }, { " {2,}", " " } };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct normal_step step = { .kind = NORMAL_REPLACE_REGEX, .to = text_of(steps[i].to) };
        const infer_status status = regex_open(&step.regex, t->a, t->memory, text_of(steps[i].pattern), err);
        if (status)
            return status;
        add_normal(t, step);
    }
    return INFER_OK;
}

static infer_status load_t5(infer_tokenizer *t, const struct weights *w, struct frame *frame, infer_error *err)
{
    bool prepend = true, merge = true, suffix = false;
    if (meta_get_bool(w, KEY("add_space_prefix"), &prepend, err) == META_WRONG ||
        meta_get_bool(w, KEY("remove_extra_whitespaces"), &merge, err) == META_WRONG ||
        meta_get_bool(w, KEY("treat_whitespace_as_suffix"), &suffix, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (suffix)
        return fail(err, INFER_E_UNKNOWN, "%s: " KEY("treat_whitespace_as_suffix") " is set, which is not supported",
                    w->path);
    frame->eos = true;
    t->model = MODEL_UNIGRAM;
    infer_status status = load_charsmap(t, w, err);
    if (!status && merge)
        status = merge_spaces(t, err);
    if (!status)
        status = load_scores(t, w, err);
    if (status)
        return status;
    use_marks(t, prepend || merge);
    t->bpe.byte_fallback = false;
    t->unigram.score = arena_new(&t->arena, (size_t)t->vocab.n, sizeof *t->unigram.score);
    if (!t->unigram.score)
        return fail_memory(err, "the scores of tokens");
    for (int32_t id = 0; id < t->vocab.n; id++)
        t->unigram.score[id] = t->vocab.kind[id] == TOKEN_USER ? 0 : (double)t->vocab.score[id];
    return INFER_OK;
}

/* Kinds of vocabularies, and the ids of their tokens where the file does not say (-1: none). */
static const struct kind {
    const char *model;
    infer_status (*load)(infer_tokenizer *t, const struct weights *w, struct frame *frame, infer_error *err);
    int32_t bos, eos, unk;
} kinds[] = {
    { "llama", load_llama, 1, 2, 0 },
    { "gpt2", load_gpt2, -1, -1, -1 },
    { "gemma4", load_gpt2, -1, -1, -1 },
    { "bert", load_bert, 101, 102, 100 },
    { "t5", load_t5, -1, 1, 2 },
};

static int32_t within(const infer_tokenizer *t, int32_t id)
{
    return id < t->vocab.n ? id : -1;
}

/* Between the texts of a pair some models have one more token than behind a text. */
static infer_status load_between(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    bool more = false;
    int32_t ids[] = { t->vocab.eos, t->vocab.eos };
    if (meta_get_bool(w, KEY("add_sep_token"), &more, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (!more || t->model == MODEL_WORDPIECE)
        return INFER_OK;
    const infer_status status = load_id(t, w, KEY("seperator_token_id"), &ids[1], err);
    return status || ids[1] < 0 ? status : tokenizer_between(t, ids + !t->n_suffix, t->n_suffix ? 2 : 1, err);
}

infer_status load_gguf(infer_tokenizer *t, const struct weights *w, infer_error *err)
{
    struct text model, chat;
    struct frame frame = { false, false };
    const struct kind *kind = NULL;
    const enum meta_result found = meta_get_text(w, KEY("model"), &model, err);
    if (found != META_FOUND)
        return found == META_WRONG ? INFER_E_FORMAT
                                   : fail(err, INFER_E_FORMAT, "%s: " KEY("model") " is missing", w->path);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !kind; i++)
        kind = text_is(model, kinds[i].model) ? &kinds[i] : NULL;
    if (!kind)
        return fail(err, INFER_E_UNKNOWN,
                    "%s: " KEY("model") " is \"%.*s\"; supported are llama, gpt2, gemma4, bert and t5", w->path,
                    (int)(model.n < 100 ? model.n : 100), model.p);
    infer_status status = load_tokens(t, w, err);
    if (!status) {
        t->vocab.bos = within(t, kind->bos);
        t->vocab.eos = within(t, kind->eos);
        t->vocab.unk = within(t, kind->unk);
        status = load_ids(t, w, err);
    }
    if (!status && (status = vocab_finish(&t->vocab, err)))
        fail_prefix(err, w->path);
    if (!status) {
        vocab_hide_names(&t->vocab);
        status = load_added(t, w, err);
    }
    if (!status)
        status = kind->load(t, w, &frame, err);
    if (status)
        return status;
    if (meta_get_bool(w, KEY("add_bos_token"), &frame.bos, err) == META_WRONG ||
        meta_get_bool(w, KEY("add_eos_token"), &frame.eos, err) == META_WRONG)
        return INFER_E_FORMAT;
    const struct vocab *v = &t->vocab;
    status = tokenizer_frame(t, &v->bos, frame.bos && v->bos >= 0, &v->eos, frame.eos && v->eos >= 0, err);
    if (!status)
        status = load_between(t, w, err);
    if (!status && meta_get_text(w, "tokenizer.chat_template", &chat, NULL) == META_FOUND) {
        t->chat_template = arena_text(&t->arena, chat.p, chat.n);
        status = t->chat_template ? INFER_OK : fail_memory(err, "a chat template");
    }
    return status ? status : tokenizer_finish(t, err);
}
