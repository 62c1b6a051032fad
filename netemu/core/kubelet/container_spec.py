"""What the runtime is asked for, put together from all the other decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from netemu.core.kubelet import env, resources
from netemu.core.kubelet.field_refs import ContainerConfigError
from netemu.core.kubelet.images import ImageSource, Resolution
from netemu.core.kubelet.security import Security
from netemu.model.core_v1 import Container, Pod, Volume, VolumeMount
from netemu.model.runtime import ContainerSpec, Mount, SandboxSpec

_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPaths:
    """Where on the host a Pod's files are."""

    hosts: str
    resolv_conf: str
    hostname: str
    volumes: Mapping[str, str]
    """The directory (or file) of each volume."""
    mounted: Collection[str] = ()
    """The volumes that are filesystems of their own: those in memory."""
    termination_message: str
    log: str


def container_id(pod: Pod, container: Container, attempt: int) -> str:
    """Return the id of one run: the same for the same run, after a crash of ours, too."""
    text = f"{pod.metadata.uid}/{container.name}/{attempt}"
    return hashlib.sha256(text.encode()).hexdigest()


def node_sandbox_id(node: str) -> str:
    return f"node/{node}"


def sandbox(pod: Pod, *, node: str, hostname: str) -> SandboxSpec:
    """Return the Pod's sandbox."""
    context = pod.spec.security_context
    host_network = pod.spec.host_network
    return SandboxSpec(
        id=pod.metadata.uid,
        node=node,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        hostname=hostname,
        host_network=host_network,
        netns_of=node_sandbox_id(node) if host_network else "",
        share_pid=bool(pod.spec.share_process_namespace),
        cgroup=resources.pod_cgroup(pod),
        sysctls={entry.name: entry.value for entry in context.sysctls} if context else {},
    )


def make(
    pod: Pod,
    container: Container,
    *,
    attempt: int,
    resolution: Resolution,
    variables: Mapping[str, str],
    security: Security,
    paths: PodPaths,
    memory_capacity: int,
    pid_of: str = "",
) -> ContainerSpec:
    """Return one run of one container; raises ContainerConfigError."""
    identity = container_id(pod, container, attempt)
    meta = pod.metadata
    stands_in = " (stand-in)" if resolution.source is ImageSource.STAND_IN else ""
    home = "/root" if security.user_id == 0 else "/"
    return ContainerSpec(
        id=identity,
        sandbox=meta.uid,
        name=container.name,
        pid_of=pid_of,
        restart_count=attempt,
        title=f"netemu: {meta.namespace}/{meta.name} {container.name}{stands_in}",
        argv=list(resolution.argv),
        entrypoint=resolution.entrypoint,
        args=list(resolution.args),
        furniture=resolution.furniture,
        env={"HOME": home, **variables},
        cwd=container.working_dir or "/",
        mounts=_mounts(pod, container, variables, paths),
        read_only_root=security.read_only_root,
        user_id=security.user_id,
        group_id=security.group_id,
        groups=list(security.groups),
        capabilities=list(security.capabilities),
        privileged=security.privileged,
        no_new_privileges=security.no_new_privileges,
        filters_system_calls=security.filters_system_calls,
        tty=container.tty,
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        resources=resources.container_resources(pod, container, memory_capacity=memory_capacity),
        cgroup=f"{resources.pod_cgroup(pod)}/{identity}",
        log_path=paths.log,
        termination_message_path=container.termination_message_path or "/dev/termination-log",
        termination_message_file=paths.termination_message,
    )


def _mounts(
    pod: Pod, container: Container, variables: Mapping[str, str], paths: PodPaths
) -> list[Mount]:
    written = {volume.name for volume in pod.spec.volumes if _is_written_by_kubelet(volume)}
    own = [
        _volume_mount(mount, variables, paths, read_only=mount.read_only or mount.name in written)
        for mount in container.volume_mounts
    ]
    taken = {mount.target for mount in own}
    given = {
        "/etc/hosts": paths.hosts,
        "/etc/resolv.conf": paths.resolv_conf,
        "/etc/hostname": paths.hostname,
    }
    ours = [
        Mount(source=source, target=target)
        for target, source in given.items()
        if target not in taken
    ]
    # Shorter targets first: a mount must not hide another that lies within it.
    return sorted([*ours, *own], key=lambda mount: (mount.target.count("/"), mount.target))


def _is_written_by_kubelet(volume: Volume) -> bool:
    """Whether its files are the kubelet's to change: then no container may."""
    sources = (volume.config_map, volume.secret, volume.downward_api, volume.projected)
    return any(source is not None for source in sources)


def _volume_mount(
    mount: VolumeMount, variables: Mapping[str, str], paths: PodPaths, *, read_only: bool
) -> Mount:
    source = paths.volumes.get(mount.name)
    if source is None:
        raise ContainerConfigError(f'cannot find volume "{mount.name}" to mount into container')
    within = mount.sub_path
    if mount.sub_path_expr:
        within = env.expand(mount.sub_path_expr, variables)
        if within.startswith("/") or ".." in within.split("/"):
            raise ContainerConfigError(f"subPath must be a relative path without ..: {within}")
    return Mount(
        source=source,
        sub_path=within,
        target=mount.mount_path.rstrip("/") or "/",
        read_only=read_only,
        propagation=_PROPAGATION.get(mount.mount_propagation or "", ""),
        mounted_late=mount.name in paths.mounted,
    )
