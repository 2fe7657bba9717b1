"""OpenAI's own client talks to infer-server: chats, tools, schemas, completions, responses, vectors, errors."""
import json
import os
import sys
import tempfile

import openai
import pydantic

from common import BUILD, Server

PROGRAM = os.path.join(BUILD, "infer-server")
ONCE = [{"role": "user", "content": "Once upon a time"}]
SHORT = {"max_tokens": 12, "temperature": 0}
SKY = {"type": "object", "properties": {"sky": {"enum": ["blue", "grey"]}}, "required": ["sky"],
       "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells the weather", "parameters": SKY}}
FLAT_TOOL = {"type": "function", "name": "weather", "description": "Tells the weather", "parameters": SKY,
             "strict": True}


class Sky(pydantic.BaseModel):
    colour: bool


def chats(client):
    whole = client.chat.completions.create(model="stories", messages=ONCE, **SHORT)
    choice = whole.choices[0]
    assert choice.message.role == "assistant" and choice.message.content and choice.finish_reason == "length", whole
    assert whole.usage.completion_tokens == 12 and whole.usage.prompt_tokens_details.cached_tokens >= 0, whole
    several = client.chat.completions.create(model="stories", messages=ONCE, n=2, seed=1, max_completion_tokens=4,
                                             logit_bias={"5": -100}, stop=["zzz"], presence_penalty=0.5, user="me")
    assert [c.index for c in several.choices] == [0, 1], several
    told = client.chat.completions.create(model="stories", messages=ONCE, logprobs=True, top_logprobs=2, **SHORT)
    tokens = told.choices[0].logprobs.content
    assert len(tokens) == 12 and len(tokens[0].top_logprobs) == 2 and tokens[0].logprob <= 0, told
    assert b"".join(bytes(t.bytes) for t in tokens).decode() == told.choices[0].message.content, told


def streams(client):
    whole = client.chat.completions.create(model="stories", messages=ONCE, **SHORT)
    chunks = list(client.chat.completions.create(model="stories", messages=ONCE, stream=True,
                                                 stream_options={"include_usage": True}, **SHORT))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content, chunks
    assert chunks[-1].usage.completion_tokens == 12 and not chunks[-1].choices, chunks[-1]
    with client.chat.completions.stream(model="stories", messages=ONCE, **SHORT) as stream:
        assert "".join(e.delta for e in stream if e.type == "content.delta") == text
    first = next(iter(client.chat.completions.create(model="stories", messages=ONCE, stream=True, max_tokens=2000)))
    assert first.choices[0].delta.role == "assistant"


def calls_tools(client):
    options = {"model": "stories", "messages": ONCE, "tools": [TOOL], "tool_choice": "required", "max_tokens": 80,
               "parallel_tool_calls": False, "temperature": 0}
    whole = client.chat.completions.create(**options)
    call = whole.choices[0].message.tool_calls[0]
    assert whole.choices[0].finish_reason == "tool_calls" and call.function.name == "weather", whole
    assert json.loads(call.function.arguments)["sky"] in ("blue", "grey") and call.id, whole
    with client.chat.completions.stream(**options) as stream:
        made = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert made.function.arguments == call.function.arguments, made
    answered = ONCE + [whole.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "blue"}]
    assert client.chat.completions.create(model="stories", messages=answered, tools=[TOOL], **SHORT).choices


def holds_to_schemas(client):
    made = client.chat.completions.parse(model="stories", messages=ONCE, response_format=Sky, max_tokens=60)
    assert made.choices[0].message.parsed.colour in (True, False), made
    response = client.responses.parse(model="stories", input="Once", text_format=Sky, max_output_tokens=60)
    assert response.output_parsed.colour in (True, False), response
    plain = client.chat.completions.create(model="stories", messages=ONCE, response_format={"type": "json_object"},
                                           max_tokens=3)
    assert plain.choices[0].message.content.lstrip().startswith("{"), plain


def completes(client):
    whole = client.completions.create(model="stories", prompt=["Once upon a time", "The dog"], **SHORT)
    assert [c.index for c in whole.choices] == [0, 1] and whole.usage.completion_tokens == 24, whole
    chunks = list(client.completions.create(model="stories", prompt="Once upon a time", stream=True, **SHORT))
    assert "".join(c.choices[0].text for c in chunks) == whole.choices[0].text, chunks
    told = client.completions.create(model="stories", prompt="Once upon a time", echo=True, logprobs=2, max_tokens=1,
                                     temperature=0)
    l = told.choices[0].logprobs
    assert len(l.tokens) == len(l.token_logprobs) == len(l.top_logprobs) == len(l.text_offset) > 4, l
    assert told.choices[0].text.startswith("Once upon a time"), told
    assert client.completions.create(model="stories", prompt="Once", best_of=3, max_tokens=4).choices[0].text


def responds(client):
    first = client.responses.create(model="stories", input="Once upon a time", instructions="Be brief.",
                                    max_output_tokens=12, temperature=0, metadata={"a": "b"})
    assert first.status == "incomplete" and first.output_text and first.usage.output_tokens == 12, first
    assert first.incomplete_details.reason == "max_output_tokens" and first.metadata == {"a": "b"}, first
    again = client.responses.retrieve(first.id)
    assert again == first, again
    items = client.responses.input_items.list(first.id)
    assert items.data[0].content[0].text == "Once upon a time", items
    more = client.responses.create(model="stories", input=[{"role": "user", "content": "And?"}], max_output_tokens=4,
                                   previous_response_id=first.id, include=["message.output_text.logprobs"])
    assert more.usage.input_tokens > first.usage.input_tokens and more.output[0].content[0].logprobs, more
    client.responses.delete(first.id)
    fails(openai.NotFoundError, lambda: client.responses.retrieve(first.id))
    return more.id


def streams_responses(client):
    whole = client.responses.create(model="stories", input="Once upon a time", max_output_tokens=12, temperature=0)
    events = list(client.responses.create(model="stories", input="Once upon a time", max_output_tokens=12,
                                          temperature=0, stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.incomplete", events
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    with client.responses.stream(model="stories", input="Weather?", tools=[FLAT_TOOL], tool_choice="required",
                                 max_output_tokens=80, parallel_tool_calls=False) as stream:
        kinds = [e.type for e in stream]
        made = stream.get_final_response().output[0]
    assert made.type == "function_call" and made.name == "weather" and json.loads(made.arguments)["sky"], made
    assert "response.function_call_arguments.done" in kinds and kinds[-1] == "response.completed", kinds
    answered = client.responses.create(model="stories", max_output_tokens=4, input=[
        {"role": "user", "content": "Weather?"}, made.to_dict(),
        {"type": "function_call_output", "call_id": made.call_id, "output": "blue"}])
    assert answered.output_text, answered


def embeds(client):
    two = client.embeddings.create(model="stories", input=["one", "two"])  # asks for base64
    assert len(two.data) == 2 and two.usage.prompt_tokens > 1, two
    plain = client.embeddings.create(model="stories", input="one", encoding_format="float", dimensions=8)
    assert len(plain.data[0].embedding) == 8, plain


def knows_models(client):
    assert len(list(client.models.list())) == 1
    assert client.models.retrieve("stories").object == "model"


def fails(kind, fn):
    try:
        fn()
    except kind as e:
        assert e.body["message"] and e.body["type"], e.body
        return e
    sys.exit(f"no {kind.__name__}")


def tells_errors(client):
    e = fails(openai.BadRequestError, lambda: client.chat.completions.create(model="stories", messages=ONCE, top_p=7))
    assert e.param == "top_p" and e.type == "invalid_request_error" and e.status_code == 400, e
    fails(openai.BadRequestError, lambda: client.completions.create(model="stories", prompt="x", suffix="y"))
    fails(openai.BadRequestError, lambda: client.responses.create(model="stories", input=[], stream=True))
    fails(openai.BadRequestError, lambda: client.completions.create(model="stories", prompt="dog " * 9000))
    wrong = client.with_options(api_key="another")
    assert fails(openai.AuthenticationError, lambda: wrong.models.list()).status_code == 401
    fails(openai.NotFoundError, lambda: client.get("/nowhere", cast_to=object))


def main():
    with tempfile.TemporaryDirectory() as folder:
        state = ["--state-dir", folder]
        environment = {**os.environ, "INFER_API_KEY": "secret"}
        with Server(*state, program=PROGRAM, env=environment) as server:
            client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="secret", timeout=60,
                                   max_retries=0)
            for part in (chats, streams, calls_tools, holds_to_schemas, completes, streams_responses, embeds,
                         knows_models, tells_errors):
                part(client)
            kept = responds(client)
        with Server(*state, program=PROGRAM, env=environment) as server:
            client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="secret", timeout=60)
            assert client.responses.create(model="stories", input="Go on.", previous_response_id=kept,
                                           max_output_tokens=4).previous_response_id == kept


main()
