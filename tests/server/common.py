"""What the tests of infer-server share: a server to talk to, and requests as bytes."""
import atexit
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

BUILD = os.environ.get("BUILD", "build")
FAKE = os.path.join(BUILD, "tests/server/fake-server")
SLOW = 10 if os.environ.get("SAN") else 1  # sanitizers take their time


class Server:
    """A running server. The fake service behind it is described in fake_service.c."""

    def __init__(self, *args, program=FAKE, env=None, port="0", ready=True):
        command = [program, *args] + (["--port", port] if port is not None else [])
        clean = {k: v for k, v in os.environ.items() if not k.startswith("INFER_") and k != "NOTIFY_SOCKET"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**clean, **(env or {})})
        atexit.register(self.process.kill)  # of a test that failed
        self.errors = []
        self.reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self.reader.start()
        self.line = self.process.stdout.readline() if ready else ""
        ports = re.findall(r":(\d+)", self.line.split(" (")[0])
        self.port = int(ports[0]) if ports else 0
        if ready:
            assert self.line, "the server did not start: " + self.wait()[1]

    def wait(self, timeout=30):
        """Exit status and what it wrote to stderr."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join(timeout)
        return status, "".join(self.errors)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status, errors = self.wait()
        assert status == 0, (status, errors)
        assert "fake:" not in errors and "ERROR" not in errors, errors
        return errors

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
            self.process.wait()
        elif self.process.poll() is None:
            self.stop()

    def connect(self, timeout=20):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def ask(self, text, connection=None):
        """Send bytes, read one answer: status, headers, body."""
        s = connection or self.connect()
        s.sendall(text)
        answer = read_answer(s, head=text.startswith(b"HEAD"))
        if not connection:
            s.close()
        return answer

    def get(self, path):
        return self.ask(request("GET", path))

    def state(self):
        return json.loads(self.get("/state")[2])

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def request(method, path, body=None, *headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Gone(Exception):
    """The connection ended before the answer did. `text` is what came."""

    def __init__(self, text):
        super().__init__(repr(text))
        self.text = text


def read_some(s, text):
    try:
        more = s.recv(65536)
    except ConnectionError:
        more = b""
    if not more:
        raise Gone(text)
    return text + more


def read_chunks(s, text):
    body = b""
    try:
        while True:
            while b"\r\n" not in text:
                text = read_some(s, text)
            line, text = text.split(b"\r\n", 1)
            n = int(line, 16)
            while len(text) < n + 2:
                text = read_some(s, text)
            body, text = body + text[:n], text[n + 2:]
            if not n:
                return body
    except Gone as gone:
        raise Gone(body + gone.text) from None


def read_answer(s, head=False):
    text = b""
    status = 100
    while status == 100:
        while b"\r\n\r\n" not in text:
            text = read_some(s, text)
        top, text = text.split(b"\r\n\r\n", 1)
        status = int(top.split(b" ")[1])
    headers = {k.lower(): v for k, v in (l.split(": ", 1) for l in top.decode().split("\r\n")[1:])}
    if head or status == 304:
        return status, headers, b""
    if headers.get("transfer-encoding") == "chunked":
        return status, headers, read_chunks(s, text)
    n = int(headers.get("content-length", 0))
    while len(text) < n:
        text = read_some(s, text)
    return status, headers, text[:n]


def is_closed(s, seconds):
    """Whether the server closes the connection within this time."""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except socket.timeout:
        return False
    except ConnectionError:
        return True


def until(condition, seconds=5 * SLOW):
    """Wait for something to become true; returns the seconds it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, "it did not become true"
        time.sleep(0.01)
    return time.monotonic() - begin


def main(together=False):
    """Run all functions test_* of the program, one after the other or all at once."""
    failures = []

    def run(name, test):
        begin = time.monotonic()
        try:
            test()
        except BaseException:
            failures.append(f"{name}: FAILED\n{traceback.format_exc()}")
        print(f"{name}: {time.monotonic() - begin:.2f} s", flush=True)
    tests = [(name, f) for name, f in vars(sys.modules["__main__"]).items() if name.startswith("test_")]
    threads = [threading.Thread(target=run, args=test) for test in tests]
    for t in threads:
        t.start()
        if not together:
            t.join()
    for t in threads:
        t.join()
    print("".join(failures), end="")
    sys.exit(1 if failures else 0)
