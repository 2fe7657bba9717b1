/* utf8.h - reading and writing UTF-8 where it may be broken. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UTF8_LOWER_BLOCK "\xe2\x96\x81" /* U+2581, which stands for a space in SentencePiece vocabularies */
#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/** How many bytes a character beginning with this byte has; 0 if none begins so. */
static inline unsigned utf8_length(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

/** True if `next` may be the second byte of a character that begins with `first`: no overlong form, no surrogate,
 *  nothing above U+10FFFF. */
static inline bool utf8_second(uint8_t first, uint8_t next)
{
    const uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return next >= low && next <= high;
}

/** The character at p, which is followed by n >= 1 bytes in all. Returns its length, or 0 if it is none; then *bad is
 *  how many bytes are to be taken as one broken character (the longest prefix of one), at least 1. */
static inline unsigned utf8_read(const char *p, size_t n, uint32_t *code, unsigned *bad)
{
    const uint8_t *s = (const uint8_t *)p;
    const unsigned length = utf8_length(s[0]);
    *bad = 1;
    if (length == 1) {
        *code = s[0];
        return 1;
    }
    if (!length || n < 2 || !utf8_second(s[0], s[1]))
        return 0;
    uint32_t c = (uint32_t)(s[0] & (0x7f >> length)) << 6 | (s[1] & 0x3f);
    for (unsigned i = 2; i < length; i++) {
        if (i >= n || (s[i] & 0xc0) != 0x80) {
            *bad = i;
            return 0;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    *code = c;
    return length;
}

/** Length of the longest valid prefix. */
static inline size_t utf8_valid(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= sizeof eight && (memcpy(&eight, p + i, sizeof eight), !(eight & 0x8080808080808080u))) {
            i += sizeof eight;
            continue;
        }
        uint32_t code;
        unsigned bad, length = utf8_read(p + i, n - i, &code, &bad);
        if (!length)
            return i;
        i += length;
    }
    return n;
}

/** Write a code point; returns its length, at most 4. */
static inline unsigned utf8_write(char *p, uint32_t code)
{
    if (code < 0x80) {
        p[0] = (char)code;
        return 1;
    }
    const unsigned length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (unsigned i = length; --i; code >>= 6)
        p[i] = (char)(0x80 | (code & 0x3f));
    p[0] = (char)(0xf00u >> length | code);
    return length;
}

#endif
