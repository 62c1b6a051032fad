"""A Pod's status, from what is known of it (control-plane-and-node.md, 3.1 and 3.2).

Phase, conditions and container statuses are computed anew each time. Only what must
outlast a computation is taken from the status before: transition times, conditions of
other owners, and a terminal phase, which is never left.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address

from netemu.core.kubelet import lifecycle
from netemu.core.kubelet.images import with_tag
from netemu.core.kubelet.memory import ContainerMemory, PodMemory, Run, SandboxPhase, is_sidecar
from netemu.core.kubelet.resources import qos_class
from netemu.core.kubelet.restarting import will_restart
from netemu.core.kubelet.stop_signal import named as named_stop_signal
from netemu.model.clock import format_time
from netemu.model.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    HostIP,
    Pod,
    PodCondition,
    PodIP,
    PodStatus,
)
from netemu.model.schema import Time

PENDING = "Pending"
RUNNING = "Running"
SUCCEEDED = "Succeeded"
FAILED = "Failed"
_TERMINAL = (SUCCEEDED, FAILED)

_DISRUPTED = "DisruptionTarget"

RUNTIME = "netemu"
"""The scheme of container ids: `netemu://…`."""

_OWN_CONDITIONS = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)


def make(pod: Pod, memory: PodMemory, *, host_ip: IPv4Address, now: float) -> PodStatus:
    """Return the status that the Pod has now."""
    before = pod.status
    inits = [_container_status(pod, c, memory, now, init=True) for c in pod.spec.init_containers]
    apps = [_container_status(pod, c, memory, now, init=False) for c in pod.spec.containers]
    added = [_added_status(pod, c, memory, now) for c in pod.spec.ephemeral_containers]
    phase = phase_of(pod, memory)
    ends = phase in _TERMINAL and before.phase not in _TERMINAL
    # A Pod has not come to its end while something of it runs, a sidecar perhaps.
    still_runs = ends and any(run.running for _, run in memory.runs())
    address = str(memory.pod_ip) if memory.pod_ip is not None else before.pod_ip
    return PodStatus(
        observed_generation=before.observed_generation,
        phase=before.phase if still_runs else phase,
        conditions=_conditions(pod, memory, phase, inits, apps, now),
        reason=before.reason if still_runs else memory.failed_reason or before.reason,
        message=before.message if still_runs else memory.failed_message or before.message,
        nominated_node_name=before.nominated_node_name,
        host_ip=str(host_ip),
        host_ips=[HostIP(ip=str(host_ip))],
        pod_ip=address,
        pod_ips=[PodIP(ip=address)] if address else [],
        start_time=before.start_time or time_of(memory.first_seen),
        init_container_statuses=inits,
        container_statuses=apps,
        ephemeral_container_statuses=added,
        qos_class=before.qos_class or qos_class(pod),
    )


def time_of(seconds: float) -> Time:
    return _time_of_second(int(seconds))


@lru_cache(maxsize=1024)
def _time_of_second(second: int) -> Time:
    return format_time(datetime.fromtimestamp(second, UTC))


# --- phase ----------------------------------------------------------------------------


def phase_of(pod: Pod, memory: PodMemory) -> str:
    if pod.status.phase in _TERMINAL:
        return pod.status.phase
    if memory.failed_reason:
        return FAILED
    if lifecycle.init_failed_for_good(pod, memory):
        return FAILED
    runs = [memory.of(container.name).run for container in pod.spec.containers]
    if memory.terminating_since is not None and memory.torn_down:
        done = all(run is not None and run.exit_code == 0 for run in runs)
        return SUCCEEDED if done else FAILED
    if _initialising(pod, memory) and not any(runs):
        return PENDING
    if any(run is None for run in runs):
        return PENDING
    if any(run is not None and run.running and not run.up for run in runs):
        first = any(memory.of(c.name).last is None for c in pod.spec.containers)
        return PENDING if first else RUNNING
    if any(run is not None and run.running for run in runs):
        return RUNNING
    return _phase_of_stopped(pod, [run for run in runs if run is not None])


def _phase_of_stopped(pod: Pod, runs: list[Run]) -> str:
    ended = zip(pod.spec.containers, runs, strict=True)
    if any(will_restart(pod, container, run, init=False) for container, run in ended):
        return RUNNING
    return SUCCEEDED if all(run.exit_code == 0 for run in runs) else FAILED


def _initialising(pod: Pod, memory: PodMemory) -> bool:
    return any(not _initialised(c, memory.current(c.name)) for c in pod.spec.init_containers)


def _initialised(container: Container, run: Run | None) -> bool:
    if run is None:
        return False
    if is_sidecar(container):
        return run.started
    return not run.running and run.exit_code == 0


# --- containers -----------------------------------------------------------------------


def _container_status(
    pod: Pod, container: Container, memory: PodMemory, now: float, *, init: bool
) -> ContainerStatus:
    known = memory.of(container.name)
    run = known.run
    state, last = _states(pod, container, memory, known, now, init=init)
    regular_init = init and not is_sidecar(container)
    done = regular_init and run is not None and not run.running and run.exit_code == 0
    shown = run or known.last
    return ContainerStatus(
        name=container.name,
        state=state,
        last_state=last,
        ready=done or (not regular_init and state.running is not None and bool(run and run.ready)),
        restart_count=run.attempt if run else 0,
        image=shown.image if shown and shown.image else with_tag(container.image),
        image_id=shown.image_id if shown else "",
        container_id=f"{RUNTIME}://{shown.id}" if shown else "",
        started=state.running is not None and bool(run and (run.started or regular_init)),
        stop_signal=named_stop_signal(container),
    )


def _added_status(pod: Pod, container: Container, memory: PodMemory, now: float) -> ContainerStatus:
    """Return an ephemeral container's status: nobody waits for it to be ready."""
    status = _container_status(pod, container, memory, now, init=False)
    status.ready, status.started = False, None
    return status


def _states(
    pod: Pod,
    container: Container,
    memory: PodMemory,
    known: ContainerMemory,
    now: float,
    *,
    init: bool,
) -> tuple[ContainerState, ContainerState]:
    """Return the state and the last state."""
    run = known.run
    before = _terminated(known.last) if known.last else ContainerState()
    if run is None:
        return _waiting(*_why_not_started(pod, known)), before
    if run.running:
        if not run.up:
            return _waiting("ContainerCreating"), before
        return ContainerState(
            running=ContainerStateRunning(started_at=time_of(run.started_at))
        ), before
    if known.waiting_reason:
        return _waiting(known.waiting_reason, known.waiting_message), _terminated(run)
    stopping = memory.terminating_since is not None or bool(memory.failed_reason)
    due = lifecycle.start_due_at(pod, container, known, init=init)
    if stopping or due is None or due <= now:
        return _terminated(run), before
    text = (
        f"back-off {_duration(known.back_off.delay_s)} restarting failed"
        f" container={container.name} pod={pod_label(pod)}"
    )
    return _waiting("CrashLoopBackOff", text), _terminated(run)


_IMAGE_TROUBLE = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def why_no_log(pod: Pod, container: str) -> str:
    """Return why a container that never ran has not, by what the Pod's status says of it."""
    told = _told_of(pod, container)
    waiting = told.state.waiting if told else None
    reason = waiting.reason if waiting and waiting.reason else "ContainerCreating"
    return _IMAGE_TROUBLE.get(reason, reason)


def previous_run(pod: Pod, known: ContainerMemory) -> Run | None:
    """Return the run that the Pod's status calls the last one.

    It is the newest of all while the container waits to be started again.
    """
    told = _told_of(pod, known.name)
    ended = told.last_state.terminated if told else None
    if ended and known.run and ended.container_id == f"{RUNTIME}://{known.run.id}":
        return known.run
    return known.last


def _told_of(pod: Pod, container: str) -> ContainerStatus | None:
    told = (
        *pod.status.container_statuses,
        *pod.status.init_container_statuses,
        *pod.status.ephemeral_container_statuses,
    )
    return next((one for one in told if one.name == container), None)


def pod_label(pod: Pod) -> str:
    """Return the Pod as kubelets name it in messages: `name_namespace(uid)`."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"


def _why_not_started(pod: Pod, known: ContainerMemory) -> tuple[str, str]:
    if known.waiting_reason:
        return known.waiting_reason, known.waiting_message
    return ("PodInitializing" if pod.spec.init_containers else "ContainerCreating"), ""


def _waiting(reason: str, message: str = "") -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def _terminated(run: Run) -> ContainerState:
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=run.exit_code,
            reason=run.reason,
            message=run.message,
            started_at=time_of(run.started_at),
            finished_at=time_of(run.finished_at),
            container_id=f"{RUNTIME}://{run.id}",
        )
    )


def _duration(seconds: float) -> str:
    """Write a duration as Go does: `10s`, `2m40s`, `5m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


# --- conditions -----------------------------------------------------------------------


def _conditions(
    pod: Pod,
    memory: PodMemory,
    phase: str,
    inits: list[ContainerStatus],
    apps: list[ContainerStatus],
    now: float,
) -> list[PodCondition]:
    sidecars = {c.name for c in pod.spec.init_containers if is_sidecar(c)}
    counted = [*(status for status in inits if status.name in sidecars), *apps]
    containers = _containers_ready(phase, counted)
    ready = containers if containers[0] != "True" else _gates(pod)
    wanted = {
        "PodReadyToStartContainers": _flag(memory.sandbox is SandboxPhase.READY),
        "Initialized": _initialized(pod, memory, phase),
        "Ready": ready,
        "ContainersReady": containers,
        "PodScheduled": ("True", "", ""),
    }
    before = {condition.type: condition for condition in pod.status.conditions}
    mine = [_condition(kind, wanted[kind], before.get(kind), now) for kind in _OWN_CONDITIONS]
    if memory.failed_reason == "Evicted":
        verdict = ("True", "TerminationByKubelet", memory.failed_message)
        mine.append(_condition(_DISRUPTED, verdict, before.get(_DISRUPTED), now))
    shown = {condition.type for condition in mine}
    others = [c for c in pod.status.conditions if c.type not in shown]
    return [*mine, *others]


_Verdict = tuple[str, str, str]
"""Status, reason, message."""


def _condition(
    kind: str, verdict: _Verdict, before: PodCondition | None, now: float
) -> PodCondition:
    status, reason, message = verdict
    if before is not None and before.status == status:
        since = before.last_transition_time
    else:
        since = time_of(now)
    return PodCondition(
        type=kind, status=status, last_transition_time=since, reason=reason, message=message
    )


def _flag(value: bool) -> _Verdict:
    return ("True" if value else "False", "", "")


def _initialized(pod: Pod, memory: PodMemory, phase: str) -> _Verdict:
    if phase == SUCCEEDED:
        return ("True", "PodCompleted", "")
    apps_ran = any(memory.current(container.name) for container in pod.spec.containers)
    names = [
        c.name
        for c in pod.spec.init_containers
        if not _initialised(c, memory.current(c.name)) and not (apps_ran and not is_sidecar(c))
    ]
    if not names:
        return ("True", "", "")
    text = f"containers with incomplete status: {_bracketed(names)}"
    return ("False", "ContainersNotInitialized", text)


def _containers_ready(phase: str, statuses: list[ContainerStatus]) -> _Verdict:
    if phase == SUCCEEDED:
        return ("False", "PodCompleted", "")
    if phase == FAILED:
        return ("False", "PodFailed", "")
    unready = [status.name for status in statuses if not status.ready]
    if not unready:
        return ("True", "", "")
    text = f"containers with unready status: {_bracketed(unready)}"
    return ("False", "ContainersNotReady", text)


def _gates(pod: Pod) -> _Verdict:
    """Judge the readiness gates, which others write as conditions of their own."""
    found = {condition.type: condition.status for condition in pod.status.conditions}
    complaints = []
    for gate in pod.spec.readiness_gates:
        status = found.get(gate.condition_type)
        quoted = f'"{gate.condition_type}"'
        if status is None:
            complaints.append(
                f"corresponding condition of pod readiness gate {quoted} does not exist."
            )
        elif status != "True":
            complaints.append(
                f'the status of pod readiness gate {quoted} is not "True", but {status}'
            )
    if not complaints:
        return ("True", "", "")
    return ("False", "ReadinessGatesNotReady", ", ".join(complaints))


def _bracketed(names: Iterable[str]) -> str:
    return f"[{' '.join(names)}]"
