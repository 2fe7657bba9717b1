/* pages.h - pages of memory, each with a count of those who hold it, cut from slabs.
 *
 * A page is many blocks of one size, as many as a slab has stripes; the blocks of a slab's pages that are in one stripe
 * lie behind one another:
 *   slab: [stripe][page of the slab]{ block }
 * So pages that are neighbours in a slab make one run of each stripe. Who takes page after page gets neighbours as far as
 * they are free; who begins, or goes on elsewhere, gets the middle of the longest run that is free, so that others can
 * grow too. */
#ifndef ENGINE_PAGES_H
#define ENGINE_PAGES_H

#include "src/base/memory.h"

#include <stdatomic.h>

struct slab;

struct page {
    atomic_uint refs; /* changed under the lock of the heap's owner; 0: free */
    uint8_t *data;    /* its block of the first stripe */
    struct slab *slab;
};

struct page_heap {
    const infer_allocator *a;
    size_t block_bytes, n_stripes, slab_bytes;
    uint32_t slab_pages;
    bool cleared; /* slabs begin as zeros */
    struct slab *slabs;
    uint64_t n_used;           /* pages */
    uint32_t n_slabs, n_empty; /* n_empty: that hold no page, 1 at most: it is the reserve */
};

/** false if a slab would be too large for size_t. */
bool pages_init(struct page_heap *heap, const infer_allocator *a, size_t block_bytes, size_t n_stripes,
                uint32_t slab_pages);
/** All slabs, whoever holds pages of them. */
void pages_free(struct page_heap *heap);
/** A page held once, its content unspecified; NULL if memory is out.
 *  @param after the page that is read before it, or NULL.
 *  @param run   how many neighbours would be of use: there is a new slab if no free ones are that many. */
struct page *page_take(struct page_heap *heap, const struct page *after, uint32_t run);
struct page *page_hold(struct page *page);
void page_release(struct page_heap *heap, struct page *page);
void page_copy(const struct page_heap *heap, const struct page *to, const struct page *from);

static inline bool page_is_shared(struct page *page)
{
    return atomic_load_explicit(&page->refs, memory_order_acquire) > 1;
}
/** A page's block of a stripe. */
static inline uint8_t *page_block(const struct page_heap *heap, const struct page *page, size_t stripe)
{
    return page->data + stripe * heap->slab_pages * heap->block_bytes;
}
static inline size_t page_bytes(const struct page_heap *heap)
{
    return heap->block_bytes * heap->n_stripes;
}

#endif
