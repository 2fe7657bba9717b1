"""infer_cache: models by their paths; infer_list_models: the models below a directory."""

from dataclasses import dataclass
from functools import partial
from os import PathLike, fsencode
from typing import Any, Optional, Union

from ._core import Callback, Handle, Options, asked, check, fields, made, with_callback
from ._infer import ffi, lib
from .context import Context
from .model import Model, ModelOptions, Progress, optional_path


@dataclass(frozen=True)
class CacheStats:
    """infer_cache_stats."""

    hits: int
    misses: int
    loads: int
    failures: int
    evictions: int
    models: int
    held: int
    bytes: int
    max_bytes: int


class Cache(Handle):
    """Models by their paths, kept open as long as there is room. Any number of threads may use it.

    @param max_bytes of models and what their sessions take; 0 = no bound"""

    context: Context

    def __init__(self, context: Optional[Context] = None, *, max_bytes: int = 0) -> None:
        self.context = context or Context()
        options = Options("infer_cache_options", lib.infer_cache_defaults, max_bytes=max_bytes)
        super().__init__(made(lib.infer_cache_open, self.context._pointer, options.struct), lib.infer_cache_close,
                         self.context)

    def get(self, path: Union[str, "PathLike[str]"], progress: Optional[Progress] = None, *, inspect: bool = False,
            no_mmap: bool = False, lock: bool = False, quantize: Optional[str] = None,
            importance: Union[str, "PathLike[str]", None] = None, requantize: bool = False) -> Model:
        """A model, opened now or kept from before; held until it is closed, and its sessions are. Parameters as those
        of Model.open()."""
        options = ModelOptions(progress, inspect=inspect, no_mmap=no_mmap, lock=lock, quantize=quantize,
                               importance=optional_path(importance), requantize=requantize)
        cache = self._pointer
        release = partial(lib.infer_cache_release, ffi.cast("infer_cache *", cache))
        return with_callback(options.callback, lambda: Model(
            made(lib.infer_cache_get, cache, fsencode(path), options.struct), self.context, self, close=release))

    def pin(self, model: Model, pinned: bool = True) -> None:
        """Keep a model also when nobody holds it; or no longer."""
        lib.infer_cache_pin(self._pointer, model._pointer, pinned)

    def trim(self, max_bytes: int = 0) -> int:
        """Close models as if max_bytes were this; returns the bytes that are taken then."""
        return int(lib.infer_cache_trim(self._pointer, max_bytes))

    @property
    def stats(self) -> CacheStats:
        return CacheStats(**fields(asked("infer_cache_stats", lib.infer_cache_get_stats, self._pointer)))


@dataclass(frozen=True)
class Listed:
    """infer_listed: something below a directory. `path` is what Model.open() takes, `reason` why it is no model."""

    path: str
    format: Optional[str]
    bytes: int
    n_files: int
    reason: Optional[str]


def python_listed(user: Any, found: Any) -> bool:
    callback: Callback = ffi.from_handle(user)
    return callback.call(Listed(**fields(found)))


ffi.def_extern("python_listed")(python_listed)


def list_models(directory: Union[str, "PathLike[str]"], *, max_depth: int = 8, max_entries: int = 100000,
                others: bool = False, context: Optional[Context] = None) -> list[Listed]:
    """The models in a directory and below it, by their names and first bytes; split files as one.
    @param max_depth   directories below the one given
    @param max_entries names looked at; more are ContextFull
    @param others      what is no model too, with the reason"""
    found: list[Listed] = []
    callback, context = Callback(found.append), context or Context(1)
    options = Options("infer_list_options", lib.infer_list_defaults, max_depth=max_depth, max_entries=max_entries,
                      others=others)
    with_callback(callback, check, lib.infer_list_models, context._pointer, fsencode(directory), options.struct,
                  lib.python_listed, callback.user)
    return found
