/* clean.c - "clean up tokenization spaces": for some byte-level vocabularies the decoded text is to lose the space
 *   1. before ? ! . ,
 *   2. on both sides of an apostrophe that stands alone
 *   3. before 's 'm 're 've
 * in three passes over the whole text. Each pass holds back a few bytes only, so they run as a chain, byte by byte, and
 * a stream gives the same text as a whole. */
#include "src/tokenizer/parts.h"

/* What pass 2 and 3 hold back: nothing, " ", " '", and pass 3 also " 'r", " 'v". */
enum { HELD_NONE, HELD_SPACE, HELD_QUOTE, HELD_R, HELD_V };
static const char *const held_text[] = { "", " ", " '", " 'r", " 'v" };

static size_t put(char *out, const char *text)
{
    const size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

static size_t third(struct clean *c, char byte, char *out)
{
    const uint8_t held = c->word;
    size_t n = 0;
    if (held == HELD_SPACE && byte == '\'') {
        c->word = HELD_QUOTE;
        return 0;
    }
    if (held == HELD_QUOTE && (byte == 'r' || byte == 'v')) {
        c->word = byte == 'r' ? HELD_R : HELD_V;
        return 0;
    }
    const bool drops = held == HELD_QUOTE ? byte == 's' || byte == 'm' : held >= HELD_R && byte == 'e';
    n += put(out, held_text[held] + drops);
    c->word = byte == ' ' ? HELD_SPACE : HELD_NONE;
    if (byte != ' ')
        out[n++] = byte;
    return n;
}

static size_t third_text(struct clean *c, const char *text, char *out)
{
    size_t n = 0;
    for (; *text; text++)
        n += third(c, *text, out + n);
    return n;
}

static size_t second(struct clean *c, char byte, char *out)
{
    const uint8_t held = c->quote;
    if (held == HELD_SPACE && byte == '\'') {
        c->quote = HELD_QUOTE;
        return 0;
    }
    if (held == HELD_QUOTE && byte == ' ') { /* this space is used up: no apostrophe after it stands alone */
        c->quote = HELD_NONE;
        return third(c, '\'', out);
    }
    size_t n = third_text(c, held_text[held], out);
    c->quote = byte == ' ' ? HELD_SPACE : HELD_NONE;
    return byte == ' ' ? n : n + third(c, byte, out + n);
}

size_t clean_byte(struct clean *c, char byte, char *out)
{
    size_t n = 0;
    if (c->space && byte != '?' && byte != '!' && byte != '.' && byte != ',')
        n = second(c, ' ', out);
    c->space = byte == ' ';
    return byte == ' ' ? n : n + second(c, byte, out + n);
}

size_t clean_end(struct clean *c, char *out)
{
    size_t n = c->space ? second(c, ' ', out) : 0;
    n += third_text(c, held_text[c->quote], out + n);
    n += put(out + n, held_text[c->word]);
    *c = (struct clean){ 0, 0, 0 };
    return n;
}
