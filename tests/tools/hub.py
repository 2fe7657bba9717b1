#!/usr/bin/env python3
"""A hub for tests: what Hugging Face's answers look like, and all that can go wrong on the way.

    hub.py MODEL LOG [CERTIFICATE]   serves on two ports of 127.0.0.1, the hub and what it redirects to, and prints
                                     them; ends when its standard input does. LOG gets a line for each request:
                                     METHOD PATH Range Authorization. With a certificate (and its key, in one
                                     file) the hub speaks TLS

MODEL is the GGUF file that org/model has. Other repositories are named by what is wrong with them."""
import hashlib
import json
import random
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = random.Random(1).randbytes(3_000_000)
SMALL = b'{"architectures": []}'
TOKEN = "hf_good"
model = open(sys.argv[1], "rb").read()
log = open(sys.argv[2], "a", buffering=1)
lock = threading.Lock()
counts = {}
cdn_port = 0

DIRECTORY = ["config.json", "tokenizer.json", "merges.txt", "model.safetensors.index.json", "README.md",
             "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "pytorch_model.bin",
             "1_Pooling/config.json", "onnx/model.onnx"]
REPOS = {  # names of files; those that end in .json or .md are small
    "org/model": ["README.md", "mmproj-model-f16.gguf", "model-Q4_K_M.gguf", "model-Q8_0.gguf"],
    "org/split": ["big-Q6_K-00001-of-00003.gguf", "big-Q6_K-00002-of-00003.gguf", "big-Q6_K-00003-of-00003.gguf"],
    "org/folder": ["sub dir/model#1-Q8_0.gguf"],
    "org/directory": DIRECTORY,
    "org/evil": ["../../../evil.gguf"],
    "org/nothing": ["README.md"],
}
for name in ("old", "gated", "private", "breaks", "no-ranges", "wrong", "busy", "down", "stalls", "longer", "shorter",
             "huge", "loops", "leaves", "other-range", "slow", "shared", "forbidden", "disabled", "no-json", "bad-commit"):
    REPOS["org/" + name] = ["model-Q4_K_M.gguf"]


def content(repo, path):
    if repo == "org/model" and path.endswith(".gguf"):
        return model
    if path.endswith((".json", ".md", ".txt")):
        return SMALL + path.encode()
    return LARGE + path.encode()


def is_large(path):
    return not path.endswith((".json", ".md", ".txt"))


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sibling(repo, path):
    data = content(repo, path)
    entry = {"rfilename": path}
    if repo == "org/old":
        return entry
    entry |= {"size": len(data), "blobId": git_sha1(data)}
    if is_large(path):
        entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    if repo == "org/huge":
        entry["size"] = entry["lfs"]["size"] = 1 << 60
    return entry


def first_times(key, n):
    """Whether this is one of the first n times."""
    with lock:
        counts[key] = counts.get(key, 0) + 1
        return counts[key] <= n


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self):
        log.write(f"{self.command} {self.path} {self.headers.get('Range', '-')} "
                  f"{self.headers.get('Authorization', '-')}\n")

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code=None, message=""):
        headers = {"X_Error_Code": code, "X_Error_Message": message} if code else {}
        self.answer(status, b'{"error": "..."}', **headers)

    do_HEAD = lambda self: self.do_GET()


class Hub(Handler):
    def do_GET(self):
        self.note()
        parts = urllib.parse.urlsplit(self.path).path.split("/")[1:]
        if parts[:2] == ["api", "models"]:
            return self.api("/".join(parts[2:4]), urllib.parse.unquote(parts[5]))
        if parts[0] == "files":
            return self.plain(parts[1])
        return self.resolve("/".join(parts[:2]), parts[3], urllib.parse.unquote("/".join(parts[4:])))

    def known(self, repo, revision):
        token = self.headers.get("Authorization", "")
        if repo not in REPOS:
            self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        elif repo == "org/private" and token != "Bearer " + TOKEN:
            self.refuse(401, None if token else "RepoNotFound", "Invalid username or password.")
        elif revision not in ("main", "v1", "refs/pr/1", COMMIT):
            self.refuse(404, "RevisionNotFound", "Invalid rev id")
        else:
            return True
        return False

    def api(self, repo, revision):
        if repo == "org/down" or (repo == "org/busy" and first_times(repo, 2)):
            return self.answer(503 if repo == "org/down" else 429, b"", Retry_After="0")
        if not self.known(repo, revision):
            return None
        description = {"id": repo, "sha": COMMIT, "siblings": [sibling(repo, path) for path in REPOS[repo]]}
        if repo == "org/bad-commit":
            description["sha"] = "../../.."
        return self.answer(200, b"<html>" if repo == "org/no-json" else json.dumps(description).encode(),
                           Content_Type="application/json")

    def resolve(self, repo, revision, path):
        if not self.known(repo, revision):
            return None
        if repo == "org/gated":
            return self.refuse(403 if "Authorization" in self.headers else 401, "GatedRepo", "Access is restricted.")
        if repo == "org/forbidden":
            return self.refuse(403, "Other", "Not \x1b[31mtoday")
        if repo == "org/disabled":
            return self.refuse(403, "Other", "Access to this resource is disabled.")
        if path not in REPOS[repo]:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        data = content(repo, path)
        if not is_large(path):
            return self.answer(200, data, ETag=f'"{git_sha1(data)}"', X_Repo_Commit=COMMIT)
        where = f"http://127.0.0.1:{cdn_port}/{repo}/{urllib.parse.quote(path)}?signature=1"
        if repo == "org/loops":
            where = self.path
        if repo == "org/leaves":
            where = "file:///etc/passwd"
        return self.answer(302, b"elsewhere", Location=where, X_Repo_Commit=COMMIT, X_Linked_Size=str(len(data)),
                           X_Linked_ETag=f'"{hashlib.sha256(data).hexdigest()}"', ETag='"other"')

    def plain(self, name):  # a server that knows nothing of hubs
        self.answer(404) if "missing" in name else send_part(self, LARGE + name.encode(), ETag='"1-2"')


def send_part(handler, data, **headers):
    wanted = handler.headers.get("Range")
    if not wanted:
        return handler.answer(200, data, **headers)
    begin = int(wanted.removeprefix("bytes=").split("-")[0])
    if begin >= len(data):
        return handler.answer(416, b"", Content_Range=f"bytes */{len(data)}")
    return handler.answer(206, data[begin:], Content_Range=f"bytes {begin}-{len(data) - 1}/{len(data)}", **headers)


class Storage(Handler):
    def do_GET(self):
        self.note()
        parts = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).split("/")[1:]
        repo, path = "/".join(parts[:2]), "/".join(parts[2:])
        data = content(repo, path)
        fault = getattr(self, "do_" + parts[1].replace("-", "_"), None)
        return fault(data) if fault else send_part(self, data)

    def some(self, data, n):
        """The first n bytes of what was asked for, though all of it is announced."""
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[begin:begin + n])
        self.wfile.flush()

    def do_breaks(self, data):
        self.some(data, 1_200_000)
        self.close_connection = True

    def do_stalls(self, data):
        if not first_times("stalls", 1):
            return send_part(self, data)
        self.some(data, 1_200_000)
        time.sleep(20)
        self.close_connection = True

    def do_slow(self, data):
        self.some(data, 1_200_000)
        for _ in range(200):
            time.sleep(0.1)
            self.wfile.write(data[:10])

    def do_shared(self, data):
        time.sleep(0.5)
        send_part(self, data)

    def do_no_ranges(self, data):
        if first_times("no-ranges", 1):
            self.some(data, 1_200_000)
            self.close_connection = True
        else:
            self.answer(200, data)

    def do_wrong(self, data):
        send_part(self, data[:-1] + b"?")

    def do_longer(self, data):
        self.answer(200, data + b"more")

    def do_shorter(self, data):
        self.answer(200, data[:1000])

    def do_other_range(self, data):
        if first_times("other-range", 1):
            self.some(data, 1_200_000)
            self.close_connection = True
        else:
            self.answer(206, data[5:], Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}")

    def do_busy(self, data):
        self.refuse(503) if first_times("busy storage", 2) else send_part(self, data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    global cdn_port
    hub, storage = Server(("127.0.0.1", 0), Hub), Server(("127.0.0.1", 0), Storage)
    cdn_port = storage.server_address[1]
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3])
        hub.socket = context.wrap_socket(hub.socket, server_side=True)
    for server in (hub, storage):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(hub.server_address[1], cdn_port, flush=True)
    sys.stdin.read()


main()
