/* bpe.c - byte pair encoding: join neighbours, the best pair of the piece first, until no pair is left.
 *
 * A symbol stands in an array at the byte where it begins, so the next one is found by its size. Each symbol knows the
 * token that it and the next one would become, if any; a heap orders these by rank, then by position. An entry that has
 * been overtaken is known by its rank: the symbol there is gone, or its pair is another one by now. So a piece of n
 * symbols costs O(n log n).
 *
 * Two kinds of vocabularies differ only in what makes a pair: two ids in the table of merges, or, for SentencePiece, a
 * token whose text is that of the two, ranked by its score.
 */
#include "src/tokenizer/parts.h"

#include "src/base/numbers.h"
#include "src/base/utf8.h"

#define NONE UINT32_MAX

struct symbol {
    int32_t id;        /* negative: not a token by itself */
    uint32_t size;     /* bytes of the piece; 0: none begins here */
    uint32_t previous; /* where the one before begins, NONE for the first */
    uint32_t pair_rank;
    int32_t pair_id; /* what this and the next one make up; negative: nothing */
};
enum { NAME_MOST = 1024 }; /* no longer piece is looked up as a token */

/* Rank << 32 | position: the least comes first. Four children lie in half a cache line. */
typedef uint64_t candidate;

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
    b->words_apart =
        !b->byte_level && !b->ignore_merges && (b->by_score || !b->fuse_unk || (b->byte_fallback && all_bytes));
    for (int32_t id = 0; id < v->n && b->words_apart; id++) {
        const uint8_t kind = v->kind[id];
        if ((kind == TOKEN_NORMAL || kind == TOKEN_UNUSED) && crosses_words(v->text[id]))
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

static bool push(struct scratch *s, size_t *n, candidate c)
{
    if (*n == s->n_heap && !mem_grow(s->a, &s->heap, &s->n_heap, *n + 1, sizeof *s->heap))
        return false;
    size_t i = (*n)++;
    for (; i && s->heap[(i - 1) / 4] > c; i = (i - 1) / 4)
        s->heap[i] = s->heap[(i - 1) / 4];
    s->heap[i] = c;
    return true;
}

static candidate pop(candidate *heap, size_t *n)
{
    const candidate top = heap[0], last = heap[--*n];
    size_t i = 0;
    for (size_t child; (child = 4 * i + 1) < *n;) {
        const size_t end = child + 4 < *n ? child + 4 : *n;
        size_t least = child;
        for (size_t k = child + 1; k < end; k++)
            least = heap[k] < heap[least] ? k : least;
        if (heap[least] >= last)
            break;
        heap[i] = heap[least];
        i = least;
    }
    heap[i] = last;
    return top;
}

/* What the symbol at `left` and the next one make up. */
static void find_pair(const infer_tokenizer *t, struct symbol *y, struct text piece, uint32_t left)
{
    const struct bpe *b = &t->bpe;
    struct symbol *l = &y[left];
    const uint32_t right = left + l->size;
    l->pair_id = -1;
    if (right >= piece.n)
        return;
    const struct symbol *r = &y[right];
    if (b->by_score) {
        const uint32_t size = l->size + r->size;
        const struct text both = { piece.p + left, size };
        l->pair_id = size <= t->vocab.longest ? vocab_find_plain(&t->vocab, both) : -1;
        if (l->pair_id >= 0)
            l->pair_rank = rank_of_score(t->vocab.score[l->pair_id]);
    } else if (l->id >= 0 && r->id >= 0) {
        const struct merge *m = pair_slot(b, (uint32_t)l->id, (uint32_t)r->id);
        l->pair_id = m->left == MERGE_FREE ? -1 : (int32_t)m->id;
        l->pair_rank = m->rank;
    }
}

static bool consider(const infer_tokenizer *t, struct scratch *s, struct text piece, size_t *n, uint32_t left)
{
    struct symbol *y = s->symbols;
    find_pair(t, y, piece, left);
    return y[left].pair_id < 0 || push(s, n, (uint64_t)y[left].pair_rank << 32 | left);
}

/* ---- Symbols ---- */

/* The last symbol so far, while they are being made. */
static void add_symbol(struct symbol *y, uint32_t *last, int32_t id, size_t start, size_t size)
{
    y[start] = (struct symbol){ .id = id, .size = (uint32_t)size, .previous = *last };
    *last = (uint32_t)start;
}

/* A character that is no token: its byte tokens, or unknown, or nothing (then the symbol before it covers it). */
static void add_unknown(const infer_tokenizer *t, struct symbol *y, uint32_t *last, const char *text, size_t start,
                        size_t size)
{
    const struct bpe *b = &t->bpe;
    bool bytes = b->byte_fallback;
    for (size_t i = 0; i < size && bytes; i++)
        bytes = b->byte_id[(uint8_t)text[start + i]] >= 0;
    for (size_t i = 0; i < size && bytes; i++)
        add_symbol(y, last, b->byte_id[(uint8_t)text[start + i]], start + i, 1);
    if (bytes)
        return;
    const bool fused = b->fuse_unk && *last != NONE && y[*last].id == t->vocab.unk;
    if (t->vocab.unk >= 0 && !fused)
        add_symbol(y, last, t->vocab.unk, start, size);
    else if (*last != NONE)
        y[*last].size += (uint32_t)size;
}

/* Returns where the first symbol begins, piece.n if there is none. */
static uint32_t make_symbols(const infer_tokenizer *t, struct symbol *y, struct text piece)
{
    const struct bpe *b = &t->bpe;
    uint32_t last = NONE, first = (uint32_t)piece.n;
    for (size_t i = 0; i < piece.n;) {
        uint32_t code;
        unsigned bad, size = b->byte_level ? 1 : utf8_read(piece.p + i, piece.n - i, &code, &bad);
        size += !size;
        for (size_t k = 1; k < size; k++)
            y[i + k].size = 0;
        y[i].size = 0;
        const struct text one = { piece.p + i, size };
        const int32_t id = b->byte_level ? b->byte_id[(uint8_t)piece.p[i]]
                           : b->by_score ? -1
                                         : vocab_find_plain(&t->vocab, one);
        if (id >= 0 || b->by_score) /* by score, only those that stay alone are looked up: emit_symbol */
            add_symbol(y, &last, id, i, size);
        else
            add_unknown(t, y, &last, piece.p, i, size);
        if (first == piece.n && last != NONE)
            first = (uint32_t)i;
        i += size;
    }
    return first;
}

static void emit_symbol(const infer_tokenizer *t, struct scratch *s, const char *text, const struct symbol *y)
{
    const int32_t whole = y->id >= 0 ? y->id : vocab_find_plain(&t->vocab, (struct text){ text, y->size });
    if (whole >= 0) {
        emit(s, whole);
        return;
    }
    for (uint32_t i = 0; i < y->size; i++) { /* a character that is no token */
        const int32_t id = t->bpe.byte_id[(uint8_t)text[i]];
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
    if (piece.n >= NONE || !mem_grow(s->a, &s->symbols, &s->n_symbols, piece.n, sizeof *s->symbols))
        return false;
    struct symbol *y = s->symbols;
    const uint32_t first = make_symbols(t, y, piece), n = (uint32_t)piece.n;
    for (uint32_t i = first; i < n; i += y[i].size) {
        if (!consider(t, s, piece, &n_heap, i))
            return false;
    }
    while (n_heap) {
        const candidate c = pop(s->heap, &n_heap);
        const uint32_t left = (uint32_t)c, right = left + y[left].size;
        if (!y[left].size || y[left].pair_id < 0 || y[left].pair_rank != c >> 32)
            continue;
        y[left].id = y[left].pair_id;
        y[left].size += y[right].size;
        y[right].size = 0;
        const uint32_t next = left + y[left].size, previous = y[left].previous;
        if (next < n)
            y[next].previous = left;
        if (!consider(t, s, piece, &n_heap, left) || (previous != NONE && !consider(t, s, piece, &n_heap, previous)))
            return false;
    }
    for (uint32_t i = first; i < n; i += y[i].size)
        emit_symbol(t, s, piece.p + i, &y[i]);
    return true;
}

/* ---- Pieces ---- */

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

static bool encode_word(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    const int32_t id = t->bpe.ignore_merges ? whole_token(t, piece) : -1;
    if (id < 0)
        return merge(t, s, piece);
    emit(s, id);
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
        if (!words_encode(t, s, (struct text){ piece.p, end }, encode_word))
            return false;
        piece.p += end;
        piece.n -= end;
    }
    return !piece.n || encode_word(t, s, piece);
}
