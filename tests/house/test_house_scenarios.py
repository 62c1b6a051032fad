"""What is written about scenario steps is what they are: it is made from them."""

from __future__ import annotations

import pytest
from house_tree import ROOT
from step_reference import reference, rows, shipped

_BEGIN = "<!-- made by tests/house/test_house_scenarios.py --update-golden: {part} -->\n"
_END = "<!-- end of {part} -->\n"
_GUIDE = ROOT / "docs" / "scenarios.md"
_PARTS = {
    "all steps": (_GUIDE, reference),
    "what is there": (_GUIDE, lambda: shipped(ROOT / "scenarios")),
    "the steps": (ROOT / "netemu" / "lab" / "steps" / "README.md", rows),
}


@pytest.mark.parametrize("part", _PARTS)
def test_what_is_written_is_what_the_code_says(part: str, update_golden: bool) -> None:
    """Scenarios, steps and their fields, each with its meaning, stand in the docs as they are."""
    path, made = _PARTS[part]
    begin, end = _BEGIN.format(part=part), _END.format(part=part)
    text = path.read_text(encoding="utf-8")
    head, begins, rest = text.partition(begin)
    old, ends, tail = rest.partition(end)
    assert begins, f"{path} lacks the line {begin}"
    assert ends, f"{path} lacks the line {end}"
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
