/* dry.c - repetitions are found by the Z algorithm (D. Gusfield, Algorithms on Strings, Trees and Sequences, 1.4) over
 * the tokens read backwards: common[i] is how many tokens before place i, backwards, are the same as at the end. If the
 * last n tokens stood there before, the token that followed them would go on with the repetition. */
#include "src/sampler/dry.h"

bool dry_open(struct dry *d, const infer_allocator *a, int32_t window)
{
    *d = (struct dry){ .a = a, .window = window < 0 ? SIZE_MAX : (size_t)window };
    return id_map_open(&d->lengths, a, 64);
}

bool dry_fork(struct dry *d, const struct dry *from)
{
    *d = (struct dry){ .a = from->a, .window = from->window, .n = from->n, .room = from->n,
                       .unbroken = from->unbroken };
    d->token = mem_new(from->a, from->n, sizeof *d->token);
    if (d->token && from->n)
        memcpy(d->token, from->token, from->n * sizeof *d->token);
    return id_map_copy(&d->lengths, &from->lengths) && phrases_fork(&d->breakers, &from->breakers) && d->token;
}

void dry_close(struct dry *d)
{
    if (!d->a)
        return;
    mem_free(d->a, d->token);
    mem_free(d->a, d->common);
    id_map_close(&d->lengths);
    phrases_close(&d->breakers);
    *d = (struct dry){ 0 };
}

void dry_clear(struct dry *d)
{
    d->n = d->unbroken = 0;
    phrases_begin(&d->breakers);
}

bool dry_add(struct dry *d, int32_t id)
{
    if (!d->window)
        return true;
    if (d->n / 2 >= d->window) { /* so that each token is moved once */
        memmove(d->token, d->token + d->n - d->window, d->window * sizeof *d->token);
        d->n = d->window;
    }
    if (!mem_grow(d->a, &d->token, &d->room, d->n + 1, sizeof *d->token))
        return false;
    d->token[d->n++] = id;
    d->unbroken = phrases_take(&d->breakers, id) ? 0 : d->unbroken + 1;
    return true;
}

static void find_common(struct dry *d, size_t n)
{
    const int32_t *last = d->token + d->n - 1; /* backwards */
    uint32_t *z = d->common;
    size_t left = 0, right = 0; /* the place whose match reaches furthest, and where it ends */
    for (size_t i = 1; i < n; i++) {
        size_t k = i < right ? z[i - left] : 0;
        k = i + k > right && i < right ? right - i : k;
        while (i + k < n && last[-(ptrdiff_t)k] == last[-(ptrdiff_t)(i + k)])
            k++;
        z[i] = (uint32_t)k;
        if (i + k > right) {
            left = i;
            right = i + k;
        }
    }
}

bool dry_find(struct dry *d, size_t least)
{
    const size_t n = d->n < d->window ? d->n : d->window;
    id_map_clear(&d->lengths);
    if (n < 2 || d->unbroken < least)
        return true;
    if (!mem_grow(d->a, &d->common, &d->room_common, n, sizeof *d->common))
        return false;
    find_common(d, n);
    for (size_t i = 1; i < n; i++) {
        const size_t length = d->common[i] < d->unbroken ? d->common[i] : d->unbroken;
        if (length < least || !length)
            continue;
        uint32_t *const most = id_map_put(&d->lengths, d->token[d->n - i]);
        if (!most)
            return false;
        *most = length > *most ? (uint32_t)length : *most;
    }
    return true;
}
