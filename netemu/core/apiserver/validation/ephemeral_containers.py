"""Containers added to a pod that runs, to look into it: only added, and only looking."""

from __future__ import annotations

from collections.abc import Iterator

from netemu.core.apiserver.field_errors import FieldError, forbidden, not_found
from netemu.model.core_v1 import EphemeralContainer, Pod, PodSpec

_REFUSED = "cannot be set for an Ephemeral Container"
_UNUSED = {
    "ports": "ports",
    "resources": "resources",
    "resize_policy": "resizePolicy",
    "restart_policy": "restartPolicy",
    "restart_policy_rules": "restartPolicyRules",
    "liveness_probe": "livenessProbe",
    "readiness_probe": "readinessProbe",
    "startup_probe": "startupProbe",
    "lifecycle": "lifecycle",
}


def validate_ephemeral(container: EphemeralContainer, spec: PodSpec, at: str) -> list[FieldError]:
    """Return what is wrong with one of them beyond what any container may not have."""
    return list(_refusals(container, spec, at))


def _refusals(container: EphemeralContainer, spec: PodSpec, at: str) -> Iterator[FieldError]:
    plain = EphemeralContainer(name=container.name)
    for attribute, field in _UNUSED.items():
        if getattr(container, attribute) != getattr(plain, attribute):
            yield forbidden(f"{at}.{field}", _REFUSED)
    for index, mount in enumerate(container.volume_mounts):
        if mount.sub_path:
            yield forbidden(f"{at}.volumeMounts[{index}].subPath", _REFUSED)
        if mount.sub_path_expr:
            yield forbidden(f"{at}.volumeMounts[{index}].subPathExpr", _REFUSED)
    target = container.target_container_name
    if target and target not in {c.name for c in (*spec.containers, *spec.init_containers)}:
        yield not_found(f"{at}.targetContainerName", target)


def validate_additions(new: Pod, old: Pod) -> list[FieldError]:
    """Return what a write changes or takes away of those that are there already."""
    errors = []
    now = {container.name: container for container in new.spec.ephemeral_containers}
    for before in old.spec.ephemeral_containers:
        kept = now.get(before.name)
        if kept != before:
            what = "removed" if kept is None else "changed"
            detail = f'existing ephemeral containers "{before.name}" may not be {what}\n'
            errors.append(forbidden("spec.ephemeralContainers", detail))
    return errors
