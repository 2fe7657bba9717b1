"""infer_grammar: what texts may look like; infer_matcher: one text on its way through a grammar."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, Union

import numpy as np

from ._core import (Callback, Handle, Options, Owner, check, made, terminated, text_array, text_bytes, turn,
                    with_callback)
from ._infer import ffi, lib
from .context import Context
from .errors import InferError, exception
from .tokenizer import Tokenizer

Json = Union[str, Mapping[str, Any]]
OnBadTool = Callable[[int, InferError], None]


def python_bad_tool(user: Any, index: int, why: Any) -> None:
    callback: Callback = ffi.from_handle(user)
    callback.call(index, exception(why))


ffi.def_extern("python_bad_tool")(python_bad_tool)


def json_text(value: Any) -> str:
    """JSON as it is, or what it is made of."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _options(triggers: Iterable[str]) -> Options:
    options = Options("infer_grammar_options", lib.infer_grammar_defaults)
    options.set_texts("triggers", triggers)
    return options


class Grammar(Handle):
    """What texts may look like: Grammar.gbnf("root ::= ..."), .json_schema({...}), .regex("..."), .choices([...]),
    .tools({...}). Constant once open; any number of samplers and threads share it.

    @param triggers any text is allowed until one of these comes, and the grammar begins after it"""

    def __init__(self, pointer: Any, context: Context) -> None:
        super().__init__(pointer, lib.infer_grammar_close, context)

    @classmethod
    def _open(cls, notation: int, text: Union[str, bytes], triggers: Iterable[str],
              context: Optional[Context]) -> "Grammar":
        data, options = text_bytes(text), _options(triggers)
        context = context or Context(1)
        return cls(made(lib.infer_grammar_open, context._pointer, notation, data, len(data), options.struct), context)

    @classmethod
    def gbnf(cls, text: str, *, triggers: Iterable[str] = (), context: Optional[Context] = None) -> "Grammar":
        """llama.cpp's notation; the rule `root` is the whole."""
        return cls._open(lib.INFER_GBNF, text, triggers, context)

    @classmethod
    def json_schema(cls, schema: Union[Json, bool], *, triggers: Iterable[str] = (),
                    context: Optional[Context] = None) -> "Grammar":
        """JSON that a schema holds for, which is given as text or as what json.loads() makes of it."""
        return cls._open(lib.INFER_JSON_SCHEMA, json_text(schema), triggers, context)

    @classmethod
    def regex(cls, pattern: str, *, triggers: Iterable[str] = (), context: Optional[Context] = None) -> "Grammar":
        """A regular expression that the whole text matches."""
        return cls._open(lib.INFER_REGEX, pattern, triggers, context)

    @classmethod
    def choices(cls, choices: Iterable[str], *, triggers: Iterable[str] = (),
                context: Optional[Context] = None) -> "Grammar":
        """Any one of these texts."""
        array, n, kept = text_array(choices)
        options = _options(triggers)
        context = context or Context(1)
        pointer = made(lib.infer_grammar_open_choices, context._pointer, array, n, options.struct)
        kept.clear()
        return cls(pointer, context)

    @classmethod
    def tools(cls, tools: Mapping[str, Optional[Json]], *, begin: Optional[str] = None, middle: Optional[str] = None,
              end: Optional[str] = None, between: Optional[str] = None, triggers: Iterable[str] = (),
              on_bad: Optional[OnBadTool] = None, context: Optional[Context] = None) -> "Grammar":
        """Calls of any of these tools: names, and the JSON Schema of the arguments of each (None = any object).
        A call is begin, the name, middle, the arguments, end; the default is {"name": "NAME", "arguments": {...}}.
        @param between between two calls; None = there is one call only
        @param on_bad  called with (index, InferError) for a tool whose schema is refused, which is left out"""
        kept = [(terminated(name), ffi.NULL if schema is None else terminated(json_text(schema)))
                for name, schema in tools.items()]
        callback, inner = Callback(on_bad), _options(triggers)
        options = Options("infer_tools_options", lib.infer_tools_defaults, begin=begin, middle=middle, end=end,
                          between=between, grammar=inner.struct[0], on_bad=callback.given(lib.python_bad_tool),
                          user=callback.user)
        context = context or Context(1)
        owner, array = context, ffi.new("infer_tool[]", kept)
        return with_callback(callback, lambda: cls(made(lib.infer_grammar_open_tools, owner._pointer, array, len(kept),
                                                        options.struct), owner))

    def _meets(self, tokenizer: Tokenizer) -> None:
        """The grammar keeps masks for tokenizers, which are closed after it."""
        self._owner.need(tokenizer._owner)

    def matcher(self, tokenizer: Optional[Tokenizer] = None) -> "Matcher":
        """Begin a text. Without a tokenizer it is text only."""
        if tokenizer:
            self._meets(tokenizer)
        pointer = made(lib.infer_matcher_open, self._pointer, tokenizer._pointer if tokenizer else ffi.NULL)
        return Matcher(pointer, tokenizer, self._owner)


class Matcher(Handle):
    """One text on its way through a grammar. Used by one thread at a time."""

    def __init__(self, pointer: Any, tokenizer: Optional[Tokenizer], grammar: Owner) -> None:
        super().__init__(pointer, lib.infer_matcher_close, grammar)
        self._tokenizer, self._grammar = tokenizer, grammar

    def fork(self) -> "Matcher":
        """A matcher that goes on from the same place; it cannot rewind to before that."""
        with turn(self):
            return Matcher(made(lib.infer_matcher_fork, self._pointer), self._tokenizer, self._grammar)

    def accept(self, what: Union[int, str, bytes]) -> None:
        """Go on with a token or with text. Raises ArgumentError, and stays, if the grammar does not allow it."""
        with turn(self):
            if isinstance(what, (str, bytes)):
                data = text_bytes(what)
                check(lib.infer_matcher_accept_text, self._pointer, data, len(data))
            else:
                self._token()
                check(lib.infer_matcher_accept, self._pointer, what)

    def allows(self, id: int) -> bool:
        """Whether accept() would take the token."""
        with turn(self):
            self._token()
            return bool(lib.infer_matcher_allows(self._pointer, id))

    def mask(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Which tokens can come next."""
        n = len(self._token())
        bits = np.zeros((n + 31) // 32, "<u4")
        with turn(self):
            check(lib.infer_matcher_mask, self._pointer, ffi.from_buffer("uint32_t[]", bits), len(bits))
        return np.unpackbits(bits.view(np.uint8), count=n, bitorder="little").astype(np.bool_)

    def rewind(self, n_keep: int) -> None:
        """Forget all calls of accept() but the first n_keep."""
        with turn(self):
            check(lib.infer_matcher_rewind, self._pointer, n_keep)

    @property
    def may_end(self) -> bool:
        """The text so far is whole."""
        with turn(self):
            return bool(lib.infer_matcher_may_end(self._pointer))

    @property
    def must_end(self) -> bool:
        """Nothing can follow the text but its end."""
        with turn(self):
            return bool(lib.infer_matcher_must_end(self._pointer))

    def __len__(self) -> int:
        """How many calls of accept() lie behind."""
        return int(lib.infer_matcher_length(self._pointer))

    def _token(self) -> Tokenizer:
        if not self._tokenizer:
            raise TypeError("the matcher was made without a tokenizer: it takes text only")
        return self._tokenizer
