"""Pods: readiness, and one word that says what is going on.

The word starts as the phase and is replaced by the most telling reason that the
containers' states give (kube-api.md, 3).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.ages import age_of
from netemu.core.apiserver.layouts._columns import (
    AGE,
    NAME,
    NONE,
    Column,
    Condition,
    Layout,
    age_cell,
    wide,
)
from netemu.model.core_v1 import ContainerStateTerminated, ContainerStatus, Pod

_COLUMNS = (
    NAME,
    Column("Ready", description="How many containers are ready, of how many."),
    Column("Status", description="What the pod is doing."),
    Column("Restarts", description="How often its containers were started again."),
    AGE,
    wide("IP"),
    wide("Node"),
    wide("Nominated Node"),
    wide("Readiness Gates"),
)


def _cells(pod: Pod, now: datetime) -> list[Any]:
    ready, total = _ready_of_total(pod)
    return [
        pod.metadata.name,
        f"{ready}/{total}",
        status_word(pod),
        _restarts(pod, now),
        age_cell(pod, now),
        pod.status.pod_ip or NONE,
        pod.spec.node_name or NONE,
        pod.status.nominated_node_name or NONE,
        _gates(pod),
    ]


def status_word(pod: Pod) -> str:
    """Return the STATUS cell."""
    word = pod.status.reason or pod.status.phase
    if any(
        c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in pod.status.conditions
    ):
        word = "SchedulingGated"
    pending = _init_word(pod)
    word = pending or _main_word(pod, word)
    if pod.metadata.deletion_timestamp:
        if pod.status.reason == "NodeLost":
            return "Unknown"
        if pod.status.phase not in ("Succeeded", "Failed"):
            return "Terminating"
    return word


def _init_word(pod: Pod) -> str:
    """Say which init container is not through yet; empty when all are."""
    sidecars = _sidecars(pod)
    for index, status in enumerate(pod.status.init_container_statuses):
        state = status.state
        if state.terminated is not None:
            if state.terminated.exit_code == 0:
                continue
            return f"Init:{_ended(state.terminated)}"
        if status.name in sidecars and status.started:
            continue
        if state.waiting is not None and state.waiting.reason not in ("", "PodInitializing"):
            return f"Init:{state.waiting.reason}"
        return f"Init:{index}/{len(pod.spec.init_containers)}"
    return ""


def _main_word(pod: Pod, word: str) -> str:
    running = False
    # The first container's reason wins, so it is looked at last.
    for status in reversed(pod.status.container_statuses):
        state = status.state
        if state.waiting is not None and state.waiting.reason:
            word = state.waiting.reason
        elif state.terminated is not None:
            word = _ended(state.terminated)
        elif status.ready and state.running is not None:
            running = True
    if word == "Completed" and running:
        return "Running" if _is_ready(pod) else "NotReady"
    return word


def _ended(state: ContainerStateTerminated) -> str:
    if state.reason:
        return state.reason
    return f"Signal:{state.signal}" if state.signal else f"ExitCode:{state.exit_code}"


def _is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def _sidecars(pod: Pod) -> frozenset[str]:
    return frozenset(c.name for c in pod.spec.init_containers if c.restart_policy == "Always")


def _counted(pod: Pod) -> list[ContainerStatus]:
    """The containers that keep running: the pod's own, and its sidecars."""
    statuses = pod.status.container_statuses
    if not pod.status.init_container_statuses:
        return statuses
    sidecars = _sidecars(pod)
    return [s for s in pod.status.init_container_statuses if s.name in sidecars] + statuses


def _ready_of_total(pod: Pod) -> tuple[int, int]:
    ready = sum(1 for s in _counted(pod) if s.ready and s.state.running is not None)
    return ready, len(pod.spec.containers) + len(_sidecars(pod))


def _restarts(pod: Pod, now: datetime) -> str:
    statuses = pod.status.init_container_statuses if _init_word(pod) else _counted(pod)
    count = sum(status.restart_count for status in statuses)
    ends = [
        status.last_state.terminated.finished_at
        for status in statuses
        if status.last_state.terminated is not None and status.last_state.terminated.finished_at
    ]
    return f"{count} ({age_of(max(ends), now)} ago)" if count and ends else str(count)


def _gates(pod: Pod) -> str:
    gates = pod.spec.readiness_gates
    if not gates:
        return NONE
    true = {c.type for c in pod.status.conditions if c.status == "True"}
    return f"{sum(1 for gate in gates if gate.condition_type in true)}/{len(gates)}"


def _conditions(pod: Pod) -> list[Condition]:
    """Mark a row as `Completed`: some clients hide those."""
    if pod.status.phase not in ("Succeeded", "Failed"):
        return []
    message = "The pod has completed " + (
        "successfully." if pod.status.phase == "Succeeded" else "unsuccessfully."
    )
    return [
        {
            "type": "Completed",
            "status": "True",
            "reason": pod.status.phase,
            "message": message,
        }
    ]


LAYOUT = Layout(_COLUMNS, _cells, _conditions)
