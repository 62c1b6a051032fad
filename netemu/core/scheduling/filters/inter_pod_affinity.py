"""InterPodAffinity: near the Pods one needs, away from those one cannot stand, or they oneself."""

from __future__ import annotations

from collections import Counter

import msgspec

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Filter, Rejection, Skip, Wake
from netemu.core.scheduling.pod_affinity import (
    Term,
    required_affinity,
    required_anti_affinity,
    where,
)

_UNLIKE = Rejection(("node(s) didn't match pod affinity rules",), resolvable=False)
_TOO_CLOSE = Rejection(("node(s) didn't match pod anti-affinity rules",))
_UNWELCOME = Rejection(("node(s) didn't satisfy existing pods anti-affinity rules",))


class _Prepared(msgspec.Struct, frozen=True):
    wanted: list[tuple[Term, Counter[str]]]
    unwanted: list[tuple[Term, Counter[str]]]
    averse: set[tuple[str, str]]
    """Topology key and value of the domains whose Pods cannot stand this one."""
    may_be_first: bool
    """Nobody that it wants is anywhere, but it would want itself."""


def prepare(candidate: Candidate, cluster: Cluster) -> _Prepared | Skip:
    pod = candidate.info.pod
    wanted = [(term, where(term, cluster)) for term in required_affinity(pod, cluster)]
    unwanted = [(term, where(term, cluster)) for term in required_anti_affinity(pod, cluster)]
    averse = {
        (term.key, node.labels[term.key])
        for node, info in cluster.with_affinity()
        for term in required_anti_affinity(info.pod, cluster)
        if term.key in node.labels and term.means(pod)
    }
    if not (wanted or unwanted or averse):
        return SKIP
    nobody = not any(counts for _, counts in wanted)
    return _Prepared(wanted, unwanted, averse, nobody and all(t.means(pod) for t, _ in wanted))


def check(_candidate: Candidate, node: NodeInfo, prepared: _Prepared) -> Rejection | None:
    for term, counts in prepared.wanted:
        value = node.labels.get(term.key)
        if value is None or not (counts[value] or prepared.may_be_first):
            return _UNLIKE
    for term, counts in prepared.unwanted:
        value = node.labels.get(term.key)
        if value is not None and counts[value]:
            return _TOO_CLOSE
    if any(node.labels.get(key) == value for key, value in prepared.averse):
        return _UNWELCOME
    return None


FILTER = Filter(
    name="InterPodAffinity",
    check=check,
    prepare=prepare,
    retry_on=frozenset({Wake.NODE_ADDED, Wake.NODE_LABELS, Wake.POD_REMOVED, Wake.POD_PLACED}),
)
