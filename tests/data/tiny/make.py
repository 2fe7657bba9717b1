#!/usr/bin/env python3
"""Write the tiny models of this folder: random weights, and what transformers computes with them in float64.

    python3 tests/data/tiny/make.py [CASE ...]

One folder per case: config.json and model.safetensors as Hugging Face has them, model.gguf with the same weights,
ids.json (the input), logits.npy (float32, of every position), greedy.json (the ids that greedy decoding appends).
Needs torch, transformers, safetensors, gguf (requirements.txt). Seeded: running it again changes nothing.
"""
import copy
import json
import pathlib
import re
import shutil
import sys

import gguf
import numpy as np
import safetensors.torch
import torch
import transformers

HERE = pathlib.Path(__file__).parent
N_IDS, N_GREEDY = 18, 8

COMMON = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              vocab_size=96, max_position_embeddings=64, rms_norm_eps=1e-3)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32, rope_theta=10000.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0)

LONGROPE = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[1.0, 1.5, 2.5, 4.0],
                original_max_position_embeddings=16)
GPT_OSS = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=32.0, beta_slow=1.0,
               truncate=False, rope_theta=10000.0)
EXPERTS = dict(num_experts_per_tok=2, moe_intermediate_size=16)
LATENT = dict(kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=12, num_key_value_heads=4,
              rms_norm_eps=1e-6)
MLA = dict(EXPERTS, **LATENT, first_k_dense_replace=1, routed_scaling_factor=1.5)
DEEP = dict(hidden_size=16, intermediate_size=16, num_attention_heads=2, num_key_value_heads=1)
T = transformers

# name: (configuration class, its own settings, GGUF architecture or None, queries and keys permuted in GGUF)
CASES = {
    "llama": (T.LlamaConfig, dict(attention_bias=True, mlp_bias=True), "llama", True),
    "llama3": (T.LlamaConfig, dict(rope_parameters=LLAMA3, tie_word_embeddings=True), "llama", True),
    "llama-yarn": (T.LlamaConfig, dict(rope_parameters=YARN), "llama", True),
    "mistral": (T.MistralConfig, dict(sliding_window=5, head_dim=8), None, False),
    "qwen2": (T.Qwen2Config, dict(), "qwen2", False),
    "qwen3": (T.Qwen3Config, dict(head_dim=16), "qwen3", False),
    "mixtral": (T.MixtralConfig, dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=24), "llama", True),
    "qwen2moe": (T.Qwen2MoeConfig, dict(EXPERTS, num_experts=4, shared_expert_intermediate_size=24), "qwen2moe", False),
    "qwen3moe": (T.Qwen3MoeConfig, dict(EXPERTS, num_experts=6, norm_topk_prob=True, head_dim=16, num_experts_per_tok=3,
                                        mlp_only_layers=[0]), "qwen3moe", False),
    "olmoe": (T.OlmoeConfig, dict(num_experts=4, num_experts_per_tok=2, intermediate_size=16), "olmoe", False),
    "phi3": (T.Phi3Config, dict(rope_parameters=LONGROPE, pad_token_id=0, original_max_position_embeddings=16), "phi3",
             False),
    "phimoe": (T.PhimoeConfig, dict(num_local_experts=4, intermediate_size=24, attention_bias=True, lm_head_bias=True),
               "phimoe", False),
    "gemma": (T.GemmaConfig, dict(head_dim=16), "gemma", False),
    "gemma2": (T.Gemma2Config, dict(head_dim=16, sliding_window=5, query_pre_attn_scalar=12, attn_logit_softcapping=3.0,
                                    final_logit_softcapping=2.0), "gemma2", False),
    "gemma3": (T.Gemma3TextConfig, dict(head_dim=16, sliding_window=5, query_pre_attn_scalar=16, num_hidden_layers=6),
               "gemma3", False),
    "gpt-oss": (T.GptOssConfig, dict(num_local_experts=4, num_experts_per_tok=2, head_dim=16, sliding_window=5,
                                     intermediate_size=16, rope_parameters=GPT_OSS), "gpt-oss", False),
    "granite": (T.GraniteConfig, dict(attention_multiplier=0.2, embedding_multiplier=3.5, logits_scaling=0.6,
                                      residual_multiplier=0.4), "granite", True),
    "granitemoe": (T.GraniteMoeConfig, dict(attention_multiplier=0.2, embedding_multiplier=3.5, logits_scaling=0.6,
                                            residual_multiplier=0.4, num_local_experts=4, num_experts_per_tok=2,
                                            intermediate_size=16), "granitemoe", True),
    "olmo2": (T.Olmo2Config, dict(), "olmo2", False),
    "stablelm": (T.StableLmConfig, dict(layer_norm_eps=1e-3, use_qkv_bias=True, partial_rotary_factor=0.5), "stablelm", False),
    "starcoder2": (T.Starcoder2Config, dict(norm_epsilon=1e-3, use_bias=True), "starcoder2", False),
    "command-r": (T.CohereConfig, dict(layer_norm_eps=1e-3, logit_scale=0.25), "command-r", False),
    "deepseek": (T.Qwen2MoeConfig, dict(EXPERTS, num_experts=4, shared_expert_intermediate_size=32, mlp_only_layers=[0]),
                 "deepseek", True),
    "smollm3": (T.SmolLM3Config, dict(num_hidden_layers=4, pad_token_id=0), "smollm3", True),
    "gpt-oss-mxfp4": (T.GptOssConfig, dict(num_local_experts=4, num_experts_per_tok=2, head_dim=16, sliding_window=5,
                                           intermediate_size=32, rope_parameters=GPT_OSS), "gpt-oss", False),
    "phi2": (T.PhiConfig, dict(layer_norm_eps=1e-3, num_key_value_heads=4,
                               rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5)),
             "phi2", False),
    "cohere2": (T.Cohere2Config, dict(layer_norm_eps=1e-3, logit_scale=0.25, sliding_window=5, head_dim=8, num_hidden_layers=4),
                "cohere2", False),
    "glm4moe": (T.Glm4MoeConfig, dict(EXPERTS, n_routed_experts=6, n_group=3, topk_group=2, routed_scaling_factor=1.5,
                                      attention_bias=True, use_qk_norm=True, head_dim=8, first_k_dense_replace=1),
                "glm4moe", False),
    "dots1": (T.Dots1Config, dict(EXPERTS, n_routed_experts=4, n_shared_experts=2, norm_topk_prob=True, sliding_window=None,
                                  first_k_dense_replace=1, routed_scaling_factor=1.5, head_dim=8), "dots1", False),
    "ernie4_5": (T.Ernie4_5Config, dict(head_dim=8), "ernie4_5", False),
    "ernie4_5-moe": (T.Ernie4_5_MoeConfig, dict(moe_intermediate_size=16, moe_num_experts=4, moe_k=2, moe_layer_start_index=1,
                                                moe_layer_end_index=1), "ernie4_5-moe", False),
    "seed_oss": (T.SeedOssConfig, dict(head_dim=16), "seed_oss", False),
    "minimax-m2": (T.MiniMaxM2Config, dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=16, head_dim=8),
                   "minimax-m2", False),
    "deepseek2": (T.DeepseekV2Config, dict(MLA, n_routed_experts=4, n_shared_experts=2, q_lora_rank=None, topk_method="greedy",
                                           rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707)), "deepseek2", False),
    "deepseek3": (T.DeepseekV3Config, dict(MLA, n_routed_experts=6, n_shared_experts=1, q_lora_rank=20, n_group=3, topk_group=2,
                                           rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0)), "deepseek2", False),
    "gptneox": (T.GPTNeoXConfig, dict(layer_norm_eps=1e-3, num_key_value_heads=4, rotary_pct=0.5), "gptneox", False),
    "falcon": (T.FalconConfig, dict(layer_norm_epsilon=1e-3, bias=True, ffn_hidden_size=48), "falcon", False),
    "falcon-new": (T.FalconConfig, dict(layer_norm_epsilon=1e-3, new_decoder_architecture=True, num_kv_heads=2,
                                        ffn_hidden_size=48), "falcon", False),
    "olmo3": (T.Olmo3Config, dict(sliding_window=5, num_hidden_layers=4, rope_parameters=dict(
        full_attention=YARN, sliding_attention=dict(rope_type="default", rope_theta=10000.0))), "olmo2", False),
    "exaone4": (T.Exaone4Config, dict(sliding_window=5, num_hidden_layers=4), "exaone4", False),
    "exaone4-plain": (T.Exaone4Config, dict(sliding_window=None, layer_types=["full_attention"] * 2, rope_parameters=LLAMA3, tie_word_embeddings=True), "exaone4", False),
    "internlm3": (T.InternLM3Config, dict(qkv_bias=True, bias=True, head_dim=8), "llama", True),
    "glm": (T.GlmConfig, dict(head_dim=16, attention_bias=True, pad_token_id=0), "chatglm", False),
    "glm4": (T.Glm4Config, dict(head_dim=16, attention_bias=True, pad_token_id=0), "glm4", False),
    "glm4moelite": (T.Glm4MoeLiteConfig, dict(MLA, n_routed_experts=4, n_shared_experts=1, q_lora_rank=20, n_group=1, topk_group=1,
                                              mlp_layer_types=["dense", "sparse"]), "deepseek2", False),
    "youtu": (T.YoutuConfig, dict(LATENT, q_lora_rank=20), "deepseek2", False),
    "kimi-k2": (T.DeepseekV3Config, dict(MLA, n_routed_experts=4, n_shared_experts=1, q_lora_rank=20, n_group=1, topk_group=1,
                                         rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0)), "deepseek2", False),
    "gptneox-fast": (T.GPTNeoXConfig, dict(layer_norm_eps=1e-3, num_key_value_heads=4, hidden_act="gelu_fast"), "gptneox", False),
    "hunyuan-dense": (T.HunYuanDenseV1Config, dict(head_dim=16), "hunyuan-dense", False),
    "hunyuan-moe": (T.HunYuanMoEV1Config, dict(num_experts=4, moe_topk=2, intermediate_size=24, head_dim=16), "hunyuan-moe", False),
    "granitemoeshared": (T.GraniteMoeSharedConfig, dict(
        attention_multiplier=0.2, embedding_multiplier=3.5, logits_scaling=0.6, residual_multiplier=0.4, num_local_experts=4,
        num_experts_per_tok=2, intermediate_size=16, shared_intermediate_size=24), "granitemoe", True),
    "arcee": (T.ArceeConfig, dict(), "arcee", True),
    "nemotron": (T.NemotronConfig, dict(norm_eps=1e-3, mlp_bias=True, rope_parameters=dict(
        rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)), "nemotron", False),
    "jais2": (T.Jais2Config, dict(layer_norm_eps=1e-3), "jais2", False),
    "helium": (T.HeliumConfig, dict(head_dim=8, tie_word_embeddings=False), "llama", False),
    "olmo": (T.OlmoConfig, dict(), "olmo", True),
    "ministral3": (T.Ministral3Config, dict(head_dim=8, rope_parameters=dict(
        YARN, original_max_position_embeddings=6, llama_4_scaling_beta=0.5, mscale=1.0, mscale_all_dim=1.0)), "mistral3", True),
    "solar_open": (T.SolarOpenConfig, dict(EXPERTS, n_routed_experts=4, n_shared_experts=1, head_dim=16, routed_scaling_factor=1.5),
                   "glm4moe", False),
    "iquestcoder": (T.IQuestCoderConfig, dict(head_dim=8), "llama", True),
    "exaone-moe": (T.ExaoneMoeConfig, dict(EXPERTS, num_experts=4, num_shared_experts=1, sliding_window=5, num_hidden_layers=4,
                                           first_k_dense_replace=1, routed_scaling_factor=1.5), "exaone-moe", False),
    # As published: what llama.cpp takes for granted of a family, since all its models have it. Without GGUF files.
    "olmoe-7b": (T.OlmoeConfig, dict(num_experts=4, num_experts_per_tok=2, intermediate_size=16, num_key_value_heads=4),
                 None, False),
    "dots1-142b": (T.Dots1Config, dict(EXPERTS, n_routed_experts=4, n_shared_experts=2, norm_topk_prob=True,
                                       sliding_window=None, first_k_dense_replace=1, routed_scaling_factor=2.5,
                                       num_key_value_heads=4), None, False),
    "glm-9b": (T.GlmConfig, dict(head_dim=8, attention_bias=True, pad_token_id=0), None, False),
    "qwen3moe-30b": (T.Qwen3MoeConfig, dict(EXPERTS, num_experts=6, norm_topk_prob=True, head_dim=16), None, False),
    "falcon-7b": (T.FalconConfig, dict(layer_norm_epsilon=1e-3, ffn_hidden_size=48), None, False),
    "gemma2-2b": (T.Gemma2Config, dict(head_dim=16, sliding_window=5, query_pre_attn_scalar=16, num_hidden_layers=3),
                  None, False),
    "gemma2-27b": (T.Gemma2Config, dict(DEEP, head_dim=16, sliding_window=5, query_pre_attn_scalar=8,
                                        num_hidden_layers=46), None, False),
    "exaone4-32b": (T.Exaone4Config, dict(DEEP, sliding_window=5, num_hidden_layers=64, rope_parameters=LLAMA3),
                    None, False),
    "deepseek2-lite": (T.DeepseekV2Config, dict(
        {**MLA, **DEEP, "num_key_value_heads": 2, "kv_lora_rank": 8, "v_head_dim": 8, "moe_intermediate_size": 8},
        num_hidden_layers=27, n_routed_experts=4, n_shared_experts=2, q_lora_rank=None, topk_method="greedy",
        routed_scaling_factor=1.0,
        rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707)), None, False),
    "deepseek2-236b": (T.DeepseekV2Config, dict(
        {**MLA, "num_experts_per_tok": 4}, n_routed_experts=12, n_shared_experts=2, q_lora_rank=20, n_group=4,
        topk_group=2, topk_method="group_limited_greedy",
        rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707)), None, False),
    "gpt-oss-20b": (T.GptOssConfig, dict(
        num_local_experts=4, num_experts_per_tok=2, head_dim=16, sliding_window=5, intermediate_size=16,
        max_position_embeddings=131072, rope_parameters=dict(
            GPT_OSS, factor=32.0, rope_theta=150000.0, original_max_position_embeddings=4096)), None, False),
    # New cases come last, as the seeds are counted.
}

OLDER = [(r"gpt_neox\.embed_in", "model.embed_tokens"), (r"gpt_neox\.final_layer_norm", "model.norm"),
         (r"embed_out", "lm_head"), (r"transformer\.word_embeddings", "model.embed_tokens"),
         (r"transformer\.ln_f", "model.norm"), (r"gpt_neox\.layers|transformer\.h", "model.layers"),
         (r"(self_)?attention\.(query_key_value|dense)", r"self_attn.\2"), (r"dense_h_to_4h", "fc1"), (r"dense_4h_to_h", "fc2")]
NAMES = {  # Hugging Face's to GGUF's
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    "self_attn.sinks": "attn_sinks.weight", "mlp.gate": "ffn_gate_inp", "mlp.router": "ffn_gate_inp",
    "block_sparse_moe.gate": "ffn_gate_inp", "block_sparse_moe.router.layer": "ffn_gate_inp",
    "post_self_attn_layernorm": "post_attention_norm", "post_mlp_layernorm": "post_ffw_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp", "block_sparse_moe.output_linear": "ffn_down_exps",
    "self_attn.dense": "attn_output", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down", "model.final_layernorm": "output_norm",
    "experts.gate_proj": "ffn_gate_exps", "experts.up_proj": "ffn_up_exps", "experts.down_proj": "ffn_down_exps",
    "experts.w1": "ffn_gate_exps", "experts.w3": "ffn_up_exps", "experts.w2": "ffn_down_exps",
    "self_attn.query_key_value": "attn_qkv", "ln_mlp": "attn_norm", "ln_attn": "attn_norm_2", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.query_layernorm": "attn_q_norm", "self_attn.key_layernorm": "attn_k_norm", "mlp.gate.wg": "ffn_gate_inp",
    "shared_mlp.gate_proj": "ffn_gate_shexp", "shared_mlp.up_proj": "ffn_up_shexp", "shared_mlp.output_linear": "ffn_down_shexp",
    "self_attn.kv_b_proj": "attn_kv_b", "self_attn.k_b_proj": "attn_k_b", "self_attn.v_b_proj": "attn_v_b",
    **{f"mlp.{s}.{p}_proj": f"ffn_{p}_shexp" for s in ("shared_expert", "shared_experts", "shared_mlp") for p in ("gate", "up", "down")},
}
# In these, the norm after attention has its name.
POST_NORMS = {"exaone4", "gemma2", "gemma3", "olmo2", "gpt-oss", "glm4moe", "seed_oss"}


def gguf_name(name, arch):
    if "." not in name or name.startswith("model.layers.") and name.rsplit(".", 1)[1] == "sinks":
        return f"blk.{name.split('.')[2]}.attn_sinks.weight"
    for older, newer in OLDER:
        name = re.sub("^" + older if "model" in newer or "lm_head" in newer else older, newer, name)
    if name.endswith("e_score_correction_bias"):
        return f"blk.{name.split('.')[2]}.exp_probs_b.bias"
    stem, kind = name.rsplit(".", 1)
    if stem in NAMES:
        return f"{NAMES[stem]}.{kind}"
    _, _, layer, rest = stem.split(".", 3)
    if rest == "post_attention_layernorm" and arch in POST_NORMS:
        return f"blk.{layer}.post_attention_norm.{kind}"
    return f"blk.{layer}.{NAMES[rest]}.{kind}"


def stack_experts(weights):
    """One tensor for all experts where there is one for each; gate and up apart where they are one."""
    out, stacks = {}, {}
    for name, data in weights.items():
        each = re.fullmatch(r"(.*\.)(?:mlp|block_sparse_moe)\.experts\.(\d+)\.(.*)", name)
        if each:
            stacks.setdefault(each[1] + "experts." + each[3], {})[int(each[2])] = data
        elif name.endswith("block_sparse_moe.input_linear.weight"):
            gate, up = np.split(data, 2, 1)
            out[name.replace("block_sparse_moe.input_linear", "experts.gate_proj")] = gate
            out[name.replace("block_sparse_moe.input_linear", "experts.up_proj")] = up
        elif name.endswith(".shared_mlp.input_linear.weight"):
            gate, up = np.split(data, 2, 0)
            out[name.replace("input_linear", "gate_proj")], out[name.replace("input_linear", "up_proj")] = gate, up
        elif "mlp.experts." in name:  # gpt-oss: rows last, gate and up in turn
            bias = name.endswith("_bias")
            data = data if bias else data.swapaxes(1, 2)
            part, kind = name.rsplit(".", 1)[1].removesuffix("_bias"), "bias" if bias else "weight"
            prefix = name.split("mlp.experts.")[0] + "experts."
            if part == "gate_up_proj":
                out[f"{prefix}gate_proj.{kind}"], out[f"{prefix}up_proj.{kind}"] = data[:, 0::2], data[:, 1::2]
            else:
                out[f"{prefix}{part}.{kind}"] = data
        else:
            out[name] = data
    for name, parts in stacks.items():
        out[name] = np.stack([parts[i] for i in range(len(parts))])
    return out


def interleave(w, n_head):
    """The order that makes neighbours of what rotates together: halves of each head zipped."""
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def llama3_divisors(p, width):
    """What llama.cpp's converter stores as rope_freqs.weight."""
    frequency = p["rope_theta"] ** (-np.arange(0, width, 2) / width)
    turns = p["original_max_position_embeddings"] * frequency / (2 * np.pi)
    keep = np.clip((turns - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"]), 0, 1)
    return (1 / ((1 - keep) / p["factor"] + keep)).astype(np.float32)


def write_numbers(w, arch, c, apart):
    """What llama.cpp's converter writes of a configuration beyond the numbers that all have."""
    numbers = {"expert_count": ("num_local_experts", "num_experts", "moe_num_experts", "n_routed_experts"),
               "expert_used_count": ("num_experts_per_tok", "moe_k", "moe_topk"), "expert_group_count": ("n_group",),
               "expert_group_used_count": ("topk_group",), "expert_shared_count": ("n_shared_experts", "moe_num_shared_experts"),
               "leading_dense_block_count": ("first_k_dense_replace", "moe_layer_start_index"),
               "expert_feed_forward_length": ("moe_intermediate_size",),
               "expert_shared_feed_forward_length": ("shared_expert_intermediate_size", "shared_intermediate_size"),
               "attention.sliding_window": ("sliding_window",)}
    reals = {"expert_weights_scale": ("routed_scaling_factor",), "attention.scale": ("attention_multiplier",), "embedding_scale": ("embedding_multiplier",),
             "residual_scale": ("residual_multiplier",), "logit_scale": ("logits_scaling", "logit_scale"),
             "attn_logit_softcapping": ("attn_logit_softcapping",), "final_logit_softcapping": ("final_logit_softcapping",)}
    for table, add in ((numbers, w.add_uint32), (reals, w.add_float32)):
        for key, names in table.items():
            values = [getattr(c, n) for n in names if getattr(c, n, None) is not None]
            # what one group or the factor 1 say is not written
            if values and (arch in WINDOWED or key != "attention.sliding_window") and not (values[0] == 1 and ("group" in key or "_scale" in key)):
                add(f"{arch}.{key}", values[0])
    if arch == "gptneox" and c.hidden_act == "gelu_fast":
        w.add_string("gptneox.hidden_activation", "gelu_new")
    if arch == "mistral3":
        w.add_float32("mistral3.attention.temperature_scale", c.rope_parameters["llama_4_scaling_beta"])
        w.add_float32("mistral3.rope.scaling.yarn_log_multiplier", c.rope_parameters["mscale_all_dim"])
    if arch == "hunyuan-moe":
        w.add_expert_feed_forward_length(c.intermediate_size)
        w.add_expert_shared_feed_forward_length(c.intermediate_size)
    if arch == "gptneox":
        w.add_parallel_residual(c.use_parallel_residual)
    if arch == "deepseek2":
        write_latent(w, arch, c, apart)
    if arch in ("glm4moe", "minimax-m2", "dots1", "exaone-moe"):
        w.add_uint32(f"{arch}.expert_gating_func", 2)
    if arch in ("dots1", "glm4moe", "exaone-moe"):
        w.add_bool(f"{arch}.expert_weights_norm", c.norm_topk_prob)
    if arch == "ernie4_5-moe":
        w.add_interleave_moe_layer_step(c.moe_layer_interval)
    if arch == "gemma2":  # no key tells the query's scale in files of real models, whose scale follows from their layers
        w.add_float32("gemma2.attention.scale", c.query_pre_attn_scalar ** -0.5)
    if arch == "deepseek":
        w.add_uint32("deepseek.leading_dense_block_count", 1)
        w.add_uint32("deepseek.expert_shared_count", 2)


def write_latent(w, arch, c, apart):
    """Keys and values of a latent vector: either as the heads have them, as older files say it, or as a cache does."""
    w.add_kv_lora_rank(c.kv_lora_rank)
    if c.q_lora_rank:
        w.add_q_lora_rank(c.q_lora_rank)
    if apart:
        w.add_key_length_mla(c.qk_nope_head_dim + c.qk_rope_head_dim)
        w.add_value_length_mla(c.v_head_dim)
    if c.model_type in ("deepseek_v3", "glm4_moe_lite"):
        w.add_uint32(f"{arch}.expert_gating_func", 2)
        w.add_bool(f"{arch}.expert_weights_norm", c.norm_topk_prob)
    if not hasattr(c, "n_routed_experts"):
        w.add_expert_feed_forward_length(c.intermediate_size)
        w.add_expert_shared_count(0)
        w.add_leading_dense_block_count(c.num_hidden_layers)
    if c.rope_parameters["rope_type"] == "yarn":
        w.add_float32(f"{arch}.rope.scaling.yarn_log_multiplier", 0.1 * c.rope_parameters["mscale_all_dim"])


def ungroup(data, n_head, n_head_kv):
    """Queries, keys and values of all heads, from those of each KV head."""
    groups = data.reshape(n_head_kv, n_head // n_head_kv + 2, -1, *data.shape[1:])
    parts = groups[:, :-2], groups[:, -2], groups[:, -1]
    return np.concatenate([part.reshape(-1, *data.shape[1:]) for part in parts])


def split_latent(weights, c):
    """kv_b_proj apart, and the part for keys transposed."""
    out = {}
    for name, data in weights.items():
        if "kv_b_proj" not in name:
            out[name] = data
            continue
        heads = data.reshape(c.num_attention_heads, -1, c.kv_lora_rank)
        out[name.replace("kv_b", "k_b")] = heads[:, :c.qk_nope_head_dim].swapaxes(1, 2)
        out[name.replace("kv_b", "v_b")] = heads[:, c.qk_nope_head_dim:]
    return out


WINDOWED = {"olmo2", "exaone4", "exaone-moe", "gemma2", "gemma3", "gpt-oss", "cohere2"}
PLUS_ONE = {"gemma", "gemma2", "gemma3", "nemotron"}


def write_gguf(path, arch, permuted, config, weights, apart=True):
    w = gguf.GGUFWriter(path, arch)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(getattr(config, "ffn_hidden_size", config.intermediate_size))
    w.add_head_count(config.num_attention_heads)
    latent = getattr(config, "kv_lora_rank", None)  # apart: as newer files have what makes keys and values of it
    head_v = head
    if latent:
        rotates = config.qk_rope_head_dim
        head, head_v = (latent + rotates, latent) if apart else (config.qk_nope_head_dim + rotates, config.v_head_dim)
    n_head_kv = config.num_key_value_heads
    if arch == "falcon":
        n_head_kv = config.num_kv_heads if config.new_decoder_architecture else 1
    w.add_head_count_kv(1 if latent and apart else n_head_kv)
    w.add_key_length(head)
    w.add_value_length(head_v)
    if arch in ("stablelm", "starcoder2", "command-r", "phi2", "cohere2", "gptneox", "falcon", "nemotron", "jais2", "olmo"):
        w.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or getattr(config, "norm_epsilon", None) or
                             getattr(config, "norm_eps", None) or getattr(config, "layer_norm_epsilon", 1e-5))  # OLMo does not say it
    else:
        w.add_layer_norm_rms_eps(config.rms_norm_eps)
    write_numbers(w, arch, config, apart)
    rope = config.rope_parameters
    local = rope.get("sliding_attention")
    rope = rope.get("full_attention", rope)
    w.add_rope_dimension_count(rotates if latent else int(head * rope.get("partial_rotary_factor", 1)))
    w.add_rope_freq_base(rope["rope_theta"])
    if local:
        w.add_float32(f"{arch}.rope.freq_base_swa", local["rope_theta"])
    if rope["rope_type"] == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(rope, head))
    if rope["rope_type"] == "longrope":
        original = rope["original_max_position_embeddings"]
        w.add_rope_scaling_orig_ctx_len(original)
        w.add_rope_scaling_attn_factors(
            float(np.sqrt(1 + np.log(config.max_position_embeddings / original) / np.log(original))))
        for kind in ("short", "long"):
            w.add_tensor(f"rope_factors_{kind}.weight", np.array(rope[kind + "_factor"], np.float32))
    for name in [n for n in weights if n.endswith("_blocks")]:
        stem = name.removesuffix("_blocks")
        add_mxfp4(w, arch, stem, weights[name].numpy(), weights[stem + "_scales"].numpy())
    floats = {n: t.float().numpy() for n, t in weights.items() if t.dtype != torch.uint8}
    for name, data in stack_experts(split_latent(floats, config) if latent and apart else floats).items():
        if permuted and ("q_proj" in name or "k_proj" in name):
            data = interleave(data, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        if name.endswith(("e_score_correction_bias", "shared_expert_gate.weight")):
            data = data.reshape(-1)
        if "query_key_value" in name:
            data = ungroup(data, config.num_attention_heads, n_head_kv)
        if arch in PLUS_ONE and name.endswith("norm.weight"):
            data = data + 1
        w.add_tensor(gguf_name(name, arch), np.ascontiguousarray(data, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def randomise(model, generator):
    """Weights that show in the logits when they are misread: norms and biases are no ones and zeros."""
    gain = 1.5 if model.config.num_hidden_layers < 8 else 0.5  # through many layers, rounding would grow
    with torch.no_grad():
        for name, p in [*model.named_parameters(), *(b for b in model.named_buffers() if "e_score_correction" in b[0])]:
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                p.copy_((1 + 0.3 * noise).bfloat16())
            elif name.endswith("bias") or p.dim() == 1:
                p.copy_((0.3 * noise).bfloat16())
            else:
                p.copy_((noise * (gain / p.shape[-1] ** 0.5)).bfloat16())


E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def mxfp4(rows):
    """Rows of floats as codes of four bits, and an exponent for each 32 of them (OCP Microscaling Formats 1.0)."""
    blocks = rows.reshape(*rows.shape[:-1], -1, 32)
    exponent = np.ceil(np.log2(np.abs(blocks).max(-1) / 6)).astype(int)
    scaled = blocks / 2.0 ** exponent[..., None]
    codes = np.abs(np.abs(scaled)[..., None] - E2M1).argmin(-1) + 8 * (scaled < 0)
    values = E2M1[codes % 8] * np.where(codes < 8, 1, -1) * 2.0 ** exponent[..., None]
    return codes.astype(np.uint8), (exponent + 127).astype(np.uint8), values.reshape(rows.shape)


def as_mxfp4(folder, model, weights):
    """Experts as OpenAI published them: blocks and scales apart, neighbours in a byte. The model gets their values."""
    out = {}
    for name, tensor in weights.items():
        if not re.search("experts.(gate_up|down)_proj$", name):
            out[name] = tensor
            continue
        codes, scales, values = mxfp4(tensor.float().numpy().swapaxes(1, 2))
        model.get_parameter(name).data.copy_(torch.tensor(values.swapaxes(1, 2).copy()))
        out[name + "_blocks"] = torch.tensor(codes[..., 0::2] | codes[..., 1::2] << 4)
        out[name + "_scales"] = torch.tensor(scales)
    safetensors.torch.save_file(out, folder / "model.safetensors", metadata={"format": "pt"})
    return out


def add_mxfp4(w, arch, name, blocks, scales):
    """The same as blocks of GGUF: the exponent, then values i and i + 16 in a byte; gate and up in tensors of their own."""
    codes = np.stack([blocks & 15, blocks >> 4], -1).reshape(*blocks.shape[:-1], 32)
    rows = np.concatenate([scales[..., None], codes[..., :16] | codes[..., 16:] << 4], -1).reshape(*blocks.shape[:2], -1)
    prefix = gguf_name(name.split("mlp.experts.")[0] + "experts.down_proj.weight", arch).rsplit("ffn_down", 1)[0]
    parts = [("ffn_gate", rows[:, 0::2]), ("ffn_up", rows[:, 1::2])] if "gate_up" in name else [("ffn_down", rows)]
    for part, data in parts:
        w.add_tensor(f"{prefix}{part}_exps.weight", np.ascontiguousarray(data), raw_dtype=gguf.GGMLQuantizationType.MXFP4)


def as_deepseek(folder, config, model, weights):
    """DeepSeek's first mixture of experts is Qwen 2's with a shared expert that always counts in full, and transformers
    does not have it. So it computes the latter with a gate of zeros, which halves, and the files hold half the weights."""
    for layer in model.model.layers:
        if hasattr(layer.mlp, "shared_expert"):
            layer.mlp.shared_expert.down_proj.weight.data *= 2
            layer.mlp.shared_expert_gate.weight.data.zero_()
        for p in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
            p.bias.data.zero_()
    weights = {n.replace("shared_expert.", "shared_experts."): t for n, t in weights.items()
               if "shared_expert_gate" not in n and not re.search("[qkv]_proj.bias", n)}
    settings = json.loads((folder / "config.json").read_text())
    for key in ("num_experts", "shared_expert_intermediate_size", "mlp_only_layers", "decoder_sparse_step", "qkv_bias",
                "architectures", "layer_types", "use_sliding_window", "sliding_window", "max_window_layers"):
        settings.pop(key, None)
    settings.update(model_type="deepseek", n_routed_experts=config.num_experts, n_shared_experts=2, first_k_dense_replace=1)
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return weights


def make(name, seed):
    kind, settings, arch, permuted = CASES[name]
    config = kind(**{k: v for k, v in {**COMMON, **settings}.items() if (name, k) != ("olmo", "rms_norm_eps")})
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager",
                                                          experts_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    randomise(model, generator)
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)  # a copy: the angles' buffer would be rounded too
    (folder / "model.safetensors").chmod(0o644)
    (folder / "generation_config.json").unlink(missing_ok=True)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    if name == "kimi-k2":  # another name of the same thing
        text = (folder / "config.json").read_text()
        (folder / "config.json").write_text(text.replace('"deepseek_v3"', '"kimi_k2"'))
    if name == "deepseek":
        weights = as_deepseek(folder, config, model, weights)
    if name == "gpt-oss-mxfp4":
        weights = as_mxfp4(folder, model, weights)

    model = model.to(torch.float64).eval()
    ids = torch.randint(0, config.vocab_size, (1, N_IDS), generator=generator)
    with torch.no_grad():
        logits = model(ids).logits[0]
        greedy = []
        for _ in range(N_GREEDY):
            greedy.append(int(model(torch.cat([ids, torch.tensor([greedy], dtype=ids.dtype)], 1)).logits[0, -1].argmax()))
    np.save(folder / "logits.npy", logits.float().numpy())
    (folder / "ids.json").write_text(json.dumps(ids[0].tolist()) + "\n")
    (folder / "greedy.json").write_text(json.dumps(greedy) + "\n")
    if arch:
        write_gguf(folder / "model.gguf", arch, permuted, config, weights)
    if name == "deepseek2":
        write_gguf(folder / "older.gguf", arch, permuted, config, weights, apart=False)
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes, std {logits.std():.3f}")


if __name__ == "__main__":
    for i, case in enumerate(CASES):
        if case in sys.argv[1:] or len(sys.argv) == 1:
            make(case, 1000 + i)
