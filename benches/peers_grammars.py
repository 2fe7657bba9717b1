#!/usr/bin/env python3
"""What a grammar costs: libinfer's sampler with and without, and masks beside llguidance and llama.cpp; one thread.

    pip install llama-cpp-python llguidance tokenizers gguf numpy
    build/infer-synth llama-3.2-1b q4_0 model.gguf
    python3 benches/peers_grammars.py ggml-vocab-llama-bpe.gguf -m model.gguf -t 2 -n 24 --texts 6

The logits are random, with a bias to the tokens that JSON is made of, so that texts come to their ends. Microseconds a
token, each the mean over the texts, of
    sampler:    infer_sampler_sample and _accept, without a grammar and with it, top-k 40 and 0, in turn; "first" is
                the first text that a grammar is used for, "most" the longest that one token took after it;
    masks:      what can come next of all tokens, at every token of the same texts. Of llama.cpp's sampler two figures:
                its grammar on all candidates, and the cheaper way of its programs: the grammar is asked for one token,
                and for all only where that one is refused. llguidance fills a mask, as libinfer does;
    generation: with -m, two texts of a model whose logits are replaced by those above, one with the grammar and one
                without, a step of each in turn, so that a machine whose speed drifts treats them alike. "added" is
                what choosing takes longer, of a token's time; "ratio" of all times, with by without, summed over
                pieces of some steps: the median of the pieces after the first text.
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
PIECE = 8  # steps of which two times are compared
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
    return 1e6 * statistics.fmean(spent) if spent else float("nan")


# ---- Peers: seconds for each token's mask along texts ----

def our_masks(ours, grammar, texts):
    so, words = ours.library.so, (ours.n_vocab + 31) // 32
    matcher, bits, spent = ours.library.open("matcher", grammar, ours.tokenizer), numpy.zeros(words, numpy.uint32), []
    room = bits.ctypes.data_as(c.c_void_p)
    for ids in texts:
        so.infer_matcher_rewind(matcher.handle, c.c_size_t(0), None)
        for i in ids:
            start = time.perf_counter()
            so.infer_matcher_mask(matcher.handle, room, c.c_size_t(words), None)
            spent.append(time.perf_counter() - start)
            so.infer_matcher_accept(matcher.handle, i, None)
    return spent


def guidance_masks(tokenizer, notation, source, texts):
    import llguidance
    import llguidance.numpy as masks
    grammar = (llguidance.LLMatcher.grammar_from_regex(source) if notation == REGEX
               else llguidance.LLMatcher.grammar_from_json_schema(json.dumps(source)))
    bits, spent = masks.allocate_token_bitmask(1, tokenizer.vocab_size), []
    for ids in texts:
        matcher = llguidance.LLMatcher(tokenizer, grammar)
        for i in ids:
            start = time.perf_counter()
            masks.fill_next_token_bitmask(matcher, bits, 0)
            spent.append(time.perf_counter() - start)
            if not matcher.consume_token(i):
                break
    return spent


def llama_masks(vocab, gbnf, rows, texts, patience):
    """Two lists: the grammar on all candidates, and on one that it accepts."""
    import llama_cpp
    n, all_of, one_of, begun = rows.shape[1], [], [], time.perf_counter()
    data = (llama_cpp.llama_token_data * n)()
    as_array = numpy.ctypeslib.as_array(data)
    for ids in texts:
        sampler = llama_cpp.llama_sampler_init_grammar(vocab, gbnf.encode(), b"root")
        if not sampler:  # refused, as too many repetitions are
            break
        for at, i in enumerate(ids):
            if time.perf_counter() - begun > patience:
                break
            for size, spent in ((n, all_of), (1, one_of)):
                as_array["id"][:size] = range(n) if size == n else i
                as_array["logit"][:size] = rows[at % len(rows)] if size == n else 0
                candidates = llama_cpp.llama_token_data_array(data, size, -1, False)
                start = time.perf_counter()
                llama_cpp.llama_sampler_apply(sampler, c.byref(candidates))
                spent.append(time.perf_counter() - start)
            if as_array["logit"][0] == -numpy.inf:  # its schema's white space or order differs: it would abort
                break
            llama_cpp.llama_sampler_accept(sampler, i)
        llama_cpp.llama_sampler_free(sampler)
    return all_of, one_of


def llama_vocab(path):
    import llama_cpp
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    return llama_cpp.llama_model_get_vocab(llama_cpp.llama_model_load_from_file(path.encode(), params))


# ---- Generation ----

class Text:
    """A text in the making: each step evaluates the last token, then chooses the next one from a row of logits."""

    def __init__(self, ours, model, sampler):
        self.ours, self.sampler, self.session, self.last = ours, sampler, ours.library.open("session", model, None), 1

    def step(self, logits):
        """Seconds of evaluating and of choosing."""
        so, ids = self.ours.library.so, (c.c_int32 * 1)(self.last)
        start = time.perf_counter()
        so.infer_session_eval(self.session.handle, ids, c.c_size_t(1), None)
        evaluated = time.perf_counter()
        i = so.infer_sampler_sample(self.sampler.handle, logits, self.ours.n_vocab)
        so.infer_sampler_accept(self.sampler.handle, i)
        chosen = time.perf_counter()
        if i < 0 or self.ours.tokenizer.is_end(i):
            self.sampler.reset()
        else:
            self.last = i
        return evaluated - start, chosen - evaluated

    def rewind(self):
        self.session.rewind(c.c_size_t(0), None)
        self.sampler.reset()


def in_turn(texts, rows, n_tokens, at):
    """A text without a grammar and one with it, a step of each in turn, the first of them in turn: for each the list
    of (evaluating, choosing)."""
    spent = [[], []]
    for text in texts:
        text.rewind()
    for step in range(n_tokens):
        for which in (0, 1) if step % 2 else (1, 0):
            spent[which].append(texts[which].step(rows[(at + step) % len(rows)]))
    return spent


def ratios(spent):
    """Of pieces of PIECE steps: time with the grammar by time without."""
    times = [[sum(step) for step in one] for one in spent]
    sums = [[sum(one[i:i + PIECE]) for i in range(0, len(one) - PIECE + 1, PIECE)] for one in times]
    return [b / a for a, b in zip(*sums)]


def compare_generation(ours, model, rows, args):
    print("\n| grammar | top-k | ms a token, without | choosing, µs | with | first text | most | added | ratio | "
          "quartiles |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    plain = [Text(ours, model, ours.sampler(40)) for _ in range(2)]
    in_turn(plain, rows, PIECE, 0)  # the weights come into memory
    for name, (notation, source, _) in GRAMMARS.items():
        for top_k in args.top_k if name in args.grammars else ():
            texts = [Text(ours, model, ours.sampler(top_k)),
                     Text(ours, model, ours.sampler(top_k, ours.grammar(notation, source)))]
            first, later = in_turn(texts, rows, args.tokens, 0), [[], []]
            for i in range(1, args.texts):
                for all_of, one in zip(later, in_turn(texts, rows, args.tokens, i * args.tokens)):
                    all_of += one
            free, bound, begun = ([choice for _, choice in one] for one in (*later, first[1]))
            token = statistics.median(map(sum, later[0]))
            low, middle, high = statistics.quantiles(ratios(later), n=4)
            print(f"| {name} | {top_k} | {1e3 * token:.1f} | {microseconds(free):.0f} | {microseconds(bound):.0f} | "
                  f"{microseconds(begun):.0f} | {1e6 * max(bound):.0f} | "
                  f"{100 * (statistics.fmean(bound) - statistics.fmean(free)) / token:.1f} % | "
                  f"{middle:.3f} | {low:.3f} to {high:.3f} |", flush=True)


# ---- Tables ----

def compare_samplers(ours, rows, args):
    """Prints the table; the texts of each grammar."""
    kept = {}
    print("\n| µs a token of sampling | top-k | without | with | first | most |\n|---|---:|---:|---:|---:|---:|")
    for name, (notation, source, _) in GRAMMARS.items():
        for top_k in (40, 0):
            grammar = ours.grammar(notation, source)
            free = texts_of(ours, ours.sampler(top_k), rows, 1, args.tokens)[1]
            texts, times = texts_of(ours, ours.sampler(top_k, grammar), rows, args.texts, args.tokens)
            later = sum(times[1:], [])
            print(f"| {name} | {top_k} | {microseconds(sum(free, [])):.0f} | {microseconds(later):.0f} | "
                  f"{microseconds(times[0]):.0f} | {1e6 * max(later):.0f} |", flush=True)
            kept[name] = texts
    return kept


def compare_masks(ours, rows, texts, args):
    import llama_cpp.llama_grammar as llama_grammar
    import llguidance
    from peers_tokenizers import hugging_face
    guide = llguidance.LLTokenizer(hugging_face(args.vocabulary, args.keep).to_str(), n_vocab=ours.n_vocab,
                                   eos_token=ours.tokenizer.eos())
    vocab = llama_vocab(args.vocabulary)
    print("\n| µs a token for a mask | tokens | libinfer | llguidance | llama.cpp, all | one |\n"
          "|---|---:|---:|---:|---:|---:|")
    for name, (notation, source, gbnf) in GRAMMARS.items():
        gbnf = gbnf or llama_grammar.json_schema_to_gbnf(json.dumps(source or {"type": ["object", "array"]}))
        own = our_masks(ours, ours.grammar(notation, source), texts[name])
        guided = guidance_masks(guide, notation, source, texts[name])
        of_all, of_one = llama_masks(vocab, gbnf, rows, texts[name], args.patience)
        print(f"| {name} | {len(own)} | " + " | ".join(
            f"{microseconds(spent):.0f}" for spent in (own, guided, of_all, of_one)) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("vocabulary", metavar="VOCAB.gguf")
    parser.add_argument("-m", "--model", help="of as many tokens: generation too")
    parser.add_argument("-t", "--threads", type=int, default=1, help="of the model")
    parser.add_argument("-n", "--tokens", type=int, default=60, help="most of a text")
    parser.add_argument("--texts", type=int, default=6)
    parser.add_argument("--grammars", nargs="+", choices=GRAMMARS, default=list(GRAMMARS), help="of generation")
    parser.add_argument("--top-k", nargs="+", type=int, default=[40, 0], help="of generation")
    parser.add_argument("--patience", type=float, default=2, help="seconds for llama.cpp on all candidates")
    parser.add_argument("--library", default="build/libinfer.so")
    parser.add_argument("--keep", default="build/peers", help="where a tokenizer.json and logits are kept")
    args = parser.parse_args()
    ours = Ours(Library(args.library, args.threads), args.vocabulary)
    kept = os.path.join(args.keep, os.path.basename(args.vocabulary) + ".npy")
    os.makedirs(args.keep, exist_ok=True)
    if not os.path.exists(kept):
        numpy.save(kept, ours.logits())
    rows = numpy.load(kept)
    at = pointers(rows)
    if args.model:
        model = ours.library.open("model", ours.library.context, args.model.encode(), None)
        compare_generation(ours, model, at, args)
    else:
        compare_masks(ours, rows, compare_samplers(ours, at, args), args)


if __name__ == "__main__":
    main()
