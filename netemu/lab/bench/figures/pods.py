"""A hundred Pods of one Deployment, from `scale` to all Ready."""

from __future__ import annotations

from typing import Final

from netemu.lab.bench.bed import PODS, Bed
from netemu.lab.bench.contract import Figure, Samples, Target


def measure(bed: Bed) -> Samples:
    return Samples({"pods": bed.pods()})


FIGURE: Final = Figure({"pods": Target(f"scale to {PODS} Ready Pods", 2.5)}, measure, order=4)
