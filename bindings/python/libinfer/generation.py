"""infer_generation: text that is fetched piece by piece."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Callable, Optional

from ._core import Callback, Handle, Options, asked, check, fields, interruptible, made, turn, with_callback
from ._infer import ffi, lib
from .logprobs import OnToken

if TYPE_CHECKING:
    from .model import Progress
    from .sampler import Sampler
    from .session import Session


class StopReason(IntEnum):
    """infer_stop_reason."""

    LENGTH = 0
    END = 1
    STRING = 2
    FULL = 3
    CALLBACK = 4
    GRAMMAR = 5
    ERROR = 6


class WhenFull(IntEnum):
    """infer_full: what generation does when the session's context is full."""

    STOP = 0
    ERROR = 1
    SHIFT = 2


@dataclass(frozen=True)
class GenerateResult:
    """infer_generate_result."""

    reason: StopReason
    n_prompt: int
    n_generated: int
    prompt_seconds: float
    generate_seconds: float
    first_token_seconds: float
    token_p50: float
    token_p95: float
    token_p99: float
    queue_seconds: float
    n_cached: int
    n_reasoning: int
    n_calls: int
    n_drafted: int
    n_accepted: int
    mean_logprob: float
    stop: int


@dataclass(frozen=True)
class Speculation:
    """infer_speculation: tokens are guessed before they are chosen, which changes the time and nothing else. `draft` is a
    session of a smaller model with the same vocabulary."""

    no_lookup: bool = False
    draft: Optional["Session"] = None
    n_max: int = 0
    as_batch: bool = False
    always: bool = False


class GenerateOptions(Options):
    """infer_generate_options."""

    def __init__(self, on_prompt: Optional["Progress"], stops: Iterable[str], on_token: Optional[OnToken],
                 speculation: Optional[Speculation] = None, **values: Any) -> None:
        self.callback = Callback(on_prompt, Callback(on_token))
        super().__init__("infer_generate_options", lib.infer_generate_defaults, user=self.callback.user,
                         on_prompt=self.callback.given(lib.python_progress),
                         on_token=lib.python_token if on_token else ffi.NULL, **values)
        self.set_texts("stops", stops)
        self.drafts = [speculation.draft] if speculation and speculation.draft is not None else []
        if speculation:
            self._speculation = Options("infer_speculation", lib.infer_speculation_defaults,
                                        no_lookup=speculation.no_lookup, n_max=speculation.n_max,
                                        as_batch=speculation.as_batch, always=speculation.always,
                                        draft=self.drafts[0]._pointer if self.drafts else None)
            self.set(speculation=self._speculation.struct)


class Fetch(Handle):
    """A text that is fetched: what Generation and Answer share. Between pieces the session is left as it is."""

    def __init__(self, session: "Session", sampler: "Sampler", options: GenerateOptions, function: Callable[..., Any],
                 *first: Any, needs: tuple[Any, ...] = ()) -> None:
        self._used = [session, sampler, *options.drafts]
        self._session, self._callback = session, options.callback
        self._begun = self._stopped = False
        with ExitStack() as stack:
            for handle in self._used:
                stack.enter_context(turn(handle))
            pointer = made(function, *first, options.struct)
        super().__init__(pointer, lib.infer_generation_close, *self._used, options, *needs)
        self._piece = ffi.new("infer_piece *", {"size": ffi.sizeof("infer_piece")})

    def _next(self) -> str:
        """The text of the next piece; StopIteration at the end."""
        if self._stopped:
            raise StopIteration
        with ExitStack() as stack:
            for handle in (self, *self._used):
                stack.enter_context(turn(handle))
            if self._begun:
                self._advance()
            else:  # the prompt may be long
                self._begun = True
                interruptible(self._advance, self._session.cancel, self._interrupted)
            text = self._piece.text and bytes(ffi.buffer(self._piece.text, self._piece.length))
        if not text:
            raise StopIteration
        return str(text.decode("utf-8", "replace"))

    def _advance(self) -> None:
        with_callback(self._callback, check, lib.infer_generation_next, self._pointer, self._piece)

    def _interrupted(self) -> None:
        self._stopped = True
        self._session._settle(len(self._session))

    @property
    def result(self) -> GenerateResult:
        """What has been done so far; the reason counts at the end only."""
        with turn(self):
            struct = asked("infer_generate_result", lib.infer_generation_get_result, self._pointer)
        values = dict(fields(struct))
        values["reason"] = StopReason.CALLBACK if self._stopped else StopReason(values["reason"])
        return GenerateResult(**values)


class Generation(Fetch):
    """An iterator of pieces of text, each whole characters: Session.generate()."""

    def __init__(self, session: "Session", sampler: "Sampler", prompt: str, options: GenerateOptions) -> None:
        text = prompt.encode()
        super().__init__(session, sampler, options, lib.infer_generation_open, session._pointer, sampler._pointer, text,
                         len(text))

    def __iter__(self) -> "Generation":
        return self

    def __next__(self) -> str:
        return self._next()

    def run(self, on_text: Optional[Callable[[str], Optional[bool]]] = None) -> str:
        """All the text that is left. `on_text` receives it as it comes, and may return False to stop."""
        pieces = []
        for piece in self:
            pieces.append(piece)
            if on_text and on_text(piece) is False:
                self._stopped = True
        return "".join(pieces)
