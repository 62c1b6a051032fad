"""Verbs that need no daemon: how long a person waits for the interpreter."""

from __future__ import annotations

from typing import Final

from netemu.lab.bench.bed import Bed, timed
from netemu.lab.bench.contract import Figure, Samples, Target


def measure(_: Bed) -> Samples:
    return Samples({"help": timed("--help"), "status": timed("status")})


FIGURE: Final = Figure(
    {"help": Target("netemu --help", 0.2), "status": Target("netemu status", 0.2)}, measure, order=1
)
