"""Requests as clients send them come to the service unchanged, and answers go back."""
import os
import re
import socket
import tempfile

from common import SLOW, Gone, Server, is_closed, main, read_answer, request


def test_requests_reach_the_service_as_they_are():
    with Server() as server:
        status, headers, body = server.ask(request("PATCH", "/head?a=%20b&c=d%2F#e", None, "X-Two: a", "x-two: b"))
        assert status == 200 and headers["x-request-id"] == "7"
        lines = body.decode().split("\n")
        assert lines[:2] == ["PATCH /head?a=%20b&c=d%2F#e", "peer: 127.0.0.1"]
        assert "X-Two: a" in lines and "x-two: b" in lines
        assert server.ask(request("GET", "http://x/head"))[2].startswith(b"GET /head\n")
        assert server.ask(request("OPTIONS", "*"))[0] == 404
        assert server.ask(request("BREW", "/echo", b"pot"))[2] == b"pot"


def test_head_has_no_body():
    with Server() as server, server.connect() as s:
        status, headers, _ = server.ask(request("HEAD", "/head"), s)
        assert status == 200 and int(headers["content-length"]) > 0
        assert server.ask(request("HEAD", "/stream"), s)[0] == 200
        assert server.ask(request("GET", "/head"), s)[2].startswith(b"GET /head")


def test_bodies_of_every_kind_arrive():
    with Server("--max-body", "1000000") as server, server.connect() as s:
        for body in (b"", b"x", bytes(range(256)) * 3000, b"z" * 1000000):
            assert server.ask(request("POST", "/echo", body), s)[2] == body
        chunked = b"".join(b"%x;ext=1\r\n%s\r\n" % (n, b"y" * n) for n in (1, 10, 5000)) + b"0\r\nTrailer: t\r\n\r\n"
        assert server.ask(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, s)[2] == \
            b"y" * 5011
        s.sendall(request("POST", "/echo", None, "Expect: 100-continue", "Content-Length: 3"))
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(b"abc")
        assert read_answer(s)[2] == b"abc"


def test_pipelined_requests_are_answered_in_order():
    with Server() as server, server.connect() as s:
        s.sendall(b"".join(request("POST", p, str(i).encode()) for i in range(50) for p in ("/echo", "/slow?ms=1")))
        text = b""
        while text.count(b"HTTP/1.1 200") < 100 or not text.endswith(b"slow"):
            text += s.recv(65536)
        assert [a.split(b"\r\n\r\n")[1] for a in text.split(b"HTTP/1.1 200 OK")[1:]] == \
            [x for i in range(50) for x in (str(i).encode(), b"slow")]


def test_streams_come_as_they_are_made():
    with Server() as server, server.connect() as s:
        s.sendall(request("GET", "/stream?n=3&ms=300"))
        text = b""
        while b"data: 0" not in text:
            text += s.recv(4096)
        assert b"data: 1" not in text
        status, headers, body = server.get("/stream?n=200&ms=0&size=5000")
        assert headers["content-type"] == "text/event-stream"
        assert [e.split(b" ")[1] for e in body.split(b"\n\n")[:-1]] == [str(i).encode() for i in range(200)]
        assert len(body) == 200 * 5002


def test_an_answer_that_breaks_off_does_not_look_whole():
    with Server() as server:
        try:
            server.get("/breaks?n=2")
            assert False, "it looked whole"
        except Gone as gone:
            assert b"data: 0" in gone.text


def test_old_clients_get_streams_to_the_end_of_the_connection():
    with Server() as server, server.connect() as s:
        s.sendall(b"GET /stream?n=3 HTTP/1.0\r\n\r\n")
        text = b""
        while more := s.recv(4096):
            text += more
        assert text.count(b"data: ") == 3 and b"chunked" not in text


def test_long_answers_arrive_whole_however_slowly_they_are_read():
    with Server() as server, server.connect() as s:
        s.sendall(request("GET", "/huge?n=8000000"))
        assert len(read_answer(s)[2]) == 8000002
        assert len(server.ask(request("GET", "/echo"), s)[2]) == 0


def test_too_much_is_refused_before_it_is_read():
    with Server("--max-body", "1000", "--max-header", "2000", "--cors", "https://a.example") as server:
        status, headers, body = server.ask(request("POST", "/echo", None, "Content-Length: 1001",
                                                   "Expect: 100-continue"))
        assert status == 413 and b"error" in body and headers["content-type"] == "application/json"
        assert headers["access-control-allow-origin"] == "https://a.example"
        assert server.ask(request("POST", "/echo", None, "Content-Length: 99000000"))[0] == 413
        assert server.ask(request("POST", "/echo", b"x" * 1000))[0] == 200
        with server.connect() as s:
            assert server.ask(request("POST", "/echo", b"x" * 20000000), s)[0] == 413
            assert server.ask(request("POST", "/echo", b"x"), s)[0] == 200
        long = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert server.ask(long + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")[0] == 413
        assert server.ask(request("GET", "/echo", None, "X-Long: " + "x" * 1000))[0] == 200
        assert server.ask(request("GET", "/echo", None, "X-Long: " + "x" * 3000))[0] == 431
        assert server.ask(request("GET", "/echo", None, "X-Long: " + "x" * 100000))[0] == 431
        assert server.ask(request("GET", "/" + "x" * 3000))[0] in (414, 431)
        with server.connect() as s:  # an endless body
            s.sendall(long)
            try:
                for _ in range(2000):
                    s.sendall(b"c350\r\n" + b"x" * 50000 + b"\r\n")
            except ConnectionError:
                pass
            assert is_closed(s, 5 * SLOW)


def test_names_that_lead_here_from_elsewhere_are_refused():
    def status(server, host):
        return server.ask(b"GET /echo HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[0]
    good = (b"localhost", b"LocalHost:80", b"127.0.0.1:8080", b"[::1]:8080", b"10.1.2.3")
    with Server("--allow-host", "chat.example") as server:
        assert {status(server, host) for host in good} == {200}
        assert status(server, b"chat.example") == 200 and status(server, b"Chat.Example:80") == 200
        for host in (b"evil.example", b"evil.example:8080", b"localhost.evil.example", b"127.0.0.1.evil.example",
                     b"chat.example.evil", b"", b"x" * 300):
            assert status(server, host) == 403, host
    with Server(env={"INFER_API_KEY": "k"}) as server:  # who has a key may have any name
        assert status(server, b"evil.example") == 401


def test_the_page_is_served_and_cached():
    with Server(env={"INFER_API_KEY": "k"}) as server:  # it needs no key
        for path, kind in (("/", "text/html"), ("/index.html", "text/html"), ("/page.js?v=1", "text/javascript")):
            status, headers, body = server.get(path)
            assert status == 200 and headers["content-type"].startswith(kind) and len(body) > 100, (path, headers)
            assert "'self'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            tag = headers["etag"]
            status, headers, _ = server.ask(request("GET", path, None, "If-None-Match: " + tag))
            assert status == 304 and headers["etag"] == tag
            assert server.ask(request("GET", path, None, 'If-None-Match: "other"'))[0] == 200
            assert int(server.ask(request("HEAD", path))[1]["content-length"]) == len(body)
        for path in ("/../etc/passwd", "/page/page.c", "/%2e%2e/x", "/nothing.js", "/" + "x" * 100):
            assert server.get(path)[0] in (401, 404)


def test_a_socket_in_the_file_system():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.close()
        with Server("--unix", path, "--unix-mode", "660", port=None) as server:
            assert "unix:" + path in server.line and "http://" not in server.line
            assert os.stat(path).st_mode & 0o777 == 0o660
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                assert b"\npeer: \n" in server.ask(request("GET", "/head"), s)[2]
            second = Server("--unix", path, port=None, ready=False)
            status, errors = second.wait()
            assert status == 1 and "somebody listens there already" in errors
        assert not os.path.exists(path)
        with open(path, "w") as f:
            f.write("precious")
        status, errors = Server("--unix", path, port=None, ready=False).wait()
        assert status == 1 and "no socket" in errors and open(path).read() == "precious"


def test_several_addresses():
    with Server("--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0", port=None) as server:
        ports = re.findall(r"http://127.0.0.1:(\d+)", server.line)
        assert len(ports) == 2 and ports[0] != ports[1]
        for server.port in ports:
            assert server.get("/echo")[0] == 200
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return  # a machine without IPv6
    for args in (("--bind", "[::1]:0"), ("--host", "::1", "--port", "0")):
        with Server(*args, port=None) as server:
            assert "http://[::1]:" in server.line
            s = socket.create_connection(("::1", int(re.findall(r"]:(\d+)", server.line)[0])))
            assert b"\npeer: ::1\n" in server.ask(request("GET", "/head"), s)[2]


def test_until_the_model_is_there_clients_are_told_to_come_again():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = Server("-m", "slow", "--port", str(port), port=None, ready=False)
    server.port = port
    while True:
        try:
            status, headers, _ = server.get("/health")
            break
        except OSError:
            pass
    assert status == 503 and headers["retry-after"] == "1"
    assert "slow ready at http://127.0.0.1" in server.process.stdout.readline()
    assert server.get("/echo")[0] == 200
    server.stop()
    status, errors = Server("-m", "wrong", ready=False).wait()
    assert status == 1 and "wrong: there is no such model" in errors


if __name__ == "__main__":
    main()
