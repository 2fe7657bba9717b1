/* wordpiece.c - WordPiece: of each word the longest token that it begins with, then the longest that the rest begins
 * with, and so on; a word of which some part is no token is unknown as a whole. */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

static size_t count_chars(struct text t)
{
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++)
        n += ((uint8_t)t.p[i] & 0xc0) != 0x80;
    return n;
}

/* The longest token that word[start..n) begins with, or -1; *end is where it ends. The prefix is written before
 * word[start], over what has been dealt with (there is room before the word itself). */
static int32_t longest_token(const infer_tokenizer *t, char *word, size_t start, size_t n, size_t *end)
{
    const struct text first = t->wordpiece.first, prefix = start ? t->wordpiece.rest : first;
    if (start && first.n && n - start >= first.n && !memcmp(word + start, first.p, first.n))
        return -1; /* within a word that mark is a character, and no token has it */
    char *name = word + start - prefix.n;
    if (prefix.n)
        memcpy(name, prefix.p, prefix.n);
    const size_t most = t->vocab.longest > prefix.n ? t->vocab.longest - prefix.n : 0;
    for (*end = n - start < most ? n : start + most; *end > start; --*end) {
        if (*end < n && ((uint8_t)word[*end] & 0xc0) == 0x80) /* inside a character */
            continue;
        const int32_t id = vocab_find_plain(&t->vocab, (struct text){ name, prefix.n + *end - start });
        if (id >= 0)
            return id;
    }
    return -1;
}

bool wordpiece_encode(const infer_tokenizer *t, struct scratch *s, struct text word)
{
    const struct wordpiece *w = &t->wordpiece;
    const size_t before = s->n, room = w->first.n > w->rest.n ? w->first.n : w->rest.n;
    s->mapped.n = 0;
    if (!buffer_room(s, &s->mapped, room) || !buffer_room(s, &s->mapped, room + word.n))
        return false;
    char *copy = s->mapped.p + room;
    memcpy(copy, word.p, word.n);
    bool known = count_chars(word) <= w->most_chars;
    for (size_t at = 0, end; known && at < word.n; at = end) {
        const int32_t id = longest_token(t, copy, at, word.n, &end);
        known = id >= 0;
        if (known)
            emit(s, id);
    }
    if (known)
        return true;
    s->n = before;
    if (t->vocab.unk >= 0)
        emit(s, t->vocab.unk);
    return true;
}
