"""BalancedAllocation: prefer Nodes whose CPU and memory would be used to the same degree."""

from __future__ import annotations

from collections.abc import Sequence

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import MOST, SKIP, Candidate, Score, Skip


def prepare(candidate: Candidate, _cluster: Cluster, _feasible: Sequence[NodeInfo]) -> Skip | None:
    request = candidate.info.request
    return None if request.get("cpu") or request.get("memory") else SKIP


def score(candidate: Candidate, node: NodeInfo, _prepared: None) -> float:
    deviation = abs(_fraction(candidate, node, "cpu") - _fraction(candidate, node, "memory")) / 2
    return int((1 - deviation) * MOST)


def _fraction(candidate: Candidate, node: NodeInfo, name: str) -> float:
    allocatable = node.allocatable.get(name, 0)
    if not allocatable:
        return 0.0
    asked = node.requested.get(name, 0) + candidate.info.request.get(name, 0)
    return min(1.0, asked / allocatable)


SCORE = Score(name="NodeResourcesBalancedAllocation", weight=1, score=score, prepare=prepare)
