"""PodTopologySpread: prefer domains with few Pods of the same group.

Without constraints of its own, a Pod of a Service or ReplicaSet is spread over
hosts and zones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import MOST, SKIP, Candidate, Score, Skip
from netemu.core.scheduling.spreading import (
    HOSTNAME,
    SOFT,
    Constraint,
    constraints_of,
    counts_by_domain,
    default_constraints,
    matching_on,
)

_IGNORED = -1.0


class _Domains(msgspec.Struct, frozen=True):
    constraint: Constraint
    counts: Counter[str] | None
    """None for hosts: each Node is its own domain and counts for itself."""
    weight: float


class _Prepared(msgspec.Struct, frozen=True):
    domains: list[_Domains]
    required_keys: list[str]


def prepare(
    candidate: Candidate, cluster: Cluster, feasible: Sequence[NodeInfo]
) -> _Prepared | Skip:
    constraints = _constraints(candidate)
    if not constraints:
        return SKIP
    own = bool(candidate.info.pod.spec.topology_spread_constraints)
    keys = [constraint.key for constraint in constraints] if own else []
    judged = [node for node in feasible if all(key in node.labels for key in keys)]
    return _Prepared([_domains(candidate, cluster, one, judged, keys) for one in constraints], keys)


def _constraints(candidate: Candidate) -> list[Constraint]:
    pod = candidate.info.pod
    if pod.spec.topology_spread_constraints:
        return constraints_of(pod, SOFT)
    return default_constraints(candidate.group) if candidate.group is not None else []


def _domains(
    candidate: Candidate,
    cluster: Cluster,
    constraint: Constraint,
    judged: Sequence[NodeInfo],
    keys: Sequence[str],
) -> _Domains:
    if constraint.key == HOSTNAME:
        return _Domains(constraint, None, math.log(len(judged) + 2))
    found = {node.labels[constraint.key] for node in judged if constraint.key in node.labels}
    counts: Counter[str] = Counter()
    if found:
        needed = {constraint.key, *keys}
        counts = counts_by_domain(candidate, constraint, cluster.nodes, [*needed])
    return _Domains(constraint, counts, math.log(len(found) + 2))


def score(candidate: Candidate, node: NodeInfo, prepared: _Prepared) -> float:
    if any(key not in node.labels for key in prepared.required_keys):
        return _IGNORED
    total = 0.0
    for domains in prepared.domains:
        value = node.labels.get(domains.constraint.key)
        if value is None:
            continue
        if domains.counts is None:
            count = matching_on(node, candidate, domains.constraint.selector)
        else:
            count = domains.counts[value]
        total += count * domains.weight + domains.constraint.max_skew - 1
    return float(round(total))


def normalise(scores: Sequence[float]) -> Sequence[float]:
    judged = [score for score in scores if score != _IGNORED]
    if not judged:
        return [0.0] * len(scores)
    worst, best = max(judged), min(judged)
    return [_normal(score, worst, best) for score in scores]


def _normal(score: float, worst: float, best: float) -> float:
    if score == _IGNORED:
        return 0.0
    return MOST * (worst + best - score) // worst if worst else MOST


SCORE = Score(name="PodTopologySpread", weight=2, score=score, prepare=prepare, normalise=normalise)
