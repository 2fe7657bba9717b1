"""The package is not behind infer.h: every function, value and option is there, or is left out here with a reason."""

import inspect
import re
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any, Callable

import pytest
from conftest import ROOT

import libinfer
from libinfer._infer import ffi, lib

LEFT_OUT = {
    "infer_generate": "Generation is the same; a callback is a loop over it",
    "infer_generate_chat": "Answer is the same",
    "infer_beams_get_result": "Session.beam_search() returns the texts; who calls it can take the time",
    "infer_model_retain": "Python counts references",
    "infer_adapter_retain": "Python counts references",
    "infer_grammar_retain": "Python counts references",
    "infer_sampler_matcher": "belongs to the sampler and ends with its grammar; Grammar.matcher() is free of that",
}
ENUMS: dict[str, type[IntEnum]] = {
    "infer_status": libinfer.Status, "infer_log_level": libinfer.LogLevel, "infer_numa": libinfer.Numa,
    "infer_chat_part": libinfer.Part, "infer_precision": libinfer.Precision, "infer_kv_type": libinfer.KvType,
    "infer_pooling": libinfer.Pooling, "infer_stop_reason": libinfer.StopReason, "infer_sampler_stage": libinfer.Stage,
    "infer_tool_choice": libinfer.ToolChoice, "infer_full": libinfer.WhenFull,
    "infer_beam_end": libinfer.BeamEnd,
}
NOT_ENUMS = {"infer_notation": "the class methods of Grammar"}
OPTIONS: dict[str, list[Callable[..., Any]]] = {
    "infer_context_options": [libinfer.Context],
    "infer_model_options": [libinfer.Model.open, libinfer.Cache.get],
    "infer_cache_options": [libinfer.Cache],
    "infer_list_options": [libinfer.list_models],
    "infer_session_options": [libinfer.Session, libinfer.kv_bytes],
    "infer_store_options": [libinfer.Store],
    "infer_sampler_options": [libinfer.Sampler],
    "infer_grammar_options": [libinfer.Grammar.gbnf, libinfer.Grammar.json_schema, libinfer.Grammar.regex,
                              libinfer.Grammar.choices, libinfer.Grammar.tools],
    "infer_tools_options": [libinfer.Grammar.tools],
    "infer_generate_options": [libinfer.Session.generate],
    "infer_beam_options": [libinfer.Session.beam_search],
    "infer_chat_options": [libinfer.ChatTemplate.render],
    "infer_chat_parser_options": [libinfer.ChatParser, libinfer.parse_answer],
    "infer_embedder_options": [libinfer.Embedder],
    "infer_chat_setup": [libinfer.Chat],
    "infer_adapter_options": [libinfer.Adapter],
    "infer_scheduler_options": [libinfer.Scheduler],
    "infer_request_options": [libinfer.Scheduler.submit],
}
WITHOUT = {("kv_bytes", "store")}  # it takes no memory
OTHERWISE = {  # field: the parameter, or why there is none
    "size": None, "user": None,
    "n_threads": "threads", "log": "logger", "log_user": None,
    "allocator": None,  # C calls it from several threads at once, for every block
    "on_read": "progress", "infer_tools_options.grammar": "triggers",
    "infer_scheduler_options.session": None, "infer_request_options.generate": None,  # their fields are parameters
    "infer_beam_options.generate": None,
    "adapter_scales": None,  # they stand beside the adapters
    "users": None, "on_end": None, "end_user": None,  # of callbacks: a Request is iterated
    "on_text": None,  # Generation.run(on_text)
    "on_part": None, "on_message": None,  # ChatParser.feed() returns parts, Answer is iterated and has the message
}
INFOS = {
    "infer_model_info": libinfer.ModelInfo, "infer_adapter_info": libinfer.AdapterInfo,
    "infer_session_info": libinfer.SessionInfo,
    "infer_embedder_info": libinfer.EmbedderInfo, "infer_generate_result": libinfer.GenerateResult,
    "infer_scheduler_info": libinfer.SchedulerInfo,
    "infer_cache_stats": libinfer.CacheStats, "infer_store_stats": libinfer.StoreStats,
    "infer_listed": libinfer.Listed,
}


def test_every_function_of_the_header_is_used_or_left_out_for_a_reason() -> None:
    files = [ROOT / "include/infer.h", *(ROOT / "include/infer").glob("*.h")]  # infer_service.h is another library's
    header = "".join(file.read_text() for file in files)
    declared = set(re.findall(r"^INFER_API [^;(]*?(infer_\w+)\(", header, re.M))
    assert len(declared) > 90
    assert declared <= set(dir(lib)), "the extension was made from another header"
    folder = Path(libinfer.__file__).parent
    used = {name for file in folder.glob("*.py") for name in re.findall(r"lib\.(infer_\w+)", file.read_text())}
    assert declared - used == set(LEFT_OUT)


def names(kind: str) -> dict[str, int]:
    return {name: value for value, name in ffi.typeof(kind).elements.items()}


def kinds(kind: str) -> set[str]:
    """Names that are typedefs of an enum or of a struct."""
    found = set()
    for name in ffi.list_types()[0]:
        pointer = ffi.typeof(f"{name} *")  # a function has no typeof
        if pointer.kind == "pointer" and pointer.item.kind == kind:
            found.add(name)
    return found


def test_every_enum_has_the_values_of_the_header() -> None:
    assert kinds("enum") == set(ENUMS) | set(NOT_ENUMS)
    for kind, enum in ENUMS.items():
        values = names(kind)
        assert set(values.values()) == {int(v) for v in enum}, kind
        for member in enum:
            matching = [name for name, value in values.items() if value == member]
            assert re.fullmatch(rf"INFER_([A-Z]+_)*?{member.name}", matching[0]), (kind, member)


def struct_fields(kind: str) -> list[str]:
    return [name for name, _ in ffi.typeof(kind).fields]


def test_every_option_of_the_header_is_a_parameter() -> None:
    assert {k for k in kinds("struct") if k.endswith(("_options", "_setup"))} == set(OPTIONS)
    for kind, functions in OPTIONS.items():
        counted = {f"n_{name}" for name in struct_fields(kind)}
        for function in functions:
            parameters = inspect.signature(function).parameters
            for field in struct_fields(kind):
                wanted = OTHERWISE.get(f"{kind}.{field}", OTHERWISE.get(field, field))
                if wanted and field not in counted and (function.__name__, field) not in WITHOUT:
                    assert wanted in parameters, f"{function.__qualname__} lacks {kind}.{field}"


def test_a_default_is_that_of_the_header() -> None:
    for kind, functions in OPTIONS.items():
        defaults = getattr(lib, kind.removesuffix("_options") + "_defaults")()
        for function in functions:
            for name, parameter in inspect.signature(function).parameters.items():
                value = getattr(defaults, name, None)
                if isinstance(parameter.default, (bool, int)) and isinstance(value, (bool, int)):
                    assert parameter.default == value, f"{function.__qualname__}: {name}"


def test_what_is_told_has_all_fields_of_the_header() -> None:
    told = {k for k in kinds("struct") if k.endswith(("_info", "_result", "_stats", "_listed"))}
    assert told == set(INFOS) | {"infer_tensor_info"}
    for kind, record in INFOS.items():
        assert [f.name for f in fields(record)] == [f for f in struct_fields(kind) if f != "size"]


@pytest.mark.parametrize("name", sorted(libinfer.__all__))
def test_what_is_listed_is_there_and_says_what_it_is(name: str) -> None:
    thing = getattr(libinfer, name)
    assert thing.__doc__ or issubclass(thing, (libinfer.InferError, tuple))
