"""The mark on a Pod that is taken down by the control plane rather than by its own end."""

from __future__ import annotations

from datetime import datetime

from netemu.core.control.pods import condition_of
from netemu.model.clock import format_time
from netemu.model.core_v1 import Pod, PodCondition
from netemu.model.schema import copy_of

DISRUPTION_TARGET = "DisruptionTarget"


def disrupted(pod: Pod, reason: str, message: str, now: datetime) -> Pod:
    """A copy with the condition DisruptionTarget; the same Pod if it has it."""
    current = condition_of(pod, DISRUPTION_TARGET)
    if current is not None and current.status == "True" and current.reason == reason:
        return pod
    marked = copy_of(pod)
    others = [c for c in marked.status.conditions if c.type != DISRUPTION_TARGET]
    condition = PodCondition(
        type=DISRUPTION_TARGET,
        status="True",
        reason=reason,
        message=message,
        last_transition_time=format_time(now),
    )
    marked.status.conditions = [*others, condition]
    return marked
