"""/ws/generate: messages in, messages out, by RFC 6455."""
import base64
import hashlib
import os
import socket
import struct
import time

from common import SLOW, Gone, Server, is_closed, main, request, until


class WebSocket:
    def __init__(self, server, *headers, key=None):
        self.s = server.connect()
        key = key or base64.b64encode(os.urandom(16)).decode()
        self.s.sendall(request("GET", "/ws/generate", None, "Upgrade: websocket", "Connection: keep-alive, Upgrade",
                               "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key, *headers))
        self.text = b""
        while b"\r\n\r\n" not in self.text:
            self.fill()
        top, self.text = self.text.split(b"\r\n\r\n", 1)
        self.status = int(top.split(b" ")[1])
        self.headers = {k.lower(): v for k, v in (l.split(": ", 1) for l in top.decode().split("\r\n")[1:])}
        if self.status == 101:
            accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            assert self.headers["sec-websocket-accept"] == base64.b64encode(accept).decode()

    def fill(self):
        more = self.s.recv(65536)
        if not more:
            raise Gone(self.text)
        self.text += more

    @staticmethod
    def frame(text, opcode=1, final=True, masked=True):
        n = len(text)
        size = struct.pack("!B", n) if n < 126 else struct.pack("!BH", 126, n) if n < 65536 else \
            struct.pack("!BQ", 127, n)
        mask = os.urandom(4)
        body = bytes(c ^ mask[i % 4] for i, c in enumerate(text)) if masked else text
        return bytes([128 * final + opcode, size[0] + 128 * masked]) + size[1:] + mask * masked + body

    def send(self, text, **how):
        self.s.sendall(self.frame(text, **how))

    def read(self):
        """Opcode and payload of the next frame."""
        while True:
            if len(self.text) >= 2:
                n, at = self.text[1] & 127, 2
                if n == 126 and len(self.text) >= 4:
                    n, at = struct.unpack("!H", self.text[2:4])[0], 4
                elif n == 127 and len(self.text) >= 10:
                    n, at = struct.unpack("!Q", self.text[2:10])[0], 10
                if n < 126 or at > 2:
                    if len(self.text) >= at + n:
                        opcode, body, self.text = self.text[0] & 15, self.text[at:at + n], self.text[at + n:]
                        return opcode, body
            self.fill()

    def messages(self, n):
        return [self.read() for _ in range(n)]

    def close_code(self):
        opcode, body = self.read()
        assert opcode == 8, (opcode, body)
        return struct.unpack("!H", body[:2])[0] if body else None


def answers(n):
    return [(1, b"message %d" % i) for i in range(n)]


def test_messages_are_answered_one_after_the_other():
    with Server() as server:
        ws = WebSocket(server)
        ws.send(b"5 1")
        assert ws.messages(5) == answers(5)
        ws.s.sendall(b"".join(WebSocket.frame(b"%d 1" % n) for n in (2, 3, 1)))
        assert ws.messages(6) == answers(2) + answers(3) + answers(1)
        for part in (b"3", b" ", b"0"):
            ws.send(part, opcode=1 if part == b"3" else 0, final=part == b"0")
        assert ws.messages(3) == answers(3)
        assert server.state()["peak"] <= 2  # never two at once, but the one that asks
        ws.send(struct.pack("!H", 1000), opcode=8)
        assert ws.close_code() == 1000 and is_closed(ws.s, 2 * SLOW)


def test_messages_that_come_with_the_request_count():
    with Server() as server, server.connect() as s:
        s.sendall(request("GET", "/ws/generate", None, "Upgrade: websocket", "Connection: Upgrade",
                          "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==") +
                  WebSocket.frame(b"3 1"))
        text = b""
        while b"message 2" not in text:
            text += s.recv(4096)
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in text  # the example of RFC 6455, section 1.3


def test_pings_are_answered_while_something_is_generated():
    with Server() as server:
        ws = WebSocket(server)
        ws.send(b"3 300")
        ws.send(b"are you there", opcode=9)
        assert ws.read() == (10, b"are you there")
        assert ws.messages(3) == answers(3)


def test_long_messages_and_many_chunks():
    with Server("--max-body", "100000") as server:
        ws = WebSocket(server)
        ws.send(b"2000 0" + b" " * 90000)
        assert ws.messages(2000) == answers(2000)
        ws.send(b"x" * 100001)
        assert ws.close_code() == 1009 and is_closed(ws.s, 2 * SLOW)


def test_what_is_wrong_closes_the_websocket():
    with Server() as server:
        for wrong, code in ((WebSocket.frame(b"\xff\xfe"), 1007), (WebSocket.frame(b"x", opcode=2), 1003),
                            (WebSocket.frame(b"3", masked=False), 1002), (WebSocket.frame(b"x", opcode=3), 1002),
                            (WebSocket.frame(b"x" * 200, opcode=9), None), (b"\xf1\x81abcdx", 1002)):
            ws = WebSocket(server)
            ws.s.sendall(wrong)
            assert ws.close_code() == code, wrong
            assert is_closed(ws.s, 2 * SLOW)
        until(lambda: server.state()["open"] == 0)


def test_handshakes_that_are_wrong_are_refused():
    with Server() as server:
        upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        assert server.ask(request("GET", "/ws/generate", None, *upgrade))[0] == 426
        assert server.ask(request("GET", "/ws/generate", None, *upgrade[:2], "Sec-WebSocket-Version: 13"))[0] == 400
        assert server.ask(request("POST", "/ws/generate", b"", *upgrade, "Sec-WebSocket-Version: 13"))[0] == 405
        assert server.ask(request("GET", "/ws/generate"))[0] == 404  # no upgrade: the service is asked
        assert server.ask(request("GET", "/echo", None, *upgrade))[0] == 200


def test_pages_of_other_origins_are_refused():
    with Server() as server:
        assert WebSocket(server, "Origin: http://evil.example").status == 403
        assert WebSocket(server, "Origin: null").status == 403
        assert WebSocket(server, "Origin: http://localhost").status == 101  # our own: the Host that the request names
    with Server("--cors", "https://good.example") as server:
        assert WebSocket(server, "Origin: https://good.example").status == 101
        assert WebSocket(server, "Origin: https://good.example.evil").status == 403
    with Server("--cors", "*") as server:
        assert WebSocket(server, "Origin: http://evil.example").status == 101


def test_keys_come_in_headers_or_as_a_protocol():
    with Server(env={"INFER_API_KEY": "secret-1"}) as server:
        assert WebSocket(server).status == 401
        assert WebSocket(server, "Authorization: Bearer wrong").status == 401
        ws = WebSocket(server, "Sec-WebSocket-Protocol: infer, infer-key.secret-1")
        assert ws.status == 101 and ws.headers["sec-websocket-protocol"] == "infer"
        ws.send(b"2 0")
        assert ws.messages(2) == answers(2)
        assert WebSocket(server, "Sec-WebSocket-Protocol: infer, infer-key.secret-2").status == 401
        ws = WebSocket(server, "Authorization: Bearer secret-1")
        ws.send(b"1 0")
        assert ws.messages(1) == answers(1)


def test_a_client_that_goes_is_noticed_at_once():
    with Server() as server:
        for way in ("close", "reset", "frame"):
            ws = WebSocket(server)
            ws.send(b"1000000 20")
            ws.read()
            until(lambda: server.state()["open"] == 1)
            if way == "frame":
                ws.send(struct.pack("!H", 1001), opcode=8)
            elif way == "reset":
                ws.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                ws.s.close()
            else:
                ws.s.close()
            assert until(lambda: server.state()["open"] == 0) < 1 * SLOW


def test_who_does_not_read_takes_no_memory():
    with Server() as server:
        ws = WebSocket(server)
        before = server.memory()
        ws.send(b"10000000 0")
        time.sleep(1)
        assert server.memory() - before < 8 << 20
        ws.s.close()
        until(lambda: server.state()["open"] == 0)


if __name__ == "__main__":
    main()
