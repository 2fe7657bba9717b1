#!/usr/bin/env python3
"""Write the tiny models of this folder that make vectors and scores of texts, and GPT-2, as make.py does the others.

    python3 tests/data/tiny/make_encoders.py [CASE ...]

As in make.py, but for encoders hidden.npy (float32, of every position) in place of logits.npy and greedy.json. Those
with a tokenizer have texts.json and vectors.npy (float32, a row for each text: pooled as the directory says, of length
1; of colbert a row for each token), or pairs.json and scores.npy. Needs torch, transformers, tokenizers, safetensors, gguf (requirements.txt). Seeded:
running it again changes nothing.
"""
import json
import shutil
import string
import sys

import gguf
import numpy as np
import safetensors.torch
import tokenizers
import torch
import transformers as T
from tokenizers import models, normalizers, pre_tokenizers, processors

from make import HERE, N_GREEDY, N_IDS, gguf_name


class ColBERT(T.BertPreTrainedModel):
    """BERT whose tokens are projected, as ColBERT's checkpoints have it."""
    def __init__(self, config):
        super().__init__(config)
        self.bert = T.BertModel(config)
        self.linear = torch.nn.Linear(config.hidden_size, 8, bias=False)
        self.post_init()


SIZES = dict(vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
             max_position_embeddings=64, layer_norm_eps=1e-3, pad_token_id=0)
BERT = T.BertConfig(**SIZES)
CASES = {  # model, GGUF's architecture, its pooling
    "bert": (lambda: T.BertModel(BERT), "bert", "mean"),
    "nomic-bert": (lambda: T.NomicBertModel(T.NomicBertConfig(
        **SIZES, head_dim=8, rope_parameters=dict(rope_type="default", rope_theta=1000.0))), "nomic-bert", "cls"),
    "bert-rank": (lambda: T.BertForSequenceClassification(T.BertConfig(**SIZES, num_labels=1)), "bert", "rank"),
    "qwen3-embedding": (lambda: T.Qwen3Model(T.Qwen3Config(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        intermediate_size=48, max_position_embeddings=64, rms_norm_eps=1e-3)), "qwen3", "last"),
    "gpt2": (lambda: T.GPT2LMHeadModel(T.GPT2Config(
        vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, layer_norm_epsilon=1e-3)), "gpt2", None),
    "colbert": (lambda: ColBERT(BERT), None, "none"),
    # New cases come last, as the seeds are counted.
}
TEXTS = ["the cat sat.", "A dog ran, the cat sat!", "z", "", "Café? the the the the the the the the the the the"]
PAIRS = [["the cat", t] for t in TEXTS if t] + [["a dog ran", "the dog ran"]]

WORDS = [*".,?!'", *string.ascii_lowercase, *("##" + c for c in string.ascii_lowercase), "the", "cat", "dog", "ran", "sat",
         "##at", "##he", "in", "on", "of"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
VOCABULARY += [f"[unused{i}]" for i in range(SIZES["vocab_size"] - len(VOCABULARY))]

POOLINGS = {"mean": ("mean_tokens", gguf.PoolingType.MEAN), "cls": ("cls_token", gguf.PoolingType.CLS),
            "last": ("lasttoken", gguf.PoolingType.LAST), "rank": (None, gguf.PoolingType.RANK)}
NAMES = {  # the parts of names, longest first
    "embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm", "emb_ln": "token_embd_norm",
    "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
    "attn.Wqkv": "attn_qkv", "attn.out_proj": "attn_output", "mlp.fc11": "ffn_up", "mlp.fc12": "ffn_gate", "mlp.fc2": "ffn_down",
    "norm1": "attn_output_norm", "norm2": "layer_output_norm", "pooler.dense": "cls", "classifier": "cls.output",
    "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm",
    "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    "ln_1": "attn_norm", "ln_2": "ffn_norm",
}


def name_in_gguf(name, arch):
    if arch == "qwen3":
        return gguf_name("model." + name, arch)
    stem, kind = name.removeprefix("bert.").rsplit(".", 1)
    parts = stem.split(".")
    layer = next((i for i, p in enumerate(parts) if p.isdigit()), None)
    if layer is None:
        return f"{NAMES[stem]}.{kind}"
    return f"blk.{parts[layer]}.{NAMES['.'.join(parts[layer + 1:])]}.{kind}"


def make_tokenizer():
    t = tokenizers.Tokenizer(models.WordPiece({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.add_special_tokens(VOCABULARY[:5])
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return t


def write_vocabulary(w):
    def text(token):
        return token if token[0] == "[" else token[2:] if token[:2] == "##" else "\u2581" + token
    w.add_tokenizer_model("bert")
    w.add_token_list([text(t) for t in VOCABULARY])
    w.add_token_types([gguf.TokenType.CONTROL if t[0] == "[" else gguf.TokenType.NORMAL for t in VOCABULARY])
    w.add_token_type_count(2)
    w.add_unk_token_id(1)
    w.add_pad_token_id(0)
    w.add_uint32("tokenizer.ggml.bos_token_id", 2)
    w.add_uint32("tokenizer.ggml.seperator_token_id", 3)
    w.add_mask_token_id(4)


def write_gguf(path, arch, pooling, c, weights):
    w = gguf.GGUFWriter(path, arch)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(getattr(c, "intermediate_size", 4 * c.hidden_size))
    w.add_head_count(c.num_attention_heads)
    if arch == "qwen3":
        w.add_head_count_kv(c.num_key_value_heads)
        w.add_key_length(c.head_dim)
        w.add_value_length(c.head_dim)
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
        w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    else:
        w.add_layer_norm_eps(getattr(c, "layer_norm_eps", None) or c.layer_norm_epsilon)
    if arch == "nomic-bert":
        w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    if "bert" in arch:
        w.add_causal_attention(False)
        write_vocabulary(w)
    if pooling:
        w.add_pooling_type(POOLINGS[pooling][1])
    for name, tensor in weights.items():
        data = tensor.float().numpy()
        turned = arch == "gpt2" and data.ndim == 2 and ".h." in name
        w.add_tensor(name_in_gguf(name, arch), np.ascontiguousarray(data.T if turned else data, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def randomise(model, generator):
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1:
                norm = any(part in name.lower() for part in ("norm", "ln_", "emb_ln")) and name.endswith("weight")
                p.copy_((norm + 0.3 * noise).bfloat16())
            else:
                p.copy_((noise * (1.5 / p.shape[-1] ** 0.5)).bfloat16())


def pool(hidden, pooling):
    v = hidden.mean(0) if pooling == "mean" else hidden[0 if pooling == "cls" else -1]
    return (v / v.norm()).float().numpy()


def write_texts(folder, model, pooling):
    """What comes out for whole texts, and what says so in a directory."""
    t = make_tokenizer()
    t.save(str(folder / "tokenizer.json"))
    inner = getattr(model, "bert", model)
    with torch.no_grad():
        if pooling == "rank":
            encoded = [t.encode(a, b) for a, b in PAIRS]
            scores = [model(torch.tensor([e.ids]), token_type_ids=torch.tensor([e.type_ids])).logits[0, 0] for e in encoded]
            np.save(folder / "scores.npy", torch.stack(scores).float().numpy())
            (folder / "pairs.json").write_text(json.dumps(PAIRS, indent=1) + "\n")
            return
        hidden = [inner(torch.tensor([t.encode(text).ids])).last_hidden_state[0] for text in TEXTS]
        if pooling == "none":  # the tokens of all texts
            vectors = torch.nn.functional.normalize(model.linear(torch.cat(hidden)), dim=1).float().numpy()
        else:
            vectors = np.stack([pool(h, pooling) for h in hidden])
    np.save(folder / "vectors.npy", vectors)
    (folder / "texts.json").write_text(json.dumps(TEXTS, indent=1) + "\n")


def write_modules(folder, pooling, width):
    """Pooling as sentence-transformers keeps it."""
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    (folder / "1_Pooling").mkdir()
    settings = {"word_embedding_dimension": width, **{f"pooling_mode_{p}": p == POOLINGS[pooling][0]
                                                      for p in ("cls_token", "mean_tokens", "lasttoken")}}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    (folder / "modules.json").write_text(json.dumps(modules, indent=1) + "\n")


def make(name, seed):
    build, arch, pooling = CASES[name]
    model = build()
    c = model.config
    generator = torch.Generator().manual_seed(seed)
    randomise(model, generator)
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.set_attn_implementation("eager")
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    (folder / "generation_config.json").unlink(missing_ok=True)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    model = build().to(torch.float64).eval()  # anew: angles in a buffer would be rounded too
    model.set_attn_implementation("eager")
    randomise(model, torch.Generator().manual_seed(seed))
    ids = torch.randint(0, c.vocab_size, (1, N_IDS), generator=generator)
    with torch.no_grad():
        if arch == "gpt2":
            greedy = []
            for _ in range(N_GREEDY):
                greedy.append(int(model(torch.cat([ids, torch.tensor([greedy], dtype=ids.dtype)], 1)).logits[0, -1].argmax()))
            np.save(folder / "logits.npy", model(ids).logits[0].float().numpy())
            (folder / "greedy.json").write_text(json.dumps(greedy) + "\n")
        else:
            inner = getattr(model, "bert", model)
            np.save(folder / "hidden.npy", inner(ids).last_hidden_state[0].float().numpy())
    (folder / "ids.json").write_text(json.dumps(ids[0].tolist()) + "\n")
    if arch is None or "bert" in arch:
        write_texts(folder, model, pooling)
    if pooling in POOLINGS and pooling != "rank":
        write_modules(folder, pooling, c.hidden_size)
    if arch:
        write_gguf(folder / "model.gguf", arch, pooling, c, weights)
    print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())} bytes")


if __name__ == "__main__":
    for i, case in enumerate(CASES):
        if case in sys.argv[1:] or len(sys.argv) == 1:
            make(case, 2000 + i)
