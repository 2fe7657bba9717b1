#!/usr/bin/env python3
"""Writes beams.json: the texts that transformers' beam search finds with the small story model, and their scores.

    tests/data/beams/make.py tests/data/default-model > tests/data/beams/beams.json

Needs torch and transformers (5.23 wrote what is there). Arithmetic is in float64, so that ties are those of the model."""
import itertools
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = ["Once upon a time", "The dog was sad because", "Lily said, \""]
END = {"likely": False, "first": True, "sure": "never"}


def case(model, tokenizer, prompt, beams, n, penalty, end, repeat=1.0):
    ids = torch.tensor([[tokenizer.bos_token_id] + tokenizer.encode(prompt, add_special_tokens=False)])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=beams,
                         num_return_sequences=beams, max_new_tokens=n, length_penalty=penalty,
                         early_stopping=END[end], repetition_penalty=repeat, pad_token_id=tokenizer.bos_token_id,
                         temperature=None, return_dict_in_generate=True, output_scores=True)
    ends = model.generation_config.eos_token_id
    texts = []
    for sequence, score in zip(out.sequences, out.sequences_scores):
        tokens = sequence[ids.shape[1]:].tolist()
        at = next((i for i, t in enumerate(tokens) if t in ends), len(tokens))
        texts.append({"ids": tokens[:at], "ended": at < len(tokens), "score": round(score.item(), 7)})
    return {"prompt": prompt, "prompt_ids": ids[0].tolist(), "n_beams": beams, "n_predict": n, "length_penalty": penalty,
            "end": end, "repeat_penalty": repeat, "texts": texts}


def cases(model, tokenizer):
    for prompt, beams, end in itertools.product(PROMPTS, (2, 4, 7), END):
        yield case(model, tokenizer, prompt, beams, 24, 1.0, end)
    for prompt, penalty, end in itertools.product(PROMPTS, (-1.0, 0.0, 2.5), END):
        yield case(model, tokenizer, prompt, 3, 40, penalty, end)
    for prompt, end in itertools.product(PROMPTS, END):
        yield case(model, tokenizer, prompt, 4, 160, 0.0, end)
        yield case(model, tokenizer, prompt, 4, 30, 1.0, end, repeat=1.3)


def main():
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float64).eval()
    with torch.no_grad():
        print('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases(model, tokenizer)) + "\n]}")


main()
