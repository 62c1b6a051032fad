"""The page that says what is honoured of PodSpec is made from the code, and complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from netemu.core.kubelet import honoured, honoured_fields
from netemu.core.kubelet.honoured import Verdict
from netemu.core.kubelet.honoured_fields import Fields
from netemu.model.core_v1 import Container, PodSpec, Probe, ResourceRequirements
from netemu.model.schema import fields_of
from netemu.model.wire import ApiStruct

PAGE = Path(__file__).parents[3] / "docs" / "podspec.md"


def test_the_page_is_what_the_code_says(*, update_golden: bool) -> None:
    """Made anew by --update-golden; every field of every type is looked up on the way."""
    text = honoured.render()
    if update_golden:
        PAGE.write_text(text)
    assert text == PAGE.read_text()


def test_every_field_has_one_verdict() -> None:
    """Of the containers and the Pod itself, field by field."""
    for kind in honoured.types():
        assert [row.name for row in honoured.rows_of(kind)] == [
            one.wire_name for one in fields_of(kind)
        ]


def test_nothing_is_said_of_what_is_not_there() -> None:
    """A type that the page does not reach has no business in the table."""
    assert set(honoured_fields.FIELDS) <= set(honoured.types())


@pytest.mark.parametrize(
    ("kind", "done", "complaint"),
    [
        (Probe, "exec httpGet", "nothing is said of Probe.tcpSocket"),
        (
            ResourceRequirements,
            "limits",
            "more than one thing is said of ResourceRequirements.limits",
        ),
    ],
)
def test_a_field_that_is_forgotten_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: type[ApiStruct], done: str, complaint: str
) -> None:
    """By its type and name, as is one of which two things are said."""
    monkeypatch.setattr(honoured, "FIELDS", {kind: Fields(done=done)})
    with pytest.raises(honoured.UnknownFieldError, match=complaint):
        honoured.rows_of(kind)


@pytest.mark.parametrize(
    ("kind", "name", "verdict"),
    [
        (PodSpec, "hostPID", Verdict.NOTHING),
        (PodSpec, "containers", Verdict.DONE),
        (Container, "image", Verdict.BUT),
        (Container, "volumeDevices", Verdict.NOTHING),
    ],
)
def test_where_verdicts_come_from(kind: type, name: str, verdict: Verdict) -> None:
    """Gaps that events tell of, and what is said besides."""
    (row,) = (row for row in honoured.rows_of(kind) if row.name == name)
    assert row.verdict is verdict
