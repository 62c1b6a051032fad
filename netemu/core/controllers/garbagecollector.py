"""Garbage collector: what has lost all its owners goes with them.

Ownership is by uid. An owner that the cache lacks is looked up live before
anyone is deleted for it. Three ways to delete an owner (control-plane-and-
node.md, 2.11): background, it goes first; foreground, it waits under the
finalizer `foregroundDeletion` for dependents that block it; orphan, its
dependents are set free first, under the finalizer `orphan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from netemu.core.control.commands import WARNING, Command, Delete, Emit, Say, Update
from netemu.core.control.contract import (
    Controller,
    Index,
    Lookup,
    Query,
    Reader,
    View,
    Watch,
)
from netemu.core.control.ownership import without_owner
from netemu.model.core_v1 import Event
from netemu.model.keys import ObjectKey, key_of
from netemu.model.kinds import RESOURCES, Resource, by_kind, by_type
from netemu.model.meta_v1 import OwnerReference
from netemu.model.schema import ApiObject, copy_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Ref(NamedTuple):
    """An object of any kind."""

    kind: type[ApiObject]
    key: ObjectKey


class Owner(Enum):
    SOLID = "there, and keeps its dependents"
    WAITING = "deleted in the foreground: waits until its dependents are gone"
    ABSENT = "gone"


# Nobody owns Events, and there are many of them.
_KINDS: tuple[type[ApiObject], ...] = tuple(r.type for r in RESOURCES if r.type is not Event)
_BY_OWNER: dict[type[ApiObject], Index[ApiObject]] = {
    kind: Index("owner", kind, lambda obj: [ref.uid for ref in obj.metadata.owner_references])
    for kind in _KINDS
}


def _ref(obj: ApiObject) -> Ref:
    return Ref(type(obj), key_of(obj))


def _dependents(owner: ApiObject, reader: Reader) -> list[ApiObject]:
    uid = owner.metadata.uid
    return [obj for index in _BY_OWNER.values() for obj in reader.by(index, uid)]


def _owner_ref(dependent: ApiObject, reference: OwnerReference) -> Ref | None:
    """Where the owner should be; None when nobody can say."""
    resource = by_kind(reference.api_version, reference.kind)
    if resource is None or resource.type not in _BY_OWNER:
        return None
    if resource.namespaced and not by_type(type(dependent)).namespaced:
        return None
    return Ref(resource.type, ObjectKey(_place(resource, dependent), reference.name))


def _place(resource: Resource, dependent: ApiObject) -> str:
    return dependent.metadata.namespace if resource.namespaced else ""


def _is(owner: ApiObject | None, reference: OwnerReference) -> bool:
    return owner is not None and owner.metadata.uid == reference.uid


def needs(ref: Ref, reader: Reader) -> Sequence[Query]:
    obj = reader.get(*ref)
    if obj is None or obj.metadata.deletion_timestamp:
        return ()
    queries = []
    for reference in obj.metadata.owner_references:
        owner = _owner_ref(obj, reference)
        if owner is not None and not _is(reader.get(*owner), reference):
            queries.append(Lookup(*owner))
    return queries


def reconcile(ref: Ref, view: View) -> Sequence[Command]:
    obj = view.get(*ref)
    if obj is None:
        return ()
    if obj.metadata.deletion_timestamp:
        return _release(obj, view)
    return _judge(obj, view)


def _release(obj: ApiObject, view: View) -> list[Command]:
    """An object that is being deleted and waits for its dependents."""
    finalizers = obj.metadata.finalizers
    if ORPHAN in finalizers:
        free: list[Command] = [
            Update(without_owner(dependent, [obj.metadata.uid]))
            for dependent in _dependents(obj, view)
        ]
        return [*free, _without_finalizer(obj, ORPHAN)]
    if FOREGROUND in finalizers:
        blocking = any(_blocks(dependent, obj) for dependent in _dependents(obj, view))
        return [] if blocking else [_without_finalizer(obj, FOREGROUND)]
    return []


def _blocks(dependent: ApiObject, owner: ApiObject) -> bool:
    return any(
        reference.uid == owner.metadata.uid and reference.block_owner_deletion
        for reference in dependent.metadata.owner_references
    )


def _without_finalizer(obj: ApiObject, finalizer: str) -> Update:
    changed = copy_of(obj)
    changed.metadata.finalizers = [name for name in obj.metadata.finalizers if name != finalizer]
    return Update(changed)


def _judge(obj: ApiObject, view: View) -> list[Command]:
    owners = [
        (reference, _state(obj, reference, view)) for reference in obj.metadata.owner_references
    ]
    states = {state for _, state in owners}
    if not states:
        return []
    if Owner.SOLID in states:
        gone = [reference.uid for reference, state in owners if state is not Owner.SOLID]
        return [Update(without_owner(obj, gone))] if gone else []
    said = [
        Emit(_foreign_owner(obj, reference))
        for reference, state in owners
        if state is Owner.ABSENT and _lives_elsewhere(reference, view)
    ]
    if Owner.WAITING in states and _dependents(obj, view):
        return [*said, Delete(obj, propagation="Foreground")]
    return [*said, Delete(obj, propagation=_propagation(obj))]


def _state(obj: ApiObject, reference: OwnerReference, view: View) -> Owner:
    ref = _owner_ref(obj, reference)
    if ref is None:
        return Owner.SOLID  # Nobody can say that it is gone.
    owner = view.get(*ref)
    if not _is(owner, reference):
        owner = view.looked_up(*ref)
    if owner is None or not _is(owner, reference):
        return Owner.ABSENT
    meta = owner.metadata
    if meta.deletion_timestamp and FOREGROUND in meta.finalizers:
        return Owner.WAITING
    return Owner.SOLID


def _propagation(obj: ApiObject) -> str:
    if ORPHAN in obj.metadata.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in obj.metadata.finalizers else "Background"


def _lives_elsewhere(reference: OwnerReference, view: View) -> bool:
    resource = by_kind(reference.api_version, reference.kind)
    if resource is None or not resource.namespaced:
        return False
    return any(owner.metadata.uid == reference.uid for owner in view.all(resource.type))


def _foreign_owner(obj: ApiObject, reference: OwnerReference) -> Say:
    namespace = obj.metadata.namespace
    return Say(
        obj,
        WARNING,
        "OwnerRefInvalidNamespace",
        f"ownerRef [{reference.api_version}/{reference.kind}, namespace: {namespace}, "
        f"name: {reference.name}, uid: {reference.uid}] does not exist in namespace "
        f'"{namespace}"',
    )


def _keys(obj: ApiObject, reader: Reader) -> Iterable[Ref]:
    meta = obj.metadata
    current = reader.get(type(obj), key_of(obj))
    gone = current is None or current.metadata.uid != meta.uid
    if not gone and (meta.owner_references or meta.deletion_timestamp):
        yield _ref(obj)
    if gone or meta.deletion_timestamp:
        yield from (_ref(dependent) for dependent in _dependents(obj, reader))
        # An owner deleted in the foreground may have waited for this one.
        for reference in meta.owner_references:
            owner = _owner_ref(obj, reference)
            waiting = reader.get(*owner) if owner else None
            if owner and waiting is not None and waiting.metadata.deletion_timestamp:
                yield owner


def _matters(old: ApiObject, new: ApiObject) -> bool:
    return (
        old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.metadata.owner_references != new.metadata.owner_references
        or old.metadata.finalizers != new.metadata.finalizers
    )


CONTROLLER: Controller[Ref] = Controller(
    name="garbagecollector",
    component="garbage-collector-controller",
    watches=tuple(Watch(kind, _keys, matters=_matters) for kind in _KINDS),
    reconcile=reconcile,
    indexes=tuple(_BY_OWNER.values()),
    needs=needs,
)
