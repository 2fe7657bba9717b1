#!/usr/bin/env python3
"""Write the tiny models of families that transformers does not have, computed here in float64 as their makers say.

    python3 tests/data/tiny/make_families.py [CASE ...]

The files are those of make.py. Models are first made of matrices by role; a case says what the checkpoint calls and packs
them, and what differs from llama in its makers' own description. Needs numpy and gguf. Seeded: running it again changes
nothing.
"""
import json
import pathlib
import shutil
import struct
import sys
import types

import gguf
import numpy as np

HERE = pathlib.Path(__file__).parent
N_IDS, N_GREEDY, VOCABULARY, LAYERS = 18, 8, 96, 2
LLAMA = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=VOCABULARY, max_position_embeddings=64, rms_norm_eps=1e-3, rope_theta=10000.0, hidden_act="silu",
             tie_word_embeddings=False)
GPT = dict(n_embd=32, n_inner=48, n_layer=LAYERS, n_head=4, vocab_size=VOCABULARY, n_positions=64, layer_norm_epsilon=1e-3)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)


# ---- What a model computes ----

def rms_norm(x, w, m):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + m.eps) * w


def layer_norm(x, w, b, m):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + m.eps) * w + b


def norm(x, layer, role, m):
    return layer_norm(x, layer[role], layer[role + ".bias"], m) if m.layer_norm else rms_norm(x, layer[role], m)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def linear(x, layer, role):
    return x @ layer[role].T + layer.get(role + ".bias", 0)


def frequencies(m):
    f = m.base ** (-np.arange(0, m.n_rot, 2) / m.n_rot)
    f[m.still] = 0
    return f / llama3_divisors(m) if m.llama3 else f


def llama3_divisors(m):
    """Long waves are stretched by the factor, short ones stay, those between are blended."""
    s = m.llama3
    turns = s["original_max_position_embeddings"] * m.base ** (-np.arange(0, m.n_rot, 2) / m.n_rot) / (2 * np.pi)
    keep = np.clip((turns - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"]), 0, 1)
    return 1 / ((1 - keep) / s["factor"] + keep)


def rotate(x, m):
    """x (tokens, heads, width): values i and i + n_rot / 2 turn together, or with pairs 2i and 2i + 1."""
    angle = np.arange(len(x))[:, None, None] * frequencies(m)
    a, b = (x[..., 0:m.n_rot:2], x[..., 1:m.n_rot:2]) if m.pairs else (x[..., :m.n_rot // 2], x[..., m.n_rot // 2:m.n_rot])
    turned = a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)
    first = np.stack(turned, -1).reshape(*x.shape[:-1], m.n_rot) if m.pairs else np.concatenate(turned, -1)
    return np.concatenate([first, x[..., m.n_rot:]], -1)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(x, layer, m):
    q, k, v = (linear(x, layer, r).reshape(len(x), -1, m.head) for r in ("q", "k", "v"))
    if "q_norm" in layer:
        q, k = rms_norm(q, layer["q_norm"], m), rms_norm(k, layer["k_norm"], m)
    q, k = (rotate(q, m), rotate(k, m)) if m.n_rot else (q, k)
    k, v = (np.repeat(t, m.n_head // m.n_head_kv, 1) for t in (k, v))
    scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(m.head)
    scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
    return linear(np.einsum("hij,jhd->ihd", softmax(scores), v).reshape(len(x), -1), layer, "o")


def network(x, layer, m, prefix=""):
    up = linear(x, layer, prefix + "up")
    return linear(m.act(linear(x, layer, prefix + "gate")) * up if prefix + "gate" in layer else m.act(up), layer,
                  prefix + "down")


def experts(x, layer, m):
    """Soft-max scores, or sigmoid ones whose best are sought with a bias, in the groups whose two best sum highest."""
    logits = linear(x, layer, "router")
    scores = 1 / (1 + np.exp(-logits)) if m.sigmoid else softmax(logits)
    choice = scores + layer.get("choice", 0)
    if m.n_group:
        groups = choice.reshape(len(x), m.n_group, -1)
        best = np.argsort(-np.sort(groups, -1)[..., -2:].sum(-1), -1)[:, :m.n_group_used]
        kept = (best[:, :, None] == np.arange(m.n_group)).any(1)
        choice = np.where(np.repeat(kept, groups.shape[-1], 1), choice, -np.inf)
    out = network(x, layer, m, "shared.")
    for t, token in enumerate(x):
        chosen = np.argsort(-choice[t])[:m.n_used]
        weights = scores[t, chosen] / scores[t, chosen].sum() * m.expert_scale
        for e, weight in zip(chosen, weights):
            out[t] += weight * network(token, layer, m, f"expert{e}.")
    return out


def logits(ids, model, m):
    x = model["embd"][ids] * m.embd_scale
    if "positions" in model:
        x = x + model["positions"][:len(ids)]
    for layer in model["layers"]:
        x = x + m.residual_scale * attention(norm(x, layer, "norm1", m), layer, m)
        y = norm(x, layer, "norm2", m)
        x = x + m.residual_scale * (experts if "router" in layer else network)(y, layer, m)
    return norm(x, model, "norm", m) / m.logit_divisor @ model.get("output", model["embd"]).T


# ---- Checkpoints: what each role is called, and which stand together ----

def grouped(q, k, v, m):
    """Of each KV head its queries, key and value."""
    parts = [t.reshape(m.n_head_kv, -1, m.head, *t.shape[1:]) for t in (q, k, v)]
    return np.concatenate(parts, 1).reshape(-1, *q.shape[1:])


def packed(layer, roles, name, join=lambda parts: np.concatenate(parts)):
    out = {name + ".weight": join([layer.pop(r) for r in roles])}
    if roles[0] + ".bias" in layer:
        out[name + ".bias"] = join([layer.pop(r + ".bias") for r in roles])
    return out


def checkpoint(model, case, m):
    out = {}
    for role in ("embd", "norm", "norm.bias", "output", "positions"):
        if role in model:
            stem, kind = (role[:-5], "bias") if role.endswith(".bias") else (role, "weight")
            out[f"{case['names'][stem]}.{kind}"] = model[role]
    for i, layer in enumerate(model["layers"]):
        layer, prefix = dict(layer), case["names"]["layers"] + f".{i}."
        own = {}
        if "qkv" in case["names"]:
            join = (lambda p: grouped(*p, m)) if case.get("grouped") else np.concatenate
            own.update(packed(layer, ["q", "k", "v"], case["names"]["qkv"], join))
        if "gate_up" in case["names"]:
            own.update(packed(layer, ["gate", "up"], case["names"]["gate_up"]))
        for role, data in layer.items():
            stem, kind = (role[:-5], "bias") if role.endswith(".bias") else (role, "weight")
            if stem == "choice":
                own[case["names"][stem]] = data
            elif "." in stem:  # an expert
                which, part = stem.split(".")
                which = "shared_experts" if which == "shared" else "experts." + which.removeprefix("expert")
                own[f"mlp.{which}.{part}_proj.{kind}"] = data
            else:
                own[f"{case['names'][stem]}.{kind}"] = data
        out.update({prefix + name: data for name, data in own.items()})
    return out


def write_safetensors(path, weights):
    """All weights are bfloat16 numbers: the upper halves of floats."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, data in weights.items():
        header[name] = dict(dtype="BF16", shape=list(data.shape), data_offsets=[at, at + 2 * data.size])
        at += 2 * data.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for data in weights.values():
            f.write((np.ascontiguousarray(data, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes())


# ---- GGUF ----

NAMES = {"embd": "token_embd", "norm": "output_norm", "output": "output", "positions": "position_embd", "norm1": "attn_norm",
         "norm2": "ffn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "q_norm": "attn_q_norm",
         "k_norm": "attn_k_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down", "router": "ffn_gate_inp",
         "choice": "exp_probs_b", "shared.gate": "ffn_gate_shexp", "shared.up": "ffn_up_shexp", "shared.down": "ffn_down_shexp"}


def interleave(w, n_head):
    """The order that makes neighbours of what rotates together: halves of each head zipped."""
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def add(w, prefix, role, data):
    stem, kind = (role[:-5], "bias") if role.endswith(".bias") else (role, "bias" if role == "choice" else "weight")
    w.add_tensor(f"{prefix}{NAMES[stem]}.{kind}", np.ascontiguousarray(data, np.float32))


def add_layer(w, i, layer, case, m):
    layer, prefix = dict(layer), f"blk.{i}."
    for role in list(layer):
        if case["turned"] and role.split(".")[0] in "qk":
            layer[role] = interleave(layer[role], m.n_head if role[0] == "q" else m.n_head_kv)
    fused = [("attn_qkv", "qkv", ["q", "k", "v"])] if "qkv" in case["names"] and not case["turned"] else []
    for name, _, roles in fused + [("ffn_up", "gate_up", ["gate", "up"])] * ("gate_up" in case["names"]):
        for full, data in packed(layer, roles, prefix + name).items():
            w.add_tensor(full, np.ascontiguousarray(data, np.float32))
    for part in ("gate", "up", "down"):
        own = [layer.pop(f"expert{e}.{part}") for e in range(m.n_expert) if "router" in layer]
        if own:
            w.add_tensor(f"{prefix}ffn_{part}_exps.weight", np.stack(own).astype(np.float32))
    for role, data in layer.items():
        add(w, prefix, role, data)


def write_gguf(path, model, case, m, numbers):
    w, arch = gguf.GGUFWriter(path, case["arch"]), case["arch"]
    w.add_context_length(64)
    w.add_embedding_length(m.width)
    w.add_block_count(m.n_layer)
    w.add_feed_forward_length(m.n_ff)
    w.add_head_count(m.n_head)
    w.add_head_count_kv(m.n_head_kv)
    (w.add_layer_norm_eps if m.layer_norm else w.add_layer_norm_rms_eps)(m.eps)
    if m.n_rot:
        w.add_rope_dimension_count(m.n_rot)
        w.add_rope_freq_base(m.base)
    for key, value in numbers.items():
        add_number = {bool: w.add_bool, int: w.add_uint32, float: w.add_float32, list: w.add_array}[type(value)]
        add_number(f"{arch}.{key}", value)
    for role in ("embd", "norm", "norm.bias", "output", "positions"):
        if role in model:
            add(w, "", role, model[role])
    if m.llama3:
        w.add_tensor("rope_freqs.weight", llama3_divisors(m).astype(np.float32))
    for i, layer in enumerate(model["layers"]):
        add_layer(w, i, layer, case, m)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# ---- Families ----

HF = {"embd": "model.embed_tokens", "norm": "model.norm", "output": "lm_head", "layers": "model.layers",
      "norm1": "input_layernorm", "norm2": "post_attention_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
      "v": "self_attn.v_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
LING = {**HF, "embd": "model.word_embeddings", "qkv": "attention.query_key_value", "o": "attention.dense",
        "q_norm": "attention.query_layernorm", "k_norm": "attention.key_layernorm", "router": "mlp.gate",
        "choice": "mlp.gate.expert_bias"}
INTERNLM2 = {**HF, "embd": "model.tok_embeddings", "output": "output", "norm1": "attention_norm", "norm2": "ffn_norm",
             "qkv": "attention.wqkv", "o": "attention.wo", "gate": "feed_forward.w1", "up": "feed_forward.w3",
             "down": "feed_forward.w2"}
EXAONE = {**HF, "embd": "transformer.wte", "norm": "transformer.ln_f", "layers": "transformer.h", "norm1": "ln_1",
          "norm2": "ln_2", "q": "attn.attention.q_proj", "k": "attn.attention.k_proj", "v": "attn.attention.v_proj",
          "o": "attn.attention.out_proj", "gate": "mlp.c_fc_0", "up": "mlp.c_fc_1", "down": "mlp.c_proj"}
CHATGLM = {"embd": "transformer.embedding.word_embeddings", "norm": "transformer.encoder.final_layernorm",
           "output": "transformer.output_layer", "layers": "transformer.encoder.layers", "norm1": "input_layernorm",
           "norm2": "post_attention_layernorm", "qkv": "self_attention.query_key_value", "o": "self_attention.dense",
           "gate_up": "mlp.dense_h_to_4h", "down": "mlp.dense_4h_to_h"}
CODESHELL = {"embd": "transformer.wte", "norm": "transformer.ln_f", "output": "lm_head", "layers": "transformer.h",
             "positions": "transformer.wpe", "norm1": "ln_1", "norm2": "ln_2", "qkv": "attn.c_attn", "o": "attn.c_proj",
             "up": "mlp.c_fc", "down": "mlp.c_proj"}
EXPERTS = dict(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=16, num_shared_experts=2, norm_topk_prob=True)
EXPERT_KEYS = {"expert_count": 6, "expert_used_count": 2, "expert_feed_forward_length": 16, "expert_shared_count": 2,
               "leading_dense_block_count": 1, "expert_weights_norm": True}
MINICPM = dict(embd_scale=12.0, residual_scale=1.4 / LAYERS ** 0.5, logit_divisor=32 / 256)

# config: what config.json has; names: of tensors; arch: GGUF's; turned: GGUF holds queries and keys interleaved, and apart;
# model: what differs from llama; keys: what GGUF says of that; older: a second file that does not say it.
CASES = {
    "minicpm": dict(config=dict(LLAMA, model_type="minicpm", scale_emb=12, scale_depth=1.4, dim_model_base=256), names=HF,
                    arch="minicpm", turned=True, model=MINICPM, older=True,
                    keys={"embedding_scale": 12.0, "residual_scale": 1.4 / LAYERS ** 0.5, "logit_scale": 32 / 256}),
    "internlm2": dict(config=dict(LLAMA, model_type="internlm2", bias=True), names=INTERNLM2, arch="internlm2", turned=True,
                      grouped=True, model=dict(biases={"q", "k", "v", "o"})),
    "exaone": dict(config={**{k: v for k, v in LLAMA.items() if k not in ("num_hidden_layers", "rms_norm_eps", "hidden_act")},
                           "model_type": "exaone", "num_layers": LAYERS, "layer_norm_epsilon": 1e-3,
                           "activation_function": "silu", "rope_scaling": LLAMA3}, names=EXAONE, arch="exaone", turned=False,
                   model=dict(llama3=LLAMA3)),
    "bailingmoe": dict(names=LING, arch="bailingmoe", turned=True,
                       model=dict(n_expert=6, n_used=2, dense=1, shared=32), keys=EXPERT_KEYS),
    "bailingmoe2": dict(names=LING, arch="bailingmoe2", turned=False,
                        model=dict(n_expert=6, n_used=2, dense=1, shared=16, sigmoid=True, n_group=3, n_group_used=2,
                                   expert_scale=2.5, head=16, n_rot=8, qk_norm=True),
                        keys=dict(EXPERT_KEYS, expert_gating_func=2, expert_shared_count=1, expert_weights_scale=2.5,
                                  expert_group_count=3, expert_group_used_count=2,
                                  **{"attention.key_length": 16, "attention.value_length": 16})),
    "orion": dict(config=dict(LLAMA, model_type="orion"), names=HF, arch="orion", turned=False, model=dict(layer_norm=True)),
    "xverse": dict(config=dict(LLAMA, model_type="xverse"), names=HF, arch="xverse", turned=True, model={}),
    "baichuan": dict(config=dict(LLAMA, model_type="baichuan", architectures=["BaiChuanForCausalLM"],
                                 num_key_value_heads=None),
                     names={**HF, "qkv": "self_attn.W_pack"}, arch="baichuan", turned=True, model=dict(n_head_kv=4)),
    "chatglm3": dict(config=dict(model_type="chatglm", hidden_size=32, num_layers=LAYERS, num_attention_heads=4,
                                 multi_query_attention=True, multi_query_group_num=2, kv_channels=8, ffn_hidden_size=48,
                                 seq_length=64, layernorm_epsilon=1e-3, padded_vocab_size=VOCABULARY, add_qkv_bias=True,
                                 add_bias_linear=False, rmsnorm=True, rope_ratio=2.0), names=CHATGLM, arch="chatglm",
                     turned=False, model=dict(pairs=True, n_rot=4, base=20000.0, biases={"q", "k", "v"})),
    "codeshell": dict(config=dict(GPT, model_type="codeshell", num_query_groups=2, group_query_attention=True,
                                  position_embedding_type="rope", activation_function="gelu_pytorch_tanh"),
                      names=CODESHELL, arch="codeshell", turned=False,
                      model=dict(layer_norm=True, act=gelu_tanh, gate=False, biases={"q", "k", "v", "o", "up", "down"})),
    "mistral3": dict(config=dict(model_type="mistral3", architectures=["Mistral3ForConditionalGeneration"], text_config=dict(
                         LLAMA, model_type="mistral"), vision_config=dict(model_type="pixtral", hidden_size=16)),
                     names={role: "language_model." * (role in ("embd", "norm", "output", "layers")) + name
                            for role, name in HF.items()}, arch="llama", turned=True, model={},
                     others={"vision_tower.patch_conv.weight": (16, 12), "multi_modal_projector.linear_1.weight": (32, 16)}),
    "qwen2vl": dict(config=dict(LLAMA, model_type="qwen2_5_vl", architectures=["Qwen2_5_VLForConditionalGeneration"],
                                rope_scaling=dict(type="mrope", mrope_section=[1, 1, 2]), vision_config=dict(depth=1)),
                    names=HF, arch="qwen2vl", turned=False, model=dict(biases={"q", "k", "v"}),
                    keys={"rope.dimension_sections": [1, 1, 2, 0]}, others={"visual.patch_embed.proj.weight": (16, 12)}),
    "qwen3vl": dict(config=dict(model_type="qwen3_vl", architectures=["Qwen3VLForConditionalGeneration"], text_config=dict(
                        LLAMA, model_type="qwen3_vl_text", head_dim=16, rope_scaling=dict(
                            rope_type="default", mrope_interleaved=True, mrope_section=[4, 2, 2]))),
                    names={**{role: name.replace("model.", "model.language_model.") for role, name in HF.items()},
                           "q_norm": "self_attn.q_norm", "k_norm": "self_attn.k_norm"}, arch="qwen3vl", turned=False,
                    model=dict(head=16, n_rot=16, qk_norm=True),
                    keys={"rope.dimension_sections": [4, 2, 2, 0], "attention.key_length": 16, "attention.value_length": 16},
                    others={"model.visual.patch_embed.proj.weight": (16, 12)}),
    # As published: what llama.cpp takes for granted of a family, since all its models have it. Without GGUF files.
    "internlm2-7b": dict(config=dict(LLAMA, model_type="internlm2", bias=False), names=INTERNLM2, grouped=True),
    "ling-lite": dict(names=LING, model=dict(n_expert=6, n_used=2, shared=32),
                      config=dict(LLAMA, **EXPERTS, model_type="bailing_moe", architectures=["BailingMoeForCausalLM"],
                                  first_k_dense_replace=0, use_qkv_bias=False, use_bias=False, norm_head=False)),
    "ling-mini-2": dict(names=LING, model=dict(n_expert=6, n_used=2, dense=1, shared=16, sigmoid=True, n_group=3,
                                               n_group_used=2, expert_scale=2.5, n_rot=4, qk_norm=True)),
    "baichuan-7b": dict(config=dict(LLAMA, model_type="baichuan", architectures=["BaiChuanForCausalLM"], hidden_size=16,
                                    intermediate_size=16, num_hidden_layers=32, num_attention_heads=2,
                                    num_key_value_heads=None),
                        names={**HF, "qkv": "self_attn.W_pack"},
                        model=dict(width=16, n_ff=16, n_layer=32, n_head=2, n_head_kv=2)),
    "qwen2vl-2b": dict(config=dict(LLAMA, model_type="qwen2_vl", architectures=["Qwen2VLForConditionalGeneration"],
                                   rms_norm_eps=1e-6, rope_scaling=dict(type="mrope", mrope_section=[1, 1, 2]),
                                   vision_config=dict(depth=1)),
                       names=HF, model=dict(biases={"q", "k", "v"}, eps=1e-6)),
    # New cases come last, as the seeds are counted.
}
CASES["bailingmoe"]["config"] = dict(LLAMA, **EXPERTS, model_type="bailing_moe", architectures=["BailingMoeForCausalLM"],
                                     first_k_dense_replace=1, use_qkv_bias=False, use_bias=False, norm_head=False)
CASES["bailingmoe2"]["config"] = dict(
    LLAMA, **dict(EXPERTS, num_shared_experts=1), model_type="bailing_moe", architectures=["BailingMoeV2ForCausalLM"],
    first_k_dense_replace=1, n_group=3,
    topk_group=2, routed_scaling_factor=2.5, head_dim=16, partial_rotary_factor=0.5, use_qk_norm=True, score_function="sigmoid",
    moe_router_enable_expert_bias=True, num_nextn_predict_layers=0)
CASES["ling-mini-2"]["config"] = dict(CASES["bailingmoe2"]["config"], head_dim=8)
USUAL = dict(width=32, n_ff=48, n_layer=LAYERS, n_head=4, n_head_kv=2, head=8, n_rot=8, base=10000.0, eps=1e-3,
             pairs=False, still=[], llama3=None, layer_norm=False, act=silu, gate=True, biases=set(), embd_scale=1.0,
             residual_scale=1.0, logit_divisor=1.0, n_expert=0, n_used=0, dense=0, shared=0, sigmoid=False, n_group=0,
             n_group_used=0, expert_scale=1.0, qk_norm=False)  # still: pairs that do not turn


def bfloat16(x):
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32).astype(np.float64)


def random_model(m, rng):
    """Weights that show in the logits when they are misread: norms and biases are no ones and zeros."""
    gain = 1.5 if m.n_layer < 8 else 0.5  # through many layers, rounding would grow

    def matrix(rows, cols):
        return bfloat16(rng.standard_normal((rows, cols)) * gain / cols ** 0.5)

    def add_norm(to, role, n=m.width):
        to[role] = bfloat16(1 + 0.3 * rng.standard_normal(n))
        if m.layer_norm:
            to[role + ".bias"] = bfloat16(0.3 * rng.standard_normal(n))

    def add_network(to, prefix, n):
        for part in ("gate", "up", "down")[not m.gate:]:
            to[prefix + part] = matrix(m.width, n) if part == "down" else matrix(n, m.width)

    model = {"embd": matrix(VOCABULARY, m.width), "output": matrix(VOCABULARY, m.width), "layers": []}
    add_norm(model, "norm")
    for i in range(m.n_layer):
        layer, n_heads = {}, m.n_head * m.head
        add_norm(layer, "norm1")
        add_norm(layer, "norm2")
        layer["q"], layer["o"] = matrix(n_heads, m.width), matrix(m.width, n_heads)
        layer["k"], layer["v"] = matrix(m.n_head_kv * m.head, m.width), matrix(m.n_head_kv * m.head, m.width)
        if m.qk_norm:
            add_norm(layer, "q_norm", m.head)
            add_norm(layer, "k_norm", m.head)
        if not m.n_expert or i < m.dense:
            add_network(layer, "", m.n_ff)
        else:
            layer["router"] = matrix(m.n_expert, m.width)
            if m.sigmoid:
                layer["choice"] = bfloat16(0.3 * rng.standard_normal(m.n_expert))
            add_network(layer, "shared.", m.shared)
            for e in range(m.n_expert):
                add_network(layer, f"expert{e}.", 16)
        for role in m.biases:
            layer[role + ".bias"] = bfloat16(0.3 * rng.standard_normal(len(layer[role])))
        model["layers"].append(layer)
    return model


def seed_of(name):
    return 3000 + list(CASES).index(name)


def make(name):
    case, folder = CASES[name], HERE / name
    m = types.SimpleNamespace(**{**USUAL, **case.get("model", {})})
    m.biases = sorted(m.biases)
    rng = np.random.default_rng(seed_of(name))
    model = random_model(m, rng)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = {k: v for k, v in case["config"].items() if v is not None}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = checkpoint(model, case, m)
    weights.update({name: np.zeros(shape) for name, shape in case.get("others", {}).items()})  # of what is no text
    write_safetensors(folder / "model.safetensors", weights)
    ids, greedy = rng.integers(0, VOCABULARY, N_IDS).tolist(), []
    out = logits(np.array(ids), model, m)
    for _ in range(N_GREEDY):
        greedy.append(int(logits(np.array(ids + greedy), model, m)[-1].argmax()))
    np.save(folder / "logits.npy", out.astype(np.float32))
    (folder / "ids.json").write_text(json.dumps(ids) + "\n")
    (folder / "greedy.json").write_text(json.dumps(greedy) + "\n")
    if "arch" in case:
        write_gguf(folder / "model.gguf", model, case, m, case.get("keys", {}))
    if case.get("older"):
        write_gguf(folder / "older.gguf", model, case, m, {})
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes, std {out.std():.3f}")


if __name__ == "__main__":
    for case in CASES:
        if case in sys.argv[1:] or len(sys.argv) == 1:
            make(case)
