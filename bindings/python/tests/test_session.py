import json
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, TINY

from libinfer import (ArgumentError, Cancelled, ContextFull, FormatError, KvType, Model, Precision, Sampler, Session,
                      Status, batch_eval, kv_bytes)

STORIES = json.loads((DATA / "default-model/expected.json").read_text())["prompts"]


def test_logits_are_those_of_the_reference(session: Session) -> None:
    for story in STORIES:
        session.rewind(0)
        session.eval(story["prompt_ids"])
        logits = session.logits
        assert logits.shape == (1024,) and logits.dtype == np.float32
        for id, want in story["logits_after_prompt"]:
            assert abs(logits[id] - want) < 1e-3


def test_the_most_likely_tokens_are_those_of_the_reference(session: Session) -> None:
    story, sampler = STORIES[0], Sampler(temperature=0)
    session.eval(story["prompt_ids"])
    ids = []
    while len(ids) < 20:
        ids.append(sampler.sample(session))
        session.eval(ids[-1:])
    assert ids == story["greedy_ids"][:20]
    assert session.tokens == story["prompt_ids"] + ids


def test_eval_all_gives_a_row_for_every_token() -> None:
    model = Model.open(TINY / "qwen3/model.gguf")
    ids = json.loads((TINY / "qwen3/ids.json").read_text())
    want = np.load(TINY / "qwen3/logits.npy")
    session = Session(model, precision=Precision.EXACT)
    got = session.eval_all(np.array(ids, np.int32))
    assert got.shape == want.shape
    assert np.abs(got - want).max() < 2e-4 * want.std()
    assert np.array_equal(session.logits, got[-1])


def test_an_encoder_gives_hidden_states_and_no_logits() -> None:
    model = Model.open(TINY / "bert")
    ids = json.loads((TINY / "bert/ids.json").read_text())
    session = Session(model, precision=Precision.EXACT)
    hidden, want = session.eval_all(ids), np.load(TINY / "bert/hidden.npy")
    assert np.abs(hidden.reshape(want.shape) - want).max() < 2e-4 * want.std()
    with pytest.raises(LookupError):
        session.logits


def test_logits_stay_as_they_were_when_the_session_goes_on(session: Session) -> None:
    session.eval([1, 2, 3])
    before = session.logits
    kept = before.copy()
    session.eval([4])
    session.close()
    assert np.array_equal(before, kept)


def test_logits_of_a_token_that_was_only_appended_are_computed_when_asked_for(session: Session) -> None:
    session.generate("Once upon a time", Sampler(temperature=0), n_predict=3).run()
    ids, logits = session.tokens, session.logits
    session.rewind(0)
    session.eval(ids)
    assert np.allclose(session.logits, logits, atol=1e-4)


def test_a_rewound_session_has_no_logits_and_goes_on(session: Session) -> None:
    session.eval([1, 2, 3])
    want = session.logits
    session.rewind(2)
    with pytest.raises(LookupError, match="rewound"):
        session.logits
    session.eval([3])
    assert session.tokens == [1, 2, 3] and np.allclose(session.logits, want, atol=1e-4)
    with pytest.raises(ArgumentError):
        session.rewind(4)


def test_a_fork_goes_on_by_itself(session: Session) -> None:
    session.eval([1, 2, 3])
    with session.fork() as fork:
        assert fork.tokens == [1, 2, 3] and np.array_equal(fork.logits, session.logits)
        fork.eval([9])
    assert session.tokens == [1, 2, 3]


def test_a_saved_session_goes_on_with_the_same_bits(model: Model, session: Session, tmp_path: Path) -> None:
    story = STORIES[0]["prompt_ids"]
    session.eval(story)
    session.save(tmp_path / "session")
    data = session.save_bytes()
    assert data == (tmp_path / "session").read_bytes()
    session.eval(story[1:])
    for load in (lambda other: other.load(tmp_path / "session"), lambda other: other.load_bytes(data)):
        other = Session(model, precision=Precision.EXACT)
        load(other)
        assert other.tokens == story
        other.eval(story[1:])
        assert np.array_equal(other.logits, session.logits)
    with pytest.raises(FormatError, match="is damaged"):
        other.load_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ArgumentError, match="expected bf16"):
        Session(model, precision=Precision.EXACT, kv_type_k=KvType.BF16).load(tmp_path / "session")
    assert other.tokens == story + story[1:]


def test_a_batch_gives_each_session_its_logits(model: Model) -> None:
    first = Session(model, deterministic=True)
    sessions = [first, first.fork(), first.fork()]
    prompts = [[1, 2, 3], [4], list(range(5, 50))]
    batch_eval(list(zip(sessions, prompts)))
    for session, prompt in zip(sessions, prompts):
        alone = Session(model, deterministic=True)
        alone.eval(prompt)
        assert session.tokens == prompt and np.array_equal(session.logits, alone.logits)


def test_a_batch_tells_what_failed(model: Model) -> None:
    good, full = Session(model), Session(model, n_ctx=4)
    with pytest.raises(ContextFull):
        batch_eval([(good, [1]), (full, [1] * 5)])
    assert len(good) == len(full) == 0
    full.cancel()
    with pytest.raises(Cancelled) as caught:
        batch_eval([(good, [7]), (full, [8])])
    assert list(caught.value.statuses) == [Status.OK, Status.CANCELLED]
    assert (good.tokens, full.tokens) == ([7], [])
    with pytest.raises(RuntimeError, match="used"):
        batch_eval([(good, [1]), (good, [2])])
    good.eval([1])


def test_a_full_session_is_unchanged(model: Model) -> None:
    session = Session(model, n_ctx=8)
    session.eval([1] * 5)
    with pytest.raises(ContextFull):
        session.eval([1] * 4)
    assert len(session) == 5 and session.capacity == 8


def test_a_token_outside_the_vocabulary_is_a_value_error(session: Session) -> None:
    with pytest.raises(ValueError, match="1024"):
        session.eval([1024])


def test_cancel_is_an_exception_and_the_session_is_as_before(session: Session) -> None:
    session.eval([1, 2])
    session.cancel()
    with pytest.raises(Cancelled):
        session.eval([3, 4])
    assert session.tokens == [1, 2]
    session.cancel()
    session.uncancel()
    session.eval([3, 4])
    assert session.tokens == [1, 2, 3, 4]


def test_the_cache_has_the_types_and_the_size_foretold(model: Model) -> None:
    session = Session(model, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q4_0)
    session.eval([1] * 100)
    info = session.info
    assert (info.kv_type_k, info.kv_type_v) == (KvType.Q8_0, KvType.Q4_0)
    assert info.kv_bytes == kv_bytes(model, 100, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q4_0) > 0
    assert session.bytes > info.kv_bytes
    with pytest.raises(ContextFull):
        kv_bytes(model, 100, n_ctx=10)


def test_sync_computes_what_is_not_there_already(model: Model) -> None:
    model.set_prefix_bytes(1 << 26)
    session = Session(model, deterministic=True)
    ids = [i % 1000 for i in range(200)]
    assert session.sync(ids) == 200
    want = session.logits
    assert session.sync([*ids[:150], 7]) <= 51 and session.tokens == [*ids[:150], 7]
    other = Session(model, deterministic=True)
    assert other.sync(np.array(ids)) < 200 and np.array_equal(other.logits, want)
    assert other.sync([]) == 0 and len(other) == 0


def test_shift_forgets_tokens_in_the_middle(model: Model) -> None:
    session, other = Session(model, n_ctx=16), Session(model, n_ctx=16)
    session.eval(list(range(16)))
    session.shift(2, 6)
    other.eval([0, 1, *range(8, 16)])
    assert session.tokens == other.tokens and np.allclose(session.logits, other.logits, atol=1e-2)
    with pytest.raises(ArgumentError):
        session.shift(2, 60)
