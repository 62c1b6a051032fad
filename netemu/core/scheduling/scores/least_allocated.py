"""LeastAllocated: prefer Nodes with much CPU and memory left, the Pod counted in."""

from __future__ import annotations

from collections.abc import Sequence

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import MOST, Candidate, Score

_RESOURCES = ("cpu", "memory")


def prepare(_candidate: Candidate, _cluster: Cluster, _feasible: Sequence[NodeInfo]) -> None:
    return None


def score(candidate: Candidate, node: NodeInfo, _prepared: None) -> float:
    weighed = [name for name in _RESOURCES if node.allocatable.get(name)]
    if not weighed:
        return 0
    return sum(_left(candidate, node, name) for name in weighed) // len(weighed)


def _left(candidate: Candidate, node: NodeInfo, name: str) -> int:
    allocatable = node.allocatable[name]
    asked = node.weighed.get(name, 0) + candidate.info.weighed.get(name, 0)
    return (allocatable - asked) * MOST // allocatable if asked <= allocatable else 0


SCORE = Score(name="NodeResourcesFit", weight=1, score=score, prepare=prepare)
