import logging
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, TINY

import libinfer
from libinfer import Context, LogLevel, Model, Session

LLAMA = str(TINY / "llama/model.gguf")


def test_a_model_says_what_it_is(model: Model) -> None:
    info = model.info
    assert (info.architecture, info.n_vocab, info.n_embd) == ("llama", 1024, 256)
    assert info.runnable and not info.encoder
    assert info.bytes > info.n_params > 3_000_000


def test_a_directory_and_a_file_open_with_a_path_object() -> None:
    for path in (TINY / "llama", TINY / "llama/model.gguf"):
        assert Model.open(path).info.architecture == "llama"


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.gguf") as caught:
        Model.open(tmp_path / "none.gguf")
    assert isinstance(caught.value, libinfer.FileError) and caught.value.status == libinfer.Status.IO


def test_a_model_is_quantised_as_it_is_opened() -> None:
    seen: list[float] = []
    model = Model.open(TINY / "llama", seen.append, quantize="q8_0")
    types = {t.type for t in model.tensors() if len(t.shape) == 2}
    assert "q8_0" in types and seen[-1] == 1
    with pytest.raises(ValueError, match="q9"):
        Model.open(TINY / "llama", quantize="q9")
    with pytest.raises(OSError, match=r"none\.imatrix"):
        Model.open(TINY / "llama", quantize="q4_k_m", importance="none.imatrix")


def test_a_damaged_file_is_a_format_error(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(Path(LLAMA).read_bytes()[:5000])
    with pytest.raises(libinfer.FormatError, match=r"cut\.gguf"):
        Model.open(tmp_path / "cut.gguf")


def test_metadata_is_a_dict_of_python_values(model: Model) -> None:
    data = model.metadata()
    assert data["general.architecture"] == "llama"
    assert data["llama.embedding_length"] == 256
    assert len(data["tokenizer.ggml.tokens"]) == 1024
    assert model.metadata(brief=True)["tokenizer.ggml.tokens"][-1] == "..."


def test_tensors_are_seen_where_they_lie() -> None:
    model = Model.open(LLAMA)
    tensors = {t.name: t for t in model.tensors()}
    norm = tensors["output_norm.weight"]
    assert norm.type == "f32" and norm.shape == (model.info.n_embd,) and norm.used
    embedding = tensors["token_embd.weight"]
    assert embedding.shape == (model.info.n_vocab, model.info.n_embd)
    with pytest.raises(ValueError):
        norm.data[0] = 1
    values = norm.data.view(np.float32)
    model.close()
    del model, tensors, norm, embedding
    assert np.isfinite(values).all() and values.any()  # the array keeps the file mapped


def test_a_file_in_memory_gives_the_same_logits() -> None:
    data = b"x" + Path(LLAMA).read_bytes()
    logits = []
    for model in (Model.open(LLAMA), Model.from_bytes(data[1:]), Model.from_bytes(memoryview(data)[1:])):
        session = Session(model)
        session.eval([1, 2, 3])
        logits.append(session.logits)
    assert np.array_equal(logits[0], logits[1]) and np.array_equal(logits[0], logits[2])


def test_progress_is_told_and_can_cancel() -> None:
    seen: list[float] = []
    Model.open(LLAMA, seen.append, no_mmap=True)
    assert seen and seen[-1] == 1
    with pytest.raises(libinfer.Cancelled):
        Model.open(LLAMA, lambda done: False, no_mmap=True)


def test_what_a_callback_raises_goes_on_in_python() -> None:
    def fail(done: float) -> None:
        raise ZeroDivisionError(done)

    with pytest.raises(ZeroDivisionError):
        Model.open(LLAMA, fail, no_mmap=True)
    with pytest.raises(ZeroDivisionError):
        Model.open(LLAMA).verify(fail)


def test_a_sound_model_is_verified(model: Model) -> None:
    seen: list[float] = []
    model.verify(seen.append)
    assert seen == sorted(seen) and seen[-1] == 1


def test_a_model_opened_to_inspect_has_no_sessions() -> None:
    model = Model.open(DATA / "tokenizer/bytes.gguf", inspect=True)
    assert not model.info.runnable and len(model.tokenizer) > 256
    with pytest.raises(ValueError, match="inspection only"):
        Session(model)


def test_a_model_without_a_vocabulary_has_no_tokenizer() -> None:
    with pytest.raises(LookupError):
        Model.open(TINY / "qwen3/model.gguf").tokenizer


def test_log_lines_go_to_a_function_or_a_logger_up_to_a_level(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[tuple[LogLevel, str]] = []
    context = Context(1, logger=lambda level, line: lines.append((level, line)), level=LogLevel.DEBUG)
    Model.open(TINY / "qwen3/model.gguf", context=context)
    assert lines and all(isinstance(level, LogLevel) and line for level, line in lines)
    with caplog.at_level(logging.DEBUG, "models"):
        Model.open(TINY / "qwen3/model.gguf",
                   context=Context(1, logger=logging.getLogger("models"), level=LogLevel.DEBUG))
    assert [r.message for r in caplog.records] == [line for _, line in lines]

    few: list[LogLevel] = []
    quiet = Context(1, logger=lambda level, line: few.append(level), level=LogLevel.ERROR)
    Model.open(TINY / "qwen3/model.gguf", context=quiet)
    assert few == [level for level, _ in lines if level <= LogLevel.ERROR]


def test_a_context_has_the_threads_and_instructions_asked_for() -> None:
    context = Context(3, cpu="scalar")
    assert (context.threads, context.cpu) == (3, "scalar")
    with pytest.raises(ValueError, match="vax"):
        Context(cpu="vax")
