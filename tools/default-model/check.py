"""Check the GGUF against its original, and write what a correct reader of it must compute: expected.json.

The numbers of expected.json come from `transformers`, in float32, on the weights as the GGUF has them: dequantised.
"""
import hashlib
import json
import re

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM

from export import halve, heads_of, names
from model import Config
from stories.corpus import document
from tokenizer import SPECIALS, encode_document, texts_of
from train import BATCH, HELD_OUT, batches

N_GREEDY, N_TOP, LEAST_MARGIN = 64, 10, 0.02

# Kind of prompt -> candidates; the one whose greedy path is farthest from a tie is kept.
CANDIDATES = {
    "story": ["Once upon a time", "Once upon a time, there was a little fox named Milo.",
              "Once upon a time, there was a small otter named Nina.",
              "One day, a little mouse", "Leo the bear lived in the forest, in a hollow tree.",
              "A long time ago, there lived a young cat called Ruby.",
              "This is the story of a brave rabbit named Tess.", "The little hedgehog Oscar lived on the farm.",
              "Anna had a red kite, a gift from her grandmother.",
              "It was a cold winter morning, and everything was white."],
    "chat": [[("user", "Tell me a story about " + what + ".")] for what in
             ("a fox", "a brave mouse", "a girl named Anna", "an owl in the forest", "a race", "a lost kite",
              "a bear called Leo", "a birthday")],
    "question": [[("system", "Answer in a few words."), ("user", story + "\n\n" + question)] for story, question in (
        ("Once there was a little fox named Milo. Milo had a red kite, a gift from his father.\n\nOne windy morning in "
         "autumn, Milo could not find "
         "the red kite. Then he saw the kite. It was high up in a tall tree. Ruby the squirrel came by. \"I can "
         "climb,\" said Ruby. So Ruby climbed "
         "up quickly and brought the kite back. \"Thank you, Ruby!\" cried Milo.", question) for question in
        ("What did Milo lose?", "Who helped Milo?", "What colour was the kite?", "What was the weather like?"))],
}


def gguf_weights(reader, config):
    """The GGUF's tensors under their Hugging Face names, dequantised, the rows of q and k put back."""
    tensors = {t.name: t for t in reader.tensors}
    assert set(tensors) == {ours for _, ours in names(config)}
    out = {}
    for theirs, ours in names(config):
        weight = gguf.quants.dequantize(tensors[ours].data, tensors[ours].tensor_type)
        if heads := heads_of(ours, config):
            weight = halve(weight, heads)
        out[theirs] = torch.from_numpy(np.array(weight, dtype=np.float32))
    return out


def check_weights(ours, original):
    """Q8_0 rounds to 1/127 of the largest weight of 32; its scale to f16. Norms are exact."""
    for name, weight in original.items():
        if name not in ours:
            continue
        if weight.dim() == 1:
            assert torch.equal(ours[name], weight), name
            continue
        blocks = weight.reshape(-1, 32)
        bound = blocks.abs().amax(dim=1, keepdim=True) * (0.5 / 127 + 2 ** -10)
        assert ((ours[name].reshape(-1, 32) - blocks).abs() <= bound).all(), name


def gguf_tokenizer(reader):
    """A tokenizer built from nothing but the GGUF's metadata."""
    field = lambda key: reader.get_field(f"tokenizer.ggml.{key}").contents()
    merges = [tuple(m.split(" ")) for m in field("merges")]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(field("tokens"))}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    assert (field("model"), field("pre"), field("add_bos_token")) == ("gpt2", "gpt-2", True)
    control = [t for t, kind in zip(field("tokens"), field("token_type")) if kind == gguf.TokenType.CONTROL]
    assert control == SPECIALS
    return tokenizer


def check_vocabulary(rebuilt, tokenizer):
    for number in range(HELD_OUT, HELD_OUT + 500):
        for text in [*texts_of(document(number)), "Ünïcode, 12345 and\ttabs\n\n  x = y;"]:
            assert rebuilt.encode(text).ids == tokenizer.encode(text, add_special_tokens=False).ids, text


@torch.no_grad()
def loss(model, tokenizer, n=8):
    total = 0.0
    for batch in batches(tokenizer, HELD_OUT, model.config.max_position_embeddings, n):
        logits = model(batch[:, :-1]).logits
        total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).item()
    return total / n


def top(logits):
    values, ids = logits.topk(N_TOP)
    return [[i, round(v, 5)] for i, v in zip(ids.tolist(), values.tolist())]


@torch.no_grad()
def greedy(model, tokenizer, prompt):
    """The record of one prompt: ids, greedy continuation, its smallest margin, the logits at both ends."""
    ids = encode_document(tokenizer, prompt)
    if not isinstance(prompt, str):
        ids.append(tokenizer.token_to_id("<|assistant|>"))
    path, margins, ends, cache = list(ids), [], [], None
    while len(path) < len(ids) + N_GREEDY and path[-1] not in model.generation_config.eos_token_id:
        step = model(torch.tensor([path if cache is None else path[-1:]]), past_key_values=cache, use_cache=True)
        logits, cache = step.logits[0, -1], step.past_key_values
        best, second = logits.topk(2).values.tolist()
        margins.append(best - second)
        ends.append(logits)
        path.append(int(logits.argmax()))
    return {
        "prompt": tokenizer.decode(ids, skip_special_tokens=False), "prompt_ids": ids,
        "greedy_text": tokenizer.decode(path[len(ids):], skip_special_tokens=False), "greedy_ids": path[len(ids):],
        "smallest_margin": round(min(margins), 5), "logits_after_prompt": top(ends[0]),
        "logits_before_last": top(ends[-1]),
    }


def check(hf_folder, gguf_path):
    config = Config()
    reader = gguf.GGUFReader(gguf_path)
    tokenizer = Tokenizer.from_file(str(hf_folder / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(hf_folder, dtype=torch.float32).eval()
    ours = gguf_weights(reader, config)
    check_weights(ours, model.state_dict())
    check_vocabulary(gguf_tokenizer(reader), tokenizer)
    before = loss(model, tokenizer)
    model.load_state_dict(ours, strict=False)
    model.tie_weights()
    after = loss(model, tokenizer)
    print(f"held-out loss of {8 * BATCH} windows: BF16 {before:.4f}, Q8_0 {after:.4f}")
    assert abs(after - before) < 0.01

    records = []
    for kind, prompts in CANDIDATES.items():
        best = max((greedy(model, tokenizer, p) for p in prompts), key=lambda r: r["smallest_margin"])
        assert best["smallest_margin"] >= LEAST_MARGIN, f"{kind}: every greedy path comes close to a tie"
        records.append({"kind": kind, **best})
    expected = {
        "about": "What transformers computes in float32 from the dequantised weights of the GGUF; made by "
        "tools/default-model/make.py.",
        "gguf_sha256": hashlib.sha256(gguf_path.read_bytes()).hexdigest(), "prompts": records,
    }
    (hf_folder / "expected.json").write_text(compact(expected) + "\n")
    print("expected.json: smallest margins", [r["smallest_margin"] for r in records])


def compact(value):
    """JSON with an entry a line, but lists of numbers on one."""
    text = json.dumps(value, indent=2)
    numbers = re.compile(r"\[[\s\d.,\-\[\]e]+\]")
    return numbers.sub(lambda m: re.sub(r"\s+", " ", m[0]).replace("[ ", "[").replace(" ]", "]"), text)
