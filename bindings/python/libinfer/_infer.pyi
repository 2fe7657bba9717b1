# The extension that cffi makes of infer.h: what is in it is checked by the C compiler.
from typing import Any

ffi: Any
lib: Any
