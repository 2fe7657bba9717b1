import json

import pytest

from libinfer import (ArgumentError, Chat, ChatParser, ChatTemplate, FormatError, Grammar, Model, Part, Piece, Sampler,
                      Session, ToolChoice, format_names, parse_answer, template_names, template_source)

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hé?"}]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
ANSWER = '<think>hm</think>Adding.<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


@pytest.fixture(scope="module")
def chatml() -> ChatTemplate:
    source = template_source("chatml")
    assert source and "chatml" in template_names() and template_source("none such") is None
    return ChatTemplate(source)


def test_a_conversation_is_written_as_the_template_has_it(chatml: ChatTemplate) -> None:
    text = chatml.render(MESSAGES)
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHé?<|im_end|>\n")
    assert text.endswith("<|im_start|>assistant\n")
    assert not chatml.render(MESSAGES, no_generation_prompt=True).endswith("assistant\n")
    assert chatml.render('[{"role": "user", "content": "x"}]').count("<|im_start|>") == 2


def test_a_template_gets_variables_tools_time_and_names_of_tokens(model: Model) -> None:
    template = ChatTemplate('{{ who }} {{ tools[0].function.name }} {{ strftime_now("%Y") }}{{ eos_token }}')
    assert template.render([], variables={"who": "Mia"}, tools=TOOLS, now=86400 * 366) == "Mia add 1971"
    assert ChatTemplate("{{ who }}").render(None, variables='{"who": "Bo"}') == "Bo"
    assert template.render([], tools=TOOLS, tokenizer=model.tokenizer, now=1).endswith("1970<|endoftext|>")


def test_a_faulty_template_says_where_and_one_that_refuses_says_why() -> None:
    with pytest.raises(FormatError, match="line 2"):
        ChatTemplate("a\n{% if %}")
    with pytest.raises(ArgumentError, match="no users"):
        ChatTemplate('{{ raise_exception("no users") }}').render(MESSAGES)


def test_a_long_rendering_is_whole(chatml: ChatTemplate) -> None:
    long = "x" * 20000
    assert long in chatml.render([{"role": "user", "content": long}])


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_an_answer_is_told_apart_in_pieces_of_any_size(step: int) -> None:
    parser = ChatParser(chat_template="<think></think><tool_call>", tools=TOOLS)
    assert parser.format in format_names()
    pieces = [p for i in range(0, len(ANSWER), step) for p in parser.feed(ANSWER[i:i + step])] + parser.end()
    texts = {part: "".join(p.text for p in pieces if p.part == part) for part in Part}
    assert texts == {Part.REASONING: "hm", Part.CONTENT: "Adding.", Part.CALL: "add", Part.ARGUMENTS: '{"a":1}'}


def test_a_whole_answer_is_a_message() -> None:
    message = parse_answer(ANSWER, chat_template="<think></think><tool_call>")
    assert (message["role"], message["content"], message["reasoning_content"]) == ("assistant", "Adding.", "hm")
    assert message["tool_calls"][0]["function"]["name"] == "add"
    assert "tool_calls" not in parse_answer(ANSWER, chat_template="<tool_call>", no_calls=True)
    with pytest.raises(ValueError, match="none such"):
        ChatParser(format="none such")


def test_a_conversation_is_answered_and_goes_on(model: Model) -> None:
    chat, session, sampler = Chat(model, template_name="chatml"), Session(model), Sampler(temperature=0)
    messages = [{"role": "user", "content": "Tell me of a fox."}]
    answer = chat.answer(session, messages, sampler, n_predict=12)
    pieces = list(answer)
    assert all(piece.part == Part.CONTENT for piece in pieces)
    message = answer.message
    assert message["role"] == "assistant" and message["content"].strip() == "".join(p.text for p in pieces).strip()
    n_prompt = answer.result.n_prompt
    messages += [message, {"role": "user", "content": "More."}]
    again = chat.answer(session, messages, sampler, n_predict=3)
    assert again.run()["role"] == "assistant" and again.result.n_cached >= n_prompt


def test_an_answer_is_held_to_its_response(model: Model) -> None:
    chat = Chat(model, template_name="chatml", response=Grammar.choices(["yes", "no"]))
    told: list[Piece] = []
    answer = chat.answer(Session(model), [{"role": "user", "content": "Is it?"}])
    message = answer.run(told.append)
    assert message["content"].strip() in ("yes", "no") and "".join(p.text for p in told) == message["content"]


def test_a_call_that_is_required_comes_with_its_arguments(model: Model) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    tools = [{"type": "function", "function": {"name": "jump", "parameters": schema}}]
    chat = Chat(model, template_name="chatml", tools=tools, tool_choice=ToolChoice.REQUIRED, single_call=True)
    assert chat.format in format_names()
    answer = chat.answer(Session(model), [{"role": "user", "content": "Jump!"}], n_predict=200)
    pieces = [piece for piece in answer if piece.part != Part.CONTENT]
    assert [piece.part for piece in pieces] == [Part.CALL, Part.ARGUMENTS] and pieces[0].text == "jump"
    call = answer.message["tool_calls"][0]["function"]
    assert call["name"] == "jump" and json.loads(call["arguments"])["n"] in (1, 2) and answer.result.n_calls == 1


def test_a_prompt_is_what_the_template_writes(model: Model, chatml: ChatTemplate) -> None:
    assert Chat(model, template_name="chatml", tools=TOOLS).prompt(MESSAGES) == chatml.render(MESSAGES, tools=TOOLS)


def test_a_wrong_setup_is_a_value_error(model: Model) -> None:
    with pytest.raises(ValueError, match="none such"):
        Chat(model, template_name="chatml", format="none such")
