"""Whether a Node is one that a Pod's nodeSelector and node affinity mean."""

from __future__ import annotations

from collections.abc import Mapping

from netemu.model.core_v1 import (
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
)


def _meets(requirement: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    found = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return found is not None and found in requirement.values
        case "NotIn":
            return found not in requirement.values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt":
            return _compares(found, requirement)
    return False


def _compares(found: str | None, requirement: NodeSelectorRequirement) -> bool:
    try:
        number, bound = int(found or ""), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if requirement.operator == "Gt" else number < bound


def matches_term(term: NodeSelectorTerm, name: str, labels: Mapping[str, str]) -> bool:
    """An empty term means no Node."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": name}
    return all(_meets(one, labels) for one in term.match_expressions) and all(
        _meets(one, fields) for one in term.match_fields
    )


def required_terms(pod: Pod) -> NodeSelector | None:
    affinity = pod.spec.affinity
    if affinity is None or affinity.node_affinity is None:
        return None
    return affinity.node_affinity.required_during_scheduling_ignored_during_execution


def is_meant(pod: Pod, name: str, labels: Mapping[str, str]) -> bool:
    """Whether nodeSelector and the required affinity (any of its terms) allow the Node."""
    if not pod.spec.node_selector.items() <= labels.items():
        return False
    required = required_terms(pod)
    return required is None or any(
        matches_term(term, name, labels) for term in required.node_selector_terms
    )
