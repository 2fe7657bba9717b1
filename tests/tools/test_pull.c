/* test_pull.c - names of models on a hub, the choice of files, what a hub says, checksums, the cache's folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/pull/cache.h"
#include "tools/pull/digest.h"
#include "tools/pull/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char hub[] = "https://huggingface.co";

/* ---- References ---- */

static void reads(const char *what, const char *repo, const char *type, const char *revision, const char *file)
{
    struct reference r;
    infer_error err = { 0 };
    if (reference_read(&r, what, hub, &err) != INFER_OK)
        fail_msg("%s: %s", what, err.message);
    assert_string_equal(r.repo, repo);
    assert_string_equal(r.type, type);
    assert_string_equal(r.revision, revision);
    assert_string_equal(r.file, file);
}

static void refuses(const char *what)
{
    struct reference r;
    infer_error err = { 0 };
    if (reference_read(&r, what, hub, &err) == INFER_OK)
        fail_msg("\"%s\" is taken", what);
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_true(strlen(err.message) > 10);
}

static void test_a_reference_is_a_repository_with_type_and_revision(void **state)
{
    (void)state;
    reads("org/name", "org/name", "", "main", "");
    reads("gpt2", "gpt2", "", "main", "");
    reads("Org.1/My_model-2.5:Q4_K_M", "Org.1/My_model-2.5", "Q4_K_M", "main", "");
    reads("org/name@v1.0", "org/name", "", "v1.0", "");
    reads("org/name:q8_0@refs/pr/1", "org/name", "q8_0", "refs/pr/1", "");
    reads("org/name@dev:q8_0", "org/name", "q8_0", "dev", "");
    reads("hf.co/org/name:q8_0", "org/name", "q8_0", "main", "");
    reads("https://huggingface.co/org/name", "org/name", "", "main", "");
    reads("https://huggingface.co/org/name/resolve/v1/a%20b/m.gguf?download=true", "org/name", "", "v1", "a b/m.gguf");
    reads("https://huggingface.co/org/name/blob/refs%2Fpr%2F1/m.gguf", "org/name", "", "refs/pr/1", "m.gguf");
    reads("https://huggingface.co/org/name/tree/dev", "org/name", "", "dev", "");
    reads("http://example.org:8080/a/m.GGUF?x=1/2", "", "", "main", "m.GGUF");
    reads("https://example.org/my%20model.gguf", "", "", "main", "my model.gguf");
}

static void test_what_can_name_no_model_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "/", "/org/name", "org/", "org//name", "org/name/", "org/na me", "org/name/file.gguf", "../name", "org/..",
        "org/a--b", "org/a..b", "-org/name", "org/name:", "org/name@", "org/name:a:", "org/name@../x", "org/name@/x",
        "org/name@a/../../b", "org/name@a\\b", "org/name@a\nb", "a/b/c", "https://example.org/page",
        "https://example.org/..%2Fm.gguf", "https://example.org/m%00.gguf", "file:///m.txt",
        "https://huggingface.co/org/name/resolve/main", "https://huggingface.co/org/name/resolve/main/../../m.gguf",
        "https://huggingface.co/org/name/resolve/..%2F..%2Fx/m.gguf", "https://huggingface.co/org/name/m.gguf",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuses(wrong[i]);
    char long_name[3000] = "org/";
    memset(long_name + 4, 'a', sizeof long_name - 5);
    refuses(long_name);
    memcpy(long_name, "https://", 8);
    memcpy(long_name + sizeof long_name - 6, ".gguf", 5);
    refuses(long_name);
}

static void folder_is(const char *what, const char *expected)
{
    struct reference r;
    infer_error err = { 0 };
    assert_int_equal(reference_read(&r, what, hub, &err), INFER_OK);
    char *folder = reference_folder(&r);
    assert_string_equal(folder, expected);
    free(folder);
}

static void test_folders_have_the_names_that_the_python_package_gives_them(void **state)
{
    (void)state;
    folder_is("org/name:q8_0@v1", "models--org--name");
    folder_is("gpt2", "models--gpt2");
    /* Of a URL it is its own, whatever signature it has. */
    folder_is("https://example.org:1/a.gguf", "models--url--example.org--df1cc2b9eb022821");
    folder_is("https://example.org:1/a.gguf?b", "models--url--example.org--df1cc2b9eb022821");
    folder_is("http://[::1]:80/a.gguf", "models--url--_--a4993aff443231f7");
}

static void test_a_plain_path_leads_to_below_where_it_begins(void **state)
{
    (void)state;
    static const char *const plain[] = { "a", "a/b.gguf", "..a", "a..", "a/.b", "...", "a b/\xc3\xa4" };
    static const char *const others[] = { "", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a/../b", "a\\b",
                                          "a\nb", "a\x1b[1m", "\x7f" };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_true(path_is_plain(plain[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(path_is_plain(others[i]));
    char path[PULL_MOST_PATH + 1];
    memset(path, 'a', sizeof path);
    path[256] = 0;
    assert_false(path_is_plain(path));
    path[255] = 0;
    assert_true(path_is_plain(path));
}

/* ---- Choice ---- */

static struct listing listing_of(const char *const *paths)
{
    struct listing l = { 0 };
    for (; *paths; paths++)
        assert_non_null(listing_add(&l, *paths));
    return l;
}

/* The paths chosen, with a space between, "[...]" for a directory; or the sentence of the failure. */
static const char *choose(const char *what, const char *file, const char *const *paths)
{
    static char text[1024];
    struct listing l = listing_of(paths);
    struct choice c;
    struct reference r;
    infer_error err = { 0 };
    assert_int_equal(reference_read(&r, what, hub, &err), INFER_OK);
    snprintf(r.file, sizeof r.file, "%s", file);
    if (listing_choose(&l, &r, &c, &err) != INFER_OK) {
        snprintf(text, sizeof text, "%s", err.message);
    } else {
        size_t n = (size_t)snprintf(text, sizeof text, "%s", c.directory ? "[" : "");
        for (size_t i = 0; i < c.n; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "", l.v[c.v[i]].path);
        snprintf(text + n, sizeof text - n, "%s", c.directory ? "]" : "");
    }
    choice_close(&c);
    listing_close(&l);
    return text;
}
#define CHOOSE(what, file, ...) choose(what, file, (const char *const[]){ __VA_ARGS__, NULL })

static void test_q4_k_m_is_chosen_then_q8_0_then_the_first(void **state)
{
    (void)state;
    assert_string_equal(CHOOSE("o/n", "", "a-F16.gguf", "a-Q8_0.gguf", "a.q4_k_m.gguf"), "a.q4_k_m.gguf");
    assert_string_equal(CHOOSE("o/n", "", "README.md", "a-F16.gguf", "a-Q8_0.gguf"), "a-Q8_0.gguf");
    assert_string_equal(CHOOSE("o/n", "", "README.md", "a-F16.gguf", "a-Q2_K.gguf"), "a-F16.gguf");
    assert_string_equal(CHOOSE("o/n", "", "mmproj-Q4_K_M.gguf", "a.imatrix.gguf", "d/mtp-Q8_0.gguf", "a.gguf"),
                        "a.gguf");
}

static void test_a_type_is_a_word_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(CHOOSE("o/n:q4_0", "", "a-IQ4_0.gguf", "a-Q4_0_8_8.gguf", "a-Q4_0.gguf"), "a-Q4_0.gguf");
    assert_string_equal(CHOOSE("o/n:BF16", "", "a-f16.gguf", "bf16/a-00001-of-00001.gguf"),
                        "bf16/a-00001-of-00001.gguf");
    const char *said = CHOOSE("o/n:q6_k", "", "mmproj-Q6_K.gguf", "a-Q4_0.gguf", "a-Q8_0.gguf");
    assert_string_equal(said, "o/n has no GGUF file of type q6_k; it has a-Q4_0.gguf, a-Q8_0.gguf");
    assert_non_null(strstr(CHOOSE("o/n:q6_k", "", "config.json", "model.safetensors"), "no GGUF file of type q6_k"));
}

static void test_all_parts_of_a_split_file_are_chosen_in_order(void **state)
{
    (void)state;
    assert_string_equal(CHOOSE("o/n", "", "a-Q8_0-00002-of-00003.gguf", "a-Q8_0-00003-of-00003.gguf",
                               "a-Q8_0-00001-of-00003.gguf", "b-Q8_0-00001-of-00001.gguf",
                               "a-Q8_0-00002-of-00004.gguf"),
                        "a-Q8_0-00001-of-00003.gguf a-Q8_0-00002-of-00003.gguf a-Q8_0-00003-of-00003.gguf");
    assert_non_null(strstr(CHOOSE("o/n", "", "a-00001-of-00003.gguf", "a-00003-of-00003.gguf", "x"), "part 2 of 3"));
    assert_non_null(strstr(CHOOSE("o/n", "", "a-00001-of-99999.gguf", "a-00002-of-99999.gguf"), "part 3 of 99999"));
    assert_string_equal(CHOOSE("o/n", "", "a-00000-of-00001.gguf"), "a-00000-of-00001.gguf"); /* no part of anything */
}

static void test_a_file_can_be_named(void **state)
{
    (void)state;
    assert_string_equal(CHOOSE("o/n", "MMPROJ.gguf", "a-Q4_K_M.gguf", "mmproj.gguf"), "mmproj.gguf");
    assert_string_equal(CHOOSE("o/n", "a-00001-of-00002.gguf", "a-00001-of-00002.gguf", "a-00002-of-00002.gguf"),
                        "a-00001-of-00002.gguf a-00002-of-00002.gguf");
    assert_string_equal(CHOOSE("o/n", "b.gguf", "a.gguf"), "o/n has no file b.gguf; of models it has a.gguf");
}

static void test_without_gguf_the_directory_is_chosen(void **state)
{
    (void)state;
    assert_string_equal(CHOOSE("o/n", "", "config.json", "model.safetensors", "model-00001-of-00002.safetensors",
                               "pytorch_model.bin", "tokenizer.json", "tokenizer.model", "chat_template.jinja",
                               "vocab.txt", "merges.txt", "LICENSE.txt", "onnx/config.json",
                               "original/consolidated.safetensors",
                               "1_Pooling/config.json", "2_Dense/model.safetensors"),
                        "[config.json tokenizer.json tokenizer.model chat_template.jinja vocab.txt merges.txt "
                        "1_Pooling/config.json 2_Dense/model.safetensors model.safetensors]");
    assert_string_equal(CHOOSE("o/n", "", "config.json", "model-00002-of-00002.safetensors",
                               "model-00001-of-00002.safetensors", "model.safetensors.index.json"),
                        "[config.json model.safetensors.index.json model-00001-of-00002.safetensors "
                        "model-00002-of-00002.safetensors]");
    assert_string_equal(CHOOSE("o/n", "", "adapter_config.json", "adapter_model.safetensors"),
                        "[adapter_config.json adapter_model.safetensors]");
    assert_non_null(strstr(CHOOSE("o/n", "", "config.json", "pytorch_model.bin"), "has no model"));
    assert_non_null(strstr(CHOOSE("o/n", "", "model.safetensors"), "has no model"));
}

static void test_chosen_paths_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = { "../a.gguf", "/a.gguf", "x/../../a.gguf", "a//b.gguf", "a\\..\\b.gguf" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_non_null(strstr(CHOOSE("o/n", "", paths[i]), "expected a path within the repository"));
    assert_non_null(strstr(CHOOSE("o/n", "", "config.json", "model.safetensors", "1_/../../config.json",
                                  "\x1b.json"), "expected a path within the repository"));
    assert_string_equal(CHOOSE("o/n", "", "../../.bashrc", "a.gguf"), "a.gguf"); /* of no interest */
}

/* ---- What a hub says ---- */

#define SHA1 "0123456789abcdef0123456789abcdef01234567"
#define SHA256 SHA1 "0123456789abcdef01234567"

static const char *wrong_with(const char *json)
{
    static infer_error err;
    struct listing l = { 0 };
    err.message[0] = 0;
    const infer_status status = hub_read(&l, json, strlen(json), "o/n", &err);
    listing_close(&l);
    return status == INFER_OK ? "" : err.message;
}

static void test_a_description_names_files_with_size_and_checksum(void **state)
{
    (void)state;
    static const char json[] =
        "{\"sha\":\"" SHA1 "\",\"siblings\":[{\"rfilename\":\"a.json\",\"size\":5,\"blobId\":\"" SHA1 "\"},"
        "{\"rfilename\":\"b.gguf\",\"size\":134,\"blobId\":\"" SHA1 "\","
        "\"lfs\":{\"sha256\":\"" SHA256 "\",\"size\":7}},"
        "{\"rfilename\":\"c.gguf\"},{\"rfilename\":\"d\",\"size\":1,\"blobId\":\"../../x\"}]}";
    struct listing l = { 0 };
    infer_error err = { 0 };
    assert_int_equal(hub_read(&l, json, strlen(json), "o/n", &err), INFER_OK);
    assert_string_equal(l.commit, SHA1);
    assert_int_equal(l.n, 4);
    assert_true(l.v[0].known && l.v[0].size == 5 && !strcmp(l.v[0].blob, SHA1));
    assert_true(l.v[1].known && l.v[1].size == 7 && !strcmp(l.v[1].blob, SHA256));
    assert_false(l.v[2].known || l.v[3].known);
    listing_close(&l);
}

static void test_wrong_descriptions_are_told(void **state)
{
    (void)state;
    assert_non_null(strstr(wrong_with(""), "no JSON"));
    assert_non_null(strstr(wrong_with("[]"), "sha is missing"));
    assert_non_null(strstr(wrong_with("{\"sha\":5}"), "sha is missing"));
    assert_non_null(strstr(wrong_with("{\"sha\":\"../../x\"}"), "sha is ../../x"));
    assert_non_null(strstr(wrong_with("{\"sha\":\"" SHA1 "\",\"siblings\":{}}"), "siblings"));
    assert_non_null(strstr(wrong_with("{\"sha\":\"" SHA1 "\",\"siblings\":[{}]}"), "rfilename"));
    assert_non_null(strstr(wrong_with("{\"sha\":\"" SHA1 "\",\"siblings\":[{\"rfilename\":\"a\\u0000b\"}]}"),
                           "no JSON"));
    assert_non_null(strstr(wrong_with("{\"sha\":\"" SHA1 "\",\"siblings\":[{\"rfilename\":\"a\",\"size\":-1}]}"),
                           "size of a is -1"));
}

/* ---- Checksums ---- */

static void digest_is(const char *kind, const char *data, const char *expected)
{
    char hex[DIGEST_HEX];
    struct digest *d = digest_open(kind, strlen(data));
    digest_add(d, data, strlen(data));
    digest_end(d, hex);
    digest_close(&d);
    assert_string_equal(hex, expected);
}

static void test_checksums_are_sha256_and_those_of_git(void **state)
{
    (void)state;
    /* FIPS 180-2, appendix B.1; and `echo abc | git hash-object --stdin`. */
    digest_is(SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_is(SHA1, "abc\n", "8baef1b4abc478178b004d62031cf7fe6db6f903");
    assert_null(digest_open("etag", 1));
    assert_false(digest_is_known("0123456789ABCDEF0123456789ABCDEF01234567"));
}

static void test_sizes_are_told_in_units(void **state)
{
    (void)state;
    char text[FETCH_TEXT];
    assert_string_equal(fetch_text(text, 0), "0 bytes");
    assert_string_equal(fetch_text(text, 999), "999 bytes");
    assert_string_equal(fetch_text(text, 1500), "1.5 kB");
    assert_string_equal(fetch_text(text, 123456789), "123 MB");
    assert_string_equal(fetch_text(text, UINT64_MAX), "18.4 EB");
}

/* ---- Locks ---- */

static bool stop_when_locked(void *user, const struct pull_progress *p)
{
    int *told = user;
    assert_int_equal(p->state, PULL_LOCKED);
    return ++*told < 2;
}

static void test_a_blob_is_locked_by_one_at_a_time(void **state)
{
    (void)state;
    char root[] = "/tmp/test_pull.XXXXXX", command[64];
    int told = 0;
    struct progress p = { .fn = stop_when_locked, .user = &told };
    struct listed_file f = { .blob = "abc" };
    struct cache c = { .root = mkdtemp(root), .folder = "models--o--n" };
    infer_error err = { 0 };
    assert_int_equal(cache_make(&c, &err), INFER_OK);
    const int first = cache_lock(&c, &f, &p, &err);
    assert_true(first >= 0);
    assert_int_equal(told, 0);
    assert_int_equal(cache_lock(&c, &f, &p, &err), -1);
    assert_int_equal(err.code, INFER_E_CANCELLED);
    assert_int_equal(told, 2);
    close(first);
    const int second = cache_lock(&c, &f, &p, &err);
    assert_true(second >= 0);
    close(second);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reference_is_a_repository_with_type_and_revision),
        cmocka_unit_test(test_what_can_name_no_model_is_refused),
        cmocka_unit_test(test_folders_have_the_names_that_the_python_package_gives_them),
        cmocka_unit_test(test_a_plain_path_leads_to_below_where_it_begins),
        cmocka_unit_test(test_q4_k_m_is_chosen_then_q8_0_then_the_first),
        cmocka_unit_test(test_a_type_is_a_word_in_any_case),
        cmocka_unit_test(test_all_parts_of_a_split_file_are_chosen_in_order),
        cmocka_unit_test(test_a_file_can_be_named),
        cmocka_unit_test(test_without_gguf_the_directory_is_chosen),
        cmocka_unit_test(test_chosen_paths_that_lead_elsewhere_are_refused),
        cmocka_unit_test(test_a_description_names_files_with_size_and_checksum),
        cmocka_unit_test(test_wrong_descriptions_are_told),
        cmocka_unit_test(test_checksums_are_sha256_and_those_of_git),
        cmocka_unit_test(test_sizes_are_told_in_units),
        cmocka_unit_test(test_a_blob_is_locked_by_one_at_a_time),
    };
    return cmocka_run_group_tests_name("pull", tests, NULL, NULL);
}
