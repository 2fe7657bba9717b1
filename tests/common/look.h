/* look.h - a look at everything that a struct weights offers. For tests and fuzz targets only. */
#ifndef TESTS_LOOK_H
#define TESTS_LOOK_H

#include "src/formats/weights.h"

#include <stdlib.h>

/** Read every byte that the entry points at, so that a sanitizer sees a pointer that is wrong; false if it contradicts
 *  formats.h. */
static inline bool look_at_meta(const struct weights *w, const struct meta *m, volatile unsigned *sum)
{
    if (weights_meta(w, m->key.p) != m || m->key.p[m->key.n])
        return false;
    if (m->type == META_STRING)
        for (size_t j = 0; j < m->value.s.n; j++)
            *sum += (uint8_t)m->value.s.p[j];
    if (m->type != META_ARRAY)
        return true;
    struct text *strings = m->element == META_STRING ? calloc(m->n + 1, sizeof *strings) : NULL;
    bool good = m->element != META_ARRAY && meta_strings(m, strings) == (strings || !m->n);
    for (uint64_t j = 0; good && j < m->n; j++) {
        *sum += (unsigned)meta_element_i64(m, j) + (meta_element_f64(m, j) > 0);
        for (size_t k = 0; strings && k < strings[j].n; k++)
            *sum += (uint8_t)strings[j].p[k];
    }
    free(strings);
    return good;
}

static inline bool look_at_tensor(const struct weights *w, const struct tensor *t, volatile unsigned *sum)
{
    uint64_t row;
    if (weights_tensor(w, t->name) != t || t->name.p[t->name.n] || !dtype_row_bytes(t->type, t->ne[0], &row) ||
        t->bytes != row * t->ne[1] * t->ne[2] * t->ne[3])
        return false;
    for (uint64_t j = 0; j < t->bytes; j++)
        *sum += ((const uint8_t *)t->data)[j];
    return true;
}

static inline bool look_at_all(const struct weights *w)
{
    volatile unsigned sum = 0;
    bool good = true;
    for (size_t i = 0; i < w->n_metas; i++)
        good = good && look_at_meta(w, &w->metas[i], &sum);
    for (size_t i = 0; i < w->n_tensors; i++)
        good = good && look_at_tensor(w, &w->tensors[i], &sum);
    return good;
}

#endif
