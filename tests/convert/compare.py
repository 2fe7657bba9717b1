#!/usr/bin/env python3
"""compare.py BUILD [NAME ...]: what infer-convert writes of the models in tests/data/tiny, and of the one in
tests/data/default-model, in llama.cpp, beside the references.

A line for each model: how far outputs are from what is expected, in standard deviations. It fails where one is further
than rounding explains, and where known_limits.py names a limit that is none.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import peer
from known_limits import OTHERWISE, REFUSED, TABLED, UNWRITTEN

TINY, EXPECTED = pathlib.Path("tests/data/tiny"), pathlib.Path("tests/data/llama-cpp")
TRAINED = pathlib.Path("tests/data/default-model")
ROUNDING, TABLE = 2e-4, 3e-3  # what float32 may differ by, and where values come from a table of f16


class Wrong(Exception):
    """Not as it should be; the sentence that says so."""


def must_say(name, limits, said):
    if name not in limits:
        raise Wrong(said.strip())
    if limits[name][0] not in said:
        raise Wrong(f"expected \"{limits[name][0]}\", found: {said.strip()}")


def convert(build, folder, path):
    """As f32, under a name that says nothing: llama.cpp treats vocabularies of some names in ways of their own."""
    link = path.parent / "model"
    link.symlink_to(folder.resolve())
    own = [f"{build}/infer-convert", "-t", "1", str(link), str(path)]
    done = subprocess.run([*own, "--type", "f32"], capture_output=True, text=True)
    if "already" in done.stderr:  # what has been quantised is converted as it is, and then to floats
        done = subprocess.run(own, capture_output=True, text=True)
        if not done.returncode:
            again = path.with_suffix(".f32")
            done = subprocess.run([f"{build}/infer-quantize", str(path), str(again), "f32", "--requantize"],
                                  capture_output=True, text=True)
            again.replace(path)
    link.unlink()
    return done


def read(path):
    return json.loads(path.read_text())


def check(away, allowed, what):
    if not away <= allowed:
        raise Wrong(f"{what} is {away:.2g} standard deviations away, allowed {allowed}")
    return f"{what} {away:.1g}"


def check_outputs(name, folder, model):
    """Logits or hidden states, of every position."""
    hidden = (folder / "hidden.npy").exists()
    reference = np.load(folder / ("hidden.npy" if hidden else "logits.npy"))
    other = EXPECTED / f"{name}.npy"
    if other.exists() != (name in OTHERWISE or name in TABLED):
        raise Wrong(f"{other} is not there, or known_limits.py does not name it")
    want = np.load(other) if other.exists() else reference
    ids = read(folder / "ids.json")
    got = model.hidden(ids) if hidden else model.logits(ids)
    said = check(peer.distance(got, want), TABLE if name in TABLED else ROUNDING, "hidden" if hidden else "logits")
    if name in OTHERWISE and peer.distance(got, reference) <= ROUNDING:
        raise Wrong("a limit is named, but the reference is met")
    if not hidden and name not in OTHERWISE:
        greedy = read(folder / "greedy.json")
        if model.greedy(ids, len(greedy)) != greedy:
            raise Wrong("other greedy ids")
        said += ", greedy ids the same"
    return said


def check_texts(name, folder, model):
    """Vectors of texts and scores of pairs, whose ids are llama.cpp's own, too."""
    said = ""
    if (folder / "texts.json").exists():
        want = np.load(folder / "vectors.npy")
        got = model.vectors([model.tokens(text) for text in read(folder / "texts.json")], want.shape[1])
        said += ", " + check(peer.distance(peer.unit(got), want), TABLE if name in TABLED else ROUNDING, "vectors")
    elif (folder / "1_Pooling").exists():  # no text: the vector of the ids, of their last token
        hidden = np.load(folder / "hidden.npy")
        got = model.vectors([read(folder / "ids.json")], hidden.shape[1])
        said += ", " + check(peer.distance(peer.unit(got), peer.unit(hidden[-1:])), ROUNDING, "vector")
    if (folder / "pairs.json").exists():
        n_between = 2 if "roberta" in read(folder / "config.json")["model_type"] else 1
        got = model.vectors([model.pair(*pair, n_between) for pair in read(folder / "pairs.json")], 1)[:, 0]
        said += ", " + check(peer.distance(got, np.load(EXPECTED / f"{name}-scores.npy")), TABLE, "scores")
    return said


def check_prompts(folder, model):
    """Of a model that writes sense: a prompt's ids, and how it goes on."""
    for prompt in read(folder / "expected.json")["prompts"][:2]:
        ids, greedy = prompt["prompt_ids"], prompt["greedy_ids"][:24]
        if model.tokens(prompt["prompt"], False, True) != ids:
            raise Wrong(f"other ids of the {prompt['kind']}'s prompt")
        if model.greedy(ids, len(greedy)) != greedy:
            raise Wrong(f"other greedy ids of the {prompt['kind']}")
    return "ids of prompts and greedy ids the same"


def examine(build, name, path):
    """What is to be said of a model, for which nothing is wrong."""
    folder = TRAINED if name == TRAINED.name else TINY / name
    done = convert(build, folder, path)
    if done.returncode:
        must_say(name, UNWRITTEN, done.stderr)
        return f"not written: {UNWRITTEN[name][1]}"
    try:
        model = peer.Peer(path)
    except peer.Refused as refusal:
        must_say(name, REFUSED, str(refusal))
        return f"not loaded: {REFUSED[name][1]}"
    if name in UNWRITTEN or name in REFUSED:
        raise Wrong("a limit is named, but it is written and loaded")
    if folder == TRAINED:
        return check_prompts(folder, model)
    said = check_outputs(name, folder, model) + check_texts(name, folder, model)
    return said + (f"; otherwise: {OTHERWISE[name]}" if name in OTHERWISE else "")


def in_child(build, name, path):
    """A process of its own, as llama.cpp ends the one that it does not like."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        status = 0
        try:
            said = examine(build, name, path)
        except (Wrong, peer.Refused, OSError) as error:
            said, status = f"{type(error).__name__}: {error}", 1
        os.write(writer, said.encode())
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as f:
        said = f.read()
    status = os.waitpid(child, 0)[1]
    return status == 0, said or f"ended with status {status}"


def main(build, names):
    known = sorted(folder.parent.name for folder in TINY.glob("*/config.json"))
    wrong = [f"{name}: known_limits.py names it, and there is none" for table in (UNWRITTEN, REFUSED, OTHERWISE, TABLED)
             for name in table if name not in known]
    with tempfile.TemporaryDirectory() as tmp:
        for name in names or [*known, TRAINED.name]:
            good, said = in_child(build, name, pathlib.Path(tmp) / "model.gguf")
            print(f"{name}: {said}", flush=True)
            wrong += [] if good else [f"{name}: {said}"]
    return "\n".join(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]) or 0)
