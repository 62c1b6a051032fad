"""What is written about scenario steps is what they are: it is made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from house_tree import ROOT
from step_reference import reference, rows

_BEGIN = "<!-- made from the code by tests/house/test_house_scenarios.py --update-golden -->\n"
_END = "<!-- end of what is made from the code -->\n"


@pytest.mark.parametrize(
    ("path", "made"),
    [
        (ROOT / "docs" / "scenarios.md", reference),
        (ROOT / "netemu" / "lab" / "steps" / "README.md", rows),
    ],
    ids=["scenarios.md", "README.md"],
)
def test_the_reference_of_steps_is_what_the_code_says(
    path: Path, made: object, update_golden: bool
) -> None:
    """Each step and each of its fields, with type, default and meaning."""
    assert callable(made)
    text = path.read_text(encoding="utf-8")
    head, begin, rest = text.partition(_BEGIN)
    old, end, tail = rest.partition(_END)
    assert begin, f"{path} lacks the line {_BEGIN}"
    assert end, f"{path} lacks the line {_END}"
    wanted = f"\n{made()}\n"
    if update_golden:
        path.write_text(head + begin + wanted + end + tail, encoding="utf-8")
        return
    assert old == wanted


def test_every_field_of_every_step_says_what_it_is() -> None:
    """No row of the reference ends without a meaning."""
    fields = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(fields) > 60
    assert [line for line in fields if line.endswith("|  |")] == []
