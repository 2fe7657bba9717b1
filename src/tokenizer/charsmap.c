/* charsmap.c - SentencePiece's precompiled normalisation: a map from strings to what stands for them.
 *
 *   u32 bytes of the trie | trie | texts, each ended by a zero
 * The trie is a double array of u32 (darts-clone). Of a unit bits 0 to 7 and 31 are the label that leads to it, bit 8
 * says that a string ends there, and bits 10 to 30 (times 256 with bit 9) are what to xor the unit's place with to come to
 * its children's block, at whose start that string's value stands: an offset into the texts. */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

#include <utf8proc.h>

infer_status charsmap_open(struct charsmap *m, struct text data, infer_error *err)
{
    const uint32_t bytes = data.n >= 4 ? read_u32(data.p) : 0;
    if (!bytes || bytes % 4 || bytes >= data.n - 4 || data.p[data.n - 1])
        return fail(
            err, INFER_E_FORMAT,
            "a precompiled character map of %zu bytes, of which its trie would be %u; expected less, a multiple of 4, "
            "and a zero at the end",
            data.n, bytes);
    *m = (struct charsmap){ { data.p + 4, bytes }, { data.p + 4 + bytes, data.n - 4 - bytes } };
    return INFER_OK;
}

static bool unit_at(const struct charsmap *m, size_t i, uint32_t *unit)
{
    if (i >= m->trie.n / 4)
        return false;
    *unit = read_u32(m->trie.p + 4 * i);
    return true;
}

/* The shortest string of the map that the text begins with, or the longest; its length, 0 if there is none. */
static size_t match(const struct charsmap *m, struct text in, bool shortest, struct text *to)
{
    size_t at = 0, length = 0;
    uint32_t unit, value;
    if (!unit_at(m, 0, &unit))
        return 0;
    for (size_t i = 0; i < in.n && in.p[i] && !(shortest && length); i++) {
        at ^= (size_t)(unit >> 10) << (unit >> 6 & 8);
        at ^= (uint8_t)in.p[i];
        if (!unit_at(m, at, &unit) || (unit & 0x800000ff) != (uint8_t)in.p[i])
            break;
        if (!(unit >> 8 & 1) || !unit_at(m, at ^ (size_t)(unit >> 10) << (unit >> 6 & 8), &value))
            continue;
        value &= 0x7fffffff;
        if (value >= m->texts.n)
            break;
        *to = text_of(m->texts.p + value); /* the last of the texts ends with a zero */
        length = i + 1;
    }
    return length;
}

/* As SentencePiece does it: what the longest string that stands here is made of, else the character itself. */
static bool map_longest(struct scratch *s, const struct charsmap *m, struct text in, struct buffer *out)
{
    for (size_t i = 0, n; i < in.n; i += n) {
        const struct text left = { in.p + i, in.n - i };
        struct text to;
        uint32_t code;
        unsigned bad;
        if (!(n = match(m, left, false, &to))) {
            n = utf8_read(left.p, left.n, &code, &bad);
            to = n ? (struct text){ left.p, n } : text_of(UTF8_REPLACEMENT);
            n = n ? n : bad;
        }
        if (!buffer_add(s, out, to.p, to.n))
            return false;
    }
    return true;
}

/* Bytes of the character, or with `cluster` of the grapheme, that the text begins with. */
static size_t unit_length(struct text in, bool cluster)
{
    uint32_t code, next;
    unsigned bad, n = utf8_read(in.p, in.n, &code, &bad);
    utf8proc_int32_t state = 0;
    if (!n)
        return bad;
    size_t end = n;
    while (cluster && end < in.n && (n = utf8_read(in.p + end, in.n - end, &next, &bad)) &&
           !utf8proc_grapheme_break_stateful((utf8proc_int32_t)code, (utf8proc_int32_t)next, &state)) {
        end += n;
        code = next;
    }
    return end;
}

/* As tokenizer.json's Precompiled does it: a grapheme of less than six bytes becomes what the shortest string at its
 * start stands for; else each of its characters does. What has nothing that stands for it remains. */
static bool map_graphemes(struct scratch *s, const struct charsmap *m, struct text in, struct buffer *out)
{
    for (size_t i = 0, n; i < in.n; i += n) {
        struct text unit = { in.p + i, n = unit_length((struct text){ in.p + i, in.n - i }, true) }, to;
        if (n < 6 && match(m, unit, true, &to)) {
            if (!buffer_add(s, out, to.p, to.n))
                return false;
            continue;
        }
        for (size_t j = 0, part; j < n; j += part) {
            unit = (struct text){ in.p + i + j, part = unit_length((struct text){ in.p + i + j, n - j }, false) };
            if (!match(m, unit, true, &to))
                to = unit;
            if (!buffer_add(s, out, to.p, to.n))
                return false;
        }
    }
    return true;
}

bool charsmap_apply(struct scratch *s, const struct charsmap *m, bool graphemes, struct text in, struct buffer *out)
{
    return (graphemes ? map_graphemes : map_longest)(s, m, in, out);
}
