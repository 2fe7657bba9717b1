#!/usr/bin/env python3
"""Make the small vocabularies of this folder, and what Hugging Face's tokenizers make of some texts with them.

    python3 make.py        needs: tokenizers, gguf

bytes.json, bytes.gguf    byte-level BPE, GPT-2's words
marks.json, marks.gguf    BPE of characters with U+2581 for spaces and byte tokens, as SentencePiece makes them
cases.jsonl               {"tokenizer", "text", "ids", "ids_no_special", "decode", "decode_skip"}

and seeds for the fuzz target in ../../fuzz/corpus/tokenizer
"""
import json
import os

import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = """The quick brown fox jumps over the lazy dog. Once upon a time there was a little girl who lived in a house.
She said: "I don't know what you're talking about, we've never been there!" It's 12 o'clock, they'll come at 3.30.
int main(void) { return printf("hello, world\\n"); } for (int i = 0; i < 10; i++) sum += values[i];
Der Fluß fließt über die Wiese. Les élèves sont à l'école. Привет, мир! Γειά σου Κόσμε. 你好，世界。
Numbers: 1 22 333 4444 55555; dates 2024-01-31; spaces    here  and   there.
""" * 4

TEXTS = [
    "", " ", "  ", "a", " a", "a ", "Hello", "Hello world", "  two  spaces ", "the quick brown fox", "I don't, you've",
    "12 o'clock, 3.30", "\n", "\n\n\t x", "int main(void) { return 0; }", "Fluß über école", "Привет, мир!", "你好，世界。",
    "😀 emoji 👩‍👩‍👧", "e\u0301 \u00e9", "\u2581mark", "a\u2581b", "\u0000nul\u0000", "<s>", "a<s>b", "</s>", "x </s> y",
    "<tool>call</tool>", "a <tool> b", "'s 't 're", "....", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "the the the the", "\u3000wide\u3000", "tab\tx", "\r\n", "0123456789", "ﬁ ligature", "<0x41>", "\ufffd",
]


def byte_level():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS.split("\n"), trainers.BpeTrainer(
        vocab_size=420, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_special_tokens(["<s>", "</s>"])
    t.add_tokens([AddedToken("<tool>", normalized=False)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", t.token_to_id("<s>"))])
    return t


def marks():
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # words are apart while training only, as SentencePiece does it
    t.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    t.train_from_iterator(CORPUS.split("\n"), trainers.BpeTrainer(
        vocab_size=560, show_progress=False, special_tokens=special, limit_alphabet=90))
    j = json.loads(t.to_str())
    j["pre_tokenizer"] = None
    j["added_tokens"] = j["added_tokens"][:3]
    t = Tokenizer.from_str(json.dumps(j))
    t.add_tokens([AddedToken("<tool>", normalized=False)])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def write_gguf(path, t, model):
    j = json.loads(t.to_str())
    merges = [" ".join(m) for m in j["model"]["merges"]]
    tokens = [t.id_to_token(i) for i in range(t.get_vocab_size())]
    added = {a["id"]: a for a in j["added_tokens"]}
    rank = {"".join(m): i for i, m in enumerate(j["model"]["merges"])}
    types, scores = [], []
    for i, name in enumerate(tokens):
        byte = model == "llama" and len(name) == 6 and name.startswith("<0x")
        types.append(2 if name == "<unk>" else 6 if byte else 1 if i not in added else 3 if added[i]["special"] else 4)
        scores.append(-float(rank.get(name, 1e6)))
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model(model)
    w.add_tokenizer_pre("default" if model == "llama" else "gpt-2")
    w.add_token_list(tokens)
    w.add_token_types(types)
    if model == "llama":
        w.add_token_scores(scores)
    else:
        w.add_token_merges(merges)
    w.add_bos_token_id(t.token_to_id("<s>"))
    w.add_eos_token_id(t.token_to_id("</s>"))
    w.add_add_bos_token(True)
    w.add_chat_template("{{ bos_token }}{{ messages[0].content }}")
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def seeds():
    """One small document for each kind of component; and the two GGUF files with few tokens."""
    vocab = {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "▁": 4, "<0x41>": 5, "Ġ": 6, "Ġa": 7, "é": 8}
    model = {"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": [["a", "b"], "Ġ a"]}
    added = [{"id": 9, "content": "<s>", "special": True, "lstrip": True, "rstrip": True},
             {"id": 10, "content": "the", "single_word": True, "normalized": True}]
    split = {"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|[\\p{L}&]+"}, "behavior": "Isolated", "invert": False}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                "special_tokens": {"<s>": {"ids": [9]}}}
    documents = {
        "bytes": {"added_tokens": added, "normalizer": {"type": "NFC"}, "model": model,
                  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, {"type": "ByteLevel"}, {"type": "Digits"}]},
                  "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, template]},
                  "decoder": {"type": "ByteLevel"}},
        "marks": {"added_tokens": added, "model": dict(model, byte_fallback=True, fuse_unk=True),
                  "normalizer": {"type": "Sequence", "normalizers": [
                      {"type": "Prepend", "prepend": "▁"}, {"type": "Strip"}, {"type": "Lowercase"},
                      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
                  "decoder": {"type": "Sequence", "decoders": [
                      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}},
        "meta": {"model": dict(model, ignore_merges=True), "decoder": {"type": "Metaspace", "replacement": "▁"},
                 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                     {"type": "Punctuation", "behavior": "Contiguous"}, {"type": "WhitespaceSplit"},
                     {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}]}},
        "pair": {"model": model, "post_processor": {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]},
                 "normalizer": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": ""},
                 "pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": "-"}},
        "words": {"added_tokens": added, "normalizer": {"type": "BertNormalizer"},
                  "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##"},
                  "model": {"type": "WordPiece", "unk_token": "<unk>", "vocab": dict(vocab, **{"##b": 11, "##ab": 12})}},
    }
    folder = "../../fuzz/corpus/tokenizer"
    os.makedirs(folder, exist_ok=True)
    for name, document in documents.items():
        with open(os.path.join(folder, name), "w") as f:
            json.dump(document, f, ensure_ascii=False)
    for name, model in (("scores", "llama"), ("merges", "gpt2"), ("pieces", "bert")):
        w = gguf.GGUFWriter(os.path.join(folder, name), "llama")
        w.add_tokenizer_model(model)
        w.add_tokenizer_pre("llama-bpe")
        w.add_token_list(["<unk>", "<s>", "</s>", "a", "b", "ab", "<0x41>" if model == "llama" else "Ġ", "the"])
        w.add_token_types([2, 3, 3, 1, 1, 1, 6 if model == "llama" else 1, 4])
        if model == "llama":
            w.add_token_scores([0.0, 0.0, 0.0, -2.0, -3.0, -1.0, 0.0, 0.0])
        elif model == "gpt2":
            w.add_token_merges(["a b"])
        w.add_bos_token_id(1)
        w.add_eot_token_id(2)
        w.add_add_bos_token(True)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.close()


def main():
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    with open("cases.jsonl", "w") as f:
        for name, t, model in (("bytes", byte_level(), "gpt2"), ("marks", marks(), "llama")):
            with open(name + ".json", "w") as out:
                json.dump(json.loads(t.to_str()), out, ensure_ascii=False, separators=(",", ":"))
            write_gguf(name + ".gguf", t, model)
            for text in TEXTS:
                ids = t.encode(text).ids
                f.write(json.dumps({
                    "tokenizer": name, "text": text, "ids": ids,
                    "ids_no_special": t.encode(text, add_special_tokens=False).ids,
                    "decode": t.decode(ids, skip_special_tokens=False),
                    "decode_skip": t.decode(ids, skip_special_tokens=True)}) + "\n")
    seeds()


main()
