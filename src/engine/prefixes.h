/* prefixes.h - the pages of texts that were computed before, by their tokens: a trie whose nodes are full pages.
 *
 * A node is a page of ATTEND_KEYS tokens behind those of its parent, and holds that page of each class of layers as far as
 * it was still there. Nodes are found by a hash of parent and tokens, and compared. A path is used from its end to its root,
 * so the node that was not used for longest is always a leaf: that goes first where they take more than they may. */
#ifndef ENGINE_PREFIXES_H
#define ENGINE_PREFIXES_H

#include "kernels/kernels.h"
#include "src/engine/pages.h"

enum { PREFIX_PAGES = 2 }; /* of a node: one of each class of layers */

struct prefix {
    struct prefix *next;          /* of the same bucket */
    struct prefix *newer, *older; /* by use */
    struct prefix *parent;        /* NULL: the text begins here */
    uint32_t n_children;
    uint64_t hash, variant;       /* variant: of how it was computed */
    struct page *pages[PREFIX_PAGES]; /* held; NULL: not there */
    int32_t tokens[ATTEND_KEYS];
};

/** Not thread safe: the owner's lock is held. */
struct prefixes {
    const infer_allocator *a;
    struct page_heap *heaps; /* PREFIX_PAGES */
    struct prefix **buckets;
    size_t n_buckets, n;
    struct prefix *newest, *oldest;
    uint64_t bytes, budget; /* of the pages that are held */
};

void prefixes_init(struct prefixes *p, const infer_allocator *a, struct page_heap *heaps, uint64_t budget);
void prefixes_free(struct prefixes *p);
/** The page of tokens behind `parent` (NULL: at the beginning), or NULL. */
struct prefix *prefix_find(const struct prefixes *p, const struct prefix *parent, uint64_t variant,
                           const int32_t *tokens);
/** The same, made if it is not there: without pages. NULL if memory is out. */
struct prefix *prefix_get(struct prefixes *p, struct prefix *parent, uint64_t variant, const int32_t *tokens);
/** Hold a page for a node that has none of the class. */
void prefix_hold(struct prefixes *p, struct prefix *node, int class, struct page *page);
/** A path, given by its end, is used. */
void prefix_use(struct prefixes *p, struct prefix *end);
/** Let go of pages that nobody else holds, those used least recently first, until that frees so many bytes. */
void prefixes_release(struct prefixes *p, uint64_t bytes);
/** Let go what is more than the budget. */
void prefixes_trim(struct prefixes *p);

#endif
