from collections.abc import Iterator
from pathlib import Path

import pytest

from libinfer import Context, Model, Precision, Session

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests/data"
TINY = DATA / "tiny"


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(2)


@pytest.fixture(scope="session")
def model(context: Context) -> Model:
    """The story model: a decoder with a tokenizer."""
    return Model.default(context=context)


@pytest.fixture
def session(model: Model) -> Iterator[Session]:
    with Session(model, precision=Precision.EXACT) as session:
        yield session
