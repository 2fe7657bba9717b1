"""A server of the OpenAI routes that serves the page, and whose models answer as tests need it. No model computes.

    python3 tests/server/page/mock.py [--port 8099] [--key SECRET]

The model's name says what it does: story writes a little Markdown; echo repeats the last message; slow writes until the
client goes; thinker reasons first; caller calls a tool; refused, fails, cut and garbled end in errors; teller has no
chat template; sleeper is not loaded; encoder writes nothing.
"""
import argparse
import http.server
import json
import pathlib
import re
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
FILES = ROOT / "server" / "page"
TESTS = ROOT / "tests" / "server" / "page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
MODELS = ["encoder", "story", "echo", "slow", "thinker", "caller", "refused", "fails", "cut", "garbled", "teller",
          "sleeper"]
STORY = """A fox lived at the edge of the **old wood**. Every evening it counted what it had:

| Thing | Number | Weight |
|:------|:------:|-------:|
| apples | 3 | 450 g |
| walnuts | 12 | 96 g |

1. First it looked for a *dry* place.
2. Then it wrote a list:
   - leaves, `many`
   - a [map](https://example.org/map)

```python
def winter(days):
    return [day for day in days if day.is_cold]
```

> Nobody counts better than a fox.
"""


def policy():
    """The security policy that page.h gives to whoever serves the page."""
    header = (FILES / "page.h").read_text()
    define = re.search(r"#define PAGE_POLICY((?:\s*\\?\s*\"[^\"]*\")+)", header)
    return "".join(re.findall(r'"([^"]*)"', define[1]))


class State:
    """What tests look at: bodies of requests, models whose settings were asked for, clients that went early."""

    def __init__(self, key=None):
        self.key = key
        self.requests = []
        self.asked = []
        self.gone = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state = State()

    def log_message(self, *_):
        pass

    def reply(self, status, kind, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def reply_json(self, status, value):
        self.reply(status, "application/json", json.dumps(value).encode())

    def refuse(self, status, sentence):
        self.reply_json(status, {"error": {"message": sentence, "type": "invalid_request_error", "code": None}})

    def is_allowed(self):
        wanted = self.state.key
        if wanted and self.headers.get("Authorization") != f"Bearer {wanted}":
            self.refuse(401, "This API key is not known.")
            return False
        return True

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        path, query = url.path, urllib.parse.parse_qs(url.query)
        if path == "/v1/models":
            if self.is_allowed():
                self.reply_json(200, {"object": "list", "data": [
                    {"id": m, "object": "model", "loaded": m != "sleeper", "meta": {"encoder": m == "encoder"}}
                    for m in MODELS]})
        elif path == "/props":
            self.state.asked.append(query["model"][0])
            self.reply_json(200, {"default_generation_settings": {"temperature": 0.8, "top_k": 40, "n_predict": -1},
                                  "chat_model": query["model"] != ["teller"]})
        else:
            self.serve_file(path)

    def serve_file(self, path):
        folder = TESTS if path.startswith("/tests/") else FILES
        file = folder / ("index.html" if path == "/" else path.rsplit("/", 1)[1])
        if file.suffix not in TYPES or not file.exists():
            self.refuse(404, "There is no such file.")
            return
        self.reply(200, TYPES[file.suffix], file.read_bytes(), Content_Security_Policy=policy(),
                   X_Content_Type_Options="nosniff", Cache_Control="no-store")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.is_allowed():
            return
        self.state.requests.append(body)
        if body["model"] == "refused":
            self.refuse(400, "temperature: 9 is more than the most, 5.")
            return
        is_chat = self.path == "/v1/chat/completions"
        try:
            self.stream(body, is_chat)
        except (BrokenPipeError, ConnectionResetError):
            self.state.gone += 1
            self.close_connection = True

    def send(self, value):
        data = value if isinstance(value, str) else json.dumps(value)
        line = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def stream(self, body, is_chat):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        name = body["model"]
        n = 0
        for delta in answer(name, body, is_chat):
            if delta == "break":
                self.close_connection = True
                return
            if isinstance(delta, str):
                self.send(delta)
                continue
            n += 1
            self.send({"choices": [{"index": 0, "finish_reason": None,
                                    **({"delta": delta} if is_chat else {"text": delta["content"]})}]})
        finish = "tool_calls" if name == "caller" else "stop"
        self.send({"choices": [{"index": 0, "finish_reason": finish, **({"delta": {}} if is_chat else {"text": ""})}]})
        self.send({"choices": [], "usage": {"prompt_tokens": 35, "completion_tokens": n,
                                            "prompt_tokens_details": {"cached_tokens": 30}},
                   **({"timings": {"prompt_n": 5, "prompt_ms": 20.0, "predicted_n": n, "predicted_ms": n / 0.0425,
                                   "predicted_per_second": 42.5}} if name == "story" else {})})
        self.send("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


def pieces(text, size=4):
    return ({"content": text[i:i + size]} for i in range(0, len(text), size))


def answer(name, body, is_chat):
    """Deltas of an answer; a string is an event's data as it stands, "break" ends the connection."""
    last = body["messages"][-1] if is_chat else {"role": "user", "content": body["prompt"]}
    if name == "story":
        for piece in pieces(STORY if is_chat else " and so the tale went on."):
            time.sleep(0.002)
            yield piece
    elif name == "echo":
        yield from pieces(last["content"], 7 if len(last["content"]) < 5000 else 40)
    elif name == "slow":
        for i in range(100000):
            time.sleep(0.01)
            yield {"content": f"word{i}\n"}
    elif name == "thinker":
        yield from ({"reasoning_content": word} for word in ("It is <b>late</b>, ", "so I say ", "good night."))
        time.sleep(0.2)
        yield from pieces("Good night.")
    elif name == "caller" and last["role"] == "tool":
        yield from pieces(f"The tool says {last['content']}.")
    elif name == "caller":
        yield {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": ""}}]}
        for part in ('{"city": ', '"Bern"}'):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
    elif name == "fails":
        yield {"content": "Half an answer"}
        yield json.dumps({"error": {"message": "Memory for the cache ran out.", "code": 500}})
    elif name == "cut":
        yield {"content": "Half an answer"}
        time.sleep(0.2)  # what has not been read when a connection breaks is lost
        yield "break"
    elif name == "garbled":
        yield {"content": "Half an answer"}
        yield "{not json"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a browser leaves connections as it likes


def start(port=0, key=None):
    """A server that runs in a thread: (server, state, address of the page)."""
    state = State(key)
    server = Server(("127.0.0.1", port), type("BoundHandler", (Handler,), {"state": state}))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server, state, f"http://127.0.0.1:{server.server_address[1]}/"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--key")
    arguments = parser.parse_args()
    print(start(arguments.port, arguments.key)[2])
    threading.Event().wait()


if __name__ == "__main__":
    main()
