"""The daemon dies, and another takes over all that runs: nothing is started again."""

from __future__ import annotations

import signal
from typing import Final

from netemu.errors import HostError
from netemu.lab.bench.bed import PODS, Bed, timed
from netemu.lab.bench.contract import Figure, Samples, Target

_DEAD_WITHIN_S = 5.0


def measure(bed: Bed) -> Samples:
    bed.pods()
    before = _pids(bed)
    daemon = bed.record().process
    daemon.signal(signal.SIGKILL)
    daemon.wait(_DEAD_WITHIN_S)
    took_s = timed("up", bed.name, "--no-context", "--quiet")
    if _pids(bed) != before:
        raise HostError("measuring", where=bed.name, answer="containers were started again")
    return Samples({"adoption": took_s}, dict(bed.record().stages))


def _pids(bed: Bed) -> dict[str, int]:
    _, sandboxes, containers = bed.processes()
    return {each.id: each.pid for each in sandboxes} | {each.id: each.pid for each in containers}


FIGURE: Final = Figure(
    {"adoption": Target(f"up after kill -9, {PODS} Pods adopted", 1.5)}, measure, order=8
)
