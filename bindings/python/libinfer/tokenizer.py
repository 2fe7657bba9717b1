"""infer_tokenizer: text to token ids and back."""

from collections.abc import Iterable, Iterator
from os import PathLike, fsencode
from typing import Any, Optional, Union

from ._core import Handle, Ids, buffer, check, id_array, made, optional_string, sized_text, text_bytes
from ._infer import ffi, lib
from .context import Context


class Tokenizer(Handle):
    """A vocabulary: model.tokenizer, or opened alone. Any number of threads may use it."""

    def __init__(self, pointer: Any, close: Any, *needs: Any) -> None:
        super().__init__(pointer, close, *needs)
        self._max_piece = int(lib.infer_tokenizer_max_piece(pointer))

    @classmethod
    def open(cls, path: Union[str, "PathLike[str]"], context: Optional[Context] = None) -> "Tokenizer":
        """The vocabulary of a GGUF file, of a Hugging Face directory, or a tokenizer.json."""
        context = context or Context(1)
        pointer = made(lib.infer_tokenizer_open, context._pointer, fsencode(path))
        return cls(pointer, lib.infer_tokenizer_close, context)

    def encode(self, text: Union[str, bytes], *, add_special: bool = True, parse_special: bool = False) -> list[int]:
        """Text to ids.
        @param add_special   add what the model expects at the start and end (BOS, EOS, CLS ...)
        @param parse_special the names of control tokens in the text become these tokens"""
        data = text_bytes(text)
        flags = lib.INFER_ADD_SPECIAL * add_special | lib.INFER_PARSE_SPECIAL * parse_special
        room, n = len(data) + 8, ffi.new("size_t *")
        while True:
            ids = buffer("int32_t[]", room)
            check(lib.infer_tokenizer_encode, self._pointer, data, len(data), flags, ids, room, n)
            if n[0] <= room:
                return list(ffi.unpack(ids, n[0]))
            room = n[0]

    def decode_bytes(self, ids: Ids, *, remove_special: bool = False, unparse_special: bool = False) -> bytes:
        """As decode(), but bytes, which need not be UTF-8."""
        array, n = id_array(ids)
        flags = lib.INFER_REMOVE_SPECIAL * remove_special | lib.INFER_UNPARSE_SPECIAL * unparse_special
        return sized_text(lambda text, room, length: check(lib.infer_tokenizer_decode, self._pointer, array, n, flags,
                                                           text, room, length), 8 * n + 16)

    def decode(self, ids: Ids, *, remove_special: bool = False, unparse_special: bool = False) -> str:
        """Ids to text. What is not UTF-8 becomes U+FFFD.
        @param remove_special  leave out the tokens that add_special puts at the start and end
        @param unparse_special write control tokens by name instead of leaving them out"""
        return self.decode_bytes(ids, remove_special=remove_special,
                                 unparse_special=unparse_special).decode("utf-8", "replace")

    def stream(self, *, unparse_special: bool = False) -> "Stream":
        """For ids that come one by one."""
        return Stream(self, unparse_special)

    def pieces(self, ids: Iterable[int], *, unparse_special: bool = False) -> Iterator[str]:
        """The text of ids as they come, in whole characters."""
        stream = self.stream(unparse_special=unparse_special)
        for id in ids:
            text = stream.feed(id)
            if text:
                yield text
        text = stream.end()
        if text:
            yield text

    def __len__(self) -> int:
        return int(lib.infer_tokenizer_size(self._pointer))

    def token(self, id: int) -> bytes:
        """A token as it stands in the vocabulary."""
        length = ffi.new("size_t *")
        text = lib.infer_tokenizer_token(self._pointer, id, length)
        if not text:
            raise IndexError(f"token {id} of {len(self)}")
        return bytes(ffi.buffer(text, length[0]))

    def find(self, name: Union[str, bytes]) -> Optional[int]:
        """Id of a token by its name in the vocabulary."""
        data = text_bytes(name)
        return _id(lib.infer_tokenizer_find(self._pointer, data, len(data)))

    def is_end(self, id: int) -> bool:
        """True for the tokens that end a text."""
        return bool(lib.infer_tokenizer_is_end(self._pointer, id))

    def is_control(self, id: int) -> bool:
        return bool(lib.infer_tokenizer_is_control(self._pointer, id))

    @property
    def bos(self) -> Optional[int]:
        return _id(lib.infer_tokenizer_bos(self._pointer))

    @property
    def eos(self) -> Optional[int]:
        return _id(lib.infer_tokenizer_eos(self._pointer))

    @property
    def chat_template(self) -> Optional[str]:
        """The model's chat template: Jinja source."""
        return optional_string(lib.infer_tokenizer_chat_template(self._pointer))


def _id(id: int) -> Optional[int]:
    return id if id >= 0 else None


class Stream:
    """Ids to text one by one; each piece is whole characters. Used by one thread at a time."""

    def __init__(self, tokenizer: Tokenizer, unparse_special: bool) -> None:
        self._tokenizer = tokenizer
        self._stream = ffi.new("infer_stream *", {"flags": lib.INFER_UNPARSE_SPECIAL * unparse_special})
        self._room = max(tokenizer._max_piece, 16)
        self._text = buffer("char[]", self._room)
        self._length = ffi.new("size_t *")

    def feed(self, id: int) -> str:
        """The text that this token completes; "" while a character is unfinished."""
        check(lib.infer_tokenizer_stream, self._tokenizer._pointer, self._stream, id, self._text, self._room,
              self._length)
        return self._taken(self._length[0])

    def end(self) -> str:
        """What is left: an unfinished character comes out as U+FFFD."""
        return self._taken(lib.infer_tokenizer_stream_end(self._stream, self._text, self._room))

    def _taken(self, n: int) -> str:
        return str(bytes(ffi.buffer(self._text, n)).decode("utf-8", "replace"))
