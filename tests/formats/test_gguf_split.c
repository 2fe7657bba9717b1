/* test_gguf_split.c - GGUF files in parts: any part leads to all, and parts that do not fit together are refused. */
#include "tests/formats/gguf_writer.h"

static void split_part(struct bytes *b, uint16_t no, uint16_t count, uint32_t tensors)
{
    char name[] = "w0";
    name[1] = (char)('0' + no);
    header(b, 1, 4);
    key(b, "split.no", META_U16), put(b, &no, 2);
    key(b, "split.count", META_U16), put(b, &count, 2);
    key(b, "split.tensors.count", META_I32), put_u32(b, tensors);
    key(b, "part", META_U16), put(b, &no, 2);
    tensor(b, name, DTYPE_F32, 8, 1, 0);
    put_padding(b, 32);
    for (int i = 0; i < 32; i++)
        put_u8(b, (uint8_t)no);
}

static void write_parts(const char *folder, int n, uint16_t count, uint32_t tensors)
{
    for (int i = 0; i < n; i++) {
        struct bytes b;
        char name[64];
        snprintf(name, sizeof name, "m-%05d-of-%05d.gguf", i + 1, count);
        split_part(&b, (uint16_t)i, count, tensors);
        folder_write(folder, name, b.p, b.n);
    }
}

static void any_part_of_a_split_file_opens_all(void **state)
{
    (void)state;
    char folder[64], path[128];
    folder_make(folder);
    write_parts(folder, 3, 3, 3);
    for (int part = 1; part <= 3; part++) {
        infer_error err = { 0 };
        snprintf(path, sizeof path, "%s/m-%05d-of-00003.gguf", folder, part);
        struct weights *w = weights_open(&mem_default, path, &err);
        if (!w)
            fail_msg("%s", err.message);
        assert_true(look_at_all(w));
        assert_int_equal(w->n_tensors, 3);
        assert_int_equal(w->n_maps, 3);
        assert_int_equal(weights_meta(w, "part")->value.u, 0); /* metadata is that of part 1 */
        assert_int_equal(*(const uint8_t *)weights_tensor(w, text_of("w2"))->data, 2);
        weights_close(&w);
    }
    folder_remove(folder);
}

static void parts_that_find_no_memory_give_all_back(void **state)
{
    (void)state;
    char folder[64], path[128];
    folder_make(folder);
    write_parts(folder, 3, 3, 3);
    snprintf(path, sizeof path, "%s/m-00002-of-00003.gguf", folder);
    path_needs_memory(path);
    folder_remove(folder);
}

static void split_files_that_do_not_fit_together_are_refused(void **state)
{
    (void)state;
    char folder[64], path[128];
    struct bytes b;
    folder_make(folder);
    snprintf(path, sizeof path, "%s/m-00002-of-00003.gguf", folder);
    write_parts(folder, 2, 3, 3);
    path_refused(path, INFER_E_IO, "m-00003-of-00003.gguf|cannot be opened");
    write_parts(folder, 3, 3, 4);
    path_refused(path, INFER_E_FORMAT, "the 3 parts have 3 tensors, split.tensors.count is 4");
    write_parts(folder, 3, 3, 3);
    split_part(&b, 1, 3, 3);
    folder_write(folder, "m-00003-of-00003.gguf", b.p, b.n);
    path_refused(path, INFER_E_FORMAT, "m-00003-of-00003.gguf: split.no 1|expected 2, 3, 3");
    header(&b, 0, 0);
    folder_write(folder, "m-00003-of-00003.gguf", b.p, b.n);
    path_refused(path, INFER_E_FORMAT, "split.count 1");
    split_part(&b, 0, 3, 3);
    folder_write(folder, "renamed.gguf", b.p, b.n);
    snprintf(path, sizeof path, "%s/renamed.gguf", folder);
    path_refused(path, INFER_E_FORMAT, "split.no is 0, split.count 3|a name that ends in -00001-of-00003");
    header(&b, 0, 1);
    key(&b, "split.count", META_U16), put(&b, "\2\0", 2);
    folder_write(folder, "renamed.gguf", b.p, b.n);
    path_refused(path, INFER_E_FORMAT, "split.count is 2, but there is no split.no");
    folder_remove(folder);
}

static void part_of_a_split_file_in_memory_is_refused(void **state)
{
    (void)state;
    struct bytes b;
    infer_error err = { 0 };
    split_part(&b, 0, 2, 2);
    assert_null(weights_open_memory(&mem_default, b.p, b.n, "file.gguf", &err));
    assert_int_equal(err.code, INFER_E_UNKNOWN);
    assert_string_equal(err.message, "file.gguf: split.count is 2: a file in memory must be whole");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_of_a_split_file_opens_all),
        cmocka_unit_test(parts_that_find_no_memory_give_all_back),
        cmocka_unit_test(split_files_that_do_not_fit_together_are_refused),
        cmocka_unit_test(part_of_a_split_file_in_memory_is_refused),
    };
    return cmocka_run_group_tests_name("gguf split", tests, NULL, NULL);
}
