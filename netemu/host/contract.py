"""What the layers above may ask of the host, as contracts.

`LinuxX` classes in this package keep them. There is one implementation each, on
the real kernel; the contracts exist so that daemons can be read without it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Protocol

from netemu.host.pod_network_repair import Finding
from netemu.model.runtime import ContainerSpec, ContainerState, SandboxSpec, SandboxState

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


class ExecSession(Protocol):
    """A process started in a running container; bytes in, bytes out."""

    async def write_stdin(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1 for stdout or 2 for stderr, bytes) until both are closed."""

    async def resize(self, *, width: int, height: int) -> None: ...

    async def wait(self) -> int:
        """Return the exit code; 128+n for a signal."""

    async def kill(self) -> None: ...


class AttachSession(ExecSession, Protocol):
    """Streams of a container's first process; `kill` only leaves."""

    logged_bytes: int
    """How much of the container's log came before what `output` yields."""
    has_input: bool
    """Whether what is written to stdin gets anywhere."""


class SandboxPorts(Protocol):
    """The way to the TCP ports of one Pod, from inside its network namespace."""

    async def connect(self, port: int) -> tuple[StreamReader, StreamWriter]:
        """Connect to a port of the Pod's loopback; HostError if nobody listens."""

    async def gone(self) -> None:
        """Wait until the Pod's sandbox has ended."""

    def close(self) -> None:
        """Let go of the sandbox; connections go on."""


class Runtime(Protocol):
    """The container runtime: the zygote, seen from the daemon."""

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxState:
        """Start a pause process. One that exists already is returned as it is."""

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Kill everything in the sandbox and forget it. Gone already is success."""

    async def start_container(self, spec: ContainerSpec) -> ContainerState:
        """Start one container; a failure to start is a state with `error`, exit code 128."""

    async def signal_container(self, container_id: str, signal: int) -> None:
        """Signal the container's first process. Gone already is success."""

    async def remove_container(self, container_id: str) -> None:
        """Kill it if it runs; drop its root, cgroup and record. Logs stay."""

    async def exec(
        self,
        container_id: str,
        argv: Sequence[str],
        *,
        tty: bool = False,
        stdin: bool = False,
    ) -> ExecSession:
        """Start a process in the container's namespaces, cgroup and confinement."""

    async def attach(self, container_id: str, *, stdin: bool = False) -> AttachSession:
        """Join a running container: its output from now on, its input if it has one.

        `close_stdin` ends the input of a container with `stdin_once`, else it leaves.
        """

    async def exec_capture(
        self, container_id: str, argv: Sequence[str], *, timeout_s: float
    ) -> tuple[int, bytes]:
        """Run to the end; return exit code and joined output. TimeoutError kills it."""

    async def sandboxes(self) -> list[SandboxState]: ...

    async def containers(self) -> list[ContainerState]: ...

    def events(self) -> AsyncIterator[ContainerState | SandboxState]:
        """Yield each container that exits and each sandbox that dies, from now on."""


class PodNetwork(Protocol):
    """One node's CNI: gives a Pod's namespace its address and its cable."""

    async def attach(
        self,
        *,
        sandbox_id: str,
        pid: int,
        namespace: str,
        pod: str,
        had: IPv4Address | None = None,
    ) -> IPv4Address:
        """Cable the namespace of process `pid` to the node. Repeating it returns the same.

        The address that the Pod `had` before is given again, unless it is another's now.
        """

    async def detach(self, *, sandbox_id: str) -> None:
        """Release the address and the link. Gone already is success."""

    async def repair(self, pids: Mapping[str, int]) -> list[Finding]:
        """Make again what is missing of the bridge and of the cables of these sandboxes."""

    async def prune(self, sandbox_ids: Collection[str]) -> None:
        """Detach all but these: what was left by a daemon that died."""

    async def ready(self, pod_cidr: IPv4Network) -> None:
        """Make the node's bridge for this range, if it is not there."""
