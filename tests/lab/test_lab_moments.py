"""`at`: which moments can be written."""

from __future__ import annotations

import pytest

from netemu.errors import UserError
from netemu.lab.moments import Moment, parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", Moment(30.0)),
        ("500ms", Moment(0.5)),
        ("1m30s", Moment(90.0)),
        ("web+2s", Moment(2.0, "web")),
        ("web + 250ms", Moment(0.25, "web")),
    ],
)
def test_a_moment_is_a_duration_after_something(text: str, moment: Moment) -> None:
    """After the first step, or after the load that is named."""
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", [30, None, "", "30", "s", "-3s", "+3s", "web+", "3s+web", "1h 2"])
def test_anything_else_is_refused(text: object) -> None:
    """With a sentence that begins with the field and shows what would be right."""
    with pytest.raises(UserError, match=r"^at: .*(500ms|30s)"):
        parse_moment(text)


def test_a_moment_can_be_read() -> None:
    """As it stands in a step's title."""
    assert [str(Moment(30.0)), str(Moment(0.5, "web"))] == ["30 s", "web + 0.5 s"]
