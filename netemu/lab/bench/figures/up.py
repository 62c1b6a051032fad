"""From the command line to three Ready nodes with DNS answering on each."""

from __future__ import annotations

from typing import Final

from netemu.lab.bench.bed import Bed
from netemu.lab.bench.contract import Figure, Samples, Target


def measure(bed: Bed) -> Samples:
    bed.up()
    return Samples({"up": bed.up_s}, dict(bed.stages))


FIGURE: Final = Figure(
    {"up": Target("up: three Ready nodes, DNS answering", 1.5)}, measure, order=0
)
