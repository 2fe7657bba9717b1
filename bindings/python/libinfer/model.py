"""infer_model: weights and their tokenizer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fsencode
from typing import Any, Callable, Optional, Union

import numpy as np

from ._core import (Callback, Handle, Options, asked, buffer, check, fields, keeping, made, optional_string, string,
                    with_callback)
from ._infer import ffi, lib
from .context import Context
from .tokenizer import Tokenizer

Progress = Callable[[float], Optional[bool]]


@dataclass(frozen=True)
class ModelInfo:
    """infer_model_info."""

    architecture: str
    name: str
    format: str
    quantization: str
    n_vocab: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ctx_train: int
    encoder: bool
    runnable: bool
    n_params: int
    bytes: int
    kv_bytes_per_token: int


@dataclass(frozen=True)
class Tensor:
    """infer_tensor_info. `shape` ends with the row's width, as NumPy has it; `data` are the bytes where they lie, to be
    read only."""

    name: str
    type: str
    made_of: Optional[str]  # what the checkpoint has in its place; None = the tensor itself
    shape: tuple[int, ...]
    used: bool
    data: "np.ndarray[Any, np.dtype[np.uint8]]"


class ModelOptions(Options):
    """infer_model_options."""

    def __init__(self, progress: Optional[Progress], **values: Any) -> None:
        self.callback = Callback(progress)
        super().__init__("infer_model_options", lib.infer_model_defaults, user=self.callback.user,
                         on_read=self.callback.given(lib.python_progress), **values)


def optional_path(path: Union[str, "PathLike[str]", None]) -> Optional[bytes]:
    return None if path is None else fsencode(path)


class Model(Handle):
    """Weights, used where their file is mapped. Constant once open; any number of sessions and threads share it."""

    context: Context

    def __init__(self, pointer: Any, context: Context, *needs: Any,
                 close: Callable[[Any], None] = lib.infer_model_close) -> None:
        super().__init__(pointer, close, context, *needs)
        self.context = context
        tokenizer = lib.infer_model_tokenizer(self._pointer)
        self._tokenizer = Tokenizer(tokenizer, _not_ours, self) if tokenizer else None

    @classmethod
    def open(cls, path: Union[str, "PathLike[str]"], progress: Optional[Progress] = None, *,
             context: Optional[Context] = None, inspect: bool = False, no_mmap: bool = False, lock: bool = False,
             quantize: Optional[str] = None, importance: Union[str, "PathLike[str]", None] = None,
             requantize: bool = False) -> "Model":
        """A GGUF file (of split files, any one), or a Hugging Face directory.
        @param progress   called with 0..1 while files are read (no_mmap) or quantised; False stops that.
        @param inspect    any sound file, to look at metadata and tensors
        @param no_mmap    read the files into memory
        @param lock       keep the weights in physical memory
        @param quantize   have the matrices quantised: "q8_0", "q4_k_m" ...
        @param importance file of an importance matrix for that
        @param requantize also what is quantised already"""
        options = ModelOptions(progress, inspect=inspect, no_mmap=no_mmap, lock=lock, quantize=quantize,
                               importance=optional_path(importance), requantize=requantize)
        return cls._made(lib.infer_model_open, (fsencode(path),), context, options)

    @classmethod
    def default(cls, *, context: Optional[Context] = None, inspect: bool = False) -> "Model":
        """The small story model that is part of the library."""
        return cls._made(lib.infer_model_open_default, (), context, ModelOptions(None, inspect=inspect))

    @classmethod
    def from_bytes(cls, data: Any, *, context: Optional[Context] = None, inspect: bool = False) -> "Model":
        """A GGUF file in memory, bytes or whatever has a buffer; copied unless it lies at a multiple of 32."""
        source = np.frombuffer(data, np.uint8)
        if source.ctypes.data % 32:
            room = np.empty(len(source) + 32, np.uint8)
            start = -room.ctypes.data % 32
            room[start:start + len(source)] = source
            source = room[start:start + len(source)]
        memory = ffi.from_buffer(source)
        options = ModelOptions(None, inspect=inspect)
        return cls._made(lib.infer_model_open_memory, (memory, len(source)), context, options)

    @classmethod
    def _made(cls, function: Callable[..., Any], what: tuple[Any, ...], context: Optional[Context],
              options: ModelOptions) -> "Model":
        owner = context or Context()
        return with_callback(options.callback, lambda: cls(
            made(function, owner._pointer, *what, options.struct), owner, what))

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(**fields(asked("infer_model_info", lib.infer_model_get_info, self._pointer)))

    @property
    def tokenizer(self) -> Tokenizer:
        """Raises LookupError if the files hold no vocabulary, or one of a kind that is not known."""
        if not self._tokenizer:
            raise LookupError(f"{self.info.name}: the model has no tokenizer")
        return self._tokenizer

    def metadata(self, *, brief: bool = False) -> dict[str, Any]:
        """What the file says of itself.
        @param brief long arrays end after some elements with "..." (they are many in a vocabulary)"""
        result: dict[str, Any] = {}
        key, length = ffi.new("const char **"), ffi.new("size_t *")
        room, index = 4096, 0
        value = buffer("char[]", room)
        while lib.infer_model_metadata(self._pointer, index, brief, key, value, room, length):
            if length[0] >= room:
                room = length[0] + 1
                value = buffer("char[]", room)
                continue
            text = bytes(ffi.buffer(value, length[0])).decode("utf-8", "replace")
            result[string(key[0])] = json.loads(text)
            index += 1
        return result

    def tensors(self) -> Iterator[Tensor]:
        """In the order of the file."""
        index, size = 0, ffi.sizeof("infer_tensor_info")
        info = ffi.new("infer_tensor_info *", {"size": size})
        while lib.infer_model_tensor(self._pointer, index, info):
            start = keeping(ffi.cast("char *", info.data), self._pointer)
            n = info.bytes if info.data else 0
            data = np.frombuffer(ffi.buffer(start, n), np.uint8) if n else np.empty(0, np.uint8)
            data.flags.writeable = False
            shape = tuple(int(info.dims[i]) for i in reversed(range(info.n_dims)))
            yield Tensor(string(info.name), string(info.type), optional_string(info.made_of), shape, bool(info.used),
                         data)
            index += 1

    def set_prefix_bytes(self, n: int) -> None:
        """How much of closed sessions' caches stays for Session.sync() to find; 0: nothing."""
        lib.infer_model_set_prefix_bytes(self._pointer, n)

    def verify(self, progress: Optional[Progress] = None) -> None:
        """Raises FormatError if a tensor has a scale that is not finite. Reads the whole model; Ctrl-C ends it."""
        callback = Callback(progress or (lambda done: None))
        with_callback(callback, check, lib.infer_model_verify, self._pointer, lib.python_progress, callback.user)


def _not_ours(_: Any) -> None:
    """The tokenizer of a model is closed by the model."""
