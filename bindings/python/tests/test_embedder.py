import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY

from libinfer import ArgumentError, Cancelled, Embedder, Model, Pooling, Precision


def read(name: str) -> Any:
    return json.loads((TINY / name).read_text())


def exact(path: Path, **options: Any) -> Embedder:
    return Embedder(Model.open(path), precision=Precision.EXACT, **options)


def near(got: Any, want: Any) -> bool:
    return bool(got.shape == want.shape and np.abs(got - want).max() < 2e-4 * want.std())


def test_vectors_of_texts_are_those_of_the_reference() -> None:
    embedder = exact(TINY / "bert")
    vectors = embedder.embed(read("bert/texts.json"))
    assert vectors.dtype == np.float32 and near(vectors, np.load(TINY / "bert/vectors.npy").reshape(vectors.shape))
    assert embedder.info.dimensions == vectors.shape[1] and not embedder.info.reranks


def test_vectors_of_tokens_are_those_of_the_reference() -> None:
    embedder = exact(TINY / "colbert")
    assert embedder.info.pooling == Pooling.NONE
    arrays = embedder.embed_tokens(read("colbert/texts.json"))
    want = np.load(TINY / "colbert/vectors.npy")
    assert near(np.concatenate(arrays), want.reshape(-1, embedder.info.token_dimensions))


def test_scores_of_pairs_are_those_of_the_reference() -> None:
    embedder = exact(TINY / "bert-rank")
    want = np.load(TINY / "bert-rank/scores.npy").ravel()
    got = np.array([embedder.rerank(query, [document])[0] for query, document in read("bert-rank/pairs.json")])
    assert embedder.info.reranks and near(got, want)
    assert embedder.rerank("the cat", ["z", [1, 2, 3]]).shape == (2,)


def test_maxsim_is_the_sum_of_the_best_products() -> None:
    embedder = Embedder(Model.open(TINY / "colbert"))
    random = np.random.default_rng(1)
    query = random.standard_normal((4, 16), np.float32)
    documents = [random.standard_normal((n, 16), np.float32) for n in (3, 0, 7)]
    want = [(query @ d.T).max(axis=1).sum() if len(d) else 0 for d in documents]
    assert np.allclose(embedder.maxsim(query, documents), want, atol=1e-5)
    with pytest.raises(ValueError):
        embedder.maxsim(query, [documents[0][:, :8]])


def test_texts_and_ids_may_be_mixed_and_options_hold() -> None:
    model = Model.open(TINY / "bert")
    embedder = Embedder(model, dimensions=4, normalize=True, pooling=Pooling.CLS)
    ids = model.tokenizer.encode("the cat sat.")
    vectors = embedder.embed(["the cat sat.", ids, np.array(ids)])
    assert vectors.shape == (3, 4) and np.allclose(vectors, vectors[0], atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, 4)


def test_one_text_instead_of_a_list_is_refused() -> None:
    with pytest.raises(TypeError):
        Embedder(Model.open(TINY / "bert")).embed("text")


def test_a_text_that_is_too_long_is_refused_or_cut() -> None:
    model = Model.open(TINY / "bert")
    with pytest.raises(ArgumentError):
        Embedder(model, n_ctx=4).embed(["the cat sat the cat sat"])
    assert Embedder(model, n_ctx=4, truncate=True).embed(["the cat sat the cat sat"]).shape[0] == 1


def test_cancel_is_an_exception() -> None:
    embedder = Embedder(Model.open(TINY / "bert"))
    embedder.cancel()
    with pytest.raises(Cancelled):
        embedder.embed(["the cat sat."])
    assert embedder.embed(["the cat sat."]).shape[0] == 1
