"""infer_scheduler: many requests to one model, computed together."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional, Union, cast

from ._core import Handle, Ids, Options, asked, check, fields, id_array, made, new_error, turn
from ._infer import ffi, lib
from .adapter import Scaled, adapter_arrays
from .chat import Chat, Messages, Part
from .errors import Status, exception
from .generation import GenerateOptions, GenerateResult, StopReason, WhenFull
from .grammar import Grammar, json_text
from .model import Model
from .sampler import sampler_options
from .session import KvType, Precision, session_options
from .store import Store


@dataclass(frozen=True)
class SchedulerInfo:
    """infer_scheduler_info."""

    n_queued: int
    n_running: int
    n_aside: int
    n_steps: int
    n_prompt: int
    n_generated: int
    n_put_aside: int
    kv_bytes: int
    n_ctx: int
    step_seconds: float
    prompt_token_seconds: float


class AnswerPiece(NamedTuple):
    """A part of a request's text: which of its answers it is of, and what of it."""

    answer: int
    part: Part
    text: str


class Scheduler(Handle):
    """Computes the texts of many requests, some tokens of each in a step, on a thread of its own. Any number of threads
    may submit.

    @param max_running texts that are computed at once
    @param max_queue   requests that may wait; the next one raises ContextFull
    @param kv_bytes    most that the caches take; 0 = what the texts need
    @param max_itl_ms  how long a text may wait from token to token for the prompts of others; 0 = any time
    @param manual      nothing is computed but in step() and while a request is waited for
    The others are those of Session: n_ctx tokens of each text, n_batch tokens of a step."""

    def __init__(self, model: Model, *, max_running: int = 32, max_queue: int = 1024, kv_bytes: int = 0,
                 max_itl_ms: float = 0.0, manual: bool = False, n_ctx: int = 0, n_batch: int = 0,
                 precision: Precision = Precision.FAST, kv_type_k: KvType = KvType.DEFAULT,
                 kv_type_v: KvType = KvType.DEFAULT, deterministic: bool = False,
                 store: Optional[Store] = None) -> None:
        session = session_options(n_ctx=n_ctx, n_batch=n_batch, precision=int(precision), kv_type_k=int(kv_type_k),
                                  kv_type_v=int(kv_type_v), deterministic=deterministic,
                                  store=store._pointer if store else None)
        options = Options("infer_scheduler_options", lib.infer_scheduler_defaults, session=session.struct,
                          max_running=max_running, max_queue=max_queue, kv_bytes=kv_bytes, max_itl_ms=max_itl_ms,
                          manual=manual)
        super().__init__(made(lib.infer_scheduler_open, model._pointer, options.struct), lib.infer_scheduler_close,
                         model, *([store] if store else []))
        self.model = model

    def submit(self, prompt: Union[str, Ids, Messages], sampler: Optional[Mapping[str, Any]] = None, *,
               chat: Optional[Chat] = None, grammar: Optional[Grammar] = None, banned: Iterable[str] = (),
               dry_breakers: Iterable[str] = (), priority: int = 0, n: int = 1, best_of: int = 0, n_predict: int = -1,
               ignore_end: bool = False, unparse_special: bool = False, raw_prompt: bool = False,
               stops: Iterable[str] = (), on_full: WhenFull = WhenFull.STOP, n_full_keep: int = 0,
               adapters: Iterable[Scaled] = ()) -> "Request":
        """Ask for text after a prompt, after token ids, or with `chat` for an answer to messages.

        @param sampler  options of Sampler by their names; answer i has the seed + i
        @param priority higher ones go first
        @param n        answers to the prompt, which is computed once
        @param best_of  so many are made, of which the n likeliest are given
        @param adapters as those of Session.set_adapters(); other requests may have others
        The others are those of Session.generate()."""
        generate = GenerateOptions(None, stops, None, None, n_predict=n_predict, ignore_end=ignore_end,
                                   unparse_special=unparse_special, raw_prompt=raw_prompt, on_full=int(on_full),
                                   n_full_keep=n_full_keep)
        drawn = sampler_options(**(sampler or {}))
        options = Options("infer_request_options", lib.infer_request_defaults, generate=generate.struct,
                          sampler=drawn.struct, grammar=grammar._pointer if grammar else None, priority=priority, n=n,
                          best_of=best_of)
        pointers, scales, n_adapters = adapter_arrays(adapters)
        options.set(adapters=pointers, adapter_scales=scales, n_adapters=n_adapters)
        options.set_texts("banned", banned)
        options.set_texts("dry_breakers", dry_breakers)
        if grammar:
            grammar._meets(self.model.tokenizer)
        if chat is not None:
            data = json_text(cast(Messages, prompt)).encode()
            pointer = made(lib.infer_scheduler_submit_chat, self._pointer, chat._pointer, data, len(data),
                           options.struct)
        elif isinstance(prompt, str):
            data = prompt.encode()
            pointer = made(lib.infer_scheduler_submit, self._pointer, data, len(data), options.struct)
        else:
            ids, n_ids = id_array(cast(Ids, prompt))
            pointer = made(lib.infer_scheduler_submit_ids, self._pointer, ids, n_ids, options.struct)
        return Request(pointer, n)

    def step(self) -> bool:
        """Compute one step of a manual scheduler; whether there is more to compute."""
        busy = ffi.new("bool *")
        check(lib.infer_scheduler_step, self._pointer, busy)
        return bool(busy[0])

    @property
    def info(self) -> SchedulerInfo:
        return SchedulerInfo(**fields(asked("infer_scheduler_info", lib.infer_scheduler_get_info, self._pointer)))


class Request(Handle):
    """An iterator of the pieces of a request's texts, each with the answer that it is of. Used by one thread at a time,
    but cancel() by any."""

    def __init__(self, pointer: Any, n: int) -> None:
        super().__init__(pointer, lib.infer_request_close)
        self.n = n
        self._piece = ffi.new("infer_request_piece *", {"size": ffi.sizeof("infer_request_piece")})

    def __iter__(self) -> "Request":
        return self

    def __next__(self) -> AnswerPiece:
        piece = self.next()
        assert piece
        return piece

    def next(self, seconds: Optional[float] = None) -> Optional[AnswerPiece]:
        """The next piece, or None if there is none within so many seconds; StopIteration at the end."""
        with turn(self):
            if not self._wait(lambda some, error: lib.infer_request_next(self._pointer, some, self._piece, error),
                              seconds):
                return None
            if not self._piece.text:
                raise StopIteration
            text = bytes(ffi.buffer(self._piece.text, self._piece.length)).decode("utf-8", "replace")
            return AnswerPiece(self._piece.answer, Part(self._piece.part), text)

    def wait(self, seconds: Optional[float] = None) -> bool:
        """Wait for the end, at most so many seconds; whether it has come."""
        with turn(self):
            return self._wait(lambda some, error: lib.infer_request_wait(self._pointer, some, error), seconds)

    def _wait(self, call: Callable[[float, Any], Any], seconds: Optional[float]) -> bool:
        """In short waits, between which Python sees to Ctrl-C."""
        error, left = new_error(), float("inf") if seconds is None else seconds
        while True:
            now = min(left, 0.1)
            status = call(now, error)
            left -= now
            if status == Status.OK:
                return True
            if status != Status.TIMEOUT:
                raise exception(error)
            if left <= 0:
                return False

    def run(self) -> list[str]:
        """All the content that is left, of each answer."""
        texts = [""] * self.n
        for piece in self:
            if piece.part == Part.CONTENT:
                texts[piece.answer] += piece.text
        return texts

    def cancel(self) -> None:
        """End it soon: what text there is still comes, then Cancelled."""
        lib.infer_request_cancel(self._pointer)

    def result(self, answer: int = 0) -> GenerateResult:
        """What an answer is, once the request is at its end; what befell it is raised."""
        struct = ffi.new("infer_generate_result *", {"size": ffi.sizeof("infer_generate_result")})
        check(lib.infer_request_get_result, self._pointer, answer, struct)
        values = dict(fields(struct))
        values["reason"] = StopReason(values["reason"])
        return GenerateResult(**values)

    def message(self, answer: int = 0) -> Optional[dict[str, Any]]:
        """The message that an answer to a conversation is, once the request is at its end."""
        length = ffi.new("size_t *")
        text = lib.infer_request_message(self._pointer, answer, length)
        message: Optional[dict[str, Any]] = json.loads(bytes(ffi.buffer(text, length[0]))) if text else None
        return message
