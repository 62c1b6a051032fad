"""Affinity between Pods: which Pods a term means, and where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from netemu.core.control.selectors import selector_of
from netemu.core.scheduling.cluster import Cluster
from netemu.model.core_v1 import Pod, PodAffinityTerm, WeightedPodAffinityTerm
from netemu.model.selector import Requirement, Selector


class Term(msgspec.Struct, frozen=True):
    key: str
    namespaces: frozenset[str]
    selector: Selector
    weight: int = 0

    def means(self, pod: Pod) -> bool:
        meta = pod.metadata
        return meta.namespace in self.namespaces and self.selector.matches(meta.labels)


def term_of(owner: Pod, term: PodAffinityTerm, cluster: Cluster, weight: int = 0) -> Term:
    return Term(
        term.topology_key,
        _namespaces(owner, term, cluster),
        _selector(owner, term),
        weight,
    )


def _namespaces(owner: Pod, term: PodAffinityTerm, cluster: Cluster) -> frozenset[str]:
    named = set(term.namespaces)
    if term.namespace_selector is not None:
        selector = selector_of(term.namespace_selector)
        named |= {name for name, labels in cluster.namespaces.items() if selector.matches(labels)}
    elif not named:
        named = {owner.metadata.namespace}
    return frozenset(named)


def _selector(owner: Pod, term: PodAffinityTerm) -> Selector:
    selector = selector_of(term.label_selector)
    if selector.nothing:
        return selector
    labels = owner.metadata.labels
    own = [
        Requirement(key, operator, frozenset((labels[key],)))
        for keys, operator in ((term.match_label_keys, "in"), (term.mismatch_label_keys, "notin"))
        for key in keys
        if key in labels
    ]
    return Selector((*selector.requirements, *own)) if own else selector


def required_affinity(pod: Pod, cluster: Cluster) -> list[Term]:
    affinity = pod.spec.affinity
    if affinity is None or affinity.pod_affinity is None:
        return []
    terms = affinity.pod_affinity.required_during_scheduling_ignored_during_execution
    return [term_of(pod, term, cluster) for term in terms]


def required_anti_affinity(pod: Pod, cluster: Cluster) -> list[Term]:
    affinity = pod.spec.affinity
    if affinity is None or affinity.pod_anti_affinity is None:
        return []
    terms = affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution
    return [term_of(pod, term, cluster) for term in terms]


def preferences(pod: Pod, cluster: Cluster) -> list[Term]:
    """Preferred terms of both kinds; aversions weigh less than nothing."""
    affinity = pod.spec.affinity
    if affinity is None:
        return []
    wanted: Sequence[WeightedPodAffinityTerm] = (
        affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution
        if affinity.pod_affinity
        else ()
    )
    unwanted: Sequence[WeightedPodAffinityTerm] = (
        affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution
        if affinity.pod_anti_affinity
        else ()
    )
    return [
        *(term_of(pod, term.pod_affinity_term, cluster, term.weight) for term in wanted),
        *(term_of(pod, term.pod_affinity_term, cluster, -term.weight) for term in unwanted),
    ]


def where(term: Term, cluster: Cluster) -> Counter[str]:
    """How many Pods the term means, by the value of its topology key."""
    counts: Counter[str] = Counter()
    for node in cluster.nodes:
        value = node.labels.get(term.key)
        if value is not None:
            count = node.matching(term.namespaces, term.selector)
            if count:
                counts[value] += count
    return counts
