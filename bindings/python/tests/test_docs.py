import re
from pathlib import Path

import pytest
from conftest import ROOT, TINY


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(), re.M | re.S)
    assert len(blocks) >= 9
    (tmp_path / "encoder").symlink_to(TINY / "bert")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(str(names["text"])) > 20
    assert re.fullmatch(r"(The|A) (fox|owl) [a-z]{3,9}\.", str(names["sentence"]))
    printed = capsys.readouterr().out
    assert "none.gguf" in printed and "IO" in printed and "llama" in printed


def test_the_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    exec(block, {})
    assert len(capsys.readouterr().out) > 20


def test_the_example_of_the_package_runs(capsys: pytest.CaptureFixture[str]) -> None:
    import libinfer

    code = "".join(line[4:] + "\n" for line in str(libinfer.__doc__).splitlines() if line.startswith("    "))
    exec(code, {})
    assert len(capsys.readouterr().out) > 20
