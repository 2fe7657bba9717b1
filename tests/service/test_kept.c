/* test_kept.c - answers that later requests go on from: which stay, and under which names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "service/kept.h"
#include "tests/common/folder.h"

static void an_id_is_no_path(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "", "resp_", "resp_../../../../etc/passwd", "../responses/resp_000000000000000000000000",
        "resp_00000000000000000000000", "resp_0000000000000000000000000", "resp_00000000000000000000000/",
        "resp_0000000000000000000000..", "resp_00000000000000000000000\xc3", "resq_000000000000000000000000",
    };
    assert_true(kept_is_id("resp_0123456789abcdefghijABCD"));
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_false(kept_is_id(ids[i]));
}

static void put(struct kept *k, int i, size_t size)
{
    char id[KEPT_ID_LENGTH + 1], *const text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    json_t *const record = json_pack("{s:s}", "t", text);
    snprintf(id, sizeof id, "resp_%024d", i);
    assert_true(kept_put(k, id, record));
    json_decref(record);
    free(text);
}

static bool is_there(struct kept *k, int i)
{
    char id[KEPT_ID_LENGTH + 1];
    snprintf(id, sizeof id, "resp_%024d", i);
    json_t *const record = kept_get(k, id);
    json_decref(record);
    return record;
}

static void what_was_not_used_for_longest_goes(void **state)
{
    (void)state;
    char folder[FOLDER_ROOM];
    folder_make(folder);
    for (int files = 0; files < 2; files++) {
        struct kept k = { 0 };
        assert_true(kept_open(&k, files ? folder : NULL));
        k.max = 4;
        k.max_bytes = 1000;
        for (int i = 0; i < 4; i++)
            put(&k, i, 10);
        assert_true(is_there(&k, 0));
        put(&k, 4, 10); /* one too many: 1 is the oldest now */
        assert_false(is_there(&k, 1));
        assert_true(is_there(&k, 0));
        k.max = 100;
        for (int i = 5; i < 10; i++)
            put(&k, i, 240); /* too many bytes */
        assert_int_equal(k.n, 4);
        assert_false(is_there(&k, 0));
        assert_true(is_there(&k, 8));
        json_t *const huge = json_pack("{s:s}", "t", "");
        json_object_set_new(huge, "t", json_sprintf("%*s", 500, ""));
        assert_false(kept_put(&k, "resp_000000000000000000000099", huge));
        json_decref(huge);
        kept_close(&k);
    }
    struct kept again = { 0 };
    assert_true(kept_open(&again, folder));
    assert_int_equal(again.n, 4);
    kept_close(&again);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_no_path),
        cmocka_unit_test(what_was_not_used_for_longest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
