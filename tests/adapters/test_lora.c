/* test_lora.c - files of adapters: what is read of them, and what is refused, with a sentence that says what and
 * where. */
#include "tests/reference/reference.h"

#include <sys/stat.h>

#define TINY "tests/data/tiny/"
#define DATA "tests/data/adapters/"

struct rig {
    infer_context *c;
    infer_model *m;
    char dir[64];
};

static int open_rig(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    r->c = open_context(NULL, 1);
    r->m = infer_model_open(r->c, TINY "llama", NULL, NULL);
    strcpy(r->dir, "/tmp/infer-lora-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    *state = r;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *r = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", r->dir);
    assert_int_equal(system(command), 0);
    infer_model_close(&r->m);
    infer_context_close(&r->c);
    free(r);
    return 0;
}

struct bytes {
    char p[65536];
    size_t n;
};

static void read_file(struct bytes *b, const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    b->n = fread(b->p, 1, sizeof b->p, f);
    fclose(f);
    assert_true(b->n < sizeof b->p);
}

static const char *write_file(const struct rig *r, const char *name, const struct bytes *b)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->p, 1, b->n, f), b->n);
    fclose(f);
    return path;
}

/* Every one of `old`, which is there, becomes `new` of the same length. */
static void replace(struct bytes *b, const char *old, const char *new)
{
    const size_t n = strlen(old);
    char *at = b->p, *end = b->p + b->n;
    int found = 0;
    assert_int_equal(n, strlen(new));
    while ((at = memmem(at, (size_t)(end - at), old, n))) {
        memcpy(at, new, n);
        found++;
    }
    assert_true(found);
}

static void check_refused(const struct rig *r, const char *path, infer_status status, const char *says)
{
    infer_error err = { 0 };
    assert_null(infer_adapter_open(r->m, path, NULL, &err));
    if (err.code != status || !strstr(err.message, says))
        fail_msg("status %d, \"%s\"; expected %d, \"%s\"", (int)err.code, err.message, (int)status, says);
}

static void test_what_an_adapter_is_can_be_asked(void **state)
{
    const struct rig *r = *state;
    static const char *const paths[] = { DATA "llama", DATA "llama/adapter_model.safetensors", DATA "llama/lora.gguf" };
    for (int i = 0; i < 3; i++) {
        infer_adapter *a = infer_adapter_open(r->m, paths[i], NULL, NULL);
        infer_adapter_info info = { .size = sizeof info };
        assert_non_null(a);
        infer_adapter_get_info(a, &info);
        assert_string_equal(info.format, i < 2 ? "PEFT" : "GGUF");
        assert_int_equal(info.n_weights, 2 * 7 + 2);
        assert_int_equal(info.rank, 4);
        assert_false(info.control);
        assert_true(info.bytes > 16000 && info.bytes < 20000);
        infer_adapter_close(&a);
        assert_null(a);
    }
}

/* A text in a file that becomes another, and what is said of that. */
struct change {
    const char *old, *new;
    infer_status status;
    const char *says;
};

static void test_gguf_files_that_do_not_fit_are_refused(void **state)
{
    const struct rig *r = *state;
    static const struct change cases[] = {
        { "general.type", "general.kind", INFER_E_FORMAT, "no general.type, expected \"adapter\"" },
        { "adapter.type", "adapter.kind", INFER_E_FORMAT, "no adapter.type" },
        { "lora.alpha", "lora.gamma", INFER_OK, "" },
        { "blk.1.", "blk.7.", INFER_E_FORMAT, ".weight, which is no matrix of" },
        { "ffn_up.weight.lora_a", "ffn_up.weight.lora_c", INFER_E_UNKNOWN, "neither NAME.lora_a nor NAME.lora_b" },
        { "blk.0.attn_q.weight.lora_b", "blk.0.attn_x.weight.lora_b", INFER_E_FORMAT, "attn_q.weight has A but no B" },
        { "blk.0.attn_q.weight.lora_a", "blk.0.attn_x.weight.lora_a", INFER_E_FORMAT,
          "attn_x.weight, which is no matrix of" },
        { "attn_q.weight", "ffn_qq.weight", INFER_E_FORMAT, "which is no matrix of" },
        { "attn_q.weight", "attn_z.weight", INFER_E_FORMAT, "which is no matrix of" },
        { "attn_output.weight", "attn_norm_1.weight", INFER_E_FORMAT, "which is no matrix of" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct bytes b;
        read_file(&b, DATA "llama/lora.gguf");
        replace(&b, cases[i].old, cases[i].new);
        const char *path = write_file(r, "changed.gguf", &b);
        if (cases[i].status != INFER_OK) {
            check_refused(r, path, cases[i].status, cases[i].says);
            continue;
        }
        infer_adapter *a = infer_adapter_open(r->m, path, NULL, NULL);
        assert_non_null(a); /* no alpha: the products count as they are */
        infer_adapter_close(&a);
    }
    check_refused(r, DATA "qwen2/lora.gguf", INFER_E_FORMAT, "general.architecture is \"qwen2\", expected \"llama\"");
    check_refused(r, TINY "llama/model.gguf", INFER_E_FORMAT, "no general.type, expected \"adapter\"");
    check_refused(r, DATA "mixtral/lora.gguf", INFER_E_FORMAT, "which is no matrix of");
    check_refused(r, DATA "none.gguf", INFER_E_IO, "none.gguf");
}

static void test_peft_directories_that_do_not_fit_are_refused(void **state)
{
    const struct rig *r = *state;
    static const struct change cases[] = {
        { "\"use_dora\": false", "\"use_dora\": true ", INFER_E_UNKNOWN, "use_dora: DoRA" },
        { "\"bias\": \"none\"", "\"bias\": \"all\" ", INFER_E_UNKNOWN, "bias is \"all\"" },
        { "\"modules_to_save\": null", "\"modules_to_save\":[\"x\"]", INFER_E_UNKNOWN, "whole modules" },
        { "\"LORA\"", "\"LOHA\"", INFER_E_UNKNOWN, "peft_type is \"LOHA\"" },
        { "\"bias\": \"none\"", "\"lora_bias\":1 ", INFER_E_UNKNOWN, "lora_bias: biases" },
        { "\"lora_alpha\": 6", "\"lora_alpha\":[]", INFER_E_FORMAT, "lora_alpha" },
        { "\"peft_type\"", "\"left_type\"", INFER_E_UNKNOWN, "peft_type is not there" },
        { "{\n", "[\n", INFER_E_FORMAT, "adapter_config.json" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct bytes b;
        read_file(&b, DATA "llama-second/adapter_model.safetensors");
        write_file(r, "adapter_model.safetensors", &b);
        read_file(&b, DATA "llama-second/adapter_config.json");
        replace(&b, cases[i].old, cases[i].new);
        write_file(r, "adapter_config.json", &b);
        check_refused(r, r->dir, cases[i].status, cases[i].says);
    }
    static const struct {
        const char *old, *new, *says;
    } names[] = {
        { "layers.0.self_attn.q_proj.lora_A.weight", "layers.0.self_attn.q_proj.lora_C.weight",
          "MODULE.lora_A.weight" },
        { "base_model.model.", "case_model.model.", "MODULE.lora_A.weight" },
        { "layers.1.self_attn.v_proj", "layers.1.self_attn.w_proj", "which is no matrix of" },
        { "layers.1.", "layers.5.", "which is no matrix of" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static struct bytes b;
        read_file(&b, DATA "llama-second/adapter_config.json");
        write_file(r, "adapter_config.json", &b);
        read_file(&b, DATA "llama-second/adapter_model.safetensors");
        replace(&b, names[i].old, names[i].new);
        write_file(r, "adapter_model.safetensors", &b);
        check_refused(r, r->dir, i < 2 ? INFER_E_UNKNOWN : INFER_E_FORMAT, names[i].says);
    }
    check_refused(r, TINY "llama", INFER_E_IO, "no adapter_config.json");
    check_refused(r, DATA "gemma", INFER_E_FORMAT, "expected");
}

static void test_control_vectors_that_do_not_fit_are_refused(void **state)
{
    const struct rig *r = *state;
    static const char *const names[] = { "direction.0", "direction.2", "direction.x", "directory.1", "direction.-" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static struct bytes b;
        read_file(&b, DATA "llama/control.gguf");
        replace(&b, "direction.1", names[i]);
        check_refused(r, write_file(r, "control.gguf", &b), INFER_E_FORMAT, "expected direction.1 to direction.1");
    }
    infer_adapter_options o = infer_adapter_defaults();
    infer_error err = { 0 };
    o.first_layer = 1;
    o.last_layer = 2;
    assert_null(infer_adapter_open(r->m, DATA "llama/control.gguf", &o, &err));
    assert_string_equal(err.message, "adapter options: the layers are 1 to 2, expected some of 0 to 1");
}

/* Cut off anywhere, or with any byte of its head changed, a file is refused or understood; never more than that. */
static void test_damaged_files_do_no_harm(void **state)
{
    const struct rig *r = *state;
    static struct bytes b, whole;
    static const char *const paths[] = { DATA "llama-second/lora.gguf", DATA "llama/control.gguf" };
    for (int i = 0; i < 2; i++) {
        read_file(&whole, paths[i]);
        for (size_t n = 0; n < whole.n; n += n < 2048 ? 7 : 301) {
            b = whole;
            b.n = n;
            check_refused(r, write_file(r, "cut.gguf", &b), INFER_E_FORMAT, "");
        }
        for (size_t at = 0; at < whole.n && at < 1500; at++) {
            b = whole;
            b.p[at] = (char)(b.p[at] + 1 + (int)at % 200);
            infer_adapter *a = infer_adapter_open(r->m, write_file(r, "changed.gguf", &b), NULL, NULL);
            infer_adapter_close(&a);
        }
    }
}

static void test_a_file_that_is_cut_off_while_in_use_is_an_error(void **state)
{
    const struct rig *r = *state;
    static struct bytes b;
    infer_error err = { 0 };
    read_file(&b, DATA "llama-second/lora.gguf");
    const char *path = write_file(r, "short.gguf", &b);
    infer_adapter *a = infer_adapter_open(r->m, path, NULL, &err);
    infer_session *s = infer_session_open(r->m, NULL, &err);
    assert_int_equal(infer_session_set_adapters(s, &a, NULL, 1, &err), INFER_OK);
    assert_int_equal(infer_session_eval(s, (int32_t[]){ 1, 2 }, 2, &err), INFER_OK);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(infer_session_eval(s, (int32_t[]){ 3 }, 1, &err), INFER_E_IO);
    assert_non_null(strstr(err.message, "cut off while in use"));
    infer_session_close(&s);
    infer_adapter_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_an_adapter_is_can_be_asked),
        cmocka_unit_test(test_gguf_files_that_do_not_fit_are_refused),
        cmocka_unit_test(test_peft_directories_that_do_not_fit_are_refused),
        cmocka_unit_test(test_control_vectors_that_do_not_fit_are_refused),
        cmocka_unit_test(test_damaged_files_do_no_harm),
        cmocka_unit_test(test_a_file_that_is_cut_off_while_in_use_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
