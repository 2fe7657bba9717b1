"""infer_sampler: picks the next token from logits."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

import numpy as np

from ._core import Handle, Options, check, made, string, text_array, turn
from ._infer import ffi, lib
from .context import Context
from .errors import InferError
from .grammar import Grammar
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from .session import Session


class Stage(IntEnum):
    """infer_sampler_stage: what a sampler does with the logits, one after the other."""

    PENALTIES = 0
    DRY = 1
    TOP_N_SIGMA = 2
    TOP_K = 3
    TYPICAL = 4
    TOP_P = 5
    MIN_P = 6
    XTC = 7
    TEMPERATURE = 8

    @property
    def label(self) -> str:
        """llama.cpp's name of it, "top_k"."""
        return string(lib.infer_sampler_stage_name(int(self)))


def sampler_options(*, stages: Optional[Iterable[Stage]] = None, biases: Optional[Mapping[int, float]] = None,
                    **values: Any) -> Options:
    """infer_sampler_options: what Sampler is made with, by the same names."""
    options = Options("infer_sampler_options", lib.infer_sampler_defaults, **values)
    if stages is not None:
        order = [int(s) for s in stages]
        options.set(stages=ffi.new("infer_sampler_stage[]", order), n_stages=len(order))
    if biases is not None:
        options.set(biases=ffi.new("infer_logit_bias[]", list(biases.items())), n_biases=len(biases))
    return options


class Sampler(Handle):
    """Picks the next token from logits. Used by one thread at a time. The options are those of infer_sampler_options in
    infer.h, which tells what they do; None leaves what infer_sampler_defaults() has.

    @param temperature 0 = always the most likely token
    @param stages      which, in the order wanted
    @param biases      what is added to the logits of tokens; float("-inf"): never chosen"""

    def __init__(self, *, seed: Optional[int] = None, temperature: Optional[float] = None, top_k: Optional[int] = None,
                 top_p: Optional[float] = None, min_p: Optional[float] = None, repeat_penalty: Optional[float] = None,
                 repeat_last_n: Optional[int] = None, frequency_penalty: Optional[float] = None,
                 presence_penalty: Optional[float] = None, typical_p: Optional[float] = None,
                 top_n_sigma: Optional[float] = None, xtc_probability: Optional[float] = None,
                 xtc_threshold: Optional[float] = None, dynatemp_range: Optional[float] = None,
                 dynatemp_exponent: Optional[float] = None, dry_multiplier: Optional[float] = None,
                 dry_base: Optional[float] = None, dry_allowed_length: Optional[int] = None,
                 dry_last_n: Optional[int] = None, mirostat: Optional[int] = None,
                 mirostat_tau: Optional[float] = None, mirostat_eta: Optional[float] = None,
                 stages: Optional[Iterable[Stage]] = None, biases: Optional[Mapping[int, float]] = None,
                 context: Optional[Context] = None) -> None:
        options = sampler_options(seed=seed, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
                                  repeat_penalty=repeat_penalty, repeat_last_n=repeat_last_n,
                                  frequency_penalty=frequency_penalty, presence_penalty=presence_penalty,
                                  typical_p=typical_p, top_n_sigma=top_n_sigma, xtc_probability=xtc_probability,
                                  xtc_threshold=xtc_threshold, dynatemp_range=dynatemp_range,
                                  dynatemp_exponent=dynatemp_exponent, dry_multiplier=dry_multiplier, dry_base=dry_base,
                                  dry_allowed_length=dry_allowed_length, dry_last_n=dry_last_n, mirostat=mirostat,
                                  mirostat_tau=mirostat_tau, mirostat_eta=mirostat_eta, stages=stages, biases=biases)
        context = context or Context(1)
        super().__init__(made(lib.infer_sampler_open, context._pointer, options.struct), lib.infer_sampler_close,
                         context)

    def sample(self, logits: Union["Session", "np.ndarray[Any, np.dtype[np.float32]]"]) -> int:
        """A token from a session's logits, which are read where they lie, or from an array of n_vocab floats."""
        if isinstance(logits, np.ndarray):
            values = np.ascontiguousarray(logits, dtype=np.float32)
            if values.ndim != 1:
                raise ValueError(f"logits are numbers in one dimension, not of shape {values.shape}")
            with turn(self):
                id = lib.infer_sampler_sample(self._pointer, ffi.from_buffer("float[]", values), len(values))
        else:
            with turn(self), turn(logits):
                pointer = lib.infer_session_logits(logits._pointer)
                if not pointer:
                    raise LookupError("the session has no logits: eval([]) computes those of its last token")
                id = lib.infer_sampler_sample(self._pointer, pointer, logits._info.n_vocab)
        if id < 0:
            raise InferError("no token can be chosen: no logit is finite, the grammar allows none, or memory is out")
        return int(id)

    def accept(self, id: int) -> None:
        """Count a token as recent, for the penalties, and go on in the grammar."""
        with turn(self):
            lib.infer_sampler_accept(self._pointer, id)

    def reset(self) -> None:
        """Forget the recent tokens, and begin random numbers and grammar anew."""
        with turn(self):
            lib.infer_sampler_reset(self._pointer)

    def set_grammar(self, grammar: Optional[Grammar], tokenizer: Optional[Tokenizer] = None) -> None:
        """Let only tokens be chosen that the grammar allows; None: any again."""
        with turn(self):
            if grammar is None:
                check(lib.infer_sampler_set_grammar, self._pointer, ffi.NULL, ffi.NULL)
                return
            if tokenizer is None:
                raise TypeError("a grammar needs the tokenizer of the tokens that are sampled")
            grammar._meets(tokenizer)
            self._owner.need(grammar._owner)
            check(lib.infer_sampler_set_grammar, self._pointer, grammar._pointer, tokenizer._pointer)

    def set_banned(self, texts: Iterable[str], tokenizer: Tokenizer) -> None:
        """Texts that never come up in what is sampled, in whatever tokens; an empty list: none any more."""
        self._set_texts(lib.infer_sampler_set_banned, texts, tokenizer)

    def set_dry_breakers(self, texts: Iterable[str], tokenizer: Tokenizer) -> None:
        """Texts over which DRY's repetitions do not go."""
        self._set_texts(lib.infer_sampler_set_dry_breakers, texts, tokenizer)

    def _set_texts(self, function: Callable[..., Any], texts: Iterable[str], tokenizer: Tokenizer) -> None:
        array, n, kept = text_array(texts)
        with turn(self):
            check(function, self._pointer, tokenizer._pointer, array, n)
            self._owner.need(tokenizer._owner)
        kept.clear()
