"""Amounts of things: `500m`, `1.5Gi`, `12e6`. Exact, in whole billionths, as Kubernetes counts.

An amount is written in the family of suffixes in which it was given, with the largest
suffix that leaves a whole number: `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`,
`1.5Gi` is `1536Mi`. What is finer than a billionth is rounded up.
"""

from __future__ import annotations

import re
from functools import lru_cache

from netemu.model.wire import Quantity

_NANO = 10**9
_FORM = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d*)(?:\.(?P<part>\d*))?"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]?|[eE][+-]?\d+)"
)
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_BINARY = {0: "", 10: "Ki", 20: "Mi", 30: "Gi", 40: "Ti", 50: "Pi", 60: "Ei"}
_EXPONENT = {power: f"e{power}" if power else "" for power in _DECIMAL}
_POWER_OF_TEN = {suffix: power for power, suffix in _DECIMAL.items()}
_POWER_OF_TWO = {suffix: power for power, suffix in _BINARY.items() if suffix}


def value(quantity: Quantity) -> int:
    """Return the amount in whole units, rounded up; an empty quantity is none."""
    return _ceil(_parse(quantity)[0], _NANO) if quantity else 0


def milli(quantity: Quantity) -> int:
    """Return the amount in thousandths, rounded up; an empty quantity is none."""
    return _ceil(_parse(quantity)[0], 10**6) if quantity else 0


def from_milli(thousandths: int) -> Quantity:
    return Quantity(_decimal(thousandths * 10**6, _DECIMAL))


def from_bytes(count: int) -> Quantity:
    """Return the amount in the family of `Ki`."""
    return Quantity(_binary(count * _NANO))


@lru_cache(maxsize=4096)
def canonical(amount: str | float) -> Quantity:
    """Return the amount as Kubernetes writes it; ValueError if it is none."""
    nanos, suffix = _parse(str(amount).strip())
    if suffix in _POWER_OF_TWO and abs(nanos) >= 1024 * _NANO:
        return Quantity(_binary(nanos))
    if suffix[:1] in ("e", "E") and suffix[1:]:
        return Quantity(_decimal(nanos, _EXPONENT))
    return Quantity(_decimal(nanos, _DECIMAL))


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[int, str]:
    """Return billionths, rounded up, and the suffix."""
    form = _FORM.fullmatch(text)
    if form is None or not (form["whole"] or form["part"]):
        raise ValueError(f"{text!r} is not a quantity like 100m, 2 or 1.5Gi")
    digits = form["whole"] + (form["part"] or "")
    numerator, denominator = int(digits) * _NANO, 10 ** len(form["part"] or "")
    suffix = form["suffix"]
    if suffix in _POWER_OF_TWO:
        numerator <<= _POWER_OF_TWO[suffix]
    else:
        power = _POWER_OF_TEN[suffix] if suffix in _POWER_OF_TEN else int(suffix[1:])
        if abs(power) > 64:
            raise ValueError(f"{text!r} has an exponent out of all proportion")
        numerator *= 10 ** max(power, 0)
        denominator *= 10 ** max(-power, 0)
    nanos = _ceil(numerator, denominator)
    return (-nanos if form["sign"] == "-" else nanos), suffix


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _binary(nanos: int) -> str:
    count, power = _ceil(nanos, _NANO), 0
    while count and count % 1024 == 0 and power < 60:
        count, power = count // 1024, power + 10
    return f"{count}{_BINARY[power]}"


def _decimal(nanos: int, suffixes: dict[int, str]) -> str:
    count, power = nanos, -9
    while count and count % 1000 == 0 and power < 18:
        count, power = count // 1000, power + 3
    return f"{count}{suffixes[power]}" if count else "0"
