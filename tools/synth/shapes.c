/* shapes.c - the shapes of published models, from the config.json that their makers gave them. */
#include "tools/synth/shapes.h"

/* What all of them say; `more` continues the object. */
#define CONFIG(type, layers, embd, heads, heads_kv, head, ff, vocab, ctx, base, eps, more) \
    "{\"model_type\":\"" type "\",\"num_hidden_layers\":" #layers ",\"hidden_size\":" #embd \
    ",\"num_attention_heads\":" #heads ",\"num_key_value_heads\":" #heads_kv ",\"head_dim\":" #head \
    ",\"intermediate_size\":" #ff ",\"vocab_size\":" #vocab ",\"max_position_embeddings\":" #ctx \
    ",\"rope_theta\":" #base ",\"rms_norm_eps\":" #eps more "}"
#define TIED ",\"tie_word_embeddings\":true"
#define EXPERTS(n, used) ",\"num_local_experts\":" #n ",\"num_experts_per_tok\":" #used
#define LLAMA3(factor) \
    ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":" #factor ",\"low_freq_factor\":1.0," \
    "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}"

#define BERT(layers, embd, heads, ff) \
    "{\"model_type\":\"bert\",\"architectures\":[\"BertModel\"],\"num_hidden_layers\":" #layers \
    ",\"hidden_size\":" #embd ",\"num_attention_heads\":" #heads ",\"intermediate_size\":" #ff \
    ",\"vocab_size\":30522,\"max_position_embeddings\":512,\"type_vocab_size\":2,\"layer_norm_eps\":1e-12}"

static const struct shape shapes[] = {
    { "tiny", CONFIG("llama", 2, 32, 1, 1, 32, 64, 100, 128, 1e4, 1e-5, ) },
    { "tinyllama-1.1b", CONFIG("llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 1e4, 1e-5, ) },
    { "llama-3.2-1b", CONFIG("llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 5e5, 1e-5, TIED LLAMA3(32.0)) },
    { "llama-3.2-3b", CONFIG("llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, 5e5, 1e-5, TIED LLAMA3(32.0)) },
    { "llama-3-8b", CONFIG("llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 5e5, 1e-5, ) },
    { "llama-2-7b", CONFIG("llama", 32, 4096, 32, 32, 128, 11008, 32000, 4096, 1e4, 1e-5, ) },
    { "llama-2-13b", CONFIG("llama", 40, 5120, 40, 40, 128, 13824, 32000, 4096, 1e4, 1e-5, ) },
    { "mistral-7b", CONFIG("mistral", 32, 4096, 32, 8, 128, 14336, 32000, 32768, 1e4, 1e-5, ) },
    { "mixtral-8x7b", CONFIG("mixtral", 32, 4096, 32, 8, 128, 14336, 32000, 32768, 1e6, 1e-5, EXPERTS(8, 2)) },
    { "qwen2.5-0.5b", CONFIG("qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1e6, 1e-6, TIED) },
    { "qwen2.5-7b", CONFIG("qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 32768, 1e6, 1e-6, ) },
    { "qwen3-0.6b", CONFIG("qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6, 1e-6, TIED) },
    { "qwen3-8b", CONFIG("qwen3", 36, 4096, 32, 8, 128, 12288, 151936, 40960, 1e6, 1e-6, ) },
    { "qwen3-30b-a3b", CONFIG("qwen3_moe", 48, 2048, 32, 4, 128, 6144, 151936, 40960, 1e6, 1e-6,
                              EXPERTS(128, 8) ",\"moe_intermediate_size\":768,\"norm_topk_prob\":true") },
    { "qwen1.5-moe-a2.7b", CONFIG("qwen2_moe", 24, 2048, 16, 16, 128, 5632, 151936, 8192, 1e6, 1e-6,
                                  EXPERTS(60, 4) ",\"moe_intermediate_size\":1408,"
                                  "\"shared_expert_intermediate_size\":5632") },
    { "olmoe-1b-7b", CONFIG("olmoe", 16, 2048, 16, 16, 128, 1024, 50304, 4096, 1e4, 1e-5, EXPERTS(64, 8)) },
    { "deepseek-v2-lite", CONFIG("deepseek_v2", 27, 2048, 16, 16, 192, 10944, 102400, 163840, 1e4, 1e-6,
                                 EXPERTS(64, 6) ",\"moe_intermediate_size\":1408,\"n_shared_experts\":2,"
                                 "\"first_k_dense_replace\":1,\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,"
                                 "\"qk_rope_head_dim\":64,\"v_head_dim\":128,\"topk_method\":\"greedy\","
                                 "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40,\"mscale\":0.707,\"mscale_all_dim\":0.707,"
                                 "\"beta_fast\":32,\"beta_slow\":1,\"original_max_position_embeddings\":4096}") },
    { "phi3-mini", CONFIG("phi3", 32, 3072, 32, 32, 96, 8192, 32064, 4096, 1e4, 1e-5, ",\"sliding_window\":2047") },
    { "phi-3.5-moe", CONFIG("phimoe", 32, 4096, 32, 8, 128, 6400, 32064, 131072, 1e4, 1e-5,
                            EXPERTS(16, 2) ",\"attention_bias\":true,\"lm_head_bias\":true") },
    { "gpt-oss-20b", CONFIG("gpt_oss", 24, 2880, 64, 8, 64, 2880, 201088, 131072, 150000, 1e-5,
                            EXPERTS(32, 4) ",\"sliding_window\":128,\"rope_scaling\":{\"rope_type\":\"yarn\","
                            "\"factor\":32.0,\"beta_fast\":32.0,\"beta_slow\":1.0,\"original_max_position_embeddings\":4096}") },
    { "gemma-2-2b", CONFIG("gemma2", 26, 2304, 8, 4, 256, 9216, 256000, 8192, 1e4, 1e-6,
                           ",\"sliding_window\":4096,\"query_pre_attn_scalar\":256,\"attn_logit_softcapping\":50.0,"
                           "\"final_logit_softcapping\":30.0") },
    { "gemma-3-1b", CONFIG("gemma3_text", 26, 1152, 4, 1, 256, 6912, 262144, 32768, 1e6, 1e-6,
                           ",\"sliding_window\":512,\"query_pre_attn_scalar\":256,\"rope_local_base_freq\":10000") },
    { "all-minilm-l6", BERT(6, 384, 12, 1536) },
    { "bge-small", BERT(12, 384, 12, 1536) },
    { "bge-large", BERT(24, 1024, 16, 4096) },
};

const struct shape *shape_at(size_t i)
{
    return i < sizeof shapes / sizeof *shapes ? &shapes[i] : NULL;
}
