"""What a Pod may ask for and does not get: stored, returned, and without effect.

One line a field, with what happens instead. A Pod that uses one is told so, once, by an
event; `docs/podspec.md` has the same lines. Who teaches the kubelet a field removes its
line here and names the field in `honoured_fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Never, TypeVar

from netemu.model.core_v1 import Container, Pod, PodSpec, SecurityContext, Volume
from netemu.model.core_v1 import PodSecurityContext as PodContext

T_contra = TypeVar("T_contra", contravariant=True)

_LIMITED = frozenset(("cpu", "memory"))


@dataclass(frozen=True, slots=True)
class Gap(Generic[T_contra]):
    """One field without effect."""

    field: str
    """As a manifest has it, below the Pod's spec, a container or a volume."""
    instead: str
    asked: Callable[[T_contra], object]
    """Whether it is used in a way that makes a difference."""
    matters: bool = False
    """What the Pod is for may well depend on it."""
    partly: str = ""
    """The values without effect, where others have theirs."""


@dataclass(frozen=True, slots=True)
class NotHonoured:
    """What is to be told of one Pod."""

    message: str
    matters: bool


POD_GAPS: tuple[Gap[PodSpec], ...] = (
    Gap("hostPID", "it sees its own processes", lambda s: s.host_pid, matters=True),
    Gap("hostIPC", "it has an IPC namespace of its own", lambda s: s.host_ipc, matters=True),
    Gap(
        "hostUsers", "there are no user namespaces", lambda s: s.host_users is False, partly="false"
    ),
    Gap("runtimeClassName", "there is one runtime", lambda s: s.runtime_class_name),
    Gap("resourceClaims", "there are no devices", lambda s: s.resource_claims, matters=True),
    Gap("resources", "its containers' own count", lambda s: s.resources),
    Gap("schedulingGroup", "it is scheduled by itself", lambda s: s.scheduling_group),
    Gap("evictionResponders", "nobody is asked", lambda s: s.eviction_responders),
    Gap(
        "os",
        "it is Linux",
        lambda s: s.os and s.os.name != "linux",
        matters=True,
        partly="`windows`",
    ),
)

_CONTEXT_GAPS: tuple[Gap[PodContext | SecurityContext], ...] = (
    Gap(
        "securityContext.seccompProfile",
        "profiles of your own are not loaded",
        lambda c: c.seccomp_profile and c.seccomp_profile.type == "Localhost",
        partly="`localhostProfile`",
    ),
    Gap(
        "securityContext.appArmorProfile",
        "no profile is loaded",
        lambda c: c.app_armor_profile and c.app_armor_profile.type != "Unconfined",
    ),
    Gap("securityContext.seLinuxOptions", "nothing is labelled", lambda c: c.se_linux_options),
    Gap("securityContext.windowsOptions", "it is Linux", lambda c: c.windows_options),
)

POD_CONTEXT_GAPS: tuple[Gap[PodContext], ...] = (
    *_CONTEXT_GAPS,
    Gap(
        "securityContext.supplementalGroupsPolicy",
        "the host's /etc/group is not looked at",
        lambda c: c.supplemental_groups_policy == "Merge",
        partly="`Merge`",
    ),
)

CONTAINER_CONTEXT_GAPS: tuple[Gap[SecurityContext], ...] = (
    *_CONTEXT_GAPS,
    Gap(
        "securityContext.procMount",
        "/proc is masked",
        lambda c: c.proc_mount not in (None, "", "Default"),
        partly="`Unmasked`",
    ),
)

CONTAINER_GAPS: tuple[Gap[Container], ...] = (
    Gap("volumeDevices", "there are no block devices", lambda c: c.volume_devices, matters=True),
    Gap("resizePolicy", "resources are set at the start", lambda c: c.resize_policy),
    Gap("resources.claims", "there are no devices", lambda c: c.resources.claims, matters=True),
    Gap(
        "resources.limits",
        "only CPU and memory are limited",
        lambda c: c.resources.limits.keys() - _LIMITED,
        partly="others than `cpu` and `memory`",
    ),
    Gap(
        "volumeMounts.recursiveReadOnly",
        "mounts below a read-only one may be writable",
        lambda c: any(m.recursive_read_only in ("Enabled", "IfPossible") for m in c.volume_mounts),
        partly="`Enabled`, `IfPossible`",
    ),
    Gap(
        "volumeMounts.bindMountOptions",
        "it is an ordinary bind mount",
        lambda c: any(m.bind_mount_options for m in c.volume_mounts),
    ),
)

VOLUME_GAPS: tuple[Gap[Volume], ...] = (
    Gap(
        "emptyDir.medium",
        "it lies on the disk",
        lambda v: v.empty_dir and v.empty_dir.medium not in ("", "Memory"),
        partly="`HugePages`",
    ),
    Gap(
        "projected.sources.clusterTrustBundle",
        "its file is missing",
        lambda v: v.projected and any(s.cluster_trust_bundle for s in v.projected.sources),
        matters=True,
    ),
    Gap(
        "projected.sources.podCertificate",
        "its file is missing",
        lambda v: v.projected and any(s.pod_certificate for s in v.projected.sources),
        matters=True,
    ),
)


def not_honoured(pod: Pod) -> NotHonoured | None:
    """Return what the Pod must be told, if anything."""
    found = list(_found(pod.spec))
    if not found:
        return None
    listed = "; ".join(
        f"{gap.field}{' of ' + ', '.join(whose) if whose else ''} ({gap.instead})"
        for gap, whose in found
    )
    matters = any(gap.matters for gap, _ in found)
    return NotHonoured(f"netemu stores but does not honour {listed}", matters)


def _found(spec: PodSpec) -> Iterable[tuple[Gap[Never], list[str]]]:
    containers = [*spec.init_containers, *spec.containers]
    yield from ((gap, []) for gap in POD_GAPS if gap.asked(spec))
    if (context := spec.security_context) is not None:
        yield from ((gap, []) for gap in POD_CONTEXT_GAPS if gap.asked(context))
    for gap in CONTAINER_GAPS:
        if whose := [c.name for c in containers if gap.asked(c)]:
            yield gap, whose
    contexts = [(c.name, c.security_context) for c in containers if c.security_context]
    for own in CONTAINER_CONTEXT_GAPS:
        if whose := [name for name, context in contexts if own.asked(context)]:
            yield own, whose
    for kind in VOLUME_GAPS:
        if whose := [v.name for v in spec.volumes if kind.asked(v)]:
            yield kind, whose
