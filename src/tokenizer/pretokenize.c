/* pretokenize.c - cutting a text into pieces, step by step.
 *
 * Each step cuts the pieces of the one before. They run depth first: a piece goes through all later steps and the model
 * before the next one is cut, so no list of pieces is kept and each step needs one buffer at most. */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

uint32_t byte_to_char(uint8_t byte)
{
    if ((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad))
        return byte;
    /* the others count up from U+0100: 00..20, 7f..a0, ad */
    return 0x100u + (byte <= 0x20 ? byte : byte == 0xad ? 0x43u : byte - 0x7fu + 0x21u);
}

int byte_from_char(uint32_t code)
{
    if (code < 0x100)
        return (code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code != 0xad) ? (int)code : -1;
    if (code > 0x143)
        return -1;
    const int i = (int)code - 0x100;
    return i <= 0x20 ? i : i == 0x43 ? 0xad : i - 0x21 + 0x7f;
}

static bool run_steps(const infer_tokenizer *t, struct scratch *s, size_t k, struct text piece, bool first);

static bool encode_piece(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    return t->model == MODEL_BPE         ? bpe_encode(t, s, piece)
           : t->model == MODEL_WORDPIECE ? wordpiece_encode(t, s, piece)
                                         : unigram_encode(t, s, piece);
}

/* What a split makes of the matches and of what lies between them, one after the other. */
struct splitter {
    const infer_tokenizer *t;
    struct scratch *s;
    size_t next_step;
    const struct pre_step *step;
    const char *text;
    bool first;
    bool pending, was_match; /* a piece that may still grow: from `start` to the end of the last part; was it a match */
    size_t start;
};

static bool pass_on(struct splitter *x, size_t start, size_t end)
{
    if (start == end)
        return true;
    return run_steps(x->t, x->s, x->next_step, (struct text){ x->text + start, end - start }, x->first && !start);
}

/* The next part of the text, from where the last one ended. */
static bool add_part(struct splitter *x, size_t start, size_t end, bool match)
{
    if (start == end)
        return true;
    const bool delimiter = match != x->step->invert;
    bool joins = false; /* to the pending piece */
    switch (x->step->behaviour) {
    case SPLIT_REMOVED:
        return delimiter || pass_on(x, start, end);
    case SPLIT_ISOLATED:
        return pass_on(x, start, end);
    case SPLIT_WITH_PREVIOUS:
        joins = delimiter && x->pending && !x->was_match;
        break;
    case SPLIT_WITH_NEXT:
        joins = !delimiter && x->pending && x->was_match;
        break;
    case SPLIT_CONTIGUOUS:
        joins = x->pending && x->was_match == delimiter;
        break;
    }
    if (!joins) {
        if (x->pending && !pass_on(x, x->start, start))
            return false;
        x->start = start;
    }
    x->pending = true;
    x->was_match = delimiter;
    return true;
}

static bool split(struct splitter *x, size_t n)
{
    size_t done = 0, start, end;
    for (size_t at = 0; at < n && regex_next(&x->step->regex, x->s, x->text, n, at, &start, &end);) {
        if (start == end) { /* an empty match cuts, but takes nothing */
            if (start > done && !add_part(x, done, start, false))
                return false;
            done = start;
            at = start + (start < n ? utf8_length((uint8_t)x->text[start]) : 1);
            continue;
        }
        if (!add_part(x, done, start, false) || !add_part(x, start, end, true))
            return false;
        at = done = end;
    }
    if (!add_part(x, done, n, false))
        return false;
    return !x->pending || pass_on(x, x->start, n);
}

static bool starts_with(struct text t, struct text with)
{
    return t.n >= with.n && !memcmp(t.p, with.p, with.n);
}

static bool metaspace(const infer_tokenizer *t, struct scratch *s, size_t k, struct text piece, bool first)
{
    const struct pre_step *step = &t->pre[k];
    const struct text mark = step->replacement;
    struct buffer *b = &s->step[k];
    b->n = 0;
    const bool has_mark = starts_with(piece, mark) || (piece.n && piece.p[0] == ' ');
    if (!has_mark && (step->prepend == PREPEND_ALWAYS || (step->prepend == PREPEND_FIRST && first))) {
        if (!buffer_add(s, b, mark.p, mark.n))
            return false;
    }
    for (size_t i = 0, from = 0; i <= piece.n; i++) {
        if (i < piece.n && piece.p[i] != ' ')
            continue;
        if (!buffer_add(s, b, piece.p + from, i - from) || (i < piece.n && !buffer_add(s, b, mark.p, mark.n)))
            return false;
        from = i + 1;
    }
    const struct text made = { b->p, b->n };
    if (!step->split)
        return run_steps(t, s, k + 1, made, first);
    size_t start = 0;
    while (start < made.n) { /* each mark begins a piece */
        const char *next = made.n - start > mark.n
                               ? memmem(made.p + start + 1, made.n - start - 1, mark.p, mark.n) : NULL;
        if (start == 0 && !starts_with(made, mark))
            next = memmem(made.p, made.n, mark.p, mark.n);
        const size_t end = next ? (size_t)(next - made.p) : made.n;
        if (!run_steps(t, s, k + 1, (struct text){ made.p + start, end - start }, first && !start))
            return false;
        start = end;
    }
    return true;
}

static bool map_bytes(const infer_tokenizer *t, struct scratch *s, size_t k, struct text piece, bool first)
{
    struct buffer *b = &s->step[k];
    b->n = 0;
    if (piece.n > SIZE_MAX / 2 || !buffer_room(s, b, 2 * piece.n))
        return false;
    for (size_t i = 0; i < piece.n; i++)
        b->n += utf8_write(b->p + b->n, byte_to_char((uint8_t)piece.p[i]));
    return run_steps(t, s, k + 1, (struct text){ b->p, b->n }, first);
}

static bool prefix(const infer_tokenizer *t, struct scratch *s, size_t k, struct text piece, bool first)
{
    struct buffer *b = &s->step[k];
    b->n = 0;
    if (!piece.n || piece.p[0] == ' ')
        return run_steps(t, s, k + 1, piece, first);
    return buffer_add(s, b, " ", 1) && buffer_add(s, b, piece.p, piece.n) &&
           run_steps(t, s, k + 1, (struct text){ b->p, b->n }, first);
}

static bool run_step(const infer_tokenizer *t, struct scratch *s, size_t k, struct text piece, bool first)
{
    if (k == t->n_pre)
        return encode_piece(t, s, piece);
    switch (t->pre[k].kind) {
    case PRE_SPLIT: {
        struct splitter x = { .t = t, .s = s, .next_step = k + 1, .step = &t->pre[k], .text = piece.p, .first = first };
        return split(&x, piece.n);
    }
    case PRE_METASPACE:
        return metaspace(t, s, k, piece, first);
    case PRE_PREFIX:
        return prefix(t, s, k, piece, first);
    default:
        return map_bytes(t, s, k, piece, first);
    }
}

static bool encode_word(const infer_tokenizer *t, struct scratch *s, struct text word)
{
    return run_step(t, s, t->words_from, word, false);
}

static bool run_steps(const infer_tokenizer *t, struct scratch *s, size_t k, struct text piece, bool first)
{
    if (!piece.n)
        return true;
    if (k == t->words_from && !first && !t->bpe.words_apart)
        return words_encode(t, s, piece, encode_word);
    return run_step(t, s, k, piece, first);
}

bool pretokenize(const infer_tokenizer *t, struct scratch *s, struct text piece, bool first)
{
    if (!t->n_pre)
        return run_steps(t, s, 0, piece, first);
    while (piece.n) { /* the steps read only UTF-8; bytes that are not go to the model as they are */
        const size_t good = utf8_valid(piece.p, piece.n);
        if (good && !run_steps(t, s, 0, (struct text){ piece.p, good }, first))
            return false;
        size_t end = good;
        uint32_t code;
        unsigned bad;
        while (end < piece.n && !utf8_read(piece.p + end, piece.n - end, &code, &bad))
            end += bad;
        if (end > good && !encode_piece(t, s, (struct text){ piece.p + good, end - good }))
            return false;
        piece.p += end;
        piece.n -= end;
        first = false;
    }
    return true;
}
