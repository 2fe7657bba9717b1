"""What llama.cpp computes with a file: class Peer; and as a program,

    peer.py FOLDER FILE.gguf    its logits for FOLDER/ids.json must be FOLDER/logits.npy
"""
import ctypes
import json
import sys

import llama_cpp
import numpy as np

N_CTX = 64


class Refused(Exception):
    """llama.cpp does not load a file, or does not run it; what it said is the text."""


class Peer:
    """A model of llama.cpp in f32, on one thread."""

    said = []  # by llama.cpp, a line each
    callback = llama_cpp.llama_log_callback(lambda level, text, _: Peer.said.append(text.decode(errors="replace")))

    def __init__(self, path):
        llama_cpp.llama_log_set(self.callback, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise Refused("".join(line for line in self.said if "error" in line))
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)

    def context(self, embeddings, pooling=0):
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = N_CTX
        settings.n_threads = settings.n_threads_batch = 1
        settings.type_k = settings.type_v = 0  # f32
        settings.flash_attn_type = 0
        settings.embeddings, settings.pooling_type = embeddings, pooling
        context = llama_cpp.llama_init_from_model(self.model, settings)
        if not context:
            raise Refused("".join(self.said[-3:]))
        return context

    def run(self, context, ids):
        memory = llama_cpp.llama_get_memory(context)
        if memory:
            llama_cpp.llama_memory_clear(memory, True)
        batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        batch.n_tokens = len(ids)
        status = llama_cpp.llama_decode(context, batch)
        llama_cpp.llama_batch_free(batch)
        if status:
            raise Refused("".join(self.said[-3:]))

    def rows(self, context, ids, get, width):
        self.run(context, ids)
        return np.array([np.ctypeslib.as_array(get(context, i), shape=(width,)).copy() for i in range(len(ids))])

    def logits(self, ids):
        width = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        return self.rows(self.context(False), ids, llama_cpp.llama_get_logits_ith, width)

    def hidden(self, ids):
        width = llama_cpp.llama_model_n_embd(self.model)
        return self.rows(self.context(True), ids, llama_cpp.llama_get_embeddings_ith, width)

    def greedy(self, ids, n):
        context, out, width = self.context(False), [], llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        for _ in range(n):
            self.run(context, ids + out)
            last = llama_cpp.llama_get_logits_ith(context, len(ids) + len(out) - 1)
            out.append(int(np.ctypeslib.as_array(last, shape=(width,)).argmax()))
        return out

    def tokens(self, text, special=True, spelt=False):
        """With what stands around a text, and with control tokens where they are spelt out."""
        text, ids = text.encode(), (llama_cpp.llama_token * N_CTX)()
        return ids[:llama_cpp.llama_tokenize(self.vocabulary, text, len(text), ids, N_CTX, special, spelt)]

    def pair(self, a, b, n_between):
        """The ids of a pair of texts, with so many separators between them."""
        separators = [llama_cpp.llama_vocab_sep(self.vocabulary)] * n_between
        return [llama_cpp.llama_vocab_bos(self.vocabulary), *self.tokens(a, False), *separators, *self.tokens(b, False),
                separators[0]]

    def vectors(self, lists, width):
        """A row for each list of ids, pooled as the file says, of whatever length."""
        context = self.context(True, -1)
        out = []
        for ids in lists:
            self.run(context, ids)
            out.append(np.ctypeslib.as_array(llama_cpp.llama_get_embeddings_seq(context, 0), shape=(width,)).copy())
        return np.array(out)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def distance(got, want):
    """The largest difference, in standard deviations of what is expected."""
    return float(np.abs(got - want).max() / want.std())


if __name__ == "__main__":
    folder, path = sys.argv[1:]
    away = distance(Peer(path).logits(json.load(open(f"{folder}/ids.json"))), np.load(f"{folder}/logits.npy"))
    if not away <= 2e-4:
        sys.exit(f"{path}: llama.cpp is {away:.2g} standard deviations away, expected 2e-4 at most")
