/* unigram.c - Unigram: of all ways to write a piece as tokens the one whose scores (logarithms of probabilities) have
 * the largest sum, found from the left to the right: for each place the best way to come there (Viterbi). */
#include "src/tokenizer/parts.h"

#include "src/base/utf8.h"

#include <math.h>

/* A place in the text, between two bytes. */
struct place {
    double score;  /* of the best way to come here; -INFINITY: there is none so far */
    uint32_t from; /* where its last token begins; once all is known: where the next one ends */
    int32_t id;    /* of that token, -1 unknown */
};

/* ---- The tree of the tokens' bytes: edges by hash of node and byte ---- */

static struct edge *edge_of(const struct unigram *u, uint32_t from, uint8_t byte)
{
    const uint64_t key = (uint64_t)from << 8 | byte;
    for (size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & u->mask;; i = (i + 1) & u->mask) {
        struct edge *const e = &u->edges[i];
        if (!e->to || (e->from == from && e->byte == byte))
            return e;
    }
}

/* Room for one more node, and for its edge in a table that is at most half full. */
static bool grow(struct unigram *u, const infer_allocator *a)
{
    if (u->n_nodes == INT32_MAX || !mem_grow(a, &u->ids, &u->room, (size_t)u->n_nodes + 1, sizeof *u->ids))
        return false;
    if (u->edges && u->n_nodes < (u->mask + 1) / 2)
        return true;
    struct unigram more = *u;
    more.mask = u->edges ? 2 * u->mask + 1 : 1023;
    more.edges = mem_new(a, more.mask + 1, sizeof *more.edges);
    if (!more.edges)
        return false;
    for (size_t i = 0; u->edges && i <= u->mask; i++)
        if (u->edges[i].to)
            *edge_of(&more, u->edges[i].from, u->edges[i].byte) = u->edges[i];
    mem_free(a, u->edges);
    *u = more;
    return true;
}

static bool add_token(struct unigram *u, const infer_allocator *a, struct text t, int32_t id)
{
    uint32_t node = 0;
    for (size_t i = 0; i < t.n; i++) {
        struct edge *e = edge_of(u, node, (uint8_t)t.p[i]);
        if (!e->to) {
            if (!grow(u, a))
                return false;
            u->ids[u->n_nodes] = -1;
            e = edge_of(u, node, (uint8_t)t.p[i]);
            *e = (struct edge){ node, u->n_nodes++, (uint8_t)t.p[i] };
        }
        node = e->to;
    }
    u->ids[node] = u->ids[node] < 0 ? id : u->ids[node]; /* of equal ones the first counts */
    return true;
}

bool unigram_finish(struct unigram *u, const infer_allocator *a, const struct vocab *v)
{
    double least = 0;
    if (!grow(u, a))
        return false;
    u->ids[u->n_nodes++] = -1; /* the root */
    for (int32_t id = 0; id < v->n; id++) {
        const bool plain = v->kind[id] == TOKEN_NORMAL || v->kind[id] == TOKEN_USER || v->kind[id] == TOKEN_UNUSED;
        if (!v->text[id].n || !(plain || u->all_match))
            continue;
        least = u->score[id] < least ? u->score[id] : least;
        if (!add_token(u, a, v->text[id], id))
            return false;
    }
    u->unknown_score = least - 10; /* as SentencePiece has it */
    return true;
}

void unigram_close(struct unigram *u, const infer_allocator *a)
{
    mem_free(a, u->edges);
    mem_free(a, u->ids);
}

/* ---- Encoding ---- */

static void reach(struct place *to, double score, size_t from, int32_t id)
{
    if (score > to->score)
        *to = (struct place){ score, (uint32_t)from, id };
}

/* All tokens that begin at `at`, and an unknown character where none is a single one. */
static void leave(const struct unigram *u, struct place *places, struct text piece, size_t at, size_t length)
{
    bool single = false;
    uint32_t node = 0;
    for (size_t i = at; i < piece.n && (node = edge_of(u, node, (uint8_t)piece.p[i])->to); i++) {
        const int32_t id = u->ids[node];
        if (id < 0)
            continue;
        reach(&places[i + 1], places[at].score + u->score[id], at, id);
        single |= i + 1 == at + length;
    }
    if (!single)
        reach(&places[at + length], places[at].score + u->unknown_score, at, -1);
}

/* Unknown characters in a row are one token, or the tokens of their bytes. */
static void emit_unknown(const infer_tokenizer *t, struct scratch *s, struct text part)
{
    bool bytes = t->bpe.byte_fallback;
    for (size_t i = 0; i < part.n && bytes; i++)
        bytes = t->bpe.byte_id[(uint8_t)part.p[i]] >= 0;
    for (size_t i = 0; i < part.n && bytes; i++)
        emit(s, t->bpe.byte_id[(uint8_t)part.p[i]]);
    if (!bytes && t->vocab.unk >= 0)
        emit(s, t->vocab.unk);
}

bool unigram_encode(const infer_tokenizer *t, struct scratch *s, struct text piece)
{
    s->mapped.n = 0;
    if (piece.n >= UINT32_MAX || !buffer_room(s, &s->mapped, (piece.n + 1) * sizeof(struct place)))
        return false;
    struct place *const places = (struct place *)(void *)s->mapped.p;
    for (size_t i = 0; i <= piece.n; i++)
        places[i] = (struct place){ i ? -INFINITY : 0, 0, -1 };
    for (size_t at = 0, length; at < piece.n; at += length) {
        uint32_t code;
        unsigned bad;
        length = utf8_read(piece.p + at, piece.n - at, &code, &bad);
        length = length ? length : bad;
        if (places[at].score > -INFINITY)
            leave(&t->unigram, places, piece, at, length);
    }
    /* From the end back, each place on the way is told where the token that leaves it ends. */
    int32_t id = -1;
    for (size_t at = piece.n, end = piece.n; at > 0;) {
        const size_t from = places[at].from;
        const int32_t own = places[at].id;
        places[at] = (struct place){ 0, (uint32_t)end, id };
        if (!from)
            places[0] = (struct place){ 0, (uint32_t)at, own };
        end = at;
        at = from;
        id = own;
    }
    for (size_t at = 0; at < piece.n;) {
        size_t end = places[at].from;
        if (places[at].id >= 0) {
            emit(s, places[at].id);
        } else {
            while (end < piece.n && places[end].id < 0)
                end = places[end].from;
            emit_unknown(t, s, (struct text){ piece.p + at, end - at });
        }
        at = end;
    }
    return true;
}
