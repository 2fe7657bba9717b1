"""Clients that are many, gone, or read nothing cost nothing and disturb nobody."""
import socket
import time

from common import SLOW, Server, is_closed, main, read_answer, request, until


def test_a_thousand_idle_connections():
    with Server() as server:
        def ticks():
            with open(f"/proc/{server.process.pid}/stat") as f:
                return sum(int(n) for n in f.read().split()[13:15])
        server.get("/echo")
        before = server.memory()
        connections = [server.connect() for _ in range(1000)]
        for s in connections:
            assert server.ask(request("POST", "/echo", b"x" * 100), s)[2] == b"x" * 100
        if SLOW == 1:
            assert server.memory() - before < 64 << 20, server.memory() - before
        busy = ticks()
        time.sleep(1)
        assert ticks() - busy <= 2 * SLOW, "idle connections are not idle"
        for s in connections[::100]:
            assert server.ask(request("GET", "/slow?ms=1"), s)[2] == b"slow"
        files = server.files()
        for s in connections:
            s.close()
        until(lambda: server.files() < files - 990)


def test_who_is_one_too_many_is_told():
    with Server("--max-connections", "20") as server:
        open_ = [server.connect() for _ in range(20)]
        for s in open_:
            server.ask(request("GET", "/echo"), s)
        status, headers, _ = server.get("/echo")
        assert status == 503 and headers["connection"].lower() == "close" and "retry-after" in headers
        silent = server.connect()
        assert is_closed(silent, 5 * SLOW)
        open_.pop().close()
        until(lambda: server.get("/echo")[0] == 200)
    with Server("--max-per-address", "5") as server:
        open_ = [server.connect() for _ in range(5)]
        assert server.get("/echo")[0] == 503
        s = socket.socket()
        s.bind(("127.0.0.2", 0))
        s.connect(("127.0.0.1", server.port))
        assert server.ask(request("GET", "/echo"), s)[0] == 200


def test_a_client_that_goes_is_noticed_at_once():
    with Server() as server:
        for path in ("/stream?n=1000000&ms=20", "/stream?n=0", "/silent", "/slow?ms=60000"):
            for way in ("close", "shutdown", "reset"):
                before = server.state()["cancelled"]
                s = server.connect()
                s.sendall(request("GET", path))
                until(lambda: server.state()["open"] == 1)
                time.sleep(0.05)
                if way == "reset":
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                if way == "shutdown":
                    s.shutdown(socket.SHUT_WR)
                else:
                    s.close()
                took = until(lambda: server.state()["open"] == 0)
                assert took < 1 * SLOW, (path, way, took)
                assert server.state()["cancelled"] == before + 1


def test_other_streams_do_not_notice():
    with Server() as server:
        lasting = [server.connect() for _ in range(8)]
        for s in lasting:
            s.sendall(request("GET", "/stream?n=300&ms=2&size=200"))
        for _ in range(100):
            s = server.connect()
            s.sendall(request("GET", "/stream?n=100&ms=1"))
            s.close()
        bodies = {read_answer(s)[2] for s in lasting}
        assert len(bodies) == 1 and len(bodies.pop()) == 300 * 202
        until(lambda: server.state()["open"] == 0)


def test_an_answer_that_is_not_read_takes_no_memory_and_ends():
    with Server("--idle-seconds", "1") as server:
        before = server.memory()
        stuck = []
        for _ in range(4):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", server.port))
            s.sendall(request("GET", "/huge?n=4000000"))
            stuck.append(s)
        until(lambda: server.state()["open"] == 4)
        until(lambda: server.state()["open"] == 0, 8 * SLOW)
        if SLOW == 1:
            assert server.memory() - before < 40 << 20


def test_bodies_together_have_a_bound():
    with Server("--max-body", "4000000", "--request-seconds", "60") as server:
        # 64 MB may be in memory at once: of 20 some must be refused, and be told so.
        half = [server.connect() for _ in range(20)]
        statuses = []
        for s in half:
            s.sendall(request("POST", "/echo", None, "Content-Length: 4000000") + b"x" * 3999999)
        time.sleep(0.3)
        for s in half:
            s.sendall(b"x")
        for s in half:
            statuses.append(read_answer(s)[0])
        assert set(statuses) == {200, 503}, statuses
        assert server.ask(request("POST", "/echo", b"x" * 4000000))[0] == 200


if __name__ == "__main__":
    main()
