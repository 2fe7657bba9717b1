"""Thousands of malformed requests get an answer or the door, and a stream beside them comes whole."""
import random
import re
import socket
import sys
import threading

from common import SLOW, Server, main, read_answer, request

N = 10000 // SLOW
GOOD = [
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
    b"POST /echo?a=b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{\"a\":",
    b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    b"GET /ws/generate HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x83abcdabc",
]
# What must be refused, and how; None: the connection may as well end without a word.
KNOWN = [
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x3\r\n\r\nabc", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n", 413),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 413),
    (b"GET /echo HTTP/1.1\r\n\r\n", 400),
    (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n", 400),
    (b"GET /echo HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
    (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nA: b\x01c\r\n\r\n", 400),
    (b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\xc3\x28: b\r\n\r\n", 400),
    (b"GET /e\x7fcho HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /echo HTTP/9.9\r\nHost: localhost\r\n\r\n", 505),
    (b"GET /" + b"x" * 60000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (414, 431)),
    (b"GET /echo HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 10000 + b"\r\n", 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), None),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (None, 505)),
]


def send(server, text):
    """What comes back for these bytes and no more."""
    with socket.create_connection(("127.0.0.1", server.port), 10 * SLOW) as s:
        answer = b""
        try:
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
        except OSError:  # the server has closed already
            pass
        try:
            while more := s.recv(65536):
                answer += more
        except ConnectionError:
            pass
        return answer


def test_what_is_wrong_is_told():
    with Server() as server:
        for text, expected in KNOWN:
            answer = send(server, text)
            status = int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.") else None
            if expected is not None:
                assert status in (expected if isinstance(expected, tuple) else (expected,)), (text[:200], answer[:300])
            assert b"200 OK" not in answer, text[:200]


def spoil(random_, text):
    text = bytearray(text)
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(text)) if text else 0
        kind = random_.randrange(6)
        if kind == 0 and text:
            text[at] = random_.randrange(256)
        elif kind == 1:
            text[at:at] = random_.choice([b"\0", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\xff\xfe", b"%00",
                                          b"9" * 30, b"A" * 5000, b"\xf0\x9f", b"Content-Length: 7\r\n", b"0\r\n\r\n"])
        elif kind == 2:
            del text[at:at + random_.randint(1, 20)]
        elif kind == 3:
            del text[at:]
        elif kind == 4:
            text += random_.randbytes(random_.randint(1, 50))
        else:
            text[at:at] = text[at:at + random_.randint(1, 100)]
    return bytes(text)


def test_ten_thousand_spoiled_requests():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with Server("--header-seconds", "5") as server, server.connect(60 * SLOW) as stream:
        stream.sendall(request("GET", "/stream?n=2000&ms=1"))
        body = []
        reader = threading.Thread(target=lambda: body.append(read_answer(stream)[2]))
        reader.start()

        def attack(number):
            random_ = random.Random(seed * 100 + number)
            for _ in range(N // 4):
                answer = send(server, spoil(random_, random_.choice(GOOD)))
                for status in re.findall(rb"HTTP/1\.[01] (\d+)", answer):
                    assert int(status) < 500 or int(status) in (501, 505), answer[:300]
        attackers = [threading.Thread(target=attack, args=(i,)) for i in range(4)]
        failures = []
        threading.excepthook = lambda args: failures.append(args.exc_value)
        for t in attackers:
            t.start()
        for t in attackers:
            t.join()
        assert not failures, failures[0]
        reader.join()
        assert body[0] == b"".join(b"data: %d \n\n" % i for i in range(2000))
        assert server.get("/echo")[0] == 200


if __name__ == "__main__":
    main()
