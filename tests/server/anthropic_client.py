"""Anthropic's own client talks to infer-server: chat, stream, tools, schemas, errors."""
import json
import os
import sys

import anthropic

from common import BUILD, Server

PROGRAM = os.path.join(BUILD, "infer-server")
ONCE = [{"role": "user", "content": "Once upon a time"}]
TOOL = {"name": "weather", "description": "tells it",
        "input_schema": {"type": "object", "properties": {"sky": {"enum": ["blue", "grey"]}}, "required": ["sky"],
                         "additionalProperties": False}}
GREEDY = {"extra_body": {"temperature": 0}}


def chats(client):
    m = client.messages.create(model="stories", max_tokens=12, messages=ONCE, system="Be brief.", **GREEDY)
    assert m.type == "message" and m.role == "assistant" and m.stop_reason == "max_tokens", m
    assert m.content[0].type == "text" and m.content[0].text and m.usage.output_tokens == 12, m
    n = client.messages.count_tokens(model="stories", messages=ONCE, system="Be brief.")
    assert n.input_tokens == m.usage.input_tokens + m.usage.cache_read_input_tokens, (n, m.usage)


def streams(client):
    whole = client.messages.create(model="stories", max_tokens=12, messages=ONCE, **GREEDY)
    with client.messages.stream(model="stories", max_tokens=12, messages=ONCE, **GREEDY) as stream:
        text = "".join(stream.text_stream)
        last = stream.get_final_message()
    assert text == whole.content[0].text == last.content[0].text, (text, whole, last)
    assert last.stop_reason == "max_tokens" and last.usage.output_tokens == 12, last
    kinds = [e.type for e in client.messages.create(model="stories", max_tokens=3, messages=ONCE, stream=True)]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds


def stops(client):
    text = client.messages.create(model="stories", max_tokens=30, messages=ONCE, **GREEDY).content[0].text
    word = text.split()[3]
    m = client.messages.create(model="stories", max_tokens=30, messages=ONCE, stop_sequences=["never", word], **GREEDY)
    assert m.stop_reason == "stop_sequence" and m.stop_sequence == word and word not in m.content[0].text, m


def calls_tools(client):
    asked = dict(model="stories", max_tokens=80, tools=[TOOL],
                 tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True}, **GREEDY)
    m = client.messages.create(messages=ONCE, **asked)
    call = m.content[0]
    assert m.stop_reason == "tool_use" and call.type == "tool_use" and call.input["sky"] in ("blue", "grey"), m
    with client.messages.stream(messages=ONCE, **asked) as stream:
        streamed = stream.get_final_message().content[0]
    assert streamed.name == "weather" and streamed.input == call.input, streamed
    answered = ONCE + [{"role": "assistant", "content": m.content},
                       {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "blue"}]}]
    assert client.messages.create(model="stories", max_tokens=5, messages=answered, tools=[TOOL]).content


def holds_to_schemas(client):
    schema = {"type": "object", "properties": {"a": {"enum": ["yes", "no"]}}, "required": ["a"],
              "additionalProperties": False}
    m = client.messages.create(model="stories", max_tokens=80, messages=ONCE,
                               extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    assert json.loads(m.content[0].text)["a"] in ("yes", "no"), m


def thinks(client):
    m = client.messages.create(model="stories", max_tokens=80, messages=ONCE,
                               thinking={"type": "enabled", "budget_tokens": 40},
                               extra_body={"grammar": 'root ::= "<think>hm</think>yes"'})
    assert [b.type for b in m.content] == ["thinking", "text"] and m.content[0].thinking == "hm", m
    again = ONCE + [{"role": "assistant", "content": m.content}, {"role": "user", "content": "Why?"}]
    assert client.messages.create(model="stories", max_tokens=3, messages=again).usage.output_tokens == 3


def tells_errors(client, port):
    try:
        client.messages.create(model="stories", max_tokens=1, messages=[{"role": "king", "content": "x"}])
        sys.exit("a wrong role was taken")
    except anthropic.BadRequestError as e:
        assert e.body["error"]["type"] == "invalid_request_error" and "king" in str(e), e
    stranger = anthropic.Anthropic(base_url=f"http://127.0.0.1:{port}", api_key="wrong", max_retries=0)
    try:
        stranger.messages.create(model="stories", max_tokens=1, messages=ONCE)
        sys.exit("a wrong key was taken")
    except anthropic.AuthenticationError as e:
        assert e.body["error"]["type"] == "authentication_error", e


def main():
    with Server(program=PROGRAM, env={"INFER_API_KEYS": "secret"}) as server:
        client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.port}", api_key="secret", max_retries=0,
                                     timeout=60)
        for part in (chats, streams, stops, calls_tools, holds_to_schemas, thinks):
            part(client)
        tells_errors(client, server.port)


main()
