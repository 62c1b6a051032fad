"""Bad input: one sentence with file and line and what would be right, exit 2, nothing made.

Each file in bad/ is given to the verb that reads its kind; the .txt beside it is what must
come out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from netemu.cli import _program
from netemu.host import clusters

pytestmark = pytest.mark.root

HERE = Path(__file__).parent
FILES = sorted(path.name for path in (HERE / "bad").glob("*.yaml"))
_VERBS = {"cluster": ["up", "--config"], "manifest": ["apply", "-f"]}


def _answer(file: str, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    argv = [*_VERBS.get(file.partition("-")[0], ["run"]), f"bad/{file}"]
    with pytest.raises(SystemExit) as end:
        _program.main(argv)
    said = capsys.readouterr()
    assert said.out == ""
    return end.value.code, said.err


@pytest.mark.parametrize("file", FILES)
def test_bad_input_is_one_sentence(
    file: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    update_golden: bool,
):
    """Exit 2; the golden text, which names file and line; no cluster, no folder."""
    monkeypatch.chdir(HERE)
    before = clusters.known()
    code, said = _answer(file, capsys)
    golden = HERE / "bad" / file.replace(".yaml", ".txt")
    if update_golden:
        golden.write_text(said)
    assert said == golden.read_text()
    assert (code, said.count("\n")) == (2, 1)
    assert clusters.known() == before


def test_every_kind_of_mistake_is_there():
    """The folder is read, and each sentence names a file; all but a few name a line, too."""
    texts = [path.read_text() for path in (HERE / "bad").glob("*.txt")]
    assert len(texts) == len(FILES) > 70
    assert all(".yaml:" in text for text in texts)
    without_line = [text for text in texts if ".yaml: " in text]
    assert len(without_line) <= 3
