"""What a Deployment's status says: counts, and the conditions that tell how a rollout fares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from netemu.core.controllers.deployment.revisions import size_of, wanted_replicas
from netemu.core.controllers.deployment.rollout import bounds_of
from netemu.model.apps_v1 import (
    Deployment,
    DeploymentCondition,
    DeploymentStatus,
    ReplicaSet,
)
from netemu.model.clock import format_time, parse_time
from netemu.model.schema import copy_of

NO_DEADLINE = 2**31 - 1
_NEW_AVAILABLE = "NewReplicaSetAvailable"
_TIMED_OUT = "ProgressDeadlineExceeded"
_PAUSED, _RESUMED = "DeploymentPaused", "DeploymentResumed"


def condition_of(status: DeploymentStatus, type: str) -> DeploymentCondition | None:
    return next((condition for condition in status.conditions if condition.type == type), None)


def _without(status: DeploymentStatus, type: str) -> list[DeploymentCondition]:
    return [condition for condition in status.conditions if condition.type != type]


def set_condition(
    status: DeploymentStatus,
    now: datetime,
    type: str,
    value: str,
    reason: str,
    message: str,
    *,
    touch: bool = False,
) -> None:
    """Put a condition into a status of ours; `touch` moves lastUpdateTime even if nothing else."""
    before = condition_of(status, type)
    if before and before.status == value and before.reason == reason and not touch:
        return
    stamp = format_time(now)
    since = before.last_transition_time if before and before.status == value else stamp
    status.conditions = [
        *_without(status, type),
        DeploymentCondition(
            type=type,
            status=value,
            reason=reason,
            message=message,
            last_update_time=stamp,
            last_transition_time=since,
        ),
    ]


def deadline_of(deployment: Deployment) -> int | None:
    deadline = deployment.spec.progress_deadline_seconds
    return None if deadline in (None, NO_DEADLINE) else deadline


def counted(
    deployment: Deployment, new: ReplicaSet | None, sets: Sequence[ReplicaSet], now: datetime
) -> DeploymentStatus:
    """The counts and the condition Available."""
    status = copy_of(deployment.status)
    status.observed_generation = deployment.metadata.generation
    status.replicas = sum(replica_set.status.replicas for replica_set in sets)
    status.updated_replicas = new.status.replicas if new else 0
    status.ready_replicas = sum(replica_set.status.ready_replicas for replica_set in sets)
    status.available_replicas = sum(replica_set.status.available_replicas for replica_set in sets)
    status.unavailable_replicas = max(0, sum(map(size_of, sets)) - status.available_replicas)
    if status.available_replicas >= bounds_of(deployment).fewest_available:
        said = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        said = (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    set_condition(status, now, "Available", *said)
    return status


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    wanted = wanted_replicas(deployment)
    return (
        status.updated_replicas == wanted
        and status.replicas == wanted
        and status.available_replicas == wanted
        and status.observed_generation >= deployment.metadata.generation
    )


def progressed(
    deployment: Deployment, new: ReplicaSet | None, sets: Sequence[ReplicaSet], now: datetime
) -> DeploymentStatus:
    """The status during and after a rollout."""
    status = counted(deployment, new, sets, now)
    if deadline_of(deployment) is None:
        status.conditions = _without(status, "Progressing")
    else:
        _judge_progress(deployment, status, new, now)
    _copy_failure(status, new, sets)
    return status


def _judge_progress(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: datetime
) -> None:
    before = condition_of(deployment.status, "Progressing")
    if before and before.reason == _NEW_AVAILABLE and status.replicas == status.updated_replicas:
        return
    subject = (
        f'ReplicaSet "{new.metadata.name}"' if new else (f'Deployment "{deployment.metadata.name}"')
    )
    if is_complete(deployment, status):
        message = f"{subject} has successfully progressed."
        set_condition(status, now, "Progressing", "True", _NEW_AVAILABLE, message)
    elif _is_progressing(deployment.status, status):
        message = f"{subject} is progressing."
        set_condition(status, now, "Progressing", "True", "ReplicaSetUpdated", message, touch=True)
    elif timed_out(deployment, now):
        message = f"{subject} has timed out progressing."
        set_condition(status, now, "Progressing", "False", _TIMED_OUT, message)


def _is_progressing(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    return (
        after.updated_replicas > before.updated_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
    )


def seconds_left(deployment: Deployment, now: datetime) -> float | None:
    """Until the progress deadline; None when there is nothing to wait for."""
    deadline = deadline_of(deployment)
    condition = condition_of(deployment.status, "Progressing")
    if deadline is None or condition is None or condition.reason in (_NEW_AVAILABLE, _TIMED_OUT):
        return None
    if not condition.last_update_time:
        return None
    end = parse_time(condition.last_update_time) + timedelta(seconds=deadline)
    return (end - now).total_seconds()


def timed_out(deployment: Deployment, now: datetime) -> bool:
    condition = condition_of(deployment.status, "Progressing")
    if condition is not None and condition.reason == _TIMED_OUT:
        return True
    left = seconds_left(deployment, now)
    return left is not None and left < 0


def _copy_failure(
    status: DeploymentStatus, new: ReplicaSet | None, sets: Sequence[ReplicaSet]
) -> None:
    others = _without(status, "ReplicaFailure")
    ordered = [new, *sets] if new else list(sets)
    for replica_set in ordered:
        for condition in replica_set.status.conditions:
            if condition.type == "ReplicaFailure":
                failure = DeploymentCondition(
                    type=condition.type,
                    status=condition.status,
                    reason=condition.reason,
                    message=condition.message,
                    last_update_time=condition.last_transition_time,
                    last_transition_time=condition.last_transition_time,
                )
                status.conditions = [*others, failure]
                return
    status.conditions = others


def pause_noted(deployment: Deployment, now: datetime) -> DeploymentStatus | None:
    """The status once a pause or its end is noted; None when there is nothing to note."""
    condition = condition_of(deployment.status, "Progressing")
    if deadline_of(deployment) is None or (condition and condition.reason == _TIMED_OUT):
        return None
    noted = condition is not None and condition.reason == _PAUSED
    if deployment.spec.paused == noted:
        return None
    status = copy_of(deployment.status)
    if deployment.spec.paused:
        said = (_PAUSED, "Deployment is paused")
    else:
        said = (_RESUMED, "Deployment is resumed")
    set_condition(status, now, "Progressing", "Unknown", *said)
    return status
