"""Malformed and hostile bodies are refused as the client's mistake, or answered, and the server goes on as before.

CASES=10000 asks that often, and sends longer texts."""
import http.client
import json
import os
import random
import sys
import tempfile

from common import BUILD, SLOW, Server, main

PROGRAM = os.path.join(BUILD, "infer-server")
N = int(os.environ.get("CASES", 1000 // SLOW))
SAY = [{"role": "user", "content": "Once"}]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
DEEP, LONG = 100000, 10**7 if "CASES" in os.environ else 10**6
GOOD = [
    (CHAT, {"messages": SAY, "stop": ["a"], "logit_bias": {"5": 1}, "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}]}),
    (CHAT, {"messages": SAY, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "null"}}}}),
    (TEXT, {"prompt": ["Once", "He"], "logprobs": 2, "echo": True, "n": 2, "samplers": ["top_k", "temperature"]}),
    ("/completion", {"prompt": [1, 2, "x"], "n_probs": 1, "grammar": 'root ::= "a" | "b"', "stream": True}),
    ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}], "metadata": {}}),
    ("/v1/messages", {"max_tokens": 2, "messages": SAY, "system": "x", "tools": [{"name": "f", "input_schema": {}}]}),
    ("/v1/messages/count_tokens", {"messages": [{"role": "assistant", "content": [
        {"type": "tool_use", "id": "a", "name": "f", "input": {}}]}, {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "x"}]}]}),
    ("/api/generate", {"prompt": "x", "options": {"num_predict": 2}, "keep_alive": "5m", "context": [5]}),
    ("/api/generate", {"messages": SAY, "max_tokens": 2}),
    ("/api/chat", {"messages": SAY, "format": {"type": "object"}, "think": "low"}),
    ("/api/embed", {"input": ["a", "b"], "dimensions": 8}),
    ("/v1/embeddings", {"input": [[1, 2], [3]], "encoding_format": "base64"}),
    ("/rerank", {"query": "a", "documents": ["b", {"text": "c"}]}),
    ("/score", {"context": "a", "continuations": ["b", [1, 2]]}),
    ("/infill", {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"filename": "c", "text": "d"}]}),
    ("/tokenize", {"content": "a", "with_pieces": True}),
    ("/detokenize", {"tokens": [1, 2]}),
    ("/apply-template", {"messages": SAY, "chat_template_kwargs": {"a": 1}, "tools": []}),
    ("/lora-adapters", [{"id": 0, "scale": 1}]),
    ("/slots/0?action=save", {"filename": "a"}),
]


def schema(inner):
    return {"messages": SAY, "response_format": {"type": "json_schema", "json_schema": {"schema": inner}}}


def nested(depth, inner):
    for _ in range(depth):
        inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    return inner


# Path, body, statuses that are right.
KNOWN = [
    (CHAT, b"", 400),
    (CHAT, b"\0", 400),
    (CHAT, b"\xef\xbb\xbf{}", 400),
    (CHAT, b"[" * DEEP, 400),
    (CHAT, b"[" * DEEP + b"]" * DEEP, 400),
    (CHAT, b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400),
    (CHAT, b'{"messages":' + b"[" * DEEP + b"]" * DEEP + b"}", 400),
    (CHAT, b'{"messages":[{"role":"user","content":"\\ud800"}]}', 400),
    (CHAT, b'{"messages":[{"role":"user","content":"\\udc00\\ud800"}]}', 400),
    (CHAT, b'{"messages":[{"role":"user","content":"\xff\xfe"}]}', 400),
    (CHAT, b'{"messages":[{"role":"user","content":"\xed\xa0\x80"}]}', 400),
    (CHAT, b'{"messages":[{"role":"user","content":"\xc0\x80"}]}', 400),
    (CHAT, b'{"messages":[],"messages":[{"role":"user","content":"x"}]}', 400),
    (CHAT, b'{"messages":[{"role":"user","role":"user","content":"x"}]}', 400),
    (CHAT, b'{"\\u0000":1}', 400),
    (CHAT, b'{"messages":[{"role":"user","content":"x"}],"temperature":1e999}', 400),
    (CHAT, b'{"messages":[{"role":"user","content":"x"}],"temperature":NaN}', 400),
    (CHAT, b'{"messages":[{"role":"user","content":"x"}],"seed":' + b"9" * 1000 + b"}", 400),
    (CHAT, b'{"messages":[{"role":"user","content":"x"}]} x', 400),
    (CHAT, {"messages": [{"role": "user", "content": "a" * LONG}]}, 400),
    (CHAT, {"messages": [{"role": "user", "content": "\0a\0"}]}, 200),
    (CHAT, {"messages": [{"role": "user", "content": [[]]}] * 10000}, 400),
    (CHAT, {"messages": SAY * 10000}, 400),
    (CHAT, {"messages": SAY, "stop": ["a"] * 100000}, 400),
    (CHAT, {"messages": SAY, "stop": "\0"}, 400),
    (CHAT, {"messages": SAY, "n": 2**31}, 400),
    (CHAT, {"messages": SAY, "model": "\0"}, 400),
    (CHAT, {"messages": SAY, "model": "../../etc/passwd"}, (200, 404)),
    (CHAT, {"messages": SAY, "grammar": 'root ::= root "a"'}, 400),
    (CHAT, {"messages": SAY, "grammar": "root ::= " + "(" * DEEP}, 400),
    (CHAT, {"messages": SAY, "grammar": 'root ::= "a"{1000000000}'}, 400),
    (CHAT, {"messages": SAY, "grammar": 'root ::= ((("a"{999}){999}){999}){999}'}, (200, 400)),
    (CHAT, schema(nested(300, {})), (200, 400)),
    (CHAT, schema({"$ref": "#"}), (200, 400)),
    (CHAT, schema({"$ref": "file:///etc/passwd"}), 400),
    (CHAT, schema({"type": "string", "pattern": "(" * 5000}), 400),
    (CHAT, schema({"type": "string", "pattern": "^((a{1,999}){1,999}){1,999}$"}), (200, 400)),
    (CHAT, schema({"type": "string", "pattern": "(a*)*(a|aa)+(?=b)"}), (200, 400)),
    (CHAT, schema({"type": "string", "minLength": 2**40}), (200, 400)),
    (CHAT, schema({"type": "array", "items": {}, "minItems": 10**9}), (200, 400)),
    (CHAT, schema({"type": "integer", "minimum": -10**15, "maximum": 10**15}), 200),
    (CHAT, schema({"enum": []}), 400),
    (CHAT, schema({"enum": list(range(20000))}), (200, 400)),
    (CHAT, schema({"anyOf": [{"anyOf": [{"type": "string"}] * 100}] * 100}), (200, 400)),
    (CHAT, schema({"type": "object", "properties": {str(i): {} for i in range(5000)}}), (200, 400)),
    (CHAT, {"messages": SAY, "tool_choice": "required", "tools": [
        {"type": "function", "function": {"name": "f" * 100000, "parameters": {"$ref": "#/definitions/none"}}}]}, 400),
    (CHAT, {"messages": SAY, "tools": [{"type": "function", "function": {"name": "f%d" % i}} for i in range(5000)]},
     (200, 400)),
    (CHAT, {"messages": SAY, "chat_template_kwargs": {"messages": "{% for i in range(10**9) %}x{% endfor %}"}}, 400),
    ("/api/generate", {"prompt": "x", "template": "{% for i in range(1000000000) %}x{% endfor %}"}, 400),
    ("/api/generate", {"prompt": "x", "template": "{{ 'x' * 10000000000 }}"}, 400),
    ("/api/generate", {"prompt": "x", "template": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"}, 400),
    ("/api/generate", {"prompt": "x", "template": "{{" + "(" * DEEP}, 400),
    ("/api/generate", {"prompt": "x", "template": "{% if 1 %}" * 50000}, 400),
    ("/api/generate", {"prompt": "x", "keep_alive": "9" * 5000}, 400),
    (TEXT, {"prompt": ["x"] * 513}, 400),
    (TEXT, {"prompt": [10**9]}, 400),
    (TEXT, {"prompt": [[[1]]]}, 400),
    ("/detokenize", {"tokens": [2**31 - 1]}, 400),
    ("/detokenize", {"tokens": [1] * 100000}, 200),
    ("/tokenize", {"content": "a" * LONG}, 200),
    ("/tokenize", {"content": "\0"}, 200),
    ("/score", {"texts": ["a"] * 1025}, 400),
    ("/v1/embeddings", {"input": [[]]}, 400),
    ("/slots/0?action=restore", {"filename": "../state"}, 400),
    ("/slots/99999999999999999999?action=erase", {}, 404),
]
ODD = [None, True, False, 0, -1, 1, 2**31, -2**63, 2**63 - 1, 0.5, 1e308, -1e-300, "", "text", "\0", "\ud800",
       "\U0010ffff", [], [[]], [None], {}, {"": {}}, {"type": "object"}, {"$ref": "#"}, "{{ x }}", "a" * 3000,
       ["a"] * 300, [[[[[[]]]]]]]


class Client:
    """Requests one after the other on one connection, which is made anew where the server has closed it."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60 * SLOW)

    def post(self, path, body):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.connection.request("POST", path, body)
        answer = self.connection.getresponse()
        return answer.status, answer.read()


def replace_one(chance, value):
    """A copy in which one thing, however deep, is something else, is twice there, or is gone."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        return {**value, key: replace_one(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        some = chance.choice([[replace_one(chance, value[at])], [value[at]] * chance.choice([2, 50]), []])
        return value[:at] + some + value[at + 1:]
    return chance.choice(ODD)


def spoil(chance, text):
    """Some bytes of it are others."""
    text = bytearray(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text) + 1)
        some = [b"\0", b"\xff", b'"', b"{", b"}", b"[" * 100, b",", b":", b"\\ud800", b"\\u0000", b"1e400", b"9" * 40]
        text[at:at + chance.choice([0, 0, 1, 5])] = chance.choice(some)
    return bytes(text)


def is_told(body):
    """An error is JSON that has a sentence, whatever the API."""
    error = json.loads(body)["error"]
    return bool(error if isinstance(error, str) else error["message"])


def serve(folder):
    return Server("--max-tokens", "4", "--max-seconds", str(10 * SLOW), "--log-format", "none", "--state-dir", folder,
                  program=PROGRAM)


def test_what_is_wrong_is_told():
    with tempfile.TemporaryDirectory() as folder, serve(folder) as server:
        client = Client(server)
        for path, body, expected in KNOWN:
            status, answer = client.post(path, body)
            right = expected if isinstance(expected, tuple) else (expected,)
            assert status in right, (path, str(body)[:200], status, answer[:300])
            assert status == 200 or is_told(answer), answer[:300]


def test_spoiled_bodies_harm_nobody():
    chance = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    with tempfile.TemporaryDirectory() as folder, serve(folder) as server:
        client = Client(server)
        before = client.post(TEXT, {"prompt": "Once upon", "temperature": 0})
        for _ in range(N):
            path, body = chance.choice(GOOD)
            text = json.dumps(replace_one(chance, body)).encode()
            text = spoil(chance, text) if chance.random() < 0.3 else text
            status, answer = client.post(path, text)
            assert status < 500, (path, text[:500], status, answer[:300])
            assert status == 200 or is_told(answer), answer[:300]
        after = client.post(TEXT, {"prompt": "Once upon", "temperature": 0})
        assert before[0] == after[0] == 200
        assert json.loads(before[1])["choices"] == json.loads(after[1])["choices"]


if __name__ == "__main__":
    main()
