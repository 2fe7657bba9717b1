#!/usr/bin/env python3
"""Encode the same texts with libinfer, llama.cpp and Hugging Face tokenizers in turn; one thread.

    pip install llama-cpp-python tokenizers gguf
    python3 benches/peers_tokenizers.py ggml-vocab-llama-bpe.gguf ggml-vocab-qwen2.gguf -r 5

Speed is MB (10^6 bytes) of text a second, the median over rounds; each round measures all three, one after the other,
so that a machine whose speed drifts treats them alike. The adversarial texts are one character over and over: for
these, seconds for 1 MB, and for 2 MB by 1 MB, which is 2 where time is linear. "ids": whether the peer's are the same.

Hugging Face's tokenizer is made here of the GGUF file's own tokens and merges (kept in build/peers/, as that takes a
while), with the pattern of the model's makers. English and code are from Python's own library; the other languages from
the message catalogues that this machine has. --text NAME=FILE measures another text instead.
"""
import argparse
import ctypes
import gettext
import glob
import os
import pathlib
import statistics
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gguf
import llama_cpp
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from libinfer import Library

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CJK = r"[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+"
# Each cuts the pieces of the one before. DeepSeek's letters are those of scripts with capitals.
PATTERNS = {"gpt-2": [GPT2], "llama-bpe": [WORDS % "{1,3}"], "qwen2": [WORDS % ""], "starcoder": [r"\p{N}", GPT2],
            "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
            "deepseek-llm": [r"[\r\n]", r"\s?[\p{Lu}\p{Ll}]+",
                             r"\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+",
                             r"\s+$", CJK, r"\p{N}+"],
            "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"]}
LANGUAGES = ["ru", "ja", "zh_CN", "ko", "el", "uk", "de", "fr", "tr", "vi", "he", "ar", "hi", "ka"]
MESSAGES = 1 << 20  # characters of all languages together


# ---- Texts ----

def english():
    """The chapters of the language reference that help() shows."""
    import pydoc_data.topics
    return "\n".join(pydoc_data.topics.topics.values())


def code():
    return "".join(p.read_text("utf-8") for p in sorted(pathlib.Path(os.__file__).parent.glob("[a-m]*.py")))


def messages():
    """A paragraph of each language in turn: catalogues of translated programs, as this machine has them."""
    texts = []
    for language in LANGUAGES:
        one = ""
        for path in sorted(glob.glob(f"/usr/share/locale/{language}/LC_MESSAGES/*.mo")):
            with open(path, "rb") as f:
                try:
                    catalogue = gettext.GNUTranslations(f)._catalog
                except (ValueError, LookupError, OSError):
                    continue
            one += "\n".join(text for key, text in catalogue.items() if key)
        texts.append(one[:MESSAGES // len(LANGUAGES)])
    return "\n".join(texts)


def texts(chosen):
    own = dict(pair.split("=", 1) for pair in chosen)
    if own:
        return {name: pathlib.Path(path).read_text("utf-8") for name, path in own.items()}
    return {name: text for name, text in (("English", english()), ("code", code()), ("14 languages", messages()))
            if text.strip()}


# ---- Hugging Face's tokenizer of a GGUF vocabulary ----

def field(reader, name):
    found = reader.get_field(name)
    return found.contents() if found else None


def merges_of_scores(tokens, scores):
    """SentencePiece joins what makes up the token of the best score: all pairs of tokens that are one together."""
    ids = {t: i for i, t in enumerate(tokens)}
    pairs = [(-scores[i], ids[t[:k]], ids[t[k:]], (t[:k], t[k:])) for i, t in enumerate(tokens)
             for k in range(1, len(t)) if t[:k] in ids and t[k:] in ids]
    return [pair for *_, pair in sorted(pairs)]


def byte_level(tokens, reader, pre):
    merges = [tuple(m.split(" ", 1)) for m in field(reader, "tokenizer.ggml.merges")]
    t = tokenizers.Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges,
                                        ignore_merges=pre == "llama-bpe"))
    if pre == "qwen2":
        t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in PATTERNS[pre]]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    return t


def sentencepiece(tokens, reader):
    merges = merges_of_scores(tokens, field(reader, "tokenizer.ggml.scores"))
    t = tokenizers.Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, unk_token="<unk>",
                                        fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return t


def wordpiece(tokens):
    names = [t[1:] if t.startswith("▁") else t if t.startswith("[") and len(t) > 1 else "##" + t for t in tokens]
    t = tokenizers.Tokenizer(models.WordPiece({n: i for i, n in enumerate(names)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return t


def unigram(tokens, reader):
    charsmap = field(reader, "tokenizer.ggml.precompiled_charsmap")
    t = tokenizers.Tokenizer(models.Unigram(list(zip(tokens, map(float, field(reader, "tokenizer.ggml.scores")))),
                                            unk_id=field(reader, "tokenizer.ggml.unknown_token_id")))
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(bytes(charsmap)),
                                         normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    return t


def hugging_face(path, kept):
    kept = pathlib.Path(kept, pathlib.Path(path).stem + ".json")
    if not kept.exists():
        reader = gguf.GGUFReader(path)
        tokens, kind = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.model")
        made = {"gpt2": lambda: byte_level(tokens, reader, field(reader, "tokenizer.ggml.pre")),
                "llama": lambda: sentencepiece(tokens, reader),
                "bert": lambda: wordpiece(tokens),
                "t5": lambda: unigram(tokens, reader)}[kind]()
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.save(str(kept))
    return tokenizers.Tokenizer.from_file(str(kept))


# ---- The three, each a function from a text (str and bytes) to an array of ids ----

def encoders(path, library, kept):
    ours = library.tokenizer(path)
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    vocab = llama_cpp.llama_model_get_vocab(llama_cpp.llama_model_load_from_file(path.encode(), params))
    theirs = hugging_face(path, kept)
    room = {}

    def ids_for(data):
        return room.setdefault(len(data), (ctypes.c_int32 * (2 * len(data) + 16))())

    def libinfer(text, data):
        ids, n = ids_for(data), ctypes.c_size_t()
        ours.encode(data, ctypes.c_size_t(len(data)), 0, ids, ctypes.c_size_t(len(ids)), ctypes.byref(n), None)
        return ids, n.value

    def llama(text, data):
        ids = ids_for(data)
        return ids, llama_cpp.llama_tokenize(vocab, data, len(data), ids, len(ids), False, False)

    def face(text, data):
        encoded = theirs.encode_batch_fast([text], add_special_tokens=False)[0]
        return encoded, len(encoded)

    return {"libinfer": libinfer, "llama.cpp": llama, "tokenizers": face}


def ids_of(result):
    ids, n = result
    return ids.ids if hasattr(ids, "ids") else ids[:n]


def seconds(encode, text):
    data = text.encode()
    start = time.perf_counter()
    encode(text, data)
    return time.perf_counter() - start


def speeds(name, coders, text, rounds):
    megabytes = len(text.encode()) / 1e6
    ids = {who: ids_of(encode(text, text.encode())) for who, encode in coders.items()}  # also the warm-up
    rates = {who: [] for who in coders}
    for _ in range(rounds):
        for who, encode in coders.items():
            rates[who].append(megabytes / seconds(encode, text))
    median = {who: statistics.median(r) for who, r in rates.items()}
    same = {who: "same" if i == ids["libinfer"] else "others" for who, i in ids.items()}
    ratio = {who: statistics.median(a / b for a, b in zip(rates["libinfer"], rates[who])) for who in coders}
    print(f"| {name} | {median['libinfer']:.1f} | " + " | ".join(
        f"{median[who]:.2f} | {ratio[who]:.1f} | {same[who]}" for who in list(coders)[1:]) + " |", flush=True)


def adversarial(name, coders, character, patience):
    cells = []
    for encode in coders.values():
        one = seconds(encode, character * (1000000 // len(character.encode())))
        two = seconds(encode, character * (2000000 // len(character.encode()))) if one < patience else None
        cells.append(f"{one:.3f} | {two / one:.1f}" if two else f"{one:.3f} | –")
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("vocabularies", nargs="+", metavar="VOCAB.gguf")
    parser.add_argument("--text", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=2, help="seconds for 1 MB after which 2 MB are left out")
    parser.add_argument("--only", choices=["speed", "adversarial"])
    parser.add_argument("--library", default="build/libinfer.so")
    parser.add_argument("--keep", default="build/peers", help="where tokenizer.json files are kept")
    args = parser.parse_args()
    library, corpus = Library(args.library), texts(args.text)
    print(f"llama-cpp-python {llama_cpp.__version__}, tokenizers {tokenizers.__version__}, one thread; "
          f"{args.rounds} rounds")
    for path in args.vocabularies:
        name = pathlib.Path(path).stem.removeprefix("ggml-vocab-")
        coders = encoders(path, library, args.keep)
        if args.only != "adversarial":
            print("\n| MB/s | libinfer | llama.cpp | ratio | ids | tokenizers | ratio | ids |\n"
                  "|---|---:|---:|---:|---|---:|---:|---|")
            for kind, text in corpus.items():
                speeds(f"{name}, {kind}", coders, text, args.rounds)
        if args.only != "speed":
            print("\n| s for 1 MB, 2 MB / 1 MB | libinfer | | llama.cpp | | tokenizers | |\n"
                  "|---|---:|---:|---:|---:|---:|---:|")
            for kind, character in (("one letter", "a"), ("spaces", " "), ("emoji", "😀"), ("digits", "1"),
                                    ("newlines", "\n"), ("CJK", "的")):
                adversarial(f"{name}, {kind}", coders, character, args.patience)


if __name__ == "__main__":
    main()
