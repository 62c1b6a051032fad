"""Which nodes and which company a pod asks for: a wrong word here would leave it pending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    forbidden,
    required,
)
from netemu.core.apiserver.validation import formats
from netemu.core.apiserver.validation.metadata import validate_selector
from netemu.model.core_v1 import (
    Affinity,
    NodeAffinity,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
)

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHTS = range(1, 101)


def validate_affinity(affinity: Affinity | None, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if affinity is None:
        return errors
    if affinity.node_affinity is not None:
        errors += _validate_node_affinity(affinity.node_affinity, f"{at}.nodeAffinity")
    if affinity.pod_affinity is not None:
        errors += _validate_pod_affinity(affinity.pod_affinity, f"{at}.podAffinity")
    if affinity.pod_anti_affinity is not None:
        errors += _validate_pod_affinity(affinity.pod_anti_affinity, f"{at}.podAntiAffinity")
    return errors


def _validate_node_affinity(affinity: NodeAffinity, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    needed = affinity.required_during_scheduling_ignored_during_execution
    if needed is not None:
        terms_at = f"{at}.{_REQUIRED}.nodeSelectorTerms"
        if not needed.node_selector_terms:
            errors.append(required(terms_at, "must have at least one node selector term"))
        for index, term in enumerate(needed.node_selector_terms):
            errors += _validate_node_term(term, f"{terms_at}[{index}]")
    for index, wish in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        wish_at = f"{at}.{_PREFERRED}[{index}]"
        errors += _validate_weight(wish.weight, wish_at)
        errors += _validate_node_term(wish.preference, f"{wish_at}.preference")
    return errors


def _validate_node_term(term: NodeSelectorTerm, at: str) -> list[FieldError]:
    errors = _validate_requirements(term.match_expressions, f"{at}.matchExpressions")
    for index, requirement in enumerate(term.match_fields):
        field = f"{at}.matchFields[{index}]"
        if requirement.operator not in ("In", "NotIn"):
            detail = "not a valid selector operator"
            errors.append(bad_value(f"{field}.operator", requirement.operator, detail))
        elif len(requirement.values) != 1:
            detail = (
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            )
            errors.append(required(f"{field}.values", detail))
        if requirement.key != "metadata.name":
            detail = "not a valid field selector key"
            errors.append(bad_value(f"{field}.key", requirement.key, detail))
    return errors


def _validate_requirements(
    requirements: Iterable[NodeSelectorRequirement], at: str
) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, requirement in enumerate(requirements):
        field = f"{at}[{index}]"
        errors += _validate_values(requirement, field)
        errors += [
            bad_value(f"{field}.key", requirement.key, text)
            for text in formats.qualified_name(requirement.key)
        ]
    return errors


def _validate_values(requirement: NodeSelectorRequirement, at: str) -> list[FieldError]:
    match requirement.operator:
        case "In" | "NotIn" if not requirement.values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            return [required(f"{at}.values", detail)]
        case "Exists" | "DoesNotExist" if requirement.values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            return [forbidden(f"{at}.values", detail)]
        case "Gt" | "Lt" if len(requirement.values) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            return [required(f"{at}.values", detail)]
        case "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt":
            return []
    detail = "not a valid selector operator"
    return [bad_value(f"{at}.operator", requirement.operator, detail)]


def _validate_pod_affinity(affinity: PodAffinity | PodAntiAffinity, at: str) -> list[FieldError]:
    needed = affinity.required_during_scheduling_ignored_during_execution
    errors = _validate_pod_terms(needed, f"{at}.{_REQUIRED}")
    for index, wish in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        wish_at = f"{at}.{_PREFERRED}[{index}]"
        errors += _validate_weight(wish.weight, wish_at)
        errors += _validate_pod_term(wish.pod_affinity_term, f"{wish_at}.podAffinityTerm")
    return errors


def _validate_pod_terms(terms: Sequence[PodAffinityTerm], at: str) -> list[FieldError]:
    return [
        error
        for index, term in enumerate(terms)
        for error in _validate_pod_term(term, f"{at}[{index}]")
    ]


def _validate_pod_term(term: PodAffinityTerm, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if term.label_selector is not None:
        errors += validate_selector(term.label_selector, f"{at}.labelSelector")
    if term.namespace_selector is not None:
        errors += validate_selector(term.namespace_selector, f"{at}.namespaceSelector")
    if not term.topology_key:
        errors.append(required(f"{at}.topologyKey", "can not be empty"))
    return errors


def _validate_weight(weight: int, at: str) -> list[FieldError]:
    if weight in _WEIGHTS:
        return []
    return [bad_value(f"{at}.weight", weight, "must be in the range 1-100")]
