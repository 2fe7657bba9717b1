#!/usr/bin/env python3
"""What a grammar costs: libinfer's sampler with and without, and masks beside llguidance and llama.cpp; one thread.

    pip install llama-cpp-python llguidance tokenizers gguf numpy
    build/infer-synth llama-3.2-1b q4_0 model.gguf
    python3 benches/peers_grammars.py ggml-vocab-llama-bpe.gguf -m model.gguf -t 2

The logits are random, with a bias to the tokens that JSON is made of, so that texts come to their ends. Microseconds a
token, each the mean over the texts, of
    sampler:    infer_sampler_sample and _accept, without a grammar and with it, top-k 40 and 0, in turn; "first" is
                the first text that a grammar is used for, "most" the longest that one token took after it;
    masks:      what can come next of all tokens, at every token of the same texts. Of llama.cpp's sampler two figures:
                its grammar on all candidates, and the cheaper way of its programs: the grammar is asked for one token,
                and for all only where that one is refused. llguidance fills a mask, as libinfer does;
    generation: with -m tokens a second of a model whose logits are replaced by those above, without and with.
"""
import argparse
import ctypes as c
import json
import os
import statistics
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy

from libinfer import Library, SamplerOptions

GBNF, JSON_SCHEMA, REGEX = 0, 1, 2
TOOL_CALL = {"type": "object", "additionalProperties": False, "required": ["name", "arguments"], "properties": {
    "name": {"enum": ["get_weather", "send_mail", "search"]},
    "arguments": {"type": "object", "additionalProperties": False, "required": ["city", "days", "unit", "tags"],
                  "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
                                 "unit": {"enum": ["C", "F"]},
                                 "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5}}}}}
LONG = {"type": "string", "minLength": 100, "maxLength": 2000}
# name: notation and text here; for llguidance the same; for llama.cpp GBNF, None: made of the schema
DATE = r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-[0-3][0-9]( [a-z]+)*"
DATE_GBNF = ('root ::= ("19" | "20") [0-9]{2} "-" ("0" [1-9] | "1" [0-2]) "-" [0-3] [0-9] (" " [a-z]+)*')
GRAMMARS = {"any JSON": (JSON_SCHEMA, {}, None),
            "tool call": (JSON_SCHEMA, TOOL_CALL, None),
            "string of 100 to 2000": (JSON_SCHEMA, LONG, None),
            "regular expression": (REGEX, DATE, DATE_GBNF)}
MARKS = set(' \n{}[]",:')
N_LOGITS = 37  # rows of logits, one after the other; a prime, so that texts differ


# ---- libinfer ----

class Ours:
    def __init__(self, library, vocabulary):
        self.library = library
        self.tokenizer = library.tokenizer(vocabulary)
        self.n_vocab = self.tokenizer.size()

    def token(self, i):
        n = c.c_size_t()
        self.tokenizer.so.infer_tokenizer_token.restype = c.c_void_p
        text = self.tokenizer.token(i, c.byref(n))
        return c.string_at(text, n.value).decode("utf-8", "replace") if text else ""

    def grammar(self, notation, source):
        text = source if isinstance(source, str) else json.dumps(source)
        return self.library.open("grammar", self.library.context, notation, text.encode(),
                                 c.c_size_t(len(text.encode())), None)

    def sampler(self, top_k, grammar=None):
        options = SamplerOptions(0, 1, 0.8, top_k, 0.95, 0.05, 1, 64)
        options.size = c.sizeof(options)
        sampler = self.library.open("sampler", self.library.context, c.byref(options))
        if grammar:
            assert sampler.set_grammar(grammar.handle, self.tokenizer.handle, None) == 0
        return sampler

    def logits(self):
        """Rows of random logits, with a bias to JSON's marks and a smaller one to the tokens that end a text."""
        rows = numpy.random.default_rng(1).normal(0, 3, (N_LOGITS, self.n_vocab)).astype(numpy.float32)
        names = [self.token(i) for i in range(self.n_vocab)]
        for i, name in enumerate(names):
            text = name.replace("Ġ", " ").replace("Ċ", "\n")
            if text.strip() and set(text) <= MARKS:
                rows[:, i] += 6
            if self.tokenizer.is_end(i):
                rows[:, i] += 9
        return rows


def pointers(rows):
    return [row.ctypes.data_as(c.POINTER(c.c_float)) for row in rows]


def texts_of(ours, sampler, rows, n_texts, n_tokens):
    """Ids of the texts, and for each the seconds that every token took."""
    texts, times, at = [], [], 0
    sample, accept, end = ours.library.so.infer_sampler_sample, ours.library.so.infer_sampler_accept, None
    is_end = ours.library.so.infer_tokenizer_is_end
    is_end.restype = c.c_bool
    for _ in range(n_texts):
        ids, spent = [], []
        sampler.reset()
        while len(ids) < n_tokens:
            start = time.perf_counter()
            i = sample(sampler.handle, rows[at % len(rows)], ours.n_vocab)
            accept(sampler.handle, i)
            spent.append(time.perf_counter() - start)
            at += 1
            if i < 0 or is_end(ours.tokenizer.handle, i):
                break
            ids.append(i)
        texts.append(ids)
        times.append(spent)
    return texts, times


def microseconds(spent):
    return 1e6 * statistics.fmean(spent)
