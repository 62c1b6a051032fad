"""Pods and pod templates: what concerns the pod as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    duplicate,
    forbidden,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.core.apiserver.validation.affinity import validate_affinity
from netemu.core.apiserver.validation.containers import validate_container
from netemu.core.apiserver.validation.ephemeral_containers import validate_ephemeral
from netemu.core.apiserver.validation.metadata import validate_labels, validate_selector
from netemu.core.apiserver.validation.pod_details import validate_details
from netemu.core.apiserver.validation.security import validate_pod_security
from netemu.core.apiserver.validation.volumes import validate_volumes
from netemu.model.core_v1 import Container, EphemeralContainer, Pod, PodSpec, Toleration

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_DEADLINE_MAX_S = 2**31 - 1
_NAMESERVERS_MAX = 3
_SEARCHES_MAX = 32


def validate_pod(pod: Pod) -> list[FieldError]:
    return validate_pod_spec(pod.spec, "spec")


def validate_pod_spec(spec: PodSpec, at: str) -> list[FieldError]:
    errors = validate_volumes(spec.volumes, f"{at}.volumes")
    errors += _validate_containers(spec, at)
    if spec.restart_policy not in _RESTART_POLICIES:
        field = f"{at}.restartPolicy"
        errors.append(unsupported(field, spec.restart_policy, _RESTART_POLICIES))
    errors += _validate_dns(spec, at)
    errors += _validate_times(spec, at)
    errors += validate_labels(spec.node_selector, f"{at}.nodeSelector")
    errors += _validate_names(spec, at)
    errors += validate_tolerations(spec.tolerations, f"{at}.tolerations")
    errors += _validate_spread(spec, at)
    errors += validate_affinity(spec.affinity, f"{at}.affinity")
    errors += validate_pod_security(spec.security_context, f"{at}.securityContext")
    errors += validate_details(spec, at)
    for index, alias in enumerate(spec.host_aliases):
        field = f"{at}.hostAliases[{index}].ip"
        errors += [bad_value(field, alias.ip, text) for text in formats.ip(alias.ip)]
        for name in alias.hostnames:
            field = f"{at}.hostAliases[{index}].hostnames"
            errors += [bad_value(field, name, text) for text in formats.dns_subdomain(name)]
    return errors


def _validate_containers(spec: PodSpec, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    volumes = frozenset(volume.name for volume in spec.volumes)
    if not spec.containers:
        errors.append(required(f"{at}.containers"))
    seen: set[str] = set()
    groups: tuple[tuple[str, Iterable[Container]], ...] = (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers),
        ("ephemeralContainers", spec.ephemeral_containers),
    )
    for group, containers in groups:
        for index, container in enumerate(containers):
            field = f"{at}.{group}[{index}]"
            errors += validate_container(container, field, volumes, init=group == "initContainers")
            if container.name in seen:
                errors.append(duplicate(f"{field}.name", container.name))
            seen.add(container.name)
            if isinstance(container, EphemeralContainer):
                errors += validate_ephemeral(container, spec, field)
    return errors + _validate_host_ports(spec, at)


def _validate_host_ports(spec: PodSpec, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for index, container in enumerate(spec.containers):
        for number, port in enumerate(container.ports):
            field = f"{at}.containers[{index}].ports[{number}]"
            if not port.host_port:
                continue
            if spec.host_network and port.host_port != port.container_port:
                detail = "must match `hostPort` when `hostNetwork` is true"
                errors.append(bad_value(f"{field}.containerPort", port.container_port, detail))
            claim = f"{port.host_ip}/{port.protocol}/{port.host_port}"
            if claim in taken:
                errors.append(duplicate(f"{field}.hostPort", claim))
            taken.add(claim)
    return errors


def _validate_dns(spec: PodSpec, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if spec.dns_policy not in _DNS_POLICIES:
        errors.append(unsupported(f"{at}.dnsPolicy", spec.dns_policy, _DNS_POLICIES))
    config = spec.dns_config
    if spec.dns_policy == "None":
        if config is None:
            detail = "must provide `dnsConfig` when `dnsPolicy` is None"
            errors.append(required(f"{at}.dnsConfig", detail))
        elif not config.nameservers:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{at}.dnsConfig.nameservers", detail))
    if config is None:
        return errors
    if len(config.nameservers) > _NAMESERVERS_MAX:
        detail = f"must not have more than {_NAMESERVERS_MAX} nameservers"
        errors.append(bad_value(f"{at}.dnsConfig.nameservers", config.nameservers, detail))
    for index, server in enumerate(config.nameservers):
        field = f"{at}.dnsConfig.nameservers[{index}]"
        errors += [bad_value(field, server, text) for text in formats.ip(server)]
    if len(config.searches) > _SEARCHES_MAX:
        detail = f"must not have more than {_SEARCHES_MAX} search paths"
        errors.append(bad_value(f"{at}.dnsConfig.searches", config.searches, detail))
    for index, domain in enumerate(config.searches):
        field = f"{at}.dnsConfig.searches[{index}]"
        problems = (
            formats.dns_subdomain(domain.rstrip(".").replace("_", "a")) if domain != "." else []
        )
        errors += [bad_value(field, domain, text) for text in problems]
    for index, option in enumerate(config.options):
        if not option.name:
            errors.append(required(f"{at}.dnsConfig.options[{index}]", "must not be empty"))
    return errors


def _validate_times(spec: PodSpec, at: str) -> list[FieldError]:
    errors = []
    grace = spec.termination_grace_period_seconds
    if grace is not None and grace < 0:
        field = f"{at}.terminationGracePeriodSeconds"
        errors.append(bad_value(field, grace, formats.NOT_NEGATIVE))
    deadline = spec.active_deadline_seconds
    if deadline is not None and not 1 <= deadline <= _DEADLINE_MAX_S:
        detail = f"must be between 1 and {_DEADLINE_MAX_S}, inclusive"
        errors.append(bad_value(f"{at}.activeDeadlineSeconds", deadline, detail))
    return errors


def _validate_names(spec: PodSpec, at: str) -> list[FieldError]:
    errors = []
    for field, value, check in (
        ("serviceAccountName", spec.service_account_name, formats.dns_subdomain),
        ("nodeName", spec.node_name, formats.dns_subdomain),
        ("hostname", spec.hostname, formats.dns_label),
        ("subdomain", spec.subdomain, formats.dns_label),
        ("priorityClassName", spec.priority_class_name, formats.dns_subdomain),
    ):
        if value:
            errors += [bad_value(f"{at}.{field}", value, text) for text in check(value)]
    gates: set[str] = set()
    for index, gate in enumerate(spec.scheduling_gates):
        field = f"{at}.schedulingGates[{index}]"
        if gate.name in gates:
            errors.append(duplicate(field, gate.name))
        gates.add(gate.name)
    if spec.scheduling_gates and spec.node_name:
        detail = "cannot be set until all schedulingGates have been cleared"
        errors.append(forbidden(f"{at}.nodeName", detail))
    return errors


def validate_tolerations(tolerations: Iterable[Toleration], at: str) -> list[FieldError]:
    errors = []
    for index, toleration in enumerate(tolerations):
        errors += _validate_toleration(toleration, f"{at}[{index}]")
    return errors


def _validate_toleration(toleration: Toleration, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    operator = toleration.operator or "Equal"
    if toleration.key:
        problems = formats.qualified_name(toleration.key)
        errors += [bad_value(f"{at}.key", toleration.key, text) for text in problems]
    elif operator != "Exists":
        detail = (
            "operator must be Exists when `key` is empty, which means "
            '"match all values and all keys"'
        )
        errors.append(bad_value(f"{at}.operator", toleration.operator, detail))
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(bad_value(f"{at}.effect", toleration.effect, detail))
    if operator == "Equal":
        problems = formats.label_value(toleration.value)
        errors += [bad_value(f"{at}.operator", toleration.value, text) for text in problems]
    elif operator != "Exists":
        errors.append(unsupported(f"{at}.operator", operator, ("Equal", "Exists")))
    elif toleration.value:
        detail = "value must be empty when `operator` is 'Exists'"
        errors.append(bad_value(f"{at}.operator", toleration.value, detail))
    if toleration.effect and toleration.effect not in _EFFECTS:
        errors.append(unsupported(f"{at}.effect", toleration.effect, _EFFECTS))
    return errors


def _validate_spread(spec: PodSpec, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    policies = ("DoNotSchedule", "ScheduleAnyway")
    for index, constraint in enumerate(spec.topology_spread_constraints):
        field = f"{at}.topologySpreadConstraints[{index}]"
        if constraint.max_skew <= 0:
            detail = "must be greater than zero"
            errors.append(bad_value(f"{field}.maxSkew", constraint.max_skew, detail))
        if not constraint.topology_key:
            errors.append(required(f"{field}.topologyKey", "can not be empty"))
        if constraint.when_unsatisfiable not in policies:
            value = constraint.when_unsatisfiable
            errors.append(unsupported(f"{field}.whenUnsatisfiable", value, policies))
        if constraint.label_selector is not None:
            selector_at = f"{field}.labelSelector"
            errors += validate_selector(constraint.label_selector, selector_at)
    return errors
