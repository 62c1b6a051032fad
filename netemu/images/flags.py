"""Command-line flags as Go programs take them: `--port=80`, `--port 80`, `--udp`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_DURATION = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class UnknownFlag(Exception):  # noqa: N818 - the field's word.
    """A flag that the command has not."""


def parse_flags(
    args: Sequence[str], defaults: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return every flag's value and the other arguments.

    A flag whose default is `true` or `false` takes a value only after `=`.
    """
    values, rest = dict(defaults), []
    words = iter(args)
    for word in words:
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        if word == "--":
            rest += words
            break
        name, equals, value = word.lstrip("-").partition("=")
        if name not in defaults:
            raise UnknownFlag(f"unknown flag: --{name}")
        if not equals:
            is_switch = defaults[name] in ("true", "false")
            value = "true" if is_switch else next(words, "")
        values[name] = value
    return values, rest


def seconds(text: str) -> float:
    """Return a Go duration (`1m30s`, `100ms`) or a bare number in seconds."""
    if not text:
        return 0.0
    if re.fullmatch(r"[0-9]*\.?[0-9]+", text):
        return float(text)
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration {text!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
