"""infer_embedder: vectors and scores of whole texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Callable, Union

import numpy as np

from ._core import Handle, Ids, Options, asked, check, fields, id_array, interruptible, made, turn
from ._infer import ffi, lib
from .logprobs import Floats
from .model import Model
from .session import Precision

Input = Union[str, Ids]


class Pooling(IntEnum):
    """infer_pooling."""

    DEFAULT = 0
    NONE = 1
    MEAN = 2
    CLS = 3
    LAST = 4


@dataclass(frozen=True)
class EmbedderInfo:
    """infer_embedder_info."""

    pooling: Pooling
    dimensions: int
    token_dimensions: int
    n_ctx: int
    reranks: bool


class _Inputs:
    """infer_input[] of texts or ids, with what they point to."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        if isinstance(inputs, str):
            raise TypeError("a list of texts is needed, not one text")
        self.array, self.n = ffi.new("infer_input[]", len(inputs)), len(inputs)
        self._kept = []
        for c, given in zip(self.array, inputs):
            if isinstance(given, str):
                data = given.encode()
                text = ffi.from_buffer(data)
                self._kept.append(text)
                c.text, c.length = ffi.cast("const char *", text), len(data)
            else:
                ids, n = id_array(given)
                self._kept.append(ids)
                c.ids, c.n_ids = ids, n


class Embedder(Handle):
    """Makes vectors and scores of texts, or of lists of token ids; those of one call are computed together. Used by one
    thread at a time.

    @param dimensions keep the first so many numbers of a vector; 0 = all
    @param normalize  vectors get length 1
    @param truncate   texts that are too long are cut at their end, else refused
    @param n_ctx      most tokens of a text; 0 = what the model was made for"""

    model: Model

    def __init__(self, model: Model, *, pooling: Pooling = Pooling.DEFAULT, dimensions: int = 0, normalize: bool = True,
                 truncate: bool = False, n_ctx: int = 0, precision: Precision = Precision.FAST) -> None:
        options = Options("infer_embedder_options", lib.infer_embedder_defaults, pooling=int(pooling),
                          dimensions=dimensions, normalize=normalize, truncate=truncate, n_ctx=n_ctx,
                          precision=int(precision))
        super().__init__(made(lib.infer_embedder_open, model._pointer, options.struct), lib.infer_embedder_close,
                         model)
        self.model = model

    @property
    def info(self) -> EmbedderInfo:
        values = dict(fields(asked("infer_embedder_info", lib.infer_embedder_get_info, self._pointer)))
        values["pooling"] = Pooling(values["pooling"])
        return EmbedderInfo(**values)

    def embed(self, texts: Sequence[Input]) -> Floats:
        """A vector for each text: (n, dimensions). C writes into the array."""
        inputs = _Inputs(texts)
        out = np.empty((inputs.n, self.info.dimensions), np.float32)
        self._run(lambda p: check(lib.infer_embed, p, inputs.array, inputs.n, _floats(out)))
        return out

    def embed_tokens(self, texts: Sequence[Input]) -> list[Floats]:
        """A vector for each token of each text, as ColBERT compares them: arrays (n_tokens, token_dimensions)."""
        inputs = _Inputs(texts)
        first = ffi.new("size_t[]", inputs.n + 1)
        check(lib.infer_embed_tokens, self._pointer, inputs.array, inputs.n, ffi.NULL, 0, first)
        out = np.empty((first[inputs.n], self.info.token_dimensions), np.float32)
        self._run(lambda p: check(lib.infer_embed_tokens, p, inputs.array, inputs.n, _floats(out), len(out), first))
        return [out[first[i]:first[i + 1]] for i in range(inputs.n)]

    def rerank(self, query: Input, documents: Sequence[Input]) -> Floats:
        """How well each document answers the query, by a cross-encoder: (n,), larger is better."""
        asking, inputs = _Inputs([query]), _Inputs(documents)
        scores = np.empty(inputs.n, np.float32)
        self._run(lambda p: check(lib.infer_rerank, p, asking.array, inputs.array, inputs.n, _floats(scores)))
        return scores

    def maxsim(self, query: Floats, documents: Sequence[Floats]) -> Floats:
        """ColBERT's late interaction of arrays that embed_tokens() made: a score for each document, (n,)."""
        query = np.ascontiguousarray(query, np.float32)
        if query.ndim != 2 or any(d.ndim != 2 or d.shape[1] != query.shape[1] for d in documents):
            raise ValueError("the tokens of a query and of documents are arrays (n_tokens, dimensions)")
        rows = np.concatenate([np.empty((0, query.shape[1]), np.float32), *documents], dtype=np.float32)
        first = np.cumsum([0, *(len(d) for d in documents)], dtype=np.uintp)
        scores = np.empty(len(documents), np.float32)
        check(lib.infer_maxsim, self.model.context._pointer, query.shape[1], _floats(query), len(query), _floats(rows),
              ffi.from_buffer("size_t[]", first), len(documents), _floats(scores))
        return scores

    def cancel(self) -> None:
        """Make a running or the next call raise Cancelled soon. From any thread."""
        lib.infer_embedder_cancel(self._pointer)

    def _run(self, call: Callable[[Any], None]) -> None:
        """Ctrl-C ends it. A cancellation that came too late waits for a step to come: a token is that."""
        with turn(self):
            pointer = self._pointer
            interruptible(lambda: call(pointer), self.cancel, lambda: self._settle(pointer))

    def _settle(self, pointer: Any) -> None:
        first = ffi.new("size_t[]", 2)
        token = _Inputs([[0]])
        out = np.empty((1, self.info.token_dimensions), np.float32)
        lib.infer_embed_tokens(pointer, token.array, 1, _floats(out), 1, first, ffi.NULL)


def _floats(array: Floats) -> Any:
    return ffi.from_buffer("float[]", array) if array.size else ffi.new("float[1]")
