"""What a kubelet knows of one Pod: its sandbox, and the runs of its containers.

This is the input of `lifecycle.plan` and of `status.make`, kept up to date by what the
runtime tells. Times are seconds since the epoch. A *run* is one life of a container;
a restart makes a new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address

from netemu.model.core_v1 import Container, Pod
from netemu.model.runtime import ContainerPhase, ContainerState

SIGTERM = 15
BACK_OFF_FIRST_S = 10.0
BACK_OFF_MAX_S = 300.0
BACK_OFF_FORGET_S = 600.0


class Hook(StrEnum):
    """How far a postStart or preStop hook has come."""

    NONE = "none"
    DUE = "due"
    RUNNING = "running"
    DONE = "done"


@dataclass(slots=True, kw_only=True)
class Stop:
    """A run that is being stopped."""

    requested_at: float
    grace_s: float
    signal: int = SIGTERM
    pre_stop: Hook = Hook.NONE
    terminated_at: float | None = None
    """When that signal was sent."""
    killed_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """One life of one container."""

    id: str
    attempt: int
    started_at: float
    running: bool = True
    finished_at: float = 0.0
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    image_id: str = ""
    image: str = ""
    generation: int = 0
    """Which sandbox of the Pod it ran in: a new sandbox starts everything anew."""

    started: bool = False
    """Its startup probe has succeeded, or it has none."""
    ready: bool = False
    """Its readiness probe's word, or that it has none."""
    unhealthy: str = ""
    """`liveness` or `startup`: the probe on whose account it must be restarted."""
    post_start: Hook = Hook.NONE
    stop: Stop | None = None
    back_off_told: bool = False

    @property
    def up(self) -> bool:
        """Running in the eyes of the API: a postStart hook must be over first."""
        return self.running and self.post_start in (Hook.NONE, Hook.DONE)


@dataclass(slots=True, kw_only=True)
class BackOff:
    """Delay before a restart: none at first, then 10 s, doubling up to 300 s."""

    delay_s: float = 0.0
    updated_at: float = 0.0

    def wait_until(self, finished_at: float) -> float:
        """Return when a container that ended at `finished_at` may start again."""
        if finished_at - self.updated_at > BACK_OFF_FORGET_S:
            return finished_at
        return finished_at + self.delay_s

    def note_restart(self, now: float, finished_at: float) -> None:
        forgotten = finished_at - self.updated_at > BACK_OFF_FORGET_S
        grown = BACK_OFF_FIRST_S if forgotten or not self.delay_s else self.delay_s * 2
        self.delay_s = min(grown, BACK_OFF_MAX_S)
        self.updated_at = now


@dataclass(slots=True, kw_only=True)
class ContainerMemory:
    """All that is known of one container of the spec."""

    name: str
    run: Run | None = None
    last: Run | None = None
    """The run before `run`, if there was one."""
    back_off: BackOff = field(default_factory=BackOff)
    waiting_reason: str = ""
    waiting_message: str = ""
    retry_at: float = 0.0
    """When a start that failed for a configuration error is tried again."""
    pull_delay_s: float = 0.0
    """How long its image is waited for, if it cannot be had; grows with each failure."""
    pull_at: float = 0.0
    """When that is over."""

    @property
    def next_attempt(self) -> int:
        return self.run.attempt + 1 if self.run else 0


class SandboxPhase(StrEnum):
    NONE = "none"
    READY = "ready"
    LOST = "lost"
    """Its pause process is gone: everything in it must start again."""


@dataclass(slots=True, kw_only=True)
class PodMemory:
    """All that is known of one Pod."""

    first_seen: float
    sandbox: SandboxPhase = SandboxPhase.NONE
    pod_ip: IPv4Address | None = None
    retry_at: float = 0.0
    """When the making of the sandbox is tried again after a failure."""
    containers: dict[str, ContainerMemory] = field(default_factory=dict)
    failed_reason: str = ""
    """Set when the kubelet gave the Pod up: DeadlineExceeded, OutOfpods, Evicted …"""
    failed_message: str = ""
    failed_grace_s: float | None = None
    """How long its containers have then at most; None: as long as the Pod says."""
    terminating_since: float | None = None
    grace_s: float = 0.0
    torn_down: bool = False
    frozen: bool = False
    """It had come to its end before this kubelet saw it: only deletion is left."""
    generation: int = 0
    """Counts the sandboxes."""

    def current(self, name: str) -> Run | None:
        """Return the container's newest run, if it was in the present sandbox."""
        run = self.of(name).run
        return run if run is not None and run.generation == self.generation else None

    def of(self, name: str) -> ContainerMemory:
        return self.containers.setdefault(name, ContainerMemory(name=name))

    def runs(self) -> Iterable[tuple[ContainerMemory, Run]]:
        for container in self.containers.values():
            if container.run is not None:
                yield container, container.run


def is_sidecar(container: Container) -> bool:
    """Whether an init container is one that goes on running."""
    return container.restart_policy == "Always"


def run_of(state: ContainerState, *, image: str, image_id: str) -> Run:
    """Read what the runtime says of one run."""
    run = Run(
        id=state.id,
        attempt=state.restart_count,
        started_at=state.started_at,
        image=image,
        image_id=image_id,
    )
    if state.phase is not ContainerPhase.RUNNING or state.error:
        note_exit(run, state)
    return run


def note_exit(run: Run, state: ContainerState, *, message: str = "") -> None:
    """Write the end of a run into it."""
    run.running = False
    run.ready = False
    run.finished_at = state.finished_at or state.started_at
    run.signal = state.signal
    run.exit_code = state.exit_code
    run.message = message
    if state.error:
        run.reason, run.message = "StartError", state.error
        run.exit_code = run.exit_code or 128
    elif state.phase is ContainerPhase.UNKNOWN:
        run.reason, run.exit_code = "ContainerStatusUnknown", 137
        run.message = "The container could not be located when the pod was terminated"
    elif state.oom_killed:
        run.reason, run.exit_code = "OOMKilled", run.exit_code or 137
    else:
        run.reason = "Completed" if run.exit_code == 0 else "Error"


def container_of(pod: Pod, name: str) -> Container | None:
    """Return the spec of a container of any sort."""
    spec = pod.spec
    everyone = (*spec.containers, *spec.init_containers, *spec.ephemeral_containers)
    return next((container for container in everyone if container.name == name), None)
