"""`at: 30s`: when a step is taken, counted from the first step or from a load's start."""

from __future__ import annotations

from dataclasses import dataclass

from netemu.errors import UserError
from netemu.model.duration import parse_duration


@dataclass(frozen=True, slots=True)
class Moment:
    """So many seconds after the first step began, or after a load was started."""

    after_s: float
    load: str = ""

    def __str__(self) -> str:
        since = f"{self.load} + " if self.load else ""
        return f"{since}{self.after_s:g} s"


def parse_moment(text: object) -> Moment:
    """Return the moment of `30s` or `LOAD+30s`; UserError if it is neither."""
    if not isinstance(text, str):
        raise UserError(f"at: {text!r} has no unit: write 500ms, 30s or 1m30s")
    load, plus, after = (part.strip() for part in text.rpartition("+"))
    if plus and not load:
        raise UserError(f'at: "{text}" names no load: write 30s, or NAME+30s')
    try:
        return Moment(parse_duration(after), load)
    except ValueError as error:
        raise UserError(f"at: {error}") from error
