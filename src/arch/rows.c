/* rows.c - the families, and the names of their tensors in both formats. */
#include "src/arch/arch.h"

#define PAIRS ROPE_PAIRS
#define HALVES ROPE_HALVES
#define T(name) TRAIT_##name
enum {
    BIASES = T(QKV_BIAS) | T(OUT_BIAS) | T(FFN_BIAS),
    GROUPED = T(FUSED_QKV) | T(GROUPED_QKV),
    LAYER = T(LAYER_NORM) | T(NORM_BIAS),
    GEMMA = T(NORM_OFFSET) | T(EMBD_SCALE),
    SHARED = T(EXPERTS) | T(SHARED_EXPERT) | T(SHARED_SWITCH),
    MLA = T(LATENT) | T(EXPERTS) | T(SHARED_EXPERT),
    BERT = LAYER | T(ENCODER) | T(TOKEN_TYPES) | T(EMBD_NORM) | T(NO_PRE_NORM) | T(STREAM_NORM),
};
/* GGUF files of the llama family hold queries and keys permuted so that neighbouring values rotate together; the
 * original checkpoints, and GGUF files of the later families, rotate halves. */
/* "A|B": config.json may have either name. */
static const struct arch rows[] = {
    { "Llama", "llama", "llama|iquestcoder", PAIRS, HALVES,
      .must = T(NORMALISE), .may = BIASES | T(ROPE_FREQS) | T(OUTPUT) | T(EXPERTS) },
    { "Mistral", "llama", "mistral", PAIRS, HALVES, .may = T(OUTPUT) },
    { "Mixtral", "llama", "mixtral", PAIRS, HALVES, .must = T(EXPERTS) | T(NORMALISE), .may = T(OUTPUT) },
    { "Qwen 2", "qwen2", "qwen2", HALVES, HALVES, .must = T(QKV_BIAS), .may = T(OUTPUT) },
    { "Qwen 2 MoE", "qwen2moe", "qwen2_moe", HALVES, HALVES, .must = T(QKV_BIAS) | SHARED, .may = T(OUTPUT) },
    { "Qwen 3", "qwen3", "qwen3", HALVES, HALVES,
      .must = T(QK_NORM), .may = T(QKV_BIAS) | T(OUT_BIAS) | T(OUTPUT) },
    { "Qwen 3 MoE", "qwen3moe", "qwen3_moe", HALVES, HALVES,
      .must = T(QK_NORM) | T(EXPERTS) | T(NORMALISE), .may = T(QKV_BIAS) | T(OUT_BIAS) | T(OUTPUT) },
    { "OLMoE", "olmoe", "olmoe", HALVES, HALVES, .must = T(WIDE_QK_NORM) | T(QK_NORM) | T(EXPERTS), .may = T(OUTPUT) },
    { "Phi 3", "phi3", "phi3", HALVES, HALVES,
      .must = T(FUSED_QKV) | T(FUSED_GATE_UP), .may = T(OUTPUT) | T(ROPE_FACTORS) },
    { "Phi 3.5 MoE", "phimoe", "phimoe", HALVES, HALVES, .gating = GATING_SPARSEMIXER,
      .must = LAYER | T(QKV_BIAS) | T(OUT_BIAS) | T(EXPERTS), .may = T(OUTPUT) | T(OUTPUT_BIAS) | T(ROPE_FACTORS) },
    { "Gemma", "gemma", "gemma", HALVES, HALVES, .activation = FFN_GELU_TANH, .activation_fixed = true,
      .must = GEMMA },
    { "Gemma 2", "gemma2", "gemma2", HALVES, HALVES, .activation = FFN_GELU_TANH, .window_period = 2,
      .n_layer_wide_query = 46, .must = GEMMA | T(POST_NORM) },
    { "Gemma 3", "gemma3", "gemma3_text", HALVES, HALVES, .activation = FFN_GELU_TANH, .window_period = 6,
      .n_layer_wide_query = 62, .local_base = 10000, .must = GEMMA | T(POST_NORM) | T(QK_NORM), .may = T(OUTPUT) },
    { "gpt-oss", "gpt-oss", "gpt_oss", HALVES, HALVES, .window_period = 2, .second_names = true,
      .must = T(QKV_BIAS) | T(OUT_BIAS) | T(SINKS) | T(EXPERTS) | T(EXPERT_BIAS) | T(ROUTER_BIAS) | T(NORMALISE) |
              T(CLAMPED_GATE) | T(YARN_EXACT) | T(FUSED_EXPERTS), .may = T(OUTPUT) },
    { "Granite", "granite", "granite", PAIRS, HALVES, .must = T(LOGIT_DIVISOR), .may = BIASES | T(OUTPUT) },
    { "Granite MoE", "granitemoe", "granitemoe", PAIRS, HALVES, .must = T(LOGIT_DIVISOR) | T(EXPERTS) | T(NORMALISE),
      .may = T(OUTPUT) | T(SHARED_EXPERT) },
    { "OLMo 2", "olmo2", "olmo2", HALVES, HALVES, .window_period = 4, .local_base = LOCAL_UNSCALED,
      .must = T(NO_PRE_NORM) | T(POST_NORM) | T(WIDE_QK_NORM) | T(QK_NORM), .may = T(OUTPUT) },
    { "StableLM", "stablelm", "stablelm", HALVES, HALVES, .must = LAYER, .may = T(QKV_BIAS) | T(OUTPUT) },
    { "StarCoder 2", "starcoder2", "starcoder2", HALVES, HALVES, .activation = FFN_GELU_TANH,
      .must = LAYER | T(NO_GATE), .may = BIASES | T(OUTPUT) },
    { "Command R", "command-r", "cohere", PAIRS, PAIRS, .must = T(LAYER_NORM) | T(PARALLEL), .may = T(OUTPUT) },
    { "DeepSeek", "deepseek", "deepseek", PAIRS, HALVES,
      .must = T(EXPERTS) | T(SHARED_EXPERT), .may = T(OUTPUT) | T(QKV_BIAS) },
    { "Phi 2", "phi2", "phi", HALVES, HALVES, .activation = FFN_GELU_TANH,
      .must = LAYER | BIASES | T(PARALLEL) | T(NO_GATE) | T(OUTPUT_BIAS), .may = T(FUSED_QKV) | T(OUTPUT) },
    { "Command R7B", "cohere2", "cohere2", PAIRS, PAIRS, .window_period = 4, .still_period = 4,
      .must = T(LAYER_NORM) | T(PARALLEL), .may = T(OUTPUT) },
    { "GLM 4.5, Solar Open", "glm4moe", "glm4_moe|solar_open", HALVES, HALVES, .gating = GATING_SIGMOID,
      .second_names = true, .must = T(EXPERTS) | T(SHARED_EXPERT) | T(CHOICE_BIAS) | T(NORMALISE),
      .may = T(QKV_BIAS) | T(QK_NORM) | T(OUTPUT) },
    { "dots.llm1", "dots1", "dots1", HALVES, HALVES, .gating = GATING_SIGMOID,
      .must = T(QK_NORM) | T(EXPERTS) | T(SHARED_EXPERT) | T(CHOICE_BIAS), .may = T(QKV_BIAS) | T(OUTPUT) },
    { "ERNIE 4.5", "ernie4_5", "ernie4_5", PAIRS, PAIRS, .may = BIASES | T(OUTPUT) },
    { "ERNIE 4.5 MoE", "ernie4_5-moe", "ernie4_5_moe", PAIRS, PAIRS,
      .must = T(EXPERTS) | T(SHARED_EXPERT) | T(CHOICE_BIAS) | T(NORMALISE), .may = T(OUTPUT) },
    { "Seed-OSS", "seed_oss", "seed_oss", HALVES, HALVES, .second_names = true, .must = T(QKV_BIAS), .may = BIASES |
      T(OUTPUT) },
    { "MiniMax M2", "minimax-m2", "minimax_m2", HALVES, HALVES, .gating = GATING_SIGMOID,
      .must = T(WIDE_QK_NORM) | T(QK_NORM) | T(EXPERTS) | T(CHOICE_BIAS) | T(NORMALISE), .may = T(OUTPUT) },
    { "OLMo 3", "olmo2", "olmo3", HALVES, HALVES, .window_period = 4, .local_base = LOCAL_UNSCALED,
      .must = T(NO_PRE_NORM) | T(POST_NORM) | T(WIDE_QK_NORM) | T(QK_NORM), .may = T(OUTPUT) },
    { "EXAONE 4", "exaone4", "exaone4", HALVES, HALVES, .window_period = 4, .still_period = 4,
      .must = T(NO_PRE_NORM) | T(POST_NORM) | T(QK_NORM), .may = T(OUTPUT) | T(ROPE_FREQS) },
    { "EXAONE MoE", "exaone-moe", "exaone_moe", HALVES, HALVES, .gating = GATING_SIGMOID, .window_period = 4,
      .still_period = 4, .must = T(QK_NORM) | T(EXPERTS) | T(SHARED_EXPERT) | T(CHOICE_BIAS) | T(NORMALISE),
      .may = T(OUTPUT) | T(ROPE_FREQS) },
    { "InternLM 3", "llama", "internlm3", PAIRS, HALVES, .may = BIASES | T(OUTPUT) },
    { "GLM 4", "chatglm", "glm", PAIRS, PAIRS, .must = T(FUSED_GATE_UP),
      .may = T(QKV_BIAS) | T(FUSED_QKV) | T(OUTPUT) },
    { "GLM 4 0414", "glm4", "glm4", PAIRS, PAIRS,
      .must = T(FUSED_GATE_UP) | T(POST_NORM), .may = T(QKV_BIAS) | T(FUSED_QKV) | T(OUTPUT) },
    { "GPT-NeoX", "gptneox", "gpt_neox", HALVES, HALVES, .activation = FFN_GELU,
      .must = LAYER | T(FFN_BIAS) | T(PARALLEL_NORMS) | T(NO_GATE), .may = GROUPED | BIASES | T(OUTPUT) },
    { "Falcon", "falcon", "falcon", HALVES, HALVES, .activation = FFN_GELU, .n_ctx_usual = 2048,
      .must = LAYER | T(PARALLEL) | T(NO_GATE), .may = GROUPED | BIASES | T(ATTN_NORM_2) | T(OUTPUT) },
    { "DeepSeek 2", "deepseek2", "deepseek_v2", PAIRS, PAIRS,
      .must = T(LATENT), .may = MLA | T(OUTPUT) | T(CHOICE_BIAS) | T(QUERY_LATENT) },
    { "DeepSeek 3", "deepseek2", "deepseek_v3", PAIRS, PAIRS, .gating = GATING_SIGMOID,
      .must = MLA | T(CHOICE_BIAS) | T(NORMALISE), .may = T(OUTPUT) | T(QUERY_LATENT) },
    { "Kimi K2", "deepseek2", "kimi_k2", PAIRS, PAIRS, .gating = GATING_SIGMOID,
      .must = MLA | T(CHOICE_BIAS) | T(NORMALISE), .may = T(OUTPUT) | T(QUERY_LATENT) },
    { "GLM 4.7 Flash", "deepseek2", "glm4_moe_lite", PAIRS, PAIRS, .gating = GATING_SIGMOID,
      .must = MLA | T(CHOICE_BIAS) | T(NORMALISE), .may = T(OUTPUT) | T(QUERY_LATENT) },
    { "Youtu", "deepseek2", "youtu", PAIRS, PAIRS, .must = T(LATENT), .may = T(OUTPUT) | T(QUERY_LATENT) },
    { "SmolLM 3", "smollm3", "smollm3", PAIRS, HALVES, .still_period = 4, .may = BIASES | T(OUTPUT) },
    { "GPT-2", "gpt2", "gpt2", HALVES, HALVES, .activation = FFN_GELU_TANH, .still_period = 1,
      .must = LAYER | BIASES | T(NO_GATE) | T(POSITIONS) | T(FUSED_QKV) | T(TURNED), .may = T(OUTPUT) },
    { "MiniCPM", "minicpm", "minicpm", PAIRS, HALVES, .embd_scale_usual = 12, .depth_scale_usual = 1.4f,
      .base_width_usual = 256, .must = T(LOGIT_DIVISOR), .may = BIASES | T(ROPE_FACTORS) | T(ROPE_FREQS) | T(OUTPUT) },
    { "InternLM 2", "internlm2", "internlm2", PAIRS, HALVES,
      .may = T(GROUPED_QKV) | T(QKV_BIAS) | T(OUT_BIAS) | T(OUTPUT) },
    { "EXAONE 3", "exaone", "exaone", HALVES, HALVES, .may = T(ROPE_FREQS) | T(OUTPUT) },
    { "Hunyuan", "hunyuan-dense", "hunyuan_v1_dense", HALVES, HALVES, .must = T(QK_NORM) | T(QK_NORM_LAST),
      .may = BIASES | T(OUTPUT) },
    { "Hunyuan MoE", "hunyuan-moe", "hunyuan_v1_moe", HALVES, HALVES,
      .must = T(QK_NORM) | T(QK_NORM_LAST) | T(EXPERTS) | T(SHARED_EXPERT) | T(NORMALISE), .may = BIASES | T(OUTPUT) },
    { "Granite MoE with a shared expert", "granitemoe", "granitemoeshared", PAIRS, HALVES,
      .must = T(LOGIT_DIVISOR) | T(EXPERTS) | T(NORMALISE), .may = T(OUTPUT) | T(SHARED_EXPERT) },
    { "Arcee", "arcee", "arcee", PAIRS, HALVES, .activation = FFN_RELU2, .must = T(NO_GATE),
      .may = BIASES | T(ROPE_FREQS) | T(OUTPUT) },
    { "Nemotron", "nemotron", "nemotron", HALVES, HALVES, .activation = FFN_RELU2, .part_usual = 0.5f,
      .must = LAYER | T(NORM_OFFSET) | T(NO_GATE), .may = BIASES | T(OUTPUT) },
    { "Ling 2", "bailingmoe2", "bailing_moe", HALVES, HALVES, "BailingMoeV2ForCausalLM",
      .gating = GATING_SIGMOID, .part_usual = 0.5f,
      .must = T(FUSED_QKV) | T(QK_NORM) | T(EXPERTS) | T(SHARED_EXPERT), .may = T(CHOICE_BIAS) | T(OUTPUT) },
    { "Ling", "bailingmoe", "bailing_moe", PAIRS, HALVES, .must = T(EXPERTS) | T(SHARED_EXPERT),
      .may = T(FUSED_QKV) | T(OUTPUT) },
    { "Orion", "orion", "orion", HALVES, HALVES, .must = LAYER, .may = T(OUTPUT) },
    { "XVERSE", "xverse", "xverse", PAIRS, HALVES, .may = T(OUTPUT) },
    { "Baichuan", "baichuan", "baichuan", PAIRS, HALVES, "BaiChuanForCausalLM", .n_layer_alibi = 40,
      .may = T(FUSED_QKV) | T(OUTPUT) },
    { "ChatGLM 3", "chatglm", "chatglm", PAIRS, PAIRS, .part_usual = 0.5f, .must = T(FUSED_GATE_UP),
      .may = T(QKV_BIAS) | T(FUSED_QKV) | T(OUTPUT) },
    { "CodeShell", "codeshell", "codeshell", HALVES, HALVES, .activation = FFN_GELU_TANH,
      .must = LAYER | T(NO_GATE) | T(FUSED_QKV) | BIASES, .may = T(OUTPUT) },
    { "StarCoder", "starcoder", "gpt_bigcode", HALVES, HALVES, .activation = FFN_GELU_TANH, .still_period = 1,
      .must = LAYER | BIASES | T(NO_GATE) | T(POSITIONS) | T(FUSED_QKV), .may = T(OUTPUT) },
    { "GPT-J", "gptj", "gptj", PAIRS, PAIRS, .activation = FFN_GELU_TANH,
      .must = LAYER | T(FFN_BIAS) | T(PARALLEL) | T(NO_GATE), .may = T(OUTPUT) | T(OUTPUT_BIAS) },
    { "Ministral", "mistral3", "ministral3", PAIRS, HALVES, .must = T(YARN_WHOLE), .may = T(OUTPUT) },
    { "Qwen 2 VL's text part", "qwen2vl", "qwen2_vl_text|qwen2_vl|qwen2_5_vl_text|qwen2_5_vl", HALVES, HALVES,
      .must = T(QKV_BIAS), .may = T(OUTPUT) },
    { "Qwen 3 VL's text part", "qwen3vl", "qwen3_vl_text|qwen3_vl", HALVES, HALVES,
      .must = T(QK_NORM), .may = T(QKV_BIAS) | T(OUT_BIAS) | T(OUTPUT) },
    { "Helium", "llama", "helium", PAIRS, PAIRS, .may = BIASES | T(OUTPUT) },
    { "Jais 2", "jais2", "jais2", HALVES, HALVES, .activation = FFN_RELU2, .must = LAYER | T(NO_GATE) | BIASES,
      .may = T(OUTPUT) },
    { "OLMo", "olmo", "olmo", PAIRS, HALVES, .eps_usual = 1e-5f,
      .must = T(LAYER_NORM) | T(PLAIN_NORM), .may = T(OUTPUT) },
    { "BERT", "bert", "bert", HALVES, HALVES, .activation = FFN_GELU, .still_period = 1,
      .must = (BERT & ~T(TOKEN_TYPES)) | BIASES | T(NO_GATE) | T(POSITIONS),
      .may = T(TOKEN_TYPES) | T(POOLER) | T(CLASSES) | T(PROJECTION) },
    { "DistilBERT", "bert", "distilbert", HALVES, HALVES, .activation = FFN_GELU, .still_period = 1,
      .eps_usual = 1e-12f, .must = (BERT & ~T(TOKEN_TYPES)) | BIASES | T(NO_GATE) | T(POSITIONS) },
    { "RoBERTa", "bert", "roberta|camembert", HALVES, HALVES, .activation = FFN_GELU, .still_period = 1,
      .must = BERT | BIASES | T(NO_GATE) | T(POSITIONS) | T(PAD_POSITIONS), .may = T(POOLER) | T(CLASSES) },
    { "XLM-RoBERTa", "bert", "xlm-roberta", HALVES, HALVES, .activation = FFN_GELU, .still_period = 1,
      .must = BERT | BIASES | T(NO_GATE) | T(POSITIONS) | T(PAD_POSITIONS), .may = T(POOLER) | T(CLASSES) },
    { "EuroBERT", "eurobert", "eurobert", HALVES, HALVES, .must = T(ENCODER) },
    { "Jina Embeddings 3", "jina-bert-v3", "jina_embeddings_v3", HALVES, HALVES, .activation = FFN_GELU,
      .must = BERT | BIASES | T(NO_GATE) | T(FUSED_QKV) },
    { "Nomic BERT", "nomic-bert", "nomic_bert", HALVES, HALVES, .must = BERT | T(FUSED_QKV),
      .may = BIASES | T(POOLER) | T(CLASSES) },
    { "ModernBERT", "modern-bert", "modernbert", HALVES, HALVES, .activation = FFN_GELU, .window_period = 3,
      .first_sees_all = true, .local_base = 10000,
      .must = T(LAYER_NORM) | T(ENCODER) | T(EMBD_NORM) | T(BARE_FIRST) | T(FUSED_QKV) | T(FUSED_GATE_UP),
      .may = T(NORM_BIAS) | T(QKV_BIAS) | T(OUT_BIAS) },
    { "EmbeddingGemma", "gemma-embedding", "gemma3_text", HALVES, HALVES, .activation = FFN_GELU_TANH,
      .window_period = 6, .local_base = 10000, .must = GEMMA | T(ENCODER) | T(POST_NORM) | T(QK_NORM) },
};

const struct arch *arch_row(size_t i)
{
    return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

#define EMBEDDINGS \
    "model.embed_tokens.weight|gpt_neox.embed_in.weight|transformer.word_embeddings.weight|transformer.wte.weight|" \
    "bert.embeddings.word_embeddings.weight|model.tok_embeddings.weight|model.word_embeddings.weight|" \
    "transformer.embedding.word_embeddings.weight|model.embeddings.tok_embeddings.weight"
#define LAST_NORM(kind) \
    "model.norm." kind "|model.final_layernorm." kind "|gpt_neox.final_layer_norm." kind "|transformer.ln_f." kind \
    "|transformer.encoder.final_layernorm." kind "|model.final_norm." kind
const struct tensor_spec model_tensors[MODEL_ROLES] = {
    [TOKEN_EMBD] = { "token_embd.weight", EMBEDDINGS, DIM_VOCAB, DIM_EMBD, .trait = 0 },
    [POSITION_EMBD] = { "position_embd.weight", "bert.embeddings.position_embeddings.weight|transformer.wpe.weight",
                        DIM_POSITIONS, DIM_EMBD, .trait = T(POSITIONS) },
    [TYPE_EMBD] = { "token_types.weight", "bert.embeddings.token_type_embeddings.weight", DIM_TYPES, DIM_EMBD,
                    .trait = T(TOKEN_TYPES) },
    [EMBD_NORM] = { "token_embd_norm.weight",
                    "bert.embeddings.LayerNorm.weight|bert.emb_ln.weight|model.embeddings.norm.weight",
                    DIM_ONE, DIM_EMBD, .trait = T(EMBD_NORM), .norm = true },
    [EMBD_NORM_BIAS] = { "token_embd_norm.bias",
                         "bert.embeddings.LayerNorm.bias|bert.emb_ln.bias|model.embeddings.norm.bias",
                         DIM_ONE, DIM_EMBD, .trait = T(EMBD_NORM) | T(NORM_BIAS) },
    [OUTPUT_NORM] = { "output_norm.weight", LAST_NORM("weight"), DIM_ONE, DIM_EMBD,
                      .unless = T(STREAM_NORM) | T(PLAIN_NORM), .norm = true },
    [OUTPUT_NORM_BIAS] = { "output_norm.bias", LAST_NORM("bias"), DIM_ONE, DIM_EMBD, .trait = T(NORM_BIAS),
                           .unless = T(STREAM_NORM) },
    [OUTPUT] = { "output.weight", "lm_head.weight|embed_out.weight|output.weight|transformer.output_layer.weight",
                 DIM_VOCAB, DIM_EMBD, .trait = T(OUTPUT) },
    [OUTPUT_BIAS] = { "output.bias", "lm_head.bias", DIM_ONE, DIM_VOCAB, .trait = T(OUTPUT_BIAS) },
    [POOLER] = { "cls.weight", "classifier.dense.weight|bert.pooler.dense.weight", DIM_EMBD, DIM_EMBD,
                 .trait = T(POOLER) },
    [POOLER_BIAS] = { "cls.bias", "classifier.dense.bias|bert.pooler.dense.bias", DIM_ONE, DIM_EMBD,
                      .trait = T(POOLER) },
    [CLASSES] = { "cls.output.weight", "classifier.out_proj.weight|classifier.weight", DIM_CLASSES, DIM_EMBD,
                  .trait = T(CLASSES) },
    [CLASSES_BIAS] = { "cls.output.bias", "classifier.out_proj.bias|classifier.bias", DIM_ONE, DIM_CLASSES,
                       .trait = T(CLASSES) },
    [PROJECTION] = { NULL, "linear.weight", DIM_PROJECTED, DIM_EMBD, .trait = T(PROJECTION) },
    [DENSE_1] = { "dense_2.weight", "dense.0.linear.weight", DIM_DENSE_1, DIM_EMBD, .any_family = true },
    [DENSE_1_BIAS] = { NULL, "dense.0.linear.bias", DIM_ONE, DIM_DENSE_1, .any_family = true },
    [DENSE_2] = { "dense_3.weight", "dense.1.linear.weight", DIM_DENSE_2, DIM_DENSE_1, .any_family = true },
    [DENSE_2_BIAS] = { NULL, "dense.1.linear.bias", DIM_ONE, DIM_DENSE_2, .any_family = true },
    [ROPE_FREQS] = { "rope_freqs.weight", NULL, DIM_ONE, DIM_HALF_ROT, .trait = T(ROPE_FREQS) },
    [ROPE_SHORT] = { "rope_factors_short.weight", NULL, DIM_ONE, DIM_HALF_ROT, .trait = T(ROPE_FACTORS) },
    [ROPE_LONG] = { "rope_factors_long.weight", NULL, DIM_ONE, DIM_HALF_ROT, .trait = T(ROPE_FACTORS) },
};

#define L "blk.%u."
#define H "model.layers.%u."
#define NEOX "gpt_neox.layers.%u."
#define FALCON "transformer.h.%u."
#define GPT2 "transformer.h.%u."
#define BERT_LAYER "bert.encoder.layer.%u."
#define NOMIC "bert.encoder.layers.%u."
#define DISTIL "bert.transformer.layer.%u."
#define ATTENTION(name) H "attention." name
#define EXAONE(name) "transformer.h.%u.attn.attention." name
#define GPTJ(name) "transformer.h.%u.attn." name
#define CHATGLM "transformer.encoder.layers.%u."
#define MOE H "block_sparse_moe."
#define EXPERT(name, w) H "mlp.experts.%u." name ".weight|" MOE "experts.%u." w ".weight"
#define SHARED_HF(name) \
    H "mlp.shared_expert." name ".weight|" H "mlp.shared_experts." name ".weight|" H "mlp.shared_mlp." name ".weight"
#define CHOICE_HF \
    H "mlp.gate.e_score_correction_bias|" H "mlp.moe_statics.e_score_correction_bias|" MOE "e_score_correction_bias|" \
    H "mlp.gate.expert_bias|" H "mlp.e_score_correction_bias"
#define FIRST_NORM(kind) \
    H "input_layernorm." kind "|" NEOX "input_layernorm." kind "|" FALCON "ln_mlp." kind "|" FALCON \
    "input_layernorm." kind "|" GPT2 "ln_1." kind "|" H "attention_norm." kind "|" CHATGLM "input_layernorm." kind \
    "|" H "attn_norm." kind
#define SECOND_NORM(kind) \
    NEOX "post_attention_layernorm." kind "|" FALCON "post_attention_layernorm." kind "|" GPT2 "ln_2." kind \
    "|" H "ffn_norm." kind "|" CHATGLM "post_attention_layernorm." kind "|" H "mlp_norm." kind
#define FFN_FIRST(kind) \
    "|" NEOX "mlp.dense_h_to_4h." kind "|" FALCON "mlp.dense_h_to_4h." kind "|" GPT2 "mlp.c_fc." kind "|" BERT_LAYER \
    "intermediate.dense." kind "|" NOMIC "mlp.fc11." kind "|" GPT2 "mlp.fc_in." kind "|" GPT2 "mlp.c_fc_1." kind \
    "|" H "feed_forward.w3." kind "|" DISTIL "ffn.lin1." kind "|" NOMIC "mlp.fc1." kind
#define FFN_LAST(kind) \
    "|" NEOX "mlp.dense_4h_to_h." kind "|" FALCON "mlp.dense_4h_to_h." kind "|" GPT2 "mlp.c_proj." kind "|" BERT_LAYER \
    "output.dense." kind "|" NOMIC "mlp.fc2." kind "|" GPT2 "mlp.fc_out." kind "|" H "feed_forward.w2." kind "|" \
    CHATGLM "mlp.dense_4h_to_h." kind "|" H "mlp.Wo." kind "|" DISTIL "ffn.lin2." kind
#define STREAM_NORM(bert, nomic, distil, kind) \
    BERT_LAYER bert ".LayerNorm." kind "|" NOMIC nomic "." kind "|" DISTIL distil "_layer_norm." kind
#define HEADS(word, letter, kind) \
    "|" BERT_LAYER "attention.self." word "." kind "|" EXAONE(letter "_proj." kind) "|" GPTJ(letter "_proj." kind) "|" \
    DISTIL "attention." letter "_lin." kind
#define GROUPED_HF(kind) \
    NEOX "attention.query_key_value." kind "|" FALCON "self_attention.query_key_value." kind "|" ATTENTION("wqkv.") kind
#define QK_NORM_HF(letter, word) \
    H "self_attn." letter "_norm.weight|" H "self_attn." word "_layernorm.weight|" ATTENTION(word "_layernorm.weight")
#define FUSED_HF(kind) \
    H "self_attn.qkv_proj." kind "|" NOMIC "attn.Wqkv." kind "|" GPT2 "attn.c_attn." kind "|" \
    ATTENTION("query_key_value.") kind "|" CHATGLM "self_attention.query_key_value." kind "|" \
    H "self_attn.W_pack." kind "|" H "attn.Wqkv." kind "|" NOMIC "mixer.Wqkv." kind
#define ATTN_DENSE(kind) \
    "|" NEOX "attention.dense." kind "|" FALCON "self_attention.dense." kind "|" GPT2 "attn.c_proj." kind "|" \
    BERT_LAYER "attention.output.dense." kind "|" NOMIC "attn.out_proj." kind "|" ATTENTION("wo.") kind "|" \
    ATTENTION("dense.") kind "|" EXAONE("out_proj.") kind "|" GPTJ("out_proj.") kind "|" CHATGLM \
    "self_attention.dense." kind "|" H "attn.Wo." kind "|" DISTIL "attention.out_lin." kind "|" \
    NOMIC "mixer.out_proj." kind
/* Norms of one name do different things in different families: the more special name stands first. */
const struct tensor_spec layer_tensors[LAYER_ROLES] = {
    [ATTN_NORM] = { L "attn_norm.weight", FIRST_NORM("weight"), DIM_ONE, DIM_EMBD,
                    .unless = T(NO_PRE_NORM) | T(PLAIN_NORM), .optional = T(BARE_FIRST), .norm = true },
    [ATTN_NORM_BIAS] = { L "attn_norm.bias", FIRST_NORM("bias"), DIM_ONE, DIM_EMBD, .trait = T(NORM_BIAS),
                         .unless = T(NO_PRE_NORM) },
    [ATTN_NORM_2] = { L "attn_norm_2.weight", FALCON "ln_attn.weight", DIM_ONE, DIM_EMBD, .trait = T(ATTN_NORM_2),
                      .norm = true },
    [ATTN_NORM_2_BIAS] = { L "attn_norm_2.bias", FALCON "ln_attn.bias", DIM_ONE, DIM_EMBD, .trait = T(ATTN_NORM_2) },
    [ATTN_QKV] = { L "attn_qkv.weight", GROUPED_HF("weight"), DIM_QKV, DIM_EMBD, .trait = T(GROUPED_QKV) },
    [ATTN_QKV_BIAS] = { L "attn_qkv.bias", GROUPED_HF("bias"), DIM_ONE, DIM_QKV,
                        .trait = T(GROUPED_QKV) | T(QKV_BIAS) },
    [ATTN_Q_A] = { L "attn_q_a.weight", H "self_attn.q_a_proj.weight", DIM_QUERY_LATENT, DIM_EMBD,
                   .trait = T(QUERY_LATENT) },
    [ATTN_KV_A] = { L "attn_kv_a_mqa.weight", H "self_attn.kv_a_proj_with_mqa.weight", DIM_K, DIM_EMBD,
                    .trait = T(LATENT) },
    [ATTN_Q] = { L "attn_q.weight", H "self_attn.q_proj.weight" HEADS("query", "q", "weight"), DIM_QUERIES,
                 DIM_EMBD,
                 .unless = T(QUERY_LATENT) | T(GROUPED_QKV) },
    [ATTN_K] = { L "attn_k.weight", H "self_attn.k_proj.weight" HEADS("key", "k", "weight"), DIM_K, DIM_EMBD,
                 .unless = T(LATENT) | T(GROUPED_QKV) },
    [ATTN_V] = { L "attn_v.weight", H "self_attn.v_proj.weight" HEADS("value", "v", "weight"), DIM_V, DIM_EMBD,
                 .unless = T(LATENT) | T(GROUPED_QKV) },
    [ATTN_Q_B] = { L "attn_q_b.weight", H "self_attn.q_b_proj.weight", DIM_QUERIES, DIM_QUERY_LATENT,
                   .trait = T(QUERY_LATENT) },
    [ATTN_K_B] = { L "attn_k_b.weight", NULL, DIM_LATENT, DIM_STILL, .trait = T(LATENT), .each = DIM_HEADS },
    [ATTN_V_B] = { L "attn_v_b.weight", NULL, DIM_HEAD_V, DIM_LATENT, .trait = T(LATENT), .each = DIM_HEADS },
    [ATTN_OUT] = { L "attn_output.weight", H "self_attn.o_proj.weight|" H "self_attn.dense.weight" ATTN_DENSE("weight"),
                   DIM_EMBD, DIM_VALUES, .trait = 0 },
    [ATTN_Q_BIAS] = { L "attn_q.bias", H "self_attn.q_proj.bias" HEADS("query", "q", "bias"), DIM_ONE, DIM_Q,
                      .trait = T(QKV_BIAS), .unless = T(GROUPED_QKV) },
    [ATTN_K_BIAS] = { L "attn_k.bias", H "self_attn.k_proj.bias" HEADS("key", "k", "bias"), DIM_ONE, DIM_K,
                      .trait = T(QKV_BIAS), .unless = T(GROUPED_QKV) },
    [ATTN_V_BIAS] = { L "attn_v.bias", H "self_attn.v_proj.bias" HEADS("value", "v", "bias"), DIM_ONE, DIM_V,
                      .trait = T(QKV_BIAS), .unless = T(GROUPED_QKV) },
    [ATTN_OUT_BIAS] = { L "attn_output.bias", H "self_attn.o_proj.bias|" H "self_attn.dense.bias" ATTN_DENSE("bias"),
                        DIM_ONE, DIM_EMBD, .trait = T(OUT_BIAS) },
    [ATTN_Q_NORM] = { L "attn_q_norm.weight", QK_NORM_HF("q", "query"), DIM_ONE, DIM_Q_NORM, .trait = T(QK_NORM),
                      .norm = true },
    [ATTN_K_NORM] = { L "attn_k_norm.weight", QK_NORM_HF("k", "key"), DIM_ONE, DIM_K_NORM, .trait = T(QK_NORM),
                      .norm = true },
    [ATTN_Q_A_NORM] = { L "attn_q_a_norm.weight", H "self_attn.q_a_layernorm.weight", DIM_ONE, DIM_QUERY_LATENT,
                        .trait = T(QUERY_LATENT), .norm = true },
    [LATENT_NORM] = { L "attn_kv_a_norm.weight", H "self_attn.kv_a_layernorm.weight", DIM_ONE, DIM_LATENT,
                      .trait = T(LATENT), .norm = true },
    [ATTN_SINKS] = { L "attn_sinks.weight", H "self_attn.sinks", DIM_ONE, DIM_HEADS, .trait = T(SINKS) },
    [ATTN_POST_NORM] = { L "post_attention_norm.weight",
                         H "post_self_attn_layernorm.weight|" H "post_attention_layernorm.weight",
                         DIM_ONE, DIM_EMBD, .trait = T(POST_NORM), .norm = true },
    [ATTN_STREAM_NORM] = { L "attn_output_norm.weight", STREAM_NORM("attention.output", "norm1", "sa", "weight"),
                           DIM_ONE, DIM_EMBD, .trait = T(STREAM_NORM), .norm = true },
    [ATTN_STREAM_NORM_BIAS] = { L "attn_output_norm.bias", STREAM_NORM("attention.output", "norm1", "sa", "bias"),
                                DIM_ONE, DIM_EMBD, .trait = T(STREAM_NORM) },
    [FFN_NORM] = { L "ffn_norm.weight|" L "post_attention_norm.weight",
                   H "pre_feedforward_layernorm.weight|" H "post_attention_layernorm.weight|" SECOND_NORM("weight"),
                   DIM_ONE, DIM_EMBD,
                   .unless = T(NO_PRE_NORM) | T(PARALLEL) | T(PLAIN_NORM), .norm = true },
    [FFN_NORM_BIAS] = { L "ffn_norm.bias", H "post_attention_layernorm.bias|" SECOND_NORM("bias"), DIM_ONE, DIM_EMBD,
                        .trait = T(NORM_BIAS), .unless = T(NO_PRE_NORM) | T(PARALLEL) },
    [FFN_GATE] = { L "ffn_gate.weight", H "mlp.gate_proj.weight|" NOMIC "mlp.fc12.weight|" GPT2 "mlp.c_fc_0.weight|"
                   H "feed_forward.w1.weight", DIM_FF, DIM_EMBD,
                   .unless = T(NO_GATE), .kind = LAYER_DENSE },
    [FFN_UP] = { L "ffn_up.weight", H "mlp.up_proj.weight|" H "mlp.c_fc.weight|" H "mlp.fc1.weight" FFN_FIRST("weight"),
                 DIM_FF, DIM_EMBD,
                 .kind = LAYER_DENSE },
    [FFN_DOWN] = { L "ffn_down.weight", H "mlp.down_proj.weight|" H "mlp.c_proj.weight|" H "mlp.fc2.weight"
                   FFN_LAST("weight"), DIM_EMBD,
                   DIM_FF, .kind = LAYER_DENSE },
    [FFN_GATE_BIAS] = { L "ffn_gate.bias", H "mlp.gate_proj.bias|" NOMIC "mlp.fc12.bias", DIM_ONE, DIM_FF,
                        .trait = T(FFN_BIAS), .unless = T(NO_GATE), .kind = LAYER_DENSE },
    [FFN_UP_BIAS] = { L "ffn_up.bias", H "mlp.up_proj.bias|" H "mlp.c_fc.bias|" H "mlp.fc1.bias" FFN_FIRST("bias"),
                      DIM_ONE, DIM_FF, .trait = T(FFN_BIAS), .kind = LAYER_DENSE },
    [FFN_DOWN_BIAS] = { L "ffn_down.bias",
                        H "mlp.down_proj.bias|" H "mlp.c_proj.bias|" H "mlp.fc2.bias" FFN_LAST("bias"),
                        DIM_ONE, DIM_EMBD, .trait = T(FFN_BIAS), .kind = LAYER_DENSE },
    [FFN_POST_NORM] = { L "post_ffw_norm.weight", H "post_mlp_layernorm.weight|" H "post_feedforward_layernorm.weight",
                        DIM_ONE, DIM_EMBD,
                        .trait = T(POST_NORM), .norm = true },
    [FFN_STREAM_NORM] = { L "layer_output_norm.weight", STREAM_NORM("output", "norm2", "output", "weight"), DIM_ONE,
                          DIM_EMBD,
                          .trait = T(STREAM_NORM), .norm = true },
    [FFN_STREAM_NORM_BIAS] = { L "layer_output_norm.bias", STREAM_NORM("output", "norm2", "output", "bias"), DIM_ONE,
                               DIM_EMBD,
                               .trait = T(STREAM_NORM) },
    [ROUTER] = { L "ffn_gate_inp.weight", H "mlp.gate.weight|"
                 H "mlp.router.weight|" MOE "gate.weight|" MOE "router.layer.weight|" H "mlp.gate.wg.weight",
                 DIM_EXPERTS, DIM_EMBD,
                 .trait = T(EXPERTS), .kind = LAYER_EXPERTS },
    [ROUTER_BIAS] = { L "ffn_gate_inp.bias", H "mlp.router.bias", DIM_ONE, DIM_EXPERTS, .trait = T(ROUTER_BIAS),
                      .kind = LAYER_EXPERTS },
    [CHOICE_BIAS] = { L "exp_probs_b.bias", CHOICE_HF, DIM_ONE, DIM_EXPERTS, .trait = T(CHOICE_BIAS),
                      .kind = LAYER_EXPERTS },
    [EXPERT_GATE] = { L "ffn_gate_exps.weight", EXPERT("gate_proj", "w1"), DIM_FF_EXPERT, DIM_EMBD,
                      .trait = T(EXPERTS), .kind = LAYER_EXPERTS, .each = DIM_EXPERTS },
    [EXPERT_UP] = { L "ffn_up_exps.weight", EXPERT("up_proj", "w3"), DIM_FF_EXPERT, DIM_EMBD, .trait = T(EXPERTS),
                    .kind = LAYER_EXPERTS, .each = DIM_EXPERTS },
    [EXPERT_DOWN] = { L "ffn_down_exps.weight", EXPERT("down_proj", "w2") "|" MOE "output_linear.weight", DIM_EMBD,
                      DIM_FF_EXPERT, .trait = T(EXPERTS), .kind = LAYER_EXPERTS, .each = DIM_EXPERTS },
    [EXPERT_GATE_BIAS] = { L "ffn_gate_exps.bias", NULL, DIM_EXPERTS, DIM_FF_EXPERT, .trait = T(EXPERT_BIAS),
                           .kind = LAYER_EXPERTS },
    [EXPERT_UP_BIAS] = { L "ffn_up_exps.bias", NULL, DIM_EXPERTS, DIM_FF_EXPERT, .trait = T(EXPERT_BIAS),
                         .kind = LAYER_EXPERTS },
    [EXPERT_DOWN_BIAS] = { L "ffn_down_exps.bias", NULL, DIM_EXPERTS, DIM_EMBD, .trait = T(EXPERT_BIAS),
                           .kind = LAYER_EXPERTS },
    [SHARED_GATE] = { L "ffn_gate_shexp.weight", SHARED_HF("gate_proj"), DIM_FF_SHARED, DIM_EMBD,
                      .trait = T(SHARED_EXPERT), .kind = LAYER_EXPERTS },
    [SHARED_UP] = { L "ffn_up_shexp.weight", SHARED_HF("up_proj"), DIM_FF_SHARED, DIM_EMBD, .trait = T(SHARED_EXPERT),
                    .kind = LAYER_EXPERTS },
    [SHARED_DOWN] = { L "ffn_down_shexp.weight", SHARED_HF("down_proj") "|" H "shared_mlp.output_linear.weight",
                      DIM_EMBD, DIM_FF_SHARED,
                      .trait = T(SHARED_EXPERT), .kind = LAYER_EXPERTS },
    [SHARED_SWITCH] = { L "ffn_gate_inp_shexp.weight", H "mlp.shared_expert_gate.weight", DIM_ONE, DIM_EMBD,
                        .trait = T(SHARED_SWITCH), .kind = LAYER_EXPERTS },
};

const struct fusion fusions[] = {
    { L "attn_qkv.weight", FUSED_HF("weight"), ATTN_Q, 3, T(FUSED_QKV) },
    { L "attn_qkv.bias", FUSED_HF("bias"), ATTN_Q_BIAS, 3, T(FUSED_QKV) | T(QKV_BIAS) },
    { L "ffn_up.weight", H "mlp.gate_up_proj.weight|" CHATGLM "mlp.dense_h_to_4h.weight|" H "mlp.Wi.weight", FFN_GATE,
      2, T(FUSED_GATE_UP) },
    { NULL, MOE "input_linear.weight", EXPERT_GATE, 2, T(EXPERTS) },
    { NULL, H "shared_mlp.input_linear.weight", SHARED_GATE, 2, T(SHARED_EXPERT) },
};
const size_t n_fusions = sizeof fusions / sizeof *fusions;
