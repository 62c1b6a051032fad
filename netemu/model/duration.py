"""Durations as people write them: `500ms`, `40s`, `1m30s`."""

from __future__ import annotations

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Return seconds; ValueError with a sentence if it is no duration."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{text}" is no duration: write 500ms, 30s or 1m30s')
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
