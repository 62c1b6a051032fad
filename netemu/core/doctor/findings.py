"""Checks, how they went, and what that means: missing, absent, or only worth knowing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from netemu.errors import MissingFacility

PAGE = "docs/troubleshooting.md"


class Need(StrEnum):
    """What it means if a check is not fine."""

    NEEDED = "needed"
    OPTIONAL = "optional"
    NOTE = "note"
    """Nothing is missing; something is worth knowing."""


class Verdict(StrEnum):
    OK = "ok"
    MISSING = "missing"
    ABSENT = "absent"
    """Missing, but only some things need it."""
    NOTE = "note"
    UNKNOWN = "unknown"
    """It could not be tried: without root, most often."""


class Observation(msgspec.Struct, frozen=True):
    """How one check went; `fine` is None where nobody could look."""

    fine: bool | None
    detail: str = ""


class Check(msgspec.Struct, frozen=True):
    """One thing to look at: why it matters, and how to get it."""

    name: str
    need: Need
    why: str
    remedy: str
    look: tuple[str, ...] = ()
    """Commands that show it by hand."""
    follows: str = ""
    """What works all the same, what does not, and what netemu does instead."""
    group: str = ""

    @property
    def anchor(self) -> str:
        """Return the id of its heading, as GitHub makes it."""
        return self.name.lower().replace(" ", "-")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A check and how it went."""

    name: str
    verdict: Verdict
    detail: str
    why: str
    remedy: str
    page: str
    """Where more is told of it."""
    group: str = ""


def judge(catalogue: Iterable[Check], observations: Mapping[str, Observation]) -> list[Finding]:
    """Return a finding for each check that was looked at, in the catalogue's order."""
    return [
        Finding(
            name=check.name,
            verdict=_verdict(check.need, observations[check.name].fine),
            detail=observations[check.name].detail,
            why=check.why,
            remedy=check.remedy,
            page=f"{PAGE}#{check.anchor}",
            group=check.group,
        )
        for check in catalogue
        if check.name in observations
    ]


def _verdict(need: Need, fine: bool | None) -> Verdict:
    if fine is None:
        return Verdict.UNKNOWN
    if fine:
        return Verdict.OK
    verdicts = {
        Need.NEEDED: Verdict.MISSING,
        Need.OPTIONAL: Verdict.ABSENT,
        Need.NOTE: Verdict.NOTE,
    }
    return verdicts[need]


def stop_at_missing(findings: Iterable[Finding]) -> None:
    """Raise MissingFacility for the first finding that is missing, and name the others."""
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    if not missing:
        return
    first, *others = missing
    more = f" Missing, too: {', '.join(other.name for other in others)}." if others else ""
    said = f" ({first.detail})" if first.detail else ""
    raise MissingFacility(
        first.name,
        why=f"{first.why}{said}",
        remedy=f"{first.remedy}{more} `sudo netemu doctor` tells all.",
    )
