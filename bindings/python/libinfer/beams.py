"""infer_beam_search: the likeliest texts after a prompt."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ._core import check
from ._infer import ffi, lib
from .generation import StopReason


class BeamEnd(IntEnum):
    """infer_beam_end: when a search ends."""

    LIKELY = 0
    FIRST = 1
    SURE = 2


@dataclass(frozen=True)
class Beam:
    """infer_beam: a text that was found. `tokens` are those of the text, `logprob` counts the one that ended it too."""

    text: str
    tokens: list[int]
    logprob: float
    score: float
    reason: StopReason


def found_beams(pointer: Any) -> list[Beam]:
    """All of an infer_beams, which is closed."""
    beams = []
    for index in range(lib.infer_beams_count(pointer)):
        beam = ffi.new("infer_beam *", {"size": ffi.sizeof("infer_beam")})
        check(lib.infer_beams_get, pointer, index, beam)
        text = bytes(ffi.buffer(beam.text, beam.length)).decode("utf-8", "replace")
        tokens = list(ffi.unpack(beam.tokens, beam.n_tokens)) if beam.n_tokens else []
        beams.append(Beam(text, tokens, beam.logprob, beam.score, StopReason(beam.reason)))
    lib.infer_beams_close(ffi.new("infer_beams **", pointer))
    return beams
