"""The same over TLS."""
import os
import socket
import ssl
import subprocess
import tempfile
import time

from common import SLOW, Server, is_closed, main, request, until
import websockets


class Encrypted(Server):
    def connect(self, timeout=20):
        context = ssl.create_default_context(cafile=self.cert)
        return context.wrap_socket(super().connect(timeout), server_hostname="localhost")


def make(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                    "-out", cert], check=True, capture_output=True)
    return cert, key


def test_all_of_it():
    with tempfile.TemporaryDirectory() as folder:
        cert, key = make(folder)
        with Encrypted("--tls-cert", cert, "--tls-key", key, "--header-seconds", "1") as server:
            server.cert = cert
            assert "https://127.0.0.1" in server.line
            with server.connect() as s:
                assert s.version() == "TLSv1.3"
                for n in (0, 1, 100000, 5000000):
                    assert server.ask(request("POST", "/echo", b"x" * n), s)[2] == b"x" * n
                assert server.ask(request("GET", "/stream?n=50&ms=1"), s)[2].count(b"data: ") == 50
                assert server.ask(request("GET", "/slow?ms=20"), s)[2] == b"slow"

            s = server.connect()  # a client that goes
            s.sendall(request("GET", "/stream?n=1000000&ms=20"))
            until(lambda: server.state()["open"] == 1)
            s.close()
            assert until(lambda: server.state()["open"] == 0) < 1 * SLOW

            ws = websockets.WebSocket(server)
            ws.send(b"500 0")
            assert ws.messages(500) == websockets.answers(500)
            ws.send(b"2 300")
            ws.send(b"are you there", opcode=9)
            assert ws.read() == (10, b"are you there") and ws.messages(2) == websockets.answers(2)
            ws.s.close()

            # Plain HTTP, old versions, handshakes that never end.
            with socket.create_connection(("127.0.0.1", server.port)) as plain:
                plain.sendall(request("GET", "/echo"))
                assert is_closed(plain, 5 * SLOW)
            half = socket.create_connection(("127.0.0.1", server.port))
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
            assert is_closed(half, 5 * SLOW)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.set_ciphers("ALL:@SECLEVEL=0")
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
            try:
                old.wrap_socket(socket.create_connection(("127.0.0.1", server.port)))
                assert False, "TLS 1.1 was spoken"
            except (ssl.SSLError, ConnectionError):
                pass
            time.sleep(0.1)
            assert server.get("/echo")[0] == 200


def test_files_that_are_none_are_told():
    with tempfile.TemporaryDirectory() as folder:
        cert, key = make(folder)
        status, errors = Server("--tls-cert", cert, "--tls-key", cert, ready=False).wait()
        assert status == 1 and "--tls-cert or --tls-key" in errors, errors
        status, errors = Server("--tls-cert", cert, "--tls-key", key + "x", ready=False).wait()
        assert status == 1 and "cannot be read" in errors
        assert Server("--tls-cert", cert, ready=False).wait()[0] == 2


if __name__ == "__main__":
    main()
