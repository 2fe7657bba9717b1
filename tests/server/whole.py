"""The server with the model inside it: streams, WebSockets, clients that go, signals, a model whose file changes."""
import json
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time

from common import BUILD, SLOW, Gone, Server, main, read_answer, request, until
import websockets

PROGRAM = os.path.join(BUILD, "infer-server")


def start(*args, **how):
    return Server("--log-format", "none", *args, program=PROGRAM, **how)


def chat(n, **more):
    body = {"messages": [{"role": "user", "content": "Tell me of a swan."}], "max_tokens": n, "seed": 7,
            "temperature": 0, "stream": True, **more}
    return request("POST", "/v1/chat/completions", json.dumps(body).encode())


def text_of(body):
    events = [e[6:] for e in body.decode().split("\n\n") if e.startswith("data: ")]
    assert events.pop() == "[DONE]"
    return "".join(c["delta"].get("content") or "" for e in events for c in json.loads(e)["choices"])


def metric(server, name):
    return float(re.search(rf"^{name}(?:{{.*}})? (\S+)$", server.get("/metrics")[2].decode(), re.M).group(1))


def test_a_client_that_goes_takes_only_its_own_text_along():
    with start("--deterministic") as server:
        alone = text_of(server.ask(chat(100))[2])
        lasting = [server.connect(60 * SLOW) for _ in range(4)]
        for s in lasting:
            s.sendall(chat(100))
        for i in range(20):
            s = server.connect()
            s.sendall(chat(4000, ignore_eos=True))
            while i % 2 and b"data: " not in s.recv(65536):  # some go before their text has begun
                pass
            s.close()
        assert {text_of(read_answer(s)[2]) for s in lasting} == {alone}
        # This one and the question itself are all that is left, and soon.
        until(lambda: metric(server, "infer_requests_busy") <= 1, 5 * SLOW)
        assert metric(server, "infer_requests_cancelled_total") >= 20


def test_messages_of_a_websocket():
    with start(env={"INFER_API_KEY": "secret"}) as server:
        assert websockets.WebSocket(server).status == 401
        ws = websockets.WebSocket(server, "Sec-WebSocket-Protocol: infer, infer-key.secret")
        for _ in range(2):
            ws.send(json.dumps({"prompt": "Once upon a time", "max_tokens": 5}).encode())
            pieces = []
            while not (message := ws.read()[1]).startswith(b'{"done"'):
                pieces.append(message)
            assert len(pieces) >= 2, pieces
        ws.send(b"nonsense")
        assert b"rror" in ws.read()[1]


def test_the_page_comes_from_it():
    with start() as server:
        status, headers, body = server.get("/")
        assert status == 200 and b"<!doctype html" in body.lower() and headers["content-type"].startswith("text/html")


def test_a_signal_under_load():
    server = start("--shutdown-seconds", "20", "--parallel", "16")
    results, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                status, _, body = server.ask(chat(50))
            except (Gone, OSError):
                break
            results.append(status)
            assert status == 503 or text_of(body)
    threads = [threading.Thread(target=ask) for _ in range(16)]
    for t in threads:
        t.start()
    until(lambda: len(results) > 30, 20 * SLOW)
    server.process.send_signal(signal.SIGTERM)
    status, errors = server.wait(60)
    stop.set()
    for t in threads:
        t.join()
    assert status == 0 and not errors, errors
    assert set(results) <= {200, 503}, set(results)


def replace(path):
    shutil.copy(__file__, path + ".new")
    os.replace(path + ".new", path)


def test_a_model_whose_file_goes_while_it_writes():
    with tempfile.TemporaryDirectory() as folder:
        for change in (os.remove, replace):
            path = shutil.copy("tools/default-model/model.gguf", folder + "/model.gguf")
            with start("-m", path) as server, server.connect() as s:
                before = text_of(server.ask(chat(20))[2])
                s.sendall(chat(2000, ignore_eos=True))
                s.recv(1, socket.MSG_PEEK)
                change(path)
                assert text_of(read_answer(s)[2]).startswith(before)
                assert text_of(server.ask(chat(20))[2]) == before


def test_a_model_whose_file_is_cut():
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy("tools/default-model/model.gguf", folder + "/model.gguf")
        with start("-m", path) as server:
            assert text_of(server.ask(chat(20))[2])
            os.truncate(path, 100000)
            status, _, body = server.ask(chat(20, stream=False))
            assert status >= 500 and b"model.gguf" in body, (status, body)
            assert server.get("/health")[0] == 200


def test_the_server_adds_little():
    """A short answer on a connection that stays; the bound is far above what a quiet machine shows (30 us)."""
    with start() as server, server.connect() as s:
        question = request("POST", "/tokenize", b'{"content":"Hello world"}')
        times = []
        for _ in range(300):
            begin = time.monotonic()
            assert server.ask(question, s)[0] == 200
            times.append(time.monotonic() - begin)
        times.sort()
        print(f"/tokenize: {times[150] * 1e6:.0f} us p50, through Python")
        assert times[150] < 0.005 * SLOW


if __name__ == "__main__":
    main()
