/* bpe.c - byte pair encoding: join neighbours, the best pair of the piece first, until no pair is left.
 *
 * The symbols are a doubly linked list in an array; candidates wait in a heap ordered by rank, then by position. A
 * candidate that has been overtaken is known by the bytes it covers: its left symbol is gone, or the two together have
 * another size. So a piece of n symbols costs O(n log n).
 *
 * Two kinds of vocabularies differ only in what makes a candidate: a pair of ids in the table of merges, or, for
 * SentencePiece, a token whose text is that of the pair, ranked by its score.
 *
 * Most pieces are words seen before: long texts keep a cache of them, one cache line a word. */
#include "src/tokenizer/parts.h"

#include "src/base/numbers.h"
#include "src/tokenizer/utf8.h"

#define NONE UINT32_MAX

struct symbol {
    int32_t id; /* negative: not a token by itself */
    uint32_t start, size; /* bytes of the piece; size 0: joined to a symbol on its left */
    uint32_t previous, next;
};
enum { NAME_MOST = 1024 }; /* no longer piece is looked up as a token */

struct candidate {
    uint64_t order; /* rank << 32 | index of the left symbol: least comes first */
    uint32_t size;  /* bytes of both */
    int32_t id;     /* of both */
};

/* One piece and its ids. The last byte of the key is the length, so that no two pieces have the same key. */
enum { WORD_BYTES = 23, WORD_IDS = 9, WORDS_MOST = 8192, BYTES_PER_WORD = 16, TEXT_LEAST = 512 };
struct word {
    uint64_t key[3];
    uint32_t n;
    int32_t ids[WORD_IDS];
};
_Static_assert(sizeof(struct word) == CACHE_LINE, "a word is a cache line");

/* ---- The table of merges ---- */

static size_t pair_hash(uint32_t left, uint32_t right)
{
    const uint64_t h = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 32);
}

static struct merge *pair_slot(const struct bpe *b, uint32_t left, uint32_t right)
{
    for (size_t i = pair_hash(left, right) & b->mask;; i = (i + 1) & b->mask) {
        struct merge *m = &b->merges[i];
        if (m->left == MERGE_FREE || (m->left == left && m->right == right))
            return m;
    }
}

bool bpe_reserve(struct bpe *b, const infer_allocator *a, size_t n_merges)
{
    size_t n = 16;
    if (n_merges > SIZE_MAX / 64)
        return false;
    while (n / 2 < n_merges)
        n *= 2;
    b->merges = mem_new(a, n, sizeof *b->merges);
    b->mask = n - 1;
    for (size_t i = 0; b->merges && i < n; i++)
        b->merges[i].left = MERGE_FREE;
    return b->merges != NULL;
}

void bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id)
{
    struct merge *m = pair_slot(b, left, right);
    if (m->left == MERGE_FREE && ++b->n_merges)
        *m = (struct merge){ left, right, rank, id };
}

/* ---- Facts about the vocabulary ---- */

/* True if U+2581 follows another character somewhere in the token. */
static bool crosses_words(struct text t)
{
    const size_t mark = strlen(UTF8_LOWER_BLOCK);
    size_t i = 0;
    while (t.n - i >= mark && !memcmp(t.p + i, UTF8_LOWER_BLOCK, mark))
        i += mark;
    return memmem(t.p + i, t.n - i, UTF8_LOWER_BLOCK, mark) != NULL;
}

void bpe_finish(struct bpe *b, const struct vocab *v)
{
    bool all_bytes = true;
    for (int i = 0; i < 256; i++) {
        char name[8];
        size_t n;
        if (b->byte_level) {
            n = utf8_write(name, byte_to_char((uint8_t)i));
        } else {
            static const char hex[] = "0123456789ABCDEF";
            memcpy(name, "<0x", 3);
            name[3] = hex[i >> 4];
            name[4] = hex[i & 15];
            name[5] = '>';
            n = 6;
        }
        b->byte_id[i] = vocab_find(v, (struct text){ name, n });
        all_bytes &= b->byte_id[i] >= 0;
    }
    b->words_apart = !b->byte_level && !b->ignore_merges && (b->by_score || !b->fuse_unk || (b->byte_fallback && all_bytes));
    for (int32_t id = 0; id < v->n && b->words_apart; id++) {
        const uint8_t kind = v->kind[id];
        if ((kind == TOKEN_NORMAL || kind == TOKEN_USER || kind == TOKEN_UNUSED) && crosses_words(v->text[id]))
            b->words_apart = false;
    }
}

/* ---- Candidates ---- */

/* Floats in descending order as ascending integers. */
static uint32_t rank_of_score(float score)
{
    const uint32_t u = f32_bits(score == 0 ? 0 : score);
    return u >> 31 ? u : ~(u | 0x80000000u);
}

static bool push(struct scratch *s, size_t *n, struct candidate c)
{
    if (*n == s->n_heap && !mem_grow(s->a, &s->heap, &s->n_heap, *n + 1, sizeof *s->heap))
        return false;
    size_t i = (*n)++;
    for (; i && s->heap[(i - 1) / 2].order > c.order; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = c;
    return true;
}

static struct candidate pop(struct candidate *heap, size_t *n)
{
    const struct candidate top = heap[0], last = heap[--*n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < *n; i = child) {
        child += child + 1 < *n && heap[child + 1].order < heap[child].order;
        if (heap[child].order >= last.order)
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static bool consider(const infer_tokenizer *t, struct scratch *s, const char *text, size_t *n, uint32_t left)
{
    const struct bpe *b = &t->bpe;
    const struct symbol *l = &s->symbols[left], *r = &s->symbols[l->next];
    const uint32_t size = l->size + r->size;
    uint32_t rank;
    int32_t id;
    if (b->by_score) {
        if (size > t->vocab.longest)
            return true;
        id = vocab_find_plain(&t->vocab, (struct text){ text + l->start, size });
        if (id < 0)
            return true;
        rank = rank_of_score(t->vocab.score[id]);
    } else {
        if (l->id < 0 || r->id < 0)
            return true;
        const struct merge *m = pair_slot(b, (uint32_t)l->id, (uint32_t)r->id);
        if (m->left == MERGE_FREE)
            return true;
        id = (int32_t)m->id;
        rank = m->rank;
    }
    return push(s, n, (struct candidate){ (uint64_t)rank << 32 | left, size, id });
}

/* ---- Symbols ---- */

static void add_symbol(struct scratch *s, uint32_t *n, int32_t id, size_t start, size_t size)
{
    const uint32_t i = (*n)++;
    s->symbols[i] = (struct symbol){ id, (uint32_t)start, (uint32_t)size, i ? i - 1 : NONE, i + 1 };
}

/* A character that is no token: its byte tokens, or unknown, or nothing. */
static void add_unknown(const infer_tokenizer *t, struct scratch *s, uint32_t *n, const char *text, size_t start, size_t size)
{
    const struct bpe *b = &t->bpe;
    bool bytes = b->byte_fallback;
    for (size_t i = 0; i < size && bytes; i++)
        bytes = b->byte_id[(uint8_t)text[start + i]] >= 0;
    for (size_t i = 0; i < size && bytes; i++)
        add_symbol(s, n, b->byte_id[(uint8_t)text[start + i]], start + i, 1);
    if (bytes || t->vocab.unk < 0)
        return;
    struct symbol *last = *n ? &s->symbols[*n - 1] : NULL;
    if (b->fuse_unk && last && last->id == t->vocab.unk && last->start + last->size == start)
        last->size += (uint32_t)size;
    else
        add_symbol(s, n, t->vocab.unk, start, size);
}

static uint32_t make_symbols(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    const struct bpe *b = &t->bpe;
    uint32_t n = 0;
    for (size_t i = 0; i < piece.n;) {
        uint32_t code;
        unsigned bad, size = b->byte_level ? 1 : utf8_read(piece.p + i, piece.n - i, &code, &bad);
        if (!size)
            size = 1;
        const int32_t id = b->byte_level ? b->byte_id[(uint8_t)piece.p[i]]
                                         : vocab_find_plain(&t->vocab, (struct text){ piece.p + i, size });
        if (id >= 0 || b->by_score)
            add_symbol(s, &n, id, i, size);
        else
            add_unknown(t, s, &n, piece.p, i, size);
        i += size;
    }
    if (n)
        s->symbols[n - 1].next = NONE;
    return n;
}

static void emit_symbol(const infer_tokenizer *t, struct scratch *s, const char *text, const struct symbol *y)
{
    if (y->id >= 0) {
        emit(s, y->id);
        return;
    }
    for (uint32_t i = 0; i < y->size; i++) { /* by_score: a character that never became part of a token */
        const int32_t id = t->bpe.byte_id[(uint8_t)text[y->start + i]];
        if (id >= 0)
            emit(s, id);
        else if (t->vocab.unk >= 0) {
            emit(s, t->vocab.unk);
            return;
        }
    }
}

static bool merge(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    size_t n_heap = 0;
    if (piece.n >= NONE)
        return false;
    if (piece.n > s->n_symbols && !mem_grow(s->a, &s->symbols, &s->n_symbols, piece.n, sizeof *s->symbols))
        return false;
    const uint32_t n = make_symbols(t, s, piece);
    struct symbol *y = s->symbols;
    for (uint32_t i = 0; i + 1 < n; i++) {
        if (!consider(t, s, piece.p, &n_heap, i))
            return false;
    }
    while (n_heap) {
        const struct candidate c = pop(s->heap, &n_heap);
        const uint32_t left = (uint32_t)c.order, right = y[left].next;
        if (!y[left].size || right == NONE || y[left].size + y[right].size != c.size)
            continue;
        y[left].id = c.id;
        y[left].size = c.size;
        y[left].next = y[right].next;
        y[right].size = 0;
        if (y[left].next != NONE && (y[y[left].next].previous = left, !consider(t, s, piece.p, &n_heap, left)))
            return false;
        if (y[left].previous != NONE && !consider(t, s, piece.p, &n_heap, y[left].previous))
            return false;
    }
    for (uint32_t i = n ? 0 : NONE; i != NONE; i = y[i].next)
        emit_symbol(t, s, piece.p, &y[i]);
    return true;
}

/* ---- Pieces ---- */

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

static struct word *word_slot(struct scratch *s, struct text piece, uint64_t key[3])
{
    char bytes[WORD_BYTES + 1] = { 0 };
    memcpy(bytes, piece.p, piece.n);
    bytes[WORD_BYTES] = (char)piece.n;
    memcpy(key, bytes, sizeof bytes);
    uint64_t h = key[0] * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32 ^ key[1]) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 32 ^ key[2]) * 0x9e3779b97f4a7c15u;
    return &s->words[(h >> 40) & s->word_mask];
}

/* A piece that is a token, where merges are to be ignored for such; else -1. */
static int32_t whole_token(const infer_tokenizer *t, struct text piece)
{
    char name[2 * NAME_MOST];
    size_t n = 0;
    if (!t->bpe.byte_level)
        return vocab_find_plain(&t->vocab, piece);
    if (piece.n > NAME_MOST || piece.n > t->vocab.longest)
        return -1;
    for (size_t i = 0; i < piece.n; i++)
        n += utf8_write(name + n, byte_to_char((uint8_t)piece.p[i]));
    return vocab_find_plain(&t->vocab, (struct text){ name, n });
}

static bool encode_uncached(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    const int32_t id = t->bpe.ignore_merges ? whole_token(t, piece) : -1;
    if (id < 0)
        return merge(t, s, piece);
    emit(s, id);
    return true;
}

static bool encode_word(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    if (!s->words || piece.n > WORD_BYTES)
        return encode_uncached(t, s, piece);
    uint64_t key[3];
    struct word *w = word_slot(s, piece, key);
    if (w->key[0] == key[0] && w->key[1] == key[1] && w->key[2] == key[2]) {
        for (uint32_t i = 0; i < w->n; i++)
            emit(s, w->ids[i]);
        return true;
    }
    const size_t before = s->n;
    if (!encode_uncached(t, s, piece))
        return false;
    const size_t n = s->n - before;
    if (n <= WORD_IDS && s->n <= s->max) { /* ids beyond the caller's room are not there to be copied */
        memcpy(w->key, key, sizeof w->key);
        w->n = (uint32_t)n;
        memcpy(w->ids, s->ids + before, n * sizeof *w->ids);
    }
    return true;
}

/* Where the next word begins: at a U+2581 after another character. */
static size_t word_end(struct text piece)
{
    const size_t mark = strlen(UTF8_LOWER_BLOCK);
    size_t i = 0;
    while (piece.n - i >= mark && !memcmp(piece.p + i, UTF8_LOWER_BLOCK, mark))
        i += mark;
    const char *next = memmem(piece.p + i, piece.n - i, UTF8_LOWER_BLOCK, mark);
    return next ? (size_t)(next - piece.p) : piece.n;
}

/* Back from characters to bytes, in place of PRE_MAP_BYTES; what is no such character stays. */
static bool unmap(struct scratch *s, struct text *piece)
{
    s->mapped.n = 0;
    if (!buffer_room(s, &s->mapped, piece->n))
        return false;
    for (size_t i = 0; i < piece->n;) {
        uint32_t code;
        unsigned bad, length = utf8_read(piece->p + i, piece->n - i, &code, &bad);
        const int byte = length ? byte_from_char(code) : -1;
        s->mapped.p[s->mapped.n++] = byte >= 0 ? (char)byte : piece->p[i];
        i += byte >= 0 ? length : 1;
    }
    *piece = (struct text){ s->mapped.p, s->mapped.n };
    return true;
}

bool bpe_encode(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    if (t->bpe.mapped && !unmap(s, &piece))
        return false;
    while (t->bpe.words_apart && piece.n) {
        const size_t end = word_end(piece);
        if (!encode_word(t, s, (struct text){ piece.p, end }))
            return false;
        piece.p += end;
        piece.n -= end;
    }
    return !piece.n || encode_word(t, s, piece);
}
