import gc
import shutil
from pathlib import Path

import pytest
from conftest import TINY

from libinfer import Cache, ContextFull, Model, Session, list_models

LLAMA = TINY / "llama/model.gguf"


def test_a_model_is_opened_once_and_kept() -> None:
    cache = Cache()
    with cache.get(LLAMA) as model, cache.get(str(LLAMA)) as same:
        assert model.info == same.info and cache.stats.held == 1
    stats = cache.stats
    assert (stats.loads, stats.hits, stats.models, stats.held) == (1, 1, 1, 0)
    assert cache.trim() == 0 and cache.stats.models == 0


def test_what_is_used_is_not_closed_and_what_is_pinned_stays() -> None:
    cache = Cache()
    session = Session(cache.get(LLAMA))
    assert cache.trim() > 0
    session.eval([1, 2, 3])
    cache.pin(session.model)
    del session
    gc.collect()
    assert cache.trim() > 0 and cache.stats.models == 1
    cache.pin(cache.get(LLAMA), False)
    assert cache.trim() == 0


def test_a_model_outlives_its_closed_cache() -> None:
    cache = Cache()
    model = cache.get(LLAMA)
    cache.close()
    del cache
    gc.collect()
    assert Session(model).eval_all([1, 2]).shape == (2, model.info.n_vocab)


def test_a_model_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ContextFull):
        Cache(max_bytes=1000).get(LLAMA)
    with pytest.raises(OSError):
        Cache().get("none.gguf")


def test_progress_of_a_model_in_a_cache_is_told() -> None:
    seen: list[float] = []
    Cache().get(LLAMA, seen.append, no_mmap=True)
    assert seen[-1] == 1


def test_models_below_a_directory_are_listed(tmp_path: Path) -> None:
    shutil.copytree(TINY / "qwen3", tmp_path / "a")
    (tmp_path / "bad.gguf").write_bytes(b"no")
    found = list_models(tmp_path)
    assert {f.format for f in found} == {"GGUF", "SafeTensors"} and all(f.reason is None for f in found)
    for f in found:
        assert Model.open(f.path).info.format == f.format and f.n_files == 1 and f.bytes > 1000
    others = [f for f in list_models(tmp_path, others=True) if f.reason]
    assert any(f.path.endswith("bad.gguf") and f.format is None for f in others)
    with pytest.raises(ContextFull):
        list_models(tmp_path, max_entries=1)
    with pytest.raises(OSError):
        list_models(tmp_path / "none")
