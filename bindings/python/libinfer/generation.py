"""infer_generation: text that is fetched piece by piece."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Callable, Optional

from ._core import Callback, Handle, Options, asked, check, fields, interruptible, made, turn, with_callback
from ._infer import ffi, lib

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


class Generation(Handle):
    """An iterator of pieces of text, each whole characters: Session.generate(). Between pieces the session is left as it
    is. `result` tells what has been done so far."""

    def __init__(self, session: "Session", sampler: "Sampler", prompt: str, *, n_predict: int, ignore_end: bool,
                 unparse_special: bool, raw_prompt: bool, stops: Iterable[str],
                 on_prompt: Optional["Progress"]) -> None:
        self._session, self._sampler = session, sampler
        self._callback = Callback(on_prompt)
        self._begun = self._stopped = False
        options = Options("infer_generate_options", lib.infer_generate_defaults, n_predict=n_predict,
                          ignore_end=ignore_end, unparse_special=unparse_special, raw_prompt=raw_prompt,
                          on_prompt=self._callback.given(lib.python_progress), user=self._callback.user)
        options.set_texts("stops", stops)
        text = prompt.encode()
        with turn(session), turn(sampler):
            pointer = made(lib.infer_generation_open, session._pointer, sampler._pointer, text, len(text),
                           options.struct)
        super().__init__(pointer, lib.infer_generation_close, session, sampler, options, self._callback)
        self._piece = ffi.new("infer_piece *", {"size": ffi.sizeof("infer_piece")})

    def __iter__(self) -> "Generation":
        return self

    def __next__(self) -> str:
        if self._stopped:
            raise StopIteration
        with turn(self), turn(self._session), turn(self._sampler):
            if self._begun:
                self._advance()
            else:  # the prompt may be long
                self._begun = True
                interruptible(self._advance, self._session.cancel, self._interrupted)
            if not self._piece.text:
                raise StopIteration
            return str(bytes(ffi.buffer(self._piece.text, self._piece.length)).decode("utf-8", "replace"))

    def _interrupted(self) -> None:
        self._stopped = True
        self._session._settle(len(self._session))

    def _advance(self) -> None:
        with_callback(self._callback, check, lib.infer_generation_next, self._pointer, self._piece)

    def run(self, on_text: Optional[Callable[[str], Optional[bool]]] = None) -> str:
        """All the text that is left. `on_text` receives it as it comes, and may return False to stop."""
        pieces = []
        for piece in self:
            pieces.append(piece)
            if on_text and on_text(piece) is False:
                self._stopped = True
        return "".join(pieces)

    @property
    def result(self) -> GenerateResult:
        with turn(self):
            struct = asked("infer_generate_result", lib.infer_generation_get_result, self._pointer)
        values = dict(fields(struct))
        values["reason"] = StopReason.CALLBACK if self._stopped else StopReason(values["reason"])
        return GenerateResult(**values)
