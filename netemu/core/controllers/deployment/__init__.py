"""Deployment: ReplicaSets of successive templates, one growing while the others shrink.

Each reconcile takes one step (note a pause, follow a change of size, create
the new ReplicaSet, grow it, shrink the old ones, clean up) and writes the
status. The ReplicaSets' own changes bring the key back for the next step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
from netemu.core.control.contract import Controller, Reader, View, Watch, own_key
from netemu.core.control.ownership import (
    claim,
    controller_of,
    orphans_in,
)
from netemu.core.control.pods import TERMINAL_PHASES
from netemu.core.control.selectors import selector_of
from netemu.core.controllers.deployment.revisions import (
    REVISION,
    find_new,
    new_replica_set,
    next_revision,
    replica_annotations,
    revised,
    revision_of,
    same_template,
    size_of,
)
from netemu.core.controllers.deployment.rollout import (
    Bounds,
    Sizes,
    bounds_of,
    first_size,
    is_scaling,
    rescale,
    roll_down,
    roll_up,
    to_zero,
)
from netemu.core.controllers.deployment.status import (
    condition_of,
    counted,
    deadline_of,
    is_complete,
    pause_noted,
    progressed,
    seconds_left,
    set_condition,
)
from netemu.core.controllers.replicaset import (
    PODS_BY_CONTROLLER,
    REPLICA_SETS_BY_CONTROLLER,
)
from netemu.model.apps_v1 import Deployment, DeploymentStatus, ReplicaSet
from netemu.model.core_v1 import Pod
from netemu.model.keys import ObjectKey
from netemu.model.schema import copy_of


@dataclass(slots=True)
class _Fleet:
    """A Deployment, its ReplicaSets, and what is going to be written about them."""

    deployment: Deployment
    new: ReplicaSet | None
    old: list[ReplicaSet]
    view: View
    bounds: Bounds

    @property
    def sets(self) -> list[ReplicaSet]:
        return [*self.old, self.new] if self.new else self.old


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    deployment = view.get(Deployment, key)
    if deployment is None:
        return ()
    claimed = claim(
        deployment,
        selector_of(deployment.spec.selector),
        view.by(REPLICA_SETS_BY_CONTROLLER, deployment.metadata.uid),
        view.by(REPLICA_SETS_BY_CONTROLLER, orphans_in(key.namespace)),
    )
    if claimed.commands:
        return claimed.commands
    alive = [rs for rs in claimed.owned if not rs.metadata.deletion_timestamp]
    new = find_new(deployment, alive)
    old = [replica_set for replica_set in alive if replica_set is not new]
    return _step(_Fleet(deployment, new, old, view, bounds_of(deployment)))


def _step(fleet: _Fleet) -> list[Command]:
    deployment, view = fleet.deployment, fleet.view
    if deployment.metadata.deletion_timestamp:
        return _write_status(fleet, counted(deployment, fleet.new, fleet.sets, view.now))
    noted = pause_noted(deployment, view.now)
    if noted is not None:
        return _write_status(fleet, noted)
    if deployment.spec.paused or is_scaling(deployment, fleet.sets):
        sizes = rescale(fleet.bounds, fleet.new, fleet.old)
        commands = [*_keep_revision(fleet), *_resize(fleet, sizes)]
        if deployment.spec.paused:
            commands += _clean_up(fleet)
        status = counted(deployment, fleet.new, fleet.sets, view.now)
        return [*commands, *_write_status(fleet, status)]
    if deployment.spec.strategy.type == "Recreate":
        return _recreate(fleet)
    return _roll(fleet)


def _roll(fleet: _Fleet) -> list[Command]:
    if fleet.new is None:
        return _create_new(fleet, first_size(fleet.bounds, fleet.old))
    sizes = roll_up(fleet.bounds, fleet.new, fleet.old)
    if not sizes:
        sizes = roll_down(fleet.bounds, fleet.new, fleet.old)
    return _finish(fleet, sizes)


def _recreate(fleet: _Fleet) -> list[Command]:
    shrink = to_zero(fleet.old)
    if shrink or _old_pods_run(fleet):
        return _finish(fleet, shrink)
    if fleet.new is None:
        return _create_new(fleet, fleet.bounds.wanted)
    grow = {fleet.new.metadata.name: fleet.bounds.wanted}
    return _finish(fleet, grow if size_of(fleet.new) != fleet.bounds.wanted else {})


def _old_pods_run(fleet: _Fleet) -> bool:
    """Pods of an old template that have not ended yet, terminating ones included."""
    return any(
        pod.status.phase not in TERMINAL_PHASES
        for replica_set in fleet.old
        for pod in fleet.view.by(PODS_BY_CONTROLLER, replica_set.metadata.uid)
    )


def _finish(fleet: _Fleet, sizes: Sizes) -> list[Command]:
    """One step of a rollout: sizes, revision, status."""
    deployment, view = fleet.deployment, fleet.view
    commands = [*_keep_revision(fleet), *_resize(fleet, sizes)]
    if not sizes and is_complete(deployment, deployment.status):
        commands += _clean_up(fleet)
    status = progressed(deployment, fleet.new, fleet.sets, view.now)
    if (
        fleet.new is not None
        and deadline_of(deployment) is not None
        and condition_of(status, "Progressing") is None
    ):
        message = f'Found new replica set "{fleet.new.metadata.name}"'
        set_condition(status, view.now, "Progressing", "True", "FoundNewReplicaSet", message)
    commands += _write_status(fleet, status)
    left = seconds_left(deployment, view.now)
    if left is not None:
        commands.append(Requeue(max(left, 0) + 1))
    return commands


def _create_new(fleet: _Fleet, replicas: int) -> list[Command]:
    deployment, view = fleet.deployment, fleet.view
    revision = next_revision(fleet.old)
    wanted = new_replica_set(
        deployment, revision=revision, replicas=replicas, surge=fleet.bounds.surge
    )
    name = wanted.metadata.name
    failure = view.last_failure
    if failure is not None and isinstance(failure.command, Create):
        taken = view.get(ReplicaSet, ObjectKey(deployment.metadata.namespace, name))
        if failure.error.already_exists and taken is not None and _is_foreign(deployment, taken):
            return _count_collision(fleet)
    create = Create(
        wanted,
        done=_scaled(deployment, name, 0, replicas) if replicas else None,
        failed=Say(
            deployment,
            WARNING,
            "ReplicaSetCreateError",
            f'Failed to create new replica set "{name}": {{error}}',
        ),
    )
    status = counted(deployment, None, fleet.old, view.now)
    if deadline_of(deployment) is not None:
        if failure is not None and isinstance(failure.command, Create):
            message = f'Failed to create new replica set "{name}": {failure.error.message}'
            said = ("False", "ReplicaSetCreateError", message)
            set_condition(status, view.now, "Progressing", *said)
            return [*_write_status(fleet, status), create]
        said = ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        set_condition(status, view.now, "Progressing", *said)
    return [create, *_mark_revision(deployment, revision), *_write_status(fleet, status)]


def _is_foreign(deployment: Deployment, taken: ReplicaSet) -> bool:
    owner = controller_of(taken)
    ours = owner is not None and owner.uid == deployment.metadata.uid
    return not (ours and same_template(taken.spec.template, deployment.spec.template))


def _count_collision(fleet: _Fleet) -> list[Command]:
    status = copy_of(fleet.deployment.status)
    status.collision_count = (status.collision_count or 0) + 1
    return _write_status(fleet, status)


def _keep_revision(fleet: _Fleet) -> list[Command]:
    """The new ReplicaSet bears the highest revision; the Deployment says which one that is."""
    if fleet.new is None:
        return []
    revision = max(next_revision(fleet.old), revision_of(fleet.new))
    current = revised(fleet.deployment, fleet.new, revision)
    commands: list[Command] = []
    if current is not fleet.new:
        commands.append(Update(current))
        fleet.new = current
    return [*commands, *_mark_revision(fleet.deployment, revision)]


def _mark_revision(deployment: Deployment, revision: int) -> list[Command]:
    if deployment.metadata.annotations.get(REVISION) == str(revision):
        return []
    marked = copy_of(deployment)
    marked.metadata.annotations[REVISION] = str(revision)
    return [Update(marked)]


def _resize(fleet: _Fleet, sizes: Sizes) -> list[Command]:
    """Write new sizes, and to the others only that they have seen the Deployment's size."""
    remembered = replica_annotations(fleet.deployment, fleet.bounds.surge)
    commands: list[Command] = []
    for replica_set in fleet.sets:
        before = size_of(replica_set)
        after = sizes.get(replica_set.metadata.name, before)
        current = {key: replica_set.metadata.annotations.get(key) for key in remembered}
        if before == after and (not after or current == remembered):
            continue
        changed = copy_of(replica_set)
        changed.spec.replicas = after
        changed.metadata.annotations.update(remembered)
        said = _scaled(fleet.deployment, replica_set.metadata.name, before, after)
        commands.append(Update(changed, done=said if before != after else None))
    return commands


def _scaled(deployment: Deployment, name: str, before: int, after: int) -> Say:
    way = "up" if after > before else "down"
    message = f"Scaled {way} replica set {name} from {before} to {after}"
    return Say(deployment, NORMAL, "ScalingReplicaSet", message)


def _clean_up(fleet: _Fleet) -> list[Command]:
    """Forget the oldest of the empty ReplicaSets beyond the history limit."""
    limit = fleet.deployment.spec.revision_history_limit
    surplus = len(fleet.old) - (10 if limit is None else limit)
    by_revision = sorted(fleet.old, key=revision_of)
    return [
        Delete(replica_set)
        for replica_set in by_revision[: max(0, surplus)]
        if not size_of(replica_set)
        and not replica_set.status.replicas
        and replica_set.status.observed_generation >= replica_set.metadata.generation
    ]


def _write_status(fleet: _Fleet, status: DeploymentStatus) -> list[Command]:
    if status == fleet.deployment.status:
        return []
    changed = copy_of(fleet.deployment)
    changed.status = status
    return [Update(changed, subresource="status")]


def _of_replica_set(replica_set: ReplicaSet, reader: Reader) -> Iterable[ObjectKey]:
    namespace = replica_set.metadata.namespace
    owner = controller_of(replica_set)
    if owner is not None:
        return (ObjectKey(namespace, owner.name),) if owner.kind == "Deployment" else ()
    return [
        ObjectKey(namespace, deployment.metadata.name)
        for deployment in reader.all(Deployment, namespace)
        if selector_of(deployment.spec.selector).matches(replica_set.metadata.labels)
    ]


def _of_pod(pod: Pod, reader: Reader) -> Iterable[ObjectKey]:
    """Recreate waits for the last old Pod to be gone; nothing else asks for Pods."""
    owner = controller_of(pod)
    if owner is None or owner.kind != "ReplicaSet":
        return ()
    key = ObjectKey(pod.metadata.namespace, owner.name)
    replica_set = reader.get(ReplicaSet, key)
    if replica_set is None:
        return ()
    keys = _of_replica_set(replica_set, reader)
    return [key for key in keys if _recreates(reader.get(Deployment, key))]


def _recreates(deployment: Deployment | None) -> bool:
    return deployment is not None and deployment.spec.strategy.type == "Recreate"


CONTROLLER: Controller[ObjectKey] = Controller(
    name="deployment",
    component="deployment-controller",
    watches=(
        Watch(Deployment, own_key),
        Watch(ReplicaSet, _of_replica_set),
        Watch(Pod, _of_pod, matters=lambda old, new: old.status.phase != new.status.phase),
    ),
    reconcile=reconcile,
    indexes=(PODS_BY_CONTROLLER, REPLICA_SETS_BY_CONTROLLER),
)
