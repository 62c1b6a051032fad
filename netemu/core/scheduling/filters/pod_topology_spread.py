"""PodTopologySpread: a domain must not run ahead of the emptiest by more than maxSkew Pods."""

from __future__ import annotations

from collections import Counter

import msgspec

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Filter, Rejection, Skip, Wake
from netemu.core.scheduling.spreading import (
    HARD,
    Constraint,
    constraints_of,
    counts_by_domain,
)

_TEXT = "node(s) didn't match pod topology spread constraints"
_SKEWED = Rejection((_TEXT,))
_NO_LABEL = Rejection((f"{_TEXT} (missing required label)",), resolvable=False)


class _Domains(msgspec.Struct, frozen=True):
    constraint: Constraint
    counts: Counter[str]
    fewest: int
    own: int
    """1 if the Pod would count itself."""


def prepare(candidate: Candidate, cluster: Cluster) -> list[_Domains] | Skip:
    pod = candidate.info.pod
    constraints = constraints_of(pod, HARD) if pod.spec.topology_spread_constraints else []
    keys = [constraint.key for constraint in constraints]
    return [_domains(candidate, cluster, one, keys) for one in constraints] or SKIP


def _domains(
    candidate: Candidate, cluster: Cluster, constraint: Constraint, keys: list[str]
) -> _Domains:
    counts = counts_by_domain(candidate, constraint, cluster.nodes, keys)
    enough = len(counts) >= constraint.min_domains
    fewest = min(counts.values(), default=0) if enough else 0
    own = int(constraint.selector.matches(candidate.info.pod.metadata.labels))
    return _Domains(constraint, counts, fewest, own)


def check(_candidate: Candidate, node: NodeInfo, prepared: list[_Domains]) -> Rejection | None:
    for domains in prepared:
        value = node.labels.get(domains.constraint.key)
        if value is None:
            return _NO_LABEL
        skew = domains.counts.get(value, 0) + domains.own - domains.fewest
        if skew > domains.constraint.max_skew:
            return _SKEWED
    return None


FILTER = Filter(
    name="PodTopologySpread",
    check=check,
    prepare=prepare,
    retry_on=frozenset(
        {Wake.NODE_ADDED, Wake.NODE_LABELS, Wake.POD_REMOVED, Wake.POD_PLACED, Wake.NODE_TAINTS}
    ),
)
