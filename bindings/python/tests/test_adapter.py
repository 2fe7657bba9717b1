"""Adapters: opened for a model, set for sessions."""

import numpy as np
import pytest
from conftest import ROOT

from libinfer import Adapter, FormatError, Model, Sampler, Scheduler, Session, batch_eval

TINY = ROOT / "tests/data/tiny/llama/model.gguf"
DATA = ROOT / "tests/data/adapters"


def test_info_tells_what_a_file_is() -> None:
    with Model.open(TINY) as model, Adapter(model, DATA / "llama") as lora, \
            Adapter(model, DATA / "llama/control.gguf", first_layer=1) as control:
        assert (lora.info.format, lora.info.control, lora.info.rank) == ("PEFT", False, 4)
        assert (control.info.format, control.info.control, control.info.n_weights) == ("GGUF", True, 1)


def test_sessions_have_their_own_adapters() -> None:
    ids = list(range(1, 12))
    with Model.open(TINY) as model, Adapter(model, DATA / "llama") as lora, \
            Session(model, deterministic=True) as plain, Session(model, deterministic=True) as adapted:
        adapted.set_adapters((lora, 0.5))
        batch_eval([(plain, ids), (adapted, ids)])
        assert np.abs(plain.logits - adapted.logits).max() > 0.1
        adapted.set_adapters(lora, (lora, -1.0), (lora, 0.0))
        adapted.eval([])
        assert np.abs(plain.logits - adapted.logits).max() < 0.1
        adapted.set_adapters()
        adapted.eval([])
        assert (plain.logits == adapted.logits).all()


def test_a_session_keeps_its_adapter() -> None:
    with Model.open(TINY) as model, Session(model) as session:
        with Adapter(model, DATA / "llama/lora.gguf") as lora:
            session.set_adapters(lora)
        session.eval([1, 2, 3])
        assert session.logits.shape == (96,)


def test_what_does_not_fit_is_refused() -> None:
    with Model.open(TINY) as model, pytest.raises(FormatError, match="no matrix of"):
        Adapter(model, DATA / "mixtral/lora.gguf")


def test_requests_have_their_own_adapters() -> None:
    with Model.default() as model, Adapter(model, DATA / "story/lora.gguf") as lora, \
            Scheduler(model, n_ctx=128, deterministic=True) as scheduler:
        options = {"temperature": 0.0}
        requests = [scheduler.submit("Once upon a time", options, n_predict=24, adapters=a)
                    for a in ([], [lora], [(lora, 1.5)], [(lora, 0.0)])]
        texts = ["".join(piece.text for piece in request) for request in requests]
        assert texts[0] == texts[3] and texts[1] != texts[0]
        with Session(model, n_ctx=128, deterministic=True) as session:
            session.set_adapters((lora, 1.5))
            assert session.generate("Once upon a time", Sampler(temperature=0.0), n_predict=24).run() == texts[2]
