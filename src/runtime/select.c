/* select.c - a heap for the best few, a radix sort for all. */
#include "src/runtime/select.h"

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

/* Least significant digit first, over the logit's half of the key: each pass keeps the order of equal digits, so the
 * ids stay in order of themselves. A digit that all keys share is passed over. */
void sort_keys(uint64_t *key, uint64_t *spare, size_t n)
{
    uint64_t *from = key, *to = spare;
    for (int shift = 32; shift < 64; shift += 8) {
        size_t start[257] = { 0 };
        for (size_t i = 0; i < n; i++)
            start[256 - (from[i] >> shift & 255)]++; /* digit d begins behind the larger digits */
        if (n && start[256 - (from[0] >> shift & 255)] == n)
            continue;
        for (int d = 1; d <= 256; d++)
            start[d] += start[d - 1];
        for (size_t i = 0; i < n; i++)
            to[start[255 - (from[i] >> shift & 255)]++] = from[i];
        uint64_t *const swap = from;
        from = to;
        to = swap;
    }
    if (from != key)
        memcpy(key, from, n * sizeof *key);
}
