"""infer-server runs a model of a hub, and fetches others when requests ask for it (the hub: tests/tools/hub.py)."""
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

from common import BUILD, Server, request

PROGRAM = os.path.join(BUILD, "infer-server")
MODEL = "tools/default-model/model.gguf"


def post(server, path, body):
    status, _, answer = server.ask(request("POST", path, json.dumps(body).encode()))
    return status, [json.loads(line) for line in answer.splitlines() if line]


def pulls_what_is_asked_for(server, folder):
    status, lines = post(server, "/api/pull", {"model": "hf.co/org/model:q8_0"})
    assert status == 200 and lines[0] == {"status": "pulling manifest"} and lines[-1] == {"status": "success"}, lines
    bytes_told = [x for x in lines if x.get("total") == os.path.getsize(MODEL)]
    assert bytes_told and bytes_told[-1]["completed"] == bytes_told[-1]["total"], lines
    assert all(x["digest"].startswith("sha256:") for x in bytes_told), lines
    assert len(lines) < 20, "pieces are told one by one"
    assert glob.glob(folder + "/models--org--model/snapshots/*/model-Q8_0.gguf")
    names = [m["id"] for m in json.loads(server.get("/v1/models")[2])["data"]]
    assert "org/model" in names, names
    status, text = post(server, "/v1/completions", {"model": "org/model", "prompt": "Once", "max_tokens": 4})
    assert status == 200 and text[0]["choices"][0]["text"], text
    status, lines = post(server, "/api/pull", {"model": "org/model:latest", "stream": False})
    assert status == 200 and lines == [{"status": "success"}], lines
    for name in ("hf.co/org/model:q8_0", "org/model:Q4_K_M", "hf.co/org/model", "org/model:latest"):
        status, text = post(server, "/api/generate", {"model": name, "prompt": "Once", "stream": False,
                                                      "options": {"num_predict": 2}})
        assert status == 200 and text[0]["model"] == name, (name, text)
    for name in ("org/model:q5_0", "hf.co/org/mode", "hf.co/org/model:4_K_M"):
        assert post(server, "/api/generate", {"model": name, "prompt": "Once"})[0] == 404, name


def tells_what_it_cannot_have(server, port):
    for model, expected, said in (("org/missing", 404, "is not at"), ("org/gated", 404, "accept them at"),
                                  (f"http://127.0.0.1:{port}/files/a.gguf", 400, "is no name of a model"),
                                  ("../x", 400, "names no model"), ("org/wrong", None, "its checksum is")):
        status, lines = post(server, "/api/pull", {"model": model, "stream": False})
        assert status == (expected or status) and status >= 400 and said in json.dumps(lines), (model, status, lines)


def who_leaves_ends_the_download(server, folder):
    connection = server.connect()
    connection.sendall(request("POST", "/api/pull", b'{"model": "org/slow"}'))
    begun = folder + "/models--org--slow/blobs/*.incomplete"
    until = time.time() + 20
    while not any(os.path.getsize(f) >= 1_200_000 for f in glob.glob(begun)) and time.time() < until:
        time.sleep(0.05)
    connection.close()
    size, before = [0], []
    while size != before and time.time() < until: # the hub sends for 20 seconds, ten pieces in each
        before = size
        time.sleep(1)
        size = [os.path.getsize(f) for f in glob.glob(begun)]
    assert size == before and sum(size) < 1_202_000, "it goes on"


def main():
    with tempfile.TemporaryDirectory() as folder:
        hub = subprocess.Popen([sys.executable, "tests/tools/hub.py", MODEL, folder + "/log"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
        port = hub.stdout.readline().split()[0]
        address = f"http://127.0.0.1:{port}"
        clean = {"HF_HOME": folder + "/home", "HF_ENDPOINT": address, "HF_TOKEN": "", "no_proxy": "*"}
        try:
            with Server("--hub", address, "--model-dirs", folder, program=PROGRAM, env=clean) as server:
                pulls_what_is_asked_for(server, folder)
                tells_what_it_cannot_have(server, port)
                who_leaves_ends_the_download(server, folder)
            with Server(program=PROGRAM, env=clean) as server:
                status, lines = post(server, "/api/pull", {"model": "org/model"})
                assert status == 403, lines
            with Server("-hf", "org/model", program=PROGRAM, env=clean) as server:
                assert server.line.startswith("infer-server: org/model ready at"), server.line
            with Server("-hf", "org/model", "--offline", program=PROGRAM, env=clean | {"HF_ENDPOINT": "x"}) as server:
                assert json.loads(server.get("/v1/models")[2])["data"][0]["id"] == "org/model"
            with Server("--hub", address, program=PROGRAM, env=clean) as server: # its directory is the cache
                assert json.loads(server.get("/v1/models")[2])["data"][0]["id"] == "org/model"
        finally:
            hub.kill()


main()
