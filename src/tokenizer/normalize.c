/* normalize.c - the steps that change a text before it is cut into pieces.
 *
 * Each step reads one text and writes the next; two buffers take turns. A text that no step changes is not copied. */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

#include <utf8proc.h>

/* Normal forms are made in chunks that begin with a character which does not change what stands before it, so the cost
 * is linear. A pile of marks longer than CHUNK_MOST is cut, as Unicode's stream-safe format (UAX 15) does at 30. */
enum { CHUNK_LEAST = 64, CHUNK_MOST = 252, CHUNK_CODES = CHUNK_MOST / 2 * 18 };

bool buffer_room(struct scratch *s, struct buffer *b, size_t n)
{
    size_t need;
    return add_size(b->n, n, &need) && mem_grow(s->a, &b->p, &b->room, need, 1);
}

bool buffer_add(struct scratch *s, struct buffer *b, const char *p, size_t n)
{
    if (!n)
        return true;
    if (!buffer_room(s, b, n))
        return false;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return true;
}

static bool starts_anew(uint32_t code)
{
    if (code < 0x300)
        return true;
    if (code >= 0x1160 && code <= 0x11ff) /* Hangul vowels and finals */
        return false;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)code);
    return !p->combining_class && p->category != UTF8PROC_CATEGORY_MN && p->category != UTF8PROC_CATEGORY_MC &&
           p->category != UTF8PROC_CATEGORY_ME;
}

/* Bytes of the next chunk; 0 if the text begins with a byte that is no character. One that ends before ASCII may be
 * short. */
static size_t chunk_length(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint32_t code;
        unsigned bad, length = utf8_read(p + i, n - i, &code, &bad);
        if (!length || i + length > CHUNK_MOST || (i && code < 0x80) || (i >= CHUNK_LEAST && starts_anew(code)))
            break;
        i += length;
    }
    return i;
}

/* Bytes of ASCII, but not the last one before something else, which might join it. */
static size_t ascii_length(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && (uint8_t)p[i] < 0x80)
        i++;
    return i == n || !i ? i : i - 1;
}

static bool add_codes(struct scratch *s, struct buffer *out, const utf8proc_int32_t *codes, utf8proc_ssize_t n)
{
    if (!buffer_room(s, out, (size_t)n * 4))
        return false;
    for (utf8proc_ssize_t i = 0; i < n; i++)
        out->n += utf8_write(out->p + out->n, (uint32_t)codes[i]);
    return true;
}

static bool normal_form(struct scratch *s, struct text in, int options, struct buffer *out)
{
    utf8proc_int32_t codes[CHUNK_CODES];
    for (size_t i = 0; i < in.n;) {
        const size_t same = ascii_length(in.p + i, in.n - i);
        if (!buffer_add(s, out, in.p + i, same))
            return false;
        if ((i += same) == in.n)
            break;
        const size_t length = chunk_length(in.p + i, in.n - i);
        utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)in.p + i, (utf8proc_ssize_t)length, codes,
                                                CHUNK_CODES, (utf8proc_option_t)options);
        if (length && n >= 0 && n <= CHUNK_CODES)
            n = utf8proc_normalize_utf32(codes, n, (utf8proc_option_t)options);
        if (length && n >= 0 && n <= CHUNK_CODES) {
            if (!add_codes(s, out, codes, n))
                return false;
        } else if (!buffer_add(s, out, in.p + i, length ? length : 1)) {
            return false;
        }
        i += length ? length : 1;
    }
    return true;
}

static uint32_t small(uint32_t code)
{
    if (code >= 0x80)
        return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
    return code - 'A' < 26 ? code - 'A' + 'a' : code;
}

static bool lowercase(struct scratch *s, struct text in, struct buffer *out)
{
    for (size_t i = 0; i < in.n;) {
        uint32_t code = 0;
        unsigned bad, length = utf8_read(in.p + i, in.n - i, &code, &bad);
        if (!buffer_room(s, out, 4))
            return false;
        if (code == 0x130 && length) { /* the one capital whose small form is two characters */
            if (!buffer_add(s, out, "i\xcc\x87", 3))
                return false;
        } else if (length) {
            out->n += utf8_write(out->p + out->n, small(code));
        } else {
            out->p[out->n++] = in.p[i];
        }
        i += length ? length : 1;
    }
    return true;
}

static bool is_han(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}

/* Of ASCII only what is a control character is told from the rest. */
static utf8proc_category_t category_of(uint32_t code)
{
    if (code >= 0x80)
        return utf8proc_category((utf8proc_int32_t)code);
    return code < 0x20 || code == 0x7f ? UTF8PROC_CATEGORY_CC : UTF8PROC_CATEGORY_CN;
}

/* What one of the steps that look at single characters makes of one; returns how many bytes, at most 6. */
static unsigned filter(const struct normal_step *step, uint32_t code, char *out)
{
    const utf8proc_category_t category = category_of(code);
    const bool tab = code == '\t' || code == '\n' || code == '\r';
    unsigned n = 0;
    switch (step->kind) {
    case NORMAL_CLEAN:
        if (tab || is_space(code))
            return category == UTF8PROC_CATEGORY_CC && !tab ? 0 : utf8_write(out, ' ');
        return category >= UTF8PROC_CATEGORY_CC || code == 0xfffd ? 0 : utf8_write(out, code);
    case NORMAL_SPACE_HAN:
        n = is_han(code) ? utf8_write(out, ' ') : 0;
        n += utf8_write(out + n, code);
        return is_han(code) ? n + utf8_write(out + n, ' ') : n;
    default:
        if (category == UTF8PROC_CATEGORY_MN ||
            (!step->left && (category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME)))
            return 0;
        return utf8_write(out, code);
    }
}

/* Bytes that are no characters go with the first of these steps. */
static bool filter_all(struct scratch *s, const struct normal_step *step, struct text in, struct buffer *out)
{
    for (size_t i = 0; i < in.n;) {
        uint32_t code = 0;
        unsigned bad, length = utf8_read(in.p + i, in.n - i, &code, &bad);
        if (!buffer_room(s, out, 6))
            return false;
        if (length)
            out->n += filter(step, code, out->p + out->n);
        i += length ? length : bad;
    }
    return true;
}

static bool replace(struct scratch *s, struct text in, struct text from, struct text to, struct buffer *out)
{
    size_t done = 0;
    for (const char *found; from.n && (found = memmem(in.p + done, in.n - done, from.p, from.n));) {
        const size_t at = (size_t)(found - in.p);
        if (!buffer_add(s, out, in.p + done, at - done) || !buffer_add(s, out, to.p, to.n))
            return false;
        done = at + from.n;
    }
    return buffer_add(s, out, in.p + done, in.n - done);
}

static bool replace_regex(struct scratch *s, struct text in, const struct normal_step *step, struct buffer *out)
{
    size_t done = 0, start, end;
    if (utf8_valid(in.p, in.n) < in.n) /* PCRE2 reads only UTF-8 */
        return buffer_add(s, out, in.p, in.n);
    for (size_t at = 0; at <= in.n && regex_next(&step->regex, s, in.p, in.n, at, &start, &end);) {
        if (!buffer_add(s, out, in.p + done, start - done) || !buffer_add(s, out, step->to.p, step->to.n))
            return false;
        done = end;
        at = end > start ? end : end + (end < in.n ? utf8_length((uint8_t)in.p[end]) : 1);
    }
    return buffer_add(s, out, in.p + done, in.n - done);
}

/* A part of the text itself: nothing is copied. */
static void strip(const struct normal_step *step, struct text *text)
{
    uint32_t code;
    unsigned bad, length;
    while (step->left && text->n && (length = utf8_read(text->p, text->n, &code, &bad)) && is_space(code)) {
        text->p += length;
        text->n -= length;
    }
    while (step->right && text->n) {
        unsigned back = 1;
        while (back < 4 && back < text->n && ((uint8_t)text->p[text->n - back] & 0xc0) == 0x80)
            back++;
        if (utf8_read(text->p + text->n - back, back, &code, &bad) != back || !is_space(code))
            break;
        text->n -= back;
    }
}

static bool all_ascii(struct text t)
{
    uint8_t high = 0;
    for (size_t i = 0; i < t.n; i++)
        high |= (uint8_t)t.p[i];
    return high < 0x80;
}

static bool run(struct scratch *s, const struct normal_step *step, struct text in, struct buffer *out)
{
    switch (step->kind) {
    case NORMAL_CHARSMAP:
        return charsmap_apply(s, &step->map, step->left, in, out);
    case NORMAL_PREPEND:
        return buffer_add(s, out, step->to.p, step->to.n) && buffer_add(s, out, in.p, in.n);
    case NORMAL_REPLACE:
        return replace(s, in, step->from, step->to, out);
    case NORMAL_REPLACE_REGEX:
        return replace_regex(s, in, step, out);
    case NORMAL_UNICODE:
        return normal_form(s, in, step->options, out);
    case NORMAL_LOWERCASE:
        return lowercase(s, in, out);
    default:
        return filter_all(s, step, in, out);
    }
}

static bool leaves_alone(const struct normal_step *step, struct text text)
{
    switch (step->kind) {
    case NORMAL_REPLACE:
        return !step->from.n || !memmem(text.p, text.n, step->from.p, step->from.n);
    case NORMAL_UNICODE:
    case NORMAL_SPACE_HAN:
    case NORMAL_DROP_MARKS:
        return all_ascii(text);
    default:
        return false;
    }
}

bool normalize(const infer_tokenizer *t, struct scratch *s, struct text *text)
{
    unsigned turn = 0;
    for (size_t i = 0; i < t->n_normal && text->n; i++) {
        const struct normal_step *step = &t->normal[i];
        if (step->kind == NORMAL_STRIP) {
            strip(step, text);
        } else if (!leaves_alone(step, *text)) {
            struct buffer *out = &s->normal[turn];
            out->n = 0;
            if (!buffer_room(s, out, text->n + 16) || !run(s, step, *text, out))
                return false;
            *text = (struct text){ out->p, out->n };
            turn ^= 1;
        }
    }
    return true;
}
