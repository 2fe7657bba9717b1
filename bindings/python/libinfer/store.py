"""infer_store: computed beginnings of texts on disk."""

from dataclasses import dataclass
from os import PathLike, fsencode
from typing import Optional, Union

from ._core import Handle, Options, asked, fields, made
from ._infer import lib
from .context import Context


@dataclass(frozen=True)
class StoreStats:
    """infer_store_stats."""

    hits: int
    misses: int
    tokens: int
    written: int
    evictions: int
    damaged: int
    failures: int
    files: int
    bytes: int
    max_bytes: int
    read_only: bool


class Store(Handle):
    """A directory with what sessions have computed of the beginnings of texts: Session(model, store=store) finds there
    what it need not compute, in later processes too. Any number of sessions, threads and processes may use one.

    @param directory  made if it is not there
    @param max_bytes  of its files; those not used for longest go. 0 = no bound
    @param min_tokens texts of which less was computed are not written
    @param read_only  nothing is written or removed"""

    context: Context

    def __init__(self, directory: Union[str, "PathLike[str]"], context: Optional[Context] = None, *,
                 max_bytes: Optional[int] = None, min_tokens: Optional[int] = None, read_only: bool = False) -> None:
        self.context = context or Context(1)
        options = Options("infer_store_options", lib.infer_store_defaults, max_bytes=max_bytes,
                          min_tokens=min_tokens, read_only=read_only)
        super().__init__(made(lib.infer_store_open, self.context._pointer, fsencode(directory), options.struct),
                         lib.infer_store_close, self.context)

    def flush(self) -> None:
        """Wait until everything that sessions have handed over is written."""
        lib.infer_store_flush(self._pointer)

    @property
    def stats(self) -> StoreStats:
        return StoreStats(**fields(asked("infer_store_stats", lib.infer_store_get_stats, self._pointer)))
