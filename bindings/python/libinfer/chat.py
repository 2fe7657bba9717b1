"""Conversations: whole jobs, or chat templates and answers of chat models told apart."""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Callable, NamedTuple, Optional, Union

from ._core import (Handle, Options, check, made, new_error, optional_string, sized_text, string, terminated,
                    text_bytes, turn)
from ._infer import ffi, lib
from .context import Context
from .errors import exception
from .generation import Fetch, GenerateOptions, Speculation, WhenFull
from .grammar import Grammar, json_text
from .logprobs import OnToken
from .model import Model, Progress
from .sampler import Sampler
from .session import Session
from .tokenizer import Tokenizer

Messages = Union[str, Sequence[Mapping[str, Any]]]
Tools = Union[str, Sequence[Mapping[str, Any]]]
Variables = Union[str, Mapping[str, Any]]


class Part(IntEnum):
    """infer_chat_part: what a piece of an answer is."""

    CONTENT = 0
    REASONING = 1
    CALL = 2
    ARGUMENTS = 3


class ToolChoice(IntEnum):
    """infer_tool_choice: who decides whether tools are called."""

    AUTO = 0
    NONE = 1
    REQUIRED = 2


class Piece(NamedTuple):
    """Of an answer."""

    part: Part
    text: str


def _json(value: Any) -> Optional[str]:
    return None if value is None else json_text(value)


def _names(name: Any) -> list[str]:
    names: list[str] = []
    while name(len(names)):
        names.append(string(name(len(names))))
    return names


def template_names() -> list[str]:
    """Names of the built-in templates."""
    return _names(lib.infer_chat_template_name)


def template_source(name: str) -> Optional[str]:
    """Source of a built-in template."""
    return optional_string(lib.infer_chat_template_builtin(terminated(name)))


def format_names() -> list[str]:
    """Names of the formats that answers come in."""
    return _names(lib.infer_chat_format_name)


class ChatTemplate(Handle):
    """A model's way to write conversations, from Jinja source: ChatTemplate(model.tokenizer.chat_template), or
    ChatTemplate(template_source("chatml")). Constant once open; any number of threads may render it."""

    def __init__(self, source: str, *, context: Optional[Context] = None) -> None:
        context, data = context or Context(1), source.encode()
        super().__init__(made(lib.infer_chat_template_open, context._pointer, data, len(data)),
                         lib.infer_chat_template_close, context)

    def render(self, messages: Optional[Messages], *, tools: Optional[Tools] = None,
               variables: Optional[Variables] = None, no_generation_prompt: bool = False,
               tokenizer: Optional[Tokenizer] = None, now: int = 0) -> str:
        """Write a conversation. Encode it with parse_special=True and add_special=False.
        @param messages             [{"role": "user", "content": "..."}, ...], or the JSON of that
        @param tools                functions that the model may call, as OpenAI's API has them
        @param variables            further ones, such as {"enable_thinking": False}
        @param no_generation_prompt do not end with the beginning of the model's answer
        @param tokenizer            whose bos_token and eos_token the template gets
        @param now                  the time for strftime_now(), seconds; 0 = the system's"""
        data = None if messages is None else json_text(messages).encode()
        options = Options("infer_chat_options", lib.infer_chat_defaults, tools=_json(tools), variables=_json(variables),
                          no_generation_prompt=no_generation_prompt, now=now,
                          tokenizer=tokenizer._pointer if tokenizer else None)
        given, n = ffi.NULL if data is None else data, len(data or b"")
        return sized_text(lambda text, room, length: check(lib.infer_chat_render, self._pointer, given, n,
                                                           options.struct, text, room, length), 4096).decode()


def _parser_options(format: Optional[str], chat_template: Optional[str], prompt: Optional[str],
                    tools: Optional[Tools], no_calls: bool) -> Options:
    return Options("infer_chat_parser_options", lib.infer_chat_parser_defaults, format=format,
                   chat_template=chat_template, prompt=prompt, tools=_json(tools), no_calls=no_calls)


class _Parts:
    """Takes what a parser tells."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.user = ffi.new_handle(self)

    def taken(self) -> list[Piece]:
        pieces, self.pieces = self.pieces, []
        return pieces


def python_part(user: Any, part: int, text: Any, length: int) -> None:
    parts: _Parts = ffi.from_handle(user)
    parts.pieces.append(Piece(Part(part), bytes(ffi.buffer(text, length)).decode("utf-8", "replace")))


ffi.def_extern("python_part")(python_part)


class ChatParser(Handle):
    """Tells apart what a chat model writes, as it comes: content, reasoning, calls of tools. Feed it with text in which
    control tokens are written by name (unparse_special). Used by one thread at a time.

    @param format        one of format_names(); None = that of the template
    @param chat_template source of the model's template
    @param prompt        what the model continues: reasoning may have begun in it
    @param tools         the functions offered
    @param no_calls      calls are content"""

    def __init__(self, *, format: Optional[str] = None, chat_template: Optional[str] = None,
                 prompt: Optional[str] = None, tools: Optional[Tools] = None, no_calls: bool = False,
                 context: Optional[Context] = None) -> None:
        context, self._parts = context or Context(1), _Parts()
        options = _parser_options(format, chat_template, prompt, tools, no_calls)
        options.set(on_part=lib.python_part, user=self._parts.user)
        super().__init__(made(lib.infer_chat_parser_open, context._pointer, options.struct),
                         lib.infer_chat_parser_close, context, self._parts)

    def feed(self, text: Union[str, bytes]) -> list[Piece]:
        """The next piece of the answer; what has become clear."""
        data = text_bytes(text)
        with turn(self):
            check(lib.infer_chat_parser_feed, self._pointer, data, len(data))
            return self._parts.taken()

    def end(self) -> list[Piece]:
        """The answer is at its end: what was held back. Another one may follow."""
        with turn(self):
            check(lib.infer_chat_parser_end, self._pointer)
            return self._parts.taken()

    @property
    def format(self) -> str:
        return string(lib.infer_chat_parser_format(self._pointer))


def parse_answer(text: str, *, format: Optional[str] = None, chat_template: Optional[str] = None,
                 prompt: Optional[str] = None, tools: Optional[Tools] = None, no_calls: bool = False,
                 context: Optional[Context] = None) -> dict[str, Any]:
    """A whole answer as a message of OpenAI's API: {"role": "assistant", "content": ..., "reasoning_content": ...,
    "tool_calls": [...]}. Parameters as those of ChatParser."""
    owner, data = context or Context(1), text.encode()
    options = _parser_options(format, chat_template, prompt, tools, no_calls)
    message: dict[str, Any] = json.loads(sized_text(
        lambda out, room, needed: check(lib.infer_chat_parse, owner._pointer, options.struct, data, len(data), out,
                                        room, needed), len(data) + 512))
    return message


class Chat(Handle):
    """How a model is talked with. Constant once open; any number of threads, sessions and turns share it.

    @param chat_template    Jinja source; None = the model's, else "chatml"
    @param template_name    one of template_names(), or a file of Jinja
    @param format           of answers, one of format_names(); None = the template's
    @param variables        further ones for the template
    @param tools            functions that the model may call, as OpenAI's API has them
    @param tool_choice      who decides whether tools are called
    @param tool_name        calls are of this tool
    @param single_call      a call is the only one
    @param response         what the content of answers is held to
    @param reasoning_budget most tokens of reasoning; -1 = no limit
    @param now              the time for strftime_now(), seconds; 0 = the system's"""

    def __init__(self, model: Model, *, chat_template: Optional[str] = None, template_name: Optional[str] = None,
                 format: Optional[str] = None, variables: Optional[Variables] = None, tools: Optional[Tools] = None,
                 tool_choice: ToolChoice = ToolChoice.AUTO, tool_name: Optional[str] = None, single_call: bool = False,
                 response: Optional[Grammar] = None, reasoning_budget: int = -1, now: int = 0) -> None:
        setup = Options("infer_chat_setup", lib.infer_chat_setup_defaults, chat_template=chat_template,
                        template_name=template_name, format=format, variables=_json(variables), tools=_json(tools),
                        tool_choice=int(tool_choice), tool_name=tool_name, single_call=single_call,
                        response=response._pointer if response else None, reasoning_budget=reasoning_budget, now=now)
        if response:
            response._meets(model.tokenizer)
        super().__init__(made(lib.infer_chat_open, model._pointer, setup.struct), lib.infer_chat_close, model,
                         *([response] if response else []))

    @property
    def format(self) -> str:
        """Name of the format in which answers are read."""
        return string(lib.infer_chat_format(self._pointer))

    def prompt(self, messages: Messages) -> str:
        """What an answer goes on from. Encode it with parse_special=True and add_special=False."""
        data = json_text(messages).encode()
        return sized_text(lambda out, room, needed: check(lib.infer_chat_prompt, self._pointer, data, len(data), out,
                                                          room, needed), len(data) + 4096).decode()

    def answer(self, session: Session, messages: Messages, sampler: Optional[Sampler] = None, *, n_predict: int = -1,
               ignore_end: bool = False, stops: Iterable[str] = (), on_prompt: Optional[Progress] = None,
               on_token: Optional[OnToken] = None, n_top: int = 0, on_full: WhenFull = WhenFull.STOP,
               n_full_keep: int = 0, speculation: Optional[Speculation] = None, echo: bool = False) -> "Answer":
        """Answer a conversation, of which the session may hold a beginning: an iterator of pieces.

            messages.append(chat.answer(session, messages).run())

        Parameters as those of Session.generate()."""
        sampler = sampler or Sampler(context=session.model.context)
        options = GenerateOptions(on_prompt, stops, on_token, speculation, n_predict=n_predict,
                                  ignore_end=ignore_end, n_top=n_top, on_full=int(on_full), n_full_keep=n_full_keep,
                                  echo=echo)
        return Answer(self, session, json_text(messages), sampler, options)


class Answer(Fetch):
    """An iterator of the pieces of an answer. A call comes as two pieces, its name and its arguments."""

    def __init__(self, chat: Chat, session: Session, messages: str, sampler: Sampler, options: GenerateOptions) -> None:
        data = messages.encode()
        sampler._owner.need(chat._owner)  # whose grammars it gets
        super().__init__(session, sampler, options, lib.infer_generation_open_chat, chat._pointer, session._pointer,
                         sampler._pointer, data, len(data), needs=(chat,))

    def __iter__(self) -> "Answer":
        return self

    def __next__(self) -> Piece:
        text = self._next()
        return Piece(Part(self._piece.part), text)

    def run(self, on_piece: Optional[Callable[[Piece], Optional[bool]]] = None) -> dict[str, Any]:
        """The whole message. `on_piece` receives pieces as they come, and may return False to stop."""
        for piece in self:
            if on_piece and on_piece(piece) is False:
                self._stopped = True
        return self.message

    @property
    def message(self) -> dict[str, Any]:
        """What the answer is so far, as OpenAI's API has it; to be appended to the messages."""
        with turn(self):
            length, error = ffi.new("size_t *"), new_error()
            text = lib.infer_generation_message(self._pointer, length, error)
            if not text:
                raise exception(error)
            message: dict[str, Any] = json.loads(bytes(ffi.buffer(text, length[0])))
        return message
