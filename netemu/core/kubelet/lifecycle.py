"""What must happen next to a Pod, as data (control-plane-and-node.md, 3.3).

`plan` looks at the spec, at what is known of the Pod and at the clock, and returns the
actions that are due now and the time of the next one that is not. It is called again
after every action and every event, until nothing is due: whoever carries the actions
out may die at any moment and lose nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netemu.core.kubelet.memory import (
    ContainerMemory,
    Hook,
    PodMemory,
    Run,
    SandboxPhase,
    Stop,
    is_sidecar,
)
from netemu.core.kubelet.restarting import will_restart
from netemu.core.kubelet.stop_signal import stop_signal
from netemu.model.core_v1 import Container, Pod

SIGKILL = 9
_TERM_TO_KILL_MIN_S = 2.0
"""Even with no grace left, a container gets this long between its stop signal and SIGKILL."""


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    """Namespaces, address, volumes."""


@dataclass(frozen=True, slots=True)
class DropSandbox:
    """The sandbox is lost: clear what is left of it and forget all runs."""


@dataclass(frozen=True, slots=True)
class Start:
    container: str
    init: bool = False


@dataclass(frozen=True, slots=True)
class BeginStop:
    """Record that a run is to be stopped, and say so in an event."""

    container: str
    grace_s: float
    message: str


@dataclass(frozen=True, slots=True)
class RunHook:
    container: str
    hook: str
    """`postStart` or `preStop`."""


@dataclass(frozen=True, slots=True)
class Send:
    container: str
    signal: int


@dataclass(frozen=True, slots=True)
class Fail:
    """Give the Pod up."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class TearDown:
    """Everything has ended: remove sandbox, address, volumes."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete the Pod from the API: nothing of it is left here."""


Action = MakeSandbox | DropSandbox | Start | BeginStop | RunHook | Send | Fail | TearDown | Forget


@dataclass(frozen=True, slots=True)
class Plan:
    actions: tuple[Action, ...] = ()
    wake_at: float | None = None
    """When to plan again, if nothing happens before."""


class _Draft:
    """A plan being made."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.wake_at: float | None = None

    def do(self, action: Action) -> None:
        self.actions.append(action)

    def wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def done(self) -> Plan:
        return Plan(tuple(self.actions), None if self.actions else self.wake_at)


def plan(pod: Pod, memory: PodMemory, now: float) -> Plan:
    """Return what is due now."""
    draft = _Draft()
    if memory.terminating_since is not None:
        _terminate(pod, memory, now, draft)
    elif memory.frozen:
        pass
    elif memory.failed_reason:
        _give_up(pod, memory, now, draft)
    elif (deadline := _deadline(pod, memory)) is not None and now >= deadline:
        text = "Pod was active on the node longer than the specified deadline"
        draft.do(Fail("DeadlineExceeded", text))
    elif finished(pod, memory):
        _give_up(pod, memory, now, draft)
    else:
        if deadline is not None:
            draft.wake(deadline)
        _keep_running(pod, memory, now, draft)
    return draft.done()


def _deadline(pod: Pod, memory: PodMemory) -> float | None:
    seconds = pod.spec.active_deadline_seconds
    return None if seconds is None else memory.first_seen + seconds


def finished(pod: Pod, memory: PodMemory) -> bool:
    """Whether the Pod has come to its own end: nothing of it will run again."""
    if init_failed_for_good(pod, memory):
        return True
    for container in pod.spec.containers:
        run = memory.of(container.name).run
        if run is None or run.running or will_restart(pod, container, run, init=False):
            return False
    return True


def init_failed_for_good(pod: Pod, memory: PodMemory) -> bool:
    for container in pod.spec.init_containers:
        run = memory.of(container.name).run
        if is_sidecar(container) or run is None or run.running or run.exit_code == 0:
            continue
        if not will_restart(pod, container, run, init=True):
            return True
    return False


# --- keeping it running ---------------------------------------------------------------


def _keep_running(pod: Pod, memory: PodMemory, now: float, draft: _Draft) -> None:
    if memory.sandbox is SandboxPhase.LOST:
        draft.do(DropSandbox())
        return
    if memory.sandbox is SandboxPhase.NONE:
        if now >= memory.retry_at:
            draft.do(MakeSandbox())
        else:
            draft.wake(memory.retry_at)
        return
    _carry_on_stops(memory, now, draft)
    _stop_unhealthy(pod, memory, draft)
    for added in pod.spec.ephemeral_containers:
        _start_if_due(pod, added, memory.of(added.name), now, draft, init=False)
    if _initialise(pod, memory, now, draft):
        _run_apps(pod, memory, now, draft)


def _initialise(pod: Pod, memory: PodMemory, now: float, draft: _Draft) -> bool:
    """Bring the init containers on; True when the app containers may run."""
    apps_ran = any(memory.current(container.name) for container in pod.spec.containers)
    for container in pod.spec.init_containers:
        known = memory.of(container.name)
        run = memory.current(container.name)
        if is_sidecar(container):
            _start_if_due(pod, container, known, now, draft, init=True)
            _post_start(container, run, draft)
            if not apps_ran and not (run and run.up and run.started):
                return False
        elif apps_ran or (run and not run.running and run.exit_code == 0):
            continue
        elif run is None and known.run is not None and not known.run.running:
            draft.do(Start(container.name, init=True))  # Again, in the new sandbox.
            return False
        else:
            _start_if_due(pod, container, known, now, draft, init=True)
            return False
    return True


def _run_apps(pod: Pod, memory: PodMemory, now: float, draft: _Draft) -> None:
    for container in pod.spec.containers:
        known = memory.of(container.name)
        _start_if_due(pod, container, known, now, draft, init=False)
        _post_start(container, known.run, draft)
        # postStart is synchronous: the next container waits for it.
        if _awaits_post_start(container, known.run, draft):
            return


def _awaits_post_start(container: Container, run: Run | None, draft: _Draft) -> bool:
    if run is not None and run.running:
        return run.post_start in (Hook.DUE, Hook.RUNNING)
    has_hook = container.lifecycle is not None and container.lifecycle.post_start is not None
    return has_hook and Start(container.name) in draft.actions


def _start_if_due(
    pod: Pod, container: Container, known: ContainerMemory, now: float, draft: _Draft, *, init: bool
) -> None:
    due = start_due_at(pod, container, known, init=init)
    if due is None:
        return
    if now >= due:
        draft.do(Start(container.name, init=init))
    else:
        draft.wake(due)


def start_due_at(
    pod: Pod, container: Container, known: ContainerMemory, *, init: bool
) -> float | None:
    """Return when the container is to be started; None if it runs or has ended for good."""
    run = known.run
    if run is None:
        return known.retry_at
    if run.running or not will_restart(pod, container, run, init=init):
        return None
    return max(known.retry_at, known.back_off.wait_until(run.finished_at))


def _post_start(container: Container, run: Run | None, draft: _Draft) -> None:
    if run is not None and run.running and run.post_start is Hook.DUE:
        draft.do(RunHook(container.name, "postStart"))


def _stop_unhealthy(pod: Pod, memory: PodMemory, draft: _Draft) -> None:
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        run = memory.of(container.name).run
        if run is None or not run.running or not run.unhealthy or run.stop is not None:
            continue
        if run.unhealthy == "postStart":
            message = "FailedPostStartHook"
        else:
            message = f"Container {container.name} failed {run.unhealthy} probe, will be restarted"
        draft.do(BeginStop(container.name, _probe_grace(pod, container, run), message))


def _probe_grace(pod: Pod, container: Container, run: Run) -> float:
    probe = container.liveness_probe if run.unhealthy == "liveness" else container.startup_probe
    if probe is not None and probe.termination_grace_period_seconds is not None:
        return probe.termination_grace_period_seconds
    return pod_grace(pod)


def pod_grace(pod: Pod) -> float:
    seconds = pod.spec.termination_grace_period_seconds
    return 30.0 if seconds is None else float(seconds)


# --- stopping -------------------------------------------------------------------------


def new_stop(container: Container, *, now: float, grace_s: float) -> Stop:
    """Return the beginning of a stop: the hook first, if there is one."""
    hooks = container.lifecycle
    has_hook = hooks is not None and hooks.pre_stop is not None
    return Stop(
        requested_at=now,
        grace_s=grace_s,
        signal=stop_signal(container),
        pre_stop=Hook.DUE if has_hook else Hook.NONE,
    )


def _carry_on_stops(memory: PodMemory, now: float, draft: _Draft) -> None:
    for known, run in memory.runs():
        if run.running and run.stop is not None:
            _carry_on(known.name, run.stop, now, draft)


def _carry_on(name: str, stop: Stop, now: float, draft: _Draft) -> None:
    deadline = stop.requested_at + stop.grace_s
    if stop.pre_stop is Hook.DUE:
        draft.do(RunHook(name, "preStop"))
    elif stop.pre_stop is Hook.RUNNING and now < deadline:
        draft.wake(deadline)
    elif stop.terminated_at is None:
        draft.do(Send(name, stop.signal))
    elif stop.killed_at is None:
        kill_at = max(deadline, stop.terminated_at + _TERM_TO_KILL_MIN_S)
        if now >= kill_at:
            draft.do(Send(name, SIGKILL))
        else:
            draft.wake(kill_at)


def _terminate(pod: Pod, memory: PodMemory, now: float, draft: _Draft) -> None:
    """Stop everything, clear up, then let go of the API object."""
    if _all_stopped(pod, memory, now, draft, _terminating_grace(memory)):
        draft.do(Forget() if memory.torn_down else TearDown())


def _give_up(pod: Pod, memory: PodMemory, now: float, draft: _Draft) -> None:
    """Stop what is left of a Pod that has ended; its API object stays."""
    short = memory.failed_grace_s
    grace_s = pod_grace(pod) if short is None else min(short, pod_grace(pod))
    stopped = _all_stopped(pod, memory, now, draft, lambda _now: grace_s)
    if stopped and not memory.torn_down:
        draft.do(TearDown())


def _terminating_grace(memory: PodMemory) -> Callable[[float], float]:
    since = memory.terminating_since or 0.0
    return lambda now: max(since + memory.grace_s - now, 0.0)


def _all_stopped(
    pod: Pod, memory: PodMemory, now: float, draft: _Draft, grace: Callable[[float], float]
) -> bool:
    """Stop the app containers together, then the sidecars one by one, last first."""
    _hasten(memory, now, grace)
    for group in _stop_groups(pod):
        running = [c for c in group if (run := memory.of(c.name).run) and run.running]
        if not running:
            continue
        for container in running:
            run = memory.of(container.name).run
            if run is not None and run.stop is None:
                text = f"Stopping container {container.name}"
                draft.do(BeginStop(container.name, grace(now), text))
        _carry_on_stops(memory, now, draft)
        return False
    return True


def _hasten(memory: PodMemory, now: float, grace: Callable[[float], float]) -> None:
    """Give stops that have begun no more time than the Pod has: grace may be shortened."""
    end = now + grace(now)
    for _, run in memory.runs():
        if run.stop is not None and run.stop.requested_at + run.stop.grace_s > end:
            run.stop.grace_s = max(end - run.stop.requested_at, 0.0)


def _stop_groups(pod: Pod) -> Iterator[list[Container]]:
    regular = [container for container in pod.spec.init_containers if not is_sidecar(container)]
    yield [*pod.spec.containers, *regular, *pod.spec.ephemeral_containers]
    for container in reversed(pod.spec.init_containers):
        if is_sidecar(container):
            yield [container]
