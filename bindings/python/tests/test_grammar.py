import json

import numpy as np
import pytest

from libinfer import ArgumentError, Grammar, InferError, Model, Sampler, Session, StopReason

SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
          "required": ["name", "age"], "additionalProperties": False}


def fits(grammar: Grammar, text: str) -> bool:
    matcher = grammar.matcher()
    try:
        matcher.accept(text)
    except ArgumentError:
        return False
    return matcher.may_end


@pytest.mark.parametrize("grammar, good, bad", [
    (Grammar.gbnf('root ::= "a" [0-9]+'), "a12", "b1"),
    (Grammar.regex(r"\d{3}-[xyz]"), "123-y", "12-y"),
    (Grammar.choices(["red", "green"]), "green", "blue"),
    (Grammar.json_schema(SCHEMA), '{"name": "Bo", "age": 3}', '{"name": 3}'),
    (Grammar.json_schema(json.dumps(SCHEMA)), '{"name": "Bo", "age": 3}', "[]"),
    (Grammar.json_schema(True), "[1]", "[1"),
    (Grammar.tools({"add": {"type": "object"}, "stop": None}), '{"name": "stop", "arguments": {}}', '{"name": "x"}'),
    (Grammar.tools({"add": None}, begin="<", middle="|", end=">"), "<add|{}>", "<sub|{}>"),
    (Grammar.regex("yes", triggers=["answer: "]), "let me think. answer: yes", "answer: no"),
])
def test_a_grammar_takes_what_fits_and_nothing_else(grammar: Grammar, good: str, bad: str) -> None:
    assert fits(grammar, good) and not fits(grammar, bad)


def test_a_faulty_grammar_is_a_value_error_that_says_why() -> None:
    with pytest.raises(InferError, match="rule"):
        Grammar.gbnf("root ::= missing")


def test_a_tool_that_cannot_be_had_is_told() -> None:
    told: list[tuple[int, InferError]] = []
    tools = {"good": None, "bad": {"type": "array", "uniqueItems": True}}
    grammar = Grammar.tools(tools, on_bad=lambda index, why: told.append((index, why)))
    assert [index for index, _ in told] == [1] and isinstance(told[0][1], InferError)
    assert fits(grammar, '{"name": "good", "arguments": {}}')

    def fail(index: int, why: InferError) -> None:
        raise why

    with pytest.raises(InferError, match="uniqueItems"):
        Grammar.tools(tools, on_bad=fail)


def test_a_matcher_forks_and_rewinds() -> None:
    matcher = Grammar.regex("ab*c").matcher()
    matcher.accept("a")
    fork = matcher.fork()
    matcher.accept(b"bb")
    assert len(matcher) == 2 and not matcher.may_end
    matcher.rewind(1)
    fork.accept("c")
    assert fork.must_end and not matcher.must_end
    with pytest.raises(TypeError):
        matcher.allows(1)


def test_a_mask_is_what_may_come(model: Model) -> None:
    tokenizer = model.tokenizer
    matcher = Grammar.choices(["the cat", "a dog"]).matcher(tokenizer)
    mask = matcher.mask()
    assert mask.shape == (len(tokenizer),) and mask.dtype == np.bool_ and 0 < mask.sum() < 20
    assert [matcher.allows(id) for id in range(len(tokenizer))] == mask.tolist()
    matcher.accept(int(np.flatnonzero(mask)[0]))
    matcher.accept(next(id for id in np.flatnonzero(matcher.mask())))


def test_generated_json_holds_for_its_schema(model: Model, session: Session) -> None:
    sampler = Sampler(seed=3, temperature=0.5)
    sampler.set_grammar(Grammar.json_schema(SCHEMA), model.tokenizer)
    generation = session.generate("As JSON: ", sampler, n_predict=200)
    person = json.loads(generation.run())
    assert set(person) == {"name", "age"} and isinstance(person["age"], int)
    assert generation.result.reason in (StopReason.GRAMMAR, StopReason.END)
