"""infer_context: threads, instruction set and logger."""

import logging
from enum import IntEnum
from typing import Any, Callable, Optional, Union

from ._core import Handle, Options, made, string
from ._infer import ffi, lib


class LogLevel(IntEnum):
    """infer_log_level."""

    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4


class Numa(IntEnum):
    """infer_numa."""

    NONE = 0
    DISTRIBUTE = 1
    ISOLATE = 2


LogFunction = Callable[[LogLevel, str], None]
_OF_LOGGING = {LogLevel.ERROR: logging.ERROR, LogLevel.WARN: logging.WARNING, LogLevel.INFO: logging.INFO,
               LogLevel.DEBUG: logging.DEBUG}


def python_log(user: Any, level: int, line: Any) -> None:
    log: LogFunction = ffi.from_handle(user)
    log(LogLevel(level), string(line))


ffi.def_extern("python_log")(python_log)


def _log_function(logger: Union[logging.Logger, LogFunction], most: LogLevel) -> LogFunction:
    def to_logger(level: LogLevel, line: str) -> None:
        if level <= most and isinstance(logger, logging.Logger):
            logger.log(_OF_LOGGING[level], "%s", line)

    def to_function(level: LogLevel, line: str) -> None:
        if level <= most and not isinstance(logger, logging.Logger):
            logger(level, line)

    return to_logger if isinstance(logger, logging.Logger) else to_function


class Context(Handle):
    """Threads that compute, and where messages go; any number of contexts live side by side.

    @param threads 1..256; 0 = one for each core.
    @param logger  a logging.Logger, or a function (level, line), which any thread may call; None = silence.
    @param level   the least urgent lines that are wanted."""

    def __init__(self, threads: int = 0, *, level: LogLevel = LogLevel.INFO,
                 logger: Optional[Union[logging.Logger, LogFunction]] = None, cpu: Optional[str] = None,
                 affinity: Optional[str] = None, numa: Numa = Numa.NONE, huge_pages: bool = False) -> None:
        options = Options("infer_context_options", lib.infer_context_defaults, n_threads=threads, cpu=cpu,
                          affinity=affinity, numa=int(numa), huge_pages=huge_pages)
        user = None
        if logger:
            user = ffi.new_handle(_log_function(logger, level))
            options.set(log=lib.python_log, log_user=user)
        super().__init__(made(lib.infer_context_open, options.struct), lib.infer_context_close, user)

    @property
    def threads(self) -> int:
        return int(lib.infer_context_threads(self._pointer))

    @property
    def cpu(self) -> str:
        """Name of the kernel table in use, such as "avx512"."""
        return string(lib.infer_context_cpu(self._pointer))


def version() -> tuple[int, int, int]:
    """Version of the library that is linked in."""
    v = int(lib.infer_version())
    return v >> 16, v >> 8 & 255, v & 255
