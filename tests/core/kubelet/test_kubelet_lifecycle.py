"""The life of a Pod in virtual time: what is planned, and what the status says of it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
import yaml

from netemu.core.kubelet import lifecycle, status
from netemu.core.kubelet.lifecycle import (
    BeginStop,
    DropSandbox,
    Fail,
    Forget,
    MakeSandbox,
    RunHook,
    Send,
    Start,
    TearDown,
)
from netemu.core.kubelet.memory import Hook, PodMemory, Run, SandboxPhase
from netemu.model.codec import from_dict
from netemu.model.core_v1 import ContainerStatus, Pod, PodStatus

HOST = IPv4Address("198.18.0.12")


class Sim:
    """Carries plans out at once; the test ends containers and moves the clock."""

    def __init__(self, spec: str) -> None:
        body = yaml.safe_load(spec)
        metadata = {"name": "web", "namespace": "shop", "uid": "u1"}
        self.pod = from_dict(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body}, Pod
        )
        self.now = 1000.0
        self.memory = PodMemory(first_seen=self.now)
        self.done: list[str] = []
        self.wake_at: float | None = None

    def settle(self) -> list[str]:
        """Plan and act until nothing is due; return what was done."""
        before = len(self.done)
        while (plan := lifecycle.plan(self.pod, self.memory, self.now)).actions:
            for action in plan.actions:
                self._do(action)
                if isinstance(action, Forget):
                    return self.done[before:]
        self.wake_at = plan.wake_at
        return self.done[before:]

    def sleep_until_woken(self) -> list[str]:
        assert self.wake_at is not None
        self.now = self.wake_at
        return self.settle()

    def end(self, name: str, code: int = 0) -> list[str]:
        run = self.run(name)
        run.running = run.ready = False
        run.exit_code, run.finished_at = code, self.now
        run.reason = "Completed" if code == 0 else "Error"
        return self.settle()

    def run(self, name: str) -> Run:
        found = self.memory.of(name).run
        assert found is not None
        return found

    def status(self) -> PodStatus:
        self.pod.status = status.make(self.pod, self.memory, host_ip=HOST, now=self.now)
        return self.pod.status

    def container(self, name: str) -> ContainerStatus:
        found = self.status()
        everything = [*found.init_container_statuses, *found.container_statuses]
        return next(one for one in everything if one.name == name)

    def condition(self, kind: str) -> tuple[str, str, str]:
        found = next(c for c in self.status().conditions if c.type == kind)
        return (found.status, found.reason, found.message)

    def _do(self, action: lifecycle.Action) -> None:
        match action:
            case MakeSandbox():
                self.memory.generation += 1
                self.memory.sandbox = SandboxPhase.READY
                self.memory.pod_ip = IPv4Address("10.244.1.5")
                self.done.append("sandbox")
            case DropSandbox():
                for _, run in self.memory.runs():
                    if run.running:
                        run.running, run.exit_code, run.finished_at = False, 137, self.now
                self.memory.sandbox = SandboxPhase.NONE
                self.done.append("drop")
            case Start(name):
                self._start(name)
            case BeginStop(name, grace_s, _):
                container = next(
                    c
                    for c in (*self.pod.spec.init_containers, *self.pod.spec.containers)
                    if c.name == name
                )
                stop = lifecycle.new_stop(container, now=self.now, grace_s=grace_s)
                self.run(name).stop = stop
                self.done.append(f"stop {name} {grace_s:g}")
            case RunHook(name, hook):
                run = self.run(name)
                if hook == "postStart":
                    run.post_start = Hook.RUNNING
                elif run.stop is not None:
                    run.stop.pre_stop = Hook.RUNNING
                self.done.append(f"{hook} {name}")
            case Send(name, signal):
                stop_of = self.run(name).stop
                assert stop_of is not None
                if signal == lifecycle.SIGKILL:
                    stop_of.killed_at = self.now
                else:
                    stop_of.terminated_at = self.now
                self.done.append(f"signal {signal} {name}")
            case Fail(reason, message):
                self.memory.failed_reason, self.memory.failed_message = reason, message
                self.done.append(f"fail {reason}")
            case TearDown():
                self.memory.torn_down = True
                self.memory.sandbox = SandboxPhase.NONE
                self.done.append("tear down")
            case Forget():
                self.done.append("forget")

    def _start(self, name: str) -> None:
        known = self.memory.of(name)
        run = Run(
            id=f"{name}{known.next_attempt}",
            attempt=known.next_attempt,
            started_at=self.now,
            generation=self.memory.generation,
            started=True,
            ready=True,
        )
        container = next(
            c for c in (*self.pod.spec.init_containers, *self.pod.spec.containers) if c.name == name
        )
        if container.lifecycle is not None and container.lifecycle.post_start is not None:
            run.post_start = Hook.DUE
        known.last, known.run = known.run, run
        known.waiting_reason = ""
        if known.last is not None:
            known.back_off.note_restart(self.now, known.last.finished_at)
        self.done.append(f"start {name}")

    def delete(self, grace_s: float = 30) -> list[str]:
        self.memory.terminating_since, self.memory.grace_s = self.now, grace_s
        return self.settle()


def test_a_plain_pod_comes_up_and_is_ready() -> None:
    """Sandbox, then the containers in order; then Running and Ready in one status."""
    sim = Sim("{containers: [{name: a}, {name: b}]}")
    assert sim.status().phase == "Pending"
    assert sim.container("a").state.waiting.reason == "ContainerCreating"
    assert sim.settle() == ["sandbox", "start a", "start b"]
    found = sim.status()
    assert (found.phase, found.pod_ip, found.host_ip) == ("Running", "10.244.1.5", "198.18.0.12")
    assert [(c.type, c.status) for c in found.conditions] == [
        ("PodReadyToStartContainers", "True"),
        ("Initialized", "True"),
        ("Ready", "True"),
        ("ContainersReady", "True"),
        ("PodScheduled", "True"),
    ]
    assert found.qos_class == "BestEffort"
    assert found.start_time == "1970-01-01T00:16:40Z"


def test_init_containers_run_one_by_one() -> None:
    """Each must end well before the next starts; meanwhile the Pod is initialising."""
    sim = Sim("{initContainers: [{name: i}, {name: j}], containers: [{name: a}]}")
    assert sim.settle() == ["sandbox", "start i"]
    assert sim.condition("Initialized") == (
        "False",
        "ContainersNotInitialized",
        "containers with incomplete status: [i j]",
    )
    assert sim.container("a").state.waiting.reason == "PodInitializing"
    assert sim.end("i") == ["start j"]
    assert sim.end("j") == ["start a"]
    assert sim.container("i").ready
    assert sim.status().phase == "Running"


def test_a_failed_init_container_is_repeated_or_fails_the_pod() -> None:
    """OnFailure and Always try again; Never makes the Pod Failed."""
    again = Sim("{initContainers: [{name: i}], containers: [{name: a}]}")
    again.settle()
    assert again.end("i", 1) == ["start i"]
    never = Sim("{restartPolicy: Never, initContainers: [{name: i}], containers: [{name: a}]}")
    never.settle()
    assert never.end("i", 1) == ["tear down"]
    assert never.status().phase == "Failed"


def test_sidecars_start_first_and_stop_last() -> None:
    """A sidecar must have started, no more; it is stopped after the app containers."""
    sim = Sim("""
initContainers: [{name: s, restartPolicy: Always}, {name: i}]
containers: [{name: a}]
""")
    assert sim.settle() == ["sandbox", "start s", "start i"]
    assert sim.end("i") == ["start a"]
    assert sim.delete() == ["stop a 30", "signal 15 a"]
    assert sim.end("a") == ["stop s 30", "signal 15 s"]
    assert sim.end("s", 143) == ["tear down", "forget"]
    assert sim.status().phase == "Succeeded"


def test_crash_loop_backs_off() -> None:
    """The first restart is immediate; then 10 s, doubling, up to 300 s."""
    sim = Sim("{containers: [{name: a}]}")
    sim.settle()
    assert sim.end("a", 1) == ["start a"]
    delays = []
    for _ in range(7):
        assert sim.end("a", 1) == []
        waiting = sim.container("a").state.waiting
        assert waiting.reason == "CrashLoopBackOff"
        delays.append(sim.wake_at - sim.now)
        assert sim.sleep_until_woken() == ["start a"]
    assert delays == [10, 20, 40, 80, 160, 300, 300]
    assert waiting.message == ("back-off 5m0s restarting failed container=a pod=web_shop(u1)")
    assert sim.container("a").restart_count == 8


def test_ten_quiet_minutes_end_the_back_off() -> None:
    """A container that ran for more than ten minutes is restarted at once."""
    sim = Sim("{containers: [{name: a}]}")
    sim.settle()
    sim.end("a", 1)
    sim.now += 601
    assert sim.end("a", 1) == ["start a"]


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [
        ("Never", 0, "Succeeded"),
        ("Never", 3, "Failed"),
        ("OnFailure", 0, "Succeeded"),
    ],
)
def test_pods_that_end(policy: str, code: int, phase: str) -> None:
    """A Pod whose containers are not restarted ends, and its sandbox goes."""
    sim = Sim(f"{{restartPolicy: {policy}, containers: [{{name: a}}]}}")
    sim.settle()
    assert sim.end("a", code) == ["tear down"]
    assert sim.status().phase == phase
    assert sim.container("a").state.terminated.exit_code == code
    assert sim.condition("Ready")[:2] == (
        "False",
        "PodCompleted" if phase == "Succeeded" else "PodFailed",
    )
    assert sim.status().pod_ip == "10.244.1.5"


def test_on_failure_restarts_a_failure() -> None:
    """OnFailure restarts what failed; the last state tells of it."""
    sim = Sim("{restartPolicy: OnFailure, containers: [{name: a}]}")
    sim.settle()
    assert sim.end("a", 2) == ["start a"]
    found = sim.container("a")
    assert found.state.running is not None
    assert (found.last_state.terminated.exit_code, found.restart_count) == (2, 1)


def test_deletion_takes_its_grace() -> None:
    """SIGTERM, the grace, SIGKILL; then everything goes and the API object last."""
    sim = Sim("{containers: [{name: a}, {name: b}]}")
    sim.settle()
    assert sim.delete(30) == ["stop a 30", "stop b 30", "signal 15 a", "signal 15 b"]
    assert sim.end("a") == []
    assert sim.wake_at == sim.now + 30
    assert sim.sleep_until_woken() == ["signal 9 b"]
    assert sim.end("b", 137) == ["tear down", "forget"]
    assert sim.status().phase == "Failed"


def test_a_second_deletion_shortens_the_grace() -> None:
    """Deleting again with less grace hastens what is under way, but two seconds remain."""
    sim = Sim("{containers: [{name: a}]}")
    sim.settle()
    sim.delete(30)
    assert sim.delete(0) == []
    assert sim.wake_at == sim.now + 2
    assert sim.sleep_until_woken() == ["signal 9 a"]


def test_pre_stop_runs_inside_the_grace() -> None:
    """The hook first; SIGTERM when it is done or the grace is over."""
    text = "{containers: [{name: a, lifecycle: {preStop: {exec: {command: [x]}}}}]}"
    sim = Sim(text)
    sim.settle()
    assert sim.delete(30) == ["stop a 30", "preStop a"]
    sim.now += 5
    sim.run("a").stop.pre_stop = Hook.DONE
    assert sim.settle() == ["signal 15 a"]
    slow = Sim(text)
    slow.settle()
    slow.delete(30)
    assert slow.sleep_until_woken() == ["signal 15 a"]
    assert slow.wake_at == slow.now + 2


def test_post_start_holds_the_next_container() -> None:
    """The next container starts when the hook is over; until then the status waits."""
    sim = Sim("""
containers: [{name: a, lifecycle: {postStart: {exec: {command: [x]}}}}, {name: b}]
""")
    assert sim.settle() == ["sandbox", "start a", "postStart a"]
    assert sim.container("a").state.waiting.reason == "ContainerCreating"
    sim.run("a").post_start = Hook.DONE
    assert sim.settle() == ["start b"]
    assert sim.status().phase == "Running"


def test_liveness_failure_restarts() -> None:
    """An unhealthy run is stopped with the Pod's grace and started again."""
    sim = Sim("{terminationGracePeriodSeconds: 5, containers: [{name: a, livenessProbe: {}}]}")
    sim.settle()
    sim.run("a").unhealthy = "liveness"
    assert sim.settle() == ["stop a 5", "signal 15 a"]
    assert sim.end("a", 143) == ["start a"]
    assert sim.container("a").restart_count == 1


def test_unready_containers_are_named() -> None:
    """Ready says which containers are not."""
    sim = Sim("{containers: [{name: a}, {name: b}]}")
    sim.settle()
    sim.run("b").ready = False
    text = "containers with unready status: [b]"
    assert sim.condition("Ready") == ("False", "ContainersNotReady", text)
    assert sim.condition("ContainersReady") == ("False", "ContainersNotReady", text)


def test_readiness_gates_belong_to_others() -> None:
    """A gate's condition is kept as it is, and Ready waits for it."""
    sim = Sim("{readinessGates: [{conditionType: lb}], containers: [{name: a}]}")
    sim.settle()
    assert sim.condition("Ready") == (
        "False",
        "ReadinessGatesNotReady",
        'corresponding condition of pod readiness gate "lb" does not exist.',
    )


def test_a_lost_sandbox_starts_everything_anew() -> None:
    """Everything runs again in the new sandbox, init containers included."""
    sim = Sim("{initContainers: [{name: i}], containers: [{name: a}]}")
    sim.settle()
    sim.end("i")
    sim.memory.sandbox = SandboxPhase.LOST
    assert sim.settle() == ["drop", "sandbox", "start i"]
    assert sim.end("i") == ["start a"]
    assert sim.container("a").restart_count == 1


def test_active_deadline() -> None:
    """A Pod that is active for too long fails."""
    sim = Sim("{activeDeadlineSeconds: 60, containers: [{name: a}]}")
    sim.settle()
    assert sim.wake_at == sim.now + 60
    assert sim.sleep_until_woken() == ["fail DeadlineExceeded", "stop a 30", "signal 15 a"]
    assert sim.end("a") == ["tear down"]
    assert (sim.status().phase, sim.status().reason) == ("Failed", "DeadlineExceeded")


def test_a_pod_that_ended_before_is_only_ever_deleted() -> None:
    """What was finished when the kubelet came is left alone until it is deleted."""
    sim = Sim("{containers: [{name: a}]}")
    sim.memory.frozen = True
    assert sim.settle() == []
    assert sim.delete() == ["tear down", "forget"]


def test_transition_times_move_only_with_the_status() -> None:
    """A condition keeps its time while its status is the same."""
    sim = Sim("{containers: [{name: a}]}")
    sim.settle()
    first = {c.type: c.last_transition_time for c in sim.status().conditions}
    sim.now += 60
    assert {c.type: c.last_transition_time for c in sim.status().conditions} == first
    sim.run("a").ready = False
    moved = {c.type: c.last_transition_time for c in sim.status().conditions}
    assert {kind for kind in moved if moved[kind] != first[kind]} == {"Ready", "ContainersReady"}


def test_a_configuration_error_waits_and_retries() -> None:
    """The reason and the kubelet's words are shown while it waits."""
    sim = Sim("{containers: [{name: a}]}")
    known = sim.memory.of("a")
    known.waiting_reason, known.waiting_message = "CreateContainerConfigError", "x"
    known.retry_at = sim.now + 10
    assert sim.settle() == ["sandbox"]
    assert sim.container("a").state.waiting.reason == "CreateContainerConfigError"
    assert sim.sleep_until_woken() == ["start a"]
