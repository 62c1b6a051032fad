"""What the keeper holds: one entry a sandbox, one a container, and how they change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netemu.host.zygote.children import StartError
from netemu.host.zygote.inputs import Input
from netemu.host.zygote.logs import LogFile, Pipes, Pump
from netemu.model.runtime import (
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    Mount,
    SandboxState,
)

if TYPE_CHECKING:
    from netemu.host.zygote.attachments import Attachment

Outcome = Callable[[SandboxState | ContainerState | StartError | None], None]


@dataclass(slots=True)
class Sandbox:
    state: SandboxState
    hostname: str
    cgroup: str
    share_pid: bool
    born: bool = False
    waiting: list[Outcome] = field(default_factory=list)
    """Who asked for it while it was being born."""
    removal: list[Callable[[], None]] = field(default_factory=list)
    """To be called when its pause process is gone."""


@dataclass(slots=True)
class Container:
    state: ContainerState
    cgroup: str
    pipes: Pipes
    log: LogFile
    pumps: list[Pump] = field(default_factory=list)
    input: Input | None = None
    attachments: list[Attachment] = field(default_factory=list)
    joins: bool = False
    """Its PID namespace is another's, too: its first process' end is not the end of all."""
    born: bool = False
    waiting: list[Outcome] = field(default_factory=list)
    removal: list[Callable[[], None]] = field(default_factory=list)
    """To be called when its processes are gone."""


def first_state(spec: ContainerSpec, pid: int) -> ContainerState:
    return ContainerState(
        id=spec.id,
        sandbox=spec.sandbox,
        name=spec.name,
        restart_count=spec.restart_count,
        phase=ContainerPhase.RUNNING,
        pid=pid,
        started_at=time.time(),
    )


def note_end(state: ContainerState, status: int | None) -> None:
    state.finished_at = time.time()
    state.pid = 0
    if status is None:
        state.phase = ContainerPhase.UNKNOWN
        state.exit_code = 137
        return
    state.phase = ContainerPhase.EXITED
    code = os.waitstatus_to_exitcode(status)
    state.signal = max(0, -code)
    state.exit_code = code if code >= 0 else 128 - code


def mount_termination_message(spec: ContainerSpec) -> None:
    if spec.termination_message_file:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(spec.termination_message_file, flags, 0o666)
        os.fchmod(fd, 0o666)
        os.close(fd)
        target = spec.termination_message_path
        spec.mounts.append(Mount(source=spec.termination_message_file, target=target))


def close_all(fds: list[int]) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)
