/* select.c - a heap. */
#include "src/sampler/select.h"

static void sift_down(uint64_t *heap, size_t n, size_t i)
{
    const uint64_t key = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (heap[child] >= key)
            break;
        heap[i] = heap[child];
    }
    heap[i] = key;
}

void best_offer(struct best *b, uint64_t key)
{
    if (b->n < b->k) {
        b->key[b->n++] = key;
        if (b->n == b->k)
            for (size_t i = b->n / 2; i-- > 0;)
                sift_down(b->key, b->n, i);
    } else if (key > b->key[0]) {
        b->key[0] = key;
        sift_down(b->key, b->n, 0);
    }
}

void best_sort(struct best *b)
{
    if (b->n < b->k)
        for (size_t i = b->n / 2; i-- > 0;)
            sift_down(b->key, b->n, i);
    for (size_t n = b->n; n > 1; n--) { /* the least goes to the end */
        const uint64_t least = b->key[0];
        b->key[0] = b->key[n - 1];
        b->key[n - 1] = least;
        sift_down(b->key, n - 1, 0);
    }
}
