import json

import numpy as np
import pytest
from conftest import DATA

from libinfer import ArgumentError, Model, Tokenizer

CASES = [json.loads(line) for line in (DATA / "tokenizer/cases.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    return {name: Tokenizer.open(str(DATA / f"tokenizer/{name}.json")) for name in {c["tokenizer"] for c in CASES}}


def test_texts_have_the_ids_of_the_reference(tokenizers: dict[str, Tokenizer]) -> None:
    assert len(CASES) > 20
    for case in CASES:
        tokenizer = tokenizers[case["tokenizer"]]
        assert tokenizer.encode(case["text"], parse_special=True) == case["ids"]
        assert tokenizer.encode(case["text"], add_special=False, parse_special=True) == case["ids_no_special"]


def test_ids_have_the_text_of_the_reference(tokenizers: dict[str, Tokenizer]) -> None:
    for case in CASES:
        tokenizer = tokenizers[case["tokenizer"]]
        assert tokenizer.decode(case["ids"], unparse_special=True) == case["decode"]
        assert tokenizer.decode(np.array(case["ids"], np.int64)) == case["decode_skip"]


def test_pieces_are_whole_characters_and_make_the_text(tokenizers: dict[str, Tokenizer]) -> None:
    for case in CASES:
        pieces = list(tokenizers[case["tokenizer"]].pieces(case["ids"]))
        if "\ufffd" in "".join(pieces):  # what is not UTF-8 shows in pieces only
            continue
        assert "".join(pieces) == case["decode_skip"] and "" not in pieces


def test_an_unfinished_character_comes_at_the_end(tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers["bytes"]
    stream = tokenizer.stream()
    first = tokenizer.encode("\U00020bb7".encode()[:2], add_special=False)
    assert "".join(stream.feed(id) for id in first) == "" and stream.end() == "\ufffd"


def test_tokens_are_found_by_name(model: Model) -> None:
    tokenizer = model.tokenizer
    assert len(tokenizer) == 1024
    for id in (0, 5, 1023):
        assert tokenizer.find(tokenizer.token(id)) == id
    assert tokenizer.find("no such token") is None
    assert tokenizer.bos is None or tokenizer.is_control(tokenizer.bos)
    assert tokenizer.eos is not None and tokenizer.is_end(tokenizer.eos)
    with pytest.raises(IndexError):
        tokenizer.token(5000)


def test_an_id_outside_the_vocabulary_is_a_value_error(model: Model) -> None:
    with pytest.raises(ArgumentError, match="5000"):
        model.tokenizer.decode([5000])
    for ids in ([2**40], np.array([2**40])):
        with pytest.raises(OverflowError):
            model.tokenizer.decode(ids)
    with pytest.raises(TypeError):
        model.tokenizer.decode(np.array([1.5]))


def test_a_long_text_is_encoded_whole(model: Model) -> None:
    text = "Once upon a time. " * 5000 + "\0 with a NUL"
    tokenizer = model.tokenizer
    assert tokenizer.decode(tokenizer.encode(text, add_special=False)) == text
