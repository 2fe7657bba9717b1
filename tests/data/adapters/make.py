#!/usr/bin/env python3
"""Write the adapters of this folder, for the tiny models beside it, and what transformers computes with them in float64.

    python3 tests/data/adapters/make.py [CASE ...]
    PEFT=1 ...                          also: PEFT itself loads the directory and must agree

One folder per case: adapter_config.json and adapter_model.safetensors as PEFT saves them, lora.gguf with the same numbers as
llama.cpp has them, logits.npy (float32, of every position of the model's ids.json). The reference never adds anything to
a product: the matrices W + s B A are made in float64 and given to transformers. Of the case `llama` there is more:
control.gguf (a control vector) with control.npy, and both.npy: half of `llama` and -1.5 times `llama-second` at once. story/lora.gguf is for the model inside the library.
Needs torch, transformers, safetensors, gguf (../tiny/requirements.txt). Seeded: running it again changes nothing.
"""
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import gguf
import numpy as np
import safetensors.torch
import torch
import transformers

HERE = pathlib.Path(__file__).parent
TINY = HERE.parent / "tiny"
sys.path.insert(0, str(TINY))
import make as tiny  # noqa: E402

ATTENTION = r"self_attn\.[qkvo]_proj"
NETWORK = r"mlp\.(gate|up|down)_proj"
# case: tiny model, modules (a regular expression), settings of PEFT, type of its numbers, type in GGUF or None
CASES = {
    "llama": ("llama", f"{ATTENTION}|{NETWORK}|lm_head|embed_tokens",
              dict(r=4, lora_alpha=8, rank_pattern={"k_proj": 2}, alpha_pattern={"mlp.down_proj": 3, "^lm_head": 5}),
              torch.float32, gguf.GGMLQuantizationType.F32),
    "llama-second": ("llama", ATTENTION, dict(r=3, lora_alpha=6), torch.float32, gguf.GGMLQuantizationType.F32),
    "qwen2": ("qwen2", ATTENTION, dict(r=4, lora_alpha=4, use_rslora=True), torch.bfloat16,
              gguf.GGMLQuantizationType.BF16),
    "qwen3": ("qwen3", f"{ATTENTION}|{NETWORK}", dict(r=5, lora_alpha=10), torch.float16, gguf.GGMLQuantizationType.F16),
    "gemma": ("gemma", f"{ATTENTION}|{NETWORK}|embed_tokens", dict(r=4, lora_alpha=4), torch.float32,
              gguf.GGMLQuantizationType.F32),
    "mixtral": ("mixtral", rf"{ATTENTION}|\.gate$|experts\.\d+\.w[123]", dict(r=4, lora_alpha=8), torch.float32,
                gguf.GGMLQuantizationType.F32),
    "qwen2moe": ("qwen2moe", r"v_proj|experts?\.(\d+\.)?(gate|up|down)_proj", dict(r=4, lora_alpha=8), torch.float32,
                 gguf.GGMLQuantizationType.F32),
    "phi3": ("phi3", r"qkv_proj|o_proj|gate_up_proj|down_proj", dict(r=4, lora_alpha=8), torch.float32,
             gguf.GGMLQuantizationType.F32),
    "gpt2": ("gpt2", r"c_attn|c_proj|c_fc", dict(r=4, lora_alpha=8, fan_in_fan_out=True), torch.float32, None),
}
# Modules that have no adapter of their own, though they match: one of the experts.
LEFT_OUT = {"mixtral": r"experts\.2\.", "qwen2moe": r"experts\.0\.gate"}


def matrices(folder):
    return {n: w.double() for n, w in safetensors.torch.load_file(folder / "model.safetensors").items()}


def matching(config, key, module, usual):
    for pattern, value in config.get(key, {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return usual


def draw(case, weights, turned, generator):
    """Module: (A, B, scale), A (r, in) and B (out, r); of a table A is (r, tokens)."""
    _, modules, config, dtype, _ = CASES[case]
    pairs = {}
    for name, w in sorted(weights.items()):
        module = name.removesuffix(".weight")
        if w.dim() != 2 or not re.search(modules, module) or re.search(LEFT_OUT.get(case, "^$"), module):
            continue
        rank, alpha = (matching(config, key, module, config[usual])
                       for key, usual in (("rank_pattern", "r"), ("alpha_pattern", "lora_alpha")))
        table = module.endswith("embed_tokens")
        out, width = (w.shape[1], w.shape[0]) if table or turned else w.shape
        a = torch.randn(rank, width, generator=generator) * (1 if table else width ** -0.5)
        b = torch.randn(out, rank, generator=generator) * 0.3 * (0.5 if table else 1)
        scale = alpha / (rank ** 0.5 if config.get("use_rslora") else rank)
        pairs[module] = a.to(dtype), b.to(dtype), scale
    return pairs


def merge(weights, pairs, by, turned):
    for module, (a, b, scale) in pairs.items():
        change = by * scale * (b.double() @ a.double())
        flip = turned or module.endswith("embed_tokens")
        weights[module + ".weight"] = weights[module + ".weight"] + (change.T if flip else change)


def logits_of(folder, weights, direction=None):
    with tempfile.TemporaryDirectory() as where:
        config = json.loads((folder / "config.json").read_text())
        if "lm_head.weight" in weights:  # a table of tokens that has an adapter is no longer the output matrix
            config["tie_word_embeddings"] = False
        pathlib.Path(where, "config.json").write_text(json.dumps(config))
        safetensors.torch.save_file(weights, f"{where}/model.safetensors", {"format": "pt"})
        model = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=torch.float64, attn_implementation="eager",
                                                                  experts_implementation="eager")
        model.eval()
        if direction is not None:
            layer, vector = direction
            model.model.layers[layer].register_forward_hook(
                lambda m, x, y: y + vector if torch.is_tensor(y) else (y[0] + vector, *y[1:]))
        ids = torch.tensor([json.loads((folder / "ids.json").read_text())])
        with torch.no_grad():
            return model(ids).logits[0]


def write_peft(folder, case, pairs):
    config = dict(CASES[case][2], peft_type="LORA", task_type="CAUSAL_LM", bias="none", use_dora=False, lora_dropout=0.0,
                  base_model_name_or_path=None, modules_to_save=None, inference_mode=True, init_lora_weights=True,
                  target_modules=sorted(pairs))
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors = {}
    for module, (a, b, _) in pairs.items():
        table = module.endswith("embed_tokens")
        ends = ("lora_embedding_A", "lora_embedding_B") if table else ("lora_A.weight", "lora_B.weight")
        for end, t in zip(ends, (a, b)):
            tensors[f"base_model.model.{module}.{end}"] = t.contiguous()
    safetensors.torch.save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_model.safetensors").chmod(0o644)


def write_gguf(folder, case, pairs, weights):
    """llama.cpp's own names and order. Its alpha is one for all: B takes what a module's scale differs by."""
    model, _, config, _, kind = CASES[case]
    _, settings, arch, permuted = tiny.CASES[model]
    shape = json.loads((TINY / model / "config.json").read_text())
    w = gguf.GGUFWriter(folder / "lora.gguf", arch)
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", config["lora_alpha"])
    halves = {}
    for module in sorted(weights):
        module = module.removesuffix(".weight")
        if not re.search(CASES[case][1], module) or module.endswith(".bias") or weights[module + ".weight"].dim() != 2:
            continue
        if module in pairs:
            a, b, scale = pairs[module]
            a, b = a.float().numpy(), b.float().numpy() * (scale / (config["lora_alpha"] / a.shape[0]))
        else:  # a stack has matrices of all experts
            out, width = weights[module + ".weight"].shape
            a, b = np.zeros((config["r"], width), np.float32), np.zeros((out, config["r"]), np.float32)
        for name, n_head in (("q_proj", shape["num_attention_heads"]), ("k_proj", shape["num_key_value_heads"])):
            if permuted and module.endswith(name):
                b = tiny.interleave(b, n_head)
        if module.endswith("embed_tokens"):
            a = a.T
        halves[module + ".weight"] = a, b
    for i, end in enumerate((".lora_a", ".lora_b")):
        for name, data in tiny.stack_experts({n: h[i] for n, h in halves.items()}).items():
            data = np.ascontiguousarray(data, np.float32)
            raw = gguf.quants.quantize(data, kind)
            w.add_tensor(tiny.gguf_name(name, arch) + end, raw, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_control(folder, base, weights, generator):
    vector = torch.randn(32, generator=generator) * 0.5
    w = gguf.GGUFWriter(folder / "control.gguf", "controlvector")
    w.add_string("controlvector.model_hint", "llama")
    w.add_uint32("controlvector.layer_count", 1)
    w.add_tensor("direction.1", vector.numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    np.save(folder / "control.npy", logits_of(base, weights, (1, 0.5 * vector.double())).float().numpy())


def check_peft(base, folder, ids, logits):
    import peft
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64, attn_implementation="eager",
                                                                  experts_implementation="eager")
    model = peft.PeftModel.from_pretrained(model, folder).double().eval()
    with torch.no_grad():
        found = model(torch.tensor([ids])).logits[0]
    print(f"  PEFT differs by {(found - logits).abs().max() / logits.std():.1e} standard deviations")


def write_story(seed):
    """An adapter of the story model, for examples: it says other things than the model, no matter what."""
    rng = np.random.default_rng(seed)
    (HERE / "story").mkdir(exist_ok=True)
    w = gguf.GGUFWriter(HERE / "story/lora.gguf", "llama")
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", 4)
    for t in gguf.GGUFReader(HERE.parents[2] / "tools/default-model/model.gguf").tensors:
        if re.search(r"attn_[qv]\.", t.name):
            width, out = map(int, t.shape)
            w.add_tensor(t.name + ".lora_a", (rng.normal(size=(4, width)) * width ** -0.5).astype(np.float16))
            w.add_tensor(t.name + ".lora_b", (rng.normal(size=(out, 4)) * 0.2).astype(np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make(case, seed):
    base = TINY / CASES[case][0]
    folder = HERE / case
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    weights, turned = matrices(base), bool(CASES[case][2].get("fan_in_fan_out"))
    pairs = draw(case, weights, turned, generator)
    write_peft(folder, case, pairs)
    if CASES[case][4] is not None:
        write_gguf(folder, case, pairs, weights)
    if case == "llama":
        write_control(folder, base, weights, generator)
        both = dict(weights)
        merge(both, pairs, 0.5, False)
        merge(both, draw("llama-second", weights, False, torch.Generator().manual_seed(seed + 1)), -1.5, False)
        np.save(folder / "both.npy", logits_of(base, both).float().numpy())
    plain = logits_of(base, weights)
    if "model.embed_tokens" in pairs:
        weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"].clone())
    merge(weights, pairs, 1, turned)
    logits = logits_of(base, weights)
    np.save(folder / "logits.npy", logits.float().numpy())
    print(f"{case}: {len(pairs)} modules, logits move by {(logits - plain).abs().max() / logits.std():.2f} standard deviations")
    if os.environ.get("PEFT") and not any("experts" in module for module in pairs):  # those are no modules there
        check_peft(base, folder, json.loads((base / "ids.json").read_text()), logits)


if __name__ == "__main__":
    for i, case in enumerate(CASES):
        if case in sys.argv[1:] or len(sys.argv) == 1:
            make(case, 5000 + i)
    if "story" in sys.argv[1:] or len(sys.argv) == 1:
        write_story(6000)
