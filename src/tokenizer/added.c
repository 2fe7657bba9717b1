/* added.c - finding added tokens in a text.
 *
 * The tokens are sorted; those that agree with the text so far are a range that narrows byte by byte. A bitmap of their
 * first two bytes passes over most of the text. Leftmost match first, of those the longest. */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

#include <stdlib.h>
#include <utf8proc.h>

static int compare(const void *a, const void *b)
{
    const struct text x = ((const struct added *)a)->text, y = ((const struct added *)b)->text;
    const int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

static void mark_pair(struct added_set *s, unsigned pair)
{
    s->pairs[pair >> 5] |= 1u << (pair & 31);
}

void added_sort(struct added_set *s)
{
    if (!s->n)
        return;
    qsort(s->items, s->n, sizeof *s->items, compare);
    for (size_t i = 0; i < s->n; i++) {
        const struct text t = s->items[i].text;
        const unsigned first = (uint8_t)t.p[0] << 8;
        if (t.n > 1) {
            mark_pair(s, first | (uint8_t)t.p[1]);
        } else {
            for (unsigned b = 0; b < 256; b++)
                mark_pair(s, first | b);
        }
    }
}

/* The first item in [low, high) whose byte at `depth` is at least `byte`; items shorter than that come first. */
static size_t first_from(const struct added_set *s, size_t low, size_t high, size_t depth, unsigned byte)
{
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct text t = s->items[middle].text;
        if (t.n <= depth || (uint8_t)t.p[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest item that the text begins with, or NULL. */
static const struct added *longest(const struct added_set *s, const char *text, size_t n, bool control)
{
    const struct added *found = NULL;
    size_t low = 0, high = s->n;
    for (size_t depth = 0; depth < n; depth++) {
        const unsigned byte = (uint8_t)text[depth];
        low = first_from(s, low, high, depth, byte);
        high = first_from(s, low, high, depth, byte + 1);
        if (low == high)
            break;
        /* equal texts can stand in a row, and the first that may be used counts */
        for (size_t i = low; i < high && s->items[i].text.n == depth + 1; i++) {
            if (control || !s->items[i].control) {
                found = &s->items[i];
                break;
            }
        }
    }
    return found;
}

bool is_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return code == 0x85 || c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}

static bool is_word(uint32_t code)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_ND) || c == UTF8PROC_CATEGORY_PC;
}

/* The character that ends before text[at], or that begins there; a broken one is U+FFFD. 0 if there is none. */
static unsigned char_before(const char *text, size_t at, uint32_t *code)
{
    *code = 0xfffd;
    for (unsigned back = 1; back <= 4 && back <= at; back++) {
        uint32_t c;
        unsigned bad;
        if (((uint8_t)text[at - back] & 0xc0) == 0x80)
            continue;
        if (utf8_read(text + at - back, back, &c, &bad) == back) {
            *code = c;
            return back;
        }
        break;
    }
    return at ? 1 : 0;
}

static unsigned char_at(const char *text, size_t n, size_t at, uint32_t *code)
{
    unsigned bad, length;
    if (at == n)
        return 0;
    length = utf8_read(text + at, n - at, code, &bad);
    if (!length)
        *code = 0xfffd;
    return length ? length : 1;
}

static bool stands_alone(const char *text, size_t n, size_t start, size_t end)
{
    uint32_t code;
    if (char_before(text, start, &code) && is_word(code))
        return false;
    return !char_at(text, n, end, &code) || !is_word(code);
}

bool added_next(const struct added_set *s, const char *text, size_t n, size_t *at, size_t from, bool control,
                struct added_match *match)
{
    for (size_t i = *at; s->n && i < n; i++) {
        const unsigned pair = (unsigned)(uint8_t)text[i] << 8 | (i + 1 < n ? (uint8_t)text[i + 1] : 0);
        if (!(s->pairs[pair >> 5] >> (pair & 31) & 1))
            continue;
        const struct added *token = longest(s, text + i, n - i, control);
        if (!token)
            continue;
        size_t start = i, end = i + token->text.n;
        *at = end;
        if (token->single_word && !stands_alone(text, n, start, end)) {
            i = end - 1;
            continue;
        }
        uint32_t code;
        unsigned length;
        while (token->lstrip && start > from && (length = char_before(text, start, &code)) && is_space(code))
            start = start - from > length ? start - length : from;
        while (token->rstrip && (length = char_at(text, n, end, &code)) && is_space(code))
            end += length;
        *match = (struct added_match){ start < from ? from : start, end, token };
        return true;
    }
    *at = n;
    return false;
}
