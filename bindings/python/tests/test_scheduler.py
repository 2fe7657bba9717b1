import threading

import pytest

from libinfer import (ArgumentError, Cancelled, Chat, ContextFull, Grammar, Model, Part, Sampler, Scheduler, Session,
                      StopReason)

PROMPTS = ["Once upon a time", "The dog was sad", "In the big forest", "Mom said to Tim"]


def test_texts_are_those_that_are_written_alone(model: Model) -> None:
    with Scheduler(model, n_ctx=256, deterministic=True) as scheduler:
        requests = [scheduler.submit(p, {"seed": i, "temperature": 0.9}, n_predict=20) for i, p in enumerate(PROMPTS)]
        texts = [r.run()[0] for r in requests]
    for i, prompt in enumerate(PROMPTS):
        with Session(model, n_ctx=256, deterministic=True) as session:
            sampler = Sampler(seed=i, temperature=0.9)
            assert texts[i] == session.generate(prompt, sampler, n_predict=20).run()
    assert requests[0].result().n_generated == 20
    assert requests[0].result().reason == StopReason.LENGTH
    assert requests[0].result().queue_seconds > 0


def test_ids_and_several_answers(model: Model) -> None:
    with Scheduler(model, max_running=2) as scheduler:
        ids = model.tokenizer.encode("The red ball", add_special=True)
        texts = scheduler.submit(ids, {"temperature": 1.0}, n=3, n_predict=12).run()
        assert len(texts) == 3 and len(set(texts)) > 1
        request = scheduler.submit(ids, {"temperature": 1.0}, n=1, best_of=4, n_predict=12)
        assert len(request.run()) == 1
        assert request.result().mean_logprob < 0


def test_a_conversation_is_answered(model: Model) -> None:
    chat = Chat(model, chat_template="{% for m in messages %}{{ m.content }}{% endfor %}")
    with Scheduler(model) as scheduler:
        request = scheduler.submit([{"role": "user", "content": "Once upon a time"}], {"temperature": 0.0}, chat=chat,
                                   n_predict=10)
        text = "".join(piece.text for piece in request if piece.part == Part.CONTENT)
        message = request.message()
    assert message and message["content"] == text


def test_a_grammar_holds(model: Model) -> None:
    grammar = Grammar.choices(["yes", "no"])
    with Scheduler(model) as scheduler:
        assert scheduler.submit("Is it?", grammar=grammar).run()[0] in ("yes", "no")


def test_a_request_is_cancelled_by_another_thread(model: Model) -> None:
    with Scheduler(model, n_ctx=4096) as scheduler:
        request = scheduler.submit("Once", ignore_end=True)
        timer = threading.Timer(0.1, request.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            request.run()
        timer.join()
        with pytest.raises(Cancelled):
            request.result()


def test_a_full_queue_refuses(model: Model) -> None:
    with Scheduler(model, max_queue=2, manual=True) as scheduler:
        first = [scheduler.submit("Once", n_predict=2) for _ in range(2)]
        with pytest.raises(ContextFull, match="2 requests wait"):
            scheduler.submit("Once")
        assert scheduler.info.n_queued == 2
        assert first[0].next(0) is None and not first[0].wait(0)
        while scheduler.step():
            pass
        assert scheduler.info.n_generated == 4
        assert first[1].wait() and len(first[1].run()[0]) > 0


def test_closing_cancels_what_goes_on(model: Model) -> None:
    with Scheduler(model) as scheduler:
        request = scheduler.submit("Once", ignore_end=True)
    with pytest.raises(Cancelled, match="the scheduler was closed"):
        request.run()


def test_wrong_options_are_told(model: Model) -> None:
    with pytest.raises(ArgumentError, match="max_running is 0"):
        Scheduler(model, max_running=0)
    with Scheduler(model) as scheduler:
        with pytest.raises(ArgumentError, match="n is 0"):
            scheduler.submit("Once", n=0)
        with pytest.raises(TypeError):
            scheduler.submit("Once", {"stages": 3})
