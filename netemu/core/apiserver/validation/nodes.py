"""Nodes and Leases."""

from __future__ import annotations

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    duplicate,
    forbidden,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.model.coordination_v1 import Lease
from netemu.model.core_v1 import Node, Taint

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def validate_node(node: Node) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(node.spec.taints):
        at = f"spec.taints[{index}]"
        errors += _validate_taint(taint, at)
        if (taint.key, taint.effect) in seen:
            errors.append(duplicate(at, f"{taint.key}:{taint.effect}"))
        seen.add((taint.key, taint.effect))
    for index, text in enumerate(node.spec.pod_cidrs):
        field = f"spec.podCIDRs[{index}]"
        errors += [bad_value(field, text, problem) for problem in formats.cidr(text)]
    return errors


def _validate_taint(taint: Taint, at: str) -> list[FieldError]:
    errors = [bad_value(f"{at}.key", taint.key, text) for text in formats.qualified_name(taint.key)]
    errors += [
        bad_value(f"{at}.value", taint.value, text) for text in formats.label_value(taint.value)
    ]
    if not taint.effect:
        errors.append(required(f"{at}.effect"))
    elif taint.effect not in _EFFECTS:
        errors.append(unsupported(f"{at}.effect", taint.effect, _EFFECTS))
    return errors


def validate_node_update(new: Node, old: Node) -> list[FieldError]:
    before = old.spec.pod_cidr
    if before and new.spec.pod_cidr != before:
        detail = 'node updates may not change podCIDR except from "" to valid'
        return [forbidden("spec.podCIDRs", detail)]
    return []


def validate_lease(lease: Lease) -> list[FieldError]:
    errors = []
    duration = lease.spec.lease_duration_seconds
    if duration is not None and duration <= 0:
        errors.append(bad_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    transitions = lease.spec.lease_transitions
    if transitions is not None and transitions < 0:
        field = "spec.leaseTransitions"
        errors.append(bad_value(field, transitions, formats.NOT_NEGATIVE))
    return errors
