/* trie.h - the vocabulary by the bytes of its tokens, for asking of all of them at once what can come next.
 *
 * The nodes of the tree lie in the order of a walk that goes deep first: a node's first child comes right after it, and
 * `skip` leads past all below it. Tokens that write no text (control tokens and those that end one) are not in it. */
#ifndef TOKENIZER_TRIE_H
#define TOKENIZER_TRIE_H

#include "src/tokenizer/tokenizer.h"

struct trie {
    uint32_t n;      /* nodes; the root is none */
    uint32_t *skip;  /* (n) */
    uint32_t *first; /* (n + 1) ids[first[i]] up to ids[first[i + 1]] have the bytes that lead to node i */
    uint16_t *depth; /* (n) bytes up to it, at least 1 */
    uint16_t *reach; /* (n) the depth of the deepest node from it on */
    uint8_t *byte;   /* (n) the last of them */
    int32_t *ids;    /* in the order of their bytes */
    int32_t n_vocab; /* ids are below it */
    size_t deepest;
    int32_t *ends; /* tokens that end a text */
    size_t n_ends;
    int32_t *controls; /* other tokens that write no text */
    size_t n_controls;
};

/** Made at the first call, and kept as long as the tokenizer; NULL if memory is out. Thread safe. */
const struct trie *tokenizer_trie(const infer_tokenizer *t);
void trie_free(const infer_allocator *a, struct trie *trie);
/** The bytes a token stands for within a text; empty if it writes none. */
struct text tokenizer_piece(const infer_tokenizer *t, int32_t id);

#endif
