import gc
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY

from libinfer import ArgumentError, Context, FileError, LogLevel, Model, Session, Store

QWEN = TINY / "qwen3/model.gguf"
IDS = [i * 7 % 96 for i in range(200)]


def test_what_one_model_has_computed_another_one_finds_on_disk(tmp_path: Path) -> None:
    with Store(tmp_path / "store", min_tokens=64) as store, Model.open(QWEN) as model:
        session = Session(model, deterministic=True, store=store, n_ctx=300)
        assert session.sync(IDS) == 200
        store.flush()
        assert (store.stats.written, store.stats.files, store.stats.misses) == (3, 3, 1)
        expected = session.logits
        session.close()
    gc.collect()
    with Store(tmp_path / "store") as store, Model.open(QWEN) as model:
        session = Session(model, deterministic=True, store=store, n_ctx=300)
        assert session.sync(IDS) == 200 - 192
        assert np.array_equal(session.logits, expected)
        assert (store.stats.hits, store.stats.tokens, store.stats.max_bytes) == (1, 192, 4 << 30)
        assert not store.stats.read_only


def test_forks_and_sessions_keep_a_closed_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    session = Session(Model.open(QWEN), store=store, n_ctx=300)
    fork = session.fork()
    store.close()
    session.close()
    del store, session
    gc.collect()
    fork.sync(IDS)
    fork.close()
    gc.collect()
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="none"):
        Store(tmp_path / "none", read_only=True)
    with pytest.raises(ArgumentError, match="min_tokens"):
        Store(tmp_path, min_tokens=-1)


def test_a_damaged_file_is_a_line_of_the_log(tmp_path: Path) -> None:
    lines: list[str] = []
    context = Context(1, logger=lambda level, line: lines.append(line) if level <= LogLevel.WARN else None)
    Session(Model.open(QWEN, context=context), store=Store(tmp_path, context), n_ctx=300).sync(IDS)
    gc.collect()
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    store = Store(tmp_path, context)
    assert Session(Model.open(QWEN, context=context), store=store, n_ctx=300).sync(IDS) == 200
    assert store.stats.damaged == 1 and any("expected" in line for line in lines)
