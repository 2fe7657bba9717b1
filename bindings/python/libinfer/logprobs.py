"""How likely tokens are."""

from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from ._core import Callback, check
from ._infer import ffi, lib

Floats = np.ndarray[Any, np.dtype[np.float32]]


class Likely(NamedTuple):
    """A token, the logarithm of its probability as the model has it, and the most likely ones at its place."""

    id: int
    logprob: float
    top: list[tuple[int, float]]


OnToken = Callable[[Likely], None]


def likely(id: int, logprob: float, top: Any, n_top: int, first: int = 0) -> Likely:
    """@param top infer_logprob *, of which n_top from `first` on belong to the token"""
    best = [(top[i].id, top[i].logprob) for i in range(first, first + n_top) if top[i].id >= 0]
    return Likely(id, logprob, best)


def python_token(user: Any, id: int, logprob: float, top: Any, n_top: int) -> None:
    callback: Callback = ffi.from_handle(user)
    if callback.also:
        callback.also.call(likely(id, logprob, top, n_top))


ffi.def_extern("python_token")(python_token)


def logprobs(logits: Floats, id: Optional[int] = None, n_top: int = 0) -> Likely:
    """Of a token (None: of the most likely one), and of the n_top most likely ones, from logits."""
    values = np.ascontiguousarray(logits, dtype=np.float32)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"logits are numbers in one dimension, not of shape {values.shape}")
    id = int(np.nanargmax(values)) if id is None else id
    logprob, top = ffi.new("float *"), ffi.new("infer_logprob[]", max(n_top, 1))
    check(lib.infer_logprobs, ffi.from_buffer("float[]", values), len(values), id, logprob, top, n_top)
    return likely(id, logprob[0], top, n_top)
