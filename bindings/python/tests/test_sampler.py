import math

import numpy as np
import pytest

from libinfer import ArgumentError, Context, Grammar, InferError, Model, Sampler, Session, Stage

LOGITS = np.array([0.0, 3.0, 1.0, 2.0], np.float32)


def test_temperature_0_takes_the_largest() -> None:
    assert Sampler(temperature=0).sample(LOGITS) == 1


def test_the_same_seed_draws_the_same_tokens() -> None:
    one, two, other = (Sampler(seed=s, top_k=0, top_p=1, min_p=0, temperature=2) for s in (7, 7, 8))
    drawn = [one.sample(LOGITS) for _ in range(50)]
    assert drawn == [two.sample(LOGITS) for _ in range(50)]
    assert drawn != [other.sample(LOGITS) for _ in range(50)]
    one.reset()
    assert drawn == [one.sample(LOGITS) for _ in range(50)] and set(drawn) > {1}


def test_what_was_accepted_is_penalised() -> None:
    sampler = Sampler(temperature=0, presence_penalty=5)
    sampler.accept(1)
    assert sampler.sample(LOGITS) == 3


def test_biases_ban_and_prefer() -> None:
    assert Sampler(temperature=0, biases={1: float("-inf")}).sample(LOGITS) == 3
    assert Sampler(temperature=0, biases={0: 9.0, 1: -1.0}).sample(LOGITS) == 0


def test_stages_come_in_the_order_given() -> None:
    kept = {Sampler(seed=s, top_k=2, temperature=50, top_p=1, min_p=0, stages=[Stage.TOP_K, Stage.TEMPERATURE])
            .sample(LOGITS) for s in range(60)}
    assert kept == {1, 3}
    all_of_them = {Sampler(seed=s, top_k=2, temperature=50, stages=[Stage.TEMPERATURE]).sample(LOGITS)
                   for s in range(100)}
    assert all_of_them == {0, 1, 2, 3}
    assert Stage.TOP_K.label == "top_k"


def test_an_option_out_of_range_is_a_value_error() -> None:
    with pytest.raises(ArgumentError, match="top_p"):
        Sampler(top_p=3)


def test_no_finite_logit_is_an_error() -> None:
    with pytest.raises(InferError):
        Sampler().sample(np.full(4, math.nan, np.float32))


def test_logits_of_any_kind_of_array_are_taken() -> None:
    wide = np.stack([LOGITS, LOGITS], axis=1).astype(np.float64)
    assert Sampler(temperature=0).sample(wide[:, 0]) == 1
    with pytest.raises(ValueError):
        Sampler().sample(wide)


def test_a_grammar_holds_until_it_is_taken_away(model: Model) -> None:
    tokenizer, session = model.tokenizer, Session(model)
    session.eval(tokenizer.encode("Once upon a time"))
    sampler = Sampler(temperature=0, context=Context(1))
    free = sampler.sample(session)
    sampler.set_grammar(Grammar.choices(["yes", "no"]), tokenizer)
    assert tokenizer.token(sampler.sample(session))[:1] in b"yn"
    sampler.set_grammar(None)
    assert sampler.sample(session) == free
    with pytest.raises(TypeError):
        sampler.set_grammar(Grammar.regex("a"))


def test_banned_texts_do_not_come(model: Model, session: Session) -> None:
    plain = session.generate("Once upon a time", Sampler(temperature=0), n_predict=30).run()
    word = plain.split()[3]
    sampler = Sampler(temperature=0)
    sampler.set_banned([word], model.tokenizer)
    sampler.set_dry_breakers(["\n", ":"], model.tokenizer)
    session.rewind(0)
    assert word not in session.generate("Once upon a time", sampler, n_predict=30).run()
