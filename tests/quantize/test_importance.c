/* test_importance.c - both forms of importance matrices say the same; what contradicts itself is refused with a
 * sentence. */
#include "src/quantize/importance.h"

#include "tests/formats/gguf_writer.h"

#include <math.h>

static struct bytes b;

static void put_f32(struct bytes *to, float v)
{
    put(to, &v, sizeof v);
}

/* ---- The two files ---- */

/* 7 tokens went through q; of two experts, one saw 4 tokens and one none. */
static const float q_sums[3] = { 7, 14, 0 }, experts_sums[4] = { 4, 8, 0, 0 };

static void make_gguf(const char *type, float first_count)
{
    static const char *const names[] = { "q.weight.in_sum2", "q.weight.counts", "e.weight.in_sum2", "e.weight.counts" };
    static const uint64_t dims[4][2] = { { 3, 1 }, { 1, 1 }, { 2, 2 }, { 1, 2 } };
    header(&b, 4, 4);
    key(&b, "general.type", META_STRING);
    put_text(&b, type);
    key(&b, "imatrix.chunk_count", META_U32);
    put_u32(&b, 5);
    key(&b, "imatrix.chunk_size", META_U32);
    put_u32(&b, 512);
    array(&b, "imatrix.datasets", META_STRING, 1);
    put_text(&b, "book.txt");
    for (int i = 0; i < 4; i++)
        tensor(&b, names[i], DTYPE_F32, dims[i][0], dims[i][1], 32 * (uint64_t)i);
    put_padding(&b, 32);
    put(&b, q_sums, sizeof q_sums);
    put_padding(&b, 32);
    put_f32(&b, first_count);
    put_padding(&b, 32);
    put(&b, experts_sums, sizeof experts_sums);
    put_padding(&b, 32);
    put_f32(&b, 4);
    put_f32(&b, 0);
}

static void put_entry(const char *name, uint32_t calls, const float *v, uint32_t n)
{
    put_u32(&b, (uint32_t)strlen(name));
    put(&b, name, strlen(name));
    put_u32(&b, calls);
    put_u32(&b, n);
    put(&b, v, 4 * n);
}

/* What the older program would have written: sums over 7 calls of mean squares, or of one. */
static void make_list(void)
{
    static const float experts[4] = { 1, 2, 1, 1 };
    b.n = 0;
    put_u32(&b, 2);
    put_entry("q.weight", 7, q_sums, 3);
    put_entry("e.weight", 1, experts, 4);
    put_u32(&b, 5);
    put_u32(&b, 8);
    put(&b, "book.txt", 8);
}

static void write_and_look(const char *form)
{
    char folder[64], path[128];
    folder_make(folder);
    folder_write(folder, "imatrix", b.p, b.n);
    snprintf(path, sizeof path, "%s/imatrix", folder);
    infer_error err = { 0 };
    struct importance *i = importance_open(&mem_default, path, &err);
    folder_remove(folder);
    if (!i)
        fail_msg("%s: %s", form, err.message);
    static const float q[3] = { 1, 2, 0 }, e[4] = { 1, 2, 1, 1 };
    size_t n;
    assert_memory_equal(importance_find(i, text_of("q.weight"), &n), q, sizeof q);
    assert_int_equal(n, 3);
    assert_memory_equal(importance_find(i, text_of("e.weight"), &n), e, sizeof e);
    assert_int_equal(n, 4);
    assert_null(importance_find(i, text_of("k.weight"), &n));
    assert_int_equal(importance_info(i).n_entries, 2);
    assert_int_equal(importance_info(i).n_chunks, 5);
    assert_string_equal(importance_info(i).dataset, "book.txt");
    importance_close(&i);
    assert_null(i);
}

static void both_forms_say_the_same(void **unused)
{
    (void)unused;
    make_gguf("imatrix", 7);
    write_and_look("gguf");
    make_list();
    write_and_look("list");
}

static void a_list_may_end_without_its_text(void **unused)
{
    (void)unused;
    make_list();
    struct importance *i = importance_open_list(&mem_default, b.p, b.n - 16, "list", NULL);
    assert_non_null(i);
    assert_int_equal(importance_info(i).n_chunks, 0);
    assert_string_equal(importance_info(i).dataset, "");
    importance_close(&i);
}

/* ---- What is refused ---- */

static void refused(infer_status code, const char *words)
{
    char folder[64], path[128];
    folder_make(folder);
    folder_write(folder, "imatrix", b.p, b.n);
    snprintf(path, sizeof path, "%s/imatrix", folder);
    infer_error err = { 0 };
    assert_null(importance_open(&mem_default, path, &err));
    assert_null(importance_open(&mem_default, path, NULL));
    folder_remove(folder);
    if (err.code != code || !strstr(err.message, words) || !strstr(err.message, path))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void a_list_that_is_cut_is_refused(void **unused)
{
    (void)unused;
    make_list();
    const size_t whole = b.n - 16;
    for (size_t n = 0; n < whole; n++) {
        infer_error err = { 0 };
        assert_null(importance_open_list(&mem_default, b.p, n, "list", &err));
        assert_int_equal(err.code, INFER_E_FORMAT);
        assert_non_null(strstr(err.message, n < 4 ? "neither" : n < 36 ? "entry 1" : "entry 2"));
    }
}

static void values_that_are_no_sums_of_squares_are_refused(void **unused)
{
    (void)unused;
    const float bad[] = { -1, NAN, INFINITY };
    for (int i = 0; i < 3; i++) {
        make_list();
        memcpy(b.p + 4 + 4 + 8 + 8 + 4, &bad[i], 4); /* q's second value */
        refused(INFER_E_FORMAT, "value 1 of \"q.weight\"");
        make_gguf("imatrix", bad[i]);
        refused(INFER_E_FORMAT, "of \"q.weight\"");
    }
}

static void lists_that_lie_about_their_lengths_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        size_t at;
        uint32_t value;
        const char *words;
    } lies[] = { { 0, 3, "entry 3" },          { 0, 0x7fffffff, "entry 3" }, { 0, 0xffffffff, "neither" },
                 { 4, 0x7fffffff, "entry 1" }, { 4, 0xfffffff0, "entry 1" }, { 4, 0, "entry 1" },
                 { 20, 0x7fffffff, "entry 1" }, { 20, 0, "entry 1" },        { 20, 0xffffffff, "entry 1" } };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        make_list();
        b.n -= 16;
        memcpy(b.p + lies[i].at, &lies[i].value, 4);
        refused(INFER_E_FORMAT, lies[i].words);
    }
}

static void a_name_may_stand_once(void **unused)
{
    (void)unused;
    b.n = 0;
    put_u32(&b, 2);
    put_entry("q.weight", 7, q_sums, 3);
    put_entry("q.weight", 7, q_sums, 3);
    refused(INFER_E_FORMAT, "\"q.weight\" is there twice");
}

static void other_gguf_files_are_refused(void **unused)
{
    (void)unused;
    make_gguf("model", 7);
    refused(INFER_E_FORMAT, "general.type is \"model\", expected \"imatrix\"");
    make_gguf("imatrix", 7);
    memcpy(memmem(b.p, b.n, "q.weight.counts", 15), "q.weight.countz", 15);
    refused(INFER_E_FORMAT, "tensor q.weight.counts is missing");
    make_gguf("imatrix", 7);
    uint8_t *type = (uint8_t *)memmem(b.p, b.n, "e.weight.counts", 15) + 15 + 4 + 16;
    *type = DTYPE_I32;
    refused(INFER_E_FORMAT, "e.weight.counts is i32");
    make_gguf("imatrix", 7);
    uint8_t *rows = (uint8_t *)memmem(b.p, b.n, "e.weight.counts", 15) + 15 + 4 + 8;
    *rows = 1;
    refused(INFER_E_FORMAT, "expected a count for each row");
    header(&b, 0, 1);
    key(&b, "general.type", META_STRING);
    put_text(&b, "imatrix");
    refused(INFER_E_FORMAT, "no importance matrices");
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    char folder[64], path[128];
    folder_make(folder);
    snprintf(path, sizeof path, "%s/imatrix", folder);
    for (int gguf = 0; gguf < 2; gguf++) {
        if (gguf)
            make_gguf("imatrix", 7);
        else
            make_list();
        folder_write(folder, "imatrix", b.p, b.n);
        for (size_t n = 0;; n++) {
            struct counting c;
            counting_init(&c, n);
            infer_error err = { 0 };
            struct importance *i = importance_open(&c.allocator, path, &err);
            const bool opened = i, asked_in_vain = c.calls > n;
            importance_close(&i);
            assert_int_equal(c.live, 0);
            assert_int_equal(opened, !asked_in_vain);
            if (opened) {
                assert_true(n > 3);
                break;
            }
            assert_int_equal(err.code, INFER_E_NOMEM);
        }
    }
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_say_the_same),
        cmocka_unit_test(a_list_may_end_without_its_text),
        cmocka_unit_test(a_list_that_is_cut_is_refused),
        cmocka_unit_test(values_that_are_no_sums_of_squares_are_refused),
        cmocka_unit_test(lists_that_lie_about_their_lengths_are_refused),
        cmocka_unit_test(a_name_may_stand_once),
        cmocka_unit_test(other_gguf_files_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
