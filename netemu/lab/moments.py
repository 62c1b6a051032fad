"""`at: 30s`: when a step is taken, counted from the first step or from a load's start."""

from __future__ import annotations

import re
from dataclasses import dataclass

from netemu.errors import UserError

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Moment:
    """So many seconds after the first step began, or after a load was started."""

    after_s: float
    load: str = ""

    def __str__(self) -> str:
        since = f"{self.load} + " if self.load else ""
        return f"{since}{self.after_s:g} s"


def parse_duration(text: str) -> float:
    """Return seconds of `30s`, `500ms`, `1m30s`; UserError for anything else."""
    if not _DURATION.fullmatch(text):
        raise UserError(f'"{text}" is no duration: write 500ms, 30s or 1m30s')
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))


def parse_moment(text: object) -> Moment:
    """Return the moment of `30s` or `LOAD+30s`; UserError if it is neither."""
    if not isinstance(text, str):
        raise UserError(f"at: {text!r} has no unit: write 500ms, 30s or 1m30s")
    load, plus, after = text.replace(" ", "").rpartition("+")
    if plus and not load:
        raise UserError(f'at: "{text}" names no load: write 30s, or NAME+30s')
    try:
        return Moment(parse_duration(after), load)
    except UserError as error:
        raise UserError(f"at: {error.message}") from error
