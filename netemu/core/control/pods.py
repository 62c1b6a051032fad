"""Facts about a Pod that several controllers ask for."""

from __future__ import annotations

from datetime import datetime, timedelta

from netemu.model.clock import parse_time
from netemu.model.core_v1 import Pod, PodCondition

TERMINAL_PHASES = ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Neither finished nor being deleted: what replica counts count."""
    return not pod.metadata.deletion_timestamp and pod.status.phase not in TERMINAL_PHASES


def condition_of(pod: Pod, type: str) -> PodCondition | None:
    for condition in pod.status.conditions:
        if condition.type == type:
            return condition
    return None


def is_ready(pod: Pod) -> bool:
    condition = condition_of(pod, "Ready")
    return condition is not None and condition.status == "True"


def ready_since(pod: Pod) -> datetime | None:
    condition = condition_of(pod, "Ready")
    if condition is None or condition.status != "True" or not condition.last_transition_time:
        return None
    return parse_time(condition.last_transition_time)


def available_in_s(pod: Pod, min_ready_s: int, now: datetime) -> float | None:
    """Seconds until a ready pod counts as available (0: it does), None if it is not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if not min_ready_s or since is None:
        return 0.0
    return max(0.0, (since + timedelta(seconds=min_ready_s) - now).total_seconds())
