"""Time as text and text as time. What the time is, callers are told: see `Clock`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from netemu.model.wire import MicroTime, Time

Clock = Callable[[], datetime]
"""Returns the time in UTC."""

_CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")


def parse_time(text: Time | MicroTime) -> datetime:
    """Return the time in UTC; ValueError if it is none."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is not a time like 2006-01-02T15:04:05Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is before the year 1 or after 9999 in UTC") from None


def format_time(time: datetime) -> Time:
    return Time(time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def format_micro_time(time: datetime) -> MicroTime:
    return MicroTime(time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


@lru_cache(maxsize=1024)
def canonical_time(text: str) -> Time:
    """Return it in UTC and whole seconds."""
    if _CANONICAL.fullmatch(text):
        parse_time(Time(text))
        return Time(text)
    return format_time(parse_time(Time(text)))


def canonical_micro_time(text: str) -> MicroTime:
    return format_micro_time(parse_time(MicroTime(text)))
