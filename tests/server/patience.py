"""How long the server waits for what, and what stays of those who have gone: all tests at once, as they wait
themselves."""
import time

from common import SLOW, Server, is_closed, main, read_answer, request, until


def test_who_asks_slowly_is_cut_off():
    with Server("--header-seconds", "1", "--request-seconds", "1") as server:
        slow = [server.connect() for _ in range(50)]
        silent = [server.connect() for _ in range(50)]
        body = server.connect()
        body.sendall(request("POST", "/echo", None, "Content-Length: 100000"))
        begin = time.monotonic()
        while time.monotonic() - begin < 2.5:  # a byte from time to time, as slow loris does
            for s in [*slow, body]:
                try:
                    s.sendall(b"X")
                except ConnectionError:
                    pass
            time.sleep(0.2)
        assert all(is_closed(s, 2 * SLOW) for s in [*slow, *silent, body])
        assert server.get("/slow?ms=10")[2] == b"slow"
        until(lambda: server.state()["open"] == 0)


def test_idle_connections_are_closed_in_the_end():
    with Server("--idle-seconds", "1") as server, server.connect() as s, server.connect() as working:
        assert server.ask(request("GET", "/echo"), s)[0] == 200
        working.sendall(request("GET", "/slow?ms=2500"))  # waiting for an answer is not idle
        assert is_closed(s, 4 * SLOW)
        assert read_answer(working)[2] == b"slow"


def test_a_silent_stream_shows_signs_of_life():
    with Server("--keep-alive-seconds", "1") as server, server.connect() as s:
        s.sendall(request("GET", "/stream?n=0"))
        text = b""
        while b": keep-alive\n\n" not in text:
            text += s.recv(4096)
        s.close()
        status, _, body = server.get("/stream?n=2&ms=1300")
        assert body.replace(b": keep-alive\n\n", b"") == b"data: 0 \n\ndata: 1 \n\n" and b"keep-alive" in body
        assert server.get("/slow?ms=1300")[2] == b"slow"


def test_memory_is_flat():
    with Server() as server:
        def work(n):
            for i in range(n):
                with server.connect() as s:
                    for path in ("/echo", "/stream?n=3&ms=0", "/slow?ms=0"):
                        assert server.ask(request("POST", path, b"x" * 2000), s)[0] == 200
                    if i % 2:
                        s.sendall(request("GET", "/stream?n=0"))
        work(500 // SLOW)
        before = server.memory()
        work(1000 // SLOW)
        if SLOW == 1:
            assert server.memory() - before < 1 << 20, server.memory() - before


if __name__ == "__main__":
    main(together=True)
