"""One scheduling cycle: a Pod, the cluster, and the Node that suits it best.

Filters leave the Nodes that are possible; scores, each 0 to 100 times its
weight, rank them; of the best one is chosen at random. If none is possible the
answer says why, in the words that `kubectl describe pod` shows
(control-plane-and-node.md, 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Filter, Rejection, Score
from netemu.core.scheduling.profile import Profile

NO_NODES = "no nodes available to schedule pods"
_LOOK_AT_ALL_BELOW = 100
_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"


class Placement(msgspec.Struct, frozen=True):
    node: str
    evaluated: int
    feasible: int


class Unschedulable(msgspec.Struct, frozen=True):
    message: str
    plugins: frozenset[str]
    """The filters that were in the way; without Nodes, none was."""


Choose = Callable[[Sequence[str]], str]


def schedule(
    candidate: Candidate, cluster: Cluster, profile: Profile, choose: Choose
) -> Placement | Unschedulable:
    if not cluster.nodes:
        return Unschedulable(NO_NODES, frozenset())
    feasible, rejected = _filter(candidate, cluster, profile.filters)
    if not feasible:
        return _unschedulable(candidate, rejected)
    evaluated = len(feasible) + len(rejected)
    if len(feasible) == 1:
        return Placement(feasible[0].name, evaluated, 1)
    totals = _score(candidate, cluster, feasible, profile.scores)
    best = max(totals)
    names = [node.name for node, total in zip(feasible, totals, strict=True) if total == best]
    return Placement(choose(names) if len(names) > 1 else names[0], evaluated, len(feasible))


class _Rejected(msgspec.Struct, frozen=True):
    plugin: str
    rejection: Rejection


def _filter(
    candidate: Candidate, cluster: Cluster, filters: Sequence[Filter]
) -> tuple[list[NodeInfo], list[_Rejected]]:
    prepared = [(one, one.prepare(candidate, cluster)) for one in filters]
    active = [(one, state) for one, state in prepared if state is not SKIP]
    nodes, enough = cluster.nodes, _enough(len(cluster.nodes))
    feasible: list[NodeInfo] = []
    rejected: list[_Rejected] = []
    start = cluster.next_start % len(nodes)
    for node in (*nodes[start:], *nodes[:start]):
        refusal = _first_refusal(candidate, node, active)
        if refusal is not None:
            rejected.append(refusal)
            continue
        feasible.append(node)
        if len(feasible) == enough:
            break
    cluster.next_start = (start + len(feasible) + len(rejected)) % len(nodes)
    return feasible, rejected


def _first_refusal(
    candidate: Candidate, node: NodeInfo, active: Sequence[tuple[Filter, Any]]
) -> _Rejected | None:
    for one, state in active:
        rejection = one.check(candidate, node, state)
        if rejection is not None:
            return _Rejected(one.name, rejection)
    return None


def _enough(nodes: int) -> int:
    """How many possible Nodes are worth comparing."""
    if nodes < _LOOK_AT_ALL_BELOW:
        return nodes
    percent = max(5, 50 - nodes // 125)
    return max(_LOOK_AT_ALL_BELOW, nodes * percent // 100)


def _score(
    candidate: Candidate, cluster: Cluster, feasible: Sequence[NodeInfo], scores: Sequence[Score]
) -> list[float]:
    totals = [0.0] * len(feasible)
    for one in scores:
        state = one.prepare(candidate, cluster, feasible)
        if state is SKIP:
            continue
        points = one.normalise([one.score(candidate, node, state) for node in feasible])
        totals = [total + one.weight * point for total, point in zip(totals, points, strict=True)]
    return totals


def _unschedulable(candidate: Candidate, rejected: Sequence[_Rejected]) -> Unschedulable:
    total = len(rejected)
    reasons = Counter(reason for one in rejected for reason in one.rejection.reasons)
    message = f"{_listed(total, reasons)} {_preemption(candidate, rejected)}"
    return Unschedulable(message, frozenset(one.plugin for one in rejected))


def _listed(total: int, reasons: Counter[str]) -> str:
    # Sorted as text: "10 …" comes before "2 …", as in Kubernetes.
    items = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{total} nodes are available: {items}."


def _preemption(candidate: Candidate, rejected: Sequence[_Rejected]) -> str:
    if candidate.info.pod.spec.preemption_policy == "Never":
        return "preemption: not eligible due to preemptionPolicy=Never."
    reasons = Counter(_NO_VICTIMS if one.rejection.resolvable else _NOT_HELPFUL for one in rejected)
    return f"preemption: {_listed(len(rejected), reasons)}"
