/* words.c - a cache of words: most pieces of a long text have been seen before in it.
 *
 * What a piece becomes depends on its bytes alone, from the step on behind which pieces are words (or, where a model
 * cuts words itself, from there). So the cache stands at that one place, and a word that it knows costs neither the
 * later steps nor the model. A cache line a word; of two words that share one, the later stays. */
#include "src/tokenizer/parts.h"

/* One piece and its ids. The last byte of the key is the length, so that no two pieces have the same key. */
enum { WORD_BYTES = 23, WORD_IDS = 9, WORDS_MOST = 8192, BYTES_PER_WORD = 16, TEXT_LEAST = 512 };
struct word {
    uint64_t key[3];
    uint32_t n;
    int32_t ids[WORD_IDS];
};
_Static_assert(sizeof(struct word) == CACHE_LINE, "a word is a cache line");

bool words_open(struct scratch *s, size_t length)
{
    size_t n = 64;
    if (length < TEXT_LEAST)
        return true;
    while (n < WORDS_MOST && n < length / BYTES_PER_WORD)
        n *= 2;
    s->words = mem_new(s->a, n, sizeof *s->words);
    s->word_mask = n - 1;
    return s->words != NULL;
}

/* Whether a step cuts a plain sentence at its spaces. */
static bool cuts_words(const struct pre_step *step, struct scratch *s)
{
    static const char sentence[] = "they came from far away";
    enum { LENGTH = sizeof sentence - 1, SPACES = 4 };
    size_t n = 0, start, end = 0;
    while (step->kind == PRE_SPLIT && n < SPACES && regex_next(&step->regex, s, sentence, LENGTH, end, &start, &end) &&
           end > start)
        n++;
    return n == SPACES || (step->kind == PRE_METASPACE && step->split);
}

bool words_place(infer_tokenizer *t)
{
    struct scratch s = { .t = t, .a = t->a };
    const bool good = !t->n_pre || regex_ready(&s);
    for (t->words_from = 0; good && t->words_from < t->n_pre; t->words_from++) {
        if (t->words_from && cuts_words(&t->pre[t->words_from - 1], &s))
            break;
    }
    regex_done(&s);
    return good;
}

/* Up to eight bytes as a number. */
static uint64_t read_bytes(const char *p, size_t n)
{
    uint64_t all = 0;
    uint32_t low = 0, high = 0;
    if (n >= 8) {
        memcpy(&all, p, 8);
    } else if (n >= 4) { /* two that overlap */
        memcpy(&low, p, 4);
        memcpy(&high, p + n - 4, 4);
        all = low | (uint64_t)high << 8 * (n - 4);
    } else {
        for (size_t i = n; i > 0; i--)
            all = all << 8 | (uint8_t)p[i - 1];
    }
    return all;
}

static struct word *slot(const struct scratch *s, struct text piece, uint64_t key[3])
{
    for (size_t i = 0; i < 3; i++)
        key[i] = piece.n > 8 * i ? read_bytes(piece.p + 8 * i, piece.n - 8 * i) : 0;
    key[2] |= (uint64_t)piece.n << 56;
    uint64_t h = key[0] * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32 ^ key[1]) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 32 ^ key[2]) * 0x9e3779b97f4a7c15u;
    return &s->words[(h >> 40) & s->word_mask];
}

bool words_encode(const infer_tokenizer *t, struct scratch *s, struct text piece, words_encoder *encode)
{
    struct word *const words = s->words;
    if (!words)
        return encode(t, s, piece);
    uint64_t key[3];
    const bool fits = piece.n <= WORD_BYTES;
    struct word *const w = fits ? slot(s, piece, key) : NULL;
    if (w && w->key[0] == key[0] && w->key[1] == key[1] && w->key[2] == key[2]) {
        for (uint32_t i = 0; i < w->n; i++)
            emit(s, w->ids[i]);
        return true;
    }
    const size_t before = s->n;
    s->words = NULL; /* parts of a piece are other keys */
    const bool good = encode(t, s, piece);
    s->words = words;
    const size_t n = s->n - before;
    if (good && w && n <= WORD_IDS && s->n <= s->max) { /* ids beyond the caller's room are not there to be copied */
        memcpy(w->key, key, sizeof w->key);
        w->n = (uint32_t)n;
        memcpy(w->ids, s->ids + before, n * sizeof *w->ids);
    }
    return good;
}
