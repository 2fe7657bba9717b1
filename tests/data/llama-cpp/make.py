#!/usr/bin/env python3
"""Write what llama.cpp computes of those models in tests/data/tiny that it computes otherwise than their makers.

    python3 tests/data/llama-cpp/make.py [NAME ...]

NAME.npy is computed as the reference beside the model is, in float64, but for the departure that
tests/convert/known_limits.py names; so a converted file is seen to be right but for that one thing. Needs torch,
transformers, safetensors, numpy (tests/data/tiny/requirements.txt). Running it again changes nothing.
"""
import json
import pathlib
import sys
import types

import numpy as np
import safetensors.torch
import tokenizers
import torch
import transformers
from transformers import activations

HERE = pathlib.Path(__file__).parent
TINY = HERE.parent / "tiny"
sys.path.insert(0, str(TINY))
import make_families  # noqa: E402


# ---- Departures ----

def table_gelu(x):
    """GELU as a table has it: of f16 values, as f16 values, always in its form with tanh."""
    h = x.half().float()
    y = (0.5 * h * (1 + torch.tanh((2 / np.pi) ** 0.5 * h * (1 + 0.044715 * h * h)))).half().double()
    return torch.where(x <= -10, 0.0, torch.where(x >= 10, x, y))


def without_window(model):
    model.config.sliding_window = None


def scale_of_head(model):
    for layer in model.model.layers:
        layer.self_attn.scaling = layer.self_attn.head_dim ** -0.5


def all_layers_alike(model):
    """No layer looks back only so far, and all rotate."""
    model.config.layer_types = ["full_attention"] * model.config.num_hidden_layers
    for layer in model.model.layers:
        layer.self_attn.sliding_window = None


class RmsNormWithBias(torch.nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return x / (x.pow(2).mean(-1, keepdim=True) + self.norm.eps).sqrt() * self.norm.weight + self.norm.bias


def plain_routing(router, x):
    logits = torch.nn.functional.linear(x, router.weight)
    weights, chosen = logits.softmax(-1).topk(router.top_k)
    return logits, weights / weights.sum(-1, keepdim=True), chosen


def norms_and_routing(model):
    """RMS norms in place of layer norms; the best two by a soft-max over all, normalised."""
    for layer in model.model.layers:
        layer.input_layernorm = RmsNormWithBias(layer.input_layernorm)
        layer.post_attention_layernorm = RmsNormWithBias(layer.post_attention_layernorm)
        layer.mlp.router.forward = types.MethodType(plain_routing, layer.mlp.router)
    model.model.norm = RmsNormWithBias(model.model.norm)


def routing_by_two(router, x):
    x = x.view(-1, router.hidden_dim)
    logits = torch.nn.functional.linear(x, router.weight)
    scores = logits.softmax(-1)
    groups = scores.view(len(x), router.num_group, -1)
    kept = groups.topk(2).values.sum(-1).topk(router.topk_group).indices
    mask = torch.zeros(groups.shape[:2], dtype=torch.bool).scatter(1, kept, True).repeat_interleave(groups.shape[2], 1)
    weights, chosen = scores.masked_fill(~mask, 0).topk(router.top_k)
    return logits, weights * router.routed_scaling_factor, chosen


def groups_by_two(model):
    """Groups of experts by the sum of their best two."""
    for layer in model.model.layers:
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate.forward = types.MethodType(routing_by_two, layer.mlp.gate)


def whole_range(model):
    """YaRN's range in whole dimensions."""
    rope = model.model.rotary_emb
    model.config.rope_parameters["truncate"] = True
    rope.inv_freq.copy_(transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["yarn"](model.config, "cpu")[0])


def through_dense(model):
    """Tokens, too, go through the layers over a text's vector."""
    layers = [torch.nn.Linear(32, 64, False), torch.nn.Linear(64, 32, False)]
    for i, layer in enumerate(layers):
        weights = safetensors.torch.load_file(TINY / "embeddinggemma" / f"{i + 2}_Dense" / "model.safetensors")
        layer.weight.data = weights["linear.weight"].double()
    model.norm = torch.nn.Sequential(model.norm, *layers)


# name: what changes a model of transformers; None: the table alone
MODELS = {
    "mistral": without_window, "gemma2": scale_of_head, "exaone4": all_layers_alike, "phimoe": norms_and_routing,
    "deepseek2-236b": groups_by_two, "gpt-oss-20b": whole_range, "embeddinggemma": through_dense,
    **dict.fromkeys([
        "bert", "bert-rank", "camembert", "distilbert", "falcon-7b", "falcon-new", "gemma", "gemma2-2b", "gemma2-27b",
        "gemma3", "gpt2", "gptneox", "gptneox-fast", "jina-embeddings-v3", "modernbert", "phi2", "roberta", "starcoder",
        "starcoder2", "xlm-roberta", "xlm-roberta-rank"]),
}
# name: what differs of a model of make_families.py
FAMILIES = {
    "baichuan": dict(n_rot=0), "qwen2vl": dict(eps=0), "qwen3vl": dict(still=[7]),
    "codeshell": dict(act=lambda x: table_gelu(torch.tensor(x)).numpy()),
}


# ---- Models ----

def use_table(on, originals={}):
    for kind in (activations.GELUActivation, activations.GELUTanh, activations.NewGELUActivation,
                 activations.FastGELUActivation):
        original = originals.setdefault(kind, kind.forward)
        kind.forward = (lambda self, x: table_gelu(x)) if on else original


def run(model, folder):
    ids = torch.tensor([json.loads((folder / "ids.json").read_text())])
    with torch.no_grad():
        if (folder / "hidden.npy").exists():
            return getattr(model, model.base_model_prefix, model)(ids).last_hidden_state[0].numpy()
        return model(ids).logits[0].numpy()


def scores(model, folder):
    """Of pairs of texts, whose second is of the same type as the first."""
    t = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    pairs = [t.encode(*pair).ids for pair in json.loads((folder / "pairs.json").read_text())]
    with torch.no_grad():
        return np.array([model(torch.tensor([ids])).logits[0, 0] for ids in pairs], np.float32)


def of_model(name, departure):
    folder = TINY / name
    kind = getattr(transformers, json.loads((folder / "config.json").read_text())["architectures"][0])
    model = kind.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager",
                                 experts_implementation="eager").eval()
    use_table(False)
    known = run(model, folder)
    use_table(True)
    if departure:
        departure(model)
    if (folder / "pairs.json").exists():
        np.save(HERE / f"{name}-scores.npy", scores(model, folder))
    return known, run(model, folder)


def of_family(name, change):
    case, folder = make_families.CASES[name], TINY / name
    m = types.SimpleNamespace(**{**make_families.USUAL, **case.get("model", {})})
    m.biases = sorted(m.biases)
    model = make_families.random_model(m, np.random.default_rng(make_families.seed_of(name)))
    ids = np.array(json.loads((folder / "ids.json").read_text()))
    known = make_families.logits(ids, model, m)
    vars(m).update(change)
    return known, make_families.logits(ids, model, m)


def make(name):
    hidden = TINY / name / "hidden.npy"
    known, other = of_family(name, FAMILIES[name]) if name in FAMILIES else of_model(name, MODELS[name])
    want = np.load(hidden if hidden.exists() else TINY / name / "logits.npy")
    if not np.abs(known - want).max() <= 1e-4 * want.std():
        sys.exit(f"{name}: the model is not that of the reference")
    np.save(HERE / f"{name}.npy", other.astype(np.float32))
    print(f"{name}: {np.abs(other - want).max() / want.std():.2g} standard deviations away")


if __name__ == "__main__":
    for case in {**MODELS, **FAMILIES}:
        if case in sys.argv[1:] or len(sys.argv) == 1:
            make(case)
