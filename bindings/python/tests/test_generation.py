import json

import pytest
from conftest import DATA

from libinfer import (ArgumentError, Cancelled, ContextFull, Model, Sampler, Session, Speculation, StopReason,
                      WhenFull)

STORY = json.loads((DATA / "default-model/expected.json").read_text())["prompts"][0]
PROMPT = STORY["prompt"].removeprefix("<|endoftext|>")  # which the tokenizer puts there


def greedy() -> Sampler:
    return Sampler(temperature=0)


def test_the_pieces_are_the_text_of_the_reference(session: Session) -> None:
    generation = session.generate(PROMPT, greedy(), n_predict=64)
    pieces = list(generation)
    assert "".join(pieces) == STORY["greedy_text"] and len(pieces) > 50
    result = generation.result
    assert (result.reason, result.n_prompt, result.n_generated) == (StopReason.LENGTH, len(STORY["prompt_ids"]), 64)
    assert 0 < result.token_p50 <= result.token_p99 and result.first_token_seconds > 0


def test_a_prompt_goes_on_where_the_session_stands(session: Session) -> None:
    text = session.generate(PROMPT, greedy(), n_predict=10).run()
    text += session.generate("", greedy(), n_predict=20).run()
    assert STORY["greedy_text"].startswith(text) and len(session) == len(STORY["prompt_ids"]) + 30


def test_a_callback_gets_the_text_and_may_stop(session: Session) -> None:
    pieces: list[str] = []
    generation = session.generate(PROMPT, greedy())
    text = generation.run(lambda piece: pieces.append(piece) or len(pieces) < 5)
    assert "".join(pieces) == text and len(pieces) == 5
    assert generation.result.reason == StopReason.CALLBACK and list(generation) == []


def test_what_the_callback_raises_is_raised(session: Session) -> None:
    def fail(piece: str) -> None:
        raise ZeroDivisionError(piece)

    with pytest.raises(ZeroDivisionError):
        session.generate(PROMPT, greedy()).run(fail)
    assert session.generate("", greedy(), n_predict=2).run()


def test_progress_of_the_prompt_is_told_and_can_cancel(session: Session) -> None:
    seen: list[float] = []
    session.generate(PROMPT, greedy(), n_predict=1, on_prompt=seen.append).run()
    assert seen and seen[-1] == 1
    with pytest.raises(Cancelled):
        session.generate("more " * 50, greedy(), on_prompt=lambda done: False).run()

    def fail(done: float) -> None:
        raise ZeroDivisionError(done)

    with pytest.raises(ZeroDivisionError):
        session.generate("more " * 50, greedy(), on_prompt=fail).run()


def test_a_stop_string_ends_the_text(session: Session) -> None:
    generation = session.generate(PROMPT, greedy(), stops=["never", "window"])
    assert generation.run() == STORY["greedy_text"].split("window")[0]
    assert generation.result.reason == StopReason.STRING
    with pytest.raises(TypeError):
        session.generate("x", stops="window")


def test_the_end_of_the_context_ends_the_text(model: Model) -> None:
    session = Session(model, n_ctx=24)
    generation = session.generate(PROMPT, greedy(), ignore_end=True)
    assert generation.run() and generation.result.reason == StopReason.FULL and len(session) == 24


def test_a_full_context_raises_or_is_shifted_where_that_was_asked_for(model: Model) -> None:
    with pytest.raises(ContextFull):
        Session(model, n_ctx=24).generate(PROMPT, greedy(), on_full=WhenFull.ERROR).run()
    session = Session(model, n_ctx=24)
    generation = session.generate(PROMPT, greedy(), n_predict=64, ignore_end=True, on_full=WhenFull.SHIFT, n_full_keep=4)
    generation.run()
    assert generation.result.n_generated == 64 and len(session) <= 24
    assert session.tokens[:4] == STORY["prompt_ids"][:4]


def test_a_generation_that_is_left_leaves_a_session_that_goes_on(session: Session) -> None:
    for _ in session.generate(PROMPT, greedy()):
        break
    assert session.generate(" Then", greedy(), n_predict=3).run()


def test_between_pieces_the_session_is_left_as_it_is(session: Session) -> None:
    generation = session.generate(PROMPT, greedy())
    next(generation)
    session.rewind(3)
    with pytest.raises(ArgumentError):
        next(generation)


def test_cancel_ends_the_text(session: Session) -> None:
    generation = session.generate(PROMPT, greedy())
    next(generation)
    session.cancel()
    with pytest.raises(Cancelled):
        list(generation)


def test_a_wrong_option_is_a_value_error(session: Session) -> None:
    with pytest.raises(ValueError, match="n_predict"):
        session.generate("x", n_predict=-5)


def test_guessed_tokens_change_nothing_but_the_time(model: Model) -> None:
    plain = Session(model).generate(PROMPT, greedy(), n_predict=60).run()
    for guessing in (Speculation(always=True), Speculation(no_lookup=True, draft=Session(model), n_max=4, always=True),
                     Speculation()):
        generation = Session(model).generate(PROMPT, greedy(), n_predict=60, speculation=guessing)
        assert generation.run() == plain
        result = generation.result
        assert result.n_accepted <= result.n_drafted and (result.n_drafted > 0 or not guessing.always)
    with pytest.raises(ArgumentError, match="n_max is 99"):
        Session(model).generate(PROMPT, speculation=Speculation(n_max=99))
