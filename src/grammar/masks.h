/* masks.h - which tokens can come next, for a whole vocabulary.
 *
 * Of a state alone, whatever stack it has, most tokens are decided: they do not leave its rule, or cannot come at all.
 * These are found once per grammar and tokenizer, by one walk over the tokenizer's trie, and kept for all threads. The
 * rest are the tokens in which the rule ends: for these the nodes of the trie at which it does are kept, and for each
 * stack the walk goes on from there, mostly into little of the trie, with what the stack returns to.
 *
 * Where that takes long all the same, the mask may be made from that of a place which the first bytes cannot tell from
 * this one (alike.h): then the walk is only about tokens of more bytes. */
#ifndef GRAMMAR_MASKS_H
#define GRAMMAR_MASKS_H

#include "src/grammar/grammar.h"
#include "src/grammar/stacks.h"
#include "src/tokenizer/trie.h"

enum { MOST_MASK_BYTES = 128 << 20 }; /* kept for a grammar and a tokenizer; others are made each time */

struct state_mask {
    uint32_t n_escapes; /* nodes at which the rule has ended and something may follow it */
    uint32_t n_beyond;  /* nodes below those */
    uint32_t n_ids;     /* tokens that can come, if they are few; else UINT32_MAX */
    uint32_t data[];    /* escapes, then ids, or words of bits */
};

struct masks {
    struct masks *next; /* of another tokenizer */
    const struct trie *trie;
    size_t n_words; /* of bits over the vocabulary */
    atomic_size_t bytes;
    _Atomic(struct state_mask *) of_state[];
};

/** Those of a grammar for a tokenizer, made when there are none; NULL if memory is out. */
struct masks *masks_of(infer_grammar *g, const infer_tokenizer *tokenizer);
void masks_close(infer_grammar *g);

struct mask_maker {
    const infer_allocator *a;
    const struct automaton *m;
    struct masks *masks;
    uint32_t *path; /* (deepest + 1) sets after the bytes of a node */
    uint32_t *bits; /* where tokens are marked */
    uint32_t *own;  /* (n_words) for masks of states */
    uint32_t *escapes;
    size_t n_escapes, room_escapes;
    struct state_mask *loose; /* the last one that was not kept */
    size_t known; /* bytes: what tokens of no more can do is known, the walk is about the others */
};

bool mask_maker_init(struct mask_maker *w, const infer_grammar *g, struct masks *masks);
void mask_maker_free(struct mask_maker *w);
/** Fill bits, n_words of them, with what can come in a set. False if memory or bounds are out. */
bool masks_fill(struct mask_maker *w, struct stacks *s, uint32_t set, uint32_t *bits);
/** How many nodes of the trie that visits. */
size_t masks_work(const struct mask_maker *w, const struct stacks *s, uint32_t set);
/** The same by a walk over the tokens of more than `known` bytes. `like` is the mask of a set that fewer cannot tell from
 *  this one. */
bool masks_fill_like(struct mask_maker *w, struct stacks *s, uint32_t set, const uint32_t *like, size_t known,
                     uint32_t *bits);
/** Whether masks_fill takes no walk over the whole trie. */
bool masks_are_there(const struct mask_maker *w, const struct stacks *s, uint32_t set);
/** Mark all tokens that write no text, but for those that end one. */
void masks_add_controls(const struct mask_maker *w, uint32_t *bits);

#endif
