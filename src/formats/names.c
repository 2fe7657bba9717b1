/* names.c - names as files give them: whether they are sound, how they look in a message, what the parts of a split
 * file are called. */
#include "src/formats/weights.h"

#include <stdio.h>

/* Bytes of the character at p, of which `left` bytes are there; 0 if it is not well-formed UTF-8 (Unicode 15, table
 * 3-7: the second byte's range depends on the first, which keeps out long forms, surrogates and all above U+10FFFF). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    const uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    const size_t n = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (!n || n > left)
        return 0;
    const uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* Bytes of a printable character, 0 for all else. */
static size_t clean_length(const uint8_t *p, size_t left)
{
    const bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && left > 1 && p[1] < 0xa0);
    return control ? 0 : utf8_length(p, left);
}

/* Eight bytes from ' ' to '~'. A borrow or a carry from one byte to the next comes up only where there is another. */
static bool are_plain(const char *p)
{
    const uint64_t ones = 0x0101010101010101, w = read_u64(p);
    return !(((w - 0x20 * ones) | w | (w + ones)) & 0x80 * ones);
}

bool text_is_clean(struct text t)
{
    for (size_t i = 0, n; i < t.n; i += n) {
        n = t.n - i >= 8 && are_plain(t.p + i) ? 8 : clean_length((const uint8_t *)t.p + i, t.n - i);
        if (!n)
            return false;
    }
    return true;
}

struct quoted quote(struct text t)
{
    enum { MOST = 64 };
    struct quoted q = { "" };
    size_t used = 0, i = 0;
    while (i < t.n && i < MOST) {
        const uint8_t *p = (const uint8_t *)t.p + i;
        const size_t n = clean_length(p, t.n - i);
        if (n && i + n > MOST)
            break;
        if (n)
            memcpy(q.s + used, p, n);
        else
            snprintf(q.s + used, sizeof q.s - used, "\\x%02x", *p);
        used += n ? n : 4;
        i += n ? n : 1;
    }
    memcpy(q.s + used, i < t.n ? "..." : "", i < t.n ? 4 : 1);
    return q;
}

bool text_ends(struct text t, const char *end)
{
    const size_t n = strlen(end);
    return t.n >= n && !memcmp(t.p + t.n - n, end, n);
}

/* Five digits. */
static bool read_digits(const char *p, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 5; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *value = *value * 10 + (uint32_t)(p[i] - '0');
    }
    return true;
}

bool split_name_parse(const char *path, const char *extension, struct split_name *out)
{
    enum { SUFFIX = sizeof "-00001-of-00002" - 1 };
    struct text t = text_of(path);
    if (!text_ends(t, extension) || t.n - strlen(extension) < SUFFIX)
        return false;
    out->stem = (struct text){ t.p, t.n - strlen(extension) - SUFFIX };
    const char *s = t.p + out->stem.n;
    return s[0] == '-' && !memcmp(s + 6, "-of-", 4) && read_digits(s + 1, &out->part) &&
           read_digits(s + 10, &out->count) && out->part >= 1 && out->part <= out->count;
}
