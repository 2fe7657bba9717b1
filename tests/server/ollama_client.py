"""Ollama's own client talks to infer-server: texts, chats, tools, schemas, vectors, models, errors."""
import json
import os
import sys

import ollama

from common import BUILD, Server

PROGRAM = os.path.join(BUILD, "infer-server")
ONCE = [{"role": "user", "content": "Once upon a time"}]
SHORT = {"num_predict": 12, "temperature": 0}
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["yes", "no"]}}, "required": ["a"],
          "additionalProperties": False}


def weather(sky: str) -> str:
    """Tells the weather.

    Args:
      sky: Its colour
    """
    return sky


def generates(client):
    whole = client.generate("stories", "Once upon a time", options=SHORT)
    assert whole.done and whole.done_reason == "length" and whole.eval_count == 12 and whole.response, whole
    assert whole.total_duration >= whole.eval_duration > 0 and whole.prompt_eval_count > 0 and whole.context, whole
    parts = list(client.generate("stories", "Once upon a time", options=SHORT, stream=True))
    assert "".join(p.response for p in parts) == whole.response and [p.done for p in parts].index(True) == len(parts) - 1
    more = client.generate("stories", "And then?", options=SHORT, context=whole.context)
    assert more.prompt_eval_count > len(whole.context), more
    raw = client.generate("stories", "Once upon a", raw=True, options=SHORT)
    assert raw.response.startswith(" time") and not raw.context, raw
    told = client.generate("stories", "Once", options=SHORT, logprobs=True, top_logprobs=2)
    assert len(told.logprobs) == 12 and len(told.logprobs[0].top_logprobs) == 2, told


def chats(client):
    whole = client.chat("stories", ONCE, options=SHORT)
    assert whole.message.role == "assistant" and whole.message.content and whole.eval_count == 12, whole
    parts = list(client.chat("stories", ONCE, options=SHORT, stream=True))
    assert "".join(p.message.content for p in parts) == whole.message.content, parts
    assert parts[-1].done and parts[-1].done_reason == "length" and parts[-1].created_at, parts[-1]


def thinks(client):
    options = {"num_predict": 40, "grammar": 'root ::= "<think>hm</think>yes"'}
    whole = client.chat("stories", ONCE, think=True, options=options)
    assert whole.message.thinking == "hm" and whole.message.content == "yes", whole
    parts = list(client.chat("stories", ONCE, think=True, options=options, stream=True))
    assert "".join(p.message.thinking or "" for p in parts) == "hm", parts


def calls_tools(client):
    call = '{\\"name\\": \\"weather\\", \\"arguments\\": {\\"sky\\": \\"blue\\"}}'
    options = {"num_predict": 80, "grammar": f'root ::= "{call}"'}
    whole = client.chat("stories", ONCE, tools=[weather], options=options)
    made = whole.message.tool_calls[0].function
    assert made.name == "weather" and weather(**made.arguments) == "blue", whole
    parts = list(client.chat("stories", ONCE, tools=[weather], options=options, stream=True))
    assert [c.function for p in parts for c in p.message.tool_calls or []] == [made], parts
    answered = ONCE + [whole.message, {"role": "tool", "tool_name": "weather", "content": "blue"}]
    assert client.chat("stories", answered, tools=[weather], options=SHORT).done


def holds_to_schemas(client):
    options = {"num_predict": 80}
    assert json.loads(client.chat("stories", ONCE, format=SCHEMA, options=options).message.content)["a"] in ("yes", "no")
    assert json.loads(client.generate("stories", "x", format=SCHEMA, options=options).response)["a"] in ("yes", "no")
    assert client.generate("stories", "x", format="json", options={"num_predict": 3}).response.lstrip().startswith("{")


def embeds(client):
    two = client.embed("stories", ["one", "two"])
    assert len(two.embeddings) == 2 and two.prompt_eval_count > 1, two
    assert len(client.embed("stories", "one", dimensions=8).embeddings[0]) == 8
    assert len(client.embeddings("stories", "one").embedding) == len(two.embeddings[0])


def knows_models(client):
    assert [m.model for m in client.list().models] == ["stories"], client.list()
    shown = client.show("stories")
    assert shown.details.family == "llama" and shown.modelinfo["general.architecture"] == "llama", shown
    assert "completion" in shown.capabilities and shown.template and shown.modelfile and shown.modified_at, shown
    assert [m.name for m in client.ps().models] == ["stories"] and client.ps().models[0].expires_at
    assert client.generate("stories", keep_alive=0).done_reason == "unload"
    assert not client.ps().models, client.ps()


def tells_errors(client):
    for wrong, status in ((lambda: client.chat("stories", [{"role": "king", "content": "x"}]), 400),
                          (lambda: list(client.chat("stories", ONCE, options={"top_p": 7}, stream=True)), 400),
                          (lambda: client.delete("stories"), 403), (lambda: client.copy("stories", "other"), 403),
                          (lambda: client.pull("other"), 403)):
        try:
            wrong()
            sys.exit(f"no error of {status}")
        except ollama.ResponseError as e:
            assert e.status_code == status and e.error, e


def main():
    with Server(program=PROGRAM) as server:
        client = ollama.Client(host=f"http://127.0.0.1:{server.port}", timeout=60)
        for part in (generates, chats, thinks, calls_tools, holds_to_schemas, embeds, knows_models, tells_errors):
            part(client)


main()
