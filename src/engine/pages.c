/* pages.c - pages with reference counts, in slabs. */
#include "src/engine/pages.h"

struct slab {
    struct slab *next, **link; /* link: what points here */
    uint8_t *memory;
    uint32_t n_used;
    struct page pages[]; /* slab_pages */
};

bool pages_init(struct page_heap *heap, const infer_allocator *a, size_t block_bytes, size_t n_stripes,
                uint32_t slab_pages)
{
    *heap = (struct page_heap){
        .a = a, .block_bytes = block_bytes, .n_stripes = n_stripes, .slab_pages = slab_pages
    };
    return mul_size(block_bytes * slab_pages, n_stripes, &heap->slab_bytes);
}

static void free_slab(struct page_heap *heap, struct slab *slab)
{
    *slab->link = slab->next;
    if (slab->next)
        slab->next->link = slab->link;
    heap->n_slabs--;
    mem_free(heap->a, slab->memory);
    mem_free(heap->a, slab);
}

void pages_free(struct page_heap *heap)
{
    while (heap->slabs)
        free_slab(heap, heap->slabs);
}

static struct slab *new_slab(struct page_heap *heap)
{
    struct slab *slab = mem_new(heap->a, 1, sizeof *slab + heap->slab_pages * sizeof *slab->pages);
    uint8_t *const memory = slab ? (heap->cleared ? mem_new : mem_raw)(heap->a, heap->slab_bytes, 1) : NULL;
    if (!memory) {
        mem_free(heap->a, slab);
        return NULL;
    }
    slab->memory = memory;
    for (uint32_t i = 0; i < heap->slab_pages; i++)
        slab->pages[i] = (struct page){ .data = memory + i * heap->block_bytes, .slab = slab };
    slab->next = heap->slabs;
    slab->link = &heap->slabs;
    if (slab->next)
        slab->next->link = &slab->next;
    heap->slabs = slab;
    heap->n_slabs++;
    heap->n_empty++;
    return slab;
}

static bool is_free(const struct slab *slab, uint32_t i)
{
    return atomic_load_explicit(&slab->pages[i].refs, memory_order_relaxed) == 0;
}

/* Free pages in a row. */
struct run {
    struct slab *slab;
    uint32_t first, n;
};

static struct run longest_run(const struct page_heap *heap)
{
    struct run best = { 0 };
    for (struct slab *slab = heap->slabs; slab; slab = slab->next)
        for (uint32_t i = 0; slab->n_used < heap->slab_pages && i < heap->slab_pages; i++) {
            struct run run = { slab, i, 0 };
            while (i < heap->slab_pages && is_free(slab, i))
                run.n++, i++;
            if (run.n > best.n)
                best = run;
        }
    return best;
}

static struct page *use(struct page_heap *heap, struct page *page)
{
    heap->n_empty -= page->slab->n_used++ == 0;
    heap->n_used++;
    atomic_store_explicit(&page->refs, 1, memory_order_relaxed);
    return page;
}

struct page *page_take(struct page_heap *heap, const struct page *after, uint32_t run)
{
    if (after) {
        const uint32_t next = (uint32_t)(after - after->slab->pages) + 1;
        if (next < heap->slab_pages && is_free(after->slab, next))
            return use(heap, &after->slab->pages[next]);
    }
    const uint32_t want = run < 1 ? 1 : run < heap->slab_pages ? run : heap->slab_pages;
    struct run best = longest_run(heap);
    if (best.n < want) {
        struct slab *const slab = new_slab(heap);
        if (slab)
            return use(heap, &slab->pages[0]);
        if (!best.n)
            return NULL;
    }
    const uint32_t room = best.n > want ? best.n - want : 0;
    return use(heap, &best.slab->pages[best.first + (best.first ? room / 2 : 0)]);
}

struct page *page_hold(struct page *page)
{
    atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
    return page;
}

void page_release(struct page_heap *heap, struct page *page)
{
    struct slab *const slab = page->slab;
    if (atomic_fetch_sub_explicit(&page->refs, 1, memory_order_release) > 1)
        return;
    heap->n_used--;
    if (--slab->n_used)
        return;
    if (heap->n_empty)
        free_slab(heap, slab);
    else
        heap->n_empty++;
}

void page_copy(const struct page_heap *heap, const struct page *to, const struct page *from)
{
    for (size_t i = 0; i < heap->n_stripes; i++)
        memcpy(page_block(heap, to, i), page_block(heap, from, i), heap->block_bytes);
}
