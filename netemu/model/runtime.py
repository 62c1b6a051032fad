"""What a kubelet asks the container runtime for, and what the runtime tells.

These structs travel between the daemon and the zygote as MessagePack over a Unix
socket, so everything in them is plain data. A *sandbox* is what a pause process
holds: network, UTS and IPC namespaces. Nodes are held the same way.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class SandboxKind(StrEnum):
    POD = "pod"
    NODE = "node"
    """Network and UTS namespaces of a node (or of the underlay switch)."""


class SandboxSpec(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A pause process and its namespaces."""

    id: str
    """The Pod's UID, or `node/NAME`."""
    kind: SandboxKind = SandboxKind.POD
    node: str = ""
    namespace: str = ""
    name: str = ""
    hostname: str
    host_network: bool = False
    """Join the namespace named by `netns_of` instead of making one."""
    netns_of: str = ""
    """Id of the sandbox whose network is shared (a node's, for hostNetwork Pods)."""
    netns_path: str = ""
    """A network namespace to live in again: a node's, whose earlier holder has died."""
    share_pid: bool = False
    cgroup: str = ""
    """Path below the cluster's cgroup: `kubepods/burstable/pod<uid>`."""
    sysctls: dict[str, str] = {}


class Mount(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One entry of a container's mount namespace."""

    source: str = ""
    """A path in the host's mount namespace; empty for a tmpfs."""
    sub_path: str = ""
    """Below `source`, made if it is missing. No link in it leads out of `source`."""
    target: str
    read_only: bool = False
    tmpfs: bool = False
    size_bytes: int = 0
    propagation: str = ""
    mounted_late: bool = False
    """`source` is a mount of the host's that came after the runtime: emptyDir in memory."""


class Resources(msgspec.Struct, kw_only=True, omit_defaults=True):
    cpu_shares: int = 0
    cpu_quota_us: int = 0
    """Microseconds a 100 ms period; 0 is no limit."""
    memory_bytes: int = 0
    oom_score_adj: int = 0


class ContainerSpec(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run of one container: a restart is a new id."""

    id: str
    sandbox: str
    name: str
    pid_of: str = ""
    """Id of a running container whose processes it shares; else the sandbox says."""
    restart_count: int = 0
    title: str
    """What `ps` shows: `netemu: default/web-1 web (stand-in)`."""
    argv: list[str] = []
    """A program on the container's root; empty when `entrypoint` is set."""
    entrypoint: str = ""
    """`package.module:function` of a built-in image, called as function(argv_tail)
    in the forked child, without a new interpreter. `args` are its arguments."""
    args: list[str] = []
    furniture: str = ""
    """A module whose `furnish(folder)` makes the uppermost lower layer of the root."""
    env: dict[str, str] = {}
    cwd: str = "/"
    mounts: list[Mount] = []
    rootfs: str = ""
    """Lower directory of the root; empty means the host's `/`, masked."""
    read_only_root: bool = False
    user_id: int = 0
    group_id: int = 0
    groups: list[int] = []
    capabilities: list[str] = []
    """Without the `CAP_` prefix, upper case; the whole set the container has."""
    privileged: bool = False
    no_new_privileges: bool = False
    filters_system_calls: bool = False
    """`seccompProfile: RuntimeDefault`."""
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    resources: Resources = msgspec.field(default_factory=Resources)
    cgroup: str = ""
    log_path: str = ""
    """`/var/log/pods`-style file, written by the zygote in CRI format."""
    termination_message_path: str = "/dev/termination-log"
    termination_message_file: str = ""
    """File on the host that is mounted there and read at the end."""


class ContainerPhase(StrEnum):
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"
    """Its exit was recorded by nobody (the zygote died): ContainerStatusUnknown."""


class ContainerState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the runtime knows about one run of one container."""

    id: str
    sandbox: str
    name: str
    restart_count: int = 0
    phase: ContainerPhase
    pid: int = 0
    started_at: float = 0.0
    """Seconds since the epoch."""
    finished_at: float = 0.0
    exit_code: int = 0
    signal: int = 0
    oom_killed: bool = False
    error: str = ""
    """Why it could not be started: the reason becomes StartError."""


class SandboxState(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    kind: SandboxKind = SandboxKind.POD
    node: str = ""
    namespace: str = ""
    name: str = ""
    pid: int
    """The pause process: `/proc/PID/ns/net` is the namespace."""
    pid_start: int
    """Start time in clock ticks since boot, field 22 of /proc/PID/stat."""
    alive: bool = True
    created_at: float = 0.0
