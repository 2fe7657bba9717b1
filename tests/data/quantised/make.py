#!/usr/bin/env python3
"""Write the tiny quantised checkpoints of this folder, and what transformers computes with their weights in float32.

    python3 tests/data/quantised/make.py [CASE ...]

One folder per case: config.json and model.safetensors as the methods publish them, ids.json (the input), logits.npy
(float32, of every position), greedy.json (the ids that greedy decoding appends). The codes are random. The weights are
dequantised here by the formula beside each method, put into a model of transformers, and run in float32. Where this
machine runs it, transformers reads the checkpoint itself and must agree: that is said at the end.
Needs torch, transformers, safetensors (tests/data/tiny/requirements.txt). Seeded: running it again changes nothing.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import safetensors.torch
import torch
import transformers

HERE = pathlib.Path(__file__).parent
N_IDS, N_GREEDY = 14, 6
COMMON = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              vocab_size=96, max_position_embeddings=64, rms_norm_eps=1e-3, head_dim=16)
T = transformers
LLAMA, QWEN3 = (T.LlamaConfig, dict()), (T.Qwen3Config, dict())
MOE = (T.Qwen3MoeConfig, dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True,
                              mlp_only_layers=[0]))
E4M3 = torch.float8_e4m3fn


def pieces(n, each):
    return -(-n // each)


# ---- Each takes the shape (outputs, inputs) and a generator: {ending: tensor}, float32 weights ----

def fp8(shape, rng, block=None, scales="tensor", dtype=torch.float32, powers=False, static=False):
    """weight * scale, of blocks of rows and columns, of each row, or of all"""
    rows, cols = shape
    weight = torch.from_numpy(rng.normal(0, 120, shape)).clamp(-448, 448).to(E4M3)
    n = (pieces(rows, block[0]), pieces(cols, block[1])) if block else (rows, 1) if scales == "row" else ()
    scale = torch.from_numpy(np.asarray(rng.uniform(1e-3, 3e-3, n), np.float32))
    scale = (torch.exp2(torch.floor(torch.log2(scale))) if powers else scale).to(dtype)
    whole = scale.float()
    if block:
        whole = whole.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)[:rows, :cols]
    parts = {"weight": weight, "weight_scale_inv" if block else "weight_scale": scale}
    if static:
        parts["input_scale"] = torch.tensor(0.5, dtype=dtype)
    return parts, weight.float() * whole


def pack(codes, bits, axis):
    """n codes to a word of 32 bits along an axis, the lowest bits first"""
    codes = np.moveaxis(codes.astype(np.uint64), axis, -1)
    n = 32 // bits
    codes = codes.reshape(*codes.shape[:-1], -1, n)
    words = np.zeros(codes.shape[:-1], np.uint64)
    for i in range(n):
        words |= codes[..., i] << np.uint64(bits * i)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(words.astype(np.uint32).view(np.int32), -1, axis)))


def grouped(shape, rng, bits, group, symmetric, dtype=torch.float16, mixed=False):
    """(inputs, outputs) codes, zero points and scales (groups, outputs), the group of each input, float32 weights"""
    rows, cols = shape
    group = cols if group == -1 else group
    n = pieces(cols, group)
    top = 2 ** bits
    codes = rng.integers(0, top, (cols, rows))
    zeros = np.full((n, rows), top // 2) if symmetric else rng.integers(0, top, (n, rows))
    scales = torch.from_numpy(rng.uniform(0.2, 0.6, (n, rows)) * 2 / top).to(dtype)
    groups = np.arange(cols) // group
    if mixed:
        groups = rng.permutation(groups)
    weights = (codes - zeros[groups]).astype(np.float32) * scales.float().numpy()[groups]
    return codes, zeros, scales, groups, torch.from_numpy(np.ascontiguousarray(weights.T))


def gptq(shape, rng, bits=4, group=32, symmetric=True, version=1, index=True, **more):
    """(q - z) * s; the first version of the file has z - 1"""
    codes, zeros, scales, groups, weights = grouped(shape, rng, bits, group, symmetric, **more)
    stored = (zeros - 1) % 2 ** bits if version == 1 else zeros
    parts = {"qweight": pack(codes, bits, 0), "qzeros": pack(stored, bits, 1), "scales": scales}
    if index:
        parts["g_idx"] = torch.from_numpy(groups.astype(np.int32))
    return parts, weights


AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def awq(shape, rng, group=32, symmetric=False):
    """(q - z) * s; a word has the outputs in another order"""
    codes, zeros, scales, _, weights = grouped(shape, rng, 4, group, symmetric)
    mix = lambda x: x.reshape(x.shape[0], -1, 8)[:, :, AWQ_ORDER].reshape(x.shape)
    return {"qweight": pack(mix(codes), 4, 1), "qzeros": pack(mix(zeros), 4, 1), "scales": scales}, weights


GPTQ4 = dict(quant_method="gptq", bits=4, group_size=32, sym=True, desc_act=False)
AWQ4 = dict(quant_method="awq", bits=4, group_size=32, zero_point=True, version="gemm")

# name: (model, how, quantization_config)
CASES = {
    "fp8-block": (QWEN3, lambda s, r: fp8(s, r, block=(32, 32)),
                  dict(quant_method="fp8", fmt="e4m3", activation_scheme="dynamic", weight_block_size=[32, 32])),
    # The last block is cut, as in DeepSeek-V3's kv_a_proj (576 rows, blocks of 128); transformers makes all of one size.
    "fp8-cut": (QWEN3, lambda s, r: fp8(s, r, block=(40, 48)),
                dict(quant_method="fp8", fmt="e4m3", activation_scheme="dynamic", weight_block_size=[40, 48])),
    "fp8-block-powers": (MOE, lambda s, r: fp8(s, r, block=(16, 16), powers=True),
                         dict(quant_method="fp8", fmt="e4m3", activation_scheme="dynamic", weight_block_size=[16, 16])),
    "fp8-tensor": (LLAMA, lambda s, r: fp8(s, r, static=True), dict(quant_method="fp8", activation_scheme="static")),
    "fp8-row": (LLAMA, lambda s, r: fp8(s, r, scales="row", dtype=torch.bfloat16),
                dict(quant_method="compressed-tensors", format="float-quantized", quantization_status="compressed")),
    "fbgemm": (LLAMA, lambda s, r: fp8(s, r, scales="row"),
               dict(quant_method="fbgemm_fp8", activation_scale_ub=1200.0)),
    "gptq": (LLAMA, gptq, GPTQ4),
    "gptq-asym": (QWEN3, lambda s, r: gptq(s, r, symmetric=False), dict(GPTQ4, sym=False)),
    "gptq-v2": (LLAMA, lambda s, r: gptq(s, r, symmetric=False, version=2, group=-1, index=False),
                dict(GPTQ4, sym=False, group_size=-1, checkpoint_format="gptq_v2")),
    "gptq-8": (LLAMA, lambda s, r: gptq(s, r, bits=8), dict(GPTQ4, bits=8)),
    "gptq-act": (QWEN3, lambda s, r: gptq(s, r, mixed=True), dict(GPTQ4, desc_act=True)),
    "gptq-bf16": (LLAMA, lambda s, r: gptq(s, r, dtype=torch.bfloat16), GPTQ4),
    "gptq-moe": (MOE, lambda s, r: gptq(s, r, symmetric=bool(r.integers(0, 2))), GPTQ4),
    "awq": (LLAMA, awq, AWQ4),
    "awq-sym": (QWEN3, lambda s, r: awq(s, r, symmetric=True), AWQ4),
}
OLDER = {"gptq-8"}  # say it in quantize_config.json


def is_quantised(name, weight):
    return weight.ndim == 2 and name.endswith("_proj.weight")


def split_experts(state):
    """transformers stacks experts in memory; files have a matrix for each"""
    out = {}
    for name, w in state.items():
        if name.endswith("experts.gate_up_proj"):
            for e, both in enumerate(w):
                for part, rows in zip(("gate_proj", "up_proj"), both.chunk(2)):
                    out[name.replace("gate_up_proj", f"{e}.{part}.weight")] = rows
        elif name.endswith("experts.down_proj"):
            for e, rows in enumerate(w):
                out[name.replace("down_proj", f"{e}.down_proj.weight")] = rows
        else:
            out[name] = w
    return out


def stack_experts(state, shapes):
    out = {n: w for n, w in state.items() if ".experts." not in n}
    for name in shapes:
        if name.endswith("experts.gate_up_proj"):
            n = sum(1 for k in state if k.startswith(name[:-len("gate_up_proj")]) and k.endswith("up_proj.weight"))
            at = lambda e, part: state[name.replace("gate_up_proj", f"{e}.{part}.weight")]
            out[name] = torch.stack([torch.cat([at(e, "gate_proj"), at(e, "up_proj")]) for e in range(n)])
            down = name.replace("gate_up_proj", "down_proj")
            out[down] = torch.stack([at(e, "down_proj") for e in range(n)])
    return out


def greedy(model, ids):
    ids = list(ids)
    for _ in range(N_GREEDY):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[-N_GREEDY:]


def make(name, seed):
    (config_class, own), how, quantization = CASES[name]
    rng = np.random.default_rng(seed)
    config = config_class(**{**COMMON, **own})
    model = T.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    state, files, plain = model.state_dict(), {}, {}
    for key, w in split_experts(state).items():
        if is_quantised(key, w):
            parts, plain[key] = how(tuple(w.shape), rng)
            files.update({key[:-len("weight")] + ending: t.contiguous() for ending, t in parts.items()})
        else:
            size = 1 + rng.normal(0, 0.1, w.shape) if w.ndim == 1 else rng.normal(0, 0.3, w.shape)
            files[key] = torch.from_numpy(np.asarray(size)).to(torch.bfloat16)
            plain[key] = files[key].float()
    model.load_state_dict(stack_experts(plain, state))
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    safetensors.torch.save_file(files, folder / "model.safetensors", {"format": "pt"})
    whole = config.to_dict()
    whole.update(architectures=[type(model).__name__], dtype="bfloat16")
    if name in OLDER:
        (folder / "quantize_config.json").write_text(
            json.dumps({k: v for k, v in quantization.items() if k != "quant_method"}, indent=2) + "\n")
    else:
        whole["quantization_config"] = quantization
    (folder / "config.json").write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n")
    with torch.no_grad():
        ids = rng.integers(0, COMMON["vocab_size"], N_IDS).tolist()
        logits = model(torch.tensor([ids])).logits[0].float().numpy()
        after = greedy(model, ids)
    (folder / "ids.json").write_text(json.dumps(ids) + "\n")
    (folder / "greedy.json").write_text(json.dumps(after) + "\n")
    np.save(folder / "logits.npy", logits)
    print(f"{name}: {logits.std():.3f} {check(folder, ids, logits)}")


def check(folder, ids, logits):
    """what transformers makes of the checkpoint, where it can without a GPU or packages of the methods"""
    try:
        config = T.AutoConfig.from_pretrained(folder)
        how = dict(config.quantization_config)
        if not how.get("weight_block_size"):  # no GPTQ, AWQ or compressed-tensors without their packages
            return ""
        model = T.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager",
            quantization_config=T.FineGrainedFP8Config(dequantize=True, weight_block_size=how["weight_block_size"]))
        with torch.no_grad():
            own = model.float()(torch.tensor([ids])).logits[0].numpy()
        return f"transformers reads it: {np.abs(own - logits).max() / logits.std():.2g} away"
    except Exception as e:
        return f"transformers does not read it here: {str(e).splitlines()[0][:100]}"


for number, case in enumerate(CASES):
    if len(sys.argv) < 2 or case in sys.argv[1:]:
        torch.manual_seed(number)
        make(case, number + 1)
