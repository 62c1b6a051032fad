"""What of a pod may change once it is there: nearly nothing.

A new image, a shorter deadline, more tolerations, fewer scheduling gates. The check
puts the old values of these into a copy of the new pod, and compares.
"""

from __future__ import annotations

from typing import Any

from netemu.core.apiserver.field_errors import FieldError, bad_value, forbidden
from netemu.core.apiserver.validation.ephemeral_containers import validate_additions
from netemu.model.codec import to_dict
from netemu.model.core_v1 import Container, Pod, PodSpec, Toleration
from netemu.model.schema import copy_of

_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)\n"
)


def validate_pod_update(new: Pod, old: Pod) -> list[FieldError]:
    if new.spec == old.spec:
        return []
    errors: list[FieldError] = []
    for field, now, before in (
        ("spec.containers", new.spec.containers, old.spec.containers),
        ("spec.initContainers", new.spec.init_containers, old.spec.init_containers),
    ):
        if len(now) != len(before):
            errors.append(forbidden(field, "pod updates may not add or remove containers"))
    if errors:
        return errors
    errors += validate_additions(new, old)
    errors += _validate_deadline(new.spec, old.spec)
    errors += _validate_tolerations(new.spec.tolerations, old.spec.tolerations)
    errors += _validate_gates(new.spec, old.spec)
    masked = _masked(new.spec, old.spec)
    if masked != old.spec:
        difference = _difference(to_dict(old.spec), to_dict(masked), "spec")
        errors.append(forbidden("spec", _MAY_CHANGE + "\n".join(difference)))
    return errors


def _masked(new: PodSpec, old: PodSpec) -> PodSpec:
    """Return `new` with the old values of all that may change."""
    masked, before = copy_of(new), copy_of(old)
    _mask_images(masked.containers, before.containers)
    _mask_images(masked.init_containers, before.init_containers)
    masked.active_deadline_seconds = before.active_deadline_seconds
    masked.tolerations = before.tolerations
    if before.scheduling_gates:
        # A pod that nobody may place yet may still be told where it may go.
        masked.scheduling_gates = before.scheduling_gates
        masked.node_selector = before.node_selector
        masked.affinity = before.affinity
    # Debugging containers come in through their own subresource, and are checked above.
    masked.ephemeral_containers = before.ephemeral_containers
    grace = before.termination_grace_period_seconds
    if grace is not None and grace < 0 and masked.termination_grace_period_seconds == 1:
        masked.termination_grace_period_seconds = grace
    return masked


def _mask_images(new: list[Container], old: list[Container]) -> None:
    for now, before in zip(new, old, strict=True):
        now.image = before.image


def _validate_deadline(new: PodSpec, old: PodSpec) -> list[FieldError]:
    field = "spec.activeDeadlineSeconds"
    now, before = new.active_deadline_seconds, old.active_deadline_seconds
    if before is None or now == before:
        return []
    if now is None:
        return [bad_value(field, None, "must not update from a positive integer to nil value")]
    if now > before:
        return [bad_value(field, now, "must be less than or equal to previous value")]
    return []


def _validate_tolerations(new: list[Toleration], old: list[Toleration]) -> list[FieldError]:
    def identity(toleration: Toleration) -> tuple[str, str, str, str]:
        return (toleration.key, toleration.operator, toleration.value, toleration.effect)

    present = {identity(toleration) for toleration in new}
    if all(identity(toleration) in present for toleration in old):
        return []
    detail = "existing toleration can not be modified except its tolerationSeconds"
    return [forbidden("spec.tolerations", detail)]


def _validate_gates(new: PodSpec, old: PodSpec) -> list[FieldError]:
    before = {gate.name for gate in old.scheduling_gates}
    added = [gate.name for gate in new.scheduling_gates if gate.name not in before]
    detail = f"only deletion is allowed, but found new scheduling gates: {added}"
    return [forbidden("spec.schedulingGates", detail)] if added else []


def _difference(old: Any, new: Any, path: str) -> list[str]:
    """Return a line for each value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [
            line
            for key in keys
            for line in _difference(old.get(key), new.get(key), f"{path}.{key}")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for index, (before, now) in enumerate(zip(old, new, strict=True))
            for line in _difference(before, now, f"{path}[{index}]")
        ]
    return [] if old == new else [f"  {path}: {old!r} -> {new!r}"]
