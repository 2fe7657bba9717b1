/* decode.c - ids to text, whole or one by one.
 *
 * What a token is by itself is worked out when the tokenizer is opened (decode_prepare). Here the pieces go through a
 * chain of filters that hold back a few bytes each: whole characters (a broken one becomes U+FFFD), spaces that the
 * text loses at its start, spaces that are cleaned up. A whole text is decoded by the same chain as a stream, which
 * keeps its state in an infer_stream between calls. */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

struct decoder {
    const infer_tokenizer *t;
    char *text;
    size_t max, length;
    uint8_t held[4]; /* an unfinished character */
    uint8_t n_held;
    uint8_t stripped; /* spaces taken from the start so far; 255 once something else has come */
    bool each_byte; /* of a broken character becomes U+FFFD, not the character */
    bool cleans;
    struct clean clean;
    uint32_t n_tokens;
};

/* ---- What tokens are by themselves ---- */

static bool step_replace(struct scratch *s, const struct decode_step *step, struct text in, struct buffer *out)
{
    size_t done = 0;
    for (const char *found; step->from.n && (found = memmem(in.p + done, in.n - done, step->from.p, step->from.n));) {
        const size_t at = (size_t)(found - in.p);
        if (!buffer_add(s, out, in.p + done, at - done) || !buffer_add(s, out, step->to.p, step->to.n))
            return false;
        done = at + step->from.n;
    }
    return buffer_add(s, out, in.p + done, in.n - done);
}

/* A token with a character that stands for no byte is taken as it is. */
static bool step_byte_level(struct scratch *s, struct text in, struct buffer *out)
{
    if (!buffer_room(s, out, in.n))
        return false;
    for (size_t i = 0; i < in.n;) {
        uint32_t code;
        unsigned bad, length = utf8_read(in.p + i, in.n - i, &code, &bad);
        const int byte = length ? byte_from_char(code) : -1;
        if (byte < 0) {
            out->n = 0;
            return buffer_add(s, out, in.p, in.n);
        }
        out->p[out->n++] = (char)byte;
        i += length;
    }
    return true;
}

static bool step_strip(struct scratch *s, const struct decode_step *step, struct text in, struct buffer *out)
{
    const struct text c = step->from;
    for (size_t i = 0; i < step->n_start && c.n && in.n >= c.n && !memcmp(in.p, c.p, c.n); i++) {
        in.p += c.n;
        in.n -= c.n;
    }
    for (size_t i = 0; i < step->n_end && c.n && in.n >= c.n && !memcmp(in.p + in.n - c.n, c.p, c.n); i++)
        in.n -= c.n;
    return buffer_add(s, out, in.p, in.n);
}

static bool step_wordpiece(struct scratch *s, const struct decode_step *step, struct text in, struct buffer *out)
{
    const struct text c = step->from;
    if (in.n >= c.n && !memcmp(in.p, c.p, c.n))
        return buffer_add(s, out, in.p + c.n, in.n - c.n);
    return buffer_add(s, out, " ", 1) && buffer_add(s, out, in.p, in.n);
}

static bool piece_of(const infer_tokenizer *t, struct scratch *s, int32_t id, struct text *piece)
{
    const struct vocab *v = &t->vocab;
    const bool name = v->kind[id] == TOKEN_CONTROL || v->kind[id] == TOKEN_USER || v->kind[id] == TOKEN_UNKNOWN;
    *piece = v->text[id];
    for (size_t i = 0; i < t->n_decode && (!name || t->names_decoded); i++) {
        const struct decode_step *step = &t->decode[i];
        struct buffer *out = &s->normal[i & 1];
        out->n = 0;
        bool done = true;
        if (step->kind == DECODE_REPLACE)
            done = step_replace(s, step, *piece, out);
        else if (step->kind == DECODE_BYTE_LEVEL)
            done = step_byte_level(s, *piece, out);
        else if (step->kind == DECODE_STRIP)
            done = step_strip(s, step, *piece, out);
        else if (step->kind == DECODE_WORDPIECE)
            done = step_wordpiece(s, step, *piece, out);
        else if (v->kind[id] == TOKEN_BYTE)
            done = buffer_add(s, out, (const char *)&v->byte[id], 1);
        else
            continue;
        if (!done)
            return false;
        *piece = (struct text){ out->p, out->n };
    }
    return true;
}

infer_status decode_prepare(infer_tokenizer *t, infer_error *err)
{
    struct scratch s = { .t = t, .a = t->a };
    struct buffer all = { NULL, 0, 0 };
    struct vocab *v = &t->vocab;
    bool good = true;
    for (int32_t id = 0; id < v->n && good; id++) {
        struct text piece = { NULL, 0 };
        if (v->kind[id] == TOKEN_HOLE)
            continue;
        good = piece_of(t, &s, id, &piece) && buffer_add(&s, &all, piece.p, piece.n);
        v->piece[id].n = piece.n;
        if (piece.n > v->longest_piece)
            v->longest_piece = piece.n;
    }
    const char *kept = good ? arena_text(&t->arena, all.p, all.n) : NULL;
    for (int32_t id = 0; id < v->n && kept; id++) {
        v->piece[id].p = kept;
        kept += v->piece[id].n;
    }
    mem_free(t->a, all.p);
    mem_free(t->a, s.normal[0].p);
    mem_free(t->a, s.normal[1].p);
    return kept ? INFER_OK : fail_memory(err, "the texts of tokens");
}

/* ---- The chain, last filter first ---- */

static void out(struct decoder *d, const char *p, size_t n)
{
    if (d->length < d->max && n)
        memcpy(d->text + d->length, p, n < d->max - d->length ? n : d->max - d->length);
    d->length += n;
}

static void put_clean(struct decoder *d, const char *p, size_t n)
{
    char some[CLEAN_MAX];
    if (!d->cleans) {
        out(d, p, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out(d, some, clean_byte(&d->clean, p[i], some));
}

static void put_chars(struct decoder *d, const char *p, size_t n)
{
    while (n && d->stripped < d->t->strip_start && *p == ' ') {
        d->stripped++;
        p++;
        n--;
    }
    if (n)
        d->stripped = UINT8_MAX;
    put_clean(d, p, n);
}

static void put_broken(struct decoder *d)
{
    for (unsigned n = d->each_byte ? d->n_held : 1; n; n--)
        put_chars(d, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
    d->n_held = 0;
}

static void put_byte(struct decoder *d, uint8_t byte)
{
    if (d->n_held) {
        const bool continues = d->n_held == 1 ? utf8_second(d->held[0], byte) : (byte & 0xc0) == 0x80;
        if (!continues)
            put_broken(d);
    }
    d->held[d->n_held++] = byte;
    const unsigned length = utf8_length(d->held[0]);
    if (!length) {
        put_broken(d);
    } else if (d->n_held == length) {
        put_chars(d, (const char *)d->held, length);
        d->n_held = 0;
    }
}

static void put_bytes(struct decoder *d, struct text t)
{
    const size_t whole = d->n_held ? 0 : utf8_valid(t.p, t.n);
    put_chars(d, t.p, whole);
    for (size_t i = whole; i < t.n; i++)
        put_byte(d, (uint8_t)t.p[i]);
}

static void put_token(struct decoder *d, int32_t id, unsigned flags)
{
    const infer_tokenizer *t = d->t;
    struct text piece = t->vocab.piece[id];
    const bool first = !d->n_tokens;
    if (t->vocab.hidden[id] && !(flags & INFER_UNPARSE_SPECIAL)) {
        if (!t->names_decoded) /* in tokenizer.json's world it was never there, in GGUF's it was the first */
            d->n_tokens++;
        return;
    }
    if (d->n_tokens < UINT32_MAX)
        d->n_tokens++;
    if (t->first_whole && first)
        piece = t->vocab.text[id];
    if (t->join_spaces && !first)
        put_chars(d, " ", 1);
    if (first && t->strip_first && piece.n && piece.p[0] == ' ') {
        piece.p++;
        piece.n--;
    }
    const struct text mark = t->first_without;
    if (first && mark.n) {
        const struct text name = t->vocab.text[id];
        size_t done = 0;
        for (const char *at; (at = memmem(name.p + done, name.n - done, mark.p, mark.n));
             done = (size_t)(at - name.p) + mark.n)
            put_bytes(d, (struct text){ name.p + done, (size_t)(at - name.p) - done });
        piece = (struct text){ name.p + done, name.n - done };
    }
    put_bytes(d, piece);
}

static void finish(struct decoder *d)
{
    char some[CLEAN_MAX];
    if (d->n_held)
        put_broken(d);
    out(d, some, clean_end(&d->clean, some));
}

/* ---- Whole texts ---- */

/* A run of byte tokens: as it stands if it is UTF-8, else U+FFFD for each. Returns how many tokens it is. */
static size_t put_run(struct decoder *d, const int32_t *ids, size_t n)
{
    const struct vocab *v = &d->t->vocab;
    struct decoder check = { .t = d->t };
    size_t run = 0, held = 0;
    bool good = true;
    for (; run < n && v->kind[ids[run]] == TOKEN_BYTE; run++) {
        const uint8_t byte = v->byte[ids[run]];
        if (held && !(held == 1 ? utf8_second(check.held[0], byte) : (byte & 0xc0) == 0x80))
            good = false;
        if (!held)
            check.held[0] = byte;
        held++;
        const unsigned length = utf8_length(check.held[0]);
        good &= length != 0;
        if (held >= length)
            held = 0;
    }
    good &= !held;
    for (size_t i = 0; i < run; i++) {
        put_byte(d, good ? v->byte[ids[i]] : UINT8_MAX); /* 0xff is a broken character by itself */
    }
    d->n_tokens += d->n_tokens < UINT32_MAX - run ? (uint32_t)run : 0;
    return run;
}

/* How many ids at the start (or end) are those that the post-processor puts there. */
static size_t added_ids(const int32_t *ids, size_t n, const int32_t *added, size_t n_added, bool at_end)
{
    if (!n_added || n < n_added)
        return 0;
    return memcmp(at_end ? ids + n - n_added : ids, added, n_added * sizeof *ids) ? 0 : n_added;
}

static infer_status check_ids(const infer_tokenizer *t, const int32_t *ids, size_t n, infer_error *err)
{
    if (!t)
        return fail(err, INFER_E_ARGUMENT, "ids have no tokenizer: found NULL, as of a model without a vocabulary");
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= t->vocab.n)
            return fail(err, INFER_E_ARGUMENT, "token id %d is not in [0, %d)", ids[i], t->vocab.n);
    }
    return INFER_OK;
}

infer_status infer_tokenizer_decode(const infer_tokenizer *t, const int32_t *ids, size_t n, unsigned flags, char *text,
                                    size_t max, size_t *length, infer_error *err)
{
    *length = 0;
    const infer_status status = check_ids(t, ids, n, err);
    if (status)
        return status;
    struct decoder d = { .t = t, .text = text, .max = text ? max : 0, .cleans = t->clean_spaces,
                         .each_byte = t->bytes_in_runs };
    if (flags & INFER_REMOVE_SPECIAL) {
        const size_t before = added_ids(ids, n, t->prefix, t->n_prefix, false);
        ids += before;
        n -= before;
        d.n_tokens = before && !t->names_decoded; /* what follows it keeps its space */
        n -= added_ids(ids, n, t->suffix, t->n_suffix, true);
    }
    for (size_t i = 0; i < n;) {
        if (t->bytes_in_runs && t->vocab.kind[ids[i]] == TOKEN_BYTE)
            i += put_run(&d, ids + i, n - i);
        else
            put_token(&d, ids[i++], flags);
    }
    finish(&d);
    *length = d.length;
    return INFER_OK;
}

/* ---- Streams ---- */

static struct decoder resume(const infer_stream *stream)
{
    const uint32_t state = stream->state;
    struct decoder d = { .n_tokens = stream->n_tokens, .n_held = stream->n_held, .stripped = (uint8_t)(state >> 8),
                         .clean = { state & 1, state >> 1 & 3, state >> 3 & 7 }, .each_byte = state >> 16 & 1 };
    memcpy(d.held, stream->held, sizeof d.held);
    return d;
}

infer_status infer_tokenizer_stream(const infer_tokenizer *t, infer_stream *stream, int32_t id, char *text, size_t max,
                                    size_t *length, infer_error *err)
{
    *length = 0;
    const infer_status status = check_ids(t, &id, 1, err);
    if (status)
        return status;
    if (stream->n_held > 3)
        return fail(err, INFER_E_ARGUMENT, "the stream holds %u bytes of a character; was it zeroed at first?",
                    stream->n_held);
    struct decoder d = resume(stream);
    d.t = t;
    d.text = text;
    d.max = max;
    d.cleans = t->clean_spaces;
    d.each_byte = t->bytes_in_runs;
    put_token(&d, id, stream->flags);
    if (d.length > max)
        return fail(err, INFER_E_ARGUMENT, "room for %zu bytes, but the piece has %zu", max, d.length);
    stream->n_tokens = d.n_tokens;
    stream->n_held = d.n_held;
    memcpy(stream->held, d.held, sizeof d.held);
    stream->state =
        (uint32_t)(d.clean.space | d.clean.quote << 1 | d.clean.word << 3 | d.stripped << 8 | d.each_byte << 16);
    *length = d.length;
    return INFER_OK;
}

size_t infer_tokenizer_stream_end(infer_stream *stream, char *text, size_t max)
{
    struct decoder d = resume(stream);
    const infer_tokenizer plain = { .a = NULL };
    d.t = &plain;
    d.text = text;
    d.max = max;
    d.cleans = d.clean.space || d.clean.quote || d.clean.word;
    finish(&d);
    *stream = (infer_stream){ .flags = stream->flags };
    return d.length < max ? d.length : max;
}

/* Each byte of a token may become U+FFFD, and what earlier tokens left held back comes with it. */
size_t infer_tokenizer_max_piece(const infer_tokenizer *t)
{
    return 3 * (t->vocab.longest_piece + 3) + CLEAN_MAX + 1;
}
