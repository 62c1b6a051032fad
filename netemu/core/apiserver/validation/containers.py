"""One container: its image, ports, environment, mounts, probes and resources."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    duplicate,
    forbidden,
    not_found,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.core.apiserver.validation.probes import validate_lifecycle, validate_probes
from netemu.core.apiserver.validation.security import validate_container_security
from netemu.model import quantity
from netemu.model.core_v1 import Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource
from netemu.model.schema import Quantity

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_FIELD_PATHS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_FILE_FIELD_PATHS = _FIELD_PATHS[:5]
"""What is known before a Pod has a node."""
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['[^']+'\]")


def validate_container(
    container: Container, at: str, volumes: frozenset[str], *, init: bool
) -> list[FieldError]:
    """Return what is wrong with one container of a pod that has the named `volumes`."""
    errors = _validate_identity(container, at)
    errors += _validate_ports(container.ports, f"{at}.ports")
    for index, variable in enumerate(container.env):
        errors += _validate_env(variable, f"{at}.env[{index}]")
    for index, source in enumerate(container.env_from):
        errors += _validate_env_from(source, f"{at}.envFrom[{index}]")
    errors += _validate_mounts(container, at, volumes)
    errors += validate_resources(
        container.resources.requests, container.resources.limits, f"{at}.resources"
    )
    errors += validate_container_security(container.security_context, f"{at}.securityContext")
    if init and container.restart_policy != "Always":
        errors += _validate_runs_once(container, at)
    else:
        errors += validate_probes(container, at)
        errors += validate_lifecycle(container, at)
    return errors


def _validate_identity(container: Container, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    name, image = container.name, container.image
    if not name:
        errors.append(required(f"{at}.name"))
    else:
        errors += [bad_value(f"{at}.name", name, text) for text in formats.dns_label(name)]
    if not image:
        errors.append(required(f"{at}.image"))
    elif image != image.strip():
        detail = "must not have leading or trailing whitespace"
        errors.append(bad_value(f"{at}.image", image, detail))
    if container.image_pull_policy not in _PULL_POLICIES:
        value = container.image_pull_policy
        errors.append(unsupported(f"{at}.imagePullPolicy", value, _PULL_POLICIES))
    if container.termination_message_policy not in _MESSAGE_POLICIES:
        value = container.termination_message_policy
        errors.append(unsupported(f"{at}.terminationMessagePolicy", value, _MESSAGE_POLICIES))
    return errors


def _validate_runs_once(container: Container, at: str) -> list[FieldError]:
    """An init container ends, so there is nothing to probe."""
    detail = "may not be set for init containers without restartPolicy=Always"
    return [
        forbidden(f"{at}.{field}", detail)
        for field, value in (
            ("lifecycle", container.lifecycle),
            ("livenessProbe", container.liveness_probe),
            ("readinessProbe", container.readiness_probe),
            ("startupProbe", container.startup_probe),
        )
        if value is not None
    ]


def _validate_ports(ports: list[ContainerPort], at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        field = f"{at}[{index}]"
        if port.name:
            errors += [
                bad_value(f"{field}.name", port.name, text) for text in formats.port_name(port.name)
            ]
            if port.name in names:
                errors.append(duplicate(f"{field}.name", port.name))
            names.add(port.name)
        if not port.container_port:
            errors.append(required(f"{field}.containerPort"))
        else:
            problems = formats.port_number(port.container_port)
            errors += [
                bad_value(f"{field}.containerPort", port.container_port, text) for text in problems
            ]
        if port.host_port:
            problems = formats.port_number(port.host_port)
            errors += [bad_value(f"{field}.hostPort", port.host_port, text) for text in problems]
        if not port.protocol:
            errors.append(required(f"{field}.protocol"))
        elif port.protocol not in PROTOCOLS:
            errors.append(unsupported(f"{field}.protocol", port.protocol, PROTOCOLS))
    return errors


def _validate_env(variable: EnvVar, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if not variable.name:
        errors.append(required(f"{at}.name"))
    else:
        problems = formats.env_name(variable.name)
        errors += [bad_value(f"{at}.name", variable.name, text) for text in problems]
    if variable.value_from is not None:
        source_at = f"{at}.valueFrom"
        if variable.value:
            detail = "may not be specified when `value` is not empty"
            errors.append(bad_value(source_at, "", detail))
        errors += _validate_env_source(variable.value_from, source_at)
    return errors


def _validate_env_source(source: EnvVarSource, at: str) -> list[FieldError]:
    chosen = [
        reference
        for reference in (
            source.field_ref,
            source.resource_field_ref,
            source.config_map_key_ref,
            source.secret_key_ref,
            source.file_key_ref,
        )
        if reference is not None
    ]
    if not chosen:
        detail = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
            "`secretKeyRef`"
        )
        return [bad_value(at, "", detail)]
    if len(chosen) > 1:
        return [bad_value(at, "", "may not have more than one field specified at a time")]
    errors: list[FieldError] = []
    if source.field_ref is not None:
        errors += validate_field_path(source.field_ref.field_path, f"{at}.fieldRef.fieldPath")
    if source.resource_field_ref is not None and not source.resource_field_ref.resource:
        errors.append(required(f"{at}.resourceFieldRef.resource"))
    for name, reference in (
        ("configMapKeyRef", source.config_map_key_ref),
        ("secretKeyRef", source.secret_key_ref),
    ):
        if reference is not None:
            if not reference.name:
                errors.append(required(f"{at}.{name}.name"))
            if not reference.key:
                errors.append(required(f"{at}.{name}.key"))
    return errors


def validate_field_path(path: str, at: str) -> list[FieldError]:
    """Check what the downward API can tell."""
    if not path:
        return [required(at)]
    if _SUBSCRIPT.fullmatch(path):
        return []
    if path not in _FIELD_PATHS or path in ("metadata.labels", "metadata.annotations"):
        supported = [
            p for p in _FIELD_PATHS if p not in ("metadata.labels", "metadata.annotations")
        ]
        return [unsupported(at, path, supported)]
    return []


def validate_file_field_path(path: str, at: str) -> list[FieldError]:
    """Check what the downward API can write to a file."""
    if not path:
        return [required(at)]
    if _SUBSCRIPT.fullmatch(path) or path in _FILE_FIELD_PATHS:
        return []
    return [unsupported(at, path, _FILE_FIELD_PATHS)]


def _validate_env_from(source: EnvFromSource, at: str) -> list[FieldError]:
    references = [
        (name, reference)
        for name, reference in (
            ("configMapRef", source.config_map_ref),
            ("secretRef", source.secret_ref),
        )
        if reference is not None
    ]
    if not references:
        return [bad_value(at, "", "must specify one of: `configMapRef` or `secretRef`")]
    if len(references) > 1:
        return [bad_value(at, "", "may not have more than one field specified at a time")]
    name, reference = references[0]
    return [] if reference.name else [required(f"{at}.{name}.name")]


def _validate_mounts(container: Container, at: str, volumes: frozenset[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    places: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        field = f"{at}.volumeMounts[{index}]"
        if not mount.name:
            errors.append(required(f"{field}.name"))
        elif mount.name not in volumes:
            errors.append(not_found(f"{field}.name", mount.name))
        if not mount.mount_path:
            errors.append(required(f"{field}.mountPath"))
        elif mount.mount_path in places:
            errors.append(bad_value(f"{field}.mountPath", mount.mount_path, "must be unique"))
        places.add(mount.mount_path)
        if mount.sub_path:
            errors += [
                bad_value(f"{field}.subPath", mount.sub_path, text)
                for text in relative_path_problems(mount.sub_path)
            ]
    return errors


def relative_path_problems(path: str) -> list[str]:
    """A path that must not lead out of where it begins."""
    if path.startswith("/"):
        return ["must be a relative path"]
    return ["must not contain '..'"] if ".." in path.split("/") else []


def validate_resources(
    requests: Mapping[str, Quantity], limits: Mapping[str, Quantity], at: str
) -> list[FieldError]:
    errors: list[FieldError] = []
    for group, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            field = f"{at}.{group}[{name}]"
            errors += [bad_value(field, name, text) for text in formats.qualified_name(name)]
            if quantity.milli(amount) < 0:
                errors.append(bad_value(field, amount, formats.NOT_NEGATIVE))
    for name, amount in requests.items():
        limit = limits.get(name)
        if limit is not None and quantity.milli(amount) > quantity.milli(limit):
            detail = f"must be less than or equal to {name} limit of {limit}"
            errors.append(bad_value(f"{at}.requests", amount, detail))
    return errors
