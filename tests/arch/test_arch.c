/* test_arch.c - what a config.json says of a model's layers, and what is refused. */
#include "src/arch/arch.h"

#include "tests/formats/weights_test.h"

#include <math.h>

#define COMMON \
    "\"hidden_size\":64,\"num_hidden_layers\":8,\"num_attention_heads\":4,\"intermediate_size\":128," \
    "\"max_position_embeddings\":128,\"rms_norm_eps\":1e-5"
#define EXPERTS "\"num_experts\":8,\"num_experts_per_tok\":2,\"moe_intermediate_size\":16"

struct read {
    struct weights *w;
    struct hparams h;
};

static infer_status read_config(struct read *r, const char *type, const char *more, infer_error *err)
{
    char json[2000];
    snprintf(json, sizeof json, "{\"model_type\":\"%s\"," COMMON "%s%s}", type, *more ? "," : "", more);
    r->w = weights_new(&mem_default, "config", WEIGHTS_HF, err);
    assert_non_null(r->w);
    assert_int_equal(config_parse(r->w, text_of(json), "", err), INFER_OK);
    return arch_read(&r->h, r->w, &r->w->arena, err);
}

static struct read open_config(const char *type, const char *more)
{
    struct read r;
    infer_error err = { 0 };
    if (read_config(&r, type, more, &err) != INFER_OK)
        fail_msg("%s", err.message);
    return r;
}

static void assert_refused(const char *type, const char *more, infer_status code, const char *words)
{
    struct read r;
    infer_error err = { 0 };
    assert_int_equal(read_config(&r, type, more, &err), code);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    weights_close(&r.w);
}

/* A letter for each layer: w windowed, f full; then r rope, l local rope, n none. */
static void assert_layers(const char *type, const char *more, const char *windows, const char *ropes)
{
    struct read r = open_config(type, more);
    for (uint32_t l = 0; l < r.h.n_layer; l++) {
        assert_int_equal("fw"[arch_layer_windowed(&r.h, l)], windows[l]);
        assert_int_equal("nrl"[arch_layer_rope(&r.h, l) + 1], ropes[l]);
    }
    weights_close(&r.w);
}

static void layers_are_windowed_and_rotate_as_their_family_does(void **state)
{
    (void)state;
    assert_layers("llama", "", "ffffffff", "rrrrrrrr");
    assert_layers("mistral", "\"sliding_window\":5", "wwwwwwww", "rrrrrrrr");
    assert_layers("gemma2", "\"sliding_window\":5", "wfwfwfwf", "rrrrrrrr");
    assert_layers("gemma2", "\"sliding_window\":null", "ffffffff", "rrrrrrrr");
    assert_layers("gemma3_text", "\"sliding_window\":5", "wwwwwfww", "lllllrll");
    assert_layers("gemma3_text", "\"sliding_window\":5,\"sliding_window_pattern\":2", "wfwfwfwf", "lrlrlrlr");
    assert_layers("cohere2", "\"sliding_window\":5,\"layer_norm_eps\":1e-5", "wwwfwwwf", "rrrnrrrn");
    assert_layers("exaone4", "\"sliding_window\":5,\"sliding_window_pattern\":\"LLLG\"", "wwwfwwwf", "rrrnrrrn");
    assert_layers("exaone4", "\"sliding_window\":null,\"sliding_window_pattern\":null", "ffffffff", "rrrrrrrr");
    assert_layers("olmo3", "\"sliding_window\":5,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4}", "wwwfwwwf", "lllrlllr");
    assert_layers("olmo2", "", "ffffffff", "rrrrrrrr");
    assert_layers("smollm3", "", "ffffffff", "rrrnrrrn");
    assert_layers("smollm3", "\"no_rope_layers\":[0,1,1,1,1,1,1,1]", "ffffffff", "nrrrrrrr");
    assert_layers("qwen2", "\"sliding_window\":5,\"use_sliding_window\":true,\"max_window_layers\":6", "ffffffww",
                  "rrrrrrrr");
}

static void experts_stand_in_the_layers_that_the_numbers_say(void **state)
{
    (void)state;
    struct read r = open_config("qwen3_moe", EXPERTS ",\"mlp_only_layers\":[2],\"decoder_sparse_step\":2");
    static const uint8_t dense[] = { 1, 0, 1, 0, 1, 0, 1, 0 };
    assert_memory_equal(r.h.layer_dense, dense, sizeof dense);
    assert_true(r.h.routing.normalise); /* as all of the family do, unless it is said */
    weights_close(&r.w);
    r = open_config("deepseek", "\"n_routed_experts\":8,\"num_experts_per_tok\":2,\"moe_intermediate_size\":16,"
                    "\"n_shared_experts\":2,\"first_k_dense_replace\":3,\"norm_topk_prob\":true");
    static const uint8_t first[] = { 1, 1, 1, 0, 0, 0, 0, 0 };
    assert_memory_equal(r.h.layer_dense, first, sizeof first);
    assert_int_equal(r.h.n_ff_shared, 32);
    assert_true(r.h.routing.normalise);
    weights_close(&r.w);
    r = open_config("llama", "");
    assert_null(r.h.layer_dense);
    weights_close(&r.w);
}

static void scales_follow_from_the_numbers(void **state)
{
    (void)state;
    struct read r = open_config("gemma2", "\"head_dim\":16,\"query_pre_attn_scalar\":25");
    assert_float_equal(arch_attention_scale(&r.h), 0.2, 1e-6);
    assert_float_equal(arch_embd_scale(&r.h), 8, 1e-6);
    weights_close(&r.w);
    r = open_config("granite", "\"attention_multiplier\":0.5,\"embedding_multiplier\":3,\"logits_scaling\":4");
    assert_float_equal(arch_attention_scale(&r.h), 0.5, 1e-6);
    assert_float_equal(arch_embd_scale(&r.h), 3, 1e-6);
    assert_float_equal(arch_logit_scale(&r.h), 0.25, 1e-6);
    weights_close(&r.w);
    r = open_config("phi3", "\"original_max_position_embeddings\":16,\"rope_scaling\":{\"type\":\"longrope\","
                    "\"short_factor\":[1],\"long_factor\":[2]}");
    assert_float_equal(r.h.rope.attention_factor, sqrt(1 + log(8) / log(16)), 1e-6);
    weights_close(&r.w);
}

#define LATENT                                                                                                         \
    "\"kv_lora_rank\":32,\"qk_nope_head_dim\":16,\"qk_rope_head_dim\":8,\"v_head_dim\":24,"                            \
    "\"n_routed_experts\":8,\"num_experts_per_tok\":2,\"moe_intermediate_size\":16"

static void keys_and_values_of_a_latent_vector_are_one_to_attention(void **state)
{
    (void)state;
    struct read r =
        open_config("deepseek_v2",
                    LATENT ",\"q_lora_rank\":null,\"n_group\":4,\"topk_method\":\"greedy\",\"rope_scaling\":{\"type\":"
                           "\"yarn\",\"factor\":4,\"mscale\":0.5,\"mscale_all_dim\":1}");
    assert_int_equal(r.h.n_head_kv, 1);
    assert_int_equal(r.h.d_k, 32 + 8);
    assert_int_equal(r.h.d_v, 32);
    assert_int_equal(r.h.rope.first, 32);
    assert_int_equal(r.h.rope.n_rot, 8);
    assert_int_equal(arch_dim(&r.h, DIM_QUERIES), 4 * 24);
    assert_int_equal(arch_dim(&r.h, DIM_VALUES), 4 * 24);
    assert_int_equal(r.h.routing.n_group, 0);
    const double scores = 1 + 0.1 * log(4);
    assert_float_equal(arch_attention_scale(&r.h), scores * scores / sqrt(24), 1e-6);
    assert_float_equal(r.h.rope.attention_factor, (1 + 0.05 * log(4)) / scores, 1e-6);
    assert_int_equal(arch_needs(&r.h, &layer_tensors[ATTN_Q], false), NEED_MUST);
    assert_int_equal(arch_needs(&r.h, &layer_tensors[ATTN_Q_B], false), NEED_NOT);
    weights_close(&r.w);
    r = open_config("deepseek_v3", LATENT ",\"q_lora_rank\":12,\"rope_interleave\":false");
    assert_int_equal(r.h.n_query_latent, 12);
    assert_int_equal(r.h.rope.kind, ROPE_HALVES);
    assert_int_equal(r.h.routing.gating, GATING_SIGMOID);
    assert_int_equal(arch_needs(&r.h, &layer_tensors[ATTN_Q], false), NEED_NOT);
    assert_int_equal(arch_needs(&r.h, &layer_tensors[ATTN_Q_B], false), NEED_MUST);
    weights_close(&r.w);
    assert_refused("deepseek_v2", "\"n_routed_experts\":8", INFER_E_FORMAT, "expected");
    assert_refused("deepseek_v3", LATENT ",\"attention_bias\":true", INFER_E_UNKNOWN, "attention_bias is set");
    assert_refused("deepseek_v2", LATENT ",\"topk_method\":\"best\"", INFER_E_UNKNOWN, "topk_method is \"best\"");
    assert_refused("deepseek_v2",
                   "\"kv_lora_rank\":4294967295,\"qk_nope_head_dim\":16,\"qk_rope_head_dim\":8,\"v_head_dim\":24",
                   INFER_E_FORMAT, "the width of the latent vector is 4294967295");
    assert_refused("deepseek_v2",
                   "\"kv_lora_rank\":32,\"qk_nope_head_dim\":4294967290,\"qk_rope_head_dim\":8,\"v_head_dim\":24",
                   INFER_E_FORMAT, "the width of a key that does not rotate is 4294967290");
}

static void flags_say_what_falcon_and_neox_models_are(void **state)
{
    (void)state;
    struct read r = open_config("falcon", "\"num_kv_heads\":2,\"new_decoder_architecture\":true");
    assert_int_equal(r.h.n_head_kv, 2);
    assert_int_equal(arch_needs(&r.h, &layer_tensors[ATTN_QKV], false), NEED_MUST);
    assert_int_equal(arch_needs(&r.h, &layer_tensors[ATTN_Q], false), NEED_NOT);
    assert_int_equal(arch_needs(&r.h, &layer_tensors[ATTN_QKV_BIAS], false), NEED_MAY);
    weights_close(&r.w);
    r = open_config("falcon", "\"num_kv_heads\":4,\"new_decoder_architecture\":false,\"multi_query\":true");
    assert_int_equal(r.h.n_head_kv, 1);
    weights_close(&r.w);
    r = open_config("gpt_neox", "\"layer_norm_eps\":1e-5,\"use_parallel_residual\":false,\"rotary_pct\":0.25");
    assert_false(arch_has(&r.h, TRAIT_PARALLEL_NORMS));
    assert_int_equal(r.h.rope.n_rot, 4);
    weights_close(&r.w);
    assert_refused("falcon", "\"alibi\":true", INFER_E_UNKNOWN, "alibi");
}

static void numbers_of_experts_are_checked(void **state)
{
    (void)state;
    assert_refused("mixtral", "", INFER_E_FORMAT, "no number of experts");
    assert_refused("mixtral", "\"num_local_experts\":4", INFER_E_FORMAT, "0 of 4 experts are used");
    assert_refused("mixtral", "\"num_local_experts\":4,\"num_experts_per_tok\":5", INFER_E_FORMAT, "5 of 4 experts");
    assert_refused("mixtral", "\"num_local_experts\":5000,\"num_experts_per_tok\":2", INFER_E_FORMAT, "2 of 5000");
    assert_refused("mixtral", "\"num_local_experts\":400,\"num_experts_per_tok\":100", INFER_E_FORMAT, "100 of 400");
    assert_refused("qwen3_moe", "\"num_experts\":8,\"num_experts_per_tok\":2,\"moe_intermediate_size\":99999999",
                   INFER_E_FORMAT, "feed-forward widths are 99999999");
    assert_refused("glm4_moe", EXPERTS ",\"n_group\":3,\"topk_group\":1", INFER_E_FORMAT, "8 experts in 3 groups");
    assert_refused("glm4_moe", EXPERTS ",\"n_group\":8,\"topk_group\":1", INFER_E_FORMAT, "give no 2 experts");
    assert_refused("glm4_moe", EXPERTS ",\"scoring_func\":\"relu\"", INFER_E_UNKNOWN, "softmax (1) and sigmoid (2)");
    assert_refused("smollm3", "\"no_rope_layers\":[1]", INFER_E_FORMAT, "no list of 8 numbers");
    assert_refused("gemma2", "\"attn_logit_softcapping\":-1", INFER_E_FORMAT, "cap of scores is -1");
    assert_refused("granite", "\"residual_multiplier\":1e30", INFER_E_FORMAT, "residual scale");
}

static void an_unknown_family_is_named_with_the_nearest(void **state)
{
    (void)state;
    assert_refused("gemma4", "", INFER_E_UNKNOWN, "\"gemma4\" is not known; the nearest known ones are gemma");
    assert_refused("olmo_2", "", INFER_E_UNKNOWN, "are olmo2, olmoe");
    assert_refused("qwen2_vl_txt", "", INFER_E_UNKNOWN, "nearest known ones are qwen2_vl_text, ");
    assert_refused("baichuan", "\"architectures\":[\"BaichuanForCausalLM\"]", INFER_E_UNKNOWN,
                   "only those of the class BaiChuanForCausalLM");
    assert_refused("granitemoehybrid", "", INFER_E_UNKNOWN, "are granitemoeshared, granitemoe, granite");
}

static void settings_that_no_tensor_shows_are_refused(void **state)
{
    (void)state;
    static const char *const sound[][2] = {
        { "bert", "\"hidden_act\":\"gelu\",\"position_embedding_type\":\"absolute\"" },
        { "gpt2", "\"activation_function\":\"gelu_new\",\"scale_attn_by_inverse_layer_idx\":false" },
        { "nomic_bert", "\"activation_function\":\"swiglu\",\"hidden_act\":\"silu\",\"prenorm\":false" },
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        struct read r = open_config(sound[i][0], sound[i][1]);
        weights_close(&r.w);
    }
    assert_refused("bert", "\"hidden_act\":\"mish\"", INFER_E_UNKNOWN, "hidden_act is mish, known are silu");
    assert_refused("bert", "\"position_embedding_type\":\"relative_key\"", INFER_E_UNKNOWN, "is relative_key");
    assert_refused("bert", "\"is_decoder\":true", INFER_E_UNKNOWN, "is_decoder is true");
    assert_refused("gpt2", "\"activation_function\":7", INFER_E_FORMAT, "activation_function");
    assert_refused("gpt2", "\"scale_attn_by_inverse_layer_idx\":true", INFER_E_UNKNOWN, "known is false");
    assert_refused("bailing_moe", "\"architectures\":[\"BailingMoeV2ForCausalLM\"]," EXPERTS ",\"norm_head\":true",
                   INFER_E_UNKNOWN, "norm_head is true");
    assert_refused("gpt_bigcode", "\"multi_query\":false", INFER_E_UNKNOWN, "multi_query is false");
    assert_refused("olmo", "\"clip_qkv\":8.0", INFER_E_UNKNOWN, "held within 8");
    assert_refused("nomic_bert", "\"prenorm\":true", INFER_E_UNKNOWN, "prenorm is true");
    assert_refused("nomic_bert", "\"activation_function\":\"geglu\"", INFER_E_UNKNOWN, "function is geglu");
}

static void a_model_has_the_activation_that_it_names(void **state)
{
    (void)state;
    static const struct {
        const char *family, *setting;
        enum ffn_activation want;
    } cases[] = {
        { "gpt_neox", "\"hidden_act\":\"gelu\"", FFN_GELU },
        { "gpt_neox", "\"hidden_act\":\"gelu_fast\"", FFN_GELU_TANH }, /* the 20B */
        { "gpt_neox", "", FFN_GELU },
        { "falcon", "\"activation\":\"gelu_pytorch_tanh\"", FFN_GELU_TANH },
        { "starcoder2", "\"hidden_act\":\"relu2\"", FFN_RELU2 },
        { "gpt2", "\"activation_function\":\"relu\"", FFN_RELU },
        { "gemma", "\"hidden_act\":\"gelu\"", FFN_GELU_TANH }, /* says so, and means the tanh */
        { "gemma2", "\"hidden_act\":\"gelu\",\"hidden_activation\":\"gelu_pytorch_tanh\"", FFN_GELU_TANH },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct read r = open_config(cases[i].family, cases[i].setting);
        assert_int_equal(r.h.activation, cases[i].want);
        weights_close(&r.w);
    }
}

static void a_width_that_is_not_said_is_four_times_the_hidden_one(void **state)
{
    (void)state;
    struct read r = { .w = weights_new(&mem_default, "config", WEIGHTS_HF, NULL) };
    assert_int_equal(config_parse(r.w, text_of("{\"model_type\":\"gpt2\",\"n_embd\":8,\"n_layer\":1,\"n_head\":2,"
                                               "\"n_positions\":16,\"layer_norm_epsilon\":1e-5,\"n_inner\":null}"),
                                  "", NULL), INFER_OK);
    assert_int_equal(arch_read(&r.h, r.w, &r.w->arena, NULL), INFER_OK);
    assert_int_equal(r.h.n_ff, 32);
    weights_close(&r.w);
}

static void models_of_as_many_layers_as_the_13b_have_no_rotation_and_are_refused(void **state)
{
    (void)state;
    struct read r = { .w = weights_new(&mem_default, "config", WEIGHTS_HF, NULL) };
    infer_error err = { 0 };
    assert_int_equal(config_parse(r.w, text_of("{\"model_type\":\"baichuan\","
                                               "\"architectures\":[\"BaiChuanForCausalLM\"],"
                                               "\"hidden_size\":64,\"num_hidden_layers\":40,\"num_attention_heads\":4,"
                                               "\"rms_norm_eps\":1e-5}"), "", NULL), INFER_OK);
    assert_int_equal(arch_read(&r.h, r.w, &r.w->arena, &err), INFER_E_UNKNOWN);
    assert_non_null(strstr(err.message, "alibi"));
    weights_close(&r.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_windowed_and_rotate_as_their_family_does),
        cmocka_unit_test(experts_stand_in_the_layers_that_the_numbers_say),
        cmocka_unit_test(scales_follow_from_the_numbers),
        cmocka_unit_test(keys_and_values_of_a_latent_vector_are_one_to_attention),
        cmocka_unit_test(flags_say_what_falcon_and_neox_models_are),
        cmocka_unit_test(numbers_of_experts_are_checked),
        cmocka_unit_test(an_unknown_family_is_named_with_the_nearest),
        cmocka_unit_test(settings_that_no_tensor_shows_are_refused),
        cmocka_unit_test(models_of_as_many_layers_as_the_13b_have_no_rotation_and_are_refused),
        cmocka_unit_test(a_model_has_the_activation_that_it_names),
        cmocka_unit_test(a_width_that_is_not_said_is_four_times_the_hidden_one),
    };
    return cmocka_run_group_tests_name("architectures", tests, NULL, NULL);
}
