"""Other threads run while C computes; one object is used by one at a time; Ctrl-C ends what takes long."""

import _thread
import threading
import time
from typing import Any, Callable

import numpy as np
import pytest

from libinfer import Embedder, Model, Sampler, Session, batch_eval

PROMPT = list(range(1, 501))


def test_other_threads_run_while_c_computes(model: Model) -> None:
    session = Session(model)
    for _ in range(50):
        session.rewind(0)
        span: list[float] = []

        def compute() -> None:
            span.append(time.perf_counter())
            session.eval(PROMPT)
            span.append(time.perf_counter())

        thread = threading.Thread(target=compute)
        seen: list[float] = []
        thread.start()
        while thread.is_alive():
            seen.append(time.perf_counter())
            time.sleep(0)
        within = [t for t in seen if span[0] < t < span[1]]
        if within and within[-1] - within[0] > 0.5 * (span[1] - span[0]):
            return
    pytest.fail("nothing ran while eval() did")


def test_sessions_of_one_model_compute_in_threads_at_once(model: Model) -> None:
    texts: list[str] = []

    def write() -> None:
        session = Session(model)
        texts.append(session.generate("Once upon a time", Sampler(temperature=0), n_predict=20).run())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 4 and len(set(texts)) == 1


def test_a_callback_that_uses_its_own_session_is_refused(session: Session) -> None:
    with pytest.raises(RuntimeError, match="Session is being used"):
        session.generate("Once upon a time", on_prompt=lambda done: session.eval([1])).run()
    session.eval([1])


def interrupted(call: Callable[[], Any]) -> None:
    """Call again and again until Ctrl-C has come while it runs."""
    def strike() -> None:
        time.sleep(0.01)
        _thread.interrupt_main()

    thread = threading.Thread(target=strike)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        while True:
            call()
    thread.join()


def test_ctrl_c_ends_an_evaluation_and_the_session_goes_on(model: Model, session: Session) -> None:
    session.eval(PROMPT)
    want = session.logits

    def call() -> None:
        session.rewind(0)
        session.eval(PROMPT)

    for _ in range(4):
        interrupted(call)
        assert len(session) in (0, len(PROMPT))
        call()
        assert np.array_equal(session.logits, want)


def test_ctrl_c_ends_a_batch_wholly(model: Model) -> None:
    first = Session(model)
    sessions = [first, first.fork()]

    def call() -> None:
        for session in sessions:
            session.rewind(0)
        batch_eval([(session, PROMPT) for session in sessions])

    for _ in range(2):
        interrupted(call)
        call()
        assert [len(s) for s in sessions] == [len(PROMPT)] * 2


def test_ctrl_c_ends_a_generation_and_the_session_goes_on(model: Model, session: Session) -> None:
    def call() -> None:
        session.rewind(0)
        session.generate("Once upon a time " * 40, Sampler(temperature=0), n_predict=30).run()

    for _ in range(2):
        interrupted(call)
        call()


def test_ctrl_c_ends_embedding(model: Model) -> None:
    embedder = Embedder(model)
    texts = ["Once upon a time there was a fox."] * 50
    for _ in range(5):
        interrupted(lambda: embedder.embed(texts))
        assert embedder.embed(texts[:1]).shape[0] == 1
