"""Who keeps whom alive, and what close() does."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
from conftest import TINY

from libinfer import ChatTemplate, Context, Embedder, Grammar, Model, OutOfMemory, Sampler, Session, Tokenizer
from libinfer._core import Handle, Owner
from libinfer._infer import ffi


def test_what_is_made_keeps_what_it_needs() -> None:
    session = Session(Model.default())
    tokenizer = Model.default().tokenizer
    embedder = Embedder(Model.open(TINY / "bert"))
    grammar = Grammar.choices(["a"], context=Context(1))
    gc.collect()
    assert session.generate("Once", Sampler(), n_predict=3).run()
    assert tokenizer.encode("Once")
    assert embedder.embed(["the cat"]).shape[0] == 1
    assert grammar.matcher(tokenizer).mask().any()


def test_a_generation_outlives_the_names_of_its_session_and_sampler() -> None:
    pieces = Session(Model.default()).generate("Once upon a time", Sampler(temperature=0), n_predict=10)
    gc.collect()
    assert "".join(pieces)


def test_a_grammar_keeps_the_tokenizers_it_met() -> None:
    grammar = Grammar.choices(["yes"])
    sampler = Sampler(temperature=0)
    model = Model.default()
    sampler.set_grammar(grammar, model.tokenizer)
    matcher = grammar.matcher(model.tokenizer)
    n = model.info.n_vocab
    model.close()
    del model, grammar
    gc.collect()
    assert sampler.sample(np.zeros(n, np.float32)) >= 0 and matcher.mask().any()


def test_what_is_closed_says_so_and_what_was_made_from_it_goes_on() -> None:
    with Model.default() as model:
        session = Session(model)
    assert model.closed
    with pytest.raises(ValueError, match="Model is closed"):
        Session(model)
    session.eval([1, 2, 3])
    session.close()
    session.close()
    for call in (lambda: session.eval([1]), lambda: len(session), lambda: session.tokens):
        with pytest.raises(ValueError, match="Session is closed"):
            call()


def test_nothing_is_kept_when_it_is_no_longer_needed() -> None:
    gone = [weakref.ref(x._life) for x in _everything()]
    assert len(gone) == 7 and all(ref() is None for ref in gone)  # without the collector of cycles


def _everything() -> list[Handle]:
    context = Context(1)
    model = Model.default(context=context)
    session = Session(model)
    sampler = Sampler(context=context)
    grammar = Grammar.choices(["a"], context=context)
    sampler.set_grammar(grammar, model.tokenizer)
    template = ChatTemplate("x", context=context)
    return [context, model, session, sampler, grammar, template, session.generate("Once", sampler, n_predict=1)]


def test_what_goes_in_a_cycle_is_closed_in_its_order() -> None:
    closed: list[int] = []
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        closed.clear()
        owners: list[Owner] = []
        for i in range(3):  # each needs the one before it
            pointer = ffi.new("int *", i)
            owners.append(Owner(pointer, lambda p: closed.append(p[0][0]), [*owners[-1:], pointer]))
        for i in order:
            owners[i].__del__()
        assert closed == [2, 1, 0]

    class Node:
        pass

    for _ in range(20):
        node = Node()
        node.all = _everything()  # type: ignore[attr-defined]
        node.generation = node.all[2].generate("Once", n_predict=9)  # type: ignore[attr-defined]
        next(node.generation)  # type: ignore[attr-defined]
        node.self = node  # type: ignore[attr-defined]
        lives = [weakref.ref(x._life) for x in node.all]  # type: ignore[attr-defined]
        del node
        gc.collect()
        assert all(life() is None for life in lives)


def test_what_cannot_be_made_leaves_nothing_behind() -> None:
    for _ in range(100):
        with pytest.raises(ValueError):
            Session(Model.default(context=Context(1)), n_batch=10**6)
        with pytest.raises(OSError):
            Tokenizer.open("none", Context(1))


def test_errors_of_memory_are_memory_errors() -> None:
    assert issubclass(OutOfMemory, MemoryError)


def test_a_program_may_end_with_everything_open() -> None:
    code = ("import libinfer as L; m = L.Model.default(); s = L.Session(m); g = s.generate('Once', n_predict=5);"
            "next(g); t = m.tensors(); x = next(t); print('ok')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
