"""Who a container's processes are and what they may do: securityContext, decided.

A container's own context overrides the Pod's, field by field. The default set of
capabilities is the container runtimes' (control-plane-and-node.md, 3.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from netemu.core.kubelet.field_refs import ContainerConfigError
from netemu.model.core_v1 import Container, Pod

_T = TypeVar("_T")

DEFAULT_CAPABILITIES = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
ALL_CAPABILITIES = (
    *DEFAULT_CAPABILITIES,
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "DAC_READ_SEARCH",
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "NET_ADMIN",
    "NET_BROADCAST",
    "PERFMON",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYSLOG",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
)
NOBODY_OF_IMAGES = 65532
"""The user `nonroot` of the images that have no root: a stand-in's, if root is forbidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """The outcome, as the runtime wants it."""

    user_id: int
    group_id: int
    groups: tuple[int, ...]
    capabilities: tuple[str, ...]
    privileged: bool
    no_new_privileges: bool
    read_only_root: bool
    filters_system_calls: bool = False


def decide(pod: Pod, container: Container, *, image_runs_as_root: bool) -> Security:
    """Return the container's identity and powers; raises ContainerConfigError."""
    own, shared = container.security_context, pod.spec.security_context
    contexts = [context for context in (own, shared) if context is not None]
    user = _first(*(context.run_as_user for context in contexts))
    group = _first(*(context.run_as_group for context in contexts))
    non_root = _first(*(context.run_as_non_root for context in contexts))
    if non_root and user is None:
        if image_runs_as_root:
            text = "container has runAsNonRoot and image will run as root"
            raise ContainerConfigError(f"{text} {_whose(pod, container)}")
        user = NOBODY_OF_IMAGES
    if non_root and user == 0:
        text = "container's runAsUser breaks non-root policy"
        raise ContainerConfigError(f"{text} {_whose(pod, container)}")
    profile = _first(*(context.seccomp_profile for context in contexts))
    groups = [*(shared.supplemental_groups if shared else ())]
    if shared and shared.fs_group is not None:
        groups.append(shared.fs_group)
    privileged = bool(own and own.privileged)
    return Security(
        user_id=user or 0,
        group_id=group or 0,
        groups=tuple(groups),
        capabilities=ALL_CAPABILITIES if privileged else _capabilities(container),
        privileged=privileged,
        no_new_privileges=bool(own and own.allow_privilege_escalation is False),
        read_only_root=bool(own and own.read_only_root_filesystem),
        filters_system_calls=profile is not None and profile.type == "RuntimeDefault",
    )


def _whose(pod: Pod, container: Container) -> str:
    meta = pod.metadata
    return f'(pod: "{meta.name}_{meta.namespace}({meta.uid})", container: {container.name})'


def _first(*values: _T | None) -> _T | None:
    return next((value for value in values if value is not None), None)


def _capabilities(container: Container) -> tuple[str, ...]:
    context = container.security_context
    wanted = context.capabilities if context else None
    if wanted is None:
        return DEFAULT_CAPABILITIES
    add = {_plain(name) for name in wanted.add}
    drop = {_plain(name) for name in wanted.drop}
    start = set(ALL_CAPABILITIES if "ALL" in add else DEFAULT_CAPABILITIES)
    # `drop: [ALL]` with `add: [X]` leaves X: what is added by name wins.
    kept = (set() if "ALL" in drop else start - drop) | (add - {"ALL"})
    return tuple(sorted(kept))


def _plain(capability: str) -> str:
    return capability.upper().removeprefix("CAP_")
