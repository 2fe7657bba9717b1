"""What all classes share: owning a C handle, calling with an infer_error, options, callbacks, Ctrl-C."""

import _thread
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar, Union

import numpy as np

from ._infer import ffi, lib
from .errors import exception

T = TypeVar("T")
H = TypeVar("H", bound="Handle")
Ids = Union[Sequence[int], "np.ndarray[Any, Any]"]


def new_error() -> Any:
    return ffi.new("infer_error *")


def check(function: Callable[..., Any], *args: Any) -> None:
    """Call what returns an infer_status; the last argument, infer_error *, is added."""
    error = new_error()
    if function(*args, error) != 0:
        raise exception(error)


def made(function: Callable[..., Any], *args: Any) -> Any:
    """Call what returns a handle or NULL; the last argument, infer_error *, is added."""
    error = new_error()
    pointer = function(*args, error)
    if not pointer:
        raise exception(error)
    return pointer


def keeping(pointer: Any, *things: Any) -> Any:
    """The same pointer, which keeps things alive. cffi calls dict.get, which does nothing: a function in Python might
    be torn down already, if pointer and function go together in a cycle."""
    return ffi.gc(pointer, {0: things}.get)


class Owner:
    """Closes a C object when neither Python nor another C object needs it any more. The collector of cycles may call
    __del__ in any order: so a C object counts its users, and lets go of what it needs after it is closed."""

    def __init__(self, pointer: Any, close: Callable[[Any], None], needs: Iterable[Any]) -> None:
        self._pointer, self._close = [pointer], close
        self._users = {id(self)}
        self._needs: list[Any] = []
        for thing in needs:
            self.need(thing)

    def need(self, thing: Any) -> None:
        if isinstance(thing, Owner):
            if id(self) in thing._users:
                return
            thing._users.add(id(self))
        self._needs.append(thing)

    def __del__(self) -> None:
        self._leave(id(self))

    def _leave(self, user: int, new: Any = ffi.new, kind: Any = ffi.typeof) -> None:
        self._users.discard(user)
        if self._users:
            return
        try:
            pointer = self._pointer.pop()  # of two threads one gets it
        except IndexError:
            return
        self._close(new(f"{kind(pointer).cname} *", pointer))
        for thing in self._needs:
            if isinstance(thing, Owner):
                thing._leave(id(self))
        self._needs.clear()


class Handle:
    """A C object, which is closed when the last Python object that needs it is gone, and its last call has returned.

    What it needs (a session its model ...) is kept alive until then. close() and the end of a `with` block let go of it
    at once. An object that C allows one thread at a time refuses a second one."""

    def __init__(self, pointer: Any, close: Callable[[Any], None], *needs: Any) -> None:
        self._life: Optional[Owner] = None
        self._life = Owner(pointer, close, (n._owner if isinstance(n, Handle) else n for n in needs))
        self._held: Any = keeping(pointer, self._life)
        self._turn = threading.Lock()

    @property
    def _pointer(self) -> Any:
        """For calls: the object lives as long as this."""
        if self._life is None:
            raise ValueError(f"the {type(self).__name__} is closed")
        return self._held

    @property
    def _owner(self) -> Owner:
        if self._life is None:
            raise ValueError(f"the {type(self).__name__} is closed")
        return self._life

    @property
    def closed(self) -> bool:
        return self._life is None

    def close(self) -> None:
        """Let go of the C object. What was made from it stays valid."""
        self._life = self._held = None

    def __enter__(self: H) -> H:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


def turn(handle: Handle) -> threading.Lock:
    """`with turn(session):` it is used by this thread alone. Who comes meanwhile, a callback too, is told so; the lock
    decides between threads that come at once. Its `with` is C, which Ctrl-C does not tear apart."""
    if handle._turn.locked():
        raise RuntimeError(f"the {type(handle).__name__} is being used by another call")
    return handle._turn


def text_bytes(text: Union[str, bytes]) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else bytes(text)


def terminated(text: Union[str, bytes]) -> Any:
    data = text_bytes(text)
    if b"\0" in data:
        raise ValueError("a NUL character in a text that must hold none")
    return ffi.new("char[]", data)


def string(pointer: Any) -> str:
    return str(ffi.string(pointer).decode("utf-8", "replace"))


def optional_string(pointer: Any) -> Optional[str]:
    return string(pointer) if pointer else None


class Options:
    """A C struct of options, with what its pointers lead to. None leaves the default."""

    def __init__(self, kind: str, defaults: Callable[[], Any], **values: Any) -> None:
        self.struct = ffi.new(f"{kind} *", defaults())
        self._kept: list[Any] = []
        self.set(**values)

    def set(self, **values: Any) -> None:
        for name, value in values.items():
            if value is None:
                continue
            if isinstance(value, (str, bytes)):
                value = terminated(value)
            self._kept.append(value)
            setattr(self.struct, name, value)

    def set_texts(self, name: str, texts: Iterable[str]) -> None:
        array, n, kept = text_array(texts)
        self._kept.append(kept)
        self.set(**{name: array, f"n_{name}": n})


def text_array(texts: Iterable[str]) -> tuple[Any, int, list[Any]]:
    """(const char **, how many, what must stay alive meanwhile)"""
    if isinstance(texts, (str, bytes)):
        raise TypeError("a list of texts is needed, not one text")
    kept = [terminated(t) for t in texts]
    return ffi.new("const char *[]", kept), len(kept), kept


def id_array(ids: Ids) -> tuple[Any, int]:
    """(int32_t *, how many); an array of int32 is used where it lies."""
    if isinstance(ids, np.ndarray):
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise TypeError(f"token ids are whole numbers in one dimension, not {ids.dtype} of shape {ids.shape}")
        narrow = np.ascontiguousarray(ids, dtype=np.int32)
        if not np.array_equal(narrow, ids):
            raise OverflowError("a token id beyond 32 bits")
        return ffi.from_buffer("int32_t[]", narrow), len(narrow)
    values = ids if isinstance(ids, (list, tuple)) else list(ids)
    return ffi.new("int32_t[]", values), len(values)


def fields(struct: Any) -> Mapping[str, Any]:
    """The fields of a struct that tells something, save its size; strings as str."""
    result = {}
    for name, field in ffi.typeof(struct).item.fields:
        value = getattr(struct, name)
        if field.type.kind == "pointer" and field.type.item.cname == "char":
            value = optional_string(value)
        if name != "size":
            result[name] = value
    return result


def asked(kind: str, function: Callable[[Any, Any], Any], pointer: Any) -> Any:
    """Call one of infer_*_get_*."""
    struct = ffi.new(f"{kind} *", {"size": ffi.sizeof(kind)})
    function(pointer, struct)
    return struct


def sized_text(call: Callable[[Any, int, Any], None], guess: int) -> bytes:
    """Call what writes at most `max` bytes and tells how many there are, again if there are more."""
    needed = ffi.new("size_t *")
    while True:
        room = buffer("char[]", guess)
        call(room, guess, needed)
        if needed[0] <= guess:
            return bytes(ffi.buffer(room, needed[0]))
        guess = needed[0]


buffer = ffi.new_allocator(should_clear_after_alloc=False)


class Callback:
    """A Python function that C calls. What it raises goes on when the C function has returned: reraise()."""

    def __init__(self, function: Optional[Callable[..., Any]], also: "Optional[Callback]" = None) -> None:
        self._function = function
        self._error: Optional[BaseException] = None
        self.also = also  # another one, where C has one `user` for both
        self.user = ffi.new_handle(self)

    def given(self, entry: Any) -> Any:
        return entry if self._function else ffi.NULL

    def call(self, *args: Any) -> bool:
        """True to go on; None counts as True, so that a function without a result need not think of it."""
        try:
            assert self._function
            return self._error is None and self._function(*args) is not False
        except BaseException as error:
            self._error = self._error or error
            return False

    def reraise(self) -> None:
        error, self._error = self._error, None
        if error:
            raise error
        if self.also:
            self.also.reraise()


def python_progress(user: Any, done: float) -> bool:
    callback: Callback = ffi.from_handle(user)
    return callback.call(done)


ffi.def_extern("python_progress")(python_progress)


def with_callback(callback: Callback, function: Callable[..., T], *args: Any) -> T:
    """Call what calls back; its own failure counts less than what the callback raised."""
    try:
        return function(*args)
    finally:
        callback.reraise()


def interruptible(call: Callable[[], None], cancel: Callable[[], None], settle: Callable[[], None]) -> None:
    """Call what may take long, so that Ctrl-C ends it. Python tells of a signal in the main thread and between two of
    its own instructions; so another thread waits for C.
    @param settle makes good what a call that was cancelled, maybe too late, has left."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    running = threading.Lock()
    running.acquire()
    outcome: list[Optional[BaseException]] = []

    def run() -> None:
        error: Optional[BaseException] = None
        try:
            call()
        except BaseException as e:
            error = e
        outcome.append(error)
        running.release()

    cancelled = False
    try:
        _thread.start_new_thread(run, ())
        running.acquire()
    except BaseException:
        if not outcome:
            cancelled = True
            cancel()
        while not outcome:
            try:
                running.acquire(timeout=0.1)
            except KeyboardInterrupt:
                pass
        if cancelled:
            settle()
        raise
    if outcome[0]:
        raise outcome[0]
