"""InterPodAffinity: prefer company that either side prefers, avoid what either dislikes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import MOST, SKIP, Candidate, Score, Skip
from netemu.core.scheduling.pod_affinity import preferences, required_affinity, where

_HARD_WEIGHT = 1
"""What an existing Pod's required affinity is worth to the one that comes."""

Sums = Counter[tuple[str, str]]
"""Weights by topology key and value."""


def prepare(candidate: Candidate, cluster: Cluster, _feasible: Sequence[NodeInfo]) -> Sums | Skip:
    pod = candidate.info.pod
    sums: Sums = Counter()
    for term in preferences(pod, cluster):
        for value, count in where(term, cluster).items():
            sums[term.key, value] += term.weight * count
    for node, info in cluster.with_affinity():
        for term in required_affinity(info.pod, cluster):
            if term.key in node.labels and term.means(pod):
                sums[term.key, node.labels[term.key]] += _HARD_WEIGHT
        for term in preferences(info.pod, cluster):
            if term.key in node.labels and term.means(pod):
                sums[term.key, node.labels[term.key]] += term.weight
    return sums or SKIP


def score(_candidate: Candidate, node: NodeInfo, sums: Sums) -> float:
    return sum(weight for (key, value), weight in sums.items() if node.labels.get(key) == value)


def normalise(scores: Sequence[float]) -> Sequence[float]:
    least, most = min(0.0, *scores), max(0.0, *scores)
    if most == least:
        return [0.0] * len(scores)
    return [MOST * (score - least) // (most - least) for score in scores]


SCORE = Score(name="InterPodAffinity", weight=2, score=score, prepare=prepare, normalise=normalise)
