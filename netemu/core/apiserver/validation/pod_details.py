"""What of a pod depends on the rest of it, and the choices that few pods make.

A stop signal needs to know the operating system, a pause before the end the grace period,
a sysctl whether the network is the pod's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    forbidden,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.core.kubelet.stop_signal import NAMES as SIGNALS
from netemu.model import quantity
from netemu.model.core_v1 import (
    Container,
    ContainerRestartRule,
    LifecycleHandler,
    PodSpec,
    Probe,
    SeccompProfile,
    SecurityContext,
    VolumeMount,
)

_SEARCH_CHARS_MAX = 2048
_SYSTEMS = ("linux", "windows")
_POLICIES = ("Always", "OnFailure", "Never")
_RULES_MAX = 20
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIONS = ("Disabled", "Enabled", "IfPossible")
_SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


def validate_details(spec: PodSpec, at: str) -> list[FieldError]:
    """Return what is wrong in ways that one field alone does not show."""
    errors = [*_pod(spec, at), *_pod_security(spec, f"{at}.securityContext")]
    for group, containers in (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers),
    ):
        for index, container in enumerate(containers):
            field = f"{at}.{group}[{index}]"
            errors += _container(spec, container, field, init=group == "initContainers")
    for index, volume in enumerate(spec.volumes):
        limit = volume.empty_dir.size_limit if volume.empty_dir else None
        if limit and quantity.milli(limit) < 0:
            detail = "SizeLimit field must be a valid resource quantity"
            errors.append(forbidden(f"{at}.volumes[{index}].emptyDir.sizeLimit", detail))
    return errors


def _pod(spec: PodSpec, at: str) -> Iterator[FieldError]:
    if spec.os is not None and spec.os.name not in _SYSTEMS:
        if not spec.os.name:
            yield required(f"{at}.os.name")
        else:
            yield unsupported(f"{at}.os", spec.os.name, _SYSTEMS)
    if spec.host_pid and spec.share_process_namespace:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield bad_value(f"{at}.shareProcessNamespace", True, detail)
    for index, gate in enumerate(spec.readiness_gates):
        field = f"{at}.readinessGates[{index}].conditionType"
        for text in formats.qualified_name(gate.condition_type):
            yield bad_value(field, gate.condition_type, text)
    searches = spec.dns_config.searches if spec.dns_config else []
    if len(" ".join(searches)) > _SEARCH_CHARS_MAX:
        most = f"{_SEARCH_CHARS_MAX} characters (including spaces)"
        detail = f"must not have more than {most} in the search list"
        yield bad_value(f"{at}.dnsConfig.searches", searches, detail)


def _pod_security(spec: PodSpec, at: str) -> Iterator[FieldError]:
    context = spec.security_context
    if context is None:
        return
    for field, value, choices in (
        ("fsGroupChangePolicy", context.fs_group_change_policy, ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", context.supplemental_groups_policy, ("Merge", "Strict")),
    ):
        if value is not None and value not in choices:
            yield unsupported(f"{at}.{field}", value, choices)
    for index, sysctl in enumerate(context.sysctls):
        name = sysctl.name.replace("/", ".")
        field = f"{at}.sysctls[{index}].name[{sysctl.name}]"
        if spec.host_network and name.startswith("net."):
            yield bad_value(field, sysctl.name, "may not be specified when 'hostNetwork' is true")
        if spec.host_ipc and name.startswith(_IPC_SYSCTLS):
            yield bad_value(field, sysctl.name, "may not be specified when 'hostIPC' is true")
    yield from _seccomp(context.seccomp_profile, f"{at}.seccompProfile")


def _seccomp(profile: SeccompProfile | None, at: str) -> Iterator[FieldError]:
    if profile is None:
        return
    if profile.type not in _SECCOMP:
        yield unsupported(f"{at}.type", profile.type, _SECCOMP)
    elif profile.type == "Localhost" and not profile.localhost_profile:
        yield required(f"{at}.localhostProfile", "must be set when seccomp type is Localhost")
    elif profile.type != "Localhost" and profile.localhost_profile:
        detail = "can only be set when seccomp type is Localhost"
        yield bad_value(f"{at}.localhostProfile", profile.localhost_profile, detail)


def _container(spec: PodSpec, container: Container, at: str, *, init: bool) -> list[FieldError]:
    errors = [*_restarts(container, at, init=init), *_lifecycle(spec, container, at)]
    for name, probe in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        errors += _probe_grace(probe, f"{at}.{name}", allowed=name != "readinessProbe")
    if container.security_context is not None:
        errors += _container_security(spec, container.security_context, f"{at}.securityContext")
    for index, mount in enumerate(container.volume_mounts):
        errors += _mount(container, mount, f"{at}.volumeMounts[{index}]")
    for index, port in enumerate(container.ports):
        if port.host_ip:
            problems = formats.ip(port.host_ip)
            errors += [bad_value(f"{at}.ports[{index}].hostIP", port.host_ip, t) for t in problems]
    for index, variable in enumerate(container.env):
        origin = variable.value_from.file_key_ref if variable.value_from else None
        if origin is not None:
            field = f"{at}.env[{index}].valueFrom.fileKeyRef"
            missing = (
                ("key", origin.key),
                ("volumeName", origin.volume_name),
                ("path", origin.path),
            )
            errors += [required(f"{field}.{name}") for name, value in missing if not value]
    return errors


def _restarts(container: Container, at: str, *, init: bool) -> Iterator[FieldError]:
    rules, policy = container.restart_policy_rules, container.restart_policy
    choices = _POLICIES if rules or not init else ("Always",)
    if policy and policy not in choices:
        yield unsupported(f"{at}.restartPolicy", policy, choices)
    if rules and not policy:
        detail = "must specify restartPolicy when restart rules are used"
        yield required(f"{at}.restartPolicy", detail)
    if len(rules) > _RULES_MAX:
        detail = f"must have at most {_RULES_MAX} items"
        yield bad_value(f"{at}.restartPolicyRules", len(rules), detail)
    for index, rule in enumerate(rules):
        yield from _rule(rule, f"{at}.restartPolicyRules[{index}]")


def _rule(rule: ContainerRestartRule, at: str) -> Iterator[FieldError]:
    actions = ("Restart", "RestartAllContainers")
    if rule.action not in actions:
        yield unsupported(f"{at}.action", rule.action, actions)
    if rule.exit_codes is None:
        yield required(f"{at}.exitCodes", "must be specified")
        return
    if rule.exit_codes.operator not in ("In", "NotIn"):
        yield unsupported(f"{at}.exitCodes.operator", rule.exit_codes.operator, ("In", "NotIn"))
    if not rule.exit_codes.values:
        yield bad_value(f"{at}.exitCodes.values", [], "at least one exit code must be specified")


def _lifecycle(spec: PodSpec, container: Container, at: str) -> Iterator[FieldError]:
    hooks = container.lifecycle
    if hooks is None:
        return
    if hooks.stop_signal is not None:
        field = f"{at}.lifecycle.stopSignal"
        if spec.os is None or not spec.os.name:
            detail = "may not be set for containers with empty `spec.os.name`"
            yield forbidden(field, detail)
        elif hooks.stop_signal not in SIGNALS:
            yield unsupported(field, hooks.stop_signal, SIGNALS)
    yield from _pause(spec, hooks.post_start, f"{at}.lifecycle.postStart")
    yield from _pause(spec, hooks.pre_stop, f"{at}.lifecycle.preStop")


def _pause(spec: PodSpec, hook: LifecycleHandler | None, at: str) -> Iterator[FieldError]:
    grace = spec.termination_grace_period_seconds
    if hook is None or hook.sleep is None or grace is None:
        return
    if not 0 <= hook.sleep.seconds <= grace:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        yield bad_value(f"{at}.sleep", hook.sleep.seconds, detail)


def _probe_grace(probe: Probe | None, at: str, *, allowed: bool) -> Iterator[FieldError]:
    grace = probe.termination_grace_period_seconds if probe else None
    if grace is None:
        return
    field = f"{at}.terminationGracePeriodSeconds"
    if not allowed:
        yield bad_value(field, grace, "must not be set for readinessProbes")
    elif grace <= 0:
        yield bad_value(field, grace, "must be greater than 0")


def _container_security(spec: PodSpec, context: SecurityContext, at: str) -> Iterator[FieldError]:
    if (mount := context.proc_mount) not in (None, "", "Default"):
        if mount != "Unmasked":
            yield unsupported(f"{at}.procMount", mount, ("Default", "Unmasked"))
        elif spec.host_users is not False:
            detail = "`hostUsers` must be false to use `Unmasked`"
            yield bad_value(f"{at}.procMount", mount, detail)
    added: Iterable[str] = context.capabilities.add if context.capabilities else ()
    if context.allow_privilege_escalation is False and "CAP_SYS_ADMIN" in added:
        detail = (
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        )
        yield bad_value(at, False, detail)
    yield from _seccomp(context.seccomp_profile, f"{at}.seccompProfile")


def _mount(container: Container, mount: VolumeMount, at: str) -> Iterator[FieldError]:
    if mount.sub_path and mount.sub_path_expr:
        detail = "subPathExpr and subPath are mutually exclusive"
        yield bad_value(f"{at}.subPathExpr", mount.sub_path_expr, detail)
    propagation = mount.mount_propagation
    context = container.security_context
    if propagation is not None and propagation not in _PROPAGATIONS:
        yield unsupported(f"{at}.mountPropagation", propagation, _PROPAGATIONS)
    elif propagation == "Bidirectional" and not (context and context.privileged):
        detail = "Bidirectional mount propagation is available only to privileged containers"
        yield forbidden(f"{at}.mountPropagation", detail)
    recursive = mount.recursive_read_only
    if recursive is None or recursive == "Disabled":
        return
    if recursive not in _RECURSIONS:
        yield unsupported(f"{at}.recursiveReadOnly", recursive, _RECURSIONS)
    elif not mount.read_only:
        detail = "may only be specified when readOnly is true"
        yield forbidden(f"{at}.recursiveReadOnly", detail)
