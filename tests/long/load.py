"""The load: traffic from a Pod and from the host, and which of its failures are excused.

Whoever is killed, the data plane goes on: a failure is excused only when it hits what
was killed itself, and only until that is known to have been noticed, and a bit.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PROGRAM = Path(__file__).with_name("traffic.py")
NOTICED_WITHIN_S = 3.0
"""From when the API knows who is dead to when no node's rules name them any more."""


@dataclass(frozen=True, slots=True)
class Failure:
    probe: str
    began: float
    ended: float
    why: str


@dataclass(frozen=True, slots=True)
class Window:
    """When failures of some probes are excused, and why."""

    probes: str
    """What their names begin with."""
    began: float
    ended: float
    why: str

    def excuses(self, failure: Failure) -> bool:
        return (
            failure.probe.startswith(self.probes)
            and failure.ended >= self.began
            and failure.began <= self.ended + NOTICED_WITHIN_S
        )


class Load:
    """Traffic of several places."""

    def __init__(self) -> None:
        self._places: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        self.sent: Counter[str] = Counter()
        self.failures: list[Failure] = []

    def begin(self, probes: dict[str, dict[str, Any]], *, netns: str = "") -> None:
        enter = ["ip", "netns", "exec", netns] if netns else []
        argv = [*enter, sys.executable, str(_PROGRAM), json.dumps(probes)]
        # Not a pipe: nobody reads it before the end, and a full one would stop the traffic.
        heard = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end.
        self._places.append((subprocess.Popen(argv, stdout=heard), heard))

    async def end(self) -> None:
        for place, _ in self._places:
            place.send_signal(signal.SIGTERM)
        for place, heard in self._places:
            assert await asyncio.to_thread(place.wait, 20) == 0
            heard.seek(0)
            for line in map(json.loads, heard):
                if "sent" in line:
                    self.sent.update(line["sent"])
                else:
                    self.failures.append(Failure(**line))
            heard.close()
        self._places.clear()

    def unexcused(self, windows: list[Window]) -> list[Failure]:
        return [
            failure
            for failure in self.failures
            if not any(window.excuses(failure) for window in windows)
        ]


def now() -> float:
    """The clock of all processes of this host."""
    return time.monotonic()
