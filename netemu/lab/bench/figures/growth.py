"""Pods come and go; what the daemon and the zygote needed for them comes back."""

from __future__ import annotations

from typing import Final

from netemu.lab.bench.bed import PODS, Bed
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.lab.bench.memory import descriptors, rss_mib

_ROUNDS = 10


def measure(bed: Bed) -> Samples:
    bed.pods()
    bed.scale(0)
    first = _sizes(bed)
    for _ in range(_ROUNDS):
        bed.scale(PODS)
        bed.scale(0)
    last = _sizes(bed)
    bed.scale(PODS)
    daemon, zygote, files = (late - early for early, late in zip(first, last, strict=True))
    return Samples(
        {"growth": daemon + zygote, "growth-files": files},
        {"of that the daemon, MiB": daemon, "the zygote": zygote, "the daemon in all": last[0]},
    )


def _sizes(bed: Bed) -> tuple[float, float, int]:
    """Return the daemon's and the zygote's memory, and what both have open."""
    daemon, (zygote, *_) = bed.record().pid, bed.processes()
    return rss_mib(daemon), rss_mib(zygote), descriptors(daemon) + descriptors(zygote)


FIGURE: Final = Figure(
    {
        "growth": Target(f"daemon and zygote after {_ROUNDS} times {PODS} Pods", 60.0, "MiB more"),
        "growth-files": Target("what they have open", 10, "more", digits=0),
    },
    measure,
    order=9,
)
