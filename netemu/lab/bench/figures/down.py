"""`down`, of a hundred Pods and of an empty cluster."""

from __future__ import annotations

from typing import Final

from netemu.lab.bench.bed import PODS, Bed
from netemu.lab.bench.contract import Figure, Samples, Target


def measure(bed: Bed) -> Samples:
    bed.pods()
    full_s = bed.down()
    bed.up()
    return Samples({"down": bed.down(), "down-pods": full_s})


FIGURE: Final = Figure(
    {
        "down": Target("down", 0.5),
        "down-pods": Target(f"down of {PODS} Pods", 1.5),
    },
    measure,
    order=11,
)
