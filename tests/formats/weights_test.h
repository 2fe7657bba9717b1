/* weights_test.h - what the tests of all formats share: files built in memory, refusals, and a look at everything that
 * a struct weights offers. For tests only. */
#ifndef TESTS_WEIGHTS_TEST_H
#define TESTS_WEIGHTS_TEST_H

#include "src/formats/weights.h" /* before cmocka.h, whose macro fail() would get in the way */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct bytes {
    uint8_t p[8192];
    size_t n;
};

static inline void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(n <= sizeof b->p - b->n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}
static inline void put_u8(struct bytes *b, uint8_t v)
{
    put(b, &v, sizeof v);
}
static inline void put_u32(struct bytes *b, uint32_t v)
{
    put(b, &v, sizeof v);
}
static inline void put_u64(struct bytes *b, uint64_t v)
{
    put(b, &v, sizeof v);
}
static inline void put_text(struct bytes *b, const char *s)
{
    put_u64(b, strlen(s));
    put(b, s, strlen(s));
}
static inline void put_padding(struct bytes *b, size_t alignment)
{
    while (b->n % alignment)
        put_u8(b, 0);
}

/* A sum over every byte that the weights point at, so that a sanitizer sees a pointer that is wrong. */
static inline unsigned look_at_all(const struct weights *w)
{
    unsigned sum = 0;
    for (size_t i = 0; i < w->n_metas; i++) {
        const struct meta *m = &w->metas[i];
        assert_ptr_equal(weights_meta(w, m->key.p), m);
        assert_int_equal(m->key.p[m->key.n], 0);
        if (m->type == META_STRING)
            for (size_t j = 0; j < m->value.s.n; j++)
                sum += (uint8_t)m->value.s.p[j];
        if (m->type != META_ARRAY)
            continue;
        assert_int_not_equal(m->element, META_ARRAY);
        struct text *strings = m->element == META_STRING ? calloc(m->n + 1, sizeof *strings) : NULL;
        assert_int_equal(meta_strings(m, strings), strings || !m->n);
        for (uint64_t j = 0; j < m->n; j++) {
            sum += (unsigned)meta_element_i64(m, j) + (meta_element_f64(m, j) > 0);
            for (size_t k = 0; strings && k < strings[j].n; k++)
                sum += (uint8_t)strings[j].p[k];
        }
        free(strings);
    }
    for (size_t i = 0; i < w->n_tensors; i++) {
        const struct tensor *t = &w->tensors[i];
        assert_ptr_equal(weights_tensor(w, t->name), t);
        assert_int_equal(t->name.p[t->name.n], 0);
        uint64_t row;
        assert_true(dtype_row_bytes(t->type, t->ne[0], &row));
        assert_int_equal(t->bytes, row * t->ne[1] * t->ne[2] * t->ne[3]);
        for (uint64_t j = 0; j < t->bytes; j++)
            sum += ((const uint8_t *)t->data)[j];
    }
    return sum;
}

/* A folder of the test's own under /tmp, gone after folder_remove. */
static inline void folder_make(char path[64])
{
    strcpy(path, "/tmp/infer-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void folder_write(const char *folder, const char *name, const void *p, size_t n)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void folder_remove(const char *folder)
{
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* The path must be refused with this code and a sentence in which all of `words` (separated by |) stand. */
static inline void path_refused(const char *path, infer_status code, const char *words)
{
    infer_error err = { 0 };
    struct weights *w = weights_open(&mem_default, path, &err);
    assert_null(w);
    assert_int_equal(err.code, code);
    char copy[300];
    snprintf(copy, sizeof copy, "%s", words);
    for (char *save, *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
        if (!strstr(err.message, word))
            fail_msg("\"%s\" does not say \"%s\"", err.message, word);
    assert_null(weights_open(&mem_default, path, NULL)); /* and nobody need ask why */
}

#endif
