"""A node that joins a running cluster, until it is Ready; and one that leaves."""

from __future__ import annotations

from typing import Final

from netemu.lab.bench.bed import Bed, timed
from netemu.lab.bench.contract import Figure, Samples, Target

_NAME = "bench-node"


def measure(bed: Bed) -> Samples:
    bed.up()
    add_s = timed("node", "add", _NAME, "--cluster", bed.name)
    remove_s = timed("node", "remove", _NAME, "--cluster", bed.name)
    return Samples({"node-add": add_s, "node-remove": remove_s})


FIGURE: Final = Figure(
    {
        "node-add": Target("node add, until it is Ready", 1.0),
        "node-remove": Target("node remove", 1.0),
    },
    measure,
    order=2,
)
