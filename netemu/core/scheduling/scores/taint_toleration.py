"""TaintToleration: prefer Nodes with few PreferNoSchedule taints that the Pod does not tolerate."""

from __future__ import annotations

from collections.abc import Sequence

from netemu.core.control.taints import PREFER_NO_SCHEDULE, is_tolerated
from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Score, Skip, inverse_share


def prepare(_candidate: Candidate, _cluster: Cluster, feasible: Sequence[NodeInfo]) -> Skip | None:
    tainted = any(
        taint.effect == PREFER_NO_SCHEDULE for node in feasible for taint in node.node.spec.taints
    )
    return None if tainted else SKIP


def score(candidate: Candidate, node: NodeInfo, _prepared: None) -> float:
    return sum(
        1
        for taint in node.node.spec.taints
        if taint.effect == PREFER_NO_SCHEDULE
        and not is_tolerated(taint, candidate.info.pod.spec.tolerations)
    )


SCORE = Score(
    name="TaintToleration", weight=3, score=score, prepare=prepare, normalise=inverse_share
)
