"""How old something is, in the two or three letters that kubectl users read."""

from __future__ import annotations

from datetime import datetime

from netemu.model.clock import parse_time
from netemu.model.schema import MicroTime, Time

UNKNOWN = "<unknown>"


def age_of(time: Time | MicroTime | None, now: datetime) -> str:
    """Return the age of a wire timestamp at `now`."""
    if not time:
        return UNKNOWN
    return age((now - parse_time(time)).total_seconds())


def age(elapsed_s: float) -> str:
    """Return a duration the shorter the longer it is: 90s, 5m30s, 3h15m, 2d4h, 3y."""
    seconds = int(elapsed_s)
    if seconds < -1:
        return "<invalid>"  # A clock is wrong, by more than the wire's resolution.
    seconds = max(seconds, 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
