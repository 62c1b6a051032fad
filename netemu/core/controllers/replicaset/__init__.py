"""ReplicaSet: as many Pods of one template as asked for.

Scaling up creates from the template, scaling down deletes the least useful
first (`ranking`). The status says what the Pods' own status says. A refused
create comes back as `last_failure` and becomes the condition ReplicaFailure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from netemu.core.control.commands import (
    NORMAL,
    WARNING,
    Command,
    Create,
    Delete,
    Requeue,
    Say,
    Update,
)
from netemu.core.control.contract import Controller, Index, Reader, View, Watch, own_key
from netemu.core.control.ownership import (
    claim,
    controller_of,
    controller_uid,
    orphans_in,
    owner_reference,
)
from netemu.core.control.pods import available_in_s, is_active, is_ready
from netemu.core.control.selectors import selector_of
from netemu.core.controllers.replicaset.ranking import rank
from netemu.model.apps_v1 import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from netemu.model.clock import format_time
from netemu.model.core_v1 import Pod
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of
from netemu.model.selector import Selector

PODS_BY_CONTROLLER = Index("controller", Pod, controller_uid)
REPLICA_SETS_BY_CONTROLLER = Index("controller", ReplicaSet, controller_uid)

BURST = 500
"""Pods created or deleted in one go."""
_LONGEST_PREFIX = 57


def pod_from_template(replica_set: ReplicaSet) -> Pod:
    template = replica_set.spec.template
    return Pod(
        metadata=ObjectMeta(
            generate_name=f"{replica_set.metadata.name[:_LONGEST_PREFIX]}-",
            namespace=replica_set.metadata.namespace,
            labels=dict(template.metadata.labels),
            annotations=dict(template.metadata.annotations),
            finalizers=list(template.metadata.finalizers),
            owner_references=[owner_reference(replica_set)],
        ),
        spec=copy_of(template.spec),
    )


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    replica_set = view.get(ReplicaSet, key)
    if replica_set is None:
        return ()
    selector = selector_of(replica_set.spec.selector)
    claimed = claim(
        replica_set,
        selector,
        view.by(PODS_BY_CONTROLLER, replica_set.metadata.uid),
        view.by(PODS_BY_CONTROLLER, orphans_in(key.namespace)),
    )
    if claimed.commands:
        # Their events bring this key back, with the counts settled.
        return claimed.commands
    active = [pod for pod in claimed.owned if is_active(pod)]
    commands: list[Command] = []
    status = _status(replica_set, active, view)
    if status != replica_set.status:
        changed = copy_of(replica_set)
        changed.status = status
        commands.append(Update(changed, subresource="status"))
    if not replica_set.metadata.deletion_timestamp:
        commands += _scale(replica_set, active, view)
    return [*commands, *_wake_up(replica_set, active, view)]


def _scale(replica_set: ReplicaSet, active: list[Pod], view: View) -> list[Command]:
    difference = len(active) - _wanted(replica_set)
    if difference < 0:
        create = Create(
            pod_from_template(replica_set),
            done=Say(replica_set, NORMAL, "SuccessfulCreate", "Created pod: {name}"),
            failed=Say(replica_set, WARNING, "FailedCreate", "Error creating: {error}"),
        )
        return [create] * min(-difference, BURST)
    if difference > 0:
        doomed = _ranked(replica_set, active, view)[: min(difference, BURST)]
        return [
            Delete(
                pod,
                done=Say(replica_set, NORMAL, "SuccessfulDelete", "Deleted pod: {name}"),
                failed=Say(replica_set, WARNING, "FailedDelete", "Error deleting: {error}"),
            )
            for pod in doomed
        ]
    return []


def _wanted(replica_set: ReplicaSet) -> int:
    replicas = replica_set.spec.replicas
    return 1 if replicas is None else replicas


def _ranked(replica_set: ReplicaSet, active: list[Pod], view: View) -> list[Pod]:
    neighbours = Counter(pod.spec.node_name for pod in _kin(replica_set, view) if is_active(pod))
    return sorted(active, key=lambda pod: rank(pod, neighbours, view.now))


def _kin(replica_set: ReplicaSet, view: View) -> Iterable[Pod]:
    """The Pods of all ReplicaSets that have the same owner."""
    owner = controller_of(replica_set)
    siblings = view.by(REPLICA_SETS_BY_CONTROLLER, owner.uid) if owner else [replica_set]
    for sibling in siblings:
        yield from view.by(PODS_BY_CONTROLLER, sibling.metadata.uid)


def _status(replica_set: ReplicaSet, active: list[Pod], view: View) -> ReplicaSetStatus:
    status = copy_of(replica_set.status)
    template_labels = replica_set.spec.template.metadata.labels.items()
    min_ready_s = replica_set.spec.min_ready_seconds
    status.replicas = len(active)
    status.fully_labeled_replicas = sum(
        1 for pod in active if template_labels <= pod.metadata.labels.items()
    )
    status.ready_replicas = sum(1 for pod in active if is_ready(pod))
    status.available_replicas = sum(
        1 for pod in active if available_in_s(pod, min_ready_s, view.now) == 0.0
    )
    status.observed_generation = replica_set.metadata.generation
    status.conditions = _conditions(status.conditions, view)
    return status


def _conditions(current: list[ReplicaSetCondition], view: View) -> list[ReplicaSetCondition]:
    others = [condition for condition in current if condition.type != "ReplicaFailure"]
    failure = view.last_failure
    if failure is None or not isinstance(failure.command, Create | Delete):
        return others
    reason = "FailedCreate" if isinstance(failure.command, Create) else "FailedDelete"
    before = next((c for c in current if c.type == "ReplicaFailure"), None)
    if before is not None and before.reason == reason and before.message == failure.error.message:
        return current
    return [
        *others,
        ReplicaSetCondition(
            type="ReplicaFailure",
            status="True",
            reason=reason,
            message=failure.error.message,
            last_transition_time=format_time(view.now),
        ),
    ]


def _wake_up(replica_set: ReplicaSet, active: list[Pod], view: View) -> list[Command]:
    """When the next ready Pod becomes available, nothing else changes: look by ourselves."""
    min_ready_s = replica_set.spec.min_ready_seconds
    if not min_ready_s:
        return []
    waits = [wait for pod in active if (wait := available_in_s(pod, min_ready_s, view.now))]
    return [Requeue(min(waits) + 0.05)] if waits else []


def _of_pod(pod: Pod, reader: Reader) -> Iterable[ObjectKey]:
    owner = controller_of(pod)
    if owner is not None:
        return (
            (ObjectKey(pod.metadata.namespace, owner.name),) if owner.kind == "ReplicaSet" else ()
        )
    if pod.metadata.deletion_timestamp:
        return ()
    return [
        ObjectKey(pod.metadata.namespace, replica_set.metadata.name)
        for replica_set in reader.all(ReplicaSet, pod.metadata.namespace)
        if _selector(replica_set).matches(pod.metadata.labels)
    ]


def _selector(replica_set: ReplicaSet) -> Selector:
    return selector_of(replica_set.spec.selector)


def _pod_matters(old: Pod, new: Pod) -> bool:
    return (
        old.status.phase != new.status.phase
        or is_ready(old) != is_ready(new)
        or old.metadata.labels != new.metadata.labels
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.metadata.owner_references != new.metadata.owner_references
    )


CONTROLLER: Controller[ObjectKey] = Controller(
    name="replicaset",
    component="replicaset-controller",
    watches=(
        Watch(ReplicaSet, own_key),
        Watch(Pod, _of_pod, matters=_pod_matters, settle=True),
    ),
    reconcile=reconcile,
    indexes=(PODS_BY_CONTROLLER, REPLICA_SETS_BY_CONTROLLER),
)
