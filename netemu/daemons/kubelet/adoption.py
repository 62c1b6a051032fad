"""What is found when a kubelet starts: the runtime's records and the Pod's own status.

Together they are what an earlier kubelet knew; only back-off delays are forgotten, as
they are by Kubernetes' own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from netemu.core.kubelet.memory import PodMemory, Run, SandboxPhase, run_of
from netemu.model.clock import parse_time
from netemu.model.core_v1 import ContainerStatus, Pod
from netemu.model.runtime import ContainerState, SandboxState
from netemu.model.wire import Time

_TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class World:
    """The runtime's records of one node."""

    sandboxes: dict[str, SandboxState] = field(default_factory=dict)
    containers: dict[str, list[ContainerState]] = field(default_factory=dict)
    """By sandbox, oldest run first."""

    @classmethod
    def of(cls, sandboxes: Iterable[SandboxState], containers: Iterable[ContainerState]) -> World:
        world = cls({sandbox.id: sandbox for sandbox in sandboxes})
        for state in sorted(containers, key=lambda state: state.restart_count):
            if state.sandbox in world.sandboxes:
                world.containers.setdefault(state.sandbox, []).append(state)
        return world


def remember(pod: Pod, world: World, *, now: float) -> PodMemory:
    """Return what is known of a Pod that a kubelet sees for the first time."""
    status = pod.status
    first_seen = parse_time(status.start_time).timestamp() if status.start_time else now
    memory = PodMemory(first_seen=first_seen, frozen=status.phase in _TERMINAL)
    sandbox = world.sandboxes.get(pod.metadata.uid)
    if sandbox is not None and sandbox.alive and status.pod_ip:
        memory.sandbox = SandboxPhase.READY
        memory.generation = 1
        memory.pod_ip = IPv4Address(status.pod_ip)
    elif sandbox is not None and not sandbox.alive:
        memory.sandbox = SandboxPhase.LOST
    _remember_runs(pod, memory, world, now=now)
    return memory


def _remember_runs(pod: Pod, memory: PodMemory, world: World, *, now: float) -> None:
    spec = pod.spec
    statuses = (
        *pod.status.init_container_statuses,
        *pod.status.container_statuses,
        *pod.status.ephemeral_container_statuses,
    )
    said = {status.name: status for status in statuses}
    everyone = (*spec.init_containers, *spec.containers, *spec.ephemeral_containers)
    names = [container.name for container in everyone]
    found = world.containers.get(pod.metadata.uid, ())
    for name in names:
        known = memory.of(name)
        runs = [state for state in found if state.name == name]
        status = said.get(name)
        for state in runs:
            image, image_id = (status.image, status.image_id) if status else ("", "")
            run = run_of(state, image=image, image_id=image_id)
            run.generation = memory.generation
            if status is not None and run.running and status.container_id.endswith(f"/{run.id}"):
                # What probes have found stays true until they find otherwise.
                run.started, run.ready = bool(status.started), status.ready
            known.last, known.run = known.run, run
        if not runs and status is not None and status.container_id:
            known.run = _lost(status, now=now)


def _lost(status: ContainerStatus, *, now: float) -> Run:
    """Return a run of which only the API remembers."""
    done = status.state.terminated or status.last_state.terminated
    running = status.state.running
    began = running.started_at if running is not None else done.started_at if done else Time("")
    finished = done.finished_at if done is not None and running is None else Time("")
    run = Run(
        id=status.container_id.rpartition("/")[2],
        attempt=status.restart_count,
        started_at=_seconds(began, otherwise=now),
        running=False,
        finished_at=_seconds(finished, otherwise=now),
        exit_code=137,
        reason="ContainerStatusUnknown",
        message="The container could not be located when the pod was terminated",
        image=status.image,
        image_id=status.image_id,
        generation=-1,
    )
    if done is not None and running is None:
        run.exit_code, run.reason, run.message = done.exit_code, done.reason, done.message
    return run


def _seconds(time: Time, *, otherwise: float) -> float:
    return parse_time(time).timestamp() if time else otherwise
