/* rows.c - the families, and the names of their tensors in both formats. */
#include "src/arch/arch.h"

/* GGUF files of the llama family hold queries and keys permuted so that neighbouring values rotate together; the original
 * checkpoints, and GGUF files of the later families, rotate halves. */
static const struct arch rows[] = {
    { "llama", "llama", ROPE_PAIRS, ROPE_HALVES, 0, TRAIT_QKV_BIAS | TRAIT_OUT_BIAS | TRAIT_FFN_BIAS | TRAIT_ROPE_FREQS | TRAIT_OUTPUT },
    { NULL, "mistral", ROPE_PAIRS, ROPE_HALVES, 0, TRAIT_OUTPUT },
    { "qwen2", "qwen2", ROPE_HALVES, ROPE_HALVES, TRAIT_QKV_BIAS, TRAIT_OUTPUT },
    { "qwen3", "qwen3", ROPE_HALVES, ROPE_HALVES, TRAIT_QK_NORM, TRAIT_QKV_BIAS | TRAIT_OUT_BIAS | TRAIT_OUTPUT },
};

const struct arch *arch_row(size_t i)
{
    return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const struct tensor_spec model_tensors[MODEL_ROLES] = {
    [TOKEN_EMBD] = { "token_embd.weight", "model.embed_tokens.weight", DIM_VOCAB, DIM_EMBD, 0 },
    [OUTPUT_NORM] = { "output_norm.weight", "model.norm.weight", DIM_ONE, DIM_EMBD, 0 },
    [OUTPUT] = { "output.weight", "lm_head.weight", DIM_VOCAB, DIM_EMBD, TRAIT_OUTPUT },
    [ROPE_FREQS] = { "rope_freqs.weight", NULL, DIM_ONE, DIM_HALF_ROT, TRAIT_ROPE_FREQS },
};

#define HF "model.layers.%u."
const struct tensor_spec layer_tensors[LAYER_ROLES] = {
    [ATTN_NORM] = { "blk.%u.attn_norm.weight", HF "input_layernorm.weight", DIM_ONE, DIM_EMBD, 0 },
    [ATTN_Q] = { "blk.%u.attn_q.weight", HF "self_attn.q_proj.weight", DIM_Q, DIM_EMBD, 0 },
    [ATTN_K] = { "blk.%u.attn_k.weight", HF "self_attn.k_proj.weight", DIM_K, DIM_EMBD, 0 },
    [ATTN_V] = { "blk.%u.attn_v.weight", HF "self_attn.v_proj.weight", DIM_V, DIM_EMBD, 0 },
    [ATTN_OUT] = { "blk.%u.attn_output.weight", HF "self_attn.o_proj.weight", DIM_EMBD, DIM_OUT, 0 },
    [ATTN_Q_BIAS] = { "blk.%u.attn_q.bias", HF "self_attn.q_proj.bias", DIM_ONE, DIM_Q, TRAIT_QKV_BIAS },
    [ATTN_K_BIAS] = { "blk.%u.attn_k.bias", HF "self_attn.k_proj.bias", DIM_ONE, DIM_K, TRAIT_QKV_BIAS },
    [ATTN_V_BIAS] = { "blk.%u.attn_v.bias", HF "self_attn.v_proj.bias", DIM_ONE, DIM_V, TRAIT_QKV_BIAS },
    [ATTN_OUT_BIAS] = { "blk.%u.attn_output.bias", HF "self_attn.o_proj.bias", DIM_ONE, DIM_EMBD, TRAIT_OUT_BIAS },
    [ATTN_Q_NORM] = { "blk.%u.attn_q_norm.weight", HF "self_attn.q_norm.weight", DIM_ONE, DIM_HEAD, TRAIT_QK_NORM },
    [ATTN_K_NORM] = { "blk.%u.attn_k_norm.weight", HF "self_attn.k_norm.weight", DIM_ONE, DIM_HEAD, TRAIT_QK_NORM },
    [FFN_NORM] = { "blk.%u.ffn_norm.weight", HF "post_attention_layernorm.weight", DIM_ONE, DIM_EMBD, 0 },
    [FFN_GATE] = { "blk.%u.ffn_gate.weight", HF "mlp.gate_proj.weight", DIM_FF, DIM_EMBD, 0 },
    [FFN_UP] = { "blk.%u.ffn_up.weight", HF "mlp.up_proj.weight", DIM_FF, DIM_EMBD, 0 },
    [FFN_DOWN] = { "blk.%u.ffn_down.weight", HF "mlp.down_proj.weight", DIM_EMBD, DIM_FF, 0 },
    [FFN_GATE_BIAS] = { "blk.%u.ffn_gate.bias", HF "mlp.gate_proj.bias", DIM_ONE, DIM_FF, TRAIT_FFN_BIAS },
    [FFN_UP_BIAS] = { "blk.%u.ffn_up.bias", HF "mlp.up_proj.bias", DIM_ONE, DIM_FF, TRAIT_FFN_BIAS },
    [FFN_DOWN_BIAS] = { "blk.%u.ffn_down.bias", HF "mlp.down_proj.bias", DIM_ONE, DIM_EMBD, TRAIT_FFN_BIAS },
};
#undef HF
