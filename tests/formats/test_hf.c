/* test_hf.c - Hugging Face directories: JSON as metadata, one file or shards of tensors, and what is refused. */
#include "tests/formats/weights_test.h"

#include <dirent.h>

static void write_text(const char *folder, const char *name, const char *text)
{
    folder_write(folder, name, text, strlen(text));
}

/* A SafeTensors file of one tensor of four bytes. */
static void write_tensor(const char *folder, const char *file, const char *tensor)
{
    struct bytes b = { .n = 0 };
    char json[200];
    snprintf(json, sizeof json, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", tensor);
    put_text(&b, json);
    put_u32(&b, 1);
    folder_write(folder, file, b.p, b.n);
}

static struct weights *must_open(const char *folder, const char *file)
{
    char path[200];
    snprintf(path, sizeof path, "%s%s%s", folder, *file ? "/" : "", file);
    infer_error err = { 0 };
    struct weights *w = weights_open(&mem_default, path, &err);
    if (!w)
        fail_msg("%s", err.message);
    assert_true(look_at_all(w));
    return w;
}

/* ---- JSON as metadata ---- */

static struct weights *config(const char *json, const char *prefix, infer_error *err)
{
    struct weights *w = weights_new(&mem_default, "config.json", WEIGHTS_HF, err);
    assert_non_null(w);
    if (config_parse(w, text_of(json), prefix, err) != INFER_OK)
        weights_close(&w);
    else
        assert_true(look_at_all(w));
    return w;
}

static void numbers_of_a_text_part_stand_as_if_alone(void **state)
{
    (void)state;
    infer_error err = { 0 };
    struct weights *w = config("{\"model_type\":\"both\",\"n\":1,"
                               "\"text_config\":{\"model_type\":\"text\",\"deep\":{\"er\":2}},"
                               "\"vision_config\":{\"model_type\":\"eye\"}}", "", &err);
    assert_true(text_is(weights_meta(w, "model_type")->value.s, "text"));
    assert_true(text_is(weights_meta(w, "vision_config.model_type")->value.s, "eye"));
    assert_int_equal(weights_meta(w, "n")->value.i, 1);
    assert_int_equal(weights_meta(w, "deep.er")->value.i, 2);
    assert_null(weights_meta(w, "text_config.model_type"));
    weights_close(&w);
    w = config("{\"text_config\":null,\"n\":1}", "", &err);
    assert_int_equal(w->n_metas, 1);
    weights_close(&w);
}

static void json_becomes_flat_metadata(void **state)
{
    (void)state;
    infer_error err = { 0 };
    struct weights *w = config("{\"n\":-5,\"x\":0.25,\"yes\":true,\"s\":\"a\\u0000b\",\"null\":null,"
                               "\"rope\":{\"type\":\"yarn\",\"deep\":{\"er\":1}},\"none\":{}}", "p.", &err);
    assert_int_equal(w->n_metas, 6);
    assert_int_equal(weights_meta(w, "p.n")->type, META_I64);
    assert_int_equal(weights_meta(w, "p.n")->value.i, -5);
    assert_int_equal(weights_meta(w, "p.x")->type, META_F64);
    assert_true(weights_meta(w, "p.x")->value.f == 0.25);
    assert_int_equal(weights_meta(w, "p.yes")->value.u, 1);
    assert_true(text_equal(weights_meta(w, "p.s")->value.s, (struct text){ "a\0b", 3 }));
    assert_true(text_is(weights_meta(w, "p.rope.type")->value.s, "yarn"));
    assert_int_equal(weights_meta(w, "p.rope.deep.er")->value.i, 1);
    weights_close(&w);
}

static void arrays_of_one_type_are_kept(void **state)
{
    (void)state;
    infer_error err = { 0 };
    struct weights *w = config("{\"i\":[1,-2],\"f\":[0.5,2],\"b\":[true,false],\"s\":[\"x\",\"\"],\"empty\":[],"
                               "\"mixed\":[1,\"x\"],\"nested\":[[1]],\"objects\":[{}],\"nulls\":[1,null]}", "", &err);
    assert_int_equal(w->n_metas, 5);
    assert_int_equal(weights_meta(w, "i")->element, META_I64);
    assert_int_equal(meta_element_i64(weights_meta(w, "i"), 1), -2);
    assert_int_equal(weights_meta(w, "f")->element, META_F64); /* an integer among reals is one of them */
    assert_true(meta_element_f64(weights_meta(w, "f"), 1) == 2.0);
    assert_int_equal(weights_meta(w, "b")->element, META_BOOL);
    assert_int_equal(meta_element_i64(weights_meta(w, "b"), 0), 1);
    struct text s[2];
    assert_true(meta_strings(weights_meta(w, "s"), s) && text_is(s[0], "x") && text_is(s[1], ""));
    assert_int_equal(weights_meta(w, "empty")->n, 0);
    weights_close(&w);
}

static void of_equal_flat_keys_the_first_stays(void **state)
{
    (void)state;
    infer_error err = { 0 };
    struct weights *w = config("{\"a.b\":1,\"a\":{\"b\":2}}", "", &err);
    assert_int_equal(w->n_metas, 1);
    assert_int_equal(weights_meta(w, "a.b")->value.i, 1);
    weights_close(&w);
}

static void an_integer_beyond_64_bits_spoils_no_other(void **state)
{
    (void)state;
    infer_error err = { 0 };
    struct weights *w = config("{\"model_max_length\":1000000000000000019884624838656,\"n\":7,\"a\":[1,2]}", "", &err);
    uint32_t n = 0;
    float f = 0;
    assert_int_equal(meta_get_u32(w, "n", &n, &err), META_FOUND);
    assert_int_equal(n, 7);
    assert_int_equal(weights_meta(w, "a")->element, META_I64);
    assert_int_equal(meta_get_u32(w, "model_max_length", &n, &err), META_WRONG);
    assert_int_equal(meta_get_f32(w, "model_max_length", &f, &err), META_FOUND);
    assert_true(f > 9.9e29f);
    weights_close(&w);
}

static void keys_without_end_are_left_out(void **state)
{
    (void)state;
    char json[9000];
    size_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, "{\"a\":");
    json[n++] = '1';
    memset(json + n, '}', 1000);
    json[n + 1000] = 0;
    infer_error err = { 0 };
    struct weights *w = config(json, "", &err);
    assert_int_equal(w->n_metas, 0);
    weights_close(&w);
    snprintf(json, sizeof json, "{\"%0300d\":1,\"a\\nb\":1,\"\":1,\"c\":1}", 0);
    w = config(json, "", &err);
    assert_int_equal(w->n_metas, 1);
    weights_close(&w);
}

static void bad_json_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "[]", "7", "{", "{\"a\":1,\"a\":2}", "{\"a\":1e999}", "{\"a\":\"\xff\"}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        infer_error err = { 0 };
        assert_null(config(bad[i], "", &err));
        assert_int_equal(err.code, INFER_E_FORMAT);
        assert_non_null(strstr(err.message, "JSON"));
        assert_null(config(bad[i], "", NULL));
    }
}

/* ---- Directories ---- */

static void a_directory_yields_tensors_and_the_metadata_of_all_its_files(void **state)
{
    (void)state;
    char folder[64];
    folder_make(folder);
    write_text(folder, "config.json", "{\"model_type\":\"llama\"}");
    write_text(folder, "generation_config.json", "{\"eos_token_id\":[1,2]}");
    write_text(folder, "tokenizer_config.json", "{\"bos_token\":{\"content\":\"<s>\"},\"chat_template\":\"old\"}");
    write_text(folder, "chat_template.jinja", "{{ new }}");
    write_text(folder, "tokenizer.json", "{\"model\":{}}");
    write_tensor(folder, "model.safetensors", "w");
    static const char *const names[] = { "", "model.safetensors" };
    for (int i = 0; i < 2; i++) {
        struct weights *w = must_open(folder, names[i]);
        assert_int_equal(w->format, WEIGHTS_HF);
        assert_int_equal(w->n_tensors, 1);
        assert_true(text_is(weights_meta(w, "model_type")->value.s, "llama"));
        assert_int_equal(weights_meta(w, "generation_config.eos_token_id")->n, 2);
        assert_true(text_is(weights_meta(w, "tokenizer_config.bos_token.content")->value.s, "<s>"));
        assert_true(text_is(weights_meta(w, "tokenizer_config.chat_template")->value.s, "{{ new }}"));
        assert_true(text_is(w->tokenizer_json, "{\"model\":{}}"));
        weights_close(&w);
    }
    folder_remove(folder);
}

static void the_tensors_are_those_of_the_file_that_was_named(void **state)
{
    (void)state;
    char folder[64];
    folder_make(folder);
    write_text(folder, "config.json", "{}");
    write_tensor(folder, "model.safetensors", "w");
    write_tensor(folder, "other.safetensors", "o");
    struct weights *w = must_open(folder, "other.safetensors");
    assert_non_null(weights_tensor(w, text_of("o")));
    assert_null(w->tokenizer_json.p);
    weights_close(&w);
    folder_remove(folder);
}

static void a_vocabulary_needs_neither_config_nor_tensors(void **state)
{
    (void)state;
    char folder[64];
    folder_make(folder);
    write_text(folder, "tokenizer.json", "{}");
    infer_error err = { 0 };
    struct weights *w = weights_open_vocabulary(&mem_default, folder, &err);
    if (!w)
        fail_msg("%s", err.message);
    assert_true(text_is(w->tokenizer_json, "{}"));
    weights_close(&w);
    folder_remove(folder);
}

static void modules_of_sentence_transformers_are_listed_by_their_type(void **state)
{
    (void)state;
    static const char good[] = "[{\"path\":\"\",\"type\":\"a.b.Transformer\"},{\"path\":\"1_P\",\"type\":\"Pooling\"},"
                               "{\"path\":\"2_D\",\"type\":\"x.Dense\"},{\"path\":\"3_D\",\"type\":\"x.Dense\"}]";
    static const char *const bad[] = { "{}", "[", "[1]", "[{\"path\":\"a\"}]", "[{\"type\":\"a.B\"}]",
                                       "[{\"type\":\"a.\",\"path\":\"\"}]" };
    infer_error err = { 0 };
    struct weights *w = weights_new(&mem_default, "modules.json", WEIGHTS_HF, &err);
    assert_int_equal(modules_parse(w, text_of(good), &err), INFER_OK);
    assert_true(text_is(weights_meta(w, "modules.Transformer")->value.s, ""));
    assert_true(text_is(weights_meta(w, "modules.Pooling")->value.s, "1_P"));
    assert_true(text_is(weights_meta(w, "modules.Dense")->value.s, "2_D"));
    assert_true(text_is(weights_meta(w, "modules.Dense.1")->value.s, "3_D"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(modules_parse(w, text_of(bad[i]), &err), INFER_E_FORMAT);
        assert_int_equal(modules_parse(w, text_of(bad[i]), NULL), INFER_E_FORMAT);
    }
    weights_close(&w);
    char folder[64];
    folder_make(folder);
    write_text(folder, "config.json", "{}");
    write_tensor(folder, "model.safetensors", "w");
    write_text(folder, "modules.json", "[{\"path\":\"../other\",\"type\":\"Pooling\"}]");
    path_refused(folder, INFER_E_FORMAT, "the path \"../other\", expected a folder of this directory");
    write_text(folder, "modules.json", "[3]");
    path_refused(folder, INFER_E_FORMAT, "modules.json: a module is no object");
    folder_remove(folder);
}

static void directories_without_a_model_are_refused(void **state)
{
    (void)state;
    char folder[64];
    folder_make(folder);
    path_refused(folder, INFER_E_IO, "no config.json, expected a Hugging Face model's directory");
    write_text(folder, "config.json", "{");
    path_refused(folder, INFER_E_FORMAT, "config.json: JSON, line 1");
    write_text(folder, "config.json", "{}");
    path_refused(folder, INFER_E_IO, "neither model.safetensors nor model.safetensors.index.json is there");
    write_text(folder, "pytorch_model.bin", "PK");
    path_refused(folder, INFER_E_IO, "only pytorch_model.bin, which is not read: convert it to SafeTensors");
    write_text(folder, "model.safetensors", "short");
    path_refused(folder, INFER_E_FORMAT, "model.safetensors: 5 bytes, expected a header");
    write_tensor(folder, "model.safetensors", "w");
    write_text(folder, "tokenizer_config.json", "[]");
    path_refused(folder, INFER_E_FORMAT, "tokenizer_config.json: expected a JSON object");
    folder_remove(folder);
}

/* ---- Shards ---- */

#define MAP(x, y) "{\"metadata\":{},\"weight_map\":{\"x\":\"" x "\",\"y\":\"" y "\"}}"
#define PART1 "model-00001-of-00002.safetensors"
#define PART2 "model-00002-of-00002.safetensors"

static void write_shards(const char *folder)
{
    write_text(folder, "config.json", "{}");
    write_text(folder, "model.safetensors.index.json", MAP(PART1, PART2));
    write_tensor(folder, PART1, "x");
    write_tensor(folder, PART2, "y");
}

static void shards_are_opened_through_their_index(void **state)
{
    (void)state;
    char folder[64];
    folder_make(folder);
    write_shards(folder);
    static const char *const names[] = { "", PART1, PART2 };
    for (int i = 0; i < 3; i++) {
        struct weights *w = must_open(folder, names[i]);
        assert_int_equal(w->n_tensors, 2);
        assert_int_equal(w->n_maps, 2);
        weights_close(&w);
    }
    folder_remove(folder);
}

static void an_index_that_does_not_fit_its_shards_is_refused(void **state)
{
    (void)state;
    static const char index[] = "model.safetensors.index.json";
    char folder[64];
    folder_make(folder);
    write_shards(folder);
    write_text(folder, index, MAP(PART2, PART1));
    path_refused(folder, INFER_E_FORMAT, "weight_map: \"x\" is not in \"" PART2 "\"");
    write_text(folder, index, "{\"weight_map\":{\"x\":\"" PART1 "\",\"z\":\"" PART1 "\"}}");
    path_refused(folder, INFER_E_FORMAT, "weight_map: \"z\" is not in \"" PART1 "\"");
    write_text(folder, index, MAP(PART1, "absent.safetensors"));
    path_refused(folder, INFER_E_IO, "absent.safetensors: cannot be opened");
    write_text(folder, index, "{\"weight_map\":{}}");
    path_refused(folder, INFER_E_FORMAT, "no weight_map");
    write_text(folder, index, "{\"weight_map\":{\"x\":7}}");
    path_refused(folder, INFER_E_FORMAT, "weight_map: \"x\" is in \"\", expected a file of this directory");
    write_text(folder, index, MAP(PART1, PART2));
    write_tensor(folder, PART2, "x");
    path_refused(folder, INFER_E_FORMAT, "tensor \"x\" is there twice");
    folder_remove(folder);
}

static void files_outside_of_the_directory_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { MAP("../x.safetensors", "y"), MAP("/x", "y"), MAP("", "y"), MAP("..", "y"),
                                       MAP("a\\\\b", "y"), MAP("a\\u0000b", "y") };
    char folder[64];
    folder_make(folder);
    write_shards(folder);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(folder, "model.safetensors.index.json", bad[i]);
        path_refused(folder, INFER_E_FORMAT, "weight_map: \"x\" is in|expected a file of this directory");
    }
    folder_remove(folder);
}

static void running_out_of_memory_is_an_error_wherever_it_happens(void **state)
{
    (void)state;
    char folder[64], large[6000];
    folder_make(folder);
    write_shards(folder);
    snprintf(large, sizeof large, "{\"long\":\"%05000d\"}", 0); /* fills an arena's block: a path may be what fails */
    write_text(folder, "config.json", large);
    write_text(folder, "generation_config.json", large);
    write_text(folder, "tokenizer_config.json", large);
    write_text(folder, "tokenizer.json", "{}");
    path_needs_memory(folder);
    folder_remove(folder);
}

/* ---- What others wrote ---- */

static void models_of_other_writers_open(void **state)
{
    (void)state;
    DIR *d = opendir(INFER_SHARED "/models/tiny");
    if (!d)
        skip();
    int n_sharded = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[600];
        snprintf(path, sizeof path, "%s/models/tiny/%s", INFER_SHARED, e->d_name);
        if (e->d_name[0] == '.' || path_kind(path) != 'd')
            continue;
        infer_error err = { 0 };
        struct weights *w = weights_open(&mem_default, path, &err);
        if (!w)
            fail_msg("%s", err.message);
        assert_true(look_at_all(w));
        uint32_t vocabulary = 0;
        assert_int_equal(meta_get_u32(w, "vocab_size", &vocabulary, &err), META_FOUND);
        bool embedding = false; /* the table of one row per token is there, whatever it is called */
        for (size_t i = 0; i < w->n_tensors; i++)
            embedding |= w->tensors[i].n_dims == 2 && w->tensors[i].ne[1] == vocabulary;
        assert_true(embedding);
        assert_non_null(w->tokenizer_json.p);
        n_sharded += w->n_maps > 2;
        weights_close(&w);
    }
    closedir(d);
    assert_int_equal(n_sharded, 1); /* mixtral */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_becomes_flat_metadata),
        cmocka_unit_test(numbers_of_a_text_part_stand_as_if_alone),
        cmocka_unit_test(arrays_of_one_type_are_kept),
        cmocka_unit_test(of_equal_flat_keys_the_first_stays),
        cmocka_unit_test(an_integer_beyond_64_bits_spoils_no_other),
        cmocka_unit_test(keys_without_end_are_left_out),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(a_directory_yields_tensors_and_the_metadata_of_all_its_files),
        cmocka_unit_test(the_tensors_are_those_of_the_file_that_was_named),
        cmocka_unit_test(a_vocabulary_needs_neither_config_nor_tensors),
        cmocka_unit_test(modules_of_sentence_transformers_are_listed_by_their_type),
        cmocka_unit_test(directories_without_a_model_are_refused),
        cmocka_unit_test(shards_are_opened_through_their_index),
        cmocka_unit_test(an_index_that_does_not_fit_its_shards_is_refused),
        cmocka_unit_test(files_outside_of_the_directory_are_refused),
        cmocka_unit_test(running_out_of_memory_is_an_error_wherever_it_happens),
        cmocka_unit_test(models_of_other_writers_open),
    };
    return cmocka_run_group_tests_name("hf", tests, NULL, NULL);
}
