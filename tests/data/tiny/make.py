#!/usr/bin/env python3
"""Write the tiny models of this folder: random weights, and what transformers computes with them in float64.

    python3 tests/data/tiny/make.py

One folder per case: config.json and model.safetensors as Hugging Face has them, model.gguf with the same weights,
ids.json (the input), logits.npy (float32, of every position), greedy.json (the ids that greedy decoding appends).
Needs torch, transformers, safetensors, gguf (requirements.txt). Seeded: running it again changes nothing.
"""
import copy
import json
import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
N_IDS, N_GREEDY = 18, 8

COMMON = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              vocab_size=96, max_position_embeddings=64, rms_norm_eps=1e-3)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32, rope_theta=10000.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0)

# name: (configuration class, its own settings, GGUF architecture or None, queries and keys permuted in GGUF)
CASES = {
    "llama": (transformers.LlamaConfig, dict(attention_bias=True, mlp_bias=True), "llama", True),
    "llama3": (transformers.LlamaConfig, dict(rope_parameters=LLAMA3, tie_word_embeddings=True), "llama", True),
    "llama-yarn": (transformers.LlamaConfig, dict(rope_parameters=YARN), "llama", True),
    "mistral": (transformers.MistralConfig, dict(sliding_window=5, head_dim=8), None, False),
    "qwen2": (transformers.Qwen2Config, dict(), "qwen2", False),
    "qwen3": (transformers.Qwen3Config, dict(head_dim=16), "qwen3", False),
}

NAMES = {  # Hugging Face's to GGUF's, {} the layer
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem in NAMES:
        return f"{NAMES[stem]}.{kind}"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}.{kind}"


def interleave(w, n_head):
    """The order that makes neighbours of what rotates together: halves of each head zipped."""
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def llama3_divisors(p, width):
    """What llama.cpp's converter stores as rope_freqs.weight."""
    frequency = p["rope_theta"] ** (-np.arange(0, width, 2) / width)
    turns = p["original_max_position_embeddings"] * frequency / (2 * np.pi)
    keep = np.clip((turns - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"]), 0, 1)
    return (1 / ((1 - keep) / p["factor"] + keep)).astype(np.float32)


def write_gguf(path, arch, permuted, config, weights):
    w = gguf.GGUFWriter(path, arch)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_key_length(head)
    w.add_value_length(head)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_dimension_count(head)
    rope = config.rope_parameters
    w.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(rope, head))
    for name, tensor in weights.items():
        data = tensor.float().numpy()
        if permuted and ("q_proj" in name or "k_proj" in name):
            data = interleave(data, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        w.add_tensor(gguf_name(name), np.ascontiguousarray(data, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def randomise(model, generator):
    """Weights that show in the logits when they are misread: norms and biases are no ones and zeros."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                p.copy_((1 + 0.3 * noise).bfloat16())
            elif name.endswith(".bias"):
                p.copy_((0.3 * noise).bfloat16())
            else:
                p.copy_((noise * (1.5 / p.shape[1] ** 0.5)).bfloat16())


def make(name, seed):
    kind, settings, arch, permuted = CASES[name]
    config = kind(**COMMON, **settings)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    randomise(model, generator)
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)  # a copy: the angles' buffer would be rounded too
    (folder / "model.safetensors").chmod(0o644)
    (folder / "generation_config.json").unlink(missing_ok=True)

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
        weights = {n: p.detach() for n, p in model.named_parameters()}
        write_gguf(folder / "model.gguf", arch, permuted, config, weights)
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes, std {logits.std():.3f}")


if __name__ == "__main__":
    for i, case in enumerate(CASES):
        make(case, 1000 + i)
