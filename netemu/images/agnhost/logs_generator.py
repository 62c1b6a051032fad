"""`logs-generator`: so many lines in so much time, each with its number."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

from netemu.images.flags import Command, Flag, Flags

_METHODS = ("GET", "POST", "PUT")
_NAMESPACES = ("kube-system", "default", "ns")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_AT_ONCE_S = 0.001
"""Lines that are due together are written together."""


def line_of(number: int, chance: random.Random) -> str:
    name = "".join(chance.choices(_LETTERS, k=chance.randint(3, 4)))
    url = f"/api/v1/namespaces/{chance.choice(_NAMESPACES)}/pods/{name}"
    return f"{number} {chance.choice(_METHODS)} {url} {chance.randrange(200, 600)}"


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    total, duration_s = flags.number("log-lines-total"), flags.seconds("run-duration")
    for what, value in (("total number of lines", total), ("duration", duration_s)):
        if value <= 0:
            os.write(2, f"Invalid {what}: {value:g}\n".encode())
            return 255
    for lines in _paced(total, duration_s):
        _write("".join(lines).encode())
    return 0


def _paced(total: int, duration_s: float) -> Iterator[list[str]]:
    """Yield what is due, when it is due."""
    chance = random.Random()
    began, done = time.monotonic(), 0
    while done < total:
        due = min(total, int((time.monotonic() - began) / duration_s * total) + 1)
        yield [f"{_prefix()}{line_of(number, chance)}\n" for number in range(done, due)]
        done = due
        next_at = began + duration_s * done / total
        time.sleep(max(next_at - time.monotonic(), _AT_ONCE_S))


def _prefix() -> str:
    """Return what Kubernetes' own log lines begin with."""
    now = time.time()
    clock = time.strftime("%m%d %H:%M:%S", time.gmtime(now))
    return f"I{clock}.{int(now % 1 * 1e6):06d} {os.getpid():7d} logs_generator.go:77] "


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


COMMAND = Command(
    "Writes lines of a log, evenly over a time",
    _run,
    {
        "log-lines-total": Flag(0, "How many lines", short="t"),
        "run-duration": Flag(0.0, "In how much time, such as 1m30s", short="d", duration=True),
    },
)
