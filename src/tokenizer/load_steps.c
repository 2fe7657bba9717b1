/* load_steps.c - the components of a tokenizer.json around its model, by their names. One that is not in the tables is
 * refused with its name: to leave a step out would give other ids. */
#include "src/tokenizer/load_json.h"

#include <utf8proc.h>

struct component {
    const char *type;
    infer_status (*load)(struct loader *l, const json_t *json, int argument);
    int argument;
};

static infer_status load_component(struct loader *l, const json_t *json, const char *what,
                                   const struct component *known)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    if (!json || json_is_null(json))
        return INFER_OK;
    if (!type)
        return fail(l->err, INFER_E_FORMAT, "a %s has no type", what);
    for (; known->type; known++) {
        if (!strcmp(known->type, type))
            return known->load(l, json, known->argument);
    }
    return fail(l->err, INFER_E_UNKNOWN, "the %s \"%.64s\" is not supported", what, type);
}

/* Each member of an array, in order. */
static infer_status load_each(struct loader *l, const json_t *array,
                              infer_status (*load)(struct loader *, const json_t *))
{
    size_t i;
    json_t *member;
    infer_status status = json_is_array(array) ? INFER_OK : fail(l->err, INFER_E_FORMAT, "a Sequence has no members");
    json_array_foreach(array, i, member) {
        if (!status)
            status = load(l, member);
    }
    return status;
}

static infer_status too_many(struct loader *l, const char *what)
{
    return fail(l->err, INFER_E_UNKNOWN, "more than %d %s steps", MAX_STEPS, what);
}

static infer_status no_text(struct loader *l, const char *type, const char *key)
{
    return fail(l->err, INFER_E_FORMAT, "%s: \"%s\" is no text", type, key);
}

/* {"String": s} or {"Regex": s}. */
static infer_status load_pattern(struct loader *l, const json_t *json, bool *regex, struct text *pattern)
{
    const json_t *holder = json_object_get(json, "pattern"), *string = json_object_get(holder, "String");
    *regex = !string;
    *pattern = json_text(l, string ? string : json_object_get(holder, "Regex"));
    return pattern->p ? INFER_OK : fail(l->err, INFER_E_FORMAT, "a \"pattern\" holds neither a String nor a Regex");
}

/* A pattern that matches the text itself. */
static struct text quote(struct loader *l, struct text text)
{
    char *out = text.n < SIZE_MAX / 2 ? arena_new(&l->t->arena, 2 * text.n + 1, 1) : NULL;
    size_t n = 0;
    for (size_t i = 0; out && i < text.n; i++) {
        if (strchr("\\^$.[]|()?*+{}-#", text.p[i]) && text.p[i])
            out[n++] = '\\';
        out[n++] = text.p[i];
    }
    return (struct text){ out, n };
}

/* ---- Normalisers ---- */

static infer_status add_normal(struct loader *l, const struct normal_step *step)
{
    if (l->t->n_normal == MAX_STEPS)
        return too_many(l, "normalizer");
    l->t->normal[l->t->n_normal++] = *step;
    return INFER_OK;
}

static infer_status normal_sequence(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    return load_each(l, json_object_get(json, "normalizers"), load_normalizer);
}

static infer_status normal_simple(struct loader *l, const json_t *json, int kind)
{
    const struct normal_step step = { .kind = (enum normal_kind)kind, .left = json_flag(json, "strip_left", true),
                                      .right = json_flag(json, "strip_right", true) };
    return add_normal(l, &step);
}

static infer_status normal_form(struct loader *l, const json_t *json, int options)
{
    (void)json;
    const struct normal_step step = { .kind = NORMAL_UNICODE, .options = UTF8PROC_STABLE | options };
    return add_normal(l, &step);
}

/* Six bits of a base64 character, or -1. */
static int six_bits(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Bytes of base64; p NULL if memory is out, or it is none. */
static struct text from_base64(struct loader *l, const json_t *string)
{
    const char *const in = json_string_value(string);
    const size_t n = json_string_length(string);
    char *const out = in ? arena_new(&l->t->arena, n / 4 * 3 + 3, 1) : NULL;
    struct text bytes = { out, 0 };
    uint32_t bits = 0;
    for (size_t i = 0, n_bits = 0; out && i < n && in[i] != '='; i++) {
        if (six_bits(in[i]) < 0)
            return (struct text){ NULL, 0 };
        bits = bits << 6 | (uint32_t)six_bits(in[i]);
        n_bits += 6;
        if (n_bits >= 8)
            out[bytes.n++] = (char)(bits >> (n_bits -= 8));
    }
    return bytes;
}

static infer_status normal_precompiled(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    struct normal_step step = { .kind = NORMAL_CHARSMAP, .left = true };
    const struct text bytes = from_base64(l, json_object_get(json, "precompiled_charsmap"));
    if (!bytes.p)
        return fail(l->err, INFER_E_FORMAT, "Precompiled: \"precompiled_charsmap\" is no base64");
    const infer_status status = charsmap_open(&step.map, bytes, l->err);
    return status ? status : add_normal(l, &step);
}

/* Of steps that there are already, in the order that this one has them. */
static infer_status normal_bert(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    const bool lower = json_flag(json, "lowercase", true), accents = json_flag(json, "strip_accents", lower);
    const struct {
        bool wanted;
        struct normal_step step;
    } parts[] = {
        { json_flag(json, "clean_text", true), { .kind = NORMAL_CLEAN } },
        { json_flag(json, "handle_chinese_chars", true), { .kind = NORMAL_SPACE_HAN } },
        { accents, { .kind = NORMAL_UNICODE, .options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE } },
        { accents, { .kind = NORMAL_DROP_MARKS, .left = true } },
        { lower, { .kind = NORMAL_LOWERCASE } },
    };
    infer_status status = INFER_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !status; i++)
        status = parts[i].wanted ? add_normal(l, &parts[i].step) : INFER_OK;
    return status;
}

static infer_status normal_accents(struct loader *l, const json_t *json, int unused)
{
    (void)json;
    (void)unused;
    return add_normal(l, &(struct normal_step){ .kind = NORMAL_DROP_MARKS });
}

static infer_status normal_prepend(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    const struct normal_step step = { .kind = NORMAL_PREPEND, .to = json_text(l, json_object_get(json, "prepend")) };
    return step.to.p ? add_normal(l, &step) : no_text(l, "Prepend", "prepend");
}

static infer_status normal_replace(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    struct normal_step step = { .kind = NORMAL_REPLACE, .to = json_text(l, json_object_get(json, "content")) };
    bool regex = false;
    infer_status status = step.to.p ? load_pattern(l, json, &regex, &step.from) : no_text(l, "Replace", "content");
    if (!status && regex) {
        step.kind = NORMAL_REPLACE_REGEX;
        status = regex_open(&step.regex, l->t->a, l->t->memory, step.from, l->err);
    }
    if (!status && (status = add_normal(l, &step)))
        regex_close(&step.regex);
    return status;
}

infer_status load_normalizer(struct loader *l, const json_t *json)
{
    static const struct component known[] = {
        { "Sequence", normal_sequence, 0 },
        { "Prepend", normal_prepend, 0 },
        { "Replace", normal_replace, 0 },
        { "Lowercase", normal_simple, NORMAL_LOWERCASE },
        { "Strip", normal_simple, NORMAL_STRIP },
        { "BertNormalizer", normal_bert, 0 },
        { "Precompiled", normal_precompiled, 0 },
        { "StripAccents", normal_accents, 0 },
        { "NFC", normal_form, UTF8PROC_COMPOSE },
        { "NFD", normal_form, UTF8PROC_DECOMPOSE },
        { "NFKC", normal_form, UTF8PROC_COMPOSE | UTF8PROC_COMPAT },
        { "NFKD", normal_form, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT },
        { NULL, NULL, 0 },
    };
    return load_component(l, json, "normalizer", known);
}

/* ---- Pre-tokenisers ---- */

static infer_status add_pre(struct loader *l, const struct pre_step *step)
{
    if (l->t->n_pre == MAX_STEPS)
        return too_many(l, "pre-tokenizer");
    l->t->pre[l->t->n_pre++] = *step;
    return INFER_OK;
}

/* Steps after ByteLevel see the characters that it makes of bytes. */
static infer_status after_bytes(struct loader *l)
{
    struct bpe *b = &l->t->bpe;
    if (!b->byte_level || b->mapped)
        return INFER_OK;
    b->mapped = true;
    return add_pre(l, &(struct pre_step){ .kind = PRE_MAP_BYTES });
}

static infer_status add_split(struct loader *l, struct text pattern, enum behaviour behaviour, bool invert)
{
    const infer_status status = after_bytes(l);
    return status ? status : tokenizer_split(l->t, pattern, behaviour, invert, l->err);
}

static infer_status load_behaviour(struct loader *l, const json_t *json, enum behaviour *behaviour)
{
    static const struct {
        const char *name;
        enum behaviour behaviour;
    } names[] = {
        { "Removed", SPLIT_REMOVED },
        { "Isolated", SPLIT_ISOLATED },
        { "MergedWithPrevious", SPLIT_WITH_PREVIOUS },
        { "MergedWithNext", SPLIT_WITH_NEXT },
        { "Contiguous", SPLIT_CONTIGUOUS },
    };
    const char *name = json_string_value(json_object_get(json, "behavior"));
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (!strcmp(names[i].name, name)) {
            *behaviour = names[i].behaviour;
            return INFER_OK;
        }
    }
    return fail(l->err, INFER_E_UNKNOWN, "the behavior \"%.64s\" of a split is not supported", name ? name : "");
}

static infer_status pre_sequence(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    return load_each(l, json_object_get(json, "pretokenizers"), load_pre_tokenizer);
}

static infer_status pre_byte_level(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    infer_status status = INFER_OK;
    if (l->t->bpe.byte_level)
        return fail(l->err, INFER_E_UNKNOWN, "two ByteLevel pre-tokenizers in a row are not supported");
    if (json_flag(json, "add_prefix_space", true))
        status = add_pre(l, &(struct pre_step){ .kind = PRE_PREFIX });
    if (!status && json_flag(json, "use_regex", true))
        status = tokenizer_split(l->t, text_of(pattern_gpt2), SPLIT_ISOLATED, false, l->err);
    l->t->bpe.byte_level = true;
    return status;
}

static infer_status pre_split(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    enum behaviour behaviour = SPLIT_ISOLATED;
    struct text pattern;
    bool regex = false;
    infer_status status = load_behaviour(l, json, &behaviour);
    if (!status)
        status = load_pattern(l, json, &regex, &pattern);
    if (status)
        return status;
    if (!regex)
        pattern = quote(l, pattern);
    return pattern.p ? add_split(l, pattern, behaviour, json_flag(json, "invert", false))
                     : fail_memory(l->err, "a pattern");
}

static infer_status pre_digits(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    return add_split(l, text_of(json_flag(json, "individual_digits", false) ? "\\p{N}" : "\\p{N}+"), SPLIT_ISOLATED,
                     false);
}

static infer_status pre_words(struct loader *l, const json_t *json, int only_spaces)
{
    (void)json;
    if (only_spaces)
        return add_split(l, text_of("\\s+"), SPLIT_REMOVED, false);
    return add_split(l, text_of("[\\p{L}\\p{M}\\p{Nd}\\p{Pc}]+|[^\\p{L}\\p{M}\\p{Nd}\\p{Pc}\\s]+"), SPLIT_REMOVED,
                     true);
}

static infer_status pre_punctuation(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    enum behaviour behaviour = SPLIT_ISOLATED;
    const infer_status status = json_object_get(json, "behavior") ? load_behaviour(l, json, &behaviour) : INFER_OK;
    return status ? status : add_split(l, text_of(pattern_punctuation), behaviour, false);
}

static infer_status pre_bert(struct loader *l, const json_t *json, int unused)
{
    (void)json;
    (void)unused;
    const infer_status status = add_split(l, text_of("\\s+"), SPLIT_REMOVED, false);
    return status ? status : add_split(l, text_of(pattern_punctuation), SPLIT_ISOLATED, false);
}

static infer_status pre_delimiter(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    struct text pattern = json_text(l, json_object_get(json, "delimiter"));
    if (pattern.p)
        pattern = quote(l, pattern);
    return pattern.p ? add_split(l, pattern, SPLIT_REMOVED, false) : no_text(l, "CharDelimiterSplit", "delimiter");
}

/* prepend_scheme, in older files add_prefix_space. */
static infer_status load_prepend(struct loader *l, const json_t *json, enum prepend *prepend)
{
    static const char *const names[] = { "never", "first", "always" };
    const char *name = json_string_value(json_object_get(json, "prepend_scheme"));
    *prepend = json_flag(json, "add_prefix_space", true) ? PREPEND_ALWAYS : PREPEND_NEVER;
    for (size_t i = 0; name && i < 3; i++) {
        if (!strcmp(name, names[i])) {
            *prepend = (enum prepend)i;
            return INFER_OK;
        }
    }
    return name ? fail(l->err, INFER_E_UNKNOWN, "the prepend_scheme \"%.64s\" is not supported", name) : INFER_OK;
}

static infer_status pre_metaspace(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    struct pre_step step = { .kind = PRE_METASPACE, .split = json_flag(json, "split", true) };
    step.replacement = json_text(l, json_object_get(json, "replacement"));
    if (!step.replacement.n || !step.replacement.p)
        return no_text(l, "Metaspace", "replacement");
    infer_status status = load_prepend(l, json, &step.prepend);
    if (!status)
        status = after_bytes(l);
    return status ? status : add_pre(l, &step);
}

infer_status load_pre_tokenizer(struct loader *l, const json_t *json)
{
    static const struct component known[] = {
        { "Sequence", pre_sequence, 0 },     { "ByteLevel", pre_byte_level, 0 },
        { "Split", pre_split, 0 },           { "Digits", pre_digits, 0 },
        { "Metaspace", pre_metaspace, 0 },   { "Whitespace", pre_words, false },
        { "BertPreTokenizer", pre_bert, 0 },
        { "WhitespaceSplit", pre_words, true }, { "Punctuation", pre_punctuation, 0 },
        { "CharDelimiterSplit", pre_delimiter, 0 }, { NULL, NULL, 0 },
    };
    return load_component(l, json, "pre-tokenizer", known);
}

/* ---- Post-processors ---- */

static infer_status post_sequence(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    return load_each(l, json_object_get(json, "processors"), load_post_processor);
}

static infer_status post_nothing(struct loader *l, const json_t *json, int unused)
{
    (void)l;
    (void)json;
    (void)unused;
    return INFER_OK; /* ByteLevel moves offsets only */
}

static bool valid_id(const struct loader *l, const json_t *id)
{
    return json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < l->t->vocab.n;
}

/* {"sep": [name, id], "cls": [name, id]}: as a template, cls $A sep. RoBERTa has `n_between` of sep in a pair. */
static infer_status post_pair(struct loader *l, const json_t *json, int n_between)
{
    const json_t *cls = json_array_get(json_object_get(json, "cls"), 1);
    const json_t *sep = json_array_get(json_object_get(json, "sep"), 1);
    if (!valid_id(l, cls) || !valid_id(l, sep))
        return fail(l->err, INFER_E_FORMAT, "a post-processor names no tokens of the vocabulary as cls and sep");
    const int32_t before = (int32_t)json_integer_value(cls), after = (int32_t)json_integer_value(sep);
    const int32_t between[] = { after, after };
    const infer_status status = tokenizer_frame(l->t, &before, 1, &after, 1, l->err);
    return status ? status : tokenizer_between(l->t, between, (size_t)n_between, l->err);
}

/* The ids of one special token of a template; returns how many, at most `room`, or -1 if they are no ids. */
static int special_ids(struct loader *l, const json_t *specials, const char *name, int32_t *ids, size_t room)
{
    const json_t *array = name ? json_object_get(json_object_get(specials, name), "ids") : NULL;
    const size_t n = json_array_size(array);
    if (!array || n > room)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(array, i);
        if (!valid_id(l, id))
            return -1;
        ids[i] = (int32_t)json_integer_value(id);
    }
    return (int)n;
}

enum { MOST_AROUND = 64 };

/* Special tokens of a template: before its first text, behind it, and so on. */
struct around {
    int32_t ids[3][MOST_AROUND];
    size_t n[3];
    int n_texts;
};

static infer_status read_template(struct loader *l, const json_t *json, const char *name, int most, struct around *a)
{
    const json_t *specials = json_object_get(json, "special_tokens");
    json_t *part;
    size_t i;
    *a = (struct around){ .n_texts = 0 };
    json_array_foreach(json_object_get(json, name), i, part) {
        const json_t *sequence = json_object_get(part, "Sequence");
        if (sequence) {
            const char *which = json_string_value(json_object_get(sequence, "id"));
            if (a->n_texts == most || !which || *which != "AB"[a->n_texts] || which[1])
                return fail(l->err, INFER_E_UNKNOWN, "a template that holds more than \"%s\" says, or in another order,"
                            " is not supported", name);
            a->n_texts++;
            continue;
        }
        const char *special = json_string_value(json_object_get(json_object_get(part, "SpecialToken"), "id"));
        size_t *const n = &a->n[a->n_texts];
        const int got = special_ids(l, specials, special, a->ids[a->n_texts] + *n, MOST_AROUND - *n);
        if (got < 0)
            return fail(l->err, INFER_E_FORMAT, "the special token \"%.64s\" of a template has no valid ids",
                        special ? special : "");
        *n += (size_t)got;
    }
    return INFER_OK;
}

/* Templates of pairs that are not known stay unused: most models never see a pair. */
static infer_status post_template(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    struct around a;
    infer_error ignored;
    infer_error *const err = l->err;
    infer_status status = read_template(l, json, "single", 1, &a);
    if (status)
        return status;
    if (!a.n_texts)
        return fail(l->err, INFER_E_UNKNOWN, "a template without the text itself is not supported");
    status = tokenizer_frame(l->t, a.ids[0], a.n[0], a.ids[1], a.n[1], l->err);
    l->err = &ignored;
    const bool pair = !status && !read_template(l, json, "pair", 2, &a) && a.n_texts == 2;
    l->err = err;
    return pair ? tokenizer_between(l->t, a.ids[1], a.n[1], l->err) : status;
}

infer_status load_post_processor(struct loader *l, const json_t *json)
{
    static const struct component known[] = {
        { "Sequence", post_sequence, 0 },     { "ByteLevel", post_nothing, 0 },
        { "BertProcessing", post_pair, 1 },   { "RobertaProcessing", post_pair, 2 },
        { "TemplateProcessing", post_template, 0 }, { NULL, NULL, 0 },
    };
    return load_component(l, json, "post-processor", known);
}

/* ---- Decoders ---- */

static infer_status add_decode(struct loader *l, const struct decode_step *step)
{
    if (l->t->n_decode == MAX_STEPS)
        return too_many(l, "decoder");
    if (l->t->fused)
        return fail(l->err, INFER_E_UNKNOWN, "a decoder after Fuse, other than a Strip at the start, is not supported");
    l->t->decode[l->t->n_decode++] = *step;
    return INFER_OK;
}

static infer_status load_decoder_part(struct loader *l, const json_t *json);

static infer_status decode_sequence(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    return load_each(l, json_object_get(json, "decoders"), load_decoder_part);
}

static infer_status decode_simple(struct loader *l, const json_t *json, int kind)
{
    (void)json;
    l->t->bytes_in_runs |= kind == DECODE_BYTE_FALLBACK;
    return add_decode(l, &(struct decode_step){ .kind = (enum decode_kind)kind });
}

static infer_status decode_fuse(struct loader *l, const json_t *json, int unused)
{
    (void)json;
    (void)unused;
    l->t->fused = true;
    return INFER_OK;
}

static infer_status decode_metaspace(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    struct decode_step step = { .kind = DECODE_REPLACE, .to = text_of(" ") };
    enum prepend prepend = PREPEND_NEVER;
    step.from = json_text(l, json_object_get(json, "replacement"));
    if (!step.from.n || !step.from.p)
        return no_text(l, "Metaspace", "replacement");
    const infer_status status = load_prepend(l, json, &prepend);
    if (!status && prepend != PREPEND_NEVER)
        l->t->first_without = step.from;
    return status ? status : add_decode(l, &step);
}

static infer_status decode_replace(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    struct decode_step step = { .kind = DECODE_REPLACE, .to = json_text(l, json_object_get(json, "content")) };
    bool regex = false;
    const infer_status status =
        step.to.p ? load_pattern(l, json, &regex, &step.from) : no_text(l, "Replace", "content");
    if (!status && regex)
        return fail(l->err, INFER_E_UNKNOWN, "a Replace decoder with a regular expression is not supported");
    return status ? status : add_decode(l, &step);
}

/* With its clean-up, which looks at each token by itself. */
static infer_status decode_wordpiece(struct loader *l, const json_t *json, int unused)
{
    static const char *const cleanup[][2] = {
        { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" }, { " n't", "n't" },
        { " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    (void)unused;
    const struct decode_step step = { .kind = DECODE_WORDPIECE, .from = json_text(l, json_object_get(json, "prefix")) };
    infer_status status = step.from.p ? add_decode(l, &step) : no_text(l, "WordPiece", "prefix");
    l->t->first_whole = true;
    for (size_t i = 0; i < sizeof cleanup / sizeof *cleanup && !status && json_flag(json, "cleanup", true); i++) {
        const struct text from = text_of(cleanup[i][0]), to = text_of(cleanup[i][1]);
        status = add_decode(l, &(struct decode_step){ .kind = DECODE_REPLACE, .from = from, .to = to });
    }
    return status;
}

static infer_status decode_strip(struct loader *l, const json_t *json, int unused)
{
    (void)unused;
    const json_int_t start = json_integer_value(json_object_get(json, "start"));
    const json_int_t stop = json_integer_value(json_object_get(json, "stop"));
    const struct text content = json_text(l, json_object_get(json, "content"));
    if (!content.n || !content.p || start < 0 || stop < 0 || start > 200 || stop > 200)
        return fail(l->err, INFER_E_FORMAT, "a Strip decoder without content, or of more than 200 characters");
    if (!l->t->fused)
        return add_decode(l, &(struct decode_step){ .kind = DECODE_STRIP, .from = content, .n_start = (size_t)start,
                                                    .n_end = (size_t)stop });
    if (stop || !text_is(content, " "))
        return fail(l->err, INFER_E_UNKNOWN,
                    "a Strip decoder after Fuse that strips the end, or other than spaces, is not supported");
    l->t->strip_start = (uint8_t)start;
    return INFER_OK;
}

static infer_status load_decoder_part(struct loader *l, const json_t *json)
{
    static const struct component known[] = {
        { "Sequence", decode_sequence, 0 },
        { "ByteLevel", decode_simple, DECODE_BYTE_LEVEL },
        { "ByteFallback", decode_simple, DECODE_BYTE_FALLBACK },
        { "Metaspace", decode_metaspace, 0 },
        { "Replace", decode_replace, 0 },
        { "WordPiece", decode_wordpiece, 0 },
        { "Strip", decode_strip, 0 },
        { "Fuse", decode_fuse, 0 },
        { NULL, NULL, 0 },
    };
    return load_component(l, json, "decoder", known);
}

infer_status load_decoder(struct loader *l, const json_t *json)
{
    l->t->join_spaces = !json || json_is_null(json);
    return load_decoder_part(l, json);
}

bool has_byte_fallback(const json_t *decoder)
{
    const char *type = json_string_value(json_object_get(decoder, "type"));
    size_t i;
    json_t *member;
    if (type && !strcmp(type, "ByteFallback"))
        return true;
    json_array_foreach(json_object_get(decoder, "decoders"), i, member) {
        if (has_byte_fallback(member))
            return true;
    }
    return false;
}
