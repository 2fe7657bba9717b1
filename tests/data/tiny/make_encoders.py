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
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

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
ROBERTA = {**SIZES, "max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0,
           "eos_token_id": 2}
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
    "roberta": (lambda: T.RobertaModel(T.RobertaConfig(**ROBERTA)), "bert", "cls"),
    "xlm-roberta": (lambda: T.XLMRobertaModel(T.XLMRobertaConfig(**ROBERTA)), "bert", "mean"),
    "xlm-roberta-rank": (lambda: T.XLMRobertaForSequenceClassification(T.XLMRobertaConfig(**ROBERTA, num_labels=1)), "bert",
                         "rank"),
    "starcoder": (lambda: T.GPTBigCodeForCausalLM(T.GPTBigCodeConfig(
        vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, layer_norm_epsilon=1e-3)), "starcoder", None),
    "gptj": (lambda: T.GPTJForCausalLM(T.GPTJConfig(
        vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4, layer_norm_epsilon=1e-3)), None, None),
    "modernbert": (lambda: T.ModernBertModel(T.ModernBertConfig(
        vocab_size=96, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64, norm_eps=1e-3, local_attention=8, pad_token_id=0, bos_token_id=2, eos_token_id=3,
        cls_token_id=2, sep_token_id=3, rope_parameters=dict(
            full_attention=dict(rope_type="default", rope_theta=2000.0),
            sliding_attention=dict(rope_type="default", rope_theta=100.0)))), "modern-bert", "mean"),
    "embeddinggemma": (lambda: T.Gemma3TextModel(T.Gemma3TextConfig(
        vocab_size=96, hidden_size=32, num_hidden_layers=7, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        intermediate_size=48, max_position_embeddings=64, rms_norm_eps=1e-3, sliding_window=8, pad_token_id=0,
        query_pre_attn_scalar=16, use_bidirectional_attention=True)), "gemma-embedding", "mean"),
    "bert-dense": (lambda: T.BertModel(BERT), None, "mean"),
    "distilbert": (lambda: T.DistilBertModel(T.DistilBertConfig(
        vocab_size=96, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=64)), "bert", "mean"),
    "eurobert": (lambda: T.EuroBertModel(T.EuroBertConfig(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
        max_position_embeddings=64, rms_norm_eps=1e-3, pad_token_id=0, bos_token_id=2, eos_token_id=3, mask_token_id=4,
        rope_parameters=dict(rope_type="default", rope_theta=1000.0))), "eurobert", "mean"),
    "jina-embeddings-v3": (lambda: T.JinaEmbeddingsV3Model(T.JinaEmbeddingsV3Config(
        **{**SIZES, "type_vocab_size": 1}, rope_parameters=dict(rope_type="default", rope_theta=1000.0))), "jina-bert-v3", "mean"),
    "camembert": (lambda: T.CamembertModel(T.CamembertConfig(**ROBERTA)), "bert", "mean"),
    # New cases come last, as the seeds are counted.
}
DENSE = {"embeddinggemma": [(64, "linear.Identity"), (32, "linear.Identity")], "bert-dense": [(24, "activation.Tanh")]}
TOKENIZERS = {"roberta": "bytes", "xlm-roberta": "pieces", "xlm-roberta-rank": "pieces", "camembert": "pieces"}  # others: "words"
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
    "classifier.dense": "cls", "classifier.out_proj": "cls.output",
    "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm",
    "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    "ln_1": "attn_norm", "ln_2": "ffn_norm",
    "embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm", "final_norm": "output_norm",
    "attention.q_lin": "attn_q", "attention.k_lin": "attn_k", "attention.v_lin": "attn_v", "attention.out_lin": "attn_output",
    "sa_layer_norm": "attn_output_norm", "ffn.lin1": "ffn_up", "ffn.lin2": "ffn_down", "output_layer_norm": "layer_output_norm",
    "mixer.Wqkv": "attn_qkv", "mixer.out_proj": "attn_output", "mlp.fc1": "ffn_up",
    "attn_norm": "attn_norm", "mlp_norm": "ffn_norm", "attn.Wo": "attn_output", "mlp.Wi": "ffn_up", "mlp.Wo": "ffn_down",
}


def name_in_gguf(name, arch):
    if name.startswith("dense_"):
        return name
    if arch in ("qwen3", "gemma-embedding", "eurobert"):
        return gguf_name("model." + name, {"gemma-embedding": "gemma3"}.get(arch, arch))
    stem, kind = name.removeprefix("bert.").removeprefix("roberta.").rsplit(".", 1)
    parts = stem.split(".")
    layer = next((i for i, p in enumerate(parts) if p.isdigit()), None)
    if layer is None:
        return f"{NAMES[stem]}.{kind}"
    return f"blk.{parts[layer]}.{NAMES['.'.join(parts[layer + 1:])]}.{kind}"


def make_words():
    t = tokenizers.Tokenizer(models.WordPiece({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.add_special_tokens(VOCABULARY[:5])
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return t


MARK = "\u2581"
PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), (MARK, -3.5),
          *((c, -4 - i / 8) for i, c in enumerate(string.ascii_lowercase + ".,?!'")),
          *((MARK + w, -2.5 - i / 16) for i, w in enumerate(["the", "cat", "dog", "ran", "sat", "in", "on", "of", "th"])),
          ("he", -3.0), ("at", -2.75), ("an", -3.25), ("og", -3.5)]
PIECES += [(f"{MARK}unused{i}", -9.0) for i in range(SIZES["vocab_size"] - 1 - len(PIECES))] + [("<mask>", 0.0)]
BYTES = ["<s>", "<pad>", "</s>", "<unk>", *string.ascii_letters, *".,?!'", "\u0120", "\u00c3", "\u00a9"]
MERGES = [("t", "h"), ("th", "e"), ("\u0120", "the"), ("a", "t"), ("c", "at"), ("\u0120", "cat"), ("o", "g")]


def make_pieces():
    t = tokenizers.Tokenizer(models.Unigram(PIECES, unk_id=3))
    t.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.add_special_tokens([*(p for p, _ in PIECES[:4]), "<mask>"])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t


def make_bytes():
    tokens = BYTES + [a + b for a, b in MERGES]
    tokens += [f"unused{i}" for i in range(SIZES["vocab_size"] - len(tokens))]
    t = tokenizers.Tokenizer(models.BPE({w: i for i, w in enumerate(tokens)}, MERGES, unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(BYTES[:4])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return t


MAKERS = {"words": make_words, "pieces": make_pieces, "bytes": make_bytes}


def write_words(w, n_types):
    def text(token):
        return token if token[0] == "[" else token[2:] if token[:2] == "##" else MARK + token
    w.add_tokenizer_model("bert")
    w.add_token_list([text(t) for t in VOCABULARY])
    w.add_token_types([gguf.TokenType.CONTROL if t[0] == "[" else gguf.TokenType.NORMAL for t in VOCABULARY])
    w.add_token_type_count(n_types)
    w.add_unk_token_id(1)
    w.add_pad_token_id(0)
    w.add_uint32("tokenizer.ggml.bos_token_id", 2)
    w.add_uint32("tokenizer.ggml.seperator_token_id", 3)
    w.add_mask_token_id(4)


def write_pieces(w, n_types):
    """As llama.cpp's converter does it for XLM-RoBERTa."""
    w.add_tokenizer_model("t5")
    w.add_tokenizer_pre("default")
    w.add_token_list([p for p, _ in PIECES])
    w.add_token_scores([s for _, s in PIECES])
    w.add_token_types([gguf.TokenType.UNKNOWN if p == "<unk>" else gguf.TokenType.CONTROL if p[0] == "<" else
                       gguf.TokenType.NORMAL for p, _ in PIECES])
    w.add_add_space_prefix(True)
    w.add_token_type_count(n_types)
    w.add_remove_extra_whitespaces(True)
    for name, i in ("bos", 0), ("eos", 2), ("unknown", 3), ("seperator", 2), ("padding", 1), ("mask", len(PIECES) - 1):
        w.add_uint32(f"tokenizer.ggml.{name}_token_id", i)
    for name in "bos", "eos", "sep":
        w.add_bool(f"tokenizer.ggml.add_{name}_token", True)


def is_roberta(c):
    """Its positions begin behind that of padding."""
    return c.model_type in ("roberta", "xlm-roberta", "camembert")


def write_gguf(path, arch, pooling, c, weights, kind):
    w = gguf.GGUFWriter(path, arch)
    skipped = c.pad_token_id + 1 if is_roberta(c) else 0
    w.add_context_length(c.max_position_embeddings - skipped)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(next((getattr(c, k) for k in ("intermediate_size", "hidden_dim") if hasattr(c, k)), 4 * c.hidden_size))
    w.add_head_count(c.num_attention_heads)
    if arch in ("qwen3", "gemma-embedding", "eurobert"):
        w.add_head_count_kv(c.num_key_value_heads)
        if c.head_dim:
            w.add_key_length(c.head_dim)
            w.add_value_length(c.head_dim)
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
        w.add_rope_freq_base(c.rope_parameters.get("full_attention", c.rope_parameters)["rope_theta"])
    else:
        w.add_layer_norm_eps(next((getattr(c, k) for k in ("layer_norm_eps", "layer_norm_epsilon", "norm_eps") if hasattr(c, k)), 1e-12))
    if arch == "starcoder":
        w.add_head_count_kv(1)
    if arch in ("nomic-bert", "jina-bert-v3"):
        w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    if arch == "modern-bert":
        w.add_rope_freq_base(c.rope_parameters["full_attention"]["rope_theta"])
        w.add_float32("modern-bert.rope.freq_base_swa", c.rope_parameters["sliding_attention"]["rope_theta"])
        w.add_sliding_window(c.local_attention)
    if arch == "gemma-embedding":
        w.add_sliding_window(2 * (c.sliding_window - 1))
    if "bert" in arch or "embedding" in arch:
        w.add_causal_attention(False)
        (write_pieces if kind == "pieces" else write_words)(w, getattr(c, "type_vocab_size", 1))
    if pooling:
        w.add_pooling_type(POOLINGS[pooling][1])
    for name, tensor in weights.items():
        if arch == "jina-bert-v3" and name.startswith("pooler"):  # such files have none
            continue
        offset = arch == "gemma-embedding" and name.endswith("norm.weight")  # checkpoints hold such weights less one
        data = (tensor.float() + offset).numpy()[skipped if "position_emb" in name else 0:]
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


def pool(hidden, pooling, layers):
    v = through(layers, hidden.mean(0) if pooling == "mean" else hidden[0 if pooling == "cls" else -1])
    return (v / v.norm()).float().numpy()


def make_dense(folder, name, generator, width):
    """Further layers over vectors as sentence-transformers keeps them: (weight, bias, activation) of each."""
    layers = []
    for i, (out, activation) in enumerate(DENSE.get(name, [])):
        weights = {"linear.weight": (torch.randn(out, width, generator=generator) / width ** 0.5).bfloat16()}
        if activation != "linear.Identity":
            weights["linear.bias"] = (0.3 * torch.randn(out, generator=generator)).bfloat16()
        path = folder / f"{i + 2}_Dense"
        path.mkdir()
        safetensors.torch.save_file(weights, path / "model.safetensors")
        settings = {"in_features": width, "out_features": out, "bias": "linear.bias" in weights,
                    "activation_function": "torch.nn.modules." + activation}
        (path / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
        layers.append((weights["linear.weight"], weights.get("linear.bias"), activation))
        width = out
    return layers


def through(layers, v):
    for weight, bias, activation in layers:
        v = torch.nn.functional.linear(v, weight.double(), bias.double() if bias is not None else None)
        v = torch.tanh(v) if activation.endswith("Tanh") else v
    return v


def write_texts(folder, model, pooling, kind, layers):
    """What comes out for whole texts, and what says so in a directory."""
    t = MAKERS[kind]()
    t.save(str(folder / "tokenizer.json"))
    inner = getattr(model, model.base_model_prefix, model)
    with torch.no_grad():
        if pooling == "rank":
            encoded = [t.encode(a, b) for a, b in PAIRS]
            types = [torch.tensor([e.type_ids]) if kind == "words" else None for e in encoded]
            scores = [model(torch.tensor([e.ids]), token_type_ids=t).logits[0, 0] for e, t in zip(encoded, types)]
            np.save(folder / "scores.npy", torch.stack(scores).float().numpy())
            (folder / "pairs.json").write_text(json.dumps(PAIRS, indent=1) + "\n")
            return
        hidden = [inner(torch.tensor([t.encode(text).ids])).last_hidden_state[0] for text in TEXTS]
        if pooling == "none":  # the tokens of all texts
            vectors = torch.nn.functional.normalize(model.linear(torch.cat(hidden)), dim=1).float().numpy()
        else:
            vectors = np.stack([pool(h, pooling, layers) for h in hidden])
    np.save(folder / "vectors.npy", vectors)
    (folder / "texts.json").write_text(json.dumps(TEXTS, indent=1) + "\n")


def write_modules(folder, pooling, width, layers):
    """Pooling as sentence-transformers keeps it."""
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    modules += [{"idx": i + 2, "name": str(i + 2), "path": f"{i + 2}_Dense", "type": "sentence_transformers.models.Dense"}
                for i in range(len(layers))]
    (folder / "1_Pooling").mkdir()
    settings = {"word_embedding_dimension": width, **{f"pooling_mode_{p}": p == POOLINGS[pooling][0]
                                                      for p in ("cls_token", "mean_tokens", "lasttoken")}}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    (folder / "modules.json").write_text(json.dumps(modules, indent=1) + "\n")


def make(name, seed):
    build, arch, pooling = CASES[name]
    kind = TOKENIZERS.get(name, "words")
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
    if is_roberta(c):  # padding would have no position
        ids[ids == c.pad_token_id] = c.vocab_size - 2
    with torch.no_grad():
        if c.architectures[0].endswith("ForCausalLM") or arch == "gpt2":
            greedy = []
            for _ in range(N_GREEDY):
                greedy.append(int(model(torch.cat([ids, torch.tensor([greedy], dtype=ids.dtype)], 1)).logits[0, -1].argmax()))
            np.save(folder / "logits.npy", model(ids).logits[0].float().numpy())
            (folder / "greedy.json").write_text(json.dumps(greedy) + "\n")
        else:
            inner = getattr(model, model.base_model_prefix, model)
            np.save(folder / "hidden.npy", inner(ids).last_hidden_state[0].float().numpy())
    (folder / "ids.json").write_text(json.dumps(ids[0].tolist()) + "\n")
    layers = make_dense(folder, name, generator, c.hidden_size)
    if isinstance(model, ColBERT) or "bert" in (arch or model.base_model_prefix) or "embedding" in (arch or ""):
        write_texts(folder, model, pooling, kind, layers)
    if pooling in POOLINGS and pooling != "rank":
        write_modules(folder, pooling, c.hidden_size, layers)
    if arch and kind != "bytes":
        for i, (weight, _, activation) in enumerate(layers):
            if activation == "linear.Identity":
                weights[f"dense_{i + 2}.weight"] = weight
        write_gguf(folder / "model.gguf", arch, pooling, c, weights, kind)
    print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())} bytes")


if __name__ == "__main__":
    for i, case in enumerate(CASES):
        if case in sys.argv[1:] or len(sys.argv) == 1:
            make(case, 2000 + i)
