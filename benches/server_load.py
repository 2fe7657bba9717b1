#!/usr/bin/env python3
"""Load on a running infer-server: many connections that stay open, some of which have texts generated all the time.

    build/infer-server --parallel 64 &
    benches/server_load.py --url http://127.0.0.1:8080 --connections 1000 --generating 64 --seconds 60

Each connection asks for tokens of a short text now and then, on the same socket; those that generate stream one answer
after another, and every one has to be whole. Prints what was answered, what was lost, how long it took, and the server's
memory after each quarter. Python's standard library only."""
import argparse
import asyncio
import json
import statistics
import sys
import time
import urllib.parse


class Connection:
    """HTTP/1.1 on one socket, as far as this needs it."""

    async def open(self, host, port):
        self.reader, self.writer = await asyncio.open_connection(host, port)
        self.host = host
        return self

    async def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        return int(head.split()[1]), head

    async def chunks(self, head):
        if "transfer-encoding: chunked" in head:
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                yield await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        else:
            yield await self.reader.readexactly(int(head.split("content-length:")[1].split()[0]))

    async def whole(self, method, path, body=None):
        status, head = await self.ask(method, path, body)
        return status, b"".join([c async for c in self.chunks(head)])


class Figures:
    def __init__(self):
        self.short, self.first, self.lost = [], [], []
        self.texts = self.tokens = 0


async def visit(connection, figures, until, pause):
    """Short requests on a connection that is idle in between."""
    await asyncio.sleep(pause * (hash(id(connection)) % 1000) / 1000)
    while time.monotonic() < until:
        begin = time.monotonic()
        try:
            status, _ = await connection.whole("POST", "/tokenize", {"content": "Once upon a time"})
            figures.short.append(time.monotonic() - begin)
            if status != 200:
                figures.lost.append(f"/tokenize: {status}")
        except Exception as e:
            figures.lost.append(f"/tokenize: {e!r}")
            return
        await asyncio.sleep(pause)


async def generate(connection, figures, until, tokens):
    body = {"messages": [{"role": "user", "content": "Once upon a time"}], "stream": True, "max_tokens": tokens,
            "ignore_eos": True, "stream_options": {"include_usage": True}}
    while time.monotonic() < until:
        begin, text, pieces = time.monotonic(), b"", 0
        try:
            status, head = await connection.ask("POST", "/v1/chat/completions", body)
            async for chunk in connection.chunks(head):
                pieces += 1
                if pieces == 2:
                    figures.first.append(time.monotonic() - begin)
                text += chunk
            if status != 200 or not text.endswith(b"data: [DONE]\n\n"):
                figures.lost.append(f"a text: {status}, {text[-80:]!r}")
            figures.tokens += json.loads(text.split(b"data: ")[-2])["usage"]["completion_tokens"]
            figures.texts += 1
        except Exception as e:
            figures.lost.append(f"a text: {e!r}")
            return


async def resident(connection):
    _, text = await connection.whole("GET", "/metrics")
    return next(float(line.split()[1]) for line in text.decode().splitlines()
                if line.startswith("process_resident_memory_bytes "))


async def run(o):
    url = urllib.parse.urlparse(o.url)
    figures, watch = Figures(), await Connection().open(url.hostname, url.port)
    all_connections = [await Connection().open(url.hostname, url.port) for _ in range(o.connections)]
    begin = time.monotonic()
    until = begin + o.seconds
    jobs = [asyncio.create_task(generate(c, figures, until, o.tokens)) for c in all_connections[:o.generating]]
    jobs += [asyncio.create_task(visit(c, figures, until, o.pause)) for c in all_connections[o.generating:]]
    memory = []
    for quarter in range(1, 5):
        await asyncio.sleep(max(0, begin + quarter * o.seconds / 4 - time.monotonic()))
        memory.append(await resident(watch))
    await asyncio.gather(*jobs)
    seconds = time.monotonic() - begin

    def centiles(times):
        if len(times) < 2:
            return "none"
        c = statistics.quantiles(times, n=100)
        return f"p50 {c[49] * 1e3:.2f} ms, p99 {c[98] * 1e3:.2f} ms"

    print(f"{o.connections} connections, {o.generating} generating, {seconds:.1f} s")
    print(f"texts          {figures.texts}, {figures.tokens / seconds:.0f} tokens/s, first token {centiles(figures.first)}")
    print(f"short requests {len(figures.short)}, {centiles(figures.short)}")
    print(f"resident       {', '.join(f'{m / 1e6:.1f}' for m in memory)} MB after each quarter")
    print(f"lost           {len(figures.lost)}{': ' + figures.lost[0] if figures.lost else ''}")
    return 1 if figures.lost or not figures.texts else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--url", default="http://127.0.0.1:8080")
    p.add_argument("--connections", type=int, default=1000)
    p.add_argument("--generating", type=int, default=64, help="of these, how many stream texts")
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--tokens", type=int, default=64, help="of each text")
    p.add_argument("--pause", type=float, default=2, help="seconds between the short requests of a connection")
    return asyncio.run(run(p.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
