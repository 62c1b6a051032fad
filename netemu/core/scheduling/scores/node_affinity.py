"""NodeAffinity: prefer Nodes that the Pod's preferred terms mean."""

from __future__ import annotations

from collections.abc import Sequence

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Score, Skip, share_of_best
from netemu.core.scheduling.node_selection import matches_term
from netemu.model.core_v1 import PreferredSchedulingTerm


def prepare(
    candidate: Candidate, _cluster: Cluster, _feasible: Sequence[NodeInfo]
) -> list[PreferredSchedulingTerm] | Skip:
    affinity = candidate.info.pod.spec.affinity
    if affinity is None or affinity.node_affinity is None:
        return SKIP
    return affinity.node_affinity.preferred_during_scheduling_ignored_during_execution or SKIP


def score(_candidate: Candidate, node: NodeInfo, preferred: list[PreferredSchedulingTerm]) -> float:
    return sum(
        term.weight for term in preferred if matches_term(term.preference, node.name, node.labels)
    )


SCORE = Score(name="NodeAffinity", weight=2, score=score, prepare=prepare, normalise=share_of_best)
