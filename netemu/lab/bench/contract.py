"""What a figure of `netemu bench` is: what it must be, and how it is measured.

A figure is a file in `figures/` whose `FIGURE` is a `Figure`. Its `measure` is called
once a run with the run's test bed and returns one sample for each of its targets, and
for each detail that helps to understand them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netemu.lab.bench.bed import Bed


@dataclass(frozen=True, slots=True)
class Target:
    """One number, and the bound that it must keep."""

    title: str
    bound: float
    unit: str = "s"
    at_least: bool = False
    digits: int = 2

    def kept(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Samples:
    """What one run of one figure saw."""

    values: Mapping[str, float]
    """By target."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Whatever explains the values: the stages of a start, say."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One file's worth of measurement."""

    targets: Mapping[str, Target]
    measure: Callable[[Bed], Samples]
    order: int
    """When its turn comes in a run: the empty cluster's figures first, its end last."""


@dataclass(frozen=True, slots=True)
class Line:
    """One target's outcome over all runs."""

    name: str
    target: Target
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def kept(self) -> bool:
        return self.target.kept(self.median)


def lines(figures: Mapping[str, Figure], runs: Sequence[Mapping[str, Samples]]) -> list[Line]:
    """Return each target's samples, in the figures' order, but for what the host cannot do."""
    return [
        Line(name, target, tuple(run[figure].values[name] for run in runs))
        for figure, measured in figures.items()
        for name, target in measured.targets.items()
        if all(name in run[figure].values for run in runs)
    ]


def details(figure: str, runs: Sequence[Mapping[str, Samples]]) -> dict[str, float]:
    """Return the median of each detail of one figure."""
    names = runs[0][figure].details
    return {name: median(run[figure].details.get(name, 0.0) for run in runs) for name in names}
