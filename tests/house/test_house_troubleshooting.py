"""The page of troubleshooting is what the doctor says, and each finding leads to its place."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from doctor_page import of_clusters, of_host
from house_tree import ROOT

from netemu.core.doctor.catalogue import CATALOGUE
from netemu.core.doctor.findings import PAGE, Need, Observation, judge
from netemu.core.doctor.health import HEALTH

_PAGE = ROOT / PAGE
_BEGIN = "<!-- made by tests/house/test_house_troubleshooting.py --update-golden: {part} -->\n"
_END = "<!-- end of {part} -->\n"
_PARTS = {"hosts": of_host, "clusters": of_clusters}


@pytest.mark.parametrize("part", _PARTS)
def test_the_page_is_what_the_doctor_says(part: str, update_golden: bool) -> None:
    """Each check, what it means, what follows, what to do, how to look by hand."""
    begin, end = _BEGIN.format(part=part), _END.format(part=part)
    text = _PAGE.read_text(encoding="utf-8")
    head, begins, rest = text.partition(begin)
    old, ends, tail = rest.partition(end)
    assert begins, f"{_PAGE} lacks the line {begin}"
    assert ends, f"{_PAGE} lacks the line {end}"
    wanted = f"\n{_PARTS[part]()}\n"
    if update_golden:
        _PAGE.write_text(head + begin + wanted + end + tail, encoding="utf-8")
        return
    assert old == wanted


def _anchors() -> Counter[str]:
    """Headings' ids as GitHub makes them; what stands in code blocks is no heading."""
    text = re.sub(
        r"^```.*?^```$", "", _PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return Counter(title.replace(" ", "-") for title in plain)


@pytest.mark.parametrize("catalogue", [CATALOGUE, HEALTH], ids=["hosts", "clusters"])
def test_each_finding_leads_to_its_place(catalogue: tuple) -> None:
    """Doctor prints `docs/troubleshooting.md#NAME`: there is one heading of that id."""
    anchors = _anchors()
    findings = judge(catalogue, {check.name: Observation(False) for check in catalogue})
    wrong = {
        finding.page: anchors[finding.page.removeprefix(f"{PAGE}#")]
        for finding in findings
        if anchors[finding.page.removeprefix(f"{PAGE}#")] != 1
    }
    assert wrong == {}
    assert len(findings) == len(catalogue)


def test_links_on_the_page_lead_somewhere() -> None:
    """To its own headings and to files."""
    text = _PAGE.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    anchors = _anchors()
    inner = [t[1:] for t in targets if t.startswith("#")]
    files = [t.partition("#")[0] for t in targets if not t.startswith(("#", "http"))]
    assert [anchor for anchor in inner if anchor not in anchors] == []
    assert [name for name in files if not (_PAGE.parent / name).exists()] == []
    assert len(inner) > 20


def test_what_cannot_be_needed_tells_what_follows() -> None:
    """Each check has commands to look by hand; each that is only a note says what follows."""
    every = [*CATALOGUE, *HEALTH]
    assert [check.name for check in every if not check.look] == []
    notes = {check.name for check in CATALOGUE if check.need is Need.NOTE and not check.follows}
    assert notes <= {"PATH", "open files", "process ids", "clusters", "leftovers"}
