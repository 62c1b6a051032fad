"""Topology spread constraints: which Pods count, and how many there are in each domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from netemu.core.control.selectors import selector_of
from netemu.core.control.taints import NO_EXECUTE, NO_SCHEDULE, is_tolerated
from netemu.core.scheduling.cluster import NodeInfo, count_matching
from netemu.core.scheduling.contract import Candidate
from netemu.core.scheduling.node_selection import is_meant
from netemu.model.core_v1 import Pod, TopologySpreadConstraint
from netemu.model.selector import Requirement, Selector

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
HARD, SOFT = "DoNotSchedule", "ScheduleAnyway"


class Constraint(msgspec.Struct, frozen=True):
    key: str
    max_skew: int
    selector: Selector
    min_domains: int = 1
    honours_affinity: bool = True
    honours_taints: bool = False


def constraints_of(pod: Pod, when_unsatisfiable: str) -> list[Constraint]:
    return [
        _constraint(pod, constraint)
        for constraint in pod.spec.topology_spread_constraints
        if constraint.when_unsatisfiable == when_unsatisfiable
    ]


def _constraint(pod: Pod, constraint: TopologySpreadConstraint) -> Constraint:
    selector = selector_of(constraint.label_selector)
    labels = pod.metadata.labels
    own = tuple(
        Requirement(key, "in", frozenset((labels[key],)))
        for key in constraint.match_label_keys
        if key in labels
    )
    if own and not selector.nothing:
        selector = Selector((*selector.requirements, *own))
    return Constraint(
        constraint.topology_key,
        constraint.max_skew,
        selector,
        min_domains=constraint.min_domains or 1,
        honours_affinity=(constraint.node_affinity_policy or "Honor") == "Honor",
        honours_taints=constraint.node_taints_policy == "Honor",
    )


def default_constraints(group: Selector) -> list[Constraint]:
    """What the Pods of a Service or ReplicaSet get when they ask for nothing."""
    return [Constraint(HOSTNAME, 3, group), Constraint(ZONE, 5, group)]


def matching_on(node: NodeInfo, candidate: Candidate, selector: Selector) -> int:
    """Pods that stay on the Node, in the Pod's namespace, that the selector means."""
    namespace = candidate.info.pod.metadata.namespace
    return count_matching(node.staying, frozenset((namespace,)), selector)


def counts_by_domain(
    candidate: Candidate, constraint: Constraint, nodes: Iterable[NodeInfo], keys: Sequence[str]
) -> Counter[str]:
    """Matching Pods by the value of the topology key, over Nodes that count."""
    counts: Counter[str] = Counter()
    for node in nodes:
        if all(key in node.labels for key in keys) and _counts(node, candidate, constraint):
            matching = matching_on(node, candidate, constraint.selector)
            counts[node.labels[constraint.key]] += matching
    return counts


def _counts(node: NodeInfo, candidate: Candidate, constraint: Constraint) -> bool:
    pod = candidate.info.pod
    if constraint.honours_affinity and not is_meant(pod, node.name, node.labels):
        return False
    return not constraint.honours_taints or all(
        is_tolerated(taint, pod.spec.tolerations)
        for taint in node.node.spec.taints
        if taint.effect in (NO_SCHEDULE, NO_EXECUTE)
    )
