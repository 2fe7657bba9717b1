/* test_store_page.c - the file of a page is that page whole, of that text and that way to compute, or it is refused. */
#include "src/runtime/store_page.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

enum { TEXT = 2 * ATTEND_KEYS, STRIPES = 3, BLOCK = 96 };

struct page_test {
    struct page_heap heap;
    struct page *page, *into;
    struct store_way way;
    int32_t tokens[TEXT];
    struct store_page p;
    uint8_t file[2000];
    size_t n;
};

static void make_page(struct page_test *t)
{
    *t = (struct page_test){ .n = 0 };
    assert_true(pages_init(&t->heap, &mem_default, BLOCK, STRIPES, 2));
    t->page = page_take(&t->heap, NULL, 1);
    t->into = page_take(&t->heap, t->page, 1);
    for (size_t i = 0; i < STRIPES; i++)
        for (size_t j = 0; j < BLOCK; j++)
            page_block(&t->heap, t->page, i)[j] = (uint8_t)(i * 50 + j);
    for (uint64_t i = 0; i < STORE_WAYS; i++)
        t->way.v[i] = i * i;
    for (int i = 0; i < TEXT; i++)
        t->tokens[i] = i * 7 % 96;
    t->p = (struct store_page){ &t->way, t->tokens, TEXT, KV_ALL, &t->heap };
    t->n = (size_t)store_page_bytes(&t->p);
    assert_true(t->n <= sizeof t->file);
    struct sink to;
    sink_open_memory(&to, t->file, t->n);
    assert_int_equal(store_page_put(&to, &t->p, t->page, NULL), INFER_OK);
    assert_int_equal(to.left, 0);
}

static infer_status read_page(struct page_test *t, const uint8_t *data, size_t n)
{
    struct source from;
    infer_error err = { 0 };
    source_open_memory(&from, data, n, "page");
    infer_status status = store_page_check(&from, &t->p, &err);
    if (status == INFER_OK)
        status = store_page_get(&from, &t->p, t->into, &err);
    assert_int_equal(err.code, status);
    return status;
}

static void damage_of_any_byte_and_any_other_length_is_found(void **state)
{
    (void)state;
    struct page_test t;
    make_page(&t);
    assert_int_equal(read_page(&t, t.file, t.n), INFER_OK);
    for (size_t i = 0; i < STRIPES; i++)
        assert_memory_equal(page_block(&t.heap, t.page, i), page_block(&t.heap, t.into, i), BLOCK);
    for (size_t i = 0; i < t.n; i++)
        for (int bit = 1; bit < 256; bit *= 4) {
            t.file[i] ^= (uint8_t)bit;
            assert_int_equal(read_page(&t, t.file, t.n), INFER_E_FORMAT);
            t.file[i] ^= (uint8_t)bit;
        }
    for (size_t n = 0; n < t.n; n++) {
        uint8_t *exact = malloc(n + 1); /* so that a byte behind it is noticed */
        memcpy(exact, t.file, n);
        assert_int_equal(read_page(&t, exact, n), INFER_E_FORMAT);
        free(exact);
    }
    assert_int_equal(read_page(&t, t.file, t.n + 1), INFER_E_FORMAT);
    pages_free(&t.heap);
}

static void a_sound_page_of_another_text_way_or_place_is_not_taken(void **state)
{
    (void)state;
    struct page_test t;
    make_page(&t);
    for (int i = 0; i < TEXT; i++) { /* also where only what comes before the page is another text */
        t.tokens[i]++;
        assert_int_equal(read_page(&t, t.file, t.n), INFER_E_FORMAT);
        t.tokens[i]--;
    }
    for (int i = 0; i < STORE_WAYS; i++) {
        t.way.v[i]++;
        assert_int_equal(read_page(&t, t.file, t.n), INFER_E_FORMAT);
        t.way.v[i]--;
    }
    t.p.class = KV_WINDOW;
    assert_int_equal(read_page(&t, t.file, t.n), INFER_E_FORMAT);
    t.p.class = KV_ALL;
    t.p.n_tokens = ATTEND_KEYS;
    assert_int_equal(read_page(&t, t.file, t.n), INFER_E_FORMAT);
    pages_free(&t.heap);
}

static void names_tell_texts_ways_and_classes_apart(void **state)
{
    (void)state;
    char names[2 + STORE_WAYS + ATTEND_KEYS][STORE_NAME];
    struct store_way way = { { 0 } };
    int32_t tokens[ATTEND_KEYS] = { 0 };
    for (int i = 0; i < 2 + STORE_WAYS + ATTEND_KEYS; i++) {
        struct hash h;
        uint64_t *const w = i >= 2 && i < 2 + STORE_WAYS ? &way.v[i - 2] : NULL;
        int32_t *const t = i >= 2 + STORE_WAYS ? &tokens[i - 2 - STORE_WAYS] : NULL;
        if (w)
            ++*w;
        if (t)
            ++*t;
        store_name_begin(&h, &way);
        store_name_next(&h, tokens);
        store_name(names[i], hash_value(&h), i == 1 ? KV_WINDOW : KV_ALL);
        assert_int_equal(store_name_kind(names[i]), 'p');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
        if (w)
            --*w;
        if (t)
            --*t;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_of_any_byte_and_any_other_length_is_found),
        cmocka_unit_test(a_sound_page_of_another_text_way_or_place_is_not_taken),
        cmocka_unit_test(names_tell_texts_ways_and_classes_apart),
    };
    return cmocka_run_group_tests_name("store_page", tests, NULL, NULL);
}
