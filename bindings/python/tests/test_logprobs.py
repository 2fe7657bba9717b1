import math

import numpy as np
import pytest

from libinfer import Likely, Model, Sampler, Session, logprobs


def log_softmax(logits: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    wide = logits.astype(np.float64)
    return wide - wide.max() - np.log(np.exp(wide - wide.max()).sum())


def test_log_probabilities_are_the_log_of_softmax() -> None:
    logits = np.random.default_rng(1).standard_normal(100).astype(np.float32) * 4
    want = log_softmax(logits)
    got = logprobs(logits, 7, 5)
    order = np.argsort(-want)[:5]
    assert got.id == 7 and abs(got.logprob - want[7]) < 1e-5
    assert [id for id, _ in got.top] == order.tolist()
    assert np.allclose([p for _, p in got.top], want[order], atol=1e-5)
    assert logprobs(logits).id == order[0]
    for call in (lambda: logprobs(logits, 100), lambda: logprobs(logits, 1, 1000)):
        with pytest.raises(ValueError):
            call()


def test_a_prompt_tells_how_likely_its_tokens_were(session: Session) -> None:
    ids = [5, 6, 7, 8]
    got = session.logprobs(ids, 3)
    assert [g.id for g in got] == ids and math.isnan(got[0].logprob) and got[0].top == []
    session.rewind(0)
    rows = session.eval_all(ids)
    for i in range(1, len(ids)):
        want = log_softmax(rows[i - 1])
        assert abs(got[i].logprob - want[ids[i]]) < 1e-3 and got[i].top[0][0] == int(want.argmax())
        assert len(got[i].top) == 3


def test_a_generation_tells_how_likely_its_tokens_were(session: Session) -> None:
    told: list[Likely] = []
    session.generate("Once upon a time", Sampler(temperature=0), n_predict=5, on_token=told.append, n_top=2).run()
    assert [t.id for t in told] == session.tokens[-5:]
    assert all(t.top[0] == (t.id, t.logprob) and len(t.top) == 2 and t.logprob <= 0 for t in told)


def test_an_echo_tells_of_the_prompt_too(session: Session) -> None:
    told: list[Likely] = []
    sampler = Sampler(temperature=0)
    session.generate("Once upon a time", sampler, n_predict=3, on_token=told.append, n_top=1, echo=True).run()
    assert [t.id for t in told] == session.tokens
    assert math.isnan(told[0].logprob) and told[0].top == []
    ids = session.tokens[:-3]
    session.rewind(0)
    prompt = session.logprobs(ids, 1)
    for got, want in zip(told[1:-3], prompt[1:]):
        assert got.id == want.id and abs(got.logprob - want.logprob) < 1e-3


def test_what_the_callback_raises_is_raised(session: Session) -> None:
    def fail(token: Likely) -> None:
        raise ZeroDivisionError(token)

    with pytest.raises(ZeroDivisionError):
        session.generate("Once upon a time", on_token=fail).run()
