/* test_convert.c - a Hugging Face directory as GGUF has it: names, numbers, the order of rows; and what is refused. */
#include "src/convert/convert.h"

#include "kernels/kernels.h"
#include "tests/formats/weights_test.h"

#include <math.h>

#define TINY "tests/data/tiny/"

static struct weights *open_model(const char *path)
{
    infer_error err = { 0 };
    struct weights *w = weights_open(&mem_default, path, &err);
    if (!w)
        fail_msg("%s", err.message);
    return w;
}

static uint32_t number(const struct weights *w, const char *key)
{
    uint32_t value = 0;
    infer_error err = { 0 };
    if (meta_get_u32(w, key, &value, &err) != META_FOUND)
        fail_msg("%s: no %s", w->path, key);
    return value;
}

/* Everything in the file that llama.cpp's converter wrote is in ours too, and is the same. */
static void assert_same_metadata(const struct weights *ours, const struct weights *theirs)
{
    for (size_t i = 0; i < theirs->n_metas; i++) {
        const struct meta *m = &theirs->metas[i], *o = weights_meta(ours, m->key.p);
        if (!strncmp(m->key.p, "general.", 8) || !strncmp(m->key.p, "tokenizer.", 10))
            continue;
        if (!o)
            fail_msg("%s: there is no %s", ours->path, m->key.p);
        assert_int_equal(o->type, m->type);
        if (m->type == META_F32)
            assert_true(fabs(o->value.f - m->value.f) <= 1e-6 * fabs(m->value.f));
        else if (m->type == META_STRING)
            assert_true(text_equal(o->value.s, m->value.s));
        else if (o->value.u != m->value.u)
            fail_msg("%s: %s is %llu, expected %llu", ours->path, m->key.p, (unsigned long long)o->value.u,
                     (unsigned long long)m->value.u);
    }
}

static bool is_known(const struct tensor *t)
{
    return t->type == DTYPE_F32 || t->type == DTYPE_BF16 || t->type == DTYPE_MXFP4;
}

static void assert_same_tensors(const struct conversion *c, const struct weights *theirs)
{
    static float a[4096], b[4096];
    struct kernels kernels;
    kernels_init(&kernels, CPU_SCALAR);
    assert_int_equal(c->gguf->n_tensors, theirs->n_tensors);
    for (size_t i = 0; i < c->gguf->n_tensors; i++) {
        const struct tensor *t = &c->gguf->tensors[i], *o = weights_tensor(theirs, t->name);
        if (!o)
            fail_msg("%s: %s is not in llama.cpp's file", c->gguf->path, t->name.p);
        assert_int_equal(t->n_dims, o->n_dims);
        assert_memory_equal(t->ne, o->ne, sizeof t->ne);
        assert_true(t->ne[0] <= 4096);
        assert_true(is_known(t) && is_known(o) && (t->type == DTYPE_MXFP4) == (o->type == DTYPE_MXFP4));
        uint64_t bytes, their_bytes;
        dtype_row_bytes(t->type, t->ne[0], &bytes);
        dtype_row_bytes(o->type, o->ne[0], &their_bytes);
        for (uint64_t row = 0; row < t->ne[1] * t->ne[2]; row++) {
            static uint8_t buffer[4 * 4096];
            kernels.dequantize[t->type](a, row_at(t, c->orders[i], row, bytes, buffer), t->ne[0]);
            kernels.dequantize[o->type](b, (const uint8_t *)o->data + row * their_bytes, o->ne[0]);
            for (uint64_t k = 0; k < t->ne[0]; k++)
                if (!(fabsf(a[k] - b[k]) <= 1e-6f * fabsf(b[k])))
                    fail_msg("%s: %s[%llu][%llu] is %g, in llama.cpp's file %g", c->gguf->path, t->name.p,
                             (unsigned long long)row, (unsigned long long)k, (double)a[k], (double)b[k]);
        }
    }
}

static void directories_become_what_llama_cpp_makes_of_them(void **unused)
{
    (void)unused;
    static const char *const models[] = {
        "llama", "llama3", "llama-yarn", "qwen2", "qwen3", "mixtral", "qwen2moe", "qwen3moe", "olmoe", "phi3",
        "phimoe", "gemma",
        "gemma2", "gemma3", "granite", "granitemoe", "olmo2", "stablelm", "starcoder2", "command-r", "deepseek",
        "smollm3",
        "phi2", "cohere2", "gpt2", "glm4moe", "dots1", "ernie4_5", "ernie4_5-moe", "seed_oss", "minimax-m2",
        "deepseek2", "deepseek3", "gptneox", "falcon", "falcon-new", "olmo3",
        "exaone4", "exaone4-plain", "internlm3", "glm", "glm4", "glm4moelite", "youtu", "kimi-k2",
        "gptneox-fast", "hunyuan-dense", "hunyuan-moe", "granitemoeshared", "arcee", "nemotron", "jais2", "helium",
        "olmo",
        "minicpm", "internlm2", "exaone", "bailingmoe", "bailingmoe2", "orion", "xverse", "baichuan", "chatglm3",
        "codeshell",
        "starcoder", "ministral3", "mistral3", "qwen2vl", "qwen3vl", "gpt-oss", "gpt-oss-mxfp4", "solar_open",
        "iquestcoder", "exaone-moe",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[64], file[64];
        snprintf(path, sizeof path, TINY "%s", models[i]);
        snprintf(file, sizeof file, TINY "%s/model.gguf", models[i]);
        struct weights *hf = open_model(path), *theirs = open_model(file);
        infer_error err = { 0 };
        struct conversion *c = conversion_open(&mem_default, hf, true, &err);
        if (!c)
            fail_msg("%s", err.message);
        assert_same_tensors(c, theirs);
        assert_same_metadata(c->gguf, theirs);
        conversion_close(&c);
        assert_null(c);
        weights_close(&theirs);
        weights_close(&hf);
    }
}

static void a_family_that_shares_its_name_in_gguf_is_written_under_it(void **unused)
{
    (void)unused;
    struct weights *hf = open_model(TINY "mistral");
    infer_error err = { 0 };
    struct conversion *c = conversion_open(&mem_default, hf, true, &err);
    struct text arch;
    if (!c)
        fail_msg("%s", err.message);
    assert_int_equal(meta_get_text(c->gguf, "general.architecture", &arch, &err), META_FOUND);
    assert_true(text_is(arch, "llama"));
    assert_int_equal(number(c->gguf, "llama.attention.sliding_window"), number(hf, "sliding_window"));
    conversion_close(&c);
    weights_close(&hf);
}

/* ---- What is refused ---- */

static struct weights *model_with(const char *model, const struct meta *changed)
{
    char path[64];
    snprintf(path, sizeof path, TINY "%s", model);
    struct weights *hf = open_model(path);
    for (size_t i = 0; i < hf->n_metas; i++)
        if (text_equal(hf->metas[i].key, changed->key)) {
            hf->metas[i] = *changed;
            return hf;
        }
    infer_error err = { 0 };
    if (weights_add_meta(hf, changed, &err) != INFER_OK)
        fail_msg("%s", err.message);
    return hf;
}

static void assert_refused(struct weights *hf, infer_status code, const char *words)
{
    infer_error err = { 0 };
    assert_null(conversion_open(&mem_default, hf, true, &err));
    if (err.code != code || !strstr(err.message, words))
        fail_msg("%s: \"%s\" does not say \"%s\"", infer_status_name(err.code), err.message, words);
    weights_close(&hf);
}

static struct meta whole(const char *key, int64_t value)
{
    return (struct meta){ .key = text_of(key), .type = META_I64, .value.i = value };
}

static void what_gguf_cannot_say_is_refused(void **unused)
{
    (void)unused;
    static const char kinds[] = "\x11\0\0\0\0\0\0\0sliding_attention\x0e\0\0\0\0\0\0\0full_attention";
    struct meta types = { .key = text_of("layer_types"), .type = META_ARRAY, .element = META_STRING, .n = 2,
                          .elements = (const uint8_t *)kinds };
    assert_refused(model_with("mistral", &types), INFER_E_UNKNOWN, "1 of 2 layers look back only");
    struct meta scaling = { .key = text_of("rope_parameters.rope_type"), .type = META_STRING };
    scaling.value.s = text_of("llama3");
    assert_refused(model_with("qwen3", &scaling), INFER_E_UNKNOWN, "rope scaling \"llama3\"");
}

static void tensors_must_fit_the_numbers(void **unused)
{
    (void)unused;
    const struct meta wide = whole("intermediate_size", 47), few = whole("num_hidden_layers", 1);
    const struct meta many = whole("num_hidden_layers", 3), most = whole("num_hidden_layers", 4000);
    assert_refused(model_with("qwen3", &wide), INFER_E_FORMAT, "expected 47 x 32");
    assert_refused(model_with("qwen3", &few), INFER_E_UNKNOWN, "model.layers.1.");
    assert_refused(model_with("qwen3", &many), INFER_E_FORMAT, "model.layers.2.input_layernorm.weight is missing");
    assert_refused(model_with("qwen3", &most), INFER_E_FORMAT, "4000 layers");
    const struct meta experts = whole("num_local_experts", 3);
    assert_refused(model_with("gpt-oss-mxfp4", &wide), INFER_E_FORMAT, "gate_up_proj_bias has the shape");
    assert_refused(model_with("gpt-oss", &experts), INFER_E_FORMAT, "expected");
}

static void check_allocations(const char *path)
{
    struct weights *hf = open_model(path);
    for (size_t n = 0;; n++) {
        struct counting counting;
        counting_init(&counting, n);
        infer_error err = { 0 };
        struct conversion *c = conversion_open(&counting.allocator, hf, true, &err);
        const bool opened = c, asked_in_vain = counting.calls > n;
        conversion_close(&c);
        assert_int_equal(counting.live, 0);
        assert_int_equal(opened, !asked_in_vain);
        if (opened) {
            assert_true(n > 5);
            break;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
    }
    weights_close(&hf);
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    check_allocations(TINY "llama3");
    check_allocations(TINY "gpt-oss-mxfp4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directories_become_what_llama_cpp_makes_of_them),
        cmocka_unit_test(a_family_that_shares_its_name_in_gguf_is_written_under_it),
        cmocka_unit_test(what_gguf_cannot_say_is_refused),
        cmocka_unit_test(tensors_must_fit_the_numbers),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
