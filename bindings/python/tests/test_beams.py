import pytest

from libinfer import Beam, BeamEnd, Cancelled, Grammar, Model, Sampler, Session, StopReason

PROMPT = "Once upon a time"


def test_beams_are_found_in_the_order_of_their_scores(session: Session) -> None:
    found = session.beam_search(PROMPT, n_beams=4, n_predict=12)
    assert len(found) == 4 and all(isinstance(beam, Beam) for beam in found)
    assert [beam.score for beam in found] == sorted((beam.score for beam in found), reverse=True)
    assert len({tuple(beam.tokens) for beam in found}) == 4
    assert all(beam.reason == StopReason.LENGTH and len(beam.tokens) == 12 for beam in found)
    assert all(abs(beam.score - beam.logprob / 12) < 1e-9 for beam in found)
    n = len(session)
    likely = session.logprobs(found[1].tokens)
    assert abs(sum(token.logprob for token in likely) - found[1].logprob) < 1e-3
    assert session.tokens[n:] == found[1].tokens


def test_one_beam_is_greedy(session: Session) -> None:
    beam = session.beam_search(PROMPT, n_beams=1, n_predict=10)[0]
    session.rewind(0)
    assert beam.text == session.generate(PROMPT, Sampler(temperature=0), n_predict=10).run()


def test_options_reach_the_search(session: Session, model: Model) -> None:
    sampler = Sampler()
    sampler.set_grammar(Grammar.choices([" cat", " dog"]), model.tokenizer)
    found = session.beam_search(PROMPT, sampler, n_beams=2, end=BeamEnd.SURE, length_penalty=0)
    assert {beam.text for beam in found} == {" cat", " dog"} and found[0].score == found[0].logprob
    session.rewind(0)
    stopped = session.beam_search(PROMPT, stops=["."], n_predict=60, end=BeamEnd.FIRST)
    assert all(beam.reason == StopReason.STRING and "." not in beam.text for beam in stopped)
    with pytest.raises(ValueError):
        session.beam_search(PROMPT, n_beams=0)


def test_a_callback_may_cancel(session: Session) -> None:
    with pytest.raises(Cancelled):
        session.beam_search(PROMPT, on_prompt=lambda done: False)
