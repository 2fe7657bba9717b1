/* weights_test.h - what the tests of all formats share: files built in memory and in folders, and refusals. */
#ifndef TESTS_WEIGHTS_TEST_H
#define TESTS_WEIGHTS_TEST_H

#include "tests/common/counting.h"
#include "tests/common/look.h" /* before cmocka.h, whose macro fail() would get in the way */

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

/* Whichever allocation is the first that fails, opening says so and gives all back. */
static inline void path_needs_memory(const char *path)
{
    for (size_t n = 0;; n++) {
        struct counting c;
        counting_init(&c, n);
        infer_error err = { 0 };
        struct weights *w = weights_open(&c.allocator, path, &err);
        const bool opened = w, asked_in_vain = c.calls > n;
        weights_close(&w);
        assert_int_equal(c.live, 0);
        assert_int_equal(opened, !asked_in_vain);
        if (opened) {
            assert_true(n > 5);
            return;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
    }
}

#endif
