"""infer_session: one timeline of tokens."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from os import PathLike, fsencode
from typing import Any, Callable, Optional, Union

import numpy as np

from ._core import (Handle, Ids, Options, asked, check, fields, id_array, interruptible, made, new_error, turn,
                    with_callback)
from ._infer import ffi, lib
from .adapter import Scaled, adapter_arrays
from .beams import Beam, BeamEnd, found_beams
from .errors import Status, exception
from .generation import GenerateOptions, Generation, Speculation, WhenFull
from .logprobs import Floats, Likely, OnToken, likely
from .model import Model, Progress
from .sampler import Sampler
from .store import Store


class Precision(IntEnum):
    """infer_precision."""

    FAST = 0
    EXACT = 1


class KvType(IntEnum):
    """infer_kv_type."""

    DEFAULT = 0
    F32 = 1
    F16 = 2
    BF16 = 3
    Q8_0 = 4
    Q4_0 = 5


@dataclass(frozen=True)
class SessionInfo:
    """infer_session_info."""

    kv_type_k: KvType
    kv_type_v: KvType
    kv_bytes: int
    kv_bytes_per_token: int


def session_options(**values: Any) -> Options:
    return Options("infer_session_options", lib.infer_session_defaults, **values)


def kv_bytes(model: Model, n_tokens: int, *, n_ctx: int = 0, n_batch: int = 0, precision: Precision = Precision.FAST,
             kv_type_k: KvType = KvType.DEFAULT, kv_type_v: KvType = KvType.DEFAULT,
             deterministic: bool = False) -> int:
    """Bytes of the cache of a Session with these options that has evaluated n_tokens."""
    options = session_options(n_ctx=n_ctx, n_batch=n_batch, precision=int(precision), kv_type_k=int(kv_type_k),
                              kv_type_v=int(kv_type_v), deterministic=deterministic)
    error = new_error()
    n = int(lib.infer_kv_bytes(model._pointer, options.struct, n_tokens, error))
    if error.code:
        raise exception(error)
    return n


class Session(Handle):
    """One timeline of tokens with its own cache and logits. Used by one thread at a time: a second one is refused with
    RuntimeError. len(session) is its number of tokens.

    @param n_ctx   most tokens; 0 = the smaller of what the model was trained on and 4096
    @param n_batch most tokens computed at once; 0 = 512
    @param deterministic a token's logits have the same bits whatever else is computed with it
    @param store   where on disk sync() finds beginnings of texts, and keeps them; None = nowhere"""

    model: Model
    store: Optional[Store]

    def __init__(self, model: Model, *, n_ctx: int = 0, n_batch: int = 0, precision: Precision = Precision.FAST,
                 kv_type_k: KvType = KvType.DEFAULT, kv_type_v: KvType = KvType.DEFAULT,
                 deterministic: bool = False, store: Optional[Store] = None) -> None:
        options = session_options(n_ctx=n_ctx, n_batch=n_batch, precision=int(precision), kv_type_k=int(kv_type_k),
                                  kv_type_v=int(kv_type_v), deterministic=deterministic,
                                  store=store._pointer if store else None)
        self._take(made(lib.infer_session_open, model._pointer, options.struct), model, store)

    def _take(self, pointer: Any, model: Model, store: Optional[Store]) -> None:
        super().__init__(pointer, lib.infer_session_close, model, *([store] if store else []))
        self.model = model
        self.store = store
        self._info = model.info

    def fork(self) -> "Session":
        """A session that goes on from the same tokens, with the same logits. Costs next to nothing."""
        with turn(self):
            session = Session.__new__(Session)
            session._take(made(lib.infer_session_fork, self._pointer), self.model, self.store)
            return session

    def set_adapters(self, *adapters: Scaled) -> None:
        """Compute with these adapters from now on, and with no others: each alone, or with its scale. None: with none.
        Tokens stay, and what was computed of them is computed anew with the next evaluation."""
        pointers, scales, n = adapter_arrays(adapters)
        with turn(self):
            check(lib.infer_session_set_adapters, self._pointer, pointers, scales, n)

    def eval(self, tokens: Ids) -> None:
        """Append tokens and compute the logits that follow the last of them. After an error, and after Ctrl-C, the
        session is as it was before."""
        self._eval(tokens, ffi.NULL)

    def eval_all(self, tokens: Ids) -> Floats:
        """As eval(), and the output of every token, which C writes into the array: logits (n, n_vocab), or an encoder's
        hidden states (n, n_embd)."""
        out = np.empty((len(tokens), self._info.n_embd if self._info.encoder else self._info.n_vocab), np.float32)
        self._eval(tokens, ffi.from_buffer("float[]", out, require_writable=True) if len(tokens) else ffi.NULL)
        return out

    def logprobs(self, tokens: Ids, n_top: int = 0) -> list[Likely]:
        """As eval(), and how likely each of the tokens was after those before it, with the n_top most likely ones at
        its place; NaN for the first token of a session."""
        array, n = id_array(tokens)
        values, top = ffi.new("float[]", max(n, 1)), ffi.new("infer_logprob[]", max(n * n_top, 1))
        with turn(self):
            pointer, before = self._pointer, len(self)
            interruptible(lambda: check(lib.infer_session_logprobs, pointer, array, n, values, top, n_top), self.cancel,
                          lambda: self._settle(before))
        return [likely(array[i], values[i], top, n_top, i * n_top) for i in range(n)]

    def _eval(self, tokens: Ids, out: Any) -> None:
        array, n = id_array(tokens)
        with turn(self):
            pointer, before = self._pointer, len(self)
            if n > 1:
                interruptible(lambda: check(lib.infer_session_eval_all, pointer, array, n, out), self.cancel,
                              lambda: self._settle(before))
            else:
                check(lib.infer_session_eval_all, pointer, array, n, out)

    def _settle(self, n_keep: int) -> None:
        """A call was cancelled, maybe too late: have what was there before it."""
        self.uncancel()
        lib.infer_session_rewind(self._pointer, min(n_keep, len(self)), ffi.NULL)

    @property
    def logits(self) -> Floats:
        """Logits after the last token, (n_vocab,): a copy, as C's own are gone with the next call.
        Sampler.sample(session) reads those where they lie. A last token that a generation has only appended is
        computed. A session that was rewound has none until something is evaluated."""
        with turn(self):
            if not lib.infer_session_logits(self._pointer) and len(self) and not self._info.encoder:
                check(lib.infer_session_eval, self._pointer, ffi.NULL, 0)
            values = lib.infer_session_logits(self._pointer)
            if not values:
                raise LookupError("no logits: the session is empty or was rewound, or its model is an encoder")
            return np.frombuffer(ffi.buffer(values, 4 * self._info.n_vocab), np.float32).copy()

    def rewind(self, n_keep: int) -> None:
        """Forget all tokens but the first n_keep."""
        with turn(self):
            check(lib.infer_session_rewind, self._pointer, n_keep)

    def sync(self, tokens: Ids) -> int:
        """Make these the session's tokens, and compute the logits that follow the last of them, by the least work: what
        the session, or another one of the model, has computed for the same beginning is kept. Returns how many had to
        be computed. After Ctrl-C the session has tokens that are a beginning of both."""
        array, n = id_array(tokens)
        computed = ffi.new("size_t *")
        self._change(lambda pointer: check(lib.infer_session_sync, pointer, array, n, computed))
        return int(computed[0])

    def shift(self, n_keep: int, n_forget: int) -> None:
        """Make room: forget n_forget tokens behind the first n_keep, and compute those after them anew."""
        self._change(lambda pointer: check(lib.infer_session_shift, pointer, n_keep, n_forget))

    def save(self, path: Union[str, "PathLike[str]"]) -> None:
        """Write tokens, cache and logits to a file, which is replaced whole or not at all."""
        with turn(self):
            check(lib.infer_session_save, self._pointer, fsencode(path))

    def load(self, path: Union[str, "PathLike[str]"]) -> None:
        """Become what was saved by a session of the same model and options. A damaged or foreign file raises, and the
        session is as it was."""
        with turn(self):
            check(lib.infer_session_load, self._pointer, fsencode(path))

    def save_bytes(self) -> bytes:
        """What save() writes."""
        size = ffi.new("size_t *")
        with turn(self):
            check(lib.infer_session_save_bytes, self._pointer, ffi.NULL, 0, size)
            data = bytearray(size[0])
            check(lib.infer_session_save_bytes, self._pointer, ffi.from_buffer(data), len(data), size)
        return bytes(data)

    def load_bytes(self, data: bytes) -> None:
        """As load(), from what save_bytes() gave."""
        with turn(self):
            check(lib.infer_session_load_bytes, self._pointer, ffi.from_buffer(data), len(data))

    def _change(self, call: Callable[[Any], None]) -> None:
        with turn(self):
            pointer = self._pointer
            interruptible(lambda: call(pointer), self.cancel, lambda: self._settle(len(self)))

    def __len__(self) -> int:
        return int(lib.infer_session_length(self._pointer))

    @property
    def capacity(self) -> int:
        """Most tokens that the session can hold."""
        return int(lib.infer_session_capacity(self._pointer))

    @property
    def tokens(self) -> list[int]:
        with turn(self):
            return list(ffi.unpack(lib.infer_session_tokens(self._pointer), len(self))) if len(self) else []

    @property
    def bytes(self) -> int:
        """Memory taken: cache and work buffers."""
        return int(lib.infer_session_bytes(self._pointer))

    @property
    def info(self) -> SessionInfo:
        values = dict(fields(asked("infer_session_info", lib.infer_session_get_info, self._pointer)))
        for name in ("kv_type_k", "kv_type_v"):
            values[name] = KvType(values[name])
        return SessionInfo(**values)

    def cancel(self) -> None:
        """Make the running call, or between two calls the next one, raise Cancelled soon. From any thread."""
        lib.infer_session_cancel(self._pointer)

    def uncancel(self) -> None:
        """Forget a cancel() that no call has heeded. From any thread."""
        lib.infer_session_uncancel(self._pointer)

    def generate(self, prompt: str = "", sampler: Optional[Sampler] = None, *, n_predict: int = -1,
                 ignore_end: bool = False, unparse_special: bool = False, raw_prompt: bool = False,
                 stops: Iterable[str] = (), on_prompt: Optional[Progress] = None, on_token: Optional[OnToken] = None,
                 n_top: int = 0, on_full: WhenFull = WhenFull.STOP, n_full_keep: int = 0,
                 speculation: Optional[Speculation] = None, echo: bool = False) -> Generation:
        """Append a prompt, then generate: an iterator of pieces of text.

            for piece in session.generate("Once upon a time", n_predict=100): print(piece, end="")
            text = session.generate("Once upon a time").run()

        @param sampler         None = Sampler() with its defaults
        @param n_predict       most tokens; -1 = until the model ends or the context is full
        @param ignore_end      tokens that end a text are never chosen
        @param unparse_special control tokens are written by name
        @param raw_prompt      no special tokens are added to the prompt, none are parsed
        @param stops           texts that end the generation
        @param on_prompt       called with 0..1 while the prompt is evaluated; False cancels
        @param on_token        called with each token chosen, before its text, and with how likely it was
        @param n_top           how many of the most likely tokens on_token is told
        @param on_full         what is done when the context is full: end, raise ContextFull, or forget and go on
        @param n_full_keep     tokens of the session that are never forgotten
        @param speculation     guess tokens before they are chosen: the same text in less time
        @param echo            on_token is told the tokens of the prompt first, which is evaluated whole then"""
        options = GenerateOptions(on_prompt, stops, on_token, speculation, n_predict=n_predict, ignore_end=ignore_end,
                                  unparse_special=unparse_special, raw_prompt=raw_prompt, n_top=n_top,
                                  on_full=int(on_full), n_full_keep=n_full_keep, echo=echo)
        return Generation(self, sampler or Sampler(context=self.model.context), prompt, options)


    def beam_search(self, prompt: str = "", sampler: Optional[Sampler] = None, *, n_beams: int = 4,
                    length_penalty: float = 1.0, end: BeamEnd = BeamEnd.LIKELY, n_predict: int = -1,
                    ignore_end: bool = False, unparse_special: bool = False, raw_prompt: bool = False,
                    stops: Iterable[str] = (), on_prompt: Optional[Progress] = None) -> list[Beam]:
        """Append a prompt, and search for the likeliest texts after it: a list, the best first. The session is left
        with the prompt; eval(beam.tokens) goes on with a text.

        @param sampler        its biases, bans, penalties, DRY and grammar hold for each beam; None = none
        @param n_beams        texts that are followed at once
        @param length_penalty the score of a text is the sum of its log-probabilities, divided by the number of tokens
                              to the power of this
        @param end            when the search ends
        Others as those of generate()."""
        sampler = sampler or Sampler(temperature=0, context=self.model.context)
        generate = GenerateOptions(on_prompt, stops, None, None, n_predict=n_predict, ignore_end=ignore_end,
                                   unparse_special=unparse_special, raw_prompt=raw_prompt)
        options = Options("infer_beam_options", lib.infer_beam_defaults, n_beams=n_beams, length_penalty=length_penalty,
                          end=int(end), generate=generate.struct)
        text = prompt.encode()
        found: list[Beam] = []
        with turn(self), turn(sampler):
            pointer, of = self._pointer, sampler._pointer

            def search() -> None:
                found.extend(found_beams(made(lib.infer_beam_search, pointer, of, text, len(text), options.struct)))

            interruptible(lambda: with_callback(generate.callback, search), self.cancel,
                          lambda: self._settle(len(self)))
        return found


def batch_eval(items: Sequence[tuple[Session, Ids]]) -> None:
    """Append tokens to sessions of one model, together: the weights are read once for all of them. If an item fails,
    the exception is that of the first, and its `statuses` tell of each; a session whose item failed is as it was."""
    arrays = [id_array(tokens) for _, tokens in items]
    batch = ffi.new("infer_batch_item[]", len(items))
    with ExitStack() as stack:
        for item, (session, _), (ids, n) in zip(batch, items, arrays):
            stack.enter_context(turn(session))
            item.session, item.tokens, item.n_tokens = session._pointer, ids, n
        before = [len(session) for session, _ in items]

        def cancel() -> None:
            for session, _ in items:
                session.cancel()

        def settle() -> None:
            for (session, _), n_keep in zip(items, before):
                session._settle(n_keep)

        def call() -> None:
            error = new_error()
            if lib.infer_batch_eval(batch, len(items), error) != 0:
                failure = exception(error)
                statuses = [Status(item.status) for item in batch]
                failure.statuses = statuses if any(statuses) else []
                raise failure

        interruptible(call, cancel, settle)
