"""How the server begins and ends, and what it is told by a file and the environment."""
import os
import signal
import socket
import tempfile
import threading
import time

from common import SLOW, Gone, Server, main, read_answer, request, until
import websockets


def test_answers_under_way_may_end():
    server = Server()
    streams = [server.connect() for _ in range(20)]
    for s in streams:
        s.sendall(request("GET", "/stream?n=40&ms=20"))
    idle = server.connect()
    assert server.ask(request("GET", "/echo"), idle)[0] == 200
    ws, quiet = websockets.WebSocket(server), websockets.WebSocket(server)
    ws.send(b"20 20")
    until(lambda: server.state()["open"] == 21)
    server.process.send_signal(signal.SIGTERM)
    until(lambda: server.get("/echo")[0] == 503)  # new ones are refused, and their connections closed
    assert server.ask(request("GET", "/echo"), idle)[1]["connection"].lower() == "close"
    assert quiet.close_code() == 1001
    assert all(read_answer(s)[2].count(b"data: ") == 40 for s in streams)
    assert ws.messages(20) == websockets.answers(20) and ws.close_code() == 1001
    status, errors = server.wait()
    assert status == 0 and "fake:" not in errors


def test_a_second_signal_or_the_time_ends_them():
    for args, second in (((), True), (("--shutdown-seconds", "1"), False)):
        server = Server(*args)
        streams = [server.connect() for _ in range(5)]
        for s, path in zip(streams, ("/stream?n=100000&ms=10", "/silent", "/slow?ms=60000", "/stream?n=0",
                                     "/huge?n=50000000")):
            s.sendall(request("GET", path))
        ws = websockets.WebSocket(server)
        ws.send(b"100000 10")
        until(lambda: server.state()["open"] >= 5)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        if second:
            time.sleep(0.2)
            server.process.send_signal(signal.SIGINT)
        status, errors = server.wait()
        assert status == 0 and "fake:" not in errors, errors
        assert time.monotonic() - begin < 10 * SLOW
        for s in streams[:4]:
            try:
                read_answer(s)
                assert False, "it looks whole"
            except Gone:
                pass


def test_under_load():
    server = Server("--shutdown-seconds", "5")
    counts, stop = [], threading.Event()

    def ask():
        done = 0
        try:
            while not stop.is_set():
                with server.connect() as s:
                    for _ in range(20):
                        status, _, body = server.ask(request("POST", "/echo", b"x" * 1000), s)
                        assert (status, body) == (200, b"x" * 1000) or status == 503
                        done += status == 200
                        if status == 503:
                            break
        except (Gone, OSError):
            pass
        counts.append(done)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    server.stop()
    stop.set()
    for t in threads:
        t.join()
    assert sum(counts) > 50


def test_systemd_is_told():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        path = os.path.join(folder, "notify")
        s.bind(path)
        s.settimeout(10)
        server = Server(env={"NOTIFY_SOCKET": path})
        assert s.recv(100) == b"READY=1"
        server.stop()
        assert s.recv(100) == b"STOPPING=1"


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def test_a_file_of_options():
    with tempfile.TemporaryDirectory() as folder:
        keys = write(folder, "keys", "# keys of two\n\nfirst-key\r\n  second-key  \n")
        path = write(folder, "conf", f"# a comment\nport = 1\nmax-body = 100 ; another\nbind = 127.0.0.1:0\n"
                     f"bind = 127.0.0.1:0\napi-key-file = {keys}\nalias = \"name\"\n\nread-only = true\n")
        with Server("--config", path, "--max-body", "50", port=None) as server:
            assert server.line.count("http://") == 2 and "with keys" in server.line
            assert server.ask(request("POST", "/echo", b"x" * 10))[0] == 401
            key = "Authorization: Bearer first-key"
            assert server.ask(request("POST", "/echo", b"x" * 50, key))[0] == 200
            assert server.ask(request("POST", "/echo", b"x" * 51, key))[0] == 413
        for text, expected in (("port = 0\nprot = 1\n", ":2: unknown option --prot; did you mean --port?"),
                               ("\n\nport = much\n", ":3: --port is 'much'"), ("port\n", ":1: expected NAME = VALUE"),
                               ("[x]\nport = 1\n", ":2: there are no sections"), ("help = true\n", ":1: unknown"),
                               ("config = x\n", "cannot name another"), ("read-only = perhaps\n", "true or false"),
                               ("alias = " + "x" * 5000 + "\n", ":1: the line is too long"),
                               ("m = x\n", ":1: unknown option --m")):
            status, errors = Server("--config", write(folder, "wrong", text), ready=False).wait()
            assert status == 2 and expected in errors, (text, errors)
        assert Server("--config", folder + "/none", ready=False).wait()[0] == 2
        with Server("--config", "packaging/server.conf", "--bind", "127.0.0.1:0", "--state-dir", folder,
                    "--prefix-store", folder, port=None) as server:
            assert server.get("/echo")[0] == 200


def test_keys():
    with tempfile.TemporaryDirectory() as folder:
        for text in ("", "# none\n", "two words\n", "caf\u00e9\n"):
            path = write(folder, "keys", text)
            status, errors = Server("--api-key-file", path, ready=False).wait()
            assert status == 2 and "key" in errors
        path = write(folder, "keys", "k\n")
        os.chmod(path, 0o644)
        with Server("--api-key-file", path) as server:
            assert "can be read by every user" in server.stop()
        os.chmod(path, 0o600)
        with Server("--api-key-file", path) as server:
            assert "can be read" not in server.stop()
    with Server(env={"INFER_API_KEYS": "k1,k2"}) as server:
        assert server.get("/echo")[0] == 401
        assert server.ask(request("GET", "/echo", None, "Authorization: Bearer k1"))[0] == 200
    with Server("--host", "0.0.0.0") as server:
        assert "can be reached from other machines, and no keys are needed" in server.stop()


def test_the_log_in_each_form():
    for form, expected in (("json", '{"time":"now","event":"open","n":1,"s":"a b"}\n'),
                           ("text", 'now open n=1 s="a b"\n'), ("none", "")):
        with Server("--log-format", form) as server:
            assert server.stop() == expected


def test_addresses_that_are_none():
    for args in (("--bind", "nonsense"), ("--bind", "::1:80"), ("--bind", "127.0.0.1:99999"), ("--bind", ":80"),
                 ("--bind", "127.0.0.1:"), ("--host", "256.1.1.1"), ("--unix", "/" + "x" * 200),
                 ("--unix", "/nowhere/socket"), ("--unix", "/tmp/s", "--unix-mode", "999")):
        status, errors = Server(*args, ready=False, port=None).wait()
        assert status == 1 and errors.startswith("infer-server: "), (args, status, errors)
    with Server() as server:
        status, errors = Server("--port", str(server.port), ready=False, port=None).wait()
        assert status == 1 and "in use" in errors


if __name__ == "__main__":
    main()
