"""infer_adapter: LoRA adapters and control vectors."""

from dataclasses import dataclass
from os import PathLike, fsencode
from typing import Any, Iterable, Union

from ._core import Handle, Options, asked, fields, made
from ._infer import ffi, lib
from .model import Model


@dataclass(frozen=True)
class AdapterInfo:
    """infer_adapter_info."""

    format: str
    control: bool
    n_weights: int
    rank: int
    bytes: int


class Adapter(Handle):
    """A LoRA adapter (a GGUF file, or a directory of PEFT's) or a control vector (a GGUF file), for one model. Any number
    of sessions and threads may use it: Session.set_adapters().

    @param first_layer of a control vector: directions of the layers before are left out; 0 = of none
    @param last_layer  of a control vector: those behind it are left out; 0 = the model's last"""

    model: Model

    def __init__(self, model: Model, path: Union[str, "PathLike[str]"], *, first_layer: int = 0,
                 last_layer: int = 0) -> None:
        options = Options("infer_adapter_options", lib.infer_adapter_defaults, first_layer=first_layer,
                          last_layer=last_layer)
        super().__init__(made(lib.infer_adapter_open, model._pointer, fsencode(path), options.struct),
                         lib.infer_adapter_close, model)
        self.model = model

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(**fields(asked("infer_adapter_info", lib.infer_adapter_get_info, self._pointer)))


Scaled = Union[Adapter, tuple[Adapter, float]]


def adapter_arrays(adapters: Iterable[Scaled]) -> tuple[Any, Any, int]:
    """The handles, their scales, and how many there are, as C has them."""
    pairs = [a if isinstance(a, tuple) else (a, 1.0) for a in adapters]
    return (ffi.new("infer_adapter *[]", [a._pointer for a, _ in pairs]), ffi.new("float[]", [s for _, s in pairs]),
            len(pairs))
