import pytest

from libinfer import (ArgumentError, ChatParser, ChatTemplate, FormatError, Model, Part, format_names, parse_answer,
                      template_names, template_source)

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
