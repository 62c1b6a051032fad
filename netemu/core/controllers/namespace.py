"""Namespace: one that is deleted is emptied first, then let go.

DELETE only sets phase Terminating; this controller deletes what is inside, of
every served kind, read live, and at last gives up the finalizer `kubernetes`
in the spec. Meanwhile the conditions say what it is waiting for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from netemu.core.control.commands import Command, Delete, Requeue, Update
from netemu.core.control.contract import (
    Controller,
    Inventory,
    Query,
    Reader,
    View,
    Watch,
)
from netemu.model.clock import format_time
from netemu.model.core_v1 import Event, Namespace, NamespaceCondition, Pod
from netemu.model.keys import ObjectKey
from netemu.model.kinds import RESOURCES, by_type
from netemu.model.schema import ApiObject, copy_of

FINALIZER = "kubernetes"
_FINALIZER_ESTIMATE_S = 15
# Pods first: what they use should outlive them.
_CONTENT: tuple[type[ApiObject], ...] = (
    Pod,
    *(r.type for r in RESOURCES if r.namespaced and r.type is not Pod),
)


def needs(key: ObjectKey, reader: Reader) -> Sequence[Query]:
    """What is left inside. A cache might not have seen the last object yet."""
    namespace = reader.get(Namespace, key)
    if namespace is None or not _is_ending(namespace):
        return ()
    return [Inventory(kind, key.name) for kind in _CONTENT]


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    namespace = view.get(Namespace, key)
    if namespace is None or not _is_ending(namespace):
        return ()
    content = [obj for kind in _CONTENT for obj in view.inventory(kind, key.name)]
    commands: list[Command] = [Delete(obj) for obj in content if not _is_dying(obj)]
    remaining = [obj for obj in content if _is_dying(obj) or obj.metadata.finalizers]
    status_update = _status(namespace, remaining, view)
    if status_update is not None:
        commands.append(status_update)
    if content:
        return [*commands, Requeue(_estimate_s(remaining))]
    released = copy_of(namespace)
    released.spec.finalizers = [name for name in namespace.spec.finalizers if name != FINALIZER]
    return [*commands, Update(released, subresource="finalize")]


def _is_ending(namespace: Namespace) -> bool:
    return bool(namespace.metadata.deletion_timestamp) and FINALIZER in namespace.spec.finalizers


def _is_dying(obj: ApiObject) -> bool:
    return bool(obj.metadata.deletion_timestamp)


def _estimate_s(remaining: Sequence[ApiObject]) -> float:
    """When to look again even if no deletion is seen."""
    graces = [obj.metadata.deletion_grace_period_seconds or 0 for obj in remaining]
    if any(obj.metadata.finalizers for obj in remaining):
        graces.append(_FINALIZER_ESTIMATE_S)
    return max(graces, default=0) / 2 + 1


def _status(namespace: Namespace, remaining: Sequence[ApiObject], view: View) -> Update | None:
    conditions = [
        _condition(namespace, view, type, status, reason, message)
        for type, status, reason, message in _said(remaining, view)
    ]
    if conditions == namespace.status.conditions and namespace.status.phase == "Terminating":
        return None
    changed = copy_of(namespace)
    changed.status.conditions = conditions
    changed.status.phase = "Terminating"
    return Update(changed, subresource="status")


def _condition(
    namespace: Namespace, view: View, type: str, status: str, reason: str, message: str
) -> NamespaceCondition:
    before = next((c for c in namespace.status.conditions if c.type == type), None)
    since = before.last_transition_time if before and before.status == status else None
    return NamespaceCondition(
        type=type,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=since or format_time(view.now),
    )


def _said(remaining: Sequence[ApiObject], view: View) -> list[tuple[str, str, str, str]]:
    discovered = "All resources successfully discovered"
    parsed = "All legacy kube types successfully parsed"
    said = [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", discovered),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions", parsed),
        _content_failure(view),
    ]
    removed = "All content successfully removed"
    free = "All content-preserving finalizers finished"
    counts = Counter(by_type(type(obj)).qualified for obj in remaining)
    finalizers = Counter(name for obj in remaining for name in obj.metadata.finalizers)
    listed = ", ".join(
        f"{name}{'' if '.' in name else '.'} has {count} resource instances"
        for name, count in sorted(counts.items())
    )
    held = ", ".join(
        f"{name} in {count} resource instances" for name, count in sorted(finalizers.items())
    )
    remain = ("True", "SomeResourcesRemain", f"Some resources are remaining: {listed}")
    hold = (
        "True",
        "SomeFinalizersRemain",
        f"Some content in the namespace has finalizers remaining: {held}",
    )
    content = remain if counts else ("False", "ContentRemoved", removed)
    finalizing = hold if finalizers else ("False", "ContentHasNoFinalizers", free)
    return [
        *said,
        ("NamespaceContentRemaining", *content),
        ("NamespaceFinalizersRemaining", *finalizing),
    ]


def _content_failure(view: View) -> tuple[str, str, str, str]:
    name = "NamespaceDeletionContentFailure"
    failure = view.last_failure
    if failure is not None and isinstance(failure.command, Delete):
        message = f"Failed to delete all resource types, 1 remaining: {failure.error.message}"
        return name, "True", "ContentDeletionFailed", message
    fine = "All content successfully deleted, may be waiting on finalization"
    return name, "False", "ContentDeleted", fine


def _of_content(obj: ApiObject, reader: Reader) -> Iterable[ObjectKey]:
    """Anything that changes inside a namespace that ends."""
    key = ObjectKey("", obj.metadata.namespace)
    namespace = reader.get(Namespace, key)
    return (key,) if namespace is not None and _is_ending(namespace) else ()


CONTROLLER: Controller[ObjectKey] = Controller(
    name="namespace",
    component="namespace-controller",
    watches=(
        Watch(Namespace, lambda obj, _reader: (ObjectKey("", obj.metadata.name),)),
        *(
            Watch(kind, _of_content, matters=lambda _old, _new: False, settle=True)
            for kind in _CONTENT
            if kind is not Event
        ),
    ),
    reconcile=reconcile,
    needs=needs,
)
