"""`25%` or `3`: how many of a total that is."""

from __future__ import annotations


def share_of(value: int | str | None, total: int, *, round_up: bool) -> int:
    """Resolve an IntOrString against a total; None is nothing."""
    if isinstance(value, int):
        return value
    percent = (value or "").removesuffix("%")
    parts = total * int(percent) if percent.isdecimal() else 0
    return -(-parts // 100) if round_up else parts // 100
