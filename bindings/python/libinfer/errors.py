"""What goes wrong, as exceptions: one class for each infer_status."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from ._infer import ffi, lib


class Status(IntEnum):
    """infer_status."""

    OK = 0
    NOMEM = 1
    IO = 2
    ARGUMENT = 3
    FORMAT = 10
    UNKNOWN = 11
    FULL = 20
    CANCELLED = 21
    TIMEOUT = 22


class InferError(Exception):
    """A call of the library failed; the text says what was found and what was expected."""

    status: Status = Status.UNKNOWN
    statuses: Sequence[Status] = ()  # of each item of batch_eval(), if any had begun


class OutOfMemory(InferError, MemoryError):
    status = Status.NOMEM


class FileError(InferError, OSError):
    """The system could not open, read or map a file."""

    status = Status.IO


class ArgumentError(InferError, ValueError):
    """A value is outside its documented range."""

    status = Status.ARGUMENT


class FormatError(InferError):
    """A file contradicts itself or its specification."""

    status = Status.FORMAT


class Unsupported(InferError):
    """A sound file, but of a kind that this version does not run."""

    status = Status.UNKNOWN


class ContextFull(InferError):
    """The context holds no more tokens, or a scheduler's queue no more requests; nothing has changed."""

    status = Status.FULL


class Cancelled(InferError):
    """cancel() was called, or a callback asked to stop."""

    status = Status.CANCELLED


class TimedOut(InferError, TimeoutError):
    """It is not there yet; nothing has changed."""

    status = Status.TIMEOUT


_CLASSES: dict[int, type[InferError]] = {
    c.status: c for c in (OutOfMemory, FileError, ArgumentError, FormatError, Unsupported, ContextFull, Cancelled, TimedOut)
}


def exception(error: Any) -> InferError:
    """What an infer_error * says."""
    code = int(error.code)
    text = ffi.string(error.message).decode("utf-8", "replace")
    if code in _CLASSES:
        return _CLASSES[code](text)
    return InferError(f"{ffi.string(lib.infer_status_name(code)).decode()}: {text}")
